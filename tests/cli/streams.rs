//! What goes to stdout, what to stderr, what to files, and what becomes of a run when one of them is gone.

use std::fs;
use std::process::{Command, Stdio};

use super::{QUICKSTART, one_mirror, program, quickstart};
use crate::support::harness::Regsync;
use crate::support::images::zoo;
use crate::support::registry::FakeRegistry;
use crate::support::server::{Fault, Match};

/// Two images, of which one cannot be written.
fn half() -> (FakeRegistry, Regsync) {
    let host = FakeRegistry::start();
    zoo::index("one").push_to(&host, "app", "1");
    zoo::index("two").push_to(&host, "app", "2");
    host.fault(Match::new("PUT", "/mirror/app/manifests/2"), Fault::status(403));
    let regsync = Regsync::new().config(&one_mirror(&host)).host(&host.host(), "HOST");
    (host, regsync)
}

#[test]
fn one_run_gives_several_reports() {
    let (_host, regsync) = half();
    let output = regsync.run(["apply", "--report", "json=a.json", "--report", "text=a.txt", "--format", "json"]);
    output.assert_status(3);
    assert_eq!(regsync.read("a.json"), output.stdout);
    assert!(regsync.read("a.txt").contains("Apply incomplete: 1 of 2 done, 1 failed"), "{}", regsync.read("a.txt"));
}

/// What happened to the images is how the run ends; that a report is missing is said.
#[test]
fn a_report_that_cannot_be_written_changes_nothing_else() {
    let (host, regsync) = half();
    // Its directory goes away while the run lasts.
    fs::create_dir(regsync.path("reports")).unwrap();
    let reports = regsync.path("reports");
    host.before(Match::new("GET", "/app/manifests/").first(1), move || fs::remove_dir(&reports).unwrap());
    let output =
        regsync.run(["apply", "--report", "text=a.txt", "--report", "json=reports/a.json", "--report", "json=b.json"]);
    output.assert_status(3);
    assert!(output.stderr.contains("error: could not write reports/a.json: no such file\n"), "{}", output.stderr);
    assert!(output.stdout.ends_with(&regsync.read("a.txt")), "{}", output.stdout);
    assert!(regsync.read("b.json").contains("regsync.result"));
}

#[test]
fn a_plan_that_cannot_be_saved_is_a_failure_and_is_shown() {
    let (host, regsync) = half();
    fs::create_dir(regsync.path("out")).unwrap();
    regsync.run(["plan", "-o", "out/plan.json", "-q"]).assert_status(0);
    assert_eq!(super::files_below(&regsync.path("out")).len(), 1, "nothing is left beside it");
    let out = regsync.path("out");
    host.before(Match::new("HEAD", "/app/manifests/").first(1), move || fs::remove_dir_all(&out).unwrap());
    let output = regsync.run(["plan", "-o", "out/plan.json", "-q"]);
    assert_eq!(output.assert_status(1).stderr, "error: could not write out/plan.json: no such file\n");
    assert!(output.stdout.contains("Plan: 2 to copy"), "{}", output.stdout);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_stdout_is_said() {
    let regsync = quickstart();
    let script = |args: &str| {
        let script = format!("'{}' {args} > /dev/full", program().display());
        regsync.spawn_program(std::path::Path::new("/bin/sh"), &["-c", &script]).wait()
    };
    let said = "error: could not write to the standard output: no space left\n";
    for args in ["schema", &format!("plan -c {QUICKSTART}"), &format!("validate -c {QUICKSTART}")] {
        let output = script(args);
        assert!(output.assert_status(1).stderr.ends_with(said), "{args}: {}", output.stderr);
    }
    let applied = script(&format!("apply -c {QUICKSTART} --report json=a.json"));
    assert!(applied.assert_status(0).stderr.ends_with(said), "{}", applied.stderr);
    assert!(regsync.read("a.json").contains("\"copied\": 7"));
}

/// `regsync … | head -1`, where head has ended already.
#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let regsync = quickstart();
    for args in
        [&["plan", "-c", QUICKSTART][..], &["schema", "result"], &["man"], &["--help"], &["apply", "-c", QUICKSTART]]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(program());
        command.args(args).current_dir(regsync.path("")).env_clear().stdin(Stdio::null()).stdout(writer);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("error") && !stderr.contains("panicked"), "{args:?}: {stderr}");
    }
    assert!(regsync.path("examples/quickstart/mirror/web/index.json").exists(), "the work was done all the same");
}

/// Nor is one that has gone from stderr, whatever is logged.
#[test]
fn nobody_to_talk_to_is_no_failure() {
    let regsync = quickstart();
    for args in [&["plan", "-vvv", "-c", QUICKSTART][..], &["apply", "-c", QUICKSTART]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(program());
        command.args(args).current_dir(regsync.path("")).env_clear().stdin(Stdio::null()).stderr(writer);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(!output.stdout.is_empty());
    }
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = Command::new(program()).arg("nonsense").stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(64));
}

/// What is refused after planning has a result all the same, in which nothing was done.
#[test]
fn stdout_is_one_json_document_however_it_ends() {
    let (host, regsync) = half();
    let kinds = |args: &[&str], status: i32, kind: &str| {
        let output = super::run(&regsync, args);
        let document = output.assert_status(status).json();
        assert_eq!(document["kind"], kind, "{args:?}");
        document
    };
    kinds(&["plan", "--format", "json", "--detailed-exitcode"], 2, "regsync.plan");
    let stale = kinds(&["apply", "--format", "json", "--expect-plan-id", "000000000000"], 4, "regsync.result");
    assert_eq!(stale["summary"]["not-run"], 2);
    assert_eq!(stale["steps"][0]["error"]["code"], "E_STALE");
    assert_eq!(host.count("PUT", "/manifests/") + host.count("POST", ""), 0);
    kinds(&["apply", "--format", "json"], 3, "regsync.result");
    kinds(&["apply", "--format", "json"], 1, "regsync.result");
    host.fault(Match::new("*", "/manifests/"), Fault::status(403));
    kinds(&["plan", "--format", "json"], 1, "regsync.plan");
    let incomplete = kinds(&["apply", "--format", "json", "--require-complete"], 1, "regsync.result");
    assert_eq!(incomplete["complete"], false);
    kinds(&["apply", "--format", "json"], 1, "regsync.result");
}

/// For people, the plan and the reason are enough; reports are written as ever.
#[test]
fn a_refusal_after_planning_is_told_once() {
    let (_host, regsync) = half();
    let output = regsync.run(["apply", "--expect-plan-id", "000000000000", "--report", "text=a.txt", "-q"]);
    output.assert_status(4);
    assert!(output.stdout.contains("Plan: 2 to copy") && !output.stdout.contains("NOT RUN"), "{}", output.stdout);
    assert!(output.stderr.starts_with("error: the plan has the id sha256:"), "{}", output.stderr);
    assert!(regsync.read("a.txt").contains("2 not run"), "{}", regsync.read("a.txt"));
}

#[test]
fn quiet_is_silent_on_stderr_and_prints_the_result() {
    let (_host, regsync) = half();
    let output = regsync.run(["apply", "-q"]);
    assert_eq!(output.assert_status(3).stderr, "");
    assert!(output.stdout.contains("FAILED"), "{}", output.stdout);
}
