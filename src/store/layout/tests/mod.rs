//! Layouts written and read in temporary directories.

mod broken;
mod crash;
mod hostile;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};

use super::*;
use crate::image::{Algorithm, Digest, MediaType, Registry, Repository};
use crate::store::{ImageTarget, Mount, PushError};

const OCTETS: &str = "application/octet-stream";

/// A temporary directory with a layout in `store`.
struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> LayoutPath {
        LayoutPath::new(self.root.path(), "store").unwrap()
    }

    fn open(&self, role: Role) -> Arc<Layout> {
        Layout::new(self.path(), role)
    }

    fn target(&self) -> Arc<Layout> {
        self.open(Role::Target)
    }

    fn source(&self) -> Arc<Layout> {
        self.open(Role::Source)
    }

    fn inspect(&self, role: Role) -> Result<(), Error> {
        Layout::inspect(&self.path(), self.root.path(), role)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.root.path().join("store").join(name)
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.file("blobs").join(digest.algorithm().as_str()).join(digest.hex())
    }

    fn index(&self) -> String {
        std::fs::read_to_string(self.file("index.json")).unwrap()
    }

    /// The names at the top of the layout.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.file(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn by_tag(text: &str) -> TagOrDigest {
    TagOrDigest::Tag(tag(text))
}

fn described(algorithm: Algorithm, content: &[u8]) -> Descriptor {
    Descriptor::new(MediaType::new(OCTETS), algorithm.digest(content), content.len() as u64)
}

/// A stream that says it is `descriptor`'s and yields `content` in a few pieces.
fn stream(descriptor: &Descriptor, content: &[u8]) -> BlobStream {
    let pieces: Vec<_> = content.chunks(content.len() / 4 + 1).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    BlobStream::new(Progress::start(descriptor), "read a test's blob", futures_util::stream::iter(pieces).boxed())
}

async fn push(layout: &Layout, descriptor: &Descriptor, content: &[u8]) -> Result<(), PushError> {
    let open = |_| futures_util::future::ready(Ok(stream(descriptor, content))).boxed();
    layout.push_blob(descriptor, &open, None).await
}

async fn push_content(layout: &Layout, content: &[u8]) -> Descriptor {
    let descriptor = described(Algorithm::Sha256, content);
    push(layout, &descriptor, content).await.unwrap();
    descriptor
}

async fn read(layout: &Layout, descriptor: &Descriptor) -> Result<Vec<u8>, Error> {
    let mut stream = layout.blob(Progress::start(descriptor)).await?;
    let mut content = Vec::new();
    while let Some(chunk) = stream.next().await {
        content.extend_from_slice(&chunk?);
    }
    Ok(content)
}

fn written(descriptor: &Descriptor) -> String {
    let Descriptor { media_type, digest, size, .. } = descriptor;
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
}

fn image_of(config: &Descriptor, layers: &[&Descriptor]) -> Manifest {
    let layers: Vec<String> = layers.iter().map(|layer| written(layer)).collect();
    let media_type = MediaType::oci_manifest();
    let text = format!(
        r#"{{ "schemaVersion":2,"mediaType":"{media_type}","config":{},"layers":[{}]}}"#,
        written(config),
        layers.join(",")
    );
    Manifest::identify(text.into(), &media_type).unwrap()
}

fn index_of(children: &[&Descriptor]) -> Manifest {
    let children: Vec<String> = children.iter().map(|child| written(child)).collect();
    let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, children.join(","));
    Manifest::identify(text.into(), &MediaType::oci_index()).unwrap()
}

/// Writes an image whose config is `content`, with or without a tag.
/// Writes a manifest, under a tag whatever it names now.
async fn put(layout: &Layout, manifest: &Manifest, name: Option<&str>) -> Result<(), Error> {
    let Some(name) = name else { return layout.push_manifest(manifest).await };
    let before = layout.resolve(&by_tag(name)).await?.map(|now| now.digest);
    layout.push_tag(manifest, &tag(name), before.as_ref()).await
}

async fn push_image(layout: &Layout, content: &str, name: Option<&str>) -> Manifest {
    let config = push_content(layout, content.as_bytes()).await;
    let layer = push_content(layout, b"layer").await;
    let manifest = image_of(&config, &[&layer, &layer]);
    put(layout, &manifest, name).await.unwrap();
    manifest
}

