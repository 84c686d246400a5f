//! What a registry wants to see: usually one thing, at some registries another one in each repository.
//!
//! Owns the memory of challenges. Refuses to judge where they lead: realms have been checked before they come here.

use std::collections::HashMap;
use std::sync::Mutex;

use super::token::Realm;
use crate::image::Repository;
use crate::store::mutex::lock;

/// What is known to be wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Nothing was asked yet.
    Unknown,
    /// A request was answered without a challenge.
    Nothing,
    /// A user name and password.
    Basic,
    /// A token; `opaque` are scopes of the registry's own making.
    Bearer { realm: Realm, opaque: Option<String> },
}

/// The challenges of one registry.
pub(super) struct Schemes {
    usual: Mutex<Scheme>,
    /// Of repositories that differ: some registries have a realm for each (Artifactory).
    own: Mutex<HashMap<Repository, Scheme>>,
}

impl Default for Schemes {
    fn default() -> Self {
        Self { usual: Mutex::new(Scheme::Unknown), own: Mutex::default() }
    }
}

impl Schemes {
    /// What is wanted in `repository`.
    pub(super) fn of(&self, repository: &Repository) -> Scheme {
        let own = lock(&self.own).get(repository).cloned();
        own.unwrap_or_else(|| self.usual())
    }

    /// What is wanted where nothing else was learnt.
    pub(super) fn usual(&self) -> Scheme {
        lock(&self.usual).clone()
    }

    /// Notes a challenge: the first is taken for the usual one.
    pub(super) fn learn(&self, repository: &Repository, scheme: Scheme) {
        let mut usual = lock(&self.usual);
        if matches!(*usual, Scheme::Unknown | Scheme::Nothing) {
            *usual = scheme;
            return;
        }
        if *usual == scheme {
            lock(&self.own).remove(repository);
        } else {
            lock(&self.own).insert(repository.clone(), scheme);
        }
    }

    /// Notes an answer without a challenge.
    pub(super) fn unchallenged(&self) {
        let mut usual = lock(&self.usual);
        if *usual == Scheme::Unknown {
            *usual = Scheme::Nothing;
        }
    }
}
