//! SIGKILL at every boundary of a copy: no tag ever names an incomplete image, the next run converges and sends nothing
//! again that was there, and one more sends no write at all.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::harness::Regsync;
use crate::support::images::{Image, Single, media_type, zoo};
use crate::support::layout::{self, files};
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::{Counter, Fault, Gate, Match};
use crate::support::stage::{Mirror, Pair, steps};

/// Runs that are cut side by side.
const AT_ONCE: usize = 4;
/// A third run is made after one cut in so many: what it finds depends on little, and each run is a process.
const THIRD_RUNS: usize = 4;

/// An image with its repository and tag.
type Placed = (&'static str, &'static str, Image);

/// What is to be copied, and what stands at the target before.
#[derive(Default)]
struct Scene {
    images: Vec<Placed>,
    before: Vec<Placed>,
    /// The longest PUT of a blob that the target takes.
    longest_put: Option<usize>,
    /// Whether there is a second target, which gets the same from the same reads.
    beside: bool,
}

/// The registries of one run.
struct Stage {
    pair: Pair,
    beside: Option<FakeRegistry>,
}

/// Repository and digest of blobs, for each target.
type Blobs = Vec<BTreeSet<(String, String)>>;

/// Where a run ends.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// Before this request, counted over both sides, is carried out; it is carried out once the process is gone.
    Before(usize),
    /// After this write was carried out, its answer lost. After a read, nothing is different from before the next request.
    After(&'static str, usize),
}

impl Scene {
    fn of(images: Vec<Placed>) -> Self {
        Self { images, ..Self::default() }
    }

    fn pair(&self) -> Pair {
        let pair = Pair::with(Options::default(), Options { longest_put: self.longest_put, ..Options::default() });
        self.images.iter().for_each(|(repository, tag, image)| image.push_to(&pair.source, repository, tag));
        self.before.iter().for_each(|(repository, tag, image)| image.push_to(&pair.target, repository, tag));
        pair
    }

    fn stage(&self) -> Stage {
        Stage { pair: self.pair(), beside: self.beside.then(FakeRegistry::start) }
    }

    /// The digests of all there is in the images, sorted.
    fn digests(&self) -> Vec<String> {
        let all = |image: &Image| -> Vec<_> {
            let content = image.blobs.iter().chain(&image.children).chain([&image.root]);
            content.map(|content| content.digest.clone()).collect()
        };
        self.images.iter().flat_map(|(.., image)| all(image)).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn repositories(&self) -> BTreeSet<&'static str> {
        self.images.iter().map(|(repository, ..)| *repository).collect()
    }

    fn regsync(&self, stage: &Stage) -> Regsync {
        let mirror = |repository| {
            let targets: Vec<_> = stage.targets().map(|target| target.reference(repository)).collect();
            let targets: Vec<_> = targets.iter().map(String::as_str).collect();
            Mirror::new(&stage.pair.source.reference(repository), &targets, &["*"])
        };
        stage.pair.regsync(&self.repositories().into_iter().map(mirror).collect::<Vec<_>>())
    }

