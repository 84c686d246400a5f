//! One image, from a source to a target: blobs, then children, then the root, what refers to it, and its tag.
//!
//! Owns the walk over an image's graph and the rule that every blob travels at most once in a run: to each registry once,
//! and from its source once for all targets that can keep up. Refuses to know why an image is copied. Its two steps are two functions, so that its caller can look at the target between them: the tag is
//! written last, and only when it is asked for.

mod berths;
mod error;
mod mutex;
mod once;
mod patience;
mod reads;
mod referrers;
mod relay;
#[cfg(test)]
mod tests;
mod transfers;

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

pub use error::Error;
use error::OnSide;
use once::Once;
use reads::Reads;
pub use reads::Siblings;
use referrers::Attachments;
pub use referrers::{Brought, Wanted};
use transfers::{Need, Transfers};

use crate::event::{Moved, Reporter};
use crate::image::{Digest, ImageManifest, Location, Manifest, MediaType, Root, Side, Subset, Tag, Trimmed, View};
use crate::store::{Graph, ImageSource, ImageTarget, subset};

/// Blobs of one image under way at once; the hosts' own limits hold beside it.
const BLOBS_AT_ONCE: usize = 6;
/// Manifests of one image under way at once.
const MANIFESTS_AT_ONCE: usize = 8;

/// Copies images; one for a whole run, so that what one image has brought serves the others.
pub struct Copier {
    transfers: Transfers,
    /// Manifests below a root, by where they were written: images under several tags share them.
    children: Once<(Location, Digest)>,
    attachments: Attachments,
}

/// From where to where.
#[derive(Clone)]
pub struct Passage {
    /// Where the image is read.
    pub source: Arc<dyn ImageSource>,
    /// Where it is written.
    pub target: Arc<dyn ImageTarget>,
}

/// A part of an image that is copied in its place.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// The digest of the image at the source.
    pub of: &'a Digest,
    /// Its media type.
    pub media_type: &'a MediaType,
    /// The platforms to keep.
    pub subset: &'a Subset,
    /// The digest that the part is known to have.
    pub digest: &'a Digest,
}

/// What a copy leaves for its caller: everything below `root` is at the target, `root` itself is not.
#[derive(Debug)]
pub struct Copied {
    /// The image's own manifest, to be written under its tag.
    pub root: Manifest,
    /// What was moved, the root manifest not counted until it is written.
    pub moved: Moved,
    graph: Graph,
}

impl Copier {
    /// A copier that tells `reporter` of each byte sent.
    pub fn new(reporter: Arc<dyn Reporter>) -> Self {
        Self::with_siblings(reporter, Siblings::default())
    }

    /// A copier that reads the images of `siblings` once for all of their targets. Of each tag, it has to hear
    /// [when it is done with](Self::ended).
    pub fn with_siblings(reporter: Arc<dyn Reporter>, siblings: Siblings) -> Self {
        let transfers = Transfers::new(reporter, Reads::new(siblings));
        Self { transfers, children: Once::default(), attachments: Attachments::default() }
    }

    /// A tag at `target` is done with, well or not: the other targets of the image with the digest `image` at `source` need
    /// not wait for it any more.
    pub fn ended(&self, source: &Location, image: &Digest, target: &Location) {
        self.transfers.reads().ended(source, image, target);
    }

    /// Brings everything that the image with this digest refers to from `source` to `target`. When it returns, the root
    /// manifest can be written: its blobs and children are all there, foreign layers excepted.
    pub async fn image(&self, passage: &Passage, digest: &Digest, media_type: &MediaType) -> Result<Copied, Error> {
        let graph = Graph::read(passage.source.as_ref(), digest, media_type).await.on(Side::Source)?;
        self.bring(passage, digest, graph).await
    }

    /// The same of a part of an image: it is made anew from the index at the source, and must come out as it was planned. An
    /// index is never written without a child that it names.
    pub async fn part(&self, passage: &Passage, part: Part<'_>) -> Result<Copied, Error> {
        let source = passage.source.as_ref();
        let Trimmed { root, .. } = subset(source, (part.of, part.media_type), part.subset).await.on(Side::Source)?;
        let graph = match root {
            Root::Index(index) if index.digest() == part.digest => Graph::below(source, index).await,
            Root::Child(child) if child.digest == *part.digest => {
                Graph::read(source, &child.digest, &child.media_type).await
            }
            _ => return Err(Error::not_the_planned_part(source.location(), part.digest)),
        };
        self.bring(passage, part.digest, graph.on(Side::Source)?).await
    }

