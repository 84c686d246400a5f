//! Google: workload identity federation, with and without a service account.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::canary::canary;
use crate::support::harness::{Output, Regsync};
use crate::support::identity::{
    Actions, CAUTION, Desk, ISSUER, OF_PULL_REQUESTS, SUBJECT, Service, bearer, form, in_variable, of_pull_request,
};
use crate::support::images::zoo;
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::{Answer, Call, Fault, Match};
use crate::support::tripwire;

const POOL: &str = "projects/123456789/locations/global/workloadIdentityPools/ci";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const WRITER: &str = "mirror@acme.iam.gserviceaccount.com";
const READER: &str = "mirror-read@acme.iam.gserviceaccount.com";
const USER: &str = "oauth2accesstoken";

fn audience() -> String {
    format!("https://iam.googleapis.com/{POOL}/providers/github")
}

/// A job, Google's two services, a source for everybody, and a target that takes Google's tokens alone.
struct Scene {
    ci: Actions,
    desk: Arc<Desk>,
    sts: Service,
    iam: Service,
    source: FakeRegistry,
    target: FakeRegistry,
}

impl Scene {
    /// What the token service gives is good for the registry where `direct`; else for the service that makes those of
    /// service accounts. `seconds` is how long it says that tokens live.
    fn new(direct: bool, seconds: i64) -> Self {
        let (ci, desk) = (Actions::start(), Desk::new());
        let (judge, issuing) = (ci.judge(), Arc::clone(&desk));
        let sts = Service::start(move |call| {
            assert_eq!((call.method.as_str(), call.path.as_str(), call.query.as_str()), ("POST", "/v1/token", ""));
            assert_eq!(call.header("authorization"), None);
            let pairs = form(call);
            let (subject, rest) = pairs.split_last().unwrap();
            let expected = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                (
                    "audience",
                    "//iam.googleapis.com/projects/123456789/locations/global/workloadIdentityPools/ci/providers/github",
                ),
                ("scope", SCOPE),
                ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
                ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            ];
            assert_eq!(rest, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
            assert_eq!(subject.0, "subject_token");
            judge.expect(&subject.1, &audience());
            let token = if direct { issuing.issue(USER) } else { canary("federated") };
            let kind = "urn:ietf:params:oauth:token-type:access_token";
            let answer = json!({"access_token": token, "issued_token_type": kind, "token_type": "Bearer", "expires_in": seconds});
            Answer::status(200).json(&answer)
        });
        let issuing = Arc::clone(&desk);
        let iam = Service::start(move |call| Answer::status(200).json(&impersonated(call, &issuing, seconds)));
        tripwire::belongs(&canary("federated"), &iam.host());
        let target = FakeRegistry::with(Options { auth: desk.auth(), ..Options::default() });
        Self { ci, desk, sts, iam, source: FakeRegistry::start(), target }
    }

    /// Accounts that the job acts as: `service-account` and its like, or nothing.
    fn regsync(&self, accounts: &str) -> Regsync {
        let (source, host) = (self.source.reference("app"), self.target.host());
        let yaml = format!(
            "version: 1\nregistries:\n  {host}:\n    auth:\n      gcp:\n        workload-identity-provider: {POOL}/providers/\
             github\n        {accounts}\n  {}: {{ concurrency: 1 }}\nmirrors:\n  - {{ source: {source}, target: {host}/app, \
             tags: [\"*\"] }}\n",
            self.source.host()
        );
        let regsync = Regsync::new().config(&yaml).provider(&self.target, "gcp").host(&host, "TARGET");
        let regsync =
            regsync.host(&in_variable(&host), "HOST").host(&self.sts.url(), "STS").host(&self.iam.url(), "IAM");
        let regsync = regsync.env("CLOUDSDK_API_ENDPOINT_OVERRIDES_STS", &format!("{}/", self.sts.url()));
        regsync.env("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", &self.iam.url())
    }

    /// The same in the job.
    fn job(&self, accounts: &str) -> Regsync {
        self.ci.job(self.regsync(accounts))
    }

    fn check(&self, accounts: &str) -> Output {
        self.job(accounts).run(["auth", "check", "--for", "apply", &self.target.host()])
    }

    fn is_copied(&self) -> bool {
        self.target.tag_digest("app", "1").is_some()
    }
}

