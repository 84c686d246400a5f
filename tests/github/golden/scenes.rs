//! The ends that a run may come to: two registries, a configuration, and a command line for each.

use serde_json::json;

use crate::support::harness::Regsync;
use crate::support::images::{Image, Single, media_type, zoo};
use crate::support::registry::{Auth, Options};
use crate::support::server::{Answer, Fault, Gate, Match};
use crate::support::stage::{Mirror, Pair};

/// All that a run needs, and the registries that it finds.
pub(super) struct Scene {
    pub(super) regsync: Regsync,
    pub(super) args: &'static [&'static str],
    /// What a job has beside that.
    pub(super) in_a_job: Vec<(&'static str, String)>,
    /// Where it is interrupted.
    pub(super) gate: Option<Gate>,
    /// They answer as long as this is there.
    pair: Pair,
}

const PLAN: &[&str] = &["plan"];
/// One after the other: which of two ends first is nobody's to say.
const APPLY: &[&str] = &["apply", "--concurrency", "1"];

fn scene(pair: Pair, mirrors: &[Mirror], args: &'static [&'static str]) -> Scene {
    let regsync = pair.regsync(mirrors);
    Scene { regsync, args, in_a_job: Vec::new(), gate: None, pair }
}

/// An index of some platforms whose images say which version they are.
fn index(seed: &str, platforms: &[&str], version: &str) -> Image {
    let labels = json!({"Labels": {"org.opencontainers.image.version": version}, "Env": [format!("SEED={seed}")]});
    let image = |name: &&str| Single::new(seed).platform(name).layers(1, 300).shared_layer("base").run(&labels).build();
    Image::index(media_type::OCI_INDEX, &platforms.iter().map(image).collect::<Vec<_>>())
}

/// Images that are new, in sync, moved, and missing at the source.
fn everything() -> (Pair, Vec<Mirror>) {
    let pair = Pair::start();
    let at_both = |name: &str, tag: &str| {
        [&pair.source, &pair.target].map(|at| zoo::single(&format!("{name} {tag}")).push_to(at, name, tag))
    };
    for tag in ["1.27.4", "1.26.3"] {
        at_both("mirror/nginx", tag);
    }
    zoo::index("nginx").push_to(&pair.source, "mirror/nginx", "1.27.5");
    zoo::single("nginx").push_to(&pair.source, "mirror/nginx", "1.27.5-alpine");
    zoo::single("redis").push_to(&pair.source, "mirror/redis", "8.2.1");
    at_both("mirror/busybox", "1.36.1");
    zoo::single("alpine").push_to(&pair.source, "mirror/alpine", "3.20");
    zoo::single("alpine before").push_to(&pair.target, "mirror/alpine", "3.20");
    zoo::single("grafana").push_to(&pair.source, "mirror/grafana", "11.3.0");
    let mirrors = vec![
        pair.mirror("mirror/nginx", &["1.*"]),
        pair.mirror("mirror/redis", &["8.2.1"]),
        pair.mirror("mirror/alpine", &["3.20"]),
        pair.mirror("mirror/busybox", &["1.36.1"]),
        pair.mirror("mirror/grafana", &["11.4.0"]),
        pair.mirror("mirror/grafana", &["9.*"]).with("on-empty: warn"),
    ];
    (pair, mirrors)
}

pub(super) fn plan_of_everything() -> Scene {
    let (pair, mirrors) = everything();
    scene(pair, &mirrors, &["plan", "-o", "plan.json"])
}

/// Two tags that are where they should be.
fn in_sync() -> (Pair, Vec<Mirror>) {
    let pair = Pair::start();
    for (tag, at) in [("1", &pair.source), ("2", &pair.source), ("1", &pair.target), ("2", &pair.target)] {
        zoo::single(tag).push_to(at, "mirror/app", tag);
    }
    let mirrors = vec![pair.mirror("mirror/app", &["1", "2"])];
    (pair, mirrors)
}

pub(super) fn plan_with_nothing_to_do() -> Scene {
    let (pair, mirrors) = in_sync();
    scene(pair, &mirrors, PLAN)
}

/// A tag that must not move, and one that two mirrors want otherwise.
fn blocked() -> (Pair, Vec<Mirror>) {
    let pair = Pair::start();
    zoo::single("app").push_to(&pair.source, "mirror/app", "v1");
    zoo::single("app before").push_to(&pair.target, "mirror/app", "v1");
    zoo::single("app 2").push_to(&pair.source, "mirror/app", "v2");
    for name in ["a", "b"] {
        zoo::single(name).push_to(&pair.source, name, "1");
    }
    let mirrors = vec![
        pair.mirror("mirror/app", &["v*"]).with("immutable-tags: [\"v*\"]"),
        pair.mirror_to("a", "mirror/shared", &["1*"]),
        pair.mirror_to("b", "mirror/shared", &["*1"]),
    ];
    (pair, mirrors)
}

