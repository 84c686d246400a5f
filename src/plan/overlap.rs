//! Target tags that more than one mirror wants: found over all steps at once.

use std::collections::{BTreeMap, BTreeSet};

use super::attach::{must_not_move, stays};
use super::{Action, Reason, Referrer, Step};
use crate::config::{Desired, Mirror, Place};
use crate::image::{Code, Digest, Failure, Reference, Side};

/// One target tag wanted by several mirrors: with one digest it is done once, with different ones by nobody. The steps, and
/// those that others stand for.
pub(super) fn settle_overlaps(steps: Vec<Step>, desired: &Desired) -> (Vec<Step>, Vec<Step>) {
    let mut claims: BTreeMap<Reference, Vec<usize>> = BTreeMap::new();
    for (index, step) in steps.iter().enumerate() {
        if let Some(target) = step.target_reference() {
            claims.entry(target.clone()).or_default().push(index);
        }
    }
    let mirrors: Mirrors<'_> = desired.mirrors.iter().map(|mirror| (&mirror.place, mirror)).collect();
    let mut settled: Vec<Option<Step>> = steps.into_iter().map(Some).collect();
    let mut doubles = Vec::new();
    for (target, claimants) in claims.into_iter().filter(|(_, claimants)| claimants.len() > 1) {
        let own: Vec<Step> = claimants.iter().filter_map(|index| settled[*index].take()).collect();
        let (own, others) = settle(own, &target, &mirrors);
        doubles.extend(others);
        for (index, step) in claimants.into_iter().zip(own) {
            settled[index] = step;
        }
    }
    (settled.into_iter().flatten().collect(), doubles)
}

/// The mirrors by their places.
type Mirrors<'d> = BTreeMap<&'d Place, &'d Mirror>;

/// What becomes of the claimants of one target tag: `None` for those that another one stands for.
fn settle(mut own: Vec<Step>, target: &Reference, mirrors: &Mirrors<'_>) -> (Vec<Option<Step>>, Vec<Step>) {
    let claims: Vec<_> = own.iter().map(claim).collect();
    let places = told_apart(&claims);
    let readable = claims.iter().all(|claim| claim.digest.is_some());
    let agree = readable && claims.iter().all(|claim| claim.digest == claims[0].digest);
    let kept = if agree { strictest(&own, mirrors) } else { None };
    if let Some((position, mut step)) = kept {
        step.warnings.push(format!("{target} is also wanted by {}", all_but(position, &places)).into());
        let kept = (0..own.len()).map(|other| (other == position).then(|| step.clone())).collect();
        own.remove(position);
        return (kept, own);
    }
    for (position, step) in own.iter_mut().enumerate().filter(|(_, step)| step.action() != Action::Error) {
        let others = all_but(position, &places);
        block(
            step,
            match (readable, agree) {
                (false, _) => format!("{target} is also wanted by {others}, which could not be read"),
                (true, false) => format!("{target} is wanted with another digest by {others}"),
                (true, true) => format!("{target} is wanted with other referrers, of another source, by {others}"),
            },
        );
    }
    (own.into_iter().map(Some).collect(), Vec::new())
}

/// Mirrors that agree on the image may differ in policy: what one of them forbids is not done for another. `None` where they
/// want what no single source has.
fn strictest(own: &[Step], mirrors: &Mirrors<'_>) -> Option<(usize, Step)> {
    let strictness = |position: usize| match own[position].reason {
        Reason::TagWouldMove(_) => 2,
        Reason::Kept => 1,
        _ if own[position].action() == Action::Error => 3,
        _ => 0,
    };
    // Of equals the first: `max_by_key` would give the last.
    let strictest = (0..own.len()).rev().max_by_key(|position| strictness(*position))?;
    if strictness(strictest) > 0 { Some((strictest, own[strictest].clone())) } else { joined(own, mirrors) }
}

