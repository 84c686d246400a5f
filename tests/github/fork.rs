//! Pull requests from forks: GitHub gives them no secrets, and what a plan cannot read for that does not fail it.

use serde_json::{Value, json};

use super::{commands, outputs, runner};
use crate::support::harness::{Output, Regsync};
use crate::support::images::zoo;
use crate::support::registry::{Auth, Options};
use crate::support::stage::{Mirror, Pair};
use crate::support::tripwire;

/// A source for anybody, and a target that asks for a password.
fn pair() -> Pair {
    let locked = Options { auth: Auth::basic("mirror", "CANARY-secret"), ..Options::default() };
    let pair = Pair::with(Options::default(), locked);
    zoo::single("image").push_to(&pair.source, "app", "1");
    zoo::single("image").push_to(&pair.source, "app", "2");
    pair
}

/// Where only the target cannot be read.
fn locked(pair: &Pair) -> Mirror {
    pair.mirror("app", &["1", "2"])
}

/// What can be planned without any credential.
fn open(pair: &Pair) -> Mirror {
    Mirror::new(&pair.source.reference("app"), &["oci:mirror/app"], &["1"])
}

fn event(head: u64, base: u64) -> Value {
    let repo = |id: u64| json!({"repo": {"id": id, "full_name": format!("owner{id}/mirrors")}});
    json!({"pull_request": {"number": 7, "head": repo(head), "base": repo(base)}})
}

fn job(pair: &Pair, mirrors: &[Mirror], (name, event): (&str, &Value)) -> Regsync {
    let regsync = runner(pair.regsync(mirrors));
    regsync.write("event.json", event.to_string());
    let path = regsync.path("event.json").to_str().unwrap().to_owned();
    regsync.env("GITHUB_EVENT_NAME", name).env("GITHUB_EVENT_PATH", &path).env("REGSYNC_COMMENT", "off")
}

fn of_fork(pair: &Pair, mirrors: &[Mirror]) -> Regsync {
    job(pair, mirrors, ("pull_request", &event(2, 1)))
}

#[track_caller]
fn notice(run: &Output) -> &str {
    let notices = commands(&run.stderr, "notice");
    assert_eq!(notices.len(), 1, "{}", run.stderr);
    notices[0]
}