/// The answer of the Service Account Credentials API.
fn impersonated(call: &Call, desk: &Desk, seconds: i64) -> Value {
    let account = call.path.strip_prefix("/v1/projects/-/serviceAccounts/").expect("its path");
    let account = account.strip_suffix(":generateAccessToken").expect("its verb");
    assert!([WRITER, READER].contains(&account), "{account}");
    assert_eq!((call.method.as_str(), call.query.as_str()), ("POST", ""));
    assert_eq!(bearer(call), canary("federated"));
    assert_eq!(call.header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(body, json!({"scope": [SCOPE], "lifetime": "3600s"}));
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    json!({"accessToken": desk.issue(USER), "expireTime": end.to_string()})
}

fn accounts() -> String {
    format!("service-account: {WRITER}\n        plan-service-account: {READER}")
}

#[test]
fn the_job_itself_has_the_rights() {
    let scene = Scene::new(true, 3599);
    zoo::index("seed").push_to(&scene.source, "app", "1");
    scene.job("").run(["plan"]).assert_status(0);
    scene.job("").run(["apply"]).assert_status(0);
    assert!(scene.is_copied());
    assert_eq!(scene.ci.audiences(), [audience(), audience()], "once for each run");
    assert_eq!(scene.iam.requests().len(), 0);
    scene.source.assert_no_authorization();
}

#[test]
fn it_acts_as_a_service_account_and_as_another_one_to_plan() {
    let scene = Scene::new(false, 3600);
    zoo::index("seed").push_to(&scene.source, "app", "1");
    scene.job(&accounts()).run(["plan"]).assert_status(0);
    let output = scene.job(&accounts()).run(["apply", "-vvv"]);
    output.assert_status(0);
    assert!(scene.is_copied());
    let asked: Vec<String> = scene.iam.requests().iter().map(|request| request.path.clone()).collect();
    let path = |account: &str| format!("/v1/projects/-/serviceAccounts/{account}:generateAccessToken");
    assert_eq!(asked, [path(READER), path(WRITER)]);
    // Hidden before they were used: the token in between, and the last one.
    for secret in [canary("federated"), scene.desk.issued().pop().unwrap()] {
        assert!(output.masks.contains(&secret), "{secret}");
    }
}

#[test]
fn a_check_says_who_the_job_is() {
    let scene = Scene::new(false, 3600);
    let output = scene.check(&accounts());
    insta::assert_snapshot!(output.assert_status(0).transcript());
}

#[test]
fn a_lifetime_of_two_seconds_over_many_blobs() {
    let scene = Scene::new(false, 2);
    scene.desk.lifetime(Duration::from_secs(2));
    for tag in ["1", "2", "3"] {
        zoo::index(tag).push_to(&scene.source, "app", tag);
    }
    scene.source.fault(Match::new("GET", "/blobs/"), Fault::Delay(Duration::from_millis(700)));
    scene.job(&accounts()).run(["apply"]).assert_status(0);
    assert!(scene.desk.issued().len() > 1 && scene.is_copied());
}

/// A refusal of the token service, and what is said to do.
#[test]
fn each_refusal_of_the_token_service_names_the_line_to_change() {
    let provider = format!("{POOL}/providers/github");
    let cases = [
        (
            "unauthorized_client",
            "The given credential is rejected by the attribute condition.".to_owned(),
            format!("change the attribute condition of {provider}"),
        ),
        (
            "invalid_target",
            "The target service indicated by the \"audience\" parameters is invalid. This might either be because the pool \
             or provider is disabled or deleted or because it doesn't exist."
                .to_owned(),
            "has the number of the project".to_owned(),
        ),
        (
            "invalid_grant",
            "The audience in ID Token [https://a] does not match the expected audience https://b.".to_owned(),
            format!("let the provider allow the audience {}", audience()),
        ),
        (
            "invalid_grant",
            "The issuer in ID Token https://a does not match the expected ones: https://b/.".to_owned(),
            "set `issuer-uri` of the provider".to_owned(),
        ),
        (
            "invalid_request",
            "The size of mapped attribute google.subject exceeds the 127 bytes limit.".to_owned(),
            "map `google.subject` to something shorter".to_owned(),
        ),
        (
            "invalid_grant",
            "ID Token issued at 1700000000 is stale to sign-in.".to_owned(),
            "get the ID token later in the job".to_owned(),
        ),
        ("access_denied", "Something new.".to_owned(), format!("see that {provider} trusts this job")),
    ];
    for (code, words, advice) in cases {
        let scene = Scene::new(true, 3600);
        let body = json!({"error": code, "error_description": words});
        scene.sts.fault(Match::new("POST", "/v1/token"), Fault::Reply(Answer::status(400).json(&body)));
        let output = scene.check("");
        output.assert_status(1);
        let said = format!("refused a federated token (400): {code}: {words}");
        for part in [said.as_str(), &advice, &format!("issuer {ISSUER}, subject {SUBJECT}, audience {}", audience())] {
            assert!(output.stdout.contains(part), "{part}:\n{}", output.stdout);
        }
        assert_eq!(scene.sts.requests().len(), 1, "a refusal is final");
        assert_eq!(scene.target.requests().iter().filter(|request| request.path != "/v2/").count(), 0);
    }
}

#[test]
fn an_issuer_that_google_could_not_reach_is_tried_again() {
    let scene = Scene::new(true, 3600);
    let words = "Error connecting to the given credential's issuer.";
    let body = json!({"error": "invalid_grant", "error_description": words});
    scene.sts.fault(Match::new("POST", "/v1/token").first(1), Fault::Reply(Answer::status(400).json(&body)));
    scene.check("").assert_status(0);
    assert_eq!(scene.sts.requests().len(), 2);
}

#[test]
fn each_refusal_to_act_as_a_service_account_names_the_line_to_change() {
    let denied = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).";
    let disabled =
        "IAM Service Account Credentials API has not been used in project 123456789 before or it is disabled.";
    let binding = format!(
        "gcloud iam service-accounts add-iam-policy-binding {WRITER} --role=roles/iam.workloadIdentityUser \
         --member=\"principal://iam.googleapis.com/{POOL}/subject/{SUBJECT}\""
    );
    let cases = [
        (403, "PERMISSION_DENIED", denied, binding.as_str()),
        (403, "PERMISSION_DENIED", disabled, "gcloud services enable iamcredentials.googleapis.com"),
        (404, "NOT_FOUND", "Unknown service account", "see that the service account mirror@acme"),
    ];
    for (status, kind, words, advice) in cases {
        let scene = Scene::new(false, 3600);
        let body = json!({"error": {"code": status, "message": words, "status": kind}});
        scene.iam.fault(Match::new("POST", ":generateAccessToken"), Fault::Reply(Answer::status(status).json(&body)));
        let output = scene.check(&accounts());
        output.assert_status(1);
        let said = format!("refused a token of the service account ({status}): {status}: {kind}: {words}");
        for part in [said.as_str(), advice, SUBJECT] {
            assert!(output.stdout.contains(part), "{part}:\n{}", output.stdout);
        }
    }
}

