//! What was seen at the registries, as plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Cut, CutKey, Referrer};
use crate::config::SourceImage;
use crate::image::{
    Catalog, Change, Descriptor, Digest, Failure, Location, Platform, Quota, Reference, ReferrerTypes, Registry, Tag,
};

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

/// What an image consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The size of all its manifests together, in bytes.
    pub manifests: u64,
    /// How many manifests it has: so many are read to copy it.
    pub manifest_count: u64,
    /// Its blobs with their sizes in bytes, each once, without foreign layers.
    pub blobs: BTreeMap<Digest, u64>,
    /// Its platforms, in the order of its index.
    pub platforms: Vec<Platform>,
}

/// What refers to an image at its source, as far as one target lacks it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// What it lacks, sorted.
    pub missing: Vec<Referrer>,
    /// Why something is left out.
    pub remarks: Vec<String>,
    /// What is about the whole index, where targets get a part of it: by tag or digest.
    pub of_the_whole: Vec<String>,
}

/// A source and the image that a target gets of it, that target, and which referrers are meant.
pub type AttachedTo = ((Location, Digest), Location, ReferrerTypes);

/// Everything read from both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The repositories of each registry that a glob of repositories needed the catalog of.
    pub catalogs: BTreeMap<Registry, Result<Catalog, Failure>>,
    /// The tags of each source that a mirror needed the list of.
    pub tags: BTreeMap<Location, Result<Vec<Tag>, Failure>>,
    /// Each wanted source image.
    pub sources: BTreeMap<SourceImage, Sighting>,
    /// For pinned images whose tag names something else at the source by now: the digest it names, if any.
    pub moved_pins: BTreeMap<SourceImage, Option<Digest>>,
    /// Each tag that a target might get.
    pub targets: BTreeMap<Reference, Sighting>,
    /// What is left of each image of which only some platforms are wanted.
    pub cuts: BTreeMap<CutKey, Result<Cut, Failure>>,
    /// What is in the images that would be copied, by source and the digest at the target, where it was asked.
    pub contents: BTreeMap<(Location, Digest), Result<Contents, Failure>>,
    /// Which blobs of an image (by its digest) a target holds already, where it was asked.
    pub held: BTreeMap<(Digest, Location), Result<BTreeSet<Digest>, Failure>>,
    /// The referrers that targets lack, where they were searched for.
    pub referrers: BTreeMap<AttachedTo, Result<Attached, Failure>>,
    /// What changes where tags move, by the digest that a tag names now and the one wanted, where that was looked at.
    pub changes: BTreeMap<(Digest, Digest), Arc<Change>>,
    /// Indexes of referrers that targets were found to have all of: names to know them again by in a further run.
    pub complete: BTreeSet<Digest>,
    /// What registries have said of their quotas of pulls, where they keep any.
    pub quotas: BTreeMap<Registry, Quota>,
}
