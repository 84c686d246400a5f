//! Progress as lines, for logs and whatever is not a terminal.
//!
//! Owns the heartbeat's words. Refuses to know the time: it is told.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::super::quantity::{count, share, size};
use super::talk::Talk;
use crate::event::{Event, Reporter};
use crate::plan::Plan;

/// Writes a line for each image that is finished, for the causes of retries and for remarks.
pub struct Plain {
    state: Mutex<State>,
}

struct State {
    /// Where lines go; `None` once it turned out that nobody reads them.
    out: Option<Box<dyn Write + Send>>,
    talk: Talk,
    stage: Stage,
    /// The last heartbeat: when, and how much had been sent by then.
    beat: (Duration, u64),
}

enum Stage {
    Idle,
    Reading { done: usize, total: usize },
    Copying { done: usize, total: usize, sent: u64, whole: Option<u64> },
}

impl Plain {
    /// A reporter that writes to `out`, of each retry where it is to be `verbose`. A writer that fails is not written to
    /// again.
    pub fn new(out: Box<dyn Write + Send>, verbose: bool) -> Self {
        let state = State { out: Some(out), talk: Talk::new(verbose), stage: Stage::Idle, beat: (Duration::ZERO, 0) };
        Self { state: Mutex::new(state) }
    }

    /// Says how far things are. To be called every ten seconds or so, with the time since the start of the run.
    pub fn tick(&self, now: Duration) {
        self.with(|state| {
            if let Some(line) = state.heartbeat(now) {
                state.say(&line);
            }
        });
    }

    /// Says what is left to say of a stage that has ended.
    pub fn close(&self) {
        self.with(|state| {
            if let Some(line) = state.talk.rest() {
                state.say(&line);
            }
        });
    }

    fn with(&self, act: impl FnOnce(&mut State)) {
        // A panic elsewhere is no reason to fall silent: the state holds no promise that half a change could break.
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Reporter for Plain {
    fn event(&self, event: Event<'_>) {
        self.with(|state| {
            if let Some(line) = state.begins(event).or_else(|| state.talk.line(event)) {
                state.say(&line);
            }
        });
    }
}

impl State {
    fn say(&mut self, line: &str) {
        let Some(out) = &mut self.out else { return };
        // One write for one line, so that lines of several processes do not mix.
        if out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()).is_err() {
            self.out = None;
        }
    }

    /// Counts `event`; the line with which a stage begins.
    fn begins(&mut self, event: Event<'_>) -> Option<String> {
        match (event, &mut self.stage) {
            (Event::Observing { total }, Stage::Reading { total: known, .. }) => *known = total,
            (Event::Observing { total }, stage) => {
                *stage = Stage::Reading { done: 0, total };
                // How many there are is known better once tags are listed.
                return Some("reading sources and targets".to_owned());
            }
            (Event::Observed, Stage::Reading { done, .. }) => *done += 1,
            (Event::Applying(plan), stage) => return applying(plan, stage),
            (Event::Sent { bytes }, Stage::Copying { sent, .. }) => *sent = sent.saturating_add(bytes),
            (Event::Finished(step, _), Stage::Copying { done, .. }) if step.action().writes() => *done += 1,
            _ => {}
        }
        None
    }

    /// `42/125 images, 1.2/3.4 GB, 88.0 MB/s`; nothing where nothing is under way.
    fn heartbeat(&mut self, now: Duration) -> Option<String> {
        let retries = self.talk.retries();
        match self.stage {
            Stage::Reading { done, total } if done < total => Some(format!("read {done}/{total} references{retries}")),
            Stage::Copying { done, total, sent, whole } if done < total => {
                let (then, before) = std::mem::replace(&mut self.beat, (now, sent));
                let millis = now.saturating_sub(then).as_millis().max(1);
                let rate = u128::from(sent.saturating_sub(before)) * 1000 / millis;
                let rate = size(u64::try_from(rate).unwrap_or(u64::MAX));
                let amount = match whole {
                    Some(whole) if sent <= whole => share(sent, whole),
                    _ => size(sent),
                };
                Some(format!("{done}/{total} images, {amount}, {rate}/s{retries}"))
            }
            _ => None,
        }
    }
}

/// The line with which copying begins, if there is anything to copy.
fn applying(plan: &Plan, stage: &mut Stage) -> Option<String> {
    let total = plan.steps.iter().filter(|step| step.action().writes()).count();
    let whole = plan.bytes().map(|bytes| bytes.transfer);
    *stage = Stage::Copying { done: 0, total, sent: 0, whole };
    let amount = match (whole, plan.at_most()) {
        (Some(bytes), _) => format!(", {}", size(bytes)),
        (None, Some(limit)) => format!(", at most {}", size(limit)),
        (None, None) => String::new(),
    };
    (total > 0).then(|| format!("copying {}{amount}", count(total, "image")))
}
