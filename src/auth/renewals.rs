//! The credentials that providers have given: kept while they live, obtained anew before they end.
//!
//! One that lives on is not lost to a failure to replace it in time: it serves to its end, and is asked for again meanwhile.
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
/// How long is waited, at least, after a credential that still lives could not be replaced.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
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
    /// When it ends, where that is known.
    end: Option<Instant>,
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
        let (mut second, mut living) = (false, None);
        match &*held {
            Held::Leased { leased, second: is_second } => {
                let same = refused.filter(|refused| *refused.credential == leased.credential);
                let in_vain = same.is_some_and(|refused| *is_second && !refused.was_taken);
                if !leased.lease.renewable || in_vain || (same.is_none() && leased.lease.serves()) {
                    return Ok(leased.clone());
                }
                second = same.is_some();
                // What the registry refuses is of no more use, however long it would live.
                living = leased.put_off().filter(|_| same.is_none()).map(|leased| (leased, *is_second));
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
                if let Some((leased, second)) = living {
                    tracing::warn!(%error, "a credential that ends soon is not replaced yet");
                    *held = Held::Leased { leased: leased.clone(), second };
                    return Ok(leased);
                }
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
        let end = issued.lifetime.map(|lifetime| Instant::now() + lifetime);
        Self { credential: issued.credential, lease, end }
    }

    /// The same, to be replaced later; `None` once it has ended, and where nobody knows when it does.
    fn put_off(&self) -> Option<Self> {
        let (end, now) = (self.end?, Instant::now());
        let left = end.checked_duration_since(now).filter(|left| !left.is_zero())?;
        // More than once before the end, however short the rest is.
        let wait = FAILURE_MEMORY.min(left / 2).max(SHORTEST_WAIT).min(left);
        Some(Self { lease: Lease { due: Some(now + wait), ..self.lease.clone() }, ..self.clone() })
    }
}

impl Lease {
    /// Whether the credential serves for a request now.
    pub fn serves(&self) -> bool {
        self.due.is_none_or(|due| Instant::now() < due)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use serde_json::json;

    use super::*;
    use crate::auth::{Environment, Generic, Send, Surroundings, watch};

    /// A service whose answers are of use where `answers` says so, one after the other; what it gives lives for 1000 s.
    struct Scene {
        provider: Provider,
        registry: Registry,
        exchange: Exchange,
        api: Api,
        renewals: Renewals,
    }

    impl Scene {
        fn new() -> Self {
            let environment: Environment = [("REGSYNC_ID_TOKEN_REGISTRY_EXAMPLE_COM", "x")].into_iter().collect();
            let provider = Provider::Exchange(Generic {
                url: "https://registry.example.com/token".to_owned(),
                send: Send::Form,
                id_token_field: None,
                fields: std::collections::BTreeMap::new(),
                response_field: "access_token".to_owned(),
                username: None,
            });
            Self {
                provider,
                registry: "registry.example.com".parse().unwrap(),
                exchange: Exchange::new(Surroundings::from(environment)),
                api: Api::default(),
                renewals: Renewals::default(),
            }
        }

        async fn get(&self, refused: Option<Refused<'_>>) -> Result<Leased, Error> {
            self.renewals.get((&self.provider, &self.registry), (&self.exchange, &self.api), refused).await
        }

        async fn shown(&self) -> Option<String> {
            let leased = self.get(None).await.ok()?;
            assert!(leased.lease.serves(), "it would be asked for at once again");
            Some(text(&leased))
        }
    }

    fn text(leased: &Leased) -> String {
        match &leased.credential {
            Credential::Bearer(token) => token.expose().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    /// Runs `work` with the clock paused; it is given the number of requests so far.
    fn with_service(works: fn(usize) -> bool, work: impl AsyncFnOnce(Scene, Rc<Cell<usize>>)) {
        let asked = Rc::new(Cell::new(0));
        let counted = Rc::clone(&asked);
        let reply = move |_: &crate::auth::Sent| {
            counted.set(counted.get() + 1);
            let count = counted.get();
            let given = json!({"access_token": format!("token-{count}"), "expires_in": 1000});
            if works(count) { given.to_string() } else { "out of order".to_owned() }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        watch(reply, || runtime.block_on(work(Scene::new(), asked)));
    }

    #[test]
    fn what_still_lives_outlasts_a_failure_to_replace_it() {
        with_service(
            |count| count == 1 || count > 4,
            async |scene, asked| {
                let first = Some("token-1".to_owned());
                assert_eq!((scene.shown().await, asked.get()), (first.clone(), 1));
                tokio::time::advance(Duration::from_secs(901)).await;
                for _ in 0..3 {
                    assert_eq!((scene.shown().await, asked.get()), (first.clone(), 2), "asked once, kept meanwhile");
                }
                tokio::time::advance(Duration::from_secs(31)).await;
                assert_eq!((scene.shown().await, asked.get()), (first.clone(), 3));
                // Its end: what is left is the failure, shared for a while as ever.
                tokio::time::advance(Duration::from_secs(69)).await;
                for _ in 0..3 {
                    assert_eq!((scene.shown().await, asked.get()), (None, 4));
                }
                tokio::time::advance(Duration::from_secs(31)).await;
                assert_eq!((scene.shown().await, asked.get()), (Some("token-5".to_owned()), 5));
            },
        );
    }

    #[test]
    fn what_was_refused_is_not_kept() {
        with_service(
            |count| count == 1,
            async |scene, asked| {
                let leased = scene.get(None).await.unwrap();
                let refused = Refused { credential: &leased.credential, was_taken: true };
                tokio::time::advance(Duration::from_secs(901)).await;
                assert!(scene.get(Some(refused)).await.is_err());
                assert!(scene.get(None).await.is_err());
                assert_eq!(asked.get(), 2);
            },
        );
    }
}
