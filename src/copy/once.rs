//! What is done once in a run, whoever wants it: the first does it, the others wait for it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

/// Deeds by their keys. Where the first one fails, the next in line tries.
pub(super) struct Once<K>(Mutex<HashMap<K, Arc<OnceCell<()>>>>);

impl<K> Default for Once<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Once<K> {
    /// The cell of a deed: set once it is done.
    pub(super) fn of(&self, key: K) -> Arc<OnceCell<()>> {
        Arc::clone(self.lock().entry(key).or_default())
    }

    /// Takes it for not done, whatever was believed.
    pub(super) fn forget(&self, key: &K) {
        self.lock().remove(key);
    }

    /// Only ever locked for a look-up: a panic elsewhere leaves it whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<OnceCell<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
