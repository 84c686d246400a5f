//! Secrets and the credentials made of them. Refuses texts that can only be a mistake, without repeating them.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::Flaw;

/// A secret text: wiped from memory when dropped, never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes hold of a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text as it travels: wiped when the last who holds it is done.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

/// For [`Secret::into_bytes`].
impl AsRef<[u8]> for Secret {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// What is shown to a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Nothing: requests go out as anybody's.
    Anonymous,
    /// A user name and password: sent to the registry (Basic) or to its token realm.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// An identity (refresh) token: exchanged at the registry's token realm for access tokens.
    Identity(Secret),
    /// An access token for the registry itself: sent as `Bearer`, never exchanged.
    Bearer(Secret),
}

/// The user name by which docker's credential helpers mark an identity token (docker-credential-helpers, "get").
const IDENTITY_USER: &str = "<token>";

impl Credential {
    /// A user name and password. A password may hold line breaks (key files serve as passwords at some registries) but
    /// not begin or end with a control character, which is how a file's last line break shows.
    pub(super) fn basic(username: &str, password: &str) -> Result<Self, Flaw> {
        match () {
            () if username.is_empty() => Err(Flaw::NoUser),
            () if password.is_empty() => Err(Flaw::NoPassword),
            // RFC 7617 §2: the first colon ends the user name, and no control character is in it.
            () if username.contains(|c: char| c == ':' || c.is_control()) => Err(Flaw::User),
            () if password.starts_with(char::is_control) || password.ends_with(char::is_control) => Err(Flaw::Edge),
            () => Ok(Self::Basic { username: username.to_owned(), password: Secret::new(password) }),
        }
    }

    /// `user:password`. Split at the first colon: generated passwords hold colons, user names cannot.
    pub(super) fn pair(text: &str) -> Result<Self, Flaw> {
        let (username, password) = text.split_once(':').ok_or(Flaw::NoColon)?;
        Self::basic(username, password)
    }

    /// What docker's files and helpers hold: a pair whose user name may say that the password is an identity token.
    pub(super) fn docker(username: &str, password: &str) -> Result<Self, Flaw> {
        if username == IDENTITY_USER { Self::identity(password) } else { Self::basic(username, password) }
    }

    /// An access token for the registry.
    pub(super) fn bearer(text: &str) -> Result<Self, Flaw> {
        token(text).map(Self::Bearer)
    }

    /// An identity token.
    pub(super) fn identity(text: &str) -> Result<Self, Flaw> {
        token(text).map(Self::Identity)
    }
}

/// A user name and password as they travel in `Authorization: Basic` (RFC 7617 §2).
pub fn basic_pair(username: &str, password: &Secret) -> Secret {
    let pair = Secret::new([username, ":", password.expose()].concat());
    Secret::new(BASE64_STANDARD.encode(pair.expose()))
}

/// Tokens travel in headers: visible ASCII, nothing else.
fn token(text: &str) -> Result<Secret, Flaw> {
    match () {
        () if text.is_empty() => Err(Flaw::NoPassword),
        () if text.trim() != text => Err(Flaw::Edge),
        () if !text.bytes().all(|b| b.is_ascii_graphic()) => Err(Flaw::Token),
        () => Ok(Secret::new(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_colon_ends_the_user_name() {
        let pair = Credential::pair("AWS:a:b:c").unwrap();
        assert_eq!(pair, Credential::Basic { username: "AWS".into(), password: Secret::new("a:b:c") });
    }

    #[test]
    fn mistakes_are_told_apart() {
        let cases = [
            ("user", Flaw::NoColon),
            (":pw", Flaw::NoUser),
            ("user:", Flaw::NoPassword),
            ("us\ner:pw", Flaw::User),
            ("user:pw\n", Flaw::Edge),
            ("user:\rpw", Flaw::Edge),
            ("user:pw\0", Flaw::Edge),
        ];
        for (text, flaw) in cases {
            assert_eq!(Credential::pair(text), Err(flaw), "{text:?}");
        }
        assert_eq!(Credential::bearer("ey.ey\n"), Err(Flaw::Edge));
        assert_eq!(Credential::bearer("ey ey"), Err(Flaw::Token));
        assert_eq!(Credential::identity(""), Err(Flaw::NoPassword));
        assert_eq!(Credential::basic("a:b", "pw"), Err(Flaw::User));
    }

    #[test]
    fn what_travels_is_the_secret_itself() {
        let secret = Secret::new("user:pass");
        let place = secret.expose().as_ptr();
        let bytes = secret.into_bytes();
        assert_eq!((&*bytes, bytes.as_ptr()), (&b"user:pass"[..], place));
    }

    #[test]
    fn a_key_file_can_be_a_password() {
        assert!(Credential::pair("_json_key:{\n  \"type\": \"service_account\"\n}").is_ok());
    }
}
