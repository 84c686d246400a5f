//! Repositories that are missing at ECR: named in the plan, made by apply, just before the first write.

use std::sync::Arc;

use serde_json::json;

use crate::support::aws::{Cloud, READER, WRITER, ecr_error};
use crate::support::harness::Regsync;
use crate::support::identity::{Actions, Desk, in_variable};
use crate::support::images::zoo;
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::{Answer, Fault, Match};

/// A target that has no repository until one is made.
struct Scene {
    ci: Actions,
    cloud: Cloud,
    source: FakeRegistry,
    target: Arc<FakeRegistry>,
}

impl Scene {
    fn new() -> Self {
        let (ci, desk) = (Actions::start(), Desk::new());
        let cloud = Cloud::start(&ci, &desk);
        let source = FakeRegistry::start();
        for tag in ["1", "2"] {
            zoo::index(tag).push_to(&source, "app", tag);
        }
        let target = Arc::new(FakeRegistry::with(Options { auth: desk.auth(), ..Options::default() }));
        let unknown = Answer::error(404, "NAME_UNKNOWN", "The repository with name 'team/app' does not exist");
        for method in ["POST", "PUT", "PATCH"] {
            target.fault(Match::new(method, "/v2/team/app/"), Fault::Reply(unknown.clone()));
        }
        let made = Arc::clone(&target);
        cloud.on_create(move || made.clear_faults());
        Self { ci, cloud, source, target }
    }

    fn regsync(&self, creation: &str) -> Regsync {
        let host = self.target.host();
        let config = format!(
            "version: 1\nregistries:\n  {host}:\n    auth: {{ aws: {{ role: \"{WRITER}\", plan-role: \"{READER}\" }} }}\n    \
             {creation}\nmirrors:\n  - {{ source: {}, target: {host}/team/app, tags: [\"*\"] }}\n",
            self.source.reference("app")
        );
        let regsync = self.ci.job(self.cloud.serve(Regsync::new().config(&config)).provider(&self.target, "aws"));
        let regsync = regsync.env("AWS_EC2_METADATA_DISABLED", "true").host(&host, "TARGET");
        regsync.host(&in_variable(&host), "HOST").host(&self.source.host(), "SOURCE")
    }
}

const ALL: &str = "create-repositories: { immutable-tags: true, scan-on-push: true, encryption: kms, kms-key: alias/images, \
                   tags: { team: platform } }";

#[test]
fn a_plan_says_what_apply_makes_and_makes_nothing() {
    let scene = Scene::new();
    let plan = scene.regsync(ALL).run(["plan"]);
    insta::assert_snapshot!(plan.assert_status(0).transcript());
    assert_eq!(scene.cloud.created().len(), 0);
    scene.target.assert_read_only();
    let apply = scene.regsync(ALL).run(["apply"]);
    apply.assert_status(0);
    let expected = json!({
        "repositoryName": "team/app",
        "imageTagMutability": "IMMUTABLE",
        "imageScanningConfiguration": {"scanOnPush": true},
        "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": "alias/images"},
        "tags": [{"Key": "team", "Value": "platform"}],
    });
    assert_eq!(scene.cloud.created(), [expected], "once, however many tags it gets");
    for tag in ["1", "2"] {
        assert!(scene.target.tag_digest("team/app", tag).is_some());
    }
    let refused = scene.target.requests().iter().filter(|r| r.method != "GET" && r.status == Some(404)).count();
    let heads = scene.target.requests().iter().filter(|r| r.method == "HEAD" && r.status == Some(404)).count();
    assert_eq!(refused, heads, "made before the first write, not after a refusal");
    // One that is there is left as it is, and needs no word.
    scene.cloud.clear_log();
    zoo::index("3").push_to(&scene.source, "app", "3");
    let more = scene.regsync(ALL).run(["apply"]);
    assert!(!more.assert_status(0).stdout.contains("is created"), "{}", more.stdout);
    assert_eq!(scene.cloud.count("POST", "/"), 2, "a session and a password");
}

#[test]
fn a_repository_that_somebody_else_made_meanwhile_is_fine() {
    let scene = Scene::new();
    let exists = ecr_error(400, "RepositoryAlreadyExistsException", "The repository already exists");
    scene.cloud.fault(Match::new("POST", "/").nth(3), Fault::Reply(exists));
    scene.target.clear_faults();
    scene.regsync("create-repositories: {}").run(["apply"]).assert_status(0);
    assert!(scene.target.tag_digest("team/app", "1").is_some());
    assert_eq!(scene.cloud.created().len(), 0);
}

/// A session may end before its keys are old: others are got, once.
#[test]
fn a_session_that_has_ended_is_replaced() {
    for code in ["ExpiredTokenException", "ExpiredToken"] {
        let scene = Scene::new();
        let ended = ecr_error(400, code, "The security token included in the request is expired");
        scene.cloud.fault(Match::new("POST", "/").nth(3), Fault::Reply(ended));
        scene.regsync("create-repositories: {}").run(["apply"]).assert_status(0);
        assert_eq!(scene.cloud.created().len(), 1, "{code}");
        assert_eq!(scene.cloud.count("POST", "/"), 5, "session, password, no, session, repository");
    }
    let scene = Scene::new();
    let ended = ecr_error(400, "ExpiredTokenException", "The security token included in the request is expired");
    scene.cloud.fault(Match::new("POST", "/").from(3), Fault::Reply(ended));
    scene.regsync("create-repositories: {}").run(["apply"]).assert_status(1);
    assert_eq!(scene.cloud.created().len(), 0);
}

#[test]
fn who_may_make_none_is_told_so_once() {
    let scene = Scene::new();
    let words = "User: x is not authorized to perform: ecr:CreateRepository on resource: y";
    scene.cloud.fault(Match::new("POST", "/").from(3), Fault::Reply(ecr_error(400, "AccessDeniedException", words)));
    let output = scene.regsync(ALL).run(["apply", "--report", "json=result.json"]);
    let line = format!("allow {WRITER} `ecr:CreateRepository` and `ecr:TagResource` on `repository/team/app`");
    assert!(output.assert_status(1).stdout.contains(&line), "{}", output.stdout);
    assert!(output.stdout.contains("could not create the repository"), "{}", output.stdout);
    assert_eq!(scene.cloud.count("POST", "/"), 3, "a session, a password, and no");
    scene.target.assert_read_only();
}

#[test]
fn a_quota_that_is_used_up_is_named() {
    let scene = Scene::new();
    let full = ecr_error(400, "LimitExceededException", "The quota of repositories is reached");
    scene.cloud.fault(Match::new("POST", "/").from(3), Fault::Reply(full));
    let output = scene.regsync("create-repositories: {}").run(["apply"]);
    for part in ["LimitExceededException: The quota of repositories is reached", "ask AWS for a higher quota"] {
        assert!(output.assert_status(1).stdout.contains(part), "{part}:\n{}", output.stdout);
    }
    scene.target.assert_read_only();
}

#[test]
fn without_a_word_of_the_configuration_none_is_made() {
    let scene = Scene::new();
    scene.regsync("concurrency: 4").run(["apply"]).assert_status(1);
    assert_eq!(scene.cloud.created().len(), 0);
}
