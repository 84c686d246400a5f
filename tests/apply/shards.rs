//! Shards: runs that do together what one would do, and never the same.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::harness::Regsync;
use crate::support::images::zoo;
use crate::support::stage::Pair;

const REPOSITORIES: usize = 12;

/// So many repositories, half of them selected by a glob, each with an image to copy.
fn spread() -> (Pair, Regsync) {
    let pair = Pair::start();
    let name = |number: usize| format!("team/app-{number:02}");
    for number in 0..REPOSITORIES {
        zoo::single(&name(number)).push_to(&pair.source, &name(number), "v1");
    }
    let mirror = |number: usize| pair.mirror(&name(number), if number.is_multiple_of(2) { &["v*"] } else { &["v1"] });
    let regsync = pair.regsync(&(0..REPOSITORIES).map(mirror).collect::<Vec<_>>());
    (pair, regsync)
}

fn targets(document: &Value) -> BTreeSet<String> {
    let steps = document["steps"].as_array().unwrap().iter();
    steps.map(|step| step["target"]["reference"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn all_shards_do_together_what_one_run_would_do() {
    let (pair, regsync) = spread();
    let whole = targets(&regsync.run(["plan", "--format", "json"]).assert_status(0).json());
    assert_eq!(whole.len(), REPOSITORIES);
    pair.clear_logs();
    let mut done = BTreeSet::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let told = regsync.run(["plan", "--shard", shard, "--format", "json"]).assert_status(0).json();
        assert_eq!(told["scope"]["shard"], shard);
        assert_eq!(told["warnings"], serde_json::json!([]));
        let own = targets(&told);
        let applied = regsync.run(["apply", "--shard", shard, "--format", "json"]).assert_status(0).json();
        assert_eq!(targets(&applied), own, "the same targets in each run");
        for target in own {
            assert!(done.insert(target.clone()), "{target} is in two shards");
        }
    }
    assert_eq!(done, whole);
    let lists = pair.source.requests().iter().filter(|request| request.path.ends_with("/tags/list")).count();
    assert!(lists <= 2 * REPOSITORIES + 3 * REPOSITORIES, "no shard lists the tags of the others: {lists}");
    let rest = regsync.run(["plan", "--detailed-exitcode"]);
    rest.assert_status(0);
}

#[test]
fn a_shard_is_named_and_read_from_its_variable() {
    let (_pair, regsync) = spread();
    let text = regsync.run(["plan", "--shard", "1/3"]).assert_status(0).stdout.clone();
    assert!(text.contains("(shard 1/3)"), "{text}");
    let page = regsync.run(["plan", "--shard", "1/3", "--format", "markdown"]).assert_status(0).stdout.clone();
    assert!(page.contains("· shard 1/3 ·"), "{page}");
    for wrong in ["0/3", "4/3", "3", "1/257", "a/b"] {
        regsync.run(["plan", "--shard", wrong]).assert_status(64);
    }
    regsync.run(["plan", "--shard", "2/3", "-o", "plan.json"]).assert_status(0);
    regsync.run(["apply", "plan.json", "--shard", "2/3"]).assert_status(64);
    let job = regsync.env("REGSYNC_SHARD", "2/3");
    job.run(["apply", "plan.json"]).assert_status(0);
    assert_eq!(job.run(["plan", "--format", "json"]).assert_status(0).json()["scope"]["shard"], "2/3");
    let other = job.env("REGSYNC_SHARD", "1/3");
    other.run(["apply", "plan.json"]).assert_status(64);
}
