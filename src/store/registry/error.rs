//! Answers and broken connections as errors that say what to do.
//!
//! Owns the mapping of HTTP statuses to codes, and the reading of a registry's own words: short, on one line, quoted.
//! Refuses to decide on words where a status says it all.

use std::error::Error as _;

use serde::Deserialize;

use super::guard::Astray;
use crate::auth::Redactor;
use crate::image::Code;
use crate::store::Error;
use crate::store::limits::WORDS;

const PROXY_HINT: &str = "check the name of the host, the firewall, and the proxy (HTTPS_PROXY, NO_PROXY)";

/// What a registry said when it refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// The codes of the specification (`DENIED`, `MANIFEST_UNKNOWN`, …), upper case.
    pub(super) codes: Vec<String>,
    /// The words, fit to be quoted.
    pub(super) words: Option<String>,
    /// A page for people: likely not the registry's.
    pub(super) page: bool,
}

impl Said {
    /// Reads the body of a refusal: JSON of any of the shapes in use, or text.
    pub(super) fn read(body: &[u8], redactor: &Redactor) -> Self {
        let one_line = |words: &str| one_line(&redactor.clean(words));
        if let Ok(Wire::Errors { errors }) = serde_json::from_slice(body) {
            let codes =
                errors.iter().filter_map(|error| error.code.as_ref()).map(|code| text_of(code).to_ascii_uppercase());
            let words: Vec<String> =
                errors.iter().take(3).map(WireError::words).filter(|words| !words.is_empty()).collect();
            return Self { codes: codes.collect(), words: one_line(&words.join("; ")), page: false };
        }
        match serde_json::from_slice(body) {
            Ok(Wire::OAuth { error, error_description }) => {
                let code = text_of(&error);
                let words = error_description.map_or_else(|| code.clone(), |more| format!("{code}: {more}"));
                Self { codes: vec![code.to_ascii_uppercase()], words: one_line(&words), page: false }
            }
            Ok(Wire::Details { details: words } | Wire::Message { message: words }) => {
                Self { words: one_line(&words), ..Self::default() }
            }
            _ => Self::text(&redactor.clean(&String::from_utf8_lossy(body))),
        }
    }

    fn text(body: &str) -> Self {
        let start = body.trim_start().get(..15).unwrap_or(body.trim_start()).to_ascii_lowercase();
        if start.starts_with("<!doctype html") || start.starts_with("<html") {
            return Self { page: true, ..Self::default() };
        }
        Self { words: one_line(body), ..Self::default() }
    }

