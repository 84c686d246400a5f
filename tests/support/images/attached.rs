//! What refers to images: artifacts with a subject, and what cosign keeps under tags.

use serde_json::json;

use super::{Content, Image, media_type};

/// The types that tests attach.
pub mod kind {
    pub const SIGNATURE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
    pub const SBOM: &str = "application/spdx+json";
    pub const ATTESTATION: &str = "application/vnd.in-toto+json";
}

/// An artifact of a type, with one blob, that refers to `subject`.
pub fn referrer(subject: &Content, artifact_type: &str, seed: &str) -> Image {
    let config = Content::new(media_type::OCI_EMPTY, "{}");
    let blob = Content::new(artifact_type, format!("{artifact_type} {seed}"));
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": config.descriptor(),
        "layers": [blob.descriptor()],
        "subject": subject.descriptor(),
        "annotations": {"org.example.seed": seed},
    });
    Image {
        root: Content::manifest(media_type::OCI_MANIFEST, &manifest),
        blobs: vec![config, blob],
        children: Vec::new(),
        platform: None,
    }
}

/// An index over one image, of a type, that refers to `subject`.
pub fn referring_index(subject: &Content, child: &Image, artifact_type: &str) -> Image {
    let index = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_INDEX,
        "artifactType": artifact_type,
        "manifests": [child.root.descriptor()],
        "subject": subject.descriptor(),
    });
    Image {
        root: Content::manifest(media_type::OCI_INDEX, &index),
        blobs: child.blobs.clone(),
        children: vec![child.root.clone()],
        platform: None,
    }
}

/// The index of the fallback schema over `referrers`, to be pushed under [`fallback_tag`].
pub fn fallback_index(referrers: &[&Image]) -> Content {
    let entry = |referrer: &&Image| {
        let manifest: serde_json::Value = serde_json::from_slice(&referrer.root.bytes).unwrap();
        let annotations = &manifest["annotations"];
        let more = json!({"artifactType": manifest["artifactType"], "annotations": annotations});
        referrer.root.descriptor_with(&more)
    };
    let manifests: Vec<_> = referrers.iter().map(entry).collect();
    let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": manifests});
    Content::manifest(media_type::OCI_INDEX, &index)
}

/// The tag of the fallback schema: `sha256-<hex>`.
pub fn fallback_tag(subject: &Content) -> String {
    subject.digest.replace(':', "-")
}
