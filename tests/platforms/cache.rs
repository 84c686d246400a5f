//! What is remembered between runs saves reading indexes again, and decides nothing else.

use serde_json::{Value, json};

use super::eight;
use crate::support::harness::Regsync;
use crate::support::images::{Image, zoo};
use crate::support::stage::{Pair, steps};

const FILE: &str = "cache/regsync/subsets.json";

/// An image in place as a part, and what was remembered of it.
fn in_place() -> (Pair, Regsync, Image) {
    let pair = Pair::start();
    let image = eight("remembered");
    image.push_to(&pair.source, "app", "1");
    let regsync = pair.regsync(&[pair.mirror("app", &["1"]).with("platforms: [linux/amd64]")]);
    regsync.run(["apply"]).assert_status(0);
    pair.clear_logs();
    (pair, regsync, image)
}

fn remembered(regsync: &Regsync) -> Value {
    serde_json::from_str(&std::fs::read_to_string(regsync.home().join(FILE)).unwrap()).unwrap()
}

fn remember(regsync: &Regsync, text: impl AsRef<[u8]>) {
    std::fs::write(regsync.home().join(FILE), text).unwrap();
}

#[test]
fn the_next_run_reads_no_index() {
    let (pair, regsync, _) = in_place();
    regsync.run(["plan", "--detailed-exitcode"]).assert_status(0);
    let known = remembered(&regsync);
    regsync.run(["apply"]).assert_status(0);
    assert_eq!((pair.source.count("GET", ""), pair.source.count("HEAD", "/manifests/1")), (0, 2));
    assert_eq!(remembered(&regsync), known, "nothing is written where all is known");

    std::fs::remove_file(regsync.home().join(FILE)).unwrap();
    let without = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
    assert_eq!(pair.source.count("GET", "/manifests/"), 1, "one index for a tag that is in place");
    let with = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
    assert_eq!(pair.source.count("GET", "/manifests/"), 1);
    assert_eq!(with["steps"], without["steps"], "what is remembered shows in no plan");
    pair.assert_read_only();
}

#[test]
fn tags_of_one_image_cost_one_read() {
    let pair = Pair::start();
    for tag in ["1", "1.2", "latest"] {
        eight("shared").push_to(&pair.source, "app", tag);
    }
    let mirror = pair.mirror("app", &["1", "1.2", "latest"]).with("platforms: [linux/amd64]");
    let regsync = pair.regsync(&[mirror]);
    regsync.run(["plan", "--sizes", "never"]).assert_status(0);
    assert_eq!(pair.source.count("GET", "/manifests/"), 1);
}

#[test]
fn what_is_remembered_never_decides_a_write() {
    let (pair, regsync, _) = in_place();
    let right = pair.target.tag_digest("app", "1").unwrap();
    // A digest that is nowhere: the index is read, and nothing is done.
    let mut lie = remembered(&regsync);
    lie["subsets"][0]["digest"] = json!(format!("sha256:{}", "0".repeat(64)));
    remember(&regsync, lie.to_string());
    regsync.run(["plan", "--detailed-exitcode"]).assert_status(0);
    assert_eq!(pair.source.count("GET", "/manifests/"), 1);
    assert_eq!(remembered(&regsync)["subsets"][0]["digest"], right, "and what was wrong is put right");
    // Neither does it where the target has something else, or nothing.
    remember(&regsync, lie.to_string());
    zoo::single("stray").push_to(&pair.target, "app", "1");
    let applied = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
    assert_eq!(steps(&applied), ["app:1 updated tag-moved"]);
    assert_eq!(pair.target.tag_digest("app", "1").unwrap(), right);
    remember(&regsync, lie.to_string());
    pair.target.delete_tag("app", "1");
    regsync.run(["apply"]).assert_status(0);
    assert_eq!(pair.target.tag_digest("app", "1").unwrap(), right);
    pair.target.assert_closed();
}

#[test]
fn a_file_that_is_none_of_ours_costs_a_read_and_nothing_else() {
    let (pair, regsync, _) = in_place();
    let other = |version: u32| json!({"version": version, "subsets": [{"source": "x", "platforms": [], "single": "index", "digest": "y"}]});
    let files = [
        String::new(),
        "{".to_owned(),
        "[".repeat(100_000),
        "\u{0}".to_owned(),
        other(1).to_string(),
        other(2).to_string(),
    ];
    for (n, text) in files.iter().enumerate() {
        remember(&regsync, text);
        regsync.run(["plan", "--detailed-exitcode"]).assert_status(0);
        assert_eq!(pair.source.count("GET", "/manifests/"), n + 1, "{text:.20}");
    }
    pair.assert_read_only();
}

#[test]
fn nothing_is_remembered_where_nothing_has_to_be() {
    let pair = Pair::start();
    zoo::index("whole").push_to(&pair.source, "app", "1");
    let regsync = pair.regsync(&[pair.mirror("app", &["1"])]);
    regsync.run(["apply"]).assert_status(0);
    assert!(!regsync.home().join("cache/regsync").exists());
}

#[test]
fn the_place_can_be_chosen_and_need_not_be_there() {
    let pair = Pair::start();
    eight("elsewhere").push_to(&pair.source, "app", "1");
    let regsync = pair.regsync(&[pair.mirror("app", &["1"]).with("platforms: [linux/amd64]")]);
    regsync.run(["apply", "--cache-dir", "deep/in/here"]).assert_status(0);
    assert!(regsync.path("deep/in/here/subsets.json").exists() && !regsync.home().join(FILE).exists());
    pair.clear_logs();
    regsync.run(["plan", "--cache-dir", "deep/in/here"]).assert_status(0);
    assert_eq!(pair.source.count("GET", ""), 0);
    // A file where the directory should be: nothing is remembered, and nothing fails.
    regsync.write("taken", "");
    let run = regsync.run(["plan", "--detailed-exitcode", "--cache-dir", "taken"]);
    run.assert_status(0);
    assert_eq!(pair.source.count("GET", "/manifests/"), 1);
}
