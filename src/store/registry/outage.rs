//! How much is still asked of a host that does not answer.
//!
//! Owns the record of one host. A run over hundreds of tags must not find out about each of them that the host is down.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::authorization::lock;
use crate::image::Code;
use crate::store::Error;
use crate::store::limits::{REST_WHEN_DOWN, SILENT_REQUESTS};

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
    /// When the first of the silent requests began.
    silent_since: Option<Instant>,
    last_silence: Option<(Instant, Error)>,
}

impl Outage {
    /// Before a request.
    pub(super) fn verdict(&self, request: &str) -> Verdict {
        let mut record = lock(&self.0);
        let (silent, words) = (record.silent, record.words());
        let Some((at, error)) = record.last_silence.as_mut().filter(|_| silent >= SILENT_REQUESTS) else {
            return Verdict::Try;
        };
        if at.elapsed() >= REST_WHEN_DOWN {
            // Whoever comes while this one tries does not try.
            *at = Instant::now();
            return Verdict::TryOnce;
        }
        let message = format!("{} ({words}; not asked again)", error.message);
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
        (record.silent, record.silent_since, record.last_silence) = (0, None, None);
    }

    /// A request that began at `started` has failed for good. Counts if the host has said nothing since.
    pub(super) fn failed(&self, error: &Error, started: Instant) {
        let silence = error.status.is_none() && matches!(error.code, Code::Connect | Code::Timeout);
        let mut record = lock(&self.0);
        if silence && record.last_answer.is_none_or(|at| at < started) {
            record.silent += 1;
            record.silent_since.get_or_insert(started);
            record.last_silence = Some((Instant::now(), error.clone()));
        }
    }

    /// Why nothing is tried again at a host that is down.
    pub(super) fn objection(&self) -> Option<String> {
        let record = lock(&self.0);
        (record.silent >= SILENT_REQUESTS).then(|| record.words())
    }
}

impl Record {
    fn words(&self) -> String {
        let seconds = self.silent_since.map_or(0.0, |since| since.elapsed().as_secs_f64());
        format!("the host has not answered {} requests in {seconds:.1} s", self.silent)
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
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(outage.objection().unwrap(), "the host has not answered 3 requests in 4.0 s");
        let Verdict::Refuse(error) = outage.verdict("read b") else { panic!("the host is down") };
        assert_eq!((error.code, error.request.as_str(), error.attempts), (Code::Connect, "read b", 1));
        assert!(
            error.message.ends_with("refused (the host has not answered 3 requests in 4.0 s; not asked again)"),
            "{error}"
        );
        tokio::time::advance(REST_WHEN_DOWN).await;
        assert_eq!(outage.verdict("read b"), Verdict::TryOnce);
        assert!(matches!(outage.verdict("read b"), Verdict::Refuse(_)));
        outage.answered();
        assert_eq!((outage.verdict("read b"), outage.objection()), (Verdict::Try, None));
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
}
