//! The forms in which a blob is uploaded, what a registry teaches about them, and where an upload in parts goes on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use regsync::auth::{Environment, Keychain};
use regsync::event::Silent;
use regsync::image::{Code, Descriptor, Digest, MediaType, Role, Written};
use regsync::store::registry::Network;
use regsync::store::{BlobStream, Error, ImageTarget, Progress, PushError, Stores};

use crate::support::images::seeded_bytes;
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::{Answer, Fault, Match};

pub(super) const SIZE: usize = 300_000;

/// A registry, and one run's client of it.
pub(super) struct Bench {
    pub(super) registry: FakeRegistry,
    pub(super) target: Arc<dyn ImageTarget>,
    /// How often a source was opened.
    opened: AtomicUsize,
}

impl Bench {
    pub(super) fn new(options: Options) -> Self {
        let registry = FakeRegistry::with(options);
        let keychain = Arc::new(Keychain::new(Environment::from_iter::<[(&str, &str); 0]>([]), Vec::new()));
        let stores = Stores::new(Network::new("test", keychain, Arc::new(Silent)), BTreeMap::new());
        let written = Written::parse(&registry.reference("app"), Role::Target, std::path::Path::new("/")).unwrap();
        let target = stores.target(&written.location).unwrap();
        Self { registry, target, opened: AtomicUsize::new(0) }
    }

    /// Takes no PUT of more than 200,000 bytes: what is too large for it comes in chunks of half its size.
    fn narrow() -> Self {
        Self::new(Options { longest_put: Some(200_000), ..Options::default() })
    }

    pub(super) async fn push(&self, content: &[u8]) -> Result<(), PushError> {
        self.push_as(content, content).await
    }

