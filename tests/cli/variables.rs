//! `REGSYNC_…`: a flag is stronger than its variable, that than the default, and an empty one is unset.

use std::fs;

use super::{QUICKSTART, quickstart};
use crate::support::harness::Regsync;

/// All there are. A new flag must be added here; `every_flag_has_the_variable_of_its_name` sees that it has one.
const ALL: [&str; 29] = [
    "REGSYNC_ALLOW",
    "REGSYNC_ALLOW_PATH",
    "REGSYNC_ANNOTATIONS",
    "REGSYNC_CACHE_DIR",
    "REGSYNC_CHANGES",
    "REGSYNC_COLOR",
    "REGSYNC_COMMENT",
    "REGSYNC_CONCURRENCY",
    "REGSYNC_CONFIG",
    "REGSYNC_DEADLINE",
    "REGSYNC_DETAILED_EXITCODE",
    "REGSYNC_EXCLUDE",
    "REGSYNC_EXPECT_PLAN_ID",
    "REGSYNC_FAIL_FAST",
    "REGSYNC_FAIL_ON_RISK",
    "REGSYNC_FORMAT",
    "REGSYNC_LABEL",
    "REGSYNC_LOG",
    "REGSYNC_ONLY",
    "REGSYNC_OUT",
    "REGSYNC_PLAN",
    "REGSYNC_QUIET",
    "REGSYNC_REPORT",
    "REGSYNC_REQUIRE_COMPLETE",
    "REGSYNC_SHARD",
    "REGSYNC_SHARDS",
    "REGSYNC_SIZES",
    "REGSYNC_SUMMARY",
    "REGSYNC_VERBOSE",
];

#[test]
fn the_list_of_variables_is_the_one_of_the_help() {
    let regsync = Regsync::new();
    let merge = regsync.run(["report", "merge", "--help"]).stdout;
    let help = regsync.run(["plan", "--help"]).stdout + &regsync.run(["apply", "--help"]).stdout + &merge;
    let mut named: Vec<&str> = help.split("[env: ").skip(1).map(|rest| rest.split(']').next().unwrap()).collect();
    named.sort_unstable();
    named.dedup();
    assert_eq!(named, ALL);
}

/// Of single verbs.
const OTHERS: [&str; 1] = ["REGSYNC_CHECK_FOR"];

#[test]
fn empty_variables_are_unset_for_every_verb() {
    let plain = quickstart();
    let empty = ALL.iter().chain(&OTHERS).fold(quickstart(), |regsync, name| regsync.env(name, ""));
    for args in [
        &["validate", "-c", QUICKSTART][..],
        &["plan", "-c", QUICKSTART],
        &["apply", "-c", QUICKSTART],
        &["auth", "check", "-c", QUICKSTART],
        &["auth", "check"],
        &["schema"],
    ] {
        let (plain, empty) = (super::run(&plain, args), super::run(&empty, args));
        assert_eq!(plain.status, empty.status, "{}", empty.transcript());
        // Copies run side by side: their lines, and times, come in any order.
        if args[0] != "apply" {
            assert_eq!(plain.transcript(), empty.transcript());
        }
    }
}

#[test]
fn variables_do_what_their_flags_do() {
    let regsync = quickstart()
        .env("REGSYNC_CONFIG", QUICKSTART)
        .env("REGSYNC_FORMAT", "json")
        .env("REGSYNC_DETAILED_EXITCODE", "true")
        .env("REGSYNC_OUT", "plan.json")
        .env("REGSYNC_QUIET", "1");
    let output = regsync.run(["plan"]);
    assert_eq!(output.assert_status(2).stderr, "");
    assert_eq!(output.json()["summary"]["copy"], 7);
    assert_eq!(
        output.json()["plan_id"],
        serde_json::from_str::<serde_json::Value>(&regsync.read("plan.json")).unwrap()["plan_id"]
    );
    assert!(regsync.env("REGSYNC_VERBOSE", "1").run(["plan", "--format", "text"]).stdout.contains("wanted: sha256:"));
}

