//! Google without a word in the configuration: the file that the environment names, and the metadata service.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use serde_json::{Value, json};

use crate::support::canary::canary;
use crate::support::harness::{Output, Regsync};
use crate::support::identity::{Actions, Desk, SUBJECT, Service, bearer, form, id_token};
use crate::support::images::zoo;
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::{Answer, Call, Fault, Match};
use crate::support::tripwire;

const USER: &str = "oauth2accesstoken";
const EMAIL: &str = "mirror@acme.iam.gserviceaccount.com";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const PROVIDER: &str = "projects/123456789/locations/global/workloadIdentityPools/ci/providers/github";

/// A source for everybody, and a target that takes what Google gives alone.
struct Scene {
    desk: Arc<Desk>,
    source: FakeRegistry,
    target: FakeRegistry,
}

impl Scene {
    fn new() -> Self {
        let desk = Desk::new();
        let target = FakeRegistry::with(Options { auth: desk.auth(), ..Options::default() });
        let source = FakeRegistry::start();
        zoo::index("seed").push_to(&source, "app", "1");
        Self { desk, source, target }
    }

    /// Whose configuration names no provider; who runs it says that the target is one of Google's.
    fn regsync(&self) -> Regsync {
        let (source, host) = (self.source.reference("app"), self.target.host());
        let yaml = format!("version: 1\nmirrors:\n  - {{ source: \"{source}:1\", target: {host}/app }}\n");
        Regsync::new().config(&yaml).provider(&self.target, "gcp")
    }

