//! Events in words, one line each.
//!
//! Owns which events deserve a line at all, and that a remark is made once, and a cause of retries told once. Refuses to
//! write.

use std::collections::HashSet;
use std::time::Duration;

use super::super::quantity::{count, size, time};
use super::super::{Untrusted, common_cause, words};
use crate::event::{Ending, Event, Outcome, StopReason};
use crate::image::{Code, Failure, Reference};
use crate::plan::Step;

/// So many different remarks are made; a registry that has a new one for every request is not worth more memory.
const REMARKS: usize = 100;

/// Turns events into lines.
#[derive(Debug, Default)]
pub(super) struct Talk {
    remarks: HashSet<(String, String)>,
    /// Whether each retry is told.
    verbose: bool,
    /// The causes of retries so far.
    causes: HashSet<(Code, String)>,
    retries: usize,
    /// How many of them were not told.
    untold: usize,
}

impl Talk {
    /// Tells every retry where it is to be `verbose`, else the first for each cause.
    pub(super) fn new(verbose: bool) -> Self {
        Self { verbose, ..Self::default() }
    }

    /// How often something was tried again, for a heartbeat: `, 12 retries`, or nothing.
    pub(super) fn retries(&self) -> String {
        if self.retries == 0 { String::new() } else { format!(", {}", count(self.retries, "retry")) }
    }

    /// What to say at the end of a stage about the retries in it that were not told.
    pub(super) fn rest(&mut self) -> Option<String> {
        match std::mem::take(&mut self.untold) {
            0 => None,
            number => Some(format!("{} more of the same kind; -v tells each", count(number, "retry"))),
        }
    }

    /// What to say about `event`, if anything: one line, escaped, without its line break.
    pub(super) fn line(&mut self, event: Event<'_>) -> Option<String> {
        match event {
            Event::Finished(step, outcome) => finished(step, outcome),
            Event::Retrying { wait, failure, .. } => self.retry(wait, failure),
            Event::Warned { about, message } => self.remark(about, message),
            Event::Stopping(StopReason::Signal) => Some("stopping: nothing new is begun".to_owned()),
            Event::Stopping(StopReason::Deadline) => Some("the deadline has passed: nothing new is begun".to_owned()),
            _ => None,
        }
    }

    fn retry(&mut self, wait: Duration, failure: &Failure) -> Option<String> {
        self.retries += 1;
        let is_new = self.causes.len() < REMARKS && self.causes.insert((failure.code, common_cause(failure)));
        if !is_new && !self.verbose {
            self.untold += 1;
            return None;
        }
        Some(format!("retry in {}: {}", time(wait), words(failure)))
    }

    /// Registries repeat a `Warning` header on every answer: each remark is made once for each of them.
    fn remark(&mut self, about: Option<&Reference>, message: &str) -> Option<String> {
        let registry = about.map(|reference| match reference.location.registry() {
            Some(registry) => registry.to_string(),
            None => reference.location.to_string(),
        });
        let known = self.remarks.len();
        if known > REMARKS || !self.remarks.insert((registry.unwrap_or_default(), message.to_owned())) {
            return None;
        }
        if known == REMARKS {
            return Some("warning: there are more warnings, which are not shown".to_owned());
        }
        let about = about.map(|reference| format!("{}: ", Untrusted::of(reference))).unwrap_or_default();
        Some(format!("warning: {about}{}", Untrusted::new(message)))
    }
}

/// `+ ghcr.io/acme/alpine:3.20  copied  3.6 MB  1.2 s`. What the plan had nothing to do for, or knew to be in trouble,
/// and what was not begun, is left to the report.
fn finished(step: &Step, outcome: &Outcome) -> Option<String> {
    let target = step.target_reference().filter(|_| step.action().writes())?;
    let start = format!("{} {}", step.action().symbol(), Untrusted::of(target));
    let end = match &outcome.ending {
        Ending::Copied | Ending::Updated => {
            format!("{}  {}  {}", outcome.ending.as_str(), size(outcome.moved.sent), time(outcome.elapsed))
        }
        Ending::Skipped => "already there".to_owned(),
        Ending::Stale(failure) => format!("STALE  {}", words(failure)),
        Ending::Failed(failure) => format!("FAILED  {}", words(failure)),
        Ending::Blocked(failure) => format!("BLOCKED  {}", words(failure)),
        Ending::NotRun(_) => return None,
    };
    Some(format!("{start}  {end}"))
}
