//! The content of a blob on its way: checked while it flows, its end held back until it is proven.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::BoxStream;

use super::Error;
use crate::image::{Code, Descriptor, Hasher};

/// A stream of a blob's bytes that ends well only if size and digest are those of its descriptor.
///
/// The last chunk is held back until everything has been hashed: a receiver that counts bytes never gets to the full size
/// of a wrong blob, so an upload of it cannot complete. No more than one chunk is held.
pub struct BlobStream {
    descriptor: Descriptor,
    inner: BoxStream<'static, Result<Bytes, Error>>,
    held: Option<Bytes>,
    seen: u64,
    hasher: Option<Hasher>,
    request: String,
    watch: Option<Box<dyn Fn(u64) + Send>>,
}

impl BlobStream {
    /// Checks `inner` against `descriptor`. `request` says what is being read, for messages.
    pub fn new(
        descriptor: &Descriptor,
        request: impl Into<String>,
        inner: BoxStream<'static, Result<Bytes, Error>>,
    ) -> Self {
        let hasher = Some(Hasher::new(descriptor.digest.algorithm()));
        Self {
            descriptor: descriptor.clone(),
            inner,
            held: None,
            seen: 0,
            hasher,
            request: request.into(),
            watch: None,
        }
    }

    /// Calls `watch` with the number of bytes of each chunk that is handed on.
    #[must_use]
    pub fn watched(self, watch: impl Fn(u64) + Send + 'static) -> Self {
        Self { watch: Some(Box::new(watch)), ..self }
    }

    /// The size it will have, in bytes.
    pub fn size(&self) -> u64 {
        self.descriptor.size
    }

    fn take(&mut self, chunk: &Bytes) -> Result<(), Error> {
        self.seen = self.seen.saturating_add(chunk.len() as u64);
        if self.seen > self.descriptor.size {
            return Err(self.wrong(Code::Size, format!("more than the {} bytes stated came", self.descriptor.size)));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(chunk);
        }
        Ok(())
    }

    fn prove(&mut self) -> Result<(), Error> {
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        if self.seen != self.descriptor.size {
            let message = format!("{} bytes came, not the {} stated", self.seen, self.descriptor.size);
            return Err(self.wrong(Code::Size, message));
        }
        let found = hasher.finish();
        if found == self.descriptor.digest {
            return Ok(());
        }
        let hint =
            "what is served there is not what was pushed: push the image anew, or look for a proxy that alters it";
        Err(self.wrong(Code::Digest, format!("the content has the digest {found}")).hint(hint))
    }

    fn wrong(&self, code: Code, message: String) -> Error {
        Error::new(code, &self.request, message)
    }

    fn hand_on(&self, chunk: Bytes) -> Poll<Option<Result<Bytes, Error>>> {
        if let Some(watch) = &self.watch {
            watch(chunk.len() as u64);
        }
        Poll::Ready(Some(Ok(chunk)))
    }

    fn fail(&mut self, error: Error) -> Poll<Option<Result<Bytes, Error>>> {
        self.held = None;
        self.hasher = None;
        self.inner = Box::pin(futures_util::stream::empty());
        Poll::Ready(Some(Err(error)))
    }
}

impl Stream for BlobStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(self.inner.as_mut().poll_next(context)) {
                Some(Ok(chunk)) if chunk.is_empty() => {}
                Some(Ok(chunk)) => {
                    if let Err(error) = self.take(&chunk) {
                        return self.fail(error);
                    }
                    if let Some(proven) = self.held.replace(chunk) {
                        return self.hand_on(proven);
                    }
                }
                Some(Err(error)) => return self.fail(error),
                None => {
                    // Receivers may ask once more after the last chunk; not every stream can be asked after its end.
                    self.inner = Box::pin(futures_util::stream::empty());
                    return match self.prove() {
                        Ok(()) => match self.held.take() {
                            Some(last) => self.hand_on(last),
                            None => Poll::Ready(None),
                        },
                        Err(error) => self.fail(error),
                    };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;
    use crate::image::{Digest, MediaType};

    fn descriptor(content: &[u8]) -> Descriptor {
        Descriptor::new(MediaType::new("x/y"), Digest::sha256(content), content.len() as u64)
    }

    /// What a receiver gets: the bytes before the end or the error, and the error.
    fn receive(descriptor: &Descriptor, chunks: &[&'static [u8]]) -> (Vec<u8>, Option<Code>) {
        // As bodies of answers are: one that must not be asked again after its end.
        let inner = futures_util::stream::unfold(
            chunks.iter().copied().collect::<std::collections::VecDeque<_>>(),
            |mut rest| async move { rest.pop_front().map(|chunk| (Ok(Bytes::from_static(chunk)), rest)) },
        );
        let mut stream = BlobStream::new(descriptor, "read a blob", inner.boxed());
        let mut received = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let code = runtime.block_on(async {
            while let Some(chunk) = stream.next().await {
                match chunk {
                    Ok(bytes) => received.extend_from_slice(&bytes),
                    Err(error) => return Some(error.code),
                }
            }
            None
        });
        (received, code)
    }

    #[test]
    fn right_content_passes_however_it_is_cut() {
        let wanted = descriptor(b"hello");
        for chunks in [&[&b"hello"[..]][..], &[b"he", b"", b"llo"], &[b"h", b"e", b"l", b"l", b"o"]] {
            assert_eq!(receive(&wanted, chunks), (b"hello".to_vec(), None));
        }
        assert_eq!(receive(&descriptor(b""), &[]), (vec![], None));
    }

    #[test]
    fn the_source_is_not_asked_after_its_end() {
        let mut ended = false;
        let inner = futures_util::stream::poll_fn(move |_| {
            assert!(!ended, "asked after its end");
            ended = true;
            Poll::Ready(None)
        });
        let mut stream = BlobStream::new(&descriptor(b""), "read a blob", inner.boxed());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(stream.next()).is_none() && runtime.block_on(stream.next()).is_none());
    }

    #[test]
    fn wrong_content_never_reaches_its_full_size() {
        let wanted = descriptor(b"hello");
        assert_eq!(receive(&wanted, &[b"hel", b"lO"]), (b"hel".to_vec(), Some(Code::Digest)));
        assert_eq!(receive(&wanted, &[b"Hello"]), (vec![], Some(Code::Digest)));
        assert_eq!(receive(&wanted, &[b"hel"]), (vec![], Some(Code::Size)));
        assert_eq!(receive(&wanted, &[b"hello", b"!"]), (vec![], Some(Code::Size)));
        assert_eq!(receive(&descriptor(b""), &[b"x"]), (vec![], Some(Code::Size)));
    }
}
