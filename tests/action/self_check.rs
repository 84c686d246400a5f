//! The runner itself: it must find what it is there to find.

use std::fs;
use std::time::Duration;

use super::runner::Job;
use super::runner::commands::{Log, MOST, parse};
use super::runner::files::{SUMMARY_LIMIT, pairs};

/// A job whose action does this.
fn job(script: &str) -> Job {
    let job = Job::new();
    fs::write(job.action().join("action/run.sh"), script).unwrap();
    job
}

#[test]
fn commands_are_read_in_both_forms() {
    let name = |line: &str| parse(line).map(|command| command.name);
    for line in ["::error::x", "  \t::error file=a::x", "::error::", "text ##[error]x", "##[error file=a;]x"] {
        assert_eq!(name(line).as_deref(), Some("error"), "{line}");
    }
    for line in ["x ::error::y", ":error::x", "::nothing::x", "::error", "##[nothing]x", "#[error]x", "##error]x"] {
        assert_eq!(name(line), None, "{line}");
    }
    let full = parse("::warning file=a%2Cb,line=3,title=x%3Ay%25::1%0A2%252C").unwrap();
    assert_eq!((full.properties["file"].as_str(), full.properties["title"].as_str()), ("a,b", "x:y%"));
    assert_eq!((full.properties["line"].as_str(), full.data.as_str()), ("3", "1\n2%2C"));
    assert_eq!(parse("a ##[set-output name=x;]y").unwrap().properties["name"], "x");
}

#[test]
fn a_log_hides_what_is_masked_and_keeps_ten_of_a_type() {
    let mut log = Log::hiding(&["known".to_owned()]);
    for line in ["known before", "::add-mask::first%0Asecond", "first, second and ##[add-mask]third", "third"] {
        log.read(line);
    }
    assert_eq!(log.shown, ["*** before", "***"], "the third line is a command as a whole");
    for n in 0..=MOST {
        log.read(&format!("::error::{n} second"));
    }
    assert_eq!((log.of("error").len(), log.dropped), (MOST, 1));
    assert_eq!(log.annotations[0].data, "0 ***");
    log.read("::set-output name=a::b");
    assert_eq!(log.others.len(), 1);
}

#[test]
fn files_are_read_with_heredocs() {
    let text = "a=1\n\nb<<END\nx=y\n  <<\nEND\nc=d<<e\nd=\n";
    let expected = [("a", "1"), ("b", "x=y\n  <<"), ("c", "d<<e"), ("d", "")];
    assert_eq!(pairs(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    for bad in ["nothing", "=x", "a<<END\nx"] {
        assert!(std::panic::catch_unwind(|| pairs(bad)).is_err(), "{bad}");
    }
}

#[test]
fn what_a_step_leaves_holds_for_the_next() {
    let mut job =
        job("echo A=b >>\"$GITHUB_ENV\"; echo /some/where >>\"$GITHUB_PATH\"; echo text >>\"$GITHUB_STEP_SUMMARY\"");
    assert_eq!(job.uses(&[]).summary.as_deref(), Some("text\n"));
    assert_eq!(job.variable("A"), Some("b"));
    assert!(job.variable("PATH").unwrap().starts_with("/some/where:"));
    let long = format!("head -c {} /dev/zero >>\"$GITHUB_STEP_SUMMARY\"", SUMMARY_LIMIT + 1);
    fs::write(job.action().join("action/run.sh"), long).unwrap();
    assert_eq!(job.uses(&[]).summary, None);
}

#[test]
fn a_cancelled_step_gets_two_signals_and_an_end() {
    let grace = [Duration::from_millis(700), Duration::from_millis(700)];
    let cases = [
        ("", "SIGINT", None),
        ("trap '' INT", "SIGTERM", None),
        ("trap '' INT; trap 'exit 9' TERM", "SIGTERM", Some(9)),
        ("trap '' INT TERM", "SIGKILL", None),
    ];
    for (traps, last, status) in cases {
        let mut job = job(&format!("{traps}\necho ready >ready\nwhile :; do sleep 0.1; done")).grace(grace);
        let ready = job.path("ready");
        let run = job.start(&[]);
        while !ready.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let ended = run.cancel();
        assert_eq!((ended.cancelled_by, ended.status), (Some(last), status), "{traps}");
    }
}
