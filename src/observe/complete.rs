//! Indexes of referrers of which a target has all that is meant, as earlier runs found it.
//!
//! Owns by what that is known again. A target that lists referrers by itself has no tag that shows it, and would be looked at
//! in each run. Refuses to decide what is looked at.

use std::collections::BTreeSet;

use super::referrers::Subject;
use crate::image::{ArtifactType, Digest, Location, ReferrerTypes};

/// What earlier runs found to be complete: each the digest of what names an image, its source, the index of referrers there,
/// the target, and the types that are meant.
pub type KnownComplete = BTreeSet<Digest>;

/// By what `index`, as it is at the source now, is known again.
pub(super) fn name(subject: &Subject, index: &Digest, target: &Location) -> Digest {
    let types = match &subject.types {
        ReferrerTypes::All => Vec::new(),
        ReferrerTypes::Only(types) => types.iter().map(ArtifactType::as_str).collect(),
    };
    let (source, image) = (subject.source.to_string(), subject.digest.to_string());
    let name = [source, image, index.to_string(), target.to_string(), types.join(" ")];
    Digest::sha256(format!("{name:?}").as_bytes())
}
