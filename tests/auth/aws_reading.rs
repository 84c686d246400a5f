//! Many tags of a target in one request of ECR's API, and the registry itself for all that is not said there.

use std::sync::Arc;

use serde_json::{Value, json};

use super::aws_hosts::behind;
use crate::support::aws::{Cloud, READER, WRITER, ecr_error, images, with_keys};
use crate::support::harness::{Output, Regsync};
use crate::support::identity::{Actions, Desk, in_variable};
use crate::support::images::{Image, zoo};
use crate::support::proxy::ForwardProxy;
use crate::support::registry::{FakeRegistry, Options, Store};
use crate::support::server::Answer;
use crate::support::tls::TestCa;

const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const ECR: &str = "api.ecr.eu-west-1.amazonaws.com";
const STS: &str = "sts.eu-west-1.amazonaws.com";

/// A source, and a target under a name of ECR's.
struct Scene {
    ca: TestCa,
    ci: Actions,
    desk: Arc<Desk>,
    cloud: Cloud,
    source: FakeRegistry,
    target: FakeRegistry,
    proxy: ForwardProxy,
    image: Image,
}

impl Scene {
    /// So many tags of one image, `v0` and on, at both sides, and a cloud that says what is there.
    fn of(tags: usize) -> Self {
        let scene = Self::new_to(tags);
        for tag in 0..tags {
            scene.image.push_to(&scene.target, "team/app", &format!("v{tag}"));
        }
        scene
    }

    /// The same without the repository.
    fn new_to(tags: usize) -> Self {
        let (ca, ci, desk) = (TestCa::new(), Actions::start(), Desk::new());
        let cloud = Cloud::over(("eu-west-1", Some(ca.server_named(&[ECR, STS]))), &ci, &desk);
        let tls = Some(ca.server_named(&[HOST]));
        let target = FakeRegistry::with(Options { auth: desk.auth(), tls, ..Options::default() });
        let (source, image) = (FakeRegistry::start(), zoo::index("seed"));
        for tag in 0..tags {
            image.push_to(&source, "app", &format!("v{tag}"));
        }
        let routes = [(HOST, target.host()), (ECR, cloud.host()), (STS, cloud.host())];
        let routes: Vec<_> = routes.iter().map(|(name, to)| (*name, to.as_str())).collect();
        let proxy = ForwardProxy::routing(&routes, None);
        let scene = Self { ca, ci, desk, cloud, source, target, proxy, image };
        scene.says(|answer, _| answer);
        scene
    }

    /// What the cloud makes of its true answers; `store` is the target's.
    fn says(&self, change: impl Fn(Value, &Store) -> Value + Send + 'static) {
        let store = self.target.store.clone();
        self.cloud.on_read(move |request| {
            assert_eq!(
                (&request["registryId"], &request["repositoryName"]),
                (&json!("123456789012"), &json!("team/app"))
            );
            Answer::status(200).json(&change(images(&store, request), &store))
        });
    }

    /// The cloud answers that instead of anything true.
    fn says_always(&self, answer: Answer) {
        self.cloud.on_read(move |_| answer.clone());
    }

    fn regsync(&self, auth: &str) -> Regsync {
        let yaml = format!(
            "version: 1\n{auth}defaults: {{ referrers: none }}\nmirrors:\n  - {{ source: {}, target: {HOST}/team/app, tags: \
             [\"*\"] }}\n",
            self.source.reference("app")
        );
        behind(&self.proxy, &self.ca, &yaml)
    }

    fn job(&self) -> Regsync {
        let auth = format!(
            "registries:\n  {HOST}: {{ auth: {{ aws: {{ role: \"{WRITER}\", plan-role: \"{READER}\" }} }} }}\n"
        );
        self.ci.job(self.regsync(&auth))
    }

    fn plan(&self) -> Output {
        let output = self.job().run(["plan", "--sizes", "never", "--format", "json"]);
        output.assert_status(0);
        output
    }

    fn heads(&self) -> usize {
        self.target.count("HEAD", "/manifests/")
    }
}

/// How many steps of a plan copy, update and skip.
fn counts(plan: &Output) -> [u64; 3] {
    ["copy", "update", "skip"].map(|action| plan.json()["summary"][action].as_u64().unwrap())
}

/// All but the time.
fn without_time(plan: &Output) -> String {
    let time = plan.json()["created_at"].as_str().unwrap().to_owned();
    plan.stdout.replace(&time, "")
}

#[test]
fn a_plan_over_250_tags_is_three_requests() {
    let scene = Scene::of(250);
    scene.target.delete_tag("team/app", "v7");
    zoo::index("older").push_to(&scene.target, "team/app", "v120");
    let plan = scene.plan();
    assert_eq!(counts(&plan), [1, 1, 248]);
    let mut sizes: Vec<_> = scene.cloud.batches().iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [50, 100, 100]);
    assert_eq!(scene.target.requests().len(), 0);
    assert_eq!(scene.cloud.given(), [format!("session {READER} regsync"), format!("password {READER}")]);
    assert_eq!(scene.ci.audiences().len(), 1);
    // The registry itself says the same.
    scene.says_always(ecr_error(400, "AccessDeniedException", "not authorized to perform: ecr:BatchGetImage"));
    let by_heads = scene.plan();
    assert_eq!(scene.heads(), 250);
    assert_eq!(without_time(&plan), without_time(&by_heads));
}

