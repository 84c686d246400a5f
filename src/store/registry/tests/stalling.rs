//! Servers that take a connection, or a part of a request, and then nothing more.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Fixture, tag};
use crate::image::{Code, Descriptor, Digest, MediaType};
use crate::store::registry::Settings;
use crate::store::{Answer, BlobStream, Error, ImageSource, ImageTarget, Progress, PushError};

const PATIENCE: Duration = Duration::from_millis(300);

/// Hands each connection to `serve` and keeps it open, while `asking` runs.
async fn stalled<T>(
    settings: Settings,
    serve: impl AsyncFn(&mut TcpStream) + Copy + 'static,
    asking: impl AsyncFnOnce(Fixture) -> T,
) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = async {
        let connections = tokio::task::LocalSet::new();
        let accepting = async {
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                tokio::task::spawn_local(async move {
                    serve(&mut connection).await;
                    std::future::pending::<()>().await;
                });
            }
        };
        connections.run_until(accepting).await;
    };
    let fixture = Fixture::make(&address, None, &settings, |limits| {
        (limits.connect, limits.headers, limits.idle) = (PATIENCE, PATIENCE, PATIENCE);
    });
    tokio::select! {
        outcome = asking(fixture) => outcome,
        () = serving => unreachable!("the server goes on"),
    }
}

async fn look_up(fixture: Fixture) -> Error {
    fixture.repository("a").resolve(&tag("1")).await.unwrap_err()
}

#[tokio::test]
async fn an_answer_that_never_begins_is_not_waited_for() {
    let error = stalled(Settings::default(), async |connection| drop(read_head(connection).await), look_up).await;
    assert_eq!((error.code, error.attempts), (Code::Timeout, 5), "{error}");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_not_waited_for() {
    let authority = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let settings = Settings { ca: Some(authority.cert.pem().into_bytes()), ..Settings::default() };
    let error = stalled(settings, async |_| {}, look_up).await;
    assert_eq!((error.code, error.attempts), (Code::Timeout, 5), "{error}");
}

#[tokio::test]
async fn a_target_that_stops_to_read_is_given_up() {
    // More than the buffers of both sockets hold.
    const CHUNK: &[u8] = &[0; 1 << 20];
    const CHUNKS: usize = 32;
    let content = CHUNK.repeat(CHUNKS);
    let layer =
        Descriptor::new(MediaType::new("application/octet-stream"), Digest::sha256(&content), content.len() as u64);
    let serve = async |connection: &mut TcpStream| loop {
        let head = read_head(connection).await;
        let answer: &[u8] = match head.split(' ').next() {
            Some("POST") => b"HTTP/1.1 202 Accepted\r\nlocation: /v2/a/blobs/uploads/1\r\ncontent-length: 0\r\n\r\n",
            Some("HEAD") => b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            _ => return,
        };
        connection.write_all(answer).await.unwrap();
    };
    let outcome = stalled(Settings::default(), serve, async |fixture| {
        let open = |from: Progress| -> Answer<'_, BlobStream> {
            let chunks = stream::iter((0..CHUNKS).map(|_| Ok(Bytes::from_static(CHUNK))));
            Box::pin(async move { Ok(BlobStream::new(from, "read the source", chunks.boxed())) })
        };
        fixture.repository("a").push_blob(&layer, &open, None).await
    })
    .await;
    match outcome {
        Err(PushError::Target(error)) => assert_eq!(error.code, Code::Timeout, "{error}"),
        other => panic!("the target should have failed: {other:?}"),
    }
}

/// The head of a request; empty where none comes.
async fn read_head(connection: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}
