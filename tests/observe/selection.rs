//! Which tags are looked at, and which hosts are left in peace.

use crate::support::images::zoo;
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::{Answer, Fault, Match, refusing_host};
use crate::support::stage::{Mirror, Pair, steps};

fn three_tags() -> Pair {
    let pair = Pair::start();
    for tag in ["3.9", "3.20", "4.0"] {
        zoo::artifact(tag).push_to(&pair.source, "app", tag);
    }
    pair
}

#[test]
fn a_glob_takes_what_it_matches_from_all_pages() {
    let pair = Pair::with(Options { page_size: 3, ..Options::default() }, Options::default());
    for tag in ["1.0", "2.0", "3.20", "3.9", "4.0"] {
        zoo::artifact(tag).push_to(&pair.source, "app", tag);
    }
    let regsync = pair.regsync(&[pair.mirror("app", &["3.*"])]);
    regsync.run(["apply"]).assert_status(0);
    assert_eq!(pair.target.store.tags("app"), ["3.20", "3.9"]);
    assert_eq!(pair.source.count("GET", "/tags/list"), 2);
}

#[test]
fn a_glob_that_matches_nothing_is_an_error_or_a_warning_as_asked() {
    let pair = three_tags();
    let error = pair.regsync(&[pair.mirror("app", &["9.*"])]);
    let planned = error.run(["plan", "--detailed-exitcode"]);
    insta::assert_snapshot!(planned.assert_status(1).transcript(), @r"
    exit: 1
    --- stdout
    regsync.yaml: 0 tags, 1 mirror

    regsync.yaml:3
      ! E_NOTHING_SELECTED source: nothing to mirror from [SOURCE]/app to [TARGET]/app: none of its 3 tags fits, 4.0 for example
        help: check `tags`, with `regsync explain`; `on-empty: warn` makes this a warning

    Plan: 0 to copy, 0 to update, 0 up to date, 0 blocked, 1 error. Nothing to transfer.
    --- stderr
    reading sources and targets
    ");
    let applied = error.run(["apply", "--format", "json"]);
    assert_eq!(steps(&applied.assert_status(1).json()), ["- failed nothing-selected E_NOTHING_SELECTED"]);
    let warning = pair.regsync(&[pair.mirror("app", &["9.*"]).with("on-empty: warn")]);
    let planned = warning.run(["plan", "--format", "json", "--detailed-exitcode"]);
    let document = planned.assert_status(0).json();
    assert!(steps(&document).is_empty());
    assert_eq!(document["warnings"].as_array().unwrap().len(), 1);
    pair.assert_read_only();
}

#[test]
fn a_list_that_failed_is_never_an_empty_one() {
    let refusals = [
        ("404", Fault::Reply(Answer::error(404, "NAME_UNKNOWN", "repository name not known to registry"))),
        ("403", Fault::Reply(Answer::error(403, "DENIED", "requested access to the resource is denied"))),
        ("418", Fault::status(418)),
        ("html", Fault::html()),
        ("junk", Fault::ReplaceBody("{\"name\":\"app\"".into())),
    ];
    for (name, fault) in refusals {
        let pair = three_tags();
        pair.source.fault(Match::new("GET", "/tags/list"), fault);
        // Even where an empty selection were only worth a warning.
        let regsync = pair.regsync(&[pair.mirror("app", &["9.*"]).with("on-empty: warn")]);
        let planned = regsync.run(["plan", "--format", "json"]);
        let document = planned.assert_status(1).json();
        assert_eq!(document["steps"][0]["reason"], "list-failed", "{name}: {document:#}");
        assert_eq!(document["complete"], false, "{name}");
        let message = document["steps"][0]["message"].as_str().unwrap();
        assert!(message.ends_with(&format!("nothing is mirrored to {}/app", pair.target.host())), "{message}");
        regsync.run(["apply"]).assert_status(1);
        pair.assert_read_only();
    }
}

#[test]
fn a_list_that_stays_unavailable_is_tried_again_and_then_an_error() {
    let pair = three_tags();
    pair.source.fault(Match::new("GET", "/tags/list"), Fault::status(500));
    let planned = pair.regsync(&[pair.mirror("app", &["*"])]).run(["plan", "--format", "json"]);
    let document = planned.assert_status(1).json();
    assert_eq!(document["steps"][0]["error"]["code"], "E_UNAVAILABLE", "{document:#}");
    assert_eq!(document["steps"][0]["error"]["status"], 500);
    assert!(pair.source.count("GET", "/tags/list") > 1, "a 500 is tried again");
}

#[test]
fn a_page_that_failed_is_not_the_last_one() {
    let pair = Pair::with(Options { page_size: 1, ..Options::default() }, Options::default());
    for tag in ["1", "2", "3"] {
        zoo::artifact(tag).push_to(&pair.source, "app", tag);
    }
    pair.source.fault(Match::new("GET", "/tags/list").from(2), Fault::status(403));
    let planned = pair.regsync(&[pair.mirror("app", &["*"])]).run(["plan", "--format", "json"]);
    assert_eq!(steps(&planned.assert_status(1).json()), ["- error list-failed E_DENIED"]);
}

#[test]
fn a_tag_that_is_named_and_absent_is_an_error_and_the_others_are_copied() {
    let pair = three_tags();
    let regsync = pair.regsync(&[pair.mirror("app", &["3.9", "5.0"])]);
    regsync.run(["plan"]).assert_status(1);
    let applied = regsync.run(["apply", "--format", "json"]);
    let expected = ["app:3.9 copied new", "app:5.0 failed source-missing E_NOT_FOUND"];
    assert_eq!(steps(&applied.assert_status(3).json()), expected);
    assert_eq!(pair.target.store.tags("app"), ["3.9"]);
}

#[test]
fn a_target_without_the_repository_lacks_the_tag() {
    let pair = three_tags();
    let regsync = pair.regsync(&[pair.mirror_to("app", "not/there/yet", &["4.0"])]);
    let planned = regsync.run(["plan", "--format", "json", "--detailed-exitcode"]);
    assert_eq!(steps(&planned.assert_status(2).json()), ["not/there/yet:4.0 copy new"]);
}

#[test]
fn what_is_not_selected_costs_no_request() {
    let pair = three_tags();
    let (idle_source, idle_target) = (FakeRegistry::start(), FakeRegistry::start());
    let idle = Mirror::new(&idle_source.reference("lib"), &[&idle_target.reference("lib")], &["*"]);
    let dead = Mirror::new(&format!("{}/lib", refusing_host()), &[&pair.target.reference("lib")], &["1"]);
    let regsync = pair.regsync(&[pair.mirror("app", &["3.9", "4.0"]), idle, dead]);
    let only = format!("{}:4.0", pair.target.reference("app"));
    let applied = regsync.run(["apply", "--only", &only, "--format", "json"]);
    assert_eq!(steps(&applied.assert_status(0).json()), ["app:4.0 copied new"]);
    let (idle_lib, lib) = (format!("{}/**", idle_target.host()), format!("{}:*", pair.target.reference("lib")));
    let others = ["plan", "--exclude", &only, "--exclude", &idle_lib, "--exclude", &lib, "--format", "json"];
    assert_eq!(steps(&regsync.run(others).assert_status(0).json()), ["app:3.9 copy new"]);
    assert!(idle_source.requests().is_empty() && idle_target.requests().is_empty());
    assert_eq!(pair.source.count("*", "/manifests/3.9"), 1, "only the second run looks at it");
    assert_eq!(pair.target.count("*", "/v2/lib/"), 0);
}

#[test]
fn a_glob_in_the_scope_that_is_none_is_wrong_usage() {
    let pair = three_tags();
    let regsync = pair.regsync(&[pair.mirror("app", &["*"])]);
    regsync.run(["plan", "--only", "a[b"]).assert_status(64);
    assert!(pair.source.requests().is_empty());
}

/// One set of globs may serve several configurations: it is said, and no error.
#[test]
fn a_part_that_is_not_there_is_a_warning() {
    let pair = three_tags();
    let regsync = pair.regsync(&[pair.mirror("app", &["3.9"])]);
    let planned = regsync.run(["plan", "--only", "ghcr.io/acme/ap"]);
    insta::assert_snapshot!(planned.assert_status(0).transcript(), @r"
    exit: 0
    --- stdout
    warning: --only ghcr.io/acme/ap matches no target of the configuration

    No changes. regsync.yaml selects no tag (only ghcr.io/acme/ap).
    --- stderr
    reading sources and targets
    ");
    let document = regsync.run(["plan", "--only", "ghcr.io/acme/ap", "--format", "json"]).assert_status(0).json();
    assert_eq!(document["warnings"][0]["message"], "--only ghcr.io/acme/ap matches no target of the configuration");
    assert!(document["warnings"][0]["location"].is_null());
}
