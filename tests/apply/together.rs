//! Several writers of one tag at once: what is there in the end is one image that was approved, all of it, and who lost
//! says so.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::harness::{Output, Regsync};
use crate::support::images::{Image, zoo};
use crate::support::layout;
use crate::support::registry::Store;
use crate::support::server::{Answer, Fault, Gate, Match};
use crate::support::stage::{Mirror, Pair, steps, yaml};

const TAG: &str = "/manifests/1";

fn ours() -> Image {
    zoo::index("ours")
}

fn theirs() -> Image {
    zoo::index_with_attestations("theirs")
}

/// `ours` and `theirs` at the source, in repositories of these names, and an older image at the target.
fn pair() -> Pair {
    let pair = Pair::start();
    ours().push_to(&pair.source, "ours", "1");
    theirs().push_to(&pair.source, "theirs", "1");
    zoo::single("older").push_to(&pair.target, "app", "1");
    pair
}

/// A place to run in whose configurations `ours.yaml` and `theirs.yaml` write one tag of `target`. With plans of both, where
/// they are to be saved; a run is then told by the arguments that [`run`] gives.
fn rivals(pair: &Pair, target: &str, saved: bool) -> Regsync {
    let config = |from: &str| yaml(&[Mirror::new(&pair.source.reference(from), &[target], &["1"])]);
    let regsync = pair.regsync(&[]).file("ours.yaml", config("ours")).file("theirs.yaml", config("theirs"));
    if saved {
        regsync.run(["plan", "-c", "ours.yaml", "-o", "ours.json"]).assert_status(0);
        regsync.run(["plan", "-c", "theirs.yaml", "-o", "theirs.json"]).assert_status(0);
        pair.clear_logs();
    }
    regsync
}

/// The arguments of a run of `ours` or `theirs`.
fn run(name: &str, saved: bool) -> [&str; 5] {
    match (name, saved) {
        ("ours", true) => ["apply", "ours.json", "-q", "--format", "json"],
        ("ours", false) => ["apply", "-c", "ours.yaml", "--format", "json"],
        (_, true) => ["apply", "theirs.json", "-q", "--format", "json"],
        (_, false) => ["apply", "-c", "theirs.yaml", "--format", "json"],
    }
}

/// The only step of a result.
#[track_caller]
fn only(output: &Output) -> Value {
    let document = output.json();
    assert_eq!(document["steps"].as_array().unwrap().len(), 1, "{document:#}");
    document["steps"][0].clone()
}

#[track_caller]
fn assert_stale(output: &Output, digests: [&str; 2]) {
    let step = only(output.assert_status(4));
    assert_eq!(
        (step["outcome"].as_str(), step["error"]["code"].as_str()),
        (Some("stale"), Some("E_STALE")),
        "{step:#}"
    );
    let message = step["error"]["message"].as_str().unwrap();
    for digest in digests {
        assert!(message.contains(&digest["sha256:".len()..][..12]), "{digest} is not in {message:?}");
    }
}

fn put(store: &Store, image: &Image) {
    image.blobs.iter().for_each(|blob| store.put_blob_as("app", &blob.digest, blob.bytes.clone()));
    for child in &image.children {
        store.put_manifest("app", &child.digest, &child.media_type, child.bytes.clone());
    }
    store.put_manifest("app", "1", &image.root.media_type, image.root.bytes.clone());
}

#[test]
fn two_runs_of_one_plan_are_as_good_as_one() {
    for saved in [true, false] {
        // Both have looked at the tag before either has written; then both are about to write it.
        for meeting in [
            Match::new("HEAD", TAG).first(2),
            Match::new("POST", "/blobs/uploads/").first(12),
            Match::new("PUT", TAG).first(2),
        ] {
            let pair = pair();
            let regsync = rivals(&pair, &pair.target.reference("app"), saved);
            let (gate, both) = (Gate::new(), if meeting.method == "POST" { 12 } else { 2 });
            let at = format!("{meeting:?}, saved: {saved}");
            pair.target.fault(meeting, Fault::Hold(gate.clone()));
            let runs = [0; 2].map(|_| regsync.spawn(run("ours", saved)));
            gate.wait_for(both);
            gate.open();
            for output in runs.map(|run| run.wait()) {
                let outcome = only(output.assert_status(0))["outcome"].clone();
                assert!(outcome == "updated" || outcome == "skipped", "{at}: {}", output.transcript());
            }
            pair.target.assert_closed();
            assert_eq!(pair.target.tag_digest("app", "1").unwrap(), ours().digest(), "{at}");
            pair.clear_logs();
            regsync.run(["apply", "-c", "ours.yaml"]).assert_status(0);
            pair.assert_read_only();
        }
    }
}

