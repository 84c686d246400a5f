//! What of an image arrives, in which form.

use serde_json::json;

use super::{children, eight, index_over, manifest, of_eight};
use crate::support::images::{Image, Single, media_type, zoo};
use crate::support::stage::{Pair, steps};

#[test]
fn two_of_eight_platforms_arrive_and_the_next_run_has_nothing_to_do() {
    let pair = Pair::start();
    let image = eight("part");
    image.push_to(&pair.source, "app", "1");
    let regsync = pair.regsync(&[pair.mirror("app", &["1"]).with("platforms: [linux/arm64, linux/amd64]")]);
    insta::assert_snapshot!(regsync.run(["plan"]).assert_status(0).transcript(), @r"
    exit: 0
    --- stdout
    regsync.yaml: 1 tag, 1 mirror

    app   [SOURCE]/app -> [TARGET]/app   regsync.yaml:3
      + 1   absent       -> 88e3752fe25c   linux/amd64 + linux/arm64 (2 of 8 platforms)   15.6 kB

    warning: regsync.yaml:3: signatures of a whole index do not hold for the part of it that is copied

    Plan: 1 to copy, 0 to update, 0 up to date, 0 blocked, 0 errors. 15.6 kB to transfer.
    --- stderr
    reading sources and targets
    ");
    let plan = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
    let step = &plan["steps"][0];
    assert_eq!(step["source"]["digest"], image.digest());
    assert_eq!(step["platforms"], json!(["linux/amd64", "linux/arm64"]));
    assert_eq!(step["trim"]["platforms"], json!(["linux/amd64", "linux/arm64"]));
    assert_eq!((&step["trim"]["single"], &step["trim"]["of"]), (&json!("index"), &json!(8)));
    pair.assert_read_only();

    let applied = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
    assert_eq!(steps(&applied), ["app:1 copied new"]);
    assert_eq!(pair.target.tag_digest("app", "1").as_deref(), step["digest"].as_str(), "as it was planned");
    assert_eq!(step["digest"], step["trim"]["digest"]);
    assert_eq!(children(&manifest(&pair.target, "app", "1")), of_eight(&image, &["linux/amd64", "linux/arm64"]));
    assert_eq!(pair.target.store.blobs("app").len(), 8, "the blobs of two images");
    pair.target.assert_closed();

    pair.clear_logs();
    let again = regsync.run(["plan", "--detailed-exitcode"]);
    assert_eq!(again.assert_status(0).stdout, "No changes. 1 tag matches regsync.yaml.\n");
    regsync.run(["apply"]).assert_status(0);
    pair.assert_read_only();
}

#[test]
fn another_choice_is_another_image() {
    let pair = Pair::start();
    let image = eight("choice");
    image.push_to(&pair.source, "app", "1");
    let mirror = |platforms: &str| pair.mirror("app", &["1"]).with(&format!("platforms: {platforms}"));
    let regsync = pair.regsync(&[mirror("[linux/amd64]")]);
    regsync.run(["apply"]).assert_status(0);
    for (platforms, left) in [("[linux/amd64, linux/s390x]", 2), ("all", 8), ("[linux/s390x]", 1)] {
        regsync.write("regsync.yaml", crate::support::stage::yaml(&[mirror(platforms)]));
        let applied = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
        assert_eq!(steps(&applied), ["app:1 updated tag-moved"], "{platforms}");
        assert_eq!(children(&manifest(&pair.target, "app", "1")).len(), left);
        pair.target.assert_closed();
    }
}

#[test]
fn attestations_come_with_what_they_describe() {
    let pair = Pair::start();
    let image = zoo::index_with_attestations("attested");
    image.push_to(&pair.source, "app", "1");
    let regsync = pair.regsync(&[pair.mirror("app", &["1"]).with("platforms: [linux/arm64]")]);
    regsync.run(["apply"]).assert_status(0);
    let index = manifest(&pair.target, "app", "1");
    let whole: serde_json::Value = serde_json::from_slice(&image.root.bytes).unwrap();
    assert_eq!(index["manifests"], json!([whole["manifests"][1], whole["manifests"][3]]), "verbatim, in order");
    pair.target.assert_closed();
}

#[test]
fn a_docker_list_stays_one() {
    let pair = Pair::start();
    zoo::docker_list("list").push_to(&pair.source, "app", "1");
    let regsync = pair.regsync(&[pair.mirror("app", &["1"]).with("platforms: [linux/amd64]")]);
    regsync.run(["apply"]).assert_status(0);
    let stored = pair.target.store.manifest("app", "1").unwrap();
    assert_eq!(stored.media_type, media_type::DOCKER_LIST);
    assert_eq!(children(&manifest(&pair.target, "app", "1")).len(), 1);
    regsync.run(["plan", "--detailed-exitcode"]).assert_status(0);
}

#[test]
fn one_platform_can_stand_in_the_place_of_its_index() {
    let pair = Pair::start();
    let image = eight("single");
    image.push_to(&pair.source, "app", "1");
    let mirror = pair.mirror("app", &["1"]).with("platforms: [linux/arm]").with("single: manifest");
    let regsync = pair.regsync(&[mirror]);
    regsync.run(["plan", "-o", "plan.json"]).assert_status(0);
    regsync.run(["apply", "plan.json"]).assert_status(0);
    let expected = &of_eight(&image, &["linux/arm/v7"])[0];
    assert_eq!(pair.target.tag_digest("app", "1").as_ref(), Some(expected));
    assert_eq!(pair.target.store.blobs("app").len(), 4);
    pair.target.assert_closed();
    pair.clear_logs();
    regsync.run(["plan", "--detailed-exitcode"]).assert_status(0);
    regsync.run(["apply"]).assert_status(0);
    pair.assert_read_only();
}

#[test]
fn variants_and_versions_choose_as_docker_does() {
    let pair = Pair::start();
    let windows = |version: &str| ("windows/amd64", json!({"os.version": version}));
    let image = index_over(
        "variants",
        &[
            ("linux/arm64/v8", json!({})),
            ("linux/arm", json!({})),
            ("linux/arm/v6", json!({})),
            ("linux/amd64/v3", json!({})),
            windows("10.0.17763.6414"),
            windows("10.0.20348.2762"),
        ],
    );
    image.push_to(&pair.source, "app", "1");
    for (platforms, expected) in [
        ("linux/arm64", vec![0]),
        ("linux/arm/v7", vec![1]),
        ("linux/arm/v6", vec![2]),
        ("windows/amd64", vec![4, 5]),
        ("\"windows/amd64:10.0.17763\"", vec![4]),
    ] {
        let mirror = pair.mirror_to("app", "chosen", &["1"]).with(&format!("platforms: [{platforms}]"));
        pair.regsync(&[mirror]).run(["apply"]).assert_status(0);
        let expected: Vec<_> = expected.into_iter().map(|n: usize| image.children[n].digest.clone()).collect();
        assert_eq!(children(&manifest(&pair.target, "chosen", "1")), expected, "{platforms}");
    }
    let mirror = pair.mirror_to("app", "chosen", &["1"]).with("platforms: [linux/amd64]");
    let plan = pair.regsync(&[mirror]).run(["plan", "--format", "json"]);
    assert_eq!(steps(&plan.assert_status(1).json()), ["chosen:1 error no-platform E_NO_PLATFORM"]);
}

#[test]
fn an_image_of_which_everything_stays_keeps_its_digest() {
    let pair = Pair::start();
    let image = zoo::index_with_attestations("whole");
    image.push_to(&pair.source, "app", "1");
    let mirror = pair.mirror("app", &["1"]).with("platforms: [linux/arm64, linux/amd64, linux/s390x]");
    let regsync = pair.regsync(&[mirror]);
    let plan = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
    assert_eq!(plan["steps"][0]["trim"], json!(null));
    let warnings = plan["steps"][0]["warnings"].to_string();
    assert!(warnings.contains("has no linux/s390x"), "{warnings}");
    regsync.run(["apply"]).assert_status(0);
    image.assert_at(&pair.target, "app", "1");
}

#[test]
fn an_image_that_is_no_index_passes_where_it_fits() {
    let pair = Pair::start();
    let image = Single::new("plain").platform("linux/arm64/v8").build();
    image.push_to(&pair.source, "app", "1");
    Image::index(media_type::OCI_INDEX, &[Single::new("other").build()]).push_to(&pair.source, "app", "2");
    let regsync = pair.regsync(&[pair.mirror("app", &["1", "2"]).with("platforms: [linux/arm64]")]);
    let applied = regsync.run(["apply", "--format", "json"]).assert_status(3).json();
    assert_eq!(steps(&applied), ["app:1 copied new", "app:2 failed no-platform E_NO_PLATFORM"]);
    image.assert_at(&pair.target, "app", "1");
    pair.target.assert_closed();

    let mirror = pair.mirror("app", &["1"]).with("platforms: [linux/amd64]").with("single: manifest");
    let plan = pair.regsync(&[mirror]).run(["plan"]);
    let text = plan.assert_status(1).transcript();
    assert!(text.contains("none of its platforms is linux/amd64: it has linux/arm64/v8"), "{text}");
}

#[test]
fn signatures_of_the_whole_index_are_named() {
    let pair = Pair::start();
    let image = eight("signed");
    image.push_to(&pair.source, "app", "v1");
    zoo::cosign_signature(&image).push_to(&pair.source, "app", &image.signature_tag());
    let regsync = pair.regsync(&[pair.mirror("app", &["v*"]).with("platforms: [linux/amd64]")]);
    let plan = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
    let warnings = plan["steps"][0]["warnings"].to_string();
    assert!(warnings.contains(&image.signature_tag()), "{warnings}");
    assert_eq!(plan["warnings"].as_array().unwrap().len(), 1, "one remark for the mirror: {}", plan["warnings"]);
    regsync.run(["apply"]).assert_status(0);
    let plan = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
    assert_eq!((&plan["steps"][0]["warnings"], &plan["warnings"]), (&json!([]), &json!([])), "nothing to say in sync");
}
