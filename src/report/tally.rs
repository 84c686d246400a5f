//! How many steps ended how: the sums that every form of a result shows.
//!
//! Owns counting. Refuses to judge: which exit code follows is not decided here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Ending, Moved, Outcome};

/// How many steps there are of each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Tally {
    /// Tags created.
    pub copied: usize,
    /// Tags moved, or completed.
    pub updated: usize,
    /// Tags with nothing to do.
    pub skipped: usize,
    /// Tags left alone because the target is no longer what the plan saw.
    pub stale: usize,
    /// Tags that a policy protects.
    pub blocked: usize,
    /// Tags that something went wrong with.
    pub failed: usize,
    /// Tags not begun.
    pub not_run: usize,
}

impl Tally {
    /// Counts `outcomes`.
    pub fn of(outcomes: &[Outcome]) -> Self {
        let mut tally = Self::default();
        for outcome in outcomes {
            *match outcome.ending {
                Ending::Copied => &mut tally.copied,
                Ending::Updated => &mut tally.updated,
                Ending::Skipped => &mut tally.skipped,
                Ending::Stale(_) => &mut tally.stale,
                Ending::Blocked(_) => &mut tally.blocked,
                Ending::Failed(_) => &mut tally.failed,
                Ending::NotRun(_) => &mut tally.not_run,
            } += 1;
        }
        tally
    }

    /// Whether every step is as the configuration wants it.
    pub fn is_complete(&self) -> bool {
        self.unfinished() == 0
    }

    /// The steps that are not as the configuration wants them.
    pub fn unfinished(&self) -> usize {
        self.stale + self.blocked + self.failed + self.not_run
    }
}

/// What all outcomes together moved.
pub(super) fn moved(outcomes: &[Outcome]) -> Moved {
    let mut total = Moved::default();
    for outcome in outcomes {
        total += outcome.moved;
    }
    total
}
