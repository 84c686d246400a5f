//! The keys of a session or user of AWS: what requests are signed with.

use crate::auth::Secret;
use crate::auth::exchange::Exchange;

/// An access key. Masked in the CI system's log by whoever received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    /// Its name, which each request shows.
    pub(super) id: String,
    pub(super) secret: Secret,
    /// What says that it is a session's.
    pub(super) token: Option<Secret>,
}

impl Keys {
    /// Keys as they were received or read; `None` for what cannot be some. They travel in headers: visible ASCII alone.
    pub(super) fn new(id: &str, secret: &str, token: Option<&str>) -> Option<Self> {
        let is_id = |text: &str| {
            (16..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        let is_text = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        (is_id(id) && is_text(secret) && token.is_none_or(is_text)).then(|| Self {
            id: id.to_owned(),
            secret: Secret::new(secret),
            token: token.map(Secret::new),
        })
    }

    /// Has the CI system hide them. The id is no secret, but says whose the keys are.
    pub(super) fn mask(&self, exchange: &Exchange) {
        exchange.mask(&Secret::new(self.id.as_str()));
        exchange.mask(&self.secret);
        self.token.iter().for_each(|token| exchange.mask(token));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_travel_in_a_header_is_no_key() {
        assert!(Keys::new("ASIAIOSFODNN7EXAMPLE", "a/b+c", Some("t==")).is_some());
        for (id, secret, token) in [
            ("AKIA", "s", None),
            ("ASIAIOSFODNN7EXAMPLE/x", "s", None),
            ("ASIAIOSFODNN7EXAMPLE", "", None),
            ("ASIAIOSFODNN7EXAMPLE", "s\r\n", None),
            ("ASIAIOSFODNN7EXAMPLE", "s", Some("")),
            ("ASIAIOSFODNN7EXAMPLE", "s", Some("t t")),
        ] {
            assert_eq!(Keys::new(id, secret, token), None, "{id} {secret} {token:?}");
        }
    }
}
