//! GitHub Actions: what a run leaves in the files of the runner, and on its log, however it ends.

mod comment;
mod files;
mod fork;
mod golden;
mod trust;

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::harness::Regsync;
use crate::support::images::zoo;
use crate::support::server::{Fault, Gate, Match};
use crate::support::stage::Pair;

/// A source with some tags, and a target with another `1`.
fn pair() -> Pair {
    let pair = Pair::start();
    for tag in ["1", "2", "3"] {
        zoo::single(tag).push_to(&pair.source, "app", tag);
    }
    zoo::single("older").push_to(&pair.target, "app", "1");
    pair.clear_logs();
    pair
}

/// What the runner gives.
fn runner(regsync: Regsync) -> Regsync {
    let at = |name: &str| regsync.path(name).to_str().unwrap().to_owned();
    let (workspace, output, summary) = (at(""), at("output"), at("summary"));
    regsync
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_WORKSPACE", &workspace)
        .env("GITHUB_OUTPUT", &output)
        .env("GITHUB_STEP_SUMMARY", &summary)
        .env("GITHUB_SERVER_URL", "https://github.example")
        .env("GITHUB_REPOSITORY", "acme/mirrors")
        .env("GITHUB_SHA", "3f9c2d1ab0")
        .env("NO_COLOR", "1")
}

/// The outputs that the runner would read; the file is gone after it.
#[track_caller]
fn outputs(regsync: &Regsync) -> BTreeMap<String, String> {
    let text = regsync.read("output");
    std::fs::remove_file(regsync.path("output")).unwrap();
    let pairs = text.lines().map(|line| line.split_once('=').expect("name=value"));
    let outputs: BTreeMap<String, String> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(outputs.len(), 15, "{text}");
    outputs
}

fn commands<'a>(log: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("::{name} ");
    log.lines().filter(|line| line.starts_with(&start)).collect()
}

