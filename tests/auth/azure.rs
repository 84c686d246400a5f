//! Azure: a federated credential, and what a registry gives for it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::support::azure::Acr;
use crate::support::harness::{Output, Regsync};
use crate::support::identity::{
    Actions, CAUTION, ISSUER, OF_PULL_REQUESTS, SUBJECT, Service, form, in_variable, of_pull_request,
};
use crate::support::images::zoo;
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::{Answer, Fault, Match};

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const WRITER: &str = "aaaaaaaa-0000-0000-0000-000000000001";
const READER: &str = "aaaaaaaa-0000-0000-0000-000000000002";
const AUDIENCE: &str = "api://AzureADTokenExchange";
const HOUR: Duration = Duration::from_secs(3600);

/// A job, Microsoft Entra, a source for everybody, and a registry that takes what its own services gave alone.
struct Scene {
    ci: Actions,
    acr: Arc<Acr>,
    entra: Service,
    source: FakeRegistry,
    target: FakeRegistry,
}

impl Scene {
    fn new() -> Self {
        Self::with(Acr::new(HOUR, true, HOUR))
    }

    fn with(acr: Arc<Acr>) -> Self {
        let ci = Actions::start();
        let target = FakeRegistry::with(Options { auth: acr.auth(), ..Options::default() });
        let (judge, issuing) = (ci.judge(), Arc::clone(&acr));
        let entra = Service::start(move |call| {
            let path = format!("/{TENANT}/oauth2/v2.0/token");
            assert_eq!((call.method.as_str(), call.path.as_str(), call.query.as_str()), ("POST", path.as_str(), ""));
            assert_eq!(call.header("authorization"), None);
            let pairs = form(call);
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let (assertion, rest) = pairs.split_last().unwrap();
            let client = rest[1].1;
            assert!([WRITER, READER].contains(&client), "{client}");
            let expected = [
                ("grant_type", "client_credentials"),
                ("client_id", client),
                ("scope", "https://containerregistry.azure.net/.default"),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ];
            assert_eq!(rest, expected);
            assert_eq!(assertion.0, "client_assertion");
            judge.expect(assertion.1, AUDIENCE);
            let token = issuing.entra_token(Some(TENANT));
            let answer =
                json!({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token});
            Answer::status(200).json(&answer)
        });
        Self { ci, acr, entra, source: FakeRegistry::start(), target }
    }

    fn regsync(&self) -> Regsync {
        let (source, host) = (self.source.reference("app"), self.target.host());
        let yaml = format!(
            "version: 1\nregistries:\n  {host}:\n    auth:\n      azure:\n        tenant-id: {TENANT}\n        client-id: \
             {WRITER}\n        plan-client-id: {READER}\n  {}: {{ concurrency: 1 }}\nmirrors:\n  - {{ source: {source}, target: \
             {host}/app, tags: [\"*\"] }}\n",
            self.source.host()
        );
        let regsync = Regsync::new().config(&yaml).provider(&self.target, "azure").host(&host, "TARGET");
        let regsync = regsync.host(&in_variable(&host), "HOST").host(&self.entra.url(), "ENTRA");
        regsync.env("AZURE_AUTHORITY_HOST", &format!("{}/", self.entra.url()))
    }

    fn job(&self) -> Regsync {
        self.ci.job(self.regsync())
    }

    fn check(&self) -> Output {
        self.job().run(["auth", "check", "--for", "apply", &self.target.host()])
    }

    fn clients(&self) -> Vec<String> {
        let requests = self.entra.requests();
        let bodies = requests.iter().map(|request| String::from_utf8(request.body_start.to_vec()).unwrap());
        bodies.map(|body| body.split('&').nth(1).unwrap().trim_start_matches("client_id=").to_owned()).collect()
    }
}

#[test]
fn it_acts_as_an_application_and_as_another_one_to_plan() {
    let scene = Scene::new();
    zoo::index("seed").push_to(&scene.source, "app", "1");
    scene.job().run(["plan"]).assert_status(0);
    let output = scene.job().run(["apply", "-vvv"]);
    output.assert_status(0);
    assert!(scene.target.tag_digest("app", "1").is_some());
    assert_eq!(scene.clients(), [READER, WRITER]);
    assert_eq!(scene.ci.audiences(), [AUDIENCE, AUDIENCE], "once for each run");
    // The ID token, the Entra token, the refresh token.
    for kind in ["CANARY-id-token-", "CANARY-entra-", "CANARY-refresh-"] {
        assert!(output.masks.iter().any(|mask| mask.contains(kind)), "{kind}: {:?}", output.masks);
    }
    scene.source.assert_no_authorization();
}

