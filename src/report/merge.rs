//! One report from those of several shards.
//!
//! Owns what belongs together: runs of one configuration, over one part of it, with no target in two of them. Refuses to
//! join plans with results, and to count anything twice.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::event::Outcome;
use crate::image::{Reference, Registry};
use crate::plan::{Plan, Pulls, Scope, Shard, Shards, Step, Warning};

/// So many shards are named that are not there.
const NAMED: usize = 10;

/// The plan of one run, and what came of it where it was applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The plan.
    pub plan: Plan,
    /// One outcome for each step; `None` where it was only planned.
    pub outcomes: Option<Vec<Outcome>>,
    /// How long it took.
    pub elapsed: Duration,
}

/// Joins `runs`; the error says why they do not belong together. Shards run side by side: together they took as long as the
/// slowest of them. Where it is known which shards are `expected`, the whole is incomplete without any of them.
pub fn merge(runs: Vec<Run>, expected: Option<&Shards>) -> Result<Run, String> {
    let Some(first) = runs.first() else { return Err("there is nothing to join".to_owned()) };
    for run in &runs {
        is_alike(first, run)?;
    }
    let is_applied = first.outcomes.is_some();
    let Gaps { missing, remark } = gaps(&runs, expected)?;
    let mut plan = Plan {
        config: first.plan.config.clone(),
        scope: Scope { shard: None, missing, ..first.plan.scope.clone() },
        warnings: remark.into_iter().collect(),
        pulls: pulls(&runs),
        tallies: Vec::new(),
        steps: Vec::new(),
    };
    let elapsed = runs.iter().map(|run| run.elapsed).max().unwrap_or_default();
    let mut rows: Vec<(Step, Option<Outcome>)> = Vec::new();
    for run in runs {
        plan.warnings.extend(run.plan.warnings);
        plan.tallies.extend(run.plan.tallies);
        let mut outcomes = run.outcomes.into_iter().flatten();
        rows.extend(run.plan.steps.into_iter().map(|step| (step, outcomes.next())));
    }
    plan.warnings.sort();
    plan.warnings.dedup();
    let files: BTreeMap<String, usize> =
        plan.config.iter().enumerate().map(|(rank, file)| (file.path.to_string(), rank)).collect();
    let rank = |file: &str| files.get(file).copied().unwrap_or(usize::MAX);
    plan.tallies.sort_by_key(|one| (rank(&one.place.file), one.place.line, one.place.column, one.source.clone()));
    plan.tallies.dedup();
    // As in one plan: in the order of the mirrors, then by target; what is about a whole mirror comes last.
    let order = |step: &Step| {
        let source = step.source.as_ref().map(|source| source.reference.location.clone());
        let place = (rank(&step.place.file), step.place.line, step.place.column);
        (place, Reverse(source.is_some()), source, step.target_reference().cloned())
    };
    rows.sort_by_cached_key(|(step, _)| order(step));
    // What is about a whole mirror is said by each shard that has a part in it.
    rows.dedup_by(|(a, _), (b, _)| a.target.is_none() && a == b);
    let outcomes = is_applied.then(|| rows.iter().filter_map(|(_, outcome)| outcome.clone()).collect());
    plan.steps = rows.into_iter().map(|(step, _)| step).collect();
    let mut targets: BTreeSet<&Reference> = BTreeSet::new();
    match plan.steps.iter().filter_map(Step::target_reference).find(|target| !targets.insert(target)) {
        Some(twice) => Err(format!("{twice} is in two of them")),
        None => Ok(Run { plan, outcomes, elapsed }),
    }
}

/// Whether both may be parts of one whole.
fn is_alike(first: &Run, run: &Run) -> Result<(), String> {
    let hashes = |run: &Run| run.plan.config.iter().map(|file| file.sha256.clone()).collect::<Vec<_>>();
    let part = |run: &Run| (run.plan.scope.only.clone(), run.plan.scope.exclude.clone());
    if run.outcomes.is_some() != first.outcomes.is_some() {
        return Err("some are plans and some are results".to_owned());
    }
    if hashes(run) != hashes(first) {
        return Err("they were made from different configurations".to_owned());
    }
    if part(run) != part(first) {
        return Err("they are about different parts: --only and --exclude must be the same".to_owned());
    }
    Ok(())
}

