//! Command lines that are none, or contradict themselves.

use super::{Case, refusals};
use crate::support::harness::Regsync;
use crate::support::registry::FakeRegistry;

/// Every mistake in usage, with a configuration that would be fine.
const CASES: &[Case<'static>] = &[
    Case { name: "unknown verb", args: &["aply"] },
    Case { name: "unknown verb of auth", args: &["auth", "login"] },
    Case { name: "unknown flag", args: &["plan", "--yes"] },
    Case { name: "flag of another verb", args: &["plan", "--fail-fast"] },
    Case { name: "stray argument", args: &["plan", "plan.json"] },
    Case { name: "unknown format", args: &["plan", "--format", "xml"] },
    Case { name: "empty configuration", args: &["plan", "-c", ""] },
    Case { name: "the same configuration twice", args: &["plan", "-c", "regsync.yaml", "-c", "regsync.yaml"] },
    Case { name: "empty glob", args: &["plan", "--only", ""] },
    Case { name: "not a glob", args: &["plan", "--exclude", "ghcr.io/[a"] },
    Case { name: "no concurrency", args: &["apply", "--concurrency", "0"] },
    Case { name: "too much concurrency", args: &["apply", "--concurrency", "257"] },
    Case { name: "a part of a saved plan", args: &["apply", "plan.json", "--only", "ghcr.io/**"] },
    Case { name: "empty id", args: &["apply", "--expect-plan-id", ""] },
    Case { name: "report without format", args: &["plan", "--report", "plan.json"] },
    Case { name: "report in an unknown format", args: &["plan", "--report", "yaml=plan.yaml"] },
    Case { name: "report without file", args: &["plan", "--report", "json="] },
    Case { name: "report to the standard output", args: &["plan", "--report", "json=-"] },
    Case { name: "two reports in one file", args: &["apply", "--report", "json=a", "--report", "text=./a"] },
    Case { name: "plan and report in one file", args: &["plan", "-o", "a.json", "--report", "json=a.json"] },
    Case { name: "plan in a missing directory", args: &["plan", "-o", "missing/plan.json"] },
    Case { name: "plan in a file's place", args: &["plan", "-o", "regsync.yaml/plan.json"] },
    Case { name: "plan in a directory's place", args: &["plan", "-o", "."] },
    Case { name: "report of apply in a missing directory", args: &["apply", "--report", "json=missing/a.json"] },
    Case { name: "allowed path that is not there", args: &["plan", "--allow-path", "missing"] },
    Case { name: "not a filter", args: &["plan", "--log", "regsync=loud"] },
    Case { name: "show of nothing", args: &["show"] },
    Case { name: "not a host", args: &["auth", "check", "https://ghcr.io"] },
    Case { name: "a layout for a host", args: &["auth", "check", "oci:somewhere/else"] },
    Case { name: "not a shell", args: &["completions", "cmd"] },
    Case { name: "no schema", args: &["schema", "report"] },
];

#[test]
fn mistakes_in_usage_are_64_and_cost_nothing() {
    let host = FakeRegistry::start();
    let place = |_: &str| Regsync::new().config(&super::one_mirror(&host)).host(&host.host(), "HOST");
    let text = refusals(CASES, place);
    assert_eq!(text.matches("\nexit: 64\n").count(), CASES.len(), "{text}");
    assert_eq!(host.requests().len(), 0);
    insta::assert_snapshot!(text);
}

#[test]
fn no_arguments_are_answered_with_help_on_stderr() {
    for args in [&[][..], &["auth"]] {
        let output = super::run(&Regsync::new(), args);
        output.assert_status(64);
        assert_eq!(output.stdout, "");
        assert!(output.stderr.contains("Usage: regsync"), "{}", output.stderr);
    }
}

#[test]
fn short_help_has_examples_and_long_help_has_exit_codes_too() {
    let regsync = Regsync::new();
    for verb in [None, Some("plan"), Some("apply")] {
        let help = |flag: &str| {
            let args: Vec<&str> = verb.into_iter().chain([flag]).collect();
            super::run(&regsync, &args).assert_status(0).stdout.clone()
        };
        let (short, long) = (help("-h"), help("--help"));
        assert!(short.contains("\nExamples:\n") && !short.contains("Exit codes:"), "{short}");
        assert!(long.contains("\nExamples:\n") && long.contains("\nExit codes:\n"), "{long}");
        assert!(long.contains("130  interrupted"), "{long}");
    }
    for verb in ["validate", "show", "schema", "completions", "man"] {
        let short = regsync.run([verb, "-h"]);
        assert!(short.assert_status(0).stdout.contains("\nExamples:\n"), "{}", short.stdout);
    }
    assert!(regsync.run(["report", "merge", "-h"]).assert_status(0).stdout.contains("\nExamples:\n"));
    assert!(regsync.run(["auth", "check", "-h"]).assert_status(0).stdout.contains("\nExamples:\n"));
    insta::assert_snapshot!("help of plan", regsync.run(["plan", "-h"]).stdout);
}

/// No value of a variable is shown: it may be anything.
#[test]
fn help_names_variables_and_not_their_values() {
    let regsync =
        Regsync::new().env("REGSYNC_ONLY", "CANARY").env("REGSYNC_LOG", "CANARY").env("REGSYNC_QUIET", "true");
    let help = regsync.run(["apply", "--help"]).assert_status(0).stdout.clone();
    assert!(help.contains("[env: REGSYNC_ONLY]") && help.contains("[env: REGSYNC_QUIET]"), "{help}");
    assert!(!help.contains("CANARY"), "{help}");
}

#[test]
fn the_version_names_commit_and_target() {
    let regsync = Regsync::new();
    let short = regsync.run(["-V"]).assert_status(0).stdout.clone();
    assert_eq!(short, concat!("regsync ", env!("CARGO_PKG_VERSION"), "\n"));
    let long = regsync.run(["--version"]).assert_status(0).stdout.clone();
    let rest = long.strip_prefix(concat!("regsync ", env!("CARGO_PKG_VERSION"), " ")).unwrap().trim_end();
    let target = match rest.split_once(") ") {
        None => rest,
        Some((commit, target)) => {
            let commit = commit.strip_prefix('(').unwrap();
            assert!(!commit.is_empty() && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{long}");
            target
        }
    };
    assert!(target.split('-').count() >= 3 && !target.contains(' '), "{long}");
}
