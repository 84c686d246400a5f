//! Artifactory: the platform gives a token whose subject says which user it is for.

use serde_json::{Value, json};

use crate::support::federation::{Asked, Federation};
use crate::support::identity::{id_token, in_variable};
use crate::support::server::Answer;

const PATH: &str = "/access/api/v1/oidc/token";
const SETTINGS: &str = "{ provider-name: github, plan-provider-name: github-read }";

fn audience(host: &str) -> String {
    format!("https://{host}")
}

/// Checks every byte of the request, and returns the integration that it names.
fn checked(asked: &Asked<'_>) -> String {
    let call = asked.call;
    assert_eq!((call.method.as_str(), call.path.as_str(), call.query.as_str()), ("POST", PATH, ""));
    assert_eq!((call.header("authorization"), call.header("accept")), (None, Some("application/json")));
    assert_eq!(call.header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
    assert_eq!(body["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange");
    assert_eq!(body["subject_token_type"], "urn:ietf:params:oauth:token-type:id_token");
    asked.judge.expect(body["subject_token"].as_str().unwrap(), &audience(call.header("host").unwrap()));
    body["provider_name"].as_str().unwrap().to_owned()
}

fn federation() -> Federation {
    Federation::at_registry(("jfrog", SETTINGS), PATH, |asked| {
        let integration = checked(asked);
        let token = asked.desk.issue_jwt(&integration, &format!("jfac@01h0/users/{integration}"));
        Answer::status(200).json(&json!({"access_token": token, "expires_in": asked.desk.seconds()}))
    })
}

#[test]
fn an_integration_plans_and_applies() {
    let scene = federation();
    scene.goes_end_to_end(&audience(&scene.target.host()));
    let integrations: Vec<Value> =
        scene.asked(PATH).iter().map(|request| serde_json::from_slice(&request.body_start).unwrap()).collect();
    let named: Vec<&Value> = integrations.iter().map(|body: &Value| &body["provider_name"]).collect();
    assert_eq!(named, ["github-read", "github", "github-read"], "reading alone is another's");
}

#[test]
fn its_token_is_replaced_before_it_ends() {
    federation().renews();
}

/// The name at the registry is in the token, in one of several forms; or the answer says it.
#[test]
fn the_user_is_whom_the_token_names() {
    let cases = [("jfac@01h0/users/mirror", "mirror"), ("jfrt@01h0/mirror", "mirror"), ("mirror", "mirror")];
    for (subject, user) in cases {
        let scene = Federation::at_registry(("jfrog", SETTINGS), PATH, move |asked| {
            checked(asked);
            Answer::status(200).json(&json!({"access_token": asked.desk.issue_jwt(user, subject)}))
        });
        scene.check(&scene.job()).assert_status(0);
    }
    let scene = Federation::at_registry(("jfrog", SETTINGS), PATH, |asked| {
        checked(asked);
        Answer::status(200).json(&json!({"access_token": asked.desk.issue("mirror"), "username": "mirror"}))
    });
    scene.check(&scene.job()).assert_status(0);
}

/// The registry has a host of its own, as repositories by subdomain have: the environment names the platform.
#[test]
fn the_platform_may_be_another_host() {
    let scene = Federation::elsewhere(("jfrog", SETTINGS), |asked| {
        checked(asked);
        Answer::status(200).json(&json!({"access_token": asked.desk.issue_jwt("mirror", "mirror")}))
    });
    scene.goes_end_to_end(&audience(&scene.service().host()));
}

#[test]
fn refusals_say_what_to_change() {
    let scene = federation();
    let at = ("POST", PATH);
    let mapping = ["integration `github` exists", "identity mappings has these claims"];
    let told = |status: u16, words: &str| {
        Answer::status(status).json(&json!({"errors": [{"status": status, "message": words}]}))
    };
    scene.refuses(at, told(400, "Token subject does not match"), &["Token subject does not match", mapping[1]]);
    scene.refuses(at, told(401, "no mapping"), &["no mapping", mapping[0]]);
    let words = json!({"errors": [{"code": "FORBIDDEN", "message": "not yours"}]});
    scene.refuses(at, Answer::status(403).json(&words), &["FORBIDDEN: not yours", mapping[0]]);
    scene.refuses(at, Answer::status(404).body("<html>"), &["see that this is the JFrog platform"]);
    scene.is_nonsense(at, Answer::status(200).json(&json!({"errors": []})), "and sent no `access_token`");
    let opaque = Answer::status(200).json(&json!({"access_token": "opaque"}));
    scene.is_nonsense(at, opaque, "sent an access token that names no user");
    scene.says_what_the_job_lacks(&audience(&scene.target.host()));
}

/// Another platform, or a wholly other service, would take it as well.
#[test]
fn an_id_token_for_somebody_else_is_not_shown() {
    let scene = federation();
    let given = id_token("https://other.jfrog.io", 1);
    let output = scene.check(&scene.bound().env("REGSYNC_ID_TOKEN_JFROG", &given));
    assert!(output.assert_status(1).stdout.contains("another audience"), "{}", output.stdout);
    assert_eq!(scene.asked(PATH).len(), 0);
    let name = format!("REGSYNC_ID_TOKEN_{}", in_variable(&scene.target.host()));
    assert!(output.stdout.contains(&name), "{}", output.stdout);
}
