//! The graph of an image: its manifests, from the root down, and the blobs they need.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Error, ImageSource};
use crate::image::{Code, Descriptor, Digest, Manifest, MediaType, Platform, View};

/// How deep indexes may be nested.
pub const NESTING_LIMIT: usize = 8;
/// How many manifests one image may have.
pub const MANIFEST_COUNT_LIMIT: usize = 2_000;
/// How many bytes the manifests of one image may have together. They are held in memory while the image is copied.
pub const MANIFEST_BYTES_LIMIT: u64 = 24 << 20;
/// Manifests of one image read at once.
const READS_AT_ONCE: usize = 8;

/// All manifests of an image and all blobs they refer to, each once.
#[derive(Debug)]
pub struct Graph {
    root: Manifest,
    /// The manifests below the root, by how far down they are first met; a manifest met again deeper moves down.
    levels: Vec<Vec<Manifest>>,
    blobs: Vec<Descriptor>,
    platforms: Vec<Platform>,
}

/// What was found while walking.
struct Walk {
    /// What is being read, for messages.
    about: String,
    depth_of: BTreeMap<Digest, usize>,
    manifests: BTreeMap<Digest, Manifest>,
    blobs: BTreeMap<Digest, Descriptor>,
    bytes: u64,
}

impl Graph {
    /// Reads the graph of the image with this digest, level by level. Everything that is read has been checked against its digest; every
    /// limit that a hostile index could break is one of this module's constants.
    pub async fn read(source: &dyn ImageSource, digest: &Digest, media_type: &MediaType) -> Result<Self, Error> {
        let about = format!("read the image {}@{digest}", source.location());
        let Some(root) = source.manifest(digest, media_type).await? else {
            return Err(missing(&about, digest));
        };
        let mut walk = Walk::new(about);
        walk.bytes = root.bytes().len() as u64;
        let mut children = walk.enter(&root);
        for depth in 1.. {
            if children.is_empty() {
                break;
            }
            walk.allow(depth, &children)?;
            let read = |child: Descriptor| async move {
                match source.manifest(&child.digest, &child.media_type).await {
                    // What is of no type we know and cannot be read as a manifest is content like any other.
                    Err(error) if is_any_content(&child) && matches!(error.code, Code::Manifest | Code::Limit) => {
                        Ok((child, None))
                    }
                    found => found.map(|found| (child, found)),
                }
            };
            let mut found = stream::iter(children.into_values()).map(read).buffered(READS_AT_ONCE);
            let mut next = BTreeMap::new();
            while let Some((child, manifest)) = found.try_next().await? {
                next.extend(walk.visit(depth, &child, manifest)?);
            }
            children = next;
        }
        Ok(walk.finish(root))
    }

    /// The blobs to bring first, each once, without foreign layers.
    pub fn blobs(&self) -> &[Descriptor] {
        &self.blobs
    }

    /// The manifests below the root, deepest first: each level refers only to those before it.
    pub fn levels_below_root(&self) -> impl Iterator<Item = &[Manifest]> {
        self.levels.iter().rev().map(Vec::as_slice)
    }

    /// The manifests, the root among them.
    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        std::iter::once(&self.root).chain(self.levels.iter().flatten())
    }

    /// The platforms of the root index, in its order.
    pub fn platforms(&self) -> &[Platform] {
        &self.platforms
    }

    /// The root manifest.
    pub fn root(&self) -> &Manifest {
        &self.root
    }
}

/// The children to look at next, each once.
type Children = BTreeMap<Digest, Descriptor>;

impl Walk {
    fn new(about: String) -> Self {
        let (depth_of, manifests, blobs) = Default::default();
        Self { about, depth_of, manifests, blobs, bytes: 0 }
    }

    /// Notes the blobs of `manifest`, and gives back its children.
    fn enter(&mut self, manifest: &Manifest) -> Children {
        match manifest.view() {
            View::Index(index) => index.manifests.iter().map(|child| (child.digest.clone(), child.clone())).collect(),
            View::Image(image) => {
                for blob in image.blobs() {
                    self.blobs.entry(blob.digest.clone()).or_insert_with(|| blob.clone());
                }
                Children::new()
            }
            View::Opaque => Children::new(),
        }
    }

    fn visit(&mut self, depth: usize, child: &Descriptor, manifest: Option<Manifest>) -> Result<Children, Error> {
        let Some(manifest) = manifest else {
            // image-spec `image-index.md`: a child of unknown type need not be a manifest; then it is a blob.
            if !is_any_content(child) {
                return Err(missing(&self.about, &child.digest));
            }
            self.blobs.insert(child.digest.clone(), child.clone());
            return Ok(Children::new());
        };
        let size = manifest.bytes().len() as u64;
        if size != child.size {
            let message = format!("{} has {size} bytes, not the {} stated", child.digest, child.size);
            return Err(Error::new(Code::Size, &self.about, message));
        }
        let children = self.enter(&manifest);
        if self.depth_of.insert(child.digest.clone(), depth).is_none() {
            self.bytes += size;
            self.manifests.insert(child.digest.clone(), manifest);
        }
        Ok(children)
    }

    fn allow(&self, depth: usize, children: &Children) -> Result<(), Error> {
        let stated: u64 = children.values().fold(0, |sum, child| sum.saturating_add(child.size));
        let limits = [
            (depth > NESTING_LIMIT, format!("its indexes are nested more than {NESTING_LIMIT} deep")),
            (
                self.manifests.len() + children.len() > MANIFEST_COUNT_LIMIT,
                format!("it has more than {MANIFEST_COUNT_LIMIT} manifests"),
            ),
            (
                self.bytes.saturating_add(stated) > MANIFEST_BYTES_LIMIT,
                format!("its manifests have more than {MANIFEST_BYTES_LIMIT} bytes"),
            ),
        ];
        match limits.into_iter().find(|(broken, _)| *broken) {
            Some((_, message)) => Err(Error::new(Code::Limit, &self.about, message)),
            None => Ok(()),
        }
    }

    fn finish(mut self, root: Manifest) -> Graph {
        let deepest = self.depth_of.values().copied().max().unwrap_or(0);
        let mut levels: Vec<Vec<Manifest>> = vec![Vec::new(); deepest];
        for (digest, depth) in &self.depth_of {
            if let Some(manifest) = self.manifests.remove(digest) {
                levels[depth - 1].push(manifest);
            }
        }
        let platforms = match root.view() {
            View::Index(index) => index.manifests.iter().filter_map(|child| child.platform.clone()).collect(),
            _ => Vec::new(),
        };
        let known = |platform: &Platform| !platform.is_unknown();
        Graph {
            root,
            levels,
            blobs: self.blobs.into_values().collect(),
            platforms: platforms.into_iter().filter(known).collect(),
        }
    }
}

/// Whether a child of an index need not be a manifest: its type is one that we do not know, and says something.
fn is_any_content(child: &Descriptor) -> bool {
    let media_type = &child.media_type;
    !(media_type.is_index() || media_type.is_image() || media_type.is_vague())
}

fn missing(about: &str, digest: &Digest) -> Error {
    Error::new(Code::NotFound, about, format!("its manifest {digest} is missing"))
}
