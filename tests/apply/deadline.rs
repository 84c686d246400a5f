//! `--deadline`: once it has passed nothing new begins, the report is written, and what is left is a failure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::harness::Regsync;
use crate::support::images::zoo;
use crate::support::server::{Fault, Gate, Match};
use crate::support::stage::{Pair, steps};

fn pair() -> Pair {
    let pair = Pair::start();
    for tag in ["1", "2", "3"] {
        zoo::index(tag).push_to(&pair.source, "app", tag);
    }
    pair
}

/// A job of GitHub with a saved plan of three images.
fn planned(pair: &Pair) -> Regsync {
    let regsync = pair.regsync(&[pair.mirror("app", &["*"])]);
    regsync.run(["plan", "-o", "plan.json"]).assert_status(0);
    let output = regsync.path("output").to_string_lossy().into_owned();
    regsync.env("GITHUB_ACTIONS", "true").env("GITHUB_OUTPUT", &output)
}

/// What the runner was told.
fn told(regsync: &Regsync) -> BTreeMap<String, String> {
    let text = regsync.read("output");
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn with_nothing_written_by_then_it_ends_with_1_and_a_report() {
    let pair = pair();
    let regsync = planned(&pair);
    let gate = Gate::new();
    pair.source.fault(Match::new("GET", "/blobs/"), Fault::Hold(gate.clone()));
    let args = ["apply", "plan.json", "--concurrency", "2", "--deadline", "1s", "--report", "json=result.json"];
    let output = regsync.run(args);
    output.assert_status(1);
    assert!(output.stderr.contains("the deadline has passed: nothing new is begun"), "{}", output.transcript());
    let result: Value = serde_json::from_str(&regsync.read("result.json")).unwrap();
    let left = |tag| format!("app:{tag} not-run new E_INTERRUPTED");
    assert_eq!(steps(&result), [left(1), left(2), left(3)]);
    assert_eq!(result["steps"][2]["error"]["message"], "the deadline passed before this step began");
    let told = told(&regsync);
    assert_eq!((told["result"].as_str(), told["failure-reason"].as_str()), ("failed", "deadline"));
    assert_eq!(told["exit-code"], "1");
    assert!(pair.target.store.tags("app").is_empty());
    pair.target.assert_closed();
    gate.open();
    pair.source.clear_faults();
    // A run that gets done in time, or has nothing to do, is none of its failures.
    regsync.run(["apply", "plan.json", "--deadline", "9h"]).assert_status(0);
    regsync.run(["apply", "plan.json", "--deadline", "1ns"]).assert_status(1);
    let again = ["plan", "-o", "plan.json", "--deadline", "9h"];
    regsync.run(again).assert_status(0);
    regsync.run(["apply", "plan.json", "--deadline", "1ns"]).assert_status(0);
}

#[test]
fn with_something_written_by_then_it_ends_with_3() {
    let pair = pair();
    let regsync = planned(&pair);
    let stuck = zoo::index("2").blobs[0].digest.clone();
    let gate = Gate::new();
    pair.source.fault(Match::new("GET", &format!("/blobs/{stuck}")), Fault::Hold(gate.clone()));
    // Ample for the first image, on any machine.
    let args = ["apply", "plan.json", "--concurrency", "1", "--deadline", "8s", "--format", "json"];
    let output = regsync.run(args);
    let expected = ["app:1 copied new", "app:2 not-run new E_INTERRUPTED", "app:3 not-run new E_INTERRUPTED"];
    assert_eq!(steps(&output.assert_status(3).json()), expected);
    let told = told(&regsync);
    assert_eq!((told["result"].as_str(), told["failure-reason"].as_str()), ("partial", "deadline"));
    assert_eq!(pair.target.store.tags("app"), ["1"]);
    pair.target.assert_closed();
    gate.open();
    pair.source.clear_faults();
    regsync.run(["apply"]).assert_status(0);
}

#[test]
fn a_plan_that_is_not_made_by_then_is_given_up() {
    let pair = pair();
    let regsync = planned(&pair);
    let gate = Gate::new();
    pair.source.fault(Match::new("HEAD", "/manifests/2"), Fault::Hold(gate.clone()));
    for [verb, flag, file] in [["plan", "-o", "late.json"], ["apply", "--report", "json=result.json"]] {
        let output = regsync.run([verb, flag, file, "--deadline", "1s"]);
        output.assert_status(1);
        let message = "the deadline passed before both sides were read: nothing was planned, and nothing written";
        assert!(output.stderr.contains(message), "{}", output.transcript());
        assert_eq!(output.stdout, "");
        let told = told(&regsync);
        assert_eq!((told["result"].as_str(), told["failure-reason"].as_str()), ("failed", "deadline"), "{verb}");
        for file in ["late.json", "result.json"] {
            assert!(!regsync.path(file).exists(), "{file}: half an observation is no plan");
        }
    }
    gate.open();
    pair.assert_read_only();
}

#[test]
fn what_is_no_time_is_a_mistake_in_usage() {
    let regsync = Regsync::new();
    for wrong in ["0s", "-5m", "5m ago", "300", "1d", "soon", "5h30", "99999999999999999999h"] {
        let output = regsync.run(["plan", &format!("--deadline={wrong}")]);
        assert!(output.assert_status(64).stderr.contains("such as 5h30m or 90s"), "{}", output.transcript());
    }
    // The default configuration is missing: the time is fine.
    for right in ["5h30m", "90s", "1h 30m", "PT5H30M", "100000000h"] {
        regsync.run(["plan", &format!("--deadline={right}")]).assert_status(65);
    }
    let regsync = regsync.env("REGSYNC_DEADLINE", "tomorrow");
    assert!(regsync.run(["apply"]).assert_status(64).stderr.contains("REGSYNC_DEADLINE"));
}
