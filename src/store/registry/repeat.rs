//! The only retry loop of the program.
//!
//! Owns what follows from a failed attempt: the wait, the pause of the whole host, fewer requests at once, or the end. What is
//! worth another attempt is said by `retry`, how often in all by `budget`, and whether the host answers at all by `outage`.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::outage::Verdict;
use super::retry::{Fault, Whose};
use super::transport::Transport;
use super::tries::Tries;
use crate::event::Event;
use crate::image::Failure;
use crate::store::{Error, GivenUp};

impl Transport {
    /// Makes `attempt` until it succeeds, fails for good or has been made often enough. It gets its number, from 1.
    pub(super) async fn retrying<'a, T>(
        &self,
        request: &str,
        attempt: impl Fn(u32) -> BoxFuture<'a, Result<T, Fault>> + Send + Sync,
    ) -> Result<T, Error> {
        if let Verdict::Refuse(error) = self.outage.verdict(request) {
            return Err(error);
        }
        self.budgets.request();
        let mut tries = Tries::default();
        loop {
            match attempt(tries.next()).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => self.before_another(request, &tries, fault).await?,
            }
        }
    }

    /// Waits until what failed may be tried again; the error where it may not.
    pub(super) async fn before_another(&self, request: &str, tries: &Tries, fault: Fault) -> Result<(), Error> {
        let (concerns_host, whose) = (fault.concerns_host(), fault.whose);
        let mut error = self.without_secrets(tries.counted_in(fault.error.clone()));
        let wait = fault.wait(tries.number(), fastrand::f64());
        if concerns_host && whose != Whose::Another {
            self.outage.refused(&error, wait.unwrap_or_default());
        }
        let wait = match self.allowed(wait, &fault, tries) {
            Ok(wait) => wait,
            Err(objection) => {
                error.given_up = error.given_up.or(objection);
                if whose != Whose::Realm {
                    self.outage.failed(&error, tries.started());
                }
                return Err(error);
            }
        };
        if concerns_host {
            self.pace.pause(wait);
            self.slow_down(tries.began());
        }
        let failure = Failure::from(error);
        self.reporter.event(Event::Retrying { what: request, wait, failure: &failure });
        tokio::time::sleep(wait).await;
        // Unlike what waits for its turn, the attempt that failed was sent.
        self.outage.refusal(request).map_or(Ok(()), |error| Err(tries.counted_in(Error { attempts: 1, ..error })))
    }

    /// Waits until a request may be sent to the host. Fails where it has refused everything meanwhile: of many requests that
    /// wait for one that may go, each would be told the same.
    pub(super) async fn turn(&self, request: &str) -> Result<(), Fault> {
        self.pace.turn().await;
        self.outage.refusal(request).map_or(Ok(()), |error| Err(Fault::last(error)))
    }

    /// The wait before the next attempt; or why there is none, where the fault itself does not say it all.
    fn allowed(&self, wait: Option<Duration>, fault: &Fault, tries: &Tries) -> Result<Duration, Option<GivenUp>> {
        let wait = wait.ok_or(None)?;
        if let Some(objection) = self.outage.objection() {
            return Err(Some(objection));
        }
        // What the registry asked for, what another request has paid for, and what gets on, is no flood of ours.
        let free = fault.is_asked_for() || fault.whose != Whose::Own || tries.follows_progress();
        if !free {
            self.budgets.take()?;
        }
        Ok(wait)
    }

    /// The host had too much with what was sent at `sent`.
    pub(super) fn slow_down(&self, sent: Instant) {
        if let Some(allowed) = self.permits.slow_down(sent) {
            tracing::debug!(registry = %self.registry, allowed, "fewer requests at once");
        }
    }

    /// Whatever a server has said, and in whichever header: nothing of it leaves here with a secret in it.
    fn without_secrets(&self, error: Error) -> Error {
        Error { message: self.authorizer.redactor.sweep(&error.message), ..error }
    }
}
