//! Events that run with the rights of the repository whoever has caused them: for a fork, no credential is used and nothing
//! applied.

use std::path::Path;

use serde_json::json;

use super::{commands, outputs, runner};
use crate::support::canary::canary;
use crate::support::harness::{Output, Regsync};
use crate::support::identity::{Actions, in_variable};
use crate::support::images::zoo;
use crate::support::registry::{Auth, Options};
use crate::support::stage::Pair;

/// A source that needs what docker's file has, and a target that needs what the environment has.
struct Scene {
    pair: Pair,
    actions: Actions,
}

impl Scene {
    fn start() -> Self {
        let locked = || Options { auth: Auth::basic("robot", &canary("registry")), ..Options::default() };
        let pair = Pair::with(locked(), locked());
        zoo::single("image").push_to(&pair.source, "app", "1");
        pair.clear_logs();
        Self { pair, actions: Actions::start() }
    }

    /// A job of the event in this file, with every credential that a job may have.
    fn job(&self, name: &str, event: &str) -> Regsync {
        let Pair { source, target } = &self.pair;
        let (password, pair) = (canary("registry"), format!("robot:{}", canary("registry")));
        let docker = json!({"auths": {source.host(): {"username": "robot", "password": password}}});
        let regsync = runner(self.pair.regsync(&[self.pair.mirror("app", &["1"])]));
        regsync.write("event.json", event);
        let path = regsync.path("event.json").to_str().unwrap().to_owned();
        let regsync =
            regsync.env("GITHUB_EVENT_NAME", name).env("GITHUB_EVENT_PATH", &path).env("REGSYNC_COMMENT", "off");
        let regsync = regsync.env("DOCKER_AUTH_CONFIG", &docker.to_string());
        self.actions.job(regsync.env(&format!("REGSYNC_AUTH_{}", in_variable(&target.host())), &pair))
    }

    /// A job of a payload as GitHub sends it.
    fn of(&self, file: &str) -> Regsync {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/events").join(format!("{file}.json"));
        let (name, _) = file.rsplit_once('-').unwrap();
        self.job(name, &std::fs::read_to_string(path).unwrap())
    }

    #[track_caller]
    fn assert_showed_nothing(&self) {
        self.pair.source.assert_no_authorization();
        self.pair.target.assert_no_authorization();
        assert_eq!(self.actions.audiences(), [""; 0], "an ID token was asked for");
    }
}

fn said(run: &Output) -> Vec<&str> {
    commands(&run.stderr, "notice")
}

#[test]
fn a_plan_for_a_fork_uses_none_of_the_credentials_that_the_job_has() {
    for file in ["pull_request_target-fork", "workflow_run-fork"] {
        let scene = Scene::start();
        let regsync = scene.of(file);
        let run = regsync.run(["plan", "--detailed-exitcode"]);
        run.assert_status(0);
        scene.assert_showed_nothing();
        let name = file.split('-').next().unwrap();
        let notices = said(&run);
        assert_eq!(notices.len(), 2, "{}", run.stderr);
        let why = format!(
            "::notice title=regsync::no credential is used: a job for `{name}` has the rights of the repository whoever has \
             caused it, and this one is of a fork"
        );
        assert_eq!(notices[0], why);
        assert!(notices[1].contains("since they are not used for a fork: 1 step is not planned"), "{}", notices[1]);
        let told = outputs(&regsync);
        assert_eq!((told["result"].as_str(), told["exit-code"].as_str()), ("partial", "0"), "{file}");
        scene.pair.assert_read_only();
    }
}

#[test]
fn a_plan_for_the_repositorys_own_commits_uses_what_the_job_has() {
    for file in ["pull_request-own", "pull_request-fork", "pull_request_target-own", "workflow_run-own"] {
        let scene = Scene::start();
        let regsync = scene.of(file);
        let run = regsync.run(["plan", "--detailed-exitcode"]);
        assert_eq!((run.assert_status(2).stderr.contains("no credential"), said(&run).len()), (false, 0), "{file}");
        assert!(scene.pair.target.requests().iter().any(|request| request.header("authorization").is_some()), "{file}");
    }
}