#[test]
fn a_flag_is_stronger_than_its_variable() {
    let regsync = quickstart()
        .env("REGSYNC_CONFIG", "missing.yaml")
        .env("REGSYNC_FORMAT", "json")
        .env("REGSYNC_ONLY", "oci:mirror/web")
        .env("REGSYNC_VERBOSE", "3");
    let output = regsync.run(["plan", "-c", QUICKSTART, "--format", "text", "--only", "oci:mirror/chart", "-v"]);
    output.assert_status(0);
    assert!(output.stdout.contains("Plan: 1 to copy") && output.stdout.contains("mirror/chart"), "{}", output.stdout);
    assert!(!output.stderr.contains("TRACE"), "{}", output.stderr);
}

#[test]
fn a_switch_can_be_set_to_no() {
    for (value, status) in [("false", 0), ("0", 0), ("no", 0), ("true", 2), ("1", 2), ("yes", 2), ("perhaps", 64)] {
        let regsync = quickstart().env("REGSYNC_DETAILED_EXITCODE", value);
        regsync.run(["plan", "-c", QUICKSTART]).assert_status(status);
    }
}

/// As a block of YAML gives it: one a line, with a line break at the end.
#[test]
fn a_variable_holds_one_value_a_line() {
    let regsync = quickstart()
        .env("REGSYNC_CONFIG", &format!("\n{QUICKSTART}\r\n\n"))
        .env("REGSYNC_ONLY", "oci:mirror/web\noci:mirror/chart:1.*\n")
        .env("REGSYNC_REPORT", "json=a.json\ntext=a.txt\n");
    let output = regsync.run(["plan"]);
    assert!(output.assert_status(0).stdout.contains("Plan: 3 to copy"), "{}", output.stdout);
    assert_eq!(regsync.read("a.txt"), output.stdout);
    assert!(regsync.read("a.json").contains("regsync.plan"));
    let blank = quickstart().env("REGSYNC_ONLY", " \n\n").run(["plan", "-c", QUICKSTART]);
    assert!(blank.stdout.contains("Plan: 7 to copy"), "{}", blank.stdout);
}

/// A value on the command line is taken whole.
#[test]
fn a_flag_does_not_split_its_value() {
    let regsync = Regsync::new();
    fs::create_dir(regsync.path("a\nb")).unwrap();
    let yaml = "version: 1\nmirrors:\n  - {source: \"r.example/x:1\", target: \"oci:y\"}\n";
    regsync.write("a\nb/regsync.yaml", yaml);
    regsync.run(["validate", "-c", "a\nb/regsync.yaml"]).assert_status(0);
}

#[test]
fn a_wrong_value_of_a_variable_is_said_to_be_one() {
    for (name, value) in [
        ("REGSYNC_FORMAT", "xml"),
        ("REGSYNC_VERBOSE", "very"),
        ("REGSYNC_QUIET", "perhaps"),
        ("REGSYNC_CONCURRENCY", "0"),
        ("REGSYNC_REPORT", "json=a.json\nplan.json"),
    ] {
        let output = quickstart().env(name, value).run(["plan", "-c", QUICKSTART]);
        output.assert_status(64);
        let note = format!("note: the value is that of the environment variable {name}\n");
        assert!(output.stderr.ends_with(&note), "{}", output.stderr);
    }
    let flag = quickstart().env("REGSYNC_FORMAT", "json").run(["plan", "--format", "xml"]);
    assert!(!flag.assert_status(64).stderr.contains("environment"), "{}", flag.stderr);
}

/// Variables of a whole job: what the plan was made with may stand there still.
#[test]
fn the_scope_of_a_saved_plan_may_be_repeated_but_not_changed() {
    let regsync = quickstart().env("REGSYNC_ONLY", "oci:mirror/chart").env("REGSYNC_CONFIG", QUICKSTART);
    regsync.run(["plan", "-o", "plan.json"]).assert_status(0);
    regsync.run(["apply", "plan.json", "--exclude", "oci:mirror/web"]).assert_status(64);
    regsync.run(["apply", "plan.json", "--only", "**"]).assert_status(64);
    assert!(!regsync.path("examples/quickstart/mirror").exists());
    regsync.run(["apply", "plan.json"]).assert_status(0);
    assert!(regsync.path("examples/quickstart/mirror/chart/index.json").exists());
    let other = regsync.env("REGSYNC_ONLY", "oci:mirror/web").run(["apply", "plan.json"]);
    assert!(other.assert_status(64).stderr.contains("do not go with a saved plan"), "{}", other.stderr);
}
