//! References: a location and the tag or digest of one image there.
//!
//! Owns the grammar people write. Refuses to guess: no `latest` is implied, and only a source may leave its registry
//! unnamed.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{Digest, Location};

/// distribution-spec, "Pulling manifests": a tag has at most 128 characters.
const TAG_LIMIT: usize = 128;

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Arc<str>);

impl Tag {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.len() > TAG_LIMIT {
            return Err(ReferenceError::Length { what: "tag", limit: TAG_LIMIT });
        }
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let mut bytes = text.bytes();
        if bytes.next().is_some_and(word) && bytes.all(|b| word(b) || b == b'.' || b == b'-') {
            Ok(Self(text.into()))
        } else {
            Err(ReferenceError::Tag(text.to_owned()))
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({self})")
    }
}

/// What a manifest is asked for by: the `<reference>` of the distribution API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TagOrDigest {
    /// A name that may move.
    Tag(Tag),
    /// The content itself.
    Digest(Digest),
}

impl fmt::Display for TagOrDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// One image at one location.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Where it lives.
    pub location: Location,
    /// Which one it is.
    pub version: TagOrDigest,
}

impl Reference {
    /// The image that `tag` names.
    pub fn tagged(location: Location, tag: Tag) -> Self {
        Self { location, version: TagOrDigest::Tag(tag) }
    }

    /// The image with this digest.
    pub fn pinned(location: Location, digest: Digest) -> Self {
        Self { location, version: TagOrDigest::Digest(digest) }
    }

    /// The tag, where it is named by one.
    pub fn tag(&self) -> Option<&Tag> {
        match &self.version {
            TagOrDigest::Tag(tag) => Some(tag),
            TagOrDigest::Digest(_) => None,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            TagOrDigest::Tag(tag) => write!(f, "{}:{tag}", self.location),
            TagOrDigest::Digest(digest) => write!(f, "{}@{digest}", self.location),
        }
    }
}

/// Why a text is not a reference. The text is repeated only where it cannot hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// A character that no reference holds; shown escaped.
    #[error("the character {0} cannot stand in a reference")]
    Character(String),
    /// `https://…`.
    #[error("a reference has no scheme; write `{0}`")]
    Scheme(String),
    /// `user:password@host/…`; never repeated.
    #[error("a reference holds no user name or password; credentials come from the environment")]
    UserInfo,
    /// Upper case in the repository; holds the lower-case form.
    #[error("repository names are lower case; did you mean `{0}`?")]
    Case(String),
    /// An empty or malformed path component.
    #[error("`{0}` is not a path of a repository or layout")]
    Path(String),
    /// Too long.
    #[error("the {what} is longer than {limit} characters")]
    Length {
        /// Which part.
        what: &'static str,
        /// The limit in characters.
        limit: usize,
    },
    /// Not a tag.
    #[error("`{0}` is not a tag: letters, digits, `_`, `.` and `-`, not starting with `.` or `-`")]
    Tag(String),
    /// A separator with nothing after it.
    #[error("something is missing after `{0}`")]
    Incomplete(String),
    /// A digest on a target.
    #[error("a target cannot name a digest: what is written there follows from the source")]
    TargetDigest,
    /// Not a digest.
    #[error("{0}")]
    Digest(#[from] super::DigestError),
    /// Not a port.
    #[error("the port of `{0}` is not a number from 1 to 65535")]
    Port(String),
    /// A target without a registry.
    #[error("the registry of a target must be written out; did you mean `{0}`?")]
    NoRegistry(String),
    /// Not a host name.
    #[error("`{0}` is not a host name")]
    Host(String),
}
