//! The comment on a pull request: whose it is, when it is left alone, and that a run ends as it would without it.

use serde_json::json;

use super::{commands, outputs, pair, runner};
use crate::support::canary::{assert_no_canary, canary};
use crate::support::forge::{BOT, Forge, Kind};
use crate::support::harness::{Output, Regsync};
use crate::support::identity::Service;
use crate::support::server::{Answer, Fault, Gate, Match};
use crate::support::stage::Pair;

const LIST: &str = "/issues/7/comments";

/// One image to copy, for pull request 7.
fn job(pair: &Pair, forge: &Forge) -> Regsync {
    forge.job(runner(pair.regsync(&[pair.mirror("app", &["2"])])))
}

fn marker(run: &str) -> String {
    format!("<!-- regsync:plan v=1 key=prod-eu run={run} -->\n")
}

#[track_caller]
fn notice(run: &Output) -> &str {
    let notices = commands(&run.stderr, "notice");
    assert_eq!(notices.len(), 1, "{}", run.stderr);
    notices[0]
}

#[test]
fn one_comment_is_kept_up_to_date() {
    let (pair, forge) = (pair(), Forge::github());
    let regsync = job(&pair, &forge).env("REGSYNC_LABEL", "prod-eu");
    let run = regsync.run(["plan"]);
    run.assert_status(0);
    assert_eq!(run.masks, [canary("github-token")]);
    let first = forge.own();
    assert!(first.body.starts_with(&marker("812.1")), "{}", first.body);
    assert_eq!(first.body.split_once('\n').unwrap().1, regsync.read("summary"));
    let address = "https://github.example/acme/mirrors/pull/7#issuecomment-1001";
    assert_eq!(outputs(&regsync)["comment-url"], address);
    assert_eq!(forge.request_log_in_order(&[]).lines().count(), 2, "a list and a comment");

    // The same run once more: nothing new to say.
    forge.clear_log();
    regsync.run(["plan"]).assert_status(0);
    assert_eq!(outputs(&regsync)["comment-url"], address);
    assert_eq!((forge.count("PATCH", ""), forge.count("POST", LIST)), (0, 0));
    assert_eq!(forge.own(), first);

    // A later one, with nothing left to do.
    let later = regsync.env("GITHUB_RUN_ID", "813");
    later.run(["apply", "--comment", "off"]).assert_status(0);
    outputs(&later);
    forge.clear_log();
    later.run(["plan"]).assert_status(0);
    let second = forge.own();
    assert_eq!(second.id, first.id);
    assert!(second.body.starts_with(&marker("813.1")) && second.body.contains("✅"), "{}", second.body);
    assert_eq!(forge.requests().len(), 3, "a list, who we are, and a change");
}

/// The hidden line names the newest run all the same: else one begun in between would write over it, and end last.
#[test]
fn another_run_with_the_same_plan_changes_nothing_that_is_seen() {
    let (pair, forge) = (pair(), Forge::github());
    let run = |id: &str, commit: &str, tags: &[&str]| {
        let regsync = forge.job(runner(pair.regsync(&[pair.mirror("app", tags)])));
        let regsync = regsync.env("GITHUB_RUN_ID", id).env("GITHUB_RUN_NUMBER", &id[1..]).env("GITHUB_SHA", commit);
        forge.clear_log();
        let run = regsync.run(["plan"]);
        run.assert_status(0);
        assert!(regsync.read("summary").contains(&format!("[run {}](", &id[1..])), "{}", regsync.read("summary"));
        (run, outputs(&regsync)["comment-url"].clone(), forge.count("PATCH", ""))
    };
    run("812", "3f9c2d1ab0", &["2"]);
    let first = forge.own();
    let (_, address, changes) = run("814", "77c0de118a90", &["2"]);
    let marked = first.body.replacen("run=812.1", "run=814.1", 1);
    assert_eq!((changes, &forge.own().body), (1, &marked));
    assert_eq!(address, "https://github.example/acme/mirrors/pull/7#issuecomment-1001");
    let (_, _, changes) = run("814", "77c0de118a90", &["2"]);
    assert_eq!((changes, &forge.own().body), (0, &marked), "nothing to say once more");

    // They end late, whatever they would say.
    for (id, tags) in [("813", &["3"]), ("813", &["2"]), ("811", &["3"])] {
        let (older, _, changes) = run(id, "3f9c2d1ab0", tags);
        assert!(notice(&older).contains("is that of a newer run"), "{}", older.stderr);
        assert_eq!((changes, &forge.own().body), (0, &marked));
    }
    let (_, _, changes) = run("815", "77c0de118a90", &["2", "3"]);
    assert!(changes == 1 && forge.own().body.contains("run=815.1"), "{}", forge.own().body);
}

