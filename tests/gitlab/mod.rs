//! GitLab CI: notes on merge requests, and the reports that it and other CI systems read.

use crate::support::canary::canary;
use crate::support::forge::{BOT, Forge, Kind};
use crate::support::harness::Regsync;
use crate::support::images::zoo;
use crate::support::server::{Answer, Fault, Match};
use crate::support::stage::Pair;

fn pair() -> Pair {
    let pair = Pair::start();
    for tag in ["1", "2", "3"] {
        zoo::single(tag).push_to(&pair.source, "app", tag);
    }
    zoo::single("older").push_to(&pair.target, "app", "1");
    pair.clear_logs();
    pair
}

fn job(pair: &Pair, forge: &Forge) -> Regsync {
    let regsync = forge.job(pair.regsync(&[pair.mirror("app", &["1", "2"])]));
    let directory = regsync.path("").to_str().unwrap().to_owned();
    regsync.env("CI_PROJECT_DIR", &directory).env("CI_COMMIT_SHA", "3f9c2d1ab0")
}

#[test]
fn one_note_is_kept_up_to_date() {
    let (pair, forge) = (pair(), Forge::start(Kind::GitLab, 2));
    let forged = "<!-- regsync:plan v=1 key=regsync.yaml run=1.1 -->\nall is well";
    for login in ["mallory", "reviewer"] {
        forge.comment(login, forged);
    }
    let run = job(&pair, &forge).run(["plan", "--report", "dotenv=outputs.env"]);
    run.assert_status(0);
    assert_eq!(run.masks, [""; 0], "a command of another runner");
    let note = forge.own();
    assert!(note.body.starts_with("<!-- regsync:plan v=1 key=regsync.yaml run=812.1 -->\n### "), "{}", note.body);
    assert!(
        note.body.contains("(https://gitlab.example/acme/mirrors/-/blob/3f9c2d1ab0/regsync.yaml#L3)"),
        "{}",
        note.body
    );

    forge.clear_log();
    let later = job(&pair, &forge).env("CI_PIPELINE_ID", "900").env("CI_JOB_ID", "5");
    later.run(["plan", "--only", "**/app:2", "--report", "dotenv=outputs.env"]).assert_status(0);
    assert_eq!(forge.comments().len(), 4, "a part has a note of its own");
    later.run(["plan"]).assert_status(0);
    assert_eq!(forge.count("PUT", ""), 1);
    let marked = note.body.replacen("run=812.1", "run=900.5", 1);
    assert_eq!(forge.comments()[2].body, marked, "it says the same, and is that of the later pipeline");
    zoo::single("2").push_to(&pair.target, "app", "2");
    later.run(["plan", "--report", "dotenv=outputs.env"]).assert_status(0);
    assert_eq!((forge.comments().len(), forge.count("PUT", "/notes/1003")), (4, 2));
    assert!(
        forge.comments()[2].body.contains("run=900.5 -->") && forge.comments()[2].body != marked,
        "{:?}",
        forge.comments()
    );
    let url = "https://gitlab.example/acme/mirrors/-/merge_requests/7#note_1003\n";
    assert!(later.read("outputs.env").contains(&format!("REGSYNC_OUTPUT_COMMENT_URL={url}")));
    assert_eq!(forge.comments()[0].body, forged);
}

#[test]
fn a_token_that_may_not_changes_nothing_about_the_run() {
    let (pair, forge) = (pair(), Forge::gitlab());
    let words = serde_json::json!({"error": "insufficient_scope", "message": canary("gitlab-token")});
    forge.fault(Match::new("GET", "/notes"), Fault::Reply(Answer::status(403).json(&words)));
    let run = job(&pair, &forge).run(["plan", "--detailed-exitcode"]);
    run.assert_status(2);
    assert!(run.stderr.contains("note: the comment on merge request !7 was not written: "), "{}", run.stderr);
    assert!(run.stderr.contains("GITLAB_TOKEN needs the scope `api`"), "{}", run.stderr);
    assert!(!run.stderr.contains("::"), "{}", run.stderr);

    // Without one, or without a merge request, there is nothing to say.
    forge.clear_log();
    for absent in ["GITLAB_TOKEN", "CI_MERGE_REQUEST_IID", "GITLAB_CI"] {
        let run = job(&pair, &forge).env(absent, "").run(["plan"]);
        assert!(!run.assert_status(0).stderr.contains("note:"), "{}", run.stderr);
    }
    assert_eq!((forge.requests().len(), forge.comments().iter().filter(|note| note.login == BOT).count()), (0, 0));
}

#[test]
fn reports_for_ci_systems_come_beside_the_others() {
    let pair = pair();
    let regsync = pair.regsync(&[pair.mirror("app", &["1", "2", "9"])]);
    let reports = "junit=junit.xml\ngitlab=changes.json\ndotenv=outputs.env\njson=out.json";
    let regsync = regsync.env("REGSYNC_REPORT", reports);
    regsync.run(["plan"]).assert_status(1);
    assert_eq!(regsync.read("changes.json"), "{\"create\":1,\"delete\":0,\"update\":1}\n");
    let outputs = regsync.read("outputs.env");
    for line in ["RESULT=failed", "EXIT_CODE=1", "FAILURE_REASON=incomplete", "HAS_RISK=true"] {
        assert!(outputs.contains(&format!("REGSYNC_OUTPUT_{line}\n")), "{outputs}");
    }
    let junit = regsync.read("junit.xml");
    assert!(
        junit.contains("<testsuites name=\"regsync plan\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"0\">"),
        "{junit}"
    );
    assert!(junit.contains("<failure type=\"E_NOT_FOUND\" message=\"error: "), "{junit}");

    regsync.run(["apply"]).assert_status(3);
    assert!(regsync.read("junit.xml").contains("<testsuites name=\"regsync apply\" tests=\"3\" failures=\"1\""));
    assert_eq!(regsync.read("changes.json"), "{\"create\":1,\"delete\":0,\"update\":1}\n");
    assert!(regsync.read("outputs.env").contains("REGSYNC_OUTPUT_RESULT=partial\n"));

    // A saved result says the same again; how a run ends is not saved.
    regsync.write("saved.json", regsync.read("out.json"));
    let again = pair.regsync(&[]);
    again.write("saved.json", regsync.read("saved.json"));
    again.run(["show", "saved.json", "--report", "junit=junit.xml"]).assert_status(0);
    let cases = |text: &str| text.matches("<testcase ").count();
    assert_eq!(cases(&again.read("junit.xml")), cases(&regsync.read("junit.xml")));
    let run = again.run(["show", "saved.json", "--report", "dotenv=x.env"]);
    run.assert_status(64);
    assert!(run.stderr.contains("dotenv tells how a run"), "{}", run.stderr);
}
