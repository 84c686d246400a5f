//! One request to the service, and its answer as far as it is of use.
//!
//! Owns what holds for each of them: a limit of time and of bytes, and that no message repeats the token.

use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap, LINK, RETRY_AFTER};
use reqwest::{Client, Method, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Access, Error};
use crate::auth::{Redactor, Secret, Way};

/// For one request and its whole answer.
const LIMIT: Duration = Duration::from_secs(10);
/// A page of a hundred comments, each as long as can be.
const BODY_BYTES: usize = 32 << 20;
/// Words of a service, in characters.
const WORDS: usize = 300;

/// Who asks.
pub(super) struct Caller {
    client: Client,
    token: Secret,
    redactor: Redactor,
}

/// A request.
pub(super) struct Ask<'a> {
    /// What is asked for, in words.
    pub(super) what: &'static str,
    pub(super) method: Method,
    pub(super) url: &'a Url,
    pub(super) body: Option<Value>,
}

impl<'a> Ask<'a> {
    pub(super) fn get(what: &'static str, url: &'a Url) -> Self {
        Self { what, method: Method::GET, url, body: None }
    }

    fn who(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

impl Caller {
    pub(super) fn new(way: Way, access: &Access) -> Result<Self, Error> {
        let client = (access.connect)(way).map_err(Error::Setting)?;
        let redactor = Redactor::default();
        redactor.secret(&access.token);
        Ok(Self { client, token: access.token.clone(), redactor })
    }

    /// Asks once: the answer as JSON, and its `Link`.
    pub(super) async fn ask<T: DeserializeOwned>(&self, ask: Ask<'_>) -> Result<(T, String), Error> {
        let (who, what) = (ask.who(), ask.what);
        let unreachable =
            |problem: String| Error::Unreachable { who: who.clone(), what, problem: self.redactor.sweep(&problem) };
        let answer = match tokio::time::timeout(LIMIT, self.exchange(&ask)).await {
            Ok(answer) => answer.map_err(|error| unreachable(in_words(&error)))?,
            Err(_) => return Err(unreachable(format!("no answer within {} s", LIMIT.as_secs()))),
        };
        tracing::debug!(at = who, what, status = answer.status, "comment");
        if !(200..300).contains(&answer.status) {
            let (status, words) = (answer.status, self.words(&answer.body));
            let (is_limited, wait) = answer.limit();
            return Err(Error::Refused { who, what, status, words, is_limited, wait });
        }
        let nonsense = |problem| Error::Nonsense { who, what, problem };
        if answer.is_cut {
            return Err(nonsense("sent more than is read"));
        }
        let text = |name| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let value = serde_json::from_slice(&answer.body).map_err(|_| nonsense("sent something else than was expected"));
        Ok((value?, text(LINK)))
    }

    async fn exchange(&self, ask: &Ask<'_>) -> reqwest::Result<Answer> {
        // Both services take a token in this form, GitLab its personal, project and group tokens too.
        let request = self.client.request(ask.method.clone(), ask.url.clone()).bearer_auth(self.token.expose());
        let request = request.header(ACCEPT, "application/json");
        let request = match &ask.body {
            Some(body) => request.header("Content-Type", "application/json").body(body.to_string()),
            None => request,
        };
        let mut response = request.send().await.map_err(reqwest::Error::without_url)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let (mut body, mut is_cut) = (Vec::new(), false);
        while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
            is_cut = body.len() + chunk.len() > BODY_BYTES;
            if is_cut {
                break;
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body, is_cut })
    }

    /// What a refusal says. A page for browsers says nothing.
    fn words(&self, body: &[u8]) -> String {
        let Ok(value) = serde_json::from_slice::<Value>(body) else { return String::new() };
        let said = ["message", "error", "error_description"].iter().filter_map(|name| value[name].as_str());
        let line = said.collect::<Vec<_>>().join(": ");
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        self.redactor.clean(&line).chars().take(WORDS).collect()
    }
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    /// Whether there was more than is read.
    is_cut: bool,
}

impl Answer {
    /// Whether the service wants fewer requests, and how long it asks to wait. GitHub says so with 403 as well, and only
    /// its headers tell that from a token that may not.
    /// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>
    fn limit(&self) -> (bool, Option<Duration>) {
        let text = |name: &str| self.headers.get(name)?.to_str().ok().map(str::trim);
        let wait = text(RETRY_AFTER.as_str()).and_then(|wait| wait.parse().ok()).map(Duration::from_secs);
        let is_used_up = text("x-ratelimit-remaining") == Some("0");
        match self.status {
            // The budget of an hour: no wait that is worth it, unless one is asked for.
            403 | 429 if is_used_up => (true, wait.or(Some(Duration::MAX))),
            403 => (wait.is_some(), wait),
            status => (status == 429, wait),
        }
    }
}

/// What went wrong underneath: the outer messages only say that something did, and where.
fn in_words(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if error.is_timeout() { "no connection in time".to_owned() } else { innermost.to_string() }
}
