//! SIGINT and SIGTERM: the first asks to stop, the second insists.
//!
//! Owns what has arrived, from the start of a command to its end: the system's own action is gone once somebody listens, so
//! a signal between two parts of the work must be found by the next one. Refuses to end the process itself.

use std::future::Future;
use std::pin::pin;

use tokio_util::sync::CancellationToken;

use super::Exit;
use crate::event::{Event, Reporter};

/// The signals of one command.
pub(super) struct Signals {
    /// `None` where no handler can be had: the defaults of the system hold, and end the process.
    source: Option<Source>,
    received: Option<Exit>,
    stop: CancellationToken,
}

impl Signals {
    /// Listens from now on.
    pub(super) fn listen() -> Self {
        Self { source: Source::listen().ok(), received: None, stop: CancellationToken::new() }
    }

    /// Cancelled by the first signal, once one of the functions below has noticed it.
    pub(super) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// The exit code of the first signal that was noticed.
    pub(super) fn received(&self) -> Option<Exit> {
        self.received
    }

    /// Runs `work` to its end. The first signal, if it has not come before, cancels [`Self::stop`] and is announced; the
    /// second ends the work where it is: `None`.
    pub(super) async fn guard<T>(&mut self, reporter: &dyn Reporter, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        while self.received.is_none() {
            tokio::select! {
                // What arrived before the work began stops it before it begins.
                biased;
                exit = self.next() => {
                    self.note(exit);
                    reporter.event(Event::Stopping);
                }
                result = &mut work => return Some(result),
            }
        }
        self.until_next(work).await
    }

    /// Runs `work`, which can be left where it is, until the next signal: `None`.
    pub(super) async fn until_next<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            exit = self.next() => {
                self.note(exit);
                None
            }
            result = work => Some(result),
        }
    }

    fn note(&mut self, exit: Exit) {
        self.received.get_or_insert(exit);
        self.stop.cancel();
    }

    async fn next(&mut self) -> Exit {
        match &mut self.source {
            Some(source) => source.next().await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(unix)]
struct Source {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Source {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
        }
    }
}

#[cfg(not(unix))]
struct Source;

#[cfg(not(unix))]
impl Source {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Exit {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Exit::Interrupted,
            Err(_) => std::future::pending().await,
        }
    }
}
