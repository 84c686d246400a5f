//! SIGINT and SIGTERM: the first asks to stop, the second insists.

use std::future::Future;
use std::pin::pin;

use tokio_util::sync::CancellationToken;

use super::Exit;
use crate::event::{Event, Reporter};

/// How guarded work ended.
pub(super) struct Guarded<T> {
    /// What it gave back; `None` where a second signal cut it off.
    pub(super) result: Option<T>,
    /// The exit code of the signal that arrived, if one did.
    pub(super) signal: Option<Exit>,
}

/// Runs `work` to its end. The first signal cancels `stop` and is announced; the second ends the work where it is.
pub(super) async fn guard<T>(
    stop: &CancellationToken,
    reporter: &dyn Reporter,
    work: impl Future<Output = T>,
) -> Guarded<T> {
    let mut work = pin!(work);
    let Ok(mut signals) = Signals::listen() else {
        // No handler can be had: the defaults of the system hold, and end the process.
        return Guarded { result: Some(work.await), signal: None };
    };
    let mut received = None;
    loop {
        tokio::select! {
            result = &mut work => return Guarded { result: Some(result), signal: received },
            exit = signals.next() => {
                if received.is_some() {
                    return Guarded { result: None, signal: received };
                }
                received = Some(exit);
                stop.cancel();
                reporter.event(Event::Stopping);
            }
        }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
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
struct Signals;

#[cfg(not(unix))]
impl Signals {
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
