//! One request for a token. All of its values may be secrets, and are treated as such.

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Client, Method, RequestBuilder};
use serde::Serialize;

use super::{Answer, BODY_BYTES, Endpoint};
use crate::auth::{Redactor, Secret, Wiped, basic_pair};

/// A request for a token.
pub(in crate::auth) struct Ask {
    /// What is asked for, in words: "the ID token".
    pub(super) what: &'static str,
    pub(super) endpoint: Endpoint,
    method: Method,
    headers: Vec<(HeaderName, Secret)>,
    body: Option<(&'static str, Secret)>,
    secrets: Vec<Secret>,
    again: fn(&Answer) -> bool,
    /// How many bytes of the answer are read.
    pub(super) limit: usize,
}

impl Ask {
    /// A request without a body.
    pub(in crate::auth) fn get(what: &'static str, endpoint: Endpoint) -> Self {
        Self::new(what, endpoint, Method::GET)
    }

    /// A request that is to have a body.
    pub(in crate::auth) fn post(what: &'static str, endpoint: Endpoint) -> Self {
        Self::new(what, endpoint, Method::POST)
    }

    /// A request of another method.
    pub(in crate::auth) fn new(what: &'static str, endpoint: Endpoint, method: Method) -> Self {
        let (headers, secrets) = (Vec::new(), Vec::new());
        Self { what, endpoint, method, headers, body: None, secrets, again: |_| false, limit: BODY_BYTES }
            .header(ACCEPT, "application/json")
    }

    /// With this header, in place of one of the same name.
    pub(in crate::auth) fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, Secret::new(value)));
        self
    }

    /// Shows a token.
    pub(in crate::auth) fn bearer(self, token: &Secret) -> Self {
        let value = Secret::new(["Bearer ", token.expose()].concat());
        self.secret(token).header(AUTHORIZATION, value.expose())
    }

    /// Shows a user name and password.
    pub(in crate::auth) fn basic(self, username: &str, password: &Secret) -> Self {
        let pair = basic_pair(username, password);
        let value = Secret::new(["Basic ", pair.expose()].concat());
        self.secret(password).secret(&pair).header(AUTHORIZATION, value.expose())
    }

    /// With these pairs as a form.
    pub(in crate::auth) fn form(self, pairs: &[(&str, &str)]) -> Self {
        self.body("application/x-www-form-urlencoded", form(pairs).expose())
    }

    /// With this document, which has texts as keys.
    pub(in crate::auth) fn json(self, document: &impl Serialize) -> Self {
        let mut text = Wiped::default();
        // What has texts as keys can be written, and memory takes it.
        let _ = serde_json::to_writer(&mut text, document);
        self.body("application/json", str::from_utf8(&text).unwrap_or_default())
    }

    /// With this body.
    pub(in crate::auth) fn body(mut self, kind: &'static str, text: &str) -> Self {
        self.body = Some((kind, Secret::new(text)));
        self
    }

    /// Notes a secret that the request holds: no message will repeat it, nor a log of the CI system.
    pub(in crate::auth) fn secret(mut self, secret: &Secret) -> Self {
        self.secrets.push(secret.clone());
        self
    }

    /// Says which answers, besides the usual ones, are accidents that a further attempt may mend.
    pub(in crate::auth) fn again(mut self, accident: fn(&Answer) -> bool) -> Self {
        self.again = accident;
        self
    }

    /// Reads so many bytes of the answer, for more than a token.
    pub(in crate::auth) fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    pub(super) fn is_accident(&self, answer: &Answer) -> bool {
        matches!(answer.status, 429 | 500 | 502 | 503 | 504) || (self.again)(answer)
    }

    /// The secrets of this request.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.secrets.iter()
    }

    /// What takes them out of texts.
    pub(super) fn redactor(&self) -> Redactor {
        let redactor = Redactor::default();
        self.secrets.iter().for_each(|secret| redactor.secret(secret));
        redactor
    }

    /// All that is sent beside the URL, with what is in `Authorization: Basic` spelt out.
    #[cfg(any(test, fuzzing))]
    pub(super) fn spoken(&self) -> String {
        use base64::Engine as _;
        let plain = |value: &str| {
            let pair = base64::prelude::BASE64_STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
            String::from_utf8(pair).ok()
        };
        let headers = self.headers.iter().map(|(_, value)| plain(value.expose()).unwrap_or(value.expose().to_owned()));
        let body = self.body.iter().map(|(_, text)| text.expose().to_owned());
        headers.chain(body).collect::<Vec<_>>().join("\n")
    }

    pub(super) fn request(&self, client: &Client) -> RequestBuilder {
        let mut request = client.request(self.method.clone(), self.endpoint.url.clone());
        for (name, value) in &self.headers {
            if let Ok(mut value) = HeaderValue::from_maybe_shared(value.clone().into_bytes()) {
                value.set_sensitive(true);
                request = request.header(name, value);
            }
        }
        match &self.body {
            Some((kind, text)) => request.header(CONTENT_TYPE, *kind).body(text.clone().into_bytes()),
            None => request,
        }
    }
}

/// Pairs as the text of a form (WHATWG URL, "application/x-www-form-urlencoded serializing"). Any of them may be a secret.
pub fn form(pairs: &[(&str, &str)]) -> Secret {
    // Three signs for each byte at most, and the two between: it never grows.
    let room = pairs.iter().map(|(name, value)| 3 * (name.len() + value.len()) + 2).sum();
    let mut text = String::with_capacity(room);
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        encode(name, &mut text);
        text.push('=');
        encode(value, &mut text);
    }
    Secret::new(text)
}

fn encode(plain: &str, out: &mut String) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in plain.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => out.extend(['%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_form_is_as_urls_write_it(pairs in prop::collection::vec(("\\PC{0,5}", "(\\PC|[ *+&=%~\n]){0,9}"), 0..4)) {
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let mut url = reqwest::Url::parse("x:").expect("a URL");
            url.query_pairs_mut().extend_pairs(&pairs);
            let written = form(&pairs);
            prop_assert_eq!(written.expose(), url.query().unwrap_or_default());
        }
    }

    #[test]
    fn a_document_is_written_as_it_is() {
        let ask = Ask::post("x", Endpoint::fixed("https://a.example/")).json(&[("b", "\"c"), ("a", "d")]);
        assert_eq!(ask.body.map(|(_, text)| text), Some(Secret::new(r#"[["b","\"c"],["a","d"]]"#)));
    }
}
