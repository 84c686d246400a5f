//! The species an image tool meets: indexes, lists, attestations, artifacts, signatures, and odd ones.

use serde_json::json;

use super::{Content, Format, Image, Single, media_type};
use crate::support::digest::Algorithm;

/// The platforms of a multi-platform image here.
pub const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

fn per_platform(seed: &str, format: Format) -> Vec<Image> {
    let build = |platform: &&str| Single::new(seed).platform(platform).format(format).shared_layer(seed).build();
    PLATFORMS.iter().map(build).collect()
}

/// A plain OCI image for `linux/amd64`.
pub fn single(seed: &str) -> Image {
    Single::new(seed).build()
}

/// A plain Docker image for `linux/amd64`.
pub fn docker(seed: &str) -> Image {
    Single::new(seed).format(Format::Docker).build()
}

/// An OCI index over [`PLATFORMS`]; its images share a layer.
pub fn index(seed: &str) -> Image {
    Image::index(media_type::OCI_INDEX, &per_platform(seed, Format::Oci))
}

/// A Docker manifest list over [`PLATFORMS`].
pub fn docker_list(seed: &str) -> Image {
    Image::index(media_type::DOCKER_LIST, &per_platform(seed, Format::Docker))
}

/// As [`index`], and for each platform an attestation as `BuildKit` writes them.
pub fn index_with_attestations(seed: &str) -> Image {
    let mut images = per_platform(seed, Format::Oci);
    let mut descriptors = Vec::new();
    for image in &images {
        let platform = super::platform_json(image.platform.as_deref().unwrap());
        descriptors.push(image.root.descriptor_with(&json!({"platform": platform})));
    }
    for image in images.clone() {
        let attestation = attestation(&image);
        descriptors.push(attestation.root.descriptor_with(&json!({
            "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": image.digest(),
            },
        })));
        images.push(attestation);
    }
    Image::index_of(media_type::OCI_INDEX, &descriptors, &images)
}

fn attestation(subject: &Image) -> Image {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{"name": "image", "digest": {"sha256": subject.digest().trim_start_matches("sha256:")}}],
        "predicate": {},
    });
    let layer = Content::new("application/vnd.in-toto+json", statement.to_string());
    let config = json!({
        "os": "unknown",
        "architecture": "unknown",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
    });
    let predicate = json!({"annotations": {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"}});
    let config = Content::new(media_type::OCI_CONFIG, config.to_string());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": config.descriptor(),
        "layers": [layer.descriptor_with(&predicate)],
    });
    bare(manifest_content(&manifest), vec![config, layer])
}

/// An artifact: an `artifactType`, the empty config and one blob.
pub fn artifact(seed: &str) -> Image {
    let config = Content::new(media_type::OCI_EMPTY, "{}");
    let blob = Content::new("text/plain", seed);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "artifactType": "application/vnd.example.note",
        "config": config.descriptor_with(&json!({"data": "e30="})),
        "layers": [blob.descriptor_with(&json!({"annotations": {"org.opencontainers.image.title": "note.txt"}}))],
    });
    bare(manifest_content(&manifest), vec![config, blob])
}

/// A signature as cosign writes it, to be pushed under [`Image::signature_tag`] of `subject`.
pub fn cosign_signature(subject: &Image) -> Image {
    let payload = json!({"critical": {"image": {"docker-manifest-digest": subject.digest()}}, "optional": null});
    let layer = Content::new("application/vnd.dev.cosign.simplesigning.v1+json", payload.to_string());
    let config =
        json!({"os": "", "architecture": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer.digest]}});
    let config = Content::new(media_type::OCI_CONFIG, config.to_string());
    let signature = json!({"annotations": {"dev.cosignproject.cosign/signature": "bm90IGEgcmVhbCBzaWduYXR1cmU="}});
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": config.descriptor(),
        "layers": [layer.descriptor_with(&signature)],
    });
    bare(manifest_content(&manifest), vec![config, layer])
}

/// An index that holds an index and an image.
pub fn nested_index(seed: &str) -> Image {
    let inner = index(&format!("{seed} inner"));
    Image::index(media_type::OCI_INDEX, &[inner, Single::new(seed).platform("linux/s390x").build()])
}

/// An index with one image and a child of a type nobody knows, which refers to nothing.
pub fn index_with_unknown_child(seed: &str) -> Image {
    let value = json!({"mediaType": "application/vnd.example.unknown+json", "seed": seed});
    let unknown = bare(Content::manifest("application/vnd.example.unknown+json", &value), Vec::new());
    Image::index(media_type::OCI_INDEX, &[single(seed), unknown])
}

/// An image with a layer of no bytes.
pub fn with_zero_byte_layer(seed: &str) -> Image {
    Single::new(seed).zero_byte_layer().build()
}

/// An image with a layer that is distributed at `url`.
pub fn with_foreign_layer(seed: &str, url: &str) -> Image {
    Single::new(seed).foreign_layer(url).build()
}

/// An image whose config and layers have sha512 digests.
pub fn with_sha512(seed: &str) -> Image {
    Single::new(seed).algorithm(Algorithm::Sha512).build()
}

/// One of each, with a name for tags and messages.
pub fn all(seed: &str) -> Vec<(&'static str, Image)> {
    vec![
        ("single", single(seed)),
        ("docker", docker(seed)),
        ("index", index(seed)),
        ("docker-list", docker_list(seed)),
        ("attestations", index_with_attestations(seed)),
        ("artifact", artifact(seed)),
        ("nested", nested_index(seed)),
        ("unknown-child", index_with_unknown_child(seed)),
        ("zero-byte", with_zero_byte_layer(seed)),
        ("foreign", with_foreign_layer(seed, "http://127.0.0.1:1/layer")),
        ("sha512", with_sha512(seed)),
    ]
}

fn manifest_content(value: &serde_json::Value) -> Content {
    Content::manifest(media_type::OCI_MANIFEST, value)
}

fn bare(root: Content, blobs: Vec<Content>) -> Image {
    Image { blobs, children: Vec::new(), root, platform: None }
}
