//! Globs of repositories: one catalog for each host, and what is said where there is none.

use std::fmt::Write as _;

use crate::support::harness::Regsync;
use crate::support::images::zoo;
use crate::support::registry::{Auth, FakeRegistry, Options};
use crate::support::server::{Answer, Fault, Match};
use crate::support::stage::{Pair, steps};
use crate::support::token::{Access, Account, Issuer, IssuerOptions};

fn several() -> Pair {
    several_with(Options::default())
}

fn several_with(options: Options) -> Pair {
    let pair = Pair::with(options, Options::default());
    for name in ["team/a", "team/b-app", "team/c-app", "team/deep/d-app", "other/e-app"] {
        zoo::artifact(name).push_to(&pair.source, name, "1");
    }
    pair
}

/// Mirrors of `source/<glob>`, each to `target/<target>`.
fn mirrors(pair: &Pair, globs: &[(&str, &str)]) -> Regsync {
    let mut yaml = "version: 1\nmirrors:\n".to_owned();
    for (glob, target) in globs {
        let (source, target) = (pair.source.reference(glob), pair.target.reference(target));
        writeln!(yaml, "  - source: {source}\n    target: {target}\n    tags: [\"1\"]").unwrap();
    }
    pair.regsync(&[]).config(&yaml)
}

#[test]
fn a_glob_is_a_mirror_for_each_repository_that_matches() {
    let pair = several();
    let regsync = mirrors(&pair, &[("team/*-app", "mirror/{name}")]);
    let planned = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
    assert_eq!(steps(&planned), ["mirror/b-app:1 copy new", "mirror/c-app:1 copy new"]);
    regsync.run(["apply"]).assert_status(0);
    assert_eq!(pair.target.repositories(), ["mirror/b-app", "mirror/c-app"]);
    pair.target.assert_closed();
    // A repository that comes later is found, and nothing else is done.
    zoo::artifact("new").push_to(&pair.source, "team/new-app", "1");
    let applied = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
    let expected = ["mirror/b-app:1 skipped in-sync", "mirror/c-app:1 skipped in-sync", "mirror/new-app:1 copied new"];
    assert_eq!(steps(&applied), expected);
}

#[test]
fn two_stars_cross_components_and_the_whole_name_can_be_kept() {
    let pair = several();
    let regsync = mirrors(&pair, &[("team/**", "mirror/{repository}")]);
    regsync.run(["apply"]).assert_status(0);
    let expected = ["mirror/team/a", "mirror/team/b-app", "mirror/team/c-app", "mirror/team/deep/d-app"];
    assert_eq!(pair.target.repositories(), expected);
}

#[test]
fn a_saved_plan_is_held_to_the_globs_without_a_catalog() {
    let pair = several();
    let regsync = mirrors(&pair, &[("team/*-app", "mirror/{name}"), ("team/deep/*", "mirror/{repository}")]);
    regsync.run(["plan", "-o", "plan.json"]).assert_status(0);
    let plan = regsync.read("plan.json");
    pair.clear_logs();
    let target = |name: &str| pair.target.reference(name);
    // What another repository, or another glob, would get.
    for other in ["mirror/c-app", "mirror/team/b-app"] {
        let planted = plan.replace(&target("mirror/b-app"), &target(other));
        regsync.write("plan.json", &planted);
        let told = regsync.run(["apply", "plan.json"]).assert_status(65).stderr.clone();
        let ids = told.split_once("steps have the id ").and_then(|(_, rest)| rest.split_once(", but it says "));
        let (its_own, stated) = ids.unwrap();
        let stated = stated.lines().next().unwrap();
        regsync.write("plan.json", planted.replace(stated, its_own));
        let refused = regsync.run(["apply", "plan.json"]);
        assert!(refused.assert_status(65).stderr.contains("no mirror"), "{}", refused.transcript());
    }
    regsync.write("plan.json", plan);
    regsync.run(["apply", "plan.json"]).assert_status(0);
    assert_eq!(pair.target.repositories(), ["mirror/b-app", "mirror/c-app", "mirror/team/deep/d-app"]);
    assert_eq!(pair.source.count("GET", "/v2/_catalog"), 0);
}

