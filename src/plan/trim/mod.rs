//! Platform subsets in a plan: which digest is wanted in the place of the source's, and what there is to say of it.
//!
//! Owns the pure half: from what was read of an index to the step. Refuses to read; and what a cache says of a subset is of
//! use here only where it leaves a target alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::decide::decide;
use super::{Action, Observed, Sighting, Step, Warning};
use crate::config::{Place, Wanted};
use crate::image::{Descriptor, Digest, Failure, Location, Platform, PlatformName, Reference, Subset, Tag};

/// How the source of a step is cut down to some platforms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTrim {
    /// What is asked for.
    pub subset: Arc<Subset>,
    /// The digest of what is left.
    pub digest: Digest,
    /// How many platforms the source has; known where the step writes.
    pub of: Option<u64>,
}

/// An image of which only some platforms are wanted: where it is, its digest, which ones.
pub type CutKey = (Location, Digest, Arc<Subset>);

/// What is left of such an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The image at the target; the source's own where nothing goes.
    pub image: Descriptor,
    /// The platforms that are left, in the order of the index; none where this was not read but remembered.
    pub platforms: Vec<Platform>,
    /// How many platforms the source has.
    pub of: u64,
    /// What was asked for and is not there.
    pub absent: Vec<PlatformName>,
}

impl Cut {
    /// A subset of which only the digest is known: from an earlier run.
    pub fn remembered(digest: Digest) -> Self {
        let image = Descriptor::new(crate::image::MediaType::new(""), digest, 0);
        Self { image, platforms: Vec::new(), of: 0, absent: Vec::new() }
    }
}

/// The image that has to be cut for `wanted`, once its digest is known.
pub fn cut_key(wanted: &Wanted, observed: &Observed) -> Option<CutKey> {
    let subset = wanted.subset.clone()?;
    match observed.sources.get(&wanted.source)? {
        Sighting::Present(found) if !found.media_type.is_schema1() => {
            Some((wanted.source.location.clone(), found.digest.clone(), subset))
        }
        _ => None,
    }
}

/// Whether `target` has what is `wanted`, or is to be left as it is, going by all that is known.
pub fn is_left_alone(wanted: &Wanted, target: &Reference, observed: &Observed) -> bool {
    let Some(now) = observed.targets.get(target) else { return false };
    let (image, _) = image_wanted(wanted, observed);
    decide(wanted, (&image, None), (target, now)).action() == Action::Skip
}

/// The image that is wanted at the targets, and the cut that gave it.
pub(super) fn image_wanted<'o>(wanted: &Wanted, observed: &'o Observed) -> (Sighting, Option<&'o Cut>) {
    let not_read = |what: &str| Sighting::Unreadable(Failure::new(crate::image::Code::Internal, what));
    let source = || observed.sources.get(&wanted.source).cloned().unwrap_or_else(|| not_read("it was not read"));
    let Some(key) = cut_key(wanted, observed) else { return (source(), None) };
    match observed.cuts.get(&key) {
        Some(Ok(cut)) => (Sighting::Present(cut.image.clone()), Some(cut)),
        Some(Err(failure)) => (Sighting::Unreadable(failure.clone()), None),
        None => (not_read("its platforms were not read"), None),
    }
}

/// What a step says of its cut; nothing where the image is left whole.
pub(super) fn step_trim(
    wanted: &Wanted,
    source: Option<&Digest>,
    (cut, writes): (Option<&Cut>, bool),
) -> Option<StepTrim> {
    let cut = cut.filter(|cut| source != Some(&cut.image.digest))?;
    let subset = wanted.subset.clone()?;
    Some(StepTrim { subset, digest: cut.image.digest.clone(), of: writes.then_some(cut.of) })
}

/// What to say where a part of an image is about to be written: platforms that are missing, and signatures that are for the
/// whole index. They are known by their names where the tags of the source were listed (cosign's tags, and the fallback of
/// distribution-spec "Referrers Tag Schema").
pub(super) fn remarks(wanted: &Wanted, cut: &Cut, observed: &Observed) -> Vec<Arc<str>> {
    let mut remarks: Vec<Arc<str>> = Vec::new();
    if !cut.absent.is_empty() {
        let names: Vec<String> = cut.absent.iter().map(ToString::to_string).collect();
        remarks.push(format!("{} has no {}", wanted.source.reference(), names.join(", ")).into());
    }
    let whole = match observed.sources.get(&wanted.source) {
        Some(Sighting::Present(found)) if found.digest != cut.image.digest => &found.digest,
        _ => return remarks,
    };
    if let Some(Ok(tags)) = observed.tags.get(&wanted.source.location) {
        for tag in about(whole, tags) {
            remarks.push(does_not_hold(&format!("{}:{tag}", wanted.source.location)).into());
        }
    }
    remarks
}

/// What is said of something that refers to a whole index, where a part of it is written.
pub(super) fn does_not_hold(name: &str) -> String {
    format!("{name} is about the whole index, and does not hold for a part of it")
}

/// The tags that are about an image by their name: `sha256-<hex>`, with or without an ending.
fn about<'t>(image: &Digest, tags: &'t [Tag]) -> impl Iterator<Item = &'t Tag> {
    let prefix = format!("{}-{}", image.algorithm().as_str(), image.hex());
    let from = tags.partition_point(|tag| tag.as_str() < prefix.as_str());
    let named = tags[from..].iter().take_while({
        let prefix = prefix.clone();
        move |tag| tag.as_str().starts_with(&prefix)
    });
    named.filter(move |tag| matches!(tag.as_str()[prefix.len()..].chars().next(), None | Some('.')))
}

/// A remark for each mirror that is about to write parts of images.
pub(super) fn general_remarks(steps: &[Step]) -> impl Iterator<Item = Warning> {
    let cut = steps.iter().filter(|step| step.action().writes() && step.trim.is_some());
    let places: BTreeSet<Place> = cut.map(|step| step.place.clone()).collect();
    places.into_iter().map(|place| {
        let message = "signatures of a whole index do not hold for the part of it that is copied";
        Warning { place: Some(place), message: message.to_owned() }
    })
}

#[cfg(test)]
mod tests;
