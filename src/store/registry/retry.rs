//! What is tried again, and when. Pure.
//!
//! Owns the one table of transient failures, the backoff, and how long is waited at most. Refuses to sleep. The table for users
//! is `docs/reliability.md`.
//!
//! | failure | tried again | in the budgets | whole host | why |
//! |---|---|---|---|---|
//! | no connection, or a broken one; no such name | after a backoff | counts | – | networks have accidents |
//! | no open file left for a connection | up to 20 times | free | is asked less | others must end first; the host has no part in it |
//! | nothing came within a limit of time | after a backoff | counts | – | so have servers |
//! | 408, 499, 500, 502, 504, 522 | after a backoff | counts | – | a back end went away behind its proxy |
//! | 503 | after a backoff | counts | pauses, asked less | it is overloaded or restarts |
//! | 429 | after a backoff | free | pauses, asked less | it wants to be asked more slowly |
//! | 429 at the end of a quota of pulls (Docker Hub) | never | – | – | it may count, and helps nobody |
//! | 403 with a "secondary rate limit" (GHCR) | after 60 s or more | free | pauses, asked less | the same in other words |
//! | any of these with a `Retry-After` up to 120 s | after that wait | free | as above | the registry knows best |
//! | … or with such a wait in its words (GHCR) | after a backoff, not sooner | free | as above | it speaks of one request only |
//! | … or with a longer one | never | – | – | a run that waits for hours is none |
//! | a blob that broke after a gain | after a backoff, from there on | free | – | it gets on |
//! | a part of an upload in chunks, any of these | as above, from the registry's offset; else the blob anew, twice | as above | as above | the parts before it are there |
//! | wrong bytes; an upload's session lost (404, 416, `DIGEST_INVALID`); a token that ended in an upload | once | counts | – | twice is no accident |
//! | a failure shared with the request that met it | as that one | free | as that one | the other has paid for it |
//! | a token realm's, any of the above | as above | free | – | it says nothing of the registry |
//! | everything else: 400, 401, 403, 404, 405, 409, 412, 413, 415, 416, 422, 501; TLS, size, syntax, boundary | never | – | – | the next attempt would fail the same way |
//!
//! Backoff: at random below a ceiling of 0.5, 1, 2, 4 s; five attempts in all. A request is tried again only while its host
//! answers (`outage`) and while host and run have budget left (`budget`).

use std::time::Duration;

use reqwest::header::HeaderMap;

use super::error::Said;
use super::{quota, wish};
use crate::image::Code;
use crate::store::Error;
use crate::store::limits::{ATTEMPTS, ATTEMPTS_IN_SHORTAGE, FIRST_BACKOFF, LAST_BACKOFF, LONGEST_WAIT, SECONDARY_WAIT};

/// An attempt that failed.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// What is reported if there is no further attempt.
    pub(super) error: Error,
    /// Whether there may be one.
    pub(super) again: Again,
    /// Whose failure it is.
    pub(super) whose: Whose,
}

/// Whose failure an attempt ended in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Its own, at the registry or where that led.
    Own,
    /// That of another request, which it waited for.
    Another,
    /// That of a token realm: it says nothing of the registry.
    Realm,
}

/// Whether and when an attempt may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// The next attempt would fail the same way.
    Never,
    /// It may have been an accident; a second one is none.
    Once,
    /// After a wait of ours.
    Backoff,
    /// After the wait that the registry asked for, in milliseconds; at most [`LONGEST_WAIT`].
    After(u32),
    /// After a wait of ours, and not before what the registry named in its words, in milliseconds: there it speaks of the
    /// next single request, often very near, and many wait for that.
    NotBefore(u32),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let again = if is_transient(&error) { Again::Backoff } else { Again::Never };
        Self { error, again, whose: Whose::Own }
    }
}

impl Fault {
    /// A failure that stands, whatever its class.
    pub(super) fn last(error: Error) -> Self {
        Self { error, again: Again::Never, whose: Whose::Own }
    }

    /// A failure that may be an accident, such as wrong bytes once.
    pub(super) fn once(error: Error) -> Self {
        Self { error, again: Again::Once, whose: Whose::Own }
    }

    /// A refusal, with the wait that it asks for in its headers or its words.
    pub(super) fn answered(error: Error, headers: &HeaderMap, said: &Said) -> Self {
        let fault = Self::from(error);
        if fault.again != Again::Backoff {
            return fault;
        }
        if fault.error.status == Some(429) && quota::is_used_up(headers, said) {
            return Self::last(fault.error.hint(quota::advice(headers)));
        }
        let in_words = || said.words.as_deref().and_then(wish::in_words);
        let (wait, again): (_, fn(u32) -> Again) = match (wish::in_header(headers), in_words()) {
            (Some(wait), _) => (wait, Again::After),
            (None, Some(wait)) => (wait, Again::NotBefore),
            (None, None) if fault.error.status == Some(403) => (SECONDARY_WAIT, Again::NotBefore),
            (None, None) => return fault,
        };
        if wait > LONGEST_WAIT {
            let hint = format!("the registry asks to come back in {} s; run again then", wait.as_secs());
            return Self::last(Error { code: Code::RateLimited, ..fault.error }.hint(hint));
        }
        Self { again: again(milliseconds(wait)), ..fault }
    }

