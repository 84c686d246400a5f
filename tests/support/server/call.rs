//! One request as a handler sees it, and the answer it gives.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

/// A request whose body has been read, as far as it came.
pub struct Call {
    pub method: String,
    pub path: String,
    pub query: String,
    /// In order of arrival, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// False where the connection broke before the body was complete.
    pub complete: bool,
    /// Whether it came over HTTP/1.1, where a body without a length is an error of the client.
    pub http1: bool,
}

impl Call {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The decoded value of a query parameter.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters(name).into_iter().next()
    }

    /// The decoded values of a query parameter that may repeat.
    pub fn parameters(&self, name: &str) -> Vec<String> {
        decode_pairs(&self.query).into_iter().filter(|(key, _)| key == name).map(|(_, value)| value).collect()
    }

    /// The method reads.
    pub fn reads(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD")
    }
}

/// An answer. `Content-Length` is added when it is sent, unless set here.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    headers: BTreeMap<String, Vec<String>>,
    pub body: Bytes,
}

impl Answer {
    /// An empty answer.
    pub fn status(status: u16) -> Self {
        Self { status, headers: BTreeMap::new(), body: Bytes::new() }
    }

    /// The OCI error body with one error.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::error_about(status, code, message, &Value::Null)
    }

    /// The OCI error body with one error and its detail.
    pub fn error_about(status: u16, code: &str, message: &str, detail: &Value) -> Self {
        Self::status(status).json(&json!({"errors": [{"code": code, "message": message, "detail": detail}]}))
    }

    /// With another status.
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// With this JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json; charset=utf-8").body(body.to_string())
    }

    /// With this body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a header, replacing former values.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.insert(name.to_ascii_lowercase(), vec![value.into()]);
        self
    }

    /// Adds one more value of a header.
    pub fn also_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.entry(name.to_ascii_lowercase()).or_default().push(value.into());
        self
    }

    /// Removes a header.
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers.remove(&name.to_ascii_lowercase());
        self
    }

    /// All headers, names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().flat_map(|(name, values)| values.iter().map(move |value| (name.as_str(), value.as_str())))
    }
}

/// The first value of a header among pairs whose names are in lower case.
pub fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
}

/// The pairs of a query or of a form, percent-decoded.
pub fn decode_pairs(text: &str) -> Vec<(String, String)> {
    let decode_pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (percent_decode(key), percent_decode(value))
    };
    text.split('&').filter(|pair| !pair.is_empty()).map(decode_pair).collect()
}

fn percent_decode(text: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = (byte == b'%').then(|| after.get(..2)).flatten();
        let escaped = escaped.and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        decoded.push(escaped.unwrap_or(if byte == b'+' { b' ' } else { byte }));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
