//! Whatever an index can hold arrives byte for byte, over registries and layouts in every combination.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::harness::Regsync;
use crate::support::images::{Content, Image, write_layout, zoo};
use crate::support::real_registry::{digest_by_skopeo, digest_of_layout_by_skopeo};
use crate::support::stage::{Mirror, Pair, yaml};

fn copy(regsync: &Regsync, source: &str, target: &str) {
    regsync.write("copy.yaml", yaml(&[Mirror::new(source, &[target], &["*"])]));
    let output = regsync.run(["apply", "-c", "copy.yaml", "--allow-path", ".."]);
    output.assert_status(0);
    let again = regsync.run(["plan", "-c", "copy.yaml", "--detailed-exitcode"]);
    again.assert_status(0);
}

/// Every part of the image is in the layout, and its index names it.
#[track_caller]
fn assert_in_layout(dir: &Path, tag: &str, image: &Image) {
    let index: Value = serde_json::from_slice(&fs::read(dir.join("index.json")).unwrap()).unwrap();
    let named = |entry: &&Value| entry["annotations"]["org.opencontainers.image.ref.name"] == tag;
    let entries: Vec<_> = index["manifests"].as_array().unwrap().iter().filter(named).collect();
    assert_eq!(entries.len(), 1, "{tag}: {index:#}");
    assert_eq!(entries[0]["digest"], image.digest(), "{tag}");
    assert_eq!(entries[0]["size"], image.root.bytes.len(), "{tag}");
    assert_eq!(entries[0]["mediaType"], image.root.media_type, "{tag}");
    for Content { digest, bytes, .. } in image.blobs.iter().chain(&image.children).chain([&image.root]) {
        let path = dir.join("blobs").join(digest.replace(':', "/"));
        let found = fs::read(&path).unwrap_or_else(|error| panic!("{tag}: {digest}: {error}"));
        assert_eq!(found, *bytes, "{tag}: {digest}");
    }
}

#[test]
fn from_registry_to_registry() {
    let pair = Pair::start();
    for (name, image) in zoo::all("species") {
        image.push_to(&pair.source, "zoo", name);
    }
    let regsync = pair.regsync(&[]);
    copy(&regsync, &pair.source.reference("zoo"), &pair.target.reference("copy"));
    for (name, image) in zoo::all("species") {
        image.assert_at(&pair.target, "copy", name);
    }
    pair.target.assert_closed();
    pair.source.assert_read_only();
    assert_eq!(pair.target.store.open_uploads(), 0);
}

#[test]
fn from_registry_to_layout_to_layout_to_registry() {
    let pair = Pair::start();
    for (name, image) in zoo::all("species") {
        image.push_to(&pair.source, "zoo", name);
    }
    let regsync = pair.regsync(&[]);
    copy(&regsync, &pair.source.reference("zoo"), "oci:one");
    copy(&regsync, "oci:one", "oci:two");
    copy(&regsync, "oci:two", &pair.target.reference("copy"));
    for (name, image) in zoo::all("species") {
        assert_in_layout(&regsync.path("one"), name, &image);
        assert_in_layout(&regsync.path("two"), name, &image);
        image.assert_at(&pair.target, "copy", name);
    }
    pair.target.assert_closed();
}

#[test]
fn from_a_layout_that_another_tool_wrote() {
    let pair = Pair::start();
    let all = zoo::all("written");
    let regsync = pair.regsync(&[]);
    let images: Vec<_> = all.iter().map(|(name, image)| (image, *name)).collect();
    write_layout(&regsync.path("theirs"), &images);
    copy(&regsync, "oci:theirs", &pair.target.reference("copy"));
    for (name, image) in &all {
        image.assert_at(&pair.target, "copy", name);
    }
    pair.target.assert_closed();
}

#[test]
fn a_signature_that_is_a_tag_is_selected_and_copied_as_one() {
    let pair = Pair::start();
    let image = zoo::index("signed");
    let signature = zoo::cosign_signature(&image);
    image.push_to(&pair.source, "app", "1");
    signature.push_to(&pair.source, "app", &image.signature_tag());
    let regsync = pair.regsync(&[pair.mirror("app", &["1", "sha256-*.sig"])]);
    regsync.run(["apply"]).assert_status(0);
    image.assert_at(&pair.target, "app", "1");
    signature.assert_at(&pair.target, "app", &image.signature_tag());
}

#[test]
fn skopeo_reads_the_same_digests_at_registry_and_layout() {
    let pair = Pair::start();
    for (name, image) in zoo::all("skopeo") {
        image.push_to(&pair.source, "zoo", name);
    }
    let regsync = pair.regsync(&[]);
    copy(&regsync, &pair.source.reference("zoo"), &pair.target.reference("copy"));
    copy(&regsync, &pair.source.reference("zoo"), "oci:layout");
    for (name, image) in zoo::all("skopeo") {
        let Some(digest) = digest_by_skopeo(&pair.target.host(), "copy", name) else { return };
        assert_eq!(digest, image.digest(), "{name} at the registry");
        // In a layout it looks for OCI types alone.
        if image.root.media_type.contains("docker") {
            continue;
        }
        let digest = digest_of_layout_by_skopeo(&regsync.path("layout"), name).unwrap();
        assert_eq!(digest, image.digest(), "{name} in the layout");
    }
}

#[test]
fn foreign_layers_stay_where_they_are() {
    let pair = Pair::start();
    let foreign = crate::support::cdn::BlobCdn::start();
    let single = crate::support::images::Single::new("foreign");
    let url = foreign.serve("/layer", single.foreign_bytes());
    let image = zoo::with_foreign_layer("foreign", &url);
    image.push_to(&pair.source, "app", "1");
    pair.regsync(&[pair.mirror("app", &["1"])]).run(["apply"]).assert_status(0);
    image.assert_at(&pair.target, "app", "1");
    assert!(foreign.requests().is_empty(), "a foreign layer was fetched: {}", foreign.request_log(&[]));
    pair.target.assert_closed();
}
