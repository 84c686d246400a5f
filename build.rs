//! Tells the program which commit and target it was built from, for `--version`.

use std::process::Command;

fn main() {
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo:rustc-env=REGSYNC_TARGET={target}");
    println!("cargo:rustc-env=REGSYNC_COMMIT={}", commit().unwrap_or_default());
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=REGSYNC_COMMIT");
    // A commit moves one of these; outside a checkout neither exists, and nothing can change.
    for file in [".git/HEAD", ".git/logs/HEAD"] {
        if std::path::Path::new(file).exists() {
            println!("cargo:rerun-if-changed={file}");
        }
    }
}

/// The short commit: named by whoever builds from a package, else asked of git. None outside a checkout.
fn commit() -> Option<String> {
    if let Ok(named) = std::env::var("REGSYNC_COMMIT") {
        return Some(named);
    }
    if !std::path::Path::new(".git").exists() {
        return None;
    }
    let output = Command::new("git").args(["rev-parse", "--short=9", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
