//! The end of trying: each says how often, how long, why, and what the registry said last.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::server::{Server, reply};
use super::{Fixture, tag};
use crate::image::Code;
use crate::store::registry::budget::Budgets;
use crate::store::registry::error::Said;
use crate::store::registry::permits::Work;
use crate::store::registry::retry::Fault;
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
    says(&error, &["answered 500", "oops", "not tried again: too many requests to this host", "(2 attempts in "]);
    assert_eq!(server.log().len(), 2);
}

#[tokio::test]
async fn where_the_budget_of_the_run_is_spent() {
    let server = Server::start(|_| reply(500, &[], r#"{"message":"oops"}"#));
    let run = Arc::default();
    let elsewhere = Budgets::new(Arc::clone(&run));
    (0..100).for_each(|_| elsewhere.take().unwrap());
    let error = read(&Fixture::sharing(&server.host(), run)).await;
    says(&error, &["answered 500", "oops", "not tried again: too many requests of this run"]);
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
    says(&late, &["cannot connect to", "(not asked: the host does not answer)"]);
    assert!(started.elapsed() < Duration::from_secs(30));
}

/// How long 200 requests take at a host that refuses each of them, with one and the same wish, and how many are sent.
async fn refused_throughout(wait: u64) -> (u64, usize) {
    let fixture = Fixture::of("127.0.0.1:1", None, &super::Settings::default());
    let (transport, sent) = (&fixture.client.transport, AtomicUsize::new(0));
    let headers = [(reqwest::header::RETRY_AFTER, wait.into())].into_iter().collect();
    let refuse = async || -> Result<(), Fault> {
        let _permit = transport.permits.acquire(Work::Request, 0, "look").await?;
        transport.turn("look").await?;
        sent.fetch_add(1, Ordering::Relaxed);
        let error = Error { status: Some(429), ..Error::new(Code::RateLimited, "look", "r.io answered 429") };
        Err(Fault::answered(error, &headers, &Said::default()))
    };
    let started = tokio::time::Instant::now();
    let request = || transport.retrying("look", |_| Box::pin(refuse()));
    let ends = futures_util::future::join_all((0..200).map(|_| request())).await;
    assert!(ends.iter().all(|end| end.as_ref().is_err_and(|error| error.code == Code::RateLimited)), "{ends:?}");
    let late = request().await.unwrap_err();
    says(&late, &["r.io answered 429", "(not asked: the host refuses whatever it is asked)"]);
    (started.elapsed().as_secs(), sent.into_inner())
}

#[tokio::test(start_paused = true)]
async fn where_the_host_refuses_whatever_it_is_asked() {
    for wait in [1, 10, 30, 60, 120] {
        let (seconds, sent) = refused_throughout(wait).await;
        // The waits that one request keeps, or a minute, and what is left of the last one.
        assert!(seconds <= u64::max(60, 4 * wait) + 2 * wait, "{seconds} s for a wait of {wait} s");
        assert!(sent <= 300, "{sent} requests for a wait of {wait} s");
    }
}