#[test]
fn a_plan_for_a_fork_says_what_it_could_not_read_and_does_not_fail() {
    let pair = pair();
    let regsync = of_fork(&pair, &[locked(&pair)]);
    let run = regsync.run(["plan", "-o", "plan.json", "--detailed-exitcode"]);
    run.assert_status(0);
    let said = format!(
        "::notice title=regsync::no credentials for {}, since the pull request comes from a fork: 2 steps are not planned, \
         and the exit code does not count them",
        pair.target.host()
    );
    assert_eq!(notice(&run), said);
    assert_eq!(commands(&run.stderr, "error"), [""; 0], "nothing fails the run");

    // What is not known is not said to be done.
    let told = outputs(&regsync);
    assert_eq!(
        (told["result"].as_str(), told["failure-reason"].as_str(), told["exit-code"].as_str()),
        ("partial", "", "0")
    );
    assert_eq!(told["counts"], r#"{"copy":0,"update":0,"skip":0,"blocked":0,"error":2}"#);
    let plan: Value = serde_json::from_str(&regsync.read("plan.json")).unwrap();
    assert_eq!((&plan["complete"], &plan["steps"][0]["reason"]), (&json!(false), &json!("no-credentials")));
    assert!(regsync.read("summary").contains("E_NO_CREDENTIALS"), "{}", regsync.read("summary"));

    // Who would rather have no annotations is told all the same.
    let plain = regsync.run(["plan", "--annotations", "false"]);
    assert!(plain.assert_status(0).stderr.contains("\nnote: no credentials for "), "{}", plain.stderr);
}

#[test]
fn what_can_be_planned_for_a_fork_is_pending() {
    let pair = pair();
    let regsync = of_fork(&pair, &[locked(&pair), open(&pair)]);
    regsync.run(["plan"]).assert_status(0);
    outputs(&regsync);
    let run = regsync.run(["plan", "--detailed-exitcode"]);
    run.assert_status(2);
    let told = outputs(&regsync);
    assert_eq!((told["result"].as_str(), told["has-changes"].as_str()), ("partial", "true"));
    assert!(notice(&run).contains("2 steps are not planned"), "{}", run.stderr);
}

#[test]
fn hosts_that_list_nothing_are_named_too() {
    let locked = Options { auth: Auth::basic("mirror", "CANARY-secret"), ..Options::default() };
    let pair = Pair::with(locked, Options::default());
    zoo::single("image").push_to(&pair.source, "app", "1");
    let run = of_fork(&pair, &[pair.mirror("app", &["*"])]).run(["plan"]);
    run.assert_status(0);
    let said = format!("no credentials for {}, since", pair.source.host());
    assert!(notice(&run).contains(&said) && notice(&run).contains("1 step is not planned"), "{}", run.stderr);
}

#[test]
fn any_other_error_fails_the_plan_of_a_fork() {
    let pair = pair();
    let missing = Mirror::new(&pair.source.reference("app"), &["oci:mirror/app"], &["9"]);
    let regsync = of_fork(&pair, &[locked(&pair), missing]);
    let run = regsync.run(["plan", "--detailed-exitcode"]);
    run.assert_status(1);
    let errors = commands(&run.stderr, "error");
    assert!(matches!(errors[..], [one] if one.contains("title=E_NOT_FOUND::")), "{}", run.stderr);
    assert!(notice(&run).contains("2 steps are not planned"), "{}", run.stderr);
    let told = outputs(&regsync);
    assert_eq!((told["result"].as_str(), told["failure-reason"].as_str()), ("failed", "incomplete"));

    // A credential that is wrong is another error than none.
    tripwire::belongs("CANARY-wrong", &pair.target.host());
    let variable = format!("REGSYNC_AUTH_{}", pair.target.host().replace('.', "_").replace(':', "___"));
    let wrong = of_fork(&pair, &[pair.mirror("app", &["1"])]).env(&variable, "mirror:CANARY-wrong").run(["plan"]);
    assert!(wrong.assert_status(1).stderr.contains("title=E_AUTH::"), "{}", wrong.stderr);
    assert_eq!(commands(&wrong.stderr, "notice"), [""; 0]);
    // A secret that a fork does not get is empty, and no credential.
    of_fork(&pair, &[pair.mirror("app", &["1"])]).env(&variable, "").run(["plan"]).assert_status(0);
}

#[test]
fn elsewhere_a_missing_credential_fails_the_plan() {
    let pair = pair();
    let mut gone = event(2, 1);
    gone["pull_request"]["head"]["repo"] = Value::Null;
    for (name, event) in [
        ("pull_request", event(1, 1)),
        ("pull_request", gone),
        ("pull_request", json!({})),
        ("pull_request_target", event(1, 1)),
        ("push", json!({"repository": {"fork": true}})),
    ] {
        let regsync = job(&pair, &[locked(&pair)], (name, &event));
        let run = regsync.run(["plan"]);
        run.assert_status(1);
        assert_eq!(commands(&run.stderr, "notice"), [""; 0], "{name} {event}");
        assert_eq!(commands(&run.stderr, "error").len(), 1, "{name} {event}: {}", run.stderr);
        assert_eq!(outputs(&regsync)["failure-reason"], "auth", "{name} {event}");
    }
    let broken = of_fork(&pair, &[locked(&pair)]);
    broken.write("event.json", "{\"pull_request\":");
    broken.run(["plan"]).assert_status(1);
    of_fork(&pair, &[locked(&pair)]).env("GITHUB_EVENT_PATH", "/nowhere/event.json").run(["plan"]).assert_status(1);
    of_fork(&pair, &[locked(&pair)]).env("GITHUB_ACTIONS", "").run(["plan"]).assert_status(1);
}

#[test]
fn nobody_writes_without_a_credential() {
    let pair = pair();
    let regsync = of_fork(&pair, &[locked(&pair)]);
    let run = regsync.run(["apply"]);
    run.assert_status(1);
    assert_eq!(outputs(&regsync)["result"], "failed");
    assert_eq!((commands(&run.stderr, "notice").len(), commands(&run.stderr, "error").len()), (0, 1), "{}", run.stderr);
    regsync.run(["plan", "-o", "plan.json"]).assert_status(0);
    regsync.run(["apply", "plan.json"]).assert_status(1);
    regsync.run(["apply", "plan.json", "--require-complete"]).assert_status(1);
    pair.assert_read_only();
}

#[test]
fn the_plans_of_shards_are_excused_as_one() {
    let pair = pair();
    let regsync = of_fork(&pair, &[locked(&pair), open(&pair)]);
    regsync.run(["plan", "--shard", "1/2", "-o", "1.json"]).assert_status(0);
    regsync.run(["plan", "--shard", "2/2", "-o", "2.json"]).assert_status(0);
    std::fs::remove_file(regsync.path("output")).unwrap();
    let run = regsync.run(["report", "merge", "1.json", "2.json"]);
    run.assert_status(0);
    assert!(notice(&run).contains(&format!("no credentials for {}, ", pair.target.host())), "{}", run.stderr);
    assert_eq!(outputs(&regsync)["result"], "partial");
}
