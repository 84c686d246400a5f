//! How long a registry asks to be left alone. Pure.
//!
//! Owns the reading of `Retry-After`, and of the same wish in the words of a refusal. Refuses to judge whether a wish is
//! granted: that is `retry`'s.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// What stands before the wait in the words of a refusal.
const IN_WORDS: &str = "retry-after:";

/// The wait of a `Retry-After`, in seconds or until a date (RFC 9110 §10.2.3). A date is compared with the answer's own
/// `Date`, so that no clock of ours matters. What cannot be read is no wish.
pub(super) fn in_header(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let until = http_date(text)?;
    let from = http_date(headers.get(DATE)?.to_str().ok()?)?;
    Some(until.duration_since(from).unwrap_or_default())
}

/// `IMF-fixdate` of RFC 9110 §5.6.7.
fn http_date(text: &str) -> Option<SystemTime> {
    jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp().into())
}

/// The wait that the words of a refusal name: `retry-after: 10.305464ms, allowed: 2000/minute`. So does GHCR, which sends
/// no header (<https://github.com/dependabot/cli/issues/380>).
pub(super) fn in_words(words: &str) -> Option<Duration> {
    let words = words.to_ascii_lowercase();
    let (_, wish) = words.split_once(IN_WORDS)?;
    go_duration(wish.trim_start())
}

/// The duration that `text` begins with, as Go writes it (`1m2.5s`, `10.3ms`, `40µs`;
/// <https://pkg.go.dev/time#ParseDuration>); a number alone is seconds, as in the header.
fn go_duration(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '.')).unwrap_or(text.len());
    let mut rest = text.get(..end)?.trim_end_matches('.');
    if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(rest.parse().unwrap_or(u64::MAX)));
    }
    let mut whole = None;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, left) = after.split_at(letters);
        let part = nanoseconds(number, nanoseconds_of(unit)?)?;
        whole = Some(part.saturating_add(whole.unwrap_or_default()));
        rest = left;
    }
    whole.map(|nanoseconds: u64| Duration::from_nanos(nanoseconds))
}

/// How many nanoseconds a unit of Go's has. The micro sign and the Greek letter both stand for micro.
fn nanoseconds_of(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 60 * 60 * 1_000_000_000,
        _ => return None,
    })
}

/// `number` units of so many nanoseconds; what is too much to count is the most that can be.
fn nanoseconds(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse().unwrap_or(u64::MAX) };
    let weight = |(digit, scale): (u8, u64)| u64::from(digit - b'0') * (unit / scale);
    let scales = std::iter::successors(Some(10_u64), |scale| scale.checked_mul(10));
    let fraction: u64 = fraction.bytes().zip(scales).map(weight).fold(0, u64::saturating_add);
    Some(whole.saturating_mul(unit).saturating_add(fraction))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn the_wish_in_words() {
        let table = [
            ("TOOMANYREQUESTS: retry-after: 10.305464ms, allowed: 2000/minute", Some(10_305_464)),
            ("Retry-After: 443.7µs, allowed: 44000/minute", Some(443_700)),
            ("retry-after: 443.7\u{3bc}s", Some(443_700)),
            ("retry-after:7us", Some(7_000)),
            ("retry-after: 12ns.", Some(12)),
            ("retry-after: 2s", Some(2_000_000_000)),
            ("retry-after: 1m2s, allowed", Some(62_000_000_000)),
            ("retry-after: 1h0m0.5s", Some(3_600_500_000_000)),
            ("retry-after: .5s", Some(500_000_000)),
            ("retry-after: 0s", Some(0)),
            ("retry-after: 3", Some(3_000_000_000)),
            ("retry-after: 3, allowed: 5/s", Some(3_000_000_000)),
            ("retry-after: 99999999999999999999999999h", Some(u64::MAX)),
            ("retry-after: 0.12345678901234567890123456789s", Some(123_456_789)),
            ("slow down", None),
            ("retry-after", None),
            ("retry-after:", None),
            ("retry-after: soon", None),
            ("retry-after: -2s", None),
            ("retry-after: 2 parsecs 3", Some(2_000_000_000)),
            ("retry-after: 2parsecs", None),
            ("retry-after: 1.2.3s", None),
            ("retry-after: .s", None),
            ("retry-after: s", None),
            ("retry-after: 1m2", None),
            ("retry-after: ١s", None),
        ];
        for (words, expected) in table {
            assert_eq!(in_words(words), expected.map(Duration::from_nanos), "{words}");
        }
    }

    #[test]
    fn a_date_is_compared_with_the_answers_own() {
        let wish = |value: &str, date: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            headers.insert(DATE, date.parse().unwrap());
            in_header(&headers).map(|wait| wait.as_secs())
        };
        let now = "Sun, 06 Nov 1994 08:49:00 GMT";
        assert_eq!(wish("2", now), Some(2));
        assert_eq!(wish("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(37));
        assert_eq!(wish("Sun, 06 Nov 1994 08:48:00 GMT", now), Some(0));
        assert_eq!(wish("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:30 GMT"), Some(7));
        assert_eq!(wish("Sun, 06 Nov 1994 08:49:37 GMT", "yesterday"), None);
        for junk in ["", "soon", "-1", "1.5", "06 Nov", "\u{e9}"] {
            assert_eq!(wish(junk, now), None, "{junk}");
        }
    }

    proptest! {
        #[test]
        fn no_words_and_no_header_are_too_odd(words in any::<String>(), tail in "[0-9.hmsnuµ -]{0,60}", bytes in any::<Vec<u8>>()) {
            in_words(&words);
            in_words(&format!("{words}retry-after:{tail}{words}"));
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let headers: HeaderMap = [(RETRY_AFTER, value.clone()), (DATE, value)].into_iter().collect();
                in_header(&headers);
            }
        }
    }
}
