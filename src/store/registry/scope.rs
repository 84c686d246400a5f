//! Scopes: what a token is to allow. Pure.
//!
//! Owns the scope grammar of distribution's token specification. Refuses to ask for more than a request needs, whatever a
//! challenge says: it is the registry's word, and what is asked for is granted by a credential of ours.

use crate::image::Repository;

/// What is asked for besides, because a challenge says so.
const EXTRA: Bounds = Bounds { words: 4, bytes: 1024 };
/// What is asked for in place of ours.
const OPAQUE: Bounds = Bounds { words: 4, bytes: 256 };

/// How much of a challenge goes into a request for a token.
#[derive(Clone, Copy)]
struct Bounds {
    words: usize,
    bytes: usize,
}

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

impl Access {
    /// What it does in its repository, as scopes say it.
    fn actions(self) -> &'static [&'static str] {
        match self {
            Self::Entry | Self::Catalog => &[],
            Self::Pull => &["pull"],
            Self::Push => &["pull", "push"],
        }
    }
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

    /// What a challenge names beyond what would be asked for anyway, as far as this request may have it: its own
    /// repositories in another spelling, cut to what it does there, and names of the registry's own making.
    pub(super) fn uncovered(&self, challenge: &str) -> Vec<String> {
        let (own, mut more, mut room) = (self.texts(), Vec::<String>::new(), EXTRA.bytes);
        for word in challenge.split_whitespace().filter_map(|word| self.within(word)) {
            if own.iter().chain(&more).any(|text| covers(text, &word)) {
                continue;
            }
            if more.len() == EXTRA.words || word.len() > room {
                break;
            }
            room -= word.len();
            more.push(word);
        }
        more
    }

    /// A word of a challenge, cut to what this request does; `None` where nothing is left of it.
    fn within(&self, word: &str) -> Option<String> {
        if is_own_name(word) {
            return Some(word.to_owned());
        }
        let (resource, actions) = split(word)?;
        let allowed = if is_about(resource, &self.repository) {
            self.access.actions()
        } else if self.from.as_ref().is_some_and(|from| is_about(resource, from)) {
            Access::Pull.actions()
        } else {
            return None;
        };
        let is_named = |action: &&str| actions.split(',').any(|named| named == *action);
        let kept: Vec<&str> = allowed.iter().copied().filter(is_named).collect();
        (!kept.is_empty()).then(|| format!("{resource}:{}", kept.join(",")))
    }
}

/// Whether a challenge's scopes are names of the registry's own making (`aws` at ECR Public): then they are asked for
/// verbatim, in place of ours.
pub(super) fn is_opaque(challenge: &str) -> bool {
    let words: Vec<&str> = challenge.split_whitespace().take(OPAQUE.words + 1).collect();
    let is_bounded = words.len() <= OPAQUE.words && challenge.len() <= OPAQUE.bytes;
    is_bounded && !words.is_empty() && words.into_iter().all(is_own_name)
}

/// Whether `word` cannot be read as a scope of a repository or as something to be done: it is a plain name.
fn is_own_name(word: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !matches!(word, "pull" | "push" | "delete") && word.bytes().all(is_plain)
}

/// Whether `resource` is `repository`, by its name or by its name after the registry's host.
fn is_about(resource: &str, repository: &Repository) -> bool {
    let name = ["repository:", "repository(plugin):"].iter().find_map(|class| resource.strip_prefix(class));
    let Some(name) = name else { return false };
    let registry = repository.registry();
    let rest = |host: &str| name.strip_prefix(host).and_then(|rest| rest.strip_prefix('/'));
    let mut hosts = [registry.as_str(), registry.api_host(), registry.host()].into_iter();
    name == repository.name() || hosts.any(|host| rest(host) == Some(repository.name()))
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
        let more = "repository:r.io/a:push,pull,delete repository(plugin):a:pull other other";
        assert_eq!(scope.uncovered(more), ["repository:r.io/a:pull,push", "repository(plugin):a:pull", "other"]);
    }

    #[test]
    fn no_challenge_widens_what_a_request_may_do() {
        let named = "repository:r.io/a:pull,push,delete,* repository:r.io/base:pull,push repository:r.io/b:pull,push \
            repository:b:pull registry:catalog:* repository:a:* repository:base:push repository:b repository:* * push \
            pull,push repository(x):a:pull repository:x/a:pull repository:r.io.evil/a:pull REPOSITORY:a:push a:push";
        let (own, base) = (repository("a"), repository("base"));
        let of = |access| Scope::new(&own, access);
        for (scope, kept) in [
            (of(Access::Entry), &[][..]),
            (of(Access::Catalog), &[]),
            (of(Access::Pull), &["repository:r.io/a:pull"]),
            (of(Access::Push), &["repository:r.io/a:pull,push"]),
            (
                Scope { from: Some(base), ..of(Access::Push) },
                &["repository:r.io/a:pull,push", "repository:r.io/base:pull"],
            ),
        ] {
            assert_eq!(scope.uncovered(named), kept, "{scope:?}");
        }
    }

    #[test]
    fn what_is_taken_from_a_challenge_is_bounded() {
        let scope = Scope::new(&repository("a"), Access::Pull);
        let many: Vec<String> = (0..100).map(|number| format!("s{number}")).collect();
        assert_eq!(scope.uncovered(&many.join(" ")), ["s0", "s1", "s2", "s3"]);
        assert!(is_opaque(&many[..4].join(" ")) && !is_opaque(&many[..5].join(" ")));
        let long = "s".repeat(600);
        assert_eq!(scope.uncovered(&format!("{long} {long}x")), [long.as_str()]);
        assert!(is_opaque(&long[..256]) && !is_opaque(&long[..257]));
    }

    #[test]
    fn opaque_scopes_are_known_by_their_form() {
        assert!(is_opaque("aws") && is_opaque("s1 s2"));
        for text in ["", "repository:a:pull", "x registry:catalog:*", "repository:a", "b:push", "*", "push", "a/b", "é"]
        {
            assert!(!is_opaque(text), "{text}");
        }
    }
}
