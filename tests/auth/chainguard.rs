//! Chainguard: its issuer gives a token for the registry to whom the identity's claims match.

use serde_json::json;

use crate::support::federation::{Asked, Federation};
use crate::support::identity::bearer;
use crate::support::server::Answer;

const AUDIENCE: &str = "https://issuer.enforce.dev";
const PATH: &str = "/sts/exchange";
const IDENTITY: &str = "720909c9f5279097d847ad02a2f24ba8f59de36a/0e2f9a1b";
const SETTINGS: &str = "{ identity: 720909c9f5279097d847ad02a2f24ba8f59de36a/0e2f9a1b, plan-identity: 7209/reader }";

fn federation() -> Federation {
    Federation::elsewhere(("chainguard", SETTINGS), |asked: &Asked<'_>| {
        let call = asked.call;
        assert_eq!((call.method.as_str(), call.path.as_str()), ("GET", PATH));
        assert!(call.body.is_empty() && call.header("content-type").is_none(), "a GET has no body");
        assert_eq!(call.header("accept"), Some("application/json"));
        let names: Vec<&str> = call.query.split('&').filter_map(|pair| pair.split('=').next()).collect();
        assert_eq!(names, ["aud", "identity"]);
        assert_eq!(call.parameter("aud").as_deref(), Some("cgr.dev"));
        assert!([IDENTITY, "7209/reader"].contains(&call.parameter("identity").unwrap().as_str()));
        asked.judge.expect(bearer(call), AUDIENCE);
        Answer::status(200).json(&json!({"token": asked.desk.issue_jwt("_token", IDENTITY)}))
    })
}

#[test]
fn an_identity_plans_and_applies() {
    let scene = federation();
    scene.goes_end_to_end(AUDIENCE);
    let queries: Vec<String> = scene.asked(PATH).into_iter().map(|request| request.query).collect();
    let written = format!("aud=cgr.dev&identity={}", IDENTITY.replace('/', "%2F"));
    let read = "aud=cgr.dev&identity=7209%2Freader".to_owned();
    assert_eq!(queries, [read.clone(), written, read], "reading alone is another's");
}

#[test]
fn its_token_is_replaced_before_it_ends() {
    federation().renews();
}

#[test]
fn refusals_say_what_to_change() {
    let scene = federation();
    let at = ("GET", PATH);
    let advice = format!("the identity `{IDENTITY}` exists, and that it matches these claims");
    // gRPC's codes, as its gateway to HTTP writes them.
    let told = json!({"code": 16, "message": "identity does not match the claims", "details": []});
    let words = ["16: identity does not match the claims", &advice];
    scene.refuses(at, Answer::status(401).json(&told), &words);
    scene.refuses(at, Answer::status(403).json(&json!({"code": 7, "message": "denied"})), &["7: denied", &advice]);
    scene.refuses(at, Answer::status(400).body("invalid identity"), &["invalid identity", &advice]);
    scene.is_nonsense(at, Answer::status(200).json(&json!({"access_token": "x"})), "and sent no `token`");
    scene.says_what_the_job_lacks(AUDIENCE);
}
