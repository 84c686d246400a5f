//! Streams of right and of wrong content, however they are cut, left and gone on with.

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
        futures_util::stream::unfold(pieces, |mut rest| async move { rest.pop_front().map(|piece| (Ok(piece), rest)) });
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
fn a_second_reading_agrees_with_the_first_as_far_as_that_came() {
    let wanted = descriptor(b"hello world");
    let read = |content: &[u8], length: usize| {
        let mut progress = Progress::start(&wanted);
        progress.add(&content[..length]);
        progress
    };
    let from = read(b"hello", 2);
    for (first, lengths, agrees) in [
        (&b"hello world"[..], &[2, 4, 4, 7, 11][..], true),
        (b"heLlo world", &[2], true),
        (b"heLlo world", &[4], false),
        (b"heLlo world", &[11], false),
        (b"hello worlD", &[3, 10], true),
        (b"hello worlD", &[3, 11], false),
    ] {
        let pieces = [b"ll".as_slice(), b"o wor", b"ld"].map(|piece| Ok(Bytes::from_static(piece)));
        let inner = futures_util::stream::iter(pieces).boxed();
        let earlier = lengths.iter().map(|length| read(first, *length)).collect();
        let stream = BlobStream::new(from.clone(), "read a blob", inner).agreeing_with(earlier);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let received: Vec<_> = runtime.block_on(stream.collect());
        let (good, bad): (Vec<_>, Vec<_>) = received.into_iter().partition(Result::is_ok);
        let good: Vec<usize> = good.into_iter().map(|chunk| chunk.unwrap().len()).collect();
        assert!(!good.contains(&0), "{good:?}");
        let good: usize = good.into_iter().sum();
        assert_eq!((good == 9, bad.is_empty()), (agrees, agrees), "{first:?} {lengths:?}");
        let codes: Vec<_> = bad.into_iter().map(|error| error.unwrap_err().code).collect();
        assert!(
            agrees || (codes == [Code::Digest] && good + 2 < *lengths.last().unwrap()),
            "{good} {codes:?} {first:?} {lengths:?}"
        );
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
