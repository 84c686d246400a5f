//! `regsync show`: saved documents again, and files that only look like some.

use serde_json::{Value, json};

use super::{Case, QUICKSTART, quickstart, refusals};
use crate::support::harness::Regsync;

fn document(regsync: &Regsync, name: &str) -> Value {
    serde_json::from_str(&regsync.read(name)).unwrap()
}

#[test]
fn a_plan_is_shown_as_it_was_printed() {
    let regsync = quickstart();
    let plan = regsync.run(["plan", "-c", QUICKSTART, "-o", "plan.json"]).assert_status(0).stdout.clone();
    assert_eq!(regsync.run(["show", "plan.json"]).assert_status(0).stdout, plan);
    let full = regsync.run(["plan", "-c", QUICKSTART, "-v"]).stdout;
    assert_eq!(regsync.run(["show", "-v", "plan.json"]).stdout, full);
    let again = regsync.run(["show", "plan.json", "--format", "json", "--report", "text=a.txt"]).json();
    assert_eq!(again, document(&regsync, "plan.json"), "stamp included");
    assert_eq!(regsync.read("a.txt"), plan);
}

/// A machine without the configuration, or the images, can show both.
#[test]
fn documents_are_shown_far_from_home() {
    let home = quickstart();
    home.run(["plan", "-c", QUICKSTART, "-o", "plan.json"]).assert_status(0);
    let applied = home.run(["apply", "-c", QUICKSTART, "--report", "json=result.json", "--report", "text=result.txt"]);
    applied.assert_status(0);
    let away = Regsync::new().file("plan.json", home.read("plan.json")).file("result.json", home.read("result.json"));
    assert_eq!(away.run(["show", "plan.json"]).stdout, home.run(["show", "plan.json"]).stdout);
    let shown = away.run(["show", "result.json"]).assert_status(0).stdout.clone();
    assert_eq!(shown, home.read("result.txt"));
    assert!(applied.stdout.ends_with(&shown));
    assert_eq!(away.run(["show", "--format", "json", "result.json"]).json(), document(&home, "result.json"));
}

/// Wherever text stands, it may try to be a command to the terminal or to the runner.
#[test]
fn hostile_text_is_shown_and_nothing_more() {
    let hostile = "\u{1b}[31mred\u{7}\n::error::no\r##[group]x \u{202e}";
    let regsync = quickstart();
    regsync.run(["plan", "-c", QUICKSTART, "-o", "plan.json"]).assert_status(0);
    let mut plan = document(&regsync, "plan.json");
    plan["tool_version"] = json!(hostile);
    plan["created_at"] = json!(hostile);
    plan["scope"]["only"] = json!([hostile]);
    plan["warnings"] = json!([{"message": hostile, "location": null}]);
    plan["steps"][0]["warnings"] = json!([hostile]);
    plan["steps"][0]["platforms"] = json!([format!("linux/{hostile}")]);
    plan["steps"][1]["source"]["media_type"] = json!(hostile);
    regsync.write("plan.json", plan.to_string());
    for args in [&["show", "plan.json"][..], &["show", "-v", "plan.json"], &["show", "--format", "json", "plan.json"]] {
        let output = super::run(&regsync, args);
        output.assert_status(0);
        let wrong = output.stdout.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(wrong, None, "{}", output.stdout);
        assert!(!output.stdout.contains("##["), "{}", output.stdout);
        assert!(!output.stdout.lines().any(|line| line.trim_start().starts_with("::")), "{}", output.stdout);
    }
    let shown = regsync.run(["show", "--format", "json", "plan.json"]).json();
    assert_eq!(shown, plan, "no value is changed");
}

#[test]
fn what_is_no_document_is_refused() {
    let cases = [
        ("missing", String::new()),
        ("empty", String::new()),
        ("not JSON", "version: 1\n".to_owned()),
        ("an array", "[]".to_owned()),
        ("nothing in it", "{}".to_owned()),
        ("another kind", r#"{"format_version": "1.0", "kind": "other"}"#.to_owned()),
        ("another major version", r#"{"format_version": "2.0", "kind": "regsync.plan"}"#.to_owned()),
        ("a result of another major version", r#"{"format_version": "2.0", "kind": "regsync.result"}"#.to_owned()),
        ("a kind with an escape", "{\"format_version\": \"1.0\", \"kind\": \"\\u001b[31m\\n::error::x\"}".to_owned()),
        ("deep", "[".repeat(100_000)),
    ];
    let args: [&[&str]; 1] = [&["show", "file.json"]];
    let list: Vec<Case<'_>> = cases.iter().map(|(name, _)| Case { name, args: args[0] }).collect();
    let text = refusals(&list, |name| {
        let (_, content) = cases.iter().find(|(known, _)| *known == name).unwrap();
        if name == "missing" { Regsync::new() } else { Regsync::new().file("file.json", content) }
    });
    assert_eq!(text.matches("\nexit: 65\n").count(), cases.len(), "{text}");
    insta::assert_snapshot!(text);
    let binary = Regsync::new().file("file.json", [0xff, 0xfe, 0x00]);
    binary.run(["show", "file.json"]).assert_status(65);
    let directory = Regsync::new();
    std::fs::create_dir(directory.path("file.json")).unwrap();
    directory.run(["show", "file.json"]).assert_status(65);
}
