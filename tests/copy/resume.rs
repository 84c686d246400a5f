//! A blob whose reading breaks: the rest of it is asked for, and what is written of it goes on as if nothing had been.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use regsync::auth::{Environment, Keychain};
use regsync::copy::{Copier, Passage};
use regsync::event::Silent;
use regsync::image::{MediaType, Role, Written};
use regsync::store::Stores;
use regsync::store::registry::{Limits, Network};

use crate::support::cdn::BlobCdn;
use crate::support::images::{Content, Image, Single, media_type};
use crate::support::registry::Options;
use crate::support::server::{Answer, Close, Fault, Match, Server};
use crate::support::stage::{Mirror, Pair, steps};

const SIZE: usize = 400_000;

/// An image with one large layer at the source.
struct Ward {
    pair: Pair,
    image: Image,
}

impl Ward {
    fn new() -> Self {
        Self::with(Options::default())
    }

    fn with(source: Options) -> Self {
        let pair = Pair::with(source, Options::default());
        let image = Single::new("resumed").layers(1, SIZE).build();
        image.push_to(&pair.source, "app", "1");
        Self { pair, image }
    }

    fn layer(&self) -> &Content {
        self.image.blobs.iter().find(|blob| blob.media_type == media_type::OCI_LAYER).unwrap()
    }

    fn size(&self) -> usize {
        self.layer().bytes.len()
    }

    /// The requests for the layer.
    fn reads(&self) -> Match {
        Match::new("GET", &format!("/blobs/{}", self.layer().digest))
    }

    /// The `n`th request for the layer breaks after so many bytes.
    fn cut(&self, n: usize, after: usize, close: Close) {
        self.pair.source.fault(self.reads().nth(n), Fault::CutBody { after, close });
    }

    /// The `Range` of each request for the layer, in order; an empty text where there was none.
    fn ranges(&self) -> Vec<String> {
        ranges(&self.pair.source, &self.layer().digest)
    }

    /// Copies to the other registry, and that the layer was sent once and without a break.
    #[track_caller]
    fn arrives_in_one_piece(&self) {
        let applied = self.pair.regsync(&[self.pair.mirror("app", &["1"])]).run(["apply"]);
        assert_eq!(applied.status, 0, "{}", applied.transcript());
        self.assert_one_upload();
    }

    #[track_caller]
    fn assert_one_upload(&self) {
        let target = &self.pair.target;
        assert_eq!(target.tag_digest("app", "1").unwrap(), self.image.digest());
        target.assert_closed();
        let blobs = self.image.blobs.len();
        let log = target.request_log_in_order(&[]);
        assert_eq!((target.count("POST", "/uploads/"), target.count("PUT", "/uploads/")), (blobs, blobs), "{log}");
    }

    /// Copies to a layout.
    #[track_caller]
    fn arrives_in_a_layout(&self) {
        let mirror = Mirror::new(&self.pair.source.reference("app"), &["oci:out"], &["1"]);
        let regsync = self.pair.regsync(&[mirror]);
        let applied = regsync.run(["apply"]);
        assert_eq!(applied.status, 0, "{}", applied.transcript());
        let path = regsync.path("out/blobs").join(self.layer().digest.replace(':', "/"));
        assert!(std::fs::read(path).unwrap() == self.layer().bytes, "other bytes");
    }

    /// Fails to copy, with this code and these words.
    #[track_caller]
    fn fails(&self, code: &str, words: &[&str]) {
        let regsync = self.pair.regsync(&[self.pair.mirror("app", &["1"])]);
        let document = regsync.run(["apply", "--format", "json"]).assert_status(1).json();
        assert_eq!(steps(&document), [format!("app:1 failed new {code}")], "{:#}", document["steps"][0]["error"]);
        let message = document["steps"][0]["error"]["message"].as_str().unwrap();
        for word in words {
            assert!(message.contains(word), "{word:?} is missing: {message}");
        }
        assert!(!self.pair.target.has_blob("app", &self.layer().digest));
    }
}

fn ranges(server: &Server, digest: &str) -> Vec<String> {
    let requests = server.requests();
    let reads = requests.iter().filter(|request| request.method == "GET" && request.path.contains(digest));
    reads.map(|request| request.header("range").unwrap_or_default().to_owned()).collect()
}

