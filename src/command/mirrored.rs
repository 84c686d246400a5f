//! Whether a saved plan does what its configuration asks for: its id is no secret, so whoever may change the file can make
//! it fit. The configuration is what was reviewed, and told by its bytes.
//!
//! Owns where steps may read and write. Refuses to judge tags and digests: those are what a plan is saved for.

use std::collections::BTreeSet;

use crate::config::Desired;
use crate::image::Location;
use crate::plan::Plan;

/// The first step, by its index, that leads from where to where no mirror of `desired` does; and what to say of it.
pub(super) fn stray(plan: &Plan, desired: &Desired) -> Option<(usize, String)> {
    let written = desired.mirrors.iter();
    let mut known: BTreeSet<(&Location, &Location)> =
        written.flat_map(|mirror| mirror.targets.iter().map(|target| (&mirror.source, target))).collect();
    plan.steps.iter().enumerate().find_map(|(index, step)| {
        let source = &step.source.as_ref()?.reference.location;
        let target = &step.target.as_ref()?.reference.location;
        if known.contains(&(source, target)) {
            return None;
        }
        if !stands_for(desired, source, target) {
            return Some((index, format!("no mirror of the configuration leads from {source} to {target}")));
        }
        // A repository has many tags.
        known.insert((source, target));
        None
    })
}

/// Whether a glob of repositories stands for a mirror of these, whatever its catalog says by now.
fn stands_for(desired: &Desired, source: &Location, target: &Location) -> bool {
    let Location::Repository(repository) = source else { return false };
    let mut matching = desired.globs.iter().filter(|glob| glob.source.matches(repository));
    matching.any(|glob| glob.targets.iter().any(|template| template.fill(repository).as_ref() == Some(target)))
}
