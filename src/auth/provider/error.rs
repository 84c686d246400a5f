//! Why a provider gives no credential. What services say gets in here without secrets; no token ever does.

use std::io;
use std::sync::Arc;

use crate::auth::Claims;

/// Why a provider gives no credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The environment lacks what the provider works with.
    #[error("{missing}")]
    Absent {
        /// What is missing, in words.
        missing: String,
        /// What to do about it.
        hint: String,
    },
    /// A variable whose value cannot be used. The value is not repeated.
    #[error("`{name}` {problem}")]
    Variable {
        /// The variable.
        name: Arc<str>,
        /// What is wrong with it, in words.
        problem: &'static str,
    },
    /// A file that the environment names.
    #[error("the file that `{name}` names cannot be read: {kind}")]
    File {
        /// The variable that names it.
        name: Arc<str>,
        /// What the operating system says.
        kind: io::ErrorKind,
    },
    /// A token that cannot serve, known before it is sent anywhere.
    #[error("the ID token from {source_name} {problem}")]
    Token {
        /// Where it comes from, in words.
        source_name: String,
        /// What is wrong with it, in words.
        problem: String,
        /// What to do about it.
        hint: String,
    },
    /// A service could not be asked.
    #[error("{who} could not be asked for {what}: {problem}")]
    Unreachable {
        /// The service: an origin.
        who: String,
        /// What it was to give, in words.
        what: &'static str,
        /// What went wrong, in words.
        problem: String,
    },
    /// The machine has no identity of its own, and nothing says that it should: as if there were no such source.
    #[error("{who} has no identity for this machine")]
    Nobody {
        /// The metadata service, in words.
        who: &'static str,
    },
    /// A file that a variable names, which cannot serve.
    #[error("the file that `{name}` names {problem}")]
    Unfit {
        /// The variable that names it.
        name: Arc<str>,
        /// What is wrong with it, in words. No secret of it.
        problem: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A service said no.
    #[error("{who} refused {what} ({status}){}", said(words))]
    Refused {
        /// The service: an origin.
        who: String,
        /// What it was to give, in words.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// What it said, without secrets; may be empty.
        words: String,
        /// What the ID token says of itself, where one was shown.
        claims: Option<Box<Claims>>,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A service sent something that makes no sense.
    #[error("{who} was asked for {what}, and {problem}")]
    Nonsense {
        /// The service: an origin.
        who: String,
        /// What it was to give, in words.
        what: &'static str,
        /// What is wrong with its answer, in words.
        problem: &'static str,
    },
}

impl ProviderError {
    /// The same; where something is missing, with what else can be done about it.
    pub(super) fn or_else(self, instead: &str) -> Self {
        match self {
            Self::Absent { missing, hint } => Self::Absent { missing, hint: format!("{hint}; or {instead}") },
            error => error,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Absent { hint, .. } | Self::Token { hint, .. } => Some(hint.clone()),
            Self::Unfit { hint, .. } => hint.clone(),
            Self::Refused { claims, hint, .. } => {
                let matching = claims.as_ref().map(|claims| match claims.caution() {
                    Some(caution) => format!("{caution}; the ID token: {claims}"),
                    None => format!("what it trusts must match the ID token: {claims}"),
                });
                match (hint.clone(), matching) {
                    (Some(hint), Some(matching)) => Some(format!("{hint}; {matching}")),
                    (hint, matching) => hint.or(matching),
                }
            }
            _ => None,
        }
    }

    /// The same with what the ID token says of itself, where the service was shown one.
    #[must_use]
    pub(in crate::auth) fn about(self, shown: &Claims) -> Self {
        match self {
            Self::Refused { who, what, status, words, hint, .. } => {
                Self::Refused { who, what, status, words, claims: Some(Box::new(shown.clone())), hint }
            }
            other => other,
        }
    }

    /// The same with what to do about a refusal.
    #[must_use]
    pub(in crate::auth) fn advise(self, advice: impl Into<String>) -> Self {
        match self {
            Self::Refused { who, what, status, words, claims, .. } => {
                Self::Refused { who, what, status, words, claims, hint: Some(advice.into()) }
            }
            other => other,
        }
    }
}

fn said(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}
