//! One at a time: what many want is done by the first of them, and its failure is everybody's who waited for it.
//!
//! Owns the sharing of failures. Without it, those who wait for a host that does not answer would each wait for it in turn.

use std::sync::{Arc, Mutex};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::retry::{Again, Fault, Whose};
use crate::store::Error;
use crate::store::mutex::lock;

/// A queue in front of `T`.
pub(super) struct Line<T> {
    held: Arc<AsyncMutex<T>>,
    failed: Mutex<Failed>,
}

/// The last failure, and how many there have been.
#[derive(Default)]
struct Failed {
    count: u64,
    fault: Option<Fault>,
}

impl<T> Line<T> {
    pub(super) fn new(content: T) -> Self {
        Self { held: Arc::new(AsyncMutex::new(content)), failed: Mutex::default() }
    }

    /// Waits for the turn of `request`. An error is the failure of somebody whose turn was waited for.
    pub(super) async fn enter(&self, request: &str) -> Result<OwnedMutexGuard<T>, Fault> {
        let before = lock(&self.failed).count;
        let guard = Arc::clone(&self.held).lock_owned().await;
        let failed = lock(&self.failed);
        match &failed.fault {
            Some(fault) if failed.count != before => {
                let error = Error { request: request.to_owned(), ..fault.error.clone() };
                let whose = if fault.whose == Whose::Realm { Whose::Realm } else { Whose::Another };
                Err(Fault { error, again: fault.again, whose })
            }
            _ => Ok(guard),
        }
    }

    /// Hands a failure to all who wait now, where it may be theirs too: one that stands is about what was asked for, and
    /// the next in line asks for something else. To be called before the turn ends.
    pub(super) fn fail(&self, fault: &Fault) {
        if fault.again == Again::Never {
            return;
        }
        let mut failed = lock(&self.failed);
        failed.count += 1;
        failed.fault = Some(fault.clone());
    }

    /// What is behind the queue, where nobody is at it.
    pub(super) fn peek(&self) -> Option<OwnedMutexGuard<T>> {
        Arc::clone(&self.held).try_lock_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Code;

    #[tokio::test]
    async fn a_failure_is_shared_with_those_who_waited_only() {
        let line = Line::new(());
        let turn = line.enter("first").await.unwrap();
        let (waiting, ()) = tokio::join!(line.enter("second"), async {
            line.fail(&Error::new(Code::Timeout, "first", "nothing came").into());
            drop(turn);
        });
        let shared = waiting.unwrap_err();
        assert_eq!((shared.error.code, shared.error.request.as_str()), (Code::Timeout, "second"));
        assert!(line.enter("third").await.is_ok());
    }

    #[tokio::test]
    async fn a_failure_that_stands_is_nobody_elses() {
        let line = Line::new(());
        let turn = line.enter("first").await.unwrap();
        let (waiting, ()) = tokio::join!(line.enter("second"), async {
            line.fail(&Fault::last(Error::new(Code::Denied, "first", "not this repository")));
            drop(turn);
        });
        assert!(waiting.is_ok());
    }
}
