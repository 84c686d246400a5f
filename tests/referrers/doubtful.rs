//! Lists that lie, lists that fail, and registries with ways of their own.

use serde_json::json;

use super::{REPOSITORY, attached, pair};
use crate::support::images::attached::{fallback_tag, kind, referrer, referring_index};
use crate::support::images::{Content, Image, media_type, zoo};
use crate::support::server::{Answer, Fault, Match};
use crate::support::stage::{Pair, steps};

fn list(entries: &[serde_json::Value]) -> Answer {
    let index = json!({"schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": entries});
    Answer::status(200).header("Content-Type", media_type::OCI_INDEX).body(index.to_string())
}

/// An image at the source, and what its list says instead of the truth.
fn claimed(entries: impl Fn(&Image) -> Vec<serde_json::Value>, more: impl Fn(&Pair, &Image)) -> (Pair, Image) {
    let pair = pair(true, true);
    let image = zoo::single("claimed");
    image.push_to(&pair.source, REPOSITORY, "1");
    more(&pair, &image);
    let own = Match::new("GET", &format!("/referrers/{}", image.digest()));
    pair.source.fault(own, Fault::Reply(list(&entries(&image))));
    (pair, image)
}

/// Everything listed is left out with these words; the image is copied.
#[track_caller]
fn left_out((pair, image): (Pair, Image), words: &str) {
    let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]);
    let result = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
    assert_eq!(steps(&result), ["app:1 copied new"]);
    assert_eq!(result["steps"][0]["referrers"], json!([]));
    let warnings = result["steps"][0]["warnings"].to_string();
    assert!(warnings.contains(words), "{warnings}");
    image.assert_at(&pair.target, REPOSITORY, "1");
}

#[test]
fn a_referrer_of_something_else_is_left_out() {
    let stranger = |image: &Image| referrer(&Content::new("a/b", format!("not {}", image.digest())), kind::SBOM, "x");
    let of_another = claimed(
        |image| vec![stranger(image).root.descriptor()],
        |pair, image| stranger(image).push_to(&pair.source, REPOSITORY, stranger(image).digest()),
    );
    left_out(of_another, "it refers to sha256:");
    let other = zoo::single("other");
    let of_nothing =
        claimed(|_| vec![other.root.descriptor()], |pair, _| other.push_to(&pair.source, REPOSITORY, "other"));
    left_out(of_nothing, "it refers to nothing");
}

#[test]
fn a_referrer_that_is_not_what_the_list_says_is_left_out() {
    let own = |image: &Image| referrer(&image.root, kind::SBOM, "x");
    let absent = claimed(|image| vec![own(image).root.descriptor()], |_, _| {});
    left_out(absent, "the source lists it and does not have it");
    let resized = |image: &Image| vec![own(image).root.descriptor_with(&json!({"size": 7}))];
    let wrong_size = claimed(resized, |pair, image| own(image).push_to(&pair.source, REPOSITORY, own(image).digest()));
    left_out(wrong_size, "bytes, not the 7 stated");
}

#[test]
fn a_referrer_that_lacks_a_part_at_the_source_does_not_hold_up_its_image() {
    let (pair, image) = (pair(true, true), zoo::single("sound"));
    let (whole, broken) =
        (referrer(&image.root, kind::SIGNATURE, "whole"), referrer(&image.root, kind::SBOM, "broken"));
    image.push_to(&pair.source, REPOSITORY, "1");
    for own in [&whole, &broken] {
        own.push_to(&pair.source, REPOSITORY, own.digest());
    }
    pair.source.store.delete_blob(REPOSITORY, &broken.blobs[1].digest);
    let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"]).with("referrers-check: always")]);
    for outcome in ["app:1 copied new", "app:1 skipped referrers-missing"] {
        let result = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
        assert_eq!(steps(&result), [outcome]);
        let warnings = result["steps"][0]["warnings"].to_string();
        assert!(warnings.contains(&format!("the referrer {} was left out", broken.digest())), "{warnings}");
    }
    image.assert_at(&pair.target, REPOSITORY, "1");
    assert!(pair.target.manifest_bytes(REPOSITORY, whole.digest()).is_some());
    assert!(pair.target.manifest_bytes(REPOSITORY, broken.digest()).is_none());
}

#[test]
fn an_index_that_refers_and_lacks_a_manifest_is_left_out() {
    let child = zoo::single("gone");
    let listed = |image: &Image| referring_index(&image.root, &child, kind::SBOM).root;
    let lacking = claimed(
        |image| vec![listed(image).descriptor()],
        |pair, image| {
            let index = listed(image);
            pair.source.put_manifest(REPOSITORY, &index.digest, &index.media_type, index.bytes);
        },
    );
    left_out(lacking, &format!("its manifest {} is missing", child.digest()));
}

#[test]
fn a_type_in_a_list_does_not_hide_the_type_of_the_referrer() {
    let own = |image: &Image| referrer(&image.root, kind::SBOM, "x");
    let retyped = |image: &Image| vec![own(image).root.descriptor_with(&json!({"artifactType": kind::SIGNATURE}))];
    let (pair, _) = claimed(retyped, |pair, image| own(image).push_to(&pair.source, REPOSITORY, own(image).digest()));
    let rule = format!("referrers: [{}]", kind::SIGNATURE);
    let plan = pair.regsync(&[pair.mirror(REPOSITORY, &["1"]).with(&rule)]).run(["plan", "--format", "json"]);
    assert_eq!(plan.assert_status(0).json()["steps"][0]["referrers"], json!([]));
}

