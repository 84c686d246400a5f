//! Token services behind a proxy: it is asked for a tunnel, and told nothing that is for the service.

use serde_json::json;

use crate::support::canary::{PREFIX, canary, holds};
use crate::support::federation::Federation;
use crate::support::harness::{Output, Regsync};
use crate::support::identity::{form, in_variable};
use crate::support::proxy::ForwardProxy;
use crate::support::registry::FakeRegistry;
use crate::support::server::Answer;
use crate::support::tls::{ServerCertificate, TestCa};

const SETTINGS: &str = "{ organization: acme, connection-id: 11111111-2222-3333-4444-555555555555 }";

/// The service has a name that only the proxy knows.
struct Scene {
    federation: Federation,
    ca: TestCa,
    proxy: ForwardProxy,
}

impl Scene {
    fn new() -> Self {
        let ca = TestCa::new();
        let tls = ca.server(ServerCertificate::WrongName);
        let federation = Federation::encrypted(("docker-hub", SETTINGS), tls, |asked| {
            let of_proxy = |(name, value): &(String, String)| {
                name.to_ascii_lowercase().starts_with("proxy-") || holds(value, &canary("proxy"))
            };
            assert!(!asked.call.headers.iter().any(of_proxy), "the service is told of the proxy");
            asked.judge.expect(&form(asked.call)[2].1, "https://identity.docker.com");
            Answer::status(200).json(&json!({"access_token": asked.desk.issue("acme")}))
        });
        let proxy = ForwardProxy::start(&federation.service().host(), Some(&format!("clerk:{}", canary("proxy"))));
        Self { federation, ca, proxy }
    }

    /// `auth check` where the service is at `url`.
    fn check(&self, url: &str, more: impl FnOnce(Regsync) -> Regsync) -> Output {
        let endpoint = format!("REGSYNC_ENDPOINT_{}", in_variable(&self.federation.target.host()));
        let regsync = self.federation.job().file("ca.pem", self.ca.pem()).env(&endpoint, url);
        let ca = regsync.path("ca.pem");
        self.federation.check(&more(regsync.env("SSL_CERT_FILE", ca.to_str().unwrap())))
    }

    fn at_proxy(&self) -> String {
        format!("http://clerk:{}@{}", canary("proxy"), self.proxy.host())
    }

    /// What the proxy was told beside its own password.
    fn heads(&self) -> Vec<String> {
        let own = |line: &&str| !line.to_ascii_lowercase().starts_with("proxy-authorization:");
        let heads = self.proxy.heads();
        heads.iter().map(|head| head.lines().filter(own).collect::<Vec<_>>().join("\n")).collect()
    }
}

/// A name that no resolver can be asked for: only a proxy would take it.
fn unknown() -> String {
    format!("{}.example", "a".repeat(64))
}

/// The CI system and the registry are on this machine: they are asked past the proxy.
#[test]
fn an_exchange_goes_through_a_tunnel() {
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let scene = Scene::new();
        scene.check("https://other.example", |regsync| regsync.env(name, &scene.at_proxy())).assert_status(0);
        let heads = scene.heads();
        assert!(!heads.is_empty(), "{name}");
        for head in heads {
            assert!(head.starts_with("CONNECT other.example:443 "), "{name}: {head}");
            assert!(!head.to_ascii_lowercase().contains("authorization") && !holds(&head, PREFIX), "{name}: {head}");
        }
        assert_eq!((scene.federation.asked("/oauth/token").len(), scene.federation.ci.audiences().len()), (1, 1));
    }
}

/// A proxy for plain http would read all of it.
#[test]
fn nothing_goes_to_a_service_in_the_clear() {
    let scene = Scene::new();
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        let output = scene.check("http://other.example", |regsync| regsync.env(name, &scene.at_proxy()));
        assert!(output.assert_status(1).stdout.contains("is not https: nothing is sent there"), "{}", output.stdout);
    }
    assert_eq!(scene.proxy.heads().len() + scene.federation.ci.audiences().len(), 0);
}

#[test]
fn exceptions_are_asked_past_the_proxy() {
    let scene = Scene::new();
    let host = unknown();
    let check = |exceptions: &str| {
        let proxied = |regsync: Regsync| regsync.env("HTTPS_PROXY", &scene.at_proxy()).env("NO_PROXY", exceptions);
        scene.check(&format!("https://{host}"), proxied)
    };
    let output = check("localhost,.example");
    assert!(output.assert_status(1).stdout.contains("could not be asked"), "{}", output.stdout);
    assert_eq!(scene.proxy.heads().len(), 0);
    check("other.test").assert_status(1);
    let (heads, start) = (scene.heads(), format!("CONNECT {host}:443 "));
    assert!(!heads.is_empty() && heads.iter().all(|head| head.starts_with(&start)), "{heads:?}");
}

/// What answers there is the machine's own, and a proxy would be told as whom it acts.
#[test]
fn a_metadata_service_is_never_asked_through_a_proxy() {
    let proxy = ForwardProxy::start("127.0.0.1:1", None);
    let target = FakeRegistry::start();
    let services = [
        ("azure", "AZURE_POD_IDENTITY_AUTHORITY_HOST", format!("http://{}", unknown())),
        ("gcp", "GCE_METADATA_HOST", unknown()),
    ];
    for (provider, variable, place) in services {
        let mut regsync = Regsync::new().provider(&target, provider).env(variable, &place);
        for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
            regsync = regsync.env(name, &format!("http://{}", proxy.host()));
        }
        let output = regsync.run(["auth", "check", &target.host()]);
        assert!(output.assert_status(1).stdout.contains("could not be asked"), "{provider}: {}", output.stdout);
        assert_eq!(proxy.heads(), Vec::<String>::new(), "{provider}");
    }
}
