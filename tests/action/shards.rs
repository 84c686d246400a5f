//! The printed way to have shards approved: the plans that its script saves, and no others, are carried out.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::REGSYNC;
use super::printed::workflows;
use super::runner::Job;
use crate::support::images::zoo;
use crate::support::stage::{Mirror, Pair, yaml};
use crate::support::tools::require_tool;

/// Runs the printed script in the workspace, as a runner does; the jobs that it asks for.
fn plans(job: &Job) -> Vec<Value> {
    let workflows = workflows("docs/github.md");
    let workflow = workflows.iter().find(|workflow| workflow["name"] == "mirror in approved shards").unwrap();
    let steps = workflow["jobs"]["plan"]["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["id"] == "plans").unwrap();
    let path = format!("{}:{}", Path::new(REGSYNC).parent().unwrap().display(), job.variable("PATH").unwrap());
    let output = job.path("../output of the script");
    let mut script = Command::new("sh");
    script.args(["-e", "-c", step["run"].as_str().unwrap()]).current_dir(job.path("")).env_clear();
    script.env("PATH", path).env("SHARDS", step["env"]["SHARDS"].as_str().unwrap()).env("GITHUB_OUTPUT", &output);
    let ended = script.env("GITHUB_ACTIONS", "true").output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{}", String::from_utf8_lossy(&ended.stderr));
    let output = fs::read_to_string(output).unwrap();
    let jobs = output.lines().rfind(|line| line.starts_with("jobs=")).unwrap();
    serde_json::from_str(jobs.strip_prefix("jobs=").unwrap()).unwrap()
}

#[test]
fn each_job_does_the_plan_of_its_shard_and_nothing_else() {
    if require_tool("jq").is_none() {
        return;
    }
    let pair = Pair::start();
    let names: Vec<String> = (0..6).map(|n| format!("app{n}")).collect();
    for name in &names {
        zoo::single(name).push_to(&pair.source, name, "1");
    }
    let mut mirrors: Vec<Mirror> = names.iter().map(|name| pair.mirror(name, &["1"])).collect();
    // One that is in error: the plan of its shard is saved, and the script ends as the whole does.
    mirrors.push(pair.mirror("nowhere", &["1"]));
    let mut job = Job::new();
    job.write("regsync.yaml", yaml(&mirrors));
    let jobs = plans(&job);
    assert!(jobs.len() > 1, "{jobs:?}");
    for name in &names {
        zoo::single("later").push_to(&pair.source, name, "1");
    }

    let mut apply = |plan: &Value, id: &Value| {
        let saved = [("plan-file", plan.as_str().unwrap()), ("expect-plan-id", id.as_str().unwrap())];
        job.uses(&[&[("binary-path", REGSYNC), ("command", "apply")], &saved[..]].concat())
    };
    let other = apply(&jobs[0]["plan"], &jobs[1]["id"]);
    assert_eq!(other.assert_status(4).output("failure-reason"), "plan-changed");
    pair.assert_read_only();
    for matrix in &jobs {
        let ended = apply(&matrix["plan"], &matrix["id"]);
        assert!(matches!(ended.output("result"), "applied" | "partial"), "{:?}", ended.outputs);
    }
    for name in &names {
        assert_eq!(pair.target.tag_digest(name, "1").as_deref(), Some(zoo::single(name).digest()), "{name}");
    }
}