#[tokio::test]
async fn what_is_written_is_read_again() {
    let place = Place::new();
    let target = place.target();
    let child = push_image(&target, "one", None).await;
    let index = index_of(&[&child.descriptor()]);
    target.push_tag(&index, &tag("1.0"), None).await.unwrap();

    place.inspect(Role::Source).unwrap();
    let source = place.source();
    let found = source.resolve(&by_tag("1.0")).await.unwrap().unwrap();
    assert_eq!(found, index.descriptor());
    assert_eq!(source.manifest(&found.digest, &found.media_type).await.unwrap().unwrap(), index);
    assert_eq!(source.manifest(child.digest(), child.media_type()).await.unwrap().unwrap(), child);
    let by_digest = source.resolve(&TagOrDigest::Digest(child.digest().clone())).await.unwrap();
    assert_eq!(by_digest, Some(child.descriptor()));
    assert_eq!(read(&source, &described(Algorithm::Sha256, b"layer")).await.unwrap(), b"layer");
    assert_eq!(place.names(), [".regsync.lock", "blobs", "index.json", "oci-layout"].map(String::from));
    assert!(!place.index().contains(child.digest().hex()), "a child is not listed");
}

#[tokio::test]
async fn nothing_is_there_before_the_first_write() {
    let place = Place::new();
    let target = place.target();
    place.inspect(Role::Target).unwrap();
    let blob = described(Algorithm::Sha256, b"x");
    assert_eq!(target.resolve(&by_tag("x")).await.unwrap(), None);
    assert_eq!(target.tags().await.unwrap(), []);
    assert!(!target.has_blob(&blob).await.unwrap());
    assert_eq!(target.manifest(&blob.digest, &blob.media_type).await.unwrap(), None);
    assert_eq!(read(&target, &blob).await.unwrap_err().code, Code::NotFound);
    assert!(!place.file("").exists());

    let source = place.source();
    assert_eq!(source.resolve(&by_tag("x")).await.unwrap_err().code, Code::Layout);
    assert_eq!(source.tags().await.unwrap_err().code, Code::Layout);
    assert_eq!(place.inspect(Role::Source).unwrap_err().code, Code::Layout);
}

#[tokio::test]
async fn tags_are_listed_sorted_and_move() {
    let place = Place::new();
    let target = place.target();
    for name in ["b", "a", "C"] {
        push_image(&target, name, Some(name)).await;
    }
    assert_eq!(target.tags().await.unwrap(), ["C", "a", "b"].map(tag));
    let moved = push_image(&target, "moved", Some("a")).await;
    assert_eq!(target.tags().await.unwrap(), ["C", "a", "b"].map(tag));
    assert_eq!(target.resolve(&by_tag("a")).await.unwrap(), Some(moved.descriptor()));
    assert_eq!(target.resolve(&by_tag("c")).await.unwrap(), None);
}

#[tokio::test]
async fn blobs_of_any_size_and_hash() {
    let place = Place::new();
    let target = place.target();
    let large: Vec<u8> = (0..400_000_u32).flat_map(u32::to_le_bytes).collect();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        for content in [&b""[..], b"x", &large] {
            let descriptor = described(algorithm, content);
            assert!(!target.has_blob(&descriptor).await.unwrap());
            push(&target, &descriptor, content).await.unwrap();
            push(&target, &descriptor, content).await.unwrap();
            assert!(target.has_blob(&descriptor).await.unwrap());
            assert!(place.blob(&descriptor.digest).is_file());
            assert!(read(&target, &descriptor).await.unwrap() == content);
        }
    }
}

#[tokio::test]
async fn a_manifest_named_by_sha512() {
    let place = Place::new();
    let target = place.target();
    let bytes = push_image(&target, "x", None).await.bytes().clone();
    let digest = Algorithm::Sha512.digest(&bytes);
    let manifest = Manifest::verify(bytes, &MediaType::oci_manifest(), &digest).unwrap();
    target.push_tag(&manifest, &tag("x"), None).await.unwrap();
    let found = target.resolve(&by_tag("x")).await.unwrap().unwrap();
    assert_eq!(found.digest, digest);
    assert_eq!(target.manifest(&found.digest, &found.media_type).await.unwrap(), Some(manifest));
}

#[tokio::test]
async fn mounts_are_declined() {
    let place = Place::new();
    let from = Repository::new(Registry::docker_hub(), "library/x").unwrap();
    let blob = described(Algorithm::Sha256, b"x");
    assert!(matches!(place.target().mount_blob(&blob, &from).await, Ok(Mount::Declined(None))));
}

