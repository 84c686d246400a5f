//! The result document: its shape, its way back, and that printing it does nothing.

use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::super::tests::{NGINX, WEB, failure, mixed, outcomes, plan as plan_of};
use super::super::text;
use super::super::untrusted::tests::{HOSTILE, assert_harmless};
use super::*;
use crate::image::Code;
use crate::plan::file::FileError;
use crate::plan::{Bases, Reason, Warning};

fn stamp() -> Stamp {
    Stamp { tool_version: "0.1.0".into(), created_at: "2026-01-02T03:04:05Z".into() }
}

fn bases() -> Bases {
    let directories = [("regsync.yaml".to_owned(), PathBuf::from("/"))].into();
    Bases { directories, allowed: Vec::new() }
}

/// A partial result: one copied, one stale, one up to date, one in error from the start.
fn partial() -> (Plan, Vec<Outcome>) {
    let mut some = mixed();
    some.steps.retain(|step| step.reason != Reason::InSync || step.place.line == 19);
    some.steps.retain(|step| step.place.line != 12);
    let stale = Failure::new(Code::Stale, "registry.acme.io/mirror/alpine:3.20 is not what the plan saw");
    let ends = outcomes(&some, |_, step| (step.place.line == 27).then(|| Ending::Stale(stale.clone())));
    (some, ends)
}

fn json(plan: &Plan, outcomes: &[Outcome]) -> String {
    result(&Applied { plan, outcomes, elapsed: Duration::from_micros(6_200_900) }, &stamp())
}

#[test]
fn a_result_as_json() {
    let (some, ends) = partial();
    insta::assert_snapshot!(json(&some, &ends));
}

#[test]
fn the_schema_fits_the_result_and_nothing_else() {
    let (some, ends) = partial();
    let schema = serde_json::to_value(schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut value: Value = serde_json::from_str(&json(&some, &ends)).unwrap();
    assert_eq!(validator.validate(&value).map_err(|error| error.to_string()), Ok(()));
    value["steps"][0]["outcome"] = "done".into();
    assert!(!validator.is_valid(&value));
}

#[test]
fn the_keys_of_the_summary_are_the_outcomes() {
    let all =
        [Ended::Copied, Ended::Updated, Ended::Skipped, Ended::Stale, Ended::Blocked, Ended::Failed, Ended::NotRun];
    let summary = serde_json::to_value(Tally::default()).unwrap();
    assert_eq!(summary.as_object().unwrap().len(), all.len());
    for ended in all {
        let key = serde_json::to_value(ended).unwrap();
        assert_eq!(summary[key.as_str().unwrap()], 0, "{key}");
    }
}

#[test]
fn a_saved_result_reads_back_and_looks_the_same() {
    let (mut some, mut ends) = partial();
    some.steps.extend([WEB.copy("2.5", "9f1a2b3c4d5e", (2, 10, 0))]);
    ends.extend(outcomes(&plan_of(some.steps[some.steps.len() - 1..].to_vec()), |_, _| None));
    let text = json(&some, &ends);
    let saved = read(&text).unwrap().saved(&bases()).unwrap();
    assert_eq!(saved.applied().outcomes, ends);
    assert_eq!(json(saved.applied().plan, saved.applied().outcomes), text);
    let applied = Applied { plan: &some, outcomes: &ends, elapsed: Duration::from_millis(6_200) };
    let style = super::super::Style::default();
    assert_eq!(text::result(&saved.applied(), style), text::result(&applied, style));
}

#[test]
fn each_remark_reads_back_once() {
    let step = super::super::tests::warned(WEB.copy("2.5", "9f1a2b3c4d5e", (2, 10, 0)), "of the plan");
    let mut some = plan_of(vec![step]);
    some.warnings.push(Warning { place: Some(some.steps[0].place.clone()), message: "of a mirror".into() });
    some.warnings.push(Warning { place: None, message: "of the whole".into() });
    let mut ends = outcomes(&some, |_, _| None);
    ends[0].warnings.push("of the outcome".into());
    let text = json(&some, &ends);
    let saved = read(&text).unwrap().saved(&bases()).unwrap();
    assert_eq!(saved.applied().plan.warnings, some.warnings);
    assert_eq!(json(saved.applied().plan, saved.applied().outcomes), text);
}

#[test]
fn what_is_no_result_is_refused() {
    let (some, ends) = partial();
    let good: Value = serde_json::from_str(&json(&some, &ends)).unwrap();
    let changed = |pointer: &str, value: Value| {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        read(&bad.to_string()).and_then(|document| document.saved(&bases()))
    };
    assert!(changed("/seconds", 1.into()).is_ok());
    assert!(matches!(changed("/kind", "regsync.plan".into()), Err(FileError::Kind(_))));
    assert!(matches!(changed("/format_version", "2.0".into()), Err(FileError::Version { .. })));
    assert!(matches!(changed("/seconds", (-1).into()), Err(FileError::Syntax(_))));
    assert!(matches!(changed("/steps/0/seconds", 1e300.into()), Err(FileError::Step { step: 1, .. })));
    assert!(matches!(changed("/steps/0/outcome", "done".into()), Err(FileError::Syntax(_))));
    assert!(matches!(changed("/plan_id", "sha256:00".into()), Err(FileError::Id { .. })));
    assert!(matches!(read("{}"), Err(FileError::Syntax(_))));
}

#[test]
fn text_from_outside_stays_text() {
    for bad in HOSTILE {
        let trouble = failure(Code::Denied, bad, bad);
        let step = NGINX.step("1", Reason::SourceUnreadable(trouble), ("", ""));
        let some = plan_of(vec![super::super::tests::warned(step, bad)]);
        let printed = [plan(&some, &stamp()), json(&some, &outcomes(&some, |_, _| None))];
        for text in &printed {
            text.lines().for_each(assert_harmless);
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(value["steps"][0]["error"]["message"], *bad, "escaping changed the value");
            assert_eq!(value["steps"][0]["warnings"][0], *bad);
        }
    }
}

proptest! {
    #[test]
    fn printing_changes_no_value(text in prop::collection::vec(any::<char>(), 0..40), hashes in "#{0,5}") {
        let value = Value::String(text.into_iter().collect::<String>() + &hashes);
        let printed = printable(&value.to_string());
        assert_harmless(&printed);
        prop_assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), value);
    }
}
