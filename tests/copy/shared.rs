//! Several targets are fed from one read, and none depends on another: who is slow, fails or goes does so alone.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::support::harness::Regsync;
use crate::support::images::{Content, Image, Single, media_type};
use crate::support::registry::FakeRegistry;
use crate::support::server::{Answer, Close, Fault, Gate, Match};
use crate::support::stage::{Mirror, Pair, steps, yaml};

const PATIENCE: Duration = Duration::from_secs(30);
/// More than a target is handed before it takes what came earlier.
const BIG: usize = 3 << 20;

/// A source, two target registries, and an image with one big layer.
struct Stage {
    source: FakeRegistry,
    one: FakeRegistry,
    two: FakeRegistry,
    image: Image,
}

impl Stage {
    fn new() -> Self {
        let image = Single::new("big").layers(1, BIG).build();
        let stage =
            Self { source: FakeRegistry::start(), one: FakeRegistry::start(), two: FakeRegistry::start(), image };
        stage.image.push_to(&stage.source, "app", "1");
        stage
    }

    fn layer(&self) -> &Content {
        self.image.blobs.iter().find(|blob| blob.media_type == media_type::OCI_LAYER).unwrap()
    }

    fn regsync(&self) -> Regsync {
        let targets = [self.one.reference("app"), self.two.reference("app")];
        self.regsync_to(&[&targets[0], &targets[1]])
    }

    fn regsync_to(&self, targets: &[&str]) -> Regsync {
        let mirror = Mirror::new(&self.source.reference("app"), targets, &["*"]);
        Regsync::new().config(&yaml(&[mirror])).without_digests()
    }

    /// How often the layer was asked for at the source.
    fn reads(&self) -> usize {
        self.source.count("GET", &format!("/blobs/{}", self.layer().digest))
    }

    #[track_caller]
    fn assert_there(&self, target: &FakeRegistry) {
        target.assert_closed();
        assert_eq!(target.tag_digest("app", "1").as_deref(), Some(self.image.digest()));
    }
}

/// Tells when a tag has been asked to be written.
fn tag_at(registry: &FakeRegistry) -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    registry.before(Match::new("PUT", "/manifests/").nth(1), move || {
        let _ = sender.send(());
    });
    receiver
}

/// Three images that share layers.
fn images() -> Vec<Image> {
    let image = |n: usize| Single::new(&format!("image {n}")).layers(2, 200_000).shared_layer("base").build();
    (0..3).map(image).collect()
}

#[test]
fn each_blob_is_read_once_and_sent_once_to_each_registry() {
    for concurrency in ["1", "8"] {
        let (source, one, two) = (FakeRegistry::start(), FakeRegistry::start(), FakeRegistry::start());
        let images = images();
        for (n, image) in images.iter().enumerate() {
            image.push_to(&source, "app", &n.to_string());
            image.push_to(&source, "app", &format!("again-{n}"));
        }
        let targets = [one.reference("a"), one.reference("b"), two.reference("c"), "oci:out".to_owned()];
        let targets: Vec<_> = targets.iter().map(String::as_str).collect();
        let mirror = Mirror::new(&source.reference("app"), &targets, &["*"]);
        let regsync = Regsync::new().config(&yaml(&[mirror]));
        let applied = regsync.run(["apply", "--concurrency", concurrency, "--format", "json"]);
        let result = applied.assert_status(0).json();
        assert_eq!(result["summary"]["copied"], 24);
        one.assert_closed();
        two.assert_closed();
        let blobs: BTreeMap<_, _> =
            images.iter().flat_map(|image| &image.blobs).map(|blob| (&blob.digest, blob.bytes.len())).collect();
        for digest in blobs.keys() {
            assert_eq!(source.count("GET", &format!("/blobs/{digest}")), 1, "reads of {digest}");
            let commit = format!("digest={}", digest.replace(':', "%3A"));
            for (name, registry) in [("one", &one), ("two", &two)] {
                assert_eq!(registry.count("PUT", &commit), 1, "uploads of {digest} to {name}");
            }
            let mount = format!("mount={}", digest.replace(':', "%3A"));
            let mounts = one.requests().into_iter().filter(|request| request.query.contains(&mount));
            let mounted = mounts.filter(|request| request.status == Some(201)).count();
            assert_eq!(mounted, 1, "mounts of {digest}");
            assert!(regsync.path("out/blobs/sha256").join(digest.trim_start_matches("sha256:")).exists());
        }
        let bytes: usize = blobs.values().sum();
        let manifests: usize = images.iter().map(|image| image.root.bytes.len()).sum();
        assert_eq!(result["bytes"]["sent"], bytes * 3 + manifests * 8, "what went to each target counts there");
    }
}

