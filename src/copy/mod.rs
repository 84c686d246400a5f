//! One image, from a source to a target: blobs, then children, then the root. The tag is the caller's to write.
//!
//! Owns the walk over an image's graph and the rule that every blob travels at most once in a run. Refuses to know why an
//! image is copied, and never writes a tag: whoever does has looked at the target just before.

mod error;
mod transfers;

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

pub use error::Error;
use error::OnSide;
use transfers::Transfers;

use crate::event::{Moved, Reporter};
use crate::image::{Digest, Manifest, MediaType, Side};
use crate::store::{Graph, ImageSource, ImageTarget};

/// Blobs of one image under way at once; the hosts' own limits hold beside it.
const BLOBS_AT_ONCE: usize = 6;
/// Manifests of one image under way at once.
const MANIFESTS_AT_ONCE: usize = 8;

/// Copies images; one for a whole run, so that what one image has brought serves the others.
pub struct Copier {
    transfers: Transfers,
}

/// From where to where.
#[derive(Clone)]
pub struct Passage {
    /// Where the image is read.
    pub source: Arc<dyn ImageSource>,
    /// Where it is written.
    pub target: Arc<dyn ImageTarget>,
}

/// What a copy leaves for its caller: everything below `root` is at the target, `root` itself is not.
#[derive(Debug)]
pub struct Copied {
    /// The image's own manifest, to be written under its tag.
    pub root: Manifest,
    /// What was moved, the root manifest not counted.
    pub moved: Moved,
}

impl Copier {
    /// A copier that tells `reporter` of each byte sent.
    pub fn new(reporter: Arc<dyn Reporter>) -> Self {
        Self { transfers: Transfers::new(reporter) }
    }

    /// Brings everything that the image with this digest refers to from `source` to `target`. When it returns, the root
    /// manifest can be written: its blobs and children are all there, foreign layers excepted.
    pub async fn image(&self, passage: &Passage, digest: &Digest, media_type: &MediaType) -> Result<Copied, Error> {
        let Passage { source, target } = passage;
        let graph = Graph::read(source.as_ref(), digest, media_type).await.on(Side::Source)?;
        let mut moved = Moved::default();
        let mut blobs =
            stream::iter(graph.blobs()).map(|blob| self.transfers.blob(passage, blob)).buffer_unordered(BLOBS_AT_ONCE);
        while let Some(blob) = blobs.try_next().await? {
            moved += blob;
        }
        drop(blobs);
        for level in graph.levels_below_root() {
            let pushes = level.iter().map(|manifest| target.push_manifest(manifest, None));
            stream::iter(pushes).buffer_unordered(MANIFESTS_AT_ONCE).try_collect::<()>().await.on(Side::Target)?;
            moved.sent += level.iter().map(|manifest| manifest.bytes().len() as u64).sum::<u64>();
        }
        Ok(Copied { root: graph.into_root(), moved })
    }
}
