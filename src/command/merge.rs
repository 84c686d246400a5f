//! `regsync report merge`: one report, and one exit code, from those of several shards.

use std::path::Path;
use std::time::Duration;

use super::Exit;
use super::files::check_writable;
use super::github::{Account, Told, conclude};
use super::load::read_text;
use super::output::{Refusal, deliver};
use super::pull_request::Excuse;
use super::session::{Session, stamp};
use super::show::bases;
use crate::cli::{MergeArgs, ReportArg};
use crate::plan;
use crate::plan::file::FileError;
use crate::report::{self, Applied, Run, json, merge};

pub(super) async fn run(args: &MergeArgs, session: &Session) -> Result<Exit, Refusal> {
    let mut account = Account::default();
    let ended = joined(args, session, &mut account);
    let json = args.output.reports().find(|(format, _)| *format == ReportArg::Json);
    account.result_file = json.filter(|_| account.outcomes.is_some()).map(|(_, file)| file.to_owned());
    // The whole stands in the place of the runs that its parts are of.
    let verb = if account.outcomes.is_some() { "apply" } else { "plan" };
    conclude(session, &Told::of_ci((verb, &args.ci), &args.output), &account, ended).await
}

fn joined(args: &MergeArgs, session: &Session, account: &mut Account) -> Result<Exit, Refusal> {
    check_writable(args.output.reports().map(|(_, file)| file))?;
    let runs = args.files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    let Run { plan, outcomes, elapsed } = merge(runs, args.shards.as_ref())
        .map_err(|problem| Refusal::new(Exit::Invalid, format!("these reports are not of one whole: {problem}")))?;
    if outcomes.is_none() {
        account.excuse = Excuse::of(&plan, session.environment());
    }
    let exit_of_plan = Exit::of_plan(&plan, false, |step| account.is_excused(step));
    let plan = &*account.plan.insert(plan);
    let (stamp, setting) = (stamp(), session.setting(args.ci.label.as_deref()));
    let Some(outcomes) = outcomes else {
        deliver(&args.output, session, true, |format, style| report::plan(format, plan, (&stamp, &setting), style))?;
        return Ok(exit_of_plan);
    };
    let outcomes = &*account.outcomes.insert(outcomes);
    let applied = Applied { plan, outcomes, elapsed };
    deliver(&args.output, session, true, |format, style| report::result(format, &applied, (&stamp, &setting), style))?;
    // A shard that there is no report of is left, too.
    Ok(if plan.scope.missing.is_empty() { Exit::of_the_whole(outcomes) } else { Exit::of_a_part(outcomes) })
}

/// A plan or a result.
fn read(file: &Path) -> Result<Run, Refusal> {
    let text = read_text(file)?;
    let invalid = |error: FileError| Refusal::new(Exit::Invalid, format!("{}: {error}", file.display()));
    match plan::document(&text) {
        Ok(document) => {
            let plan = document.plan(&bases(&document.config)).map_err(invalid)?;
            Ok(Run { plan, outcomes: None, elapsed: Duration::ZERO })
        }
        Err(FileError::Kind(kind)) if kind == json::KIND => {
            let document = json::read(&text).map_err(invalid)?;
            let saved = document.saved(&bases(&document.config)).map_err(invalid)?;
            Ok(saved.into_run())
        }
        Err(error) => Err(invalid(error)),
    }
}
