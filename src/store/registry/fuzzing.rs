//! What must hold of what registries send in headers and refusals, whatever it is. For `crate::fuzzing`.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, DATE, HeaderMap, HeaderValue, RANGE, RETRY_AFTER};

use super::challenge::{self, Challenge};
use super::error::{Said, refused};
use super::link;
use super::origin::{Boundary, Words, same_origin};
use super::range;
use super::reach::{Reach, reach};
use super::retry::Fault;
use super::scope::{Access, Scope, is_opaque};
use super::upload::session_offset;
use crate::auth::Redactor;
use crate::image::{Code, Failure, Repository};
use crate::store::limits::{ATTEMPTS, REFUSAL_BYTES};

/// The longest wait that a registry is granted.
const PATIENCE: Duration = Duration::from_secs(120);

/// Each line of the input as a header, where it may be one.
fn headers(bytes: &[u8]) -> Vec<HeaderValue> {
    bytes.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).take(8).collect()
}

/// Registries of each kind: public, on the own network, on this machine.
fn boundaries() -> impl Iterator<Item = Boundary> {
    let bases = ["https://r.example/", "https://r.example:5000/", "https://10.0.0.5/", "http://localhost:5000/"];
    bases.into_iter().filter_map(|base| base.parse().ok()).map(|base| Boundary::new(base, Words::default()))
}

fn assert_clean(url: &Url) {
    assert!(matches!(url.scheme(), "http" | "https") && url.has_host(), "{url}");
    assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none(), "{url}");
}

/// Where a request of `home` may be led by it: not to less encryption, and no deeper into a network than it is itself.
fn assert_led_well(home: &Boundary, url: &Url) {
    assert_clean(url);
    assert!(url.scheme() == "https" || home.base().scheme() == "http", "a downgrade to {url}");
    let near_enough = reach(url) != Reach::Nowhere && reach(url) <= reach(home.base());
    assert!(near_enough || url.host_str() == home.base().host_str(), "{} leads to {url}", home.base());
}

/// `WWW-Authenticate`.
pub(crate) fn www_authenticate(bytes: &[u8]) {
    let headers = headers(bytes);
    let found = challenge::parse(&headers);
    let printed = found.iter().map(|challenge| HeaderValue::from_str(&print(challenge)));
    // What was not ASCII has been replaced, and would not be the same header again.
    if let Ok(printed) = printed.collect::<Result<Vec<_>, _>>() {
        assert_eq!(challenge::parse(&printed), found, "printed and read again");
    }
    for challenge in &found {
        let Challenge::Bearer(bearer) = challenge else { continue };
        for text in bearer.realm.iter().chain(&bearer.service).chain(&bearer.scope) {
            assert!(!text.is_empty(), "an empty parameter is none");
        }
        assert_asked_little(bearer.scope.as_deref().unwrap_or_default());
        for home in boundaries() {
            if let Some(Ok(url)) = bearer.realm.as_deref().map(|realm| home.realm(realm)) {
                assert_led_well(&home, &url);
                assert!(!home.may_exchange_credential(&url) || is_own(&home, &url), "{} at {url}", home.base());
            }
        }
    }
}

/// What a request that reads asks for because of a challenge with these scopes.
fn assert_asked_little(scopes: &str) {
    let repository = "r.example".parse().ok().and_then(|host| Repository::new(host, "app").ok());
    for scope in repository.into_iter().flat_map(|app| Scope::new(&app, Access::Pull).uncovered(scopes)) {
        let own = ["repository:app:pull", "repository:r.example/app:pull", "repository(plugin):app:pull"];
        let own = own.contains(&scope.as_str()) || scope == "repository(plugin):r.example/app:pull";
        assert!(own || is_opaque(&scope) || (scope.len() > 256 && !scope.contains(':')), "{scopes:?} asks for {scope}");
    }
}

/// Whether a realm has the name of a registry of [`boundaries`], or one under it, or is on this machine as it is.
fn is_own(home: &Boundary, realm: &Url) -> bool {
    let [own, host] = [home.base(), realm].map(|url| url.host_str().unwrap_or_default().trim_end_matches('.'));
    let under = host.strip_suffix(own).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    under || [home.base(), realm].into_iter().all(|url| reach(url) == Reach::Loopback)
}

fn print(challenge: &Challenge) -> String {
    let Challenge::Bearer(bearer) = challenge else { return "Basic realm=\"x\"".to_owned() };
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let named = [("realm", &bearer.realm), ("service", &bearer.service), ("scope", &bearer.scope)];
    let parameters = named.iter().filter_map(|(name, value)| Some(format!("{name}=\"{}\"", quoted(value.as_ref()?))));
    format!("Bearer {}", parameters.collect::<Vec<_>>().join(","))
}

