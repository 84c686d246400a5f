//! The committed schemas are those of the program, fit what it writes, and fit nothing else.

use std::fs;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{QUICKSTART, one_mirror, quickstart, repository};
use crate::support::harness::Regsync;
use crate::support::images::zoo;
use crate::support::registry::FakeRegistry;
use crate::support::server::{Fault, Match};

fn validator(name: &str) -> Validator {
    let text = fs::read_to_string(repository().join(format!("schema/{name}.schema.json"))).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

#[track_caller]
fn assert_fits(validator: &Validator, document: &Value) {
    let problems: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(problems.is_empty(), "{problems:#?}\n{document:#}");
}

/// Set `REGSYNC_UPDATE=1` to write them anew.
#[test]
fn committed_schemas_are_up_to_date() {
    for what in ["plan", "result"] {
        let printed = Regsync::new().run(["schema", what]).assert_status(0).stdout.clone();
        let path = repository().join(format!("schema/{what}.schema.json"));
        if std::env::var_os("REGSYNC_UPDATE").is_some_and(|value| value == "1") {
            fs::write(&path, &printed).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == printed, "{} is stale: REGSYNC_UPDATE=1 cargo test writes it anew", path.display());
    }
}

#[test]
fn every_schema_is_one() {
    let regsync = Regsync::new();
    for what in ["config", "plan", "result"] {
        let schema = regsync.run(["schema", what]).assert_status(0).json();
        assert!(jsonschema::meta::is_valid(&schema), "{what}");
    }
    assert_eq!(regsync.run(["schema"]).stdout, regsync.run(["schema", "config"]).stdout);
}

#[test]
fn documents_of_the_example_fit() {
    let regsync = quickstart();
    let (plans, results) = (validator("plan"), validator("result"));
    let printed = regsync.run(["plan", "-c", QUICKSTART, "--format", "json", "-o", "plan.json"]).json();
    assert_fits(&plans, &printed);
    assert_fits(&plans, &serde_json::from_str(&regsync.read("plan.json")).unwrap());
    let result = regsync.run(["apply", "-c", QUICKSTART, "--format", "json"]).json();
    assert_fits(&results, &result);
    assert!(!plans.is_valid(&result) && !results.is_valid(&printed), "one is not the other");
    assert_fits(&results, &regsync.run(["apply", "-c", QUICKSTART, "--format", "json"]).json());
}

/// A run in which one step is in error, one fails, one is blocked, one is copied and one is in place.
fn troubled() -> (FakeRegistry, Regsync) {
    let host = FakeRegistry::start();
    for (tag, seed) in [("1", "one"), ("2", "two"), ("3", "three"), ("4", "four")] {
        zoo::index(seed).push_to(&host, "app", tag);
    }
    zoo::index("four").push_to(&host, "mirror/app", "4");
    zoo::single("other").push_to(&host, "mirror/app", "3");
    host.fault(Match::new("PUT", "/mirror/app/manifests/2"), Fault::status(403));
    let yaml = one_mirror(&host).replace("\"2\"]", "\"2\", \"3\", \"4\", \"5\"]") + "    on-tag-move: block\n";
    let regsync = Regsync::new().config(&yaml).host(&host.host(), "HOST");
    (host, regsync)
}

#[test]
fn documents_of_a_run_in_trouble_fit() {
    let (_host, regsync) = troubled();
    let plan = regsync.run(["plan", "--format", "json"]);
    assert_fits(&validator("plan"), &plan.assert_status(1).json());
    let refused = regsync.run(["apply", "--format", "json", "--require-complete"]);
    assert_fits(&validator("result"), &refused.assert_status(1).json());
    let result = regsync.run(["apply", "--format", "json"]).assert_status(3).json();
    assert_fits(&validator("result"), &result);
    let outcomes: Vec<&str> =
        result["steps"].as_array().unwrap().iter().map(|step| step["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["copied", "failed", "blocked", "skipped", "failed"]);
}

#[test]
fn schemas_refuse_what_is_not_known() {
    let (_host, regsync) = troubled();
    let plan = regsync.run(["plan", "--format", "json"]).json();
    let result = regsync.run(["apply", "--format", "json"]).json();
    let both = [
        ("/format_version", json!("2.0")),
        ("/format_version", json!(1)),
        ("/kind", json!("regsync.other")),
        ("/plan_id", json!("sha256:abc")),
        ("/config/0/sha256", json!("sha256:abc")),
        ("/created_at", json!(0)),
        ("/scope/only", json!("*")),
        ("/steps/0/action", json!("delete")),
        ("/steps/0/reason", json!("because")),
        ("/steps/0/risk", json!(["fire"])),
        ("/steps/0/digest", json!("sha256:ABC")),
        ("/steps/0/source/digest", json!("md5:00")),
        ("/steps/0/location/line", json!(0)),
        ("/steps/4/error/code", json!("E_OTHER")),
        ("/steps/4/error/side", json!("middle")),
    ];
    let of_results = [("/steps/0/outcome", json!("done")), ("/steps/0/attempts", json!(-1)), ("/seconds", json!(-1.0))];
    for (schema, document, more) in [("plan", plan, &[][..]), ("result", result, &of_results[..])] {
        let validator = validator(schema);
        assert_fits(&validator, &document);
        for (pointer, value) in both.iter().chain(more) {
            let mut wrong = document.clone();
            *wrong.pointer_mut(pointer).unwrap_or_else(|| panic!("{schema} has no {pointer}")) = value.clone();
            assert!(!validator.is_valid(&wrong), "{schema}: {pointer} may be {value}");
        }
        for field in document.as_object().unwrap().keys() {
            let mut wrong = document.clone();
            wrong.as_object_mut().unwrap().remove(field);
            assert!(!validator.is_valid(&wrong), "{schema}: {field} may be missing");
        }
        let mut later = document.clone();
        later["of_a_later_minor_version"] = json!(true);
        assert_fits(&validator, &later);
    }
}