#[test]
fn who_comes_too_late_is_stale_and_names_both_digests() {
    for saved in [true, false] {
        let pair = pair();
        let regsync = rivals(&pair, &pair.target.reference("app"), saved);
        let gate = Gate::new();
        let child = ours().children[0].digest.clone();
        pair.target.fault(Match::new("PUT", &child), Fault::Hold(gate.clone()));
        let late = regsync.spawn(run("ours", saved));
        gate.wait_for(1);
        let early = regsync.run(run("theirs", saved));
        assert_eq!(only(early.assert_status(0))["outcome"], "updated");
        gate.open();
        assert_stale(&late.wait(), [theirs().digest(), zoo::single("older").digest()]);
        assert_eq!(pair.target.tag_digest("app", "1").unwrap(), theirs().digest());
        pair.target.assert_closed();
    }
}

#[test]
fn between_the_last_look_and_the_write_the_last_one_wins_with_a_whole_image() {
    let pair = pair();
    let regsync = rivals(&pair, &pair.target.reference("app"), true);
    let gate = Gate::new();
    pair.target.fault(Match::new("PUT", TAG).first(1), Fault::Hold(gate.clone()));
    let last = regsync.spawn(run("ours", true));
    gate.wait_for(1);
    let first = regsync.run(run("theirs", true));
    assert_eq!(only(first.assert_status(0))["outcome"], "updated");
    gate.open();
    assert_eq!(only(last.wait().assert_status(0))["outcome"], "updated");
    assert_eq!(pair.target.tag_digest("app", "1").unwrap(), ours().digest());
    pair.target.assert_closed();
    // Both plans have been done, or are stale: neither writes again.
    pair.clear_logs();
    assert_eq!(only(regsync.run(run("ours", true)).assert_status(0))["outcome"], "skipped");
    assert_stale(&regsync.run(run("theirs", true)), [ours().digest(), zoo::single("older").digest()]);
    pair.assert_read_only();
}

#[test]
fn two_plans_in_a_race_leave_one_of_their_images() {
    for round in 0..6 {
        let pair = pair();
        let saved = round % 2 == 0;
        let regsync = rivals(&pair, &pair.target.reference("app"), saved);
        let runs = ["ours", "theirs"].map(|name| regsync.spawn(run(name, saved)));
        let ended = runs.map(|run| only(&run.wait())["outcome"].as_str().unwrap().to_owned());
        let now = pair.target.tag_digest("app", "1").unwrap();
        let allowed: BTreeSet<_> = match [&*ended[0], &*ended[1]] {
            ["updated", "updated"] => [ours().digest().to_owned(), theirs().digest().to_owned()].into(),
            ["updated", "stale"] => [ours().digest().to_owned()].into(),
            ["stale", "updated"] => [theirs().digest().to_owned()].into(),
            other => panic!("round {round}: {other:?}"),
        };
        assert!(allowed.contains(&now), "round {round}: {ended:?} and {now}");
        pair.target.assert_closed();
    }
}

#[test]
fn a_third_writer_in_the_last_moment_leaves_no_half_image() {
    for (image, outcome) in [(theirs(), "updated"), (ours(), "updated")] {
        let pair = pair();
        let regsync = rivals(&pair, &pair.target.reference("app"), false);
        pair.target.before_with_store(Match::new("PUT", TAG), move |store| put(store, &image));
        let applied = regsync.run(run("ours", false));
        assert_eq!(only(applied.assert_status(0))["outcome"], outcome);
        assert_eq!(pair.target.tag_digest("app", "1").unwrap(), ours().digest());
        pair.target.assert_closed();
    }
}

