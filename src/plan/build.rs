//! From what is wanted and what was seen to the ordered list of steps.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::decide::{decide, unreadable};
use super::{Cost, Filter, Observed, Plan, Reason, Risk, Scope, Sighting, SourceState, Step, TargetState, Warning};
use crate::config::{Desired, Mirror, OnEmpty, Wanted};
use crate::image::{Code, Failure, Reference, Side, Tag};

/// Decides every target tag of `desired` that `filter` (compiled from `scope`) selects. Total and deterministic: a read
/// that failed, or was never made, becomes a step in error.
pub fn plan(desired: &Desired, observed: &Observed, scope: &Scope, filter: &Filter) -> Plan {
    let listed = |location: &_| match observed.tags.get(location) {
        Some(Ok(tags)) => Some(tags.as_slice()),
        _ => None,
    };
    let mut warnings = Vec::new();
    let mut steps = Vec::new();
    for (index, wanted) in desired.expand(listed) {
        let mirror = &desired.mirrors[index];
        let mut own = mirror_steps(mirror, &wanted, observed, filter);
        own.sort_by(|a, b| target_of(a).cmp(&target_of(b)));
        if wanted.is_empty() {
            own.extend(nothing_selected(mirror, observed, filter, &mut warnings));
        }
        steps.extend(own);
    }
    let steps = settle_overlaps(steps);
    warnings.sort();
    Plan { config: desired.files.clone(), scope: scope.clone(), warnings, steps }
}

fn target_of(step: &Step) -> Option<&Reference> {
    step.target.as_ref().map(|target| &target.reference)
}

fn mirror_steps(mirror: &Mirror, wanted: &[Wanted], observed: &Observed, filter: &Filter) -> Vec<Step> {
    let pairs = wanted.iter().flat_map(|wanted| wanted.targets.iter().map(move |target| (wanted, target)));
    let selected = pairs.filter(|(_, target)| filter.selects(target));
    selected.map(|(wanted, target)| step(mirror, wanted, target, observed)).collect()
}

fn step(mirror: &Mirror, wanted: &Wanted, target: &Reference, observed: &Observed) -> Step {
    let not_read = Sighting::Unreadable(Failure::new(Code::Internal, "it was not read"));
    let source = observed.sources.get(&wanted.source).unwrap_or(&not_read);
    let now = observed.targets.get(target).unwrap_or(&not_read);
    let mut reason = decide(wanted, source, (target, now));
    let wanted_now = match source {
        Sighting::Present(descriptor) => Some(descriptor),
        _ => None,
    };
    let cost = wanted_now.filter(|_| reason.action().writes()).and_then(|descriptor| {
        let key = (descriptor.digest.clone(), target.location.clone());
        observed.costs.get(&key)
    });
    if let Some(Err(failure)) = cost {
        reason = unreadable(failure, failure.side.unwrap_or(Side::Source));
    }
    let cost = cost.and_then(|cost| cost.as_ref().ok()).cloned().unwrap_or_default();
    let digest = wanted_now.map(|descriptor| descriptor.digest.clone());
    let after = match (&reason, now) {
        (reason, _) if reason.action().writes() => digest.clone(),
        (_, Sighting::Present(now)) => Some(now.digest.clone()),
        _ => None,
    };
    let Cost { bytes, platforms } = cost;
    Step {
        risk: if matches!(reason, Reason::TagMoved) { [Risk::TagMove].into() } else { [].into() },
        source: Some(SourceState {
            reference: wanted.source.reference(),
            digest,
            media_type: wanted_now.map(|descriptor| descriptor.media_type.clone()),
        }),
        target: Some(TargetState {
            reference: target.clone(),
            digest: match now {
                Sighting::Present(now) => Some(now.digest.clone()),
                _ => None,
            },
        }),
        digest: after,
        platforms,
        bytes,
        place: mirror.place.clone(),
        warnings: moved_pin(wanted, observed),
        reason,
    }
}

/// What to say where the tag of an approved digest names something else by now.
fn moved_pin(wanted: &Wanted, observed: &Observed) -> Vec<Arc<str>> {
    let Some(now) = observed.moved_pins.get(&wanted.source) else { return Vec::new() };
    let reference = wanted.source.reference();
    let text = match now {
        Some(digest) => format!("{reference} names {} by now; the pinned digest is used", digest.short()),
        None => format!("{reference} is gone; the pinned digest is used"),
    };
    vec![text.into()]
}

