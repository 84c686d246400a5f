//! Encryption is not optional once it was asked for: a certificate that is not trusted ends the conversation.

use crate::support::harness::Regsync;
use crate::support::images::zoo;
use crate::support::registry::{FakeRegistry, Options};
use crate::support::stage::{Mirror, Pair, steps, yaml};
use crate::support::tls::{ServerCertificate, TestCa};

/// A source that speaks TLS, and a configuration that trusts `trusted` for it.
fn place(pair: &Pair, source: &FakeRegistry, trusted: &TestCa, more: &str) -> Regsync {
    let registries = format!("registries:\n  \"{}\":\n    tls: {{ ca: ca.pem{more} }}\n", source.host());
    let mirror = Mirror::new(&source.reference("app"), &[&pair.target.reference("app")], &["1"]);
    let text = yaml(&[mirror]).replacen("mirrors:", &format!("{registries}mirrors:"), 1);
    pair.regsync(&[]).config(&text).file("ca.pem", trusted.pem())
}

fn with_tls(ca: &TestCa, certificate: ServerCertificate) -> FakeRegistry {
    let registry = FakeRegistry::with(Options { tls: Some(ca.server(certificate)), ..Options::default() });
    zoo::index("tls").push_to(&registry, "app", "1");
    registry
}

#[test]
fn an_authority_of_the_configuration_is_trusted() {
    let (pair, ca) = (Pair::start(), TestCa::new());
    let source = with_tls(&ca, ServerCertificate::Sound);
    place(&pair, &source, &ca, "").run(["apply"]).assert_status(0);
    assert_eq!(pair.target.tag_digest("app", "1").unwrap(), zoo::index("tls").digest());
    pair.target.assert_closed();
}

#[test]
fn an_unsound_certificate_is_an_error_and_nothing_is_asked_in_the_clear() {
    let (ca, stranger) = (TestCa::new(), TestCa::new());
    let cases = [
        ("unknown authority", ServerCertificate::Sound, &stranger),
        ("expired", ServerCertificate::Expired, &ca),
        ("wrong name", ServerCertificate::WrongName, &ca),
    ];
    for (name, certificate, trusted) in cases {
        let pair = Pair::start();
        let source = with_tls(&ca, certificate);
        let planned = place(&pair, &source, trusted, "").run(["plan", "--format", "json"]);
        let found = steps(&planned.assert_status(1).json());
        assert_eq!(found, ["app:1 error source-unreadable E_TLS"], "{name}");
        assert!(source.requests().is_empty(), "{name}: {}", source.request_log(&[]));
    }
}

#[test]
fn a_registry_without_encryption_is_not_talked_to_where_encryption_was_asked_for() {
    let (pair, ca) = (Pair::start(), TestCa::new());
    zoo::index("clear").push_to(&pair.source, "app", "1");
    let planned = place(&pair, &pair.source, &ca, "").run(["plan", "--format", "json"]);
    assert_eq!(steps(&planned.assert_status(1).json()), ["app:1 error source-unreadable E_TLS"]);
    assert!(pair.source.requests().is_empty(), "{}", pair.source.request_log(&[]));
}

#[test]
fn a_client_certificate_opens_a_registry_that_wants_one() {
    let (pair, ca) = (Pair::start(), TestCa::new());
    let tls = Some(ca.server_requiring_client_certificate());
    let source = FakeRegistry::with(Options { tls, ..Options::default() });
    zoo::index("client").push_to(&source, "app", "1");
    let refused = place(&pair, &source, &ca, "").run(["plan", "--format", "json"]);
    assert_eq!(refused.assert_status(1).json()["steps"][0]["reason"], "source-unreadable");
    let client = ca.client_pair();
    let regsync = place(&pair, &source, &ca, ", cert: client.pem, key: client.key");
    let regsync = regsync.file("client.pem", client.certificate).file("client.key", &client.key);
    let applied = regsync.run(["apply", "--log", "trace"]);
    applied.assert_status(0);
    let secret = client.key.lines().nth(1).unwrap();
    assert!(!applied.stderr.contains(secret), "the private key is in the log");
    assert_eq!(pair.target.tag_digest("app", "1").unwrap(), zoo::index("client").digest());
    // It is a credential: somebody from outside does not get to use it.
    let regsync = regsync.env("GITHUB_ACTIONS", "true").env("GITHUB_EVENT_NAME", "pull_request_target");
    let withheld = regsync.run(["plan", "--format", "json"]);
    assert_eq!(withheld.assert_status(1).json()["steps"][0]["reason"], "source-unreadable");
}
