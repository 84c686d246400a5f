//! Some platforms of an image: what arrives, under which digest, at what cost, and that the next run has nothing to do.

mod cache;
mod converging;
mod costs;
mod forms;
mod odd;
mod places;

use serde_json::{Value, json};

use crate::support::images::{Image, Single, media_type, platform_json};
use crate::support::registry::FakeRegistry;

/// The platforms of [`eight`], in the order of its index.
const EIGHT: [&str; 8] = [
    "linux/amd64",
    "linux/arm64",
    "linux/386",
    "linux/arm/v7",
    "linux/ppc64le",
    "linux/s390x",
    "linux/riscv64",
    "linux/mips64le",
];

/// Eight images with a configuration and three layers each.
fn eight(seed: &str) -> Image {
    let image = |name: &&str| Single::new(seed).platform(name).layers(3, 300).build();
    Image::index(media_type::OCI_INDEX, &EIGHT.iter().map(image).collect::<Vec<_>>())
}

/// An index over `platforms` with further members in each descriptor's `platform`.
fn index_over(seed: &str, platforms: &[(&str, Value)]) -> Image {
    let image = |(n, (name, _)): (usize, &(&str, Value))| Single::new(&format!("{seed} {n}")).platform(name).build();
    let images: Vec<_> = platforms.iter().enumerate().map(image).collect();
    let descriptor = |(image, (name, more)): (&Image, &(&str, Value))| {
        let mut platform = platform_json(name);
        for (key, value) in more.as_object().into_iter().flatten() {
            platform[key] = value.clone();
        }
        image.root.descriptor_with(&json!({"platform": platform}))
    };
    let descriptors: Vec<_> = images.iter().zip(platforms).map(descriptor).collect();
    Image::index_of(media_type::OCI_INDEX, &descriptors, &images)
}

/// The manifest that a tag of a registry names.
fn manifest(registry: &FakeRegistry, repository: &str, tag: &str) -> Value {
    let bytes = registry.manifest_bytes(repository, tag).unwrap_or_else(|| panic!("{repository}:{tag} is there"));
    serde_json::from_slice(&bytes).unwrap()
}

/// The digests of the children of an index.
fn children(index: &Value) -> Vec<String> {
    let children = index["manifests"].as_array().expect("an index").iter();
    children.map(|child| child["digest"].as_str().unwrap().to_owned()).collect()
}

/// The digests of the images of [`eight`] for these platforms.
fn of_eight(image: &Image, platforms: &[&str]) -> Vec<String> {
    let digest = |name: &&str| image.children[EIGHT.iter().position(|other| other == name).unwrap()].digest.clone();
    platforms.iter().map(digest).collect()
}
