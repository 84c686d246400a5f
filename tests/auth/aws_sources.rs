//! ECR without a word in the configuration: keys of the environment, a container's agent, the machine.

use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::support::aws::{Cloud, Keys, READER, with_keys};
use crate::support::canary::canary;
use crate::support::harness::{Output, Regsync};
use crate::support::identity::{Actions, Desk, Service, id_token};
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::{Answer, Fault, Match, refusing_host};
use crate::support::tripwire;

struct Scene {
    ci: Actions,
    cloud: Cloud,
    host: FakeRegistry,
}

impl Scene {
    fn new() -> Self {
        let (ci, desk) = (Actions::start(), Desk::new());
        let cloud = Cloud::start(&ci, &desk);
        let host = FakeRegistry::with(Options { auth: desk.auth(), ..Options::default() });
        Self { ci, cloud, host }
    }

    /// Bound to AWS by the environment, on a machine with no role.
    fn regsync(&self) -> Regsync {
        self.on_a_machine("http://127.0.0.1:1/").env("AWS_EC2_METADATA_DISABLED", "true")
    }

    fn on_a_machine(&self, metadata: &str) -> Regsync {
        let regsync = self.cloud.serve(Regsync::new()).provider(&self.host, "aws");
        regsync.marked(&[&self.cloud, &self.host]).env("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata)
    }

    fn check(&self, regsync: &Regsync) -> Output {
        regsync.run(["auth", "check", &self.host.host()])
    }

    /// That the check works, as whom.
    #[track_caller]
    fn assert_is(&self, regsync: &Regsync, who: &str) {
        let output = self.check(regsync);
        output.assert_status(0).assert_masked_first();
        assert!(output.stdout.contains("from AWS, as the environment says"), "{}", output.stdout);
        assert_eq!(self.cloud.given().pop(), Some(format!("password {who}")));
    }
}

fn document(keys: &Keys) -> Answer {
    Answer::status(200).json(&json!({
        "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": keys.id, "SecretAccessKey": keys.secret,
        "Token": keys.token, "Expiration": "2099-01-01T00:00:00Z",
    }))
}

/// What a service of the machine gives may come back from it.
fn given_by(service: &Service, keys: &Keys) {
    tripwire::belongs(keys.token.as_ref().unwrap(), &service.host());
}

#[test]
fn keys_in_variables() {
    let scene = Scene::new();
    for is_session in [false, true] {
        let keys = scene.cloud.keys("runner", is_session);
        let regsync = with_keys(scene.regsync(), &keys);
        scene.assert_is(&regsync, "runner");
        scene.check(&regsync).assert_masked_at_first(&keys.secret).assert_masked_at_first(&keys.id);
    }
    let keys = scene.cloud.keys("runner", true);
    let half = scene.check(&scene.regsync().env("AWS_ACCESS_KEY_ID", &keys.id));
    assert!(half.assert_status(1).stdout.contains("`AWS_ACCESS_KEY_ID` is set, and"), "{}", half.stdout);
    let half = scene.check(&scene.regsync().env("AWS_SECRET_ACCESS_KEY", &keys.secret));
    assert!(half.assert_status(1).stdout.contains("`AWS_SECRET_ACCESS_KEY` is set, and"), "{}", half.stdout);
    let without = Keys { token: None, id: "ASIAUNKNOWN000000000".to_owned(), ..keys };
    let unknown = scene.check(&with_keys(scene.regsync(), &without));
    assert!(unknown.assert_status(1).stdout.contains("lack their session token"), "{}", unknown.stdout);
}

#[test]
fn a_role_with_the_token_of_a_file_or_of_the_job() {
    let scene = Scene::new();
    let job = scene.ci.job(scene.regsync().env("AWS_ROLE_ARN", READER).env("AWS_ROLE_SESSION_NAME", "pod"));
    scene.assert_is(&job, READER);
    assert_eq!(scene.cloud.given()[0], format!("session {READER} pod"));
    let regsync = scene.regsync().env("AWS_ROLE_ARN", READER);
    let path = regsync.path("token");
    let regsync = regsync.env("AWS_WEB_IDENTITY_TOKEN_FILE", path.to_str().unwrap());
    let missing = scene.check(&regsync);
    assert!(missing.assert_status(1).stdout.contains("`AWS_WEB_IDENTITY_TOKEN_FILE` names cannot be read"));
    for number in [1, 2] {
        let token = id_token("sts.amazonaws.com", number);
        regsync.write("token", format!("{token}\n"));
        scene.ci.judge().trust(&token, "sts.amazonaws.com");
        scene.assert_is(&regsync, READER);
    }
}

/// In a cluster whose pods run jobs of GitHub too, as in all of AWS's tools: the file is whose the variable is.
#[test]
fn a_pod_shows_its_own_token_in_a_job_too() {
    let scene = Scene::new();
    let regsync = scene.ci.job(scene.regsync().env("AWS_ROLE_ARN", READER));
    let path = regsync.path("token");
    let regsync = regsync.env("AWS_WEB_IDENTITY_TOKEN_FILE", path.to_str().unwrap());
    let token = id_token("sts.amazonaws.com", 7);
    regsync.write("token", format!("{token}\n"));
    scene.ci.judge().trust(&token, "sts.amazonaws.com");
    scene.assert_is(&regsync, READER);
    assert_eq!(scene.ci.audiences(), Vec::<String>::new());
}

#[test]
fn who_is_named_is_not_replaced_by_the_machine() {
    let scene = Scene::new();
    let (agent, metadata) = (Service::start(|_| Answer::status(404)), Service::start(|_| Answer::status(404)));
    let regsync = scene.on_a_machine(&metadata.url()).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &agent.url());
    let regsync = regsync.env("AWS_ROLE_ARN", READER).env("GITHUB_ACTIONS", "true");
    let output = scene.check(&regsync);
    for part in ["no ID token for sts.amazonaws.com", "unset `AWS_ROLE_ARN`", "`permissions: id-token: write`"] {
        assert!(output.assert_status(1).stdout.contains(part), "{part}:\n{}", output.stdout);
    }
    let profile = scene.on_a_machine(&metadata.url()).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &agent.url());
    let output = scene.check(&profile.env("AWS_PROFILE", "mirror"));
    for part in ["`AWS_PROFILE` names a profile", "`aws configure export-credentials --format env`"] {
        assert!(output.assert_status(1).stdout.contains(part), "{part}:\n{}", output.stdout);
    }
    assert_eq!([agent.requests().len(), metadata.requests().len(), scene.cloud.requests().len()], [0; 3]);
}

