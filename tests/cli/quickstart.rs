//! The first thing anybody tries: it works, it says what the README says, and a second time there is nothing to do.

use std::fs;

use super::{QUICKSTART, quickstart, repository};

#[test]
fn plan_apply_and_apply_again() {
    let regsync = quickstart();
    let plan = regsync.run(["plan", "-c", QUICKSTART]);
    insta::assert_snapshot!("quickstart plan", plan.assert_status(0).transcript());
    assert!(!regsync.path("examples/quickstart/mirror").exists(), "planning writes nothing");
    regsync.run(["plan", "-c", QUICKSTART, "--detailed-exitcode", "-q"]).assert_status(2);

    // One after the other: images that share a blob copy it in any order otherwise.
    let apply = regsync.run(["apply", "-c", QUICKSTART, "--concurrency", "1"]);
    apply.assert_status(0);
    insta::assert_snapshot!("quickstart apply", without_times(&apply.stdout));
    assert_eq!(apply.stderr.lines().count(), 9, "a line for each stage and image: {}", apply.stderr);

    let again = regsync.run(["apply", "-c", QUICKSTART]);
    insta::assert_snapshot!("quickstart apply again", again.assert_status(0).transcript());
    regsync.run(["plan", "-c", QUICKSTART, "--detailed-exitcode", "-q"]).assert_status(0);
    let listing = regsync.run(["plan", "-c", QUICKSTART, "-v", "-q"]);
    insta::assert_snapshot!("quickstart plan in full", listing.assert_status(0).transcript());
}

/// Reviewed and then applied: by file, and by id.
#[test]
fn a_saved_plan_is_applied_by_its_id() {
    let regsync = quickstart();
    let plan = regsync.run(["plan", "-c", QUICKSTART, "-o", "plan.json"]);
    let id = plan.assert_status(0).stderr.split("(id ").nth(1).unwrap().split(')').next().unwrap().to_owned();
    assert_eq!(id.len(), 12, "{}", plan.stderr);
    let saved = format!("Saved plan.json (id {id})");
    assert!(plan.stderr.ends_with(&format!("{saved}. Next: regsync apply plan.json\n")), "{}", plan.stderr);
    let other = regsync.run(["apply", "plan.json", "--expect-plan-id", "000000000000"]);
    other.assert_status(4);
    assert!(!regsync.path("examples/quickstart/mirror").exists());
    let applied = regsync.run(["apply", "plan.json", "--expect-plan-id", &id, "--concurrency", "1"]);
    applied.assert_status(0);
    insta::assert_snapshot!("quickstart apply of a saved plan", without_times(&applied.stdout));
}

#[test]
fn a_ci_system_is_told_the_id_and_not_what_to_type() {
    let plan = quickstart().env("CI", "true").run(["plan", "-c", QUICKSTART, "-o", "plan.json"]);
    assert!(plan.assert_status(0).stderr.contains("Saved plan.json (id "), "{}", plan.stderr);
    assert!(!plan.stderr.contains("Next:"), "{}", plan.stderr);
}

/// Set `REGSYNC_UPDATE=1` to write it anew.
#[test]
fn the_readme_shows_what_is_printed() {
    const BEGIN: &str = "<!-- sample:plan -->\n";
    const END: &str = "<!-- /sample:plan -->";
    let printed = quickstart().run(["plan", "-c", QUICKSTART]).assert_status(0).stdout.clone();
    let sample = format!("```text\n{printed}```\n");
    let path = repository().join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    if std::env::var_os("REGSYNC_UPDATE").is_some_and(|value| value == "1") {
        fs::write(path, format!("{before}{BEGIN}{sample}{END}{after}")).unwrap();
    } else {
        assert_eq!(shown, sample, "REGSYNC_UPDATE=1 cargo test --test main readme writes it anew");
    }
}

/// Times, and the blanks that line them up.
fn without_times(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split("   ").collect();
        let is_time = |word: &&&str| word.trim().strip_suffix(" s").is_some_and(|time| time.parse::<f64>().is_ok());
        let line = match words.iter().find(is_time) {
            Some(time) => line.replacen(time.trim(), "[time]", 1),
            None => match line.rsplit_once(", ") {
                Some((rest, time)) if time.ends_with(" s.") => format!("{rest}, [time]"),
                _ => line.to_owned(),
            },
        };
        out += &line;
        out.push('\n');
    }
    out
}
