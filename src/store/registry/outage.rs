//! How much is still asked of a host that does not answer, or refuses whatever it is asked.
//!
//! Owns the record of one host. A run over hundreds of tags must not find out about each of them that the host is down, nor
//! wait for each as long as the host asks.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::image::Code;
use crate::store::limits::{ATTEMPTS, REFUSING_TIME, REST_WHEN_DOWN, SILENT_REQUESTS};
use crate::store::mutex::lock;
use crate::store::{Error, GivenUp};

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
    silence: Silence,
    refusals: Refusals,
    /// Whether a request is on its way that is to find out whether the host is back.
    probing: bool,
}

/// Requests that have failed for good, without any answer since the first of them began.
#[derive(Default)]
struct Silence {
    number: u32,
    since: Option<Instant>,
    last: Option<(Instant, Error)>,
}

/// Answers that there was too much of us, with no other answer since the first. Those that came while the wait of the one
/// before ran are not counted: they say the same once more.
#[derive(Default)]
struct Refusals {
    number: u32,
    since: Option<Instant>,
    /// Until when the last one that was counted wants us to wait.
    until: Option<Instant>,
    last: Option<(Instant, Error)>,
}

impl Outage {
    /// Before a request.
    pub(super) fn verdict(&self, request: &str) -> Verdict {
        let mut record = lock(&self.0);
        let Some(error) = record.closed(request) else { return Verdict::Try };
        if !record.is_rested() {
            return Verdict::Refuse(error);
        }
        // Whoever comes while this one tries does not try.
        record.rest();
        record.probing = true;
        Verdict::TryOnce
    }

    /// Why what has waited for its turn is not sent, at a host that has refused everything meanwhile.
    pub(super) fn refusal(&self, request: &str) -> Option<Error> {
        let record = lock(&self.0);
        if record.probing || !record.refusals.is_closed() {
            return None;
        }
        record.closed(request)
    }

    /// The host answered something, with this status.
    pub(super) fn answered(&self, status: u16) {
        let mut record = lock(&self.0);
        record.last_answer = Some(Instant::now());
        record.silence = Silence::default();
        // Those are, or may be, said by what stands in front of a registry, or mean that it is asked too much.
        if !matches!(status, 401 | 403 | 429 | 503) {
            record.refusals = Refusals::default();
        }
    }

    /// A request that began at `started` has failed for good. Counts if the host has said nothing since.
    pub(super) fn failed(&self, error: &Error, started: Instant) {
        let is_silence = error.status.is_none() && matches!(error.code, Code::Connect | Code::Timeout);
        let mut record = lock(&self.0);
        if is_silence && record.last_answer.is_none_or(|at| at < started) {
            record.probing = false;
            let silence = &mut record.silence;
            silence.number += 1;
            silence.since.get_or_insert(started);
            silence.last = Some((Instant::now(), error.clone()));
        }
    }

    /// The host, or the realm of its tokens, wants us to wait so long before anything else is asked.
    pub(super) fn refused(&self, error: &Error, wait: Duration) {
        let mut record = lock(&self.0);
        record.probing = false;
        let now = Instant::now();
        let refusals = &mut record.refusals;
        if refusals.until.is_none_or(|until| until <= now) {
            refusals.number += 1;
            refusals.since.get_or_insert(now);
            refusals.until = Some(now + wait);
            refusals.last = Some((now, error.clone()));
        }
    }

    /// Why nothing is tried again at a host that is down.
    pub(super) fn objection(&self) -> Option<GivenUp> {
        lock(&self.0).trouble().map(|(_, trouble)| trouble)
    }
}

impl Record {
    /// The last failure at a host that is down, and what is wrong with it.
    fn trouble(&self) -> Option<(&Error, GivenUp)> {
        if let Some((_, error)) = self.silence.last.as_ref().filter(|_| self.silence.is_closed()) {
            return Some((error, GivenUp::Silence));
        }
        let last = self.refusals.last.as_ref().filter(|_| self.refusals.is_closed());
        last.map(|(_, error)| (error, GivenUp::Refusals))
    }

    /// Why nothing is asked, as the failure of `request`.
    fn closed(&self, request: &str) -> Option<Error> {
        let (error, trouble) = self.trouble()?;
        let (request, given_up) = (request.to_owned(), Some(trouble));
        Some(Error { request, given_up, attempts: 0, elapsed: Duration::ZERO, ..error.clone() })
    }

