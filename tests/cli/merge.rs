//! `report merge`: what several shards came to, as one.

use serde_json::Value;

use crate::support::harness::{Output, Regsync};
use crate::support::images::zoo;
use crate::support::server::{Fault, Match};
use crate::support::stage::{Pair, steps};

const SHARDS: [(&str, &str); 3] = [("1/3", "1.json"), ("2/3", "2.json"), ("3/3", "3.json")];

/// Nine images at as many repositories.
/// So many that no shard is without any, whatever the port of the registry makes of their names.
const REPOSITORIES: usize = 60;

fn spread() -> (Pair, Regsync) {
    let pair = Pair::start();
    let name = |number: usize| format!("app-{number}");
    for number in 0..REPOSITORIES {
        zoo::single(&name(number)).push_to(&pair.source, &name(number), "1");
    }
    let regsync = pair.regsync(&(0..REPOSITORIES).map(|number| pair.mirror(&name(number), &["1"])).collect::<Vec<_>>());
    (pair, regsync)
}

fn merged(regsync: &Regsync, files: [&str; 3]) -> Output {
    let [a, b, c] = files;
    regsync.run(["report", "merge", a, b, c, "--format", "json"])
}

#[test]
fn plans_and_results_of_all_shards_are_those_of_one_run() {
    let (_pair, regsync) = spread();
    let whole = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
    for (shard, file) in SHARDS {
        regsync.run(["plan", "--shard", shard, "-o", file]).assert_status(0);
    }
    let run = merged(&regsync, ["2.json", "3.json", "1.json"]);
    let joined = run.assert_status(0).json();
    for field in ["steps", "plan_id", "summary", "scope", "config", "warnings", "bytes"] {
        assert_eq!(joined[field], whole[field], "{field}");
    }
    for (shard, file) in SHARDS {
        regsync.run(["apply", "--shard", shard, "--report", &format!("json={file}")]).assert_status(0);
    }
    let result = merged(&regsync, ["1.json", "2.json", "3.json"]).assert_status(0).json();
    assert_eq!((&result["kind"], &result["summary"]["copied"]), (&"regsync.result".into(), &REPOSITORIES.into()));
    let text = regsync.run(["report", "merge", "1.json", "3.json"]);
    assert!(text.assert_status(0).stdout.contains("copied"), "{}", text.stdout);
}

#[test]
fn the_exit_code_is_that_of_the_whole() {
    let (pair, regsync) = spread();
    pair.target.fault(Match::new("PUT", "/app-4/manifests/"), Fault::status(403));
    let apply = |shard: &str, file: &str| regsync.run(["apply", "--shard", shard, "--report", &format!("json={file}")]);
    let codes: Vec<i32> = SHARDS.iter().map(|(shard, file)| apply(shard, file).status).collect();
    assert!(codes.contains(&0) && codes.iter().any(|code| *code != 0), "{codes:?}");
    let run = merged(&regsync, ["1.json", "2.json", "3.json"]);
    let result = run.assert_status(3).json();
    assert_eq!(steps(&result).iter().filter(|step| step.contains(" failed ")).count(), 1, "{result:#}");
    // What a shard was kept from beginning is not done either.
    let (_other, clean) = spread();
    for (shard, file) in SHARDS {
        let report = format!("json={file}");
        let status = match shard {
            "2/3" => {
                clean.run(["apply", "--shard", shard, "--report", &report, "--expect-plan-id", "0123456789ab"]).status
            }
            _ => clean.run(["apply", "--shard", shard, "--report", &report]).status,
        };
        assert_eq!(status, if shard == "2/3" { 4 } else { 0 });
    }
    merged(&clean, ["1.json", "2.json", "3.json"]).assert_status(3);
}