    async fn bring(&self, passage: &Passage, digest: &Digest, graph: Graph) -> Result<Copied, Error> {
        let mut moved = Moved::default();
        let needs = graph.blobs().iter().map(|blob| Need { passage, image: digest, blob });
        let mut blobs = stream::iter(needs).map(|need| self.transfers.blob(need)).buffer_unordered(BLOBS_AT_ONCE);
        while let Some(blob) = blobs.try_next().await? {
            moved += blob;
        }
        drop(blobs);
        moved += self.children(passage, &graph).await?;
        Ok(Copied { root: graph.root().clone(), moved, graph })
    }

    /// Writes the root manifest of an image by its digest, for what refers to it: its tag comes after that, and counts.
    pub async fn root(&self, passage: &Passage, copied: &mut Copied) -> Result<(), Error> {
        match passage.target.push_manifest(&copied.root).await {
            Err(error) if error.missing_blobs => {
                self.repair(passage, copied).await?;
                passage.target.push_manifest(&copied.root).await.on(Side::Target)
            }
            outcome => outcome.on(Side::Target),
        }
    }

    /// Writes the root manifest of an image under its tag, which named `before` when it was looked at. Where the target says
    /// that what it refers to is missing after all ([`store::Error::missing_blobs`](crate::store::Error)), it can be sent
    /// again with [`Self::repair`].
    pub async fn tag(
        &self,
        passage: &Passage,
        copied: &mut Copied,
        (tag, before): (&Tag, Option<&Digest>),
    ) -> Result<(), Error> {
        passage.target.push_tag(&copied.root, tag, before).await.on(Side::Target)?;
        copied.moved.sent += copied.root.bytes().len() as u64;
        Ok(())
    }

    /// Sends again what the root of an image refers to, without asking whether it is there: the target was wrong about it.
    pub async fn repair(&self, passage: &Passage, copied: &mut Copied) -> Result<(), Error> {
        if let View::Image(image) = copied.root.view() {
            copied.moved += self.again(passage, (copied.root.digest(), image)).await?;
            return Ok(());
        }
        let below = copied.graph.levels_below_root().flatten();
        below.for_each(|manifest| self.children.forget(&child(passage, manifest)));
        let sent = self.children(passage, &copied.graph).await?;
        copied.moved += sent;
        Ok(())
    }

    async fn again_for(&self, passage: &Passage, root: &Manifest) -> Result<Moved, Error> {
        match root.view() {
            View::Image(image) => self.again(passage, (root.digest(), image)).await,
            View::Index(_) | View::Opaque => Ok(Moved::default()),
        }
    }

    async fn again(&self, passage: &Passage, (image, manifest): (&Digest, &ImageManifest)) -> Result<Moved, Error> {
        let mut moved = Moved::default();
        let again = manifest.blobs().map(|blob| self.transfers.again(Need { passage, image, blob }));
        let mut again = stream::iter(again).buffer_unordered(BLOBS_AT_ONCE);
        while let Some(blob) = again.try_next().await? {
            moved += blob;
        }
        Ok(moved)
    }

    /// Writes everything below the root, deepest first.
    async fn children(&self, passage: &Passage, graph: &Graph) -> Result<Moved, Error> {
        let mut moved = Moved::default();
        for level in graph.levels_below_root() {
            let pushes = level.iter().map(|manifest| self.child(passage, manifest));
            let mut pushes = stream::iter(pushes).buffer_unordered(MANIFESTS_AT_ONCE);
            while let Some(sent) = pushes.try_next().await? {
                moved += sent;
            }
        }
        Ok(moved)
    }

    /// Writes a manifest below a root, unless this run has written it there.
    async fn child(&self, passage: &Passage, manifest: &Manifest) -> Result<Moved, Error> {
        let mut moved = Moved { reused: manifest.bytes().len() as u64, ..Moved::default() };
        let write = async {
            moved = self.manifest(passage, manifest).await?;
            Ok::<(), Error>(())
        };
        self.children.of(child(passage, manifest)).get_or_try_init(|| write).await?;
        Ok(moved)
    }

    /// Writes one manifest by its digest; the second time after its blobs, where the target had said that they were there,
    /// and they are not.
    async fn manifest(&self, passage: &Passage, manifest: &Manifest) -> Result<Moved, Error> {
        let mut moved = Moved { sent: manifest.bytes().len() as u64, ..Moved::default() };
        match (passage.target.push_manifest(manifest).await, manifest.view()) {
            (Err(error), View::Image(image)) if error.missing_blobs => {
                moved += self.again(passage, (manifest.digest(), image)).await?;
                passage.target.push_manifest(manifest).await.on(Side::Target)?;
            }
            (outcome, _) => outcome.on(Side::Target)?,
        }
        Ok(moved)
    }
}

/// What a manifest below a root is remembered by.
fn child(passage: &Passage, manifest: &Manifest) -> (Location, Digest) {
    (passage.target.location().clone(), manifest.digest().clone())
}
