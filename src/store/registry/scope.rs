//! Scopes: what a token is to allow. Pure.
//!
//! Owns the scope grammar of distribution's token specification. Refuses to ask for more than a request needs.

use crate::image::Repository;

/// What a request does in its repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Access {
    /// Nothing: it only asks whether we are known.
    Entry,
    /// Lists the repositories of the registry.
    Catalog,
    /// Reads.
    Pull,
    /// Reads and writes.
    Push,
}

/// What a request needs to be allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    /// The repository it is about.
    pub(super) repository: Repository,
    /// What it does there.
    pub(super) access: Access,
    /// Another repository of the registry that it reads a blob of.
    pub(super) from: Option<Repository>,
    /// What the registry asked for besides, once.
    pub(super) extra: Vec<String>,
}

impl Scope {
    /// Access to one repository.
    pub(super) fn new(repository: &Repository, access: Access) -> Self {
        Self { repository: repository.clone(), access, from: None, extra: Vec::new() }
    }

    /// The scopes to ask for, the most important first: some realms read no further.
    pub(super) fn texts(&self) -> Vec<String> {
        let name = self.repository.name();
        let own = match self.access {
            Access::Entry => None,
            // distribution, `registry/handlers/app.go`: the catalog is a resource of its own.
            Access::Catalog => Some("registry:catalog:*".to_owned()),
            Access::Pull => Some(format!("repository:{name}:pull")),
            Access::Push => Some(format!("repository:{name}:pull,push")),
        };
        let from = self.from.as_ref().map(|from| format!("repository:{}:pull", from.name()));
        own.into_iter().chain(from).chain(self.extra.iter().cloned()).collect()
    }

    /// The scopes of a challenge that are not covered by what would be asked for anyway.
    pub(super) fn uncovered(&self, challenge: &str) -> Vec<String> {
        let own = self.texts();
        let words = challenge.split_whitespace().filter(|word| !own.iter().any(|text| covers(text, word)));
        words.map(str::to_owned).collect()
    }
}

/// Whether a challenge's scopes are names of the registry's own making (`aws` at ECR Public): then they are asked for
/// verbatim, in place of ours.
pub(super) fn is_opaque(challenge: &str) -> bool {
    let mut words = challenge.split_whitespace().peekable();
    words.peek().is_some() && words.all(|word| split(word).is_none())
}

/// Whether `wider` allows all that `narrower` names.
fn covers(wider: &str, narrower: &str) -> bool {
    match (split(wider), split(narrower)) {
        (Some((resource, wide)), Some((other, narrow))) => {
            resource == other && narrow.split(',').all(|action| wide.split(',').any(|allowed| allowed == action))
        }
        _ => wider == narrower,
    }
}

/// `type:name` and `actions`; a name may hold a colon, so the last one divides.
fn split(scope: &str) -> Option<(&str, &str)> {
    scope.rsplit_once(':').filter(|(resource, _)| resource.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(text: &str) -> Repository {
        Repository::new("r.io".parse().unwrap(), text).unwrap()
    }

    #[test]
    fn a_request_asks_for_what_it_needs() {
        let target = repository("team/app");
        assert_eq!(Scope::new(&target, Access::Entry).texts(), Vec::<String>::new());
        assert_eq!(Scope::new(&target, Access::Catalog).texts(), ["registry:catalog:*"]);
        assert_eq!(Scope::new(&target, Access::Pull).texts(), ["repository:team/app:pull"]);
        let mount = Scope { from: Some(repository("base")), ..Scope::new(&target, Access::Push) };
        assert_eq!(mount.texts(), ["repository:team/app:pull,push", "repository:base:pull"]);
    }

    #[test]
    fn only_what_is_new_in_a_challenge_is_added() {
        let scope = Scope::new(&repository("a"), Access::Push);
        let covered = "repository:a:pull repository:a:push,pull repository:a:pull,push";
        assert_eq!(scope.uncovered(covered), Vec::<String>::new());
        let more = "repository:a:pull,delete repository:b:pull other";
        assert_eq!(scope.uncovered(more), ["repository:a:pull,delete", "repository:b:pull", "other"]);
    }

    #[test]
    fn opaque_scopes_are_known_by_their_form() {
        assert!(is_opaque("aws") && is_opaque("s1 s2"));
        assert!(!is_opaque("") && !is_opaque("repository:a:pull") && !is_opaque("x registry:catalog:*"));
    }
}
