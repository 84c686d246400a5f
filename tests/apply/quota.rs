//! Quotas of pulls, as Docker Hub keeps them: shown, kept to, and never burnt.

use serde_json::json;

use crate::support::harness::Regsync;
use crate::support::images::zoo;
use crate::support::registry::{FakeRegistry, Options};
use crate::support::stage::{Mirror, Pair, steps, yaml};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Four images at a registry that has so many pulls left.
fn metered(left: u64) -> Pair {
    let pair = Pair::with(Options { pulls_left: Some(left), ..Options::default() }, Options::default());
    for name in NAMES {
        zoo::single(name).push_to(&pair.source, name, "1");
    }
    pair
}

fn mirrors(pair: &Pair) -> Vec<Mirror> {
    NAMES.iter().map(|name| pair.mirror(name, &["1"])).collect()
}

/// One request at a time there, so that it is the last ones that find nothing left.
fn regsync(pair: &Pair, mirrors: &[Mirror], rules: &str) -> Regsync {
    let registries = format!("registries:\n  {:?}: {{ {rules} }}\nmirrors:\n", pair.source.host());
    pair.regsync(&[]).config(&yaml(mirrors).replacen("mirrors:\n", &registries, 1))
}

/// The GETs of manifests that were answered, and those that were not.
fn pulls(registry: &FakeRegistry) -> (usize, usize) {
    let gets = registry.requests().into_iter().filter(|seen| seen.method == "GET" && seen.path.contains("/manifests/"));
    let (answered, refused): (Vec<_>, Vec<_>) = gets.partition(|seen| seen.status == Some(200));
    (answered.len(), refused.len())
}

#[test]
fn a_plan_says_what_it_needs_and_what_is_left() {
    let pair = metered(86);
    let host = pair.source.host();
    let regsync = regsync(&pair, &mirrors(&pair), "rate-limit: { keep: 20 }");
    let planned = regsync.run(["plan", "-o", "plan.json"]);
    let line = "[SOURCE]: this plan needs 4 pulls, 86 of 100 left in 6 h, 20 to be kept";
    assert!(planned.assert_status(0).transcript().contains(line), "{}", planned.transcript());
    assert!(!planned.transcript().contains("warning"), "{}", planned.transcript());
    assert_eq!(pulls(&pair.source), (0, 0), "to plan is free");
    let saved: serde_json::Value = serde_json::from_str(&regsync.read("plan.json")).unwrap();
    let quota = json!([{"registry": host, "needed": 4, "at_least": false, "limit": 100, "remaining": 86,
                        "window_seconds": 21600, "keep": 20}]);
    assert_eq!(saved["quotas"], quota);
    let shown = regsync.run(["show", "plan.json"]);
    assert!(shown.assert_status(0).transcript().contains(line), "{}", shown.transcript());

    regsync.run(["apply", "plan.json"]).assert_status(0);
    assert_eq!(pulls(&pair.source), (4, 0), "what was announced");
    let again = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
    assert_eq!((&again["quotas"][0]["needed"], &again["quotas"][0]["remaining"]), (&json!(0), &json!(82)));
    // A registry that says nothing of a quota has none.
    assert_eq!(again["quotas"].as_array().unwrap().len(), 1);
}

#[test]
fn an_index_is_at_least_one_pull_where_it_was_not_looked_into() {
    let pair = metered(86);
    let index = zoo::index("many");
    index.push_to(&pair.source, "many", "1");
    let regsync = pair.regsync(&[pair.mirror("many", &["1"])]);
    let asked = regsync.run(["plan"]);
    assert!(asked.transcript().contains("needs at least 1 pull, 86 of 100"), "{}", asked.transcript());
    let looked = regsync.run(["plan", "--sizes", "always", "--format", "json"]).json();
    let needed = looked["quotas"][0]["needed"].as_u64().unwrap();
    assert_eq!((pulls(&pair.source).0 as u64, &looked["quotas"][0]["at_least"]), (needed, &json!(false)));
}

#[test]
fn what_is_to_be_kept_is_not_taken_and_the_rest_goes_on() {
    // One request at a time: whoever waits for what others leave keeps no place from them.
    for rules in ["rate-limit: { keep: 10 }", "rate-limit: { keep: 10 }, concurrency: 1"] {
        keeps_ten_of_twelve(rules);
    }
}

fn keeps_ten_of_twelve(rules: &str) {
    let pair = metered(12);
    let other = FakeRegistry::start();
    zoo::single("elsewhere").push_to(&other, "elsewhere", "1");
    let mut all = mirrors(&pair);
    all.push(Mirror::new(&other.reference("elsewhere"), &[&pair.target.reference("elsewhere")], &["1"]));
    let regsync = regsync(&pair, &all, rules);
    let planned = regsync.run(["plan", "-o", "plan.json"]);
    assert!(planned.transcript().contains("which has 12 of 100 left in 6 h and 10 are to be kept"));
    pair.clear_logs();

    // From a saved plan nothing is known of the quota: it is asked for before the first pull.
    let document = regsync.run(["apply", "plan.json", "--format", "json"]).assert_status(3).json();
    assert_eq!(pulls(&pair.source), (2, 0), "two may go, and no other was sent");
    let outcomes = steps(&document);
    let failed: Vec<_> = outcomes.iter().filter(|step| step.ends_with("failed new E_RATE_LIMITED")).collect();
    assert_eq!((failed.len(), outcomes.len()), (2, 5), "{outcomes:?}");
    assert!(outcomes.contains(&"elsewhere:1 copied new".to_owned()), "{outcomes:?}");
    let error = document["steps"].as_array().unwrap().iter().find(|step| step["outcome"] == "failed").unwrap();
    let (message, hint) = (error["error"]["message"].as_str().unwrap(), error["error"]["hint"].as_str().unwrap());
    assert!(message.contains(" of 100 left in 6 h of its pulls, and 10 are to be kept: it was not asked"), "{message}");
    assert!(hint.contains("window of 6 h has passed, or lower `rate-limit.keep` of"), "{hint}");
    assert_eq!(error["error"]["attempts"], 1);
}

#[test]
fn the_end_of_a_quota_is_not_tried_again() {
    let pair = metered(2);
    let regsync = regsync(&pair, &mirrors(&pair), "concurrency: 1");
    let document = regsync.run(["apply", "--format", "json"]).assert_status(3).json();
    assert_eq!(pulls(&pair.source), (2, 2), "one question for each image");
    let error = document["steps"].as_array().unwrap().iter().find(|step| step["outcome"] == "failed").unwrap();
    assert_eq!((&error["error"]["code"], &error["error"]["status"]), (&json!("E_RATE_LIMITED"), &json!(429)));
    assert!(error["error"]["message"].as_str().unwrap().contains("You have reached your pull rate limit"));
    assert!(error["error"]["hint"].as_str().unwrap().contains("when its window of 6 h has passed"));
}
