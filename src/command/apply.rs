//! `regsync apply`: do what a plan says. With a saved plan, exactly that; without one, plan first.

use std::path::Path;

use super::Exit;
use super::files::check_writable;
use super::github::{Account, Told, conclude};
use super::load::load_for_plan;
use super::output::{Refusal, deliver_until_signal, print_until_signal, say_error};
use super::plan::{Inputs, Planned, risky, scope};
use super::providers::Purpose;
use super::session::{Session, stamp};
use super::signals::Signals;
use super::trust::check_apply;
use super::voice::Voice;
use crate::apply::Applier;
use crate::cli::{ApplyArgs, FormatArg, ReportArg};
use crate::event::{Ending, Outcome};
use crate::image::{Code, Failure};
use crate::plan::{Action, Plan, Scope};
use crate::report::{self, Applied};
use crate::store::Stores;

pub(super) async fn run(args: &ApplyArgs, session: &Session) -> Result<Exit, Refusal> {
    let mut account = Account::default();
    let ended = plan_and_carry_out(args, session, &mut account).await;
    let json = args.output.reports().find(|(format, _)| *format == ReportArg::Json);
    // Where nothing was come to, there is no result to read.
    account.result_file = json.filter(|_| account.outcomes.is_some()).map(|(_, file)| file.to_owned());
    conclude(session, &Told::by(("apply", &args.ci), (&args.config, &args.scope), &args.output), &account, ended).await
}

async fn plan_and_carry_out(args: &ApplyArgs, session: &Session, account: &mut Account) -> Result<Exit, Refusal> {
    check_apply(args, session.environment())?;
    check_writable(args.output.reports().map(|(_, file)| file))?;
    let signals = Signals::listen().until(session.deadline(&args.work));
    match &args.plan {
        Some(file) => saved(args, file, (session, signals), account).await,
        None => fresh(args, session, signals, account).await,
    }
}

async fn fresh(
    args: &ApplyArgs,
    session: &Session,
    mut signals: Signals,
    account: &mut Account,
) -> Result<Exit, Refusal> {
    let inputs =
        Inputs { config: &args.config, scope: &args.scope, work: &args.work, copies: true, risks: &args.risks };
    let planned = inputs.plan(session, &mut signals).await;
    account.is_overdue = signals.is_overdue();
    let Planned { plan, stores, voice, .. } = planned?;

    if args.output.format == FormatArg::Text {
        let gap = if plan.has_changes() { "\n" } else { "" };
        let text = report::text::plan(&plan, session.style());
        // Whoever cannot read the plan still wants it done; the result's own failure to be printed is told below.
        let _ = print_until_signal(format!("{text}{gap}"), &mut signals).await;
    }
    account.plan = Some(plan);
    carry_out(args, account, &stores, (&voice, session, signals)).await
}

async fn saved(
    args: &ApplyArgs,
    file: &Path,
    (session, signals): (&Session, Signals),
    account: &mut Account,
) -> Result<Exit, Refusal> {
    if args.scope.is_flag() {
        return Err(scope_beside_plan());
    }
    let (loaded, plan) = load_for_plan(file, &args.config, session)?;
    check_scope(args, &plan)?;
    (account.plan, account.plan_file) = (Some(plan), Some(file.to_owned()));
    let voice = session.voice();
    let stores = session.stores(&loaded, session.keychain(&loaded, Purpose::Apply), &voice)?;
    carry_out(args, account, &stores, (&voice, session, signals)).await
}

/// Variables of a whole job may repeat the scope that the plan was made with. Any other would have to be ignored, and is
/// a contradiction, as a flag is: a saved plan says itself which part is done.
fn check_scope(args: &ApplyArgs, plan: &Plan) -> Result<(), Refusal> {
    let asked = scope(&args.scope)?.0;
    if asked == Scope::default() || asked == plan.scope {
        return Ok(());
    }
    Err(scope_beside_plan())
}

fn scope_beside_plan() -> Refusal {
    let message = "--only, --exclude and --shard do not go with a saved plan, which is done as a whole";
    Refusal::new(Exit::Usage, message).hint("plan the part: regsync plan --only GLOB -o FILE")
}

