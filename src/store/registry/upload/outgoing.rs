//! The bytes of a blob as they leave: as many as one request is to carry, and watched.
//!
//! Owns the limits on a target that takes nothing, or too little. Refuses to count the time in which the source was waited
//! for, and to let go of more bytes once the request is over.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use reqwest::Body;
use tokio::time::Instant;

use super::Upload;
use crate::store::mutex::lock;
use crate::store::registry::answer::Answer;
use crate::store::registry::call::{Call, Patience, Payload};
use crate::store::registry::error::crawled;
use crate::store::registry::flow::Flow;
use crate::store::registry::repository::RegistryRepository;
use crate::store::registry::retry::Fault;
use crate::store::registry::settings::Limits;
use crate::store::{BlobStream, Error};

impl RegistryRepository {
    /// Sends `call` with the next `length` bytes of `source`, which must not be 0, as its body. The source is given back as
    /// far as it was read then.
    pub(super) async fn send(
        &self,
        upload: &Upload<'_, '_>,
        mut call: Call<'_>,
        (source, length): (&mut Option<BlobStream>, u64),
    ) -> Result<Sent, Fault> {
        let limits = self.transport().limits;
        let watch = Arc::new(Mutex::new(Watch::new(length)));
        let lent = Arc::new(Mutex::new(source.take()));
        let outgoing = Outgoing { source: Arc::clone(&lent), watch: Arc::clone(&watch), window: limits.idle };
        call.patience = Patience::Until(Mutex::new(Box::pin(stalled(Arc::clone(&watch), limits))));
        call.body = Payload::Stream(Some(Body::wrap_stream(outgoing)));
        let outcome = self.transport().exchange(call).await;
        // The connection may live on a while, and the body with it.
        *source = lock(&lent).take();
        let (failure, crawls, left) = {
            let mut watch = lock(&watch);
            (watch.failure.take(), watch.crawls, watch.left)
        };
        if let Some(error) = failure {
            return Err(upload.source_failed(error));
        }
        if crawls {
            return Err(crawled(upload.request, self.transport().registry.as_str(), limits.idle).into());
        }
        Ok(Sent { answer: outcome?, whole: left == 0 })
    }
}

/// What came of a request with a body.
pub(super) struct Sent {
    pub(super) answer: Answer,
    /// Whether all of the body had been taken when it was answered.
    pub(super) whole: bool,
}

/// How one request is getting on.
struct Watch {
    left: u64,
    last: Instant,
    flow: Flow,
    waits_for_source: bool,
    /// Whether the target takes too little ever to end.
    crawls: bool,
    failure: Option<Error>,
}

impl Watch {
    fn new(length: u64) -> Self {
        let (last, flow) = (Instant::now(), Flow::default());
        Self { left: length, last, flow, waits_for_source: false, crawls: false, failure: None }
    }

    /// When it will be given up, and the wait that will then have been too long. The source has a limit of its own.
    fn deadline(&self, limits: Limits) -> (Instant, Duration) {
        let (from, limit) = match (self.waits_for_source, self.left) {
            (true, _) => (Instant::now(), limits.idle),
            (false, 0) => (self.last, limits.commit),
            (false, _) => (self.last, limits.idle),
        };
        (from + limit, limit)
    }
}

/// Resolves when the target has taken nothing, or has not answered, for too long. Counts from when it is first asked: the
/// request may have waited for its turn before.
async fn stalled(watch: Arc<Mutex<Watch>>, limits: Limits) -> Duration {
    lock(&watch).last = Instant::now();
    loop {
        let (deadline, limit) = lock(&watch).deadline(limits);
        if deadline <= Instant::now() {
            return limit;
        }
        tokio::time::sleep_until(deadline).await;
    }
}

/// The bytes as they leave, noted in the [`Watch`].
struct Outgoing {
    /// Lent for one request.
    source: Arc<Mutex<Option<BlobStream>>>,
    watch: Arc<Mutex<Watch>>,
    /// The time over which the pace of the target is measured.
    window: Duration,
}

impl Stream for Outgoing {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut source = lock(&self.source);
        let Some(source) = source.as_mut() else {
            return Poll::Ready(Some(Err(io::Error::other("the request is over"))));
        };
        let mut watch = lock(&self.watch);
        if watch.left == 0 {
            return Poll::Ready(None);
        }
        let polled = source.poll_up_to(context, watch.left);
        let by_target = if watch.waits_for_source { Duration::ZERO } else { watch.last.elapsed() };
        watch.waits_for_source = polled.is_pending();
        watch.last = Instant::now();
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Ok(chunk))) => {
                // The wait was for what was handed on before; a chunk more or less is nothing in a window.
                if watch.flow.stalls(by_target, chunk.len(), self.window) {
                    watch.crawls = true;
                    return Poll::Ready(Some(Err(io::Error::other("the target takes too little"))));
                }
                watch.left = watch.left.saturating_sub(chunk.len() as u64);
                Poll::Ready(Some(Ok(chunk)))
            }
            Poll::Ready(Some(Err(error))) => {
                watch.failure = Some(error);
                Poll::Ready(Some(Err(io::Error::other("the source failed"))))
            }
        }
    }
}