fn from(offset: usize) -> String {
    if offset == 0 { String::new() } else { format!("bytes={offset}-") }
}

/// The number in `bytes=n-`; nothing is 0.
fn offset(range: &str) -> usize {
    range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap_or(0)
}

#[test]
fn a_read_that_ends_early_goes_on_where_it_ended() {
    let size = Ward::new().size();
    for after in [0, 1, size / 2, size - 1] {
        let ward = Ward::new();
        ward.cut(1, after, Close::Fin);
        ward.arrives_in_one_piece();
        assert_eq!(ward.ranges(), [from(0), from(after)]);
        let ward = Ward::new();
        ward.cut(1, after, Close::Fin);
        ward.arrives_in_a_layout();
        assert_eq!(ward.ranges(), [from(0), from(after)]);
    }
}

#[test]
fn a_read_that_is_reset_goes_on_where_it_came_to() {
    let size = Ward::new().size();
    for after in [0, 1, size / 2, size - 1] {
        let ward = Ward::new();
        ward.cut(1, after, Close::Reset);
        ward.arrives_in_one_piece();
        let ranges = ward.ranges();
        // What was on its way when the connection was reset may be lost.
        assert!(ranges.len() == 2 && offset(&ranges[1]) <= after, "{ranges:?}");
        let ward = Ward::new();
        ward.cut(1, after, Close::Reset);
        ward.arrives_in_a_layout();
        assert_eq!(ward.ranges().len(), 2);
    }
}

#[test]
fn a_read_may_break_often_as_long_as_it_gets_on() {
    let ward = Ward::new();
    let step = 70_000;
    ward.pair.source.fault(ward.reads(), Fault::CutBody { after: step, close: Close::Fin });
    ward.arrives_in_one_piece();
    let expected: Vec<_> = (0..ward.size().div_ceil(step)).map(|n| from(n * step)).collect();
    assert_eq!(ward.ranges(), expected);
    assert!(expected.len() > 5);
}

#[test]
fn a_read_that_does_not_get_on_is_given_up() {
    let ward = Ward::new();
    ward.pair.source.fault(ward.reads(), Fault::CutBody { after: 100, close: Close::Fin });
    ward.fails("E_CONNECT", &["5 attempts", &ward.layer().digest]);
    assert_eq!(ward.ranges(), [0, 100, 200, 300, 400].map(from));
    assert_eq!(ward.pair.target.count("PUT", "/uploads/"), 1 + 1, "the upload was begun once; the config is the other");
}

#[test]
fn a_registry_without_ranges_sends_all_of_it_again() {
    let ward = Ward::with(Options { ranges: false, ..Options::default() });
    ward.cut(1, 150_000, Close::Fin);
    ward.cut(2, 200_000, Close::Fin);
    ward.arrives_in_one_piece();
    assert_eq!(ward.ranges(), [0, 150_000, 200_000].map(from));
    let altered = Ward::with(Options { ranges: false, ..Options::default() });
    altered.cut(1, 150_000, Close::Fin);
    altered.pair.source.fault(altered.reads().nth(2), Fault::FlipBit { at: 170_000 });
    let applied = altered.pair.regsync(&[altered.pair.mirror("app", &["1"])]).run(["apply"]);
    applied.assert_status(0);
    assert_eq!(altered.ranges(), [0, 150_000, 0].map(from), "wrong bytes are read once more, all of them");
}