    /// Only what is under way at once can share a read; otherwise boundaries are the same in each run.
    fn concurrency(&self) -> &'static str {
        if self.beside { "2" } else { "1" }
    }

    /// Cuts a run, runs again, and once more. False where the run ended before the cut.
    #[track_caller]
    fn cut(&self, cut: Cut) -> bool {
        let stage = self.stage();
        let regsync = self.regsync(&stage);
        let gate = Gate::new();
        stage.arm(cut, &gate);
        let mut run = regsync.spawn(["apply", "--concurrency", self.concurrency()]);
        if !run.reaches(&gate) {
            run.wait().assert_status(0);
            return false;
        }
        run.kill();
        assert_eq!(run.wait().status, 128 + 9, "{cut:?}: it had ended before");
        self.assert_old_or_new(&stage, cut);
        let complete = stage.targets().map(|target| self.blobs_at(target)).collect();
        stage.all().for_each(|registry| registry.clear_faults());
        stage.all().for_each(|registry| registry.clear_log());
        gate.open();
        self.assert_converges(&stage, &regsync, (cut, &complete));
        true
    }

    #[track_caller]
    fn assert_old_or_new(&self, stage: &Stage, cut: Cut) {
        for (number, target) in stage.targets().enumerate() {
            target.assert_closed();
            for (repository, tag, image) in &self.images {
                let old = self.before.iter().find(|(r, t, _)| number == 0 && r == repository && t == tag);
                let now = target.tag_digest(repository, tag);
                let allowed = [old.map(|(.., image)| image.digest()), Some(image.digest())];
                assert!(allowed.contains(&now.as_deref()), "{cut:?}: {repository}:{tag} is {now:?}");
            }
        }
    }

    #[track_caller]
    fn assert_converges(&self, stage: &Stage, regsync: &Regsync, (cut, complete): (Cut, &Blobs)) {
        let again = regsync.run(["apply"]);
        assert_eq!(again.status, 0, "{cut:?}: {}", again.transcript());
        for (target, complete) in stage.targets().zip(complete) {
            target.assert_closed();
            for (repository, tag, image) in &self.images {
                let found = target.tag_digest(repository, tag);
                assert_eq!(found.as_deref(), Some(image.digest()), "{cut:?}: {repository}:{tag}");
            }
            let twice: Vec<_> = uploads(target).into_iter().filter(|upload| complete.contains(upload)).collect();
            assert!(twice.is_empty(), "{cut:?}: sent again, though it was there: {twice:?}");
        }
        let (Cut::Before(n) | Cut::After(_, n)) = cut;
        if !n.is_multiple_of(THIRD_RUNS) {
            return;
        }
        stage.all().for_each(|registry| registry.clear_log());
        let third = regsync.run(["apply", "--format", "json"]);
        let in_sync = steps(&third.assert_status(0).json()).iter().all(|step| step.ends_with("skipped in-sync"));
        assert!(in_sync, "{cut:?}: {}", third.transcript());
        stage.all().for_each(|registry| registry.assert_read_only());
    }

    fn blobs_at(&self, target: &FakeRegistry) -> BTreeSet<(String, String)> {
        let blobs = |repository: &'static str| {
            target.store.blobs(repository).into_iter().map(move |blob| (repository.to_owned(), blob))
        };
        self.repositories().into_iter().flat_map(blobs).collect()
    }
}

impl Stage {
    fn targets(&self) -> impl Iterator<Item = &FakeRegistry> {
        [&self.pair.target].into_iter().chain(&self.beside)
    }

    fn all(&self) -> impl Iterator<Item = &FakeRegistry> {
        [&self.pair.source].into_iter().chain(self.targets())
    }

    /// Holds the request of the cut.
    fn arm(&self, cut: Cut, gate: &Gate) {
        let counter = Counter::default();
        match cut {
            Cut::Before(n) => {
                let from = Match::any().counted_by(&counter).from(n);
                self.all().for_each(|side| side.fault(from.clone(), Fault::Hold(gate.clone())));
            }
            Cut::After(method, n) => {
                let only = Match::new(method, "").counted_by(&counter).nth(n);
                self.targets().for_each(|target| target.fault(only.clone(), Fault::HoldAnswer(gate.clone())));
            }
        }
    }
}

/// Repository and digest of each blob that an upload was to complete.
fn uploads(target: &FakeRegistry) -> Vec<(String, String)> {
    let upload = |request: crate::support::server::RecordedRequest| {
        let (repository, _) = request.path.strip_prefix("/v2/")?.split_once("/blobs/uploads/")?;
        let (_, digest) = request.query.split_once("digest=").filter(|_| request.method != "PATCH")?;
        Some((repository.to_owned(), digest.replace("%3A", ":")))
    };
    target.requests().into_iter().filter_map(upload).collect()
}

