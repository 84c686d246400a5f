//! Images that have no such part, and plans that claim another one.

use serde_json::{Value, json};

use super::{eight, manifest};
use crate::support::images::zoo;
use crate::support::stage::{Pair, steps};

#[test]
fn an_image_without_a_platform_is_an_error_that_stops_no_other() {
    let pair = Pair::start();
    eight("others").push_to(&pair.source, "app", "1");
    zoo::index("has none").push_to(&pair.source, "app", "2");
    zoo::artifact("a note").push_to(&pair.source, "app", "3");
    zoo::nested_index("nested").push_to(&pair.source, "app", "4");
    let regsync = pair.regsync(&[pair.mirror("app", &["1", "2", "3", "4"]).with("platforms: [linux/s390x]")]);
    insta::assert_snapshot!(regsync.run(["plan"]).assert_status(1).transcript(), @r"
    exit: 1
    --- stdout
    regsync.yaml: 4 tags, 1 mirror

    app   [SOURCE]/app -> [TARGET]/app   regsync.yaml:3
      + 1   absent       -> 2eb04f9398e6   linux/s390x (1 of 8 platforms)   7.8 kB
      ! 2   E_NO_PLATFORM source: could not choose platforms of [SOURCE]/app@sha256:[digest]: none of its platforms is linux/s390x: it has linux/amd64, linux/arm64
            help: check `platforms`; `platforms: all` copies what is there
      ! 3   E_NO_PLATFORM source: could not choose platforms of [SOURCE]/app@sha256:[digest]: it has no platform, and linux/s390x was asked for
            help: what is for no platform (signatures, charts) needs a mirror of its own with `platforms: all`
      ! 4   E_UNSUPPORTED source: could not choose platforms of [SOURCE]/app@sha256:[digest]: the index sha256:[digest] below it has no platform of its own, so that its platforms are not known
            help: `platforms: all` copies it whole

    warning: regsync.yaml:3: signatures of a whole index do not hold for the part of it that is copied

    Plan: 1 to copy, 0 to update, 0 up to date, 0 blocked, 3 errors. 7.8 kB to transfer.
    Incomplete: what is in error is left alone; apply does the rest.
    --- stderr
    reading sources and targets
    ");
    let applied = regsync.run(["apply", "--format", "json"]).assert_status(3).json();
    assert_eq!(
        steps(&applied),
        [
            "app:1 copied new",
            "app:2 failed no-platform E_NO_PLATFORM",
            "app:3 failed no-platform E_NO_PLATFORM",
            "app:4 failed unsupported E_UNSUPPORTED",
        ]
    );
    assert_eq!(pair.target.store.tags("app"), ["1"]);
    pair.target.assert_closed();
}

#[test]
fn a_child_that_is_missing_at_the_source_leaves_no_tag() {
    let pair = Pair::start();
    let image = eight("hollow");
    image.push_to(&pair.source, "app", "1");
    pair.source.store.delete_manifest("app", &image.children[1].digest);
    let mirror = |platforms: &str| pair.mirror("app", &["1"]).with(&format!("platforms: {platforms}"));
    let applied = pair.regsync(&[mirror("[linux/amd64, linux/arm64]")]).run(["apply", "--format", "json"]);
    assert_eq!(steps(&applied.assert_status(1).json()), ["app:1 failed source-unreadable E_NOT_FOUND"]);
    assert_eq!(pair.target.tag_digest("app", "1"), None);
    // What is not asked for is not missed.
    pair.regsync(&[mirror("[linux/amd64]")]).run(["apply"]).assert_status(0);
    pair.target.assert_closed();
}

#[test]
fn a_saved_plan_that_claims_another_part_is_refused_or_fails_without_a_write() {
    let pair = Pair::start();
    eight("claimed").push_to(&pair.source, "app", "1");
    let regsync = pair.regsync(&[pair.mirror("app", &["1"]).with("platforms: [linux/amd64]")]);
    regsync.run(["plan", "-o", "plan.json"]).assert_status(0);
    let honest: Value = serde_json::from_str(&regsync.read("plan.json")).unwrap();
    let tampered = |change: &dyn Fn(&mut Value)| {
        let mut plan = honest.clone();
        change(&mut plan["steps"][0]);
        regsync.write("plan.json", plan.to_string());
        regsync.run(["apply", "plan.json"])
    };
    tampered(&|step| step["trim"]["platforms"] = json!(["linux/arm64"])).assert_status(65);
    tampered(&|step| step["trim"]["platforms"] = json!([])).assert_status(65);
    tampered(&|step| step["trim"]["platforms"] = json!(["linux/x86_64"])).assert_status(65);
    tampered(&|step| step["trim"] = json!(null)).assert_status(65);
    tampered(&|step| step["trim"]["digest"] = step["source"]["digest"].clone()).assert_status(65);
    // One whose id is right, since it was made for another image: no part of this one is what it says.
    let claim = |platforms: Value| {
        let refused = tampered(&|step| step["trim"]["platforms"] = platforms.clone());
        let text = refused.assert_status(65).stderr.clone();
        let computed = text.split("have the id ").nth(1).unwrap().split(',').next().unwrap().to_owned();
        let mut plan = honest.clone();
        plan["steps"][0]["trim"]["platforms"] = platforms.clone();
        plan["plan_id"] = json!(computed);
        regsync.write("plan.json", plan.to_string());
        regsync.run(["apply", "plan.json", "--format", "json"])
    };
    let applied = claim(json!(["linux/arm64"]));
    assert_eq!(steps(&applied.assert_status(1).json()), ["app:1 failed new E_DIGEST"]);
    let applied = claim(json!(["windows/amd64"]));
    assert_eq!(steps(&applied.assert_status(1).json()), ["app:1 failed new E_NO_PLATFORM"]);
    pair.target.assert_read_only();
    // And as it was made it does what it says, wherever the tag leads by then.
    eight("later").push_to(&pair.source, "app", "1");
    regsync.write("plan.json", honest.to_string());
    regsync.run(["apply", "plan.json"]).assert_status(0);
    assert_eq!(pair.target.tag_digest("app", "1").as_deref(), honest["steps"][0]["digest"].as_str());
    assert_eq!(manifest(&pair.target, "app", "1")["manifests"].as_array().unwrap().len(), 1);
}

#[test]
fn two_mirrors_that_choose_differently_for_one_tag_are_both_blocked() {
    let pair = Pair::start();
    eight("conflict").push_to(&pair.source, "app", "v1");
    let choosing = |glob: &str, platforms: &str| pair.mirror("app", &[glob]).with(&format!("platforms: {platforms}"));
    let regsync = pair.regsync(&[choosing("v*", "[linux/amd64]"), choosing("*1", "all")]);
    let plan = regsync.run(["plan", "--format", "json"]).assert_status(5).json();
    assert_eq!(steps(&plan), ["app:v1 blocked conflict E_CONFLICT", "app:v1 blocked conflict E_CONFLICT"]);
    regsync.run(["apply"]).assert_status(5);
    pair.target.assert_read_only();
}
