//! What changes where a tag moves: what is told of it, what it costs to know, and that what is not known is not safe.

use serde_json::{Value, json};

use crate::support::costs::{Kinds, asked, costs};
use crate::support::harness::Regsync;
use crate::support::images::{Image, Single, media_type, zoo};
use crate::support::registry::Options;
use crate::support::server::{Fault, Match};
use crate::support::stage::Pair;

const FAIL: &str = "--fail-on-risk";

/// An index for these platforms whose images say this version, and have a layer in common with all others.
fn index(seed: &str, platforms: &[&str], version: &str) -> Image {
    let labels = json!({"Labels": {"org.opencontainers.image.version": version}, "Env": [format!("SEED={seed}")]});
    let image = |name: &&str| Single::new(seed).platform(name).layers(1, 300).shared_layer("base").run(&labels).build();
    Image::index(media_type::OCI_INDEX, &platforms.iter().map(image).collect::<Vec<_>>())
}

/// A target tag that would come to name another image.
fn moving(old: &Image, new: &Image) -> Pair {
    moving_with(old, new, Options::default())
}

fn moving_with(old: &Image, new: &Image, source: Options) -> Pair {
    let pair = Pair::with(source, Options::default());
    old.push_to(&pair.target, "app", "1");
    new.push_to(&pair.source, "app", "1");
    pair.clear_logs();
    pair
}

/// A place with one mirror of that tag.
fn regsync(pair: &Pair) -> Regsync {
    pair.regsync(&[pair.mirror("app", &["1"])])
}

#[track_caller]
fn first_step<const N: usize>(regsync: &Regsync, args: [&str; N]) -> Value {
    regsync.run(args).assert_status(0).json()["steps"][0].clone()
}

const JSON: [&str; 3] = ["plan", "--format", "json"];

/// What a private image keeps in its environment is not for whoever reads a pull request.
#[test]
fn values_of_the_environment_are_told_nobody_who_has_not_asked() {
    let pair = moving(&index("hidden-old", &["linux/amd64"], "1"), &index("hidden-new", &["linux/amd64"], "2"));
    let all = |args: &[&str]| {
        let regsync = regsync(&pair);
        let given = args.iter().fold(regsync, |regsync, value| regsync.env("REGSYNC_CHANGES", value));
        let run = given.run(["plan", "-v", "-o", "plan.json", "--report", "markdown=plan.md"]);
        run.assert_status(0);
        [run.stdout, given.read("plan.json"), given.read("plan.md")]
    };
    for text in all(&[]) {
        let text = text.replace("&#42;", "*");
        assert!(text.contains("SEED=***") && !text.contains("hidden-"), "{text}");
    }
    for text in all(&["none"]) {
        assert!(!text.contains("SEED") && !text.contains("hidden-"), "{text}");
    }
    for text in all(&["full"]) {
        assert!(text.contains("SEED=hidden-old") && text.contains("SEED=hidden-new"), "{text}");
    }
    regsync(&pair).run(["plan", "--changes", "some"]).assert_status(64);
}

#[test]
fn a_lost_platform_and_a_downgrade_are_told() {
    let old = index("old", &["linux/arm64", "linux/amd64", "linux/s390x"], "1.10.0");
    let new = index("new", &["linux/amd64", "linux/riscv64", "linux/arm64/v8"], "1.9.0");
    let pair = moving(&old, &new);
    let regsync = regsync(&pair);
    let step = first_step(&regsync, JSON);
    assert_eq!(step["risk"], json!(["tag-move", "platform-loss", "downgrade"]));
    let change = &step["change"];
    assert_eq!(change["platforms"], json!({"removed": ["linux/s390x"], "added": ["linux/riscv64"]}));
    assert_eq!(change["version"], json!({"before": "1.10.0", "after": "1.9.0"}));
    assert_eq!(change["image"]["platform"], "linux/amd64");
    assert_eq!((&change["image"]["layers"]["kept"], &change["image"]["diff_left_out"]), (&json!(1), &json!(0)));
    let diff = change["image"]["diff"].as_str().unwrap();
    for line in ["-platform: linux/s390x\n", "-Env: SEED=***\n", "+Env: SEED=*** (changed)\n"] {
        assert!(diff.contains(line), "{line:?} in {diff}");
    }
    let told = regsync.run(["plan"]);
    assert!(told.stdout.contains("RISK tag-move platform-loss downgrade\n"), "{}", told.stdout);
    assert!(told.stdout.contains("loses: linux/s390x\n"), "{}", told.stdout);
    assert!(told.stdout.contains("version: 1.10.0 -> 1.9.0\n") && !told.stdout.contains("SEED"), "{}", told.stdout);
    let all = regsync.run(["plan", "-v"]);
    assert!(
        all.stdout.contains("+Env: SEED=*** (changed)\n") && all.stdout.contains("gains: linux/riscv64\n"),
        "{}",
        all.stdout
    );
    for risk in ["platform-loss", "downgrade"] {
        let refused = regsync.run(["plan", FAIL, risk]);
        refused.assert_status(5);
        assert!(refused.stderr.contains("1 step carries a risk that"), "{}", refused.stderr);
        regsync.run(["apply", FAIL, risk]).assert_status(5);
    }
    pair.assert_read_only();
    regsync.run(["apply", FAIL, "platform-loss,downgrade", "--allow", "downgrade,platform-loss"]).assert_status(0);
    assert_eq!(pair.target.tag_digest("app", "1").as_deref(), Some(new.digest()));
}