#[test]
fn a_catalog_is_read_once_for_all_globs_of_a_host() {
    let pair = several();
    let regsync =
        mirrors(&pair, &[("team/*-app", "one/{name}"), ("other/*", "two/{name}"), ("**", "all/{repository}")]);
    regsync.run(["plan", "--sizes", "never"]).assert_status(0);
    assert_eq!(pair.source.count("GET", "/v2/_catalog"), 1);
    assert_eq!(pair.source.count("HEAD", "/manifests/"), 5);
    assert_eq!(pair.target.count("GET", "/v2/_catalog"), 0);
    pair.assert_read_only();
}

#[test]
fn all_pages_of_a_catalog_are_read() {
    let pair = several_with(Options { page_size: 2, ..Options::default() });
    let planned = mirrors(&pair, &[("**", "{repository}")]).run(["plan", "--format", "json"]);
    assert_eq!(steps(&planned.assert_status(0).json()).len(), 5);
    assert_eq!(pair.source.count("GET", "/v2/_catalog"), 3);
}

#[test]
fn a_catalog_in_a_layout_gets_a_directory_for_each_repository() {
    let pair = several();
    let yaml = format!(
        "version: 1\nmirrors:\n  - source: {}\n    target: oci:mirror/{{repository}}\n    tags: [\"1\"]\n",
        pair.source.reference("team/*")
    );
    let regsync = Regsync::new().config(&yaml);
    regsync.run(["apply"]).assert_status(0);
    assert!(regsync.path("mirror/team/a/oci-layout").is_file());
    assert!(regsync.path("mirror/team/c-app/oci-layout").is_file());
    assert!(!regsync.path("mirror/team/name").exists(), "the example is no repository");
}

#[cfg(unix)]
#[test]
fn a_link_where_a_layout_would_be_is_refused() {
    let pair = several();
    let elsewhere = Regsync::new();
    let yaml = format!(
        "version: 1\nmirrors:\n  - source: {}\n    target: oci:mirror/{{name}}\n    tags: [\"1\"]\n",
        pair.source.reference("team/*")
    );
    let regsync = Regsync::new().config(&yaml).file("mirror/keep", "");
    std::os::unix::fs::symlink(elsewhere.path(""), regsync.path("mirror/b-app")).unwrap();
    let refused = regsync.run(["apply"]);
    assert!(refused.assert_status(65).stderr.contains("E_LAYOUT_PATH"), "{}", refused.transcript());
    assert_eq!(std::fs::read_dir(elsewhere.path("")).unwrap().count(), 0);
    pair.source.assert_read_only();
}

#[test]
fn a_catalog_that_is_refused_is_an_error_with_the_alternative() {
    let refusals = [
        ("404", Fault::Reply(Answer::error(404, "UNSUPPORTED", "no such endpoint"))),
        ("401", Fault::Reply(Answer::error(401, "UNAUTHORIZED", "authentication required"))),
        ("403", Fault::Reply(Answer::error(403, "DENIED", "requested access to the resource is denied"))),
        ("405", Fault::status(405)),
        ("html", Fault::html()),
        ("junk", Fault::ReplaceBody("{\"repositories\":[\"team/a".into())),
        ("tags", Fault::ReplaceBody("{\"tags\":[]}".into())),
    ];
    for (name, fault) in refusals {
        let pair = several();
        pair.source.fault(Match::new("GET", "/v2/_catalog"), fault);
        let regsync = mirrors(&pair, &[("team/*", "mirror/{name}")]);
        let planned = regsync.run(["plan", "--format", "json"]).assert_status(1).json();
        assert_eq!(planned["complete"], false, "{name}: {planned:#}");
        let step = &planned["steps"][0];
        assert!(matches!(step["reason"].as_str(), Some("list-failed" | "no-credentials")), "{name}: {step:#}");
        let message = step["message"].as_str().unwrap();
        assert!(
            message.ends_with(&format!("nothing is mirrored to {}/mirror/{{name}}", pair.target.host())),
            "{message}"
        );
        if name.starts_with('4') {
            let hint = step["error"]["hint"].as_str().unwrap_or_default();
            assert!(hint.contains("name the repositories"), "{name}: {step:#}");
        }
        regsync.run(["apply"]).assert_status(1);
        pair.assert_read_only();
    }
}