pub(super) fn plan_that_is_blocked() -> Scene {
    let (pair, mirrors) = blocked();
    scene(pair, &mirrors, PLAN)
}

pub(super) fn plan_with_risks() -> Scene {
    let pair = Pair::start();
    index("old", &["linux/amd64", "linux/arm64", "linux/s390x"], "1.10.0").push_to(&pair.target, "mirror/app", "1");
    index("new", &["linux/amd64", "linux/arm64"], "1.9.0").push_to(&pair.source, "mirror/app", "1");
    let mirrors = [pair.mirror("mirror/app", &["1"])];
    scene(pair, &mirrors, &["plan", "--fail-on-risk", "downgrade,platform-loss"])
}

pub(super) fn plan_of_an_invalid_configuration() -> Scene {
    let wrong = scene(Pair::start(), &[], PLAN);
    let yaml = "version: 1\nmirrors:\n  - source: docker.io/library/alpine\n    targt: ghcr.io/acme/alpine\n    tags: [3.20]\n";
    wrong.regsync.write("regsync.yaml", yaml);
    wrong
}

/// A target that asks for a password. A job for the pull request of a fork has none.
pub(super) fn plan_without_credentials() -> Scene {
    let locked = Options { auth: Auth::basic("mirror", "CANARY-secret"), ..Options::default() };
    let pair = Pair::with(Options::default(), locked);
    for tag in ["1", "2"] {
        zoo::single(tag).push_to(&pair.source, "mirror/app", tag);
    }
    let open = Mirror::new(&pair.source.reference("mirror/app"), &["oci:mirror/app"], &["1"]);
    let mirrors = [pair.mirror("mirror/app", &["1", "2"]), open];
    let scene = scene(pair, &mirrors, PLAN);
    let repo = |id: u64| json!({"repo": {"id": id, "full_name": format!("owner{id}/mirrors")}});
    let event = json!({"pull_request": {"number": 7, "head": repo(2), "base": repo(1)}});
    scene.regsync.write("event.json", event.to_string());
    let path = scene.regsync.path("event.json").to_str().unwrap().to_owned();
    let in_a_job = vec![("GITHUB_EVENT_NAME", "pull_request".to_owned()), ("GITHUB_EVENT_PATH", path)];
    Scene { in_a_job, ..scene }
}

pub(super) fn apply_that_succeeds() -> Scene {
    let (pair, mut mirrors) = everything();
    mirrors.remove(4);
    scene(pair, &mirrors, APPLY)
}

pub(super) fn apply_with_nothing_to_do() -> Scene {
    let (pair, mirrors) = in_sync();
    scene(pair, &mirrors, APPLY)
}

/// One is refused, one is gone, one is blocked, and the others are copied.
pub(super) fn apply_that_partly_fails() -> Scene {
    let (pair, mut mirrors) = everything();
    let denied = Answer::error(403, "DENIED", "requested access to the resource is denied");
    pair.target.fault(Match::new("POST", "/mirror/redis/"), Fault::Reply(denied));
    mirrors[2] = mirrors[2].clone().with("on-tag-move: block");
    scene(pair, &mirrors, APPLY)
}

/// Somebody else moved both tags since they were planned.
pub(super) fn apply_of_a_stale_plan() -> Scene {
    let pair = Pair::start();
    for tag in ["1", "2"] {
        zoo::single(tag).push_to(&pair.source, "mirror/app", tag);
    }
    let mirrors = [pair.mirror("mirror/app", &["1", "2"])];
    let scene = scene(pair, &mirrors, &["apply", "plan.json", "--concurrency", "1"]);
    scene.regsync.run(["plan", "-q", "-o", "plan.json"]).assert_status(0);
    for tag in ["1", "2"] {
        zoo::single("somebody's").push_to(&scene.pair.target, "mirror/app", tag);
    }
    scene
}

/// The configuration is another one than the plan was made from.
pub(super) fn apply_of_another_plan() -> Scene {
    let (pair, mirrors) = in_sync();
    let scene = scene(pair, &mirrors, &["apply", "plan.json"]);
    scene.regsync.run(["plan", "-q", "-o", "plan.json"]).assert_status(0);
    scene.regsync.write("regsync.yaml", scene.regsync.read("regsync.yaml") + "# edited\n");
    scene
}

/// The signal comes in the middle of the second copy.
pub(super) fn apply_that_is_interrupted() -> Scene {
    let (pair, gate) = (Pair::start(), Gate::new());
    for tag in ["1", "2", "3"] {
        zoo::single(tag).push_to(&pair.source, "mirror/app", tag);
    }
    let stuck = zoo::single("2").blobs[0].digest.clone();
    pair.source.fault(Match::new("GET", &format!("/blobs/{stuck}")), Fault::Hold(gate.clone()));
    let mirrors = [pair.mirror("mirror/app", &["1", "2", "3"])];
    Scene { gate: Some(gate), ..scene(pair, &mirrors, APPLY) }
}
