//! What copies cost two real registries, by their access logs, as `docs/requests.md` has it.

use super::{RealPair, settled};
use crate::support::costs::{Kinds, Side, assert_documented, kinds};
use crate::support::http::send;
use crate::support::images::{Single, upload_url, zoo};
use crate::support::real_registry::{RealRegistry, witness_digest};

/// The requests of each kind since a mark, of which there should be so many in all.
fn asked(registry: &RealRegistry, mark: usize, expected: usize) -> Kinds {
    let accesses = settled(registry, mark, expected);
    kinds(accesses.iter().map(|access| (access.method.as_str(), access.path.as_str(), access.status)))
}

/// Applies, and holds what it cost against the row of `case`; `expected` is how many requests each side gets.
#[track_caller]
fn costs(pair: &RealPair, tags: &[&str], (case, expected): (&str, [usize; 2])) {
    let (source, target) = (pair.source.mark(), pair.target.mark());
    pair.regsync(&[pair.mirror("app", tags)]).run(["apply"]).assert_status(0);
    assert_documented(case, Side::Source, &asked(&pair.source, source, expected[0]));
    assert_documented(case, Side::Target, &asked(&pair.target, target, expected[1]));
}

#[test]
fn many_new_tags_in_a_new_repository() {
    let Some(pair) = RealPair::start() else { return };
    let tags: Vec<_> = (0..25).map(|n| format!("v{n}")).collect();
    for tag in &tags {
        zoo::single(tag).push_to_url(&pair.source.url(), "app", tag);
    }
    let tags: Vec<_> = tags.iter().map(String::as_str).collect();
    costs(&pair, &tags, ("25 new tags in a new repository", [127, 203]));
}

#[test]
fn a_changed_tag() {
    let Some(pair) = RealPair::start() else { return };
    let image = |seed: &str| Single::new(seed).layers(1, 300).shared_layer("base").build();
    image("old").push_to_url(&pair.target.url(), "app", "1");
    image("new").push_to_url(&pair.source.url(), "app", "1");
    costs(&pair, &["1"], ("a changed tag, one of its three blobs there already", [6, 10]));
    assert_eq!(witness_digest(&pair.target.host(), "app", "1"), image("new").digest());
}

#[test]
fn a_run_after_one_that_was_cut_off() {
    let Some(pair) = RealPair::start() else { return };
    let image = zoo::single("cut off");
    image.push_to_url(&pair.source.url(), "app", "1");
    for blob in &image.blobs {
        let opened = send("POST", &format!("{}/v2/app/blobs/uploads/", pair.target.url()), &[], &[]).unwrap();
        let url = upload_url(&pair.target.url(), &opened, &blob.digest);
        assert_eq!(send("PUT", &url, &[], &blob.bytes).unwrap().status, 201);
    }
    costs(&pair, &["1"], ("a run after one that was cut off before its first tag", [4, 9]));
    assert_eq!(witness_digest(&pair.target.host(), "app", "1"), image.digest());
}
