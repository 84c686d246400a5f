//! With new images, everything arrives, whatever either registry can list.

use super::{REPOSITORY, asked, attached, kinds_of, pair};
use crate::support::harness::Regsync;
use crate::support::images::attached::{fallback_tag, kind, referrer};
use crate::support::images::{write_layout, zoo};
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::Match;
use crate::support::stage::{Mirror, steps, yaml};

/// Of the source and of the target.
const WAYS: [(bool, bool); 4] = [(true, true), (true, false), (false, true), (false, false)];

#[test]
fn everything_that_refers_to_an_image_arrives_with_it() {
    for (source, target) in WAYS {
        let pair = pair(source, target);
        let all = attached("arriving");
        all.push_to(&pair.source, "1", source);
        pair.target.store.watch();
        let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]);
        let plan = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
        let listed = plan["steps"][0]["referrers"].as_array().unwrap();
        assert_eq!(listed.len(), 5, "{source} {target}: {listed:#?}");
        pair.assert_read_only();
        let result = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
        assert_eq!(steps(&result), ["app:1 copied new"], "{source} {target}");
        assert_eq!(result["steps"][0]["warnings"].as_array().unwrap().len(), 0, "{result:#}");
        all.assert_at(&pair.target, "1", target);
    }
}

#[test]
fn the_run_after_that_asks_for_the_tag_alone() {
    for (source, target) in WAYS {
        let pair = pair(source, target);
        let all = attached("again");
        all.push_to(&pair.source, "1", source);
        let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]);
        regsync.run(["apply"]).assert_status(0);
        pair.clear_logs();
        regsync.run(["apply"]).assert_status(0);
        let head = kinds_of(&[("HEAD manifest", 1)]);
        assert_eq!((asked(&pair.source), asked(&pair.target)), (head.clone(), head), "{source} {target}");
        all.assert_at(&pair.target, "1", target);
    }
}

#[test]
fn referrers_come_after_their_image_and_before_its_tag() {
    for target in [true, false] {
        let pair = pair(true, target);
        let all = attached("order");
        all.push_to(&pair.source, "1", true);
        pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["apply"]).assert_status(0);
        let writes: Vec<String> = pair
            .target
            .requests()
            .into_iter()
            .filter(|request| request.method == "PUT" && request.path.contains("/manifests/"))
            .map(|request| request.path.rsplit('/').next().unwrap().to_owned())
            .collect();
        let at = |name: &str| writes.iter().position(|write| write == name).unwrap_or_else(|| panic!("{name}"));
        let (root, tag) = (at(all.image.digest()), at("1"));
        for (subject, referrer) in &all.referrers {
            assert!((root..tag).contains(&at(referrer.digest())), "{writes:#?}");
            assert!(target || (root..tag).contains(&at(&fallback_tag(subject))), "{writes:#?}");
        }
        assert!((root..tag).contains(&at(&all.image.signature_tag())), "{writes:#?}");
        assert_eq!(tag, writes.len() - 1);
    }
}

#[test]
fn tags_of_one_image_bring_its_referrers_once() {
    for target in [true, false] {
        let pair = pair(true, target);
        let all = attached("shared");
        for tag in ["1", "1.0", "latest"] {
            all.push_to(&pair.source, tag, true);
        }
        pair.regsync(&[pair.mirror(REPOSITORY, &["1", "1.0", "latest"])]).run(["apply"]).assert_status(0);
        for tag in ["1", "1.0", "latest"] {
            all.assert_at(&pair.target, tag, target);
        }
        for (_, referrer) in &all.referrers {
            assert_eq!(pair.target.count("PUT", referrer.digest()), 1);
            assert_eq!(pair.source.count("GET", &format!("/referrers/{}", referrer.digest())), 1);
        }
    }
}

#[test]
fn none_and_types_are_what_they_say() {
    for (rule, expected) in [
        ("referrers: none".to_owned(), Vec::new()),
        (format!("referrers: [{}]", kind::SBOM), vec![kind::SBOM]),
        (format!("referrers: [{}]", kind::SIGNATURE), vec![kind::SIGNATURE]),
        (
            format!("referrers: [{}, {}]", kind::SBOM, kind::SIGNATURE),
            vec![kind::SBOM, kind::SIGNATURE, kind::SIGNATURE],
        ),
        (
            "referrers: [application/vnd.dev.cosign.artifact.sig.v1+json]".to_owned(),
            vec!["application/vnd.dev.cosign.artifact.sig.v1+json"],
        ),
    ] {
        let pair = pair(true, true);
        attached("types").push_to(&pair.source, "1", true);
        let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"]).with(&rule)]);
        let plan = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
        let listed = plan["steps"][0]["referrers"].as_array().unwrap();
        let mut types: Vec<_> = listed.iter().map(|entry| entry["artifact_type"].as_str().unwrap()).collect();
        types.sort_unstable();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(types, expected, "{rule}");
        if expected.is_empty() {
            assert_eq!(pair.source.count("GET", "/referrers/") + pair.source.count("GET", "/tags/list"), 0);
        }
        regsync.run(["apply"]).assert_status(0);
        pair.target.assert_closed();
    }
}

