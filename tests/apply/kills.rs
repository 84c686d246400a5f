//! SIGKILL at every boundary of a copy: no tag ever names an incomplete image, and the next run converges.

use std::fs;
use std::path::Path;

use crate::support::images::{Image, Single, zoo};
use crate::support::registry::FakeRegistry;
use crate::support::server::{Fault, Gate, Match};
use crate::support::stage::{Mirror, Pair, steps};

fn images() -> Vec<(&'static str, Image)> {
    vec![
        ("index", zoo::index("a")),
        ("attestations", zoo::index_with_attestations("b")),
        ("nested", zoo::nested_index("c")),
        ("shared", Single::new("d").shared_layer("a").build()),
    ]
}

fn pair() -> Pair {
    let pair = Pair::start();
    for (tag, image) in images() {
        image.push_to(&pair.source, "app", tag);
        image.push_to(&pair.source, "lib", tag);
    }
    pair
}

/// Runs until a request that fits is under way, kills, and lets the request go on.
#[track_caller]
fn kill_at(pair: &Pair, at: &FakeRegistry, matching: Match) {
    let boundary = format!("{matching:?}");
    let regsync = pair.regsync(&[pair.mirror("app", &["*"]), pair.mirror("lib", &["*"])]);
    let gate = Gate::new();
    at.fault(matching, Fault::Hold(gate.clone()));
    let mut run = regsync.spawn(["apply", "--concurrency", "3"]);
    gate.wait_for(1);
    run.kill();
    assert_eq!(run.wait().status, 128 + 9, "{boundary}: it had ended before");
    pair.target.assert_closed();
    at.clear_faults();
    gate.open();

    let again = regsync.run(["apply", "--format", "json"]);
    assert_eq!(again.status, 0, "{boundary}: {}", again.transcript());
    pair.target.assert_closed();
    for (tag, image) in images() {
        for repository in ["app", "lib"] {
            let found = pair.target.tag_digest(repository, tag);
            assert_eq!(found.as_deref(), Some(image.digest()), "{boundary}: {repository}:{tag}");
        }
    }
    pair.clear_logs();
    let third = regsync.run(["apply", "--format", "json"]);
    let in_sync = steps(&third.assert_status(0).json()).iter().all(|step| step.ends_with("skipped in-sync"));
    assert!(in_sync, "{boundary}: {}", third.transcript());
    pair.assert_read_only();
}

#[test]
fn killed_while_the_source_is_read() {
    let pair = pair();
    kill_at(&pair, &pair.source, Match::new("GET", "/blobs/").nth(4));
}

#[test]
fn killed_while_an_upload_is_opened() {
    let pair = pair();
    kill_at(&pair, &pair.target, Match::new("POST", "/blobs/uploads/").nth(2));
}

#[test]
fn killed_while_a_blob_is_committed() {
    let pair = pair();
    kill_at(&pair, &pair.target, Match::new("PUT", "/blobs/uploads/").nth(3));
}

#[test]
fn killed_while_a_child_is_written() {
    let pair = pair();
    kill_at(&pair, &pair.target, Match::new("PUT", "/manifests/sha256:").nth(2));
}

#[test]
fn killed_while_a_target_is_read_again() {
    let pair = pair();
    // The first eight are the plan's.
    kill_at(&pair, &pair.target, Match::new("HEAD", "/manifests/").nth(9));
}

#[test]
fn killed_while_the_first_tag_is_put() {
    let pair = pair();
    kill_at(&pair, &pair.target, Match::new("PUT", "/manifests/nested"));
}

#[test]
fn killed_while_a_later_tag_is_put() {
    let pair = pair();
    kill_at(&pair, &pair.target, Match::new("PUT", "/manifests/").nth(12));
}

/// All files below a directory with their bytes, temporary names included.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let (mut found, mut open) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().display().to_string();
                found.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_layout_survives_a_kill_and_then_is_what_an_undisturbed_run_makes() {
    for n in [1, 4, 9] {
        let pair = pair();
        let mirror = |to: &str| Mirror::new(&pair.source.reference("app"), &[to], &["*"]);
        let regsync =
            pair.regsync(&[mirror("oci:out")]).file("calm.yaml", crate::support::stage::yaml(&[mirror("oci:calm")]));
        let gate = Gate::new();
        pair.source.fault(Match::new("GET", "/blobs/").nth(n), Fault::Hold(gate.clone()));
        let mut run = regsync.spawn(["apply", "--concurrency", "1"]);
        gate.wait_for(1);
        run.kill();
        assert_eq!(run.wait().status, 128 + 9);
        pair.source.clear_faults();
        gate.open();
        regsync.run(["apply"]).assert_status(0);
        regsync.run(["apply", "-c", "calm.yaml"]).assert_status(0);
        let (killed, calm) = (files(&regsync.path("out")), files(&regsync.path("calm")));
        let blobs = |files: &[(String, Vec<u8>)]| {
            let mut blobs = files.to_vec();
            blobs.retain(|(name, _)| name.starts_with("blobs/"));
            blobs
        };
        assert_eq!(blobs(&killed).len(), blobs(&calm).len(), "killed at the blob {n}");
        assert!(blobs(&killed) == blobs(&calm), "killed at the blob {n}: other bytes than an undisturbed run");
        pair.clear_logs();
        let third = regsync.run(["apply"]);
        third.assert_status(0);
        assert!(files(&regsync.path("out")) == killed, "a run with nothing to do changed the layout");
        assert_eq!(pair.source.count("GET", "/blobs/"), 0);
    }
}

#[test]
fn an_answer_that_got_lost_is_no_reason_to_fail_or_to_write_twice() {
    for lost in ["/manifests/index", "/manifests/sha256:", "/blobs/uploads/session-"] {
        let pair = pair();
        pair.target.fault(Match::new("PUT", lost).first(1), Fault::DoneButReset);
        let regsync = pair.regsync(&[pair.mirror("app", &["index"])]);
        regsync.run(["apply"]).assert_status(0);
        pair.target.assert_closed();
        assert_eq!(pair.target.tag_digest("app", "index").unwrap(), zoo::index("a").digest(), "{lost}");
        if lost.starts_with("/manifests/index") {
            assert_eq!(pair.target.count("PUT", lost), 1, "{lost}: it was there, and was written again");
        }
    }
}
