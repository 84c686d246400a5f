//! Descriptors: how a manifest points at content.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{ArtifactType, Digest, MediaType, Platform};

/// Type, digest and size of some content (image-spec `descriptor.md`), with the fields that copying reads. Embedded
/// `data` is not among them: content always comes from where it is stored, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// What the content is.
    pub media_type: MediaType,
    /// The digest that the content must have.
    pub digest: Digest,
    /// The size in bytes that the content must have.
    pub size: u64,
    /// The platform a child of an index is for.
    pub platform: Option<Platform>,
    /// The type of the artifact that the content is, where a list of referrers says so.
    pub artifact_type: Option<ArtifactType>,
    /// Annotations of the descriptor.
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// A descriptor of plain content.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self { media_type, digest, size, platform: None, artifact_type: None, annotations: BTreeMap::new() }
    }

    /// The same without platform and annotations, to be kept where there are many.
    #[must_use]
    pub fn bare(&self) -> Self {
        let plain = Self::new(self.media_type.clone(), self.digest.clone(), self.size);
        Self { artifact_type: self.artifact_type.clone(), ..plain }
    }
}

/// The JSON of a descriptor. Sizes beyond `i64::MAX` are refused, as the specification's type is a signed integer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wire {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    platform: Option<Platform>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    #[expect(clippy::zero_sized_map_values, reason = "serde flattens into maps only")]
    others: BTreeMap<String, IgnoredAny>,
}

/// Fields that say which content is meant. Readers that do not mind the case of names (Go's) take `Digest` for `digest`, and
/// of both the last: such a descriptor means different things to different readers.
const DECISIVE: [&str; 3] = ["mediaType", "digest", "size"];

impl TryFrom<Wire> for Descriptor {
    type Error = String;

    fn try_from(wire: Wire) -> Result<Self, String> {
        let variant = |name: &&String| DECISIVE.iter().any(|decisive| name.eq_ignore_ascii_case(decisive));
        if let Some(name) = wire.others.keys().find(variant) {
            return Err(format!("the descriptor of `{}` has a field `{name}` in another case", wire.digest));
        }
        if i64::try_from(wire.size).is_err() {
            return Err(format!("the size {} of `{}` is out of range", wire.size, wire.digest));
        }
        Ok(Self {
            media_type: MediaType::new(&wire.media_type),
            digest: wire.digest.parse().map_err(|error| format!("`{}`: {error}", wire.digest))?,
            size: wire.size,
            platform: wire.platform,
            artifact_type: wire.artifact_type.as_deref().and_then(ArtifactType::new),
            annotations: wire.annotations.unwrap_or_default(),
        })
    }
}
