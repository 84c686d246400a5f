//! Signatures, attestations, SBOMs and whatever else refers to images: they come along, at a known cost, and never in the
//! way of the images themselves.

mod arriving;
mod back_ends;
mod checking;
mod converging;
mod cosign;
mod doubtful;
mod overlapping;
mod refused;
mod signed;

use crate::support::costs::{Kinds, asked};
use crate::support::images::attached::{fallback_index, fallback_tag, kind, referrer};
use crate::support::images::{Content, Image, media_type, zoo};
use crate::support::registry::{FakeRegistry, Options};
use crate::support::stage::Pair;

const REPOSITORY: &str = "app";

/// An image with everything that refers to it.
struct Attached {
    image: Image,
    /// Each with what it refers to.
    referrers: Vec<(Content, Image)>,
    cosign: Image,
}

/// An index of two platforms with a signature, an SBOM that is signed itself, an attestation of one child, and a signature
/// under a tag.
fn attached(seed: &str) -> Attached {
    let image = zoo::index(seed);
    let (root, child) = (image.root.clone(), image.children[0].clone());
    let sbom = referrer(&root, kind::SBOM, seed);
    let referrers = vec![
        (root.clone(), referrer(&root, kind::SIGNATURE, seed)),
        (sbom.root.clone(), referrer(&sbom.root, kind::SIGNATURE, "of the sbom")),
        (root, sbom),
        (child.clone(), referrer(&child, kind::ATTESTATION, seed)),
    ];
    let cosign = zoo::cosign_signature(&image);
    Attached { image, referrers, cosign }
}

impl Attached {
    /// What refers to the index itself, at `place`: the tag first, then by digest.
    fn names_of_the_whole(&self, place: &str) -> Vec<String> {
        let own = self.referrers.iter().filter(|(subject, _)| subject.digest == self.image.digest());
        let mut listed: Vec<String> = own.map(|(_, referrer)| format!("{place}@{}", referrer.digest())).collect();
        listed.sort();
        [vec![format!("{place}:{}", self.image.signature_tag())], listed].concat()
    }

    /// Puts all of it under `tag`, as the registry keeps referrers.
    fn push_to(&self, registry: &FakeRegistry, tag: &str, has_api: bool) {
        self.image.push_to(registry, REPOSITORY, tag);
        self.cosign.push_to(registry, REPOSITORY, &self.image.signature_tag());
        for (subject, referrer) in &self.referrers {
            referrer.push_to(registry, REPOSITORY, referrer.digest());
            if !has_api {
                self.push_fallback(registry, subject);
            }
        }
    }

    fn push_fallback(&self, registry: &FakeRegistry, subject: &Content) {
        let index = fallback_index(&self.of(subject));
        registry.put_manifest(REPOSITORY, &fallback_tag(subject), &index.media_type, index.bytes);
    }

    fn of(&self, subject: &Content) -> Vec<&Image> {
        let own = self.referrers.iter().filter(|(other, _)| other.digest == subject.digest);
        own.map(|(_, referrer)| referrer).collect()
    }

    /// Panics unless all of it is there, and found as this registry lets it be found.
    #[track_caller]
    fn assert_at(&self, registry: &FakeRegistry, tag: &str, has_api: bool) {
        self.image.assert_at(registry, REPOSITORY, tag);
        self.cosign.assert_at(registry, REPOSITORY, &self.image.signature_tag());
        for (subject, referrer) in &self.referrers {
            let stored = registry.store.manifest(REPOSITORY, referrer.digest());
            assert_eq!(stored.unwrap().bytes, referrer.root.bytes);
            for blob in &referrer.blobs {
                assert!(registry.has_blob(REPOSITORY, &blob.digest), "a blob of {}", referrer.digest());
            }
            let index = registry.manifest_bytes(REPOSITORY, &fallback_tag(subject));
            assert_eq!(index.is_none(), has_api, "the index of the fallback schema");
            if let Some(index) = index {
                assert_lists(&index, &self.of(subject));
            }
        }
        registry.assert_closed();
    }
}

/// Panics unless the index lists each of `referrers` once, with type and annotations, and nothing else.
#[track_caller]
fn assert_lists(index: &[u8], referrers: &[&Image]) {
    let sorted = |bytes: &[u8]| {
        let index: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        let mut entries = index["manifests"].as_array().unwrap().clone();
        entries.sort_by_key(|entry| entry["digest"].to_string());
        entries
    };
    assert_eq!(sorted(index), sorted(&fallback_index(referrers).bytes));
}

/// Whether each side lists referrers.
fn pair(source: bool, target: bool) -> Pair {
    let with = |referrers| Options { referrers, ..Options::default() };
    Pair::with(with(source), with(target))
}

/// Kinds of requests, and how many of each.
fn kinds_of(each: &[(&str, usize)]) -> Kinds {
    each.iter().map(|(kind, number)| ((*kind).to_owned(), *number)).collect()
}

/// Signatures as cosign keeps them under one tag, each a layer.
fn signatures(image: &Image, payloads: &[&str]) -> Image {
    let layers: Vec<Content> = payloads
        .iter()
        .map(|text| {
            Content::new("application/vnd.dev.cosign.simplesigning.v1+json", format!("{text} {}", image.digest()))
        })
        .collect();
    let config = Content::new(media_type::OCI_CONFIG, "{}");
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": config.descriptor(),
        "layers": layers.iter().map(Content::descriptor).collect::<Vec<_>>(),
    });
    let root = Content::manifest(media_type::OCI_MANIFEST, &manifest);
    Image { blobs: [vec![config], layers].concat(), children: Vec::new(), root, platform: None }
}
