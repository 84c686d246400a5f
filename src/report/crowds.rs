//! Failures that many steps share: a registry that is down fails each of its tags, and one row says it for all.
//!
//! Owns what counts as the same. Refuses to fold what is about one tag alone, such as a tag that is not there.

use std::collections::{BTreeMap, BTreeSet};

use super::common_cause;
use crate::image::{Code, Failure, Side};
use crate::plan::Step;

/// So many rows with one failure are listed; of more, the first with how many follow.
const LISTED: usize = 5;

/// The rows that are folded.
#[derive(Default)]
pub(super) struct Crowds {
    /// How many more are like this step.
    more: BTreeMap<*const Step, usize>,
    /// Those that are not shown.
    hidden: BTreeSet<*const Step>,
}

impl Crowds {
    /// The crowds among `rows`: steps with their failure, and a word that keeps unlike rows apart.
    pub(super) fn of<'a>(rows: impl Iterator<Item = (&'a Step, &'a str, &'a Failure)>) -> Self {
        let mut alike: BTreeMap<(&str, Code, Option<Side>, String), Vec<*const Step>> = BTreeMap::new();
        for (step, word, failure) in rows.filter(|(_, _, failure)| is_shared(failure.code)) {
            let key = (word, failure.code, failure.side, common_cause(failure));
            alike.entry(key).or_default().push(std::ptr::from_ref(step));
        }
        let mut crowds = Self::default();
        for steps in alike.into_values().filter(|steps| steps.len() > LISTED) {
            crowds.more.insert(steps[0], steps.len() - 1);
            crowds.hidden.extend(&steps[1..]);
        }
        crowds
    }

    /// Whether an earlier row speaks for `step`.
    pub(super) fn hides(&self, step: &Step) -> bool {
        self.hidden.contains(&std::ptr::from_ref(step))
    }

    /// For how many more the row of `step` speaks, where it does.
    pub(super) fn more(&self, step: &Step) -> Option<usize> {
        self.more.get(&std::ptr::from_ref(step)).copied()
    }
}

/// Whether a failure is about a host, or the run, rather than one tag.
fn is_shared(code: Code) -> bool {
    matches!(
        code,
        Code::Connect
            | Code::Timeout
            | Code::Tls
            | Code::Protocol
            | Code::Redirect
            | Code::Boundary
            | Code::NoCredentials
            | Code::Auth
            | Code::Denied
            | Code::RateLimited
            | Code::Unavailable
            | Code::Interrupted
    )
}
