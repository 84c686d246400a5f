//! The promise for what is in place: one HEAD per side and tag, and nothing else.

use std::collections::BTreeMap;

use crate::support::images::zoo;
use crate::support::registry::{Auth, FakeRegistry, Options};
use crate::support::stage::{Mirror, Pair};
use crate::support::token::{Access, Account, Issuer, IssuerOptions};

const REPOSITORIES: usize = 20;
const TAGS: usize = 25;

fn repository(n: usize) -> String {
    format!("team/app-{n:02}")
}

fn tag(n: usize) -> String {
    format!("v1.{n}")
}

/// The same 500 tags over 20 repositories, straight into a registry's state.
fn fill(registry: &FakeRegistry) {
    for r in 0..REPOSITORIES {
        let image = zoo::index(&repository(r));
        image.push_to(registry, &repository(r), &tag(0));
        for t in 1..TAGS {
            registry.store.tag(&repository(r), &tag(t), image.digest());
        }
    }
}

/// Even repositories select by a glob, odd ones by name.
fn mirrors(pair: &Pair) -> Vec<Mirror> {
    let names: Vec<_> = (0..TAGS).map(tag).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mirror = |r: usize| pair.mirror(&repository(r), if r.is_multiple_of(2) { &["v1.*"] } else { &names });
    (0..REPOSITORIES).map(mirror).collect()
}

/// How often each kind of request was made, pings, token requests and refusals that led to one aside.
fn kinds(registry: &FakeRegistry) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for request in registry.requests() {
        let kind = match (request.method.as_str(), request.path.as_str(), request.status) {
            (_, "/v2/" | "/token", _) | (_, _, Some(401)) => continue,
            ("HEAD", path, Some(200)) if path.contains("/manifests/") => "HEAD manifest".to_owned(),
            ("GET", path, Some(200)) if path.ends_with("/tags/list") => "GET tags".to_owned(),
            _ => request.line(),
        };
        *kinds.entry(kind).or_insert(0) += 1;
    }
    kinds
}

#[track_caller]
fn assert_only_asked(pair: &Pair) {
    let of = |pairs: &[(&str, usize)]| pairs.iter().map(|(kind, n)| ((*kind).to_owned(), *n)).collect();
    let expected: BTreeMap<_, _> = of(&[("GET tags", REPOSITORIES / 2), ("HEAD manifest", REPOSITORIES * TAGS)]);
    assert_eq!(kinds(&pair.source), expected, "requests to the source");
    assert_eq!(kinds(&pair.target), of(&[("HEAD manifest", REPOSITORIES * TAGS)]), "requests to the target");
    let mut asked: Vec<_> = pair.target.requests().into_iter().filter(|request| request.status == Some(200)).collect();
    asked.retain(|request| request.method == "HEAD");
    asked.sort_by(|a, b| a.path.cmp(&b.path));
    asked.dedup_by(|a, b| a.path == b.path);
    assert_eq!(asked.len(), REPOSITORIES * TAGS, "each tag is asked for once");
}

#[test]
fn five_hundred_tags_in_sync_cost_one_head_per_side_and_tag() {
    let pair = Pair::start();
    fill(&pair.source);
    fill(&pair.target);
    let regsync = pair.regsync(&mirrors(&pair));
    let plan = regsync.run(["plan", "--detailed-exitcode"]);
    plan.assert_status(0);
    assert_eq!(plan.stdout, "No changes. 500 tags match regsync.yaml.\n");
    assert_only_asked(&pair);
    pair.clear_logs();
    regsync.run(["apply"]).assert_status(0);
    assert_only_asked(&pair);
}

#[test]
fn the_run_after_an_apply_from_nothing_costs_the_same() {
    let pair = Pair::start();
    fill(&pair.source);
    let regsync = pair.regsync(&mirrors(&pair));
    regsync.run(["apply", "--format", "json"]).assert_status(0);
    pair.target.assert_closed();
    pair.clear_logs();
    regsync.run(["apply"]).assert_status(0);
    assert_only_asked(&pair);
}

#[test]
fn tokens_are_asked_for_by_repository_and_not_by_tag() {
    let account = Account::new("mirror", "CANARY-in-sync", Access::PullPush);
    let issuer = Issuer::new(IssuerOptions { accounts: vec![account], ..IssuerOptions::default() });
    let locked = Options { auth: Auth::bearer(&issuer), ..Options::default() };
    let pair = Pair::with(Options::default(), locked);
    fill(&pair.source);
    fill(&pair.target);
    let variable = pair.target.host().replace('.', "_").replace(':', "___");
    let regsync = pair.regsync(&mirrors(&pair)).env(&format!("REGSYNC_AUTH_{variable}"), "mirror:CANARY-in-sync");
    regsync.run(["plan"]).assert_status(0);
    assert_only_asked(&pair);
    let tokens = issuer.token_requests().len();
    assert!(tokens <= REPOSITORIES, "{tokens} tokens for {REPOSITORIES} repositories");
    let refused = pair.target.requests().iter().filter(|request| request.status == Some(401)).count();
    assert!(refused <= REPOSITORIES, "{refused} requests without a token for {REPOSITORIES} repositories");
}
