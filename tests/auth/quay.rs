//! Quay: the registry itself gives a robot's token to whom the robot's federation trusts.

use serde_json::json;

use crate::support::federation::{Asked, Federation};
use crate::support::harness::Regsync;
use crate::support::identity::{id_token, in_variable};
use crate::support::server::{Answer, Call};
use crate::support::token::basic_pair;

const PATH: &str = "/oauth2/federation/robot/token";
const SETTINGS: &str = "{ robot: acme+mirror, plan-robot: acme+reader }";

/// The registry as an audience: never by http.
fn audience(host: &str) -> String {
    format!("https://{host}")
}

fn pair(call: &Call) -> (String, String) {
    basic_pair(call.header("authorization").unwrap()).expect("a robot and an ID token")
}

fn federation() -> Federation {
    Federation::at_registry(("quay", SETTINGS), PATH, |asked: &Asked<'_>| {
        let call = asked.call;
        assert_eq!((call.method.as_str(), call.path.as_str(), call.query.as_str()), ("GET", PATH, ""));
        assert_eq!(call.header("accept"), Some("application/json"));
        assert!(call.body.is_empty() && call.header("content-type").is_none(), "a GET has no body");
        let (robot, token) = pair(call);
        asked.judge.expect(&token, &audience(call.header("host").unwrap()));
        Answer::status(200).json(&json!({"token": asked.desk.issue_jwt(&robot, &robot)}))
    })
}

#[test]
fn a_robot_of_a_federation_plans_and_applies() {
    let scene = federation();
    scene.goes_end_to_end(&audience(&scene.target.host()));
    let robots: Vec<String> = scene
        .asked(PATH)
        .iter()
        .map(|request| basic_pair(request.header("authorization").unwrap()).unwrap().0)
        .collect();
    assert_eq!(robots, ["acme+reader", "acme+mirror", "acme+reader"], "reading alone is another's");
}

#[test]
fn its_token_is_replaced_before_it_ends() {
    federation().renews();
}

#[test]
fn refusals_say_what_to_change() {
    let scene = federation();
    let at = ("GET", PATH);
    for words in ["Token does not match robot", "Robot does not have federated login configured"] {
        let answer = Answer::status(401).json(&json!({"error": words}));
        scene.refuses(at, answer, &[words, "`acme+mirror`", "Set robot federation", "lists this issuer and subject"]);
    }
    let page = Answer::status(404).body("<html>not here</html>").header("content-type", "text/html");
    scene.refuses(at, page, &["since Quay 3.13"]);
    scene.is_nonsense(at, Answer::status(200).json(&json!({"error": "x"})), "and sent no `token`");
    scene.is_nonsense(at, Answer::status(200).body("<html>"), "sent something else than the JSON expected");
    scene.says_what_the_job_lacks(&audience(&scene.target.host()));
}

/// A token for another service would serve there as well.
#[test]
fn an_id_token_for_somebody_else_is_not_shown() {
    let scene = federation();
    let output = scene.check(&scene.bound().env("REGSYNC_ID_TOKEN", &id_token("sts.amazonaws.com", 1)));
    assert!(output.assert_status(1).stdout.contains("another audience"), "{}", output.stdout);
    assert_eq!(scene.asked(PATH).len(), 0);
}

#[test]
fn a_check_says_who_the_job_is() {
    let scene = federation();
    insta::assert_snapshot!(scene.check(&scene.job()).assert_status(0).transcript());
}

/// The name of the host says whose it is, port and all.
#[test]
fn other_hosts_need_the_word_of_the_environment() {
    let scene = federation();
    let host = scene.target.host();
    let config = format!(
        "version: 1\nregistries:\n  {host}: {{ auth: {{ quay: {SETTINGS} }} }}\nmirrors:\n  - {{ source: \"{host}/a:1\", \
         target: oci:out }}\n"
    );
    let output = scene.ci.job(Regsync::new().config(&config)).run(["plan"]);
    assert!(output.assert_status(65).stderr.contains(&format!("REGSYNC_PROVIDER_{}=quay", in_variable(&host))));
    assert_eq!(scene.target.requests().len() + scene.ci.requests().len(), 0);
}
