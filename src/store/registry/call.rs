//! A request as the transport takes it.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, Url};

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
    /// How long to wait for the headers of the answer; the usual time where `None`. With [`Duration::MAX`] the caller
    /// watches the request itself.
    pub(super) patience: Option<Duration>,
    /// Whether the caller holds a permit already: a part of an upload.
    pub(super) holds_permit: bool,
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
            patience: None,
            holds_permit: false,
            tally: Tally::default(),
        }
    }

    /// The same with a header.
    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Whether it asks the registry to change something.
    pub(super) fn writes(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD)
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
