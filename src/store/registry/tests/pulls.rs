//! What is left of a quota of pulls is known before one is taken.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::server::{Reply, Seen, Server, reply};
use super::{Fixture, blob, tag};
use crate::image::{Code, Manifest, MediaType};
use crate::store::registry::{RegistryRepository, Settings};
use crate::store::{ImageSource, ImageTarget};

/// So many pulls are to be kept.
const KEEP: u64 = 1;

fn manifest(number: usize) -> Manifest {
    let text = format!(r#"{{"schemaVersion":2,"manifests":[],"annotations":{{"n":"{number}"}}}}"#);
    Manifest::identify(text.into(), &MediaType::oci_index()).unwrap()
}

fn repository(server: &Server) -> Arc<RegistryRepository> {
    let settings = Settings { keep_pulls: Some(KEEP), ..Settings::default() };
    Fixture::of(&server.host(), None, &settings).repository("app")
}

/// Reads so many manifests at once; how many were refused for the sake of what is kept.
async fn read_at_once(repository: &RegistryRepository, number: usize) -> usize {
    let read = async |number| {
        let manifest = manifest(number);
        let read = repository.manifest(manifest.digest(), manifest.media_type()).await;
        read.err().map(|error| assert_eq!(error.code, Code::RateLimited, "{error}")).is_some()
    };
    let reads = futures_util::future::join_all((0..number).map(read)).await;
    reads.into_iter().filter(|refused| *refused).count()
}

/// What remains after this request, where GETs count; and what is asked for.
fn metered(seen: &Seen, left: &AtomicU64) -> Reply {
    let remains = left.load(Ordering::SeqCst).saturating_sub(u64::from(seen.method == "GET"));
    left.store(remains, Ordering::SeqCst);
    let known: HashMap<_, _> = (0..5).map(manifest).map(|one| (one.digest().to_string(), one)).collect();
    let found = &known[seen.target.rsplit('/').next().unwrap()];
    let headers = [("content-type", found.media_type().as_str()), ("ratelimit-remaining", &remains.to_string())];
    reply(200, &headers, found.bytes().clone())
}

#[tokio::test]
async fn what_else_is_answered_says_nothing_of_pulls() {
    let left = AtomicU64::new(KEEP);
    let server = Server::start(move |seen| match seen.target.as_str() {
        "/v2/app/manifests/missing" => reply(404, &[], ""),
        target if target.starts_with("/v2/app/manifests/") => metered(seen, &left),
        _ => reply(200, &[], r#"{"tags":[]}"#),
    });
    let repository = repository(&server);
    assert!(repository.has_blob(&blob(b"content")).await.unwrap());
    assert!(repository.tags().await.unwrap().is_empty());
    assert_eq!(repository.resolve(&tag("missing")).await.unwrap(), None);
    assert_eq!(read_at_once(&repository, 3).await, 3);
    assert_eq!(server.count("GET", "/v2/app/manifests/"), 0);
}

#[tokio::test]
async fn a_refusal_to_say_what_is_left_is_no_leave() {
    for status in [408, 429, 500, 502, 503, 504] {
        let (left, asked) = (AtomicU64::new(KEEP), AtomicUsize::new(0));
        let server = Server::start(move |seen| match asked.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => reply(status, &[("retry-after", "0")], ""),
            _ => metered(seen, &left),
        });
        assert_eq!(read_at_once(&repository(&server), 1).await, 1, "{status}");
        assert_eq!((server.count("HEAD", "/"), server.count("GET", "/")), (3, 0), "{status}");
    }
}

#[tokio::test]
async fn where_only_a_pull_tells_what_is_left_there_is_one_first() {
    for status in [403, 405, 501] {
        let left = AtomicU64::new(KEEP + 2);
        let server = Server::start(move |seen| match seen.method.as_str() {
            "HEAD" => reply(status, &[], ""),
            _ => metered(seen, &left),
        });
        assert_eq!(read_at_once(&repository(&server), 5).await, 3, "{status}");
        assert_eq!(server.count("GET", "/v2/app/manifests/"), 2, "{status}");
    }
}
