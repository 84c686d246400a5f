//! `regsync plan`: read both sides, decide, show. Nothing is written to a target.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Exit;
use super::cache::Cache;
use super::complete::Complete;
use super::files::{check_writable, write_file};
use super::github::{Account, Told, conclude};
use super::load::{load, resolve};
use super::output::{Refusal, deliver_until_signal, say};
use super::providers::Purpose;
use super::pull_request::{Excuse, unlisted};
use super::session::{Session, stamp};
use super::signals::Signals;
use super::voice::Voice;
use crate::cli::{ConfigArgs, PlanArgs, RiskArgs, ScopeArgs, SizesArg, WorkArgs};
use crate::config::{Desired, Mirror, ReferrersCheck};
use crate::image::Registry;
use crate::observe::{Compare, Observer, read_catalogs};
use crate::plan::{self, Filter, Observed, Plan, Risk, Scope, Step};
use crate::report::{self, Untrusted};
use crate::store::Stores;

pub(super) async fn run(args: &PlanArgs, session: &Session) -> Result<Exit, Refusal> {
    let mut account = Account { withheld: session.withheld(), ..Account::default() };
    let ended = show(args, session, &mut account).await;
    conclude(session, &Told::by(("plan", &args.ci), (&args.config, &args.scope), &args.output), &account, ended).await
}

async fn show(args: &PlanArgs, session: &Session, account: &mut Account) -> Result<Exit, Refusal> {
    check_writable(args.out.iter().map(PathBuf::as_path).chain(args.output.reports().map(|(_, file)| file)))?;
    let mut signals = Signals::listen().until(session.deadline(&args.work));
    let inputs =
        Inputs { config: &args.config, scope: &args.scope, work: &args.work, copies: false, risks: &args.risks };
    let planned = inputs.plan(session, &mut signals).await;
    account.is_overdue = signals.is_overdue();
    let Planned { plan, unlisted, .. } = planned?;

    account.excuse = Excuse::of(&plan, session.environment()).map(|excuse| excuse.and(unlisted));
    let exit = Exit::of_plan(&plan, args.detailed_exitcode, |step| account.is_excused(step));
    let plan = &*account.plan.insert(plan);
    let (stamp, setting) = (stamp(), session.setting(args.ci.label.as_deref()));
    let saved = args.out.as_ref().map_or(Ok(()), |path| write_file(path, &plan.to_json(&stamp)));
    let render = |format, style| report::plan(format, plan, (&stamp, &setting), style);
    deliver_until_signal(&args.output, (session, &mut signals), true, render).await?;
    saved?;
    account.plan_file.clone_from(&args.out);
    if let (Some(path), false) = (&args.out, session.is_quiet()) {
        say_saved(path, plan, session);
    }
    let risk = risky(plan, &args.risks).filter(|_| matches!(exit, Exit::Done | Exit::Changes));
    if let (Some(refusal), None) = (risk, signals.received()) {
        return Err(refusal);
    }
    Ok(signals.received().unwrap_or(exit))
}

/// Why the risks of a plan are too much, where they are.
pub(super) fn risky(plan: &Plan, risks: &RiskArgs) -> Option<Refusal> {
    let forbidden = risks.forbidden();
    let carries = |step: &&Step| !step.risk.is_disjoint(&forbidden);
    let number = plan.steps.iter().filter(carries).count();
    let untold = plan.steps.iter().filter(|step| !carries(step) && !step.untold().is_disjoint(&forbidden)).count();
    let noun = if number == 1 { "step carries" } else { "steps carry" };
    let risky = (number > 0).then(|| format!("{number} {noun} a risk that --fail-on-risk names"));
    let steps = if untold == 1 { "step" } else { "steps" };
    let open = (untold > 0).then(|| format!("of {untold} {steps} it could not be told whether a risk is carried"));
    let message = risky.into_iter().chain(open).collect::<Vec<_>>().join(", and ");
    let hint = "review them; --allow lets a risk pass";
    (!message.is_empty()).then(|| Refusal::new(Exit::Blocked, message).hint(hint))
}

/// The id is what `--expect-plan-id` takes, and what a reviewer approves. A CI system knows what comes next.
fn say_saved(path: &Path, plan: &Plan, session: &Session) {
    let path = Untrusted::of(&path.display()).to_string();
    let next = if session.is_ci() { String::new() } else { format!(". Next: regsync apply {path}") };
    say(&format!("Saved {path} (id {}){next}", plan.id().short()));
}

