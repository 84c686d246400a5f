//! Safe access to the files of a layout: nothing is reached through a link, nothing is changed in place.
//!
//! New content is a *draft* beside its place, made durable and then renamed, so that a reader sees the old or the new
//! and a crash leaves at most a draft. Refuses to know what the files mean.

#[cfg(any(not(unix), test))]
mod portable;
#[cfg(unix)]
mod unix;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

#[cfg(not(unix))]
pub(super) use portable::Dir;
#[cfg(unix)]
pub(super) use unix::Dir;

use crate::image::{Code, ManifestError};
use crate::store::Error;

/// How the names of files start that are ours alone: no part of any layout, and ignored by its readers.
pub(super) const OURS: &str = ".regsync";
const DRAFT_SUFFIX: &str = ".tmp";
/// Drafts that nothing was written to for this long belong to a process that is gone.
const DRAFT_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// What a name in a directory stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, or what the system has in its place.
    Link,
    /// A device, pipe or socket.
    Other,
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Directory => "a directory",
            Self::Link => "a link, and links are not followed",
            Self::Other => "a device, pipe or socket",
        }
    }
}

/// What went wrong, before it is known what was being done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: Code,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Something in the directory is not as a layout has it.
    pub(super) fn layout(message: impl Into<String>) -> Self {
        Self::new(Code::Layout, message)
    }

    /// The system refused something about `name`.
    pub(super) fn io(name: &str, error: &io::Error) -> Self {
        Self::new(Code::Io, format!("`{name}`: {error}"))
    }

    /// The error of an operation; `request` says what was being done.
    pub(super) fn during(self, request: impl Into<String>) -> Error {
        Error::new(self.code, request, self.message)
    }
}

impl From<ManifestError> for Fault {
    fn from(error: ManifestError) -> Self {
        let code = match &error {
            ManifestError::Digest { .. } => Code::Digest,
            ManifestError::Schema1 => Code::Unsupported,
            _ => Code::Manifest,
        };
        Self::new(code, error.to_string())
    }
}

/// The directory `name` of `dir`; `None` where there is nothing of that name.
pub(super) fn directory(dir: &Dir, name: &OsStr) -> Result<Option<Dir>, Fault> {
    let shown = name.to_string_lossy();
    match dir.kind(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Fault::io(&shown, &error)),
        Ok(Kind::Directory) => dir.dir(name).map(Some).map_err(|error| Fault::io(&shown, &error)),
        Ok(other) => Err(Fault::layout(format!("`{shown}` is {}", other.words()))),
    }
}

/// The regular file `name` of `dir`, open for reading, and its size; `None` where there is nothing of that name.
pub(super) fn regular(dir: &Dir, name: &str) -> Result<Option<(File, u64)>, Fault> {
    let refuse = |kind: Kind| Err(Fault::layout(format!("`{name}` is {}", kind.words())));
    match dir.kind(name.as_ref()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Fault::io(name, &error)),
        Ok(Kind::File) => {}
        Ok(other) => return refuse(other),
    }
    let opened = dir.read(name).and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, file) = opened.map_err(|error| Fault::io(name, &error))?;
    // Looked at again once it is open: it may have been replaced since.
    if metadata.is_file() { Ok(Some((file, metadata.len()))) } else { refuse(Kind::Other) }
}

/// The bytes of `name`, or a refusal where they are more than `limit`; `None` where there is nothing of that name.
pub(super) fn bytes(dir: &Dir, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Fault> {
    regular(dir, name)?.map(|(file, _)| drain(file, name, limit)).transpose()
}

/// What is left in `file`, or a refusal where it is more than `limit` bytes, however large it said it was.
pub(super) fn drain(file: File, name: &str, limit: u64) -> Result<Vec<u8>, Fault> {
    let mut content = Vec::new();
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut content);
    read.map_err(|error| Fault::io(name, &error))?;
    if content.len() as u64 > limit {
        return Err(Fault::new(Code::Limit, format!("`{name}` is larger than {limit} bytes")));
    }
    Ok(content)
}

/// The directory `name` of `dir`, made durably where it does not exist.
pub(super) fn make_directory(dir: &Dir, name: &str) -> Result<Dir, Fault> {
    if let Some(found) = directory(dir, name.as_ref())? {
        return Ok(found);
    }
    dir.make_dir(name).and_then(|()| dir.sync()).map_err(|error| Fault::io(name, &error))?;
    directory(dir, name.as_ref())?.ok_or_else(|| Fault::layout(format!("`{name}` was removed meanwhile")))
}

/// Makes the directory `path` and those above it, durably. Links above it are followed: they were judged before.
pub(super) fn make_path(path: &Path) -> io::Result<()> {
    let above = path.parent().map(|above| if above.as_os_str().is_empty() { Path::new(".") } else { above });
    let made = match (std::fs::create_dir(path), above) {
        (Err(error), Some(above)) if error.kind() == io::ErrorKind::NotFound => {
            make_path(above)?;
            std::fs::create_dir(path)
        }
        (made, _) => made,
    };
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => above.map_or(Ok(()), |above| Dir::trusted(above)?.sync()),
    }
}

/// A file that is not in its place yet; removed unless it gets there.
///
/// It lies at the top of the layout, not in `blobs`, where each name has a meaning (`image-layout.md`, "Blobs").
pub(super) struct Draft {
    dir: Arc<Dir>,
    name: String,
    placed: bool,
}

impl Draft {
    /// A new, empty draft, and the file to write it with.
    pub(super) fn create(dir: &Arc<Dir>) -> Result<(Self, File), Fault> {
        loop {
            let name = format!("{OURS}-{:016x}{DRAFT_SUFFIX}", fastrand::u64(..));
            match dir.create(&name) {
                Ok(file) => return Ok((Self { dir: Arc::clone(dir), name, placed: false }, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Fault::io(&name, &error)),
            }
        }
    }

    /// Puts `bytes` at `name` in the directory `to`.
    pub(super) fn write(dir: &Arc<Dir>, to: &Dir, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        let (draft, mut file) = Self::create(dir)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        written.map_err(|error| Fault::io(name, &error))?;
        draft.place(to, name)
    }

    /// Puts the draft at `name` in the directory `to`, durably. What was written must be durable already: otherwise the
    /// name could outlive the content in a crash.
    pub(super) fn place(mut self, to: &Dir, name: &str) -> Result<(), Fault> {
        self.dir.rename(&self.name, to, name).map_err(|error| Fault::io(name, &error))?;
        self.placed = true;
        to.sync().map_err(|error| Fault::io(name, &error))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.placed {
            // What cannot be removed now is swept up later.
            let _ = self.dir.remove(&self.name);
        }
    }
}

/// Removes the drafts of processes that were killed. Never fails: they are in nobody's way.
pub(super) fn sweep(dir: &Dir) {
    let names = dir.names().unwrap_or_default();
    for name in names.iter().filter_map(|name| name.to_str()) {
        let is_draft = name.starts_with(OURS) && name.ends_with(DRAFT_SUFFIX);
        if is_draft && age(dir, name).is_some_and(|age| age > DRAFT_AGE) {
            let _ = dir.remove(name);
        }
    }
}

fn age(dir: &Dir, name: &str) -> Option<Duration> {
    let (file, _) = regular(dir, name).ok()??;
    file.metadata().ok()?.modified().ok()?.elapsed().ok()
}

#[cfg(test)]
mod tests;
