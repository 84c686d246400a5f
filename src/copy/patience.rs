//! How long targets are waited for where they read together.
//!
//! Owns what is learnt of each in a run: whoever has kept the others waiting for nothing is waited for half as long the next
//! time, and gets the trust back by keeping up.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::mutex::lock;
use crate::image::{LayoutPath, Location, Registry};

/// The longest that one target may hold up the others.
const MOST: Duration = Duration::from_secs(2);
/// The least: so much is always lost on a target that is stuck, with each blob.
const LEAST: Duration = Duration::from_micros(62_500);

/// Who takes part in a read: a registry, within which blobs are mounted, or a layout.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Party {
    Registry(Registry),
    Layout(LayoutPath),
}

impl From<&Location> for Party {
    fn from(location: &Location) -> Self {
        match location {
            Location::Repository(repository) => Self::Registry(repository.registry().clone()),
            Location::Layout(path) => Self::Layout(path.clone()),
        }
    }
}

/// The patience with each party, and since when it is what it is.
#[derive(Default)]
pub(super) struct Patience(Mutex<HashMap<Party, (Duration, Instant)>>);

impl Patience {
    /// How long `party` may hold up the others.
    pub(super) fn with(&self, party: &Party) -> Duration {
        lock(&self.0).get(party).map_or(MOST, |(patience, _)| *patience)
    }

    /// It has held them up for so long, in something that began then. What went wrong side by side counts once.
    pub(super) fn lost(&self, party: &Party, began: Instant) {
        let mut all = lock(&self.0);
        let (patience, since) = all.entry(party.clone()).or_insert((MOST, began));
        if *since <= began {
            (*patience, *since) = ((*patience / 2).max(LEAST), Instant::now());
        }
    }

    /// It has kept up to the end.
    pub(super) fn kept(&self, party: &Party) {
        if let Some((patience, _)) = lock(&self.0).get_mut(party) {
            *patience = (*patience * 2).min(MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn patience_is_lost_by_half_and_won_back() {
        let party = Party::Registry("r.example.com".parse().unwrap());
        let (patience, began) = (Patience::default(), Instant::now());
        let millis = || patience.with(&party).as_millis();
        assert_eq!(millis(), 2000);
        tokio::time::advance(Duration::from_secs(2)).await;
        for _ in 0..9 {
            patience.lost(&party, began);
        }
        assert_eq!(millis(), 1000, "what began at the same time counts once");
        for expected in [500, 250, 125, 62, 62] {
            patience.lost(&party, Instant::now());
            assert_eq!(millis(), expected);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        for expected in [125, 250, 500, 1000, 2000, 2000] {
            patience.kept(&party);
            assert_eq!(millis(), expected);
        }
    }
}
