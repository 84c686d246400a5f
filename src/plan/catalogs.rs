//! Globs of repositories that stand for nothing, and mirrors in circles through them: what is said in place of mirrors.
//!
//! Owns that a catalog that failed, or holds nothing that matches, is never nothing to do.

use super::build::{unlisted, whole_mirror};
use super::scope::may_begin;
use super::{Filter, Observed, Reason, Step, Warning};
use crate::config::{Circle, Desired, MirrorGlob, OnEmpty};
use crate::image::{Code, Failure, Side};

/// The steps of globs, each with the number of the mirror that it stands before.
pub(super) fn unresolved(
    desired: &Desired,
    observed: &Observed,
    filter: &Filter,
    warnings: &mut Vec<Warning>,
) -> Vec<(usize, Step)> {
    let mut steps = Vec::new();
    for glob in desired.globs.iter().filter(|glob| in_scope(glob, filter)) {
        let reason = reason(glob, desired, observed, warnings);
        let unfit = (!glob.unfit.is_empty()).then(|| Reason::Unsupported(unfit(glob)));
        let reasons = reason.into_iter().chain(unfit);
        steps.extend(reasons.map(|reason| (glob.at, whole_mirror(&glob.like, reason))));
    }
    let circles = desired.circles.iter().filter(|circle| circle.mirror.targets.iter().any(|t| filter.may_select(t)));
    steps
        .extend(circles.map(|circle| (circle.at, whole_mirror(&circle.mirror, Reason::Unsupported(circular(circle))))));
    // Stable: where both stand, the glob speaks first.
    steps.sort_by_key(|(at, _)| *at);
    steps
}

/// What is wrong with a mirror in a circle, and who is next in it.
fn circular(circle: &Circle) -> Failure {
    let source = &circle.mirror.source;
    let target = circle.mirror.targets.first().unwrap_or(source);
    let (message, hint) = match &circle.next {
        Some((place, next)) => (
            format!(
                "images go in a circle: {source} to {target}, and from there to {next} by {place}; nothing is mirrored to {target}"
            ),
            "leave out one of these mirrors, or choose a narrower glob",
        ),
        None => (format!("the target {target} is also the source"), "choose another target, or a narrower glob"),
    };
    Failure { hint: Some(hint.to_owned()), ..Failure::new(Code::Unsupported, message).on(Side::Target) }
}

/// Whether `only` may match a target of a glob whose repositories are not known.
pub(super) fn may_be_open(only: &str, desired: &Desired, observed: &Observed) -> bool {
    let unread =
        desired.globs.iter().filter(|glob| !matches!(observed.catalogs.get(glob.source.registry()), Some(Ok(_))));
    unread.flat_map(|glob| &glob.targets).any(|target| may_begin(only, target.prefix()))
}

/// Whether some target of the glob may be.
fn in_scope(glob: &MirrorGlob, filter: &Filter) -> bool {
    glob.targets.iter().any(|target| filter.may_select_below(target.prefix()))
}

fn reason(glob: &MirrorGlob, desired: &Desired, observed: &Observed, warnings: &mut Vec<Warning>) -> Option<Reason> {
    let targets: Vec<String> = glob.targets.iter().map(ToString::to_string).collect();
    let targets = targets.join(", ");
    let catalog = match observed.catalogs.get(glob.source.registry()) {
        Some(Ok(catalog)) => catalog,
        Some(Err(failure)) if failure.code == Code::NoCredentials => {
            return Some(Reason::NoCredentials(unlisted(failure, &targets)));
        }
        Some(Err(failure)) => return Some(Reason::ListFailed(unlisted(failure, &targets))),
        None => {
            let failure = Failure::new(Code::Internal, "the repositories were not listed");
            return Some(Reason::ListFailed(unlisted(&failure, &targets)));
        }
    };
    if catalog.unusable > 0 && is_first_of_host(glob, desired) {
        let message = format!(
            "the catalog of {} has {} names that no repository can have; they were left out",
            glob.source.registry(),
            catalog.unusable
        );
        warnings.push(Warning { place: Some(glob.like.place.clone()), message });
    }
    if catalog.repositories.iter().any(|repository| glob.source.matches(repository)) {
        return None;
    }
    let failure = nothing_matches(glob, catalog.repositories.len(), &targets);
    if glob.like.on_empty == OnEmpty::Warn {
        warnings.push(Warning { place: Some(glob.like.place.clone()), message: failure.message });
        return None;
    }
    Some(Reason::NothingSelected(failure))
}

fn is_first_of_host(glob: &MirrorGlob, desired: &Desired) -> bool {
    let of_host = desired.globs.iter().find(|other| other.source.registry() == glob.source.registry());
    of_host.is_some_and(|first| std::ptr::eq(first, glob))
}

fn nothing_matches(glob: &MirrorGlob, listed: usize, targets: &str) -> Failure {
    let found = match listed {
        0 => "the registry lists no repositories".to_owned(),
        1 => "the registry lists one repository, and it does not match".to_owned(),
        more => format!("none of the {more} repositories that the registry lists matches"),
    };
    let message = format!("nothing to mirror from {} to {targets}: {found}", glob.source);
    let hint =
        "a registry may show only a part of what it has: name the repositories; `on-empty: warn` makes this a warning";
    Failure { hint: Some(hint.to_owned()), ..Failure::new(Code::NothingSelected, message).on(Side::Source) }
}

fn unfit(glob: &MirrorGlob) -> Failure {
    let more = match glob.unfit.len() {
        0 | 1 => String::new(),
        all => format!(" and {} more", all - 1),
    };
    let first = glob.unfit.first().map(ToString::to_string).unwrap_or_default();
    let message = format!("{first}{more}: the name of a target would be too long");
    let hint = "a repository's name has at most 255 characters; `{name}` is shorter than `{repository}`";
    Failure { hint: Some(hint.to_owned()), ..Failure::new(Code::Unsupported, message).on(Side::Target) }
}
