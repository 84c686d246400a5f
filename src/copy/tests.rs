//! Targets that read together, on a paused clock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep};

use super::mutex::lock;
use super::reads::{Reads, Seat, Siblings, Wish};
use crate::image::{Code, Descriptor, Digest, Location, Manifest, MediaType, Repository, Tag, TagOrDigest};
use crate::store::{Answer, BlobStream, Error, ImageSource, Progress, ReferrerList};

const CHUNK: usize = 64 * 1024;
const CHUNKS: usize = 60;
const SECOND: Duration = Duration::from_secs(1);

/// A source of one blob. Notes where each read began.
struct Source {
    location: Location,
    content: Bytes,
    fails: bool,
    reads: Mutex<Vec<u64>>,
}

impl ImageSource for Source {
    fn location(&self) -> &Location {
        &self.location
    }

    fn resolve<'a>(&'a self, _: &'a TagOrDigest) -> Answer<'a, Option<Descriptor>> {
        unreachable!("only its blob is read")
    }

    fn manifest<'a>(&'a self, _: &'a Digest, _: &'a MediaType) -> Answer<'a, Option<Manifest>> {
        unreachable!("only its blob is read")
    }

    fn blob(&self, from: Progress) -> Answer<'_, BlobStream> {
        lock(&self.reads).push(from.offset());
        let mut rest = self.content.slice(usize::try_from(from.offset()).unwrap()..);
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            pieces.push(Ok(rest.split_to(CHUNK.min(rest.len()))));
        }
        if self.fails {
            pieces[CHUNKS / 2] = Err(Error::new(Code::Connect, "read a blob", "it broke"));
        }
        Box::pin(async { Ok(BlobStream::new(from, "read a blob", stream::iter(pieces).boxed())) })
    }

    fn tags(&self) -> Answer<'_, Vec<Tag>> {
        unreachable!("only its blob is read")
    }

    fn tagged<'a>(&'a self, _: &'a Tag) -> Answer<'a, Option<Manifest>> {
        unreachable!("only its blob is read")
    }

    fn referrers<'a>(&'a self, _: &'a Digest) -> Answer<'a, ReferrerList> {
        unreachable!("only its blob is read")
    }
}

/// One image with one blob, and the targets `one.example.com` and `two.example.com`.
struct Stage {
    source: Arc<Source>,
    blob: Descriptor,
    image: Digest,
    reads: Reads,
}

fn location(host: &str) -> Location {
    Location::Repository(Repository::new(format!("{host}.example.com").parse().unwrap(), "app").unwrap())
}

impl Stage {
    fn new() -> Self {
        Self::with(false)
    }

    fn with(fails: bool) -> Self {
        let content = Bytes::from((0..=250_u8).cycle().take(CHUNK * CHUNKS).collect::<Vec<_>>());
        let blob = Descriptor::new(MediaType::new("x/y"), Digest::sha256(&content), content.len() as u64);
        let (location_of_source, image) = (location("source"), Digest::sha256(b"image"));
        let mut siblings = Siblings::default();
        for host in ["one", "two"] {
            siblings.add(&location_of_source, &image, &location(host));
        }
        let source = Source { location: location_of_source, content, fails, reads: Mutex::default() };
        Self { source: Arc::new(source), blob, image, reads: Reads::new(siblings) }
    }

    async fn meet(&self, host: &str, blob: &Digest) -> Option<Seat> {
        let target = location(host);
        self.reads.meet(Wish { source: &self.source.location, image: &self.image, blob, target: &target }).await
    }

    /// Both meet.
    async fn seats(&self) -> (Seat, Seat) {
        let digest = &self.blob.digest;
        let (one, two) = tokio::join!(self.meet("one", digest), self.meet("two", digest));
        (one.unwrap(), two.unwrap())
    }

    /// Both meet and open the blob.
    async fn open(&self) -> (BlobStream, BlobStream) {
        let (one, two) = self.seats().await;
        let source: Arc<dyn ImageSource> = Arc::clone(&self.source) as _;
        let (one, two) = tokio::join!(one.open(&source, &self.blob), two.open(&source, &self.blob));
        (one.unwrap(), two.unwrap())
    }

    fn reads(&self) -> Vec<u64> {
        lock(&self.source.reads).clone()
    }

