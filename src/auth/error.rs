//! Why a credential could not be had. Messages name the variable or file and the key; no value ever gets in here.

use std::io;
use std::sync::Arc;

use super::{Origin, ProviderError};
use crate::image::Registry;

/// Why a credential that is configured, or may be, could not be had. Never a reason to go on as anonymous.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A variable that holds one credential, or should be text.
    #[error("`{name}` {flaw}")]
    Variable {
        /// The variable.
        name: Arc<str>,
        /// What is wrong with its value.
        flaw: Flaw,
    },
    /// Two variables for one registry.
    #[error("`{password}` and `{token}` are both set; only one of them can be meant")]
    Ambiguous {
        /// The variable for user name and password.
        password: Arc<str>,
        /// The variable for a bearer token.
        token: Arc<str>,
    },
    /// A variable that is to hold a list of credentials, and does not.
    #[error("`{name}` is not a list of `registry`, `username` and `password`{}", at(*position))]
    List {
        /// The variable.
        name: Arc<str>,
        /// Line and column of the first problem, from 1, where known.
        position: Option<(u64, u64)>,
    },
    /// One item of such a list.
    #[error("item {item} of `{name}` {flaw}")]
    Item {
        /// The variable.
        name: Arc<str>,
        /// Which item, from 1.
        item: usize,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// A file that cannot be read.
    #[error("{place} cannot be read: {kind}")]
    Unreadable {
        /// The file.
        place: Arc<str>,
        /// What the operating system says.
        kind: io::ErrorKind,
    },
    /// Something that is not the regular file of reasonable size that credential files are.
    #[error("{place} is not a regular file of at most 1 MiB")]
    NotAFile {
        /// The file.
        place: Arc<str>,
    },
    /// Not JSON, or not in docker's shape.
    #[error("{place} is not a docker credential file{}", at(*position))]
    Malformed {
        /// The file or variable.
        place: Arc<str>,
        /// Line and column of the problem, from 1, where known.
        position: Option<(u64, u64)>,
    },
    /// An entry for the registry that cannot be a credential.
    #[error("the entry for {key} in auths of {place} {flaw}")]
    Entry {
        /// The file or variable.
        place: Arc<str>,
        /// The registry, and namespace if there is one.
        key: Arc<str>,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// A credential helper that was asked, or would have been.
    #[error("the credential helper for {key} in {} {trouble}", helper_origin(field, place, program.as_ref()))]
    Helper {
        /// The file or variable.
        place: Arc<str>,
        /// The field that names the helper: `credHelpers` or `credsStore`.
        field: &'static str,
        /// The program; `None` where the name is not one that may be run.
        program: Option<Arc<str>>,
        /// The registry asked for.
        key: Arc<str>,
        /// What is wrong.
        trouble: Trouble,
    },
    /// A provider that gives no credential.
    #[error("the provider `{provider}` gives no credential for {registry}: {problem}")]
    Provider {
        /// Its name.
        provider: &'static str,
        /// What of our surroundings had it asked, in words; `None` where the configuration did.
        ambient: Option<&'static str>,
        /// The registry.
        registry: Registry,
        /// Why not.
        problem: Box<ProviderError>,
    },
}

/// What is wrong with a text that should be a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Not UTF-8.
    #[error("is not valid UTF-8")]
    NotText,
    /// No colon in `user:password`.
    #[error("has no colon between user name and password")]
    NoColon,
    /// The user name is empty.
    #[error("has no user name")]
    NoUser,
    /// The password or token is empty.
    #[error("has no password or token")]
    NoPassword,
    /// The user name cannot be sent.
    #[error("has a colon or a control character in the user name")]
    User,
    /// A line break, blank or control character at an end.
    #[error("has a line break, blank or control character at the start or end of the user name, password or token")]
    Edge,
    /// Quotes around all of it.
    #[error("is wrapped in quotes")]
    Quoted,
    /// Not the characters of a token.
    #[error("has a character that no token has")]
    Token,
    /// Not base64.
    #[error("is not base64")]
    Base64,
    /// Not an object with the fields of an entry.
    #[error("is not an object of texts")]
    Shape,
    /// Not a registry.
    #[error("does not name a registry, or a namespace of one")]
    Registry,
    /// There is one for the same registry already.
    #[error("names a registry that an earlier item has named")]
    Repeated,
}