#[test]
fn the_agent_of_a_container() {
    let scene = Scene::new();
    let keys = scene.cloud.keys("task", true);
    let (shown, wanted) = (Arc::new(Mutex::new(Vec::new())), document(&keys));
    let log = Arc::clone(&shown);
    let agent = Service::start(move |call| {
        assert_eq!((call.method.as_str(), call.path.as_str()), ("GET", "/v1/credentials"));
        log.lock().unwrap().push(call.header("authorization").map(str::to_owned));
        wanted.clone()
    });
    given_by(&agent, &keys);
    tripwire::belongs(&canary("agent"), &agent.host());
    let url = format!("{}/v1/credentials", agent.url());
    let regsync = scene.regsync().env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url);
    let regsync = regsync.marked(&[&agent, &scene.cloud, &scene.host]);
    scene.assert_is(&regsync, "task");
    let regsync = regsync.env("AWS_CONTAINER_AUTHORIZATION_TOKEN", &canary("agent"));
    scene.assert_is(&regsync, "task");
    let path = regsync.path("agent-token");
    let regsync = regsync.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path.to_str().unwrap());
    regsync.write("agent-token", format!("{}2\n", canary("agent")));
    tripwire::belongs(&format!("{}2", canary("agent")), &agent.host());
    scene.assert_is(&regsync, "task");
    let expected = [None, Some(canary("agent")), Some(format!("{}2", canary("agent")))];
    assert_eq!(*shown.lock().unwrap(), expected);
    // It would end up in a header.
    regsync.write("agent-token", "a\nX-More: b");
    let output = scene.check(&regsync);
    let line = "`AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` does not hold a token";
    assert!(output.assert_status(1).stdout.contains(line), "{}", output.stdout);
    assert_eq!(agent.requests().len(), 3);
}

