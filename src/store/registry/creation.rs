//! Repositories that are made before the first write into them, where the configuration says so.
//!
//! Owns that this happens once, only where the registry says that there is none, and never for a read. How one is made is
//! `auth`'s to know: the registry itself has no request for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::OnceCell;

use super::repository::RegistryRepository;
use super::settings::{Network, Settings};
use crate::auth::Keychain;
use crate::image::{Code, Creation, Repository};
use crate::store::Error;
use crate::store::mutex::lock;

/// What is there to be written to, or became of the attempt to make it.
type Ready = Arc<OnceCell<Result<(), Error>>>;

/// Makes the repositories of one registry.
pub(super) struct Maker {
    creation: Creation,
    keychain: Arc<Keychain>,
    ready: Mutex<HashMap<Repository, Ready>>,
}

impl Maker {
    /// `None` where repositories are to be there, or the registry makes them by itself.
    pub(super) fn new(settings: &Settings, network: &Network) -> Option<Self> {
        let (creation, keychain) = (settings.creation.clone()?, Arc::clone(&network.keychain));
        Some(Self { creation, keychain, ready: Mutex::default() })
    }
}

impl RegistryRepository {
    /// Before each write: makes the repository where it is missing. What went wrong once is not tried again in this run.
    pub(super) async fn prepare(&self) -> Result<(), Error> {
        let Some(maker) = self.maker() else { return Ok(()) };
        let ready = Arc::clone(lock(&maker.ready).entry(self.repository().clone()).or_default());
        ready.get_or_init(|| self.make(maker)).await.clone()
    }

    async fn make(&self, maker: &Maker) -> Result<(), Error> {
        if !self.prove_missing().await {
            return Ok(());
        }
        let made = maker.keychain.create(self.repository(), &maker.creation).await;
        made.map_err(|error| {
            let request = format!("create the repository {}", self.repository());
            let failed = Error::new(Code::Denied, request, error.to_string());
            Error { hint: error.hint(), ..failed }
        })
    }
}
