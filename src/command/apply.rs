//! `regsync apply`: do what a plan says. With a saved plan, exactly that; without one, plan first.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::load::{load, load_for_plan};
use super::output::{Refusal, print, write_reports};
use super::plan::{Planner, scope};
use super::session::{Session, format_of};
use super::voice::Voice;
use super::{Exit, signals};
use crate::apply::Applier;
use crate::cli::{ApplyArgs, FormatArg};
use crate::plan::Plan;
use crate::report::{self, Applied};
use crate::store::Stores;

pub(super) async fn run(args: &ApplyArgs, session: &Session) -> Result<Exit, Refusal> {
    match &args.plan {
        Some(file) => saved(args, file, session).await,
        None => fresh(args, session).await,
    }
}

async fn fresh(args: &ApplyArgs, session: &Session) -> Result<Exit, Refusal> {
    let (scope, filter) = scope(&args.scope)?;
    let loaded = load(&args.config, session)?;
    let voice = session.voice();
    let stores = session.stores(&loaded, &voice)?;

    let planner = Planner { stores: &stores, reporter: voice.reporter(), sizes: args.work.sizes.into() };
    let planned = planner.plan(&loaded.desired, &scope, &filter).await;
    voice.clear();
    let plan = match planned {
        Ok(plan) => plan,
        Err(signal) => return Ok(signal),
    };

    if args.output.format == FormatArg::Text {
        print(&report::plan(report::Format::Text, &plan, &session.stamp(), session.style()))?;
        if plan.has_changes() {
            print("\n")?;
        }
    }
    carry_out(args, &plan, &stores, (&voice, session)).await
}

async fn saved(args: &ApplyArgs, file: &Path, session: &Session) -> Result<Exit, Refusal> {
    let (loaded, plan) = load_for_plan(file, &args.config, session)?;
    let voice = session.voice();
    let stores = session.stores(&loaded, &voice)?;
    carry_out(args, &plan, &stores, (&voice, session)).await
}

/// Refuses what must be refused before the first write, then applies and reports.
async fn carry_out(
    args: &ApplyArgs,
    plan: &Plan,
    stores: &Stores,
    (voice, session): (&Voice, &Session),
) -> Result<Exit, Refusal> {
    check_id(args, plan)?;
    if args.require_complete && !plan.is_complete() {
        let errors = plan.summary().error;
        let message =
            format!("the plan is incomplete ({errors} in error), and --require-complete is set; nothing was written");
        return Err(Refusal::new(Exit::Failed, message));
    }
    let stop = CancellationToken::new();
    let applier = Applier {
        stores,
        reporter: voice.reporter(),
        concurrency: args.work.concurrency.into(),
        fail_fast: args.fail_fast,
        look_first: args.plan.is_some(),
        stop: stop.clone(),
    };
    let guarded = signals::guard(&stop, voice.reporter().as_ref(), applier.apply(plan)).await;
    voice.clear();
    let Some(outcomes) = guarded.result else {
        return Ok(guarded.signal.unwrap_or(Exit::Interrupted));
    };
    let stamp = session.stamp();
    let applied = Applied { plan, outcomes: &outcomes, elapsed: session.elapsed() };
    // Where nothing was to be written, the plan above has said all there is to say.
    if plan.has_changes() || args.plan.is_some() || args.output.format != FormatArg::Text {
        print(&report::result(format_of(args.output.format), &applied, &stamp, session.style()))?;
    }
    write_reports(&args.output.report, |format| report::result(format_of(format), &applied, &stamp, session.plain()))?;
    Ok(guarded.signal.unwrap_or_else(|| Exit::of_outcomes(&outcomes)))
}

/// The id may be given whole or as the twelve digits that people read.
fn check_id(args: &ApplyArgs, plan: &Plan) -> Result<(), Refusal> {
    let Some(expected) = &args.expect_plan_id else { return Ok(()) };
    let id = plan.id();
    if *expected == id.to_string() || *expected == id.hex() || *expected == id.short() {
        return Ok(());
    }
    let message = format!("the plan has the id {id}, not {expected}; nothing was written");
    Err(Refusal::new(Exit::Stale, message).hint("something changed since the plan was reviewed: review the new one"))
}
