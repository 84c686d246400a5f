//! Where images live: a repository of a registry, or an OCI image layout directory.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::{ReferenceError, Registry};

/// Registry and repository name together are at most this long: the limit that clients share.
const NAME_LIMIT: usize = 255;

/// A repository behind the distribution API: `registry.example.com/team/app`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    registry: Registry,
    name: Arc<str>,
}

impl Repository {
    /// A repository from its parts; `name` is held to the grammar of the distribution specification.
    pub fn new(registry: Registry, name: &str) -> Result<Self, ReferenceError> {
        if name.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ReferenceError::Case(name.to_ascii_lowercase()));
        }
        if !name.split('/').all(is_path_component) {
            return Err(ReferenceError::Path(name.to_owned()));
        }
        if registry.as_str().len() + 1 + name.len() > NAME_LIMIT {
            return Err(ReferenceError::Length { what: "repository", limit: NAME_LIMIT });
        }
        Ok(Self { registry, name: name.into() })
    }

    /// The registry it belongs to.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The name below the registry: `team/app`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// distribution-spec, "Pulling manifests": `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_path_component(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = bytes.first().is_some_and(|b| alphanumeric(*b)) && bytes.last().is_some_and(|b| alphanumeric(*b));
    let separators_fit = text
        .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        .all(|run| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|b| b == b'-'));
    ends && separators_fit
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.name)
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repository({self})")
    }
}

/// An OCI image layout directory (image-spec `image-layout.md`).
///
/// Printed as it was written, compared by where it leads: the written path joined to the directory of the file
/// that it was written in, without `.` and `..`.
#[derive(Clone)]
pub struct LayoutPath {
    written: Arc<str>,
    directory: Arc<Path>,
}

impl LayoutPath {
    /// A layout `written` in a file that lies in the directory `base`. Lexical: nothing is looked up on disk.
    pub fn new(base: &Path, written: &str) -> Result<Self, ReferenceError> {
        if written.is_empty() {
            return Err(ReferenceError::Incomplete("oci:".to_owned()));
        }
        if written.chars().any(|c| c.is_control() || c == '\\') {
            return Err(ReferenceError::Path(written.to_owned()));
        }
        Ok(Self { written: written.into(), directory: normalize(&base.join(written)).into() })
    }

    /// The path as the file has it.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// The directory to open.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether the directory lies in `root` or is `root` itself, by spelling; links are the layout store's to check.
    pub fn is_below(&self, root: &Path) -> bool {
        let rest = self.directory.strip_prefix(normalize(root));
        // A root such as `.` has no components of its own, and is the beginning of every path: what is left must go down.
        rest.is_ok_and(|rest| rest.components().all(|part| matches!(part, Component::Normal(_))))
    }
}

/// `path` without `.`, and with each `..` taken back where that is possible by spelling alone.
pub(crate) fn normalize(path: &Path) -> PathBuf {
    let mut parts: Vec<Component<'_>> = Vec::new();
    for part in path.components() {
        match (part, parts.last()) {
            (Component::ParentDir, Some(Component::Normal(_))) => {
                parts.pop();
            }
            (Component::CurDir, _) | (Component::ParentDir, Some(Component::RootDir)) => {}
            (part, _) => parts.push(part),
        }
    }
    parts.iter().collect()
}

impl PartialEq for LayoutPath {
    fn eq(&self, other: &Self) -> bool {
        self.directory == other.directory
    }
}

impl Eq for LayoutPath {}

impl PartialOrd for LayoutPath {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for LayoutPath {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.directory.cmp(&other.directory)
    }
}

impl std::hash::Hash for LayoutPath {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.directory.hash(state);
    }
}

impl fmt::Display for LayoutPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci:{}", self.written)
    }
}

impl fmt::Debug for LayoutPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LayoutPath({self})")
    }
}

/// Where images live.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// A repository of a registry.
    Repository(Repository),
    /// A directory on this machine.
    Layout(LayoutPath),
}

impl Location {
    /// The registry, where there is one.
    pub fn registry(&self) -> Option<&Registry> {
        match self {
            Self::Repository(repository) => Some(repository.registry()),
            Self::Layout(_) => None,
        }
    }

    /// The part that names the image in a short listing: `library/nginx`, or the layout's path.
    pub fn name(&self) -> &str {
        match self {
            Self::Repository(repository) => repository.name(),
            Self::Layout(path) => path.written(),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository(repository) => repository.fmt(f),
            Self::Layout(path) => path.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_is_below_a_relative_root() {
        for root in ["", ".", "..", "a"] {
            for outside in ["/etc", "../../etc", "a/../../../etc"] {
                let layout = LayoutPath::new(Path::new(root), outside).unwrap();
                assert!(!layout.is_below(Path::new(root)), "{outside} in {root:?}");
            }
            assert!(LayoutPath::new(Path::new(root), "b/../c").unwrap().is_below(Path::new(root)), "{root:?}");
        }
    }
}
