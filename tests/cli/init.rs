//! `init`: what it writes is what the rest of the program takes, and nothing that is there is lost.

use std::fs;

use serde_json::Value;

use crate::support::harness::Regsync;

const WORKFLOWS: [&str; 2] = [".github/workflows/regsync-plan.yml", ".github/workflows/regsync-apply.yml"];

#[test]
fn the_configuration_to_begin_with_is_valid_and_stays() {
    let regsync = Regsync::new();
    let run = regsync.run(["init"]);
    assert_eq!(run.assert_status(0).stdout, "");
    assert!(run.stderr.starts_with("Wrote regsync.yaml\nNext: "), "{}", run.stderr);
    regsync.run(["validate"]).assert_status(0);
    let text = regsync.read("regsync.yaml");
    // What is commented out is an example, too.
    let uncommented = |line: &str| {
        let code = line.strip_prefix("  # ").filter(|code| code.starts_with(['-', ' ']));
        code.map_or_else(|| line.to_owned(), |code| format!("  {code}")) + "\n"
    };
    let examples: String = text.lines().map(uncommented).collect();
    regsync.write("examples.yaml", examples);
    let run = regsync.run(["validate", "-c", "examples.yaml"]);
    assert!(run.assert_status(0).stdout.contains("2 mirrors"), "{}", run.transcript());

    regsync.write("regsync.yaml", "mine");
    let run = regsync.run(["init"]);
    run.assert_status(1);
    assert!(run.stderr.contains("regsync.yaml is there already; nothing was written"), "{}", run.stderr);
    assert_eq!(regsync.read("regsync.yaml"), "mine");
}

#[test]
fn the_workflows_are_written_beside_a_configuration_that_is_there() {
    let regsync = Regsync::new().config("version: 1\nmirrors: []\n");
    let run = regsync.run(["init", "--github"]);
    run.assert_status(0);
    assert_eq!(run.stderr.lines().filter(|line| line.starts_with("Wrote ")).count(), 2, "{}", run.stderr);
    assert_eq!(regsync.read("regsync.yaml"), "version: 1\nmirrors: []\n");
    let written = WORKFLOWS.map(|name| regsync.read(name));
    // The second is in the way of the first, too.
    fs::remove_file(regsync.path(WORKFLOWS[0])).unwrap();
    let run = regsync.run(["init", "--github"]);
    run.assert_status(1);
    assert!(run.stderr.contains(&format!("{} is there already; nothing was written", WORKFLOWS[1])), "{}", run.stderr);
    assert!(!regsync.path(WORKFLOWS[0]).exists());
    assert_eq!(regsync.read(WORKFLOWS[1]), written[1]);
    regsync.run(["init"]).assert_status(1);

    let empty = Regsync::new();
    let run = empty.env("REGSYNC_QUIET", "true").env("REGSYNC_GITHUB", "true");
    assert_eq!(run.run(["init"]).assert_status(0).stderr, "");
    assert_eq!(WORKFLOWS.map(|name| run.read(name)), written);
    run.run(["validate"]).assert_status(0);
}

#[cfg(unix)]
#[test]
fn a_link_is_not_written_through() {
    let regsync = Regsync::new();
    std::os::unix::fs::symlink(regsync.home().join("elsewhere"), regsync.path("regsync.yaml")).unwrap();
    regsync.run(["init"]).assert_status(1);
    assert!(!regsync.home().join("elsewhere").exists());
    // Nor is a directory that is one.
    let (regsync, outside) = (Regsync::new(), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink(outside.path(), regsync.path(".github")).unwrap();
    let output = regsync.run(["init", "--github"]);
    assert!(output.assert_status(1).stderr.contains(".github is a link; nothing was written"), "{}", output.stderr);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert!(!regsync.path("regsync.yaml").exists());
}

/// A release has the commit after the one that its program was built from: the hashes of the binaries come in between.
#[test]
fn no_commit_is_said_to_be_that_of_a_version() {
    let regsync = Regsync::new();
    let run = regsync.run(["init", "--github"]);
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        run.assert_status(0).stderr.contains(&format!("that of its tag, v{version} or a later one")),
        "{}",
        run.stderr
    );
    for name in WORKFLOWS {
        let text = regsync.read(name);
        let pins: Vec<&str> = text.lines().filter(|line| line.contains("regsync-action@")).collect();
        assert!(!pins.is_empty(), "{text}");
        for pin in pins {
            let (_, words) = pin.split_once(" # ").unwrap();
            let expected = [format!("what {version} was built from"), format!("to be that of the tag v{version}")];
            assert!(expected.iter().any(|one| one == words), "{pin}");
        }
    }
}

/// What linters would say of them is a stage of the gate; this is what they do not know.
#[test]
fn the_workflows_give_no_more_rights_than_they_need() {
    let regsync = Regsync::new();
    regsync.run(["init", "--github"]).assert_status(0);
    for name in WORKFLOWS {
        let text = regsync.read(name);
        let workflow: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(workflow["permissions"], serde_json::json!({}), "{name}");
        for (job, what) in workflow["jobs"].as_object().unwrap() {
            let writes = what["permissions"]["packages"] == "write";
            assert_eq!(writes, what.get("environment").is_some(), "{name}: {job}");
            for step in what["steps"].as_array().unwrap() {
                let (_, commit) = step["uses"].as_str().unwrap().split_once('@').unwrap();
                assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}: {commit}");
                assert!(step.get("run").is_none());
            }
        }
        assert!(!text.contains("secrets.") && !text.contains("pull_request_target"), "{name}");
    }
}