#[test]
fn a_saved_plan_brings_what_it_lists_and_nothing_that_came_later() {
    for target in [true, false] {
        let pair = pair(true, target);
        let all = attached("saved");
        all.push_to(&pair.source, "1", true);
        let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]);
        regsync.run(["plan", "-o", "plan.json"]).assert_status(0);
        let late = referrer(&all.image.root, kind::SIGNATURE, "late");
        late.push_to(&pair.source, REPOSITORY, late.digest());
        regsync.run(["apply", "plan.json"]).assert_status(0);
        all.assert_at(&pair.target, "1", target);
        assert!(pair.target.manifest_bytes(REPOSITORY, late.digest()).is_none());
        pair.clear_logs();
        regsync.run(["apply", "plan.json"]).assert_status(0);
        pair.target.assert_read_only();
    }
}

#[test]
fn the_id_of_a_plan_tells_its_referrers() {
    let ids: Vec<String> = [true, false]
        .map(|signed| {
            let pair = pair(true, true);
            let image = zoo::single("id");
            image.push_to(&pair.source, REPOSITORY, "1");
            if signed {
                let referrer = referrer(&image.root, kind::SIGNATURE, "id");
                referrer.push_to(&pair.source, REPOSITORY, referrer.digest());
            }
            let layout = Mirror::new(&pair.source.reference(REPOSITORY), &["oci:mirror"], &["1"]);
            let plan = pair.regsync(&[layout]).run(["plan", "--format", "json"]).assert_status(0).json();
            plan["plan_id"].as_str().unwrap().to_owned()
        })
        .into();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn lists_in_pages_are_read_to_their_end() {
    let pair = pair(true, false);
    let image = zoo::single("pages");
    image.push_to(&pair.source, REPOSITORY, "1");
    for n in 0..230 {
        let referrer = referrer(&image.root, kind::SBOM, &n.to_string());
        referrer.push_to(&pair.source, REPOSITORY, referrer.digest());
    }
    let plan = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["plan", "--format", "json"]);
    let plan = plan.assert_status(0).json();
    assert_eq!(plan["steps"][0]["referrers"].as_array().unwrap().len(), 230);
    assert_eq!(pair.source.count("GET", &format!("/referrers/{}", image.digest())), 3);
}

#[test]
fn layouts_take_and_give_referrers() {
    for source in [true, false] {
        let pair = pair(source, true);
        let all = attached("layout");
        all.push_to(&pair.source, "1", source);
        let to_layout = Mirror::new(&pair.source.reference(REPOSITORY), &["oci:middle"], &["1"]);
        let regsync = pair.regsync(&[to_layout]);
        regsync.run(["apply"]).assert_status(0);
        let from_layout = Mirror::new("oci:middle", &[&pair.target.reference(REPOSITORY)], &["1"]);
        regsync.write("regsync.yaml", yaml(&[from_layout]));
        regsync.run(["apply"]).assert_status(0);
        all.assert_at(&pair.target, "1", true);
    }
}

#[test]
fn nameless_entries_of_a_layout_are_referrers_of_what_they_name() {
    let pair = pair(true, true);
    let regsync = pair.regsync(&[Mirror::new("oci:up", &[&pair.target.reference(REPOSITORY)], &["1"])]);
    let image = zoo::single("nameless");
    let signature = referrer(&image.root, kind::SIGNATURE, "nameless");
    let stranger = referrer(&signature.root, kind::SBOM, "another subject");
    write_layout(&regsync.path("up"), &[(&image, "1"), (&signature, "x"), (&stranger, "y")]);
    let index = regsync.read("up/index.json");
    let nameless = ["x", "y"].map(|name| format!(r#""annotations":{{"org.opencontainers.image.ref.name":"{name}"}},"#));
    let index = nameless.iter().fold(index, |index, name| index.replace(name, ""));
    regsync.write("up/index.json", index);
    let plan = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
    let listed = plan["steps"][0]["referrers"].as_array().unwrap();
    assert_eq!(listed.len(), 2, "the SBOM refers to the signature: {listed:#?}");
    regsync.run(["apply"]).assert_status(0);
    assert!(pair.target.manifest_bytes(REPOSITORY, stranger.digest()).is_some());
}

#[test]
fn a_repository_without_lists_is_asked_once() {
    let pair = pair(false, false);
    for n in 0..4 {
        zoo::index(&n.to_string()).push_to(&pair.source, REPOSITORY, &n.to_string());
        zoo::index(&n.to_string()).push_to(&pair.source, "other", &n.to_string());
    }
    let tags = ["0", "1", "2", "3"];
    let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &tags), pair.mirror("other", &tags)]);
    regsync.run(["apply"]).assert_status(0);
    assert_eq!(pair.source.count("GET", &format!("/v2/{REPOSITORY}/referrers/")), 1);
    assert_eq!(pair.source.count("GET", "/v2/other/referrers/"), 1);
    assert_eq!(pair.source.count("GET", "/tags/list"), 2);
    assert_eq!(pair.target.count("GET", "/referrers/"), 0);
    let tags_written = pair.target.store.tag_writes();
    assert_eq!(tags_written.len(), 8, "{tags_written:?}");
}

