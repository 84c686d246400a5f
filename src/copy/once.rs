//! What is done once in a run, whoever wants it: the first does it, the others wait for it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use tokio::sync::OnceCell;

use super::mutex::lock;

/// Deeds by their keys, with what came of them. Where the first one fails, the next in line tries.
pub(super) struct Once<K, V = ()>(Mutex<HashMap<K, Arc<OnceCell<V>>>>);

impl<K, V> Default for Once<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V> Once<K, V> {
    /// The cell of a deed: set once it is done.
    pub(super) fn of(&self, key: K) -> Arc<OnceCell<V>> {
        Arc::clone(lock(&self.0).entry(key).or_default())
    }

    /// Takes it for not done, whatever was believed.
    pub(super) fn forget(&self, key: &K) {
        lock(&self.0).remove(key);
    }

    /// The cell of a deed that is to be done again, whatever was believed: whoever comes from now on waits for that.
    pub(super) fn anew(&self, key: K) -> Arc<OnceCell<V>> {
        let cell = Arc::default();
        lock(&self.0).insert(key, Arc::clone(&cell));
        cell
    }
}
