//! Whether a path may be used as a layout, found out before anything else is done.
//!
//! Reads, never writes. Refuses links below the allowed directory: a committed link must not lead anywhere else.

use std::io;
use std::path::{Component, Path};

use super::directory;
use super::files::{self, Dir, Fault};
use crate::image::{Algorithm, LayoutPath, Role};

/// Refuses `path` unless it leads to a sound layout through real directories below `root`; a target may also be absent or
/// empty.
pub(super) fn inspect(path: &LayoutPath, root: &Path, role: Role) -> Result<(), Fault> {
    let Some(dir) = descend(path, root)? else {
        return match role {
            Role::Source => Err(Fault::layout("there is no such directory")),
            Role::Target => Ok(()),
        };
    };
    if directory::check(&dir, role)? {
        directory::read_index(&dir, role)?;
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            directory::blobs(&dir, algorithm)?;
        }
    }
    Ok(())
}

/// Goes from `root`, which may be reached through links, down to the layout, through none.
fn descend(path: &LayoutPath, root: &Path) -> Result<Option<Dir>, Fault> {
    let outside = || Fault::layout("it leads out of the directory that layouts must lie in");
    // Both by the same rules of spelling, so that one is a prefix of the other.
    let root = LayoutPath::new(root, ".").map_err(|_| outside())?;
    let below = path.directory().strip_prefix(root.directory()).map_err(|_| outside())?;
    let start = if root.directory().as_os_str().is_empty() { Path::new(".") } else { root.directory() };
    let mut dir = match Dir::trusted(start) {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Fault::io(path.written(), &error)),
    };
    for component in below.components() {
        let Component::Normal(name) = component else { return Err(outside()) };
        match files::directory(&dir, name)? {
            Some(next) => dir = next,
            None => return Ok(None),
        }
    }
    Ok(Some(dir))
}
