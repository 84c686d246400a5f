//! `plan` writes nothing: no request but GET and HEAD, no directory, no file it was not told to write.

use std::fs;

use crate::support::images::{write_layout, zoo};
use crate::support::registry::{Auth, Options};
use crate::support::stage::{Mirror, Pair};
use crate::support::token::{Access, Account, IssuerOptions, TokenServer};

#[test]
fn a_plan_with_everything_in_it_only_reads() {
    let pair = Pair::start();
    for (name, image) in zoo::all("plan") {
        image.push_to(&pair.source, "zoo", name);
    }
    zoo::single("older").push_to(&pair.target, "zoo", "single");
    let mirrors = [pair.mirror("zoo", &["*"]), pair.mirror("nothing", &["*"]), pair.mirror("zoo2", &["1"])];
    let regsync = pair.regsync(&mirrors);
    for sizes in ["always", "auto", "never"] {
        regsync.run(["plan", "-o", "plan.json", "--sizes", sizes]).assert_status(1);
    }
    pair.assert_read_only();
    pair.clear_logs();
    regsync.run(["plan", "--sizes", "never"]).assert_status(1);
    assert_eq!(pair.source.count("GET", "/manifests/"), 0, "sizes were not asked for");
    assert_eq!(pair.target.count("*", "/blobs/"), 0, "sizes were not asked for");
}

#[test]
fn a_plan_behind_a_token_server_asks_for_pull_alone() {
    let account = Account::new("mirror", "CANARY-plan", Access::PullPush);
    let tokens = TokenServer::start(IssuerOptions { accounts: vec![account], ..IssuerOptions::default() });
    let locked = Options { auth: Auth::bearer_at(&tokens), ..Options::default() };
    let pair = Pair::with(Options::default(), locked);
    zoo::index("plan").push_to(&pair.source, "app", "1");
    zoo::single("older").push_to(&pair.target, "app", "1");
    let variable = pair.target.host().replace('.', "_").replace(':', "___");
    let regsync = pair.regsync(&[pair.mirror("app", &["1"])]);
    let regsync = regsync.env(&format!("REGSYNC_AUTH_{variable}"), "mirror:CANARY-plan");
    regsync.run(["plan", "--detailed-exitcode"]).assert_status(2);
    pair.assert_read_only();
    for request in tokens.issuer().token_requests() {
        assert_eq!(request.scopes, ["repository:app:pull"], "{request:?}");
    }
}

#[test]
fn a_plan_leaves_the_place_of_a_target_layout_empty() {
    let pair = Pair::start();
    let image = zoo::index("layout");
    image.push_to(&pair.source, "app", "1");
    let mirror = Mirror::new(&pair.source.reference("app"), &["oci:out/app"], &["1"]);
    let regsync = pair.regsync(&[mirror]);
    regsync.run(["plan", "--detailed-exitcode"]).assert_status(2);
    assert!(!regsync.path("out").exists(), "the plan made a directory");
    // Nor does it touch one that is there.
    write_layout(&regsync.path("out/app"), &[(&zoo::single("older"), "1")]);
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(regsync.path("out/app")).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = (names(), regsync.read("out/app/index.json"));
    regsync.run(["plan", "--detailed-exitcode"]).assert_status(2);
    assert_eq!((names(), regsync.read("out/app/index.json")), before);
}

#[test]
fn two_plans_of_the_same_state_are_the_same_bytes() {
    let pair = Pair::start();
    for (name, image) in zoo::all("twice") {
        image.push_to(&pair.source, "zoo", name);
        image.push_to(&pair.source, "other", name);
    }
    let regsync = pair.regsync(&[pair.mirror("zoo", &["*"]), pair.mirror("other", &["s*", "index"])]);
    let plan = || {
        let mut document = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
        document["created_at"] = "now".into();
        document.to_string()
    };
    let first = plan();
    assert_eq!(first, plan());
}