/// Calls `cut` with 1, 2, 3 and so on, several at once, until one of them comes too late; fails unless there were `least`.
#[track_caller]
fn sweep(least: usize, cut: impl Fn(usize) -> bool + Sync) {
    let (next, reached) = (AtomicUsize::new(1), AtomicUsize::new(0));
    let work = || {
        while cut(next.fetch_add(1, Ordering::SeqCst)) {
            reached.fetch_add(1, Ordering::SeqCst);
        }
    };
    thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    let reached = reached.into_inner();
    assert!(reached >= least, "only {reached} boundaries were reached");
}

/// An index that holds an image and an index with attestations.
fn nested() -> Scene {
    let inner = zoo::index_with_attestations("nested");
    let images = [inner, Single::new("nested").platform("linux/s390x").build()];
    Scene::of(vec![("app", "1", Image::index(media_type::OCI_INDEX, &images))])
}

/// Two repositories that have an image in common, and a layer of another.
fn shared() -> Scene {
    let image = |seed| Single::new(seed).layers(1, 200).shared_layer("base").build();
    Scene::of(vec![("app", "1", image("one")), ("lib", "1", image("one")), ("lib", "2", image("two"))])
}

/// Tags that name other images at the target, and one that is new there.
fn moved() -> Scene {
    let image = |seed| Single::new(seed).layers(1, 200).shared_layer("base").build();
    let images = vec![("app", "1", zoo::index("new")), ("app", "2", image("new")), ("app", "3", image("third"))];
    Scene { images, before: vec![("app", "1", zoo::index("old")), ("app", "2", image("old"))], ..Scene::default() }
}

/// Layers that are too long for one PUT, and travel in chunks.
fn chunked() -> Scene {
    let image = Single::new("chunked").layers(1, 3000).build();
    Scene { longest_put: Some(1000), ..Scene::of(vec![("app", "1", image)]) }
}

/// Two targets that get a new image from one read of each of its blobs.
fn side_by_side() -> Scene {
    let image = Single::new("both").layers(1, 3000).build();
    Scene { beside: true, ..Scene::of(vec![("app", "1", image)]) }
}

#[test]
fn a_nested_index_with_attestations_killed_before_each_request() {
    let scene = nested();
    sweep(50, |n| scene.cut(Cut::Before(n)));
}

#[test]
fn layers_shared_by_two_repositories_killed_before_each_request() {
    let scene = shared();
    sweep(25, |n| scene.cut(Cut::Before(n)));
}

#[test]
fn tags_on_the_move_killed_before_each_request() {
    let scene = moved();
    sweep(40, |n| scene.cut(Cut::Before(n)));
}

#[test]
fn killed_after_each_write_before_its_answer() {
    for scene in [shared(), moved()] {
        sweep(8, |n| scene.cut(Cut::After("PUT", n)));
        sweep(4, |n| scene.cut(Cut::After("POST", n)));
    }
}

#[test]
fn a_blob_in_chunks_killed_at_each_boundary() {
    let scene = chunked();
    sweep(12, |n| scene.cut(Cut::Before(n)));
    sweep(2, |n| scene.cut(Cut::After("PATCH", n)));
    sweep(4, |n| scene.cut(Cut::After("PUT", n)));
}

#[test]
fn two_targets_that_read_together_killed_at_each_boundary() {
    let scene = side_by_side();
    let stage = scene.stage();
    scene.regsync(&stage).run(["apply", "--concurrency", scene.concurrency()]).assert_status(0);
    let reads = stage.pair.source.count("GET", "/blobs/");
    assert_eq!(reads, scene.images[0].2.blobs.len(), "each blob is read once for both");
    sweep(18, |n| scene.cut(Cut::Before(n)));
    sweep(6, |n| scene.cut(Cut::After("PUT", n)));
}

