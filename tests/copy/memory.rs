//! Memory does not grow with what is copied, nor with how much of it is under way: 200 images, 1 GiB, 32 transfers at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::support::digest::sha256;
use crate::support::harness::Regsync;
use crate::support::images::{Content, media_type, seeded_bytes};
use crate::support::memory;
use crate::support::server::{Answer, Bound, Call, Fault, Gate, Handler, Match, Server};
use crate::support::stage::Mirror;

const IMAGES: usize = 200;
/// In all, 1 GiB.
const LAYER: usize = (1 << 30) / IMAGES;
const AT_ONCE: usize = 32;
/// Code that is not optimised takes some 15 MiB more.
const LIMIT_KIB: u64 = if cfg!(debug_assertions) { 80 * 1024 } else { 64 * 1024 };

/// A source of images that are made when they are asked for; a target that counts what comes and keeps nothing but tags.
struct Many {
    pattern: Vec<u8>,
    manifests: BTreeMap<String, Content>,
    layers: BTreeMap<String, u64>,
    config: Content,
}

impl Many {
    fn new() -> Self {
        let pattern = seeded_bytes("many", 1 << 16).repeat(LAYER.div_ceil(1 << 16));
        let config = Content::new(media_type::OCI_EMPTY, "{}");
        let (manifests, layers) = (BTreeMap::new(), BTreeMap::new());
        let mut many = Self { pattern, manifests, layers, config };
        for n in 0..IMAGES as u64 {
            let digest = sha256(&many.layer(n));
            let layer = json!({"mediaType": media_type::OCI_LAYER, "digest": digest, "size": LAYER});
            let manifest = Content::manifest(
                media_type::OCI_MANIFEST,
                &json!({
                    "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST,
                    "config": many.config.descriptor(), "layers": [layer],
                }),
            );
            many.layers.insert(digest, n);
            many.manifests.insert(manifest.digest.clone(), manifest.clone());
            many.manifests.insert(format!("t{n}"), manifest);
        }
        many
    }

    fn layer(&self, n: u64) -> Bytes {
        let mut layer = self.pattern[..LAYER].to_vec();
        layer[..8].copy_from_slice(&n.to_le_bytes());
        layer.into()
    }
}

impl Handler for Many {
    fn answer(&self, call: &Call) -> Answer {
        let name = call.path.rsplit('/').next().unwrap_or_default();
        if let Some(manifest) = self.manifests.get(name) {
            let answer = Answer::status(200).header("Content-Type", &manifest.media_type);
            return answer.header("Docker-Content-Digest", &manifest.digest).body(manifest.bytes.clone());
        }
        match self.layers.get(name) {
            Some(n) => Answer::status(200).body(self.layer(*n)),
            None if name == self.config.digest => Answer::status(200).body(self.config.bytes.clone()),
            None => Answer::status(404),
        }
    }
}

#[derive(Clone, Default)]
struct Sink(Arc<Received>);

#[derive(Default)]
struct Received {
    uploads: AtomicUsize,
    bytes: AtomicU64,
    tags: Mutex<BTreeMap<String, String>>,
}

impl Handler for Sink {
    fn answer(&self, call: &Call) -> Answer {
        let name = call.path.rsplit('/').next().unwrap_or_default();
        match (call.method.as_str(), call.path.contains("/manifests/")) {
            ("PUT", true) => {
                let digest = sha256(&call.body);
                self.0.tags.lock().unwrap().insert(name.to_owned(), digest.clone());
                Answer::status(201).header("Docker-Content-Digest", digest)
            }
            ("PUT", false) => {
                self.0.bytes.fetch_add(call.body.len() as u64, Ordering::SeqCst);
                Answer::status(201)
            }
            ("POST", _) => {
                let session = self.0.uploads.fetch_add(1, Ordering::SeqCst);
                Answer::status(202).header("Location", format!("/v2/big/blobs/uploads/{session}"))
            }
            _ => Answer::status(404),
        }
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "/proc tells how much memory a process has")]
fn two_hundred_images_of_a_gibibyte_take_little_memory() {
    let sink = Sink::default();
    let (source, target) = (Bound::new(None).serve(Many::new()), Bound::new(None).serve(sink.clone()));
    let tags: Vec<_> = (0..IMAGES).map(|n| format!("t{n}")).collect();
    let reference = |server: &Server| format!("{}/big", server.host());
    let mirror =
        Mirror::new(&reference(&source), &[&reference(&target)], &tags.iter().map(String::as_str).collect::<Vec<_>>());
    let mut registries = "registries:\n".to_owned();
    for server in [&source, &target] {
        writeln!(registries, "  \"{}\": {{ concurrency: {} }}", server.host(), AT_ONCE).unwrap();
    }
    let yaml = crate::support::stage::yaml(&[mirror]).replacen("mirrors:", &format!("{registries}mirrors:"), 1);
    let regsync = Regsync::new().config(&yaml).patience(Duration::from_secs(600));
    // So many layers are on their way before the first one gets a byte: then all of them flow.
    let gate = Gate::new();
    source.fault(Match::new("GET", "/blobs/").first(AT_ONCE), Fault::Hold(gate.clone()));
    let concurrency = AT_ONCE.to_string();
    let mut run = regsync.spawn(["apply", "--concurrency", &concurrency, "--sizes", "never", "-q", "--format", "json"]);
    gate.wait_for(AT_ONCE);
    gate.open();
    let highest = memory::highest_until_end(&mut run);
    let output = run.wait();
    output.assert_status(0);
    let received = sink.0;
    assert_eq!(received.bytes.load(Ordering::SeqCst), (IMAGES * LAYER) as u64 + 2);
    assert!(tags.iter().all(|tag| received.tags.lock().unwrap().contains_key(tag)));
    assert!(highest < LIMIT_KIB, "{highest} KiB of memory for {IMAGES} images of 1 GiB");
}
