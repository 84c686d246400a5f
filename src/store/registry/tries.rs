//! The attempts at one thing, counted since something was achieved. Pure.

use tokio::time::Instant;

use crate::store::Error;

/// The attempts at one thing, counted.
#[derive(Debug)]
pub(super) struct Tries {
    number: u32,
    started: Instant,
    progressed: bool,
}

impl Default for Tries {
    fn default() -> Self {
        Self { number: 0, started: Instant::now(), progressed: false }
    }
}

impl Tries {
    /// Begins an attempt; its number, from 1.
    pub(super) fn next(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    /// Notes that the present attempt has got so far that what fails from now on is a new failure.
    pub(super) fn progressed(&mut self) {
        *self = Self { number: 1, started: Instant::now(), progressed: true };
    }

    /// How many there were, as far as they count: since something was achieved.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Since when they count.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// The error with what is known of the attempts; with its own count where another place has made more of them.
    pub(super) fn counted_in(&self, error: Error) -> Error {
        if error.attempts > self.number {
            return error;
        }
        Error { attempts: self.number, elapsed: self.started.elapsed(), ..error }
    }

    /// Whether nothing has failed since something was achieved, but the present attempt.
    pub(super) fn follows_progress(&self) -> bool {
        self.progressed && self.number == 1
    }
}