/// What a plan is made from.
pub(super) struct Inputs<'a> {
    pub(super) config: &'a ConfigArgs,
    pub(super) scope: &'a ScopeArgs,
    pub(super) work: &'a WorkArgs,
    /// Whether the plan is carried out at once.
    pub(super) copies: bool,
    /// Which risks are too much: those are looked for wherever they may be.
    pub(super) risks: &'a RiskArgs,
}

/// A plan, and what it was made with: the stores know by now what they will be asked again.
pub(super) struct Planned {
    pub(super) plan: Plan,
    /// The hosts that list nothing without a credential.
    pub(super) unlisted: BTreeSet<Registry>,
    pub(super) stores: Stores,
    pub(super) voice: Voice,
}

impl Inputs<'_> {
    /// Reads the configuration and both sides, and decides. Refused where a signal or the deadline comes first: half an
    /// observation is no plan, and there is nothing to report.
    pub(super) async fn plan(&self, session: &Session, signals: &mut Signals) -> Result<Planned, Refusal> {
        let (scope, filter) = scope(self.scope)?;
        let loaded = load(self.config, session)?;
        let voice = session.voice();
        let purpose = if self.copies { Purpose::Apply } else { Purpose::Plan };
        let stores = session.stores(&loaded, session.keychain(&loaded, purpose), &voice)?;
        let reporter = voice.reporter();
        let wants_parts = loaded.desired.entries().any(|mirror| mirror.subset.is_some());
        let cache = if wants_parts { Cache::open(self.work.cache_dir.as_deref(), session) } else { Cache::none() };
        let known = cache.known();
        let by_tags = |mirror: &Mirror| {
            let rule = &mirror.referrers;
            mirror.needs_tag_list() && rule.types.is_some() && rule.check == ReferrersCheck::Changed
        };
        let looks_by_tags = loaded.desired.entries().any(by_tags);
        let completes =
            if looks_by_tags { Complete::open(self.work.cache_dir.as_deref(), session) } else { Complete::none() };
        let complete = completes.known();
        let observer = Observer {
            stores: &stores,
            reporter: reporter.as_ref(),
            filter: &filter,
            sizes: self.work.sizes.into(),
            asks_for_blobs: !self.copies || self.work.sizes == SizesArg::Always,
            compare: self.compare(),
            detail: self.work.changes.into(),
            known: &known,
            complete: &complete,
            concurrency: self.work.concurrency.into(),
        };
        let observed = observe(&observer, &loaded.desired, signals).await;
        voice.clear();
        let (desired, observed) = observed?;
        cache.learn(&observed);
        completes.learn(&observed);
        let plan = plan::plan(&desired, &observed, &scope, &filter);
        Ok(Planned { plan, unlisted: unlisted(&observed), stores, voice })
    }

    /// What changes is shown before it is done; where it is done at once, it is only asked for where it may prevent that.
    fn compare(&self) -> Compare {
        let forbidden = self.risks.forbidden();
        if forbidden.contains(&Risk::PlatformLoss) || forbidden.contains(&Risk::Downgrade) {
            Compare::ToTell
        } else if self.copies {
            Compare::Never
        } else {
            Compare::ToShow
        }
    }
}

/// Observes until a signal arrives or the deadline passes: catalogs first, since they say which mirrors there are.
async fn observe(
    observer: &Observer<'_>,
    desired: &Desired,
    signals: &mut Signals,
) -> Result<(Desired, Observed), Refusal> {
    let observing = async {
        let catalogs = read_catalogs(desired, observer.filter, (observer.stores, observer.reporter)).await;
        let desired = resolve(desired, &catalogs)?;
        let observed = observer.observe(&desired).await;
        Ok((desired, Observed { catalogs, ..observed }))
    };
    if let Some(observed) = signals.until_stopped(observer.reporter, observing).await {
        return observed;
    }
    let left = "before both sides were read: nothing was planned, and nothing written";
    if signals.is_overdue() {
        let refusal = Refusal::new(Exit::Failed, format!("the deadline passed {left}"));
        return Err(refusal.hint("give it more time, or a part of the work: --only, --shard"));
    }
    Err(Refusal::new(signals.received().unwrap_or(Exit::Interrupted), format!("interrupted {left}")))
}

/// The scope that the arguments ask for, and the filter made of it.
pub(super) fn scope(args: &ScopeArgs) -> Result<(Scope, Filter), Refusal> {
    let scope = Scope { only: args.only(), exclude: args.exclude(), shard: args.shard(), ..Scope::default() };
    match scope.filter() {
        Ok(filter) => Ok((scope, filter)),
        Err(problem) => Err(Refusal::new(Exit::Usage, format!("not a glob: {problem}"))),
    }
}
