//! Tells the program which commit and target it was built from, for `--version`.

#![expect(clippy::disallowed_methods, reason = "cargo speaks to a build script through its environment")]

use std::path::Path;
use std::process::Command;

fn main() {
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let target = std::env::var("TARGET").unwrap_or_default();
    let commit = commit();
    // A checkout of the action is named by nothing less.
    let is_full = |commit: &&String| commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    let full = commit.as_ref().filter(is_full);
    if let Some(full) = full {
        println!("cargo:rustc-env=REGSYNC_FULL_COMMIT={full}");
    }
    let short = full.and_then(|full| full.get(..9)).or(commit.as_deref());
    let commit = short.map(|commit| format!(" ({commit})")).unwrap_or_default();
    println!("cargo:rustc-env=REGSYNC_LONG_VERSION={version}{commit} {target}");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=REGSYNC_COMMIT");
}

/// The commit: named by whoever builds from a package, else noted by cargo in a published crate, else asked of
/// git. None elsewhere: a directory above that is a checkout of something else says nothing about this source.
fn commit() -> Option<String> {
    if let Ok(named) = std::env::var("REGSYNC_COMMIT") {
        return Some(named).filter(|named| !named.is_empty());
    }
    if let Ok(noted) = std::fs::read_to_string(".cargo_vcs_info.json") {
        let (_, rest) = noted.split_once("\"sha1\"")?;
        return rest.split('"').nth(1).map(str::to_owned);
    }
    if !Path::new(".git").exists() {
        return None;
    }
    // A commit moves one of these. In a worktree `.git` is a file, and they lie elsewhere.
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]).filter(|path| Path::new(path).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
