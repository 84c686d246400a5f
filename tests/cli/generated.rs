//! What is generated from the program itself: completions and manual pages.

use std::fs;

use super::files_below;
use crate::support::harness::Regsync;
use crate::support::tools::require_tool;

#[test]
fn completions_know_every_verb() {
    let regsync = Regsync::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = regsync.run(["completions", shell]).assert_status(0).stdout.clone();
        for word in [
            "validate",
            "plan",
            "apply",
            "show",
            "explain",
            "auth",
            "check",
            "schema",
            "completions",
            "man",
            "only",
            "merge",
        ] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
}

#[cfg(unix)]
#[test]
fn completions_are_scripts_that_their_shells_read() {
    let regsync = Regsync::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = regsync.run(["completions", shell]).assert_status(0).stdout.clone();
        regsync.write("script", script);
        // Of the three only bash is everywhere.
        let found = if shell == "bash" { require_tool(shell) } else { installed(shell) };
        let Some(program) = found else { continue };
        regsync.spawn_program(&program, &["-n", "script"]).wait().assert_status(0);
    }
}

#[cfg(unix)]
fn installed(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

#[test]
fn there_is_a_page_for_every_verb() {
    let regsync = Regsync::new();
    regsync.run(["man", "share/man1"]).assert_status(0);
    let pages: Vec<String> =
        files_below(&regsync.path("share/man1")).iter().map(|page| page.display().to_string()).collect();
    assert_eq!(
        pages,
        [
            "regsync-apply.1",
            "regsync-auth-check.1",
            "regsync-auth.1",
            "regsync-completions.1",
            "regsync-explain.1",
            "regsync-init.1",
            "regsync-man.1",
            "regsync-plan.1",
            "regsync-report-merge.1",
            "regsync-report.1",
            "regsync-schema.1",
            "regsync-show.1",
            "regsync-validate.1",
            "regsync.1",
        ]
    );
    for page in &pages {
        let text = fs::read_to_string(regsync.path("share/man1").join(page)).unwrap();
        let name = page.trim_end_matches(".1").replace('-', "\\-");
        assert!(text.contains(".TH ") && text.contains(".SH NAME") && text.contains(&name), "{page}:\n{text}");
    }
    let page = regsync.read("share/man1/regsync-plan.1");
    assert!(page.contains("REGSYNC_DETAILED_EXITCODE") && page.contains("Exit codes"), "{page}");
    assert_eq!(regsync.run(["man"]).assert_status(0).stdout, regsync.read("share/man1/regsync.1"));
}

/// The environment of whoever builds a package must not show in its pages.
#[test]
fn what_is_generated_does_not_depend_on_the_environment() {
    let plain = Regsync::new();
    let full = Regsync::new().env("REGSYNC_ONLY", "x").env("REGSYNC_QUIET", "").env("REGSYNC_FORMAT", "json");
    for args in [&["man"][..], &["completions", "bash"], &["completions", "zsh"], &["schema", "plan"]] {
        assert_eq!(super::run(&plain, args).stdout, super::run(&full, args).stdout);
    }
}
