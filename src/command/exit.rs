//! Exit codes: a pure function of what happened.

use crate::event::{Ending, Outcome};
use crate::plan::{Action, Plan, Step};

/// How the process ends. The numbers are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// A step failed and nothing was written, or the run was refused.
    Failed = 1,
    /// `plan --detailed-exitcode`: changes are pending.
    Changes = 2,
    /// Something was written, and something failed or was stale.
    Partial = 3,
    /// The saved plan fits no more, and nothing was written.
    Stale = 4,
    /// A policy forbids a step.
    Blocked = 5,
    /// The command line is wrong.
    Usage = 64,
    /// The configuration or the plan file is wrong.
    Invalid = 65,
    /// SIGINT.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// The exit code of a plan: with `detailed`, changes have one of their own. Steps that are `excused` are no failures;
    /// a shard that is missing always is one.
    pub fn of_plan(plan: &Plan, detailed: bool, excused: impl Fn(&Step) -> bool) -> Self {
        let any = |action| plan.steps.iter().any(|step| step.action() == action && !excused(step));
        if any(Action::Error) || !plan.scope.missing.is_empty() {
            Self::Failed
        } else if any(Action::Blocked) {
            Self::Blocked
        } else if detailed && plan.has_changes() {
            Self::Changes
        } else {
            Self::Done
        }
    }

    /// The exit code of an apply that ran to its end.
    pub fn of_outcomes(outcomes: &[Outcome]) -> Self {
        let any = |test: fn(&Ending) -> bool| outcomes.iter().any(|outcome| test(&outcome.ending));
        let wrote = any(Ending::wrote);
        let failed = any(|ending| matches!(ending, Ending::Failed(_)));
        let stale = any(|ending| matches!(ending, Ending::Stale(_)));
        let blocked = any(|ending| matches!(ending, Ending::Blocked(_)));
        match (wrote, failed, stale, blocked) {
            (true, true, _, _) | (true, _, true, _) => Self::Partial,
            (false, true, _, _) => Self::Failed,
            (false, false, true, _) => Self::Stale,
            (_, false, false, true) => Self::Blocked,
            (_, false, false, false) => Self::Done,
        }
    }

    /// The same where the whole was to be done: a run that was stopped or refused has left steps that nobody began.
    pub(super) fn of_the_whole(outcomes: &[Outcome]) -> Self {
        let is_left = outcomes.iter().any(|outcome| matches!(outcome.ending, Ending::NotRun(_)));
        if is_left { Self::of_a_part(outcomes) } else { Self::of_outcomes(outcomes) }
    }

    /// The same where something is left beside these outcomes.
    pub(super) fn of_a_part(outcomes: &[Outcome]) -> Self {
        let wrote = outcomes.iter().any(|outcome| outcome.ending.wrote());
        match Self::of_outcomes(outcomes) {
            Self::Done | Self::Blocked | Self::Stale if wrote => Self::Partial,
            Self::Done | Self::Blocked | Self::Stale => Self::Failed,
            exit => exit,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::event::Moved;
    use crate::image::{Code, Failure};

    fn of(endings: &[Ending]) -> Exit {
        let outcome = |ending: &Ending| Outcome {
            ending: ending.clone(),
            moved: Moved::default(),
            elapsed: Duration::ZERO,
            attempts: 1,
            warnings: Vec::new(),
        };
        Exit::of_outcomes(&endings.iter().map(outcome).collect::<Vec<_>>())
    }

    #[test]
    fn the_worst_that_fits_wins_and_a_skip_is_not_written() {
        use Ending::{Copied, Skipped, Updated};
        let failure = || Failure::new(Code::Denied, "no");
        let (failed, stale, blocked) =
            (Ending::Failed(failure()), Ending::Stale(failure()), Ending::Blocked(failure()));
        assert_eq!(of(&[]), Exit::Done);
        assert_eq!(of(&[Skipped, Copied, Updated]), Exit::Done);
        assert_eq!(of(&[Copied, failed.clone()]), Exit::Partial);
        assert_eq!(of(&[Updated, stale.clone(), blocked.clone()]), Exit::Partial);
        assert_eq!(of(&[Skipped, failed.clone(), stale.clone()]), Exit::Failed);
        assert_eq!(of(&[Skipped, stale.clone(), blocked.clone()]), Exit::Stale);
        assert_eq!(of(&[Copied, blocked.clone()]), Exit::Blocked);
        assert_eq!(of(&[failed, blocked]), Exit::Failed);
    }

    #[test]
    fn what_is_left_is_a_failure_of_the_whole() {
        let failure = || Failure::new(Code::Interrupted, "no");
        let outcomes = |endings: &[Ending]| endings.iter().cloned().map(Outcome::not_begun).collect::<Vec<_>>();
        let whole = |endings: &[Ending]| Exit::of_the_whole(&outcomes(endings));
        let left = Ending::NotRun(failure());
        assert_eq!(whole(&[Ending::Skipped]), Exit::Done);
        assert_eq!(whole(&[Ending::Copied, Ending::Blocked(failure())]), Exit::Blocked);
        assert_eq!(whole(&[Ending::Skipped, left.clone()]), Exit::Failed);
        assert_eq!(whole(&[Ending::Stale(failure()), left.clone()]), Exit::Failed);
        assert_eq!(whole(&[Ending::Copied, left]), Exit::Partial);
        assert_eq!(Exit::of_a_part(&outcomes(&[Ending::Copied])), Exit::Partial);
    }

    fn ending() -> impl Strategy<Value = Ending> {
        let failure = || Failure::new(Code::Denied, "no");
        prop::sample::select(vec![
            Ending::Copied,
            Ending::Updated,
            Ending::Skipped,
            Ending::Stale(failure()),
            Ending::Blocked(failure()),
            Ending::Failed(failure()),
            Ending::NotRun(failure()),
        ])
    }

    /// Which codes fit, as the documentation has them, the strongest first.
    fn fitting(endings: &[Ending]) -> Vec<Exit> {
        let has = |names: &[&str]| endings.iter().any(|ending| names.contains(&ending.as_str()));
        let wrote = has(&["copied", "updated"]);
        let rows = [
            (wrote && has(&["failed", "stale"]), Exit::Partial),
            (!wrote && has(&["failed"]), Exit::Failed),
            (!wrote && has(&["stale"]), Exit::Stale),
            (has(&["blocked"]), Exit::Blocked),
            (true, Exit::Done),
        ];
        rows.into_iter().filter_map(|(fits, exit)| fits.then_some(exit)).collect()
    }

    proptest! {
        #[test]
        fn the_code_follows_from_which_outcomes_there_are(endings in prop::collection::vec(ending(), 0..6)) {
            let exit = of(&endings);
            prop_assert_eq!(exit, fitting(&endings)[0]);
            let turned: Vec<_> = endings.iter().rev().cloned().collect();
            prop_assert_eq!(of(&turned), exit, "not their order");
            let twice = [endings.clone(), endings].concat();
            prop_assert_eq!(of(&twice), exit, "nor how many there are");
        }
    }
}
