//! Tags of cosign's: moved only from where the plan saw them, and only for what they are named after.

use serde_json::{Value, json};

use super::{REPOSITORY, assert_lists, pair, signatures};
use crate::support::digest::sha256;
use crate::support::harness::Regsync;
use crate::support::images::attached::{fallback_index, fallback_tag, kind, referrer};
use crate::support::images::{Image, zoo};
use crate::support::server::{Answer, Fault, Match};
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
            Some(now) => now.push_to(&pair.target, REPOSITORY, &tag),
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

/// Two images at the source, and what refers to the second under the tag of the first.
fn mistagged(target: bool) -> (Pair, [Image; 3], String) {
    let pair = pair(false, target);
    let images = [zoo::single("first"), zoo::single("second")];
    images[0].push_to(&pair.source, REPOSITORY, "1");
    images[1].push_to(&pair.source, REPOSITORY, "2");
    let attestation = referrer(&images[1].root, kind::ATTESTATION, "of the second");
    let tag = format!("{}.att", fallback_tag(&images[0].root));
    attestation.push_to(&pair.source, REPOSITORY, &tag);
    let [first, second] = images;
    (pair, [first, second, attestation], tag)
}

#[test]
fn a_manifest_under_the_tag_of_another_image_than_it_refers_to_is_left_out() {
    for target in [true, false] {
        let (pair, [first, second, attestation], tag) = mistagged(target);
        let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]);
        let result = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
        let warnings = result["steps"][0]["warnings"].to_string();
        assert!(warnings.contains(&format!("it refers to {}", second.digest())), "{warnings}");
        first.assert_at(&pair.target, REPOSITORY, "1");
        assert_eq!(pair.target.store.tags(REPOSITORY), ["1"], "neither {tag} nor the other image's index");
        assert!(pair.target.manifest_bytes(REPOSITORY, attestation.digest()).is_none());
    }
}

#[test]
fn a_plan_that_lists_it_anyway_is_not_followed() {
    for target in [true, false] {
        let (pair, [first, second, attestation], tag) = mistagged(target);
        let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]);
        let mut plan = saved(&regsync);
        let artifact_type = "application/vnd.dev.cosign.artifact.att.v1+json";
        let listed = json!({"digest": attestation.digest(), "artifact_type": artifact_type, "tag": tag});
        plan["steps"][0]["referrers"] = json!([listed]);
        let intent = json!([{
            "action": "copy",
            "digest": first.digest(),
            "referrers": [listed],
            "source": {"digest": first.digest(), "repository": pair.source.reference(REPOSITORY)},
            "target": {"digest": null, "reference": format!("{}:1", pair.target.reference(REPOSITORY))},
            "trim": null,
        }]);
        plan["plan_id"] = json!(sha256(intent.to_string().as_bytes()));
        regsync.write("changed.json", plan.to_string());
        let result = regsync.run(["apply", "changed.json", "--format", "json"]).assert_status(0).json();
        let warnings = result["steps"][0]["warnings"].to_string();
        assert!(warnings.contains(&format!("refers to {}", second.digest())), "{warnings}");
        assert_eq!(pair.target.store.tags(REPOSITORY), ["1"]);
    }
}

/// A signature that names its image and goes under its tag, too, at registries without lists.
fn tagged_and_listed() -> (Pair, Image, Image, Regsync) {
    let pair = pair(false, false);
    let image = zoo::single("both");
    let signature = referrer(&image.root, kind::SIGNATURE, "both");
    image.push_to(&pair.source, REPOSITORY, "1");
    signature.push_to(&pair.source, REPOSITORY, &image.signature_tag());
    let index = fallback_index(&[&signature]);
    pair.source.put_manifest(REPOSITORY, &fallback_tag(&image.root), &index.media_type, index.bytes);
    let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"]).with("referrers-check: always")]);
    (pair, image, signature, regsync)
}

/// Panics unless it is found in both ways, and a further run has nothing to do.
#[track_caller]
fn assert_both((pair, image, signature): (&Pair, &Image, &Image), regsync: &Regsync) {
    signature.assert_at(&pair.target, REPOSITORY, &image.signature_tag());
    let index = pair.target.manifest_bytes(REPOSITORY, &fallback_tag(&image.root));
    assert_lists(&index.expect("an index of referrers"), &[signature]);
    pair.clear_logs();
    regsync.run(["plan", "--detailed-exitcode"]).assert_status(0);
    regsync.run(["apply"]).assert_status(0);
    pair.target.assert_read_only();
}

#[test]
fn what_is_tagged_and_listed_is_both_at_the_target() {
    let (pair, image, signature, regsync) = tagged_and_listed();
    regsync.run(["apply"]).assert_status(0);
    assert_both((&pair, &image, &signature), &regsync);
    for gone in [fallback_tag(&image.root), image.signature_tag()] {
        pair.target.delete_tag(REPOSITORY, &gone);
        let result = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
        assert_eq!(steps(&result), ["app:1 updated referrers-missing"], "{gone}");
        assert_both((&pair, &image, &signature), &regsync);
    }
}

#[test]
fn the_tag_of_a_signature_is_written_when_all_else_is_there() {
    let (pair, image, signature, regsync) = tagged_and_listed();
    let put = Match::new("PUT", &format!("/manifests/{}", fallback_tag(&image.root))).first(1);
    pair.target.fault(put, Fault::Reply(Answer::error(403, "DENIED", "not now")));
    regsync.run(["apply"]).assert_status(1);
    assert_eq!(pair.target.store.tags(REPOSITORY), Vec::<String>::new());
    regsync.run(["apply"]).assert_status(0);
    assert_both((&pair, &image, &signature), &regsync);
}

#[test]
fn a_list_of_what_refers_to_nothing_does_not_make_every_run_an_update() {
    let pair = pair(false, false);
    let image = zoo::single("listed by mistake");
    let signature = signatures(&image, &["first"]);
    image.push_to(&pair.source, REPOSITORY, "1");
    signature.push_to(&pair.source, REPOSITORY, &image.signature_tag());
    let index = fallback_index(&[&signature]);
    pair.source.put_manifest(REPOSITORY, &fallback_tag(&image.root), &index.media_type, index.bytes);
    let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"]).with("referrers-check: always")]);
    regsync.run(["apply"]).assert_status(0);
    signature.assert_at(&pair.target, REPOSITORY, &image.signature_tag());
    regsync.run(["plan", "--detailed-exitcode"]).assert_status(0);
}
