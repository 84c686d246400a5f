//! What is particular to directories: one blob for all tags, and sources that break while they are read.

use crate::support::images::{media_type, zoo};
use crate::support::server::{Close, Fault, Match};
use crate::support::stage::{Mirror, Pair, steps};

#[test]
fn many_tags_share_their_blobs_and_all_arrive() {
    let pair = Pair::start();
    for n in 0..12 {
        let image = crate::support::images::Single::new(&format!("image {n}")).shared_layer("base").build();
        image.push_to(&pair.source, "app", &format!("v{n}"));
    }
    let mirror = Mirror::new(&pair.source.reference("app"), &["oci:out"], &["*"]);
    let regsync = pair.regsync(&[mirror]);
    let applied = regsync.run(["apply", "--format", "json"]);
    assert_eq!(steps(&applied.assert_status(0).json()).len(), 12);
    let index: serde_json::Value = serde_json::from_str(&regsync.read("out/index.json")).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 12);
    let base = crate::support::images::Single::new("image 0").shared_layer("base").build();
    let base = &base.blobs.last().unwrap().digest;
    assert_eq!(pair.source.count("GET", base), 1, "the shared layer was read more than once");
    let leftovers: Vec<_> =
        std::fs::read_dir(regsync.path("out")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(leftovers.len() <= 4, "{leftovers:?}");
}

#[test]
fn a_new_layout_takes_many_writers_at_once() {
    let pair = Pair::start();
    for n in 0..8 {
        zoo::single(&format!("image {n}")).push_to(&pair.source, "app", &format!("v{n}"));
    }
    for round in 0..8 {
        let mirror = Mirror::new(&pair.source.reference("app"), &[&format!("oci:out{round}")], &["*"]);
        let applied = pair.regsync(&[mirror]).run(["apply", "--sizes", "never"]);
        assert_eq!(applied.status, 0, "{}", applied.transcript());
    }
}

#[test]
fn wrong_bytes_leave_no_file_and_no_tag() {
    let pair = Pair::start();
    let image = zoo::index("broken");
    image.push_to(&pair.source, "app", "1");
    let layer = image.blobs.iter().find(|blob| blob.media_type == media_type::OCI_LAYER).unwrap();
    pair.source.fault(Match::new("GET", &format!("/blobs/{}", layer.digest)), Fault::FlipBit { at: 5 });
    let regsync = pair.regsync(&[Mirror::new(&pair.source.reference("app"), &["oci:out"], &["1"])]);
    let applied = regsync.run(["apply", "--format", "json"]);
    assert_eq!(steps(&applied.assert_status(1).json()), ["oci:out:1 failed new E_DIGEST"]);
    assert!(!regsync.path("out/blobs").join(layer.digest.replace(':', "/")).exists());
    if regsync.path("out/index.json").exists() {
        assert!(!regsync.read("out/index.json").contains(image.digest()));
    }
}

#[test]
fn a_connection_that_breaks_once_is_forgiven_whatever_the_target_is() {
    let pair = Pair::start();
    let image = zoo::index("flaky");
    image.push_to(&pair.source, "app", "1");
    for target in [pair.target.reference("app"), "oci:out".to_owned()] {
        pair.source.clear_faults();
        let cut = Fault::CutBody { after: 100, close: Close::Reset };
        pair.source.fault(Match::new("GET", "/blobs/").first(1), cut);
        let regsync = pair.regsync(&[Mirror::new(&pair.source.reference("app"), &[&target], &["1"])]);
        let applied = regsync.run(["apply", "--format", "json"]);
        assert_eq!(applied.status, 0, "to {target}: {}", applied.transcript());
    }
    pair.target.assert_closed();
}

#[test]
fn a_layout_outside_of_the_configurations_directory_needs_leave() {
    let pair = Pair::start();
    zoo::single("outside").push_to(&pair.source, "app", "1");
    let regsync = pair.regsync(&[Mirror::new(&pair.source.reference("app"), &["oci:../outside"], &["1"])]);
    regsync.run(["apply"]).assert_status(65);
    assert!(!regsync.path("../outside").exists());
    assert!(pair.source.requests().is_empty());
    regsync.run(["apply", "--allow-path", ".."]).assert_status(0);
    assert!(regsync.path("../outside/index.json").exists());
}
