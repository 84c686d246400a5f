//! Who waits for whom: a slow host holds up no other, large blobs hold up no small ones, and results keep the plan's order.

use std::sync::mpsc;
use std::time::Duration;

use serde_json::json;

use crate::support::images::{Content, media_type, zoo};
use crate::support::registry::FakeRegistry;
use crate::support::server::{Fault, Gate, Match};
use crate::support::stage::{Mirror, Pair, steps};

const PATIENCE: Duration = Duration::from_secs(30);

/// Tells when `count` manifests have been asked to be written.
fn arrivals(registry: &FakeRegistry, count: usize) -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    // The test may have failed and gone by then.
    registry.before(Match::new("PUT", "/manifests/").nth(count), move || {
        let _ = sender.send(());
    });
    receiver
}

/// The tags written to a registry, with their repositories, in order.
fn tags_written(registry: &FakeRegistry) -> Vec<String> {
    let requests = registry.requests();
    let puts = requests.iter().filter(|request| request.method == "PUT" && !request.path.contains("sha256"));
    let names = puts.filter_map(|request| request.path.strip_prefix("/v2/")?.split_once("/manifests/"));
    names.map(|(repository, tag)| format!("{repository}:{tag}")).collect()
}

#[test]
fn a_target_that_does_not_answer_delays_no_other() {
    let (pair, stuck) = (Pair::start(), FakeRegistry::start());
    let tags = ["1", "2", "3", "4"];
    for tag in tags {
        zoo::single(tag).push_to(&pair.source, "app", tag);
    }
    let gate = Gate::new();
    stuck.fault(Match::new("POST", "/blobs/uploads/"), Fault::Hold(gate.clone()));
    let done = arrivals(&pair.target, tags.len());
    let targets = [stuck.reference("app"), pair.target.reference("app")];
    let targets: Vec<_> = targets.iter().map(String::as_str).collect();
    let regsync = pair.regsync(&[Mirror::new(&pair.source.reference("app"), &targets, &["*"])]);
    let run = regsync.spawn(["apply", "--concurrency", "1", "--format", "json"]);
    gate.wait_for(1);
    done.recv_timeout(PATIENCE).expect("the other target gets its images meanwhile");
    assert!(tags_written(&stuck).is_empty());
    gate.open();
    let result = run.wait().assert_status(0).json();
    assert_eq!(result["summary"]["copied"], 8, "{result:#}");
    stuck.assert_closed();
    pair.target.assert_closed();
}

/// An image that states layers of more than 64 MiB. Nobody ever sends them: the test ends before.
fn huge(pair: &Pair, repository: &str, layers: usize) -> Content {
    let config = Content::new(media_type::OCI_CONFIG, format!("{{\"author\": \"{repository}\"}}"));
    let layer = |n: usize| {
        let layer = Content::new(media_type::OCI_LAYER, format!("{repository} {n}"));
        let mut descriptor = layer.descriptor();
        descriptor["size"] = json!((64 << 20) + 1);
        descriptor
    };
    let layers: Vec<_> = (0..layers).map(layer).collect();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": config.descriptor(),
        "layers": layers,
    });
    let manifest = Content::manifest(media_type::OCI_MANIFEST, &manifest);
    pair.source.put_manifest(repository, "1", media_type::OCI_MANIFEST, manifest.bytes);
    config
}

#[test]
fn large_uploads_that_do_not_end_leave_room_for_small_ones() {
    let pair = Pair::start();
    for name in ["a", "b"] {
        let config = huge(&pair, name, 4);
        pair.target.put_blob(name, config.bytes);
    }
    let small = ["1", "2", "3"];
    for tag in small {
        zoo::single(tag).push_to(&pair.source, "small", tag);
    }
    let gate = Gate::new();
    for name in ["a", "b"] {
        pair.target.fault(Match::new("POST", &format!("/v2/{name}/")), Fault::Hold(gate.clone()));
    }
    let done = arrivals(&pair.target, small.len());
    let mirrors = [pair.mirror("a", &["1"]), pair.mirror("b", &["1"]), pair.mirror("small", &["*"])];
    let regsync = pair.regsync_with_concurrency(&mirrors, 8);
    let run = regsync.spawn(["apply", "--sizes", "always"]);
    // Of eight places, six. That the blobs are not there is known by then.
    gate.wait_for(6);
    done.recv_timeout(PATIENCE).expect("small images find a place");
    assert_eq!(pair.target.count("POST", "/v2/a/") + pair.target.count("POST", "/v2/b/"), 6);
    drop(run);
    gate.open();
}

