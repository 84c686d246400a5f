//! Secrets of a job and of a step: regsync gets them, and what finds or builds it does not.

use std::fs;

use super::binary::{TOOLS, job as pinned};
use super::runner::Job;
use super::{TELLS, only, program, told};
use crate::support::canary::{assert_no_canary, canary};
use crate::support::tools::require_tool;

/// Variables of a job that are secrets, beside what the step is given.
const SECRETS: [&str; 13] = [
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_RUNTIME_TOKEN",
    "GITHUB_TOKEN",
    "REGSYNC_AUTH",
    "REGSYNC_AUTH_GHCR_IO",
    "REGSYNC_TOKEN_GHCR_IO",
    "REGSYNC_ID_TOKEN",
    "DOCKER_AUTH_CONFIG",
    "NPM_TOKEN",
    "DATABASE_PASSWORD",
    "SIGNING_KEY",
    "GOOGLE_CREDENTIALS",
];

/// What the job has under that name: its first line looks like another variable.
fn secret(name: &str) -> String {
    format!("'REGSYNC_AUTH_X=\n* {}", canary(name))
}

fn with_secrets(job: Job) -> Job {
    SECRETS.iter().fold(job, |job, name| job.env(name, &secret(name)))
}

/// Puts a program of that name into the job's own, which notes its environment and then does this.
fn noting(job: &Job, name: &str, then: &str) {
    let file = job.path("../bin").join(name);
    drop(fs::remove_file(&file));
    program(&file, &format!("#!/bin/sh\nenv >>\"$GITHUB_WORKSPACE/seen by {name}\"\n{then}"));
}

/// Panics unless the program was run, and has seen no secret.
#[track_caller]
fn assert_saw_none(job: &Job, name: &str) {
    let seen = fs::read_to_string(job.path(&format!("seen by {name}"))).unwrap();
    assert!(seen.contains("GITHUB_WORKSPACE="), "{seen}");
    assert_no_canary(name, &seen, &[]);
}

/// Panics unless regsync was given them all; what the step was given is stronger than what the job has.
#[track_caller]
fn assert_told_all(job: &Job, given: &str) {
    for name in SECRETS {
        // The runner gives the token of the job to each step, but a variable of that name is stronger.
        let expected = if name == "REGSYNC_AUTH" { given.to_owned() } else { secret(name) };
        assert_eq!(told(job, name), Some(expected), "{name}");
    }
}

/// What the script says, and where a plan is saved, is made with small programs of the machine.
#[test]
fn no_program_beside_regsync_has_any_of_them() {
    let small = ["tr", "sed", "mktemp"];
    for (with, run) in [
        (&[("registry-auth", "x"), ("working-directory", "sub dir")][..], &["tr", "mktemp"][..]),
        (&[("registry-auth", "x"), ("working-directory", "nowhere")], &["tr", "sed"]),
        (&[("registry-auth", "x"), ("command", "no such\ncommand")], &["tr", "sed"]),
    ] {
        let job = Job::new();
        let path = format!("{}:{}", only(&job, &TOOLS), job.variable("PATH").unwrap());
        for name in small {
            let real = require_tool(name).expect("it is everywhere");
            noting(&job, name, &format!("exec '{}' \"$@\"\n", real.display()));
        }
        program(&job.path("sub dir/tells"), TELLS);
        let mut job = with_secrets(job.env("PATH", &path));
        let ended = job.uses(&[with, &[("binary-path", "sub dir/tells")]].concat());
        ended.assert_status(i32::from(run.contains(&"sed")));
        for name in run {
            assert_saw_none(&job, name);
        }
        for name in small {
            assert!(run.contains(&name) || !job.path(&format!("seen by {name}")).exists(), "{name} was run");
        }
    }
}

#[test]
fn a_build_has_none_of_them() {
    let job = with_secrets(Job::new());
    let path = format!("{}:{}", only(&job, &TOOLS), job.variable("PATH").unwrap());
    program(&job.path("tells"), TELLS);
    let build = "mkdir -p target/release && cp \"$GITHUB_WORKSPACE/tells\" target/release/regsync\necho built\n";
    noting(&job, "cargo", build);
    let (mut job, given) = (job.env("PATH", &path), canary("input"));
    job.uses(&[("build", "true"), ("registry-auth", &given)]).assert_status(0);
    assert_saw_none(&job, "cargo");
    assert_told_all(&job, &given);
}

#[test]
fn a_download_has_none_of_them() {
    for download in ["curl", "wget"] {
        let Some(real) = require_tool(download) else { continue };
        let (job, _server, mirror) = pinned(&[download, "sha256sum"]);
        let awk = require_tool("awk").expect("awk is there");
        noting(&job, "awk", &format!("exec '{}' \"$@\"\n", awk.display()));
        noting(&job, download, &format!("exec '{}' \"$@\"\n", real.display()));
        let (mut job, given) = (with_secrets(job), canary("input"));
        job.uses(&[("download-url", &mirror), ("registry-auth", &given)]).assert_status(0);
        assert_saw_none(&job, download);
        assert_saw_none(&job, "awk");
        assert_told_all(&job, &given);
    }
}