/// A run into a layout that is killed as `kill` says, another run into it, and one more. `kill` says whether it came in time.
#[track_caller]
fn cut_layout(scene: &Scene, (n, boundary): (usize, &str), kill: impl FnOnce(&Pair, &Regsync) -> bool) -> bool {
    let pair = scene.pair();
    let regsync = pair.regsync(&[Mirror::new(&pair.source.reference("app"), &["oci:out"], &["*"])]);
    if !kill(&pair, &regsync) {
        return false;
    }
    let out = regsync.path("out");
    layout::assert_closed(&out);
    let complete = layout::blobs(&out);
    pair.clear_logs();
    regsync.run(["apply"]).assert_status(0);
    layout::assert_closed(&out);
    for (_, tag, image) in &scene.images {
        assert_eq!(layout::tag_digest(&out, tag).as_deref(), Some(image.digest()), "{boundary}: {tag}");
    }
    for digest in &complete {
        assert_eq!(pair.source.count("GET", &format!("/blobs/{digest}")), 0, "{boundary}: {digest} was read again");
    }
    assert_eq!(layout::blobs(&out), scene.digests(), "{boundary}: not what is in the images");
    if !n.is_multiple_of(THIRD_RUNS) {
        return true;
    }
    let after = files(&out);
    pair.clear_logs();
    regsync.run(["apply"]).assert_status(0);
    assert!(files(&out) == after, "{boundary}: a run with nothing to do changed the layout");
    assert_eq!(pair.source.count("GET", "/blobs/"), 0, "{boundary}");
    true
}

#[test]
fn a_layout_killed_before_each_request() {
    let scene = nested();
    sweep(20, |n| {
        cut_layout(&scene, (n, &format!("before the request {n}")), |pair, regsync| {
            let gate = Gate::new();
            pair.source.fault(Match::any().from(n), Fault::Hold(gate.clone()));
            let mut run = regsync.spawn(["apply", "--concurrency", "1"]);
            let reached = run.reaches(&gate);
            run.kill();
            let output = run.wait();
            assert_eq!(output.status, if reached { 128 + 9 } else { 0 }, "{}", output.transcript());
            pair.source.clear_faults();
            gate.open();
            reached
        })
    });
}

#[test]
fn a_layout_killed_at_any_point_of_time() {
    let scene = nested();
    let calm = {
        let pair = scene.pair();
        let regsync = pair.regsync(&[Mirror::new(&pair.source.reference("app"), &["oci:out"], &["*"])]);
        regsync.run(["apply", "--concurrency", "1"]).assert_status(0);
        pair.source.requests().len()
    };
    let mut random = fastrand::Rng::with_seed(20_240_501);
    let points: Vec<_> = (0..16).map(|_| (random.usize(1..=calm), random.u64(0..8_000))).collect();
    let taken = AtomicUsize::new(0);
    sweep(points.len(), |n| {
        let Some(&(request, microseconds)) = points.get(n - 1) else { return false };
        let boundary = format!("{microseconds} µs after the request {request}");
        cut_layout(&scene, (n, &boundary), |pair, regsync| {
            let (arrived, arrival) = std::sync::mpsc::channel();
            pair.source.before(Match::any().nth(request), move || arrived.send(()).unwrap_or_default());
            let mut run = regsync.spawn(["apply", "--concurrency", "1"]);
            // A run that ends before is one that needed fewer requests.
            let _ = arrival.recv_timeout(Duration::from_secs(30));
            let until = Instant::now() + Duration::from_micros(microseconds);
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            run.kill();
            taken.fetch_add(usize::from(run.wait().status != 0), Ordering::SeqCst);
            pair.source.clear_faults();
            true
        })
    });
    assert!(taken.into_inner() > points.len() / 2, "most runs had ended before they were killed");
}

#[test]
fn an_answer_that_got_lost_is_no_reason_to_fail_or_to_write_twice() {
    for lost in ["/manifests/1", "/manifests/sha256:", "/blobs/uploads/session-"] {
        let pair = Pair::start();
        let image = zoo::index("lost");
        image.push_to(&pair.source, "app", "1");
        pair.target.fault(Match::new("PUT", lost).first(1), Fault::DoneButReset);
        pair.regsync(&[pair.mirror("app", &["1"])]).run(["apply"]).assert_status(0);
        pair.target.assert_closed();
        assert_eq!(pair.target.tag_digest("app", "1").unwrap(), image.digest(), "{lost}");
        if lost == "/manifests/1" {
            assert_eq!(pair.target.count("PUT", lost), 1, "{lost}: it was there, and was written again");
        }
    }
}
