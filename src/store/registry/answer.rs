//! An answer of a registry: its headers, and its body within limits.
//!
//! Owns the reading of bodies: bounded, never waiting for ever, the permit of the request kept until the end.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{AsHeaderName, HeaderMap};
use reqwest::{Response, Url};
use tokio::time::Instant;

use super::error::{Said, crawled, disconnected, refused, timed_out};
use super::flow::Flow;
use super::permits::Permit;
use super::retry::Fault;
use super::scope::Access;
use super::settings::Limits;
use crate::auth::Redactor;
use crate::image::{Code, Repository};
use crate::store::Error;
use crate::store::limits::REFUSAL_BYTES;

/// The headers of an answer, its body still to be read.
pub(super) struct Answer {
    pub(super) response: Response,
    /// Where it came from, after all redirects.
    pub(super) url: Url,
    /// What was asked, in words.
    pub(super) request: String,
    /// Who answered, in words.
    pub(super) who: String,
    /// How long to wait for what of the body.
    pub(super) limits: Limits,
    /// For what it says.
    pub(super) redactor: Arc<Redactor>,
    pub(super) advice: Advice,
    #[expect(dead_code, reason = "held, not read: a request counts until its body is done")]
    pub(super) permit: Option<Permit>,
}

/// What is worth saying when the answer is a refusal.
#[derive(Clone, Debug)]
pub(super) struct Advice {
    pub(super) repository: Repository,
    pub(super) access: Access,
    /// Where the credential shown comes from; `None` for requests as anybody.
    pub(super) source: Option<String>,
}

impl Advice {
    /// A registry that does not say whether something is missing or forbidden is not guessed at: both are named.
    pub(super) fn for_status(&self, status: u16) -> Option<String> {
        let verb = match self.access {
            Access::Entry | Access::Catalog => return None,
            Access::Pull => "read",
            Access::Push => "write to",
        };
        let repository = &self.repository;
        let check = format!("`regsync auth check {}` shows which credential is used", repository.registry());
        if let (401, Some(source)) = (status, &self.source) {
            let registry = repository.registry();
            return Some(format!(
                "the credential from {source} was refused: expired or mistyped; `regsync auth check {registry}`"
            ));
        }
        let may_not = match &self.source {
            Some(source) => format!("the credential from {source} may not {verb} it"),
            None => format!("it is not for everybody to {verb}, and no credential was sent"),
        };
        matches!(status, 401 | 403 | 404).then(|| format!("either {repository} does not exist, or {may_not}; {check}"))
    }
}

impl Answer {
    /// The status.
    pub(super) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// All headers.
    pub(super) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// A header as text; bytes that are none are replaced.
    pub(super) fn text(&self, name: impl AsHeaderName) -> Option<String> {
        self.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
    }

    /// `Content-Length` as it was sent; at a HEAD it speaks of the body that a GET would have.
    pub(super) fn content_length(&self) -> Option<u64> {
        self.text(reqwest::header::CONTENT_LENGTH)?.parse().ok()
    }

    /// The whole body, at most `limit` bytes, and in the time that a document may take.
    pub(super) async fn read(mut self, limit: usize) -> Result<Bytes, Fault> {
        let allowed = self.limits.document;
        match tokio::time::timeout(allowed, self.gather(limit)).await {
            Ok(Ok(Some(body))) => Ok(body),
            Ok(Ok(None)) => {
                let message = format!("{} sent more than {limit} bytes", self.who);
                Err(Error::new(Code::Limit, self.request, message).into())
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_) => {
                let message = format!("{} did not send its answer within {} s", self.who, allowed.as_secs());
                Err(Error::new(Code::Timeout, self.request, message).into())
            }
        }
    }

    /// `None` where there is more than `limit` bytes.
    async fn gather(&mut self, limit: usize) -> Result<Option<Bytes>, Error> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk(self.limits.idle).await? {
            if body.len() + chunk.len() > limit {
                return Ok(None);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Some(body.freeze()))
    }

    /// The next bytes of a transfer; fails where they come too slowly ever to end.
    pub(super) async fn flowing(&mut self, flow: &mut Flow) -> Result<Option<Bytes>, Error> {
        let (asked, idle) = (Instant::now(), self.limits.idle);
        let chunk = self.chunk(idle).await?;
        match chunk {
            Some(chunk) if flow.stalls(asked.elapsed(), chunk.len(), idle) => {
                Err(crawled(&self.request, &self.who, idle))
            }
            chunk => Ok(chunk),
        }
    }

    /// The refusal that this answer is, in the registry's own words.
    pub(super) async fn refusal(self) -> Fault {
        self.refusal_with_words().await.0
    }

    /// The refusal, and what the registry said.
    pub(super) async fn refusal_with_words(mut self) -> (Fault, Said) {
        let mut body = Vec::new();
        // The words are a courtesy: if they do not come, or not soon, what has come speaks with the status.
        let reading = async {
            while let Ok(Some(chunk)) = self.response.chunk().await {
                body.extend_from_slice(&chunk);
                if body.len() > REFUSAL_BYTES {
                    body.truncate(REFUSAL_BYTES);
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(self.limits.refusal, reading).await;
        let said = Said::read(&body, &self.redactor);
        let mut error = refused(&self.request, &self.who, self.status(), &said);
        error.hint = error.hint.or_else(|| self.advice.for_status(self.status()));
        (Fault::answered(error, self.headers(), &said), said)
    }

    /// An answer that the specification does not allow.
    pub(super) fn nonsense(&self, message: &str) -> Error {
        Error::new(Code::Protocol, &self.request, format!("{} {message}", self.who))
    }

    async fn chunk(&mut self, idle: Duration) -> Result<Option<Bytes>, Error> {
        match tokio::time::timeout(idle, self.response.chunk()).await {
            Ok(outcome) => outcome.map_err(|error| disconnected(&self.request, &self.who, error)),
            Err(_) => Err(timed_out(&self.request, &self.who, idle)),
        }
    }
}
