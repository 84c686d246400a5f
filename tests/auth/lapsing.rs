//! Credentials that end while a copy is under way, in each way that registries say so.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::support::harness::Regsync;
use crate::support::identity::{Actions, Desk, Service, in_variable};
use crate::support::images::zoo;
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::{Answer, Fault, Match};

struct Scene {
    ci: Actions,
    desk: Arc<Desk>,
    service: Service,
    source: FakeRegistry,
    target: FakeRegistry,
}

impl Scene {
    /// The service says that a password lives for `expires_in` seconds.
    fn new(expires_in: Option<u64>) -> Self {
        let (ci, desk) = (Actions::start(), Desk::new());
        let issuing = Arc::clone(&desk);
        let service = Service::start(move |_| {
            let mut answer = json!({"access_token": issuing.issue("robot")});
            if let Some(seconds) = expires_in {
                answer["expires_in"] = json!(seconds);
            }
            Answer::status(200).json(&answer)
        });
        let target = FakeRegistry::with(Options { auth: desk.auth(), ..Options::default() });
        Self { ci, desk, service, source: FakeRegistry::start(), target }
    }

    fn regsync(&self) -> Regsync {
        let host = self.target.host();
        let config = format!(
            "version: 1\nregistries:\n  {host}: {{ auth: {{ exchange: {{ url: \"{}/x\", username: robot }} }} }}\n  {}: {{ \
             concurrency: 1 }}\nmirrors:\n  - {{ source: {}, target: {host}/app, tags: [\"*\"] }}\n",
            self.service.url(),
            self.source.host(),
            self.source.reference("app")
        );
        let endpoint = format!("REGSYNC_ENDPOINT_{}", in_variable(&host));
        let regsync = self.ci.job(Regsync::new().config(&config)).provider(&self.target, "exchange");
        regsync.env(&endpoint, &format!("{}/x", self.service.url()))
    }
}

/// Two seconds are less than the copy takes: each blob comes late.
#[test]
fn a_lifetime_of_two_seconds_over_many_blobs() {
    let scene = Scene::new(Some(2));
    scene.desk.lifetime(Duration::from_secs(2));
    for tag in ["1", "2", "3"] {
        zoo::index(tag).push_to(&scene.source, "app", tag);
    }
    scene.source.fault(Match::new("GET", "/blobs/"), Fault::Delay(Duration::from_millis(700)));
    scene.regsync().run(["apply"]).assert_status(0);
    assert!(scene.desk.issued().len() > 1, "the copy outlived its first password");
    let refused = scene.target.requests().iter().filter(|request| request.status == Some(401)).count();
    assert!(refused <= 2, "renewed before the end, not after a refusal: {refused}");
    for tag in ["1", "2", "3"] {
        assert!(scene.target.tag_digest("app", tag).is_some());
    }
}

/// Nobody said when it ends: in the middle of a copy the registry says so, each in its own way.
#[test]
fn an_end_that_comes_as_a_surprise() {
    let forms = [
        Answer::error(401, "UNAUTHORIZED", "no").header("WWW-Authenticate", "Basic realm=\"x\""),
        Answer::error(403, "DENIED", "Your authorization token has expired. Reauthenticate and try again."),
        Answer::error(400, "DENIED", "Your Authorization Token is invalid."),
    ];
    for refusal in forms {
        let status = refusal.status;
        let scene = Scene::new(None);
        let image = zoo::index("seed");
        image.push_to(&scene.source, "app", "1");
        scene.desk.refuse_with(refusal);
        let desk = Arc::clone(&scene.desk);
        // The first blob is there already; what follows meets an ended password.
        scene.target.before(Match::new("POST", "/blobs/uploads/").nth(2), move || desk.revoke_all());
        scene.regsync().run(["apply"]).assert_status(0);
        assert_eq!(scene.desk.issued().len(), 2, "{status}");
        assert!(scene.target.tag_digest("app", "1").is_some(), "{status}");
        let puts: Vec<_> =
            scene.target.requests().into_iter().filter(|r| r.method == "PUT" && r.status == Some(201)).collect();
        let mut paths: Vec<String> = puts.iter().map(|request| request.query.clone()).collect();
        paths.retain(|query| query.contains("digest="));
        let digests: std::collections::BTreeSet<_> = paths.iter().map(|query| query.rsplit("digest=").next()).collect();
        assert_eq!(digests.len(), paths.len(), "no blob was stored twice ({status})");
    }
}

/// One new credential, then the error: not a service that is asked for ever.
#[test]
fn a_registry_that_takes_none_of_them_gets_two() {
    let scene = Scene::new(None);
    for tag in ["1", "2", "3", "4"] {
        zoo::index(tag).push_to(&scene.source, "app", tag);
    }
    scene.desk.lifetime(Duration::ZERO);
    scene.regsync().run(["plan"]).assert_status(1);
    assert_eq!(scene.desk.issued().len(), 2);
}

/// A refusal of rights is no end: nothing is obtained for it.
#[test]
fn missing_rights_renew_nothing() {
    let scene = Scene::new(None);
    zoo::index("seed").push_to(&scene.source, "app", "1");
    scene.target.fault(Match::new("*", "/v2/app/"), Fault::Reply(Answer::error(403, "DENIED", "not yours")));
    scene.regsync().run(["plan"]).assert_status(1);
    assert_eq!(scene.desk.issued().len(), 1);
}

/// A service that says no is not asked again for each repository.
#[test]
fn a_service_that_refuses_is_asked_once() {
    let scene = Scene::new(None);
    for tag in ["1", "2", "3", "4"] {
        zoo::index(tag).push_to(&scene.source, "app", tag);
    }
    scene.service.fault(Match::new("POST", "/x"), Fault::Reply(Answer::status(403)));
    scene.regsync().run(["plan"]).assert_status(1);
    assert_eq!(scene.service.requests().len(), 1);
}