/// Whoever may edit a comment does not keep it that way by leaving the hidden line alone.
#[test]
fn a_comment_that_somebody_edited_is_written_anew() {
    let (pair, forge) = (pair(), Forge::github());
    job(&pair, &forge).run(["plan"]).assert_status(0);
    let edited = forge.own().body.replacen("1 to copy", "nothing to do", 1);
    let again = Forge::github();
    again.comment(BOT, &edited);
    job(&pair, &again).env("GITHUB_RUN_ID", "813").run(["plan"]).assert_status(0);
    assert!(again.own().body.contains("1 to copy"), "{}", again.own().body);
}

#[test]
fn what_others_wrote_is_not_ours_whatever_it_begins_with() {
    let (pair, forge) = (pair(), Forge::github());
    let forged = format!("{}all is well", marker("1.1"));
    forge.comment("mallory", &forged);
    forge.comment("regsync-bot", &forged);
    forge.comment(BOT, &format!("> {forged}"));
    let regsync = job(&pair, &forge).env("REGSYNC_LABEL", "prod-eu");
    regsync.run(["plan"]).assert_status(0);
    regsync.run(["plan"]).assert_status(0);
    let comments = forge.comments();
    assert_eq!(comments.len(), 4, "{comments:#?}");
    assert_eq!((&comments[0].body, &comments[1].body), (&forged, &forged));
    assert!(comments[3].body.starts_with(&marker("812.1")), "{comments:#?}");
}

#[test]
fn it_is_found_on_any_page() {
    let (pair, forge) = (pair(), Forge::start(Kind::GitHub, 2));
    for number in 0..4 {
        forge.comment("reviewer", &format!("remark {number}"));
    }
    let regsync = job(&pair, &forge);
    regsync.run(["plan"]).assert_status(0);
    let later = forge.job(runner(pair.regsync(&[pair.mirror("app", &["2", "3"])])));
    later.env("GITHUB_RUN_ID", "813").run(["plan"]).assert_status(0);
    let own = forge.own();
    assert!(own.body.starts_with("<!-- regsync:plan v=1 key=regsync.yaml run=813.1 -->\n"), "{}", own.body);
    assert_eq!(forge.count("GET", "page=3"), 1);
}

