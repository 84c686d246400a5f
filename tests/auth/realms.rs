//! Which token realms see a credential: by their names, behind a proxy that knows them all, and by the word of the environment.

use std::sync::Arc;

use crate::support::canary::canary;
use crate::support::harness::{Output, Regsync};
use crate::support::identity::{Service, in_variable};
use crate::support::images::zoo;
use crate::support::proxy::ForwardProxy;
use crate::support::registry::{Auth, FakeRegistry, Options};
use crate::support::server::{Fault, Match};
use crate::support::tls::TestCa;
use crate::support::token::{Access, Account, Issuer, IssuerOptions};

/// A registry and a realm under names of their own, over TLS. Whose the realm is, the tripwire knows.
struct Scene {
    registry: String,
    source: FakeRegistry,
    realm: Service,
    issuer: Arc<Issuer>,
    proxy: ForwardProxy,
    ca: TestCa,
}

fn host_of(place: &str) -> &str {
    place.split(':').next().unwrap()
}

impl Scene {
    /// `realm` is a host, perhaps with a port; `honest` where it may see the password.
    fn new(registry: &str, realm: &str, honest: bool) -> Self {
        let (ca, password) = (TestCa::new(), canary("realms"));
        let account = Account::new("mirror", &password, Access::Pull);
        let options = IssuerOptions { accounts: vec![account], anonymous: Access::Pull, ..IssuerOptions::default() };
        let issuer = Issuer::new(options);
        let asked = Arc::clone(&issuer);
        let tls = Some(ca.server_named(&[host_of(realm)]));
        let service = Service::start_over(tls, move |call| asked.answer(call));
        if honest {
            issuer.serves(&service.host());
        }
        let auth = Auth::Bearer { issuer: Arc::clone(&issuer), realm: Some(format!("https://{realm}/token")) };
        let api = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
        let tls = Some(ca.server_named(&[host_of(api)]));
        let source = FakeRegistry::with(Options { auth, tls, ..Options::default() });
        zoo::single("realms").push_to(&source, "acme/app", "1");
        let (to_source, to_realm) = (source.host(), service.host());
        let routes = [(host_of(api), to_source.as_str()), (host_of(realm), &to_realm)];
        let proxy = ForwardProxy::routing(&routes, None);
        Self { registry: registry.to_owned(), source, realm: service, issuer, proxy, ca }
    }

    fn regsync(&self) -> Regsync {
        let yaml =
            format!("version: 1\nmirrors:\n  - {{ source: \"{}/acme/app:1\", target: oci:out }}\n", self.registry);
        let regsync = Regsync::new().config(&yaml).file("ca.pem", self.ca.pem());
        let trusted = regsync.path("ca.pem");
        let regsync = regsync.env("SSL_CERT_FILE", trusted.to_str().unwrap());
        regsync.env("HTTPS_PROXY", &format!("http://{}", self.proxy.host()))
    }

    fn with_login(&self) -> Regsync {
        let variable = format!("REGSYNC_AUTH_{}", in_variable(&self.registry));
        self.regsync().env(&variable, &format!("mirror:{}", canary("realms")))
    }

    #[track_caller]
    fn works(&self, regsync: &Regsync) {
        regsync.run(["apply"]).assert_status(0);
        let users: Vec<_> = self.issuer.token_requests().into_iter().map(|request| request.user).collect();
        assert!(!users.is_empty() && users.iter().all(|user| user.as_deref() == Some("mirror")), "{users:?}");
    }