    fn with_file(&self, document: &Value) -> Regsync {
        let regsync = self.regsync().file("google.json", document.to_string());
        let path = regsync.path("google.json");
        regsync.env("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap())
    }

    fn check(&self, regsync: &Regsync) -> Output {
        regsync.run(["auth", "check", &self.target.host()])
    }

    fn assert_copied(&self, regsync: &Regsync) {
        regsync.run(["plan"]).assert_status(0);
        regsync.run(["apply"]).assert_status(0);
        assert!(self.target.tag_digest("app", "1").is_some());
        self.source.assert_no_authorization();
    }

    /// What ends in the middle of a copy is replaced there.
    fn assert_replaced(&self, regsync: &Regsync) {
        let desk = Arc::clone(&self.desk);
        self.target.before(Match::new("POST", "/blobs/uploads/").nth(2), move || desk.revoke_all());
        let issued = self.desk.issued().len();
        regsync.run(["apply"]).assert_status(0);
        assert!(self.target.tag_digest("app", "1").is_some());
        assert_eq!(self.desk.issued().len(), issued + 2);
    }
}

fn key_file(key: &KeyPair) -> Value {
    json!({
        "type": "service_account", "project_id": "acme", "private_key_id": "key-1", "private_key": key.serialize_pem(),
        "client_email": EMAIL, "client_id": "1", "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    })
}

/// Google's service for assertions: it knows the public key.
fn oauth(desk: &Arc<Desk>, key: &KeyPair) -> Service {
    let (desk, public) = (Arc::clone(desk), key.public_key_pem());
    Service::start(move |call| {
        assert_eq!((call.method.as_str(), call.path.as_str(), call.query.as_str()), ("POST", "/token", ""));
        let pairs = form(call);
        let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
        assert_eq!(pairs[0], ("grant_type".to_owned(), grant.to_owned()));
        assert_eq!((pairs.len(), pairs[1].0.as_str()), (2, "assertion"));
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&["https://oauth2.googleapis.com/token"]);
        validation.set_issuer(&[EMAIL]);
        let known = DecodingKey::from_rsa_pem(public.as_bytes()).unwrap();
        let assertion = jsonwebtoken::decode::<Value>(&pairs[1].1, &known, &validation).expect("signed by the key");
        assert_eq!(assertion.header.kid.as_deref(), Some("key-1"));
        let claims = assertion.claims;
        assert_eq!(claims["scope"], SCOPE);
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
        assert_eq!(claims.as_object().unwrap().len(), 5);
        Answer::status(200).json(&json!({"access_token": desk.issue(USER), "expires_in": 3599, "token_type": "Bearer"}))
    })
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap()
}

#[test]
fn a_service_account_s_key_signs_and_stays() {
    let (scene, key) = (Scene::new(), key());
    let oauth = oauth(&scene.desk, &key);
    let regsync = scene.with_file(&key_file(&key)).env("CLOUDSDK_AUTH_TOKEN_HOST", &format!("{}/token", oauth.url()));
    scene.assert_replaced(&regsync);
    let regsync = regsync.marked(&[&oauth, &scene.target]);
    regsync.run(["plan"]).assert_masked_first().assert_masked_at_first(&key.serialize_pem());
    scene.assert_copied(&regsync);
    let output = regsync.run(["plan", "-vvv"]);
    let body = key.serialize_pem().lines().nth(1).unwrap().to_owned();
    assert!(!output.stdout.contains(&body) && !output.stderr.contains(&body), "the key is shown");
    let output = scene.check(&regsync);
    assert!(output.assert_status(0).stdout.contains("GOOGLE_APPLICATION_CREDENTIALS"), "{}", output.stdout);
}

#[test]
fn each_refusal_of_a_key_says_what_to_do() {
    let cases = [
        ("Invalid JWT Signature.", "the key was deleted, has expired or is disabled"),
        ("Invalid grant: account not found", "see that the service account mirror@acme"),
        ("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.", "set the clock"),
    ];
    let key = key();
    for (words, advice) in cases {
        let scene = Scene::new();
        let oauth = oauth(&scene.desk, &key);
        let body = json!({"error": "invalid_grant", "error_description": words});
        oauth.fault(Match::new("POST", "/token"), Fault::Reply(Answer::status(400).json(&body)));
        let url = format!("{}/token", oauth.url());
        let output = scene.check(&scene.with_file(&key_file(&key)).env("CLOUDSDK_AUTH_TOKEN_HOST", &url));
        for part in [words, advice] {
            assert!(output.assert_status(1).stdout.contains(part), "{part}:\n{}", output.stdout);
        }
    }
}

/// What `google-github-actions/auth` writes.
fn external(source: &Value) -> Value {
    json!({
        "type": "external_account",
        "audience": format!("//iam.googleapis.com/{PROVIDER}"),
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "service_account_impersonation_url":
            format!("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"),
        "credential_source": source,
    })
}

/// Google's two services, for whom `knows` accepts.
fn pool(desk: &Arc<Desk>, knows: impl Fn(&str) + Send + Sync + 'static) -> (Service, Service) {
    let sts = Service::start(move |call: &Call| {
        let pairs = form(call);
        assert_eq!(pairs[1], ("audience".to_owned(), format!("//iam.googleapis.com/{PROVIDER}")));
        knows(&pairs[5].1);
        Answer::status(200).json(&json!({"access_token": canary("federated"), "expires_in": 3599}))
    });
    let desk = Arc::clone(desk);
    let iam = Service::start(move |call| {
        assert_eq!(call.path, format!("/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"));
        assert_eq!(bearer(call), canary("federated"));
        Answer::status(200).json(&json!({"accessToken": desk.issue(USER), "expireTime": "2099-01-01T00:00:00Z"}))
    });
    tripwire::belongs(&canary("federated"), &iam.host());
    (sts, iam)
}

fn at(regsync: Regsync, (sts, iam): &(Service, Service)) -> Regsync {
    let regsync = regsync.env("CLOUDSDK_API_ENDPOINT_OVERRIDES_STS", &sts.url());
    regsync.env("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", &iam.url())
}

#[test]
fn a_file_for_a_pool_leads_to_the_runner() {
    let (scene, ci) = (Scene::new(), Actions::start());
    let audience = format!("https://iam.googleapis.com/{PROVIDER}");
    let (judge, expected) = (ci.judge(), audience.clone());
    let pool = pool(&scene.desk, move |token| judge.expect(token, &expected));
    let url = format!("{}&audience=https%3A%2F%2Fiam.googleapis.com%2F{}", ci.url(), PROVIDER.replace('/', "%2F"));
    let source = json!({
        "url": url,
        "headers": {"Authorization": format!("Bearer {}", canary("actions-request"))},
        "format": {"type": "json", "subject_token_field_name": "value"},
    });
    let regsync = at(scene.with_file(&external(&source)), &pool).marked(&[&ci, &pool.0, &pool.1, &scene.target]);
    let output = regsync.run(["plan"]);
    assert!(output.assert_masked_first().masks.contains(&canary("actions-request")), "{:?}", output.masks);
    ci.clear_log();
    scene.assert_copied(&regsync);
    assert_eq!(ci.audiences(), [audience.clone(), audience]);
    let output = scene.check(&regsync);
    assert!(output.assert_status(0).stdout.contains(SUBJECT), "{}", output.stdout);
}

#[test]
fn a_file_for_a_pool_leads_to_a_file() {
    let scene = Scene::new();
    let token = id_token("https://iam.googleapis.com", 3);
    let expected = token.clone();
    let pool = pool(&scene.desk, move |token| assert_eq!(token, expected));
    let place = Regsync::new().file("token", format!("{token}\n"));
    let regsync = at(scene.with_file(&external(&json!({"file": place.path("token")}))), &pool);
    scene.assert_replaced(&regsync);
    scene.assert_copied(&regsync);
}

/// Others may have written the file: what it names is Google's, and what is sent is an ID token.
#[test]
fn a_file_that_leads_elsewhere_is_refused() {
    let (scene, elsewhere) = (Scene::new(), FakeRegistry::start());
    let pool = pool(&scene.desk, |token| panic!("sent: {token}"));
    let place = Regsync::new().file("token", id_token("x", 1)).file("secrets", canary("any-file"));
    let (good, any) = (json!({"file": place.path("token")}), json!({"file": place.path("secrets")}));
    let changed = |name: &str, value: Value| {
        let mut document = external(&good);
        document[name] = value;
        document
    };
    let evil = elsewhere.url();
    let pem = json!({"type": "service_account", "client_email": EMAIL, "private_key": canary("no-key")});
    let mut other_uri = key_file(&key());
    other_uri["token_uri"] = json!(format!("{evil}/token"));
    let cases = [
        (changed("token_url", json!(format!("{evil}/v1/token"))), "names another `token_url`"),
        (changed("token_url", json!("https://sts.googleapis.com.evil.example/v1/token")), "names another `token_url`"),
        (
            changed("service_account_impersonation_url", json!(evil)),
            "names another `service_account_impersonation_url`",
        ),
        (
            changed(
                "service_account_impersonation_url",
                json!(
                    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b/../x:generateAccessToken"
                ),
            ),
            "names another `service_account_impersonation_url`",
        ),
        (changed("audience", json!(evil)), "has an `audience`"),
        (changed("subject_token_type", json!("urn:ietf:params:aws:token-type:aws4_request")), "is not for ID tokens"),
        (changed("universe_domain", json!("evil.example")), "is for another universe"),
        (external(&json!({"executable": {"command": "touch owned"}})), "has a `credential_source` that is neither"),
        (external(&json!({"url": "http://169.254.169.254/x"})), "names a `url` that is not https"),
        (external(&any), "leads to something that is no ID token"),
        (external(&json!({"file": "/nonexistent"})), "names a token file that cannot be read"),
        (other_uri, "names another `token_uri`"),
        (pem, "holds a `private_key` that cannot be read"),
        (json!({"type": "authorized_user", "refresh_token": canary("person")}), "is neither a `service_account`"),
        (json!({"installed": {}}), "is not one of Google's"),
    ];
    for (document, said) in cases {
        let output = scene.check(&at(scene.with_file(&document), &pool));
        let said = format!("the file that `GOOGLE_APPLICATION_CREDENTIALS` names {said}");
        assert!(output.assert_status(1).stdout.contains(&said), "{said}:\n{}", output.stdout);
    }
    assert_eq!(elsewhere.requests().len() + pool.0.requests().len() + pool.1.requests().len(), 0);
}

/// The metadata service of a machine; without `desk` it has no service account.
fn metadata(desk: Option<Arc<Desk>>) -> Service {
    Service::start(move |call: &Call| {
        assert_eq!((call.method.as_str(), call.header("metadata-flavor")), ("GET", Some("Google")));
        let token = "/computeMetadata/v1/instance/service-accounts/default/token";
        let answer = match (&desk, call.path.as_str()) {
            (_, "/") => Answer::status(200),
            (Some(desk), path) if path == token => {
                let body =
                    json!({"access_token": desk.issue(USER), "expires_in": desk.seconds(), "token_type": "Bearer"});
                Answer::status(200).json(&body)
            }
            _ => Answer::status(404),
        };
        answer.header("Metadata-Flavor", "Google")
    })
}

#[test]
fn a_machine_that_runs_as_a_service_account() {
    let scene = Scene::new();
    let service = metadata(Some(Arc::clone(&scene.desk)));
    let regsync = scene.regsync().env("GCE_METADATA_HOST", &service.host());
    scene.assert_copied(&regsync);
    let output = scene.check(&regsync);
    assert!(output.assert_status(0).stdout.contains("the service account of this machine   used"), "{}", output.stdout);
    // What answers without the header of Google is something else.
    let body = json!({"access_token": "x"});
    service.fault(Match::new("GET", "/token"), Fault::Reply(Answer::status(200).json(&body)));
    let output = scene.check(&regsync);
    assert!(output.assert_status(1).stdout.contains("is no metadata service of Google"), "{}", output.stdout);
}

/// Two seconds are less than the copy takes: each blob comes late, and one after the other.
#[test]
fn a_machine_s_token_is_replaced_before_it_ends() {
    let scene = Scene::new();
    let service = metadata(Some(Arc::clone(&scene.desk)));
    let (source, host) = (scene.source.reference("app"), scene.target.host());
    let yaml = format!(
        "version: 1\nregistries:\n  {}: {{ concurrency: 1 }}\nmirrors:\n  - {{ source: {source}, target: {host}/app, tags: \
         [\"*\"] }}\n",
        scene.source.host()
    );
    scene.desk.lifetime(Duration::from_secs(2));
    for tag in ["2", "3"] {
        zoo::index(tag).push_to(&scene.source, "app", tag);
    }
    scene.source.fault(Match::new("GET", "/blobs/"), Fault::Delay(Duration::from_millis(300)));
    let regsync = scene.regsync().config(&yaml).env("GCE_METADATA_HOST", &service.host());
    regsync.run(["apply"]).assert_status(0);
    assert!(scene.desk.issued().len() > 1, "the copy outlived its first token");
    for tag in ["1", "2", "3"] {
        assert!(scene.target.tag_digest("app", tag).is_some());
    }
}

#[test]
fn a_machine_without_an_identity_is_anybody() {
    let (source, target) = (FakeRegistry::start(), FakeRegistry::start());
    let service = metadata(None);
    zoo::index("seed").push_to(&source, "app", "1");
    let (from, host) = (source.reference("app"), target.host());
    let yaml = format!("version: 1\nmirrors:\n  - {{ source: \"{from}:1\", target: {host}/app }}\n");
    let regsync = Regsync::new().config(&yaml).provider(&target, "gcp").env("GCE_METADATA_HOST", &service.host());
    regsync.run(["apply"]).assert_status(0);
    target.assert_no_authorization();
    // One that is named, and not there, is no such machine.
    let gone = Regsync::new().config(&yaml).provider(&target, "gcp").env("GCE_METADATA_HOST", "127.0.0.1:1");
    let output = gone.run(["auth", "check", &host]);
    assert!(output.assert_status(1).stdout.contains("could not be asked for a token"), "{}", output.stdout);
}
