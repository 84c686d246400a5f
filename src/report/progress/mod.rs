//! What is said while it happens: lines, bars, or both ways at once.
//!
//! Owns the [`Reporter`]s of the terminal. All of it is talk for stderr: writers are handed in, a closed one is no
//! error, and whatever was said here stands in the report on stdout again. Refuses to find out whether there is a
//! terminal. [`crate::event::Silent`] says nothing.

mod bars;
mod heartbeat;
mod plain;
mod talk;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use bars::Bars;
pub use heartbeat::Heartbeat;
pub use plain::Plain;

use crate::event::{Event, Reporter};

/// Several reporters as one: each hears everything, in this order.
#[derive(Clone)]
pub struct Fanout(pub Vec<Arc<dyn Reporter>>);

impl Reporter for Fanout {
    fn event(&self, event: Event<'_>) {
        for reporter in &self.0 {
            reporter.event(event);
        }
    }
}
