//! Images whose graphs are too deep, too wide, or not as their descriptors say.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::images::{Content, Image, media_type, zoo};
use crate::support::server::{Match, Server};
use crate::support::ward::{FAULTY, Species, TAG, Ward};

/// An index around an index, so many times.
fn nested(times: usize) -> Image {
    (0..times).fold(zoo::single("nested"), |inner, _| Image::index(media_type::OCI_INDEX, &[inner]))
}

/// The image in the place of the faulty one.
fn with(ward: &mut Ward, image: Image) {
    image.push_to(&ward.source, FAULTY, TAG);
    ward.image = image;
}

/// An image that the source serves in the place of the faulty one, without having it; gives back how many of its
/// manifests were asked for.
#[track_caller]
fn refused(ward: &Ward, image: &Image, code: &str) -> usize {
    for child in &image.children {
        ward.source.put_manifest(FAULTY, &child.digest, &child.media_type, child.bytes.clone());
    }
    ward.serve_instead(&image.root);
    let asked = Counted::default();
    asked.count(&ward.source, Match::new("GET", "/v2/faulty/manifests/"));
    let error = ward.fails(code);
    assert_eq!(error["side"], "source", "{error:#}");
    asked.get()
}

/// Counts requests, whatever becomes of the log.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn count(&self, server: &Server, matching: Match) {
        let Self(counter) = self.clone();
        server.before(matching, move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn indexes_may_be_nested_so_deep_and_no_deeper() {
    refused(&Ward::of(Species::Single), &nested(9), "E_LIMIT");
    let mut ward = Ward::of(Species::Single);
    with(&mut ward, nested(8));
    ward.ends_well();
}

#[test]
fn an_index_of_thousands_is_refused_before_its_children_are_read() {
    let child =
        |n: usize| json!({"mediaType": media_type::OCI_MANIFEST, "digest": format!("sha256:{n:064x}"), "size": 500});
    let image = Image::index_of(media_type::OCI_INDEX, &(0..2_001).map(child).collect::<Vec<_>>(), &[]);
    let asked = refused(&Ward::of(Species::Single), &image, "E_LIMIT");
    assert!(asked <= 4, "{asked} manifests of an image of which nothing can be had");
}

#[test]
fn children_that_are_listed_twice_are_sent_once() {
    let mut ward = Ward::of(Species::Single);
    let single = zoo::single("twice");
    let descriptors = [single.root.descriptor(), single.root.descriptor()];
    with(&mut ward, Image::index_of(media_type::OCI_INDEX, &descriptors, std::slice::from_ref(&single)));
    let sent = Counted::default();
    sent.count(&ward.target, Match::new("PUT", single.digest()));
    ward.ends_well();
    assert_eq!(sent.get(), 1);
}

#[test]
fn a_child_that_is_listed_as_two_things_is_refused() {
    let single = zoo::single("twice");
    let plain = single.root.descriptor();
    for (key, value) in [("mediaType", json!("application/x")), ("size", json!(1))] {
        let mut other = plain.clone();
        other[key] = value;
        for descriptors in [[plain.clone(), other.clone()], [other.clone(), plain.clone()]] {
            let image = Image::index_of(media_type::OCI_INDEX, &descriptors, std::slice::from_ref(&single));
            refused(&Ward::of(Species::Single), &image, "E_MANIFEST");
        }
    }
}

#[test]
fn an_index_that_leads_back_to_itself_is_no_image() {
    let ward = Ward::of(Species::Single);
    // Only who lies about a digest can make a circle: the child of this name is the index itself.
    let digest = format!("sha256:{}", "c".repeat(64));
    let child = json!({"mediaType": media_type::OCI_INDEX, "digest": digest, "size": 1});
    let index = Image::index_of(media_type::OCI_INDEX, &[child], &[]);
    ward.source.put_manifest(FAULTY, &digest, media_type::OCI_INDEX, index.root.bytes.clone());
    let asked = refused(&ward, &index, "E_DIGEST");
    assert!(asked < 20, "{asked} requests on the way round");
}

/// The faulty image with a change to the descriptor of its first layer, or of its first child.
fn altered(ward: &Ward, list: &str, change: impl Fn(&mut Value)) -> Image {
    let mut manifest: Value = serde_json::from_slice(&ward.image.root.bytes).unwrap();
    change(&mut manifest[list][0]);
    Image { root: Content::manifest(&ward.image.root.media_type, &manifest), ..ward.image.clone() }
}

#[test]
fn sizes_that_are_not_true_or_cannot_be_are_refused() {
    let larger = |descriptor: &mut Value| descriptor["size"] = (descriptor["size"].as_u64().unwrap() + 1).into();
    let ward = Ward::of(Species::Single);
    refused(&ward, &altered(&ward, "layers", larger), "E_SIZE");
    let ward = Ward::of(Species::Index);
    refused(&ward, &altered(&ward, "manifests", larger), "E_SIZE");
    for size in [json!(-1), json!(9_223_372_036_854_775_808_u64)] {
        let ward = Ward::of(Species::Artifact);
        refused(&ward, &altered(&ward, "layers", |descriptor| descriptor["size"] = size.clone()), "E_MANIFEST");
    }
}

#[test]
fn data_inside_a_descriptor_is_never_taken_for_the_blob() {
    let mut ward = Ward::of(Species::Artifact);
    let other = altered(&ward, "layers", |descriptor| descriptor["data"] = "bm90IGl0".into());
    with(&mut ward, other);
    ward.ends_well();
}
