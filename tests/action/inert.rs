//! Text that somebody else wrote, in inputs and from registries: it runs nothing, tells the runner nothing, sets nothing.

use std::fs;
use std::path::Path;

use super::runner::manifest::Manifest;
use super::runner::{Ended, Job};
use super::{REGSYNC, TELLS, program, told};
use crate::support::images::zoo;
use crate::support::server::{Answer, Fault, Match};
use crate::support::stage::{Pair, yaml};

const HOSTILE: [&str; 12] = [
    "$(touch pwned)",
    "`touch pwned`",
    "\"; touch pwned; \"",
    "'; touch pwned; '",
    "x\ntouch pwned",
    "x\n::set-output name=result::owned",
    "x\r::set-env name=PATH::/evil",
    "##[add-path]/evil",
    "x\nresult=owned\nresult<<E\nowned\nE",
    "--version",
    "-c /etc/passwd",
    "* ~ $HOME ${IFS} \\ %0A::warning::x",
];

/// Panics where the text did anything: a file, an output, a command.
#[track_caller]
fn assert_inert(job: &Job, ended: &Ended, what: &str) {
    for place in [job.path(""), job.path("mirror"), job.action().to_owned(), job.action().join("action")] {
        assert!(!place.join("pwned").exists(), "{what}: it was run");
    }
    assert_eq!(ended.log.others, [], "{what}");
    assert!(!ended.outputs.values().any(|value| value == "owned"), "{what}: {:?}", ended.outputs);
    let known = |name: &String| ended.outputs.contains_key(name);
    assert!(ended.set.iter().all(known), "{what}: {:?}", ended.set);
    assert!(ended.outputs.keys().all(|name| ended.set.contains(name)), "{what}: {:?}", ended.set);
    assert!(!job.variable("PATH").unwrap().contains("/evil"), "{what}");
}

/// Inputs that decide what is run: a wrong one ends the step.
const DECISIVE: [&str; 6] = ["command", "working-directory", "version", "binary-path", "download-url", "build"];

#[test]
fn an_input_is_text_and_never_code() {
    let manifest = Manifest::read(include_str!("../../action.yml"));
    let handed_on: Vec<&str> =
        manifest.inputs.keys().map(String::as_str).filter(|name| !DECISIVE.contains(name)).collect();
    assert_eq!(handed_on.len() + DECISIVE.len(), manifest.inputs.len());
    let mut job = Job::new();
    program(&job.path("tells"), TELLS);
    for hostile in HOSTILE {
        let all = handed_on.iter().map(|input| (*input, hostile));
        let with: Vec<_> = all.chain([("binary-path", "tells")]).collect();
        let ended = job.uses(&with);
        ended.assert_status(0);
        assert_inert(&job, &ended, hostile);
        assert_eq!(told(&job, "REGSYNC_CONFIG").as_deref(), Some(hostile));
        for input in DECISIVE {
            let sound = [("binary-path", "tells"), ("command", "plan")];
            // A binary that is named leaves nothing to decide.
            let needed = !["version", "download-url", "build"].contains(&input);
            let sound = sound.into_iter().filter(|(name, _)| needed && *name != input);
            let with: Vec<_> = sound.chain([(input, hostile)]).collect();
            let ended = job.uses(&with);
            assert_inert(&job, &ended, &format!("{input}: {hostile:?}"));
            assert_eq!(ended.status, Some(1), "{input}: {hostile:?}");
        }
    }
}

#[test]
fn an_input_that_the_binary_repeats_is_inert_too() {
    let pair = Pair::start();
    let mut job = Job::new();
    job.write("regsync.yaml", yaml(&[pair.mirror("app", &["1"])]));
    let names = [
        "config",
        "only",
        "plan-file",
        "expect-plan-id",
        "fail-on-risk",
        "report",
        "label",
        "log-level",
        "registry-auth",
    ];
    for input in names {
        for hostile in HOSTILE {
            let ended = job.uses(&[("binary-path", REGSYNC), ("command", "apply"), (input, hostile)]);
            assert_inert(&job, &ended, &format!("{input}: {hostile:?}"));
        }
    }
}

#[test]
fn what_a_registry_says_is_inert() {
    let pair = Pair::start();
    let mut job = Job::new();
    for (n, hostile) in HOSTILE.iter().enumerate() {
        let repository = format!("app{n}");
        zoo::single("x").push_to(&pair.source, &repository, "1");
        let answer = Answer::error(403, hostile, hostile).header("Warning", "299 - \"##[add-path]/evil\"");
        pair.source.fault(Match::new("*", &format!("/{repository}/")), Fault::Reply(answer));
    }
    let mirrors: Vec<_> = (0..HOSTILE.len()).map(|n| pair.mirror(&format!("app{n}"), &["1", "2*"])).collect();
    job.write("regsync.yaml", yaml(&mirrors));
    for (command, log) in [("plan", ""), ("apply", "trace")] {
        let ended = job.uses(&[("binary-path", REGSYNC), ("command", command), ("log-level", log)]);
        ended.assert_status(1);
        assert_inert(&job, &ended, command);
        let summary = ended.summary.unwrap();
        assert!(!summary.contains("\n::set-output") && summary.contains("app1"), "{summary}");
    }
}

/// What lies in a checkout is anybody's: none of it is found in place of a program, or read by a shell.
#[test]
fn a_checkout_brings_no_program_along() {
    let job = Job::new();
    let evil = "#!/bin/sh\n>pwned\n>\"$GITHUB_WORKSPACE/pwned\"\n";
    for name in ["sh", "uname", "sed", "dirname", "mkdir", "regsync", ".profile", ".shrc", "cargo"] {
        program(&job.path(name), evil);
    }
    program(&job.path("dir/regsync.sh"), TELLS);
    let mut job = job.env("ENV", "./.shrc").env("BASH_ENV", "./.shrc").env("CDPATH", "/:/tmp");
    let ended = job.uses(&[("binary-path", "dir/regsync.sh"), ("working-directory", "dir")]);
    ended.assert_status(0);
    assert_inert(&job, &ended, "the checkout");
    let at = fs::read_to_string(job.path("told directory")).unwrap();
    assert_eq!(Path::new(at.trim_end()), job.path("dir"));
}
