//! Target tags that more than one mirror wants: found over all steps at once.

use std::collections::BTreeMap;

use super::{Action, Reason, Step};
use crate::image::{Code, Digest, Failure, Reference, Side};

/// One target tag wanted by several mirrors: with one digest it is done once, with different ones by nobody.
pub(super) fn settle_overlaps(steps: Vec<Step>) -> Vec<Step> {
    let mut claims: BTreeMap<Reference, Vec<usize>> = BTreeMap::new();
    for (index, step) in steps.iter().enumerate() {
        if let Some(target) = step.target_reference() {
            claims.entry(target.clone()).or_default().push(index);
        }
    }
    let mut settled: Vec<Option<Step>> = steps.into_iter().map(Some).collect();
    for (target, claimants) in claims.into_iter().filter(|(_, claimants)| claimants.len() > 1) {
        settle(&mut settled, &target, &claimants);
    }
    settled.into_iter().flatten().collect()
}

fn settle(steps: &mut [Option<Step>], target: &Reference, claimants: &[usize]) {
    let claims: Vec<_> = claimants.iter().filter_map(|index| steps[*index].as_ref()).map(claim).collect();
    let places = told_apart(&claims);
    let readable = claims.iter().all(|claim| claim.digest.is_some());
    if readable && claims.iter().all(|claim| claim.digest == claims[0].digest) {
        keep_strictest(steps, target, claimants, &places);
        return;
    }
    for (position, index) in claimants.iter().enumerate() {
        if let Some(step) = steps[*index].as_mut().filter(|step| step.action() != Action::Error) {
            block(step, target, &all_but(position, &places), readable);
        }
    }
}

/// Mirrors that agree on the image may differ in policy: what one of them forbids is not done for another.
fn keep_strictest(steps: &mut [Option<Step>], target: &Reference, claimants: &[usize], places: &[String]) {
    let strictness = |index: usize| {
        steps[index].as_ref().map(|step| match step.reason {
            Reason::TagWouldMove(_) => 2,
            Reason::Kept => 1,
            _ => 0,
        })
    };
    // Of equals the first: `max_by_key` would give the last.
    let Some(kept) = (0..claimants.len()).rev().max_by_key(|position| strictness(claimants[*position])) else { return };
    for (position, index) in claimants.iter().enumerate() {
        match &mut steps[*index] {
            Some(step) if position == kept => {
                step.warnings.push(format!("{target} is also wanted by {}", all_but(position, places)).into());
            }
            other => *other = None,
        }
    }
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

fn block(step: &mut Step, target: &Reference, others: &str, readable: bool) {
    let message = if readable {
        format!("{target} is wanted with another digest by {others}")
    } else {
        format!("{target} is also wanted by {others}, which could not be read")
    };
    let hint = "let one mirror write each target tag".to_owned();
    let failure = Failure { hint: Some(hint), ..Failure::new(Code::Conflict, message).on(Side::Target) };
    step.fail(Reason::Conflict(failure));
}