    /// Whether the host has been left alone for long enough to be asked once.
    fn is_rested(&self) -> bool {
        let asked = [&self.silence.last, &self.refusals.last].into_iter().flatten().map(|(at, _)| *at).max();
        asked.is_none_or(|at| at.elapsed() >= REST_WHEN_DOWN)
            && self.refusals.until.is_none_or(|until| until <= Instant::now())
    }

    fn rest(&mut self) {
        for (at, _) in [&mut self.silence.last, &mut self.refusals.last].into_iter().flatten() {
            *at = Instant::now();
        }
    }
}

impl Silence {
    fn is_closed(&self) -> bool {
        self.number >= SILENT_REQUESTS
    }
}

impl Refusals {
    /// As many waits as one request would keep, and long enough for a limit by the minute to begin anew.
    fn is_closed(&self) -> bool {
        let lasted = self.last.as_ref().zip(self.since).map(|((last, _), since)| last.duration_since(since));
        self.number >= ATTEMPTS && lasted.is_some_and(|lasted| lasted >= REFUSING_TIME)
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
        assert_eq!(outage.objection(), Some(GivenUp::Silence));
        let Verdict::Refuse(error) = outage.verdict("read b") else { panic!("the host is down") };
        assert_eq!((error.code, error.attempts), (Code::Connect, 0));
        let words = "could not read b: cannot connect to r.io: refused (not asked: the host does not answer)";
        assert_eq!(error.to_string(), words);
        tokio::time::advance(REST_WHEN_DOWN).await;
        assert_eq!(outage.verdict("read b"), Verdict::TryOnce);
        assert!(matches!(outage.verdict("read b"), Verdict::Refuse(_)));
        outage.answered(500);
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
        outage.answered(401);
        // What the host said meanwhile shows that it is there: the failure was somebody else's.
        (0..5).for_each(|_| outage.failed(&silence(), started));
        assert_eq!(outage.verdict("read"), Verdict::Try);
    }

    fn too_much() -> Error {
        Error { status: Some(429), ..Error::new(Code::RateLimited, "read a", "r.io answered 429") }
    }

    /// Refuses `number` times, each after the wait.
    async fn refuse(outage: &Outage, number: u32, wait: u64) {
        for _ in 0..number {
            tokio::time::advance(Duration::from_secs(wait)).await;
            // Others that were sent at the same time are told the same.
            (0..64).for_each(|_| outage.refused(&too_much(), Duration::from_secs(wait)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_goes_on_refusing_is_left_alone_for_as_long_as_it_asks() {
        let outage = Outage::default();
        refuse(&outage, 4, 60).await;
        assert_eq!((outage.verdict("read b"), outage.refusal("read b")), (Verdict::Try, None));
        refuse(&outage, 1, 60).await;
        let Verdict::Refuse(error) = outage.verdict("read b") else { panic!("it refuses") };
        assert_eq!((error.code, error.status, error.attempts), (Code::RateLimited, Some(429), 0));
        let words = "could not read b: r.io answered 429 (not asked: the host refuses whatever it is asked)";
        assert_eq!(error.to_string(), words);
        assert_eq!(outage.refusal("read b"), Some(error));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(matches!(outage.verdict("read b"), Verdict::Refuse(_)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(outage.verdict("read b"), Verdict::TryOnce);
        assert_eq!(outage.refusal("read b"), None, "the one that tries is sent");
        assert!(matches!(outage.verdict("read c"), Verdict::Refuse(_)));
        refuse(&outage, 1, 0).await;
        assert!(outage.refusal("read b").is_some());
        outage.answered(200);
        assert_eq!((outage.verdict("read b"), outage.refusal("read b")), (Verdict::Try, None));
    }

    #[tokio::test(start_paused = true)]
    async fn short_waits_are_kept_for_a_minute() {
        let outage = Outage::default();
        refuse(&outage, 60, 1).await;
        assert_eq!(outage.objection(), None);
        refuse(&outage, 1, 1).await;
        assert!(outage.objection().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_answered_between_refusals_counts_unless_it_says_nothing() {
        for (status, ends) in [(200, true), (404, true), (500, true), (401, false), (403, false), (503, false)] {
            let outage = Outage::default();
            refuse(&outage, 4, 60).await;
            outage.answered(status);
            refuse(&outage, 1, 60).await;
            assert_eq!(outage.objection().is_none(), ends, "{status}");
        }
    }
}