#[test]
fn a_target_that_takes_nothing_is_left_to_itself() {
    let stage = Stage::new();
    let gate = Gate::new();
    // Without its session, an upload takes no bytes. It is known by then that the blob is not there.
    stage.two.fault(Match::new("POST", "/blobs/uploads/"), Fault::Hold(gate.clone()));
    Single::new("other").build().push_to(&stage.two, "app", "other");
    let done = tag_at(&stage.one);
    let regsync = stage.regsync();
    let run = regsync.spawn(["apply", "--sizes", "always", "--format", "json"]);
    done.recv_timeout(PATIENCE).expect("the other target gets its image meanwhile");
    gate.open();
    let output = run.wait();
    assert_eq!(steps(&output.assert_status(0).json()), ["app:1 copied new", "app:1 copied new"]);
    stage.assert_there(&stage.one);
    stage.assert_there(&stage.two);
    assert_eq!(stage.reads(), 2, "one read for both, and the rest for the slow one");
    let requests = stage.source.requests();
    let mut ranges = requests.iter().filter(|request| request.path.contains(&stage.layer().digest));
    let range = ranges.next_back().unwrap().header("range").expect("it goes on where it was left");
    let offset: usize = range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
    assert!(offset > 0 && offset < BIG, "{range}");
}

#[test]
fn a_target_that_never_comes_is_not_waited_for() {
    let stage = Stage::new();
    let gate = Gate::new();
    stage.two.fault(Match::new("HEAD", "/blobs/"), Fault::Hold(gate.clone()));
    let done = tag_at(&stage.one);
    let regsync = stage.regsync();
    let run = regsync.spawn(["apply", "--sizes", "never"]);
    done.recv_timeout(PATIENCE).expect("the other target gets its image meanwhile");
    gate.open();
    run.wait().assert_status(0);
    stage.assert_there(&stage.one);
    stage.assert_there(&stage.two);
}

#[test]
fn an_upload_that_breaks_is_repeated_alone() {
    let stage = Stage::new();
    let commit = format!("digest={}", stage.layer().digest.replace(':', "%3A"));
    stage.two.fault(Match::new("PUT", &commit).first(1), Fault::ResetUpload { after: 500_000 });
    stage.regsync().run(["apply"]).assert_status(0);
    stage.assert_there(&stage.one);
    stage.assert_there(&stage.two);
    assert_eq!(stage.one.count("PUT", &commit), 1, "the other upload noticed nothing");
    assert_eq!(stage.reads(), 2);
}

#[test]
fn a_read_whose_only_listener_is_still_queued_gives_its_place_back() {
    let mut stage = Stage::new();
    stage.image = Single::new("queued").layers(2, BIG).build();
    stage.image.push_to(&stage.source, "app", "1");
    Single::new("other").build().push_to(&stage.one, "app", "other");
    // Blobs are sent in the order of their digests.
    let mut blobs: Vec<_> = stage.image.blobs.iter().collect();
    blobs.sort_by_key(|blob| (blob.media_type != media_type::OCI_LAYER, &blob.digest));
    let [first, second, config] = blobs[..] else { panic!("two layers and a config") };
    stage.one.store.put_blob_as("app", &config.digest, config.bytes.clone());
    for blob in [config, first] {
        stage.two.store.put_blob_as("app", &blob.digest, blob.bytes.clone());
    }
    // The first layer has the only place for uploads at the first target, and loses that at the source.
    let (reading, looking) = (Gate::new(), Gate::new());
    let read = Match::new("GET", &format!("/blobs/{}", first.digest)).first(1);
    stage.source.fault(read.clone(), Fault::HoldAnswer(reading.clone()));
    stage.source.fault(read, Fault::CutBody { after: 100_000, close: Close::Reset });
    stage.one.fault(Match::new("HEAD", &second.digest), Fault::Hold(looking.clone()));
    // The second one is met for by both, begun by the other target, and left by it.
    stage.two.fault(Match::new("POST", "mount="), Fault::status(405));
    let commit = format!("digest={}", second.digest.replace(':', "%3A"));
    stage.two.fault(Match::new("PUT", &commit).first(1), Fault::ResetUpload { after: 100_000 });

    let targets = [stage.one.reference("app"), stage.two.reference("app")];
    let mirror = Mirror::new(&stage.source.reference("app"), &[&targets[0], &targets[1]], &["1"]);
    let narrow = |registry: &FakeRegistry| format!("  {:?}: {{ concurrency: 1 }}\n", registry.host());
    let registries = format!("registries:\n{}{}", narrow(&stage.source), narrow(&stage.one));
    let regsync = Regsync::new().config(&(yaml(&[mirror]) + &registries));
    let run = regsync.spawn(["apply"]);
    reading.wait_for(1);
    looking.open();
    let begin = Instant::now();
    let opens = |stage: &Stage| stage.two.requests().iter().any(|seen| seen.method == "POST" && seen.query.is_empty());
    while !opens(&stage) {
        assert!(begin.elapsed() < PATIENCE, "the other target begins");
        std::thread::sleep(Duration::from_millis(20));
    }
    reading.open();
    run.wait().assert_status(0);
    stage.assert_there(&stage.one);
    stage.assert_there(&stage.two);
}