    /// Whether everything that talks to the host should wait, not this request alone.
    pub(super) fn concerns_host(&self) -> bool {
        let too_much = matches!(self.error.status, Some(429 | 503)) || self.error.code == Code::RateLimited;
        too_much && self.again != Again::Never
    }

    /// Whether another attempt is no flood of ours: the registry itself has asked for it, or it was sent nothing yet.
    pub(super) fn is_asked_for(&self) -> bool {
        self.error.shortage
            || self.error.code == Code::RateLimited
            || matches!(self.again, Again::After(_) | Again::NotBefore(_))
    }

    /// The wait before the next attempt after `attempts` of them; `None` when there is none. `jitter` is from 0 to 1.
    pub(super) fn wait(&self, attempts: u32, jitter: f64) -> Option<Duration> {
        if self.error.shortage {
            // The ceiling stays low: what others hold is given back soon.
            return (attempts < ATTEMPTS_IN_SHORTAGE).then(|| backoff(attempts.min(2), jitter));
        }
        match self.again {
            _ if attempts >= ATTEMPTS => None,
            Again::Never => None,
            Again::Once if attempts > 1 => None,
            Again::Once | Again::Backoff => Some(backoff(attempts, jitter)),
            Again::After(wait) => Some(Duration::from_millis(wait.into())),
            Again::NotBefore(wait) => Some(backoff(attempts, jitter).max(Duration::from_millis(wait.into()))),
        }
    }
}

/// Whether the same request may succeed later: the one place that decides it.
pub(super) fn is_transient(error: &Error) -> bool {
    match error.status {
        None if error.shortage => true,
        // A refusal for now, told from one for good by its words alone: see `error`.
        Some(403) => error.code == Code::RateLimited,
        Some(status) => is_transient_status(status),
        None => matches!(error.code, Code::Connect | Code::Timeout | Code::Unavailable | Code::RateLimited),
    }
}

/// Whether an answer with this status says nothing for good. 499 and 522 are what proxies in front of registries say about a
/// back end that went away.
pub(super) fn is_transient_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 499 | 500 | 502 | 503 | 504 | 522)
}

/// Rounded up: to come a little late is no harm.
fn milliseconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

