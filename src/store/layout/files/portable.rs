//! A directory by its path, where the system offers no descriptors of directories. Links are looked for before each
//! step; one that is put there in between is not seen.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::Kind;

/// A directory that was one when it was looked at.
pub(in super::super) struct Dir(PathBuf);

impl Dir {
    /// Opens a directory whose path may lead through links.
    pub(in super::super) fn trusted(path: &Path) -> io::Result<Self> {
        Self::checked(path.to_owned(), std::fs::metadata(path)?.is_dir())
    }

    /// Opens a directory that is not itself a link.
    pub(in super::super) fn open(path: &Path) -> io::Result<Self> {
        Self::checked(path.to_owned(), kind(path)? == Kind::Directory)
    }

    /// Opens the directory `name`.
    pub(in super::super) fn dir(&self, name: &OsStr) -> io::Result<Self> {
        Self::open(&self.0.join(name))
    }

    fn checked(path: PathBuf, is_directory: bool) -> io::Result<Self> {
        if is_directory { Ok(Self(path)) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    /// Makes the directory `name`, unless something of that name exists.
    pub(in super::super) fn make_dir(&self, name: &str) -> io::Result<()> {
        match std::fs::create_dir(self.0.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    /// Opens `name` for reading.
    pub(in super::super) fn read(&self, name: &str) -> io::Result<File> {
        self.refuse_link(name)?;
        File::open(self.0.join(name))
    }

    /// Makes the file `name`, which must not exist, and opens it for writing.
    pub(in super::super) fn create(&self, name: &str) -> io::Result<File> {
        File::create_new(self.0.join(name))
    }

    /// Opens the file `name` for reading and writing; makes it where it does not exist.
    pub(in super::super) fn read_or_create(&self, name: &str) -> io::Result<File> {
        self.refuse_link(name)?;
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(self.0.join(name))
    }

    fn refuse_link(&self, name: &str) -> io::Result<()> {
        match kind(&self.0.join(name)) {
            Ok(Kind::Link) => Err(io::Error::other("is a link")),
            _ => Ok(()),
        }
    }

    /// Moves the file `from` to `name` in the directory `to`, replacing what has that name.
    pub(in super::super) fn rename(&self, from: &str, to: &Self, name: &str) -> io::Result<()> {
        std::fs::rename(self.0.join(from), to.0.join(name))
    }

    /// Removes the file `name`.
    pub(in super::super) fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.0.join(name))
    }

    /// What `name` is, links not followed.
    pub(in super::super) fn kind(&self, name: &OsStr) -> io::Result<Kind> {
        kind(&self.0.join(name))
    }

    /// The names in it.
    pub(in super::super) fn names(&self) -> io::Result<Vec<OsString>> {
        std::fs::read_dir(&self.0)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    /// Names are durable when the system says so: there is no way to ask for it.
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "the same as where it can be asked for")]
    pub(in super::super) fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn kind(path: &Path) -> io::Result<Kind> {
    let found = std::fs::symlink_metadata(path)?.file_type();
    Ok(match found {
        found if found.is_symlink() => Kind::Link,
        found if found.is_dir() => Kind::Directory,
        found if found.is_file() => Kind::File,
        _ => Kind::Other,
    })
}
