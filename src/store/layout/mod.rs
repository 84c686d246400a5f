//! OCI image layouts: directories that hold images as a registry does (image-spec `image-layout.md`).
//!
//! Owns the directory's format, its integrity and its durability. What is written is put beside its place, made durable
//! and renamed; the index is changed under a lock between processes, and never names an image that is not all there.
//! Refuses links, devices, sizes and digests that are wrong, and to write into a directory that is something else.
//!
//! Tags are entries of `index.json` with the annotation `org.opencontainers.image.ref.name`. Children of an index are
//! blobs only. Blobs are shared by all tags, and their presence is their size: their content was checked before they got
//! their name, and is checked again whenever it is read.

mod closure;
mod content;
mod directory;
mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod index;
mod inspect;
mod lock;
mod members;
mod push;
mod referrers;

use std::io::{Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use futures_util::{FutureExt, StreamExt, TryStreamExt};
use tokio_util::io::ReaderStream;

use self::directory::Directory;
use self::files::Fault;
use super::{Answer, BlobStream, Error, ImageSource, Progress, ReferrerList};
use crate::image::{Code, Descriptor, Digest, LayoutPath, Location, Manifest, MediaType, Role, Tag, TagOrDigest};

/// How much of a blob is read or written at a time, in bytes.
const CHUNK: usize = 128 * 1024;

/// An OCI image layout directory.
///
/// Holds nothing open and remembers nothing: each operation sees what is there, whoever else writes it.
pub struct Layout {
    location: Location,
    directory: Directory,
}

impl Layout {
    /// The layout at `path`. Nothing is looked up or written yet.
    ///
    /// `role` decides what it means that something is missing. A source must be a complete layout, and a tag whose
    /// manifest is missing or damaged is an error. A target may be absent, empty or cut short by a crash, and such a tag
    /// counts as absent there, so that writing it again repairs it.
    pub fn new(path: LayoutPath, role: Role) -> Arc<Self> {
        let location = Location::Layout(path.clone());
        Arc::new(Self { location, directory: Directory::new(path, role) })
    }

    /// Whether `path` can be used in `role`; reads the directory and blocks, writes nothing.
    ///
    /// Fails with [`Code::Layout`] where the path leads out of `root` or through a link below it, to something that is
    /// not a directory, or to one that is not a sound layout of a known version. A target may be absent or empty.
    pub fn inspect(path: &LayoutPath, root: &Path, role: Role) -> Result<(), Error> {
        inspect::inspect(path, root, role).map_err(|fault| fault.during(format!("use {path} as a {}", name(role))))
    }

    /// Does blocking `work` where it keeps nobody waiting.
    async fn run<T, W>(&self, request: String, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce(&Directory) -> Result<T, Fault> + Send + 'static,
    {
        let directory = self.directory.clone();
        match tokio::task::spawn_blocking(move || work(&directory)).await {
            Ok(done) => done.map_err(|fault| fault.during(request)),
            Err(error) => Err(Error::new(Code::Internal, request, error.to_string())),
        }
    }

    /// `blob sha256:… of oci:path`, for messages.
    fn part(&self, what: &str, descriptor: &Descriptor) -> String {
        format!("{what} {} of {}", descriptor.digest, self.location)
    }

    async fn open_blob(&self, from: Progress) -> Result<BlobStream, Error> {
        let request = format!("read the {}", self.part("blob", from.descriptor()));
        let (wanted, offset) = (from.descriptor().clone(), from.offset());
        let opened = self.run(request.clone(), move |directory| {
            let Some(dir) = directory.read()? else { return Err(missing()) };
            match directory::blob(&dir, &wanted.digest)? {
                Some((mut file, size)) if size == wanted.size => {
                    file.seek(SeekFrom::Start(offset)).map_err(|error| Fault::io(wanted.digest.hex(), &error))?;
                    Ok(file)
                }
                Some((_, size)) => Err(content::wrong_size(size, &wanted)),
                None => Err(missing()),
            }
        });
        let file = tokio::fs::File::from_std(opened.await?);
        let during = request.clone();
        let chunks = ReaderStream::with_capacity(file, CHUNK)
            .map_err(move |error| Error::new(Code::Io, &during, error.to_string()));
        Ok(BlobStream::new(from, request, chunks.boxed()))
    }
}

fn missing() -> Fault {
    Fault::new(Code::NotFound, "it is not there")
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Source => "source",
        Role::Target => "target",
    }
}

impl ImageSource for Layout {
    fn location(&self) -> &Location {
        &self.location
    }

    fn resolve<'a>(&'a self, version: &'a TagOrDigest) -> Answer<'a, Option<Descriptor>> {
        let request = match version {
            TagOrDigest::Tag(tag) => format!("look up {}:{tag}", self.location),
            TagOrDigest::Digest(digest) => format!("look up {}@{digest}", self.location),
        };
        let version = version.clone();
        self.run(request, move |directory| content::resolve(directory, &version)).boxed()
    }

    fn manifest<'a>(&'a self, digest: &'a Digest, media_type: &'a MediaType) -> Answer<'a, Option<Manifest>> {
        let request = format!("read the manifest {digest} of {}", self.location);
        let (digest, media_type) = (digest.clone(), media_type.clone());
        let work = move |directory: &Directory| match directory.read()? {
            Some(dir) => content::manifest(&dir, &digest, &media_type),
            None => Ok(None),
        };
        self.run(request, work).boxed()
    }

    fn blob(&self, from: Progress) -> Answer<'_, BlobStream> {
        self.open_blob(from).boxed()
    }

    fn tags(&self) -> Answer<'_, Vec<Tag>> {
        let work = |directory: &Directory| match directory.read()? {
            Some(dir) => Ok(directory::read_index(&dir, directory.role())?.tags()),
            None => Ok(Vec::new()),
        };
        self.run(format!("list the tags of {}", self.location), work).boxed()
    }

    fn tagged<'a>(&'a self, tag: &'a Tag) -> Answer<'a, Option<Manifest>> {
        let request = format!("read the manifest {}:{tag}", self.location);
        let tag = tag.clone();
        self.run(request, move |directory| referrers::named(directory, &tag)).boxed()
    }

    /// Always a list: what stands in for one is read with the rest.
    fn referrers<'a>(&'a self, subject: &'a Digest) -> Answer<'a, ReferrerList> {
        let request = format!("list the referrers of {}@{subject}", self.location);
        let subject = subject.clone();
        self.run(request, move |directory| referrers::of(directory, &subject).map(ReferrerList::Whole)).boxed()
    }
}

#[cfg(test)]
mod tests;
