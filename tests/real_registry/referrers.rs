//! What refers to images, between two registries that list no referrers: under cosign's tags and in the index that stands
//! in for a list.

use serde_json::Value;

use super::{RealPair, settled};
use crate::support::costs::kinds;
use crate::support::http::send;
use crate::support::images::attached::{fallback_index, fallback_tag, kind, referrer};
use crate::support::images::{Content, Image, pull_manifest, zoo};
use crate::support::real_registry::RealRegistry;

/// Puts an index of referrers under its tag.
fn put_index(registry: &RealRegistry, subject: &Content, referrers: &[&Image]) {
    let index = fallback_index(referrers);
    let url = format!("{}/v2/app/manifests/{}", registry.url(), fallback_tag(subject));
    let reply = send("PUT", &url, &[("Content-Type", &index.media_type)], &index.bytes).unwrap();
    assert_eq!(reply.status, 201, "{}", reply.text());
}

/// The digests that the index of a subject lists, sorted.
fn listed(registry: &RealRegistry, subject: &Content) -> Vec<String> {
    let (_, index) = pull_manifest(&registry.url(), "app", &fallback_tag(subject));
    let index: Value = serde_json::from_slice(&index).unwrap();
    let digest = |entry: &Value| entry["digest"].as_str().unwrap().to_owned();
    let mut digests: Vec<String> = index["manifests"].as_array().unwrap().iter().map(digest).collect();
    digests.sort_unstable();
    digests
}

fn sorted(referrers: &[&Image]) -> Vec<String> {
    let mut digests: Vec<String> = referrers.iter().map(|referrer| referrer.digest().to_owned()).collect();
    digests.sort_unstable();
    digests
}

#[test]
fn signatures_sboms_and_attestations_arrive_where_no_registry_lists_them() {
    let Some(pair) = RealPair::start() else { return };
    let image = zoo::index("real");
    let child = image.children[0].clone();
    let signature = referrer(&image.root, kind::SIGNATURE, "real");
    let sbom = referrer(&image.root, kind::SBOM, "real");
    let attestation = referrer(&child, kind::ATTESTATION, "real");
    let (source, target) = (pair.source.url(), pair.target.url());
    image.push_to_url(&source, "app", "1");
    for referrer in [&signature, &sbom, &attestation] {
        referrer.push_to_url(&source, "app", referrer.digest());
    }
    put_index(&pair.source, &image.root, &[&signature, &sbom]);
    put_index(&pair.source, &child, &[&attestation]);
    zoo::cosign_signature(&image).push_to_url(&source, "app", &image.signature_tag());
    // The target has been signed by somebody else.
    image.push_to_url(&target, "app", "old");
    let theirs = referrer(&image.root, kind::SIGNATURE, "theirs");
    theirs.push_to_url(&target, "app", theirs.digest());
    put_index(&pair.target, &image.root, &[&theirs]);

    let regsync = pair.regsync(&[pair.mirror("app", &["*"])]);
    regsync.run(["apply"]).assert_status(0);
    assert_eq!(listed(&pair.target, &image.root), sorted(&[&signature, &sbom, &theirs]));
    assert_eq!(listed(&pair.target, &child), sorted(&[&attestation]));
    for referrer in [&signature, &sbom, &attestation] {
        assert_eq!(pull_manifest(&target, "app", referrer.digest()).1, referrer.root.bytes);
    }
    let (_, cosign) = pull_manifest(&target, "app", &image.signature_tag());
    assert_eq!(cosign, zoo::cosign_signature(&image).root.bytes);

    let (from, to) = (pair.source.mark(), pair.target.mark());
    regsync.run(["apply"]).assert_status(0);
    for (registry, mark) in [(&pair.source, from), (&pair.target, to)] {
        let accesses = settled(registry, mark, 2);
        let asked = kinds(accesses.iter().map(|access| (access.method.as_str(), access.path.as_str(), access.status)));
        let expected = [("GET tags".to_owned(), 1), ("HEAD manifest".to_owned(), 1)];
        assert_eq!(asked, expected.into(), "one look, and the tags");
    }
}
