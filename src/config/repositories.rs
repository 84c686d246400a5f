//! Repository globs: a mirror that stands for as many as its registry has repositories that match.
//!
//! Owns the pattern, the targets' placeholders, and the mirrors that come of a catalog. Refuses to ask a registry: the names
//! are handed in.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::{Desired, Mirror, TagGlob, WrittenPath};
use crate::image::{Location, Registry, Repository, Role, Written};

/// What stands in a target for the last component of the repository's name.
pub(super) const NAME: &str = "{name}";
/// What stands in a target for the whole name, without the registry.
pub(super) const REPOSITORY: &str = "{repository}";

/// Repositories of one registry: `quay.io/prometheus/*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryGlob {
    registry: Registry,
    glob: TagGlob,
}

impl RepositoryGlob {
    pub(super) fn new(registry: Registry, glob: TagGlob) -> Self {
        Self { registry, glob }
    }

    /// The registry whose catalog is needed.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Whether `repository` is one of them.
    pub fn matches(&self, repository: &Repository) -> bool {
        self.registry == *repository.registry() && self.glob.matches(repository.name())
    }
}

impl fmt::Display for RepositoryGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.glob.as_str())
    }
}

/// A target with placeholders: `ghcr.io/acme/{name}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetTemplate {
    text: Arc<str>,
    /// The directory of the file, to which paths of layouts are relative.
    directory: Arc<Path>,
    /// Of a layout: the path that an example gives.
    path: Option<WrittenPath>,
}

impl TargetTemplate {
    pub(super) fn new(text: &str, directory: &Path, path: Option<WrittenPath>) -> Self {
        Self { text: text.into(), directory: directory.into(), path }
    }

    /// What stands before the first placeholder.
    pub fn prefix(&self) -> &str {
        self.text.split('{').next().unwrap_or_default()
    }

    /// The target of `repository`; `None` where that is no location: a name that has become too long.
    pub fn fill(&self, repository: &Repository) -> Option<Location> {
        let written = Written::parse(&filled(&self.text, repository.name()), Role::Target, &self.directory).ok()?;
        Some(written.location).filter(|_| written.tag.is_none())
    }

    fn path_of(&self, target: &Location) -> Option<WrittenPath> {
        match target {
            Location::Layout(layout) => {
                let path = layout.directory().to_path_buf();
                self.path.as_ref().map(|example| WrittenPath { path, ..example.clone() })
            }
            Location::Repository(_) => None,
        }
    }
}

impl fmt::Display for TargetTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `template` for the repository called `name`.
pub(super) fn filled(template: &str, name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    template.replace(REPOSITORY, name).replace(NAME, last)
}

/// One entry of `mirrors` whose source is a glob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorGlob {
    /// Which repositories.
    pub source: RepositoryGlob,
    /// Where each goes, in the order written; never empty.
    pub targets: Vec<TargetTemplate>,
    /// What is the same for all of them. Its own source and targets are those of an example.
    pub like: Mirror,
    /// How many of [`Desired::mirrors`] stand before it, or before what came of it.
    pub at: usize,
    /// Repositories that match and whose targets would have no possible name; known once it is resolved.
    pub unfit: Vec<Repository>,
}

impl MirrorGlob {
    /// The mirrors of those of `repositories` that match, in the order of their names.
    fn mirrors(&mut self, repositories: &[Repository]) -> Vec<Mirror> {
        let mut matching: Vec<&Repository> =
            repositories.iter().filter(|repository| self.source.matches(repository)).collect();
        matching.sort();
        matching.dedup();
        let mut mirrors = Vec::with_capacity(matching.len());
        for repository in matching {
            let targets: Option<Vec<Location>> = self.targets.iter().map(|target| target.fill(repository)).collect();
            match targets {
                Some(targets) => {
                    let source = Location::Repository(repository.clone());
                    mirrors.push(Mirror { source, targets, ..self.like.clone() });
                }
                None => self.unfit.push(repository.clone()),
            }
        }
        mirrors
    }
}

impl Desired {
    /// The same with a mirror for each repository that a glob stands for, where the glob stands. `catalog` gives the
    /// repositories of a registry; without them its globs stand for nothing. The globs stay, to be spoken of.
    #[must_use]
    pub fn resolved<'a>(&self, catalog: impl Fn(&Registry) -> Option<&'a [Repository]>) -> Self {
        let (mut mirrors, mut paths, mut globs) = (Vec::new(), self.paths.clone(), self.globs.clone());
        let mut written = self.mirrors.iter().enumerate().peekable();
        for glob in &mut globs {
            while let Some((_, mirror)) = written.next_if(|(number, _)| *number < glob.at) {
                mirrors.push(mirror.clone());
            }
            glob.at = mirrors.len();
            let own = glob.mirrors(catalog(glob.source.registry()).unwrap_or_default());
            for mirror in &own {
                let targets = glob.targets.iter().zip(&mirror.targets);
                paths.extend(targets.filter_map(|(template, target)| template.path_of(target)));
            }
            mirrors.extend(own);
        }
        mirrors.extend(written.map(|(_, mirror)| mirror.clone()));
        let (files, registries) = (self.files.clone(), self.registries.clone());
        Self { files, registries, mirrors, paths, globs, circles: Vec::new() }
    }

    /// Every entry of `mirrors`: those that globs stand for by an example.
    pub fn entries(&self) -> impl Iterator<Item = &Mirror> {
        self.mirrors.iter().chain(self.globs.iter().map(|glob| &glob.like))
    }
}
