//! The token exchange of any make: what is sent where, and what becomes of each answer.

use std::sync::Arc;

use serde_json::json;

use crate::support::canary::canary;
use crate::support::harness::Regsync;
use crate::support::identity::{Actions, Desk, SUBJECT, Service, bearer, form, id_token, in_variable};
use crate::support::images::zoo;
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::{Answer, Fault, Match};

/// A source for everybody, a target for those who come with a password of the service.
struct Scene {
    ci: Actions,
    desk: Arc<Desk>,
    source: FakeRegistry,
    target: FakeRegistry,
    service: Service,
}

impl Scene {
    fn new() -> Self {
        let (ci, desk) = (Actions::start(), Desk::new());
        let (judge, issuing) = (ci.judge(), Arc::clone(&desk));
        let service = Service::start_knowing(move |url, call| {
            let audience = format!("{url}/oauth/token");
            assert_eq!(call.path, "/oauth/token");
            match call.method.as_str() {
                "GET" => {
                    assert_eq!(call.query, "aud=registry");
                    judge.expect(bearer(call), &audience);
                }
                _ if call.header("content-type") == Some("application/json") => {
                    let body: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
                    assert_eq!(body["grant_type"], "exchange");
                    judge.expect(body["id_token"].as_str().unwrap(), &audience);
                }
                _ => {
                    let pairs = form(call);
                    assert_eq!(pairs[0], ("grant_type".to_owned(), "token exchange+".to_owned()));
                    assert_eq!((pairs.len(), pairs[1].0.as_str()), (2, "subject_token"));
                    judge.expect(&pairs[1].1, &audience);
                    assert_eq!(call.header("authorization"), None);
                }
            }
            Answer::status(200).json(&json!({"secret": issuing.issue("robot"), "expires_in": "3600"}))
        });
        let source = FakeRegistry::start();
        zoo::index("seed").push_to(&source, "app", "1");
        let target = FakeRegistry::with(Options { auth: desk.auth(), ..Options::default() });
        Self { ci, desk, source, target, service }
    }

    fn url(&self) -> String {
        format!("{}/oauth/token", self.service.url())
    }

    fn config(&self, how: &str) -> String {
        let (host, url) = (self.target.host(), self.url());
        format!(
            "version: 1\nregistries:\n  {host}:\n    auth:\n      exchange:\n        url: {url}\n        response-field: \
             secret\n        username: robot\n        {how}\nmirrors:\n  - {{ source: \"{}:1\", target: {host}/app }}\n",
            self.source.reference("app")
        )
    }

    /// Bound by whoever runs it, but without an identity.
    fn bound(&self, how: &str) -> Regsync {
        let regsync = Regsync::new().config(&self.config(how)).host(&self.target.host(), "TARGET");
        let regsync = regsync.host(&self.service.url(), "SERVICE").host(&in_variable(&self.target.host()), "HOST");
        let endpoint = format!("REGSYNC_ENDPOINT_{}", in_variable(&self.target.host()));
        regsync.provider(&self.target, "exchange").env(&endpoint, &self.url())
    }
}

