//! Which credential is ours at each repository: looked up once, and again where it ends.
//!
//! Owns that a credential that must not be sent without encryption is not, and the numbers by which tokens and tries are told
//! apart. Refuses to decide when a credential is shown.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::OnceCell;

use super::clients::Clients;
use super::settings::Network;
use crate::auth::{Credential, Found, Keychain, Lease, Redactor, Refused};
use crate::event::{Event, Reporter};
use crate::image::{Code, Registry, Repository};
use crate::store::Error;
use crate::store::mutex::lock;

/// A credential as it is used here.
pub(super) struct Holder {
    pub(super) credential: Credential,
    /// Where it comes from, in words.
    pub(super) source: String,
    /// Which of the credentials in use it is: tokens of one must never serve another.
    pub(super) number: usize,
    lease: Option<Lease>,
}

impl Holder {
    /// Whether requests go out as anybody's.
    pub(super) fn is_anonymous(&self) -> bool {
        matches!(self.credential, Credential::Anonymous)
    }

    /// Whether another one can be had where it is refused.
    pub(super) fn is_renewable(&self) -> bool {
        !self.is_anonymous() && self.lease.as_ref().is_some_and(|lease| lease.renewable)
    }

    fn serves(&self) -> bool {
        !self.is_renewable() || self.lease.as_ref().is_none_or(Lease::serves)
    }
}

type Cell = Arc<OnceCell<Arc<Holder>>>;

/// The credentials of one registry.
pub(super) struct Holders {
    keychain: Arc<Keychain>,
    reporter: Arc<dyn Reporter>,
    redactor: Arc<Redactor>,
    clients: Arc<Clients>,
    cells: Mutex<HashMap<Repository, Cell>>,
    credentials: Mutex<Vec<Credential>>,
    withheld: AtomicBool,
}

impl Holders {
    /// Knows nothing yet.
    pub(super) fn new(clients: Arc<Clients>, redactor: Arc<Redactor>, network: &Network) -> Self {
        Self {
            keychain: Arc::clone(&network.keychain),
            reporter: Arc::clone(&network.reporter),
            redactor,
            clients,
            cells: Mutex::default(),
            credentials: Mutex::default(),
            withheld: AtomicBool::new(false),
        }
    }

    /// The credential for a repository: looked up once, and again before it ends.
    pub(super) async fn of(&self, request: &str, repository: &Repository) -> Result<Arc<Holder>, Error> {
        let (cell, holder) = self.look_up(request, repository).await?;
        if holder.serves() {
            return Ok(holder);
        }
        self.forget(repository, &cell);
        Ok(self.look_up(request, repository).await?.1)
    }

    /// Unless somebody else has replaced it meanwhile.
    fn forget(&self, repository: &Repository, cell: &Cell) {
        let mut cells = lock(&self.cells);
        if cells.get(repository).is_some_and(|known| Arc::ptr_eq(known, cell)) {
            cells.remove(repository);
        }
    }

    async fn look_up(&self, request: &str, repository: &Repository) -> Result<(Cell, Arc<Holder>), Error> {
        let cell = Arc::clone(lock(&self.cells).entry(repository.clone()).or_default());
        let finding = || async {
            let found = self.keychain.find(repository).await;
            found.map(|found| self.hold(repository, found)).map_err(|error| unavailable(request, &error))
        };
        let holder = Arc::clone(cell.get_or_try_init(finding).await?);
        Ok((cell, holder))
    }

    /// Another credential than one that was refused; `None` where there is no other.
    pub(super) async fn replace(
        &self,
        request: &str,
        repository: &Repository,
        (refused, was_taken): (&Holder, bool),
    ) -> Result<Option<Arc<Holder>>, Error> {
        if !refused.is_renewable() {
            return Ok(None);
        }
        let credential = &refused.credential;
        let found = self.keychain.replace(repository, Refused { credential, was_taken }).await;
        let found = found.map_err(|error| unavailable(request, &error))?;
        if found.credential == *credential {
            return Ok(None);
        }
        let holder = self.hold(repository, found);
        lock(&self.cells).insert(repository.clone(), Arc::new(OnceCell::new_with(Some(Arc::clone(&holder)))));
        Ok(Some(holder))
    }

    fn hold(&self, repository: &Repository, found: Found) -> Arc<Holder> {
        let mut credential = found.credential;
        let anonymous = matches!(credential, Credential::Anonymous);
        if !anonymous && !self.clients.boundary.may_carry_credential(self.clients.boundary.base()) {
            credential = Credential::Anonymous;
            self.warn_withheld(repository.registry());
        }
        let number = self.number(&credential);
        Arc::new(Holder { credential, source: found.origin.to_string(), number, lease: found.lease })
    }

    /// Says once that a credential is not sent.
    fn warn_withheld(&self, registry: &Registry) {
        if !self.withheld.swap(true, Ordering::Relaxed) {
            let message = format!(
                "{registry} is reached without encryption: its credential stays here, requests go out as anybody's; \
                 REGSYNC_INSECURE_HOSTS={registry} would send it"
            );
            self.reporter.event(Event::Warned { about: None, message: &message });
        }
    }

    fn number(&self, credential: &Credential) -> usize {
        let mut credentials = lock(&self.credentials);
        credentials.iter().position(|known| known == credential).unwrap_or_else(|| {
            self.redactor.credential(credential);
            credentials.push(credential.clone());
            credentials.len() - 1
        })
    }
}

fn unavailable(request: &str, error: &crate::auth::Error) -> Error {
    let code = if error.is_absence() { Code::NoCredentials } else { Code::Auth };
    let failed = Error::new(code, request, error.to_string());
    Error { hint: error.hint(), ..failed }
}
