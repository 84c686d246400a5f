//! From what is wanted and what was seen to the ordered list of steps.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::attach::attach;
use super::catalogs::{may_be_open, unresolved};
use super::changes;
use super::cost::weigh;
use super::creation;
use super::decide::decide;
use super::overlap::settle_overlaps;
use super::pulls::{pulls, shortages};
use super::selection::{nothing_matches, tallies, unnameable};
use super::trim::{general_remarks, image_wanted, remarks, step_trim};
use super::{Filter, Observed, Plan, Reason, Scope, Sighting, SourceState, Step, TargetState, Warning};
use crate::config::{Desired, Mirror, OnEmpty, Wanted};
use crate::image::{Code, Descriptor, Failure, Reference, Side};

/// Decides every target tag of `desired` that `filter` (compiled from `scope`) selects. Total and deterministic: a read
/// that failed, or was never made, becomes a step in error.
pub fn plan(desired: &Desired, observed: &Observed, scope: &Scope, filter: &Filter) -> Plan {
    Plan { scope: scope.clone(), ..draft(desired, observed, filter).0 }
}

/// The plan for everything, as far as it is known by now, and the steps that others stand for, since several mirrors want one
/// tag of a target with one digest: the referrers that they ask for come along, too.
pub fn draft(desired: &Desired, observed: &Observed, filter: &Filter) -> (Plan, Vec<Step>) {
    let listed = |location: &_| match observed.tags.get(location) {
        Some(Ok(tags)) => Some(tags.as_slice()),
        _ => None,
    };
    let mut warnings = Vec::new();
    let mut steps = Vec::new();
    let expanded = desired.expand(listed);
    warnings.extend(idle_globs(desired, &expanded, observed, filter));
    let mut unresolved = unresolved(desired, observed, filter, &mut warnings).into_iter().peekable();
    for (index, wanted) in expanded {
        steps.extend(std::iter::from_fn(|| unresolved.next_if(|(at, _)| *at <= index)).map(|(_, step)| step));
        let mirror = &desired.mirrors[index];
        let mut own = mirror_steps(mirror, &wanted, observed, filter);
        own.sort_by(|a, b| a.target_reference().cmp(&b.target_reference()));
        let listed = !mirror.needs_tag_list() || listed(&mirror.source).is_some();
        let overlong = overlong(mirror, observed, filter);
        if (wanted.is_empty() && overlong.is_none()) || !listed {
            own.extend(unselected(mirror, observed, filter, &mut warnings));
        }
        own.extend(overlong);
        steps.extend(own);
    }
    steps.extend(unresolved.map(|(_, step)| step));
    let (mut steps, doubles) = settle_overlaps(steps, desired);
    weigh(&mut steps, observed);
    changes::note(&mut steps, observed);
    creation::announce(&mut steps, desired, observed);
    warnings.extend(general_remarks(&steps));
    let pulls = pulls(&steps, desired, observed);
    warnings.extend(shortages(&pulls));
    warnings.sort();
    let tallies = tallies(desired, observed, filter);
    let plan = Plan { config: desired.files.clone(), scope: Scope::default(), warnings, pulls, tallies, steps };
    (plan, doubles)
}

/// A remark for each glob of `--only` that is about nothing: a part that is not there is most often misspelt. It is no
/// error, since one set of globs may serve several configurations.
fn idle_globs(
    desired: &Desired,
    expanded: &[(usize, Vec<Wanted>)],
    observed: &Observed,
    filter: &Filter,
) -> Vec<Warning> {
    let references: BTreeSet<&Reference> =
        expanded.iter().flat_map(|(_, wanted)| wanted).flat_map(|wanted| &wanted.targets).collect();
    let is_open = |(index, wanted): &&(usize, Vec<Wanted>)| {
        let mirror = &desired.mirrors[*index];
        let unread = mirror.needs_tag_list() && !matches!(observed.tags.get(&mirror.source), Some(Ok(_)));
        wanted.is_empty() || unread
    };
    let open = expanded.iter().filter(is_open).flat_map(|(index, _)| &desired.mirrors[*index].targets);
    let open = open.chain(desired.circles.iter().flat_map(|circle| &circle.mirror.targets)).collect();
    let idle = filter.idle(&references, &open).into_iter().filter(|only| !may_be_open(only, desired, observed));
    idle.map(|glob| Warning { place: None, message: format!("--only {glob} matches no target of the configuration") })
        .collect()
}