#[test]
fn the_image_itself_under_the_fallback_tag_is_no_list() {
    // GitLab resolves `sha256-<hex>` to the image with that digest.
    let pair = pair(false, false);
    let image = zoo::index("gitlab");
    image.push_to(&pair.source, REPOSITORY, "1");
    pair.source.store.tag(REPOSITORY, &fallback_tag(&image.root), image.digest());
    let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]);
    let result = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
    assert_eq!(result["steps"][0]["referrers"], json!([]));
    assert_eq!(result["steps"][0]["warnings"], json!([]));
}

#[test]
fn a_failed_list_is_not_taken_for_an_empty_one() {
    for path in ["/referrers/", "/tags/list"] {
        let pair = pair(true, true);
        attached("failing").push_to(&pair.source, "1", true);
        zoo::single("sound").push_to(&pair.source, "sound", "1");
        let matching = Match::new("GET", if path == "/tags/list" { "/v2/app/tags/list" } else { "/v2/app/referrers/" });
        pair.source.fault(matching, Fault::Reply(Answer::error(403, "DENIED", "requested access is denied")));
        let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"]), pair.mirror("sound", &["1"])]);
        let run = regsync.run(["apply", "--format", "json"]);
        if path == "/tags/list" {
            // Whoever lists no tags is asked for each of them.
            assert_eq!(run.assert_status(0).json()["steps"][0]["referrers"].as_array().unwrap().len(), 5);
            attached("failing").assert_at(&pair.target, "1", true);
        } else {
            let result = run.assert_status(3).json();
            assert_eq!(steps(&result), ["app:1 failed source-unreadable E_DENIED", "sound:1 copied new"]);
        }
    }
}

#[test]
fn answers_that_are_no_list_mean_that_there_are_none() {
    let page = || Answer::status(200).header("Content-Type", "text/html").body("<html>sign in</html>");
    for refusal in [page(), Answer::status(405), Answer::status(400), Answer::status(406), Answer::status(404)] {
        let pair = pair(false, true);
        let all = attached("no list");
        all.push_to(&pair.source, "1", false);
        pair.source.fault(Match::new("GET", "/referrers/"), Fault::Reply(refusal));
        pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["apply"]).assert_status(0);
        all.assert_at(&pair.target, "1", true);
    }
}

#[test]
fn a_list_leads_nowhere_else() {
    let pair = pair(true, true);
    let image = zoo::single("linked");
    image.push_to(&pair.source, REPOSITORY, "1");
    let next = list(&[]).header("Link", format!("<{}/v2/app/referrers/next>; rel=\"next\"", pair.target.url()));
    pair.source.fault(Match::new("GET", "/referrers/"), Fault::Reply(next));
    let plan = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["plan", "--format", "json"]);
    assert_eq!(steps(&plan.assert_status(1).json()), ["app:1 error source-unreadable E_BOUNDARY"]);
    assert_eq!(pair.target.count("GET", "/referrers/next"), 0);
}

#[test]
fn a_root_that_is_not_known_says_nothing_of_the_images_below() {
    let pair = pair(true, true);
    let index = zoo::index("unknown");
    index.push_to(&pair.source, REPOSITORY, "1");
    let signature = referrer(&index.children[0], kind::SIGNATURE, "of a child");
    signature.push_to(&pair.source, REPOSITORY, signature.digest());
    let root = Match::new("GET", &format!("/referrers/{}", index.digest()));
    pair.source.fault(root, Fault::Reply(Answer::error(404, "MANIFEST_UNKNOWN", "no referrers")));
    let result = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["apply", "--format", "json"]);
    let result = result.assert_status(0).json();
    assert_eq!(result["steps"][0]["referrers"][0]["digest"], signature.digest(), "{result}");
}

#[test]
fn many_images_with_many_referrers_each_are_a_limit_early() {
    let pair = pair(true, true);
    let index = zoo::index("many");
    index.push_to(&pair.source, REPOSITORY, "1");
    let entries: Vec<_> = (0..600).map(|n| Content::new("a/b", n.to_string()).descriptor()).collect();
    pair.source.fault(Match::new("GET", "/referrers/"), Fault::Reply(list(&entries)));
    let plan = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["plan", "--format", "json"]);
    assert_eq!(steps(&plan.assert_status(1).json()), ["app:1 error source-unreadable E_LIMIT"]);
}

#[test]
fn annotations_without_end_are_a_limit() {
    let pair = pair(true, true);
    let image = zoo::single("annotated");
    image.push_to(&pair.source, REPOSITORY, "1");
    let long = "x".repeat(7 * 1024 * 1024);
    for n in 0..3 {
        let mut entry = Content::new("a/b", n.to_string()).descriptor();
        entry["annotations"] = json!({"long": long});
        let next = format!(
            "<{}/v2/{REPOSITORY}/referrers/{}?page={}>; rel=\"next\"",
            pair.source.url(),
            image.digest(),
            n + 1
        );
        let page = Match::new("GET", "/referrers/").nth(n + 1);
        pair.source.fault(page, Fault::Reply(list(&[entry]).header("Link", next)));
    }
    let plan = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["plan", "--format", "json"]);
    assert_eq!(steps(&plan.assert_status(1).json()), ["app:1 error source-unreadable E_LIMIT"]);
}

#[test]
fn more_referrers_than_anybody_needs_are_a_limit() {
    let many: Vec<_> = (0..1001).map(|n| Content::new("a/b", n.to_string()).descriptor()).collect();
    let (pair, _) = claimed(|_| many.clone(), |_, _| {});
    let run = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["plan", "--format", "json"]);
    let plan = run.assert_status(1).json();
    assert_eq!(steps(&plan), ["app:1 error source-unreadable E_LIMIT"]);
}
