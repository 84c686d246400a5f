//! The socket under a connection, and the means to break it, or to write to it, from above.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::Close;

/// Bytes that go onto a connection past its HTTP.
#[derive(Clone, Debug, Default)]
pub struct Spill {
    pub head: Bytes,
    /// Sent after the head, so many times.
    pub tail: Bytes,
    pub times: usize,
    /// The connection goes on; otherwise it ends with FIN.
    pub goes_on: bool,
}

/// What an answer wants of the connection under it.
pub(super) enum Order {
    Close,
    Say(Spill),
}

/// Lets an answer close the whole connection under it, or write to it past its HTTP.
#[derive(Default)]
pub(super) struct Breaker {
    reset: AtomicBool,
    requests: AtomicU32,
    orders: Mutex<VecDeque<Order>>,
    ordered: Notify,
}

impl Breaker {
    /// Closes the connection; the caller's future is dropped soon after.
    pub(super) fn close(&self, how: Close) {
        self.reset.store(how == Close::Reset, Ordering::SeqCst);
        self.order(Order::Close);
    }

    /// Writes to the connection, between two frames of its HTTP.
    pub(super) fn say(&self, spill: Spill) {
        self.order(Order::Say(spill));
    }

    /// The stream that a request has in h2, where requests are announced here in the order they came.
    pub(super) fn next_stream(&self) -> u32 {
        // A client's streams have odd numbers (RFC 9113, 5.1.1).
        self.requests.fetch_add(1, Ordering::SeqCst) * 2 + 1
    }

    /// The next order.
    pub(super) async fn next_order(&self) -> Order {
        loop {
            if let Some(order) = self.orders.lock().unwrap().pop_front() {
                return order;
            }
            self.ordered.notified().await;
        }
    }

    fn order(&self, order: Order) {
        self.orders.lock().unwrap().push_back(order);
        self.ordered.notify_one();
    }
}

/// A stream that HTTP is spoken on, and that can be written to past it.
pub(super) struct Shared<S>(Arc<Mutex<S>>);

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Shared<S> {
    pub(super) fn new(stream: S) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    /// Writes all of it, as far as the client takes it.
    pub(super) async fn spill(&mut self, spill: &Spill) -> io::Result<()> {
        self.write_all(&spill.head).await?;
        for _ in 0..spill.times {
            self.write_all(&spill.tail).await?;
        }
        self.flush().await
    }

    /// Ends the connection in order: what the client still sends is read, so that no RST takes back what was written.
    pub(super) async fn end(&mut self) -> io::Result<()> {
        self.shutdown().await?;
        let mut rest = [0; 4096];
        while self.read(&mut rest).await? > 0 {}
        Ok(())
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

impl<S: AsyncRead + Unpin> AsyncRead for Shared<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock().unwrap()).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Shared<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.lock().unwrap()).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock().unwrap()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock().unwrap()).poll_shutdown(cx)
    }
}
