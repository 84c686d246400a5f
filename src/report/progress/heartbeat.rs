//! The clock of the heartbeat: one thread that sleeps most of the time.
//!
//! Owns time. Refuses to know what is said.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Plain;

/// Lets a [`Plain`] say how far things are, time and again, until it is dropped.
///
/// A thread and not a task: it has to keep its beat when all tasks are busy, and this room has no runtime.
#[derive(Debug)]
pub struct Heartbeat {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// Starts: the first beat comes after `every`.
    pub fn start(plain: Arc<Plain>, every: Duration) -> Self {
        let (stop, stopped) = mpsc::channel();
        let beat = move || {
            let start = Instant::now();
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                plain.tick(start.elapsed());
            }
        };
        // Without a thread there is no heartbeat, and the run goes on.
        let thread = thread::Builder::new().name("heartbeat".to_owned()).spawn(beat).ok();
        Self { stop: Some(stop), thread }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It would have panicked within a beat; the report is worth more than that.
            let _ = thread.join();
        }
    }
}