/// One step for all of them, with all referrers that any of them asks for: from a source that has them all.
fn joined(own: &[Step], mirrors: &Mirrors<'_>) -> Option<(usize, Step)> {
    let name = |referrer: &Referrer| (referrer.tag.clone(), referrer.digest.clone());
    let at = |step: &Step| step.source.as_ref().map(|source| source.reference.location.clone());
    let of = |from: &Step| -> BTreeMap<_, &Referrer> {
        let same = own.iter().filter(|step| at(step) == at(from));
        same.flat_map(|step| &step.referrers).map(|referrer| (name(referrer), referrer)).collect()
    };
    let all: BTreeSet<_> = own.iter().flat_map(|step| &step.referrers).map(name).collect();
    let position = own.iter().position(|step| of(step).len() == all.len())?;
    let mut step = own[position].clone();
    let held = |referrer: &&Referrer| {
        let strict = |step: &Step, tag| mirrors.get(&step.place).is_some_and(|mirror| stays(mirror, tag));
        referrer.moves().is_some_and(|tag| own.iter().any(|step| strict(step, tag)))
    };
    let (held, referrers): (Vec<&Referrer>, Vec<&Referrer>) = of(&step).into_values().partition(held);
    let remarks = own.iter().flat_map(|step| step.warnings.clone());
    for remark in remarks.chain(held.into_iter().filter_map(|held| held.tag.as_ref()).map(must_not_move)) {
        if !step.warnings.contains(&remark) {
            step.warnings.push(remark);
        }
    }
    step.referrers = referrers.into_iter().cloned().collect();
    if matches!(step.reason, Reason::InSync | Reason::ReferrersMissing) {
        step.reason = if step.referrers.is_empty() { Reason::InSync } else { Reason::ReferrersMissing };
    }
    Some((position, step))
}

fn all_but(position: usize, places: &[String]) -> String {
    let others = places.iter().enumerate().filter(|(index, _)| *index != position);
    others.map(|(_, place)| place.as_str()).collect::<Vec<_>>().join(", ")
}

/// What a step wants of a target, and who it is.
struct Claim {
    digest: Option<Digest>,
    place: String,
    source: Option<String>,
}

fn claim(step: &Step) -> Claim {
    let source = step.source.as_ref().map(|source| source.reference.to_string());
    Claim { digest: step.wanted().cloned(), place: step.place.to_string(), source }
}

/// The claims by their places; by place and source where a glob of repositories stands for several of them.
fn told_apart(claims: &[Claim]) -> Vec<String> {
    let shared = |claim: &Claim| claims.iter().filter(|other| other.place == claim.place).count() > 1;
    let name = |claim: &Claim| match &claim.source {
        Some(source) if shared(claim) => format!("{} ({source})", claim.place),
        _ => claim.place.clone(),
    };
    claims.iter().map(name).collect()
}

