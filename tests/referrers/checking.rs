//! What was attached to an image after it was copied: found as `referrers-check` says, at a known cost.

use super::{Attached, REPOSITORY, asked, attached, kinds_of, pair, signatures};
use crate::support::costs::{Side, assert_documented};
use crate::support::harness::Regsync;
use crate::support::images::attached::{fallback_tag, kind, referrer};
use crate::support::images::zoo;
use crate::support::registry::FakeRegistry;
use crate::support::stage::{Pair, steps};

/// In sync, with these tags and rules; nothing refers to the image yet.
fn in_sync(pair: &Pair, seed: &str, (tags, rule): (&[&str], &str)) -> (Attached, Regsync) {
    let all = attached(seed);
    all.image.push_to(&pair.source, REPOSITORY, "1");
    let regsync = pair.regsync(&[pair.mirror(REPOSITORY, tags).with(rule)]);
    regsync.run(["apply"]).assert_status(0);
    all.image.assert_at(&pair.target, REPOSITORY, "1");
    pair.clear_logs();
    (all, regsync)
}

#[test]
fn what_was_attached_later_arrives_under_always() {
    for (source, target) in [(true, true), (true, false), (false, true), (false, false)] {
        let pair = pair(source, target);
        let (all, regsync) = in_sync(&pair, "always", (&["1"], "referrers-check: always"));
        all.push_to(&pair.source, "1", source);
        let plan = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
        assert_eq!(steps(&plan), ["app:1 update referrers-missing"], "{source} {target}");
        let result = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
        assert_eq!(steps(&result), ["app:1 updated referrers-missing"]);
        all.assert_at(&pair.target, "1", target);
        // The tag was right all the time.
        assert_eq!(pair.target.count("PUT", "/manifests/1"), 0);
        assert_eq!(pair.source.count("GET", "/blobs/"), 7, "blobs of referrers alone, the empty one once");
        pair.clear_logs();
        let again = regsync.run(["plan", "--detailed-exitcode"]);
        assert_eq!(again.assert_status(0).stdout, "No changes. 1 tag matches regsync.yaml.\n");
    }
}

/// The source's and the target's requests of a run that finds nothing to do.
fn idle(regsync: &Regsync, pair: &Pair) -> [super::Kinds; 2] {
    pair.clear_logs();
    regsync.run(["apply"]).assert_status(0);
    pair.assert_read_only();
    [asked(&pair.source), asked(&pair.target)]
}

/// Holds requests against the row of `case` in `docs/requests.md`.
#[track_caller]
fn as_documented([source, target]: [super::Kinds; 2], case: &str) {
    assert_documented(case, Side::Source, &source);
    assert_documented(case, Side::Target, &target);
}

#[test]
fn always_costs_a_look_at_each_list() {
    for (lists, words) in [(true, "both sides list referrers"), (false, "neither side lists referrers")] {
        let pair = pair(lists, lists);
        let (all, regsync) = in_sync(&pair, "cost", (&["1"], "referrers-check: always"));
        let nothing = format!("in place under `always`, {words}, and nothing refers to it");
        as_documented(idle(&regsync, &pair), &nothing);
        all.push_to(&pair.source, "1", lists);
        regsync.run(["apply"]).assert_status(0);
        as_documented(idle(&regsync, &pair), &format!("in place under `always`, and {words}"));
    }
}

#[test]
fn new_images_cost_what_is_attached_to_them() {
    for (lists, words) in [(true, "both sides list referrers"), (false, "neither side lists referrers")] {
        let pair = pair(lists, lists);
        attached("cost").push_to(&pair.source, "1", lists);
        let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]);
        regsync.run(["apply"]).assert_status(0);
        as_documented([asked(&pair.source), asked(&pair.target)], &format!("it is new, and {words}"));
    }
}

#[test]
fn changed_and_never_ask_nothing_of_images_in_sync() {
    for rule in ["referrers-check: changed", "referrers-check: never", "on-tag-move: update"] {
        for (source, target) in [(true, true), (false, false)] {
            let pair = pair(source, target);
            let (all, regsync) = in_sync(&pair, "idle", (&["1"], rule));
            all.push_to(&pair.source, "1", source);
            let head = kinds_of(&[("HEAD manifest", 1)]);
            assert_eq!(idle(&regsync, &pair), [head.clone(), head], "{rule}");
        }
    }
}

