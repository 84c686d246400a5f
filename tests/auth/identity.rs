//! ID tokens that the environment holds: which one is taken, and which are not sent.

use serde_json::json;

use crate::support::canary::assert_no_canary;
use crate::support::harness::{Output, Regsync};
use crate::support::identity::{Actions, Desk, SUBJECT, Service, form, id_token, id_token_with, in_variable};
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::Answer;
use crate::support::tripwire;

/// A registry and its service, which takes any ID token and remembers the last bytes of its form.
struct Scene {
    service: Service,
    host: FakeRegistry,
}

impl Scene {
    fn new() -> Self {
        let desk = Desk::new();
        let host = FakeRegistry::with(Options { auth: desk.auth(), ..Options::default() });
        let service = Service::start(move |call| {
            assert_eq!(form(call).len(), 1);
            Answer::status(200).json(&json!({"access_token": desk.issue("robot")}))
        });
        Self { service, host }
    }

    fn audience(&self) -> String {
        format!("{}/x", self.service.url())
    }

    fn regsync(&self) -> Regsync {
        let (host, url) = (self.host.host(), self.audience());
        let config = format!(
            "version: 1\nregistries:\n  {host}: {{ auth: {{ exchange: {{ url: \"{url}\", username: robot, id-token-field: \
             jwt }} }} }}\nmirrors:\n  - {{ source: \"{host}/app:1\", target: oci:out }}\n"
        );
        let endpoint = format!("REGSYNC_ENDPOINT_{}", in_variable(&host));
        Regsync::new().config(&config).provider(&self.host, "exchange").env(&endpoint, &url)
    }

    /// The last ID token that the service was sent.
    fn sent(&self) -> Option<String> {
        let request = self.service.requests().pop()?;
        let form = String::from_utf8(request.body_start.to_vec()).unwrap();
        Some(form.trim_start_matches("jwt=").to_owned())
    }

    fn check(&self, regsync: &Regsync) -> Output {
        let output = regsync.run(["auth", "check", &self.host.host()]);
        assert_no_canary("stdout", &output.stdout, &[]);
        output
    }
}

#[test]
fn the_nearest_variable_is_taken_and_the_runner_is_asked_after_them() {
    let (scene, ci) = (Scene::new(), Actions::start());
    let of = |number| id_token(&scene.audience(), number);
    let host = format!("REGSYNC_ID_TOKEN_{}", in_variable(&scene.host.host()));
    let mut regsync = ci.job(scene.regsync());
    let steps =
        [("CIRCLE_OIDC_TOKEN_V2", 1, false), ("REGSYNC_ID_TOKEN", 2, true), ("REGSYNC_ID_TOKEN_EXCHANGE", 3, true)];
    for (name, number, taken) in steps.into_iter().chain([(host.as_str(), 4, true)]) {
        regsync = regsync.env(name, &of(number));
        scene.check(&regsync).assert_status(0);
        assert_eq!(scene.sent() == Some(of(number)), taken, "{name}");
    }
    assert_eq!(ci.audiences(), [scene.audience()], "asked once, before a variable of ours was there");
}

#[test]
fn one_given_for_this_very_host_may_be_for_any_audience() {
    let scene = Scene::new();
    let token = id_token("registry", 1);
    let name = format!("REGSYNC_ID_TOKEN_{}", in_variable(&scene.host.host()));
    let output = scene.check(&scene.regsync().env(&name, &token));
    assert_eq!(scene.sent(), Some(token));
    assert!(
        output.assert_status(0).stdout.contains(&format!("subject {SUBJECT}, audience registry")),
        "{}",
        output.stdout
    );
}

#[test]
fn a_file_is_read_anew_each_time() {
    let scene = Scene::new();
    let regsync = scene.regsync();
    let regsync = {
        let path = regsync.path("token");
        regsync.env("REGSYNC_ID_TOKEN_FILE", path.to_str().unwrap())
    };
    let missing = scene.check(&regsync);
    assert!(
        missing.assert_status(1).stdout.contains("`REGSYNC_ID_TOKEN_FILE` names cannot be read"),
        "{}",
        missing.stdout
    );
    for number in [1, 2] {
        let token = id_token(&scene.audience(), number);
        regsync.write("token", format!("{token}\n"));
        scene.check(&regsync).assert_status(0);
        assert_eq!(scene.sent(), Some(token));
    }
}

#[test]
fn what_has_expired_or_is_no_token_is_not_sent() {
    let scene = Scene::new();
    let expired = id_token_with(&json!({"sub": SUBJECT, "aud": [scene.audience()], "exp": 1_000_000_000}), 1);
    for (value, said) in [(expired.as_str(), "has expired"), ("two words", "does not hold a token")] {
        let output = scene.check(&scene.regsync().env("REGSYNC_ID_TOKEN", value));
        assert!(output.assert_status(1).stdout.contains(said), "{}", output.stdout);
    }
    assert_eq!(scene.service.requests().len(), 0);
}

/// A runner may name its service without a query.
#[test]
fn an_url_without_a_query_gets_one() {
    let (scene, audience) = (Scene::new(), Scene::new().audience());
    let runner = Service::start_knowing(|_, call| {
        assert_eq!(call.query.split('&').count(), 1);
        Answer::status(200).json(&json!({"value": id_token(&call.parameter("audience").unwrap(), 1)}))
    });
    tripwire::belongs("CANARY-runner", &runner.host());
    let job = scene.regsync().env("ACTIONS_ID_TOKEN_REQUEST_URL", &runner.url());
    let job = job.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "CANARY-runner");
    scene.check(&job).assert_status(0);
    assert_ne!(scene.audience(), audience);
    // One that names an audience already, or leads away in the clear, is not asked.
    for url in [format!("{}/?audience=x", runner.url()), "http://runner.example.com/".to_owned()] {
        runner.clear_log();
        let output = scene.check(
            &scene
                .regsync()
                .env("ACTIONS_ID_TOKEN_REQUEST_URL", &url)
                .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "CANARY-runner"),
        );
        assert!(output.assert_status(1).stdout.contains("`ACTIONS_ID_TOKEN_REQUEST_URL` "), "{}", output.stdout);
        assert_eq!(runner.requests().len(), 0);
    }
}
