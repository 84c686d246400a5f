//! The graph of an image: its manifests, from the root down, and the blobs they need.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::listed::Listed;
use super::{Error, ImageSource};
use crate::image::{Code, Descriptor, Digest, Manifest, MediaType, Platform, View};
use crate::store::limits::{BLOBS, MANIFEST_BYTES_IN_ALL, MANIFESTS, NESTING};

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
    listed: Listed,
    depth_of: BTreeMap<Digest, usize>,
    manifests: BTreeMap<Digest, Manifest>,
    blobs: BTreeMap<Digest, Descriptor>,
    bytes: u64,
}

impl Graph {
    /// Reads the graph of the image with this digest, level by level. Everything that is read has been checked against its digest; every
    /// limit that a hostile index could break is one of [`limits`](super::limits).
    pub async fn read(source: &dyn ImageSource, digest: &Digest, media_type: &MediaType) -> Result<Self, Error> {
        let about = format!("read the image {}@{digest}", source.location());
        let Some(root) = source.manifest(digest, media_type).await? else {
            return Err(missing(&about, digest));
        };
        Self::walk(source, root, about).await
    }

    /// Reads the graph below a `root` that the source need not have: an index cut down to some platforms.
    pub async fn below(source: &dyn ImageSource, root: Manifest) -> Result<Self, Error> {
        let about = format!("read a part of an image at {}: {}", source.location(), root.digest());
        Self::walk(source, root, about).await
    }

    async fn walk(source: &dyn ImageSource, root: Manifest, about: String) -> Result<Self, Error> {
        let mut walk = Walk::new(about);
        walk.bytes = root.bytes().len() as u64;
        let mut children = walk.enter(&root)?;
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

    /// The size of all its manifests and blobs, in bytes.
    pub fn bytes(&self) -> u64 {
        let manifests = self.manifests().map(|manifest| manifest.bytes().len() as u64);
        manifests.chain(self.blobs.iter().map(|blob| blob.size)).fold(0, u64::saturating_add)
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
        let (listed, depth_of, manifests, blobs) = Default::default();
        Self { about, listed, depth_of, manifests, blobs, bytes: 0 }
    }

    /// Notes the blobs of `manifest`, and gives back its children.
    fn enter(&mut self, manifest: &Manifest) -> Result<Children, Error> {
        let mut children = Children::new();
        match manifest.view() {
            View::Index(index) => {
                for child in &index.manifests {
                    let listed = self.listed.note(child);
                    listed.map_err(|message| Error::new(Code::Manifest, &self.about, message))?;
                    children.insert(child.digest.clone(), child.clone());
                }
            }
            View::Image(image) => image.blobs().try_for_each(|blob| self.note_blob(blob))?,
            View::Opaque => {}
        }
        Ok(children)
    }

    fn note_blob(&mut self, blob: &Descriptor) -> Result<(), Error> {
        self.blobs.entry(blob.digest.clone()).or_insert_with(|| blob.clone());
        if self.blobs.len() > BLOBS {
            return Err(Error::new(Code::Limit, &self.about, format!("it has more than {BLOBS} blobs")));
        }
        Ok(())
    }

    fn visit(&mut self, depth: usize, child: &Descriptor, manifest: Option<Manifest>) -> Result<Children, Error> {
        let Some(manifest) = manifest else {
            // image-spec `image-index.md`: a child of unknown type need not be a manifest; then it is a blob.
            if !is_any_content(child) {
                return Err(missing(&self.about, &child.digest));
            }
            self.note_blob(child)?;
            return Ok(Children::new());
        };
        let size = manifest.bytes().len() as u64;
        if size != child.size {
            let message = format!("{} has {size} bytes, not the {} stated", child.digest, child.size);
            return Err(Error::new(Code::Size, &self.about, message));
        }
        let children = self.enter(&manifest)?;
        if self.depth_of.insert(child.digest.clone(), depth).is_none() {
            self.bytes += size;
            self.manifests.insert(child.digest.clone(), manifest);
        }
        Ok(children)
    }

    fn allow(&self, depth: usize, children: &Children) -> Result<(), Error> {
        let stated: u64 = children.values().fold(0, |sum, child| sum.saturating_add(child.size));
        let limits = [
            (depth > NESTING, format!("its indexes are nested more than {NESTING} deep")),
            (self.manifests.len() + children.len() > MANIFESTS, format!("it has more than {MANIFESTS} manifests")),
            (
                self.bytes.saturating_add(stated) > MANIFEST_BYTES_IN_ALL,
                format!("its manifests have more than {MANIFEST_BYTES_IN_ALL} bytes"),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn image(blobs: std::ops::Range<usize>) -> Manifest {
        let layer = |number| {
            format!(r#"{{"mediaType":"a/b","digest":"{}","size":1}}"#, Digest::sha256(&usize::to_le_bytes(number)))
        };
        let layers: Vec<String> = blobs.map(layer).collect();
        let config = r#"{"mediaType":"a/b","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}"#;
        let text = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{}]}}"#, layers.join(","));
        Manifest::identify(text.into(), &MediaType::oci_manifest()).unwrap()
    }

    fn index(children: &[(&str, u64)]) -> Manifest {
        let digest = Digest::sha256(b"child");
        let child =
            |(kind, size): &(&str, u64)| format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":{size}}}"#);
        let children: Vec<String> = children.iter().map(child).collect();
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, children.join(","));
        Manifest::identify(text.into(), &MediaType::oci_index()).unwrap()
    }

    #[test]
    fn a_child_is_listed_as_one_thing() {
        const IMAGE: (&str, u64) = ("application/vnd.oci.image.manifest.v1+json", 5);
        const OTHERS: [(&str, u64); 3] =
            [("application/x", 5), ("application/vnd.oci.image.index.v1+json", 5), (IMAGE.0, 6)];
        let new = || Walk::new("read the image r.io/a@sha256:1".to_owned());
        assert_eq!(new().enter(&index(&[IMAGE, IMAGE])).unwrap().len(), 1);
        for other in OTHERS {
            for listed in [[IMAGE, other], [other, IMAGE]] {
                assert_eq!(new().enter(&index(&listed)).unwrap_err().code, Code::Manifest, "in one index");
                let mut walk = new();
                walk.enter(&index(&listed[..1])).unwrap();
                assert_eq!(walk.enter(&index(&listed[1..])).unwrap_err().code, Code::Manifest, "in two");
            }
        }
    }

    #[test]
    fn an_image_has_no_more_blobs_than_can_be_held() {
        let mut walk = Walk::new("read the image r.io/a@sha256:1".to_owned());
        // The configuration is one of them, and so are those that both manifests have.
        assert!(walk.enter(&image(0..BLOBS / 2)).is_ok() && walk.enter(&image(1..BLOBS - 1)).is_ok());
        assert_eq!(walk.blobs.len(), BLOBS);
        let error = walk.enter(&image(0..BLOBS)).unwrap_err();
        assert_eq!(error.code, Code::Limit);
        assert_eq!(error.to_string(), "could not read the image r.io/a@sha256:1: it has more than 20000 blobs");
    }
}
