//! The content of a blob on its way: checked while it flows, its end held back until it is proven.

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
        let (held, ready, with_ready, done, watch) = (None, Bytes::new(), None, false, None);
        Self { progress: from, inner, held, ready, with_ready, done, request: request.into(), watch }
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
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(self.ready.len());
        Poll::Ready(Some(Ok(self.hand_on(length))))
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

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use proptest::prelude::*;

    use super::*;
    use crate::image::{Descriptor, Digest, MediaType};

    fn descriptor(content: &[u8]) -> Descriptor {
        Descriptor::new(MediaType::new("x/y"), Digest::sha256(content), content.len() as u64)
    }

    /// What a receiver gets: the bytes before the end or the error, and the error.
    fn receive(descriptor: &Descriptor, chunks: &[&'static [u8]]) -> (Vec<u8>, Option<Code>) {
        receive_pieces(descriptor, chunks.iter().copied().map(Bytes::from_static).collect())
    }

    fn receive_pieces(descriptor: &Descriptor, pieces: Vec<Bytes>) -> (Vec<u8>, Option<Code>) {
        // As bodies of answers are: one that must not be asked again after its end.
        let pieces = std::collections::VecDeque::from(pieces);
        let inner =
            futures_util::stream::unfold(
                pieces,
                |mut rest| async move { rest.pop_front().map(|piece| (Ok(piece), rest)) },
            );
        let mut stream = BlobStream::new(Progress::start(descriptor), "read a blob", inner.boxed());
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

    proptest! {
        /// However the bytes are cut: right ones pass whole, and of wrong ones the last never arrives.
        #[test]
        fn no_cut_changes_what_is_proven(
            content in prop::collection::vec(any::<u8>(), 0..200),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
            damage in prop::option::of((any::<prop::sample::Index>(), 0..4_u8)),
        ) {
            let wanted = descriptor(&content);
            let mut sent = content.clone();
            if let Some((place, kind)) = damage {
                let at = place.index(sent.len() + 1);
                match kind {
                    0 => sent.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 0x80),
                    1 => sent.truncate(at),
                    2 => sent.insert(at, 0),
                    _ => sent.extend([1; 70]),
                }
            }
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(sent.len() + 1)).collect();
            places.extend([0, sent.len()]);
            places.sort_unstable();
            // An empty piece is one, too.
            let pieces: Vec<Bytes> =
                places.windows(2).map(|pair| Bytes::copy_from_slice(&sent[pair[0]..pair[1]])).collect();
            let (received, code) = receive_pieces(&wanted, pieces);
            if sent == content {
                prop_assert_eq!((received, code), (content, None));
            } else {
                let expected = if sent.len() == content.len() { Code::Digest } else { Code::Size };
                prop_assert_eq!(code, Some(expected));
                prop_assert!(received.len() < content.len() || content.is_empty(), "{} bytes", received.len());
                prop_assert_eq!(&received[..], &sent[..received.len()]);
            }
        }
    }

    #[test]
    fn the_source_is_not_asked_after_its_end() {
        let mut ended = false;
        let inner = futures_util::stream::poll_fn(move |_| {
            assert!(!ended, "asked after its end");
            ended = true;
            Poll::Ready(None)
        });
        let mut stream = BlobStream::new(Progress::start(&descriptor(b"")), "read a blob", inner.boxed());
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

    #[test]
    fn what_is_relayed_has_its_progress_and_must_be_whole() {
        let wanted = descriptor(b"hello, world");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let relay = |count: usize| async move {
            let pieces = [&b"hello"[..], b", ", b"world"].map(|piece| Ok(Bytes::from_static(piece)));
            let inner = futures_util::stream::iter(pieces).boxed();
            let mut first = BlobStream::new(Progress::start(&descriptor(b"hello, world")), "read a blob", inner);
            let mut parts = Vec::new();
            while let Some(chunk) = first.next().await {
                parts.push(Ok((chunk.unwrap(), Arc::new(first.progress()))));
            }
            parts.truncate(count);
            parts
        };
        runtime.block_on(async {
            for (count, offset, code) in [(3, 12, None), (2, 7, Some(Code::Size)), (0, 0, Some(Code::Size))] {
                let parts = futures_util::stream::iter(relay(count).await).boxed();
                let mut second = BlobStream::relayed(Progress::start(&wanted), "read a blob", parts);
                let mut failed = None;
                while let Some(chunk) = second.next().await {
                    failed = failed.or(chunk.err().map(|error| error.code));
                }
                assert_eq!((second.progress().offset(), failed), (offset, code));
            }
        });
    }

    #[test]
    fn reading_goes_on_where_it_was_left() {
        let content: &'static [u8] = b"hello, world";
        let wanted = descriptor(content);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let pieces = |rest: &'static [u8]| {
                let pieces: Vec<_> = rest.chunks(5).map(|piece| Ok(Bytes::from_static(piece))).collect();
                futures_util::stream::iter(pieces).boxed()
            };
            let mut first = BlobStream::new(Progress::start(&wanted), "read a blob", pieces(content));
            assert_eq!(first.next().await, Some(Ok(Bytes::from_static(b"hello"))));
            // The chunk that is held back was not handed on.
            let left = first.progress();
            assert_eq!((left.offset(), left.descriptor()), (5, &wanted));
            for (rest, outcome) in
                [(&b", world"[..], None), (b", World", Some(Code::Digest)), (b", worl", Some(Code::Size))]
            {
                let mut second = BlobStream::new(left.clone(), "read a blob", pieces(rest));
                let mut failed = None;
                while let Some(chunk) = second.next().await {
                    failed = failed.or(chunk.err().map(|error| error.code));
                }
                assert_eq!(failed, outcome);
                let handed_on = if outcome.is_none() { 12 } else { 10 };
                assert_eq!(second.progress().offset(), handed_on);
            }
        });
    }

    #[test]
    fn pieces_are_as_small_as_they_are_asked_for() {
        let content: &'static [u8] = b"hello, world";
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let pieces: Vec<_> = content.chunks(5).map(|piece| Ok(Bytes::from_static(piece))).collect();
            let start = Progress::start(&descriptor(content));
            let mut stream = BlobStream::new(start, "read a blob", futures_util::stream::iter(pieces).boxed());
            let mut offsets = Vec::new();
            while let Some(piece) = std::future::poll_fn(|context| stream.poll_up_to(context, 3)).await {
                let (piece, offset) = (piece.unwrap(), stream.progress().offset());
                assert!(content[..usize::try_from(offset).unwrap()].ends_with(&piece));
                offsets.push(offset);
            }
            assert_eq!(offsets, [3, 5, 8, 10, 12]);
            assert!(stream.progress().prove("read a blob").is_ok());
        });
    }
}
