//! The content of a blob on its way: checked while it flows, its end held back until it is proven.

#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::BoxStream;

use super::{Error, Progress};
use crate::image::Code;

/// A stream of a blob's bytes that ends well only if size and digest are those of its descriptor.
///
/// The last chunk is held back until everything has been hashed: a receiver that counts bytes never gets to the full size
/// of a wrong blob, so an upload of it cannot complete. No more than one chunk is held.
pub struct BlobStream {
    /// What was handed on; the chunk that is held is not in it.
    progress: Progress,
    inner: Inner,
    held: Option<Bytes>,
    /// What may be handed on, and is asked for in smaller pieces than it came in.
    ready: Bytes,
    /// The progress with all of it, where that is known without hashing it.
    with_ready: Option<Arc<Progress>>,
    /// How far earlier readings came whose bytes are in use, the farthest first: this one must have read the same there.
    earlier: Vec<Progress>,
    /// Proven, or failed: nothing more will come.
    done: bool,
    request: String,
    watch: Option<Box<dyn Fn(u64) + Send>>,
}

/// Bytes that were handed on, and the progress of the blob with them.
pub type Relayed = (Bytes, Arc<Progress>);

/// Bytes, with the progress where they were checked elsewhere.
type Chunk = (Bytes, Option<Arc<Progress>>);

