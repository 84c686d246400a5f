//! The command line as its users meet it: what it refuses and how, what it prints where, and how it ends.

mod auth_check;
mod catalogue;
mod colour;
#[cfg(target_os = "linux")]
mod core_dumps;
mod explain;
mod generated;
mod init;
mod merge;
mod plan_files;
mod quickstart;
mod schemas;
mod show;
mod streams;
mod usage;
mod variables;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::harness::{Output, Regsync};
use crate::support::registry::FakeRegistry;

/// The configuration of the example, as the repository's root names it.
const QUICKSTART: &str = "examples/quickstart/regsync.yaml";

/// The binary.
fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_regsync"))
}

/// The root of the repository.
fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the binary with arguments whose number is not fixed.
#[track_caller]
fn run(regsync: &Regsync, args: &[&str]) -> Output {
    regsync.spawn_program(program(), args).wait()
}

/// A place that holds the example where the repository has it.
fn quickstart() -> Regsync {
    let regsync = Regsync::new();
    let from = repository().join("examples/quickstart");
    for file in files_below(&from).into_iter().filter(|file| !file.starts_with("mirror")) {
        let to = format!("examples/quickstart/{}", file.display());
        regsync.write(&to, fs::read(from.join(&file)).unwrap());
    }
    regsync
}

/// A configuration that mirrors `app:1` and `app:2` of one registry to another repository of it.
fn one_mirror(host: &FakeRegistry) -> String {
    format!(
        "version: 1\nmirrors:\n  - source: {host}/app\n    target: {host}/mirror/app\n    tags: [\"1\", \"2\"]\n",
        host = host.host()
    )
}

/// All that lies below a directory, links and empty directories included, relative and sorted.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let is_directory = path.symlink_metadata().unwrap().is_dir();
            if is_directory && fs::read_dir(&path).unwrap().next().is_some() {
                walk(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(directory, &mut found);
    let mut found: Vec<_> = found.iter().map(|path| path.strip_prefix(directory).unwrap().to_owned()).collect();
    found.sort();
    found
}

/// One command line that is refused.
struct Case<'a> {
    name: &'a str,
    args: &'a [&'a str],
}

/// Runs each case in a place made for it alone. None may leave anything behind; the transcripts together are the text to
/// compare.
fn refusals(cases: &[Case<'_>], place: impl Fn(&str) -> Regsync) -> String {
    let mut text = String::new();
    for Case { name, args } in cases {
        let regsync = place(name);
        let trace = |home: &Path| (files_below(home.parent().unwrap()), regsync.path("."));
        let before = trace(&regsync.home());
        let output = run(&regsync, args);
        assert_eq!(trace(&regsync.home()), before, "{name}: something was left behind");
        assert_ne!(output.status, 0, "{name} was not refused\n{}", output.transcript());
        let line: Vec<_> = args.iter().map(|arg| if arg.is_empty() { "''" } else { arg }).collect();
        writeln!(text, "## {name}\n$ regsync {}\n{}", regsync.redact(&line.join(" ")), output.transcript()).unwrap();
    }
    text
}