/// What is not there.
struct Gaps {
    /// The shards that should be.
    missing: Vec<String>,
    /// A remark on the others. That may well be: what has nothing to do need not run.
    remark: Option<Warning>,
}

fn gaps(runs: &[Run], expected: Option<&Shards>) -> Result<Gaps, String> {
    let shard = |text: &String| text.parse().map_err(|problem| format!("the shard `{text}`: {problem}"));
    let scopes = || runs.iter().map(|run| &run.plan.scope);
    let is_whole = scopes().any(|scope| scope.shard.is_none());
    let there: BTreeSet<Shard> =
        scopes().filter_map(|scope| scope.shard.as_ref()).map(shard).collect::<Result<_, _>>()?;
    // A report that was joined without one may be joined with it later.
    let mut wanted: BTreeSet<Shard> = scopes().flat_map(|scope| &scope.missing).map(shard).collect::<Result<_, _>>()?;
    if let Some(Shards(expected)) = expected {
        if is_whole && !expected.is_empty() {
            return Err("one of them is of no shard, and --shards says which there are".to_owned());
        }
        wanted.extend(expected);
    }
    let counts: BTreeSet<u16> = there.union(&wanted).map(|shard| shard.of()).collect();
    if counts.len() > 1 {
        return Err("they are shards of different numbers".to_owned());
    }
    let of = counts.first().copied().filter(|_| !is_whole && expected.is_none()).unwrap_or_default();
    let gone: Vec<String> = Shard::all(of)
        .filter(|shard| !there.contains(shard) && !wanted.contains(shard))
        .map(|shard| shard.to_string())
        .collect();
    let message = format!("without shard {}", listed(&gone));
    let remark = (!gone.is_empty()).then_some(Warning { place: None, message });
    Ok(Gaps { missing: wanted.difference(&there).map(ToString::to_string).collect(), remark })
}

/// `2/9, 3/9 and 7 more`.
fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    names[..names.len().min(NAMED)].join(", ") + &more
}

/// Which shards should be part of `plan` and are not, in words to be escaped.
pub(super) fn missing(plan: &Plan) -> Option<String> {
    let names = &plan.scope.missing;
    let text = || format!("shard {} is missing: it was expected, and no report is of it", listed(names));
    (!names.is_empty()).then(text)
}

