//! What the pages print for others to copy is what the action takes, and what `init` writes.
//!
//! `REGSYNC_UPDATE=1 cargo test --test main action::printed` writes anew what is made of other files.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::runner::manifest::Manifest;
use crate::support::harness::Regsync;

const COMMIT: &str = "0123456789012345678901234567890123456789 # the commit of a release";

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Panics unless the page has this between the marks of that name.
#[track_caller]
fn assert_section(page: &str, name: &str, expected: &str) {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let text = read(page);
    let (before, rest) = text.split_once(&begin).unwrap();
    let (shown, after) = rest.split_once(&end).unwrap();
    if std::env::var_os("REGSYNC_UPDATE").is_some_and(|value| value == "1") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
        fs::write(path, format!("{before}{begin}{expected}{end}{after}")).unwrap();
    } else {
        assert_eq!(shown, expected, "{page}: {name}");
    }
}

#[test]
fn the_inputs_are_those_of_the_action() {
    let text = read("action.yml");
    let manifest = Manifest::read(&text);
    // In the order of the file, which has a sense.
    let mut inputs: Vec<_> = manifest.inputs.iter().collect();
    inputs.sort_by_key(|(name, _)| text.find(&format!("\n  {name}:\n")));
    let row = |(name, input): (&String, &super::runner::manifest::Input)| {
        assert!(!input.description.contains(['|', '\n']), "{name}");
        format!("| `{name}` | {} |\n", input.description)
    };
    let rows: String = inputs.into_iter().map(row).collect();
    assert_section("docs/github.md", "inputs", &format!("| input | is |\n|---|---|\n{rows}"));
    let page = read("docs/github.md");
    for name in manifest.outputs.keys() {
        assert!(page.contains(&format!("\n| `{name}` |")), "docs/github.md does not list the output {name}");
    }
}

#[test]
fn the_recipes_are_what_init_writes() {
    for name in ["plan", "apply"] {
        let text = read(&format!("src/command/init/{name}.yml")).replace("@COMMIT@", COMMIT);
        assert_section("docs/github.md", &format!("recipe:{name}"), &format!("```yaml\n{text}```\n"));
    }
}

#[test]
fn the_report_on_the_first_page_is_one_of_ours() {
    let text =
        read("src/report/markdown/snapshots/regsync__report__markdown__tests__plan_with_a_bit_of_everything.snap");
    let report = text.splitn(3, "---\n").nth(2).unwrap();
    assert_section("README.md", "sample:markdown", report);
}

/// The blocks of YAML of a page.
fn blocks(page: &str) -> Vec<String> {
    let text = read(page);
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    blocks.map(str::to_owned).collect()
}

/// Those that are workflows.
pub(super) fn workflows(page: &str) -> Vec<Value> {
    let blocks = blocks(page).into_iter().filter(|block| block.contains("\njobs:\n"));
    blocks.map(|block| serde_saphyr::from_str(&block).unwrap()).collect()
}

#[test]
fn the_configuration_on_the_first_page_is_valid() {
    let configurations: Vec<_> =
        blocks("README.md").into_iter().filter(|block| block.contains("\nmirrors:\n")).collect();
    assert_eq!(configurations.len(), 1);
    Regsync::new().config(&configurations[0]).run(["validate"]).assert_status(0);
}

#[test]
fn a_printed_workflow_gives_the_action_what_it_takes() {
    let manifest = Manifest::read(&read("action.yml"));
    let mut number = 0;
    for (page, at_least) in [("README.md", 1), ("docs/github.md", 4)] {
        let workflows = workflows(page);
        assert!(workflows.len() >= at_least, "{page} prints {} workflows", workflows.len());
        for workflow in workflows {
            assert_eq!(workflow["permissions"], serde_json::json!({}), "{page}: {workflow:#}");
            let jobs = workflow["jobs"].as_object().unwrap().values();
            let steps = jobs.flat_map(|job| job["steps"].as_array().unwrap());
            for step in steps.filter(|step| step["uses"].as_str().is_some_and(|uses| uses.contains("regsync-action@")))
            {
                number += 1;
                for input in step["with"].as_object().unwrap().keys() {
                    assert!(manifest.inputs.contains_key(input), "{page}: there is no input {input}");
                }
            }
        }
    }
    assert!(number >= 6, "{number} steps use the action");
}

/// The workflows that are printed, each with the page that prints it.
fn all_workflows() -> Vec<(&'static str, Value)> {
    let of = |page: &'static str| workflows(page).into_iter().map(move |workflow| (page, workflow));
    ["README.md", "docs/github.md"].into_iter().flat_map(of).collect()
}

#[test]
fn a_printed_workflow_is_given_no_more_than_it_needs_and_ends() {
    let releases =
        read("action/checksums.txt").lines().any(|line| line.starts_with(|first: char| first.is_ascii_digit()));
    for (page, workflow) in all_workflows() {
        let events = workflow.get("on").or_else(|| workflow.get("true")).and_then(Value::as_object).unwrap();
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            let of = format!("{page}: {name} on {events:?}");
            assert!(job["timeout-minutes"].is_u64(), "{of} may run for hours");
            assert!(job["permissions"].is_object(), "{of} does not say what it needs");
            let in_turn = workflow["concurrency"].is_object() || job["concurrency"].is_object();
            assert!(in_turn, "{of} has no concurrency");
            let on_pull_requests = events.contains_key("pull_request")
                && job["if"].as_str() != Some("${{ github.event_name != 'pull_request' }}");
            let pushes = job["permissions"]["packages"] == "write";
            assert!(!(pushes && on_pull_requests), "{of} may push for a pull request");
            for step in job["steps"].as_array().unwrap() {
                let with = &step["with"];
                if step["uses"].as_str().is_some_and(|uses| uses.contains("regsync-action@")) {
                    assert!(releases || with["build"] == "true", "{of}: there is no binary to download yet");
                    assert!(with["command"] != "plan" || !pushes, "{of} plans, and may push");
                }
                let script = step["run"].as_str().unwrap_or_default();
                assert!(!script.contains("${{") && !script.contains("head -c"), "{of}: {script}");
            }
        }
    }
}

#[test]
fn printed_shards_are_one_report_also_where_one_fails() {
    let mut number = 0;
    for (page, workflow) in all_workflows() {
        let jobs = workflow["jobs"].as_object().unwrap();
        for (name, _) in jobs.iter().filter(|(_, job)| !job["strategy"]["matrix"]["shard"].is_null()) {
            number += 1;
            let after =
                |job: &&Value| job["needs"].as_array().is_some_and(|needs| needs.contains(&name.as_str().into()));
            let report = jobs.values().find(after).unwrap_or_else(|| panic!("{page}: nothing comes after {name}"));
            assert!(report["if"].as_str().unwrap().contains("always()"), "{page}: {report:#}");
            let merges =
                |step: &&Value| step["run"].as_str().is_some_and(|run| run.starts_with("regsync report merge "));
            let merge = report["steps"].as_array().unwrap().iter().find(merges);
            let merge = merge.unwrap_or_else(|| panic!("{page}: nothing is merged in {report:#}"));
            let expected = merge["env"]["REGSYNC_SHARDS"].as_str().unwrap_or_default();
            assert!(expected.contains("outputs.shards"), "{page}: a shard that is missing goes unnoticed: {merge:#}");
        }
    }
    assert_eq!(number, 1);
}