    /// Pushes the blob `content` from a source that holds `held`, in pieces of 10,000 bytes.
    pub(super) async fn push_as(&self, content: &[u8], held: &[u8]) -> Result<(), PushError> {
        let octets = MediaType::new("application/octet-stream");
        let blob = Descriptor::new(octets, Digest::sha256(content), content.len() as u64);
        let open = |from: Progress| {
            self.opened.fetch_add(1, Ordering::Relaxed);
            let rest = &held[usize::try_from(from.offset()).unwrap()..];
            let pieces: Vec<_> = rest.chunks(10_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            futures_util::future::ready(Ok(BlobStream::new(from, "read it", stream::iter(pieces).boxed()))).boxed()
        };
        self.target.push_blob(&blob, &open, None).await
    }

    #[track_caller]
    pub(super) fn assert_holds(&self, content: &[u8]) {
        let held = self.registry.store.blob("app", &Digest::sha256(content).to_string());
        assert!(held.is_some_and(|held| held == content), "{}", self.registry.request_log_in_order(&[]));
    }

    /// The requests so far, in few words: method, range, bytes of the body, status.
    pub(super) fn steps(&self) -> Vec<String> {
        let step = |request: &crate::support::server::RecordedRequest| {
            let range = request.header("content-range").map(|range| format!(" {range}")).unwrap_or_default();
            let status = request.status.map_or_else(|| "lost".to_owned(), |status| status.to_string());
            format!("{}{range} {status}", request.method)
        };
        self.registry.requests().iter().map(step).collect()
    }

    /// The requests of an upload after that by which its host was got to know.
    fn forget(&self) {
        self.registry.clear_log();
        self.opened.store(0, Ordering::Relaxed);
    }

    fn sessions(&self) -> usize {
        self.registry.count("POST", "/uploads/")
    }

    /// Teaches it that 290,000 bytes are too many for one PUT, at the price of one blob.
    pub(super) async fn taught() -> Self {
        let bench = Self::narrow();
        bench.push(&seeded_bytes("lesson", 290_000)).await.unwrap();
        bench.forget();
        bench
    }
}

pub(super) fn content() -> Vec<u8> {
    seeded_bytes("content", SIZE)
}

/// Chunks of a registry that was taught: half of 290,000 bytes.
const CHUNKS: [&str; 3] = ["PATCH 0-144999", "PATCH 145000-289999", "PATCH 290000-299999"];

fn with_status(chunk: &str, status: u16) -> String {
    format!("{chunk} {status}")
}

fn target_error(outcome: Result<(), PushError>) -> Error {
    match outcome {
        Err(PushError::Target(error)) => error,
        other => panic!("the target should have failed: {other:?}"),
    }
}

#[tokio::test]
async fn one_put_is_the_usual_form() {
    let bench = Bench::new(Options::default());
    bench.push(&content()).await.unwrap();
    bench.assert_holds(&content());
    assert_eq!(bench.steps(), ["POST 202", "PUT 201"]);
}

#[tokio::test]
async fn what_is_too_large_for_one_put_is_sent_in_chunks_and_that_is_learnt() {
    let bench = Bench::narrow();
    bench.push(&content()).await.unwrap();
    bench.assert_holds(&content());
    let chunks = ["PATCH 0-149999 202", "PATCH 150000-299999 202", "PUT 201"];
    assert_eq!(bench.steps(), [&["POST 202", "PUT 413", "DELETE 204", "POST 202"][..], &chunks[..]].concat());
    for request in bench.registry.requests().iter().filter(|request| request.method == "PATCH") {
        assert_eq!(request.header("content-length").unwrap(), "150000");
        assert_eq!(request.header("content-type").unwrap(), "application/octet-stream");
        assert!(request.header("transfer-encoding").is_none());
    }
    let close = bench.registry.requests().pop().unwrap();
    assert_eq!((close.header("content-length"), close.body_length), (Some("0"), 0));
    assert_eq!(bench.registry.store.open_uploads(), 0);

    bench.forget();
    let (larger, smaller) = (seeded_bytes("larger", SIZE + 1), seeded_bytes("smaller", 200_000));
    bench.push(&larger).await.unwrap();
    bench.push(&smaller).await.unwrap();
    bench.assert_holds(&larger);
    assert_eq!((bench.registry.count("PATCH", "/"), bench.registry.count("PUT", "/")), (3, 2));
    assert!(!bench.steps().contains(&"PUT 413".to_owned()));
}

#[tokio::test]
async fn a_blob_that_is_too_large_in_any_form_says_so() {
    let bench = Bench::narrow();
    bench.registry.fault(Match::new("PATCH", "/uploads/"), Fault::status(413));
    let error = target_error(bench.push(&content()).await);
    assert_eq!((error.code, error.status), (Code::Refused, Some(413)));
    assert!(error.hint.as_deref().unwrap().contains("300000 bytes"), "{error:?}");
    assert_eq!(bench.steps(), ["POST 202", "PUT 413", "DELETE 204", "POST 202", "PATCH 0-149999 413", "DELETE 204"]);
}

#[tokio::test]
async fn a_least_length_of_chunks_is_kept() {
    let options = Options { longest_put: Some(200_000), chunk_min_length: Some(180_000), ..Options::default() };
    let bench = Bench::new(options);
    bench.push(&content()).await.unwrap();
    bench.assert_holds(&content());
    let patches: Vec<_> = bench.steps().into_iter().filter(|step| step.starts_with("PATCH")).collect();
    assert_eq!(patches, ["PATCH 0-179999 202", "PATCH 180000-299999 202"]);
}

#[tokio::test]
async fn chunks_that_are_taken_in_other_words_are_taken() {
    for status in [201, 204] {
        let bench = Bench::new(Options { longest_put: Some(200_000), chunk_status: status, ..Options::default() });
        // ECR's: it stays that of the first chunk.
        bench.registry.fault(Match::new("PATCH", "/uploads/"), Fault::SetHeader("range", "0-0".to_owned()));
        bench.push(&content()).await.unwrap();
        bench.assert_holds(&content());
        assert_eq!(bench.registry.count("PATCH", "/"), 2);
    }
}

#[tokio::test]
async fn a_chunk_that_breaks_goes_on_where_the_registry_is() {
    let bench = Bench::taught().await;
    bench.registry.fault(Match::new("PATCH", "/uploads/").nth(2), Fault::ResetUpload { after: 55_000 });
    bench.push(&content()).await.unwrap();
    bench.assert_holds(&content());
    let steps = bench.steps();
    let [first, broken, asked, rest @ ..] = &steps[1..] else { panic!("{steps:?}") };
    assert_eq!([first.as_str(), broken, asked], ["PATCH 0-144999 202", "PATCH 145000-289999 lost", "GET 204"]);
    assert_eq!(rest, ["PATCH 200000-299999 202", "PUT 201"]);
    assert_eq!((bench.sessions(), bench.opened.load(Ordering::Relaxed)), (1, 2));
}

/// The first reading is wrong in bytes that the registry keeps, the second one right: only the two together tell.
#[tokio::test]
async fn two_readings_that_differ_are_not_joined() {
    let bench = Bench::taught().await;
    bench.registry.fault(Match::new("PATCH", "/uploads/").nth(2), Fault::ResetUpload { after: 55_000 });
    let content = content();
    let mut wrong = content.clone();
    wrong[150_000] ^= 1;
    let octets = MediaType::new("application/octet-stream");
    let blob = Descriptor::new(octets, Digest::sha256(&content), content.len() as u64);
    let open = |from: Progress| {
        let held = if bench.opened.fetch_add(1, Ordering::Relaxed) == 0 { &wrong } else { &content };
        let rest = &held[usize::try_from(from.offset()).unwrap()..];
        let pieces: Vec<_> = rest.chunks(10_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        futures_util::future::ready(Ok(BlobStream::new(from, "read it", stream::iter(pieces).boxed()))).boxed()
    };
    bench.target.push_blob(&blob, &open, None).await.unwrap();
    bench.assert_holds(&content);
    let steps = bench.steps();
    assert_eq!((bench.sessions(), bench.registry.count("PUT", "/uploads/")), (2, 1), "{steps:?}");
    assert_eq!(bench.registry.store.open_uploads(), 0);
}

#[tokio::test]
async fn a_chunk_that_was_stored_is_not_sent_again() {
    for fault in [Fault::DoneButReset, Fault::DoneBut(Answer::error(500, "UNKNOWN", "late"))] {
        let bench = Bench::taught().await;
        bench.registry.fault(Match::new("PATCH", "/uploads/").nth(1), fault);
        bench.push(&content()).await.unwrap();
        bench.assert_holds(&content());
        let steps = bench.steps();
        assert_eq!(
            steps[2..],
            ["GET 204", CHUNKS[1], CHUNKS[2], "PUT"].map(|step| match step {
                "PUT" => with_status(step, 201),
                "GET 204" => step.to_owned(),
                chunk => with_status(chunk, 202),
            })
        );
        // All of it had been handed on: there was nothing to be read again.
        assert_eq!((bench.sessions(), bench.opened.load(Ordering::Relaxed)), (1, 1));
    }
}

#[tokio::test]
async fn a_416_says_where_it_goes_on() {
    let bench = Bench::taught().await;
    let more = content()[145_000..150_000].to_vec();
    let second = Match::new("PATCH", "/uploads/").nth(2);
    bench.registry.before_with_store(second, move |store| store.grow_uploads(&more));
    bench.push(&content()).await.unwrap();
    bench.assert_holds(&content());
    let expected = [CHUNKS[0], CHUNKS[1], "PATCH 150000-294999", "PATCH 295000-299999"];
    let expected: Vec<_> =
        expected.iter().zip([202, 416, 202, 202]).map(|(chunk, status)| with_status(chunk, status)).collect();
    assert_eq!(bench.steps()[1..5], expected);
    assert_eq!((bench.sessions(), bench.registry.count("GET", "/uploads/")), (1, 0));
}

/// What cannot be an offset, and one that does not fit what was sent: the blob begins again, in a session of its own.
#[tokio::test]
async fn an_offset_that_cannot_be_begins_the_blob_again() {
    let stated = ["0--1", "bytes=0--1", "0-0", "garbage", "0-", "0-99", "0-299999"];
    for range in stated.map(Some).into_iter().chain([None]) {
        let bench = Bench::taught().await;
        let fault = range.map_or(Fault::DropHeader("range"), |range| Fault::SetHeader("range", range.to_owned()));
        bench.registry.fault(Match::new("GET", "/uploads/"), fault);
        bench.registry.fault(Match::new("PATCH", "/uploads/").nth(2), Fault::ResetUpload { after: 1000 });
        bench.push(&content()).await.unwrap();
        bench.assert_holds(&content());
        assert_eq!((bench.sessions(), bench.registry.count("GET", "/uploads/")), (2, 1), "{range:?}");
    }
}

#[tokio::test]
async fn an_upload_that_does_not_get_on_has_an_end() {
    // The registry says each time that it has the first chunk and no more.
    let bench = Bench::taught().await;
    bench.registry.fault(Match::new("GET", "/uploads/"), Fault::SetHeader("range", "0-144999".to_owned()));
    bench.registry.fault(Match::new("PATCH", "/uploads/"), Fault::ResetUpload { after: 1000 });
    let error = target_error(bench.push(&content()).await);
    assert_eq!(error.code, Code::Connect);
    assert_eq!(bench.sessions(), 3, "{:?}", bench.steps());
    assert!(bench.steps().len() < 20, "{:?}", bench.steps());
    // Sessions that are lost each time.
    let bench = Bench::taught().await;
    let unknown = Answer::error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
    bench.registry.fault(Match::new("PATCH", "/uploads/"), Fault::Reply(unknown));
    let error = target_error(bench.push(&content()).await);
    assert_eq!((error.status, error.attempts, bench.sessions()), (Some(404), 3, 3));
}

#[tokio::test]
async fn a_session_that_is_lost_once_is_replaced() {
    for (status, code) in [(404, "BLOB_UPLOAD_UNKNOWN"), (400, "BLOB_UPLOAD_INVALID")] {
        let bench = Bench::taught().await;
        let lost = Fault::Reply(Answer::error(status, code, "no such upload"));
        bench.registry.fault(Match::new("PATCH", "/uploads/").nth(2), lost);
        bench.push(&content()).await.unwrap();
        bench.assert_holds(&content());
        assert_eq!(bench.sessions(), 2);
    }
}

#[tokio::test]
async fn the_end_of_an_upload_that_got_lost_is_looked_for() {
    let closing = || Match::new("PUT", "/uploads/").nth(1);
    let bench = Bench::taught().await;
    bench.registry.fault(closing(), Fault::DoneButReset);
    bench.push(&content()).await.unwrap();
    assert_eq!(bench.steps()[4..], ["PUT lost", "HEAD 200"]);
    let bench = Bench::taught().await;
    bench.registry.fault(closing(), Fault::status(503));
    bench.push(&content()).await.unwrap();
    bench.assert_holds(&content());
    assert_eq!(bench.steps()[4..], ["PUT 503", "HEAD 404", "PUT 201"]);
    // A registry that lost it between the last chunk and the end.
    let bench = Bench::taught().await;
    bench.registry.fault(closing(), Fault::status(416));
    bench.push(&content()).await.unwrap();
    bench.assert_holds(&content());
    assert_eq!(bench.sessions(), 2);
}

#[tokio::test]
async fn a_put_that_is_refused_for_no_known_reason_is_tried_as_a_patch() {
    let bench = Bench::new(Options::default());
    // A PUT with a body: the closing one names no state but the second.
    bench.registry.fault(Match::new("PUT", "_state=step0"), Fault::Reply(Answer::error(400, "UNKNOWN", "no")));
    bench.push(&content()).await.unwrap();
    bench.assert_holds(&content());
    assert_eq!(bench.steps(), ["POST 202", "PUT 400", "DELETE 204", "POST 202", "PATCH 202", "PUT 201"]);
    bench.forget();
    let (other, empty) = (seeded_bytes("other", 1000), Vec::new());
    bench.push(&other).await.unwrap();
    bench.assert_holds(&other);
    assert_eq!(bench.steps(), ["POST 202", "PATCH 202", "PUT 201"]);
    bench.registry.clear_faults();
    bench.push(&empty).await.unwrap();
    bench.assert_holds(&empty);
    // What is no chunk cannot be gone on with.
    bench.forget();
    bench.registry.fault(Match::new("PATCH", "/uploads/").nth(1), Fault::ResetUpload { after: 1000 });
    bench.push(&seeded_bytes("broken", 5000)).await.unwrap();
    assert_eq!(bench.steps(), ["POST 202", "PATCH lost", "HEAD 404", "POST 202", "PATCH 202", "PUT 201"]);
}

#[tokio::test]
async fn where_a_patch_is_refused_as_well_the_first_refusal_is_told() {
    let bench = Bench::new(Options::default());
    bench.registry.fault(Match::new("PUT", "/uploads/"), Fault::Reply(Answer::error(422, "POLICY", "not on Sundays")));
    bench.registry.fault(Match::new("PATCH", "/uploads/"), Fault::status(405));
    let error = target_error(bench.push(&content()).await);
    assert_eq!((error.status, error.attempts), (Some(422), 1));
    assert!(error.message.contains("not on Sundays"), "{error}");
    target_error(bench.push(&seeded_bytes("other", 10)).await);
    assert_eq!(bench.registry.count("PATCH", "/"), 1, "it is learnt that it is no help");
    assert_eq!(bench.registry.store.open_uploads(), 0);
}

#[tokio::test]
async fn where_chunks_are_too_large_one_put_is_tried_again() {
    let bench = Bench::taught().await;
    let ghcr = "the request body is too large and exceeds the maximum permissible limit of 4.00MiB";
    let refused = Fault::Reply(Answer::error(416, "REQUESTED_RANGE_NOT_SATISFIABLE", ghcr));
    bench.registry.fault(Match::new("PATCH", "/uploads/"), refused);
    let error = target_error(bench.push(&content()).await);
    // Here the PUT is refused as well; at GHCR itself it is not, so this does not come about there.
    assert_eq!(error.status, Some(416));
    assert_eq!(bench.steps(), ["POST 202", "PATCH 0-144999 416", "DELETE 204", "POST 202", "PUT 413", "DELETE 204"]);
    bench.forget();
    target_error(bench.push(&seeded_bytes("other", SIZE)).await);
    assert_eq!(bench.registry.count("PATCH", "/"), 0);
}

#[tokio::test]
async fn a_post_that_does_not_open_a_session() {
    let bench = Bench::new(Options::default());
    let healthy = Answer::status(200).body("Healthcheck requested");
    bench.registry.fault(Match::new("POST", "/uploads/").nth(1), Fault::Reply(healthy));
    bench.push(&content()).await.unwrap();
    bench.assert_holds(&content());
    assert_eq!(bench.steps(), ["POST 200", "HEAD 404", "POST 202", "PUT 201"]);
    let bench = Bench::new(Options::default());
    let digest = Digest::sha256(&content()).to_string();
    let stored = Answer::status(201).header("Docker-Content-Digest", digest);
    bench.registry.fault(Match::new("POST", "/uploads/"), Fault::Reply(stored));
    bench.push(&content()).await.unwrap();
    assert_eq!(bench.steps(), ["POST 201"]);
}