#[test]
fn a_check_says_who_the_job_is() {
    let output = Scene::new().check();
    insta::assert_snapshot!(output.assert_status(0).transcript());
}

/// Where the refresh token says when it ends, it is replaced before; where it does not, when the registry says so.
#[test]
fn refresh_tokens_that_end_in_the_middle_of_a_copy() {
    for (life, says) in [(Duration::from_secs(2), true), (HOUR, false)] {
        let scene = Scene::with(Acr::new(life, says, HOUR));
        zoo::index("seed").push_to(&scene.source, "app", "1");
        scene.source.fault(Match::new("GET", "/blobs/"), Fault::Delay(Duration::from_millis(700)));
        let acr = Arc::clone(&scene.acr);
        // All blobs are there by then, seconds later.
        scene.target.before(Match::new("PUT", "/manifests/").nth(1), move || {
            acr.issuer().revoke_all();
            if !says {
                acr.revoke_all();
            }
        });
        scene.job().run(["apply"]).assert_status(0);
        assert!(scene.target.tag_digest("app", "1").is_some());
        assert!(scene.acr.given() > 1, "the copy outlived its first token");
        let requests = scene.target.requests();
        let in_vain = requests.iter().filter(|request| request.path == "/oauth2/token" && request.status == Some(401));
        assert_eq!(in_vain.count(), usize::from(!says));
    }
}

#[test]
fn each_refusal_of_entra_names_the_line_to_change() {
    let credential = format!(
        "az ad app federated-credential create --id {WRITER} --parameters '{{\"name\": \"regsync\", \"issuer\": \"{ISSUER}\", \
         \"subject\": \"{SUBJECT}\", \"audiences\": [\"{AUDIENCE}\"]}}'"
    );
    let subject = format!(
        "AADSTS700213: No matching federated identity record found for presented assertion subject '{SUBJECT}'."
    );
    let cases = [
        (401, subject.as_str(), credential.as_str()),
        (401, "AADSTS70021: No matching federated identity record found for presented assertion.", &credential),
        (
            401,
            "AADSTS700212: No matching federated identity record found for presented assertion audience.",
            &credential,
        ),
        (401, "AADSTS700211: No matching federated identity record found for presented assertion issuer.", &credential),
        (400, "AADSTS900023: Specified tenant identifier 'a' is neither a valid DNS name.", "see that `tenant-id` is"),
        (
            400,
            "AADSTS700016: Application with identifier 'a' was not found in the directory 'b'.",
            "see that `client-id` is",
        ),
        (400, "AADSTS90002: Tenant 'a' not found.", "see that `tenant-id` is"),
        (
            401,
            "AADSTS700024: Client assertion is not within its valid time range.",
            "get the ID token later in the job",
        ),
        (
            400,
            "AADSTS500011: The resource principal named https://a was not found in the tenant.",
            "az provider register",
        ),
        (
            401,
            "AADSTS53003: Access has been blocked by Conditional Access policies.",
            "let a conditional access policy",
        ),
        (400, "AADSTS1: Something new.", "must match the ID token"),
    ];
    for (status, words, advice) in cases {
        let scene = Scene::new();
        let body = json!({
            "error": "invalid_client", "error_description": format!("{words} Trace ID: 1\r\nTimestamp: 2"), "error_codes": [1],
        });
        scene.entra.fault(Match::new("POST", "/oauth2/"), Fault::Reply(Answer::status(status).json(&body)));
        let output = scene.check();
        output.assert_status(1);
        let said = format!("refused an Entra token ({status}): invalid_client: {words} Trace ID: 1 Timestamp");
        let claims = format!("issuer {ISSUER}, subject {SUBJECT}, audience {AUDIENCE}");
        for part in [said.as_str(), advice, &claims] {
            assert!(output.stdout.contains(part), "{part}:\n{}", output.stdout);
        }
        assert_eq!(scene.entra.requests().len(), 1, "a refusal is final");
    }
}

