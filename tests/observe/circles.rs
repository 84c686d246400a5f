//! Mirrors that feed each other through globs of repositories: an error of those concerned, and the others go on.

use std::fmt::Write as _;

use serde_json::Value;

use crate::support::harness::Regsync;
use crate::support::images::zoo;
use crate::support::stage::{Pair, steps};

/// Mirrors, each from a source to targets, all of the tag 1; they begin in the lines 3, 6, 9 and so on.
fn mirrors(pair: &Pair, each: &[(String, &[String])]) -> Regsync {
    let mut yaml = "version: 1\nmirrors:\n".to_owned();
    for (source, targets) in each {
        writeln!(yaml, "  - source: {source}\n    targets: [\"{}\"]\n    tags: [\"1\"]", targets.join("\", \""))
            .unwrap();
    }
    pair.regsync(&[]).config(&yaml)
}

/// A pair with these repositories, each with an image under the tag 1.
fn with(source: &[&str], target: &[&str]) -> Pair {
    let pair = Pair::start();
    for (registry, names) in [(&pair.source, source), (&pair.target, target)] {
        for name in names {
            zoo::artifact(name).push_to(registry, name, "1");
        }
    }
    pair
}

/// The messages of the steps in error.
fn errors(document: &Value) -> Vec<&str> {
    let steps = document["steps"].as_array().unwrap().iter();
    steps.filter(|step| step["action"] == "error").map(|step| step["message"].as_str().unwrap()).collect()
}

#[test]
fn two_globs_that_feed_each_other() {
    let pair = with(&["x/a", "x/b", "sound"], &["x/a"]);
    let (s, t) = (|name: &str| pair.source.reference(name), |name: &str| pair.target.reference(name));
    for reversed in [false, true] {
        let (there, back, sound) = ([t("x/{name}")], [s("x/{name}")], [t("sound")]);
        let (there, back) = ((s("x/*"), there.as_slice()), (t("x/*"), back.as_slice()));
        let (first, last) = if reversed { (back, there) } else { (there, back) };
        let regsync = mirrors(&pair, &[first, (s("sound"), &sound), last]);
        let plan = regsync.run(["plan", "--format", "json"]).assert_status(1).json();
        let messages = errors(&plan);
        // `x/b` is not at the target yet: what would come of it counts all the same.
        assert_eq!(messages.len(), 3, "{messages:#?}");
        let (way_there, way_back) = if reversed { (9, 3) } else { (3, 9) };
        for (from, to, by) in
            [(s("x/a"), t("x/a"), way_back), (s("x/b"), t("x/b"), way_back), (t("x/a"), s("x/a"), way_there)]
        {
            let wanted = format!("{from} to {to}, and from there to {from} by regsync.yaml:{by}");
            assert!(messages.iter().any(|message| message.contains(&wanted)), "{wanted}\n{messages:#?}");
        }
        let codes: Vec<_> = plan["steps"].as_array().unwrap().iter().map(|step| &step["error"]["code"]).collect();
        assert_eq!(codes.iter().filter(|code| **code == "E_UNSUPPORTED").count(), 3);
        let applied = regsync.run(["apply"]);
        applied.assert_status(if reversed { 1 } else { 3 });
        assert_eq!(pair.target.repositories(), ["sound", "x/a"]);
        assert_eq!(pair.source.count("PUT", ""), 0, "nothing goes back");
    }
}

#[test]
fn a_mirror_that_writes_what_a_glob_reads_and_back() {
    for (there, glob_first) in [(false, false), (true, false), (false, true), (true, true)] {
        let pair = with(&["app"], &["x/other"]);
        if there {
            zoo::artifact("app").push_to(&pair.target, "x/app", "1");
        }
        let named_targets = [pair.target.reference("x/app"), pair.target.reference("plain")];
        let back = [pair.source.reference("{name}")];
        let named = (pair.source.reference("app"), named_targets.as_slice());
        let glob = (pair.target.reference("x/*"), back.as_slice());
        let regsync = mirrors(&pair, &if glob_first { [glob, named] } else { [named, glob] });
        let applied = regsync.run(["apply", "--format", "json"]).assert_status(3).json();
        assert_eq!(errors(&applied).len(), 1 + usize::from(there), "{applied:#}");
        // The other target of the one, and the other repository of the other.
        assert!(steps(&applied).contains(&"plain:1 copied new".to_owned()), "{applied:#}");
        assert!(steps(&applied).contains(&"other:1 copied new".to_owned()), "{applied:#}");
        assert_eq!(pair.target.count("PUT", "/v2/x/app/"), 0);
        assert_eq!(pair.source.count("PUT", "/v2/app/"), 0);
    }
}

#[test]
fn a_target_that_is_its_source_once_names_are_filled_in() {
    let pair = with(&["a/a", "a/b"], &[]);
    let target = [pair.source.reference("{name}/a")];
    let regsync = mirrors(&pair, &[(pair.source.reference("a/*"), &target)]);
    let planned = regsync.run(["plan"]);
    insta::assert_snapshot!(planned.assert_status(1).transcript());
    let applied = regsync.run(["apply", "--format", "json"]).assert_status(3).json();
    assert_eq!(errors(&applied), [format!("the target {} is also the source", pair.source.reference("a/a"))]);
    assert!(pair.source.repositories().contains(&"b/a".to_owned()));
    // With other names for its tags, a mirror may write where it reads.
    let renamed = regsync.read("regsync.yaml") + "    rename: \"{tag}-copy\"\n";
    let planned = pair.regsync(&[]).config(&renamed).run(["plan", "--format", "json"]).assert_status(0).json();
    assert_eq!(errors(&planned), [""; 0]);
}

#[test]
fn a_scope_without_the_circle_hears_nothing_of_it() {
    let pair = with(&["app", "sound"], &["x/app"]);
    let (there, back, sound) =
        ([pair.target.reference("x/app")], [pair.source.reference("{name}")], [pair.target.reference("sound")]);
    let regsync = mirrors(
        &pair,
        &[
            (pair.source.reference("app"), &there),
            (pair.target.reference("x/*"), &back),
            (pair.source.reference("sound"), &sound),
        ],
    );
    let planned = regsync.run(["plan", "--format", "json", "--only", &sound[0]]).assert_status(0).json();
    assert_eq!(steps(&planned), ["sound:1 copy new"]);
    let planned = regsync.run(["plan", "--format", "json", "--exclude", &sound[0]]).assert_status(1).json();
    assert_eq!(errors(&planned).len(), 2);
    let planned = regsync.run(["plan", "--format", "json", "--only", &there[0]]).assert_status(1).json();
    assert_eq!(errors(&planned).len(), 1);
    assert_eq!(planned["warnings"], serde_json::json!([]), "`--only` names a target");
}
