//! ECR without a word in the configuration, end to end: whoever the environment is reads and writes, and goes on doing so
//! when a password ends in the middle.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::support::aws::{Cloud, Keys, WRITER, with_keys};
use crate::support::canary::canary;
use crate::support::harness::Regsync;
use crate::support::identity::{Actions, Desk, Service, id_token};
use crate::support::images::zoo;
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::{Answer, Call, Fault, Match};
use crate::support::tripwire;

struct Scene {
    ci: Actions,
    desk: Arc<Desk>,
    cloud: Cloud,
    source: FakeRegistry,
    target: FakeRegistry,
}

impl Scene {
    fn new() -> Self {
        let (ci, desk) = (Actions::start(), Desk::new());
        let cloud = Cloud::start(&ci, &desk);
        let source = FakeRegistry::start();
        for tag in ["1", "2", "3"] {
            zoo::index(tag).push_to(&source, "app", tag);
        }
        let target = FakeRegistry::with(Options { auth: desk.auth(), ..Options::default() });
        Self { ci, desk, cloud, source, target }
    }

    /// The target is AWS's by the word of the environment alone. `metadata` is the machine's, if it has one.
    fn regsync(&self, metadata: Option<&Service>) -> Regsync {
        let (source, host) = (self.source.reference("app"), self.target.host());
        let yaml = format!(
            "version: 1\nregistries:\n  {}: {{ concurrency: 1 }}\nmirrors:\n  - {{ source: {source}, target: {host}/app, tags: \
             [\"*\"] }}\n",
            self.source.host()
        );
        let regsync = self.cloud.serve(Regsync::new().config(&yaml)).provider(&self.target, "aws");
        match metadata {
            Some(metadata) => regsync.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.url()),
            None => regsync.env("AWS_EC2_METADATA_DISABLED", "true"),
        }
    }

    /// Plan, an apply that takes longer than a password lives, and a plan that finds nothing to do; all as `who`.
    #[track_caller]
    fn ends_well(&self, regsync: &Regsync, who: &str) {
        regsync.run(["plan"]).assert_status(0);
        assert_eq!(self.desk.issued().len(), 1);
        self.cloud.set_lifetime(2);
        self.desk.lifetime(Duration::from_secs(2));
        // One after the other.
        self.source.fault(Match::new("GET", "/blobs/"), Fault::Delay(Duration::from_millis(300)));
        regsync.run(["apply"]).assert_status(0);
        assert!(self.desk.issued().len() > 2, "the copy outlived its first password");
        for tag in ["1", "2", "3"] {
            assert_eq!(self.target.tag_digest("app", tag), self.source.tag_digest("app", tag));
        }
        regsync.run(["plan", "--detailed-exitcode"]).assert_status(0);
        let given = self.cloud.given();
        let passwords: Vec<_> = given.iter().filter(|what| what.starts_with("password ")).collect();
        assert!(passwords.iter().all(|what| **what == format!("password {who}")), "{given:?}");
        self.source.assert_no_authorization();
    }
}

fn document(keys: &Keys) -> Answer {
    Answer::status(200).json(&json!({
        "Code": "Success", "AccessKeyId": keys.id, "SecretAccessKey": keys.secret, "Token": keys.token,
        "Expiration": "2099-01-01T00:00:00Z",
    }))
}

#[test]
fn by_keys() {
    let scene = Scene::new();
    let keys = scene.cloud.keys("runner", true);
    scene.ends_well(&with_keys(scene.regsync(None), &keys), "runner");
}

#[test]
fn by_a_role_and_the_job() {
    let scene = Scene::new();
    let regsync = scene.ci.job(scene.regsync(None)).env("AWS_ROLE_ARN", WRITER);
    scene.ends_well(&regsync, WRITER);
    // One for each session: the first plan, the copy that needs more than one, the last plan.
    assert_eq!(scene.ci.audiences().len(), scene.desk.issued().len());
}

#[test]
fn by_a_role_and_a_file() {
    let scene = Scene::new();
    let token = id_token("sts.amazonaws.com", 9);
    // It is the same one each time.
    (0..50).for_each(|_| scene.ci.judge().trust(&token, "sts.amazonaws.com"));
    let regsync = scene.regsync(None).file("token", format!("{token}\n")).env("AWS_ROLE_ARN", WRITER);
    let path = regsync.path("token");
    scene.ends_well(&regsync.env("AWS_WEB_IDENTITY_TOKEN_FILE", path.to_str().unwrap()), WRITER);
}

#[test]
fn by_the_agent_of_a_container() {
    let scene = Scene::new();
    let keys = scene.cloud.keys("task", true);
    let answer = document(&keys);
    let agent = Service::start(move |_| answer.clone());
    tripwire::belongs(keys.token.as_ref().unwrap(), &agent.host());
    scene.ends_well(&scene.regsync(None).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &agent.url()), "task");
}

#[test]
fn by_the_role_of_the_machine() {
    let scene = Scene::new();
    let keys = scene.cloud.keys("machine", true);
    let (answer, session) = (document(&keys), canary("metadata-session"));
    let given = session.clone();
    let metadata = Service::start(move |call: &Call| match (call.method.as_str(), call.path.rsplit('/').next()) {
        ("PUT", _) => Answer::status(200).body(given.clone()),
        ("GET", Some("")) => Answer::status(200).body("runner-role"),
        _ => answer.clone(),
    });
    tripwire::belongs(&session, &metadata.host());
    tripwire::belongs(keys.token.as_ref().unwrap(), &metadata.host());
    scene.ends_well(&scene.regsync(Some(&metadata)), "machine");
}
