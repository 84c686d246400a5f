//! A request as the transport takes it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, Url};
use tokio::time::Instant;

use super::authorization::Tally;
use super::scope::Scope;

/// One request to a registry.
pub(super) struct Call<'a> {
    /// What is asked, in words; without secrets.
    pub(super) request: &'a str,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) scope: Scope,
    pub(super) headers: HeaderMap,
    pub(super) body: Payload,
    pub(super) patience: Patience,
    /// Whether the caller holds a permit already: a part of an upload.
    pub(super) holds_permit: bool,
    /// The size of the blob that is asked for, in bytes; 0 for all else.
    pub(super) blob_size: u64,
    /// Whether a manifest is asked for, or whether there is one.
    pub(super) for_manifest: bool,
    /// Until when what it relies on holds: it is not sent later, however long its turn, its token or a pause took.
    pub(super) holds_until: Option<Instant>,
    /// What has been done about refusals so far.
    pub(super) tally: Tally,
}

impl<'a> Call<'a> {
    /// A request without a body.
    pub(super) fn new(request: &'a str, method: Method, url: Url, scope: Scope) -> Self {
        let (headers, body) = (HeaderMap::new(), Payload::Nothing);
        Self {
            request,
            method,
            url,
            scope,
            headers,
            body,
            patience: Patience::Usual,
            holds_permit: false,
            blob_size: 0,
            for_manifest: false,
            holds_until: None,
            tally: Tally::default(),
        }
    }

    /// The same with a header.
    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Whether it counts against a quota of pulls: the GET of a manifest.
    pub(super) fn is_pull(&self) -> bool {
        self.for_manifest && self.method == Method::GET
    }

    /// Whether it asks the registry to change something.
    pub(super) fn writes(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD)
    }

    /// Whether what it relies on is too old by now.
    pub(super) fn is_too_late(&self) -> bool {
        self.holds_until.is_some_and(|until| Instant::now() > until)
    }
}

/// How long to wait for the headers of the answer, from when the request is sent: its turn and its token come before.
pub(super) enum Patience {
    /// As long as usual.
    Usual,
    /// So long.
    For(Duration),
    /// Until this resolves, to the wait that was too long: where a body is sent first. Spent with the body.
    Until(Mutex<BoxFuture<'static, Duration>>),
}

impl Patience {
    /// Resolves when the wait is too long, to its length; `usual` where nothing else is said.
    pub(super) async fn end(&mut self, usual: Duration) -> Duration {
        let limit = match self {
            Self::Until(watched) => return watched.get_mut().unwrap_or_else(PoisonError::into_inner).await,
            Self::For(limit) => *limit,
            Self::Usual => usual,
        };
        tokio::time::sleep(limit).await;
        limit
    }
}

/// The body of a request.
pub(super) enum Payload {
    /// None.
    Nothing,
    /// In memory: can be sent again.
    Bytes(Bytes),
    /// A stream, until it has been sent.
    Stream(Option<Body>),
}

impl Payload {
    /// The body for one sending.
    pub(super) fn take(&mut self) -> Option<Body> {
        match self {
            Self::Nothing => None,
            Self::Bytes(bytes) => Some(bytes.clone().into()),
            Self::Stream(stream) => stream.take(),
        }
    }

    /// Whether there was a body that cannot be sent again.
    pub(super) fn is_spent(&self) -> bool {
        matches!(self, Self::Stream(None))
    }
}
