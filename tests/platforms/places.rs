//! Between all kinds of places: several targets, layouts, and the registry that others run.

use super::{EIGHT, children, eight, manifest, of_eight};
use crate::support::harness::Regsync;
use crate::support::images::{pull_manifest, write_layout, zoo};
use crate::support::layout;
use crate::support::real_registry::{RealRegistry, pull_with_skopeo, witness_digest};
use crate::support::registry::FakeRegistry;
use crate::support::stage::{Mirror, Pair, yaml};

#[test]
fn one_read_feeds_all_targets() {
    let pair = Pair::start();
    let third = FakeRegistry::start();
    let image = eight("targets");
    image.push_to(&pair.source, "app", "1");
    let (source, target, third_target) =
        (pair.source.reference("app"), pair.target.reference("app"), third.reference("copy/app"));
    let mirror = Mirror::new(&source, &[&target, &third_target, "oci:mirror/app"], &["1"])
        .with("platforms: [linux/amd64, linux/s390x]");
    let regsync = pair.regsync(&[mirror]);
    regsync.run(["apply"]).assert_status(0);
    assert_eq!(pair.source.count("GET", "/blobs/"), 8, "each blob is read once");
    assert_eq!(pair.source.count("GET", "/manifests/"), 3, "the index and two images");
    let digest = pair.target.tag_digest("app", "1");
    assert_eq!(third.tag_digest("copy/app", "1"), digest);
    assert_eq!(layout::tag_digest(&regsync.path("mirror/app"), "1"), digest);
    pair.target.assert_closed();
    third.assert_closed();
    layout::assert_closed(&regsync.path("mirror/app"));
    let again = regsync.run(["plan", "--detailed-exitcode"]);
    assert_eq!(again.assert_status(0).stdout, "No changes. 3 tags match regsync.yaml.\n");
}

#[test]
fn from_a_layout_to_a_layout() {
    let image = zoo::index_with_attestations("layouts");
    let mirror = |to: &str| Mirror::new("oci:upstream", &[to], &["1"]);
    let regsync = Regsync::new()
        .config(&yaml(&[
            mirror("oci:part").with("platforms: [linux/amd64]"),
            mirror("oci:alone").with("platforms: [linux/amd64]").with("single: manifest"),
        ]))
        .without_digests();
    write_layout(&regsync.path("upstream"), &[(&image, "1")]);
    regsync.run(["apply"]).assert_status(0);
    layout::assert_closed(&regsync.path("part"));
    assert_eq!(layout::blobs(&regsync.path("part")).len(), 9, "index, image, attestation, and six blobs");
    assert_eq!(layout::tag_digest(&regsync.path("alone"), "1").as_deref(), Some(image.children[0].digest.as_str()));
    regsync.run(["plan", "--detailed-exitcode"]).assert_status(0);
    // What was made here is an index like any other.
    let onward = Regsync::new()
        .config(&yaml(&[Mirror::new("oci:part", &["oci:onward"], &["1"]).with("platforms: [linux/amd64]")]));
    std::fs::rename(regsync.path("part"), onward.path("part")).unwrap();
    onward.run(["apply"]).assert_status(0);
    let (from, to) = (onward.path("part"), onward.path("onward"));
    assert_eq!(layout::tag_digest(&to, "1"), layout::tag_digest(&from, "1"), "a part of a part is that part");
}

#[test]
fn a_real_registry_takes_a_part_of_an_index() {
    let (Some(source), Some(target)) = (RealRegistry::start(), RealRegistry::start()) else { return };
    let image = zoo::index_with_attestations("real");
    image.push_to_url(&source.url(), "app", "1");
    let mirror = Mirror::new(&format!("{}/app", source.host()), &[&format!("{}/app", target.host())], &["1"]);
    let regsync = Regsync::new().config(&yaml(&[mirror.with("platforms: [linux/arm64]")]));
    let applied = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
    assert_eq!(applied["steps"][0]["digest"], witness_digest(&target.host(), "app", "1"));
    let index: serde_json::Value = serde_json::from_slice(&pull_manifest(&target.url(), "app", "1").1).unwrap();
    assert_eq!(children(&index), [image.children[1].digest.clone(), image.children[3].digest.clone()]);
    // skopeo takes all that the index names: nothing is missing.
    pull_with_skopeo(&target.host(), "app", "1");
    let (from, to) = (source.mark(), target.mark());
    regsync.run(["plan", "--detailed-exitcode"]).assert_status(0);
    regsync.run(["apply"]).assert_status(0);
    source.assert_read_only_since(from);
    target.assert_read_only_since(to);
}

#[test]
fn the_same_part_comes_from_any_place() {
    let pair = Pair::start();
    let image = eight("anywhere");
    image.push_to(&pair.source, "app", "1");
    let part = |source: &str, target: &str| Mirror::new(source, &[target], &["1"]).with("platforms: [linux/386]");
    let regsync = pair.regsync(&[
        part(&pair.source.reference("app"), &pair.target.reference("one")),
        part("oci:upstream", &pair.target.reference("two")),
    ]);
    write_layout(&regsync.path("upstream"), &[(&image, "1")]);
    regsync.run(["apply"]).assert_status(0);
    assert_eq!(pair.target.tag_digest("one", "1"), pair.target.tag_digest("two", "1"));
    assert_eq!(children(&manifest(&pair.target, "two", "1")), of_eight(&image, &[EIGHT[2]]));
}
