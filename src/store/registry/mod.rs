//! Registries: the OCI distribution API over HTTP.
//!
//! One [`RegistryClient`] for a host keeps what is learnt about it: its challenge, tokens, pace, which blobs are where. Its
//! repositories are stores of images. A request goes this way:
//!
//! ```text
//! manifests · blobs · download · mount · upload · tags · referrers · catalog
//!                                      what is asked, what an answer means
//!   └─ repeat                            the retry loop                    (retry, tries, wish, budget, outage)
//!        └─ transport                    turn, redirects                   (permits, pace, quota, answer, call)
//!             ├─ authorization           challenge, credential, tokens      (challenge, scheme, scope, login, token,
//!             │                                                             realm, holders, lapse)
//!             └─ clients                 TLS, proxies, whose client         (tls, proxy, origin, guard)
//! ```
//!
//! Owns the quirks of registries, each in one named place. Refuses to send a credential or private bytes anywhere but to
//! the registry and its token realm, and to speak plain http unasked.

mod answer;
mod authorization;
mod blobs;
mod budget;
mod call;
mod catalog;
mod challenge;
mod check;
mod clients;
mod connector;
mod creation;
mod download;
mod error;
mod flow;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod guard;
mod holders;
mod lapse;
mod line;
mod link;
mod login;
mod manifests;
mod mount;
mod origin;
mod outage;
mod pace;
mod permits;
mod proxy;
mod publish;
mod quota;
mod range;
mod reach;
mod realm;
mod referrers;
mod repeat;
mod repository;
mod retry;
mod scheme;
mod scope;
mod settings;
mod tags;
#[cfg(test)]
mod tests;
mod tls;
mod token;
mod tokens;
mod transport;
mod tries;
mod upload;
mod warning;
mod width;
mod wish;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::OnceCell;

pub use budget::Budget;
pub use check::Checked;
pub use connector::connector;
pub use guard::Names;
pub use proxy::Proxies;
use repository::Presence;
pub use repository::RegistryRepository;
pub use settings::{ClientIdentity, Limits, Network, Settings};
pub use tls::Roots;

use self::clients::Clients;
use self::creation::Maker;
use self::manifests::ManifestCache;
use self::mount::Mounts;
use self::origin::{Boundary, Words};
use self::transport::Transport;
use self::upload::Lessons;
use crate::auth::Keychain;
use crate::image::{Code, Digest, Quota, Registry, Repository};
use crate::store::Error;

/// A registry, and what this run knows about it. Shared by all of its repositories.
pub struct RegistryClient {
    transport: Transport,
    /// Blobs that are known to be in a repository, or not to be there.
    blobs: Mutex<HashMap<Repository, HashMap<Digest, Presence>>>,
    manifests: Mutex<ManifestCache>,
    /// Set once it has shown that it stores manifests as they are.
    fidelity: OnceCell<()>,
    /// What its ways of taking blobs are.
    lessons: Mutex<Lessons>,
    mounts: Mounts,
    /// Repositories that were looked for as a whole.
    missing: Mutex<HashMap<Repository, Arc<OnceCell<bool>>>>,
    /// Whether its repositories list referrers, once that was asked: several back ends may stand behind one name.
    lists_referrers: Mutex<HashMap<Repository, Arc<OnceCell<bool>>>>,
    maker: Option<Maker>,
    keychain: Arc<Keychain>,
}

impl RegistryClient {
    /// A client of `registry`. Connects to nothing yet; fails on certificates or proxies that cannot be used.
    pub fn new(registry: Registry, settings: &Settings, network: &Network) -> Result<Arc<Self>, Error> {
        let tls_wanted = settings.ca.is_some() || settings.client.is_some();
        let plain = settings.plain_http || (registry.is_loopback() && !tls_wanted);
        let scheme = if plain { "http" } else { "https" };
        let base = format!("{scheme}://{}/", registry.api_host());
        let base = base.parse().map_err(|_| Error::new(Code::Internal, format!("reach {registry}"), "no URL"))?;
        let words = Words {
            insecure_hosts: network.insecure_hosts.clone(),
            trusted_realms: network.trusted_realms.get(&registry).cloned().unwrap_or_default(),
            proxies: network.proxies.hosts(),
        };
        let clients = Clients::new(Boundary::new(base, words), settings, network)?;
        let transport = Transport::new(registry, clients, settings, network);
        Ok(Arc::new(Self {
            transport,
            blobs: Mutex::default(),
            manifests: Mutex::default(),
            fidelity: OnceCell::new(),
            lessons: Mutex::default(),
            mounts: Mounts::default(),
            missing: Mutex::default(),
            lists_referrers: Mutex::default(),
            maker: Maker::new(settings, network),
            keychain: Arc::clone(&network.keychain),
        }))
    }

    /// What the registry has said of its quota of pulls; `None` where it keeps none.
    pub fn quota(&self) -> Option<Quota> {
        self.transport.meter.quota()
    }

    /// One of its repositories.
    pub fn repository(self: &Arc<Self>, repository: Repository) -> Arc<RegistryRepository> {
        Arc::new(RegistryRepository::new(Arc::clone(self), repository))
    }
}