    /// Fails before a connection to the realm is made. Gives back the error's hint.
    #[track_caller]
    fn is_refused(&self, regsync: &Regsync) -> String {
        let output: Output = regsync.run(["plan", "--format", "json"]);
        let error = output.assert_status(1).json()["steps"][0]["error"].clone();
        assert_eq!(error["code"], "E_BOUNDARY", "{error:#}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("no credential was sent there"), "{error:#}");
        assert!(self.realm.requests().is_empty(), "{}", self.realm.request_log(&[]));
        let led: Vec<String> = self.proxy.heads();
        assert_eq!(led.len(), 1, "only to the registry: {led:?}");
        error["hint"].as_str().unwrap_or_default().to_owned()
    }
}

#[test]
fn realms_that_are_the_registrys_own_get_its_credential() {
    for (registry, realm) in [
        ("docker.io", "auth.docker.io"),
        ("registry.gitlab.com", "gitlab.com"),
        ("registry.digitalocean.com", "api.digitalocean.com"),
        ("rg.fr-par.scw.cloud", "api.scaleway.com"),
        ("registry.cn-shanghai.aliyuncs.com", "dockerauth.cn-hangzhou.aliyuncs.com"),
        ("registry.example.com:5000", "auth.example.com"),
    ] {
        let scene = Scene::new(registry, realm, true);
        scene.works(&scene.with_login());
    }
}

#[test]
fn realms_of_others_are_not_even_connected_to() {
    for (registry, realm) in [
        ("docker.io", "evil.example"),
        ("docker.io", "auth.docker.io.evil.example"),
        ("docker.io", "auth.docker.io:8443"),
        ("docker.io", "evildocker.io"),
        ("docker.io", "203.0.113.7"),
        ("acme.azurecr.io", "evil.azurecr.io"),
        ("acme.jfrog.io", "acme.jfrog.io.evil.example"),
        ("example.co.uk", "evil.co.uk"),
    ] {
        let scene = Scene::new(registry, realm, false);
        let hint = scene.is_refused(&scene.with_login());
        let host = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
        assert!(hint.contains(&format!("REGSYNC_TRUSTED_REALMS={host}={realm}")), "{registry} {realm}: {hint}");
    }
}

/// What is refused, and what to do about it, as people see it.
#[test]
fn a_check_says_how_a_realm_is_bound() {
    let scene = Scene::new("registry.example.com", "tokens.example", false);
    let output = scene.with_login().run(["auth", "check"]);
    output.assert_status(1);
    for words in ["https://tokens.example", "https://registry.example.com", "REGSYNC_TRUSTED_REALMS="] {
        assert!(output.stdout.contains(words), "{words}: {}", output.stdout);
    }
}

#[test]
fn the_environment_binds_a_realm_to_a_registry() {
    let lists = [
        "registry.example.com=tokens.example",
        "docker.io=auth.example, registry.example.com=other.example\nregistry.example.com=TOKENS.example:443",
    ];
    for list in lists {
        let scene = Scene::new("registry.example.com", "tokens.example", true);
        scene.works(&scene.with_login().env("REGSYNC_TRUSTED_REALMS", list));
    }
    for list in [
        "other.example=tokens.example",
        "registry.example.com=tokens.example:8443",
        "tokens.example=registry.example.com",
    ] {
        let scene = Scene::new("registry.example.com", "tokens.example", false);
        scene.is_refused(&scene.with_login().env("REGSYNC_TRUSTED_REALMS", list));
    }
}

#[test]
fn a_binding_that_cannot_be_read_stops_everything() {
    let scene = Scene::new("registry.example.com", "tokens.example", false);
    for list in [
        "tokens.example",
        "https://registry.example.com=tokens.example",
        "registry.example.com=https://tokens.example/",
    ] {
        let output = scene.with_login().env("REGSYNC_TRUSTED_REALMS", list).run(["plan"]);
        assert!(output.assert_status(64).stderr.contains("REGSYNC_TRUSTED_REALMS"), "{}", output.stderr);
    }
    assert!(scene.proxy.heads().is_empty());
}

#[test]
fn whoever_has_no_credential_may_ask_any_realm() {
    let scene = Scene::new("registry.example.com", "tokens.example", true);
    scene.regsync().run(["apply"]).assert_status(0);
    assert!(scene.issuer.token_requests().iter().all(|request| request.user.is_none()));
    scene.realm.assert_no_authorization();
}

#[test]
fn a_realm_that_sends_a_credential_on_is_not_followed() {
    for to in
        ["https://tokens.example/token", "https://registry.example.com/token", "https://auth.example.com:8443/token"]
    {
        let scene = Scene::new("registry.example.com", "auth.example.com", true);
        scene.realm.fault(Match::new("*", "/token"), Fault::Redirect { status: 307, to: to.to_owned() });
        let output = scene.with_login().run(["plan", "--format", "json"]);
        let error = output.assert_status(1).json()["steps"][0]["error"].clone();
        assert_eq!(error["code"], "E_BOUNDARY", "{error:#}");
        assert!(error["message"].as_str().unwrap().contains("nothing was sent there"), "{error:#}");
        assert_eq!(scene.realm.requests().len(), 1, "{}", scene.realm.request_log(&[]));
        assert_eq!(scene.source.count("*", "/token"), 0);
    }
}