/// Where the bytes come from.
enum Inner {
    /// From outside: nothing is known of them.
    Unchecked(BoxStream<'static, Result<Bytes, Error>>),
    /// From another [`BlobStream`], with its progress after each chunk.
    Relayed(BoxStream<'static, Result<Relayed, Error>>),
    /// It has ended.
    Ended,
}

impl Inner {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Chunk, Error>>> {
        let polled = match self {
            Self::Unchecked(chunks) => {
                ready!(chunks.as_mut().poll_next(context)).map(|chunk| chunk.map(|chunk| (chunk, None)))
            }
            Self::Relayed(parts) => {
                let part = ready!(parts.as_mut().poll_next(context));
                part.map(|part| part.map(|(chunk, progress)| (chunk, Some(progress))))
            }
            Self::Ended => None,
        };
        Poll::Ready(polled)
    }
}

impl BlobStream {
    /// Goes on from `from` with `inner`, the rest of the blob, and checks the whole. `request` says what is being read, for
    /// messages.
    pub fn new(from: Progress, request: impl Into<String>, inner: BoxStream<'static, Result<Bytes, Error>>) -> Self {
        Self::over(from, request, Inner::Unchecked(inner))
    }

    /// Hands on what another stream of the same blob has handed on, each chunk with the progress after it. It was checked and
    /// held back there, and is not hashed again; what ends before its time is an error here as well.
    pub fn relayed(
        from: Progress,
        request: impl Into<String>,
        inner: BoxStream<'static, Result<Relayed, Error>>,
    ) -> Self {
        Self::over(from, request, Inner::Relayed(inner))
    }

    fn over(from: Progress, request: impl Into<String>, inner: Inner) -> Self {
        let (held, ready, with_ready, earlier, done, watch) = (None, Bytes::new(), None, Vec::new(), false, None);
        Self { progress: from, inner, held, ready, with_ready, earlier, done, request: request.into(), watch }
    }

    /// Fails where it has read other bytes than `earlier` readings of the blob, of which a receiver has some: at the byte
    /// that each of them came to. Without it, what the receiver has could be of two readings, and this one right.
    #[must_use]
    pub(super) fn agreeing_with(mut self, mut earlier: Vec<Progress>) -> Self {
        earlier.retain(|reading| reading.offset() > self.progress.offset());
        earlier.sort_by_key(|reading| std::cmp::Reverse(reading.offset()));
        self.earlier = earlier;
        self
    }

    /// The readings that it has not been compared with, itself the last of them: what another reading has to agree with.
    pub(super) fn readings(&self) -> Vec<Progress> {
        self.earlier.iter().cloned().chain([self.progress()]).collect()
    }

    /// Calls `watch` with the number of bytes of each chunk that is handed on.
    #[must_use]
    pub fn watched(self, watch: impl Fn(u64) + Send + 'static) -> Self {
        Self { watch: Some(Box::new(watch)), ..self }
    }

    /// The size of the whole blob, in bytes.
    pub fn size(&self) -> u64 {
        self.progress.descriptor().size
    }

    /// How far it has come: exactly what was handed on.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// The next bytes, as [`Stream::poll_next`], but no more than `most` of them, which must not be 0. What is handed on is
    /// then known to the byte, wherever the parts are cut that it is sent in.
    pub(super) fn poll_up_to(&mut self, context: &mut Context<'_>, most: u64) -> Poll<Option<Result<Bytes, Error>>> {
        while self.ready.is_empty() {
            if self.done {
                return Poll::Ready(None);
            }
            let outcome = match ready!(self.inner.poll_next(context)) {
                Some(Ok((chunk, _))) if chunk.is_empty() => Ok(()),
                Some(Ok((chunk, None))) => self.take(chunk),
                Some(Ok((chunk, progress))) => {
                    (self.ready, self.with_ready) = (chunk, progress);
                    Ok(())
                }
                Some(Err(error)) => Err(error),
                None => self.end(),
            };
            if let Err(error) = outcome {
                self.close();
                return Poll::Ready(Some(Err(error)));
            }
        }
        let most = self.earlier.last().map_or(most, |earlier| most.min(earlier.offset() - self.progress.offset()));
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(self.ready.len());
        if let Err(error) = self.compare(length) {
            self.ready.clear();
            self.close();
            return Poll::Ready(Some(Err(error)));
        }
        Poll::Ready(Some(Ok(self.hand_on(length))))
    }

    /// Before the next `length` bytes are handed on: whether an earlier reading that came to their end had the same.
    fn compare(&mut self, length: usize) -> Result<(), Error> {
        let end = self.progress.offset().saturating_add(length as u64);
        while let Some(earlier) = self.earlier.pop_if(|earlier| earlier.offset() == end) {
            let mut after = self.progress.clone();
            after.add(&self.ready[..length]);
            if !after.agrees_with(&earlier) {
                let message = format!("the first {end} bytes came with other content than before");
                return Err(Error::new(Code::Digest, &self.request, message));
            }
        }
        Ok(())
    }

    /// Keeps a chunk, and makes ready the one before it.
    fn take(&mut self, chunk: Bytes) -> Result<(), Error> {
        let known = self.held.as_ref().map_or(0, Bytes::len) as u64;
        let seen = self.progress.offset().saturating_add(known).saturating_add(chunk.len() as u64);
        if seen > self.size() {
            let message = format!("more than the {} bytes stated came", self.size());
            return Err(Error::new(Code::Size, &self.request, message));
        }
        self.ready = self.held.replace(chunk).unwrap_or_default();
        Ok(())
    }

    /// Makes ready the last chunk, if with it the blob is what it should be.
    fn end(&mut self) -> Result<(), Error> {
        let last = self.held.take().unwrap_or_default();
        let mut whole = self.progress.clone();
        whole.add(&last);
        whole.prove(&self.request)?;
        self.close();
        (self.ready, self.with_ready) = (last, Some(Arc::new(whole)));
        Ok(())
    }

    fn hand_on(&mut self, length: usize) -> Bytes {
        let chunk = self.ready.split_to(length);
        match self.with_ready.take_if(|_| self.ready.is_empty()) {
            Some(progress) => self.progress = Progress::clone(&progress),
            None => self.progress.add(&chunk),
        }
        if let Some(watch) = &self.watch {
            watch(chunk.len() as u64);
        }
        chunk
    }

    /// Receivers may ask once more after the end; not every stream can be asked after its own.
    fn close(&mut self) {
        self.done = true;
        self.held = None;
        self.inner = Inner::Ended;
    }
}

impl Stream for BlobStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_up_to(context, u64::MAX)
    }
}
