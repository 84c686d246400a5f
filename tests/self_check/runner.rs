//! The runner and its redactions, with `sh` in the place of the binary.

use std::path::Path;
use std::time::Duration;

use crate::support::harness::{Output, Regsync};

fn sh(regsync: &Regsync, script: &str) -> Output {
    regsync.spawn_program(Path::new("/bin/sh"), &["-c", script]).wait()
}

#[test]
fn the_binary_starts() {
    Regsync::new().run(["--version"]).assert_status(0);
}

#[test]
fn the_environment_holds_only_what_was_put_there() {
    let regsync = Regsync::new().env("REGSYNC_AUTH_A", "x").config("version: 1\n");
    let output = sh(
        &regsync,
        "env | cut -d= -f1 | grep -v -e '^PWD$' -e '^_$' -e '^SHLVL$' -e '^OLDPWD$' | sort; cat regsync.yaml",
    );
    insta::assert_snapshot!(output.transcript(), @r"
    exit: 0
    --- stdout
    HOME
    PATH
    REGSYNC_AUTH_A
    XDG_CACHE_HOME
    XDG_CONFIG_HOME
    XDG_RUNTIME_DIR
    version: 1
    --- stderr
    ");
}

#[test]
fn a_transcript_is_the_same_in_each_run() {
    let regsync = Regsync::new().host("127.0.0.1:4711", "TARGET").without_digests();
    let script = "echo $HOME 127.0.0.1:4711/app@sha256:$(printf %064d 1); \
        echo \"done in 1.25s (350ms) at 2026-01-02T03:04:05Z, 3s.\" >&2; exit 3";
    insta::assert_snapshot!(sh(&regsync, script).assert_status(3).transcript(), @r"
    exit: 3
    --- stdout
    [DIR]/home [TARGET]/app@sha256:[digest]
    --- stderr
    done in [time] ([time]) at [timestamp], [time].
    ");
}

#[test]
fn signals_and_kills_show_in_the_status() {
    let regsync = Regsync::new();
    let sleep = || regsync.spawn_program(Path::new("/bin/sh"), &["-c", "exec sleep 600"]);
    let terminated = sleep();
    terminated.signal("TERM");
    assert_eq!(terminated.wait().status, 128 + 15);
    let mut killed = sleep();
    assert!(!killed.has_ended());
    killed.kill();
    assert_eq!(killed.wait().status, 128 + 9);
}

#[test]
#[should_panic(expected = "killed: it took too long")]
fn a_run_that_takes_too_long_is_killed() {
    let regsync = Regsync::new().patience(Duration::from_millis(100));
    sh(&regsync, "exec sleep 600");
}
