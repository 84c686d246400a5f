//! A pull request of a repository that has no secret: the job shows who it is, the plan reads as one identity, and what is
//! merged is applied as another.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::REGSYNC;
use super::runner::Job;
use crate::support::canary::canary;
use crate::support::federation::{Asked, Federation};
use crate::support::forge::Forge;
use crate::support::identity::in_variable;
use crate::support::server::Answer;
use crate::support::token::basic_pair;

const PATH: &str = "/oauth2/federation/robot/token";

/// A registry that gives the tokens of its robots to jobs.
fn quay() -> Federation {
    let settings = "{ robot: acme+mirror, plan-robot: acme+reader }";
    Federation::at_registry(("quay", settings), PATH, |asked: &Asked<'_>| {
        let (robot, token) = basic_pair(asked.call.header("authorization").unwrap()).unwrap();
        asked.judge.expect(&token, &format!("https://{}", asked.call.header("host").unwrap()));
        Answer::status(200).json(&json!({"token": asked.desk.issue_jwt(&robot, &robot)}))
    })
}

/// A job of that event, with the configuration of the scene in its checkout, that may comment.
fn job(scene: &Federation, forge: &Forge, file: &str) -> Job {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/events").join(format!("{file}.json"));
    let (name, event) = if file == "push" {
        ("push", "{}".to_owned())
    } else {
        (file.split('-').next().unwrap(), fs::read_to_string(path).unwrap())
    };
    let job = Job::new().on(name, &event).env("GITHUB_API_URL", &format!("{}/api/v3", forge.url()));
    job.write("regsync.yaml", scene.bound().read("regsync.yaml"));
    job.env(&format!("REGSYNC_PROVIDER_{}", in_variable(&scene.target.host())), "quay")
}

/// With `permissions: id-token: write`.
fn identified(scene: &Federation, job: Job) -> Job {
    let job = job.env("ACTIONS_ID_TOKEN_REQUEST_URL", &scene.ci.url());
    job.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", &canary("actions-request"))
}

/// Who came to the service.
fn robots(scene: &Federation) -> Vec<String> {
    let came = scene.target.requests().into_iter().filter(|request| request.path == PATH);
    came.map(|request| basic_pair(request.header("authorization").unwrap()).unwrap().0).collect()
}

#[test]
fn the_plan_reads_as_one_identity_and_what_is_merged_is_applied_as_another() {
    let (scene, forge) = (quay(), Forge::github());
    let with = |command| [("binary-path", REGSYNC), ("command", command)];
    let planned = identified(&scene, job(&scene, &forge, "pull_request-own")).uses(&with("plan"));
    assert_eq!(planned.assert_status(0).output("result"), "changes");
    assert_eq!(robots(&scene), ["acme+reader"], "a pull request is not who writes");
    assert_eq!(scene.ci.audiences().len(), 1);
    assert!(forge.own().body.contains("1 to copy"), "{}", forge.own().body);
    assert!(scene.target.store.tags("app").is_empty());

    let applied = identified(&scene, job(&scene, &forge, "push")).uses(&with("apply"));
    assert_eq!(applied.assert_status(0).output("result"), "applied");
    assert_eq!(robots(&scene), ["acme+reader", "acme+mirror"]);
    assert_eq!(scene.target.store.tags("app"), ["1"]);
}

/// GitHub gives it no ID token; with the rights of the repository it would, and it is not asked for.
#[test]
fn a_fork_has_no_identity() {
    let (scene, forge) = (quay(), Forge::github());
    let with = [("binary-path", REGSYNC), ("comment", "off")];
    let given_none = job(&scene, &forge, "pull_request-fork").uses(&with);
    assert_eq!(given_none.assert_status(0).output("result"), "partial");
    let uses_none = identified(&scene, job(&scene, &forge, "pull_request_target-fork")).uses(&with);
    assert_eq!(uses_none.assert_status(0).output("result"), "partial");
    assert_eq!((robots(&scene).len(), scene.ci.audiences().len()), (0, 0));
    scene.target.assert_no_authorization();
}