/// What all take of the quotas, and the least that any saw left.
fn pulls(runs: &[Run]) -> Vec<Pulls> {
    let mut joined: BTreeMap<Registry, Pulls> = BTreeMap::new();
    for pulls in runs.iter().flat_map(|run| &run.plan.pulls) {
        match joined.get_mut(&pulls.registry) {
            None => {
                joined.insert(pulls.registry.clone(), pulls.clone());
            }
            Some(all) => {
                all.needed = all.needed.saturating_add(pulls.needed);
                all.at_least |= pulls.at_least;
                let left = [all.quota.remaining, pulls.quota.remaining].into_iter().flatten().min();
                all.quota.remaining = left;
            }
        }
    }
    joined.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ALPINE, NGINX, REDIS, failure, outcomes, plan as plan_of};
    use super::*;
    use crate::event::Ending;
    use crate::image::Code;
    use crate::plan::Reason;

    fn run(shard: &str, steps: Vec<Step>) -> Run {
        let mut plan = plan_of(steps);
        plan.scope.shard = (!shard.is_empty()).then(|| shard.to_owned());
        Run { plan, outcomes: None, elapsed: Duration::from_secs(1) }
    }

    fn applied(run: Run, seconds: u64) -> Run {
        let ends = outcomes(&run.plan, |_, _| None);
        Run { outcomes: Some(ends), elapsed: Duration::from_secs(seconds), ..run }
    }

    fn copy(mirror: &super::super::tests::Mirror, tag: &str) -> Step {
        mirror.copy(tag, "9f1a2b3c4d5e", (2, 10, 0))
    }

    /// What a mirror of several shards says of itself.
    fn whole() -> Step {
        let trouble = failure(Code::Connect, "no list", "");
        Step { source: None, target: None, ..NGINX.step("x", Reason::ListFailed(trouble), ("", "")) }
    }

    #[test]
    fn steps_come_in_the_order_of_one_plan() {
        let one = run("1/3", vec![copy(&NGINX, "1.0"), whole(), copy(&ALPINE, "3.20")]);
        let two = run("3/3", vec![copy(&NGINX, "0.9"), whole(), copy(&REDIS, "8")]);
        let joined = merge(vec![two.clone(), one.clone()], None).unwrap();
        let names: Vec<String> = joined
            .plan
            .steps
            .iter()
            .map(|step| step.target_reference().map_or("-".into(), ToString::to_string))
            .collect();
        let expected = ["mirror/nginx:0.9", "mirror/nginx:1.0", "-", "mirror/redis:8", "mirror/alpine:3.20"];
        let expected =
            expected.map(|name| if name == "-" { name.to_owned() } else { format!("registry.acme.io/{name}") });
        assert_eq!(names, expected);
        assert_eq!(joined.plan.scope.shard, None);
        assert_eq!(joined.plan.warnings[0].message, "without shard 2/3");
        assert_eq!(merge(vec![one, two], None).unwrap(), joined, "whatever their order");
    }

    #[test]
    fn results_are_joined_step_by_step() {
        let one = applied(run("1/2", vec![copy(&REDIS, "8"), copy(&ALPINE, "1")]), 7);
        let mut two = applied(run("2/2", vec![copy(&NGINX, "1")]), 3);
        two.outcomes.as_mut().unwrap()[0].ending = Ending::Failed(failure(Code::Denied, "no", ""));
        let joined = merge(vec![one, two], None).unwrap();
        let ends: Vec<&str> = joined.outcomes.iter().flatten().map(|outcome| outcome.ending.as_str()).collect();
        assert_eq!(ends, ["failed", "copied", "copied"]);
        assert_eq!((joined.elapsed, joined.plan.warnings.len()), (Duration::from_secs(7), 0));
    }

    #[test]
    fn a_shard_that_is_expected_and_absent_is_missing() {
        let of = |shard: &str, tag: &str| run(shard, vec![copy(&NGINX, tag)]);
        let some = || vec![of("1/3", "1"), of("3/3", "3")];
        let gaps = |runs, expected: &str| {
            merge(runs, Some(&expected.parse().unwrap())).map(|run| (run.plan.scope.missing, run.plan.warnings.len()))
        };
        assert_eq!(gaps(some(), "1/3,2/3,3/3"), Ok((vec!["2/3".to_owned()], 0)));
        assert_eq!(gaps(some(), "1/3,3/3"), Ok((Vec::new(), 0)), "what has nothing to do need not run");
        assert_eq!(gaps(some(), "3/3"), Ok((Vec::new(), 0)), "nor is one more amiss");
        assert_eq!(gaps(some(), "[]"), Ok((Vec::new(), 0)));
        assert!(gaps(some(), "1/2").is_err());
        assert!(gaps(vec![of("", "1")], "1/2").is_err());
        // With what came later, the whole is complete.
        let part = merge(some(), Some(&"2/3".parse().unwrap())).unwrap();
        assert!(!part.plan.is_complete());
        assert_eq!(missing(&part.plan).as_deref().map(|text| &text[..20]), Some("shard 2/3 is missing"));
        let whole = merge(vec![part.clone(), of("2/3", "2")], None).unwrap();
        assert!(whole.plan.is_complete() && whole.plan.warnings.is_empty());
        assert!(!merge(vec![part], None).unwrap().plan.is_complete());
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let some = || run("1/2", vec![copy(&NGINX, "1")]);
        let other = |change: fn(&mut Run)| {
            let mut other = run("2/2", vec![copy(&REDIS, "1")]);
            change(&mut other);
            merge(vec![some(), other], None).map(|_| ())
        };
        assert_eq!(other(|_| ()), Ok(()));
        assert!(merge(Vec::new(), None).is_err());
        assert!(merge(vec![some(), some()], None).unwrap_err().contains("nginx:1 is in two"));
        for change in [
            |run: &mut Run| run.outcomes = Some(Vec::new()),
            |run: &mut Run| run.plan.config.clear(),
            |run: &mut Run| run.plan.scope.only = vec!["**".into()],
            |run: &mut Run| run.plan.scope.shard = Some("2/3".into()),
            |run: &mut Run| run.plan.scope.shard = Some("x".into()),
        ] as [fn(&mut Run); 5]
        {
            assert!(other(change).is_err());
        }
    }
}