    /// Whether the registry gave this code of the specification.
    pub(super) fn has(&self, code: &str) -> bool {
        self.codes.iter().any(|found| found == code)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Wire {
    Errors { errors: Vec<WireError> },
    OAuth { error: serde_json::Value, error_description: Option<String> },
    Details { details: String },
    Message { message: String },
}

#[derive(Deserialize)]
struct WireError {
    #[serde(default)]
    code: Option<serde_json::Value>,
    #[serde(default)]
    message: Option<serde_json::Value>,
    #[serde(default)]
    detail: Option<serde_json::Value>,
}

impl WireError {
    fn words(&self) -> String {
        let parts = [&self.code, &self.message].into_iter().flatten().map(text_of);
        let mut words = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
        // A detail of one word (`repository not found`) helps; a tree of access lists does not.
        if let Some(serde_json::Value::String(detail)) = self.detail.as_ref().filter(|detail| *detail != "") {
            words = format!("{words} ({detail})");
        }
        words
    }
}

fn text_of(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Words on one line, without control characters, bounded; `None` where nothing is left.
pub(super) fn one_line(text: &str) -> Option<String> {
    let mut line = String::new();
    let mut length = 0;
    // More than this cannot become shorter words: no need to look at megabytes.
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        for character in word.chars() {
            if length >= WORDS {
                line.push('…');
                return Some(line);
            }
            line.push(character);
            length += 1;
        }
    }
    Some(line).filter(|line| !line.is_empty())
}

/// The code of a refusal, by its status.
pub(super) fn code_of(status: u16) -> Code {
    match status {
        401 => Code::Auth,
        403 => Code::Denied,
        404 => Code::NotFound,
        // Said by a proxy, where no tunnel leads through it.
        407 => Code::Connect,
        408 => Code::Timeout,
        429 => Code::RateLimited,
        300..=399 => Code::Redirect,
        400..=498 | 501 => Code::Refused,
        499..=599 => Code::Unavailable,
        _ => Code::Protocol,
    }
}

/// GHCR refuses with 403 what it takes for too much at once, although it is allowed:
/// `You have exceeded a secondary rate limit` (<https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>).
fn is_secondary_limit(status: u16, said: &Said) -> bool {
    let words = said.words.as_deref().unwrap_or_default();
    status == 403 && words.to_ascii_lowercase().contains("secondary rate limit")
}

/// A status that was not hoped for, with the registry's words.
pub(super) fn refused(request: &str, who: &str, status: u16, said: &Said) -> Error {
    let name = reqwest::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let name = name.map(|name| format!(" {name}")).unwrap_or_default();
    let words = said.words.as_ref().map(|words| format!(": {words:?}")).unwrap_or_default();
    let code = if is_secondary_limit(status, said) { Code::RateLimited } else { code_of(status) };
    let mut error = Error::new(code, request, format!("{who} answered {status}{name}{words}"));
    error.status = Some(status);
    if status == 407 {
        error = error.hint(PROXY_HINT);
    } else if said.page {
        error = error.hint("the answer is a web page: is there a captive portal or a proxy in between?");
    }
    error
}

/// A connection that could not be made or kept. The client's own text names URLs, so only what lies below is told.
pub(super) fn disconnected(request: &str, who: &str, error: reqwest::Error) -> Error {
    let error = error.without_url();
    if let Some(astray) = chain(&error).find_map(|cause| cause.downcast_ref::<Astray>()) {
        let refused = Error::new(Code::Boundary, request, format!("{who} was not connected to: {astray}"));
        return Error { hint: astray.hint().map(str::to_owned), ..refused };
    }
    if let Some(tls) = tls_cause(&error) {
        return Error::new(Code::Tls, request, format!("the TLS connection to {who} failed: {tls}"))
            .hint(tls_hint(&tls));
    }
    if is_shortage(&error) {
        let error = Error::new(Code::Io, request, format!("no connection to {who} can be opened: too many open files"));
        let hint = "raise the limit of open files (`ulimit -n`), or lower `concurrency` in `registries`";
        return Error { shortage: true, ..error }.hint(hint);
    }
    let cause = innermost(&error);
    if error.is_timeout() {
        return Error::new(Code::Timeout, request, format!("{who} did not answer in time: {cause}"));
    }
    if error.is_connect() {
        return unreachable(request, who, &error, &cause);
    }
    Error::new(Code::Connect, request, format!("the connection to {who} broke: {cause}"))
}

/// A connection that could not be made, with the part that a proxy had in it. The client names its tunnel's failures in words
/// only (hyper-util, `TunnelError`).
fn unreachable(request: &str, who: &str, error: &reqwest::Error, cause: &str) -> Error {
    let tunnel = chain(error).map(ToString::to_string).find(|text| text.starts_with("tunnel error"));
    let (way, cause, status) = match tunnel.as_deref() {
        None => ("", cause, None),
        Some("tunnel error: proxy authorization required") => {
            (" through the proxy", "it wants a credential, or another one than it was shown", Some(407))
        }
        Some("tunnel error: unsuccessful") => (" through the proxy", "it refuses to lead there", None),
        Some(_) => (" through the proxy", cause, None),
    };
    let error = Error::new(Code::Connect, request, format!("cannot connect to {who}{way}: {cause}")).hint(PROXY_HINT);
    Error { status, ..error }
}

/// No answer for as long as we wait.
pub(super) fn timed_out(request: &str, who: &str, after: std::time::Duration) -> Error {
    Error::new(Code::Timeout, request, format!("{who} sent nothing for {} s", after.as_secs()))
}

/// Bytes that come, or are taken, too slowly ever to end.
pub(super) fn crawled(request: &str, who: &str, window: std::time::Duration) -> Error {
    let message = format!("less than 1 KiB/s went between here and {who} for {} s", window.as_secs());
    Error::new(Code::Timeout, request, message)
}

/// An error and what caused it, outermost first.
fn chain(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let outermost: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(outermost), |&cause| cause.source())
}

fn innermost(error: &reqwest::Error) -> String {
    chain(error).last().and_then(|cause| one_line(&cause.to_string())).unwrap_or_default()
}

/// Whether the system has no open file left: for this program (`EMFILE`; `WSAEMFILE` on Windows) or for all (`ENFILE`).
fn is_shortage(error: &reqwest::Error) -> bool {
    let codes = if cfg!(windows) { [10024, 10024] } else { [24, 23] };
    let numbers = chain(error).filter_map(|cause| cause.downcast_ref::<std::io::Error>()?.raw_os_error());
    numbers.into_iter().any(|number| codes.contains(&number))
}

/// The TLS error in the chain, in words. An [`std::io::Error`] hides what it wraps from `source`.
fn tls_cause(error: &reqwest::Error) -> Option<String> {
    let mut cause: Option<&dyn std::error::Error> = error.source();
    while let Some(current) = cause {
        let wrapped = current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = wrapped.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(tls) = tls.or_else(|| current.downcast_ref::<rustls::Error>()) {
            return one_line(&tls.to_string());
        }
        cause = match wrapped {
            Some(inner) => Some(inner),
            None => current.source(),
        };
    }
    None
}

fn tls_hint(tls: &str) -> &'static str {
    if tls.contains("UnknownIssuer") {
        "if the registry has a certificate of its own authority, name that authority in `tls.ca` of the registry"
    } else if tls.contains("InvalidMessage") || tls.contains("corrupt message") {
        "does the registry speak plain http? then it needs `plain-http: true`"
    } else {
        "the certificate must be valid now and for this host name"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8]) -> Said {
        Said::read(body, &Redactor::default())
    }

    fn words(body: &[u8]) -> Option<String> {
        read(body).words
    }

    #[test]
    fn the_shapes_of_error_bodies() {
        let spec =
            br#"{"errors":[{"code":"denied","message":"no access","detail":[{"Type":"repository"}]},{"code":"X"}]}"#;
        let said = read(spec);
        assert_eq!(said.words.as_deref(), Some("denied: no access; X"));
        assert!(said.has("DENIED") && said.has("X") && !said.has("NO"));
        assert_eq!(words(br#"{"errors":[{"code":7,"message":null,"detail":"more"}]}"#).as_deref(), Some("7 (more)"));
        assert_eq!(
            words(br#"{"details":"incorrect username or password"}"#).as_deref(),
            Some("incorrect username or password")
        );
        let oauth = br#"{"error":"invalid_grant","error_description":"expired"}"#;
        assert_eq!(words(oauth).as_deref(), Some("invalid_grant: expired"));
        assert_eq!(words(br#"{"message":"slow down"}"#).as_deref(), Some("slow down"));
        assert_eq!(words(br#"{"errors":[]}"#), None);
        assert_eq!(words(b"Too Many\r\n\tRequests\x1b[31m").as_deref(), Some("Too Many Requests [31m"));
    }

    #[test]
    fn pages_empty_bodies_and_bombs() {
        assert!(read(b"<!DOCTYPE html><html>Login</html>").page);
        assert!(read(b"\n <HTML><body>").page);
        assert_eq!(read(b""), Said::default());
        assert_eq!(words(b"\xff\xfe").as_deref(), Some("\u{fffd}\u{fffd}"));
        let bomb = words(&vec![b'x'; 10_000_000]).unwrap();
        assert_eq!(bomb.chars().count(), WORDS + 1);
        assert!(read(&vec![b'['; 100_000]).words.is_some());
    }

    #[test]
    fn statuses_become_codes() {
        let table = [
            (400, Code::Refused),
            (401, Code::Auth),
            (403, Code::Denied),
            (404, Code::NotFound),
            (405, Code::Refused),
            (407, Code::Connect),
            (408, Code::Timeout),
            (413, Code::Refused),
            (415, Code::Refused),
            (429, Code::RateLimited),
            (499, Code::Unavailable),
            (500, Code::Unavailable),
            (501, Code::Refused),
            (503, Code::Unavailable),
            (522, Code::Unavailable),
            (307, Code::Redirect),
            (202, Code::Protocol),
        ];
        for (status, code) in table {
            assert_eq!(code_of(status), code, "{status}");
        }
    }

    #[test]
    fn a_refusal_reads_well() {
        let said = read(br#"{"errors":[{"code":"DENIED","message":"requested access is denied"}]}"#);
        let error = refused("read x", "the registry", 403, &said);
        let expected = r#"could not read x: the registry answered 403 Forbidden: "DENIED: requested access is denied""#;
        assert_eq!((error.to_string().as_str(), error.status), (expected, Some(403)));
        let limit = read(br#"{"errors":[{"code":"DENIED","message":"You have exceeded a secondary rate limit."}]}"#);
        assert_eq!(refused("read x", "ghcr.io", 403, &limit).code, Code::RateLimited);
        assert_eq!(refused("read x", "ghcr.io", 404, &limit).code, Code::NotFound);
        assert_eq!(refused("read x", "r", 599, &Said::default()).to_string(), "could not read x: r answered 599");
    }
}
