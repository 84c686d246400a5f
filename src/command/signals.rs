//! SIGINT and SIGTERM: the first asks to stop, the second insists. A deadline asks as the first does, and insists on nothing.
//!
//! Owns what has arrived, from the start of a command to its end: the system's own action is gone once somebody listens, so
//! a signal between two parts of the work must be found by the next one. Refuses to end the process itself.

use std::future::Future;
use std::pin::pin;

use tokio::time::Instant;

use super::Exit;
use crate::apply::Stop;
use crate::event::{Event, Reporter, StopReason};

/// The signals of one command.
pub(super) struct Signals {
    /// `None` where no handler can be had: the defaults of the system hold, and end the process.
    source: Option<Source>,
    received: Option<Exit>,
    deadline: Option<Instant>,
    stop: Stop,
}

/// Why to stop.
enum Arrival {
    Signal(Exit),
    Deadline,
}

impl Signals {
    /// Listens from now on.
    pub(super) fn listen() -> Self {
        Self { source: Source::listen().ok(), received: None, deadline: None, stop: Stop::default() }
    }

    /// The same with a deadline.
    #[must_use]
    pub(super) fn until(self, deadline: Option<std::time::Instant>) -> Self {
        Self { deadline: deadline.map(Instant::from_std), ..self }
    }

    /// Says it once one of the functions below has noticed the first signal, or the deadline.
    pub(super) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// The exit code of the first signal that was noticed.
    pub(super) fn received(&self) -> Option<Exit> {
        self.received
    }

    /// Whether the deadline was noticed, and no signal before it.
    pub(super) fn is_overdue(&self) -> bool {
        self.stop.reason() == Some(StopReason::Deadline)
    }

    /// Runs `work` to its end. The deadline, or the first signal, if it has not come before, sets [`Self::stop`] and is
    /// announced; the second signal ends the work where it is: `None`.
    pub(super) async fn guard<T>(&mut self, reporter: &dyn Reporter, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        while self.received.is_none() {
            tokio::select! {
                // What arrived before the work began stops it before it begins.
                biased;
                arrival = self.arrival() => self.stop_for(&arrival, reporter),
                result = &mut work => return Some(result),
            }
        }
        self.until_next(work).await
    }

    /// Runs `work`, which can be left where it is, until the deadline or the next signal, which are announced: `None`.
    pub(super) async fn until_stopped<T>(
        &mut self,
        reporter: &dyn Reporter,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::select! {
            biased;
            arrival = self.arrival() => {
                self.stop_for(&arrival, reporter);
                None
            }
            result = work => Some(result),
        }
    }

    /// Runs `work`, which can be left where it is, until the next signal: `None`. What tells of the work keeps no deadline.
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
        self.stop.set(StopReason::Signal);
    }

    fn stop_for(&mut self, arrival: &Arrival, reporter: &dyn Reporter) {
        let is_first = self.stop.reason().is_none();
        match arrival {
            Arrival::Signal(exit) => self.note(*exit),
            Arrival::Deadline => self.stop.set(StopReason::Deadline),
        }
        if let Some(reason) = self.stop.reason().filter(|_| is_first) {
            reporter.event(Event::Stopping(reason));
        }
    }

    /// The next signal; the deadline, where nothing has come before it.
    async fn arrival(&mut self) -> Arrival {
        let deadline = self.deadline.filter(|_| self.stop.reason().is_none());
        let over = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            exit = self.next() => Arrival::Signal(exit),
            () = over => Arrival::Deadline,
        }
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

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use super::*;
    use crate::event::Silent;

    fn overdue_after(wait: Duration) -> Signals {
        Signals { source: None, ..Signals::listen() }.until(Some((Instant::now() + wait).into_std()))
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_stops_the_work_and_leaves_it_its_time_to_end() {
        let mut signals = overdue_after(Duration::from_secs(90));
        let stop = signals.stop();
        let work = async {
            tokio::time::sleep(Duration::from_secs(89)).await;
            let before = stop.reason();
            tokio::time::sleep(Duration::from_secs(3)).await;
            (before, stop.reason())
        };
        let ended = signals.guard(&Silent, work).await;
        assert_eq!(ended, Some((None, Some(StopReason::Deadline))));
        assert!(signals.is_overdue() && signals.received().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_can_be_left_is_left_at_the_deadline_and_what_tells_of_it_is_not() {
        let mut signals = overdue_after(Duration::from_secs(1));
        assert!(signals.until_next(tokio::time::sleep(Duration::from_secs(5))).await.is_some());
        assert!(!signals.is_overdue());
        assert!(signals.until_stopped(&Silent, pending::<()>()).await.is_none());
        assert!(signals.is_overdue());
        assert!(signals.until_next(tokio::time::sleep(Duration::from_secs(5))).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_before_the_deadline_is_the_reason() {
        let mut signals = overdue_after(Duration::from_secs(1));
        signals.note(Exit::Interrupted);
        assert!(signals.guard(&Silent, tokio::time::sleep(Duration::from_secs(5))).await.is_some());
        assert!(!signals.is_overdue());
        assert_eq!(signals.received(), Some(Exit::Interrupted));
    }
}
