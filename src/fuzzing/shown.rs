//! What others say, on its way to terminal, log and file: through every renderer, and harmless at the end of each.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::config::{ConfigFile, Place};
use crate::event::{Ending, Event, Moved, Outcome, Reporter};
use crate::image::{Digest, Failure, Location, MediaType, Reference, Registry, Repository};
use crate::plan::file::Stamp;
use crate::plan::{Plan, Reason, Scope, SourceState, Step, TargetState, Warning};
use crate::report::progress::Plain;
use crate::report::{Applied, EscapingWriter, Format, Setting, Style, plan as plan_text, result};

/// The body of a refusal, as a registry sends it: bounded, on one line, and in no report anything but words.
pub fn error_body(bytes: &[u8]) {
    let failure = crate::store::registry::fuzzing::refusal(bytes);
    assert!(failure.message.chars().count() < 1000, "{} characters", failure.message.chars().count());
    let said = format!("{} {}", failure.message, failure.hint.as_deref().unwrap_or_default());
    assert!(!said.chars().any(char::is_control), "{said:?}");
    show_everywhere(&failure);
    // Not every failure is a registry's: whatever it is made of must be harmless.
    let text = String::from_utf8_lossy(bytes).into_owned();
    show_everywhere(&Failure { message: text.clone(), cause: Some(text.clone()), hint: Some(text), ..failure });
}

fn show_everywhere(failure: &Failure) {
    let Some(plan) = troubled(failure) else { return };
    assert_plan_harmless(&plan);
    let ending = |number: usize| match number {
        0 => Ending::Failed(failure.clone()),
        1 => Ending::Stale(failure.clone()),
        _ => Ending::NotRun(failure.clone()),
    };
    let outcome = |ending| Outcome {
        ending,
        moved: Moved::default(),
        elapsed: Duration::from_millis(1),
        attempts: 1,
        warnings: vec![failure.message.clone()],
    };
    let outcomes: Vec<Outcome> = (0..plan.steps.len()).map(|number| outcome(ending(number))).collect();
    let applied = Applied { plan: &plan, outcomes: &outcomes, elapsed: Duration::from_secs(1) };
    for style in styles() {
        assert_harmless_text(&result(Format::Text, &applied, (&stamp(), &Setting::default()), style));
    }
    let json = result(Format::Json, &applied, (&stamp(), &Setting::default()), Style::default());
    assert_harmless_text(&json);
    let value: Value = serde_json::from_str(&json).unwrap_or_default();
    assert_eq!(value["steps"][0]["error"]["message"], failure.message.as_str(), "escaping changed the value");
    assert_harmless_text(&progress(&plan, &outcomes, failure));
    assert_harmless_text(&log(&failure.message));
}

/// A plan in which `failure` is wherever something from outside can be.
fn troubled(failure: &Failure) -> Option<Plan> {
    let registry: Registry = "r.example".parse().ok()?;
    let location = |name: &str| Repository::new(registry.clone(), name).ok().map(Location::Repository);
    let digest = Digest::sha256(b"");
    let step = |tag: &str, reason: Reason| {
        let reference = |name: &str| Some(Reference::tagged(location(name)?, tag.parse().ok()?));
        let writes = reason.action().writes();
        Some(Step {
            risk: BTreeSet::new(),
            source: Some(SourceState {
                reference: reference("up/app")?,
                digest: writes.then(|| digest.clone()),
                media_type: Some(MediaType::new(&failure.message)),
            }),
            target: Some(TargetState { reference: reference("down/app")?, digest: None }),
            digest: writes.then(|| digest.clone()),
            trim: None,
            platforms: Vec::new(),
            referrers: Vec::new(),
            bytes: None,
            at_most: None,
            change: None,
            place: Place { file: failure.message.as_str().into(), line: 1, column: 1 },
            warnings: vec![Arc::from(failure.message.as_str())],
            reason,
        })
    };
    let reasons = [
        Reason::New,
        Reason::New,
        Reason::SourceUnreadable(failure.clone()),
        Reason::NothingSelected(failure.clone()),
        Reason::Conflict(failure.clone()),
    ];
    let steps = reasons.into_iter().enumerate().map(|(number, reason)| step(&format!("t{number}"), reason));
    Some(Plan {
        config: vec![ConfigFile { path: failure.message.as_str().into(), sha256: digest.clone() }],
        scope: Scope { only: vec![failure.message.clone()], ..Scope::default() },
        warnings: vec![Warning { message: failure.message.clone(), place: None }],
        steps: steps.collect::<Option<_>>()?,
        pulls: Vec::new(),
        tallies: Vec::new(),
    })
}

/// A plan in every form that it is shown in.
pub(super) fn assert_plan_harmless(plan: &Plan) {
    for style in styles() {
        assert_harmless_text(&plan_text(Format::Text, plan, (&stamp(), &Setting::default()), style));
    }
    assert_harmless_text(&plan_text(Format::Json, plan, (&stamp(), &Setting::default()), Style::default()));
}

fn styles() -> [Style; 2] {
    [Style { color: false, verbose: false }, Style { color: false, verbose: true }]
}

/// What is said while it happens.
fn progress(plan: &Plan, outcomes: &[Outcome], failure: &Failure) -> String {
    let said = Shared::default();
    let lines = Plain::new(Box::new(said.clone()), true);
    let message = failure.message.as_str();
    lines.event(Event::Applying(plan));
    lines.event(Event::Retrying { what: message, wait: Duration::from_secs(1), failure });
    lines.event(Event::Warned { about: plan.steps.first().and_then(Step::target_reference), message });
    for (step, outcome) in plan.steps.iter().zip(outcomes) {
        lines.event(Event::Finished(step, outcome));
    }
    said.text()
}

/// A record of the log with `message` in it.
fn log(message: &str) -> String {
    let said = Shared::default();
    let written = writeln!(EscapingWriter::new(said.clone()), "INFO said {message}");
    assert!(written.is_ok());
    said.text()
}

/// Bytes that were written.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Every line of `text` does nothing but be read.
pub(super) fn assert_harmless_text(text: &str) {
    text.split('\n').for_each(assert_harmless);
}

/// No character that acts or hides, and no command to the runner of a CI system. Written without the escaper's tables.
pub(super) fn assert_harmless(line: &str) {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
    };
    assert!(!line.chars().any(acts), "does something to a terminal: {line:?}");
    // actions/runner, `ActionCommand.cs`: `::name::` at the start, `##[name]` anywhere; Azure: `##vso[`.
    assert!(!line.trim_start().starts_with("::"), "a command of GitHub's runner: {line:?}");
    assert!(!line.contains("##[") && !line.contains("##vso["), "a command of a runner: {line:?}");
}

fn stamp() -> Stamp {
    Stamp { tool_version: "0".to_owned(), created_at: "2026-01-02T03:04:05Z".to_owned() }
}
