//! The JSON form of a result, and JSON that is safe to print.
//!
//! Owns the result document: the steps of the plan document, each with what came of it. The plan document itself is
//! `plan`'s, as `apply` reads it. Refuses to let text from outside act on whoever shows the JSON: what [`Untrusted`]
//! would spell out is spelled out here as JSON does it, which changes no value.
//!
//! [`Untrusted`]: super::Untrusted

mod read;
#[cfg(test)]
mod tests;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use read::{Saved, read};

use super::untrusted::is_unsafe;
use super::{Applied, Tally, failure_of, tally};
use crate::event::{Ending, Moved, Outcome};
use crate::image::Failure;
use crate::plan::file::{
    ConfigDocument, DIGEST_PATTERN, PlaceDocument, ReferrerDocument, SourceDocument, Stamp, StepDocument,
    TargetDocument, Trim, VERSION_PATTERN, WarningDocument, schema_of,
};
use crate::plan::{Action, Plan, Reason, Risk, Scope, Step};

/// The `kind` of a result.
pub const KIND: &str = "regsync.result";

/// What came of a plan, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "regsync result")]
pub struct ResultDocument {
    /// `MAJOR.MINOR` of this format; the same as that of plans.
    #[schemars(extend("pattern" = VERSION_PATTERN))]
    pub format_version: String,
    /// `regsync.result`.
    #[schemars(extend("const" = KIND))]
    pub kind: String,
    /// The version of the tool that made it.
    pub tool_version: String,
    /// When it was made: RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub created_at: String,
    /// The id of the plan that was applied.
    #[schemars(extend("pattern" = DIGEST_PATTERN))]
    pub plan_id: String,
    /// The configuration files that the plan was made from.
    pub config: Vec<ConfigDocument>,
    /// Which part of them.
    pub scope: Scope,
    /// Whether every step is as the configuration wants it, and no shard is missing.
    pub complete: bool,
    /// The number of steps of each outcome.
    pub summary: Tally,
    /// What all steps moved, in bytes.
    pub bytes: MovedDocument,
    /// How long it took altogether, in seconds.
    #[schemars(range(min = 0))]
    pub seconds: f64,
    /// Remarks of the plan.
    pub warnings: Vec<WarningDocument>,
    /// The steps, in the order of the plan.
    pub steps: Vec<StepResult>,
}

/// One target tag and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepResult {
    /// What was to happen.
    pub action: Action,
    /// Why: `new`, `tag-moved`, `in-sync`, …
    #[schemars(extend("enum" = Reason::NAMES))]
    pub reason: String,
    /// Dangers.
    pub risk: Vec<Risk>,
    /// What was read; null where a whole mirror failed.
    pub source: Option<SourceDocument>,
    /// What was written; null where a whole mirror failed.
    pub target: Option<TargetDocument>,
    /// The digest that the target's tag should name.
    #[schemars(extend("pattern" = DIGEST_PATTERN))]
    pub digest: Option<String>,
    /// How the source was cut down to some platforms: always null in this version.
    #[serde(default)]
    pub trim: Option<Trim>,
    /// The platforms in the image.
    pub platforms: Vec<String>,
    /// Artifacts that were to come along with the image.
    #[serde(default)]
    pub referrers: Vec<ReferrerDocument>,
    /// The mirror it comes from.
    pub location: PlaceDocument,
    /// What went wrong, in words.
    pub message: Option<String>,
    /// Remarks.
    pub warnings: Vec<String>,
    /// How it ended.
    pub outcome: Ended,
    /// What it moved, in bytes.
    pub bytes: MovedDocument,
    /// How long it took, in seconds.
    #[schemars(range(min = 0))]
    pub seconds: f64,
    /// How often it was tried; 0 where it was not begun.
    pub attempts: u32,
    /// What went wrong, for scripts.
    #[serde(default)]
    pub error: Option<Failure>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// The tag was created.
    Copied,
    /// The tag was moved, or what was missing was added.
    Updated,
    /// There was nothing to do.
    Skipped,
    /// The target was no longer what the plan saw.
    Stale,
    /// A policy forbids it.
    Blocked,
    /// It went wrong.
    Failed,
    /// It was not begun.
    NotRun,
}

