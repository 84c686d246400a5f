//! Where a credential came from, and what was looked at on the way: plain data for messages and `auth check`.

use std::fmt;
use std::sync::Arc;

use super::{Credential, Error, Lease};

/// A credential and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What to show to the registry.
    pub credential: Credential,
    /// Where it came from.
    pub origin: Origin,
    /// When it ends, where a provider gave it.
    pub lease: Option<Lease>,
}

impl Found {
    /// A credential that is there to stay.
    pub(super) fn lasting(credential: Credential, origin: Origin) -> Self {
        Self { credential, origin, lease: None }
    }
}

/// A source of credentials. Its text names the variable, or the file with the home directory as `~`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `auth: anonymous` of the configuration.
    Configuration,
    /// Given by a test.
    #[cfg(test)]
    Given,
    /// An environment variable.
    Variable(Arc<str>),
    /// A credential file as a whole, or a variable that holds the text of one.
    Document(Arc<str>),
    /// An entry of such a file.
    Entry(Arc<str>),
    /// A credential helper that such a file names.
    Helper {
        /// The file, or the variable.
        place: Arc<str>,
        /// The field that names it: `credHelpers` or `credsStore`.
        field: &'static str,
        /// The program: `docker-credential-…`.
        program: Arc<str>,
    },
    /// A provider that the configuration names.
    Provider(&'static str),
    /// What the cloud or CI system around us offers, in words.
    Ambient(&'static str),
    /// Credentials are not used in this job, whatever is configured.
    Withheld,
    /// Nothing is configured.
    Anonymous,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration => f.write_str("`auth: anonymous` of the configuration"),
            #[cfg(test)]
            Self::Given => f.write_str("given"),
            Self::Variable(name) => f.write_str(name),
            Self::Document(place) => f.write_str(place),
            Self::Entry(place) => write!(f, "auths of {place}"),
            Self::Helper { place, field, program } => write!(f, "{field} of {place} ({program})"),
            Self::Provider(name) => write!(f, "the provider `{name}` of the configuration"),
            Self::Ambient(name) => f.write_str(name),
            Self::Withheld => f.write_str("the event of this job, which anybody may cause"),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}

/// One source that was consulted for a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consulted {
    /// The source.
    pub origin: Origin,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of consulting a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has the credential; later sources are not consulted.
    Used,
    /// The variable is not set, or is empty.
    NotSet,
    /// The file does not exist.
    NoFile,
    /// It is there, and has nothing for this repository.
    NoEntry,
    /// It has something, but another variable has a longer key for this repository.
    Outranked,
    /// The machine's credential store is not installed, and nothing says that it would hold this registry.
    NoProgram,
    /// It cannot be used, and nothing after it is tried.
    Broken(Error),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Used => f.write_str("used"),
            Self::NotSet => f.write_str("not set"),
            Self::NoFile => f.write_str("no such file"),
            Self::NoEntry => f.write_str("no entry for this registry"),
            Self::Outranked => f.write_str("a longer key fits better"),
            Self::NoProgram => f.write_str("not installed, and no entry for this registry"),
            Self::Broken(error) => write!(f, "broken: {error}"),
        }
    }
}
