//! The credentials that providers have given: kept while they live, obtained anew before they end.
//!
//! One request is under way for each provider and registry, however many wait for it. A failure is shared for a while, so
//! that a host with hundreds of repositories does not ask hundreds of times for the same refusal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::exchange::Exchange;
use super::mutex::lock;
use super::provider::{Api, Issued, Provider};
use super::{Claims, Credential, Error};
use crate::image::Registry;

/// How long a failure is not repeated.
const FAILURE_MEMORY: Duration = Duration::from_secs(30);
/// How long before its end a credential is replaced, at least; but no more than half of its life.
const RESERVE: Duration = Duration::from_secs(10);

/// That a credential ends, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// When a new one is due; `None` where only the registry knows.
    pub due: Option<Instant>,
    /// What the ID token that it was got with says of itself.
    pub claims: Option<Claims>,
    /// Whether a new one can be had.
    pub renewable: bool,
}

/// A credential that a provider gave.
#[derive(Clone, Debug)]
pub(super) struct Leased {
    pub(super) credential: Credential,
    pub(super) lease: Lease,
}

/// What the registry did to the credential that is to be replaced.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// The credential.
    pub credential: &'a Credential,
    /// Whether it was taken before: one that never was is replaced once, not again and again.
    pub was_taken: bool,
}

#[derive(Default)]
enum Held {
    #[default]
    Nothing,
    Leased {
        leased: Leased,
        /// Whether it replaced one that was refused.
        second: bool,
    },
    Failed(Error, Instant),
}

/// Held by whoever asks for it.
type Slot = Arc<tokio::sync::Mutex<Held>>;

/// All of them.
#[derive(Default)]
pub(super) struct Renewals(Mutex<HashMap<(Provider, Registry), Slot>>);

impl Renewals {
    /// The credential of `provider` for `registry`: another one than was refused, if one was, and can be had.
    pub(super) async fn get(
        &self,
        (provider, registry): (&Provider, &Registry),
        (exchange, api): (&Exchange, &Api),
        refused: Option<Refused<'_>>,
    ) -> Result<Leased, Error> {
        let slot = self.slot(provider, registry);
        // Held while asking: everybody else who needs this credential waits for it, and shares what became of it.
        let mut held = slot.lock().await;
        let mut second = false;
        match &*held {
            Held::Leased { leased, second: is_second } => {
                let same = refused.filter(|refused| *refused.credential == leased.credential);
                let in_vain = same.is_some_and(|refused| *is_second && !refused.was_taken);
                if !leased.lease.renewable || in_vain || (same.is_none() && leased.lease.serves()) {
                    return Ok(leased.clone());
                }
                second = same.is_some();
            }
            Held::Failed(error, at) if at.elapsed() < FAILURE_MEMORY => return Err(error.clone()),
            _ => {}
        }
        match provider.obtain((exchange, api), registry).await {
            Ok(issued) => {
                let leased = Leased::new(issued);
                *held = Held::Leased { leased: leased.clone(), second };
                Ok(leased)
            }
            Err(problem) => {
                let (provider, registry) = (provider.name(), registry.clone());
                let error = Error::Provider { provider, ambient: None, registry, problem: Box::new(problem) };
                *held = Held::Failed(error.clone(), Instant::now());
                Err(error)
            }
        }
    }

    fn slot(&self, provider: &Provider, registry: &Registry) -> Slot {
        let mut slots = lock(&self.0);
        Arc::clone(slots.entry((provider.clone(), registry.clone())).or_default())
    }
}

impl Leased {
    fn new(issued: Issued) -> Self {
        let due = issued.lifetime.map(|lifetime| {
            let reserve = RESERVE.max(lifetime / 10).min(lifetime / 2);
            Instant::now() + lifetime.saturating_sub(reserve)
        });
        let lease = Lease { due, claims: issued.claims, renewable: issued.renewable };
        Self { credential: issued.credential, lease }
    }
}

impl Lease {
    /// Whether the credential serves for a request now.
    pub fn serves(&self) -> bool {
        self.due.is_none_or(|due| Instant::now() < due)
    }
}
