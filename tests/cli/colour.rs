//! When there is colour, and when there are bars.

use super::{QUICKSTART, quickstart};

const ESCAPE: char = '\u{1b}';

/// Whether a plan that is not printed to a terminal has colour, with these variables and flags.
fn is_colourful(variables: &[(&str, &str)], flags: &[&str]) -> bool {
    let regsync = variables.iter().fold(quickstart(), |regsync, (name, value)| regsync.env(name, value));
    let output = super::run(&regsync, &[&["plan", "-c", QUICKSTART], flags].concat());
    output.assert_status(0);
    assert!(!output.stderr.contains(ESCAPE), "lines of progress are plain: {}", output.stderr);
    output.stdout.contains(ESCAPE)
}

#[test]
fn colour_follows_flag_then_environment() {
    let actions = ("GITHUB_ACTIONS", "true");
    assert!(!is_colourful(&[], &[]));
    assert!(!is_colourful(&[("CI", "true")], &[]));
    assert!(is_colourful(&[actions, ("CI", "true")], &[]));
    assert!(!is_colourful(&[("GITHUB_ACTIONS", "false")], &[]));
    assert!(!is_colourful(&[actions, ("NO_COLOR", "1")], &[]));
    assert!(is_colourful(&[actions, ("NO_COLOR", "")], &[]), "empty is unset");
    assert!(!is_colourful(&[actions, ("TERM", "dumb")], &[]));
    assert!(is_colourful(&[("FORCE_COLOR", "1")], &[]));
    assert!(!is_colourful(&[("FORCE_COLOR", "0")], &[]));
    assert!(is_colourful(&[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], &[]));
    assert!(!is_colourful(&[("FORCE_COLOR", "1"), ("NO_COLOR", "1")], &[]));
    assert!(is_colourful(&[("NO_COLOR", "1"), ("TERM", "dumb")], &["--color", "always"]));
    assert!(is_colourful(&[("REGSYNC_COLOR", "always")], &[]));
    assert!(!is_colourful(&[actions, ("REGSYNC_COLOR", "always")], &["--color", "never"]));
}

#[test]
fn colour_is_never_in_json_or_files() {
    let regsync = quickstart();
    let output =
        regsync.run(["plan", "-c", QUICKSTART, "--color", "always", "--format", "json", "--report", "text=a.txt"]);
    assert!(!output.assert_status(0).stdout.contains(ESCAPE));
    assert!(!regsync.read("a.txt").contains(ESCAPE));
}

/// On a terminal, made by `script`: bars move and are gone at the end; not so in CI or on a dumb terminal.
#[cfg(target_os = "linux")]
#[test]
fn bars_are_for_terminals_that_can_move() {
    let Some(script) = crate::support::tools::require_tool("script") else { return };
    let command = format!("'{}' plan -c {QUICKSTART}", super::program().display());
    let terminal = |variables: &[(&str, &str)]| {
        let regsync = variables.iter().fold(quickstart().env("TERM", "xterm"), |r, (name, value)| r.env(name, value));
        let run = regsync.spawn_program(&script, &["-q", "-e", "-c", &command, "/dev/null"]);
        run.wait().assert_status(0).stdout.clone()
    };
    let lines = "reading sources and targets";
    assert!(!terminal(&[]).contains(lines));
    for variable in [("CI", "true"), ("TERM", "dumb")] {
        let text = terminal(&[variable]);
        assert!(text.contains(lines), "{variable:?}: {text:?}");
        assert!(!text.contains("\u{1b}[2K") && !text.contains("\u{1b}[?25l"), "{variable:?}: {text:?}");
    }
    assert!(terminal(&[]).contains(ESCAPE) && !terminal(&[("NO_COLOR", "1"), ("CI", "1")]).contains(ESCAPE));
}
