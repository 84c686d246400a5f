//! The content of a mutex, whatever happened to others who held it.
//!
//! For what stays whole when a holder panics: maps, counters and options that are changed in one step. Refuses to be held
//! over an await; that is what tokio's own mutex is for.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A panic elsewhere leaves the content whole, so that a poisoned mutex is still good.
pub(in crate::auth) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
