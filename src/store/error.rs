//! Failures of stores, modelled by what callers do about them.

use std::fmt;
use std::time::Duration;

use crate::image::{Code, Failure};

/// Why something was not tried (again), although it might have helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GivenUp {
    /// The host has let several requests go without an answer.
    #[error("the host does not answer")]
    Silence,
    /// The host has gone on refusing, wait after wait.
    #[error("the host refuses whatever it is asked")]
    Refusals,
    /// Too many requests to the host were tried again already.
    #[error("too many requests to this host were tried again already")]
    HostBudget,
    /// Too many requests of the run were.
    #[error("too many requests of this run were tried again already")]
    RunBudget,
}

/// Why a store could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The class of the failure.
    pub code: Code,
    /// What was being done, naming the reference: `read the manifest of ghcr.io/acme/app:1.0`. No secrets, no queries.
    pub request: String,
    /// What went wrong; may end in the registry's own words.
    pub message: String,
    /// The HTTP status answered, where one was.
    pub status: Option<u16>,
    /// How often it was tried; 0 where nothing was sent, because the host is down.
    pub attempts: u32,
    /// How long all attempts took together.
    pub elapsed: Duration,
    /// Why it was not tried more often, where that is not in the nature of the failure.
    pub given_up: Option<GivenUp>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether a manifest was refused for what it refers to: blobs or manifests that were believed to be there are not.
    pub missing_blobs: bool,
    /// Whether this machine lacks for now what it takes, an open file: it says nothing of the other side.
    pub shortage: bool,
}

impl Error {
    /// An error of one attempt.
    pub fn new(code: Code, request: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            request: request.into(),
            message: message.into(),
            status: None,
            attempts: 1,
            elapsed: Duration::ZERO,
            given_up: None,
            hint: None,
            missing_blobs: false,
            shortage: false,
        }
    }

    /// Whether the bytes of a blob were wrong, or parts of it that do not fit together. That may be an accident of one
    /// transfer: the blob is read once more, as a whole.
    pub(super) fn is_about_content(&self) -> bool {
        matches!(self.code, Code::Digest | Code::Size | Code::Protocol)
    }

    /// The same error with advice.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}: {}", self.request, self.message)?;
        let tried =
            (self.attempts > 1).then(|| format!("{} attempts in {:.1} s", self.attempts, self.elapsed.as_secs_f64()));
        let verb = if self.attempts == 0 { "not asked" } else { "not tried again" };
        let given_up = self.given_up.as_ref().map(|why| format!("{verb}: {why}"));
        let end: Vec<String> = tried.into_iter().chain(given_up).collect();
        if end.is_empty() { Ok(()) } else { write!(f, " ({})", end.join("; ")) }
    }
}

impl std::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let attempts = Some(error.attempts).filter(|attempts| *attempts > 0);
        Self {
            code: error.code,
            side: None,
            status: error.status,
            attempts,
            message,
            cause: Some(error.message),
            hint: error.hint,
        }
    }
}

/// Why a blob was not written: the side that failed decides what is to be said and done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The content could not be read, or was not what its descriptor says.
    #[error("{0}")]
    Source(Error),
    /// The content could not be written.
    #[error("{0}")]
    Target(Error),
}
