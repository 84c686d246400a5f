//! What a credential is for: a registry, or a namespace of one. Owns the reading of keys as docker and others write them.
//!
//! Refuses to match by prefix or suffix of text: hosts are compared as [`Registry`], namespaces by whole components.

use std::fmt;
use std::sync::Arc;

use crate::image::{Registry, Repository};

/// The key of Docker Hub in docker's files and at credential helpers (docker/cli, `registry.IndexServer`).
pub(super) const HUB_KEY: &str = "https://index.docker.io/v1/";

/// A registry, or the repositories of one below a namespace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scope {
    registry: Registry,
    namespace: Option<Arc<str>>,
}

impl Scope {
    /// A whole registry (`None`), or a namespace of it.
    pub(super) fn new(registry: Registry, namespace: Option<Arc<str>>) -> Self {
        Self { registry, namespace }
    }

    /// Reads `host`, `host/namespace`, or one of docker's URLs: `https://index.docker.io/v1/`, `https://host/v2/`.
    ///
    /// `None` for what is no key of ours: other texts, and the tokens that docker keeps for Hub's website beside the
    /// credential (`…/v1/access-token`, `…/v1/refresh-token`).
    pub(super) fn parse(key: &str) -> Option<Self> {
        let without_scheme = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
        let (host, path) = without_scheme.unwrap_or(key).split_once('/').unwrap_or((without_scheme.unwrap_or(key), ""));
        let registry: Registry = host.parse().ok()?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let has_api_path = without_scheme.is_some() || registry.is_docker_hub();
        match path {
            "" => Some(Self::new(registry, None)),
            "v1" | "v2" if has_api_path => Some(Self::new(registry, None)),
            _ if registry.is_docker_hub() && path.starts_with("v1/") => None,
            _ => {
                let namespace = Repository::new(registry.clone(), path).ok()?;
                Some(Self::new(registry, Some(namespace.name().into())))
            }
        }
    }

    /// The scopes that `repository` is in: its own name first, the whole registry last.
    pub(super) fn of(repository: &Repository) -> impl Iterator<Item = Self> {
        let registry = repository.registry().clone();
        let mut namespace = Some(repository.name());
        let narrow = std::iter::from_fn(move || {
            let current = namespace?;
            namespace = current.rsplit_once('/').map(|(parent, _)| parent);
            Some(current)
        });
        narrow.map(Some).chain([None]).map(move |name| Self::new(registry.clone(), name.map(Arc::from)))
    }

    /// The registry.
    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Whether it is for the whole registry.
    pub(super) fn is_host(&self) -> bool {
        self.namespace.is_none()
    }

    /// Whether `key` is the spelling that docker itself writes for this scope.
    pub(super) fn is_spelled(&self, key: &str) -> bool {
        if self.registry.is_docker_hub() && self.is_host() { key == HUB_KEY } else { key == self.to_string() }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.registry.fmt(f)?;
        self.namespace.iter().try_for_each(|namespace| write!(f, "/{namespace}"))
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(key: &str) -> Option<String> {
        Scope::parse(key).map(|scope| scope.to_string())
    }

    #[test]
    fn spellings_of_one_registry_are_one_scope() {
        let hub =
            ["https://index.docker.io/v1/", "https://index.docker.io/v1", "index.docker.io/v1/", "index.docker.io"];
        for key in hub.into_iter().chain(["docker.io", "registry-1.docker.io", "https://registry-1.docker.io/v2/"]) {
            assert_eq!(parsed(key).as_deref(), Some("docker.io"), "{key}");
        }
        assert_eq!(parsed("https://GHCR.io/v2/").as_deref(), Some("ghcr.io"));
        assert_eq!(parsed("http://localhost:5000").as_deref(), Some("localhost:5000"));
        assert_eq!(parsed("ghcr.io/acme/tools").as_deref(), Some("ghcr.io/acme/tools"));
        assert_eq!(parsed("registry.example.com/v1").as_deref(), Some("registry.example.com/v1"));
    }

    #[test]
    fn other_keys_are_not_scopes() {
        let website = ["https://index.docker.io/v1/access-token", "https://index.docker.io/v1/refresh-token"];
        for key in
            website.into_iter().chain(["", "https://", "user:pw@ghcr.io", "ghcr.io/../x", "ghcr.io/A", "ftp://a.io"])
        {
            assert_eq!(parsed(key), None, "{key}");
        }
    }

    #[test]
    fn the_scopes_of_a_repository_go_from_narrow_to_wide() {
        let repository = Repository::new("ghcr.io".parse().unwrap(), "a/b/c").unwrap();
        let scopes: Vec<_> = Scope::of(&repository).map(|scope| scope.to_string()).collect();
        assert_eq!(scopes, ["ghcr.io/a/b/c", "ghcr.io/a/b", "ghcr.io/a", "ghcr.io"]);
    }
}
