//! The answer of a token service: a secret as a whole until it has been read.
//!
//! Owns what may be said of a refusal: the service's words, without anything that was sent, on one line and short.

use std::time::Duration;

use super::Ask;
use crate::auth::{ProviderError, Redactor, Wiped};
use reqwest::RequestBuilder;
use reqwest::header::{AsHeaderName, HeaderMap, RETRY_AFTER};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Words of a service, in characters.
const WORDS: usize = 300;

/// An answer with whatever status.
pub(in crate::auth) struct Answer {
    /// The HTTP status.
    pub(in crate::auth) status: u16,
    who: String,
    what: &'static str,
    headers: HeaderMap,
    body: Wiped,
    /// Whether there was more than is read.
    cut: bool,
    redactor: Redactor,
}

/// Sends a request, and reads its answer as far as `ask` says.
pub(super) async fn receive(request: RequestBuilder, ask: &Ask) -> reqwest::Result<Answer> {
    let mut response = request.send().await.map_err(reqwest::Error::without_url)?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let (mut body, mut cut) = (Wiped::default(), false);
    while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        cut = body.len() + chunk.len() > ask.limit;
        if cut {
            break;
        }
        body.append(&chunk);
    }
    let who = ask.endpoint.who();
    Ok(Answer { status, who, what: ask.what, headers, body, cut, redactor: ask.redactor() })
}

impl Answer {
    /// A success that nobody sent.
    #[cfg(any(test, fuzzing))]
    pub(super) fn made_up(ask: &Ask, body: &str) -> Self {
        let mut wiped = Wiped::default();
        wiped.append(body.as_bytes());
        let (who, headers) = (ask.endpoint.who(), HeaderMap::new());
        Self { status: 200, who, what: ask.what, headers, body: wiped, cut: false, redactor: ask.redactor() }
    }

    /// Whether the service did what was asked.
    pub(in crate::auth) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header as text.
    pub(in crate::auth) fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text; empty where it is none.
    pub(in crate::auth) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap_or_default()
    }

    /// The body as JSON, of an answer that is a success; a refusal otherwise.
    pub(in crate::auth) fn json<T: DeserializeOwned>(&self) -> Result<T, ProviderError> {
        if !self.is_success() {
            return Err(self.refused());
        }
        if self.cut {
            return Err(self.nonsense("sent more than is read"));
        }
        serde_json::from_slice(&self.body).map_err(|_| self.nonsense("sent something else than the JSON expected"))
    }

    /// The refusal that this answer is, in the service's own words.
    pub(in crate::auth) fn refused(&self) -> ProviderError {
        ProviderError::Refused {
            who: self.who.clone(),
            what: self.what,
            status: self.status,
            words: self.words(),
            claims: None,
            hint: matches!(self.status, 300..=399).then(|| "no redirect is followed with a credential".to_owned()),
        }
    }

    /// The same, where only the provider knows what is words in it.
    pub(in crate::auth) fn refused_saying(&self, words: &str) -> ProviderError {
        match self.refused() {
            ProviderError::Refused { who, what, status, claims, hint, .. } => {
                ProviderError::Refused { who, what, status, words: self.one_line(words), claims, hint }
            }
            other => other,
        }
    }

    /// An answer that makes no sense; `problem` continues "was asked for …, and".
    pub(in crate::auth) fn nonsense(&self, problem: &'static str) -> ProviderError {
        ProviderError::Nonsense { who: self.who.clone(), what: self.what, problem }
    }

    /// What the service says, without what it was sent.
    pub(in crate::auth) fn words(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let said = serde_json::from_str::<Value>(&text).ok().map(|value| spoken(&value));
        // A page for browsers says nothing.
        let said = said.unwrap_or_else(|| if text.trim_start().starts_with('<') { String::new() } else { text.into() });
        self.one_line(&said)
    }

    fn one_line(&self, words: &str) -> String {
        let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
        self.redactor.clean(&line).chars().take(WORDS).collect()
    }

    /// How long the service asks to wait, where it says so in seconds.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.header(RETRY_AFTER)?.trim().parse().ok().map(Duration::from_secs)
    }
}

/// The fields in which services say what is wrong: those of OAuth, of the clouds, and the usual ones.
fn spoken(value: &Value) -> String {
    const FIELDS: [&str; 9] =
        ["error", "code", "__type", "status", "error_description", "message", "Message", "detail", "error_message"];
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => items.iter().take(3).map(spoken).collect::<Vec<_>>().join("; "),
        Value::Object(fields) => {
            let below = fields.get("errors").map(spoken);
            let own = FIELDS.iter().filter_map(|name| fields.get(*name)).map(spoken).filter(|text| !text.is_empty());
            own.chain(below).collect::<Vec<_>>().join(": ")
        }
        _ => String::new(),
    }
}