#[test]
fn what_it_costs_to_know() {
    let platforms = ["linux/amd64", "linux/arm64"];
    let pair = moving(&index("old", &platforms, "1"), &index("new", &platforms, "2"));
    let regsync = regsync(&pair);
    costs(&pair, &regsync, (["plan"], "plan: a changed index of two platforms"));
    costs(&pair, &regsync, (["plan", "--sizes", "never"], "plan, no sizes: a changed index of two platforms"));
    let told = ["plan", "--sizes", "never", FAIL, "platform-loss"];
    costs(&pair, &regsync, (told, "plan, no sizes, `--fail-on-risk platform-loss`: a changed index of two platforms"));
    regsync.run(["apply", FAIL, "platform-loss,downgrade"]).assert_status(0);
    pair.clear_logs();
    regsync.run(["plan", FAIL, "platform-loss,downgrade"]).assert_status(0);
    let expected = Kinds::from([("HEAD manifest".to_owned(), 1)]);
    assert_eq!((asked(&pair.source), asked(&pair.target)), (expected.clone(), expected), "in place it costs nothing");
}

#[test]
fn apply_looks_only_where_that_may_stop_it() {
    let reads =
        |pair: &Pair| asked(&pair.target).keys().filter(|kind| kind.starts_with("GET")).cloned().collect::<Vec<_>>();
    let pair = moving(&zoo::single("old"), &zoo::single("new"));
    let mut both = vec!["GET blob".to_owned(), "GET manifest".to_owned()];
    regsync(&pair).run(["apply", FAIL, "downgrade"]).assert_status(0);
    both.retain(|kind| reads(&pair).contains(kind));
    assert_eq!(both.len(), 2, "{:?}", reads(&pair));
    let pair = moving(&zoo::single("old"), &zoo::single("new"));
    regsync(&pair).run(["apply", FAIL, "tag-move", "--allow", "tag-move"]).assert_status(0);
    assert_eq!(reads(&pair), Vec::<String>::new());
}

/// A host that counts pulls is not asked for what is only to be shown.
#[test]
fn a_metered_source_is_left_alone_unless_it_matters() {
    let metered = || Options { pulls_left: Some(50), ..Options::default() };
    let (old, new) = (index("old", &["linux/amd64", "linux/arm64"], "1"), index("new", &["linux/amd64"], "2"));
    let pair = moving_with(&old, &new, metered());
    let regsync = regsync(&pair);
    let step = first_step(&regsync, JSON);
    assert_eq!((&step["risk"], &step["change"]), (&json!(["tag-move"]), &Value::Null));
    let is_read = |kinds: Kinds| kinds.contains_key("GET manifest") || kinds.contains_key("GET blob");
    assert!(!is_read(asked(&pair.source)) && !is_read(asked(&pair.target)));
    let refused = regsync.run(["plan", "-o", "plan.json", FAIL, "platform-loss"]);
    refused.assert_status(5);
    assert!(refused.stderr.contains("1 step carries"), "{}", refused.stderr);
    assert!(regsync.read("plan.json").contains("linux/arm64"), "the plan that was refused is there to be reviewed");
}

