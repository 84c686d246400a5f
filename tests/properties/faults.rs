//! Random faults while random images are mirrored: the invariants hold after every request, every step ends once, and
//! when the faults stop, the next run brings everything and the one after that writes nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use regsync::event::{Ending, Outcome};
use regsync::plan::Step;

use super::cases;
use super::running::{Ran, name_of};
use super::worlds::{Built, World, world};
use crate::support::registry::FakeRegistry;
use crate::support::server::{Answer, Close, Fault, Match};

/// What goes wrong at one kind of request.
#[derive(Clone, Debug)]
struct Hitch {
    at_target: bool,
    /// Method and part of the path.
    on: (&'static str, &'static str),
    nth: usize,
    /// It goes on so many times.
    times: usize,
    what: Mischief,
}

#[derive(Clone, Debug)]
enum Mischief {
    Status(u16),
    TooMany(&'static str),
    Page,
    Reset,
    DoneButReset,
    DoneButStatus(u16),
    ResetUpload(usize),
    Late(u64),
    Cut(usize, Close),
    Flip(usize),
    Shorten(usize),
    Lengthen,
    Empty,
    LyingDigest,
    /// All tokens end.
    Expire,
    /// A mount is said to be done, and is not.
    PhantomMount,
}

/// The requests there are.
const PLACES: &[(&str, &str)] = &[
    ("HEAD", "/manifests/"),
    ("GET", "/manifests/"),
    ("HEAD", "/blobs/"),
    ("GET", "/blobs/"),
    ("POST", "/blobs/uploads/"),
    ("PUT", "/blobs/uploads/"),
    ("PUT", "/manifests/sha256:"),
    ("PUT", "/manifests/t"),
    ("GET", "/tags/list"),
    ("*", "/token"),
    ("*", "/v2/"),
];

fn mischief() -> impl Strategy<Value = Mischief> {
    let close = prop_oneof![Just(Close::Fin), Just(Close::Reset)];
    let at = prop::sample::select(vec![0, 1, 17, 299, 65_536, 69_000]);
    prop_oneof![
        prop::sample::select(vec![401, 403, 404, 408, 500, 502, 503, 504]).prop_map(Mischief::Status),
        prop::sample::select(vec!["0", "1", "3", "soon"]).prop_map(Mischief::TooMany),
        Just(Mischief::Page),
        Just(Mischief::Reset),
        Just(Mischief::DoneButReset),
        prop::sample::select(vec![500, 503, 429]).prop_map(Mischief::DoneButStatus),
        at.clone().prop_map(Mischief::ResetUpload),
        (1..10_u64).prop_map(Mischief::Late),
        (at.clone(), close).prop_map(|(after, close)| Mischief::Cut(after, close)),
        at.clone().prop_map(Mischief::Flip),
        at.prop_map(Mischief::Shorten),
        Just(Mischief::Lengthen),
        Just(Mischief::Empty),
        Just(Mischief::LyingDigest),
        Just(Mischief::Expire),
        Just(Mischief::PhantomMount),
    ]
}

fn hitch() -> impl Strategy<Value = Hitch> {
    let times = prop_oneof![3 => Just(1_usize), 2 => 2..7_usize, 1 => Just(40)];
    (any::<bool>(), prop::sample::select(PLACES), 1..4_usize, times, mischief())
        .prop_map(|(at_target, on, nth, times, what)| Hitch { at_target, on, nth, times, what })
}

impl Hitch {
    fn set(&self, built: &Built) {
        let registry = if self.at_target { &built.pair.target } else { &built.pair.source };
        for nth in (self.nth..).take(self.times) {
            let (method, path) = if matches!(self.what, Mischief::PhantomMount) { ("POST", "mount=") } else { self.on };
            let matching = Match::new(method, path).nth(nth);
            if let Some(fault) = self.fault() {
                registry.fault(matching, fault);
                continue;
            }
            let issuers = built.issuers.clone();
            registry.before(matching, move || issuers.iter().for_each(|issuer| issuer.revoke_all()));
        }
    }

