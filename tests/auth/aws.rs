//! ECR: from the ID token of the job to a password for the registry, and all that AWS may say on the way.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::support::aws::{Cloud, READER, WRITER, ecr_error, sts_error, with_keys};
use crate::support::harness::{Output, Regsync};
use crate::support::identity::{
    Actions, CAUTION, Desk, ISSUER, OF_PULL_REQUESTS, SUBJECT, id_token, in_variable, of_pull_request,
};
use crate::support::images::zoo;
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::{Answer, Fault, Match};

/// A source for everybody, and a target that takes the passwords of the cloud.
struct Scene {
    ci: Actions,
    desk: Arc<Desk>,
    cloud: Cloud,
    source: FakeRegistry,
    target: FakeRegistry,
}

impl Scene {
    fn new() -> Self {
        let (ci, desk) = (Actions::start(), Desk::new());
        let cloud = Cloud::start(&ci, &desk);
        let source = FakeRegistry::start();
        zoo::index("seed").push_to(&source, "app", "1");
        let target = FakeRegistry::with(Options { auth: desk.auth(), ..Options::default() });
        Self { ci, desk, cloud, source, target }
    }

    fn config(&self, auth: &str) -> Regsync {
        let host = self.target.host();
        let auth = if auth.is_empty() { String::new() } else { format!("registries:\n  {host}: {{ auth: {auth} }}\n") };
        let mirror = format!("{{ source: {}, target: {host}/app, tags: [\"*\"] }}", self.source.reference("app"));
        let regsync = Regsync::new().config(&format!("version: 1\n{auth}mirrors:\n  - {mirror}\n"));
        self.cloud.serve(regsync).provider(&self.target, "aws").env("AWS_EC2_METADATA_DISABLED", "true")
    }

    /// With a role, and no identity.
    fn with_role(&self) -> Regsync {
        self.config(&format!("{{ aws: {{ role: \"{WRITER}\", plan-role: \"{READER}\" }} }}"))
    }

    fn job(&self) -> Regsync {
        self.ci.job(self.with_role())
    }

    fn check(&self, regsync: &Regsync) -> Output {
        regsync.run(["auth", "check", "--for", "apply", &self.target.host()])
    }
}

#[test]
fn plan_reads_as_one_role_and_apply_writes_as_another() {
    let scene = Scene::new();
    scene.job().run(["plan"]).assert_status(0);
    assert_eq!(scene.cloud.given(), [format!("session {READER} regsync"), format!("password {READER}")]);
    let output = scene.job().run(["apply", "-vvv"]);
    output.assert_status(0);
    assert!(scene.target.tag_digest("app", "1").is_some());
    assert_eq!(scene.cloud.given()[2..], [format!("session {WRITER} regsync"), format!("password {WRITER}")]);
    assert_eq!(scene.ci.audiences(), ["sts.amazonaws.com", "sts.amazonaws.com"]);
    scene.source.assert_no_authorization();
    // The runner hides the keys, the session and the password, before they are used.
    let password = scene.desk.issued().remove(1);
    for secret in ["CANARY-secret-key-", "CANARY-session-", "ASIAEXAMPLE", password.as_str()] {
        assert!(output.masks.iter().any(|mask| mask.starts_with(secret)), "{secret}: {:?}", output.masks);
    }
}

#[test]
fn a_session_has_the_name_that_is_written() {
    let scene = Scene::new();
    let regsync =
        scene.config(&format!("{{ aws: {{ role: \"{WRITER}\", session-name: nightly, region: eu-west-1 }} }}"));
    scene.ci.job(regsync.env("AWS_REGION", "us-east-1")).run(["plan"]).assert_status(0);
    assert_eq!(scene.cloud.given()[0], format!("session {WRITER} nightly"));
    let named = scene.job().env("AWS_ROLE_SESSION_NAME", "of-the-environment");
    named.run(["plan"]).assert_status(0);
    assert_eq!(scene.cloud.given()[2], format!("session {READER} of-the-environment"));
}

#[test]
fn a_check_says_who_the_job_is() {
    let scene = Scene::new();
    let host = scene.target.host();
    let regsync = scene.job().host(&host, "TARGET").host(&in_variable(&host), "HOST");
    insta::assert_snapshot!(scene.check(&regsync).assert_status(0).transcript());
}