/// What went wrong with a credential helper.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// A name that is not one word, such as a path: never run.
    #[error("has a name that is not made of letters, digits, `.`, `_` and `-`")]
    Name,
    /// The program is in no directory of `PATH`.
    #[error("is not on `PATH`")]
    Missing,
    /// `PATH` cannot be read.
    #[error("cannot be looked up, as `PATH` is not valid UTF-8")]
    Path,
    /// It could not be started or talked to.
    #[error("could not be run: {0}")]
    Run(io::ErrorKind),
    /// It did not finish in time.
    #[error("gave no answer within {0} s")]
    Slow(u64),
    /// It failed for another reason than having no entry.
    #[error("failed{}", .0.map(|code| format!(" with exit status {code}")).unwrap_or_default())]
    Failed(Option<i32>),
    /// Its answer is longer than an answer can be.
    #[error("answered with more than 64 KiB")]
    Long,
    /// Its answer is not the JSON that it should be.
    #[error("answered with something else than `Username` and `Secret` as JSON")]
    Answer,
    /// Its answer is not a credential.
    #[error("answered with something that {0}")]
    Flawed(Flaw),
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Variable { name, flaw: Flaw::NoColon } => Some(match name.strip_prefix("REGSYNC_AUTH_") {
                Some(host) => format!("write `user:password`; a bearer token goes into `REGSYNC_TOKEN_{host}`"),
                None => "write `user:password`".to_owned(),
            }),
            Self::Ambiguous { .. } => Some("unset one of the two".to_owned()),
            Self::List { name, .. } => Some(format!(
                "`{name}` is YAML or JSON, such as `[{{registry: ghcr.io/acme, username: me, password: \"…\"}}]`"
            )),
            Self::Variable { flaw, .. } | Self::Item { flaw, .. } => flaw.hint(),
            Self::Entry { key, flaw, .. } => {
                Some(flaw.hint().unwrap_or_else(|| format!("log in to {key} again, or remove the entry")))
            }
            Self::Unreadable { .. } | Self::NotAFile { .. } => {
                Some("make it readable, or point `DOCKER_CONFIG` or `REGISTRY_AUTH_FILE` elsewhere".to_owned())
            }
            Self::Malformed { place, .. } => Some(format!("repair {place}, or log in again to have it written anew")),
            Self::Helper { program, key, trouble, .. } => trouble.hint(program.as_deref(), key),
            Self::Provider { problem, .. } => problem.hint(),
        }
    }

    /// Whether the environment lacks what a credential would be got with, as pull requests from forks do.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Provider { problem, .. } if matches!(**problem, ProviderError::Absent { .. }))
    }

    /// The source that is broken.
    pub(super) fn origin(&self) -> Origin {
        match self {
            Self::Variable { name, .. } | Self::List { name, .. } | Self::Item { name, .. } => {
                Origin::Variable(name.clone())
            }
            Self::Ambiguous { password, .. } => Origin::Variable(password.clone()),
            Self::Unreadable { place, .. } | Self::NotAFile { place } | Self::Malformed { place, .. } => {
                Origin::Document(place.clone())
            }
            Self::Entry { place, .. } => Origin::Entry(place.clone()),
            Self::Helper { place, field, program: Some(program), .. } => {
                Origin::Helper { place: place.clone(), field, program: program.clone() }
            }
            Self::Helper { place, program: None, .. } => Origin::Document(place.clone()),
            Self::Provider { provider, ambient, .. } => ambient.map_or(Origin::Provider(provider), Origin::Ambient),
        }
    }
}

impl Flaw {
    fn hint(self) -> Option<String> {
        let hint = match self {
            Self::Edge => {
                "a secret read from a file often brings the file's last line break along; write it with `printf %s`, \
                 not with `echo`"
            }
            Self::Quoted => "quotes belong to the shell; where no shell reads the value, leave them out",
            Self::Registry => "write `host`, `host:port` or `host/namespace`",
            Self::Repeated => "leave one of the two",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl Trouble {
    fn hint(&self, program: Option<&str>, key: &str) -> Option<String> {
        let program = program?;
        Some(match self {
            Self::Missing => format!("install {program}, or set `auth: anonymous` for {key} in the configuration"),
            Self::Flawed(_) => format!("log in to {key} again"),
            _ => format!("`{program} list` shows whether it works; or set `auth: anonymous` for {key}"),
        })
    }
}

fn at(position: Option<(u64, u64)>) -> String {
    position.map(|(line, column)| format!(" (line {line}, column {column})")).unwrap_or_default()
}

fn helper_origin(field: &&'static str, place: &Arc<str>, program: Option<&Arc<str>>) -> String {
    let program = program.map(|program| format!(" ({program})")).unwrap_or_default();
    format!("{field} of {place}{program}")
}
