//! `apply plan.json`: exactly what was planned, or nothing.

use serde_json::Value;

use crate::support::harness::{Output, Regsync};
use crate::support::images::zoo;
use crate::support::server::Match;
use crate::support::stage::{Pair, steps};

/// The tags 1, 2 and 3 of `app` at the source alone.
fn three_to_copy() -> Pair {
    let pair = Pair::start();
    for tag in ["1", "2", "3"] {
        zoo::index(tag).push_to(&pair.source, "app", tag);
    }
    pair
}

fn planned(pair: &Pair) -> Regsync {
    let regsync = pair.regsync(&[pair.mirror("app", &["1", "2", "3"])]);
    regsync.run(["plan", "-o", "plan.json"]).assert_status(0);
    pair.clear_logs();
    regsync
}

#[track_caller]
fn result(output: &Output, status: i32) -> Vec<String> {
    steps(&output.assert_status(status).json())
}

#[track_caller]
fn assert_nothing_written(pair: &Pair) {
    pair.assert_read_only();
    assert!(pair.target.repositories().is_empty(), "{:?}", pair.target.repositories());
}

#[test]
fn the_planned_digest_arrives_though_the_source_tag_has_moved() {
    let pair = three_to_copy();
    let regsync = planned(&pair);
    zoo::single("moved since").push_to(&pair.source, "app", "2");
    let applied = regsync.run(["apply", "plan.json", "--format", "json"]);
    assert_eq!(result(&applied, 0), ["app:1 copied new", "app:2 copied new", "app:3 copied new"]);
    assert_eq!(pair.target.tag_digest("app", "2").unwrap(), zoo::index("2").digest());
    assert_eq!(pair.source.count("*", "/manifests/2"), 0, "a saved plan does not resolve tags again");
    pair.source.assert_read_only();
    pair.target.assert_closed();
}

#[test]
fn a_planned_digest_that_is_gone_fails_its_step_and_no_other() {
    let pair = three_to_copy();
    let regsync = planned(&pair);
    zoo::single("moved since").push_to(&pair.source, "app", "2");
    pair.source.store.delete_manifest("app", zoo::index("2").digest());
    let applied = regsync.run(["apply", "plan.json", "--format", "json"]);
    assert_eq!(result(&applied, 3), ["app:1 copied new", "app:2 failed new E_NOT_FOUND", "app:3 copied new"]);
    assert_eq!(pair.target.store.tags("app"), ["1", "3"], "nothing else is copied in its place");
    pair.target.assert_closed();
}

#[test]
fn a_target_that_moved_since_the_plan_is_stale_and_the_others_are_done() {
    let pair = three_to_copy();
    let regsync = planned(&pair);
    let theirs = zoo::single("theirs");
    theirs.push_to(&pair.target, "app", "2");
    let applied = regsync.run(["apply", "plan.json"]);
    applied.assert_status(3);
    let shown = applied.stdout.lines().find(|line| line.contains("STALE")).unwrap_or_default();
    assert!(shown.contains("the plan saw absent") && shown.contains("left alone"), "{}", applied.transcript());
    assert_eq!(pair.target.tag_digest("app", "2").unwrap(), theirs.digest());
    assert_eq!(pair.target.store.tags("app"), ["1", "2", "3"]);
    pair.target.assert_closed();
}

#[test]
fn a_target_that_moves_while_its_image_is_copied_is_stale_too() {
    let pair = three_to_copy();
    let regsync = planned(&pair);
    let theirs = zoo::single("theirs");
    let image = zoo::index("2");
    // The last thing before the tag is read again: the child manifests.
    let (child, put) = (image.children.last().unwrap().digest.clone(), theirs.clone());
    pair.target.before_with_store(Match::new("PUT", &format!("/manifests/{child}")), move |store| {
        for blob in &put.blobs {
            store.put_blob_as("app", &blob.digest, blob.bytes.clone());
        }
        store.put_manifest("app", "2", &put.root.media_type, put.root.bytes.clone());
    });
    let applied = regsync.run(["apply", "plan.json", "--format", "json"]);
    assert_eq!(result(&applied, 3), ["app:1 copied new", "app:2 stale new E_STALE", "app:3 copied new"]);
    assert_eq!(pair.target.tag_digest("app", "2").unwrap(), theirs.digest());
    assert_eq!(pair.target.count("PUT", "/manifests/2"), 0);
    pair.target.assert_closed();
}

#[test]
fn a_target_tag_that_is_gone_since_the_plan_is_stale() {
    let pair = three_to_copy();
    zoo::single("older").push_to(&pair.target, "app", "1");
    let regsync = pair.regsync(&[pair.mirror("app", &["1"])]);
    regsync.run(["plan", "-o", "plan.json"]).assert_status(0);
    pair.target.delete_tag("app", "1");
    let applied = regsync.run(["apply", "plan.json", "--format", "json"]);
    assert_eq!(result(&applied, 4), ["app:1 stale tag-moved E_STALE"]);
    assert!(pair.target.store.tags("app").is_empty());
}