fn block(step: &mut Step, message: String) {
    let hint = "let one mirror write each target tag".to_owned();
    let failure = Failure { hint: Some(hint), ..Failure::new(Code::Conflict, message).on(Side::Target) };
    step.fail(Reason::Conflict(failure));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{OnTagMove, ReferrerRule};
    use crate::image::ReferrerTypes;
    use crate::plan::tests::{DOWN, UP, desired, digest, exact, location, mirror, observed, planned};
    use crate::plan::{Attached, Observed, Plan};

    const OTHER: &str = "quay.io/other/app";

    fn referrer(seed: &str) -> Referrer {
        Referrer { digest: digest(seed), artifact_type: None, tag: None, before: None, bytes: 1 }
    }

    /// A mirror of one tag, with or without referrers.
    fn of(line: u32, source: &str, with: bool) -> Mirror {
        let types = with.then_some(ReferrerTypes::All);
        let referrers = ReferrerRule { types, ..ReferrerRule::default() };
        Mirror { referrers, ..mirror(line, source, &[DOWN], exact(&["1"])) }
    }

    fn lacking(at: &[(&str, &[Referrer])], now: Option<&str>) -> Observed {
        let mut seen = observed(&[(UP, "1", "D"), (OTHER, "1", "D")], &[(DOWN, "1", now)]);
        for (source, missing) in at {
            let key = ((location(source), digest("D")), location(DOWN), ReferrerTypes::All);
            seen.referrers.insert(key, Ok(Attached { missing: missing.to_vec(), ..Attached::default() }));
        }
        seen
    }

    fn one_of(plan: &Plan) -> (&str, usize) {
        let [step] = &plan.steps[..] else { panic!("{} steps", plan.steps.len()) };
        (step.reason.as_str(), step.referrers.len())
    }

    #[test]
    fn what_one_mirror_asks_for_comes_whatever_their_order() {
        for (now, reason) in [(Some("D"), "referrers-missing"), (None, "new")] {
            let sbom = [referrer("sbom")];
            let seen = lacking(&[(UP, &sbom)], now);
            for order in [[true, false], [false, true], [true, true]] {
                let both = vec![of(3, UP, order[0]), of(4, UP, order[1])];
                assert_eq!(one_of(&planned(&desired(both), &seen)), (reason, 1), "{order:?}");
                let elsewhere = |with| if with { UP } else { OTHER };
                let both = vec![of(3, elsewhere(order[0]), order[0]), of(4, elsewhere(order[1]), order[1])];
                assert_eq!(one_of(&planned(&desired(both), &seen)), (reason, 1), "{order:?}");
            }
        }
    }

    #[test]
    fn two_sources_with_referrers_of_their_own_are_a_conflict() {
        let (sbom, signature) = (referrer("sbom"), referrer("signature"));
        let both = || desired(vec![of(3, UP, true), of(4, OTHER, true)]);
        let seen = lacking(&[(UP, std::slice::from_ref(&sbom)), (OTHER, std::slice::from_ref(&signature))], Some("D"));
        let plan = planned(&both(), &seen);
        assert!(plan.steps.iter().all(|step| step.reason.as_str() == "conflict") && plan.steps.len() == 2);
        let seen =
            lacking(&[(UP, std::slice::from_ref(&sbom)), (OTHER, &[signature.clone(), sbom.clone()])], Some("D"));
        let plan = planned(&both(), &seen);
        assert_eq!(one_of(&plan), ("referrers-missing", 2));
        assert_eq!(plan.steps[0].source.as_ref().unwrap().reference.location, location(OTHER));
    }

    #[test]
    fn a_tag_of_referrers_that_one_mirror_protects_stays() {
        let tag = format!("sha256-{}.sig", digest("D").hex()).parse().ok();
        let moving = Referrer { tag, before: Some(digest("other")), ..referrer("signature") };
        let seen = lacking(&[(UP, &[moving])], Some("D"));
        for order in [[true, false], [false, true]] {
            let mut both = [of(3, UP, order[0]), of(4, UP, order[1])];
            for mirror in both.iter_mut().filter(|mirror| mirror.referrers.types.is_none()) {
                mirror.on_tag_move = OnTagMove::Block;
            }
            let plan = planned(&desired(both.to_vec()), &seen);
            assert_eq!(one_of(&plan), ("in-sync", 0));
            assert!(plan.steps[0].warnings.iter().any(|warning| warning.contains("must not")), "{order:?}");
        }
    }

    #[test]
    fn referrers_that_could_not_be_read_are_not_passed_over() {
        let mut seen = lacking(&[], Some("D"));
        let key = ((location(UP), digest("D")), location(DOWN), ReferrerTypes::All);
        seen.referrers.insert(key, Err(Failure::new(Code::Timeout, "it broke").on(Side::Source)));
        for order in [[true, false], [false, true]] {
            let plan = planned(&desired(vec![of(3, UP, order[0]), of(4, UP, order[1])]), &seen);
            assert_eq!(one_of(&plan), ("source-unreadable", 0));
        }
    }
}
