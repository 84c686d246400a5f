//! Exit codes, and the flags that refuse or stop early.

use crate::support::images::zoo;
use crate::support::server::{Fault, Match};
use crate::support::stage::{Pair, steps};

fn pair(tags: &[&str]) -> Pair {
    let pair = Pair::start();
    for tag in tags {
        zoo::single(tag).push_to(&pair.source, "app", tag);
    }
    pair
}

#[test]
fn plan_tells_by_its_exit_code_only_when_asked() {
    let pair = pair(&["1"]);
    let regsync = pair.regsync(&[pair.mirror("app", &["1"])]);
    regsync.run(["plan"]).assert_status(0);
    regsync.run(["plan", "--detailed-exitcode"]).assert_status(2);
    regsync.run(["apply"]).assert_status(0);
    regsync.run(["plan", "--detailed-exitcode"]).assert_status(0);
    regsync.run(["apply"]).assert_status(0);
}

#[test]
fn usage_and_invalid_files_have_their_own_codes() {
    let pair = pair(&["1"]);
    let regsync = pair.regsync(&[pair.mirror("app", &["1"])]).file("bad.yaml", "version: 1\nmirors: []\n");
    regsync.run(["plan", "--no-such-flag"]).assert_status(64);
    regsync.run(["explode"]).assert_status(64);
    regsync.run(["apply", "plan.json", "--only", "x"]).assert_status(64);
    regsync.run(["plan", "-c", "bad.yaml"]).assert_status(65);
    regsync.run(["plan", "-c", "absent.yaml"]).assert_status(65);
    regsync.run(["apply", "absent.json"]).assert_status(65);
    regsync.run(["--version"]).assert_status(0);
    regsync.run(["--help"]).assert_status(0);
    assert!(pair.source.requests().is_empty() && pair.target.requests().is_empty());
}

#[test]
fn failed_with_nothing_written_is_1_and_with_something_written_3() {
    let pair = pair(&["1", "2"]);
    let alone = pair.regsync(&[pair.mirror("app", &["9"])]);
    alone.run(["apply"]).assert_status(1);
    let both = pair.regsync(&[pair.mirror("app", &["1", "9"])]);
    both.run(["apply"]).assert_status(3);
    // A skip is not something written.
    both.run(["apply"]).assert_status(1);
}

#[test]
fn require_complete_refuses_before_the_first_write() {
    let pair = pair(&["1", "2"]);
    let regsync = pair.regsync(&[pair.mirror("app", &["1", "2", "9"])]);
    let refused = regsync.run(["apply", "--require-complete"]);
    refused.assert_status(1);
    assert!(refused.stderr.contains("--require-complete"), "{}", refused.transcript());
    regsync.run(["plan", "-o", "plan.json"]).assert_status(1);
    regsync.run(["apply", "plan.json", "--require-complete"]).assert_status(1);
    pair.assert_read_only();
    assert!(pair.target.repositories().is_empty());
    let complete = pair.regsync(&[pair.mirror("app", &["1", "2"])]);
    complete.run(["apply", "--require-complete"]).assert_status(0);
}

#[test]
fn a_blocked_step_is_no_reason_for_require_complete_to_refuse() {
    let pair = pair(&["1", "2"]);
    zoo::single("older").push_to(&pair.target, "app", "1");
    let regsync = pair.regsync(&[pair.mirror("app", &["1", "2"]).with("on-tag-move: block")]);
    regsync.run(["apply", "--require-complete"]).assert_status(5);
    assert_eq!(pair.target.tag_digest("app", "2").unwrap(), zoo::single("2").digest());
}

#[test]
fn fail_fast_begins_nothing_new_after_the_first_failure() {
    let pair = pair(&["1", "2", "3", "4"]);
    let missing = zoo::single("2").blobs[1].digest.clone();
    pair.source.store.delete_blob("app", &missing);
    let regsync = pair.regsync(&[pair.mirror("app", &["*"])]);
    let applied = regsync.run(["apply", "--fail-fast", "--concurrency", "1", "--format", "json"]);
    let expected = [
        "app:1 copied new",
        "app:2 failed new E_NOT_FOUND",
        "app:3 not-run new E_INTERRUPTED",
        "app:4 not-run new E_INTERRUPTED",
    ];
    assert_eq!(steps(&applied.assert_status(3).json()), expected);
    assert_eq!(pair.target.store.tags("app"), ["1"]);
    pair.target.assert_closed();
}

#[test]
fn a_step_that_was_in_error_from_the_start_does_not_trip_fail_fast_before_the_others() {
    let pair = pair(&["2", "3"]);
    let regsync = pair.regsync(&[pair.mirror("app", &["1", "2", "3"])]);
    let applied = regsync.run(["apply", "--fail-fast", "--concurrency", "1", "--format", "json"]);
    let expected = ["app:1 failed source-missing E_NOT_FOUND", "app:2 copied new", "app:3 copied new"];
    assert_eq!(steps(&applied.assert_status(3).json()), expected);
}

#[test]
fn a_report_that_could_not_be_written_is_refused_before_the_work() {
    let pair = pair(&["1"]);
    let regsync = pair.regsync(&[pair.mirror("app", &["1"])]);
    let applied = regsync.run(["apply", "--report", "json=no/such/place.json"]);
    assert!(applied.assert_status(64).stderr.contains("no/such/place.json"), "{}", applied.transcript());
    assert!(pair.target.requests().is_empty());
}

#[test]
fn an_error_that_passes_is_tried_again_and_no_failure() {
    let pair = pair(&["1"]);
    for (method, path) in [("GET", "/blobs/"), ("HEAD", "/manifests/1")] {
        pair.source.fault(Match::new(method, path).first(1), Fault::status(503));
    }
    pair.target.fault(Match::new("POST", "/blobs/uploads/").first(1), Fault::too_many_requests("0"));
    pair.target.fault(Match::new("PUT", "/manifests/1").first(1), Fault::status(502));
    let regsync = pair.regsync(&[pair.mirror("app", &["1"])]);
    regsync.run(["apply"]).assert_status(0);
    pair.target.assert_closed();
    assert_eq!(pair.target.store.open_uploads(), 0);
}
