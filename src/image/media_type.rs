//! Media types: what a descriptor says its content is.
//!
//! Owns the classification that copying needs. Refuses to reject a type it does not know: content of unknown type is
//! copied like any other (image-spec `manifest.md`: an unknown media type must not be an error).

use std::fmt;
use std::sync::Arc;

use oci_spec::image as spec;

/// A media type without parameters, in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaType(Arc<str>);

/// Every manifest type we can copy, as one `Accept` header. Sent on HEAD and GET alike: without the index types a
/// registry may answer a tag with one platform's manifest, which has another digest.
pub const MANIFEST_ACCEPT: &str = concat!(
    "application/vnd.oci.image.index.v1+json, ",
    "application/vnd.docker.distribution.manifest.list.v2+json, ",
    "application/vnd.oci.image.manifest.v1+json, ",
    "application/vnd.docker.distribution.manifest.v2+json, ",
    "application/vnd.oci.artifact.manifest.v1+json, ",
    "application/vnd.docker.distribution.manifest.v1+prettyjws, ",
    "application/vnd.docker.distribution.manifest.v1+json, ",
    "*/*;q=0.1",
);

const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const ARTIFACT_MANIFEST: &str = "application/vnd.oci.artifact.manifest.v1+json";
const DOCKER_FOREIGN_LAYER: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar";

impl MediaType {
    /// The type of a `Content-Type` header or a `mediaType` field: parameters dropped, lower case.
    pub fn new(text: &str) -> Self {
        let essence = text.split(';').next().unwrap_or_default().trim();
        Self(essence.to_ascii_lowercase().into())
    }

    /// The OCI index.
    pub fn oci_index() -> Self {
        Self::new(spec::MediaType::ImageIndex.as_ref())
    }

    /// The OCI image manifest.
    pub fn oci_manifest() -> Self {
        Self::new(spec::MediaType::ImageManifest.as_ref())
    }

    /// The text, as sent in headers.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An index or a docker manifest list: its children are manifests.
    pub fn is_index(&self) -> bool {
        &*self.0 == spec::MediaType::ImageIndex.as_ref() || &*self.0 == DOCKER_LIST
    }

    /// A manifest of blobs: OCI, docker schema 2, or the withdrawn artifact manifest.
    pub fn is_image(&self) -> bool {
        let known = [spec::MediaType::ImageManifest.as_ref(), DOCKER_MANIFEST, ARTIFACT_MANIFEST];
        known.contains(&&*self.0)
    }

    /// The configuration of a container image: it says which platform the image is for.
    pub fn is_image_config(&self) -> bool {
        &*self.0 == spec::MediaType::ImageConfig.as_ref() || &*self.0 == DOCKER_CONFIG
    }

    /// The withdrawn artifact manifest, which has blobs and neither configuration nor layers.
    pub fn is_artifact(&self) -> bool {
        &*self.0 == ARTIFACT_MANIFEST
    }

    /// Docker schema 1, signed or not: refused, since its digest is not over the bytes that are served.
    pub fn is_schema1(&self) -> bool {
        self.0.starts_with("application/vnd.docker.distribution.manifest.v1+")
    }

    /// A layer that is not distributed with the image: foreign (docker) or non-distributable (OCI). Registries take a
    /// manifest whose layers of these types are absent, and clients should not upload them (image-spec `layer.md`).
    pub fn is_foreign_layer(&self) -> bool {
        self.0.starts_with(DOCKER_FOREIGN_LAYER)
            || self.0.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar")
    }

    /// A type that says nothing (`text/plain`, `application/json`, …): what the content is must be read from it.
    pub fn is_vague(&self) -> bool {
        matches!(&*self.0, "" | "text/plain" | "application/json" | "application/octet-stream")
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaType({:?})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_case_do_not_make_another_type() {
        let text = "Application/vnd.oci.image.index.v1+JSON; charset=utf-8";
        assert_eq!(MediaType::new(text), MediaType::oci_index());
        assert!(MediaType::new(text).is_index());
    }

    #[test]
    fn foreign_layers_are_known_compressed_or_not() {
        for text in [
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
        ] {
            assert!(MediaType::new(text).is_foreign_layer(), "{text}");
        }
        assert!(!MediaType::new("application/vnd.oci.image.layer.v1.tar+gzip").is_foreign_layer());
    }
}
