//! Paths that a configuration names: lexically below the directory of their file, or below one that the command line
//! allows. A pull request may edit the file, so this is a boundary; links on the disk are for those to check who open it.

use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use super::Place;
use crate::image::normalize;

/// What a path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathKind {
    /// An OCI image layout that is read.
    SourceLayout,
    /// An OCI image layout that is written.
    TargetLayout,
    /// `tls.ca`.
    TlsCa,
    /// `tls.cert`.
    TlsCert,
    /// `tls.key`.
    TlsKey,
}

/// A path in a configuration and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenPath {
    /// What it is for.
    pub kind: PathKind,
    /// The path, joined to the directory of its file, without `.` and `..`.
    pub path: PathBuf,
    /// The directory that it must not leave, links included: the one of the file, or the one that the command line allows.
    pub root: PathBuf,
    /// Where it is written.
    pub place: Place,
    /// The bytes of the file.
    pub span: Range<usize>,
}

/// Why a path cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outside {
    /// It is absolute, and below none of the allowed directories.
    Absolute,
    /// It leads out of its file's directory, and below none of the allowed ones.
    Escapes,
}

/// The directory that `written` lies below: `directory`, where the file is, or one of `allowed`.
pub(super) fn root_of<'p>(written: &Path, directory: &'p Path, allowed: &'p [PathBuf]) -> Result<&'p Path, Outside> {
    let path = normalize(&directory.join(written));
    let relative = !written.is_absolute() && !written.has_root();
    if relative && is_below(&path, directory) {
        return Ok(directory);
    }
    let root = allowed.iter().find(|root| is_below(&path, root));
    root.map(PathBuf::as_path).ok_or(if relative { Outside::Escapes } else { Outside::Absolute })
}

/// `written` below `directory`, without `.` and `..`.
pub(super) fn join(directory: &Path, written: &str) -> PathBuf {
    normalize(&directory.join(written))
}

/// By spelling. A root such as `.` or the empty path has no components of its own: what is left must still go down.
fn is_below(path: &Path, root: &Path) -> bool {
    let rest = path.strip_prefix(normalize(root));
    rest.is_ok_and(|rest| rest.components().all(|part| matches!(part, Component::Normal(_))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_their_file_or_an_allowed_directory() {
        let allowed = [PathBuf::from("/srv/mirror")];
        let check = |written: &str, directory: &str| {
            let directory = PathBuf::from(directory);
            root_of(Path::new(written), &directory, &allowed).map(Path::to_path_buf)
        };
        for (written, directory) in [("a", "/etc/x"), ("a/../b", "/etc/x"), (".", "/etc/x"), ("a", ""), ("./a", ".")] {
            assert_eq!(check(written, directory), Ok(directory.into()), "{written} in {directory:?}");
        }
        for directory in ["/etc/x", "", ".", "..", "a"] {
            assert_eq!(check("../../../a", directory), Err(Outside::Escapes), "{directory:?}");
            assert_eq!(check("/etc/shadow", directory), Err(Outside::Absolute), "{directory:?}");
            assert_eq!(check("/srv/mirror/x", directory), Ok("/srv/mirror".into()));
            assert_eq!(check("/srv/mirror/../x", directory), Err(Outside::Absolute));
            assert_eq!(check("/srv/mirrors", directory), Err(Outside::Absolute));
        }
    }

    #[test]
    fn joined_paths_are_plain() {
        assert_eq!(join(Path::new("/etc/x"), "./a/../b.pem"), Path::new("/etc/x/b.pem"));
    }
}
