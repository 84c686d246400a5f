//! Where images live: registries behind the distribution API, and OCI image layouts.
//!
//! Owns the two traits that the rest of the program copies through. Refuses to know why an image is wanted: it speaks of
//! manifests, blobs and tags, never of mirrors and plans. What it returns for a digest has been checked against it.

mod blob;
mod error;
mod graph;
mod layout;
pub mod limits;
mod listed;
mod mutex;
mod progress;
pub mod referrers;
pub mod registry;
pub mod signature_tags;
mod stores;
mod subset;

use std::collections::BTreeMap;

use futures_util::future::{BoxFuture, ready};

pub use blob::{BlobStream, Relayed};
pub use error::{Error, GivenUp, PushError};
pub use graph::Graph;
pub use layout::Layout;
#[cfg(any(test, fuzzing))]
pub(crate) use layout::fuzzing as layout_checks;
pub use progress::Progress;
pub use referrers::ReferrerList;
pub use stores::Stores;
pub use subset::{read_config, subset};

use crate::image::{Descriptor, Digest, Location, Manifest, MediaType, Repository, Tag, TagOrDigest};

/// The future of a store operation.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// Opens a blob for reading from a point on; called for each attempt to write it, from its start.
pub type OpenBlob<'a> = dyn Fn(Progress) -> Answer<'a, BlobStream> + Send + Sync + 'a;

/// A place to read the images of one location from.
pub trait ImageSource: Send + Sync {
    /// The location it is bound to.
    fn location(&self) -> &Location;

    /// What a tag or digest names now; `None` only where its absence is proven (a 404, or a layout's index). Costs one
    /// HEAD at a registry; the digest may come from a header, so it may decide a skip but never a write.
    fn resolve<'a>(&'a self, version: &'a TagOrDigest) -> Answer<'a, Option<Descriptor>>;

    /// The manifest with this digest, its bytes checked against it; `None` where it is proven absent. `media_type` is what
    /// a descriptor says of it, used where the store itself says nothing.
    fn manifest<'a>(&'a self, digest: &'a Digest, media_type: &'a MediaType) -> Answer<'a, Option<Manifest>>;

    /// The content of a blob from a point on, as a stream that fails unless size and digest of the whole are those of its
    /// descriptor. Where the reading breaks off, the stream itself goes on; what it fails with was tried often enough.
    fn blob(&self, from: Progress) -> Answer<'_, BlobStream>;

    /// All tags, sorted, without repetitions. A list that could not be read to its end is an error, never a short list.
    fn tags(&self) -> Answer<'_, Vec<Tag>>;

    /// The manifest that a tag names now, read in one go: its digest comes from its bytes. `None` where the tag is proven
    /// absent.
    fn tagged<'a>(&'a self, tag: &'a Tag) -> Answer<'a, Option<Manifest>>;

    /// What is listed as a referrer of `subject`. Where nothing is, [`fallback_tag`](crate::image::fallback_tag) names an
    /// index of them. A list that could not be read to its end is an error.
    fn referrers<'a>(&'a self, subject: &'a Digest) -> Answer<'a, ReferrerList>;
}

/// A place to write the images of one location to.
pub trait ImageTarget: ImageSource {
    /// Whether the blob is there.
    fn has_blob<'a>(&'a self, descriptor: &'a Descriptor) -> Answer<'a, bool>;

    /// Whether the location as a whole is proven to be missing, so that no tag is there; a doubt is a no. At a registry, one
    /// GET where nothing has been found there so far, and nothing from then on. It is an answer of the first moment: what
    /// this run writes there does not change it.
    fn is_missing(&self) -> BoxFuture<'_, bool>;

    /// What many tags name now, in one request, where the store has such a request. What it says of a tag is as sure as what
    /// [`ImageSource::resolve`] says; the others, which may be all, are to be resolved one by one. At most
    /// [`TAGS_TOGETHER`](limits::TAGS_TOGETHER).
    fn resolve_together<'a>(&'a self, _tags: &'a [Tag]) -> BoxFuture<'a, BTreeMap<Tag, Option<Descriptor>>> {
        Box::pin(ready(BTreeMap::new()))
    }

    /// Asks the registry to make a blob of its repository `from` available in this one, without sending it. `from` may be
    /// this repository itself: then it is only asked whether the blob is there.
    fn mount_blob<'a>(&'a self, descriptor: &'a Descriptor, from: &'a Repository) -> Answer<'a, Mount>;

    /// Writes a blob: opens it with `open`, checks it while it streams, and completes the upload only if its size and
    /// digest are right. `session` is an upload that [`Self::mount_blob`] left open.
    fn push_blob<'a>(
        &'a self,
        descriptor: &'a Descriptor,
        open: &'a OpenBlob<'a>,
        session: Option<UploadSession>,
    ) -> BoxFuture<'a, Result<(), PushError>>;

    /// Writes a manifest by its digest, byte for byte. Its blobs and children must be there.
    fn push_manifest<'a>(&'a self, manifest: &'a Manifest) -> Answer<'a, ()>;

    /// Writes a manifest that names `subject` as its own by its digest, byte for byte. Says whether the target lists it as a
    /// referrer by itself; otherwise the index of the fallback schema is to name it (distribution-spec "Pushing Manifests
    /// with Subject").
    fn push_referrer<'a>(&'a self, manifest: &'a Manifest, subject: &'a Digest) -> Answer<'a, bool>;

    /// Writes a manifest, byte for byte, and makes `tag` name it; its blobs and children must be there. `before` is what the
    /// tag named when the caller looked. Fails with [`Code::Stale`](crate::image::Code::Stale), and leaves the tag alone,
    /// where it is seen to name something else by now: a layout looks in the same breath, a registry before each repetition.
    fn push_tag<'a>(&'a self, manifest: &'a Manifest, tag: &'a Tag, before: Option<&'a Digest>) -> Answer<'a, ()>;
}

/// The answer to a mount.
#[derive(Debug)]
pub enum Mount {
    /// The blob is there now, and came from the other repository.
    Mounted,
    /// It was there before.
    Here,
    /// It is not there, as far as can be known, and must be uploaded; the registry may have opened the upload already.
    Declined(Option<UploadSession>),
}

/// An upload that a registry has opened. Opaque outside the store.
#[derive(Debug)]
pub struct UploadSession {
    /// The URL to go on at.
    pub(crate) location: String,
    /// The least number of bytes of each chunk but the last.
    pub(crate) least_chunk: u64,
    /// When it was opened.
    pub(crate) opened: tokio::time::Instant,
}
