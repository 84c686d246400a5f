//! The ways in which the action is used: a plan on a pull request, a saved plan that another job carries out, and what is
//! left of a run that ends badly.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::REGSYNC;
use super::runner::commands::MOST;
use super::runner::manifest::{Manifest, reference};
use super::runner::{Ended, Job};
use crate::support::canary::canary;
use crate::support::forge::Forge;
use crate::support::images::zoo;
use crate::support::real_registry::{RealRegistry, witness_digest};
use crate::support::registry::{Auth, FakeRegistry, Options};
use crate::support::server::{Answer, Fault, Gate, Match};
use crate::support::stage::{Mirror, Pair, yaml};

const BINARY: (&str, &str) = ("binary-path", REGSYNC);

/// A source with some tags, and a target with another `1`.
fn pair() -> Pair {
    let pair = Pair::start();
    for tag in ["1", "2", "3"] {
        zoo::index(tag).push_to(&pair.source, "app", tag);
    }
    zoo::single("older").push_to(&pair.target, "app", "1");
    pair.clear_logs();
    pair
}

/// A job with this configuration in its checkout.
fn job(mirrors: &[Mirror]) -> Job {
    let job = Job::new();
    job.write("mirror/regsync.yaml", yaml(mirrors));
    job
}

const THERE: (&str, &str) = ("working-directory", "mirror");