fn mirror_steps(mirror: &Mirror, wanted: &[Wanted], observed: &Observed, filter: &Filter) -> Vec<Step> {
    let pairs = wanted.iter().flat_map(|wanted| wanted.targets.iter().map(move |target| (wanted, target)));
    let selected = pairs.filter(|(_, target)| filter.selects(target));
    selected.map(|(wanted, target)| attach(step(mirror, wanted, target, observed), mirror, observed)).collect()
}

fn step(mirror: &Mirror, wanted: &Wanted, target: &Reference, observed: &Observed) -> Step {
    let not_read = Sighting::Unreadable(Failure::new(Code::Internal, "it was not read"));
    let source = observed.sources.get(&wanted.source).and_then(present);
    let (image, cut) = image_wanted(wanted, observed);
    let now = observed.targets.get(target).unwrap_or(&not_read);
    let digest = source.map(|descriptor| descriptor.digest.clone());
    let reason = decide(wanted, (&image, digest.as_ref()), (target, now));
    let writes = reason.action().writes();
    let mut warnings = moved_pin(wanted, observed);
    if let Some(cut) = cut.filter(|_| writes) {
        warnings.extend(remarks(wanted, cut, observed));
    }
    Step {
        risk: [].into(),
        source: Some(SourceState {
            reference: wanted.source.reference(),
            digest: digest.clone(),
            media_type: source.map(|descriptor| descriptor.media_type.clone()),
        }),
        target: Some(TargetState { reference: target.clone(), digest: present(now).map(|now| now.digest.clone()) }),
        digest: present(if writes { &image } else { now }).map(|after| after.digest.clone()),
        trim: step_trim(wanted, digest.as_ref(), (cut, writes)),
        platforms: cut.filter(|_| writes).map_or(Vec::new(), |cut| cut.platforms.clone()),
        referrers: Vec::new(),
        bytes: None,
        at_most: None,
        change: None,
        place: mirror.place.clone(),
        warnings,
        reason,
    }
}

fn present(sighting: &Sighting) -> Option<&Descriptor> {
    match sighting {
        Sighting::Present(descriptor) => Some(descriptor),
        Sighting::Absent | Sighting::Unreadable(_) => None,
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

/// What is said of a mirror whose tag list failed, or of which nothing matched.
fn unselected(mirror: &Mirror, observed: &Observed, filter: &Filter, warnings: &mut Vec<Warning>) -> Option<Step> {
    let targets: Vec<String> =
        mirror.targets.iter().filter(|target| filter.may_select(target)).map(ToString::to_string).collect();
    if targets.is_empty() {
        return None;
    }
    let targets = targets.join(", ");
    let reason = match observed.tags.get(&mirror.source) {
        Some(Ok(tags)) => {
            let failure = nothing_matches(mirror, tags, &targets);
            if mirror.on_empty == OnEmpty::Warn {
                warnings.push(Warning { place: Some(mirror.place.clone()), message: failure.message });
                return None;
            }
            Reason::NothingSelected(failure)
        }
        Some(Err(failure)) if failure.code == Code::NoCredentials => Reason::NoCredentials(unlisted(failure, &targets)),
        Some(Err(failure)) => Reason::ListFailed(unlisted(failure, &targets)),
        None => Reason::ListFailed(unlisted(&Failure::new(Code::Internal, "the tags were not listed"), &targets)),
    };
    Some(whole_mirror(mirror, reason))
}

/// What is said of tags that cannot have the name that `rename` gives them.
fn overlong(mirror: &Mirror, observed: &Observed, filter: &Filter) -> Option<Step> {
    if !mirror.targets.iter().any(|target| filter.may_select(target)) {
        return None;
    }
    let listed = match observed.tags.get(&mirror.source) {
        Some(Ok(tags)) if mirror.needs_tag_list() => tags.as_slice(),
        _ => &[],
    };
    unnameable(mirror, listed).map(|failure| whole_mirror(mirror, Reason::Unsupported(failure)))
}

/// A step that is about no single tag.
pub(super) fn whole_mirror(mirror: &Mirror, reason: Reason) -> Step {
    Step {
        reason,
        risk: [].into(),
        source: None,
        target: None,
        digest: None,
        trim: None,
        platforms: Vec::new(),
        referrers: Vec::new(),
        bytes: None,
        at_most: None,
        change: None,
        place: mirror.place.clone(),
        warnings: Vec::new(),
    }
}

/// A failed list, with where its tags would have gone: the step of a whole mirror has no target to say it.
pub(super) fn unlisted(failure: &Failure, targets: &str) -> Failure {
    let message = format!("{}; nothing is mirrored to {targets}", failure.message);
    Failure { message, ..failure.clone().on(Side::Source) }
}
