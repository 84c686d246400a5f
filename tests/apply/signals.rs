//! SIGINT and SIGTERM: nothing new begins, the report is written, the process ends soon.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::images::zoo;
use crate::support::server::{Fault, Gate, Match};
use crate::support::stage::{Pair, steps};

const SOON: Duration = Duration::from_secs(6);

fn pair() -> Pair {
    let pair = Pair::start();
    for tag in ["1", "2", "3"] {
        zoo::index(tag).push_to(&pair.source, "app", tag);
    }
    pair
}

/// Signals while the copy of the second of three images is under way and never ends.
#[track_caller]
fn interrupted(signal: &str, status: i32) {
    let pair = pair();
    let regsync = pair.regsync(&[pair.mirror("app", &["*"])]);
    let stuck = zoo::index("2").blobs[0].digest.clone();
    let gate = Gate::new();
    pair.source.fault(Match::new("GET", &format!("/blobs/{stuck}")), Fault::Hold(gate.clone()));
    let run = regsync.spawn(["apply", "--concurrency", "1", "--report", "json=result.json"]);
    gate.wait_for(1);
    let begin = Instant::now();
    run.signal(signal);
    let output = run.wait();
    output.assert_status(status);
    assert!(begin.elapsed() < SOON, "it took {:?} to end", begin.elapsed());
    let result: Value = serde_json::from_str(&regsync.read("result.json")).unwrap();
    let expected = ["app:1 copied new", "app:2 not-run new E_INTERRUPTED", "app:3 not-run new E_INTERRUPTED"];
    assert_eq!(steps(&result), expected);
    assert_eq!(result["summary"]["not-run"], 2, "{result:#}");
    assert!(output.stdout.contains("NOT RUN"), "{}", output.transcript());
    pair.target.assert_closed();
    assert_eq!(pair.target.store.tags("app"), ["1"]);
    gate.open();
    pair.source.clear_faults();
    regsync.run(["apply"]).assert_status(0);
    pair.target.assert_closed();
}

#[test]
fn sigint_while_applying_ends_with_130_and_a_report() {
    interrupted("INT", 130);
}

#[test]
fn sigterm_while_applying_ends_with_143_and_a_report() {
    interrupted("TERM", 143);
}

#[test]
fn what_is_under_way_may_end_and_nothing_new_begins() {
    let pair = pair();
    let regsync = pair.regsync(&[pair.mirror("app", &["*"])]);
    let slow = zoo::index("2").blobs[0].digest.clone();
    let gate = Gate::new();
    pair.source.fault(Match::new("GET", &format!("/blobs/{slow}")), Fault::Hold(gate.clone()));
    let run = regsync.spawn(["apply", "--concurrency", "1", "--format", "json"]);
    gate.wait_for(1);
    run.signal("INT");
    // Time for the signal to arrive before the copy goes on.
    std::thread::sleep(Duration::from_millis(300));
    gate.open();
    let output = run.wait();
    let expected = ["app:1 copied new", "app:2 copied new", "app:3 not-run new E_INTERRUPTED"];
    assert_eq!(steps(&output.assert_status(130).json()), expected);
    pair.target.assert_closed();
}

#[test]
fn a_signal_while_planning_ends_at_once_and_writes_nothing() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let pair = pair();
        let regsync = pair.regsync(&[pair.mirror("app", &["*"])]);
        for args in [["plan", "-o", "plan.json"], ["apply", "--report", "json=result.json"]] {
            let gate = Gate::new();
            pair.source.fault(Match::new("HEAD", "/manifests/2"), Fault::Hold(gate.clone()));
            let run = regsync.spawn(args);
            gate.wait_for(1);
            let begin = Instant::now();
            run.signal(signal);
            let output = run.wait();
            assert!(output.assert_status(status).stderr.contains("interrupted before"), "{}", output.transcript());
            assert_eq!(output.stdout, "");
            assert!(begin.elapsed() < SOON, "it took {:?} to end", begin.elapsed());
            for file in ["plan.json", "result.json"] {
                assert!(!regsync.path(file).exists(), "{file}: half an observation is no plan");
            }
            pair.source.clear_faults();
            gate.open();
        }
        pair.assert_read_only();
    }
}

#[test]
fn a_second_signal_does_not_wait() {
    let pair = pair();
    let regsync = pair.regsync(&[pair.mirror("app", &["1"])]);
    let gate = Gate::new();
    pair.source.fault(Match::new("GET", "/blobs/"), Fault::Hold(gate.clone()));
    let run = regsync.spawn(["apply"]);
    gate.wait_for(1);
    run.signal("INT");
    std::thread::sleep(Duration::from_millis(300));
    let begin = Instant::now();
    run.signal("INT");
    let output = run.wait();
    assert!(output.assert_status(130).stderr.contains("interrupted twice"), "{}", output.transcript());
    assert!(begin.elapsed() < Duration::from_secs(2), "it took {:?} to end", begin.elapsed());
    pair.target.assert_closed();
    assert!(pair.target.store.tags("app").is_empty());
    gate.open();
}
