//! The end of trying: each says how often, how long, why, and what the registry said last.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::server::{Server, reply};
use super::{Fixture, tag};
use crate::image::Code;
use crate::store::registry::budget::Budgets;
use crate::store::{Error, ImageSource};

/// Words that only a body has, so this reads.
async fn read(fixture: &Fixture) -> Error {
    let manifest = super::index();
    fixture.repository("a").manifest(manifest.digest(), manifest.media_type()).await.unwrap_err()
}

fn says(error: &Error, words: &[&str]) {
    let text = error.to_string();
    for words in words {
        assert!(text.contains(words), "{words:?} is missing: {text}");
    }
}

#[tokio::test]
async fn after_the_last_attempt() {
    let server = Server::start(|_| reply(503, &[("retry-after", "0")], r#"{"message":"the disk is full"}"#));
    let error = read(&Fixture::new(&server, None)).await;
    says(&error, &["answered 503", "the disk is full", "(5 attempts in "]);
    assert_eq!((error.attempts, server.log().len()), (5, 5));
}

#[tokio::test]
async fn where_the_wait_is_too_long() {
    let server = Server::start(|_| reply(429, &[("retry-after", "7200")], r#"{"message":"slow down"}"#));
    let error = read(&Fixture::new(&server, None)).await;
    says(&error, &["answered 429", "slow down"]);
    assert_eq!((error.code, error.attempts, server.log().len()), (Code::RateLimited, 1, 1));
    assert!(error.hint.unwrap().contains("7200 s"));
}

#[tokio::test]
async fn where_the_budget_of_the_host_is_spent() {
    let server = Server::start(|_| reply(500, &[], r#"{"message":"oops"}"#));
    let fixture = Fixture::new(&server, None);
    // All but one.
    (0..99).for_each(|_| fixture.client.transport.budgets.take().unwrap());
    let error = read(&fixture).await;
    says(&error, &["answered 500", "oops", "not tried again: 100 requests to this host", "(2 attempts in "]);
    assert_eq!(server.log().len(), 2);
}

#[tokio::test]
async fn where_the_budget_of_the_run_is_spent() {
    let server = Server::start(|_| reply(500, &[], r#"{"message":"oops"}"#));
    let run = Arc::default();
    let elsewhere = Budgets::new(Arc::clone(&run));
    (0..100).for_each(|_| elsewhere.take().unwrap());
    let error = read(&Fixture::sharing(&server.host(), run)).await;
    says(&error, &["answered 500", "oops", "not tried again: 100 requests of this run"]);
    assert_eq!((error.attempts, server.log().len()), (1, 1));
}

#[tokio::test]
async fn waits_that_were_asked_for_cost_nothing() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => reply(429, &[("retry-after", "0")], ""),
        1 => reply(503, &[("retry-after", "0")], ""),
        _ => reply(404, &[], ""),
    });
    let fixture = Fixture::new(&server, None);
    (0..100).for_each(|_| fixture.client.transport.budgets.take().unwrap());
    assert_eq!(fixture.repository("a").resolve(&tag("1")).await.unwrap(), None);
    assert_eq!(server.log().len(), 3);
}

#[tokio::test]
async fn where_the_host_is_down() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let fixture = Fixture::of(&address, None, &super::Settings::default());
    let repository = fixture.repository("a");
    let tags: Vec<_> = (0..4).map(|number| tag(&number.to_string())).collect();
    let started = Instant::now();
    let together = futures_util::future::join_all(tags.iter().map(|tag| repository.resolve(tag))).await;
    let errors: Vec<String> = together.into_iter().map(|found| found.unwrap_err().to_string()).collect();
    // Three find out; the fourth stops where it is when they have, or comes to its own end in the same moment.
    assert!(
        errors.iter().all(|error| error.contains("cannot connect to") && error.contains(" attempts in ")),
        "{errors:?}"
    );
    let late = repository.resolve(&tag("late")).await.unwrap_err();
    says(&late, &["cannot connect to", "the host has not answered", " requests in ", "not asked again"]);
    assert!(started.elapsed() < Duration::from_secs(30));
}