/// Full jitter below a ceiling that doubles.
fn backoff(attempts: u32, jitter: f64) -> Duration {
    let doubled = FIRST_BACKOFF.saturating_mul(1 << attempts.saturating_sub(1).min(16));
    doubled.min(LAST_BACKOFF).mul_f64(jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use reqwest::header::{DATE, HeaderValue, RETRY_AFTER};

    use super::*;
    use crate::auth::Redactor;

    fn answered(status: u16, code: Code) -> Error {
        Error { status: Some(status), ..Error::new(code, "read", "no") }
    }

    #[test]
    fn the_table_of_what_is_tried_again() {
        for status in [408, 429, 499, 500, 502, 503, 504, 522] {
            assert!(is_transient(&answered(status, Code::Unavailable)), "{status}");
        }
        for status in [400, 401, 403, 404, 405, 409, 412, 413, 415, 416, 422, 501] {
            assert!(!is_transient(&answered(status, Code::Unavailable)), "{status}");
        }
        for code in [Code::Connect, Code::Timeout] {
            assert!(is_transient(&Error::new(code, "read", "no")), "{code}");
        }
        for code in [Code::Tls, Code::Digest, Code::Size, Code::Boundary, Code::Auth, Code::Protocol, Code::Redirect] {
            assert!(!is_transient(&Error::new(code, "read", "no")), "{code}");
        }
    }

    #[test]
    fn the_ceiling_doubles_and_the_attempts_end() {
        let fault = Fault::from(answered(500, Code::Unavailable));
        let ceilings: Vec<_> = (1..=5).map(|attempts| fault.wait(attempts, 1.0).map(|wait| wait.as_millis())).collect();
        assert_eq!(ceilings, [Some(500), Some(1000), Some(2000), Some(4000), None]);
        assert_eq!(fault.wait(1, 0.0), Some(Duration::ZERO));
        assert_eq!(backoff(60, 1.0), LAST_BACKOFF);
        assert_eq!(backoff(1, f64::NAN.max(0.0)), Duration::ZERO);
    }

    #[test]
    fn an_accident_is_forgiven_once() {
        let fault = Fault::once(Error::new(Code::Digest, "read", "wrong"));
        assert!(fault.wait(1, 0.5).is_some());
        assert_eq!(fault.wait(2, 0.5), None);
        assert_eq!(Fault::last(answered(500, Code::Unavailable)).wait(1, 1.0), None);
    }

    fn after(value: &str, date: Option<&str>) -> Fault {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        headers.insert(DATE, date.unwrap_or("Sun, 06 Nov 1994 08:49:00 GMT").parse().unwrap());
        Fault::answered(answered(429, Code::RateLimited), &headers, &Said::default())
    }

    fn said(words: &str) -> Fault {
        let body = format!(r#"{{"errors":[{{"code":"TOOMANYREQUESTS","message":"{words}"}}]}}"#);
        let said = Said::read(body.as_bytes(), &Redactor::default());
        Fault::answered(answered(429, Code::RateLimited), &HeaderMap::new(), &said)
    }

    #[test]
    fn a_wait_that_was_asked_for_is_kept() {
        assert_eq!(after("2", None).again, Again::After(2_000));
        assert_eq!(after("0", None).wait(1, 1.0), Some(Duration::ZERO));
        assert_eq!(after("120", None).wait(4, 0.0), Some(LONGEST_WAIT));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT", None).again, Again::After(37_000));
    }

    #[test]
    fn words_are_a_lower_bound_to_a_wait_of_ours() {
        let fault = said("retry-after: 10.5ms, allowed: 2000/minute");
        assert_eq!(fault.again, Again::NotBefore(11));
        assert_eq!(fault.wait(1, 0.0), Some(Duration::from_millis(11)));
        assert_eq!(fault.wait(3, 0.5), Some(Duration::from_secs(1)));
        assert_eq!(said("retry-after: 1m30s").wait(1, 1.0), Some(Duration::from_secs(90)));
        assert_eq!(said("slow down").again, Again::Backoff);
        let refused = Said::read(b"retry-after: 1s", &Redactor::default());
        let refused = Fault::answered(answered(403, Code::Denied), &HeaderMap::new(), &refused);
        assert_eq!(refused.again, Again::Never);
    }

    #[test]
    fn a_wait_beyond_patience_is_an_error_at_once() {
        let dates = ["121", "9999", "99999999999999999999999", "Mon, 06 Nov 2034 08:49:37 GMT"];
        let in_words = ["retry-after: 2m1s", "retry-after: 99999999999999999999h"];
        let faults = dates.map(|value| after(value, None)).into_iter().chain(in_words.map(said));
        for fault in faults {
            assert_eq!((fault.again, fault.error.code), (Again::Never, Code::RateLimited), "{}", fault.error);
            assert!(fault.error.hint.is_some_and(|hint| hint.contains("run again")));
        }
    }

    #[test]
    fn a_secondary_limit_is_waited_out() {
        let limit = answered(403, Code::RateLimited);
        let fault = Fault::answered(limit.clone(), &HeaderMap::new(), &Said::default());
        assert_eq!(fault.wait(1, 1.0), Some(SECONDARY_WAIT));
        assert!(fault.concerns_host() && fault.is_asked_for());
        let headers = [(RETRY_AFTER, HeaderValue::from_static("7"))].into_iter().collect();
        assert_eq!(Fault::answered(limit, &headers, &Said::default()).wait(1, 1.0), Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_shortage_of_our_own_is_outlasted_and_blamed_on_nobody() {
        let fault = Fault::from(Error { shortage: true, ..Error::new(Code::Io, "read", "too many open files") });
        assert!(fault.is_asked_for() && !fault.concerns_host());
        assert_eq!(fault.wait(19, 1.0), Some(Duration::from_secs(1)));
        assert_eq!(fault.wait(20, 1.0), None);
        assert_eq!(Fault::from(Error::new(Code::Io, "read", "the disk is broken")).wait(1, 1.0), None);
    }

    #[test]
    fn what_a_registry_asks_for_is_no_flood_of_ours() {
        assert!(Fault::from(answered(429, Code::RateLimited)).is_asked_for());
        assert!(after("2", None).is_asked_for());
        assert!(!Fault::from(answered(503, Code::Unavailable)).is_asked_for());
        assert!(!Fault::from(Error::new(Code::Connect, "read", "no")).is_asked_for());
    }

    #[test]
    fn junk_is_no_wish() {
        for value in ["", "soon", "-1", "1.5", "06 Nov", "\u{e9}"] {
            assert_eq!(after(value, None).again, Again::Backoff, "{value}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        let refused = Fault::answered(answered(403, Code::Denied), &headers, &Said::default());
        assert_eq!(refused.again, Again::Never);
    }

    #[test]
    fn only_limits_and_outages_pause_the_host() {
        assert!(Fault::from(answered(429, Code::RateLimited)).concerns_host());
        assert!(Fault::from(answered(503, Code::Unavailable)).concerns_host());
        assert!(!Fault::from(answered(500, Code::Unavailable)).concerns_host());
        assert!(!Fault::last(answered(429, Code::RateLimited)).concerns_host());
    }
}
