//! Tags of cosign's: moved only from where the plan saw them, and only for what they are named after.

use serde_json::{Value, json};

use super::{REPOSITORY, pair, signatures};
use crate::support::harness::Regsync;
use crate::support::images::{Image, zoo};
use crate::support::stage::{Pair, steps};

/// An image that is signed twice at the source, and the configuration.
fn signed_twice(rule: &str) -> (Pair, Image, Regsync) {
    let pair = pair(false, false);
    let image = zoo::single("signed twice");
    image.push_to(&pair.source, REPOSITORY, "1");
    signatures(&image, &["first", "second"]).push_to(&pair.source, REPOSITORY, &image.signature_tag());
    let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"]).with("referrers-check: always").with(rule)]);
    (pair, image, regsync)
}

fn saved(regsync: &Regsync) -> Value {
    regsync.run(["plan", "-o", "plan.json", "--format", "json"]).assert_status(0).json()
}

#[test]
fn a_saved_plan_moves_no_signature_tag_that_it_has_not_seen() {
    for rule in ["on-tag-move: update", "on-tag-move: block", "on-tag-move: keep", "immutable-tags: [\"*\"]"] {
        let (pair, image, regsync) = signed_twice(rule);
        let tag = image.signature_tag();
        assert_eq!(saved(&regsync)["steps"][0]["referrers"][0]["target_digest"], Value::Null);
        let theirs = signatures(&image, &["first"]);
        theirs.push_to(&pair.target, REPOSITORY, &tag);
        let result = regsync.run(["apply", "plan.json", "--format", "json"]).assert_status(0).json();
        assert_eq!(steps(&result), ["app:1 copied new"], "{rule}");
        let warnings = result["steps"][0]["warnings"].to_string();
        assert!(warnings.contains(&tag) && warnings.contains("was left alone"), "{rule}: {warnings}");
        theirs.assert_at(&pair.target, REPOSITORY, &tag);
    }
}

#[test]
fn a_signature_tag_that_moved_since_the_plan_is_left_alone() {
    for now in [Some("second"), None] {
        let (pair, image, regsync) = signed_twice("on-tag-move: update");
        let tag = image.signature_tag();
        let first = signatures(&image, &["first"]);
        first.push_to(&pair.target, REPOSITORY, &tag);
        assert_eq!(saved(&regsync)["steps"][0]["referrers"][0]["target_digest"], first.digest());
        let now = now.map(|now| signatures(&image, &[now]));
        match &now {
            Some(now) => drop(now.push_to(&pair.target, REPOSITORY, &tag)),
            None => pair.target.delete_tag(REPOSITORY, &tag),
        }
        let result = regsync.run(["apply", "plan.json", "--format", "json"]).assert_status(0).json();
        assert!(result["steps"][0]["warnings"].to_string().contains("was left alone"), "{result:#}");
        assert_eq!(pair.target.tag_digest(REPOSITORY, &tag).as_deref(), now.as_ref().map(Image::digest));
    }
}

#[test]
fn a_signature_tag_that_the_plan_saw_moves() {
    let (pair, image, regsync) = signed_twice("on-tag-move: update");
    let tag = image.signature_tag();
    signatures(&image, &["first"]).push_to(&pair.target, REPOSITORY, &tag);
    saved(&regsync);
    let result = regsync.run(["apply", "plan.json", "--format", "json"]).assert_status(0).json();
    assert_eq!(result["steps"][0]["warnings"], json!([]));
    signatures(&image, &["first", "second"]).assert_at(&pair.target, REPOSITORY, &tag);
}

#[test]
fn a_plan_that_says_nothing_of_a_signature_tag_has_seen_none() {
    let (pair, image, regsync) = signed_twice("on-tag-move: update");
    let tag = image.signature_tag();
    let mut plan = saved(&regsync);
    plan["steps"][0]["referrers"][0].as_object_mut().unwrap().remove("target_digest");
    regsync.write("older.json", plan.to_string());
    signatures(&image, &["first"]).push_to(&pair.target, REPOSITORY, &tag);
    let result = regsync.run(["apply", "older.json", "--format", "json"]).assert_status(0).json();
    assert!(result["steps"][0]["warnings"].to_string().contains("was left alone"), "{result:#}");
    signatures(&image, &["first"]).assert_at(&pair.target, REPOSITORY, &tag);
}