#[test]
fn a_next_page_somewhere_else_is_not_asked() {
    let (pair, forge) = (pair(), Forge::github());
    let elsewhere = Service::start(|call| panic!("asked: {} {}", call.method, call.path));
    let link = format!(r#"<{}/issues/7/comments?page=2>; rel="next""#, elsewhere.url());
    forge.fault(Match::new("GET", LIST), Fault::SetHeader("link", link));
    let run = job(&pair, &forge).run(["plan"]);
    run.assert_status(0);
    assert!(notice(&run).contains("names another origin for the next page"), "{}", run.stderr);
    assert_eq!((elsewhere.requests().len(), forge.comments().len()), (0, 0));
}

#[test]
fn no_redirect_is_followed_with_the_token() {
    let (pair, forge) = (pair(), Forge::github());
    let elsewhere = Service::start(|call| panic!("asked: {} {}", call.method, call.path));
    forge.fault(Match::new("GET", LIST), Fault::Redirect { status: 307, to: format!("{}/x", elsewhere.url()) });
    let run = job(&pair, &forge).run(["plan"]);
    run.assert_status(0);
    assert!(notice(&run).contains("answered 307 to the list of comments"), "{}", run.stderr);
    assert_eq!(elsewhere.requests().len(), 0);
}

#[test]
fn an_older_run_leaves_the_comment_of_a_newer_one_alone() {
    let (pair, forge) = (pair(), Forge::github());
    let newer = format!("{}newer", marker("813.1"));
    forge.comment(BOT, &format!("{}older", marker("9.9")));
    forge.comment(BOT, &newer);
    let regsync = job(&pair, &forge).env("REGSYNC_LABEL", "prod-eu").env("GITHUB_RUN_ATTEMPT", "3");
    let run = regsync.run(["plan"]);
    run.assert_status(0);
    assert!(notice(&run).contains("is that of a newer run"), "{}", run.stderr);
    assert_eq!(outputs(&regsync)["comment-url"], "https://github.example/acme/mirrors/pull/7#issuecomment-1002");
    assert_eq!((forge.comments()[1].body.as_str(), forge.count("PATCH", "")), (newer.as_str(), 0));
}

#[test]
fn a_token_that_may_not_changes_nothing_about_the_run() {
    let (pair, forge) = (pair(), Forge::github());
    let regsync = job(&pair, &forge);
    let repo = |name: &str| json!({"repo": {"full_name": name}});
    for (status, head, hint) in [
        (403, "mallory/mirrors", "it comes from a fork"),
        (404, "acme/mirrors", "the job needs `permissions: pull-requests: write`"),
        (422, "acme/mirrors", "the job needs"),
        (401, "acme/mirrors", "the job needs"),
    ] {
        let event = json!({"pull_request": {"number": 7, "head": repo(head), "base": repo("acme/mirrors")}});
        regsync.write("event.json", event.to_string());
        let words = json!({"message": format!("Resource not accessible\n::error::by {}", canary("github-token"))});
        forge.clear_faults();
        forge.fault(Match::new("POST", LIST), Fault::Reply(Answer::status(status).json(&words)));
        let event = regsync.path("event.json").to_str().unwrap().to_owned();
        let regsync = job(&pair, &forge).env("GITHUB_EVENT_PATH", &event).env("GITHUB_REF", "refs/heads/x");
        let regsync = regsync.env("GITHUB_EVENT_NAME", "pull_request");
        let run = regsync.run(["plan", "--detailed-exitcode"]);
        run.assert_status(2);
        let said = notice(&run);
        assert!(said.contains(&format!("the comment on pull request #7 was not written: {}", forge.url())), "{said}");
        assert!(
            said.contains(&format!(r#"answered {status} to a new comment: "Resource not accessible ::error::by "#)),
            "{said}"
        );
        assert!(said.contains(hint), "{said}");
        assert_eq!(outputs(&regsync)["comment-url"], "");
        assert!(regsync.read("summary").contains("regsync plan"));
    }
    assert_eq!(forge.comments(), []);
}

#[test]
fn without_a_token_or_a_safe_address_nobody_is_asked() {
    let (pair, forge) = (pair(), Forge::github());
    let run = job(&pair, &forge).env("GITHUB_TOKEN", "").run(["plan"]);
    run.assert_status(0);
    assert!(notice(&run).contains("there is no token — give the step `GITHUB_TOKEN"), "{}", run.stderr);
    for (api, said) in [("http://api.example", "GITHUB_API_URL is not https"), ("", "GITHUB_API_URL is not set")] {
        let run = job(&pair, &forge).env("GITHUB_API_URL", api).run(["plan"]);
        run.assert_status(0);
        assert!(notice(&run).contains(said), "{}", run.stderr);
    }
    // No pull request, nothing to comment on and nothing to say.
    let run = job(&pair, &forge).env("GITHUB_REF", "refs/heads/main").run(["plan"]);
    assert_eq!(commands(&run.assert_status(0).stderr, "notice"), [""; 0]);
    let plain = job(&pair, &forge).env("GITHUB_TOKEN", "").run(["plan", "--annotations", "false"]);
    assert!(plain.stderr.contains("\nnote: the comment on pull request #7 was not written"), "{}", plain.stderr);
    assert_eq!(forge.requests().len(), 0);
}

#[test]
fn accidents_are_tried_again_and_no_comment_stands_there_twice() {
    let (pair, forge) = (pair(), Forge::github());
    forge.fault(Match::new("GET", LIST).first(1), Fault::Reply(Answer::status(502)));
    forge.fault(Match::new("POST", LIST).first(1), Fault::DoneBut(Answer::status(504)));
    job(&pair, &forge).run(["plan"]).assert_status(0);
    forge.own();
    assert_eq!((forge.count("GET", LIST), forge.count("POST", LIST)), (3, 1));

    let more = || forge.job(runner(pair.regsync(&[pair.mirror("app", &["2", "3"])])));
    let later = || more().env("GITHUB_RUN_ID", "813");
    forge.clear_faults();
    forge.clear_log();
    let wait = Answer::status(403).json(&json!({"message": "secondary rate limit"})).header("Retry-After", "0");
    forge.fault(Match::new("PATCH", "").first(1), Fault::Reply(wait));
    later().run(["plan"]).assert_status(0);
    assert!(forge.own().body.contains("run=813.1"));

    forge.clear_log();
    let used_up = Answer::status(403).header("x-ratelimit-remaining", "0");
    forge.fault(Match::new("GET", LIST), Fault::Reply(used_up));
    let run = later().run(["plan"]);
    run.assert_status(0);
    assert!(notice(&run).contains("answered 403 to the list of comments"), "{}", run.stderr);
    assert!(!notice(&run).contains("permissions"), "{}", run.stderr);
    assert_eq!(forge.requests().len(), 1, "an hour is not waited for");
}

#[test]
fn a_service_that_does_not_answer_keeps_nobody_from_stopping() {
    let (pair, forge) = (pair(), Forge::github());
    let gate = Gate::new();
    forge.fault(Match::new("GET", LIST), Fault::Hold(gate.clone()));
    let regsync = job(&pair, &forge);
    let run = regsync.spawn(["plan"]);
    gate.wait_for(1);
    run.signal("INT");
    let run = run.wait();
    run.assert_status(0);
    gate.open();
    assert!(notice(&run).contains("was not written: interrupted"), "{}", run.stderr);
    assert_eq!(outputs(&regsync)["result"], "changes");
    assert!(regsync.read("summary").contains("regsync plan"));
}

#[test]
fn the_token_is_in_no_log_and_in_no_file() {
    let (pair, forge) = (pair(), Forge::github());
    let regsync = job(&pair, &forge);
    let echo = Answer::status(500).json(&json!({"message": format!("Bearer {}", canary("github-token"))}));
    forge.fault(Match::new("GET", LIST).first(1), Fault::Reply(echo));
    let run =
        regsync.run(["plan", "-vvv", "-o", "plan.json", "--report", "json=out.json", "--report", "junit=out.xml"]);
    assert!(run.assert_status(0).stderr.contains("comment tried again"), "the log is that of everything");
    for file in ["plan.json", "out.json", "out.xml", "summary", "output"] {
        assert_no_canary(file, &regsync.read(file), &[]);
    }
    assert_no_canary("the comment", &forge.own().body, &[]);
}

#[test]
fn the_modes() {
    let (pair, forge) = (pair(), Forge::github());
    job(&pair, &forge).run(["plan", "--comment", "off"]).assert_status(0);
    assert_eq!(forge.requests().len(), 0);

    let changes_only = |run: &str| job(&pair, &forge).env("GITHUB_RUN_ID", run).env("REGSYNC_COMMENT", "changes-only");
    changes_only("1").run(["plan", "--only", "**/nothing"]).assert_status(0);
    assert_eq!(forge.comments(), []);
    changes_only("2").run(["plan"]).assert_status(0);
    forge.own();
    job(&pair, &forge).run(["apply", "--comment", "off"]).assert_status(0);
    changes_only("3").run(["plan"]).assert_status(0);
    assert!(forge.own().body.contains("run=3.1 -->\n### ✅"), "{}", forge.own().body);

    let always_new = |run: &str| job(&pair, &forge).env("GITHUB_RUN_ID", run).env("REGSYNC_COMMENT", "always-new");
    always_new("4").run(["plan"]).assert_status(0);
    always_new("5").run(["plan"]).assert_status(0);
    // A result does not take the place of a plan, nor one label that of another.
    always_new("5").run(["apply"]).assert_status(0);
    job(&pair, &forge).run(["plan", "--label", "b"]).assert_status(0);
    let starts: Vec<String> = forge.comments().iter().map(|one| one.body.lines().next().unwrap().to_owned()).collect();
    let expected = [
        "<!-- regsync:plan v=1 key=regsync.yaml run=3.1 -->",
        "<!-- regsync:plan v=1 key=regsync.yaml run=4.1 -->",
        "<!-- regsync:plan v=1 key=regsync.yaml run=5.1 -->",
        "<!-- regsync:apply v=1 key=regsync.yaml run=5.1 -->",
        "<!-- regsync:plan v=1 key=b run=812.1 -->",
    ];
    assert_eq!(starts, expected);
}

#[test]
fn a_run_without_a_plan_does_not_leave_an_old_one_there() {
    let (pair, forge) = (pair(), Forge::github());
    let regsync = job(&pair, &forge);
    regsync.run(["plan"]).assert_status(0);
    regsync.write("regsync.yaml", "version: 1\nmirors: ['<b>@org']\n");
    let later = regsync.env("GITHUB_RUN_ID", "813");
    later.run(["plan"]).assert_status(65);
    let body = forge.own().body;
    assert!(body.contains("### 🔴 regsync plan — **there is no plan**"), "{body}");
    assert!(body.contains("/blob/3f9c2d1ab0/regsync.yaml#L2)"), "{body}");
    assert!(body.contains("`E_CFG_UNKNOWN_KEY` "), "{body}");
    assert!(later.read("summary").ends_with(body.split_once('\n').unwrap().1), "{}", later.read("summary"));
}