#[test]
fn what_is_not_of_one_whole_is_refused() {
    let (_pair, regsync) = spread();
    for (shard, file) in SHARDS {
        regsync.run(["plan", "--shard", shard, "-o", file]).assert_status(0);
    }
    regsync.run(["apply", "--shard", "1/3", "--report", "json=result.json"]).assert_status(0);
    regsync.run(["plan", "--shard", "1/2", "-o", "half.json"]).assert_status(0);
    for files in
        [["1.json", "2.json", "1.json"], ["result.json", "2.json", "3.json"], ["half.json", "2.json", "3.json"]]
    {
        let run = merged(&regsync, files);
        run.assert_status(65);
        assert!(run.stderr.contains("these reports are not of one whole"), "{}", run.stderr);
    }
    regsync.run(["report", "merge"]).assert_status(64);
    regsync.run(["report", "merge", "regsync.yaml"]).assert_status(65);
    let part: Value = regsync.run(["report", "merge", "1.json", "--format", "json"]).assert_status(0).json();
    assert_eq!(part["warnings"][0]["message"], "without shard 2/3, 3/3");
}

/// A job that died leaves no report: without it the whole must not look done.
#[test]
fn a_shard_that_is_expected_and_absent_makes_the_whole_incomplete() {
    let (_pair, regsync) = spread();
    for (shard, file) in SHARDS {
        regsync.run(["plan", "--shard", shard, "-o", file]).assert_status(0);
    }
    let all = r#"["1/3","2/3","3/3"]"#;
    let plan = regsync.run(["report", "merge", "1.json", "3.json", "--shards", all, "--format", "json"]);
    assert_eq!(plan.assert_status(1).json()["complete"], false);
    for (shard, file) in SHARDS {
        regsync.run(["apply", "--shard", shard, "--report", &format!("json={file}")]).assert_status(0);
    }
    let reports = ["json=all.json", "dotenv=all.env", "junit=all.xml"];
    let [json, dotenv, junit] = reports.map(|report| format!("--report={report}"));
    let text = regsync.run(["report", "merge", "1.json", "3.json", "--shards", all, &json, &dotenv, &junit]);
    text.assert_status(3);
    let shown = |text: &str| {
        assert!(text.contains("\nerror: shard 2/3 is missing") && text.contains("1 shard missing"), "{text}");
        assert!(text.contains("Apply incomplete:"), "{text}");
    };
    shown(&text.stdout);
    // So does what was saved.
    shown(&regsync.run(["show", "all.json"]).assert_status(0).stdout);
    let saved: Value = serde_json::from_str(&regsync.read("all.json")).unwrap();
    assert_eq!((&saved["complete"], &saved["scope"]["missing"]), (&false.into(), &serde_json::json!(["2/3"])));
    let told = regsync.read("all.env");
    assert!(told.contains("_RESULT=partial\n") && told.contains("_FAILURE_REASON=partial-apply\n"), "{told}");
    let job = regsync.env("REGSYNC_SHARDS", "1/3, 2/3");
    let markdown = ["report", "merge", "1.json", "3.json", "--format", "markdown"];
    let page = job.run(markdown);
    let page = &page.assert_status(3).stdout;
    assert!(
        page.starts_with("### 🔴") && page.contains("> [!CAUTION]") && page.contains("shard 2/3 is missing"),
        "{page}"
    );
    assert!(job.read("all.xml").contains(r#"failures="1""#));
    // With nothing said of it, it is a remark, and seen.
    let job = job.env("REGSYNC_SHARDS", "");
    assert!(
        job.run(["report", "merge", "1.json", "3.json"])
            .assert_status(0)
            .stdout
            .contains("warning: without shard 2/3\n")
    );
    assert!(job.run(markdown).assert_status(0).stdout.contains("without shard 2/3"));
    // One that had nothing to do need not be there; one that came late completes the whole.
    let expected = |list: &str| job.run(["report", "merge", "1.json", "3.json", "--shards", list]);
    assert!(!expected("1/3,3/3").assert_status(0).stdout.contains("without"));
    job.run(["report", "merge", "all.json", "2.json"]).assert_status(0);
    expected("1/3,2/2").assert_status(64);
    expected("1/2").assert_status(65);
}
