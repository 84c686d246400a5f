//! The vocabulary of images, as the OCI specifications use it. Pure: no I/O, no clock, no environment.
//!
//! Owns what a registry, repository, tag, digest, descriptor, manifest and platform *are*, and how their
//! text forms are read. Refuses to know where images live, which ones are wanted, or how they move.

mod catalog;
mod change;
mod creation;
mod descriptor;
mod digest;
mod ecr;
mod failure;
#[cfg(test)]
mod grammar;
mod location;
mod manifest;
mod media_type;
mod platform;
mod platform_name;
mod quota;
mod reference;
mod referrer;
mod registry;
mod subset;
mod trim;
mod written;

pub use catalog::Catalog;
pub use change::{
    Amount, Change, DIFF_BYTES, DIFF_LINES, ImageChange, LayerChange, Offer, Offers, Picture, PlatformChange, Portrait,
    VersionChange, common,
};
pub use creation::{Creation, Encryption};
pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest, DigestError, Hasher};
#[cfg(test)]
pub(crate) use ecr::LOOK_ALIKES;
pub use ecr::{AwsPartition, EcrHost};
pub use failure::{Code, Failure, Side};
pub(crate) use location::normalize;
pub use location::{LayoutPath, Location, Repository};
pub use manifest::{ImageManifest, Index, Manifest, ManifestError, View};
pub use media_type::{MANIFEST_ACCEPT, MediaType};
pub use platform::Platform;
pub use platform_name::{PlatformError, PlatformName};
pub use quota::Quota;
pub use reference::{Reference, ReferenceError, Tag, TagOrDigest};
pub use referrer::{ArtifactType, CosignKind, ReferrerTypes, Referring, fallback_tag, is_referrer_tag, with_referrers};
pub use registry::Registry;
pub use subset::{Single, Subset};
pub use trim::{Root, TrimError, Trimmed, trim};
pub use written::{Role, Written};
