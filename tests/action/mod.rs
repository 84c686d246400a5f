//! `action.yml` itself, on a runner like GitHub's: what it runs, what it lets a step say, and how it ends.

mod binary;
mod flows;
mod identity;
mod inert;
mod printed;
mod runner;
mod secrets;
mod self_check;
mod shards;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use runner::Job;

/// The binary under test.
const REGSYNC: &str = env!("CARGO_BIN_EXE_regsync");

/// A program that tells what it was run with, in files of the workspace, and ends well.
const TELLS: &str = r#"#!/bin/sh
[ "${1:-}" != --version ] || { echo "regsync 7.8.9 (abc) here"; exit 0; }
printf '%s\n' "$0" >"$GITHUB_WORKSPACE/told program"
pwd >"$GITHUB_WORKSPACE/told directory"
printf '%s\n' "$@" >"$GITHUB_WORKSPACE/told arguments"
env -0 >"$GITHUB_WORKSPACE/told environment"
"#;

/// Writes a program.
fn program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A `PATH` with these programs of the machine, and no other.
fn only(job: &Job, programs: &[&str]) -> String {
    let directory = job.path("../bin");
    fs::create_dir_all(&directory).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for name in programs {
        let mut found = std::env::split_paths(&path).map(|directory| directory.join(name));
        let found = found.find(|file| file.is_file()).unwrap_or_else(|| panic!("{name} is not installed"));
        symlink(found, directory.join(name)).unwrap();
    }
    directory.to_str().unwrap().to_owned()
}

/// What [`TELLS`] was given as this variable.
fn told(job: &Job, name: &str) -> Option<String> {
    let text = fs::read_to_string(job.path("told environment")).unwrap();
    let mut pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}

/// The arguments that [`TELLS`] was given; nothing where it was not run.
fn arguments(job: &Job) -> Option<String> {
    fs::read_to_string(job.path("told arguments")).ok()
}