/// Bytes that were moved, or did not have to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MovedDocument {
    /// Sent to the target.
    pub sent: u64,
    /// Mounted from another repository of the target's registry.
    pub mounted: u64,
    /// Already there.
    pub reused: u64,
}

/// The JSON Schema of [`ResultDocument`], as it is written: every field is there.
pub fn schema() -> serde_json::Value {
    schema_of::<ResultDocument>()
}

/// The plan document, indented, ending in a line break, safe to print.
pub fn plan(plan: &Plan, stamp: &Stamp) -> String {
    printable(&plan.to_json(stamp))
}

/// The result document, indented, ending in a line break, safe to print.
pub fn result(applied: &Applied<'_>, stamp: &Stamp) -> String {
    // Strings, finite numbers and lists of them: nothing here can fail to serialise.
    let text = serde_json::to_string_pretty(&document(applied, stamp)).unwrap_or_default();
    printable(&(text + "\n"))
}

/// What came of a plan as a document.
pub fn document(applied: &Applied<'_>, stamp: &Stamp) -> ResultDocument {
    let plan = applied.plan.document(stamp);
    let summary = Tally::of(applied.outcomes);
    ResultDocument {
        format_version: plan.format_version,
        kind: KIND.to_owned(),
        tool_version: plan.tool_version,
        created_at: plan.created_at,
        plan_id: plan.plan_id,
        config: plan.config,
        scope: plan.scope,
        complete: applied.is_complete(),
        summary,
        bytes: tally::moved(applied.outcomes).into(),
        seconds: seconds(applied.elapsed),
        warnings: plan.warnings,
        steps: applied.steps().map(|(step, outcome)| step_result(step, outcome)).collect(),
    }
}

fn step_result(step: &Step, outcome: &Outcome) -> StepResult {
    let error = failure_of(step, outcome).cloned();
    let said = outcome.warnings.iter().cloned();
    // Every field by name: a field that plans get must find its place here too.
    let StepDocument {
        action,
        reason,
        risk,
        source,
        target,
        digest,
        trim,
        platforms,
        referrers,
        bytes: _,
        // The plan has it: what came of it is no other.
        change: _,
        location,
        message: _,
        error: _,
        warnings,
    } = StepDocument::from(step);
    StepResult {
        action,
        reason,
        risk,
        source,
        target,
        digest,
        trim,
        platforms,
        referrers,
        location,
        message: error.as_ref().map(|failure| failure.message.clone()),
        warnings: warnings.into_iter().chain(said).collect(),
        outcome: Ended::from(&outcome.ending),
        bytes: outcome.moved.into(),
        seconds: seconds(outcome.elapsed),
        attempts: outcome.attempts,
        error,
    }
}

/// Whole milliseconds, as seconds.
fn seconds(duration: Duration) -> f64 {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)).as_secs_f64()
}

impl From<&Ending> for Ended {
    fn from(ending: &Ending) -> Self {
        match ending {
            Ending::Copied => Self::Copied,
            Ending::Updated => Self::Updated,
            Ending::Skipped => Self::Skipped,
            Ending::Stale(_) => Self::Stale,
            Ending::Blocked(_) => Self::Blocked,
            Ending::Failed(_) => Self::Failed,
            Ending::NotRun(_) => Self::NotRun,
        }
    }
}

impl From<Moved> for MovedDocument {
    fn from(Moved { sent, mounted, reused }: Moved) -> Self {
        Self { sent, mounted, reused }
    }
}

/// The same JSON, with nothing in it that does more than show itself: such characters stand in strings alone, where
/// JSON has escapes for them (RFC 8259 §7). A line of JSON never starts with `::`; `##[` would be found anywhere in it.
fn printable(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut before = None;
    for c in json.chars() {
        if (is_unsafe(c) && c != '\n') || (c == '#' && before == Some('#')) {
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
        before = Some(c);
    }
    out
}
