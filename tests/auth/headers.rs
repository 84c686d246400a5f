//! How long the heads of requests become with many repositories on one host.

use crate::support::canary::canary;
use crate::support::harness::Regsync;
use crate::support::identity::in_variable;
use crate::support::images::zoo;
use crate::support::registry::{Auth, FakeRegistry, Options};
use crate::support::server::RecordedRequest;
use crate::support::stage::{Mirror, yaml};
use crate::support::token::{Access, Account, IssuerOptions, TokenServer};

const REPOSITORIES: usize = 500;
/// What servers and proxies take of a header and of a request line, as they are shipped.
const LIMIT: usize = 8 * 1024;

/// The longest line of a request's head, in bytes.
fn longest(request: &RecordedRequest) -> usize {
    let first = format!("{} {} HTTP/1.1", request.method, request.target()).len();
    let headers = request.headers.iter().map(|(name, value)| format!("{name}: {value}").len());
    headers.chain([first]).max().unwrap()
}

/// No token is for more than one repository and the one that its blobs are mounted from: it would grow with each.
#[test]
fn five_hundred_repositories_on_one_host_keep_every_header_short() {
    let password = canary("headers");
    let account = Account::new("mirror", &password, Access::PullPush);
    let tokens = TokenServer::start(IssuerOptions { accounts: vec![account], ..IssuerOptions::default() });
    let auth = Auth::Bearer { issuer: tokens.issuer().clone(), realm: Some(tokens.realm()) };
    let registry = FakeRegistry::with(Options { auth, ..Options::default() });
    let image = zoo::single("headers");
    let name = |kind: &str, number: usize| format!("{kind}-{number}/{}", "long".repeat(50));
    let mirrors: Vec<Mirror> = (0..REPOSITORIES)
        .map(|number| {
            image.push_to(&registry, &name("from", number), "1");
            let target = registry.reference(&name("to", number));
            Mirror::new(&registry.reference(&name("from", number)), &[&target], &["1"])
        })
        .collect();
    registry.clear_log();
    let variable = format!("REGSYNC_AUTH_{}", in_variable(&registry.host()));
    let regsync = Regsync::new().config(&yaml(&mirrors)).env(&variable, &format!("mirror:{password}"));
    // A log of all that is done 500 times takes longer than doing it.
    let regsync = regsync.env("REGSYNC_LOG", "info");
    regsync.run(["apply", "-q"]).assert_status(0);
    let seen = [registry.requests(), tokens.requests()].concat();
    assert!(seen.len() > 4 * REPOSITORIES, "{} requests", seen.len());
    let worst = seen.iter().max_by_key(|request| longest(request)).unwrap();
    assert!(longest(worst) < LIMIT, "{} bytes: {}", longest(worst), worst.line());
    let asked = tokens.issuer().token_requests();
    let most = asked.iter().max_by_key(|request| request.scopes.len()).unwrap();
    assert!(asked.len() >= REPOSITORIES && most.scopes.len() <= 2, "{most:?}");
}
