//! A credential stays with the registry it is for, and with that registry's token realm.

use crate::support::canary::canary;
use crate::support::cdn::BlobCdn;
use crate::support::harness::Regsync;
use crate::support::images::zoo;
use crate::support::registry::{Auth, FakeRegistry, Options};
use crate::support::server::{Answer, Fault, Match, RecordedRequest};
use crate::support::stage::{Pair, steps};
use crate::support::token::{Access, Account, IssuerOptions, TokenServer};

/// Both registries want the same password.
fn locked() -> (Pair, String) {
    let password = canary("boundary");
    let options = || Options { auth: Auth::basic("mirror", &password), ..Options::default() };
    let pair = Pair::with(options(), options());
    zoo::index("boundary").push_to(&pair.source, "app", "1");
    (pair, password)
}

fn with_login(regsync: Regsync, registry: &FakeRegistry, password: &str) -> Regsync {
    let host = registry.host().replace('.', "_").replace(':', "___");
    regsync.env(&format!("REGSYNC_AUTH_{host}"), &format!("mirror:{password}"))
}

fn regsync(pair: &Pair, password: &str) -> Regsync {
    let regsync = pair.regsync(&[pair.mirror("app", &["1"])]);
    with_login(with_login(regsync, &pair.source, password), &pair.target, password)
}

#[test]
fn a_content_delivery_network_gets_no_credential() {
    let (pair, password) = locked();
    let cdn = BlobCdn::start();
    let to = cdn.serve_blobs_of(&pair.source.store);
    pair.source.fault(Match::new("GET", "/blobs/"), Fault::Redirect { status: 307, to });
    regsync(&pair, &password).run(["apply"]).assert_status(0);
    assert_eq!(cdn.requests().len(), zoo::index("boundary").blobs.len());
    cdn.assert_no_authorization();
    pair.target.assert_closed();
}

#[test]
fn a_content_delivery_network_behind_a_token_server_gets_no_token() {
    let password = canary("bearer");
    let account = Account::new("mirror", &password, Access::PullPush);
    let tokens = TokenServer::start(IssuerOptions { accounts: vec![account], ..IssuerOptions::default() });
    let pair = Pair::with(Options { auth: Auth::bearer_at(&tokens), ..Options::default() }, Options::default());
    zoo::index("bearer").push_to(&pair.source, "app", "1");
    let cdn = BlobCdn::start();
    let to = cdn.serve_blobs_of(&pair.source.store);
    pair.source.fault(Match::new("GET", "/blobs/"), Fault::Redirect { status: 302, to });
    let regsync = with_login(pair.regsync(&[pair.mirror("app", &["1"])]), &pair.source, &password);
    regsync.run(["apply"]).assert_status(0);
    cdn.assert_no_authorization();
    pair.target.assert_no_authorization();
    let basic =
        |request: &RecordedRequest| request.header("authorization").is_some_and(|value| value.starts_with("Basic "));
    assert!(!pair.source.requests().iter().any(basic), "the password belongs to the realm, not to the registry");
    assert!(tokens.requests().iter().all(basic));
}

#[test]
fn an_upload_that_goes_on_elsewhere_is_refused() {
    let (pair, password) = locked();
    let thief = FakeRegistry::start();
    let elsewhere = Answer::status(202).header("Location", format!("{}/v2/app/blobs/uploads/x?_state=1", thief.url()));
    pair.target.fault(Match::new("POST", "/blobs/uploads/"), Fault::Reply(elsewhere));
    let applied = regsync(&pair, &password).run(["apply", "--format", "json"]);
    assert_eq!(steps(&applied.assert_status(1).json()), ["app:1 failed new E_BOUNDARY"]);
    assert!(thief.requests().is_empty(), "{}", thief.request_log(&[]));
    assert!(pair.target.store.tags("app").is_empty());
}

#[test]
fn a_write_that_is_redirected_elsewhere_is_refused() {
    let (pair, password) = locked();
    let thief = FakeRegistry::start();
    let to = format!("{}/v2/app/manifests/1", thief.url());
    pair.target.fault(Match::new("PUT", "/manifests/1"), Fault::Redirect { status: 307, to });
    let applied = regsync(&pair, &password).run(["apply", "--format", "json"]);
    assert_eq!(steps(&applied.assert_status(1).json()), ["app:1 failed new E_BOUNDARY"]);
    assert!(thief.requests().is_empty(), "{}", thief.request_log(&[]));
}

#[test]
fn the_next_page_of_a_list_is_not_read_elsewhere() {
    let (pair, password) = locked();
    let thief = FakeRegistry::start();
    let link = format!("<{}/v2/app/tags/list?last=1>; rel=\"next\"", thief.url());
    pair.source.fault(Match::new("GET", "/tags/list"), Fault::SetHeader("Link", link));
    let globbed = pair.regsync(&[pair.mirror("app", &["*"])]);
    let globbed = with_login(with_login(globbed, &pair.source, &password), &pair.target, &password);
    let planned = globbed.run(["plan", "--format", "json"]);
    assert_eq!(steps(&planned.assert_status(1).json()), ["- error list-failed E_BOUNDARY"]);
    assert!(thief.requests().is_empty(), "{}", thief.request_log(&[]));
}

#[test]
fn a_realm_inside_the_network_is_refused_and_gets_no_password() {
    let (pair, password) = locked();
    for realm in ["http://169.254.169.254/token", "http://10.0.0.1/token", "file:///etc/passwd"] {
        pair.source.clear_faults();
        let challenge = format!("Bearer realm=\"{realm}\",service=\"x\",scope=\"repository:app:pull\"");
        let answer = Answer::error(401, "UNAUTHORIZED", "who are you").header("WWW-Authenticate", challenge);
        pair.source.fault(Match::new("*", "/v2/"), Fault::Reply(answer));
        let planned = regsync(&pair, &password).run(["plan", "--format", "json"]);
        let document = planned.assert_status(1).json();
        let code = document["steps"][0]["error"]["code"].as_str().unwrap();
        assert!(["E_BOUNDARY", "E_REDIRECT"].contains(&code), "{realm}: {document:#}");
    }
}

#[test]
fn a_redirect_to_another_registry_that_asks_for_a_password_gets_none() {
    let (pair, password) = locked();
    // The other one has the same password, as one account on two hosts would.
    let to = format!("{}/v2/app/blobs/{{digest}}", pair.target.url());
    pair.source.fault(Match::new("GET", "/blobs/"), Fault::Redirect { status: 307, to });
    let applied = regsync(&pair, &password).run(["apply", "--format", "json"]);
    assert_eq!(steps(&applied.assert_status(1).json()), ["app:1 failed new E_BOUNDARY"]);
    // Its own credential is shown to the target when it is asked as a target, which no GET of a blob is.
    let is_redirected = |request: &RecordedRequest| request.method == "GET" && request.path.contains("/blobs/");
    let gets = pair.target.requests().into_iter().filter(is_redirected);
    let shown = gets.filter(|request| request.header("authorization").is_some()).count();
    assert_eq!(shown, 0, "a credential went with a redirect");
}