#[test]
fn answers_that_make_no_sense_are_errors() {
    for body in [json!({"token_type": "Bearer"}), json!({"access_token": ""}), json!({"access_token": "a b"})] {
        let scene = Scene::new(true, 3600);
        scene.sts.fault(Match::new("POST", "/v1/token"), Fault::Reply(Answer::status(200).json(&body)));
        let output = scene.check("");
        output.assert_status(1);
        assert!(output.stdout.contains("was asked for a federated token, and sent"), "{}", output.stdout);
    }
}

#[test]
fn without_an_identity_it_says_what_the_job_lacks() {
    let scene = Scene::new(true, 3600);
    let output =
        scene.regsync("").env("GITHUB_ACTIONS", "true").run(["auth", "check", "--for", "apply", &scene.target.host()]);
    output.assert_status(1);
    assert!(output.stdout.contains("id-token: write") && output.stdout.contains(&audience()), "{}", output.stdout);
    let output =
        scene.regsync("").env("GITLAB_CI", "true").run(["auth", "check", "--for", "apply", &scene.target.host()]);
    let line = format!("id_tokens: {{ REGSYNC_ID_TOKEN_GCP: {{ aud: \"{}\" }} }}", audience());
    assert!(output.stdout.contains(&line), "{}", output.stdout);
}

/// Neither the configuration nor a redirect leads Google's tokens elsewhere.
#[test]
fn endpoints_are_google_s_or_the_environment_s() {
    let (scene, elsewhere) = (Scene::new(false, 3600), FakeRegistry::start());
    scene.sts.fault(
        Match::new("POST", "/v1/token"),
        Fault::Redirect { status: 307, to: format!("{}/v1/token", elsewhere.url()) },
    );
    scene.check(&accounts()).assert_status(1);
    assert_eq!(elsewhere.requests().len(), 0);
    let plain = scene.job(&accounts()).env("CLOUDSDK_API_ENDPOINT_OVERRIDES_STS", "http://sts.example.com");
    let output = plain.run(["auth", "check", "--for", "apply", &scene.target.host()]);
    assert!(output.assert_status(1).stdout.contains("is not https: nothing is sent there"), "{}", output.stdout);
}

/// The service account that writes is not to trust pull requests.
#[test]
fn no_pull_request_is_let_in_to_write() {
    for subject in OF_PULL_REQUESTS {
        let scene = Scene::new(false, 3600);
        let token = of_pull_request(subject, &audience());
        let job = scene.regsync(&accounts()).env("CIRCLE_OIDC_TOKEN_V2", &token);
        let words = "The given credential is rejected by the attribute condition.";
        let closed = json!({"error": "unauthorized_client", "error_description": words});
        let open = json!({"access_token": canary("federated"), "token_type": "Bearer", "expires_in": 3600});
        let denied =
            json!({"error": {"code": 403, "message": "Permission denied on resource", "status": "PERMISSION_DENIED"}});
        scene.iam.fault(Match::new("POST", ":generateAccessToken"), Fault::Reply(Answer::status(403).json(&denied)));
        let binding = format!(
            "let the job act as the service account of `plan-service-account`: `gcloud iam service-accounts \
             add-iam-policy-binding PLAN_SERVICE_ACCOUNT --role=roles/iam.workloadIdentityUser \
             --member=\"principal://iam.googleapis.com/{POOL}/subject/{subject}\""
        );
        let condition = "only where no identity that writes trusts the whole pool or this subject";
        for (status, body, advice) in [(200, open, binding.as_str()), (400, closed, condition)] {
            let answer = Answer::status(status).json(&body);
            scene.sts.fault(Match::new("POST", "/v1/token").first(1), Fault::Reply(answer));
            let output = job.run(["auth", "check", "--for", "apply", &scene.target.host()]);
            output.assert_status(1);
            for part in [advice, CAUTION] {
                assert!(output.stdout.contains(part), "{part}:\n{}", output.stdout);
            }
            assert!(!output.stdout.contains(WRITER), "{}", output.stdout);
        }
    }
}