#[test]
fn what_is_planned_so_is_applied() {
    let scene = Scene::of(4);
    scene.target.delete_tag("team/app", "v1");
    zoo::index("older").push_to(&scene.target, "team/app", "v2");
    scene.job().run(["apply"]).assert_status(0);
    for tag in ["v1", "v2"] {
        scene.image.assert_at(&scene.target, "team/app", tag);
    }
    assert_eq!(scene.target.store.tag_writes().len(), 2);
    assert_eq!(scene.target.count("HEAD", "/manifests/v1"), 1, "looked at again before it is written");
    scene.target.clear_log();
    scene.job().run(["apply"]).assert_status(0);
    assert_eq!(scene.target.requests().len(), 0, "nothing is left to do");
}

/// Somebody else wrote the tag after it was read.
#[test]
fn a_tag_that_moved_since_is_left_alone() {
    let scene = Scene::of(3);
    scene.target.delete_tag("team/app", "v0");
    let other = zoo::index("other");
    let store = scene.target.store.clone();
    let digest = other.digest().to_owned();
    other.push_to(&scene.target, "team/app", "other");
    scene.says(move |answer, _| {
        store.tag("team/app", "v0", &digest);
        answer
    });
    scene.job().run(["apply"]).assert_status(4);
    other.assert_at(&scene.target, "team/app", "v0");
}

#[test]
fn a_refusal_is_not_asked_for_again() {
    for code in ["AccessDeniedException", "UnrecognizedClientException", "UnknownOperationException"] {
        let scene = Scene::of(250);
        scene.says_always(ecr_error(400, code, "no"));
        let output = scene.job().run(["plan", "-vv", "--format", "json"]);
        assert_eq!(counts(output.assert_status(0)), [0, 0, 250], "{code}");
        assert_eq!((scene.cloud.batches().len(), scene.heads()), (1, 250), "{code}");
        assert_eq!(output.stderr.matches("its tags are read one by one").count(), 1, "{}", output.stderr);
        assert!(output.stderr.contains(code), "{}", output.stderr);
    }
}

#[test]
fn a_cloud_with_too_much_to_do_is_asked_again_and_then_left_alone() {
    let scene = Scene::of(3);
    let throttled = || ecr_error(400, "ThrottlingException", "Rate exceeded");
    let (store, mut first) = (scene.target.store.clone(), true);
    scene.cloud.on_read(move |request| {
        let busy = std::mem::take(&mut first);
        if busy { throttled() } else { Answer::status(200).json(&images(&store, request)) }
    });
    assert_eq!(counts(&scene.plan()), [0, 0, 3]);
    assert_eq!((scene.cloud.batches().len(), scene.heads()), (2, 0));
    for busy in [throttled(), Answer::status(503)] {
        let scene = Scene::of(250);
        scene.says_always(busy);
        assert_eq!(counts(&scene.plan()), [0, 0, 250]);
        assert_eq!((scene.cloud.batches().len(), scene.heads()), (3, 250));
    }
}

/// Only what is beyond doubt is believed; for one tag that is doubtful, the registry is asked.
#[test]
fn doubtful_answers_are_not_believed() {
    type Change = fn(&mut Value, &Value);
    let older = zoo::index("older");
    let other = json!({"digest": older.digest(), "manifest": str::from_utf8(&older.root.bytes).unwrap()});
    let changes: [(&str, Change); 12] = [
        ("another digest", |answer, other| answer["images"][0]["imageId"]["imageDigest"] = other["digest"].clone()),
        ("another manifest", |answer, other| answer["images"][0]["imageManifest"] = other["manifest"].clone()),
        ("no digest", |answer, _| drop(answer["images"][0]["imageId"]["imageDigest"].take())),
        ("junk", |answer, _| answer["images"][0]["imageId"]["imageDigest"] = json!("sha256:../..")),
        ("no manifest", |answer, _| drop(answer["images"][0]["imageManifest"].take())),
        ("no type", |answer, _| drop(answer["images"][0]["imageManifestMediaType"].take())),
        ("another repository", |answer, _| answer["images"][0]["repositoryName"] = json!("team/other")),
        ("another account", |answer, _| answer["images"][0]["registryId"] = json!("210987654321")),
        ("left out", |answer, _| drop(answer["images"].as_array_mut().unwrap().remove(0))),
        ("twice", |answer, other| {
            let mut twin = answer["images"][0].clone();
            twin["imageId"]["imageDigest"] = other["digest"].clone();
            twin["imageManifest"] = other["manifest"].clone();
            answer["images"].as_array_mut().unwrap().push(twin);
        }),
        ("there and not there", |answer, _| {
            let id = json!({"imageTag": answer["images"][0]["imageId"]["imageTag"]});
            answer["failures"] = json!([{"imageId": id, "failureCode": "ImageNotFound"}]);
        }),
        ("another failure", |answer, _| {
            let image = answer["images"].as_array_mut().unwrap().remove(0);
            answer["failures"] =
                json!([{"imageId": {"imageTag": image["imageId"]["imageTag"]}, "failureCode": "KmsError"}]);
        }),
    ];
    for (what, change) in changes {
        let scene = Scene::of(3);
        let other = other.clone();
        scene.says(move |mut answer, _| {
            change(&mut answer, &other);
            answer
        });
        assert_eq!(counts(&scene.plan()), [0, 0, 3], "{what}");
        assert_eq!((scene.cloud.batches().len(), scene.heads()), (1, 1), "{what}");
    }
}

