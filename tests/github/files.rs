//! The files that later steps read: the report as Markdown, and what was written, to attest it.

use std::path::Path;

use super::{outputs, pair, runner};
use crate::support::images::zoo;

#[test]
fn what_was_written_is_listed_once_for_each_digest() {
    let pair = pair();
    zoo::single("2").push_to(&pair.source, "app", "two");
    zoo::single("3").push_to(&pair.target, "app", "3");
    let regsync = pair.regsync(&[pair.mirror("app", &["1", "2", "two", "3", "9"])]);
    let artifacts = regsync.path("artifacts").to_str().unwrap().to_owned();
    let regsync = runner(regsync).env("GITHUB_ARTIFACTS", &artifacts);
    regsync.write("artifacts", "oci://of.another/tool@sha256:00\n");
    let reports = ["apply", "--report", "subjects=subjects.txt", "--report", "markdown=report.md"];
    regsync.run(reports).assert_status(3);
    let told = outputs(&regsync);
    assert_eq!(Path::new(&told["subjects-file"]), regsync.path("subjects.txt"));
    assert_eq!(Path::new(&told["summary-file"]), regsync.path("report.md"));
    assert_eq!(regsync.read("report.md"), regsync.read("summary"));
    let line = |tag: &str| format!("{}@{}\n", pair.target.reference("app"), zoo::single(tag).digest());
    let mut expected = [line("1"), line("2")];
    expected.sort();
    let written = regsync.read("subjects.txt");
    let mut lines: Vec<String> = written.lines().map(|line| format!("{line}\n")).collect();
    lines.sort();
    assert_eq!(lines, expected);
    let given = written.lines().map(|line| format!("oci://{line}\n")).collect::<Vec<_>>().concat();
    assert_eq!(regsync.read("artifacts"), format!("oci://of.another/tool@sha256:00\n{given}"));

    // Nothing more is written, and nothing more is listed.
    regsync.run(reports).assert_status(1);
    assert_eq!(regsync.read("subjects.txt"), "");
    assert_eq!(regsync.read("artifacts"), format!("oci://of.another/tool@sha256:00\n{given}"));
}

#[test]
fn a_run_without_a_result_names_no_list_and_writes_none() {
    let pair = pair();
    let regsync = runner(pair.regsync(&[pair.mirror("app", &["2"])]));
    let report = "REGSYNC_REPORT";
    let regsync = regsync.env(report, "subjects=subjects.txt\nmarkdown=report.md");
    regsync.run(["plan"]).assert_status(0);
    let told = outputs(&regsync);
    assert_eq!(told["subjects-file"], "");
    assert_eq!(Path::new(&told["summary-file"]), regsync.path("report.md"));
    assert!(!regsync.path("subjects.txt").exists());
    regsync.run(["apply", "-c", "missing.yaml"]).assert_status(65);
    let told = outputs(&regsync);
    assert_eq!((told["subjects-file"].as_str(), told["summary-file"].as_str()), ("", ""));
}

#[test]
fn what_is_shown_again_was_written_by_another_run() {
    let pair = pair();
    let regsync = pair.regsync(&[pair.mirror("app", &["2"])]);
    regsync.run(["plan", "-o", "plan.json"]).assert_status(0);
    let shown = regsync.run(["show", "plan.json", "--report", "subjects=subjects.txt"]);
    assert!(shown.assert_status(64).stderr.contains("subjects lists"), "{}", shown.transcript());
}