#[tokio::test]
async fn a_tag_never_names_an_incomplete_image() {
    let place = Place::new();
    let target = place.target();
    let config = push_content(&target, b"config").await;
    let absent = described(Algorithm::Sha256, b"absent");
    let wrong_size = Descriptor::new(absent.media_type.clone(), config.digest.clone(), 1);
    let lacking = image_of(&config, &[&absent]);
    target.push_manifest(&lacking).await.unwrap();
    let absent_child = image_of(&config, &[]).descriptor();
    let nested = index_of(&[&index_of(&[&lacking.descriptor()]).descriptor()]);
    target.push_manifest(&index_of(&[&lacking.descriptor()])).await.unwrap();
    for incomplete in
        [lacking, image_of(&config, &[&wrong_size]), image_of(&absent, &[]), index_of(&[&absent_child]), nested]
    {
        let error = target.push_tag(&incomplete, &tag("x"), None).await.unwrap_err();
        assert_eq!(error.code, Code::Layout, "{error}");
        assert_eq!(target.tags().await.unwrap(), []);
    }
    push_content(&target, b"absent").await;
    let complete = index_of(&[&image_of(&config, &[&absent]).descriptor()]);
    target.push_tag(&complete, &tag("x"), None).await.unwrap();
}

#[tokio::test]
async fn foreign_layers_and_unknown_children_are_no_hindrance() {
    let place = Place::new();
    let target = place.target();
    let config = push_content(&target, b"config").await;
    let foreign = MediaType::new("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
    let foreign = Descriptor::new(foreign, Digest::sha256(b"elsewhere"), 9);
    let image = image_of(&config, &[&foreign]);
    target.push_tag(&image, &tag("foreign"), None).await.unwrap();
    let thing = push_content(&target, b"not JSON at all").await;
    let unknown = Descriptor::new(MediaType::new("application/vnd.example.thing"), thing.digest, thing.size);
    let index = index_of(&[&unknown, &image.descriptor(), &image.descriptor()]);
    target.push_tag(&index, &tag("unknown"), None).await.unwrap();
}

#[tokio::test]
async fn images_nested_too_deep_are_not_tagged() {
    let place = Place::new();
    let target = place.target();
    let mut top = push_image(&target, "leaf", None).await;
    for level in 1..=9 {
        top = index_of(&[&top.descriptor()]);
        let done = target.push_tag(&top, &tag(&format!("x{level}")), None).await;
        assert_eq!(done.map_err(|error| error.code), if level <= 8 { Ok(()) } else { Err(Code::Limit) }, "{level}");
    }
}

#[tokio::test]
async fn a_tag_that_has_moved_since_it_was_looked_at_is_left_alone() {
    let place = Place::new();
    let target = place.target();
    let name = tag("x");
    let seen = push_image(&target, "seen", Some("x")).await;
    let ours = push_image(&target, "ours", None).await;
    let theirs = push_image(&target, "theirs", Some("x")).await;
    for before in [None, Some(seen.digest()), Some(ours.digest())] {
        let error = target.push_tag(&ours, &name, before).await.unwrap_err();
        assert_eq!(error.code, Code::Stale, "{error}");
        assert_eq!(target.resolve(&by_tag("x")).await.unwrap().unwrap().digest, *theirs.digest());
    }
    // What is there already is no conflict, whatever was seen.
    target.push_tag(&theirs, &name, Some(seen.digest())).await.unwrap();
    target.push_tag(&ours, &name, Some(theirs.digest())).await.unwrap();
    assert_eq!(target.resolve(&by_tag("x")).await.unwrap().unwrap().digest, *ours.digest());
}

#[tokio::test]
async fn what_other_tools_keep_in_the_index_stays() {
    let place = Place::new();
    let target = place.target();
    push_image(&target, "x", Some("x")).await;
    let theirs = r#"{"digest":"blake3:00", "k":1.50}"#;
    let text = format!(r#"{{"annotations":{{"z":"1"}},"manifests":[{theirs}],"schemaVersion":2,"other":[ ]}}"#);
    std::fs::write(place.file("index.json"), text).unwrap();
    push_image(&target, "y", Some("y")).await;
    let index = place.index();
    assert!(index.starts_with(&format!(r#"{{"annotations":{{"z":"1"}},"manifests":[{theirs},{{"#)), "{index}");
    assert!(index.ends_with(r#"}],"schemaVersion":2,"other":[ ]}"#), "{index}");
    assert_eq!(target.tags().await.unwrap(), [tag("y")]);
}

#[test]
fn messages_name_the_layout_as_it_was_written() {
    let root = Path::new("/somewhere/on/this/machine");
    let path = LayoutPath::new(root, "mirrors/web").unwrap();
    let error = Layout::inspect(&path, root, Role::Source).unwrap_err().to_string();
    assert_eq!(error, "could not use oci:mirrors/web as a source: there is no such directory");
}
