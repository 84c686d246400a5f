//! Failures as data: what went wrong with one image, in a form that plans, results and reports can carry.
//!
//! Some codes are of mirroring rather than of OCI (`E_TAG_WOULD_MOVE`, `E_STALE`, …). They stand here all the same: plans
//! and stores both say what failed, in one list that scripts branch on, and `image` is the only room that both may use.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which side of a copy a failure belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Where images are read.
    Source,
    /// Where images are written.
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// The class of a failure: stable, for scripts to branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Code {
    /// The host could not be reached: refused, reset, or no such name.
    #[serde(rename = "E_CONNECT")]
    Connect,
    /// No answer within the time allowed.
    #[serde(rename = "E_TIMEOUT")]
    Timeout,
    /// The certificate or the TLS handshake was refused.
    #[serde(rename = "E_TLS")]
    Tls,
    /// An answer that the specification does not allow.
    #[serde(rename = "E_PROTOCOL")]
    Protocol,
    /// A redirect that leads nowhere, in circles, or where it must not.
    #[serde(rename = "E_REDIRECT")]
    Redirect,
    /// A registry leads where nothing may follow: out of a credential's origin, or into this network.
    #[serde(rename = "E_BOUNDARY")]
    Boundary,
    /// The host asks for a credential and none is configured.
    #[serde(rename = "E_NO_CREDENTIALS")]
    NoCredentials,
    /// A credential is configured but broken, or was not accepted.
    #[serde(rename = "E_AUTH")]
    Auth,
    /// The credential was accepted, the access was not.
    #[serde(rename = "E_DENIED")]
    Denied,
    /// Not there: answered by 404.
    #[serde(rename = "E_NOT_FOUND")]
    NotFound,
    /// The registry asked to slow down for longer than we wait.
    #[serde(rename = "E_RATE_LIMITED")]
    RateLimited,
    /// The registry is in trouble (5xx), after retries.
    #[serde(rename = "E_UNAVAILABLE")]
    Unavailable,
    /// The registry refused the content.
    #[serde(rename = "E_REFUSED")]
    Refused,
    /// The tag is immutable at the target and names another digest.
    #[serde(rename = "E_IMMUTABLE")]
    Immutable,
    /// The bytes do not have the digest they were asked for by.
    #[serde(rename = "E_DIGEST")]
    Digest,
    /// The bytes do not have the size their descriptor states.
    #[serde(rename = "E_SIZE")]
    Size,
    /// Not a manifest that can be copied safely.
    #[serde(rename = "E_MANIFEST")]
    Manifest,
    /// A kind of image that is not supported.
    #[serde(rename = "E_UNSUPPORTED")]
    Unsupported,
    /// Larger, deeper or wider than the limits allow.
    #[serde(rename = "E_LIMIT")]
    Limit,
    /// A directory that is not a sound OCI image layout, or leads outside its place.
    #[serde(rename = "E_LAYOUT")]
    Layout,
    /// The operating system refused to read or write a file.
    #[serde(rename = "E_IO")]
    Io,
    /// Nothing matched the tags asked for.
    #[serde(rename = "E_NOTHING_SELECTED")]
    NothingSelected,
    /// The image has none of the platforms asked for.
    #[serde(rename = "E_NO_PLATFORM")]
    NoPlatform,
    /// The tag would move, and `on-tag-move: block` or `immutable-tags` forbids it.
    #[serde(rename = "E_TAG_WOULD_MOVE")]
    TagWouldMove,
    /// The target is no longer what the plan saw.
    #[serde(rename = "E_STALE")]
    Stale,
    /// Two mirrors want different images under one target tag.
    #[serde(rename = "E_CONFLICT")]
    Conflict,
    /// The run was stopped before this was done.
    #[serde(rename = "E_INTERRUPTED")]
    Interrupted,
    /// A fault of regsync itself.
    #[serde(rename = "E_INTERNAL")]
    Internal,
}

impl Code {
    /// The text form, such as `E_DENIED`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "E_CONNECT",
            Self::Timeout => "E_TIMEOUT",
            Self::Tls => "E_TLS",
            Self::Protocol => "E_PROTOCOL",
            Self::Redirect => "E_REDIRECT",
            Self::Boundary => "E_BOUNDARY",
            Self::NoCredentials => "E_NO_CREDENTIALS",
            Self::Auth => "E_AUTH",
            Self::Denied => "E_DENIED",
            Self::NotFound => "E_NOT_FOUND",
            Self::RateLimited => "E_RATE_LIMITED",
            Self::Unavailable => "E_UNAVAILABLE",
            Self::Refused => "E_REFUSED",
            Self::Immutable => "E_IMMUTABLE",
            Self::Digest => "E_DIGEST",
            Self::Size => "E_SIZE",
            Self::Manifest => "E_MANIFEST",
            Self::Unsupported => "E_UNSUPPORTED",
            Self::Limit => "E_LIMIT",
            Self::Layout => "E_LAYOUT",
            Self::Io => "E_IO",
            Self::NothingSelected => "E_NOTHING_SELECTED",
            Self::NoPlatform => "E_NO_PLATFORM",
            Self::TagWouldMove => "E_TAG_WOULD_MOVE",
            Self::Stale => "E_STALE",
            Self::Conflict => "E_CONFLICT",
            Self::Interrupted => "E_INTERRUPTED",
            Self::Internal => "E_INTERNAL",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong with one image. `message` may hold a registry's own words: untrusted, to be shown only escaped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The class.
    pub code: Code,
    /// The side it happened on, where it belongs to one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub side: Option<Side>,
    /// The HTTP status that was answered, where one was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// How often the request that failed was tried, where it was sent at all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attempts: Option<u32>,
    /// What happened: a lowercase fragment that names the reference.
    pub message: String,
    /// What of it is the cause, where the message says more: without what was being done, how often, and for how long. The
    /// failures of one outage have it in common.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
}

impl Failure {
    /// A failure with nothing but its class and its words.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, side: None, status: None, attempts: None, message: message.into(), cause: None, hint: None }
    }

    /// What went wrong, as shortly as it is known.
    pub fn cause(&self) -> &str {
        self.cause.as_deref().unwrap_or(&self.message)
    }

    /// The same failure, on a side.
    #[must_use]
    pub fn on(self, side: Side) -> Self {
        Self { side: Some(side), ..self }
    }
}