const FORM: &str = "send: form
        id-token-field: subject_token
        fields: { grant_type: \"token exchange+\" }";

#[test]
fn a_form_a_document_and_a_query() {
    let document = "send: json\n        id-token-field: id_token\n        fields: { grant_type: exchange }";
    let query = "send: query\n        fields: { aud: registry }";
    for how in [FORM, document, query] {
        let scene = Scene::new();
        let regsync = scene.ci.job(scene.bound(how));
        regsync.run(["plan"]).assert_status(0);
        regsync.run(["apply"]).assert_status(0);
        assert!(scene.target.tag_digest("app", "1").is_some());
        // Once for each run: what was got is kept, whoever needs it.
        assert_eq!(scene.ci.audiences(), [scene.url(), scene.url()]);
        scene.source.assert_no_authorization();
    }
}

#[test]
fn where_the_token_goes_is_for_the_environment_to_say() {
    let scene = Scene::new();
    let config = scene.config(FORM);
    let unbound = scene.ci.job(Regsync::new().config(&config)).run(["plan"]);
    unbound.assert_status(65);
    let elsewhere = scene.ci.job(Regsync::new().config(&config).provider(&scene.target, "exchange")).run(["plan"]);
    elsewhere.assert_status(65);
    assert!(elsewhere.stderr.contains("REGSYNC_ENDPOINT_"), "{}", elsewhere.stderr);
    assert_eq!(scene.ci.requests().len() + scene.service.requests().len() + scene.target.requests().len(), 0);
}

#[test]
fn without_an_identity_it_says_what_the_job_lacks() {
    let scene = Scene::new();
    let bare = scene.bound(FORM).env("GITHUB_ACTIONS", "true").run(["auth", "check", &scene.target.host()]);
    bare.assert_status(1);
    assert!(bare.stdout.contains("id-token: write") && bare.stdout.contains("forks"), "{}", bare.stdout);
    let gitlab = scene.bound(FORM).env("GITLAB_CI", "true").run(["auth", "check", &scene.target.host()]);
    assert!(gitlab.stdout.contains("id_tokens"), "{}", gitlab.stdout);
}

#[test]
fn a_token_for_somebody_else_stays_here_unless_it_was_given_for_this_host() {
    let scene = Scene::new();
    let given = id_token("https://sts.example.com", 1);
    let refused = scene.bound(FORM).env("REGSYNC_ID_TOKEN", &given).run(["plan"]);
    refused.assert_status(1);
    assert!(refused.stdout.contains("another audience"), "{}", refused.stdout);
    let refused = scene.bound(FORM).env("CIRCLE_OIDC_TOKEN_V2", &given).run(["plan"]);
    refused.assert_status(1);
    assert_eq!(scene.service.requests().len(), 0);
}

#[test]
fn an_accident_is_tried_again_and_a_refusal_is_told_with_what_must_match() {
    let scene = Scene::new();
    let broken = Fault::Reply(Answer::status(503));
    scene.ci.fault(Match::new("GET", "/idtoken").first(2), broken.clone());
    scene.service.fault(Match::new("POST", "/oauth").first(1), broken);
    scene.ci.job(scene.bound(FORM)).run(["plan"]).assert_status(0);
    assert_eq!((scene.ci.requests().len(), scene.service.requests().len()), (3, 2));
    scene.service.clear_log();
    let words = json!({"error": "invalid_grant", "error_description": "no such subject"});
    scene.service.fault(Match::new("POST", "/oauth"), Fault::Reply(Answer::status(401).json(&words)));
    let refused = scene.ci.job(scene.bound(FORM)).run(["auth", "check", &scene.target.host()]);
    refused.assert_status(1);
    for part in ["(401): invalid_grant: no such subject", SUBJECT, &scene.url()] {
        assert!(refused.stdout.contains(part), "{part}:\n{}", refused.stdout);
    }
    assert_eq!(scene.service.requests().len(), 1, "a refusal is final");
}

#[test]
fn an_empty_id_token_is_an_error() {
    let scene = Scene::new();
    scene.ci.fault(Match::new("GET", "/idtoken"), Fault::Reply(Answer::status(200).json(&json!({"value": ""}))));
    let output = scene.ci.job(scene.bound(FORM)).run(["plan"]);
    output.assert_status(1);
    assert!(output.stdout.contains("was asked for the ID token, and sent none"), "{}", output.stdout);
    assert_eq!(scene.service.requests().len(), 0);
}

#[test]
fn no_redirect_is_followed_with_an_id_token() {
    let (scene, elsewhere) = (Scene::new(), FakeRegistry::start());
    let to = format!("{}/oauth/token", elsewhere.url());
    scene.service.fault(Match::new("POST", "/oauth"), Fault::Redirect { status: 307, to });
    scene.ci.job(scene.bound(FORM)).run(["plan"]).assert_status(1);
    assert_eq!(elsewhere.requests().len(), 0);
}

/// GitHub's runner hides what it is told to, from then on: so it is told before anything else happens.
#[test]
fn what_is_got_is_masked_and_shown_nowhere() {
    let scene = Scene::new();
    let regsync = scene.ci.job(scene.bound(FORM)).marked(&[&scene.ci, &scene.service, &scene.target]);
    let output = regsync.run(["apply", "-vvv", "--report", "json=result.json"]);
    output.assert_status(0).assert_masked_first();
    let password = scene.desk.issued().remove(0);
    let masks: Vec<&str> = output.masks.iter().map(String::as_str).collect();
    assert!(masks.contains(&password.as_str()), "{masks:?}");
    assert!(masks.iter().any(|mask| mask.ends_with(&canary_of_id_token(&scene))), "{masks:?}");
    assert!(!output.stdout.contains("add-mask"), "data stays data");
}

fn canary_of_id_token(scene: &Scene) -> String {
    let form = scene.service.requests().remove(0).body_start;
    let form = String::from_utf8(form.to_vec()).unwrap();
    form.rsplit('.').next().unwrap().to_owned()
}

#[test]
fn a_check_says_who_the_job_is_and_never_shows_the_token() {
    let scene = Scene::new();
    let output = scene.ci.job(scene.bound(FORM)).run(["auth", "check", &scene.target.host()]);
    insta::assert_snapshot!(output.assert_status(0).transcript());
    assert!(!output.stdout.contains(&canary("actions-request")));
}
