//! Whether a credential was taken where it was shown: tried by one request, never shown again where it was refused.
//!
//! Owns the protection of accounts: many registries lock one after a few wrong passwords.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::OwnedMutexGuard;

use super::line::Line;
use super::retry::Fault;
use crate::store::Error;
use crate::store::mutex::lock;

/// One credential at one place: a token realm, or the registry itself.
pub(super) struct Login {
    line: Line<()>,
    state: Mutex<State>,
}

#[derive(Clone)]
enum State {
    Untried,
    Taken,
    Refused(Error),
}

impl Login {
    fn new() -> Self {
        Self { line: Line::new(()), state: Mutex::new(State::Untried) }
    }

    /// The right to show the credential: `None` where it was taken before, a guard to hold until the answer for the first
    /// who shows it. Fails at once where it was refused.
    pub(super) async fn enter(&self, request: &str) -> Result<Option<OwnedMutexGuard<()>>, Fault> {
        if self.is_taken(request)? {
            return Ok(None);
        }
        let guard = self.line.enter(request).await?;
        Ok((!self.is_taken(request)?).then_some(guard))
    }

    fn is_taken(&self, request: &str) -> Result<bool, Fault> {
        match &*lock(&self.state) {
            State::Untried => Ok(false),
            State::Taken => Ok(true),
            State::Refused(error) => Err(Fault::last(Error { request: request.to_owned(), ..error.clone() })),
        }
    }

    /// Notes that the credential was taken.
    pub(super) fn taken(&self) {
        *lock(&self.state) = State::Taken;
    }

    /// Notes a refusal. One that was taken before is still good: then the refusal is about what was asked for.
    pub(super) fn refused(&self, error: &Error) {
        let mut state = lock(&self.state);
        if matches!(*state, State::Untried) {
            *state = State::Refused(error.clone());
        }
    }

    /// Hands a failure that says nothing about the credential to all who wait.
    pub(super) fn failed(&self, fault: &Fault) {
        self.line.fail(fault);
    }
}

/// The turn of a request that is the first of its kind; to be held until its answer is known.
pub(super) struct Turn<'a> {
    pub(super) first: Option<&'a Line<()>>,
    pub(super) login: Option<Arc<Login>>,
    /// Held until the turn ends.
    pub(super) guards: [Option<OwnedMutexGuard<()>>; 2],
}

impl Turn<'_> {
    /// Hands a failure to all who wait.
    pub(super) fn failed(&self, fault: &Fault) {
        if let Some(first) = self.first {
            first.fail(fault);
        }
        if let Some(login) = &self.login {
            login.failed(fault);
        }
    }

    /// Notes that the registry has refused the credential that was shown to it.
    pub(super) fn refused(&self, error: &Error) {
        if let Some(login) = &self.login {
            login.refused(error);
        }
    }
}

/// All credentials at all places.
#[derive(Default)]
pub(super) struct Logins(Mutex<HashMap<(usize, String), Arc<Login>>>);

impl Logins {
    /// Whether the credential with this number was taken anywhere.
    pub(super) fn was_taken(&self, credential: usize) -> bool {
        let logins = lock(&self.0);
        let mut own = logins.iter().filter(|((number, _), _)| *number == credential);
        own.any(|(_, login)| matches!(*lock(&login.state), State::Taken))
    }

    /// The credential with this number at `place`.
    pub(super) fn of(&self, credential: usize, place: &str) -> Arc<Login> {
        let mut logins = lock(&self.0);
        Arc::clone(logins.entry((credential, place.to_owned())).or_insert_with(|| Arc::new(Login::new())))
    }
}