/// What becomes of a mirror that wants nothing: its tag list failed, or nothing matched.
fn nothing_selected(
    mirror: &Mirror,
    observed: &Observed,
    filter: &Filter,
    warnings: &mut Vec<Warning>,
) -> Option<Step> {
    if !mirror.targets.iter().any(|target| filter.may_select(target)) {
        return None;
    }
    let reason = match observed.tags.get(&mirror.source) {
        Some(Ok(tags)) => {
            let failure = nothing_matches(mirror, tags);
            if mirror.on_empty == OnEmpty::Warn {
                warnings.push(Warning { place: Some(mirror.place.clone()), message: failure.message });
                return None;
            }
            Reason::NothingSelected(failure)
        }
        Some(Err(failure)) if failure.code == Code::NoCredentials => {
            Reason::NoCredentials(failure.clone().on(Side::Source))
        }
        Some(Err(failure)) => Reason::ListFailed(failure.clone().on(Side::Source)),
        None => Reason::ListFailed(Failure::new(Code::Internal, "the tags were not listed").on(Side::Source)),
    };
    Some(Step {
        reason,
        risk: [].into(),
        source: None,
        target: None,
        digest: None,
        platforms: Vec::new(),
        bytes: None,
        place: mirror.place.clone(),
        warnings: Vec::new(),
    })
}

fn nothing_matches(mirror: &Mirror, tags: &[Tag]) -> Failure {
    let found = match tags {
        [] => "it has no tags".to_owned(),
        [one] => format!("its only tag is {one}"),
        [.., last] => format!("none of its {} tags fits, {last} for example", tags.len()),
    };
    let message = format!("nothing to mirror from {}: {found}", mirror.source);
    let hint = "check `tags`; `on-empty: warn` makes this a warning";
    let failure = Failure::new(Code::NothingSelected, message).on(Side::Source);
    Failure { hint: Some(hint.to_owned()), ..failure }
}

/// One target tag wanted by several mirrors: with one digest it is done once, with different ones by nobody.
fn settle_overlaps(steps: Vec<Step>) -> Vec<Step> {
    let mut claims: BTreeMap<Reference, Vec<usize>> = BTreeMap::new();
    for (index, step) in steps.iter().enumerate() {
        if let Some(target) = target_of(step) {
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
    let agreed = claims.iter().all(|(digest, _)| digest.is_some() && *digest == claims[0].0);
    let readable = claims.iter().all(|(digest, _)| digest.is_some());
    let places: Vec<String> = claims.iter().map(|(_, place)| place.clone()).collect();
    if agreed {
        for (position, index) in claimants.iter().enumerate() {
            match &mut steps[*index] {
                Some(first) if position == 0 => {
                    first.warnings.push(format!("{target} is also wanted by {}", places[1..].join(", ")).into());
                }
                other => *other = None,
            }
        }
    } else {
        for (position, index) in claimants.iter().enumerate() {
            let others: Vec<_> =
                places.iter().enumerate().filter(|(i, _)| *i != position).map(|(_, p)| p.as_str()).collect();
            if let Some(step) = steps[*index].as_mut().filter(|step| step.action() != super::Action::Error) {
                block(step, target, &others.join(", "), readable);
            }
        }
    }
}

fn claim(step: &Step) -> (Option<crate::image::Digest>, String) {
    (step.source.as_ref().and_then(|source| source.digest.clone()), step.place.to_string())
}

fn block(step: &mut Step, target: &Reference, others: &str, readable: bool) {
    let message = if readable {
        format!("{target} is wanted with another digest by {others}")
    } else {
        format!("{target} is also wanted by {others}, which could not be read")
    };
    let hint = "let one mirror write each target tag".to_owned();
    let failure = Failure { hint: Some(hint), ..Failure::new(Code::Conflict, message).on(Side::Target) };
    step.digest = step.target.as_ref().and_then(|target| target.digest.clone());
    step.risk.clear();
    step.bytes = None;
    step.reason = Reason::Conflict(failure);
}