/// `Link`.
pub(crate) fn link(bytes: &[u8]) {
    let headers = headers(bytes);
    let Some(target) = link::next(&headers) else { return };
    assert!(!target.contains('>') && target.trim() == target, "{target:?}");
    if let Ok(plain) = HeaderValue::from_str(&format!("<{target}>; rel=\"next\"")) {
        assert_eq!(link::next([&plain]).as_ref(), Some(&target), "printed and read again");
    }
    for home in boundaries() {
        let Ok(from) = home.base().join("v2/app/tags/list?n=1000") else { continue };
        if let Ok(url) = home.link(&from, &target) {
            assert_clean(&url);
            assert!(home.is_home(&url), "a list of {} goes on at {url}", home.base());
        }
    }
}

/// `Location`, of an upload and of a redirect.
pub(crate) fn location(bytes: &[u8]) {
    let headers = headers(bytes);
    let Some(value) = headers.first() else { return };
    for home in boundaries() {
        let Ok(from) = home.base().join("v2/app/blobs/uploads/") else { continue };
        if let Ok(url) = home.upload(&from, value) {
            assert_clean(&url);
            assert!(same_origin(home.base(), &url), "private bytes of {} go to {url}", home.base());
        }
        if let Ok(url) = home.redirect(&from, value) {
            assert_led_well(&home, &url);
            let again = HeaderValue::from_str(url.as_str()).map(|value| home.redirect(&from, &value));
            assert_eq!(again.ok(), Some(Ok(url)), "resolved, and resolved again");
        }
    }
}

/// `Retry-After`, beside a `Date` on the second line, at a refusal whose body is the rest.
pub(crate) fn retry_after(bytes: &[u8]) {
    let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
    let mut map = HeaderMap::new();
    for name in [RETRY_AFTER, DATE] {
        if let Some(value) = lines.next().and_then(|line| HeaderValue::from_bytes(line).ok()) {
            map.insert(name, value);
        }
    }
    let said = Said::read(lines.next().unwrap_or_default(), &Redactor::default());
    for status in [403, 429, 500, 503] {
        let error = refused("read", "r.example", status, &said);
        let retried = status != 403;
        let fault = Fault::answered(error, &map, &said);
        let wait = fault.wait(1, 0.5);
        assert!(wait.is_none_or(|wait| wait <= PATIENCE), "{status}: a wait of {wait:?}");
        assert!(retried || wait.is_none(), "{status} is tried again");
        if retried && wait.is_none() {
            assert_eq!(fault.error.code, Code::RateLimited, "not tried again, and not because of the wait");
        }
        assert_eq!(fault.wait(ATTEMPTS, 0.5), None, "tried for ever");
    }
}

/// What is told of a refusal with this body.
pub(crate) fn refusal(bytes: &[u8]) -> Failure {
    let body = &bytes[..bytes.len().min(REFUSAL_BYTES)];
    let said = Said::read(body, &Redactor::default());
    assert!(said.words.as_ref().is_none_or(|words| !words.is_empty()));
    Failure::from(refused("read the manifest of r.example/app:1", "r.example", 403, &said))
}

/// `Content-Range` with `Content-Length` of a part, and `Range` of an upload session: a line each.
pub(crate) fn content_range(bytes: &[u8]) {
    let mut map = HeaderMap::new();
    for (name, line) in [CONTENT_RANGE, CONTENT_LENGTH, RANGE].into_iter().zip(bytes.split(|byte| *byte == b'\n')) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            map.append(name, value);
        }
    }
    for size in [0, 1, 100, 1 << 40, u64::MAX] {
        let places = [0, 1, 5, 99, 100, 1 << 39, u64::MAX - 1];
        let fitting: Vec<u64> = places.into_iter().filter(|place| range::check(&map, *place, size).is_ok()).collect();
        assert!(fitting.len() <= 1, "one part, at {fitting:?}");
        for offset in fitting {
            assert!(offset < size, "a part at {offset} of {size} bytes");
            let stated = map.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            assert!(stated.contains(&offset.to_string()), "{stated} is not at {offset}");
            let mut other = map.clone();
            other.append(CONTENT_RANGE, HeaderValue::from_static("bytes 0-0/1"));
            assert!(range::check(&other, offset, size).is_err(), "two of them");
        }
    }
    if let Some(offset) = session_offset(&map) {
        assert!(offset > 1, "one byte is not told from none");
        let mut again = HeaderMap::new();
        if let Ok(range) = HeaderValue::from_str(&format!("0-{}", offset - 1)) {
            again.insert(RANGE, range);
        }
        assert_eq!(session_offset(&again), Some(offset), "printed and read again");
    }
}
