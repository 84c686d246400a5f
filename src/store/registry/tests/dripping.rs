//! Answers that come, but too slowly.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Fixture, collect, index, start, tag};
use crate::image::Code;
use crate::store::{Error, ImageSource};

/// Answers each request with `head` and then a byte every 100 ms, while `asking` runs.
async fn dripped<T>(head: &str, asking: impl AsyncFnOnce(Fixture) -> T) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let dripping = async {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = head.to_owned();
            connections.spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let mut outcome = stream.write_all(head.as_bytes()).await;
                while outcome.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    outcome = stream.write_all(b" ").await;
                }
            });
        }
    };
    let fixture = Fixture::with_limits(&address, None, |limits| {
        (limits.document, limits.refusal) = (Duration::from_millis(700), Duration::from_millis(700));
    });
    tokio::select! {
        outcome = asking(fixture) => outcome,
        () = dripping => unreachable!("the server goes on"),
    }
}

fn head(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: application/vnd.oci.image.index.v1+json\r\ncontent-length: 500\r\n\r\n")
}

#[tokio::test]
async fn a_refusal_is_told_without_its_words() {
    let started = Instant::now();
    let error: Error = dripped(&head("403 Forbidden"), async |fixture| {
        fixture.repository("a").blob(start(b"layer")).await.err().unwrap()
    })
    .await;
    assert_eq!((error.code, error.status), (Code::Denied, Some(403)));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_manifest_has_an_end() {
    let error = dripped(&head("200 OK"), async |fixture| {
        let index = index();
        fixture.repository("a").manifest(index.digest(), index.media_type()).await.unwrap_err()
    })
    .await;
    assert_eq!((error.code, error.attempts), (Code::Timeout, 5));
}

#[tokio::test]
async fn a_list_of_tags_has_an_end() {
    let error = dripped(&head("200 OK"), async |fixture| fixture.repository("a").tags().await.unwrap_err()).await;
    assert_eq!((error.code, error.attempts), (Code::Timeout, 5));
}

#[tokio::test]
async fn a_blob_gets_on_or_ends() {
    let content = [b' '; 500];
    let error = dripped(&head("200 OK"), async |fixture| {
        collect(fixture.repository("a").blob(start(&content)).await.unwrap()).await.unwrap_err()
    })
    .await;
    assert_eq!(error.code, Code::Timeout);
    assert!(error.to_string().contains("1 KiB/s"), "{error}");
    // What has come once is enough to know that the host is there.
    let version = tag("1");
    let absent = dripped("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", async |fixture| {
        fixture.repository("a").resolve(&version).await
    });
    assert_eq!(absent.await, Ok(None));
}
