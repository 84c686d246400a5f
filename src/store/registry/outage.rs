//! How much is still asked of a host that does not answer, and how often in all anything is tried again.
//!
//! Owns the record of one host. A run over hundreds of tags must not find out about each of them that the host is down.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::authorization::lock;
use crate::image::Code;
use crate::store::Error;

/// After so many requests without an answer, each tried as often as may be, the host counts as down.
const SILENT_REQUESTS: u32 = 3;
/// How long nothing is asked of a host that is down; then one request finds out whether it still is.
const REST: Duration = Duration::from_secs(30);
/// So often anything may be tried again at any host.
const LEAST_BUDGET: u64 = 100;
/// And beyond, once in so many requests.
const REQUESTS_PER_RETRY: u64 = 5;

/// What may be done for a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As many attempts as usual.
    Try,
    /// One: the host may be back.
    TryOnce,
    /// None, for this reason.
    Refuse(Error),
}

/// The record of one host.
#[derive(Default)]
pub(super) struct Outage(Mutex<Record>);

#[derive(Default)]
struct Record {
    last_answer: Option<Instant>,
    silent: u32,
    last_silence: Option<(Instant, Error)>,
    requests: u64,
    retries: u64,
}

impl Outage {
    /// Before a request.
    pub(super) fn verdict(&self, request: &str) -> Verdict {
        let mut record = lock(&self.0);
        record.requests += 1;
        let silent = record.silent;
        let Some((at, error)) = record.last_silence.as_mut().filter(|_| silent >= SILENT_REQUESTS) else {
            return Verdict::Try;
        };
        if at.elapsed() >= REST {
            // Whoever comes while this one tries does not try.
            *at = Instant::now();
            return Verdict::TryOnce;
        }
        let message = format!("{} (the host has not answered {silent} requests; not asked again)", error.message);
        Verdict::Refuse(Error {
            request: request.to_owned(),
            message,
            attempts: 1,
            elapsed: Duration::ZERO,
            ..error.clone()
        })
    }

    /// The host answered something.
    pub(super) fn answered(&self) {
        let mut record = lock(&self.0);
        record.last_answer = Some(Instant::now());
        (record.silent, record.last_silence) = (0, None);
    }

    /// A request that began at `started` has failed for good. Counts if the host has said nothing since.
    pub(super) fn failed(&self, error: &Error, started: Instant) {
        let silence = error.status.is_none() && matches!(error.code, Code::Connect | Code::Timeout);
        let mut record = lock(&self.0);
        if silence && record.last_answer.is_none_or(|at| at < started) {
            record.silent += 1;
            record.last_silence = Some((Instant::now(), error.clone()));
        }
    }

    /// Whether one more attempt may be made: not at a host that is down, and not when retries are a flood of their own.
    /// What is `free` counts for nothing: waits that the registry itself asked for, failures of others.
    pub(super) fn allows_retry(&self, free: bool) -> bool {
        let mut record = lock(&self.0);
        let down = record.silent >= SILENT_REQUESTS;
        let spent = record.retries >= LEAST_BUDGET.max(record.requests / REQUESTS_PER_RETRY);
        if free {
            return !down;
        }
        if down || spent {
            return false;
        }
        record.retries += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silence() -> Error {
        Error { attempts: 5, ..Error::new(Code::Connect, "read a", "cannot connect to r.io: refused") }
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_is_down_after_three_silent_requests_and_asked_once_in_a_while() {
        let outage = Outage::default();
        for _ in 0..3 {
            assert_eq!(outage.verdict("read b"), Verdict::Try);
            outage.failed(&silence(), Instant::now());
        }
        assert!(!outage.allows_retry(false) && !outage.allows_retry(true));
        let Verdict::Refuse(error) = outage.verdict("read b") else { panic!("the host is down") };
        assert_eq!((error.code, error.request.as_str(), error.attempts), (Code::Connect, "read b", 1));
        assert!(error.message.ends_with("refused (the host has not answered 3 requests; not asked again)"), "{error}");
        tokio::time::advance(REST).await;
        assert_eq!(outage.verdict("read b"), Verdict::TryOnce);
        assert!(matches!(outage.verdict("read b"), Verdict::Refuse(_)));
        outage.answered();
        assert_eq!(outage.verdict("read b"), Verdict::Try);
    }

    #[tokio::test(start_paused = true)]
    async fn only_silence_counts() {
        let outage = Outage::default();
        let started = Instant::now();
        for _ in 0..5 {
            outage.failed(&Error { status: Some(504), ..silence() }, started);
            outage.failed(&Error::new(Code::Tls, "read", "no"), started);
        }
        tokio::time::advance(Duration::from_millis(1)).await;
        outage.answered();
        // What the host said meanwhile shows that it is there: the failure was somebody else's.
        (0..5).for_each(|_| outage.failed(&silence(), started));
        assert_eq!(outage.verdict("read"), Verdict::Try);
    }

    #[test]
    fn retries_have_a_budget() {
        let outage = Outage::default();
        assert_eq!((0..200).filter(|_| outage.allows_retry(false)).count(), 100);
        assert!(outage.allows_retry(true));
        (0..1000).for_each(|_| assert_eq!(outage.verdict("read"), Verdict::Try));
        assert_eq!((0..200).filter(|_| outage.allows_retry(false)).count(), 100);
    }
}