/// A part that is not the rest is not joined to what came before: the blob is read once more as a whole, then it fails.
#[test]
fn parts_that_do_not_fit_are_refused() {
    let half = 200_000;
    let range = |start: usize, size: usize, total: usize| format!("bytes {start}-{}/{total}", size - 1);
    let size = Ward::new().size();
    let set = |name: &'static str, value: String| Fault::SetHeader(name, value);
    let faults = [
        (set("content-range", range(half + 1, size, size)), "the bytes from 200001 on"),
        (set("content-range", range(0, size, size)), "the bytes from 0 on"),
        (set("content-range", range(half, size, size + 1)), "a part of"),
        (set("content-range", "bytes nonsense".to_owned()), "cannot be read"),
        (set("content-type", "multipart/byteranges; boundary=x".to_owned()), "several parts"),
        (Fault::AddHeader("content-range", range(half, size, size)), "2 `Content-Range` headers"),
        (Fault::DropHeader("content-range"), "0 `Content-Range` headers"),
    ];
    for (fault, words) in faults {
        let once = Ward::new();
        once.cut(1, half, Close::Fin);
        once.pair.source.fault(once.reads().nth(2), fault.clone());
        once.pair.regsync(&[once.pair.mirror("app", &["1"])]).run(["apply"]).assert_status(0);
        assert_eq!(once.ranges(), [0, half, 0].map(from), "{words}");
        once.pair.target.assert_closed();
    }
    let always = Ward::new();
    always.pair.source.fault(always.reads(), Fault::CutBody { after: half, close: Close::Fin });
    always.pair.source.fault(always.reads(), set("content-range", range(half + 1, size, size)));
    always.fails("E_PROTOCOL", &["the bytes from 200001 on", "2 attempts"]);
    assert_eq!(always.ranges(), [0, half, 0, half].map(from));
}

#[test]
fn a_refusal_of_the_rest_is_told() {
    let ward = Ward::new();
    ward.cut(1, 1000, Close::Fin);
    let denied = Answer::error(403, "DENIED", "you have read enough");
    ward.pair.source.fault(ward.reads().nth(2), Fault::Reply(denied));
    ward.fails("E_DENIED", &["you have read enough"]);
    let ward = Ward::new();
    ward.cut(1, 1000, Close::Fin);
    ward.cut(3, 2000, Close::Fin);
    ward.pair.source.fault(ward.reads().nth(2), Fault::status(416));
    ward.pair.source.fault(ward.reads().nth(4), Fault::status(416));
    ward.fails("E_SIZE", &["no more than the 2000 bytes", "2 attempts"]);
    assert_eq!(ward.ranges(), [0, 1000, 0, 2000].map(from));
}

#[test]
fn each_part_comes_by_an_address_of_its_own() {
    let ward = Ward::new();
    let cdn = BlobCdn::start();
    let to = cdn.serve_blobs_of(&ward.pair.source.store);
    let first = to.replace("signature=", "part=1&signature=");
    ward.pair.source.fault(ward.reads().nth(1), Fault::Redirect { status: 307, to: first });
    ward.pair.source.fault(ward.reads().nth(2), Fault::Redirect { status: 307, to });
    // An address that has been used up.
    cdn.fault(Match::new("GET", "part=1").from(2), Fault::status(403));
    cdn.fault(Match::new("GET", "part=1"), Fault::CutBody { after: 123_456, close: Close::Fin });
    ward.arrives_in_one_piece();
    assert_eq!(ward.ranges(), [0, 123_456].map(from));
    assert_eq!(ranges(&cdn, &ward.layer().digest), [0, 123_456].map(from));
    cdn.assert_no_authorization();
}

#[tokio::test]
async fn a_read_that_stands_still_goes_on_elsewhere() {
    for target in ["registry", "layout"] {
        let ward = Ward::new();
        ward.pair.source.fault(ward.reads().nth(1), Fault::StallBody { after: 99_999 });
        let dir = tempfile::tempdir().unwrap();
        let keychain = Arc::new(Keychain::new(Environment::from_iter::<[(&str, &str); 0]>([]), Vec::new()));
        let limits = Limits { idle: Duration::from_millis(500), ..Limits::default() };
        let network = Network { limits, ..Network::new("test", keychain, Arc::new(Silent)) };
        let stores = Stores::new(network, BTreeMap::new());
        let location = |text: &str, role| Written::parse(text, role, dir.path()).unwrap().location;
        let written = if target == "registry" { ward.pair.target.reference("app") } else { "oci:out".to_owned() };
        let passage = Passage {
            source: stores.source(&location(&ward.pair.source.reference("app"), Role::Source)).unwrap(),
            target: stores.target(&location(&written, Role::Target)).unwrap(),
        };
        let (digest, media_type) = (ward.image.digest().parse().unwrap(), MediaType::new(&ward.image.root.media_type));
        Copier::new(Arc::new(Silent)).image(&passage, &digest, &media_type).await.unwrap();
        assert_eq!(ward.ranges(), [0, 99_999].map(from), "{target}");
        assert_eq!(ward.pair.target.count("PUT", "/uploads/") % ward.image.blobs.len(), 0, "{target}");
    }
}
