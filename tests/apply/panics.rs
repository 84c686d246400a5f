//! A fault of the program itself in one step: told as such, and no other step suffers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use regsync::apply::{Applier, Stop};
use regsync::auth::{Environment, Keychain};
use regsync::event::{Event, Outcome, Reporter};
use regsync::plan::{self, Bases};
use regsync::store::Stores;
use regsync::store::registry::Network;

use crate::support::images::Single;
use crate::support::layout;
use crate::support::stage::{Mirror, Pair};

/// Panics at the first event that fits, where any reporter is called: in the midst of the work.
struct Bomb {
    fits: fn(&Event<'_>) -> bool,
    gone: AtomicBool,
}

impl Reporter for Bomb {
    fn event(&self, event: Event<'_>) {
        if (self.fits)(&event) {
            assert!(self.gone.swap(true, Ordering::SeqCst), "a fault of the program, as this test wants it");
        }
    }
}

/// Applies a plan of three images with a layer in common, one of which meets the fault.
async fn struck(target: &str, fits: fn(&Event<'_>) -> bool) -> (Pair, Vec<Outcome>, crate::support::harness::Regsync) {
    let pair = Pair::start();
    for tag in ["1", "2", "3"] {
        Single::new(tag).shared_layer("base").build().push_to(&pair.source, "app", tag);
    }
    let target = if target.is_empty() { pair.target.reference("app") } else { target.to_owned() };
    let regsync = pair.regsync(&[Mirror::new(&pair.source.reference("app"), &[&target], &["1", "2", "3"])]);
    regsync.run(["plan", "-o", "plan.json"]).assert_status(0);
    let directories = BTreeMap::from([("regsync.yaml".to_owned(), regsync.path(""))]);
    let bases = Bases { directories, ..Bases::default() };
    let plan = plan::document(&regsync.read("plan.json")).unwrap().plan(&bases).unwrap();
    let reporter: Arc<dyn Reporter> = Arc::new(Bomb { fits, gone: AtomicBool::new(false) });
    let keychain = Arc::new(Keychain::new(Environment::from_iter::<[(&str, &str); 0]>([]), Vec::new()));
    let stores = Stores::new(Network::new("test", keychain, Arc::clone(&reporter)), BTreeMap::new());
    let applier = Applier {
        stores: &stores,
        reporter,
        concurrency: 3,
        fail_fast: false,
        look_first: true,
        stop: Stop::default(),
    };
    let outcomes = applier.apply(&plan).await;
    (pair, outcomes, regsync)
}

/// How many steps failed: at most one, for that fault.
#[track_caller]
fn failed(outcomes: &[Outcome]) -> usize {
    let failures: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.ending.failure()).collect();
    let copied = outcomes.iter().filter(|outcome| outcome.ending.as_str() == "copied").count();
    assert!(failures.len() <= 1 && failures.len() + copied == 3, "{outcomes:?}");
    for failure in &failures {
        assert_eq!(failure.code.to_string(), "E_INTERNAL");
        assert!(failure.message.contains("a fault in regsync"), "{}", failure.message);
    }
    failures.len()
}

#[tokio::test]
async fn a_fault_while_bytes_flow_fails_one_step_and_the_next_run_makes_it_good() {
    let (pair, outcomes, regsync) = struck("", |event| matches!(event, Event::Sent { .. })).await;
    // Where one read feeds several targets, it is made again without them.
    let failed = failed(&outcomes);
    pair.target.assert_closed();
    assert_eq!(pair.target.store.tags("app").len(), 3 - failed);
    regsync.run(["apply"]).assert_status(0);
    assert_eq!(pair.target.store.tags("app").len(), 3);
}

#[tokio::test]
async fn a_fault_while_a_layout_is_written_leaves_no_draft() {
    let (_pair, outcomes, regsync) = struck("oci:out", |event| matches!(event, Event::Sent { .. })).await;
    failed(&outcomes);
    let out = regsync.path("out");
    layout::assert_closed(&out);
    assert!(!layout::files(&out).iter().any(|(name, _)| name.contains(".tmp")), "a draft was left behind");
    regsync.run(["apply"]).assert_status(0);
    layout::assert_closed(&out);
}

#[tokio::test]
async fn a_fault_before_the_first_byte_fails_one_step() {
    let (pair, outcomes, _) = struck("", |event| matches!(event, Event::Started(_))).await;
    assert_eq!(failed(&outcomes), 1);
    pair.target.assert_closed();
}