#[test]
fn changed_finds_what_tags_show_where_they_were_listed_anyway() {
    for target in [true, false] {
        let pair = pair(false, target);
        let (all, regsync) = in_sync(&pair, "tags", (&["*"], "referrers-check: changed"));
        let [source, there] = idle(&regsync, &pair);
        let listed = kinds_of(&[("HEAD manifest", 1), ("GET tags", 1)]);
        assert_eq!((source, there), (listed, kinds_of(&[("HEAD manifest", 1)])), "nothing is tagged");
        all.push_to(&pair.source, "1", false);
        let result = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
        assert_eq!(steps(&result), ["app:1 updated referrers-missing"]);
        all.assert_at(&pair.target, "1", target);
    }
}

#[test]
fn changed_costs_one_list_of_the_target_where_all_its_tags_are_there() {
    let pair = pair(false, false);
    let mut images: Vec<Attached> = Vec::new();
    for n in 0..5 {
        let all = attached(&n.to_string());
        all.push_to(&pair.source, &n.to_string(), false);
        images.push(all);
    }
    let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["*"])]);
    regsync.run(["apply"]).assert_status(0);
    for (n, all) in images.iter().enumerate() {
        all.assert_at(&pair.target, &n.to_string(), false);
    }
    as_documented(idle(&regsync, &pair), "in place under `changed`: five of them, selected by a pattern");
}

#[test]
fn changed_costs_nothing_more_where_tags_stand_for_other_types() {
    let pair = pair(false, true);
    for n in 0..3 {
        let image = zoo::index(&n.to_string());
        image.push_to(&pair.source, REPOSITORY, &format!("1.{n}"));
        zoo::cosign_signature(&image).push_to(&pair.source, REPOSITORY, &image.signature_tag());
    }
    let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1.*"]).with(&format!("referrers: [{}]", kind::SBOM))]);
    regsync.run(["apply"]).assert_status(0);
    let case =
        "in place under `changed`: three with signatures, selected by a pattern, and `referrers` names other types";
    as_documented(idle(&regsync, &pair), case);
}

#[test]
fn changed_remembers_which_index_a_target_with_lists_has_all_of() {
    let pair = pair(false, true);
    let mut all: Vec<Attached> = (0..3).map(|n| attached(&n.to_string())).collect();
    for (n, attached) in all.iter().enumerate() {
        attached.push_to(&pair.source, &n.to_string(), false);
    }
    let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["*"])]);
    for _ in 0..2 {
        regsync.run(["apply"]).assert_status(0);
    }
    let case = "in place under `changed`: three with an index of referrers, at a target with lists, remembered";
    as_documented(idle(&regsync, &pair), case);
    // An index that has been added to is another one.
    let root = all[0].image.root.clone();
    all[0].referrers.push((root.clone(), referrer(&root, kind::SBOM, "added")));
    all[0].push_to(&pair.source, "0", false);
    let result = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
    assert_eq!(steps(&result)[0], "app:0 updated referrers-missing");
    all[0].assert_at(&pair.target, "0", true);
}

#[test]
fn never_leaves_what_tags_show() {
    let pair = pair(false, false);
    let (all, regsync) = in_sync(&pair, "never", (&["*"], "referrers-check: never"));
    all.push_to(&pair.source, "1", false);
    let [_, target] = idle(&regsync, &pair);
    assert_eq!(target, kinds_of(&[("HEAD manifest", 1)]));
}

#[test]
fn a_signature_tag_that_grew_moves_and_one_that_would_lose_something_stays() {
    let pair = pair(false, false);
    let image = zoo::single("grew");
    let (first, both) = (signatures(&image, &["first"]), signatures(&image, &["first", "second"]));
    let own = signatures(&image, &["our own"]);
    let tag = image.signature_tag();
    image.push_to(&pair.source, REPOSITORY, "1");
    first.push_to(&pair.source, REPOSITORY, &tag);
    let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"]).with("referrers-check: always")]);
    regsync.run(["apply"]).assert_status(0);
    first.assert_at(&pair.target, REPOSITORY, &tag);
    both.push_to(&pair.source, REPOSITORY, &tag);
    let result = regsync.run(["apply", "--format", "json"]).assert_status(0).json();
    assert_eq!(steps(&result), ["app:1 updated referrers-missing"]);
    both.assert_at(&pair.target, REPOSITORY, &tag);
    own.push_to(&pair.target, REPOSITORY, &tag);
    let plan = regsync.run(["plan", "--format", "json", "--detailed-exitcode"]).assert_status(0).json();
    let warnings = plan["steps"][0]["warnings"].to_string();
    assert!(warnings.contains("holds what the source's does not"), "{warnings}");
    assert_eq!(steps(&plan), ["app:1 skip in-sync"]);
    own.assert_at(&pair.target, REPOSITORY, &tag);
}

