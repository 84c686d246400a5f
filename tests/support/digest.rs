//! Digests of bytes in their text form. Nothing else.

use sha2::{Digest as _, Sha256, Sha512};

/// The digest algorithms the fake registry verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    /// `sha256:<64 hex>` or `sha512:<128 hex>` of `bytes`.
    pub fn digest(self, bytes: &[u8]) -> String {
        match self {
            Self::Sha256 => format!("sha256:{}", hex(&Sha256::digest(bytes))),
            Self::Sha512 => format!("sha512:{}", hex(&Sha512::digest(bytes))),
        }
    }

    /// The algorithm a digest names, if it is one of ours and the digest is well formed.
    pub fn of(digest: &str) -> Option<Self> {
        let (name, encoded) = digest.split_once(':')?;
        let (algorithm, length) = match name {
            "sha256" => (Self::Sha256, 64),
            "sha512" => (Self::Sha512, 128),
            _ => return None,
        };
        let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (encoded.len() == length && encoded.bytes().all(lower_hex)).then_some(algorithm)
    }
}

/// `sha256:…` of `bytes`.
pub fn sha256(bytes: &[u8]) -> String {
    Algorithm::Sha256.digest(bytes)
}

/// Whether `digest` is well formed and is the digest of `bytes`.
pub fn matches(digest: &str, bytes: &[u8]) -> bool {
    Algorithm::of(digest).is_some_and(|algorithm| algorithm.digest(bytes) == digest)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