#[test]
fn each_refusal_of_the_registry_names_the_line_to_change() {
    let unknown = Answer::error(401, "UNAUTHORIZED", "authentication required");
    let firewall = Answer::error(403, "DENIED", "client with IP '192.0.2.1' is not allowed access");
    let role = format!("az role assignment create --assignee {WRITER} --role AcrPush");
    let cases = [
        (unknown, "UNAUTHORIZED: authentication required", role.as_str()),
        (firewall, "client with IP '192.0.2.1' is not allowed access", "az acr network-rule add"),
        (Answer::status(404), "refused a refresh token (404)", "is a registry of Azure"),
    ];
    for (answer, words, advice) in cases {
        let scene = Scene::new();
        scene.target.fault(Match::new("POST", "/oauth2/exchange"), Fault::Reply(answer));
        let output = scene.check();
        output.assert_status(1);
        for part in [words, advice] {
            assert!(output.stdout.contains(part), "{part}:\n{}", output.stdout);
        }
    }
}

#[test]
fn answers_that_make_no_sense_are_errors() {
    for body in [json!({"token_type": "Bearer"}), json!({"access_token": ""}), json!({"access_token": "a b"})] {
        let scene = Scene::new();
        scene.entra.fault(Match::new("POST", "/oauth2/"), Fault::Reply(Answer::status(200).json(&body)));
        let output = scene.check();
        assert!(output.assert_status(1).stdout.contains("was asked for an Entra token, and sent"), "{}", output.stdout);
    }
    let scene = Scene::new();
    let body = json!({"refresh_token": "a b"});
    scene.target.fault(Match::new("POST", "/oauth2/exchange"), Fault::Reply(Answer::status(200).json(&body)));
    let output = scene.check();
    assert!(output.assert_status(1).stdout.contains("sent something that is no token"), "{}", output.stdout);
}

#[test]
fn without_an_identity_it_says_what_the_job_lacks() {
    let scene = Scene::new();
    let output =
        scene.regsync().env("GITHUB_ACTIONS", "true").run(["auth", "check", "--for", "apply", &scene.target.host()]);
    output.assert_status(1);
    assert!(output.stdout.contains("id-token: write") && output.stdout.contains(AUDIENCE), "{}", output.stdout);
}

#[test]
fn no_redirect_is_followed_with_a_token() {
    for (path, at_entra) in [("/oauth2/v2.0/token", true), ("/oauth2/exchange", false)] {
        let (scene, elsewhere) = (Scene::new(), FakeRegistry::start());
        let fault = Fault::Redirect { status: 307, to: format!("{}/x", elsewhere.url()) };
        let matching = Match::new("POST", path);
        if at_entra {
            scene.entra.fault(matching, fault);
        } else {
            scene.target.fault(matching, fault);
        }
        scene.check().assert_status(1);
        assert_eq!(elsewhere.requests().len(), 0);
    }
}

/// The application that writes is not to trust pull requests, nor may one that does write.
#[test]
fn no_pull_request_is_let_in_to_write() {
    for subject in OF_PULL_REQUESTS {
        let scene = Scene::new();
        let job = scene.regsync().env("CIRCLE_OIDC_TOKEN_V2", &of_pull_request(subject, AUDIENCE));
        let words = format!("AADSTS700213: No matching federated identity record found for subject '{subject}'.");
        let body = json!({"error": "invalid_client", "error_description": words});
        scene.entra.fault(Match::new("POST", "/oauth2/").first(1), Fault::Reply(Answer::status(401).json(&body)));
        let output = job.run(["auth", "check", "--for", "apply", &scene.target.host()]);
        let credential = format!(
            "give the application of `plan-client-id` a federated credential for this job (a new one is known after some \
             minutes): `az ad app federated-credential create --id PLAN_CLIENT_ID --parameters '{{\"name\": \"regsync\", \
             \"issuer\": \"{ISSUER}\", \"subject\": \"{subject}\""
        );
        output.assert_status(1);
        for part in [credential.as_str(), CAUTION] {
            assert!(output.stdout.contains(part), "{part}:\n{}", output.stdout);
        }
        assert!(!output.stdout.contains(WRITER), "{}", output.stdout);

        let token = json!({"access_token": scene.acr.entra_token(Some(TENANT))});
        scene.entra.fault(Match::new("POST", "/oauth2/"), Fault::Reply(Answer::status(200).json(&token)));
        let denied = Answer::error(401, "UNAUTHORIZED", "authentication required");
        scene.target.fault(Match::new("POST", "/oauth2/exchange"), Fault::Reply(denied));
        let output = job.run(["auth", "check", "--for", "apply", &scene.target.host()]);
        assert!(output.assert_status(1).stdout.contains("--role AcrPull --scope"), "{}", output.stdout);
        assert!(!output.stdout.contains("AcrPush"), "{}", output.stdout);
    }
}