    fn fault(&self) -> Option<Fault> {
        Some(match &self.what {
            Mischief::Status(status) => Fault::status(*status),
            Mischief::TooMany(wait) => Fault::too_many_requests(wait),
            Mischief::Page => Fault::html(),
            Mischief::Reset => Fault::Reset,
            Mischief::DoneButReset => Fault::DoneButReset,
            Mischief::DoneButStatus(status) => Fault::DoneBut(Answer::error(*status, "UNKNOWN", "lost")),
            Mischief::ResetUpload(after) => Fault::ResetUpload { after: *after },
            Mischief::Late(milliseconds) => Fault::Delay(Duration::from_millis(*milliseconds)),
            Mischief::Cut(after, close) => Fault::CutBody { after: *after, close: *close },
            Mischief::Flip(at) => Fault::FlipBit { at: *at },
            Mischief::Shorten(to) => Fault::Truncate { to: *to },
            Mischief::Lengthen => Fault::Append(Bytes::from_static(b"more")),
            Mischief::Empty => Fault::ReplaceBody(Bytes::new()),
            Mischief::LyingDigest => Fault::lying_digest(),
            Mischief::Expire => return None,
            Mischief::PhantomMount => Fault::Reply(Answer::status(201).header("Location", "/v2/x/blobs/y")),
        })
    }
}

proptest! {
    #![proptest_config(cases(20))]

    #[test]
    fn invariants_hold_whatever_goes_wrong(world in world(), hitches in prop::collection::vec(hitch(), 1..10)) {
        let built = world.build();
        for hitch in &hitches {
            hitch.set(&built);
        }
        let faulty = built.run(|_| built.pair.assert_read_only());
        check(&built, &faulty);

        built.pair.source.clear_faults();
        built.pair.target.clear_faults();
        let healed = built.run(|_| {});
        check(&built, &healed);
        built.assert_reached(&world);

        built.pair.clear_logs();
        let third = built.run(|_| {});
        check(&built, &third);
        prop_assert!(!third.plan.has_changes());
        built.pair.assert_read_only();
    }
}

/// What holds after every run, whatever went wrong in it.
#[track_caller]
pub(crate) fn check(built: &Built, ran: &Ran) {
    built.pair.source.assert_read_only();
    built.pair.target.assert_closed();
    assert_apart(&built.pair.source, &built.pair.target);
    assert_eq!(ran.outcomes.len(), ran.plan.steps.len(), "a step has no outcome, or two");
    let once = ran.plan.steps.iter().map(|step| (name_of(step), 1)).collect();
    assert_eq!(ran.finished, once, "each step ends once");
    assert_eq!(ran.exit, expected_exit(&ran.outcomes), "{:?}", ran.outcomes);
    assert_planned(ran);
    for (step, outcome) in ran.plan.steps.iter().zip(&ran.outcomes) {
        built.assert_true(step, outcome);
    }
}

/// No secret of the one registry was shown to the other.
#[track_caller]
fn assert_apart(source: &FakeRegistry, target: &FakeRegistry) {
    let shown = |registry: &FakeRegistry| -> BTreeSet<String> {
        let requests = registry.requests().into_iter();
        requests.filter_map(|request| request.header("authorization").map(str::to_owned)).collect()
    };
    let both: Vec<_> = shown(source).intersection(&shown(target)).cloned().collect();
    assert_eq!(both, Vec::<String>::new(), "shown to both registries");
}

/// Every tag that was written is one that the plan writes, with the digest that it names.
#[track_caller]
fn assert_planned(ran: &Ran) {
    let writes = ran.plan.steps.iter().filter(|step| step.action().writes());
    let planned: BTreeSet<_> =
        writes.map(|step| (key_of(step).unwrap(), step.digest.as_ref().unwrap().to_string())).collect();
    for (repository, tag, digest) in ran.written.iter().cloned() {
        let write = ((repository, tag), digest);
        assert!(planned.contains(&write), "{write:?} was written, and planned were {planned:?}");
    }
}

/// Repository and tag of a step's target.
fn key_of(step: &Step) -> Option<(String, String)> {
    let reference = step.target_reference()?;
    Some((reference.location.name().to_owned(), reference.tag()?.to_string()))
}

/// The precedence of the contract, once more.
fn expected_exit(outcomes: &[Outcome]) -> u8 {
    let count = |names: &[&str]| outcomes.iter().filter(|outcome| names.contains(&outcome.ending.as_str())).count();
    let (wrote, wrong) = (count(&["copied", "updated"]), count(&["failed", "stale"]));
    match () {
        () if wrote > 0 && wrong > 0 => 3,
        () if count(&["failed"]) > 0 => 1,
        () if count(&["stale"]) > 0 => 4,
        () if count(&["blocked"]) > 0 => 5,
        () => 0,
    }
}

impl Built {
    /// What an outcome says is so at the target.
    #[track_caller]
    fn assert_true(&self, step: &Step, outcome: &Outcome) {
        let Some(key) = key_of(step) else { return };
        let now = self.pair.target.tag_digest(&key.0, &key.1);
        let planned = step.digest.as_ref().map(ToString::to_string);
        match &outcome.ending {
            Ending::Copied | Ending::Updated => {
                assert_eq!(now, planned, "{key:?} is said to be written");
                let source = &step.source.as_ref().unwrap().reference.location;
                let digest = planned.unwrap();
                let copied = self.pair.target.manifest_bytes(&key.0, &digest);
                let original = self.pair.source.manifest_bytes(source.name(), &digest);
                assert_eq!(copied, original, "{key:?}: other bytes than at the source");
            }
            // A write whose answer was lost may have been done.
            Ending::Failed(_) | Ending::Stale(_) | Ending::NotRun(_) => {
                let possible = [&self.before[&key], &self.wanted.get(&key).cloned()];
                assert!(possible.contains(&&now), "{key:?} names {now:?}: {outcome:?}");
            }
            Ending::Skipped | Ending::Blocked(_) => {}
        }
    }

    /// All tags are as the configuration wants them.
    #[track_caller]
    pub(crate) fn assert_reached(&self, world: &World) {
        for (key, wanted) in &self.wanted {
            let moves = world.policy == "update";
            let expected = self.before[key].as_ref().filter(|_| !moves).unwrap_or(wanted);
            let now = self.pair.target.tag_digest(&key.0, &key.1);
            assert_eq!(now.as_ref(), Some(expected), "{key:?} with {}", world.policy);
        }
    }
}