#[test]
fn circles_of_referrers_end() {
    // Nobody can make real ones: a digest in each would depend on the other. A registry can claim them.
    let pair = pair(true, true);
    let image = zoo::single("circle");
    let signature = referrer(&image.root, kind::SIGNATURE, "circle");
    image.push_to(&pair.source, REPOSITORY, "1");
    signature.push_to(&pair.source, REPOSITORY, signature.digest());
    let back = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [signature.root.descriptor(), image.root.descriptor()],
    });
    let answer = crate::support::server::Answer::status(200)
        .header("Content-Type", "application/vnd.oci.image.index.v1+json")
        .body(back.to_string());
    let list = Match::new("GET", &format!("/referrers/{}", signature.digest()));
    pair.source.fault(list, crate::support::server::Fault::Reply(answer));
    let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]);
    let result = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
    assert_eq!(steps(&result), ["app:1 copied new"]);
    assert!(pair.target.manifest_bytes(REPOSITORY, signature.digest()).is_some());
    assert_eq!(pair.source.count("GET", &format!("/referrers/{}", image.digest())), 1);
}

/// What the first step names as being about the whole index.
fn of_the_whole(plan: &serde_json::Value) -> Vec<String> {
    let warnings = plan["steps"][0]["warnings"].as_array().unwrap().iter().map(|warning| warning.as_str().unwrap());
    let named = warnings
        .filter_map(|warning| warning.strip_suffix(" is about the whole index, and does not hold for a part of it"));
    named.map(str::to_owned).collect()
}

#[test]
fn a_part_of_an_image_comes_with_what_refers_to_that_part() {
    for (rule, single) in [("platforms: [linux/amd64]", false), ("platforms: [linux/amd64]", true)] {
        let pair = pair(true, false);
        let all = attached("part");
        all.push_to(&pair.source, "1", true);
        let dropped = referrer(&all.image.children[1], kind::ATTESTATION, "of what is left behind");
        dropped.push_to(&pair.source, REPOSITORY, dropped.digest());
        let mirror = pair.mirror(REPOSITORY, &["1"]).with(rule).with("referrers-check: always");
        let mirror = if single { mirror.with("single: manifest") } else { mirror };
        let regsync = pair.regsync(&[mirror]);
        let plan = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
        let (_, kept) = &all.referrers[3];
        let listed = plan["steps"][0]["referrers"].as_array().unwrap();
        assert_eq!(listed.len(), 1, "{listed:#?}");
        assert_eq!(listed[0]["digest"], kept.digest());
        assert_eq!(of_the_whole(&plan), all.names_of_the_whole(&pair.source.reference(REPOSITORY)));
        regsync.run(["apply"]).assert_status(0);
        let index = pair.target.manifest_bytes(REPOSITORY, &fallback_tag(&all.image.children[0])).unwrap();
        super::assert_lists(&index, &[kept]);
        pair.target.assert_closed();
        let again = regsync.run(["plan", "--detailed-exitcode", "--format", "json"]).assert_status(0).json();
        assert_eq!(of_the_whole(&again), Vec::<String>::new(), "nothing is said of what is in place");
        let later = referrer(&all.image.children[0], kind::SBOM, "later");
        later.push_to(&pair.source, REPOSITORY, later.digest());
        let result = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
        assert_eq!(steps(&result), ["app:1 updated referrers-missing"]);
        assert!(pair.target.manifest_bytes(REPOSITORY, later.digest()).is_some());
    }
}

#[test]
fn targets_of_one_image_are_fed_from_one_read_of_its_referrers() {
    let lists = || FakeRegistry::with(Options { referrers: true, ..Options::default() });
    let (source, one, two) = (lists(), lists(), lists());
    let image = zoo::single("shared");
    let signature = referrer(&image.root, kind::SIGNATURE, "shared");
    image.push_to(&source, REPOSITORY, "1");
    signature.push_to(&source, REPOSITORY, signature.digest());
    let targets = [one.reference(REPOSITORY), two.reference(REPOSITORY)];
    let mirror = Mirror::new(&source.reference(REPOSITORY), &[&targets[0], &targets[1]], &["1"]);
    Regsync::new().config(&yaml(&[mirror])).run(["apply"]).assert_status(0);
    assert!(!signature.blobs.is_empty());
    for blob in &signature.blobs {
        assert_eq!(source.count("GET", &format!("/blobs/{}", blob.digest)), 1, "{}", blob.media_type);
        assert!(one.has_blob(REPOSITORY, &blob.digest) && two.has_blob(REPOSITORY, &blob.digest));
    }
}
