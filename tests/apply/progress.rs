//! What is said while a run lasts: stable lines where nobody watches, silence where silence was asked for.

use crate::support::images::zoo;
use crate::support::server::{Answer, Fault, Match};
use crate::support::stage::Pair;

fn pair() -> Pair {
    let pair = Pair::start();
    for tag in ["1", "2"] {
        zoo::single(tag).push_to(&pair.source, "app", tag);
    }
    pair
}

#[test]
fn lines_go_to_stderr_and_the_result_to_stdout() {
    let pair = pair();
    let regsync = pair.regsync(&[pair.mirror("app", &["*"])]);
    let applied = regsync.run(["apply", "--concurrency", "1"]);
    insta::assert_snapshot!(applied.assert_status(0).transcript(), @r"
    exit: 0
    --- stdout
    regsync.yaml: 2 tags, 1 mirror

    app   [SOURCE]/app -> [TARGET]/app   regsync.yaml:3
      + 1   absent       -> f72387c85f1a   5.2 kB
      + 2   absent       -> e500ebbe3828   5.2 kB

    Plan: 2 to copy, 0 to update, 0 up to date, 0 blocked, 0 errors. 10.3 kB to transfer.

      + app:1   copied   5.2 kB   [time]   f72387c85f1a
      + app:2   copied   5.2 kB   [time]   e500ebbe3828

    Applied: 2 copied, 0 updated, 0 up to date. 10.3 kB sent, [time].
    --- stderr
    reading sources and targets
    copying 2 images, 10.3 kB
    + [TARGET]/app:1  copied  5.2 kB  [time]
    + [TARGET]/app:2  copied  5.2 kB  [time]
    ");
    insta::assert_snapshot!(regsync.run(["apply"]).assert_status(0).transcript(), @r"
    exit: 0
    --- stdout
    No changes. 2 tags match regsync.yaml.
    --- stderr
    reading sources and targets
    ");
}

#[test]
fn a_retry_and_a_registrys_warning_are_said_once_each() {
    let pair = pair();
    pair.source.fault(Match::new("GET", "/blobs/").first(1), Fault::status(503));
    let warning = "299 - \"this mirror ends\u{7} in June\"".replace('\u{7}', " ");
    pair.target.fault(Match::new("HEAD", "/manifests/"), Fault::SetHeader("Warning", warning));
    let applied = pair.regsync(&[pair.mirror("app", &["1"])]).run(["apply"]);
    applied.assert_status(0);
    let retries = applied.stderr.lines().filter(|line| line.contains("503")).count();
    let warnings = applied.stderr.matches("this mirror ends").count();
    assert_eq!((retries, warnings), (1, 1), "{}", applied.transcript());
}

#[test]
fn quiet_says_nothing_while_all_is_well_and_still_says_what_is_wrong() {
    let pair = pair();
    let regsync = pair.regsync(&[pair.mirror("app", &["*"])]);
    for args in [["plan", "-q"], ["apply", "-q"], ["apply", "--quiet"]] {
        let output = regsync.run(args);
        assert_eq!(output.assert_status(0).stderr, "");
    }
    let refused = regsync.run(["plan", "-q", "-c", "absent.yaml"]);
    assert!(refused.assert_status(65).stderr.contains("absent.yaml"), "{}", refused.transcript());
}

#[test]
fn colour_is_for_terminals_and_for_who_asks() {
    let pair = pair();
    let escapes = |name: &str, value: &str, args: [&str; 3]| {
        let regsync = pair.regsync(&[pair.mirror("app", &["*"])]).env(name, value);
        let output = regsync.run(args);
        output.assert_status(0);
        (output.stdout.contains('\u{1b}'), output.stderr.contains('\u{1b}'))
    };
    let auto = ["plan", "--color", "auto"];
    assert_eq!(escapes("UNRELATED", "1", auto), (false, false), "pipes");
    assert_eq!(escapes("NO_COLOR", "1", auto), (false, false));
    assert!(escapes("NO_COLOR", "1", ["plan", "--color", "always"]).0, "a flag outranks NO_COLOR");
    assert!(escapes("GITHUB_ACTIONS", "true", auto).0);
    assert_eq!(escapes("GITHUB_ACTIONS", "true", ["plan", "--color", "never"]), (false, false));
    assert_eq!(escapes("TERM", "dumb", auto), (false, false));
}

#[test]
fn meaning_does_not_rest_on_colour() {
    let pair = pair();
    zoo::single("older").push_to(&pair.target, "app", "1");
    let regsync = pair.regsync(&[pair.mirror("app", &["*"])]);
    let plain = regsync.run(["plan"]).stdout;
    let coloured = regsync.run(["plan", "--color", "always"]).stdout;
    assert_ne!(plain, coloured);
    let mut bare = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        bare += before;
        rest = after.split_once('m').unwrap().1;
    }
    assert_eq!(bare + rest, plain);
}

#[test]
fn text_from_a_registry_cannot_act_on_a_terminal_or_a_workflow() {
    let pair = pair();
    let words = "no\u{1b}[2J\u{7}\n::set-output name=x::y\n##[error]z \u{202e}";
    let denied = Answer::error(403, "DENIED", words);
    pair.target.fault(Match::new("POST", "/blobs/uploads/"), Fault::Reply(denied));
    let regsync = pair.regsync(&[pair.mirror("app", &["*"])]);
    for args in [["apply", "--log", "trace"], ["apply", "--format", "json"], ["apply", "--color", "never"]] {
        let output = regsync.run(args);
        output.assert_status(1);
        for (place, text) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            let acts = text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}');
            assert!(!acts, "{place} of {args:?} holds control characters: {text:?}");
            let commands = text.lines().any(|line| line.trim_start().starts_with("::") || line.contains("##["));
            assert!(!commands, "{place} of {args:?} holds a workflow command: {text}");
        }
        assert!(output.stdout.contains("set-output"), "the words are shown: {}", output.transcript());
    }
}

#[test]
fn stdout_is_json_alone_when_json_was_asked_for() {
    let pair = pair();
    let regsync = pair.regsync(&[pair.mirror("app", &["1", "9"])]);
    for args in [["plan", "--format", "json"], ["apply", "--format", "json"]] {
        let output = regsync.run(args);
        let document = output.json();
        assert_eq!(document["format_version"], "1.0");
        assert!(!output.stderr.is_empty());
    }
}