#[test]
fn a_target_that_refuses_uploads_fails_alone() {
    for method in ["POST", "PUT"] {
        let stage = Stage::new();
        let denied = Answer::error(403, "DENIED", "no push for you");
        stage.two.fault(Match::new(method, "/blobs/uploads/"), Fault::Reply(denied));
        let applied = stage.regsync().run(["apply", "--format", "json"]);
        let mut found = steps(&applied.assert_status(3).json());
        found.sort();
        assert_eq!(found, ["app:1 copied new", "app:1 failed new E_DENIED"]);
        stage.assert_there(&stage.one);
        assert_eq!(stage.reads(), 1);
    }
}

#[test]
fn a_read_that_breaks_goes_on_for_all() {
    let stage = Stage::new();
    let blob = format!("/blobs/{}", stage.layer().digest);
    stage.source.fault(Match::new("GET", &blob).first(1), Fault::CutBody { after: BIG / 2, close: Close::Reset });
    stage.regsync().run(["apply"]).assert_status(0);
    stage.assert_there(&stage.one);
    stage.assert_there(&stage.two);
    assert_eq!(stage.reads(), 2);
    for target in [&stage.one, &stage.two] {
        assert_eq!(target.count("POST", "/blobs/uploads/"), stage.image.blobs.len(), "uploads that were begun");
    }
}

#[test]
fn wrong_bytes_reach_no_target() {
    let stage = Stage::new();
    stage.source.fault(Match::new("GET", &format!("/blobs/{}", stage.layer().digest)), Fault::FlipBit { at: BIG / 2 });
    let applied = stage.regsync().run(["apply", "--format", "json"]);
    assert_eq!(
        steps(&applied.assert_status(1).json()),
        ["app:1 failed new E_DIGEST", "app:1 failed new E_DIGEST"],
        "{}",
        applied.transcript()
    );
    for target in [&stage.one, &stage.two] {
        assert!(!target.has_blob("app", &stage.layer().digest) && target.tag_digest("app", "1").is_none());
    }
}

#[test]
fn a_blob_that_is_missing_fails_for_all_and_is_not_asked_for_again_and_again() {
    let stage = Stage::new();
    stage.source.store.delete_blob("app", &stage.layer().digest);
    let applied = stage.regsync().run(["apply", "--format", "json"]);
    assert_eq!(
        steps(&applied.assert_status(1).json()),
        ["app:1 failed new E_NOT_FOUND", "app:1 failed new E_NOT_FOUND"]
    );
    assert_eq!(stage.reads(), 1);
}

#[test]
fn a_signal_ends_a_common_read() {
    let stage = Stage::new();
    let blob = format!("/blobs/{}", stage.layer().digest);
    let (sender, begun) = mpsc::channel();
    stage.source.before(Match::new("GET", &blob), move || {
        let _ = sender.send(());
    });
    stage.source.fault(Match::new("GET", &blob), Fault::StallBody { after: BIG / 2 });
    let regsync = stage.regsync();
    let run = regsync.spawn(["apply", "--format", "json"]);
    begun.recv_timeout(PATIENCE).expect("the read begins");
    let begin = Instant::now();
    run.signal("INT");
    let output = run.wait();
    let expected = ["app:1 not-run new E_INTERRUPTED", "app:1 not-run new E_INTERRUPTED"];
    assert_eq!(steps(&output.assert_status(130).json()), expected);
    assert!(begin.elapsed() < Duration::from_secs(10), "it took {:?} to end", begin.elapsed());
    stage.source.clear_faults();
    regsync.run(["apply"]).assert_status(0);
    stage.assert_there(&stage.one);
    stage.assert_there(&stage.two);
}

#[test]
fn a_layout_is_a_target_like_any_other() {
    let stage = Stage::new();
    let gate = Gate::new();
    stage.two.fault(Match::new("POST", "/blobs/uploads/"), Fault::Hold(gate.clone()));
    Single::new("other").build().push_to(&stage.two, "app", "other");
    let regsync = stage.regsync_to(&[&stage.two.reference("app"), "oci:out"]);
    let run = regsync.spawn(["apply", "--sizes", "always"]);
    let index = regsync.path("out/index.json");
    let begin = Instant::now();
    while !std::fs::read_to_string(&index).is_ok_and(|text| text.contains(stage.image.digest())) {
        assert!(begin.elapsed() < PATIENCE, "the layout gets its image meanwhile");
        std::thread::sleep(Duration::from_millis(20));
    }
    gate.open();
    run.wait().assert_status(0);
    stage.assert_there(&stage.two);
}

#[test]
fn a_target_that_has_the_blob_keeps_nobody_waiting() {
    let (stage, pair) = (Stage::new(), Pair::start());
    for target in [&stage.two, &pair.target] {
        for blob in &stage.image.blobs {
            target.store.put_blob_as("app", &blob.digest, blob.bytes.clone());
        }
    }
    let targets = [stage.one.reference("app"), stage.two.reference("app"), pair.target.reference("app")];
    let targets: Vec<_> = targets.iter().map(String::as_str).collect();
    stage.regsync_to(&targets).run(["apply"]).assert_status(0);
    for target in [&stage.one, &stage.two, &pair.target] {
        stage.assert_there(target);
    }
    assert_eq!(stage.reads(), 1);
    assert_eq!(stage.two.count("PUT", "/uploads/") + pair.target.count("PUT", "/uploads/"), 0);
}
