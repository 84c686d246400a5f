//! How to reach registries: what one registry needs, and what all of them share.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use super::budget::Budget;
use super::guard::Names;
use super::proxy::Proxies;
use super::tls::Roots;
use crate::auth::{Keychain, Secret};
use crate::event::Reporter;
use crate::image::{Creation, Registry};
use crate::store::limits;

/// How to talk to one registry.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Speak plain http, although the host is not this machine.
    pub plain_http: bool,
    /// How many requests may be under way at once; uploads of blobs are counted apart from all others. Where `None`, that
    /// follows from how long answers take.
    pub concurrency: Option<NonZeroUsize>,
    /// How many requests may begin in a second.
    pub requests_per_second: Option<NonZeroU32>,
    /// How many pulls of the registry's quota are left to others: no manifest is read where fewer would remain.
    pub keep_pulls: Option<u64>,
    /// Certificates in PEM to trust besides the system's.
    pub ca: Option<Vec<u8>>,
    /// What to show to a registry that asks for a client certificate. Shown to the registry alone, not to other origins.
    pub client: Option<ClientIdentity>,
    /// What repositories are like that are made before the first write where they are missing; none is where `None`.
    pub creation: Option<Creation>,
}

/// A client certificate with its key.
#[derive(Clone)]
pub struct ClientIdentity {
    /// The certificate and what leads to its root, in PEM.
    pub chain: Vec<u8>,
    /// The private key, in PEM.
    pub key: Secret,
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientIdentity(***)")
    }
}

/// What all registries of a run share.
#[derive(Clone)]
pub struct Network {
    /// The `User-Agent` of each request.
    pub user_agent: String,
    /// The proxies of the environment.
    pub proxies: Proxies,
    /// Hosts that credentials may be sent to without encryption (`REGSYNC_INSECURE_HOSTS`).
    pub insecure_hosts: BTreeSet<Registry>,
    /// Which token realms a registry's credentials may be shown to, besides its own (`REGSYNC_TRUSTED_REALMS`).
    pub trusted_realms: BTreeMap<Registry, BTreeSet<Registry>>,
    /// How long to wait for what.
    pub limits: Limits,
    /// The certificates that the system trusts.
    pub roots: Roots,
    /// How names are looked up.
    pub names: Names,
    /// Whose requests they are.
    pub keychain: Arc<Keychain>,
    /// Who hears of repetitions and warnings.
    pub reporter: Arc<dyn Reporter>,
    /// How often anything may be tried again in the whole run.
    pub budget: Arc<Budget>,
    /// How many files and connections the system lets the program have open, where that is known.
    pub open_files: Option<u64>,
}

impl Network {
    /// The system's certificates, no proxies, the usual limits.
    pub fn new(user_agent: impl Into<String>, keychain: Arc<Keychain>, reporter: Arc<dyn Reporter>) -> Self {
        Self {
            user_agent: user_agent.into(),
            proxies: Proxies::default(),
            insecure_hosts: BTreeSet::new(),
            trusted_realms: BTreeMap::new(),
            limits: Limits::default(),
            roots: Roots::system(),
            names: Names::system(),
            keychain,
            reporter,
            budget: Arc::default(),
            open_files: None,
        }
    }
}

/// How long to wait for what. There is no limit on how long the transfer of a blob takes in all, as long as at least
/// 1 KiB/s flows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// From a request to the headers of its answer.
    pub headers: Duration,
    /// For the next bytes of a body, in either direction; also the time over which the least pace of a blob is measured.
    pub idle: Duration,
    /// For the whole body of a manifest or of a page of tags.
    pub document: Duration,
    /// For the words of a refusal.
    pub refusal: Duration,
    /// From the last byte of an upload to the answer: registries hash and move the blob in between.
    pub commit: Duration,
    /// For a token request in all.
    pub token: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: limits::CONNECT_TIME,
            headers: limits::HEADERS_TIME,
            idle: limits::IDLE_TIME,
            document: limits::DOCUMENT_TIME,
            refusal: limits::REFUSAL_TIME,
            commit: limits::COMMIT_TIME,
            token: limits::TOKEN_TIME,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_not_shown() {
        let client = ClientIdentity { chain: b"chain".to_vec(), key: Secret::new("secret-key") };
        let settings = Settings { client: Some(client), ..Settings::default() };
        let shown = format!("{settings:?}");
        assert!(!shown.contains("secret-key") && shown.contains("concurrency: None"), "{shown}");
    }
}