#[test]
fn where_nothing_else_was_done_a_stale_plan_exits_4() {
    let pair = three_to_copy();
    let regsync = planned(&pair);
    for tag in ["1", "2", "3"] {
        zoo::single("theirs").push_to(&pair.target, "app", tag);
    }
    let applied = regsync.run(["apply", "plan.json", "--format", "json"]);
    let stale = |tag: &str| format!("app:{tag} stale new E_STALE");
    assert_eq!(result(&applied, 4), ["1", "2", "3"].map(stale));
}

#[test]
fn a_tag_that_is_as_wanted_by_now_is_skipped() {
    let pair = three_to_copy();
    let regsync = planned(&pair);
    zoo::index("2").push_to(&pair.target, "app", "2");
    let applied = regsync.run(["apply", "plan.json", "--format", "json"]);
    assert_eq!(result(&applied, 0), ["app:1 copied new", "app:2 skipped new", "app:3 copied new"]);
    assert_eq!(pair.target.count("PUT", "/manifests/2"), 0);
    pair.clear_logs();
    let again = regsync.run(["apply", "plan.json", "--format", "json"]);
    assert_eq!(result(&again, 0), ["app:1 skipped new", "app:2 skipped new", "app:3 skipped new"]);
    pair.assert_read_only();
}

#[test]
fn another_configuration_than_the_plans_is_refused_before_any_request() {
    let pair = three_to_copy();
    let regsync = planned(&pair);
    let yaml = regsync.read("regsync.yaml");
    regsync.write("regsync.yaml", format!("{yaml}# a comment\n"));
    let refused = regsync.run(["apply", "plan.json"]);
    insta::assert_snapshot!(refused.assert_status(4).transcript(), @r"
    exit: 4
    --- stdout
    --- stderr
    error: the plan was made from another version of regsync.yaml; nothing was written
      help: make a new plan, or check out the commit the plan was made at
    ");
    assert_nothing_written(&pair);
    assert!(pair.source.requests().is_empty() && pair.target.requests().is_empty());
    // The same bytes under another name are the same configuration.
    regsync.write("elsewhere.yaml", yaml);
    regsync.run(["apply", "plan.json", "-c", "elsewhere.yaml"]).assert_status(0);
}

#[test]
fn only_the_plan_that_was_reviewed_is_applied() {
    let pair = three_to_copy();
    let regsync = planned(&pair);
    let document: Value = serde_json::from_str(&regsync.read("plan.json")).unwrap();
    let id = document["plan_id"].as_str().unwrap();
    for wrong in ["sha256:0000000000000000000000000000000000000000000000000000000000000000", "0123456789ab", &id[..10]]
    {
        regsync.run(["apply", "plan.json", "--expect-plan-id", wrong]).assert_status(4);
        regsync.run(["apply", "--expect-plan-id", wrong]).assert_status(4);
    }
    assert_nothing_written(&pair);
    // A plan made anew with the same intent has the same id.
    let applied = regsync.run(["apply", "--expect-plan-id", id, "--only", "**/*:1"]);
    applied.assert_status(4);
    let applied = regsync.run(["apply", "--expect-plan-id", id]);
    applied.assert_status(0);
    assert_eq!(pair.target.store.tags("app"), ["1", "2", "3"]);
}

#[test]
fn a_plan_that_was_changed_by_hand_is_invalid() {
    let pair = three_to_copy();
    let regsync = planned(&pair);
    let plan = regsync.read("plan.json");
    let other = zoo::single("planted").digest().to_owned();
    let mut redirected: Value = serde_json::from_str(&plan).unwrap();
    redirected["steps"][0]["target"]["reference"] = format!("{}:9", pair.target.reference("elsewhere")).into();
    let tampered = [
        plan.replace(zoo::index("1").digest(), &other),
        redirected.to_string(),
        plan.replace("\"format_version\": \"1.0\"", "\"format_version\": \"2.0\""),
        plan.replace("\"action\": \"copy\"", "\"action\": \"delete\""),
        plan.replace("\"action\": \"copy\"", "\"action\": \"update\""),
        plan.replace("regsync.plan", "regsync.result"),
        plan[..plan.len() / 2].to_owned(),
        String::new(),
    ];
    for (n, text) in tampered.iter().enumerate() {
        assert_ne!(*text, plan, "case {n} changes nothing");
        regsync.write("tampered.json", text);
        let refused = regsync.run(["apply", "tampered.json"]);
        assert_eq!(refused.status, 65, "case {n}: {}", refused.transcript());
    }
    assert_nothing_written(&pair);
    assert!(pair.source.requests().is_empty() && pair.target.requests().is_empty());
}

#[test]
fn a_saved_plan_is_applied_from_another_directory() {
    let pair = three_to_copy();
    let mirror = crate::support::stage::Mirror::new(&pair.source.reference("app"), &["oci:out"], &["1"]);
    let regsync = pair.regsync(&[]).file("conf/regsync.yaml", crate::support::stage::yaml(&[mirror]));
    regsync.run(["plan", "-c", "conf/regsync.yaml", "-o", "plan.json"]).assert_status(0);
    regsync.run(["apply", "plan.json"]).assert_status(0);
    assert!(regsync.path("conf/out/index.json").is_file(), "layouts are relative to the configuration");
}