#[test]
fn nothing_that_matches_is_an_error_or_a_warning_as_asked() {
    let pair = several();
    let regsync = mirrors(&pair, &[("team/x*", "mirror/{name}"), ("other/*", "mirror/{name}")]);
    let planned = regsync.run(["plan"]);
    insta::assert_snapshot!(planned.assert_status(1).transcript());
    let yaml = regsync.read("regsync.yaml") + "    on-empty: warn\n";
    let lenient = pair.regsync(&[]).config(&yaml.replace("/other/*", "/none/*").replace("/team/x*", "/team/a*"));
    let planned = lenient.run(["plan", "--format", "json"]).assert_status(0).json();
    assert_eq!(planned["warnings"].as_array().unwrap().len(), 1, "{planned:#}");
    assert_eq!(steps(&planned), ["mirror/a:1 copy new"]);
    pair.assert_read_only();
}

#[test]
fn names_that_no_repository_has_are_dropped_and_counted() {
    let pair = several();
    let names = r#"{"repositories":["team/a","team/../../etc","team/A","team/a","","team/x y",null,"team/\u001b[2J"]}"#;
    pair.source.fault(Match::new("GET", "/v2/_catalog"), Fault::ReplaceBody(names.into()));
    let regsync = mirrors(&pair, &[("team/*", "mirror/{name}"), ("team/a*", "again/{name}")]);
    let planned = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
    assert_eq!(steps(&planned), ["mirror/a:1 copy new", "again/a:1 copy new"]);
    let warnings = planned["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].to_string().contains("5 names"), "{}", warnings[0]);
}

#[test]
fn a_link_to_another_host_is_not_followed() {
    let pair = several();
    let other = FakeRegistry::start();
    let next = format!("<http://{}/v2/_catalog?last=x>; rel=\"next\"", other.host());
    let page = Answer::status(200).json(&serde_json::json!({"repositories": ["team/a"]})).header("Link", next);
    pair.source.fault(Match::new("GET", "/v2/_catalog"), Fault::Reply(page));
    let planned = mirrors(&pair, &[("team/*", "mirror/{name}")]).run(["plan", "--format", "json"]);
    assert_eq!(planned.assert_status(1).json()["steps"][0]["error"]["code"], "E_BOUNDARY");
    assert_eq!(other.count("GET", ""), 0);
}

#[test]
fn pages_that_lead_in_circles_are_no_catalog() {
    let pair = several();
    let page = Answer::status(200).json(&serde_json::json!({"repositories": ["team/a"]}));
    let page = page.header("Link", "</v2/_catalog?n=1&last=x>; rel=\"next\"");
    pair.source.fault(Match::new("GET", "/v2/_catalog"), Fault::Reply(page));
    let planned = mirrors(&pair, &[("team/*", "mirror/{name}")]).run(["plan", "--format", "json"]);
    assert_eq!(planned.assert_status(1).json()["steps"][0]["error"]["code"], "E_PROTOCOL");
    assert!(pair.source.count("GET", "/v2/_catalog") <= 3);
}

#[test]
fn a_catalog_is_asked_for_with_a_scope_of_its_own() {
    let account = Account::new("robot", "CANARY-catalog", Access::Pull);
    let issuer = Issuer::new(IssuerOptions { accounts: vec![account], ..IssuerOptions::default() });
    let pair = several_with(Options { auth: Auth::bearer(&issuer), ..Options::default() });
    let variable = format!("REGSYNC_AUTH_{}", pair.source.host().replace('.', "_").replace(':', "___"));
    let regsync = mirrors(&pair, &[("team/*", "mirror/{name}")]).env(&variable, "robot:CANARY-catalog");
    let planned = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
    assert_eq!(steps(&planned).len(), 3, "{planned:#}");
    assert!(issuer.token_requests().iter().any(|request| request.scopes == ["registry:catalog:*"]));
}

#[test]
fn a_scope_without_targets_of_a_glob_asks_for_no_catalog() {
    let pair = several();
    let regsync = mirrors(&pair, &[("team/*", "mirror/{name}"), ("other/e-app", "plain")]);
    let only = pair.target.reference("plain");
    let planned = regsync.run(["plan", "--format", "json", "--only", &only]).assert_status(0).json();
    assert_eq!(steps(&planned), ["plain:1 copy new"]);
    assert_eq!(pair.source.count("GET", "/v2/_catalog"), 0);
    let only = pair.target.reference("mirror/a");
    let planned = regsync.run(["plan", "--format", "json", "--only", &only]).assert_status(0).json();
    assert_eq!(steps(&planned), ["mirror/a:1 copy new"]);
}

#[test]
fn two_repositories_for_one_target_are_a_conflict() {
    let pair = several();
    zoo::artifact("another").push_to(&pair.source, "other/a", "1");
    let planned = mirrors(&pair, &[("*/a", "mirror/{name}")]).run(["plan", "--format", "json"]).assert_status(5).json();
    assert_eq!(steps(&planned), ["mirror/a:1 blocked conflict E_CONFLICT", "mirror/a:1 blocked conflict E_CONFLICT"]);
    // Both stand in one line of the file.
    let message = planned["steps"][0]["message"].as_str().unwrap();
    assert!(message.contains(&format!("{}:1", pair.source.reference("team/a"))), "{message}");
}

#[test]
fn explain_knows_what_a_glob_stands_for() {
    let pair = several();
    let regsync = mirrors(&pair, &[("team/*-app", "mirror/{name}")]);
    let source = regsync.run(["explain", &format!("{}:1", pair.source.reference("team/b-app"))]);
    assert!(source.assert_status(0).stdout.contains("1 is selected"), "{}", source.transcript());
    assert_eq!(pair.source.count("GET", "/v2/_catalog"), 0, "a source says itself that it matches");
    let target = regsync.run(["explain", &format!("{}:1", pair.target.reference("mirror/c-app"))]);
    assert!(target.assert_status(0).stdout.contains("team/c-app"), "{}", target.transcript());
    let none = regsync.run(["explain", &pair.target.reference("mirror/zzz")]);
    assert!(none.assert_status(1).stderr.contains("is no source and no target"), "{}", none.transcript());
}

#[test]
fn a_name_that_no_target_can_have_is_an_error_and_the_others_are_copied() {
    let pair = several();
    let long = format!("team/{}-app", "l".repeat(100));
    zoo::artifact("long").push_to(&pair.source, &long, "1");
    let target = format!("{}/{{name}}", "p".repeat(200));
    let regsync = mirrors(&pair, &[("team/*-app", &target)]);
    let applied = regsync.run(["apply", "--format", "json"]).assert_status(3).json();
    let outcomes: Vec<_> = applied["steps"].as_array().unwrap().iter().map(|step| &step["outcome"]).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "copied").count(), 2, "{applied:#}");
    let failed = applied["steps"].as_array().unwrap().iter().find(|step| step["outcome"] == "failed").unwrap();
    assert_eq!((&failed["reason"], &failed["error"]["code"]), (&"unsupported".into(), &"E_UNSUPPORTED".into()));
    let message = failed["message"].as_str().unwrap();
    assert!(message.contains(&long) && message.contains("too long"), "{message}");
    // Whatever stands beside the placeholder is looked at before anything is asked.
    for target in ["mirror/{name}-", "mirror/-{name}", "mirror//{name}", "Mirror/{repository}", "mirror/{name}/../x"] {
        let requests = pair.source.requests().len();
        let refused = mirrors(&pair, &[("team/*-app", target)]).run(["plan"]);
        refused.assert_status(65);
        assert_eq!(pair.source.requests().len(), requests, "{target}");
    }
}

#[test]
fn auth_check_asks_the_hosts_of_globs() {
    let pair = several();
    let regsync = mirrors(&pair, &[("team/*-app", "mirror/{name}")]);
    let checked = regsync.run(["auth", "check"]);
    let text = &checked.assert_status(0).stdout;
    for host in [pair.source.host(), pair.target.host()] {
        assert!(text.contains(&host), "{text}");
    }
    assert!(!text.contains("mirror/name") && !text.contains("team/name"), "the example is no repository: {text}");
    assert_eq!(pair.source.count("GET", "/v2/_catalog"), 0, "which repositories there are is not asked");
    pair.assert_read_only();
}
