//! The way back from JSON to a result, to show it again. Trusts nothing in it.

use std::time::Duration;

use super::super::{Applied, Run};
use super::{Ended, KIND, MovedDocument, ResultDocument, StepResult};
use crate::event::{Ending, Moved, Outcome};
use crate::image::{Code, Failure};
use crate::plan::file::{self, Document, FileError, StepDocument};
use crate::plan::{Bases, Plan, Summary, document_of};

/// Reads the result document in `text`: its kind and version first, then its shape.
pub fn read(text: &str) -> Result<ResultDocument, FileError> {
    document_of(KIND, text)
}

/// A result that was read: what [`Applied`] borrows from.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    plan: Plan,
    outcomes: Vec<Outcome>,
    elapsed: Duration,
}

impl Saved {
    /// The result, to be shown again.
    pub fn applied(&self) -> Applied<'_> {
        Applied { plan: &self.plan, outcomes: &self.outcomes, elapsed: self.elapsed }
    }
}

impl Saved {
    /// The same as the result of a run.
    pub fn into_run(self) -> Run {
        Run { plan: self.plan, outcomes: Some(self.outcomes), elapsed: self.elapsed }
    }
}

impl ResultDocument {
    /// The result that the document states, held to the same rules as [`Document::plan`]. The bytes and pulls that were
    /// planned are not in it.
    pub fn saved(&self, bases: &Bases) -> Result<Saved, FileError> {
        let plan = Document {
            format_version: self.format_version.clone(),
            kind: file::KIND.to_owned(),
            tool_version: self.tool_version.clone(),
            created_at: self.created_at.clone(),
            plan_id: self.plan_id.clone(),
            config: self.config.clone(),
            scope: self.scope.clone(),
            complete: self.complete,
            summary: Summary::default(),
            bytes: None,
            warnings: self.warnings.clone(),
            quotas: Vec::new(),
            selections: Vec::new(),
            steps: self.steps.iter().map(StepResult::planned).collect(),
        };
        let outcomes = self
            .steps
            .iter()
            .enumerate()
            .map(|(index, step)| step.outcome().map_err(|problem| FileError::Step { step: index + 1, problem }));
        Ok(Saved {
            outcomes: outcomes.collect::<Result<_, _>>()?,
            elapsed: duration(self.seconds).map_err(FileError::Syntax)?,
            plan: plan.plan(bases)?,
        })
    }
}

impl StepResult {
    fn planned(&self) -> StepDocument {
        StepDocument {
            action: self.action,
            reason: self.reason.clone(),
            risk: self.risk.clone(),
            source: self.source.clone(),
            target: self.target.clone(),
            digest: self.digest.clone(),
            trim: self.trim.clone(),
            platforms: self.platforms.clone(),
            referrers: self.referrers.clone(),
            bytes: None,
            change: None,
            location: self.location.clone(),
            message: self.message.clone(),
            error: self.error.clone(),
            // All of them stand with the outcome.
            warnings: Vec::new(),
        }
    }

    fn outcome(&self) -> Result<Outcome, String> {
        let words = || Failure::new(Code::Internal, self.message.clone().unwrap_or_default());
        let failure = || self.error.clone().unwrap_or_else(words);
        let MovedDocument { sent, mounted, reused } = self.bytes;
        Ok(Outcome {
            ending: match self.outcome {
                Ended::Copied => Ending::Copied,
                Ended::Updated => Ending::Updated,
                Ended::Skipped => Ending::Skipped,
                Ended::Stale => Ending::Stale(failure()),
                Ended::Blocked => Ending::Blocked(failure()),
                Ended::Failed => Ending::Failed(failure()),
                Ended::NotRun => Ending::NotRun(failure()),
            },
            moved: Moved { sent, mounted, reused },
            elapsed: duration(self.seconds)?,
            attempts: self.attempts,
            warnings: self.warnings.clone(),
        })
    }
}

fn duration(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("{seconds} is not a time in seconds"))
}
