//! Uploads in chunks under any cut and any row of mishaps: what is committed is the blob, or nothing is.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use regsync::image::Digest;

use super::forms::Bench;
use crate::support::images::seeded_bytes;
use crate::support::registry::Options;
use crate::support::server::{Answer, Fault, Match};

/// What goes wrong with one request of an upload in chunks.
#[derive(Clone, Debug)]
enum Mishap {
    Breaks(usize),
    StoredButLost,
    StoredButFailed,
    Unavailable,
    SessionLost,
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        3 => (0..5000_usize).prop_map(Mishap::Breaks),
        1 => Just(Mishap::StoredButLost),
        1 => Just(Mishap::StoredButFailed),
        1 => Just(Mishap::Unavailable),
        1 => Just(Mishap::SessionLost),
    ]
}

impl Mishap {
    fn fault(&self) -> Fault {
        match self {
            Self::Breaks(after) => Fault::ResetUpload { after: *after },
            Self::StoredButLost => Fault::DoneButReset,
            Self::StoredButFailed => Fault::DoneBut(Answer::error(502, "UNKNOWN", "lost").header("Retry-After", "0")),
            Self::Unavailable => Fault::Reply(Answer::error(503, "UNAVAILABLE", "busy").header("Retry-After", "0")),
            Self::SessionLost => Fault::Reply(Answer::error(404, "BLOB_UPLOAD_UNKNOWN", "gone")),
        }
    }
}

/// However a blob is cut, and whatever breaks: what is committed is the blob, or nothing is.
#[test]
fn any_cut_and_any_breaks_commit_the_same_blob() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() });
    let cases = (20_usize..20_000, 100_usize..700, proptest::collection::vec((1_usize..12, mishap()), 0..3));
    let outcome = runner.run(&cases, |(lesson, percent, mishaps)| {
        let content = seeded_bytes("any", lesson * percent / 100);
        // A PUT of the first blob is too large, and the second one comes in chunks of half of its size.
        let bench = Bench::new(Options { longest_put: Some(0), ..Options::default() });
        runtime.block_on(async {
            bench.push(&seeded_bytes("lesson", lesson)).await.unwrap();
            for (nth, mishap) in &mishaps {
                bench.registry.fault(Match::new("PATCH", "/uploads/").nth(*nth), mishap.fault());
            }
            let outcome = bench.push(&content).await;
            let digest = Digest::sha256(&content).to_string();
            let held = bench.registry.store.blob("app", &digest);
            prop_assert!(outcome.is_ok(), "{outcome:?}: {:?}", bench.steps());
            prop_assert!(held.is_some_and(|held| held == content), "{:?}", bench.steps());
            Ok(())
        })
    });
    outcome.unwrap();
}
