//! Content digests: parsed once, compared as values, and computed while bytes stream by.
//!
//! Refuses every text that is not `sha256:` + 64 or `sha512:` + 128 lower-case hex digits, so that no path,
//! URL or plan is ever built from anything else.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest as _, Sha256, Sha512};

/// A hash function that a digest may name and that we can verify.
///
/// The registered algorithms of the image specification (`descriptor.md`, "Registered algorithms"); others
/// are legal by grammar but cannot be checked here, so they are refused by [`Digest::from_str`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, the default everywhere.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// The name before the colon.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn hex_length(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    /// The digest of bytes that are already in memory.
    pub fn digest(self, bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new(self);
        hasher.update(bytes);
        hasher.finish()
    }
}

/// A verified-by-grammar content digest, such as `sha256:44136f…`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    hex: Arc<str>,
}

/// Why a text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Not `algorithm:hex` with the algorithm's exact length in lower-case hex.
    #[error("a digest is `sha256:` and 64, or `sha512:` and 128, lower-case hex digits")]
    Format,
    /// Well-formed, but by a hash function that cannot be verified here.
    #[error("the digest algorithm `{0}` cannot be verified; only sha256 and sha512 can")]
    Algorithm(String),
}

impl Digest {
    /// The SHA-256 digest of `bytes`.
    pub fn sha256(bytes: &[u8]) -> Self {
        Algorithm::Sha256.digest(bytes)
    }

    /// The hash function.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hex digits after the colon.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// The first twelve hex digits, as people read digests.
    pub fn short(&self) -> &str {
        &self.hex[..12]
    }

    /// Whether `bytes` hash to this digest.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        self.algorithm.digest(bytes) == *self
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (name, hex) = text.split_once(':').ok_or(DigestError::Format)?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            other if is_algorithm(other) && is_encoded(hex) => {
                return Err(DigestError::Algorithm(other.to_owned()));
            }
            _ => return Err(DigestError::Format),
        };
        let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if hex.len() == algorithm.hex_length() && hex.bytes().all(lower_hex) {
            Ok(Self { algorithm, hex: hex.into() })
        } else {
            Err(DigestError::Format)
        }
    }
}

/// `algorithm` of the digest grammar: image-spec `descriptor.md`, "Digests".
fn is_algorithm(text: &str) -> bool {
    text.split(['+', '.', '_', '-'])
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

/// `encoded` of the digest grammar, at least as long as the shortest hash anyone uses.
fn is_encoded(text: &str) -> bool {
    text.len() >= 32 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"=_-".contains(&b))
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.hex)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A running hash over bytes that arrive in pieces.
#[derive(Clone, Debug)]
pub struct Hasher(State);

#[derive(Clone, Debug)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    /// A hash over nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        })
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(hash) => hash.update(bytes),
            State::Sha512(hash) => hash.update(bytes),
        }
    }

    /// The digest of all bytes added.
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Sha256(hash) => hashed(Algorithm::Sha256, &hash.finalize()),
            State::Sha512(hash) => hashed(Algorithm::Sha512, &hash.finalize()),
        }
    }
}

fn hashed(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let hex: String = bytes
        .iter()
        .flat_map(|byte| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]])
        .map(char::from)
        .collect();
    Digest { algorithm, hex: hex.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    #[test]
    fn hashes_the_empty_descriptor_of_the_image_specification() {
        assert_eq!(Digest::sha256(b"{}").to_string(), EMPTY);
        assert_eq!(Algorithm::Sha512.digest(b"{}").hex().len(), 128);
    }

    #[test]
    fn a_hash_in_pieces_equals_the_hash_of_the_whole() {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(b"{");
        hasher.update(b"}");
        assert_eq!(hasher.finish().to_string(), EMPTY);
    }

    #[test]
    fn refuses_what_is_not_a_digest() {
        let wrong = [
            "",
            "sha256",
            "sha256:",
            "sha256:abcd",
            &EMPTY[..70],
            &format!("{EMPTY}0"),
            &EMPTY.to_uppercase(),
            &EMPTY.replace("44136f", "44136F"),
            "sha256:../../etc/passwd",
            "SHA256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "md5:0123",
        ];
        for text in wrong {
            assert_eq!(text.parse::<Digest>(), Err(DigestError::Format), "{text}");
        }
    }

    #[test]
    fn names_a_hash_function_it_cannot_verify() {
        let text = format!("blake3:{}", "0".repeat(64));
        assert_eq!(text.parse::<Digest>(), Err(DigestError::Algorithm("blake3".into())));
    }
}
