//! A directory held open: what lies in it is reached through its descriptor, so that nothing that happens to the path
//! meanwhile leads elsewhere. Links are never followed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};

use super::Kind;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// `NONBLOCK`: opening a pipe that lies where a file belongs must not wait for its other end.
const FILE: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
/// What new files and directories may be used for, less the process's umask.
const NEW_FILE: Mode = Mode::from_bits_retain(0o666);
const NEW_DIRECTORY: Mode = Mode::from_bits_retain(0o777);

/// An open directory.
pub(in super::super) struct Dir(File);

impl Dir {
    /// Opens a directory whose path may lead through links.
    pub(in super::super) fn trusted(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty())?.into()))
    }

    /// Opens a directory that is not itself a link.
    pub(in super::super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::openat(CWD, path, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?.into()))
    }

    /// Opens the directory `name`.
    pub(in super::super) fn dir(&self, name: &OsStr) -> io::Result<Self> {
        Ok(Self(rustix::fs::openat(&self.0, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?.into()))
    }

    /// Makes the directory `name`, unless something of that name exists.
    pub(in super::super) fn make_dir(&self, name: &str) -> io::Result<()> {
        match rustix::fs::mkdirat(&self.0, name, NEW_DIRECTORY) {
            Err(rustix::io::Errno::EXIST) => Ok(()),
            made => Ok(made?),
        }
    }

    /// Opens `name` for reading.
    pub(in super::super) fn read(&self, name: &str) -> io::Result<File> {
        self.file(name, OFlags::RDONLY)
    }

    /// Makes the file `name`, which must not exist, and opens it for writing.
    pub(in super::super) fn create(&self, name: &str) -> io::Result<File> {
        self.file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
    }

    /// Opens the file `name` for reading and writing; makes it where it does not exist.
    pub(in super::super) fn read_or_create(&self, name: &str) -> io::Result<File> {
        self.file(name, OFlags::RDWR | OFlags::CREATE)
    }

    fn file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        Ok(rustix::fs::openat(&self.0, name, flags | FILE, NEW_FILE)?.into())
    }

    /// Moves the file `from` to `name` in the directory `to`, replacing what has that name.
    pub(in super::super) fn rename(&self, from: &str, to: &Self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.0, from, &to.0, name)?)
    }

    /// Removes the file `name`.
    pub(in super::super) fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// What `name` is, links not followed.
    pub(in super::super) fn kind(&self, name: &OsStr) -> io::Result<Kind> {
        let stat = rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Link,
            _ => Kind::Other,
        })
    }

    /// The names in it.
    pub(in super::super) fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Makes the names in it durable.
    pub(in super::super) fn sync(&self) -> io::Result<()> {
        match self.0.sync_all() {
            // Some network file systems do not know it for directories.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            done => done,
        }
    }
}