#[test]
fn where_the_registry_protects_the_tag_the_third_writer_keeps_it() {
    let pair = pair();
    let regsync = rivals(&pair, &pair.target.reference("app"), false);
    pair.target.before_with_store(Match::new("PUT", TAG), |store| put(store, &theirs()));
    let immutable = Answer::error(409, "TAG_IMMUTABLE", "tag 1 exists already");
    pair.target.fault(Match::new("PUT", TAG), Fault::Reply(immutable));
    let step = only(regsync.run(run("ours", false)).assert_status(4));
    assert_eq!((&step["outcome"], &step["error"]["code"]), (&"stale".into(), &"E_STALE".into()), "{step:#}");
    assert_eq!(pair.target.tag_digest("app", "1").unwrap(), theirs().digest());
    assert_eq!(pair.target.count("PUT", TAG), 1, "what is protected was written to again");
}

#[test]
fn a_write_that_failed_is_not_repeated_over_somebody_elses() {
    for fault in [Fault::status(500), Fault::Reset, Fault::DoneButReset] {
        let pair = pair();
        let regsync = rivals(&pair, &pair.target.reference("app"), true);
        pair.target.fault(Match::new("PUT", TAG).first(1), fault);
        // The first look is before the copy, the second before the write, the third after the failure.
        pair.target.before_with_store(Match::new("HEAD", TAG).nth(3), |store| put(store, &theirs()));
        let applied = regsync.run(run("ours", true));
        assert_stale(&applied, [theirs().digest(), zoo::single("older").digest()]);
        assert_eq!(pair.target.tag_digest("app", "1").unwrap(), theirs().digest());
        assert_eq!(pair.target.count("PUT", TAG), 1);
        pair.target.assert_closed();
    }
}

#[test]
fn two_runs_into_one_layout_lose_no_tag_and_no_blob() {
    for saved in [true, false] {
        let pair = pair();
        let images: Vec<_> = (0..6).map(|n| (format!("v{n}"), zoo::index(&format!("image {n}")))).collect();
        for (tag, image) in &images {
            image.push_to(&pair.source, "many", tag);
        }
        let config = |tags: &[&str]| yaml(&[Mirror::new(&pair.source.reference("many"), &["oci:out"], tags)]);
        let (some, others) = (config(&["v0", "v1", "v2", "v3"]), config(&["v2", "v3", "v4", "v5"]));
        let regsync = pair.regsync(&[]).file("ours.yaml", some).file("theirs.yaml", others);
        if saved {
            regsync.run(["plan", "-c", "ours.yaml", "-o", "ours.json"]).assert_status(0);
            regsync.run(["plan", "-c", "theirs.yaml", "-o", "theirs.json"]).assert_status(0);
        }
        let runs = ["ours", "theirs"].map(|name| regsync.spawn(run(name, saved)));
        for output in runs.map(|run| run.wait()) {
            let ended = steps(&output.assert_status(0).json());
            assert!(ended.iter().all(|step| step.contains(" copied ") || step.contains(" skipped ")), "{ended:?}");
        }
        let out = regsync.path("out");
        layout::assert_closed(&out);
        for (tag, image) in &images {
            assert_eq!(layout::tag_digest(&out, tag).as_deref(), Some(image.digest()), "{tag}, saved: {saved}");
        }
    }
}

#[test]
fn two_plans_for_one_tag_of_a_layout_leave_one_and_the_other_is_stale() {
    for round in 0..6 {
        let pair = pair();
        let saved = round % 2 == 0;
        let regsync = rivals(&pair, "oci:out", saved);
        let runs = ["ours", "theirs"].map(|name| regsync.spawn(run(name, saved)));
        let outputs = runs.map(|run| run.wait());
        let ended: Vec<_> = outputs.iter().map(|output| only(output)["outcome"].as_str().unwrap().to_owned()).collect();
        let out = regsync.path("out");
        layout::assert_closed(&out);
        let now = layout::tag_digest(&out, "1").unwrap();
        // A fresh plan may see what the other run has done already, and then moves the tag with open eyes.
        let winner = match [&*ended[0], &*ended[1]] {
            ["copied", "stale"] | ["updated", "copied"] => ours(),
            ["stale", "copied"] | ["copied", "updated"] => theirs(),
            other => panic!("round {round}: {other:?}"),
        };
        assert_eq!(now, winner.digest(), "round {round}: {ended:?}");
        assert!(!saved || ended.iter().any(|outcome| outcome == "stale"), "round {round}: {ended:?}");
    }
}
