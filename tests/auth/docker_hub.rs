//! Docker Hub: its identity service gives an organisation's token to whom a ruleset of the connection admits.

use serde_json::json;

use crate::support::federation::{Asked, Federation};
use crate::support::identity::form;
use crate::support::server::{Answer, Fault, Match, decode_pairs};

const AUDIENCE: &str = "https://identity.docker.com";
const PATH: &str = "/oauth/token";
const CONNECTION: &str = "11111111-2222-3333-4444-555555555555";
const READER: &str = "99999999-2222-3333-4444-555555555555";
const SETTINGS: &str = "{ organization: acme, connection-id: 11111111-2222-3333-4444-555555555555, plan-connection-id: \
                        99999999-2222-3333-4444-555555555555 }";

fn federation() -> Federation {
    Federation::elsewhere(("docker-hub", SETTINGS), |asked: &Asked<'_>| {
        let call = asked.call;
        assert_eq!((call.method.as_str(), call.path.as_str(), call.query.as_str()), ("POST", PATH, ""));
        assert_eq!((call.header("authorization"), call.header("accept")), (None, Some("application/json")));
        let pairs = form(call);
        let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["grant_type", "subject_token_type", "subject_token", "connection_id", "expires_in"]);
        assert_eq!(pairs[0].1, "urn:ietf:params:oauth:grant-type:token-exchange");
        assert_eq!(pairs[1].1, "urn:ietf:params:oauth:token-type:id_token");
        asked.judge.expect(&pairs[2].1, AUDIENCE);
        assert!([CONNECTION, READER].contains(&pairs[3].1.as_str()) && pairs[4].1 == "300", "{pairs:?}");
        Answer::status(200).json(&json!({
            "access_token": asked.desk.issue("acme"), "token_type": "Bearer", "expires_in": asked.desk.seconds(),
        }))
    })
}

/// The connections that were named, in order.
fn connections(scene: &Federation) -> Vec<String> {
    let pairs = |body: &[u8]| decode_pairs(str::from_utf8(body).unwrap());
    scene.asked(PATH).iter().map(|request| pairs(&request.body_start)[3].1.clone()).collect()
}

#[test]
fn a_connection_plans_and_applies() {
    let scene = federation();
    scene.goes_end_to_end(AUDIENCE);
    assert_eq!(connections(&scene), [READER, CONNECTION, READER], "reading alone is another's");
}

#[test]
fn its_token_is_replaced_before_it_ends() {
    federation().renews();
}

#[test]
fn refusals_say_what_to_change() {
    let scene = federation();
    let at = ("POST", PATH);
    let ruleset = ["`connection-id` is a connection of `acme`", "rulesets has this subject"];
    scene.refuses(at, Answer::status(401), &ruleset);
    let told = json!({"error": "invalid_grant", "error_description": "no ruleset matches"});
    let words = ["invalid_grant: no ruleset matches", ruleset[0]];
    scene.refuses(at, Answer::status(400).json(&told), &words);
    scene.refuses(at, Answer::status(403).json(&json!({"message": "not entitled"})), &["not entitled", ruleset[1]]);
    scene.is_nonsense(at, Answer::status(200).json(&json!({"token": "x"})), "and sent no `access_token`");
    scene.says_what_the_job_lacks(AUDIENCE);
}

#[test]
fn one_that_asks_to_slow_down_is_asked_again() {
    let scene = federation();
    let slow_down = Answer::status(429).header("retry-after", "0");
    scene.service().fault(Match::new("POST", PATH).first(2), Fault::Reply(slow_down));
    scene.check(&scene.job()).assert_status(0);
    assert_eq!(scene.asked(PATH).len(), 3);
    assert_eq!(scene.ci.audiences().len(), 1, "the ID token serves for the next attempt");
}

#[test]
fn how_long_a_token_lives_is_for_the_environment_to_say() {
    let scene = Federation::elsewhere(("docker-hub", SETTINGS), |asked| {
        let pairs = form(asked.call);
        assert_eq!(pairs[4], ("expires_in".to_owned(), "3600".to_owned()));
        Answer::status(200).json(&json!({"access_token": asked.desk.issue("acme")}))
    });
    scene.check(&scene.job().env("DOCKERHUB_OIDC_EXPIREIN", "3600")).assert_status(0);
    for wrong in ["299", "21601", "1h", "-300"] {
        let output = scene.check(&scene.job().env("DOCKERHUB_OIDC_EXPIREIN", wrong));
        assert!(output.assert_status(1).stdout.contains("from 300 to 21600"), "{}", output.stdout);
    }
    assert_eq!(scene.asked(PATH).len(), 1);
}
