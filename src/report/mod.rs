//! Plans, events and outcomes as text and JSON: plain data in, text out.
//!
//! Owns how things are said: [`text`] for people, and
//! [`Untrusted`], the one way for text from outside to a terminal or a log. Refuses to read the environment, to know
//! terminals, to measure time, and to decide anything: exit codes are not its business.

mod quantity;
#[cfg(test)]
mod sample;
mod style;
mod tally;
pub mod text;
mod untrusted;
mod writer;

use std::time::Duration;

pub use style::Style;
pub use tally::Tally;
pub use untrusted::Untrusted;
pub use writer::EscapingWriter;

use crate::event::Outcome;
use crate::plan::{Plan, Step};

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
    pub(crate) fn steps(&self) -> impl Iterator<Item = (&'a Step, &'a Outcome)> + use<'a> {
        self.plan.steps.iter().zip(self.outcomes)
    }
}
