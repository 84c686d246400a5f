//! A layout directory as a whole: what must be in it to be read, and what is made so that it can be written.
//!
//! Blocking. Refuses versions of the format it does not know, and to write into a directory that is something else.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::files::{self, Dir, Draft, Fault};
use super::index::{self, Index};
use super::lock::Lock;
use super::members::Members;
use crate::image::{Algorithm, Descriptor, Digest, LayoutPath, Role, Tag};
use crate::store::limits::{LAYOUT_INDEX, LAYOUT_MARK};

/// The file that says that the directory is a layout, and of which version (image-spec `image-layout.md`).
const MARK: &str = "oci-layout";
const MARK_CONTENT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const VERSION: &str = "1.0.0";
const BLOBS: &str = "blobs";

/// A layout and what it is used for.
#[derive(Clone)]
pub(super) struct Directory {
    path: LayoutPath,
    role: Role,
}

impl Directory {
    pub(super) fn new(path: LayoutPath, role: Role) -> Self {
        Self { path, role }
    }

    pub(super) fn role(&self) -> Role {
        self.role
    }

    /// The directory's path; the working directory where that is what it was written relative to.
    fn os_path(&self) -> &Path {
        let path = self.path.directory();
        if path.as_os_str().is_empty() { Path::new(".") } else { path }
    }

    /// The directory, its format checked. `None` where nothing is there yet, which only a target may be.
    pub(super) fn read(&self) -> Result<Option<Dir>, Fault> {
        match self.open()? {
            Some(dir) => Ok(check(&dir, self.role)?.then_some(dir)),
            None if self.role == Role::Target => Ok(None),
            None => Err(Fault::layout("there is no such directory")),
        }
    }

    fn open(&self) -> Result<Option<Dir>, Fault> {
        let absent = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let error = match Dir::open(self.os_path()) {
            Ok(dir) => return Ok(Some(dir)),
            Err(error) => error,
        };
        match std::fs::symlink_metadata(self.os_path()) {
            Err(error) if absent(&error) => Ok(None),
            Ok(found) if !found.is_dir() => Err(Fault::layout("it is not a directory, or a link to one")),
            // Another writer has made it between the two looks.
            Ok(_) if absent(&error) => match Dir::open(self.os_path()) {
                Ok(dir) => Ok(Some(dir)),
                Err(error) if absent(&error) => Ok(None),
                Err(error) => Err(Fault::io(self.path.written(), &error)),
            },
            _ => Err(Fault::io(self.path.written(), &error)),
        }
    }

    /// The directory, made into a layout where it is none yet.
    ///
    /// The mark comes first: whatever a crash leaves behind is recognised and completed by the next writer.
    pub(super) fn write(&self) -> Result<Arc<Dir>, Fault> {
        files::make_path(self.os_path()).map_err(|error| Fault::io(self.path.written(), &error))?;
        let dir = Arc::new(self.open()?.ok_or_else(|| Fault::layout("the directory was removed meanwhile"))?);
        let is_layout = check(&dir, Role::Target)?;
        if is_layout && files::regular(&dir, index::NAME)?.is_some() {
            return Ok(dir);
        }
        let _lock = Lock::acquire(&dir)?;
        if files::regular(&dir, MARK)?.is_none() {
            Draft::write(&dir, &dir, MARK, MARK_CONTENT)?;
        }
        files::make_directory(&dir, BLOBS)?;
        if files::regular(&dir, index::NAME)?.is_none() {
            Draft::write(&dir, &dir, index::NAME, &Index::empty())?;
        }
        Ok(dir)
    }
}

/// Whether `dir` is a layout. `false` for a directory with nothing in it, which a target may be; anything else that is
/// no layout is refused.
pub(super) fn check(dir: &Dir, role: Role) -> Result<bool, Fault> {
    let Some(content) = mark(dir, role)? else { return Ok(false) };
    let version = Members::read(&content, &["imageLayoutVersion"])
        .and_then(|members| members.get::<String>("imageLayoutVersion"))
        .map_err(|message| Fault::layout(format!("`{MARK}`: {message}")))?;
    match version {
        Some(version) if version == VERSION => Ok(true),
        Some(other) => Err(Fault::layout(format!("the layout version `{other}` is not supported, only {VERSION} is"))),
        None => Err(Fault::layout(format!("`{MARK}` does not say its version"))),
    }
}

/// The content of the file that makes `dir` a layout; `None` for a directory with nothing in it, which a target may be.
fn mark(dir: &Dir, role: Role) -> Result<Option<Vec<u8>>, Fault> {
    if let Some(content) = files::bytes(dir, MARK, LAYOUT_MARK)? {
        return Ok(Some(content));
    }
    if role == Role::Source {
        return Err(Fault::layout(format!("there is no `{MARK}` in it")));
    }
    if is_vacant(dir)? {
        return Ok(None);
    }
    // Another first writer may have been at work between the two looks. It makes the mark before anything else.
    match files::bytes(dir, MARK, LAYOUT_MARK)? {
        Some(content) => Ok(Some(content)),
        None => Err(Fault::layout(format!("it holds other files and no `{MARK}`: not an image layout"))),
    }
}

/// Whether `dir` is empty but for what a writer that was stopped early leaves behind.
fn is_vacant(dir: &Dir) -> Result<bool, Fault> {
    let names = dir.names().map_err(|error| Fault::io(".", &error))?;
    Ok(names.iter().all(|name| name.to_str().is_some_and(|name| name.starts_with(files::OURS))))
}

/// The index of a layout. A target may lack it: its writer was stopped, or comes now.
pub(super) fn read_index(dir: &Dir, role: Role) -> Result<Index, Fault> {
    match files::bytes(dir, index::NAME, LAYOUT_INDEX)? {
        Some(bytes) => Index::parse(&bytes),
        None if role == Role::Target => Index::parse(&Index::empty()),
        None => Err(Fault::layout(format!("there is no `{}` in it", index::NAME))),
    }
}

/// Makes `tag` name `manifest`, if `check` has no objection. Nobody else writes the index meanwhile, so no other tag is lost.
pub(super) fn put_tag(
    dir: &Arc<Dir>,
    tag: &Tag,
    manifest: &Descriptor,
    check: impl FnOnce() -> Result<(), Fault>,
) -> Result<(), Fault> {
    let _lock = Lock::acquire(dir)?;
    files::sweep(dir);
    check()?;
    match read_index(dir, Role::Target)?.with(tag, manifest)? {
        Some(bytes) => Draft::write(dir, dir, index::NAME, &bytes),
        None => Ok(()),
    }
}

/// The directory of the blobs whose digests `algorithm` made, where there is one.
pub(super) fn blobs(dir: &Dir, algorithm: Algorithm) -> Result<Option<Dir>, Fault> {
    match files::directory(dir, BLOBS.as_ref())? {
        Some(blobs) => files::directory(&blobs, algorithm.as_str().as_ref()),
        None => Ok(None),
    }
}

/// The same directory, made where there is none.
pub(super) fn make_blobs(dir: &Dir, algorithm: Algorithm) -> Result<Dir, Fault> {
    files::make_directory(&files::make_directory(dir, BLOBS)?, algorithm.as_str())
}

/// The file of a blob and its size, where there is one. Its content is not looked at.
pub(super) fn blob(dir: &Dir, digest: &Digest) -> Result<Option<(File, u64)>, Fault> {
    match blobs(dir, digest.algorithm())? {
        Some(blobs) => files::regular(&blobs, digest.hex()),
        None => Ok(None),
    }
}
