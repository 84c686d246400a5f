//! Progress as bars, for a terminal.
//!
//! Owns what is drawn: one bar while reading, then one for bytes with the images under way below it. Remarks and
//! failures are lines above the bars and stay; the bars go.

use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::super::Untrusted;
use super::super::quantity::{share, size};
use super::talk::Talk;
use crate::event::{Event, Reporter};
use crate::plan::{Plan, Step};

/// So many images under way are named.
const NAMED: usize = 3;
/// A name is cut to so many characters.
const NAME: usize = 40;

/// Draws bars.
pub struct Bars {
    screen: MultiProgress,
    state: Mutex<State>,
}

struct State {
    talk: Talk,
    stage: Stage,
}

#[derive(Default)]
enum Stage {
    #[default]
    Idle,
    Reading(ProgressBar),
    Copying(Copying),
}

struct Copying {
    bytes: ProgressBar,
    images: ProgressBar,
    /// The names of the images under way, in the order they were begun.
    current: Vec<String>,
    done: usize,
    total: usize,
}

impl Bars {
    /// Bars on `target`, which should be a terminal: elsewhere nothing is drawn, remarks included. Each retry is told where
    /// they are to be `verbose`.
    pub fn new(target: ProgressDrawTarget, verbose: bool) -> Self {
        let state = State { talk: Talk::new(verbose), stage: Stage::Idle };
        Self { screen: MultiProgress::with_draw_target(target), state: Mutex::new(state) }
    }

    /// Bars on stderr.
    pub fn stderr(verbose: bool) -> Self {
        Self::new(ProgressDrawTarget::stderr(), verbose)
    }

    /// Takes the bars away, so that what is printed next stands alone. They come back with the next stage.
    pub fn clear(&self) {
        let mut state = self.state();
        state.stage.clear();
        if let Some(line) = state.talk.rest() {
            let _ = self.screen.println(line);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observing(&self, stage: &mut Stage, total: usize) {
        let total = total as u64;
        if let Stage::Reading(bar) = stage {
            return bar.set_length(total);
        }
        stage.clear();
        let bar = ProgressBar::new(total).with_style(style("reading [{bar:30}] {pos}/{len} references"));
        let bar = self.screen.add(bar);
        bar.tick();
        *stage = Stage::Reading(bar);
    }

    fn applying(&self, stage: &mut Stage, plan: &Plan) {
        stage.clear();
        let total = plan.steps.iter().filter(|step| step.action().writes()).count();
        if total == 0 {
            return;
        }
        let bytes = match plan.bytes().map(|bytes| bytes.transfer) {
            Some(whole) => ProgressBar::new(whole).with_style(style("copying [{bar:30}] {amount}  {rate}")),
            None => ProgressBar::no_length().with_style(style("copying {amount}  {rate}")),
        };
        let images = ProgressBar::no_length().with_style(style("        {wide_msg}"));
        let copying = Copying {
            bytes: self.screen.add(bytes),
            images: self.screen.add(images),
            current: Vec::new(),
            done: 0,
            total,
        };
        copying.bytes.tick();
        copying.show_current();
        *stage = Stage::Copying(copying);
    }
}

impl Reporter for Bars {
    fn event(&self, event: Event<'_>) {
        let mut guard = self.state();
        let State { talk, stage } = &mut *guard;
        match (event, stage) {
            (Event::Observing { total }, stage) => self.observing(stage, total),
            (Event::Observed, Stage::Reading(bar)) => bar.inc(1),
            (Event::Applying(plan), stage) => self.applying(stage, plan),
            (Event::Sent { bytes }, Stage::Copying(copying)) => copying.bytes.inc(bytes),
            (Event::Started(step), Stage::Copying(copying)) => copying.started(step),
            (Event::Finished(step, _), Stage::Copying(copying)) => copying.finished(step),
            _ => {}
        }
        // Finished images are in the report; here, only what went otherwise is worth a line.
        let went_well = matches!(event, Event::Finished(_, outcome) if outcome.ending.failure().is_none());
        if let Some(line) = talk.line(event).filter(|_| !went_well) {
            // There is no other place to say that the terminal cannot be written to.
            let _ = self.screen.println(line);
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Stage {
    fn clear(&mut self) {
        match std::mem::take(self) {
            Self::Idle => {}
            Self::Reading(bar) => bar.finish_and_clear(),
            Self::Copying(copying) => {
                copying.images.finish_and_clear();
                copying.bytes.finish_and_clear();
            }
        }
    }
}

impl Copying {
    fn started(&mut self, step: &Step) {
        self.current.push(name(step));
        self.show_current();
    }

    fn finished(&mut self, step: &Step) {
        if step.action().writes() {
            let name = name(step);
            if let Some(index) = self.current.iter().position(|current| *current == name) {
                self.current.remove(index);
            }
            self.done += 1;
            self.show_current();
        }
    }

    /// `42/125 images: web:2.5, web:2.6 and 3 more`.
    fn show_current(&self) {
        let mut text = format!("{}/{} images", self.done, self.total);
        if !self.current.is_empty() {
            let named = &self.current[..self.current.len().min(NAMED)];
            text = format!("{text}: {}", named.join(", "));
        }
        if let Some(more) = self.current.len().checked_sub(NAMED).filter(|more| *more > 0) {
            text = format!("{text} and {more} more");
        }
        self.images.set_message(text);
    }
}

/// `web:2.5`: the end of the target's name, and its tag.
fn name(step: &Step) -> String {
    let Some(target) = step.target_reference() else { return String::new() };
    let last = target.location.name().rsplit('/').next().unwrap_or_default();
    Untrusted::of(&format_args!("{last}:{}", target.version)).limit(NAME).to_string()
}

fn style(template: &str) -> ProgressStyle {
    // The templates are ours and right; were one not, indicatif's own look would do.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ").with_key("amount", amount).with_key("rate", rate)
}

fn amount(state: &ProgressState, out: &mut dyn Write) {
    let text = match state.len() {
        Some(whole) if state.pos() <= whole => share(state.pos(), whole),
        _ => size(state.pos()),
    };
    // Writing into indicatif's buffer does not fail.
    let _ = out.write_str(&text);
}

fn rate(state: &ProgressState, out: &mut dyn Write) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for display; `as` saturates")]
    let rate = state.per_sec().max(0.0) as u64;
    let _ = write!(out, "{}/s", size(rate));
}
