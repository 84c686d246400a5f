//! A proxy that refuses a body before it has read it, as nginx does.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Fixture, blob};
use crate::image::Code;
use crate::store::{Answer, BlobStream, ImageTarget, Progress, PushError};

const PAGE: &str = "<html><head><title>413 Request Entity Too Large</title></head></html>";

/// Reads the head of a request; the method is its first word. `None` at the end of the connection.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// Answers each PATCH and PUT with 413 at its head; what comes after it is read and thrown away.
async fn serve(mut stream: TcpStream) -> Option<()> {
    loop {
        let request = head(&mut stream).await?;
        if request.starts_with("POST") || request.starts_with("DELETE") {
            let opened = "HTTP/1.1 202 Accepted\r\nlocation: /v2/a/blobs/uploads/1\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(opened.as_bytes()).await.ok()?;
            continue;
        }
        let refused = format!(
            "HTTP/1.1 413 Request Entity Too Large\r\ncontent-type: text/html\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{PAGE}",
            PAGE.len()
        );
        stream.write_all(refused.as_bytes()).await.ok()?;
        stream.shutdown().await.ok()?;
        let mut thrown_away = vec![0; 64 * 1024];
        while stream.read(&mut thrown_away).await.ok()? > 0 {}
        return Some(());
    }
}

#[tokio::test]
async fn a_refusal_that_comes_before_the_body_was_sent_is_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = async {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(serve(stream));
        }
    };
    let content = vec![7; 8 * 1024 * 1024];
    let layer = blob(&content);
    let open = |from: Progress| -> Answer<'_, BlobStream> {
        let pieces: Vec<_> = content.chunks(64 * 1024).map(|piece| Ok(bytes::Bytes::copy_from_slice(piece))).collect();
        let pieces = futures_util::stream::iter(pieces);
        Box::pin(async move { Ok(BlobStream::new(from, "read it", Box::pin(pieces))) })
    };
    let fixture = Fixture::of(&address, None, &crate::store::registry::Settings::default());
    let repository = fixture.repository("a");
    let outcome = tokio::select! {
        outcome = repository.push_blob(&layer, &open, None) => outcome,
        () = serving => unreachable!("the server goes on"),
    };
    let Err(PushError::Target(error)) = outcome else { panic!("{outcome:?}") };
    // Neither the PUT nor the chunks that were tried in its place count as broken connections.
    assert_eq!((error.code, error.status, error.attempts), (Code::Refused, Some(413), 1), "{error}");
}
