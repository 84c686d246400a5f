//! The platform that a child of an index is for.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// Operating system, architecture and variant (image-spec `image-index.md`, "platform"). Untrusted text from an index:
/// kept as it came, shown as `os/architecture[/variant]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct Platform {
    /// Operating system, a `GOOS` value such as `linux`.
    #[serde(default, deserialize_with = "or_empty")]
    pub os: String,
    /// CPU architecture, a `GOARCH` value such as `arm64`.
    #[serde(default, deserialize_with = "or_empty")]
    pub architecture: String,
    /// CPU variant, such as `v7`.
    #[serde(default)]
    pub variant: Option<String>,
    /// Operating system version; used by Windows images.
    #[serde(default, rename = "os.version")]
    pub os_version: Option<String>,
}

/// What is null is not there, as for Go's readers.
fn or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The longest text of a platform that is repeated in a message, in characters.
const WORDS: usize = 64;

impl Platform {
    /// Whether this is the `unknown/unknown` that BuildKit gives to attestations: not a platform that anything runs on.
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }

    /// The platform with its version, for messages: cut short, since it is whatever an image says.
    pub fn described(&self) -> String {
        let version = self.os_version.as_ref().map(|version| format!(":{version}")).unwrap_or_default();
        format!("{self}{version}").chars().take(WORDS).collect()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) if !variant.is_empty() => write!(f, "/{variant}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_null_is_not_there() {
        let read = |text| serde_json::from_str::<Platform>(text).unwrap();
        let null = read(r#"{"os":null,"architecture":null,"variant":null,"os.version":null}"#);
        assert_eq!(null, read("{}"));
        assert!(serde_json::from_str::<Platform>(r#"{"os":1}"#).is_err());
    }
}
