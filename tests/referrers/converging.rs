//! Runs that are killed or refused half way, with referrers: nothing is lost, the next run brings what is left, and one more
//! writes nothing.

use proptest::prelude::*;

use super::{Attached, REPOSITORY, assert_lists, attached, pair};
use crate::properties::cases;
use crate::support::harness::Regsync;
use crate::support::images::Image;
use crate::support::images::attached::{fallback_tag, kind, referrer};
use crate::support::registry::FakeRegistry;
use crate::support::server::{Fault, Gate, Match};
use crate::support::stage::{Pair, steps};

/// Signatures, an SBOM and attestations as elsewhere, and one that is both under a tag of cosign's and names its subject.
struct Scene {
    all: Attached,
    both: Image,
    /// Whether the image is at the target before anything refers to it.
    later: bool,
    /// Whether source and target list referrers.
    lists: [bool; 2],
}

impl Scene {
    fn new(later: bool, lists: [bool; 2]) -> Self {
        let mut all = attached("killed");
        let both = referrer(&all.image.root, kind::ATTESTATION, "both");
        all.referrers.push((all.image.root.clone(), both.clone()));
        Self { all, both, later, lists }
    }

    fn both_tag(&self) -> String {
        format!("{}.att", fallback_tag(&self.all.image.root))
    }

    fn stage(&self, rules: &[&str]) -> (Pair, Regsync) {
        let pair = pair(self.lists[0], self.lists[1]);
        let mirror = pair.mirror(REPOSITORY, &["1"]).with("referrers-check: always");
        let mirror = rules.iter().fold(mirror, |mirror, rule| mirror.with(rule));
        let regsync = pair.regsync(&[mirror]);
        if self.later {
            self.all.image.push_to(&pair.source, REPOSITORY, "1");
            regsync.run(["apply"]).assert_status(0);
        }
        self.all.push_to(&pair.source, "1", self.lists[0]);
        self.both.push_to(&pair.source, REPOSITORY, &self.both_tag());
        pair.clear_logs();
        (pair, regsync)
    }

    /// Kills a run once its write number `n` of a manifest is done, and runs again. False where it ended before.
    #[track_caller]
    fn killed_after(&self, n: usize) -> bool {
        let (pair, regsync) = self.stage(&[]);
        let gate = Gate::new();
        pair.target.fault(Match::new("PUT", "/manifests/").nth(n), Fault::HoldAnswer(gate.clone()));
        let mut run = regsync.spawn(["apply", "--concurrency", "1"]);
        if !run.reaches(&gate) {
            run.wait().assert_status(0);
            return false;
        }
        run.kill();
        run.wait();
        pair.target.assert_closed();
        pair.target.clear_faults();
        gate.open();
        regsync.run(["apply"]).assert_status(0);
        self.all.assert_at(&pair.target, "1", self.lists[1]);
        self.both.assert_at(&pair.target, REPOSITORY, &self.both_tag());
        assert_idle(&pair, &regsync);
        true
    }
}

#[track_caller]
fn assert_idle(pair: &Pair, regsync: &Regsync) {
    pair.clear_logs();
    let result = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
    assert!(steps(&result).iter().all(|step| step.ends_with("skipped in-sync")), "{result:#}");
    pair.assert_read_only();
}

#[test]
fn killed_after_each_write_of_a_manifest() {
    for (later, lists) in [(false, [true, true]), (false, [false, false]), (true, [true, false]), (true, [false, true])]
    {
        let scene = Scene::new(later, lists);
        // No scene has as many writes.
        let reached = (1..100).take_while(|n| scene.killed_after(*n)).count();
        assert!((6..99).contains(&reached), "{reached} writes");
    }
}

/// Panics unless what refers to `child` is there, and found.
#[track_caller]
fn assert_child(scene: &Scene, target: &FakeRegistry, child: usize) {
    let child = &scene.all.image.children[child];
    for referrer in scene.all.of(child) {
        assert!(target.manifest_bytes(REPOSITORY, referrer.digest()).is_some());
    }
    if !scene.lists[1] && !scene.all.of(child).is_empty() {
        assert_lists(&target.manifest_bytes(REPOSITORY, &fallback_tag(child)).unwrap(), &scene.all.of(child));
    }
}

proptest! {
    #![proptest_config(cases(6))]

    #[test]
    fn any_refusal_half_way_is_made_up_for(
        later: bool,
        lists: [bool; 2],
        trimmed: bool,
        renamed: bool,
        refused in 1..30_usize,
    ) {
        let scene = Scene::new(later, lists);
        let rules = [(trimmed, "platforms: [linux/amd64]"), (renamed, "rename: \"up-{tag}\"")];
        let rules: Vec<_> = rules.into_iter().filter_map(|(on, rule)| on.then_some(rule)).collect();
        let (pair, regsync) = scene.stage(&rules);
        pair.target.fault(Match::new("PUT", "/app/").nth(refused), Fault::status(403));
        regsync.run(["apply"]);
        pair.target.assert_closed();
        pair.target.clear_faults();
        regsync.run(["apply"]).assert_status(0);
        let tag = if renamed { "up-1" } else { "1" };
        if trimmed {
            pair.target.assert_closed();
            prop_assert!(pair.target.tag_digest(REPOSITORY, tag).is_some());
            assert_child(&scene, &pair.target, 0);
        } else {
            scene.all.assert_at(&pair.target, tag, lists[1]);
            scene.both.assert_at(&pair.target, REPOSITORY, &scene.both_tag());
        }
        assert_idle(&pair, &regsync);
    }
}
