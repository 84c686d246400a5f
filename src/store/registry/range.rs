//! Ranges of bytes as they are written in headers. Pure.
//!
//! Refuses every part of a blob that is not exactly the one that was asked for: one wrong offset, and the bytes of two places
//! would be joined.

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue};

/// `Range` for everything from `offset` on (RFC 9110 §14.2).
pub(super) fn from(offset: u64) -> HeaderValue {
    // Digits and ASCII are always a header's value; a request without one is answered with the whole.
    HeaderValue::from_str(&format!("bytes={offset}-")).unwrap_or(HeaderValue::from_static("bytes=0-"))
}

/// Why a part is not the one that was asked for, to be put after "answered with".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misfit {
    #[error("{0} `Content-Range` headers")]
    Count(usize),
    #[error("several parts at once")]
    Multipart,
    #[error("a `Content-Range` that cannot be read")]
    Unreadable,
    #[error("the bytes from {0} on")]
    Start(u64),
    #[error("an end that lies before its start or after the end of the blob")]
    End,
    #[error("a part of {0} bytes")]
    Total(u64),
    #[error("a `Content-Length` that is not that of the part")]
    Length,
}

/// Checks that a 206 with these headers holds the blob of `size` bytes from `offset` on (RFC 9110 §14.4, §15.3.7). It may end
/// before the blob does: the rest is then asked for.
pub(super) fn check(headers: &HeaderMap, offset: u64, size: u64) -> Result<(), Misfit> {
    let essence = headers.get(CONTENT_TYPE).map(|value| value.as_bytes().to_ascii_lowercase()).unwrap_or_default();
    if essence.starts_with(b"multipart/") {
        return Err(Misfit::Multipart);
    }
    let mut stated = headers.get_all(CONTENT_RANGE).iter();
    let (Some(value), None) = (stated.next(), stated.next()) else {
        return Err(Misfit::Count(headers.get_all(CONTENT_RANGE).iter().count()));
    };
    let (start, end, total) = value.to_str().ok().and_then(content_range).ok_or(Misfit::Unreadable)?;
    if let Some(total) = total.filter(|total| *total != size) {
        return Err(Misfit::Total(total));
    }
    if start != offset {
        return Err(Misfit::Start(start));
    }
    if end < start || end >= size {
        return Err(Misfit::End);
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let fits = |value: &HeaderValue| value.to_str().ok().and_then(number) == Some(end - start + 1);
    if lengths.all(fits) { Ok(()) } else { Err(Misfit::Length) }
}

/// `bytes <start>-<end>/<total>`; the total may be `*`.
fn content_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (unit, rest) = text.trim().split_once(' ')?;
    let (bounds, total) = rest.trim().split_once('/')?;
    let (start, end) = bounds.split_once('-')?;
    let total = if total == "*" { None } else { Some(number(total)?) };
    unit.eq_ignore_ascii_case("bytes").then_some((number(start)?, number(end)?, total))
}

/// Digits only: `parse` alone takes a sign.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn checked(content_range: &str) -> Result<(), Misfit> {
        check(&headers(&[("content-range", content_range)]), 4, 10)
    }

    #[test]
    fn what_is_asked_for() {
        assert_eq!(from(0), "bytes=0-");
        assert_eq!(from(u64::MAX), "bytes=18446744073709551615-");
    }

    #[test]
    fn the_rest_and_a_part_of_the_rest_fit() {
        for right in ["bytes 4-9/10", "bytes 4-9/*", "Bytes 4-9/10", " bytes 4-9/10 ", "bytes 4-4/10"] {
            assert_eq!(checked(right), Ok(()), "{right}");
        }
        assert_eq!(check(&headers(&[("content-range", "bytes 4-9/10"), ("content-length", "6")]), 4, 10), Ok(()));
    }

    #[test]
    fn nothing_else_does() {
        let table = [
            ("bytes 3-9/10", Misfit::Start(3)),
            ("bytes 5-9/10", Misfit::Start(5)),
            ("bytes 4-9/11", Misfit::Total(11)),
            ("bytes 4-10/*", Misfit::End),
            ("bytes 4-3/10", Misfit::End),
            ("bytes */10", Misfit::Unreadable),
            ("bytes=4-9/10", Misfit::Unreadable),
            ("4-9", Misfit::Unreadable),
            ("items 4-9/10", Misfit::Unreadable),
            ("bytes +4-9/10", Misfit::Unreadable),
            ("bytes 4-9/", Misfit::Unreadable),
            ("bytes 4-99999999999999999999/10", Misfit::Unreadable),
            ("bytes 4-9/10, bytes 4-9/10", Misfit::Unreadable),
        ];
        for (stated, misfit) in table {
            assert_eq!(checked(stated), Err(misfit), "{stated}");
        }
        let twice = headers(&[("content-range", "bytes 4-9/10"), ("content-range", "bytes 4-9/10")]);
        assert_eq!(check(&twice, 4, 10), Err(Misfit::Count(2)));
        assert_eq!(check(&HeaderMap::new(), 4, 10), Err(Misfit::Count(0)));
        let several =
            headers(&[("content-range", "bytes 4-9/10"), ("content-type", "Multipart/ByteRanges; boundary=x")]);
        assert_eq!(check(&several, 4, 10), Err(Misfit::Multipart));
        for length in ["5", "7", "six", "+6", ""] {
            let wrong = headers(&[("content-range", "bytes 4-9/10"), ("content-length", length)]);
            assert_eq!(check(&wrong, 4, 10), Err(Misfit::Length), "{length}");
        }
    }
}