#[test]
fn a_plan_on_a_pull_request_is_saved_and_shown_and_writes_nothing() {
    let pair = pair();
    let forge = Forge::github();
    let mut job = on_pull_request(job(&[pair.mirror("app", &["1", "2"])]), &forge);
    let ended = job.uses(&[BINARY, THERE, ("label", "prod-eu"), ("report", "json=plan.json\nmarkdown=plan.md")]);
    ended.assert_status(0);
    assert_eq!(
        (ended.output("result"), ended.output("has-changes"), ended.output("has-risk")),
        ("changes", "true", "true")
    );
    assert_eq!(ended.output("counts"), r#"{"copy":1,"update":1,"skip":0,"blocked":0,"error":0}"#);
    assert_eq!((ended.output("failure-reason"), ended.output("exit-code")), ("", "0"));
    assert_eq!(ended.output("binary-path"), REGSYNC);
    let file = ended.output("plan-file");
    assert!(file.starts_with(job.variable("RUNNER_TEMP").unwrap()), "{file}");
    let plan: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(plan["plan_id"], ended.output("plan-id"));
    let summary = ended.summary.as_deref().unwrap();
    assert!(summary.starts_with("### 🔵 regsync plan · prod-eu — "), "{summary}");
    assert!(
        summary.contains("/acme/mirrors/blob/3f9c2d1ab0c4e5f60718293a4b5c6d7e8f901234/mirror/regsync.yaml#L3"),
        "{summary}"
    );
    let comment = forge.own().body;
    assert!(comment.starts_with("<!-- regsync:plan v=1 key=prod-eu run=812.1 -->\n"), "{comment}");
    assert!(comment.contains(summary.lines().next().unwrap()), "{comment}");
    assert_eq!(ended.output("comment-url"), "https://github.example/acme/mirrors/pull/7#issuecomment-1001");
    let warnings = ended.log.of("warning");
    assert_eq!(warnings.len(), 1, "{:?}", ended.log);
    assert_eq!(warnings[0].properties["file"], "mirror/regsync.yaml");
    assert!(job.path("mirror/plan.json").exists() && job.path("mirror/plan.md").exists());
    pair.assert_read_only();
    // Drift, and what is too risky, fail the step.
    let drift = job.uses(&[BINARY, THERE, ("detailed-exitcode", "true")]);
    assert_eq!(drift.assert_status(2).output("failure-reason"), "drift");
    let risk = job.uses(&[BINARY, THERE, ("fail-on-risk", "tag-move")]);
    assert_eq!(risk.assert_status(5).output("failure-reason"), "risk-blocked");
    pair.assert_read_only();
}

#[test]
fn each_plan_of_a_job_is_a_file_of_its_own_that_later_steps_find() {
    let pair = pair();
    let mut job = job(&[pair.mirror("app", &["2"])]);
    let plan = |ended: &Ended| -> Value {
        serde_json::from_str(&fs::read_to_string(ended.assert_status(0).output("plan-file")).unwrap()).unwrap()
    };
    let first = job.uses(&[BINARY, THERE]);
    job.write("other/regsync.yaml", yaml(&[pair.mirror("app", &["3"])]));
    let second = job.uses(&[BINARY, ("working-directory", "other")]);
    assert_ne!(first.output("plan-id"), second.output("plan-id"));
    for ended in [&first, &second] {
        assert_eq!(plan(ended)["plan_id"], ended.output("plan-id"));
    }
    // Paths of other steps, and of what they use, start at the workspace.
    let third = job.uses(&[BINARY, THERE, ("plan-file", "./plan.json")]);
    assert_eq!(plan(&third)["plan_id"], first.output("plan-id"));
    assert!(Path::new(third.output("plan-file")).is_absolute());
    let apply = [BINARY, THERE, ("command", "apply"), ("plan-file", third.output("plan-file"))];
    let applied = job.uses(&apply);
    assert_eq!(applied.assert_status(0).output("plan-file"), third.output("plan-file"));
    assert_eq!(pair.target.store.tags("app"), ["1", "2"]);
}

/// The job of a pull request of `forge`.
fn on_pull_request(job: Job, forge: &Forge) -> Job {
    let job = job.on("pull_request", r#"{"action": "opened", "number": 7, "pull_request": {"number": 7}}"#);
    job.env("GITHUB_REF", "refs/pull/7/merge").env("GITHUB_API_URL", &format!("{}/api/v3", forge.url()))
}

#[test]
fn without_the_right_to_comment_the_plan_is_in_the_summary() {
    let (pair, forge) = (pair(), Forge::github());
    let message = json!({"message": "Resource not accessible by integration"});
    forge.fault(Match::new("POST", "/comments"), Fault::Reply(Answer::status(403).json(&message)));
    let mut job = on_pull_request(job(&[pair.mirror("app", &["2"])]), &forge);
    let ended = job.uses(&[BINARY, THERE]);
    ended.assert_status(0);
    assert_eq!((ended.output("result"), ended.output("comment-url")), ("changes", ""));
    assert_eq!(ended.log.of("notice").len(), 1, "{:?}", ended.log);
    assert!(ended.summary.as_deref().unwrap().contains("app:2"), "{:?}", ended.summary);
    forge.clear_log();
    let ended = job.uses(&[BINARY, THERE, ("comment", "off")]);
    assert_eq!((ended.assert_status(0).log.of("notice").len(), forge.requests().len()), (0, 0));
}

#[test]
fn a_plan_that_was_approved_is_carried_out_by_another_job_and_nothing_else_is() {
    let (Some(source), Some(target)) = (RealRegistry::start(), RealRegistry::start()) else { return };
    let (one, two) = (zoo::index("one"), zoo::index("two"));
    one.push_to_url(&source.url(), "app", "1");
    let app = |registry: &RealRegistry| format!("{}/app", registry.host());
    let mirrors = [Mirror::new(&app(&source), &[&app(&target)], &["*"])];
    let mut first = job(&mirrors);
    let planned = first.uses(&[BINARY, THERE, ("plan-file", "plan.json")]);
    planned.assert_status(0);
    assert_eq!(Path::new(planned.output("plan-file")), first.path("mirror/plan.json"));
    let plan = fs::read(first.path("mirror/plan.json")).unwrap();

    // Meanwhile the tag moves, and there is another one. Neither was reviewed.
    two.push_to_url(&source.url(), "app", "1");
    two.push_to_url(&source.url(), "app", "2");
    let mark = target.mark();
    let mut second = job(&mirrors);
    second.write("mirror/plan.json", &plan);
    let saved = ("plan-file", "plan.json");
    let with = [BINARY, THERE, ("command", "apply"), saved];
    let other = second.uses(&[&with[..], &[("expect-plan-id", "4f2a91c07d3e")]].concat());
    assert_eq!(other.assert_status(4).output("failure-reason"), "plan-changed");
    target.assert_read_only_since(mark);
    let expected = ("expect-plan-id", planned.output("plan-id"));
    let applied = second.uses(&[&with[..], &[expected]].concat());
    applied.assert_status(0);
    assert_eq!((applied.output("result"), applied.output("plan-id")), ("applied", planned.output("plan-id")));
    assert_eq!(witness_digest(&target.host(), "app", "1"), one.digest());
    assert!(applied.summary.as_deref().unwrap().contains("regsync apply"), "{:?}", applied.summary);
    assert_eq!(target.access_log().iter().filter(|access| access.path.ends_with("/manifests/2")).count(), 0);
}

/// As a matrix does it: a job for each shard that the plan names.
#[test]
fn the_shards_of_a_plan_do_all_of_it_in_jobs_of_their_own() {
    let pair = Pair::start();
    let names: Vec<String> = (0..3).map(|n| format!("app{n}")).collect();
    let tags: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    for (name, tag) in names.iter().flat_map(|name| tags.iter().map(move |tag| (name, tag))) {
        zoo::single(name).push_to(&pair.source, name, tag);
    }
    let mirrors: Vec<Mirror> = names.iter().map(|name| pair.mirror(name, &["*"])).collect();
    let planned = job(&mirrors).uses(&[BINARY, THERE]);
    let shards: Vec<String> = serde_json::from_str(planned.assert_status(0).output("shards")).unwrap();
    assert!(!shards.is_empty() && shards.iter().all(|shard| shard.ends_with("/2")), "{shards:?}");
    for shard in &shards {
        let with = [BINARY, THERE, ("command", "apply"), ("shard", shard.as_str())];
        assert_eq!(job(&mirrors).uses(&with).assert_status(0).output("result"), "applied");
    }
    for name in &names {
        assert_eq!(pair.target.store.tags(name).len(), tags.len());
    }
    let again = job(&mirrors).uses(&[BINARY, THERE]);
    assert_eq!((again.output("result"), again.output("shards")), ("no-changes", "[]"));
}

#[test]
fn what_failed_in_part_is_told_step_by_step() {
    let pair = pair();
    let gone = zoo::index("2").blobs[0].digest.clone();
    pair.source.fault(Match::new("GET", &format!("/blobs/{gone}")), Fault::status(404));
    let mut job = job(&[pair.mirror("app", &["2", "3", "9"])]);
    let ended = job.uses(&[BINARY, THERE, ("command", "apply"), ("report", "json=result.json")]);
    ended.assert_status(3);
    assert_eq!((ended.output("result"), ended.output("failure-reason")), ("partial", "partial-apply"));
    assert_eq!(Path::new(ended.output("result-file")), job.path("mirror/result.json"));
    assert_eq!(ended.errors().len(), 2, "{:?}", ended.log);
    assert!(ended.log.of("error").iter().all(|error| error.properties["file"] == "mirror/regsync.yaml"));
    assert!(ended.summary.as_deref().unwrap().contains("app:9"), "{:?}", ended.summary);
    assert_eq!(pair.target.store.tags("app"), ["1", "3"]);
}

#[test]
fn a_cancelled_copy_is_told_before_the_runner_loses_patience() {
    let pair = pair();
    let mut job = job(&[pair.mirror("app", &["2", "3"])]);
    let gate = Gate::new();
    let stuck = zoo::index("2").blobs[0].digest.clone();
    pair.source.fault(Match::new("GET", &format!("/blobs/{stuck}")), Fault::Hold(gate.clone()));
    let run = job.start(&[BINARY, THERE, ("command", "apply"), ("concurrency", "1"), ("report", "json=result.json")]);
    gate.wait_for(1);
    let ended = run.cancel();
    gate.open();
    assert_eq!(ended.cancelled_by, Some("SIGINT"), "it had to be killed: {:?}", ended.log);
    ended.assert_status(130);
    assert_eq!((ended.output("result"), ended.output("failure-reason")), ("failed", "interrupted"));
    assert!(ended.output("counts").contains(r#""not-run":2"#), "{:?}", ended.outputs);
    assert!(ended.summary.as_deref().unwrap().contains("**2 not run**"), "{:?}", ended.summary);
    assert!(job.path("mirror/result.json").exists());
    pair.target.assert_closed();
    assert_eq!(pair.target.store.tags("app"), ["1"]);
}

/// Nobody can write anything once SIGKILL is there: what holds was written before.
#[test]
fn a_killed_run_is_a_failed_one() {
    let pair = pair();
    let mut job = job(&[pair.mirror("app", &["2"])]);
    let gate = Gate::new();
    pair.source.fault(Match::new("GET", "/blobs/"), Fault::Hold(gate.clone()));
    let run = job.start(&[BINARY, THERE, ("command", "apply")]);
    gate.wait_for(1);
    // The process that was started is regsync: there is no shell before it.
    assert!(Command::new("kill").args(["-KILL", &run.id().to_string()]).status().unwrap().success());
    let ended = run.wait();
    gate.open();
    assert_eq!(ended.status, None);
    assert_eq!((ended.output("result"), ended.output("failure-reason")), ("failed", "failed"));
    assert_eq!((ended.output("has-changes"), ended.output("exit-code")), ("false", "1"));
    assert!(ended.outputs.keys().all(|name| ended.set.contains(name)), "{:?}", ended.set);
}

#[test]
fn each_output_is_set_however_early_a_run_fails() {
    let mut job = Job::new();
    job.write("mirror/regsync.yaml", "version: 1\nmirors: []\n");
    for (with, status, reason) in [
        (vec![THERE], 65, "config-invalid"),
        (vec![THERE, ("command", "validate")], 65, "config-invalid"),
        (vec![THERE, ("command", "apply")], 65, "config-invalid"),
        (vec![THERE, ("command", "apply"), ("plan-file", "nowhere.json")], 65, "config-invalid"),
        (vec![THERE, ("fail-on-risk", "rain")], 64, "usage"),
        (vec![THERE, ("plan-file", "no/such/directory/plan.json")], 64, "usage"),
        (vec![THERE, ("command", "apply"), ("report", "json=no/such/directory/plan.json")], 64, "usage"),
    ] {
        let ended = job.uses(&[&with[..], &[BINARY][..]].concat());
        ended.assert_status(status);
        assert_eq!(ended.output("failure-reason"), reason, "{with:?}");
        assert_eq!((ended.output("exit-code"), ended.output("result")), (status.to_string().as_str(), "failed"));
        assert_eq!(ended.output("version"), env!("CARGO_PKG_VERSION"));
    }
    for command in ["destroy", "plan apply", "--help", "$(touch pwned)"] {
        let ended = job.uses(&[BINARY, ("command", command)]);
        assert_eq!(ended.assert_status(1).errors(), ["command is not plan, apply, validate or install"]);
        assert_eq!(ended.output("failure-reason"), "usage");
    }
}

#[test]
fn no_annotation_is_lost_to_the_limit_of_the_runner() {
    let pair = pair();
    let mirrors: Vec<Mirror> = (0..25).map(|n| pair.mirror(&format!("nowhere/{n}"), &["1"])).collect();
    let ended = job(&mirrors).uses(&[BINARY, THERE]);
    ended.assert_status(1);
    assert_eq!((ended.errors().len(), ended.log.dropped), (MOST, 0));
    assert!(ended.errors()[MOST - 1].contains("and 16 more"), "{:?}", ended.errors());
}

#[test]
fn what_a_pull_request_brings_is_not_applied_with_the_rights_of_the_repository() {
    let pair = pair();
    let id = ("expect-plan-id", "4f2a91c07d3e");
    let apply = [BINARY, THERE, ("command", "apply")];
    let here = || job(&[pair.mirror("app", &["1"])]);
    let event = |name: &str| {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/events").join(name)).unwrap()
    };
    let mut target = here().on("pull_request_target", &event("pull_request_target-fork.json"));
    let ended = target.uses(&apply);
    assert_eq!(ended.assert_status(64).output("failure-reason"), "usage");
    assert!(ended.errors()[0].contains("apply is not run"), "{:?}", ended.errors());
    target.uses(&[BINARY, THERE, ("plan-file", "plan.json")]).assert_status(0);
    let mut fork = here().on("workflow_run", &event("workflow_run-fork.json"));
    assert_eq!(fork.uses(&apply).assert_status(64).output("failure-reason"), "usage");

    let mut after = here().on("workflow_run", &event("workflow_run-own.json"));
    after.write("mirror/plan.json", fs::read(target.path("mirror/plan.json")).unwrap());
    let saved = [&apply[..], &[("plan-file", "plan.json")]].concat();
    let ended = after.uses(&saved);
    assert_eq!(ended.assert_status(64).output("failure-reason"), "usage");
    assert!(ended.errors()[0].contains("without --expect-plan-id"), "{:?}", ended.errors());
    let ended = after.uses(&[&saved[..], &[id]].concat());
    assert_eq!(ended.assert_status(4).output("failure-reason"), "plan-changed");
    pair.assert_read_only();
    after.uses(&apply).assert_status(0);
}

/// What regsync tells the runner to hide comes to the runner, and to no file.
#[test]
fn a_password_that_the_action_is_given_is_used_and_shown_nowhere() {
    let password = canary("registry password");
    let auth = Auth::basic("robot", &password);
    let target = FakeRegistry::with(Options { auth, ..Options::default() });
    let pair = Pair { source: FakeRegistry::start(), target };
    zoo::single("1").push_to(&pair.source, "app", "1");
    let mut job = job(&[pair.mirror("app", &["1"])]);
    let list = |user: &str| {
        let host = pair.target.host();
        format!("- registry: {host}\n  username: {user}\n  password: {password}\n")
    };
    for (user, status) in [("nobody", 1), ("robot", 0)] {
        let given = list(user);
        let with = [BINARY, THERE, ("command", "apply"), ("registry-auth", given.as_str()), ("log-level", "trace")];
        let ended = job.uses(&with);
        assert!(ended.assert_status(status).log.masks.contains(&password), "{:?}", ended.log.masks);
    }
    assert_eq!(pair.target.store.tags("app"), ["1"]);
}

/// The variables of all flags.
fn variables(command: &clap::Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(|arg| Some(arg.get_env()?.to_str()?.to_owned()));
    own.chain(command.get_subcommands().flat_map(variables)).collect()
}

/// What the action offers, the binary has; and what a step sets, the action gives on.
#[test]
fn inputs_and_outputs_are_those_of_the_binary() {
    let text = include_str!("../../action.yml");
    let manifest = Manifest::read(text);
    let script = include_str!("../../action/run.sh");
    let given = |line: &str| line.trim_start().strip_prefix("give ")?.split_whitespace().next().map(str::to_owned);
    let mut given: BTreeSet<String> = script.lines().filter_map(given).collect();
    assert!(given.remove("GITHUB_TOKEN") && given.remove("REGSYNC_AUTH"));
    let known = variables(&regsync::cli::command());
    assert!(given.is_subset(&known), "{:?}", given.difference(&known));
    for (name, value) in &manifest.step().env {
        assert!(script.contains(name.as_str()), "{name} is mapped, and not read");
        assert!(
            value == "${{ github.token }}"
                || reference(value).is_some_and(|(_, input)| manifest.inputs.contains_key(input))
        );
    }
    assert_eq!(manifest.step().env.len(), manifest.inputs.len() + 1, "an input is not mapped");
    assert!(
        manifest.inputs.values().all(|input| input.default.as_deref() == Some("")),
        "a default would beat the environment"
    );
    let mut job = Job::new();
    let ended = job.uses(&[BINARY, ("config", "nowhere.yaml")]);
    let unknown: Vec<_> = ended.set.iter().filter(|name| !manifest.outputs.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "{unknown:?} are set, and not given on");
}
