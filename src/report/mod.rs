//! Plans, events and outcomes as text, Markdown, JSON and what CI systems read: plain data in, text out.
//!
//! Owns how things are said: [`text`] and [`markdown`] for people, [`json`] for programs, [`github`], [`gitlab`] and [`junit`]
//! for CI systems, [`progress`] while it happens, and [`Untrusted`], the one way for text from outside to a terminal or a log. Refuses to read the environment, to know
//! terminals, and to decide anything: exit codes are not its business.

mod crowds;
pub mod github;
pub mod gitlab;
mod groups;
pub mod json;
pub mod junit;
pub mod markdown;
mod merge;
pub mod progress;
mod quantity;
mod setting;
#[cfg(test)]
mod sinks;
mod style;
mod tally;
#[cfg(test)]
mod tests;
pub mod text;
mod untrusted;
mod writer;

use std::time::Duration;

pub use merge::{Run, merge};
pub use setting::{Checkout, Setting};
pub use style::Style;
pub use tally::Tally;
pub use untrusted::Untrusted;
pub use writer::EscapingWriter;

use crate::event::Outcome;
use crate::image::Failure;
use crate::plan::file::Stamp;
use crate::plan::{Plan, Step};

/// In which form something is reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: versioned, with a schema.
    Json,
    /// For reviewers: as GitHub shows it, no longer than a job summary may be.
    Markdown,
    /// For CI systems: a test for each step.
    Junit,
    /// For GitLab: how much changes.
    Gitlab,
}

/// A plan and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Applied<'a> {
    /// What was to be done.
    pub plan: &'a Plan,
    /// How each step ended, in the order of the plan's steps.
    pub outcomes: &'a [Outcome],
    /// How long it took altogether.
    pub elapsed: Duration,
}

impl<'a> Applied<'a> {
    /// Each step with its outcome.
    fn steps(&self) -> impl Iterator<Item = (&'a Step, &'a Outcome)> + use<'a> {
        self.plan.steps.iter().zip(self.outcomes)
    }

    /// Whether every step is as the configuration wants it, and no shard is missing.
    fn is_complete(&self) -> bool {
        self.plan.scope.missing.is_empty() && Tally::of(self.outcomes).is_complete()
    }
}

/// What went wrong with a step: when it was applied, or already when it was planned.
fn failure_of<'a>(step: &'a Step, outcome: &'a Outcome) -> Option<&'a Failure> {
    outcome.ending.failure().or_else(|| step.reason.failure())
}

/// A failure on one line: `E_DENIED target: could not write …`. The side is said, since messages name a reference only.
fn words(failure: &Failure) -> String {
    let side = failure.side.map(|side| format!("{side}: ")).unwrap_or_default();
    format!("{} {side}{}", failure.code, Untrusted::new(&failure.message))
}

/// What a failure has in common with others of its cause: each reference cut down to its host, and the words of a registry
/// without numbers, such as those of a request or of a wait.
fn common_cause(failure: &Failure) -> String {
    let cause = failure.cause();
    let (ours, theirs) = cause.split_once(": \"").unwrap_or((cause, ""));
    let host = |word: &str| word.split('/').next().unwrap_or_default().to_owned();
    let known = |word: &str| if word.contains(|c: char| c.is_ascii_digit()) { "#".to_owned() } else { host(word) };
    ours.split(' ').map(host).chain(theirs.split(' ').map(known)).collect::<Vec<_>>().join(" ")
}

/// A plan in `format`, ending in a line break. `style` is for text, `stamp` for JSON, `setting` for Markdown.
pub fn plan(format: Format, plan: &Plan, (stamp, setting): (&Stamp, &Setting), style: Style) -> String {
    match format {
        Format::Markdown => markdown::plan(plan, setting, markdown::Budget::SUMMARY),
        Format::Text => text::plan(plan, style),
        Format::Json => json::plan(plan, stamp),
        Format::Junit => junit::plan(plan),
        Format::Gitlab => gitlab::plan(plan),
    }
}

/// A result in `format`, ending in a line break. `style` is for text, `stamp` for JSON, `setting` for Markdown.
pub fn result(format: Format, applied: &Applied<'_>, (stamp, setting): (&Stamp, &Setting), style: Style) -> String {
    match format {
        Format::Markdown => markdown::result(applied, setting, markdown::Budget::SUMMARY),
        Format::Text => text::result(applied, style),
        Format::Json => json::result(applied, stamp),
        Format::Junit => junit::result(applied),
        Format::Gitlab => gitlab::result(applied),
    }
}