#[test]
fn an_agent_is_at_home_or_speaks_https() {
    let scene = Scene::new();
    for url in ["http://agent.example/keys", "http://10.0.0.1/keys", "http://169.254.169.254/keys", "ftp://x/", "x"] {
        let output = scene.check(&scene.regsync().env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url));
        let said = &output.assert_status(1).stdout;
        assert!(said.contains("`AWS_CONTAINER_CREDENTIALS_FULL_URI` is"), "{url}: {said}");
    }
    let output = scene.check(&scene.regsync().env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil.example/keys"));
    assert!(output.assert_status(1).stdout.contains("does not begin with a slash"), "{}", output.stdout);
    let agent =
        Service::start(|_| Answer::status(403).json(&json!({"code": "AccessDenied", "message": "no such pod"})));
    let output = scene.check(&scene.regsync().env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &agent.url()));
    assert!(output.assert_status(1).stdout.contains("(403): AccessDenied: no such pod"), "{}", output.stdout);
}

#[test]
fn the_role_of_the_machine() {
    let scene = Scene::new();
    let keys = scene.cloud.keys("machine", true);
    let token = canary("metadata");
    let (answer, expected) = (document(&keys), token.clone());
    let metadata = Service::start(move |call| {
        if call.method == "PUT" {
            assert_eq!((call.path.as_str(), call.body.len()), ("/latest/api/token", 0));
            assert_eq!(call.header("x-aws-ec2-metadata-token-ttl-seconds"), Some("300"));
            return Answer::status(200).body(expected.clone());
        }
        assert_eq!(call.header("x-aws-ec2-metadata-token"), Some(expected.as_str()));
        match call.path.strip_prefix("/latest/meta-data/iam/security-credentials/").unwrap() {
            "" => Answer::status(200).body("runner-role"),
            "runner-role" => answer.clone(),
            other => panic!("{other}"),
        }
    });
    given_by(&metadata, &keys);
    tripwire::belongs(&token, &metadata.host());
    let regsync = scene.on_a_machine(&metadata.url()).marked(&[&metadata, &scene.cloud, &scene.host]);
    scene.assert_is(&regsync, "machine");
    let evil = Fault::Reply(Answer::status(200).body("../../x"));
    metadata.fault(Match::new("GET", "/security-credentials/"), evil);
    let output = scene.check(&regsync);
    assert!(output.assert_status(1).stdout.contains("than the name of a role"), "{}", output.stdout);
}

/// Somebody else's metadata service, a machine without a role, nobody at all: there are no keys, and that is said.
#[test]
fn a_machine_without_a_role() {
    let scene = Scene::new();
    let another = Service::start(|_| Answer::status(400).body("another cloud"));
    let bare = Service::start(|call| {
        if call.method == "PUT" { Answer::status(200).body(canary("bare")) } else { Answer::status(404) }
    });
    tripwire::belongs(&canary("bare"), &bare.host());
    for url in [another.url(), bare.url(), format!("http://{}", refusing_host())] {
        let output = scene.check(&scene.on_a_machine(&url));
        let said = &output.assert_status(1).stdout;
        assert!(said.contains("there are no keys of AWS") && said.contains("set `AWS_ROLE_ARN`"), "{said}");
        assert!(said.contains("AWS, as the environment says") && !said.contains("of the configuration"), "{said}");
    }
    let output = scene.check(&scene.on_a_machine("http://10.0.0.1/"));
    assert!(
        output.assert_status(1).stdout.contains("`AWS_EC2_METADATA_SERVICE_ENDPOINT` is not https"),
        "{}",
        output.stdout
    );
    assert_eq!(scene.host.requests().len() + scene.cloud.requests().len(), 0);
}
