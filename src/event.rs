//! What happened: the events that observing and applying announce, and how each step ended.
//!
//! Plain data. Owns the words in which effects speak to reports. Refuses to print, to measure time, or to decide.

use std::time::Duration;

use crate::image::{Failure, Location, Reference};
use crate::plan::{Plan, Step};

/// How a step ended. Every step of a plan ends in exactly one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The tag was created.
    Copied,
    /// The tag was moved, or what was missing was added.
    Updated,
    /// Nothing had to be done: so planned, or someone else had done it meanwhile.
    Skipped,
    /// The target is no longer what the plan saw: left alone.
    Stale(Failure),
    /// A policy forbids it, of the configuration or of the target's registry: left alone.
    Blocked(Failure),
    /// It went wrong, or was in error from the start; no tag names anything incomplete.
    Failed(Failure),
    /// It was not begun.
    NotRun(Failure),
}

impl Ending {
    /// The machine-readable name.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Copied => "copied",
            Self::Updated => "updated",
            Self::Skipped => "skipped",
            Self::Stale(_) => "stale",
            Self::Blocked(_) => "blocked",
            Self::Failed(_) => "failed",
            Self::NotRun(_) => "not-run",
        }
    }

    /// What went wrong, where something did.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Stale(failure) | Self::Blocked(failure) | Self::Failed(failure) | Self::NotRun(failure) => {
                Some(failure)
            }
            _ => None,
        }
    }

    /// Whether something was written.
    pub fn wrote(&self) -> bool {
        matches!(self, Self::Copied | Self::Updated)
    }
}

/// What a copy moved, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Sent to the target.
    pub sent: u64,
    /// Mounted from another repository of the target's registry.
    pub mounted: u64,
    /// Already there.
    pub reused: u64,
}

impl std::ops::AddAssign for Moved {
    fn add_assign(&mut self, other: Self) {
        self.sent = self.sent.saturating_add(other.sent);
        self.mounted = self.mounted.saturating_add(other.mounted);
        self.reused = self.reused.saturating_add(other.reused);
    }
}

/// A step and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// What it moved.
    pub moved: Moved,
    /// How long it took, from its start.
    pub elapsed: Duration,
    /// How often it was tried, or read where it was in error from the start; 0 where it was not begun.
    pub attempts: u32,
    /// What was left undone without harm: referrers that the target refuses.
    pub warnings: Vec<String>,
}

impl Outcome {
    /// The outcome of a step that was not begun.
    pub fn not_begun(ending: Ending) -> Self {
        Self { ending, moved: Moved::default(), elapsed: Duration::ZERO, attempts: 0, warnings: Vec::new() }
    }
}

/// Something that happened, announced while it happens.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Reading begins: so many references in all. Announced again when tag lists have made the number known better.
    Observing {
        /// References to read, on both sides.
        total: usize,
    },
    /// One more reference was read.
    Observed,
    /// The tags of a repository were listed.
    Listed {
        /// The repository.
        location: &'a Location,
        /// How many tags it has.
        tags: usize,
    },
    /// Applying begins.
    Applying(&'a Plan),
    /// The copy of a step begins.
    Started(&'a Step),
    /// Bytes went to a target.
    Sent {
        /// How many.
        bytes: u64,
    },
    /// A request is tried again after a wait.
    Retrying {
        /// What is asked for, in words without secrets.
        what: &'a str,
        /// How long the wait is.
        wait: Duration,
        /// Why.
        failure: &'a Failure,
    },
    /// A registry or an odd finding wants attention; the text is untrusted.
    Warned {
        /// What it is about, where that is one reference.
        about: Option<&'a Reference>,
        /// The remark.
        message: &'a str,
    },
    /// A step ended.
    Finished(&'a Step, &'a Outcome),
    /// Nothing new begins.
    Stopping(StopReason),
}

/// Why nothing new begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// A signal arrived.
    Signal,
    /// The time that `--deadline` gives is over.
    Deadline,
}

/// Who listens. Called from many tasks at once; must not block for long.
pub trait Reporter: Send + Sync {
    /// Takes notice of an event.
    fn event(&self, event: Event<'_>);
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn event(&self, _: Event<'_>) {}
}
