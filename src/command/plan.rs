//! `regsync plan`: read both sides, decide, show. Nothing is written to a target.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::files::{check_writable, write_file};
use super::load::load;
use super::output::{Refusal, deliver, say};
use super::session::{Session, stamp};
use super::{Exit, signals};
use crate::cli::{PlanArgs, ScopeArgs, WorkArgs};
use crate::config::Desired;
use crate::event::Reporter;
use crate::observe::Observer;
use crate::plan::{self, Filter, Plan, Scope};
use crate::report::{self, Untrusted};
use crate::store::Stores;

pub(super) async fn run(args: &PlanArgs, session: &Session) -> Result<Exit, Refusal> {
    check_writable(args.out.iter().map(PathBuf::as_path).chain(args.output.reports().map(|(_, file)| file)))?;
    let (scope, filter) = scope(&args.scope)?;
    let loaded = load(&args.config, session)?;
    let voice = session.voice();
    let stores = session.stores(&loaded, &voice)?;

    let planner = Planner { stores: &stores, reporter: voice.reporter(), work: &args.work };
    let planned = planner.plan(&loaded.desired, &scope, &filter).await;
    voice.clear();
    let plan = planned?;

    let stamp = stamp();
    let saved = args.out.as_ref().map_or(Ok(()), |path| write_file(path, &plan.to_json(&stamp)));
    deliver(&args.output, session, true, |format, style| report::plan(format, &plan, &stamp, style))?;
    saved?;
    if let (Some(path), false) = (&args.out, session.is_quiet()) {
        say_saved(path, &plan, session);
    }
    Ok(Exit::of_plan(&plan, args.detailed_exitcode))
}

/// The id is what `--expect-plan-id` takes, and what a reviewer approves. A CI system knows what comes next.
fn say_saved(path: &Path, plan: &Plan, session: &Session) {
    let path = Untrusted::of(&path.display()).to_string();
    let next = if session.is_ci() { String::new() } else { format!(". Next: regsync apply {path}") };
    say(&format!("Saved {path} (id {}){next}", plan.id().short()));
}

/// Reads both sides and decides.
pub(super) struct Planner<'a> {
    pub(super) stores: &'a Stores,
    pub(super) reporter: Arc<dyn Reporter>,
    pub(super) work: &'a WorkArgs,
}

impl Planner<'_> {
    /// The plan. Refused where a signal arrives first: half an observation is no plan, and there is nothing to report.
    pub(super) async fn plan(&self, desired: &Desired, scope: &Scope, filter: &Filter) -> Result<Plan, Refusal> {
        let observer = Observer {
            stores: self.stores,
            reporter: self.reporter.as_ref(),
            filter,
            sizes: self.work.sizes.into(),
            concurrency: self.work.concurrency.into(),
        };
        let stop = CancellationToken::new();
        let observing = async {
            tokio::select! {
                observed = observer.observe(desired) => Some(observed),
                () = stop.cancelled() => None,
            }
        };
        let guarded = signals::guard(&stop, self.reporter.as_ref(), observing).await;
        match (guarded.result.flatten(), guarded.signal) {
            (Some(observed), None) => Ok(plan::plan(desired, &observed, scope, filter)),
            (_, signal) => {
                let message = "interrupted before both sides were read: nothing was planned, and nothing written";
                Err(Refusal::new(signal.unwrap_or(Exit::Interrupted), message))
            }
        }
    }
}

/// The scope that the arguments ask for, and the filter made of it.
pub(super) fn scope(args: &ScopeArgs) -> Result<(Scope, Filter), Refusal> {
    let scope = Scope { only: args.only(), exclude: args.exclude(), shard: None };
    match scope.filter() {
        Ok(filter) => Ok((scope, filter)),
        Err(problem) => Err(Refusal::new(Exit::Usage, format!("not a glob: {problem}"))),
    }
}
