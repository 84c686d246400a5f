//! Registries whose own rules keep a tag where it is: Amazon ECR, Harbor, Quay and Azure, each in its own words.

use serde_json::Value;

use crate::support::harness::Regsync;
use crate::support::images::{Image, zoo};
use crate::support::server::{Answer, Fault, Match};
use crate::support::stage::Pair;

const TAG: &str = "/v2/app/manifests/1";

/// How each refuses: status, code, message.
const FORMS: [(u16, &str, &str); 4] = [
    (
        400,
        "TAG_INVALID",
        "The image tag '1' already exists in the 'app' repository and cannot be overwritten because the tag is immutable.",
    ),
    (412, "PRECONDITION", "Failed to process request due to 'app:1' configured as immutable."),
    (409, "TAG_IMMUTABLE", "tag is immutable"),
    (405, "REGISTRY_DISALLOWED_OPERATION", "The operation is disallowed on this registry, repository or image."),
];

fn refusal((status, code, message): (u16, &str, &str)) -> Fault {
    Fault::Reply(Answer::error(status, code, message))
}

/// The target's tag names `now`, and keeps that; the source's names another image. `other` is new.
fn guarded(form: (u16, &str, &str), now: &Image) -> (Pair, Regsync) {
    let pair = Pair::start();
    zoo::single("wanted").push_to(&pair.source, "app", "1");
    now.push_to(&pair.target, "app", "1");
    zoo::single("other").push_to(&pair.source, "other", "1");
    pair.target.fault(Match::new("PUT", TAG), refusal(form));
    let regsync = pair.regsync(&[pair.mirror("app", &["1"]), pair.mirror("other", &["1"])]);
    (pair, regsync)
}

fn step<'a>(result: &'a Value, repository: &str) -> &'a Value {
    let is_its = |step: &&Value| step["target"]["reference"].as_str().unwrap().contains(repository);
    result["steps"].as_array().unwrap().iter().find(is_its).unwrap()
}

#[test]
fn another_digest_is_blocked_with_both_named() {
    for form in FORMS {
        let now = zoo::single("now");
        let (pair, regsync) = guarded(form, &now);
        let result = regsync.run(["apply", "--format", "json"]).assert_status(5).json();
        let blocked = step(&result, "app");
        assert_eq!((&blocked["action"], &blocked["reason"]), (&"update".into(), &"tag-moved".into()));
        assert_eq!((&blocked["outcome"], &blocked["error"]["code"]), (&"blocked".into(), &"E_IMMUTABLE".into()));
        assert_eq!(blocked["error"]["status"], form.0);
        let wanted = zoo::single("wanted");
        for part in [&*pair.target.reference("app:1"), now.digest(), wanted.digest(), form.2] {
            assert!(blocked["message"].as_str().unwrap().contains(part), "{part}\n{blocked:#}");
        }
        let hint = blocked["error"]["hint"].as_str().unwrap();
        for part in ["delete the tag", "pin", "`immutable-tags`"] {
            assert!(hint.contains(part), "{hint}");
        }
        assert_eq!(step(&result, "other")["outcome"], "copied");
        assert_eq!((&result["summary"]["blocked"], &result["summary"]["failed"]), (&1.into(), &0.into()));
        assert_eq!(pair.target.tag_digest("app", "1").unwrap(), now.digest());
        assert_eq!(pair.target.count("PUT", TAG), 1, "a rule is not asked twice");
    }
}

#[test]
fn the_words_in_the_terminal() {
    let (_pair, regsync) = guarded(FORMS[3], &zoo::single("now"));
    // One after the other: which of two ends first is nobody's to say.
    insta::assert_snapshot!(regsync.run(["apply", "--concurrency", "1"]).assert_status(5).transcript());
}

#[test]
fn the_wanted_digest_is_in_place_already() {
    for form in FORMS {
        let (pair, regsync) = guarded(form, &zoo::single("now"));
        // Somebody else moves it, in the last moment; then the rule holds.
        pair.target.before_with_store(Match::new("PUT", TAG), |store| {
            let wanted = zoo::single("wanted");
            store.put_manifest("app", "1", &wanted.root.media_type, wanted.root.bytes.clone());
        });
        let result = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
        assert!(matches!(step(&result, "app")["outcome"].as_str(), Some("updated" | "skipped")), "{result:#}");
        let (pair, regsync) = guarded(form, &zoo::single("wanted"));
        let result = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
        assert_eq!(step(&result, "app")["outcome"], "skipped");
        assert_eq!(pair.target.count("PUT", TAG), 0);
    }
}

#[test]
fn a_tag_that_is_not_there_is_no_conflict() {
    let pair = Pair::start();
    zoo::single("wanted").push_to(&pair.source, "app", "1");
    pair.target.fault(Match::new("PUT", TAG), refusal(FORMS[3]));
    let regsync = pair.regsync(&[pair.mirror("app", &["1"])]);
    let result = regsync.run(["apply", "--format", "json"]).assert_status(1).json();
    let failed = step(&result, "app");
    assert_eq!((&failed["outcome"], &failed["error"]["code"]), (&"failed".into(), &"E_IMMUTABLE".into()));
}

#[test]
fn a_rule_does_not_stop_the_run() {
    let (pair, regsync) = guarded(FORMS[0], &zoo::single("now"));
    let result =
        regsync.run(["apply", "--fail-fast", "--concurrency", "1", "--format", "json"]).assert_status(5).json();
    assert_eq!(step(&result, "other")["outcome"], "copied");
    // The result reads back as it was written.
    regsync.run(["apply", "--report", "json=result.json"]).assert_status(5);
    let shown = regsync.run(["show", "result.json"]);
    let text = &shown.assert_status(0).stdout;
    assert!(text.contains("BLOCKED") && text.contains("E_IMMUTABLE"), "{text}");
    assert_eq!(pair.target.tag_digest("app", "1").unwrap(), zoo::single("now").digest());
}
