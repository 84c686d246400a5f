//! What must hold of every request log, whatever went wrong: secrets at home, and writes in their order.

use std::collections::BTreeMap;

use crate::support::canary::{assert_no_canary, holds};
use crate::support::registry::{FakeRegistry, digests_in};
use crate::support::server::{RecordedRequest, Server, decode_pairs};

/// Panics when text of a run holds any secret.
#[track_caller]
pub fn assert_silent(place: &str, text: &str, secrets: &[String]) {
    let secrets: Vec<_> = secrets.iter().map(String::as_str).collect();
    assert_no_canary(place, text, &secrets);
}

/// Panics when a request to this server holds a secret that is not its own: in its URL, a header or its body.
#[track_caller]
pub fn assert_secrets_stay(server: &Server, own: &[String], secrets: &[String]) {
    let foreign: Vec<_> = secrets.iter().filter(|secret| !own.contains(secret)).collect();
    for request in server.requests() {
        let body = String::from_utf8_lossy(&request.body_start).into_owned();
        let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value));
        for (place, text) in headers.chain([("the URL", &request.target()), ("the body", &body)]) {
            let leaked = foreign.iter().find(|secret| holds(text, secret));
            assert!(leaked.is_none(), "{} was sent {leaked:?} in {place}: {}", server.host(), request.line());
        }
        // A URL ends up in logs of proxies and servers, even the right one's.
        let shown = secrets.iter().find(|secret| holds(&request.target(), secret));
        assert!(shown.is_none(), "{} was sent {shown:?} in a URL: {}", server.host(), request.line());
    }
}

/// What one repository was sent, by digest: when it was first answered that the thing is stored.
type Stored = BTreeMap<String, usize>;

/// Panics unless each manifest was sent after all that it names had been stored, by what the client was told: blobs before
/// manifests, children before their index, and a tag after everything else.
#[track_caller]
pub fn assert_written_in_order(registry: &FakeRegistry) {
    let mut stored: BTreeMap<String, Stored> = BTreeMap::new();
    let requests: Vec<_> = registry.requests().into_iter().filter(succeeded).collect();
    for request in &requests {
        if let (Some((repository, digest)), Some(answered)) = (written(registry, request), request.answered) {
            let earliest = stored.entry(repository).or_default().entry(digest).or_insert(answered);
            *earliest = (*earliest).min(answered);
        }
    }
    for request in requests.iter().filter(|request| request.method == "PUT") {
        let Some((repository, reference)) = manifest_of(&request.path) else { continue };
        let sent = &stored[repository];
        let Some(bytes) = registry.manifest_bytes(repository, reference) else { continue };
        for digest in digests_in(&bytes) {
            let in_time = sent.get(&digest).is_none_or(|answered| *answered < request.sequence);
            assert!(in_time, "{} came before {digest}\n{}", request.line(), registry.request_log_in_order(&[]));
        }
        if !reference.contains(':') {
            let after = |later: &&RecordedRequest| {
                let same = written(registry, later).is_some_and(|(other, _)| other == repository);
                same && later.sequence > request.sequence && later.target() != request.target()
            };
            let late = requests.iter().find(after).map(RecordedRequest::line);
            assert!(late.is_none(), "{late:?} came after {}\n{}", request.line(), registry.request_log_in_order(&[]));
        }
    }
}

fn succeeded(request: &RecordedRequest) -> bool {
    request.status.is_some_and(|status| (200..300).contains(&status))
}

/// Repository and digest of what a successful request stored.
fn written(registry: &FakeRegistry, request: &RecordedRequest) -> Option<(String, String)> {
    if let Some((repository, reference)) = manifest_of(&request.path).filter(|_| request.method == "PUT") {
        let by_tag = || registry.tag_digest(repository, reference);
        let digest = if reference.contains(':') { Some(reference.to_owned()) } else { by_tag() };
        return digest.map(|digest| (repository.to_owned(), digest));
    }
    let (repository, _) = request.path.strip_prefix("/v2/")?.split_once("/blobs/uploads/")?;
    let parameter = match (request.method.as_str(), request.status) {
        ("PUT", _) | ("POST", Some(201)) => decode_pairs(&request.query),
        _ => return None,
    };
    let digest = parameter.into_iter().find(|(name, _)| matches!(name.as_str(), "digest" | "mount"));
    digest.map(|(_, digest)| (repository.to_owned(), digest))
}

fn manifest_of(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("/v2/")?.rsplit_once("/manifests/")
}
