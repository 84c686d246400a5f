//! Mounts that are not granted, or granted and not done.

use serde_json::json;

use crate::support::images::{Content, Image, Single, media_type, zoo};
use crate::support::registry::FakeRegistry;
use crate::support::server::{Answer, Fault, Match};
use crate::support::stage::{Mirror, Pair};

/// An image that goes to two repositories of one registry, where `fault` strikes each mount.
#[track_caller]
fn arrives(image: &Image, fault: Fault) -> FakeRegistry {
    let pair = Pair::start();
    image.push_to(&pair.source, "app", "1");
    let name = format!("{} after", image.digest());
    pair.target.fault(Match::new("POST", "mount="), fault);
    let targets = [pair.target.reference("one"), pair.target.reference("two")];
    let mirror = Mirror::new(&pair.source.reference("app"), &[&targets[0], &targets[1]], &["1"]);
    let regsync = pair.regsync(&[mirror]);
    let applied = regsync.run(["apply"]);
    assert_eq!(applied.status, 0, "{name}: {}", applied.transcript());
    assert!(pair.target.count("POST", "mount=") > 0, "{name}: nothing was mounted");
    for repository in ["one", "two"] {
        image.assert_at(&pair.target, repository, "1");
    }
    pair.target.assert_closed();
    pair.clear_logs();
    regsync.run(["apply"]).assert_status(0);
    pair.assert_read_only();
    pair.target
}

#[test]
fn whatever_refuses_a_mount_the_blob_arrives() {
    for status in [400, 401, 403, 404, 405, 500] {
        arrives(&Single::new("refused").build(), Fault::status(status));
    }
}

#[test]
fn a_mount_that_was_granted_and_not_done_is_made_good() {
    for image in [Single::new("not done").build(), zoo::index("not done")] {
        arrives(&image, Fault::Reply(Answer::status(201).header("Location", "/v2/two/blobs/somewhere")));
    }
}

#[test]
fn a_mount_that_failed_and_was_done_is_as_good_as_any() {
    arrives(&Single::new("done").build(), Fault::DoneBut(Answer::error(500, "UNKNOWN", "who knows")));
    arrives(&Single::new("lost").build(), Fault::DoneBut(Answer::status(202)));
}

#[test]
fn a_config_that_is_a_layer_as_well_is_sent_once() {
    let pair = Pair::start();
    let both = Content::new("application/vnd.example.both", "config and layer");
    let descriptor = both.descriptor();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": descriptor, "layers": [descriptor, descriptor],
    });
    let root = Content::manifest(media_type::OCI_MANIFEST, &manifest);
    let image = Image { blobs: vec![both], children: Vec::new(), root, platform: None };
    image.push_to(&pair.source, "app", "1");
    pair.regsync(&[pair.mirror("app", &["1"])]).run(["apply"]).assert_status(0);
    assert_eq!((pair.source.count("GET", "/blobs/"), pair.target.count("PUT", "/blobs/uploads/")), (1, 1));
    image.assert_at(&pair.target, "app", "1");
}