#[test]
fn a_job_without_an_identity_is_told_what_it_lacks() {
    let scene = Scene::new();
    let output = scene.check(&scene.with_role().env("GITHUB_ACTIONS", "true"));
    assert!(output.assert_status(1).stdout.contains("permissions: id-token: write"), "{}", output.stdout);
    let output = scene.check(&scene.with_role().env("GITLAB_CI", "true"));
    let line = "id_tokens: { REGSYNC_ID_TOKEN_AWS: { aud: \"sts.amazonaws.com\" } }";
    assert!(output.assert_status(1).stdout.contains(line), "{}", output.stdout);
    assert_eq!(scene.cloud.requests().len(), 0);
}

/// What STS says, in its own words, and the line to change.
#[test]
fn sessions_that_are_refused() {
    let provider = ISSUER.trim_start_matches("https://");
    let cases = [
        (
            sts_error(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
            format!("\"{provider}:sub\": \"{SUBJECT}\""),
        ),
        (
            sts_error(
                400,
                "InvalidIdentityToken",
                &format!("No OpenIDConnect provider found in your account for {ISSUER}"),
            ),
            format!(
                "add the OIDC provider `{ISSUER}` with the audience `sts.amazonaws.com` to IAM in the account 123456789012"
            ),
        ),
        (
            sts_error(400, "InvalidIdentityToken", "Incorrect token audience"),
            "make the ID token for `sts.amazonaws.com`".to_owned(),
        ),
        (sts_error(403, "IDPRejectedClaim", "The identity provider says no"), "get a new one".to_owned()),
        (
            sts_error(403, "RegionDisabledException", "STS is not activated in this region"),
            "activate AWS STS in eu-west-1 for the account 123456789012".to_owned(),
        ),
        (
            sts_error(400, "ExpiredTokenException", "Token expired: current date/time must be before the expiration"),
            "get it later in the job".to_owned(),
        ),
        (sts_error(400, "ValidationError", "&lt;role&gt; &amp; more"), "ValidationError: <role> & more".to_owned()),
        (sts_error(400, "PackedPolicyTooLarge", "too large"), "PackedPolicyTooLarge: too large".to_owned()),
        // What is in front of it speaks another language, each time.
        (Answer::status(503).body("<html>a gateway</html>"), "refused a session of the role (503)".to_owned()),
    ];
    for (answer, line) in cases {
        let scene = Scene::new();
        scene.cloud.fault(Match::new("POST", "/"), Fault::Reply(answer));
        let output = scene.check(&scene.job());
        output.assert_status(1);
        for part in [line.as_str(), "audience sts.amazonaws.com", SUBJECT] {
            assert!(output.stdout.contains(part), "{part}:\n{}", output.stdout);
        }
        assert_eq!(scene.target.requests().len(), 0, "nobody is asked anonymously");
    }
}

/// An ID token that ended on the way is made anew; once.
#[test]
fn an_id_token_that_has_ended_is_made_anew() {
    let scene = Scene::new();
    let ended = sts_error(400, "ExpiredTokenException", "Token expired");
    scene.cloud.fault(Match::new("POST", "/").first(1), Fault::Reply(ended.clone()));
    scene.job().run(["plan"]).assert_status(0);
    assert_eq!(scene.ci.audiences().len(), 2);
    scene.cloud.clear_log();
    scene.cloud.fault(Match::new("POST", "/"), Fault::Reply(ended));
    scene.job().run(["plan"]).assert_status(1);
    assert_eq!(scene.cloud.requests().len(), 2);
}

#[test]
fn accidents_are_tried_again() {
    let accidents = [
        sts_error(400, "IDPCommunicationError", "An error occurred"),
        sts_error(400, "InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider"),
        sts_error(400, "Throttling", "Rate exceeded"),
        Answer::status(503),
    ];
    for accident in accidents {
        let scene = Scene::new();
        scene.cloud.fault(Match::new("POST", "/").first(1), Fault::Reply(accident));
        scene.job().run(["plan"]).assert_status(0);
        assert_eq!(scene.cloud.requests().len(), 3);
    }
    let scene = Scene::new();
    let throttled = ecr_error(400, "ThrottlingException", "Rate exceeded");
    scene.cloud.fault(Match::new("POST", "/").nth(2), Fault::Reply(throttled));
    scene.job().run(["plan"]).assert_status(0);
}

#[test]
fn passwords_that_are_refused() {
    let not_allowed = "User: arn:aws:sts::123456789012:assumed-role/mirror/regsync is not authorized to perform: \
                       ecr:GetAuthorizationToken on resource: *";
    let cases = [
        (
            ecr_error(400, "AccessDeniedException", not_allowed),
            format!("allow {WRITER} `ecr:GetAuthorizationToken` on `\"Resource\": \"*\"`"),
        ),
        (
            ecr_error(400, "UnrecognizedClientException", "The security token included in the request is invalid."),
            format!("AWS does not know the keys of {WRITER}"),
        ),
        (
            ecr_error(400, "InvalidSignatureException", "The request signature we calculated does not match"),
            format!("the secret key of {WRITER} does not belong to its access key"),
        ),
        (ecr_error(400, "ExpiredTokenException", "expired"), format!("the session of {WRITER} has ended")),
        (ecr_error(500, "ServerException", "oops"), "ServerException: oops".to_owned()),
        // Where the code is, and how the message is written, differs.
        (
            Answer::status(400)
                .header("x-amzn-ErrorType", "ExpiredTokenException:http://x/")
                .json(&json!({"Message": "it ended"})),
            "ExpiredTokenException: it ended".to_owned(),
        ),
        (Answer::status(403).body("<html>a gateway</html>"), "refused a password for the registry (403)".to_owned()),
    ];
    for (answer, line) in cases {
        let scene = Scene::new();
        scene.cloud.fault(Match::new("POST", "/").from(2), Fault::Reply(answer));
        let output = scene.check(&scene.job());
        assert!(output.assert_status(1).stdout.contains(&line), "{line}:\n{}", output.stdout);
        assert!(!output.stdout.contains("com.amazonaws.ecr#"), "{}", output.stdout);
    }
}

/// A clock that is off is made up for, by the time that AWS says it is.
#[test]
fn a_clock_that_is_wrong() {
    for ahead in [3600, -3600] {
        let scene = Scene::new();
        scene.cloud.set_clock(ahead);
        scene.job().run(["apply"]).assert_status(0);
        assert_eq!(scene.cloud.requests().len(), 3, "the signed request twice");
    }
    let scene = Scene::new();
    let never = ecr_error(400, "InvalidSignatureException", "Signature expired")
        .header("Date", "Thu, 01 Jan 2015 00:00:00 GMT");
    scene.cloud.fault(Match::new("POST", "/").from(2), Fault::Reply(never));
    let output = scene.check(&scene.job());
    assert!(
        output.stdout.contains("the clock of this machine is ") && output.stdout.contains(" s ahead; set it"),
        "{}",
        output.stdout
    );
}

#[test]
fn answers_that_make_no_sense() {
    let session = |id: &str| {
        let keys = format!(
            "<AccessKeyId>{id}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
        );
        Answer::status(200).body(format!("<R><Credentials>{keys}</Credentials></R>"))
    };
    for answer in [session("A\r\nX: y"), session(""), Answer::status(200).body("<Credentials>"), Answer::status(200)] {
        let scene = Scene::new();
        scene.cloud.fault(Match::new("POST", "/"), Fault::Reply(answer));
        let output = scene.check(&scene.job());
        assert!(output.assert_status(1).stdout.contains("something else than the keys"), "{}", output.stdout);
    }
    for body in ["{}", "{\"authorizationData\":[]}", "{\"authorizationData\":[{\"authorizationToken\":\"Og==\"}]}"] {
        let scene = Scene::new();
        scene.cloud.fault(Match::new("POST", "/").from(2), Fault::Reply(Answer::status(200).body(body)));
        let output = scene.check(&scene.job());
        assert!(
            output.assert_status(1).stdout.contains("was asked for a password for the registry, and"),
            "{}",
            output.stdout
        );
    }
}

/// Less than the copy takes: each blob comes late.
#[test]
fn a_password_of_two_seconds_over_many_blobs() {
    let scene = Scene::new();
    scene.cloud.set_lifetime(2);
    scene.desk.lifetime(Duration::from_secs(2));
    for tag in ["2", "3"] {
        zoo::index(tag).push_to(&scene.source, "app", tag);
    }
    scene.source.fault(Match::new("GET", "/blobs/"), Fault::Delay(Duration::from_millis(700)));
    scene.job().run(["apply"]).assert_status(0);
    assert!(scene.desk.issued().len() > 1, "the copy outlived its first password");
}

/// ECR says 403 to a password that has ended.
#[test]
fn a_password_that_ends_unannounced() {
    let scene = Scene::new();
    let words = "Your authorization token has expired. Reauthenticate and try again.";
    scene.desk.refuse_with(Answer::error(403, "DENIED", words));
    let desk = Arc::clone(&scene.desk);
    scene.target.before(Match::new("POST", "/blobs/uploads/").nth(2), move || desk.revoke_all());
    scene.job().run(["apply"]).assert_status(0);
    assert_eq!(scene.desk.issued().len(), 2);
    assert!(scene.target.tag_digest("app", "1").is_some());
}

#[test]
fn a_role_of_another_partition_is_asked_for_nowhere() {
    let scene = Scene::new();
    let auth = "{ aws: { role: \"arn:aws-cn:iam::123456789012:role/mirror\" } }";
    let output = scene.check(&scene.ci.job(scene.config(auth)));
    assert!(output.assert_status(1).stdout.contains("`role` is a role of another partition"), "{}", output.stdout);
    assert_eq!(scene.cloud.requests().len(), 0);
}

/// Without an ID token, keys of the environment may act as the role.
#[test]
fn keys_that_act_as_a_role() {
    let scene = Scene::new();
    let keys = scene.cloud.keys("runner", false);
    with_keys(scene.with_role(), &keys).run(["apply"]).assert_status(0);
    assert_eq!(scene.cloud.given(), [format!("session {WRITER} regsync"), format!("password {WRITER}")]);
    assert_eq!(scene.ci.audiences().len(), 0);
    let words = "User: arn:aws:iam::1:user/runner is not authorized to perform: sts:AssumeRole";
    scene.cloud.fault(Match::new("POST", "/"), Fault::Reply(sts_error(403, "AccessDenied", words)));
    let output = scene.check(&with_keys(scene.with_role(), &keys));
    let line = format!("the trust policy of {WRITER} must allow `sts:AssumeRole`");
    assert!(output.assert_status(1).stdout.contains(&line), "{}", output.stdout);
}

/// A token for somebody else may go to AWS, which says what it thinks of it.
#[test]
fn an_id_token_with_a_fixed_audience() {
    let scene = Scene::new();
    let wrong = sts_error(400, "InvalidIdentityToken", "Incorrect token audience");
    scene.cloud.fault(Match::new("POST", "/"), Fault::Reply(wrong));
    let output = scene.check(&scene.with_role().env("CIRCLE_OIDC_TOKEN_V2", &id_token("an-organisation", 1)));
    assert!(output.assert_status(1).stdout.contains("audience an-organisation"), "{}", output.stdout);
}

/// The role that writes is not to trust pull requests.
#[test]
fn no_pull_request_is_let_in_to_write() {
    for subject in OF_PULL_REQUESTS {
        let scene = Scene::new();
        let words = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
        scene.cloud.fault(Match::new("POST", "/"), Fault::Reply(sts_error(403, "AccessDenied", words)));
        let token = of_pull_request(subject, "sts.amazonaws.com");
        let output = scene.check(&scene.with_role().env("CIRCLE_OIDC_TOKEN_V2", &token));
        let provider = ISSUER.trim_start_matches("https://");
        let policy = format!(
            "the role of `plan-role` must exist, and its trust policy must allow `sts:AssumeRoleWithWebIdentity` to the OIDC \
             provider `{provider}` with `\"{provider}:sub\": \"{subject}\"`"
        );
        output.assert_status(1);
        for part in [policy.as_str(), CAUTION] {
            assert!(output.stdout.contains(part), "{part}:\n{}", output.stdout);
        }
        assert!(!output.stdout.contains(WRITER), "{}", output.stdout);
    }
}

/// Each identity is asked for what it is for: a pull request can be the reader alone.
#[test]
fn a_check_for_plan_and_for_apply() {
    let given = |role: &str| vec![format!("session {role} regsync"), format!("password {role}")];
    let cases = [
        ("plan", "--config=regsync.yaml", given(READER), "pull app: "),
        ("apply", "--for=plan", given(READER), "pull app: "),
        ("apply", "--config=regsync.yaml", given(WRITER), "push app: "),
        ("", "--config=regsync.yaml", [given(READER), given(WRITER)].concat(), "push app: "),
    ];
    for (variable, flag, asked, said) in cases {
        let scene = Scene::new();
        let host = scene.target.host();
        let output = scene.job().env("REGSYNC_CHECK_FOR", variable).run(["auth", "check", &host, flag]);
        output.assert_status(0);
        assert_eq!(scene.cloud.given(), asked, "{variable} {flag}");
        assert!(output.stdout.contains(said), "{}", output.stdout);
        assert_eq!(output.stdout.contains("push"), said.starts_with("push"), "{}", output.stdout);
        let both = ["to plan", "to apply"].map(|verb| output.stdout.contains(&format!("{host}, {verb}\n")));
        assert_eq!(both, [variable.is_empty(); 2], "{}", output.stdout);
        assert!(output.stdout.contains("at 1 registry"), "{}", output.stdout);
    }
}
