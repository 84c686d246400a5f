//! The attempts at one thing, counted since something was achieved. Pure.

use tokio::time::Instant;

use crate::store::Error;

/// The attempts at one thing, counted.
#[derive(Debug)]
pub(super) struct Tries {
    number: u32,
    started: Instant,
    began: Instant,
    progressed: bool,
}

impl Default for Tries {
    fn default() -> Self {
        let now = Instant::now();
        Self { number: 0, started: now, began: now, progressed: false }
    }
}

impl Tries {
    /// Begins an attempt; its number, from 1.
    pub(super) fn next(&mut self) -> u32 {
        self.number += 1;
        self.began = Instant::now();
        self.number
    }

    /// Notes that the present attempt has got so far that what fails from now on is a new failure.
    pub(super) fn progressed(&mut self) {
        *self = Self { number: 1, started: Instant::now(), began: self.began, progressed: true };
    }

    /// How many there were, as far as they count: since something was achieved.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Since when they count.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// When the present attempt began.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// The error with what is known of the attempts; with its own count where another place has made more of them.
    pub(super) fn counted_in(&self, error: Error) -> Error {
        if error.attempts > self.number {
            return error;
        }
        // The one that was not sent is none.
        let attempts = if error.attempts == 0 { self.number - 1 } else { self.number };
        Error { attempts, elapsed: self.started.elapsed(), ..error }
    }

    /// Whether nothing has failed since something was achieved, but the present attempt.
    pub(super) fn follows_progress(&self) -> bool {
        self.progressed && self.number == 1
    }
}
