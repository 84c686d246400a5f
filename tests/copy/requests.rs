//! What each kind of work costs both registries, request by request, as `docs/requests.md` has it; and that the run after
//! it costs one HEAD per side and tag.

use crate::support::costs::{Kinds, asked, costs};
use crate::support::harness::Regsync;
use crate::support::images::{Image, Single, media_type, zoo};
use crate::support::server::Fault;
use crate::support::server::{Answer, Match};
use crate::support::stage::{Mirror, Pair};

/// A further run looks at each of so many tags once, on both sides.
#[track_caller]
fn nothing_is_left(pair: &Pair, regsync: &Regsync, tags: usize) {
    pair.clear_logs();
    regsync.run(["apply"]).assert_status(0);
    let expected = Kinds::from([("HEAD manifest".to_owned(), tags)]);
    assert_eq!(asked(&pair.source), expected, "the source in the run after");
    assert_eq!(asked(&pair.target), expected, "the target in the run after");
}

/// Three blobs: a configuration and two layers.
fn single(seed: &str) -> Image {
    zoo::single(seed)
}

#[test]
fn a_new_image_in_a_new_repository() {
    let pair = Pair::start();
    single("new").push_to(&pair.source, "app", "1");
    let regsync = pair.regsync(&[pair.mirror("app", &["1"])]);
    costs(&pair, &regsync, (["plan"], "plan: a new image in a new repository"));
    costs(&pair, &regsync, (["apply"], "a new image in a new repository"));
    nothing_is_left(&pair, &regsync, 1);
}

#[test]
fn a_saved_plan() {
    let pair = Pair::start();
    single("saved").push_to(&pair.source, "app", "1");
    let regsync = pair.regsync(&[pair.mirror("app", &["1"])]);
    regsync.run(["plan", "-o", "plan.json"]).assert_status(0);
    costs(&pair, &regsync, (["apply", "plan.json"], "a saved plan: a new image in a new repository"));
    nothing_is_left(&pair, &regsync, 1);
}

#[test]
fn a_new_image_in_a_repository_that_has_others() {
    let pair = Pair::start();
    single("new").push_to(&pair.source, "app", "2");
    single("other").push_to(&pair.target, "app", "1");
    let regsync = pair.regsync(&[pair.mirror("app", &["2"])]);
    costs(&pair, &regsync, (["apply"], "a new image in a repository that has others"));
    nothing_is_left(&pair, &regsync, 1);
}

#[test]
fn many_new_tags_in_a_new_repository() {
    let pair = Pair::start();
    let tags: Vec<_> = (0..25).map(|n| format!("v{n}")).collect();
    for tag in &tags {
        single(tag).push_to(&pair.source, "app", tag);
    }
    let tags: Vec<_> = tags.iter().map(String::as_str).collect();
    let regsync = pair.regsync(&[pair.mirror("app", &tags)]);
    costs(&pair, &regsync, (["plan"], "plan: 25 new tags in a new repository"));
    costs(&pair, &regsync, (["apply"], "25 new tags in a new repository"));
    nothing_is_left(&pair, &regsync, 25);
}

#[test]
fn a_changed_tag() {
    let pair = Pair::start();
    let image = |seed: &str| Single::new(seed).layers(1, 300).shared_layer("base").build();
    image("old").push_to(&pair.target, "app", "1");
    image("new").push_to(&pair.source, "app", "1");
    let regsync = pair.regsync(&[pair.mirror("app", &["1"])]);
    costs(&pair, &regsync, (["plan"], "plan: a changed tag, one of its three blobs there already"));
    costs(&pair, &regsync, (["apply"], "a changed tag, one of its three blobs there already"));
    nothing_is_left(&pair, &regsync, 1);
}

/// Eight images with a configuration and three layers each.
fn eight_platforms(seed: &str) -> Image {
    let platforms = ["amd64", "arm64", "386", "arm", "ppc64le", "s390x", "riscv64", "mips64le"];
    let image = |name: &&str| Single::new(seed).platform(&format!("linux/{name}")).layers(3, 300).build();
    Image::index(media_type::OCI_INDEX, &platforms.iter().map(image).collect::<Vec<_>>())
}

#[test]
fn an_index_of_eight_platforms() {
    let pair = Pair::start();
    eight_platforms("index").push_to(&pair.source, "app", "1");
    let regsync = pair.regsync(&[pair.mirror("app", &["1"])]);
    costs(&pair, &regsync, (["apply"], "an index of eight platforms, four blobs each"));
    nothing_is_left(&pair, &regsync, 1);
}

#[test]
fn an_index_under_three_tags() {
    let pair = Pair::start();
    for tag in ["1", "1.2", "latest"] {
        eight_platforms("index").push_to(&pair.source, "app", tag);
    }
    let regsync = pair.regsync(&[pair.mirror("app", &["1", "1.2", "latest"])]);
    costs(&pair, &regsync, (["apply"], "the same index under three tags"));
    nothing_is_left(&pair, &regsync, 3);
}

