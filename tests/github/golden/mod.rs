//! Golden files: what a run says, for each kind of end that it may come to, in every form that somebody reads.
//!
//! Owns the forms: a terminal with colour and one without, the comment that is the job summary too, JSON, annotations and
//! outputs. `scenes` owns the ends. Each file is `snapshots/<scene>.<form>.snap`; ports, times, and the ids and digests
//! that follow from ports have names in it.

mod scenes;

use std::path::Path;

use serde_json::Value;

use self::scenes::Scene;
use super::runner;
use crate::support::forge::Forge;
use crate::support::harness::{Output, Regsync};

/// The report that each run writes: its plan's id is that of the files too.
const REPORT: [&str; 2] = ["--report", "json=report.json"];

/// A run of the scene, with more arguments.
fn perform(scene: &Scene, regsync: &Regsync, more: &[&str]) -> Output {
    let args = [scene.args, &REPORT, more].concat();
    let running = regsync.spawn_program(Path::new(env!("CARGO_BIN_EXE_regsync")), &args);
    if let Some(gate) = &scene.gate {
        gate.wait_for(1);
        running.signal("INT");
    }
    let output = running.wait();
    if let Some(gate) = &scene.gate {
        gate.open();
    }
    output
}

/// The report of a run, where it came to one.
fn report(regsync: &Regsync) -> Option<String> {
    regsync.path("report.json").exists().then(|| regsync.read("report.json"))
}

/// With a name for the plan's id, which follows from ports.
fn knowing_the_plan(regsync: Regsync) -> Regsync {
    let report: Option<Value> = report(&regsync).map(|text| serde_json::from_str(&text).unwrap());
    match report.as_ref().and_then(|report| report["plan_id"].as_str()) {
        Some(id) => regsync.named(&id[7..], "WHOLE PLAN ID").named(&id[7..19], "PLAN ID"),
        None => regsync,
    }
}

/// Panics unless `text` is the golden file of the scene in this form.
#[track_caller]
fn assert_golden(name: &str, form: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(r#""seconds": [0-9.e-]+"#, r#""seconds": "[time]""#);
    settings.add_filter(r#""(sha256|tool_version)": "[0-9a-f.]+""#, r#""$1": "[$1]""#);
    settings.add_filter(r"(?m)^version=.*$", "version=[version]");
    settings.add_filter(r"\[DIR\]/work\b", "[WORKSPACE]");
    settings.add_filter("\u{1b}", "\\e");
    settings.bind(|| insta::assert_snapshot!(format!("{name}.{form}"), text));
}

/// Somebody's own terminal, or a log.
fn at_a_desk(name: &str, setup: fn() -> Scene, (form, color): (&str, &str)) {
    let mut scene = setup();
    let regsync = std::mem::replace(&mut scene.regsync, Regsync::new());
    let output = perform(&scene, &regsync, &["--color", color]);
    let transcript = output.transcript();
    let regsync = knowing_the_plan(regsync);
    assert_golden(name, form, &regsync.redact(&transcript));
}

/// A job for a pull request.
fn in_a_job(name: &str, setup: fn() -> Scene) {
    let (mut scene, forge) = (setup(), Forge::github());
    let regsync = std::mem::replace(&mut scene.regsync, Regsync::new());
    let regsync = forge.job(runner(regsync)).env("REGSYNC_LABEL", "prod-eu");
    let regsync = scene.in_a_job.iter().fold(regsync, |regsync, (name, value)| regsync.env(name, value));
    let output = perform(&scene, &regsync, &[]);
    let regsync = knowing_the_plan(regsync).named(&forge.url(), "API");
    let golden = |form: &str, text: &str| assert_golden(name, form, &regsync.redact(text));
    let summary = regsync.read("summary");
    // What is interrupted has no time for a comment.
    if scene.gate.is_none() {
        let comment = forge.own().body;
        let (_, shown) = comment.split_once('\n').unwrap();
        assert_eq!(regsync.redact(shown), regsync.redact(&summary));
    }
    golden("markdown", &summary);
    golden("json", &report(&regsync).unwrap_or_default());
    let commands: Vec<&str> = output.stderr.lines().filter(|line| line.starts_with("::")).collect();
    golden("annotations", &format!("exit: {}\n{}", output.status, commands.join("\n")));
    golden("outputs", &regsync.read("output"));
}

fn all_forms(name: &str, setup: fn() -> Scene) {
    at_a_desk(name, setup, ("terminal", "always"));
    at_a_desk(name, setup, ("plain", "never"));
    in_a_job(name, setup);
}

macro_rules! golden {
    ($($name:ident),* $(,)?) => { $(
        #[test]
        fn $name() {
            all_forms(&stringify!($name).replace('_', "-"), scenes::$name);
        }
    )* };
}

golden! {
    plan_of_everything,
    plan_with_nothing_to_do,
    plan_that_is_blocked,
    plan_with_risks,
    plan_of_an_invalid_configuration,
    plan_without_credentials,
    apply_that_succeeds,
    apply_with_nothing_to_do,
    apply_that_partly_fails,
    apply_of_a_stale_plan,
    apply_of_another_plan,
    apply_that_is_interrupted,
}

/// Colour is added, and nothing else; meaning never rests on it.
#[test]
fn colour_adds_nothing_but_colour() {
    let read = |name: &str, form: &str| {
        let file = format!("{}/tests/github/golden/snapshots/{name}.{form}.snap", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(file).unwrap();
        text.split_once("\n---\n").unwrap().1.to_owned()
    };
    let bare = |text: &str| {
        let mut pieces = text.split("\\e[");
        let first = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(first, |text, piece| text + piece.split_once('m').unwrap().1)
    };
    for name in ["plan-of-everything", "plan-that-is-blocked", "apply-that-partly-fails", "apply-of-a-stale-plan"] {
        let (colourful, plain) = (read(name, "terminal"), read(name, "plain"));
        assert!(colourful.contains("\\e[") && !plain.contains("\\e["), "{name}");
        assert_eq!(bare(&colourful), plain, "{name}");
    }
}
