//! Targets that take no referrers: said, and nothing else is undone. Trouble that passes is trouble.

use serde_json::json;

use super::{REPOSITORY, attached, pair};
use crate::support::images::attached::{fallback_tag, kind, referrer, referring_index};
use crate::support::images::zoo;
use crate::support::server::{Answer, Fault, Match};
use crate::support::stage::{Pair, steps};

/// One image with one referrer, at the source.
fn signed(target: bool) -> (Pair, [crate::support::images::Image; 2]) {
    let pair = pair(true, target);
    let image = zoo::single("signed");
    let signature = referrer(&image.root, kind::SIGNATURE, "signed");
    image.push_to(&pair.source, REPOSITORY, "1");
    signature.push_to(&pair.source, REPOSITORY, signature.digest());
    (pair, [image, signature])
}

#[test]
fn a_target_that_refuses_a_referrer_gets_the_image() {
    for (status, code) in [(405, "UNSUPPORTED"), (400, "MANIFEST_INVALID"), (404, "UNKNOWN")] {
        let (pair, [image, signature]) = signed(true);
        let put = Match::new("PUT", &format!("/manifests/{}", signature.digest()));
        pair.target.fault(put, Fault::Reply(Answer::error(status, code, "Invalid JSON syntax")));
        let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]);
        let run = regsync.run(["apply", "--format", "json"]);
        let result = run.assert_status(0).json();
        assert_eq!(steps(&result), ["app:1 copied new"], "{status}");
        let warnings = result["steps"][0]["warnings"].to_string();
        assert!(warnings.contains("was left out") && warnings.contains("Invalid JSON syntax"), "{warnings}");
        image.assert_at(&pair.target, REPOSITORY, "1");
        // And the next run has nothing to say.
        regsync.run(["plan", "--detailed-exitcode"]).assert_status(0);
    }
}

#[test]
fn a_target_that_refuses_what_is_in_a_referrer_gets_the_image() {
    let pair = pair(true, true);
    let (image, child) = (zoo::single("attested"), zoo::single("of the referrer"));
    let index = referring_index(&image.root, &child, kind::SBOM);
    image.push_to(&pair.source, REPOSITORY, "1");
    index.push_to(&pair.source, REPOSITORY, index.digest());
    let put = Match::new("PUT", &format!("/manifests/{}", child.digest()));
    pair.target.fault(put, Fault::Reply(Answer::error(405, "UNSUPPORTED", "none of these")));
    let run = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["apply", "--format", "json"]);
    let result = run.assert_status(0).json();
    assert_eq!(steps(&result), ["app:1 copied new"]);
    let warnings = result["steps"][0]["warnings"].to_string();
    assert!(warnings.contains(&format!("the referrer {} was left out", index.digest())), "{warnings}");
    image.assert_at(&pair.target, REPOSITORY, "1");
}

#[test]
fn the_words_of_a_refusal_are_shown() {
    let (pair, [_, signature]) = signed(true);
    let put = Match::new("PUT", &format!("/manifests/{}", signature.digest()));
    pair.target.fault(put, Fault::Reply(Answer::error(405, "UNSUPPORTED", "Invalid JSON syntax")));
    let run = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["apply"]);
    let shown = &run.assert_status(0).stdout;
    assert!(shown.contains("warning: ") && shown.contains("Invalid JSON syntax"), "{shown}");
}

#[test]
fn always_does_not_make_every_run_red_where_referrers_are_refused() {
    let (pair, [_, signature]) = signed(true);
    let put = Match::new("PUT", &format!("/manifests/{}", signature.digest()));
    pair.target.fault(put, Fault::Reply(Answer::error(405, "UNSUPPORTED", "Invalid JSON syntax")));
    let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"]).with("referrers-check: always")]);
    regsync.run(["apply"]).assert_status(0);
    let result = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
    assert_eq!(steps(&result), ["app:1 skipped referrers-missing"]);
    assert_eq!(result["steps"][0]["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn an_index_of_referrers_that_may_not_be_written_is_said() {
    let (pair, [image, signature]) = signed(false);
    let put = Match::new("PUT", &format!("/manifests/{}", fallback_tag(&image.root)));
    pair.target.fault(put, Fault::Reply(Answer::error(409, "TAG_IMMUTABLE", "the tag is immutable")));
    let result = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["apply", "--format", "json"]);
    let result = result.assert_status(0).json();
    assert_eq!(steps(&result), ["app:1 copied new"]);
    assert!(result["steps"][0]["warnings"].to_string().contains("the index of referrers"));
    assert!(pair.target.manifest_bytes(REPOSITORY, signature.digest()).is_some());
}

#[test]
fn a_tag_that_stands_in_the_way_of_an_index_stays() {
    let (pair, [image, _]) = signed(false);
    let other = zoo::single("in the way");
    other.push_to(&pair.target, REPOSITORY, &fallback_tag(&image.root));
    let run = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["apply", "--format", "json"]);
    let result = run.assert_status(0).json();
    assert!(result["steps"][0]["warnings"].to_string().contains("cannot be added to"), "{result:#}");
    other.assert_at(&pair.target, REPOSITORY, &fallback_tag(&image.root));
}