#[test]
fn tags_that_stand_for_referrers_are_no_images_of_their_own() {
    let pair = pair(false, true);
    let all = attached("own");
    all.push_to(&pair.source, "1", false);
    let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["*"])]);
    let plan = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
    assert_eq!(steps(&plan), ["app:1 copy new"]);
    // Who copies no referrers copies tags, whatever they stand for.
    let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["*"]).with("referrers: none")]);
    let plan = regsync.run(["plan", "--format", "json"]).assert_status(0).json();
    assert_eq!(plan["steps"].as_array().unwrap().len(), pair.source.store.tags(REPOSITORY).len());
}

#[test]
fn an_index_of_referrers_at_the_target_is_added_to() {
    let pair = pair(true, false);
    let all = attached("merged");
    all.push_to(&pair.source, "1", true);
    // The target has been attested by somebody else.
    let theirs = referrer(&all.image.root, kind::ATTESTATION, "theirs");
    theirs.push_to(&pair.target, REPOSITORY, theirs.digest());
    let index = crate::support::images::attached::fallback_index(&[&theirs]);
    let tag = fallback_tag(&all.image.root);
    pair.target.put_manifest(REPOSITORY, &tag, &index.media_type, index.bytes);
    let regsync = pair.regsync(&[pair.mirror(REPOSITORY, &["1"]).with("referrers-check: always")]);
    regsync.run(["apply"]).assert_status(0);
    let merged = pair.target.manifest_bytes(REPOSITORY, &tag).unwrap();
    let mut expected = all.of(&all.image.root);
    expected.push(&theirs);
    super::assert_lists(&merged, &expected);
    assert_eq!(writes_of(&pair.target, &tag), 1, "all that refers to one image is added in one go");
    let again = regsync.run(["plan", "--detailed-exitcode"]);
    again.assert_status(0);
}

fn writes_of(registry: &FakeRegistry, tag: &str) -> usize {
    registry.store.tag_writes().iter().filter(|(_, name, _)| name == tag).count()
}

#[test]
fn an_index_that_somebody_else_writes_meanwhile_keeps_what_they_wrote() {
    use crate::support::server::Match;
    let pair = pair(true, false);
    let image = zoo::single("raced");
    image.push_to(&pair.source, REPOSITORY, "1");
    let signature = referrer(&image.root, kind::SIGNATURE, "raced");
    signature.push_to(&pair.source, REPOSITORY, signature.digest());
    let theirs = referrer(&image.root, kind::ATTESTATION, "theirs");
    let tag = fallback_tag(&image.root);
    let (their_index, name) = (crate::support::images::attached::fallback_index(&[&theirs]), tag.clone());
    let their_manifest = theirs.root.clone();
    let their_blobs = theirs.blobs.clone();
    // Just before ours reads the index, after it has written what is to be listed.
    pair.target.before_with_store(Match::new("GET", &format!("/manifests/{tag}")), move |store| {
        for blob in &their_blobs {
            store.put_blob(REPOSITORY, blob.bytes.clone());
        }
        store.put_manifest(
            REPOSITORY,
            &their_manifest.digest,
            &their_manifest.media_type,
            their_manifest.bytes.clone(),
        );
        store.put_manifest(REPOSITORY, &name, &their_index.media_type, their_index.bytes.clone());
    });
    pair.regsync(&[pair.mirror(REPOSITORY, &["1"])]).run(["apply"]).assert_status(0);
    super::assert_lists(&pair.target.manifest_bytes(REPOSITORY, &tag).unwrap(), &[&theirs, &signature]);
}