#[test]
fn fifty_repositories_with_five_layers_in_common() {
    let pair = Pair::start();
    let mut mirrors = Vec::new();
    for n in 0..50 {
        let name = format!("app-{n:02}");
        image_with_five_common_layers(&name).push_to(&pair.source, &name, "1");
        mirrors.push(pair.mirror(&name, &["1"]));
    }
    let regsync = pair.regsync(&mirrors);
    costs(&pair, &regsync, (["apply"], "50 new repositories with five layers in common, two blobs their own"));
    nothing_is_left(&pair, &regsync, 50);
}

/// A configuration and a layer of its own, and five that depend on nothing.
fn image_with_five_common_layers(seed: &str) -> Image {
    let layers: Vec<_> = (0..5).map(|n| format!("common {n}")).collect();
    let single = Single::new(seed).layers(1, 300);
    layers.iter().fold(single, |single, layer| single.shared_layer(layer)).build()
}

#[test]
fn an_aborted_first_run_is_no_reason_to_send_anything_again() {
    let pair = Pair::start();
    let image = single("aborted");
    image.push_to(&pair.source, "app", "1");
    // Its blobs have arrived, its tag has not; a registry may know no such name yet (distribution).
    image.push_to(&pair.target, "app", "1");
    pair.target.delete_tag("app", "1");
    let unknown = Answer::error(404, "NAME_UNKNOWN", "repository name not known to registry");
    pair.target.fault(Match::new("GET", "/tags/list"), Fault::Reply(unknown));
    let regsync = pair.regsync(&[pair.mirror("app", &["1"])]);
    costs(&pair, &regsync, (["apply"], "a run after one that was cut off before its first tag"));
    nothing_is_left(&pair, &regsync, 1);
}

#[test]
fn a_list_is_no_proof_that_a_tag_is_absent() {
    for page in [r#"{"name":"app","tags":[]}"#, r#"{"name":"app","tags":null}"#] {
        let pair = Pair::start();
        let tags = ["1", "2", "3", "4"];
        for tag in tags {
            single(tag).push_to(&pair.source, "app", tag);
        }
        for tag in &tags[1..] {
            single(tag).push_to(&pair.target, "app", tag);
        }
        pair.target.fault(Match::new("GET", "/tags/list"), Fault::Reply(Answer::status(200).body(page)));
        let plan = pair.regsync(&[pair.mirror("app", &tags)]).run(["plan", "--format", "json"]);
        let summary = &plan.assert_status(0).json()["summary"];
        assert_eq!((summary["copy"].as_u64(), summary["skip"].as_u64()), (Some(1), Some(3)), "{page}");
    }
}

#[test]
fn a_registry_without_lists_is_asked_for_each_tag() {
    for refusal in [Answer::status(404), Answer::status(403), Answer::status(401), Answer::status(405)] {
        let pair = Pair::start();
        let tags = ["1", "2", "3", "4"];
        for tag in tags {
            single(tag).push_to(&pair.source, "app", tag);
        }
        single("4").push_to(&pair.target, "app", "4");
        pair.target.fault(Match::new("GET", "/tags/list"), Fault::Reply(refusal));
        let regsync = pair.regsync(&[pair.mirror("app", &tags)]);
        let plan = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
        assert_eq!(plan["summary"]["skip"], 1);
        assert_eq!(pair.target.count("HEAD", "/manifests/"), 4);
        assert_eq!(pair.target.count("GET", "/tags/list"), 1);
        regsync.run(["apply"]).assert_status(0);
        pair.target.assert_closed();
    }
}

#[test]
fn one_repository_does_not_hold_up_the_others() {
    let pair = Pair::start();
    let tags: Vec<_> = (0..120).map(|n| format!("v{n}")).collect();
    let tags: Vec<_> = tags.iter().map(String::as_str).collect();
    let image = single("turns");
    for repository in ["a", "b", "c"] {
        for tag in &tags {
            image.push_to(&pair.source, repository, tag);
            image.push_to(&pair.target, repository, tag);
        }
    }
    let mirrors: Vec<Mirror> = ["a", "b", "c"].map(|repository| pair.mirror(repository, &tags)).into();
    pair.regsync(&mirrors).run(["plan"]).assert_status(0);
    let asked: Vec<_> = pair.target.requests().into_iter().filter(|request| request.method == "HEAD").collect();
    assert_eq!(asked.len(), 360);
    for repository in ["/v2/a/", "/v2/b/", "/v2/c/"] {
        let early = asked.iter().take(180).filter(|request| request.path.starts_with(repository)).count();
        // A fair share is 60.
        assert!(early >= 25, "{repository} had only {early} of the first 180 questions");
    }
}
