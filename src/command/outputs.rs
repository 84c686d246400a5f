//! The outputs of a run: in which word it has ended, and which of its files others may read.
//!
//! Refuses to write them, and to change how a run ends.

use std::path::{Path, PathBuf, absolute};

use super::Exit;
use super::github::{Account, Told};
use super::output::Refusal;
use crate::cli::ReportArg;
use crate::event::Ending;
use crate::image::Code;
use crate::plan::{Action, Plan};
use crate::report::github::{Outputs, Verdict};

/// The outputs, in both of their forms. Lines are for the steps of this job, whose paths start elsewhere than those of a run
/// in a directory of its own: they name files in full. Variables are for other jobs, whose checkout is elsewhere.
pub(super) struct Rendered {
    pub(super) lines: String,
    pub(super) variables: String,
}

pub(super) fn outputs(
    (told, account, ended): (&Told, &Account, &Result<Exit, Refusal>),
    comment_url: &str,
) -> Rendered {
    let exit = ended.as_ref().map_or_else(|refusal| refusal.exit, |exit| *exit);
    let text =
        |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
    let in_full =
        |path: &Option<PathBuf>| text(&path.as_ref().map(|path| absolute(path).unwrap_or_else(|_| path.clone())));
    let (plan_file, result_file) = (&account.plan_file, &account.result_file);
    let first = |format, there: bool| told.files(format).next().filter(|_| there).map(Path::to_owned);
    let has_result = account.outcomes.is_some();
    let has_report = if told.verb == "apply" { has_result } else { account.plan.is_some() };
    let (summary_file, subjects_file) =
        (&first(ReportArg::Markdown, has_report), &first(ReportArg::Subjects, has_result));
    let failure_reason = failure_reason(account, exit, ended.is_err());
    let outputs = Outputs {
        verdict: Verdict { result: result(account, exit), failure_reason, exit_code: exit as u8 },
        plan: account.plan.as_ref(),
        outcomes: account.outcomes.as_deref(),
        plan_file: &text(plan_file),
        result_file: &text(result_file),
        summary_file: &text(summary_file),
        subjects_file: &text(subjects_file),
        comment_url,
        version: env!("CARGO_PKG_VERSION"),
    };
    let lines = Outputs {
        plan_file: &in_full(plan_file),
        result_file: &in_full(result_file),
        summary_file: &in_full(summary_file),
        subjects_file: &in_full(subjects_file),
        ..outputs
    };
    Rendered { lines: lines.render(), variables: outputs.dotenv() }
}

fn result(account: &Account, exit: Exit) -> &'static str {
    let has_changes = account.plan.as_ref().is_some_and(Plan::has_changes);
    match exit {
        // That nothing is left to do cannot be said where not all could be read.
        Exit::Done | Exit::Changes if account.excuse.is_some() => "partial",
        Exit::Done | Exit::Changes if !has_changes => "no-changes",
        Exit::Done | Exit::Changes if account.outcomes.is_some() => "applied",
        Exit::Done | Exit::Changes => "changes",
        Exit::Partial => "partial",
        Exit::Blocked => "blocked",
        _ => "failed",
    }
}

/// Why a run has failed, in one word; empty where it has not.
fn failure_reason(account: &Account, exit: Exit, refused: bool) -> &'static str {
    match exit {
        Exit::Done => "",
        Exit::Changes => "drift",
        Exit::Failed | Exit::Partial if account.is_overdue => "deadline",
        Exit::Partial => "partial-apply",
        Exit::Stale if refused => "plan-changed",
        Exit::Stale => "plan-stale",
        Exit::Blocked if refused => "risk-blocked",
        Exit::Blocked => "policy-blocked",
        Exit::Usage => "usage",
        Exit::Invalid => "config-invalid",
        Exit::Interrupted | Exit::Terminated => "interrupted",
        Exit::Failed => cause(account),
    }
}

/// What all failures have in common, where they have.
fn cause(account: &Account) -> &'static str {
    let errors = account.plan.iter().flat_map(|plan| &plan.steps).filter(|step| step.action() == Action::Error);
    let planned = errors.filter(|step| !account.is_excused(step)).filter_map(|step| step.reason.failure());
    let ended = account.outcomes.iter().flatten().filter_map(|outcome| match &outcome.ending {
        Ending::Failed(failure) => Some(failure),
        _ => None,
    });
    let codes: Vec<Code> = planned.chain(ended).map(|failure| failure.code).collect();
    let all = |wanted: &[Code]| !codes.is_empty() && codes.iter().all(|code| wanted.contains(code));
    if all(&[Code::Auth, Code::Denied, Code::NoCredentials]) {
        "auth"
    } else if all(&[Code::RateLimited]) {
        "rate-limited"
    } else if account.plan.as_ref().is_some_and(|plan| !plan.is_complete()) {
        "incomplete"
    } else {
        "failed"
    }
}
