//! The socket under a connection, and the means to break it from above.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::Close;

/// Lets an answer close the whole connection under it.
#[derive(Default)]
pub(super) struct Breaker {
    reset: AtomicBool,
    broken: Notify,
}

impl Breaker {
    /// Closes the connection; the caller's future is dropped soon after.
    pub(super) fn close(&self, how: Close) {
        self.reset.store(how == Close::Reset, Ordering::SeqCst);
        self.broken.notify_one();
    }

    pub(super) async fn broken(&self) {
        self.broken.notified().await;
    }
}

/// A TCP stream that ends as its breaker says: with FIN, or with RST.
pub(super) struct Wire {
    stream: TcpStream,
    breaker: Arc<Breaker>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, breaker: Arc<Breaker>) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, breaker }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.breaker.reset.load(Ordering::SeqCst) {
            // Closing with a zero linger time sends RST.
            self.stream.set_zero_linger().unwrap();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