#[test]
fn large_reads_that_do_not_end_leave_room_for_small_ones() {
    let (pair, second) = (Pair::start(), FakeRegistry::start());
    for (name, target) in [("a", &pair.target), ("b", &second)] {
        let config = huge(&pair, name, 6);
        target.put_blob(name, config.bytes);
    }
    zoo::single("small").push_to(&pair.source, "small", "1");
    let gate = Gate::new();
    for name in ["a", "b"] {
        pair.source.fault(Match::new("GET", &format!("/v2/{name}/blobs/")), Fault::Hold(gate.clone()));
    }
    let done = arrivals(&pair.target, 1);
    let other = Mirror::new(&pair.source.reference("b"), &[&second.reference("b")], &["1"]);
    let mirrors = [pair.mirror("a", &["1"]), other, pair.mirror("small", &["1"])];
    let regsync = pair.regsync_with_concurrency(&mirrors, 8);
    let run = regsync.spawn(["apply", "--sizes", "never"]);
    gate.wait_for(6);
    done.recv_timeout(PATIENCE).expect("a small image can be read");
    drop(run);
    gate.open();
}

#[test]
fn all_hosts_get_the_images_they_share_first_and_in_the_same_order() {
    let (pair, second) = (Pair::start(), FakeRegistry::start());
    for repository in ["own", "shared"] {
        for tag in ["1", "2", "3"] {
            zoo::single(&format!("{repository} {tag}")).push_to(&pair.source, repository, tag);
        }
    }
    // At the other host the names sort the other way round.
    let mirror = |from: &str, targets: &[String], tags: &[&str]| {
        let targets: Vec<_> = targets.iter().map(String::as_str).collect();
        Mirror::new(&pair.source.reference(from), &targets, tags)
    };
    let mirrors = [
        mirror("own", &[pair.target.reference("own")], &["*"]),
        mirror("shared", &[pair.target.reference("a"), second.reference("z")], &["3"]),
        mirror("shared", &[pair.target.reference("b"), second.reference("y")], &["1", "2"]),
    ];
    let regsync = pair.regsync(&mirrors);
    let applied = regsync.run(["apply", "--concurrency", "1", "--format", "json"]);
    assert_eq!(tags_written(&pair.target), ["a:3", "b:1", "b:2", "own:1", "own:2", "own:3"]);
    assert_eq!(tags_written(&second), ["z:3", "y:1", "y:2"]);
    let result = applied.assert_status(0).json();
    let plan = regsync.run(["plan", "--format", "json"]).json();
    let names = |document| steps(document).iter().map(|step| step.split(' ').next().unwrap().to_owned()).collect();
    let (in_result, in_plan): (Vec<String>, Vec<String>) = (names(&result), names(&plan));
    assert_eq!(in_result, in_plan, "outcomes stand in the plan's order");
}

#[test]
fn what_is_in_sync_stands_in_its_place_beside_what_is_copied() {
    let pair = Pair::start();
    for tag in ["1", "2", "3", "4"] {
        zoo::single(tag).push_to(&pair.source, "app", tag);
    }
    for tag in ["1", "3"] {
        zoo::single(tag).push_to(&pair.target, "app", tag);
    }
    let regsync = pair.regsync(&[pair.mirror("app", &["*", "9"])]);
    let applied = regsync.run(["apply", "--format", "json"]);
    let expected = [
        "app:1 skipped in-sync",
        "app:2 copied new",
        "app:3 skipped in-sync",
        "app:4 copied new",
        "app:9 failed source-missing E_NOT_FOUND",
    ];
    assert_eq!(steps(&applied.assert_status(3).json()), expected);
}
