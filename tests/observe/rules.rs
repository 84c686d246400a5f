//! Tags by rules: what is counted, what is said where nothing is left, and other names at the target.

use crate::support::images::zoo;
use crate::support::registry::{FakeRegistry, Options};
use crate::support::stage::{Mirror, Pair, steps};

/// The tags of a repository with releases, candidates, variants and names.
const TAGS: &[&str] = &["1.9.0", "1.10.0", "1.10.0-alpine", "1.11.0", "1.12.0-rc.1", "2.0.0", "edge", "v1.11.1"];

fn pair(options: Options) -> Pair {
    let pair = Pair::with(options, Options::default());
    for tag in TAGS {
        zoo::artifact(tag).push_to(&pair.source, "app", tag);
    }
    pair
}

fn mirror(pair: &Pair, rules: &str) -> Mirror {
    pair.mirror("app", &[]).with(&format!("tags: {rules}"))
}

#[test]
fn the_newest_versions_are_copied_and_a_second_run_has_nothing_to_do() {
    // In pages and in another order: what is selected depends on neither.
    for options in [Options::default(), Options { page_size: 3, ..Options::default() }] {
        let pair = pair(options);
        let regsync = pair.regsync(&[mirror(&pair, r#"{ semver: ">=1.9, <2", newest: 2 }"#)]);
        regsync.run(["apply"]).assert_status(0);
        assert_eq!(pair.target.store.tags("app"), ["1.11.0", "v1.11.1"]);
        pair.clear_logs();
        regsync.run(["apply"]).assert_status(0);
        pair.target.assert_read_only();
        assert_eq!(pair.source.count("HEAD", "/manifests/"), 2, "only what is selected is looked at");
        assert_eq!(pair.source.count("GET", "/manifests/"), 0);
    }
}

#[test]
fn a_plan_counts_what_each_rule_leaves() {
    let pair = pair(Options::default());
    let rules = r#"{ include: ["1.*", "edge"], regex: ['v1\..*'], semver: ">=1.10", exclude: ["*-rc*"], newest: 2 }"#;
    let second = Mirror::new(&pair.source.reference("app"), &[&pair.target.reference("all")], &["1.9*", "2.*"]);
    let regsync = pair.regsync(&[mirror(&pair, rules), second]);
    let planned = regsync.run(["plan", "-v"]);
    insta::assert_snapshot!(planned.assert_status(0).transcript());
    let document = regsync.run(["plan", "--format", "json", "-o", "plan.json"]).assert_status(0).json();
    let selection = &document["selections"][0];
    assert_eq!(selection["listed"], 8, "{selection:#}");
    let counts: Vec<_> = ["included", "in_semver", "excluded", "newest", "named", "selected"]
        .iter()
        .map(|name| selection[name].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [6, 3, 0, 2, 1, 3]);
    // A saved plan shows the same.
    assert!(regsync.run(["show", "-v", "plan.json"]).assert_status(0).stdout.contains("tags: 8 listed, 6 included"));
    assert!(!regsync.run(["plan"]).assert_status(0).stdout.contains("listed"), "only where it was asked for");
}

#[test]
fn the_rule_that_took_the_last_tag_is_named() {
    let pair = pair(Options::default());
    let cases = [
        (r#"{ include: ["9.*"], semver: ">=1" }"#, "none of its 8 tags fits, v1.11.1 for example"),
        (
            r#"{ include: ["1.*"], semver: ">=9" }"#,
            "8 listed, 5 included, 0 in semver; 1.9.0: outside of `>=9` (regsync.yaml:5)",
        ),
        (
            r#"{ include: ["*-rc.*"], newest: 1 }"#,
            "8 listed, 1 included, 0 newest; 1.12.0-rc.1: a pre-release; `semver` must name one, such as `>=0-0` (regsync.yaml:5)",
        ),
        (
            r#"{ semver: "2", exclude: ["2.*"] }"#,
            "8 listed, 1 in semver, 1 excluded; 2.0.0: matches `2.*` (regsync.yaml:5)",
        ),
    ];
    for (rules, expected) in cases {
        for on_empty in ["error", "warn"] {
            let regsync = pair.regsync(&[mirror(&pair, rules).with(&format!("on-empty: {on_empty}"))]);
            let planned = regsync.run(["plan", "--format", "json"]);
            let warns = on_empty == "warn";
            let document = planned.assert_status(i32::from(!warns)).json();
            let said = if warns { &document["warnings"][0]["message"] } else { &document["steps"][0]["message"] };
            let said = said.as_str().unwrap();
            assert!(said.ends_with(expected), "{rules}: {said}");
        }
    }
}

#[test]
fn an_empty_list_and_a_failed_one_are_told_apart() {
    let (empty, target) = (FakeRegistry::start(), FakeRegistry::start());
    zoo::artifact("x").push_to(&empty, "app", "x");
    empty.store.delete_tag("app", "x");
    let mirror = Mirror::new(&empty.reference("app"), &[&target.reference("app")], &[]).with("tags: { newest: 1 }");
    let pair = Pair { source: empty, target };
    let document = pair.regsync(&[mirror]).run(["plan", "--format", "json"]).assert_status(1).json();
    assert_eq!(steps(&document), ["- error nothing-selected E_NOTHING_SELECTED"]);
    assert!(document["steps"][0]["message"].as_str().unwrap().ends_with("it has no tags"), "{document:#}");
}

#[test]
fn tags_have_another_name_at_the_target() {
    let pair = pair(Options::default());
    let moving = mirror(&pair, "[\"1.1?.0\"]").with("rename: \"up-{tag}\"").with("immutable-tags: [\"up-1.10*\"]");
    let newest = Mirror::new(&pair.source.reference("app"), &[&pair.target.reference("app")], &[])
        .with("tags: { newest: 1 }")
        .with("rename: current");
    let regsync = pair.regsync(&[moving, newest]);
    regsync.run(["apply"]).assert_status(0);
    assert_eq!(pair.target.store.tags("app"), ["current", "up-1.10.0", "up-1.11.0"]);
    pair.clear_logs();
    regsync.run(["apply"]).assert_status(0);
    pair.target.assert_read_only();
    // What never moves is named as it is at the target.
    for tag in ["1.10.0", "1.11.0"] {
        zoo::artifact("moved").push_to(&pair.source, "app", tag);
    }
    let document = regsync.run(["plan", "--format", "json"]).assert_status(5).json();
    let expected = [
        "app:up-1.10.0 blocked tag-would-move E_TAG_WOULD_MOVE",
        "app:up-1.11.0 update tag-moved",
        "app:current skip in-sync",
    ];
    assert_eq!(steps(&document), expected);
}

#[test]
fn a_tag_that_becomes_too_long_is_an_error_and_the_others_are_copied() {
    let pair = pair(Options::default());
    let long = format!("1.{}", "0".repeat(126));
    zoo::artifact("long").push_to(&pair.source, "app", &long);
    let regsync = pair.regsync(&[mirror(&pair, "[\"1.9.0\", \"1.0*\"]").with("rename: \"x-{tag}\"")]);
    let applied = regsync.run(["apply", "--format", "json"]).assert_status(3).json();
    assert_eq!(steps(&applied), ["app:x-1.9.0 copied new", "- failed unsupported E_UNSUPPORTED"]);
    let said = applied["steps"][1]["message"].as_str().unwrap();
    assert!(said.contains(&long) && said.contains("rename"), "{said}");
}
