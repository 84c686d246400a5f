//! Why there is no comment, or an old one: in words, with what to do about it.

use std::time::Duration;

/// What went wrong at the service. Messages hold no secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the environment names cannot be asked.
    #[error("{0}")]
    Setting(String),
    /// No answer.
    #[error("{who} could not be asked for {what}: {problem}")]
    Unreachable {
        /// The origin.
        who: String,
        /// What was asked.
        what: &'static str,
        /// What went wrong underneath.
        problem: String,
    },
    /// An answer that is not a success.
    #[error("{who} answered {status} to {what}{}", quoted(words))]
    Refused {
        /// The origin.
        who: String,
        /// What was asked.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// The service's own words.
        words: String,
        /// Whether the service only wants fewer requests.
        is_limited: bool,
        /// How long it asks to wait.
        wait: Option<Duration>,
    },
    /// A success that makes no sense.
    #[error("{who} was asked for {what}, and {problem}")]
    Nonsense {
        /// The origin.
        who: String,
        /// What was asked.
        what: &'static str,
        /// What is wrong with the answer.
        problem: &'static str,
    },
}

fn quoted(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": \"{words}\"") }
}

impl Error {
    /// All the time there was is over.
    pub(super) fn late(who: String, time: Duration) -> Self {
        Self::Unreachable { who, what: "the comment", problem: format!("it took longer than {} s", time.as_secs()) }
    }

    /// Whether the same may go well a little later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, is_limited, .. } => *is_limited || matches!(status, 500 | 502 | 503 | 504),
            Self::Setting(_) | Self::Nonsense { .. } => false,
        }
    }

    /// How long the service asks to wait.
    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Refused { wait, .. } => *wait,
            _ => None,
        }
    }

    /// Whether the token may not do what was asked: there is nothing wrong with the service.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Refused { status: 401 | 403 | 404 | 422, is_limited: false, .. })
    }
}