#[test]
fn what_cannot_be_looked_at_is_no_error_and_not_safe() {
    let pair = moving(&zoo::index("old"), &zoo::index("new"));
    let old = zoo::index("old");
    pair.target.fault(Match::new("GET", &format!("/manifests/{}", old.digest())), Fault::status(403));
    let regsync = regsync(&pair);
    let step = first_step(&regsync, JSON);
    assert_eq!((&step["action"], &step["change"]), (&json!("update"), &Value::Null));
    for risk in ["platform-loss", "downgrade"] {
        for verb in ["plan", "apply"] {
            let run = regsync.run([verb, FAIL, risk]);
            run.assert_status(5);
            assert!(run.stderr.contains("of 1 step it could not be told whether a risk is carried"), "{}", run.stderr);
        }
    }
    pair.assert_read_only();
    regsync.run(["apply", FAIL, "tag-move", "--allow", "tag-move"]).assert_status(0);
}

/// An index says its platforms by itself; which version its images are, only their configurations say.
#[test]
fn a_large_configuration_is_not_read() {
    let large = |seed: &str| {
        let env = json!({"Env": [format!("A={}", seed.repeat(30_000))]});
        let image = |name: &str| Single::new(seed).platform(name).run(&env).build();
        Image::index(media_type::OCI_INDEX, &[image("linux/amd64"), image("linux/arm64")])
    };
    let pair = moving(&large("old"), &large("new"));
    let regsync = regsync(&pair);
    let step = first_step(&regsync, JSON);
    let nothing =
        json!({"platforms": {"removed": [], "added": []}, "version": {"before": null, "after": null}, "image": null});
    assert_eq!(step["change"], nothing);
    assert!(!asked(&pair.target).contains_key("GET blob") && !asked(&pair.source).contains_key("GET blob"));
    regsync.run(["plan", FAIL, "platform-loss"]).assert_status(0);
    regsync.run(["plan", FAIL, "downgrade"]).assert_status(5);
}

#[test]
fn platforms_that_are_not_known_are_not_told() {
    let nested = moving(&zoo::nested_index("old"), &zoo::index("new"));
    let regsync_nested = regsync(&nested);
    assert_eq!(first_step(&regsync_nested, JSON)["change"], Value::Null);
    regsync_nested.run(["plan", FAIL, "platform-loss"]).assert_status(5);
    // An image of one platform where an index was.
    let single = moving(&zoo::index("old"), &zoo::single("new"));
    let step = first_step(&regsync(&single), JSON);
    assert_eq!(step["change"]["platforms"]["removed"], json!(["linux/arm64"]));
    assert_eq!(step["change"]["image"]["platform"], "linux/amd64");
    // Artifacts have no platform to lose.
    let artifacts = moving(&zoo::artifact("old"), &zoo::artifact("new"));
    let step = first_step(&regsync(&artifacts), ["plan", "--format", "json", FAIL, "platform-loss,downgrade"]);
    assert_eq!(step["change"]["image"]["layers"]["added"]["count"], 1);
    // And an image that turns into one loses all it had.
    let gone = moving(&zoo::single("old"), &zoo::artifact("new"));
    assert_eq!(first_step(&regsync(&gone), JSON)["change"]["platforms"]["removed"], json!(["linux/amd64"]));
}

/// A choice of platforms that leaves one out takes it from whoever pulls from the target.
#[test]
fn a_subset_loses_what_it_leaves_out() {
    let pair = moving(&zoo::index("app"), &zoo::index("app"));
    let regsync = pair.regsync(&[pair.mirror("app", &["1"]).with("platforms: [linux/amd64]")]);
    let step = first_step(&regsync, JSON);
    assert_eq!(step["risk"], json!(["tag-move", "platform-loss"]));
    assert_eq!(step["change"]["platforms"]["removed"], json!(["linux/arm64"]));
    let layers = &step["change"]["image"]["layers"];
    assert_eq!((&layers["added"]["count"], &layers["removed"]["count"]), (&json!(0), &json!(0)));
    let one = pair.regsync(&[pair.mirror("app", &["1"]).with("platforms: [linux/arm64]").with("single: manifest")]);
    assert_eq!(first_step(&one, JSON)["change"]["platforms"]["removed"], json!(["linux/amd64"]));
}

/// What a policy keeps from moving carries no risk; what would change is shown all the same.
#[test]
fn a_tag_that_would_move_shows_what_would_change() {
    let pair = moving(&zoo::index("old"), &zoo::single("new"));
    let regsync = pair.regsync(&[pair.mirror("app", &["1"]).with("on-tag-move: block")]);
    let run = regsync.run(JSON);
    run.assert_status(5);
    let step = &run.json()["steps"][0];
    assert_eq!((&step["reason"], &step["risk"]), (&json!("tag-would-move"), &json!([])));
    assert_eq!(step["change"]["platforms"]["removed"], json!(["linux/arm64"]));
}

