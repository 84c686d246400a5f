//! A plan file is a claim. What is not, byte for byte, what was planned is refused before the network is used.

use std::fs;

use serde_json::{Value, json};

use super::{Case, one_mirror, refusals};
use crate::support::harness::Regsync;
use crate::support::images::{write_layout, zoo};
use crate::support::registry::FakeRegistry;

/// A place with a plan of two copies between registries and one between layouts.
fn planned(host: &FakeRegistry) -> Regsync {
    let regsync = Regsync::new().host(&host.host(), "HOST").without_digests();
    write_layout(&regsync.path("upstream"), &[(&zoo::single("layout"), "1")]);
    let yaml = one_mirror(host) + "  - {source: \"oci:upstream:1\", target: \"oci:copies\"}\n";
    let regsync = regsync.config(&yaml);
    regsync.run(["plan", "-q", "-o", "plan.json"]).assert_status(0);
    host.clear_log();
    regsync
}

/// A change of the saved plan.
type Change = fn(&mut Value);

const CHANGES: &[(&str, Change)] = &[
    ("unknown major version", |plan| plan["format_version"] = json!("2.0")),
    ("version that is none", |plan| plan["format_version"] = json!("one")),
    ("another kind", |plan| plan["kind"] = json!("regsync.result")),
    ("no kind", |plan| drop(plan.as_object_mut().unwrap().remove("kind"))),
    ("no configuration", |plan| plan["config"] = json!([])),
    ("no steps", |plan| plan["steps"] = json!([])),
    ("reordered", |plan| plan["steps"].as_array_mut().unwrap().reverse()),
    ("another id", |plan| plan["plan_id"] = json!(format!("sha256:{}", "0".repeat(64)))),
    ("another digest", |plan| {
        let other = json!(format!("sha256:{}", "1".repeat(64)));
        for pointer in ["/steps/0/digest", "/steps/0/source/digest"] {
            *plan.pointer_mut(pointer).unwrap() = other.clone();
        }
    }),
    ("digest that differs from the source's", |plan| {
        plan["steps"][0]["digest"] = json!(format!("sha256:{}", "1".repeat(64)));
    }),
    ("digest that is none", |plan| plan["steps"][0]["digest"] = json!("sha256:../../etc")),
    ("another target", |plan| plan["steps"][0]["target"]["reference"] = json!("ghcr.io/acme/app:1")),
    ("target by digest", |plan| plan["steps"][0]["target"]["reference"] = json!("ghcr.io/acme/app")),
    ("target with a password", |plan| plan["steps"][0]["target"]["reference"] = json!("u:CANARY-p@ghcr.io/acme/app:1")),
    ("unknown action", |plan| plan["steps"][0]["action"] = json!("delete")),
    ("unknown reason", |plan| plan["steps"][0]["reason"] = json!("because")),
    ("reason of another action", |plan| plan["steps"][0]["reason"] = json!("tag-moved")),
    (
        "something of a later version",
        |plan| plan["steps"][0]["referrers"] = json!([{"digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "artifact_type": null, "tag": null}]),
    ),
    ("no source", |plan| plan["steps"][0]["source"] = json!(null)),
    ("layout outside", |plan| plan["steps"][2]["target"]["reference"] = json!("oci:../copies:1")),
    ("layout at the root", |plan| plan["steps"][2]["target"]["reference"] = json!("oci:/etc:1")),
    ("layout of no file", |plan| plan["steps"][2]["location"]["file"] = json!("other.yaml")),
    ("checksum that is none", |plan| plan["config"][0]["sha256"] = json!("abc")),
    ("missing configuration", |plan| plan["config"][0]["path"] = json!("other.yaml")),
    ("configuration elsewhere", |plan| plan["config"][0]["path"] = json!("/etc/hostname")),
];

#[test]
fn plans_that_were_changed_are_refused() {
    let host = FakeRegistry::start();
    zoo::index("one").push_to(&host, "app", "1");
    zoo::index("two").push_to(&host, "app", "2");
    let names: Vec<&str> = CHANGES.iter().map(|(name, _)| *name).collect();
    let cases: Vec<Case<'_>> = names.iter().map(|name| Case { name, args: &["apply", "plan.json"] }).collect();
    let text = refusals(&cases, |name| {
        let regsync = planned(&host);
        let mut plan: Value = serde_json::from_str(&regsync.read("plan.json")).unwrap();
        let (_, change) = CHANGES.iter().find(|(known, _)| *known == name).unwrap();
        change(&mut plan);
        regsync.write("plan.json", plan.to_string());
        regsync
    });
    assert_eq!(host.requests().len(), 0);
    let stale = text.matches("\nexit: 4\n").count();
    assert_eq!(text.matches("\nexit: 65\n").count() + stale, cases.len(), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn files_that_are_no_plans_are_refused() {
    let host = FakeRegistry::start();
    zoo::index("one").push_to(&host, "app", "1");
    zoo::index("two").push_to(&host, "app", "2");
    let names = ["truncated", "empty", "not JSON", "not text", "a directory", "missing", "the configuration"];
    let cases = names.map(|name| Case { name, args: &["apply", "plan.json"] });
    let text = refusals(&cases, |name| {
        let regsync = planned(&host);
        let plan = regsync.read("plan.json");
        match name {
            "truncated" => regsync.write("plan.json", &plan[..plan.len() / 2]),
            "empty" => regsync.write("plan.json", ""),
            "not JSON" => regsync.write("plan.json", "plan"),
            "not text" => regsync.write("plan.json", [b'{', 0xff]),
            "the configuration" => regsync.write("plan.json", regsync.read("regsync.yaml")),
            _ => fs::remove_file(regsync.path("plan.json")).unwrap(),
        }
        if name == "a directory" {
            fs::create_dir(regsync.path("plan.json")).unwrap();
        }
        regsync
    });
    assert_eq!(text.matches("\nexit: 65\n").count(), cases.len(), "{text}");
    assert_eq!(host.requests().len(), 0);
    insta::assert_snapshot!(text);
}

#[test]
fn plans_of_another_configuration_are_stale() {
    let host = FakeRegistry::start();
    zoo::index("one").push_to(&host, "app", "1");
    zoo::index("two").push_to(&host, "app", "2");
    let cases = [
        Case { name: "changed since", args: &["apply", "plan.json"] },
        Case { name: "changed by a blank", args: &["apply", "plan.json", "-c", "regsync.yaml"] },
        Case { name: "another one", args: &["apply", "plan.json", "-c", "other.yaml"] },
        Case { name: "a further one", args: &["apply", "plan.json", "-c", "regsync.yaml", "-c", "other.yaml"] },
        Case { name: "another id than expected", args: &["apply", "plan.json", "--expect-plan-id", "0123456789ab"] },
    ];
    let text = refusals(&cases, |name| {
        let regsync =
            planned(&host).file("other.yaml", "version: 1\nmirrors:\n  - {source: \"oci:a:1\", target: \"oci:b\"}\n");
        let yaml = regsync.read("regsync.yaml");
        match name {
            "changed since" => regsync.write("regsync.yaml", yaml.replace("tags: [\"1\"", "tags: [\"9\"")),
            "changed by a blank" => regsync.write("regsync.yaml", yaml + "\n"),
            _ => {}
        }
        regsync
    });
    assert_eq!(text.matches("\nexit: 4\n").count(), cases.len(), "{text}");
    assert_eq!(host.requests().len(), 0);
    insta::assert_snapshot!(text);
}

/// The configuration is told by its bytes: it may have moved. A later minor version has more fields.
#[test]
fn plans_of_a_later_minor_version_are_applied_from_wherever() {
    let host = FakeRegistry::start();
    zoo::index("one").push_to(&host, "app", "1");
    zoo::index("two").push_to(&host, "app", "2");
    let regsync = planned(&host);
    let mut plan: Value = serde_json::from_str(&regsync.read("plan.json")).unwrap();
    plan["format_version"] = json!("1.9");
    plan["news"] = json!({"any": "thing"});
    plan["steps"][0]["news"] = json!(1);
    regsync.write("plan.json", plan.to_string());
    fs::rename(regsync.path("regsync.yaml"), regsync.path("moved.yaml")).unwrap();
    regsync.run(["apply", "plan.json"]).assert_status(65);
    assert_eq!(host.requests().len(), 0);
    regsync.run(["apply", "plan.json", "-c", "moved.yaml"]).assert_status(0);
    assert_eq!(host.tag_digest("mirror/app", "1"), host.tag_digest("app", "1"));
    host.assert_closed();
}

/// The id is no secret: whoever can change the file can make it fit. What keeps a plan in its place are its paths, links
/// on the disk included.
#[cfg(unix)]
#[test]
fn a_plan_does_not_follow_links_out_of_its_directory() {
    let host = FakeRegistry::start();
    zoo::index("one").push_to(&host, "app", "1");
    zoo::index("two").push_to(&host, "app", "2");
    let regsync = planned(&host);
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), regsync.path("link")).unwrap();
    let mut plan: Value = serde_json::from_str(&regsync.read("plan.json")).unwrap();
    plan["steps"][2]["target"]["reference"] = json!("oci:link/copies:1");
    let told = refused_with_its_own_id(&regsync, &mut plan);
    assert!(told.contains("link"), "{told}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert_eq!(host.requests().len(), 0);
}

/// A step that was put into a plan by whoever can make its id fit goes nowhere: what was reviewed are the mirrors.
#[test]
fn a_step_of_no_mirror_is_refused() {
    let host = FakeRegistry::start();
    zoo::index("one").push_to(&host, "app", "1");
    zoo::index("two").push_to(&host, "app", "2");
    zoo::index("private").push_to(&host, "private/app", "1");
    let regsync = planned(&host);
    write_layout(&regsync.path("other"), &[(&zoo::single("layout"), "1")]);
    let at = |name: &str| format!("{}/{name}:1", host.host());
    let places = [
        (at("app"), at("public/app")),
        (at("private/app"), at("mirror/app")),
        (at("mirror/app"), at("app")),
        (at("app"), "oci:copies:1".to_owned()),
        ("oci:other:1".to_owned(), "oci:copies:1".to_owned()),
        ("oci:upstream:1".to_owned(), "oci:elsewhere:1".to_owned()),
    ];
    for (source, target) in places {
        let mut plan: Value = serde_json::from_str(&regsync.read("plan.json")).unwrap();
        let mut planted = plan["steps"][0].clone();
        planted["source"]["reference"] = json!(source);
        planted["target"]["reference"] = json!(target);
        plan["steps"].as_array_mut().unwrap().push(planted);
        let saved = regsync.read("plan.json");
        let told = refused_with_its_own_id(&regsync, &mut plan);
        regsync.write("plan.json", saved);
        assert!(told.contains("step 4: no mirror of the configuration leads from "), "{source} {target}: {told}");
    }
    assert_eq!(host.requests().len(), 0);
    regsync.run(["apply", "plan.json"]).assert_status(0);
}

/// Has `plan` the id of its steps, and gives what is said where it is refused nevertheless.
#[track_caller]
fn refused_with_its_own_id(regsync: &Regsync, plan: &mut Value) -> String {
    regsync.write("plan.json", plan.to_string());
    let told = regsync.run(["apply", "plan.json"]).assert_status(65).stderr.clone();
    let id = told.split("steps have the id ").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
    plan["plan_id"] = json!(id);
    regsync.write("plan.json", plan.to_string());
    regsync.run(["apply", "plan.json"]).assert_status(65).stderr.clone()
}