#[test]
fn a_plan_is_told_in_outputs_summary_and_annotations() {
    let pair = pair();
    let regsync = runner(pair.regsync(&[pair.mirror("app", &["1", "2", "9"])])).env("REGSYNC_LABEL", "prod <eu>");
    let run = regsync.run(["plan", "-o", "plan.json"]);
    run.assert_status(1);
    let outputs = outputs(&regsync);
    assert_eq!(outputs["result"], "failed");
    assert_eq!(outputs["failure-reason"], "incomplete");
    assert_eq!((outputs["has-changes"].as_str(), outputs["has-risk"].as_str()), ("true", "true"));
    assert_eq!(outputs["counts"], r#"{"copy":1,"update":1,"skip":0,"blocked":0,"error":1}"#);
    assert!(outputs["bytes-to-transfer"].parse::<u64>().unwrap() > 0);
    assert_eq!(Path::new(&outputs["plan-file"]), regsync.path("plan.json"));
    assert_eq!(outputs["shards"], r#"["1/1"]"#);
    let plan: serde_json::Value = serde_json::from_str(&regsync.read("plan.json")).unwrap();
    assert_eq!(plan["plan_id"], outputs["plan-id"]);
    assert_eq!((outputs["exit-code"].as_str(), outputs["version"].as_str()), ("1", env!("CARGO_PKG_VERSION")));

    let summary = regsync.read("summary");
    assert!(summary.starts_with("### 🔴 regsync plan · prod &#60;eu&#62; — "), "{summary}");
    assert!(summary.contains("(https://github.example/acme/mirrors/blob/3f9c2d1ab0/regsync.yaml#L3)"), "{summary}");
    let (errors, warnings) = (commands(&run.stderr, "error"), commands(&run.stderr, "warning"));
    assert_eq!((errors.len(), warnings.len()), (1, 1), "{}", run.stderr);
    assert!(errors[0].starts_with("::error file=regsync.yaml,line=3,col="), "{errors:?}");
    assert!(errors[0].contains(",title=E_NOT_FOUND::"), "{errors:?}");
    assert!(warnings[0].contains(",title=tag-move::"), "{warnings:?}");
    assert!(!run.stdout.contains("::error"), "{}", run.stdout);
}

#[test]
fn what_was_applied_is_told_and_both_can_be_left_out() {
    let pair = pair();
    let regsync = runner(pair.regsync(&[pair.mirror("app", &["1", "9"])]));
    let run = regsync.run(["apply", "--summary", "false", "--annotations=false", "--report", "json=result.json"]);
    run.assert_status(3);
    let told = outputs(&regsync);
    assert_eq!((told["result"].as_str(), told["failure-reason"].as_str()), ("partial", "partial-apply"));
    assert_eq!(Path::new(&told["result-file"]), regsync.path("result.json"));
    assert!(told["counts"].contains(r#""updated":1"#) && told["counts"].contains(r#""failed":1"#), "{told:?}");
    assert!(!regsync.path("summary").exists());
    assert!(!run.stderr.contains("::error "), "{}", run.stderr);

    let only = ["apply", "--only", "**/app:1"];
    regsync.run(only).assert_status(0);
    let told = outputs(&regsync);
    assert_eq!((told["result"].as_str(), told["exit-code"].as_str()), ("no-changes", "0"));
    assert!(
        regsync.read("summary").contains("regsync apply — no changes, 1 tag up to date"),
        "{}",
        regsync.read("summary")
    );
}

#[test]
fn problems_of_the_configuration_stand_on_their_lines() {
    let regsync = runner(Regsync::new().config("version: 1\nmirors: []\nregistries: 3\n"));
    for verb in ["plan", "apply", "validate"] {
        let run = regsync.run([verb]);
        run.assert_status(65);
        let errors = commands(&run.stderr, "error");
        assert!(errors.len() > 1, "{}", run.stderr);
        let unknown = errors.iter().find(|line| line.contains("E_CFG_UNKNOWN_KEY")).unwrap();
        assert!(unknown.starts_with("::error file=regsync.yaml,line=2,col=1,"), "{unknown}");
        let told = outputs(&regsync);
        assert_eq!((told["failure-reason"].as_str(), told["exit-code"].as_str()), ("config-invalid", "65"));
        assert_eq!((told["has-changes"].as_str(), told["shards"].as_str()), ("false", "[]"));
    }
    let quiet = regsync.run(["validate", "--annotations", "false"]);
    assert!(commands(&quiet.stderr, "error").is_empty(), "{}", quiet.stderr);
    outputs(&regsync);
    regsync.run(["plan", "--no-such-flag"]).assert_status(64);
    assert_eq!(outputs(&regsync)["failure-reason"], "usage");
}

#[test]
fn a_signal_leaves_all_of_it_written() {
    let pair = pair();
    let regsync = runner(pair.regsync(&[pair.mirror("app", &["2", "3"])]));
    let gate = Gate::new();
    let stuck = zoo::single("2").blobs[0].digest.clone();
    pair.source.fault(Match::new("GET", &format!("/blobs/{stuck}")), Fault::Hold(gate.clone()));
    let run = regsync.spawn(["apply", "--concurrency", "1"]);
    gate.wait_for(1);
    run.signal("INT");
    run.wait().assert_status(130);
    gate.open();
    let told = outputs(&regsync);
    assert_eq!((told["failure-reason"].as_str(), told["exit-code"].as_str()), ("interrupted", "130"));
    assert!(told["counts"].contains(r#""not-run":2"#), "{told:?}");
    assert!(regsync.read("summary").contains("**2 not run**"), "{}", regsync.read("summary"));
}

#[test]
fn nothing_is_written_away_from_the_runner() {
    let pair = pair();
    let regsync = runner(pair.regsync(&[pair.mirror("app", &["1", "9"])])).env("GITHUB_ACTIONS", "");
    let run = regsync.run(["plan"]);
    run.assert_status(1);
    assert!(!run.stderr.contains("::"), "{}", run.stderr);
    assert!(!regsync.path("output").exists() && !regsync.path("summary").exists());
}

#[test]
fn a_summary_without_room_is_left_alone() {
    let pair = pair();
    let regsync = runner(pair.regsync(&[pair.mirror("app", &["2"])]));
    let full = "x".repeat(945 << 10);
    regsync.write("summary", &full);
    let run = regsync.run(["plan"]);
    run.assert_status(0);
    assert!(run.stderr.contains("the job summary has no room left"), "{}", run.stderr);
    assert_eq!(regsync.read("summary").len(), full.len());
    assert_eq!(outputs(&regsync)["result"], "changes");
}

#[test]
fn a_risk_that_is_not_allowed_stops_plan_and_apply() {
    let pair = pair();
    let regsync = runner(pair.regsync(&[pair.mirror("app", &["1", "2"])]));
    let run = regsync.run(["plan", "-o", "plan.json", "--fail-on-risk", "tag-move"]);
    run.assert_status(5);
    assert!(run.stderr.contains("1 step carries a risk that --fail-on-risk names"), "{}", run.stderr);
    let told = outputs(&regsync);
    assert_eq!((told["result"].as_str(), told["failure-reason"].as_str()), ("blocked", "risk-blocked"));
    regsync.run(["apply", "--fail-on-risk", "tag-move"]).assert_status(5);
    regsync.run(["apply", "plan.json", "--fail-on-risk", "tag-move"]).assert_status(5);
    pair.assert_read_only();
    regsync.run(["plan", "--fail-on-risk", "platform-los"]).assert_status(64);
    let only = ["plan", "--fail-on-risk", "tag-move", "--only", "**/app:2"];
    regsync.run(only).assert_status(0);
    let strict = regsync.env("REGSYNC_FAIL_ON_RISK", "tag-move");
    strict.run(["plan", "--detailed-exitcode", "--allow", "tag-move"]).assert_status(2);
    strict.run(["apply", "--allow", "tag-move"]).assert_status(0);
}
