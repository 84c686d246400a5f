//! What was seen at the registries, as plain data.

use std::collections::BTreeMap;

use super::Bytes;
use crate::config::SourceImage;
use crate::image::{Descriptor, Digest, Failure, Location, Platform, Reference, Tag};

/// What one reference was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// It is there.
    Present(Descriptor),
    /// It is not there: proven by a 404 (or by a layout's index), never inferred.
    Absent,
    /// It could not be found out.
    Unreadable(Failure),
}

/// What copying one image to one target would move, and what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Bytes, where they were asked for.
    pub bytes: Option<Bytes>,
    /// The platforms of the image, in the order of its index.
    pub platforms: Vec<Platform>,
}

/// Everything read from both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The tags of each source that a mirror needed the list of.
    pub tags: BTreeMap<Location, Result<Vec<Tag>, Failure>>,
    /// Each wanted source image.
    pub sources: BTreeMap<SourceImage, Sighting>,
    /// Each tag that a target might get.
    pub targets: BTreeMap<Reference, Sighting>,
    /// For pinned images whose tag names something else at the source by now: the digest it names, if any.
    pub moved_pins: BTreeMap<SourceImage, Option<Digest>>,
    /// Of what would be copied: by source digest and target, `Err` where its manifests could not be read or copied.
    pub costs: BTreeMap<(Digest, Location), Result<Cost, Failure>>,
}