/// Refuses what must be refused before the first write, or applies; reports either way.
async fn carry_out(
    args: &ApplyArgs,
    account: &mut Account,
    stores: &Stores,
    (voice, session, mut signals): (&Voice, &Session, Signals),
) -> Result<Exit, Refusal> {
    let Account { plan: Some(plan), outcomes: kept, is_overdue, .. } = account else {
        return Err(Refusal::new(Exit::Failed, "there is no plan"));
    };
    let plan = &*plan;
    if let Some((refusal, failure)) = objection(args, plan) {
        let outcomes = kept.insert(untouched(plan, &failure));
        // For people, the plan and the reason say it all.
        tell(args, (plan, outcomes), args.output.format != FormatArg::Text, (session, &mut signals)).await;
        return Err(refusal);
    }
    let applier = Applier {
        stores,
        reporter: voice.reporter(),
        concurrency: args.work.concurrency.into(),
        fail_fast: args.fail_fast,
        look_first: args.plan.is_some(),
        stop: signals.stop(),
    };
    let outcomes = signals.guard(voice.reporter().as_ref(), applier.apply(plan)).await;
    voice.clear();
    let Some(outcomes) = outcomes else {
        let message = "interrupted twice: what was under way was cut off, and there is no report";
        let refusal = Refusal::new(signals.received().unwrap_or(Exit::Interrupted), message);
        return Err(refusal.hint("no tag points at a partial image; run it again"));
    };
    let outcomes = &*kept.insert(outcomes);
    *is_overdue = signals.is_overdue() && outcomes.iter().any(is_cut_short);
    // Where nothing was to be written, the plan above has said all there is to say.
    let prints = plan.has_changes() || args.plan.is_some() || args.output.format != FormatArg::Text;
    tell(args, (plan, outcomes), prints, (session, &mut signals)).await;
    Ok(signals.received().unwrap_or_else(|| Exit::of_the_whole(outcomes)))
}

/// Whether a step was not done for want of time.
fn is_cut_short(outcome: &Outcome) -> bool {
    outcome.ending.failure().is_some_and(|failure| failure.code == Code::Interrupted)
}

/// Says what came of the plan. Where that fails, it is said in turn; what was done is done, and its exit code stands.
async fn tell(
    args: &ApplyArgs,
    (plan, outcomes): (&Plan, &[Outcome]),
    prints: bool,
    (session, signals): (&Session, &mut Signals),
) {
    let (stamp, setting) = (stamp(), session.setting(args.ci.label.as_deref()));
    let applied = Applied { plan, outcomes, elapsed: session.elapsed() };
    let render = |format, style| report::result(format, &applied, (&stamp, &setting), style);
    // For people, the plan stands above it.
    let is_below = args.plan.is_none() && args.output.format == FormatArg::Text;
    let mut told = deliver_until_signal(&args.output, (session, signals), prints && !is_below, render).await;
    if prints && is_below {
        let text = report::text::result_below_plan(&applied, session.style());
        told = print_until_signal(text, signals).await;
    }
    if let Err(refusal) = told {
        say_error(&refusal, session.error_color());
    }
}

/// Why the plan may not be carried out at all: for the user, and for the result of each step.
fn objection(args: &ApplyArgs, plan: &Plan) -> Option<(Refusal, Failure)> {
    let id = plan.id();
    let is_expected =
        |expected: &String| *expected == id.to_string() || *expected == id.hex() || *expected == id.short();
    if let Some(expected) = args.expect_plan_id.as_ref().filter(|expected| !is_expected(expected)) {
        let message = format!("the plan has the id {id}, not {expected}");
        let refusal = Refusal::new(Exit::Stale, format!("{message}; nothing was written"));
        let hint = "something changed since the plan was reviewed: review the new one";
        return Some((refusal.hint(hint), Failure::new(Code::Stale, message)));
    }
    if args.require_complete && !plan.is_complete() {
        let why = match (plan.summary().error, plan.scope.missing.len()) {
            (0, missing) => format!("{missing} of its shards missing"),
            (errors, _) => format!("{errors} in error"),
        };
        let message = format!("the plan is incomplete ({why}), and --require-complete is set");
        let refusal = Refusal::new(Exit::Failed, format!("{message}; nothing was written"));
        return Some((refusal, Failure::new(Code::Interrupted, message)));
    }
    let refusal = risky(plan, &args.risks)?;
    let message = format!("{}; nothing was written", refusal.message);
    let failure = Failure::new(Code::Interrupted, refusal.message.clone());
    Some((Refusal { message, ..refusal }, failure))
}

/// The outcomes of a plan that is not carried out, for `failure`.
fn untouched(plan: &Plan, failure: &Failure) -> Vec<Outcome> {
    let ending = |action, reason: Option<&Failure>| match action {
        Action::Skip => Ending::Skipped,
        Action::Blocked => Ending::Blocked(reason.unwrap_or(failure).clone()),
        Action::Error => Ending::Failed(reason.unwrap_or(failure).clone()),
        Action::Copy | Action::Update => Ending::NotRun(failure.clone()),
    };
    let endings = plan.steps.iter().map(|step| ending(step.action(), step.reason.failure()));
    let outcome = |ending: Ending| {
        let attempts = ending.failure().and_then(|failure| failure.attempts).unwrap_or(0);
        Outcome { attempts, ..Outcome::not_begun(ending) }
    };
    endings.map(outcome).collect()
}