    /// Takes a chunk each `pause`; how long that took.
    async fn take(&self, mut stream: BlobStream, pause: Duration) -> Duration {
        let begin = Instant::now();
        let mut content = Vec::new();
        while let Some(chunk) = stream.next().await {
            content.extend_from_slice(&chunk.unwrap());
            sleep(pause).await;
        }
        assert!(content == self.source.content, "other bytes came");
        begin.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn two_that_keep_pace_share_one_read() {
    let millis = Duration::from_millis;
    for (one, two) in [(0, 0), (500, 500), (100, 180), (180, 100)] {
        let stage = Stage::new();
        let (first, second) = stage.open().await;
        tokio::join!(stage.take(first, millis(one)), stage.take(second, millis(two)));
        assert_eq!(stage.reads(), [0], "{one} and {two} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_much_slower_is_left_to_itself() {
    let stage = Stage::new();
    let (first, second) = stage.open().await;
    let fast = Duration::from_millis(100);
    let (own, _) = tokio::join!(stage.take(first, fast), stage.take(second, fast * 8));
    let reads = stage.reads();
    assert!(reads.len() == 2 && reads[1] > 0, "{reads:?}");
    let alone = fast * u32::try_from(CHUNKS).unwrap();
    assert!(own < alone + SECOND * 4, "it took {own:?}, and {alone:?} alone");
}

#[tokio::test(start_paused = true)]
async fn one_that_takes_nothing_holds_up_the_other_once() {
    let stage = Stage::new();
    let (first, second) = stage.open().await;
    let took = stage.take(first, Duration::ZERO).await;
    assert!((SECOND..SECOND * 3).contains(&took), "{took:?}");
    stage.take(second, Duration::ZERO).await;
    let reads = stage.reads();
    assert!(reads.len() == 2 && reads[1] > 0 && reads[1] <= 256 * 1024, "{reads:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_goes_is_not_missed() {
    let stage = Stage::new();
    let (first, mut second) = stage.open().await;
    second.next().await.unwrap().unwrap();
    drop(second);
    assert!(stage.take(first, Duration::from_millis(10)).await < SECOND);
    assert_eq!(stage.reads(), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_nobody_wants_any_more_ends() {
    let stage = Stage::new();
    let (first, second) = stage.open().await;
    assert!(Arc::strong_count(&stage.source) > 3, "the read holds the source, too");
    drop((first, second));
    sleep(SECOND).await;
    assert_eq!(Arc::strong_count(&stage.source), 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_still_in_a_queue_keeps_no_place_at_the_source() {
    let stage = Stage::new();
    let (first, second) = stage.seats().await;
    let source: Arc<dyn ImageSource> = Arc::clone(&stage.source) as _;
    drop(first.open(&source, &stage.blob).await.unwrap());
    drop(source);
    sleep(SECOND * 4).await;
    assert_eq!(Arc::strong_count(&stage.source), 1, "what the other one is queued behind may need the place");
    let source: Arc<dyn ImageSource> = Arc::clone(&stage.source) as _;
    stage.take(second.open(&source, &stage.blob).await.unwrap(), Duration::ZERO).await;
    let reads = stage.reads();
    assert!(reads.len() == 2 && reads[1] > 0 && reads[1] <= 256 * 1024, "{reads:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_still_in_a_queue_has_time_while_another_one_is_busy() {
    let stage = Stage::new();
    let (first, second) = stage.seats().await;
    let source: Arc<dyn ImageSource> = Arc::clone(&stage.source) as _;
    let busy = async { stage.take(first.open(&source, &stage.blob).await.unwrap(), SECOND).await };
    let late = async {
        sleep(SECOND * 4).await;
        stage.take(second.open(&source, &stage.blob).await.unwrap(), SECOND).await
    };
    tokio::join!(busy, late);
    assert_eq!(stage.reads(), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_the_source_reaches_all() {
    let stage = Stage::with(true);
    let (first, second) = stage.open().await;
    let failed = |mut stream: BlobStream| async move {
        let mut bytes = 0;
        loop {
            match stream.next().await.expect("it ends with an error") {
                Ok(chunk) => bytes += chunk.len(),
                Err(error) => return (bytes < CHUNK * CHUNKS / 2, error.code),
            }
        }
    };
    let both = tokio::join!(failed(first), failed(second));
    assert_eq!(both, ((true, Code::Connect), (true, Code::Connect)));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_come_is_waited_for_shorter_each_time() {
    let stage = Stage::new();
    let mut waits = Vec::new();
    for n in 0..8_u8 {
        let begin = Instant::now();
        let _seat = stage.meet("one", &Digest::sha256(&[n])).await.unwrap();
        waits.push(begin.elapsed().as_millis());
    }
    assert_eq!(waits, [2000, 1000, 500, 250, 125, 63, 63, 63]);
}

#[tokio::test(start_paused = true)]
async fn who_is_busy_is_waited_for_longer_and_who_is_done_is_not() {
    let stage = Stage::new();
    let (source, two) = (&stage.source.location, location("two"));
    let begin = Instant::now();
    let busy = async {
        for n in 100..105_u8 {
            sleep(SECOND).await;
            let blob = Digest::sha256(&[n]);
            stage.reads.settled(Wish { source, image: &stage.image, blob: &blob, target: &two });
        }
        stage.meet("two", &Digest::sha256(b"blob")).await
    };
    let blob = Digest::sha256(b"blob");
    let (one, other) = tokio::join!(stage.meet("one", &blob), busy);
    assert!(one.is_some() && other.is_some());
    assert_eq!(begin.elapsed(), SECOND * 5);
    stage.reads.ended(source, &stage.image, &two);
    assert!(stage.meet("one", &Digest::sha256(b"other")).await.is_some());
    assert_eq!(begin.elapsed(), SECOND * 5);
}

#[tokio::test(start_paused = true)]
async fn who_comes_after_the_beginning_reads_alone() {
    let stage = Stage::new();
    let (first, _second) = stage.open().await;
    assert!(stage.meet("one", &stage.blob.digest).await.is_none(), "it was there before");
    drop(first);
    let alone = Stage { reads: Reads::new(Siblings::default()), ..Stage::new() };
    assert!(alone.meet("one", &alone.blob.digest).await.is_none(), "nobody else wants it");
}
