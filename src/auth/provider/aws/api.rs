//! What ECR's API is asked beside passwords: repositories are made, and tags are read.
//!
//! Owns the keys that it is asked with, for a while: a run may ask many times. Those of a password are among them, so that
//! nobody gets a session twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::place::Place;
use super::read::Standings;
use super::{Aws, Principal};
use crate::auth::ProviderError;
use crate::auth::exchange::Exchange;
use crate::image::Registry;

/// How long keys are used again, at most: the shortest session lives for a quarter of an hour. One that was begun by
/// somebody else may end sooner.
const KEPT: Duration = Duration::from_secs(10 * 60);
/// How long before their end keys are used no more.
const RESERVE: Duration = Duration::from_secs(60);

/// Who asks, and of which registry.
pub(super) type Asker = (Aws, Registry);

fn kept(principal: &Principal) -> Duration {
    principal.lifetime.map_or(KEPT, |lifetime| KEPT.min(lifetime.saturating_sub(RESERVE)))
}

/// Asks the API, as whoever is named.
#[derive(Default)]
pub(in crate::auth) struct Api {
    principals: Mutex<HashMap<Asker, (Arc<Principal>, Instant)>>,
    /// For whoever makes a repository.
    pub(super) making: Mutex<()>,
    /// What became of those who read.
    pub(super) standings: Standings,
}

impl Api {
    /// The keys of who asks: those that were used before, while they are young. Held while they are got, so that all who
    /// ask at once share them.
    pub(super) async fn principal(
        &self,
        exchange: &Exchange,
        asker: &Asker,
        place: &Place,
    ) -> Result<Arc<Principal>, ProviderError> {
        let mut known = self.principals.lock().await;
        if let Some((principal, since)) = known.get(asker)
            && since.elapsed() <= kept(principal)
        {
            return Ok(Arc::clone(principal));
        }
        let (aws, registry) = asker;
        let principal = Arc::new(aws.principal(exchange, registry, place).await?);
        known.insert(asker.clone(), (Arc::clone(&principal), Instant::now()));
        Ok(principal)
    }

    /// These keys have just got a password.
    pub(super) async fn keep(&self, asker: Asker, principal: Principal) {
        self.principals.lock().await.insert(asker, (Arc::new(principal), Instant::now()));
    }

    /// After a refusal: whoever asks next gets other keys.
    pub(super) async fn forget(&self, asker: &Asker) {
        self.principals.lock().await.remove(asker);
    }
}
