//! zot: it takes the ID token itself for a token, at its token service or without one.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::support::harness::{Output, Regsync};
use crate::support::identity::{Actions, Desk, SUBJECT, form, id_token, in_variable};
use crate::support::images::zoo;
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::{Answer, Fault, Match};

const PATH: &str = "/zot/auth/token";

struct Scene {
    ci: Actions,
    desk: Arc<Desk>,
    source: FakeRegistry,
    target: FakeRegistry,
}

impl Scene {
    fn new() -> Self {
        let (ci, desk) = (Actions::start(), Desk::new());
        let (judge, issuing) = (ci.judge(), Arc::downgrade(&desk));
        desk.service_at_registry(move |call| {
            let desk = issuing.upgrade().filter(|_| call.path == PATH)?;
            assert_eq!((call.method.as_str(), call.query.as_str()), ("POST", ""));
            assert_eq!(call.header("authorization"), None);
            let pairs = form(call);
            assert_eq!((pairs.len(), pairs[0].0.as_str()), (1, "id_token"));
            let token = &pairs[0].1;
            judge.expect(token, &format!("http://{}{PATH}", call.header("host").unwrap()));
            desk.accept("", token);
            let answer = json!({
                "token": token, "access_token": token, "expires_in": desk.seconds(), "issued_at": "2026-01-01T00:00:00Z",
            });
            Some(Answer::status(200).json(&answer))
        });
        let target = FakeRegistry::with(Options { auth: desk.auth(), ..Options::default() });
        desk.challenge_with(&format!("Bearer realm=\"{}\",service=\"{}\"", realm(&target), target.host()));
        ci.judge().only_for(&target.host());
        let source = FakeRegistry::start();
        zoo::index("seed").push_to(&source, "app", "1");
        Self { ci, desk, source, target }
    }

    fn regsync(&self, auth: &str) -> Regsync {
        let (source, host) = (self.source.reference("app"), self.target.host());
        let yaml = format!(
            "version: 1\nregistries:\n  {host}: {{ {auth} }}\n  {}: {{ concurrency: 1 }}\nmirrors:\n  - {{ source: {source}, \
             target: {host}/app, tags: [\"*\"] }}\n",
            self.source.host()
        );
        Regsync::new().config(&yaml).provider(&self.target, "exchange")
    }

    fn job(&self) -> Regsync {
        let url = realm(&self.target);
        self.ci.job(self.regsync(&format!("auth: {{ exchange: {{ url: \"{url}\", id-token-field: id_token }} }}")))
    }

    fn check(&self) -> Output {
        self.job().run(["auth", "check", &self.target.host()])
    }
}

fn realm(target: &FakeRegistry) -> String {
    format!("{}{PATH}", target.url())
}

#[test]
fn its_token_service_takes_the_job_s_id_token() {
    let scene = Scene::new();
    let regsync = scene.job();
    regsync.run(["plan"]).assert_status(0);
    let output = regsync.run(["apply", "-vvv"]);
    output.assert_status(0);
    assert_eq!(scene.target.tag_digest("app", "1"), scene.source.tag_digest("app", "1"));
    regsync.run(["plan", "--detailed-exitcode"]).assert_status(0);
    let url = realm(&scene.target);
    assert_eq!(scene.ci.audiences(), [url.as_str(); 3], "once for each run");
    let shown = scene.target.requests().into_iter().filter(|request| request.path.starts_with("/v2/app"));
    assert!(
        shown.into_iter().all(|request| request.header("authorization").is_some_and(|is| is.starts_with("Bearer ")))
    );
    assert!(output.masks.contains(&scene.desk.issued()[1]), "{:?}", output.masks);
    scene.source.assert_no_authorization();
}

/// GitHub's live for minutes: a new one is made, in the middle of a copy and before the end.
#[test]
fn it_is_replaced_before_it_ends() {
    let scene = Scene::new();
    scene.desk.lifetime(Duration::from_secs(2));
    for tag in ["2", "3"] {
        zoo::index(tag).push_to(&scene.source, "app", tag);
    }
    scene.source.fault(Match::new("GET", "/blobs/"), Fault::Delay(Duration::from_millis(300)));
    scene.job().run(["apply"]).assert_status(0);
    assert!(scene.desk.issued().len() > 1, "the copy outlived its first token");
    for tag in ["1", "2", "3"] {
        assert!(scene.target.tag_digest("app", tag).is_some());
    }
}

#[test]
fn a_refusal_is_told_with_what_must_match() {
    let scene = Scene::new();
    let refusal = Answer::error(401, "UNAUTHORIZED", "authentication required");
    scene.target.fault(Match::new("POST", PATH), Fault::Reply(refusal));
    let output = scene.check();
    for part in ["(401): UNAUTHORIZED: authentication required", SUBJECT, &realm(&scene.target)] {
        assert!(output.assert_status(1).stdout.contains(part), "{part}:\n{}", output.stdout);
    }
    assert_eq!(scene.target.count("*", "/v2/app"), 0, "nobody is asked anonymously");
}

/// As GitLab hands ID tokens to a job: it is the token, and no service is asked.
#[test]
fn an_id_token_in_a_variable_is_shown_as_it_is() {
    let scene = Scene::new();
    let token = id_token("zot", 5);
    scene.desk.accept("", &token);
    let name = format!("REGSYNC_TOKEN_{}", in_variable(&scene.target.host()));
    let regsync = scene.regsync("concurrency: 4").env(&name, &token);
    regsync.run(["plan"]).assert_status(0);
    regsync.run(["apply"]).assert_status(0);
    assert!(scene.target.tag_digest("app", "1").is_some());
    assert_eq!(scene.target.count("*", PATH), 0);
    scene.source.assert_no_authorization();
}
