//! Uploads of blobs: a session, and one streamed PUT.
//!
//! Owns the one form of upload that every registry takes. Refuses to go on where a session leads to another origin, and to
//! complete an upload whose content was wrong: its stream fails before the last bytes.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Body, Method, Url};
use tokio::time::Instant;

use super::answer::Answer;
use super::authorization::lock;
use super::call::{Call, Patience, Payload};
use super::error::crawled;
use super::flow::Flow;
use super::manifests::content_digest;
use super::repository::RegistryRepository;
use super::retry::Fault;
use super::scope::{Access, Scope};
use super::settings::Limits;
use crate::image::{Code, Descriptor};
use crate::store::{BlobStream, Error, OpenBlob, Progress, PushError, UploadSession};

/// One blob on its way.
struct Upload<'a, 'b> {
    request: &'a str,
    descriptor: &'a Descriptor,
    open: &'a OpenBlob<'b>,
    /// The session that a mount has left open, until it is used.
    session: Mutex<Option<UploadSession>>,
    /// Whether the last failure was the source's.
    source_failed: AtomicBool,
}

impl RegistryRepository {
    /// [`crate::store::ImageTarget::push_blob`]. Each attempt opens the blob anew and begins a session of its own.
    pub(super) async fn write_blob(
        &self,
        descriptor: &Descriptor,
        open: &OpenBlob<'_>,
        session: Option<UploadSession>,
    ) -> Result<(), PushError> {
        if self.knows_blob(&descriptor.digest) == Some(true) {
            return Ok(());
        }
        let request = format!("write the blob {} to {}", descriptor.digest, self.repository());
        let upload = Upload {
            request: &request,
            descriptor,
            open,
            session: Mutex::new(session),
            source_failed: AtomicBool::new(false),
        };
        let upload = &upload;
        let outcome = self.transport().retrying(&request, |attempt| Box::pin(self.upload(upload, attempt))).await;
        match outcome {
            Ok(()) => {
                self.sent_blob(&descriptor.digest);
                Ok(())
            }
            Err(error) if upload.source_failed.load(Ordering::Relaxed) => Err(PushError::Source(error)),
            Err(error) => Err(PushError::Target(error)),
        }
    }

    async fn upload(&self, upload: &Upload<'_, '_>, attempt: u32) -> Result<(), Fault> {
        let _permit = self.transport().upload_permit(upload.request, upload.descriptor.size).await?;
        upload.source_failed.store(false, Ordering::Relaxed);
        // A failure after the last byte does not say whether it was stored.
        let digest = &upload.descriptor.digest;
        if attempt > 1
            && !self.doubts_blob(digest)
            && self.head_blob(upload.request, digest, true).await.unwrap_or(false)
        {
            return Ok(());
        }
        // Both are a round trip; neither needs the other.
        let start = Progress::start(upload.descriptor);
        let (session, source) = tokio::join!(self.open_session(upload), (upload.open)(start));
        let url = session?;
        let source = source.map_err(|error| {
            upload.source_failed.store(true, Ordering::Relaxed);
            // It has been tried often enough where it was opened.
            Fault::last(error)
        })?;
        self.put_blob(upload, url, source).await
    }

    async fn open_session(&self, upload: &Upload<'_, '_>) -> Result<Url, Fault> {
        let left_open = lock(&upload.session).take().and_then(|session| session.0.parse().ok());
        if let Some(url) = left_open.filter(|url| self.transport().clients.boundary.is_home(url)) {
            return Ok(url);
        }
        let scope = Scope::new(self.repository(), Access::Push);
        let mut call = Call::new(upload.request, Method::POST, self.uploads_url(), scope)
            .header(CONTENT_LENGTH, HeaderValue::from_static("0"));
        call.holds_permit = true;
        let answer = self.transport().exchange(call).await?;
        if (200..300).contains(&answer.status()) { Ok(self.session(&answer)?) } else { Err(answer.refusal().await) }
    }