/// Of what was not asked for, nothing is taken, however much it is; and `ImageNotFound` without the name of a tag is about
/// none.
#[test]
fn what_was_not_asked_for_is_ignored() {
    let scene = Scene::of(3);
    scene.says(|mut answer, _| {
        let mut stray = answer["images"][0].clone();
        stray["imageId"]["imageTag"] = json!("stray");
        answer["images"].as_array_mut().unwrap().push(stray);
        answer["annotations"] = json!("x".repeat(1 << 20));
        let failures = [json!({}), json!({"imageTag": "v9"}), json!({"imageTag": "V0"})];
        answer["failures"] =
            failures.map(|id| json!({"imageId": id, "failureCode": "ImageNotFound"})).into_iter().collect();
        answer
    });
    assert_eq!(counts(&scene.plan()), [0, 0, 3]);
    assert_eq!((scene.cloud.batches().len(), scene.heads()), (1, 0));
}

#[test]
fn answers_that_make_no_sense_are_as_good_as_none() {
    let failures = "{\"failures\":[{\"imageId\":{\"imageTag\":\"v0\"},\"failureCode\":\"ImageNotFound\"}]";
    let cut = Answer::status(200).body(failures.to_owned());
    let large = format!("{failures},\"padding\":\"{}\"}}", "x".repeat(5 << 20));
    let answers = ["[]", "null", "{}", "{\"images\":null}", "{\"images\":[7]}", "<html></html>"]
        .map(|text| Answer::status(200).body(text));
    for answer in answers.into_iter().chain([cut, Answer::status(200).body(large), Answer::status(204)]) {
        let scene = Scene::of(3);
        scene.says_always(answer);
        assert_eq!(counts(&scene.plan()), [0, 0, 3]);
        assert_eq!((scene.cloud.batches().len(), scene.heads()), (1, 3));
    }
}

#[test]
fn a_repository_that_is_missing_is_told_of_once() {
    let scene = Scene::new_to(150);
    let words = "The repository with name 'team/app' does not exist in the registry with id '123456789012'";
    scene.says_always(ecr_error(400, "RepositoryNotFoundException", words));
    let plan = scene.job().run(["plan", "--format", "json"]);
    assert_eq!(counts(plan.assert_status(0)), [150, 0, 0]);
    assert_eq!((scene.cloud.batches().len(), scene.target.requests().len()), (2, 0), "sizes and all");
}

#[test]
fn a_few_tags_are_looked_up_one_by_one() {
    let scene = Scene::of(2);
    assert_eq!(counts(&scene.plan()), [0, 0, 2]);
    assert_eq!((scene.cloud.batches().len(), scene.heads()), (0, 2));
}

/// As the keys of the environment; and never where the password is of somebody's own.
#[test]
fn only_credentials_of_aws_ask_aws() {
    let scene = Scene::of(3);
    let keys = scene.cloud.keys("runner", true);
    with_keys(scene.regsync(""), &keys).run(["plan"]).assert_status(0);
    assert_eq!((scene.cloud.batches().len(), scene.heads()), (1, 0));
    assert_eq!(scene.cloud.given(), ["password runner"]);
    scene.cloud.clear_log();
    let password = format!("AWS:{}", scene.desk.issue("AWS"));
    let own = with_keys(scene.regsync(""), &keys).env(&format!("REGSYNC_AUTH_{}", in_variable(HOST)), &password);
    own.run(["plan"]).assert_status(0);
    assert_eq!((scene.cloud.requests().len(), scene.heads()), (0, 3));
}

/// A name that says nothing of the account: the one of the keys may have a repository of that name, too.
#[test]
fn a_host_that_names_no_account_is_asked_itself() {
    let scene = Scene::new_to(3);
    let target = FakeRegistry::with(Options { auth: scene.desk.auth(), ..Options::default() });
    for tag in ["v0", "v1", "v2"] {
        scene.image.push_to(&target, "team/app", tag);
    }
    let yaml = format!(
        "version: 1\nmirrors:\n  - {{ source: {}, target: {}/team/app, tags: [\"*\"], referrers: none }}\n",
        scene.source.reference("app"),
        target.host()
    );
    let keys = scene.cloud.keys("runner", true);
    let regsync = with_keys(behind(&scene.proxy, &scene.ca, &yaml), &keys).env("AWS_REGION", "eu-west-1");
    regsync.provider(&target, "aws").run(["plan"]).assert_status(0);
    assert_eq!((scene.cloud.batches().len(), target.count("HEAD", "/manifests/")), (0, 3));
}