#[test]
fn where_it_is_not_shown_whose_the_commits_are_nothing_is_used_and_nothing_excused() {
    let comment =
        json!({"issue": {"number": 7, "pull_request": {"url": "https://api.github.com/repos/acme/mirrors/pulls/7"}}});
    for (name, event) in [
        ("pull_request_target", "{}".to_owned()),
        ("pull_request_target", "{\"pull_request\":".to_owned()),
        ("workflow_run", "{}".to_owned()),
        ("issue_comment", comment.to_string()),
    ] {
        let scene = Scene::start();
        let regsync = scene.job(name, &event);
        let run = regsync.run(["plan"]);
        run.assert_status(1);
        scene.assert_showed_nothing();
        assert!(said(&run)[0].ends_with("and it does not show whose commits this one is for"), "{}", run.stderr);
        assert_eq!((said(&run).len(), outputs(&regsync)["failure-reason"].as_str()), (1, "auth"), "{name} {event}");
        scene.job(name, &event).run(["apply"]).assert_status(64);
        scene.assert_showed_nothing();
    }
    // An issue that is none of a pull request is nobody's commits.
    let scene = Scene::start();
    scene.job("issue_comment", r#"{"issue": {"number": 7}}"#).run(["plan"]).assert_status(0);
}

#[test]
fn other_commands_use_none_either_and_say_so() {
    let scene = Scene::start();
    let regsync = scene.of("workflow_run-fork");
    let explained = regsync.run(["explain", &scene.pair.target.reference("app:1")]);
    let checked = regsync.run(["auth", "check"]);
    for run in [&explained, &checked] {
        let why = "note: no credential is used: a job for `workflow_run` has the rights of the repository";
        assert!(run.stderr.starts_with(why), "{}", run.stderr);
    }
    let whose = "credential: none, by the event of this job, which anybody may cause";
    assert!(checked.assert_status(1).stdout.contains(whose), "{}", checked.stdout);
    scene.assert_showed_nothing();
}

#[test]
fn apply_is_refused_before_anything_is_asked() {
    for (file, why) in [
        (
            "pull_request_target-fork",
            "apply is not run: a job for `pull_request_target` has the rights of the repository",
        ),
        ("pull_request_target-own", "apply is not run on `pull_request_target`"),
        ("workflow_run-fork", "apply is not run: a job for `workflow_run` has the rights of the repository"),
    ] {
        let scene = Scene::start();
        let regsync = scene.of(file);
        let run = regsync.run(["apply"]);
        assert!(run.assert_status(64).stderr.contains(why), "{}", run.stderr);
        let told = outputs(&regsync);
        assert_eq!((told["result"].as_str(), told["failure-reason"].as_str()), ("failed", "usage"), "{file}");
        let asked = scene.pair.source.requests().len() + scene.pair.target.requests().len();
        assert_eq!((asked, scene.actions.audiences().len()), (0, 0), "{file}");
    }
    for file in ["pull_request-own", "workflow_run-own"] {
        let scene = Scene::start();
        scene.of(file).run(["apply"]).assert_status(0);
        assert_eq!(scene.pair.target.store.tags("app"), ["1"], "{file}");
    }
}

/// Artifacts of other runs look alike, whoever has made them.
#[test]
fn a_saved_plan_is_applied_after_another_run_only_where_its_id_is_expected() {
    let scene = Scene::start();
    let regsync = scene.of("workflow_run-own");
    regsync.run(["plan", "-o", "plan.json"]).assert_status(0);
    let id = outputs(&regsync)["plan-id"].clone();
    let run = regsync.run(["apply", "plan.json"]);
    assert!(
        run.assert_status(64).stderr.contains("without --expect-plan-id: anybody may have made it"),
        "{}",
        run.stderr
    );
    scene.pair.assert_read_only();
    regsync.run(["apply", "plan.json", "--expect-plan-id", "4f2a91c07d3e"]).assert_status(4);
    scene.pair.assert_read_only();
    regsync.run(["apply", "plan.json", "--expect-plan-id", &id]).assert_status(0);
}

/// Away from a runner these variables are anybody's.
#[test]
fn only_a_runner_has_events() {
    let scene = Scene::start();
    scene.of("workflow_run-fork").env("GITHUB_ACTIONS", "").run(["apply"]).assert_status(0);
}
