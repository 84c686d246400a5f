//! A gate that holds requests until the test opens it.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::sync::watch;

/// Holds every request that reaches it; clones are the same gate.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    waiting: Mutex<usize>,
    arrived: Condvar,
    open: watch::Sender<bool>,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        let open = watch::Sender::new(false);
        Self(Arc::new(Inner { waiting: Mutex::new(0), arrived: Condvar::new(), open }))
    }

    /// Lets all requests pass, those to come included.
    pub fn open(&self) {
        self.0.open.send_replace(true);
    }

    /// Blocks until `count` requests have reached the gate. Panics after 30 s.
    #[track_caller]
    pub fn wait_for(&self, count: usize) {
        let waiting = self.0.waiting.lock().unwrap();
        let patience = Duration::from_secs(30);
        let (reached, timeout) = self.0.arrived.wait_timeout_while(waiting, patience, |n| *n < count).unwrap();
        assert!(!timeout.timed_out(), "only {} of {count} requests reached the gate in 30 s", *reached);
    }

    /// How many requests have reached the gate.
    pub fn reached(&self) -> usize {
        *self.0.waiting.lock().unwrap()
    }

    pub(super) async fn pass(&self) {
        *self.0.waiting.lock().unwrap() += 1;
        self.0.arrived.notify_all();
        // The sender lives as long as the gate, so waiting cannot fail.
        self.0.open.subscribe().wait_for(|open| *open).await.unwrap();
    }
}
