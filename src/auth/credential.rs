//! Secrets and the credentials made of them.

use std::fmt;

use zeroize::Zeroizing;

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
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
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