    /// Where the upload that `answer` opened goes on.
    pub(super) fn session(&self, answer: &Answer) -> Result<Url, Error> {
        let location = answer.headers().get(LOCATION);
        let location = location.ok_or_else(|| answer.nonsense("opened an upload without saying where it goes on"))?;
        let checked = self.transport().clients.boundary.upload(&answer.url, location);
        checked.map_err(|breach| breach.error(&answer.request, "upload location"))
    }

    async fn put_blob(&self, upload: &Upload<'_, '_>, mut url: Url, source: BlobStream) -> Result<(), Fault> {
        // Appended, not rebuilt: the session's own query must keep its bytes.
        url.query_pairs_mut().append_pair("digest", &upload.descriptor.digest.to_string());
        let limits = self.transport().limits;
        let watch = Arc::new(Mutex::new(Watch::new(upload.descriptor.size)));
        let mut call = Call::new(upload.request, Method::PUT, url, Scope::new(self.repository(), Access::Push))
            .header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
            .header(CONTENT_LENGTH, HeaderValue::from(upload.descriptor.size));
        call.holds_permit = true;
        let outgoing = Outgoing { source, watch: Arc::clone(&watch), window: limits.idle };
        let outcome = match payload(upload.descriptor.size, outgoing).await {
            Some(body) => {
                call.patience = match &body {
                    Payload::Stream(_) => Patience::Until(Mutex::new(Box::pin(stalled(Arc::clone(&watch), limits)))),
                    _ => Patience::For(limits.commit),
                };
                call.body = body;
                self.transport().exchange(call).await
            }
            None => Err(Error::new(Code::Internal, upload.request, "the source failed").into()),
        };
        let (failure, crawls) = {
            let mut watch = lock(&watch);
            (watch.failure.take(), watch.crawls)
        };
        if let Some(error) = failure {
            upload.source_failed.store(true, Ordering::Relaxed);
            return Err(source_fault(error));
        }
        if crawls {
            return Err(crawled(upload.request, self.transport().registry.as_str(), limits.idle).into());
        }
        self.completed(upload, outcome?).await
    }

    async fn completed(&self, upload: &Upload<'_, '_>, answer: Answer) -> Result<(), Fault> {
        let digest = &upload.descriptor.digest;
        match answer.status() {
            201 | 204 => match content_digest(answer.headers()) {
                Some(stated) if stated != *digest && stated.algorithm() == digest.algorithm() => {
                    let message = format!("{} stored it as {stated}", answer.who);
                    Err(Error::new(Code::Digest, upload.request, message).into())
                }
                _ => Ok(()),
            },
            200..=299 => {
                let doubtful = answer.nonsense("did not say that the upload is complete");
                drop(answer);
                let stored = self.head_blob(upload.request, digest, true).await?;
                if stored { Ok(()) } else { Err(doubtful.into()) }
            }
            status => {
                let (fault, said) = answer.refusal_with_words().await;
                let session_lost = matches!(status, 404 | 416) || said.has("DIGEST_INVALID");
                Err(if session_lost { Fault::once(fault.error) } else { fault })
            }
        }
    }
}

/// Wrong bytes may be an accident of one transfer. What broke was gone on with by the source itself, as often as may be.
fn source_fault(error: Error) -> Fault {
    if error.is_about_content() { Fault::once(error) } else { Fault::last(error) }
}

/// The body of the PUT. Nothing is sent of a blob without bytes, so that is proven before; `None` when it is not empty.
async fn payload(size: u64, mut outgoing: Outgoing) -> Option<Payload> {
    if size > 0 {
        return Some(Payload::Stream(Some(Body::wrap_stream(outgoing))));
    }
    match outgoing.next().await {
        None => Some(Payload::Bytes(Bytes::new())),
        Some(_) => None,
    }
}

/// How an upload is getting on.
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
    fn new(size: u64) -> Self {
        let (last, flow) = (Instant::now(), Flow::default());
        Self { left: size, last, flow, waits_for_source: false, crawls: false, failure: None }
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

/// The bytes of a blob as they leave, noted in the [`Watch`].
struct Outgoing {
    source: BlobStream,
    watch: Arc<Mutex<Watch>>,
    /// The time over which the pace of the target is measured.
    window: Duration,
}

impl Stream for Outgoing {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.source.poll_next_unpin(context);
        let mut watch = lock(&self.watch);
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
