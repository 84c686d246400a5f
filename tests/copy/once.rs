//! Every blob is uploaded once per registry and mounted from there; what is announced as sent was sent once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use regsync::auth::{Environment, Keychain};
use regsync::copy::{Copier, Passage};
use regsync::event::{Event, Reporter};
use regsync::image::{MediaType, Role, Written};
use regsync::store::Stores;
use regsync::store::registry::Network;

use crate::support::images::{Image, Single, zoo};
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::{Fault, Match};
use crate::support::stage::{Mirror, Pair};

/// Twelve images that share a layer, and some of them all of it.
fn images() -> Vec<(String, Image)> {
    let image = |n: usize| Single::new(&format!("image {}", n % 8)).shared_layer("base").build();
    (0..12).map(|n| (format!("v{n}"), image(n))).collect()
}

fn unique_blobs(images: &[(String, Image)]) -> BTreeSet<String> {
    images.iter().flat_map(|(_, image)| image.blob_digests()).map(str::to_owned).collect()
}

/// How often each blob was committed by an upload, by digest, and how many mounts there were.
fn uploads(registry: &FakeRegistry) -> (BTreeMap<String, usize>, usize) {
    let (mut uploads, mut mounts) = (BTreeMap::new(), 0);
    for request in registry.requests() {
        let target = request.target().replace("%3A", ":");
        if request.method == "PUT" && target.contains("/blobs/uploads/") {
            *uploads.entry(target.split_once("digest=").unwrap().1.to_owned()).or_insert(0) += 1;
        }
        if request.method == "POST" && target.contains("mount=") && request.status == Some(201) {
            mounts += 1;
        }
    }
    (uploads, mounts)
}

fn three_targets(target: &FakeRegistry) -> [String; 3] {
    ["one", "two", "three"].map(|name| target.reference(name))
}

#[test]
fn each_blob_is_uploaded_once_and_mounted_in_the_other_repositories() {
    let pair = Pair::start();
    let images = images();
    for (tag, image) in &images {
        image.push_to(&pair.source, "app", tag);
    }
    let targets = three_targets(&pair.target);
    let targets: Vec<_> = targets.iter().map(String::as_str).collect();
    let regsync = pair.regsync(&[Mirror::new(&pair.source.reference("app"), &targets, &["*"])]);
    let applied = regsync.run(["apply", "--concurrency", "16", "--format", "json"]);
    let result = applied.assert_status(0).json();
    pair.target.assert_closed();
    let unique = unique_blobs(&images);
    let (uploads, mounts) = uploads(&pair.target);
    assert_eq!(uploads.keys().cloned().collect::<BTreeSet<_>>(), unique);
    assert!(uploads.values().all(|times| *times == 1), "uploaded more than once: {uploads:#?}");
    assert_eq!(mounts, unique.len() * 2, "mounts in the two other repositories");
    for digest in &unique {
        assert_eq!(pair.source.count("GET", &format!("/blobs/{digest}")), 1, "one read, many writes: {digest}");
    }
    let bytes: BTreeMap<_, _> =
        images.iter().flat_map(|(_, image)| &image.blobs).map(|blob| (&blob.digest, blob.bytes.len())).collect();
    let manifests: usize = images.iter().map(|(_, image)| image.root.bytes.len() * 3).sum();
    let total: usize = bytes.values().sum();
    assert_eq!(result["bytes"]["sent"], total + manifests, "sent");
    assert_eq!(result["bytes"]["mounted"], total * 2, "mounted");
}

#[test]
fn where_mounts_are_declined_each_repository_gets_each_blob_once() {
    let pair = Pair::with(Options::default(), Options { mounts: false, ..Options::default() });
    let images = images();
    for (tag, image) in &images {
        image.push_to(&pair.source, "app", tag);
    }
    let targets = three_targets(&pair.target);
    let targets: Vec<_> = targets.iter().map(String::as_str).collect();
    let regsync = pair.regsync(&[Mirror::new(&pair.source.reference("app"), &targets, &["*"])]);
    regsync.run(["apply", "--concurrency", "16"]).assert_status(0);
    pair.target.assert_closed();
    let (uploads, mounts) = uploads(&pair.target);
    assert!(uploads.values().all(|times| *times == 3), "{uploads:#?}");
    assert_eq!((uploads.len(), mounts), (unique_blobs(&images).len(), 0));
    assert_eq!(pair.target.store.open_uploads(), 0, "a declined mount leaves its upload open");
}

#[test]
fn within_one_registry_blobs_are_mounted_and_not_moved() {
    let registry = FakeRegistry::start();
    let image = zoo::index_with_attestations("within");
    image.push_to(&registry, "from", "1");
    let pair = Pair::start();
    let mirror = Mirror::new(&registry.reference("from"), &[&registry.reference("to")], &["1"]);
    pair.regsync(&[mirror]).run(["apply"]).assert_status(0);
    registry.assert_closed();
    let (uploads, mounts) = uploads(&registry);
    assert_eq!((uploads.len(), mounts), (0, image.blobs.len()));
    assert_eq!(registry.count("GET", "/blobs/"), 0);
}