#[test]
fn fifty_are_shown_and_all_are_told_where_it_matters() {
    let pair = Pair::start();
    let tags: Vec<String> = (0..60).map(|number| format!("v{number:02}")).collect();
    for tag in &tags {
        zoo::single(&format!("old {tag}")).push_to(&pair.target, "app", tag);
        zoo::single(&format!("new {tag}")).push_to(&pair.source, "app", tag);
    }
    let regsync = pair.regsync(&[pair.mirror("app", &["v*"])]);
    let compared = |document: &Value| -> (usize, usize) {
        let steps = document["steps"].as_array().unwrap();
        let has = |step: &&Value| step["change"].is_object();
        let diff = |step: &&Value| step["change"]["image"]["diff"].as_str().is_some_and(|diff| !diff.is_empty());
        (steps.iter().filter(has).count(), steps.iter().filter(diff).count())
    };
    assert_eq!(compared(&regsync.run(JSON).assert_status(0).json()), (50, 50));
    let all = ["plan", "--format", "json", FAIL, "platform-loss"];
    assert_eq!(compared(&regsync.run(all).assert_status(0).json()), (60, 50));
}

/// A saved plan says what was found; one that does not say it is not safe, and what follows from it stands.
#[test]
fn a_saved_plan_is_held_to_what_it_says() {
    let pair = moving(&zoo::index("old"), &zoo::single("new"));
    let regsync = regsync(&pair);
    regsync.run(["plan", "-o", "plan.json"]).assert_status(0);
    let saved: Value = serde_json::from_str(&regsync.read("plan.json")).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut other = saved.clone();
        change(&mut other["steps"][0]);
        regsync.write("other.json", other.to_string());
        regsync.run(["apply", "other.json", FAIL, "platform-loss"])
    };
    let carries = with(&|_| ());
    carries.assert_status(5);
    assert!(carries.stderr.contains("1 step carries"), "{}", carries.stderr);
    let silent = with(&|step| step["risk"] = json!([]));
    silent.assert_status(5);
    assert!(silent.stderr.contains("1 step carries"), "{}", silent.stderr);
    let unknown = with(&|step| {
        step.as_object_mut().unwrap().remove("change");
        step["risk"] = json!(["tag-move"]);
    });
    unknown.assert_status(5);
    assert!(unknown.stderr.contains("could not be told"), "{}", unknown.stderr);
    with(&|step| step["change"]["image"]["diff"] = "x".repeat(5_000).into()).assert_status(65);
    with(&|step| step["change"]["platforms"]["removed"] = json!(["a\nb"])).assert_status(65);
    with(&|step| step["change"]["platforms"] = json!(3)).assert_status(65);
    pair.assert_read_only();
    let shown = regsync.run(["show", "plan.json", "-v"]);
    assert!(shown.assert_status(0).stdout.contains("loses: linux/arm64\n"), "{}", shown.stdout);
    regsync.run(["apply", "plan.json"]).assert_status(0);
}

/// Whatever images say comes out as text.
#[test]
fn text_of_an_image_does_nothing() {
    let hostile = "x\n::error::y ##[group]z \u{1b}[31m\u{202e} </pre></details> @org | `";
    let image = |seed: &str| {
        let run = json!({"Env": [format!("{seed}={hostile}")], "User": hostile, "Labels": {
            hostile: seed, "org.opencontainers.image.version": format!("{hostile}{seed}"),
        }});
        Single::new(seed).run(&run).build()
    };
    let pair = moving(&image("old"), &image("new"));
    let regsync = regsync(&pair).env("GITHUB_ACTIONS", "true").env("NO_COLOR", "1");
    let run = regsync.run(["plan", "-v", "--report", "markdown=plan.md", "--report", "json=plan.json"]);
    run.assert_status(0);
    assert!(run.stdout.contains("+User") || run.stdout.contains("Env: new="), "{}", run.stdout);
    for text in [&run.stdout, &run.stderr, &regsync.read("plan.md"), &regsync.read("plan.json")] {
        assert!(!text.lines().any(|line| line.trim_start().starts_with("::error")), "{text}");
        assert!(!text.contains("##[") && !text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    }
    let page = regsync.read("plan.md");
    assert_eq!(page.matches("</pre>").count(), 1, "{page}");
    assert!(!page.contains("@org"), "{page}");
}