#[test]
fn trouble_that_passes_is_tried_again_and_else_fails_the_step_before_its_tag() {
    let (pair, [image, signature]) = signed(true);
    let put = || Match::new("PUT", &format!("/manifests/{}", signature.digest()));
    pair.target.fault(put().first(2), Fault::status(503));
    pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["apply"]).assert_status(0);
    image.assert_at(&pair.target, REPOSITORY, "1");
    assert!(pair.target.manifest_bytes(REPOSITORY, signature.digest()).is_some());

    for (status, code) in [(401, "UNAUTHORIZED"), (403, "DENIED")] {
        let (pair, [_, signature]) = signed(true);
        let put = Match::new("PUT", &format!("/manifests/{}", signature.digest()));
        pair.target.fault(put, Fault::Reply(Answer::error(status, code, "who are you")));
        let run = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["apply", "--format", "json"]);
        run.assert_status(1);
        assert_eq!(pair.target.tag_digest(REPOSITORY, "1"), None, "{status}: no tag without what belongs to it");
    }
}

#[test]
fn an_index_of_referrers_that_the_credential_may_not_write_fails_the_step() {
    let (pair, [image, _]) = signed(false);
    let put = Match::new("PUT", &format!("/manifests/{}", fallback_tag(&image.root)));
    pair.target.fault(put, Fault::Reply(Answer::error(403, "DENIED", "not you")));
    let run = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["apply", "--format", "json"]);
    assert_eq!(steps(&run.assert_status(1).json()), ["app:1 failed new E_DENIED"]);
    assert_eq!(pair.target.tag_digest(REPOSITORY, "1"), None);
}

#[test]
fn a_blob_that_the_target_was_wrong_about_is_sent_again() {
    let (pair, [image, signature]) = signed(true);
    let unknown = Answer::error(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry");
    let put = Match::new("PUT", &format!("/manifests/{}", signature.digest())).first(1);
    pair.target.fault(put, Fault::Reply(unknown));
    let run = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["apply", "--format", "json"]);
    assert_eq!(run.assert_status(0).json()["steps"][0]["warnings"], json!([]));
    image.assert_at(&pair.target, REPOSITORY, "1");
    assert!(pair.target.manifest_bytes(REPOSITORY, signature.digest()).is_some());
}

#[test]
fn a_target_that_moved_is_left_alone_with_what_it_has() {
    let pair = pair(true, true);
    let all = attached("moved");
    all.image.push_to(&pair.source, REPOSITORY, "1");
    let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"]).with("referrers-check: always")]);
    regsync.run(["apply"]).assert_status(0);
    all.push_to(&pair.source, "1", true);
    regsync.run(["plan", "-o", "plan.json"]).assert_status(0);
    zoo::single("somebody else's").push_to(&pair.target, REPOSITORY, "1");
    let result = regsync.run(["apply", "plan.json", "--format", "json"]).assert_status(4).json();
    assert_eq!(steps(&result), ["app:1 stale referrers-missing E_STALE"]);
    pair.target.assert_closed();
}

#[test]
fn tags_of_one_image_say_the_same_of_its_referrers() {
    for refuses in [false, true] {
        let (pair, [image, signature]) = signed(true);
        image.push_to(&pair.source, REPOSITORY, "2");
        if refuses {
            let put = Match::new("PUT", &format!("/manifests/{}", signature.digest()));
            pair.target.fault(put, Fault::Reply(Answer::error(405, "UNSUPPORTED", "Invalid JSON syntax")));
        }
        for tag in ["1", "2"] {
            image.push_to(&pair.target, REPOSITORY, tag);
        }
        let mirror = pair.mirror(REPOSITORY, &["1", "2"]).with("referrers-check: always");
        let result = pair.regsync(&[mirror]).run(["apply", "--format", "json"]).assert_status(0).json();
        let outcome = if refuses { "skipped" } else { "updated" };
        let expected = ["1", "2"].map(|tag| format!("app:{tag} {outcome} referrers-missing"));
        assert_eq!(steps(&result), expected);
        let warned = [0, 1].map(|step| result["steps"][step]["warnings"].as_array().unwrap().len());
        assert_eq!(warned, [usize::from(refuses); 2]);
    }
}