#[test]
fn what_is_there_already_is_not_sent_even_where_mounts_are_declined() {
    for mounts in [true, false] {
        let pair = Pair::with(Options::default(), Options { mounts, ..Options::default() });
        let image = zoo::index("there");
        image.push_to(&pair.source, "app", "1");
        image.push_to(&pair.target, "app", "other");
        pair.regsync(&[pair.mirror("app", &["1"])]).run(["apply"]).assert_status(0);
        assert_eq!(uploads(&pair.target).0.len(), 0, "mounts: {mounts}");
        assert_eq!(pair.source.count("GET", "/blobs/"), 0, "mounts: {mounts}");
        pair.target.assert_closed();
    }
}

#[derive(Default)]
struct Counter(AtomicU64);

impl Reporter for Counter {
    fn event(&self, event: Event<'_>) {
        if let Event::Sent { bytes } = event {
            self.0.fetch_add(bytes, Ordering::SeqCst);
        }
    }
}

#[tokio::test]
async fn every_byte_is_announced_once_whatever_the_target_is() {
    let pair = Pair::start();
    let image = zoo::index("announced");
    image.push_to(&pair.source, "app", "1");
    let dir = tempfile::tempdir().unwrap();
    for target in [pair.target.reference("app"), "oci:out".to_owned()] {
        let counter = Arc::new(Counter::default());
        let keychain = Arc::new(Keychain::new(Environment::from_iter::<[(&str, &str); 0]>([]), Vec::new()));
        let reporter: Arc<dyn Reporter> = Arc::clone(&counter) as _;
        let stores = Stores::new(Network::new("test", keychain, Arc::clone(&reporter)), BTreeMap::new());
        let location = |text: &str, role| Written::parse(text, role, dir.path()).unwrap().location;
        let passage = Passage {
            source: stores.source(&location(&pair.source.reference("app"), Role::Source)).unwrap(),
            target: stores.target(&location(&target, Role::Target)).unwrap(),
        };
        let (digest, media_type) = (image.digest().parse().unwrap(), MediaType::new(&image.root.media_type));
        let copied = Copier::new(reporter).image(&passage, &digest, &media_type).await.unwrap();
        let announced = counter.0.load(Ordering::SeqCst);
        assert_eq!(announced, image.blob_bytes() as u64, "bytes of blobs announced on the way to {target}");
        let manifests: usize = image.children.iter().map(|child| child.bytes.len()).sum();
        assert_eq!(copied.moved.sent, (image.blob_bytes() + manifests) as u64, "{target}");
    }
}

#[test]
fn a_target_that_was_wrong_about_its_blobs_gets_them_once_more() {
    let image = |single: bool| if single { Single::new("lied about").build() } else { zoo::index("lied about") };
    for single in [true, false] {
        let pair = Pair::start();
        let image = image(single);
        image.push_to(&pair.source, "app", "1");
        // Collected since, or never there: the registry says otherwise, and the manifest is refused with
        // MANIFEST_BLOB_UNKNOWN.
        pair.target.fault(Match::new("HEAD", "/blobs/"), Fault::status(200));
        pair.target.fault(Match::new("POST", "mount="), Fault::status(201));
        pair.regsync(&[pair.mirror("app", &["1"])]).run(["apply"]).assert_status(0);
        let (uploads, _) = uploads(&pair.target);
        assert_eq!(uploads.len(), BTreeSet::from_iter(image.blob_digests()).len());
        let refused = pair.target.requests().iter().filter(|request| request.status == Some(400)).count();
        assert!(refused > 0, "the first writing was refused");
        pair.target.assert_closed();
    }
}

#[test]
fn a_target_that_says_it_has_mounted_what_it_has_not_gets_it() {
    let image = zoo::index("phantom");
    for checks_references in [true, false] {
        let pair = Pair::with(Options::default(), Options { checks_references, ..Options::default() });
        image.push_to(&pair.source, "app", "1");
        // To itself, and from one repository of it to another.
        let targets = [pair.target.reference("one"), pair.target.reference("two")];
        let mirror = Mirror::new(&pair.source.reference("app"), &[targets[0].as_str(), targets[1].as_str()], &["1"]);
        pair.target.fault(Match::new("POST", "mount="), Fault::status(201));
        pair.regsync(&[mirror]).run(["apply"]).assert_status(0);
        pair.target.assert_closed();
        assert_eq!(uploads(&pair.target).0.len(), BTreeSet::from_iter(image.blob_digests()).len());
    }
}
