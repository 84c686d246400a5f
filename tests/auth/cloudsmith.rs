//! Cloudsmith: its API gives a token of a service account to whom an OIDC provider of the organisation admits.

use serde_json::{Value, json};

use crate::support::federation::{Asked, Federation};
use crate::support::server::Answer;

const AUDIENCE: &str = "https://api.cloudsmith.io";
const PATH: &str = "/openid/acme/";
const SETTINGS: &str = "{ organization: acme, service: mirror-x1, plan-service: reader-x2 }";

fn federation() -> Federation {
    Federation::elsewhere(("cloudsmith", SETTINGS), |asked: &Asked<'_>| {
        let call = asked.call;
        assert_eq!((call.method.as_str(), call.path.as_str(), call.query.as_str()), ("POST", PATH, ""));
        assert_eq!((call.header("authorization"), call.header("accept")), (None, Some("application/json")));
        assert_eq!(call.header("content-type"), Some("application/json"));
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
        assert!(["mirror-x1", "reader-x2"].contains(&body["service_slug"].as_str().unwrap()), "{body}");
        asked.judge.expect(body["oidc_token"].as_str().unwrap(), AUDIENCE);
        Answer::status(201).json(&json!({"token": asked.desk.issue_jwt("token", "mirror-x1")}))
    })
}

#[test]
fn a_service_account_plans_and_applies() {
    let scene = federation();
    scene.goes_end_to_end(AUDIENCE);
    let bodies: Vec<Value> =
        scene.asked(PATH).iter().map(|request| serde_json::from_slice(&request.body_start).unwrap()).collect();
    let accounts: Vec<&Value> = bodies.iter().map(|body: &Value| &body["service_slug"]).collect();
    assert_eq!(accounts, ["reader-x2", "mirror-x1", "reader-x2"], "reading alone is another's");
}

#[test]
fn its_token_is_replaced_before_it_ends() {
    federation().renews();
}

#[test]
fn refusals_say_what_to_change() {
    let scene = federation();
    let at = ("POST", PATH);
    let advice = ["`acme` has an OIDC provider", "names the service account `mirror-x1`"];
    let told = json!({"detail": "Invalid token: claims do not match"});
    scene.refuses(at, Answer::status(401).json(&told), &["Invalid token: claims do not match", advice[0]]);
    scene.refuses(at, Answer::status(404).json(&json!({"detail": "Not found."})), &["Not found.", advice[0]]);
    let fields = json!({"detail": "Invalid input.", "fields": {"service_slug": ["unknown"]}});
    scene.refuses(at, Answer::status(422).json(&fields), &["Invalid input.", advice[1]]);
    scene.is_nonsense(at, Answer::status(201).json(&json!({"access_token": "x"})), "and sent no `token`");
    scene.says_what_the_job_lacks(AUDIENCE);
}
