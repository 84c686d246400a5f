//! From a manifest's bytes to what it refers to, its digest checked.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use regsync::image::{Digest, Manifest, MediaType};
use serde_json::{Value, json};

fn descriptor(media_type: &str, number: usize) -> Value {
    json!({
        "mediaType": media_type,
        "digest": Digest::sha256(number.to_string().as_bytes()).to_string(),
        "size": 4096 + number,
        "annotations": {"org.opencontainers.image.created": "2026-01-01T00:00:00Z"},
    })
}

fn image(layers: usize) -> Value {
    let layer = |number| descriptor("application/vnd.oci.image.layer.v1.tar+gzip", number);
    json!({
        "schemaVersion": 2,
        "mediaType": MediaType::oci_manifest().to_string(),
        "config": descriptor("application/vnd.oci.image.config.v1+json", layers),
        "layers": (0..layers).map(layer).collect::<Vec<_>>(),
    })
}

fn index(platforms: usize) -> Value {
    let child = |number| {
        let mut child = descriptor("application/vnd.oci.image.manifest.v1+json", number);
        child["platform"] = json!({"os": "linux", "architecture": "arm", "variant": format!("v{number}")});
        child
    };
    let children: Vec<_> = (0..platforms).map(child).collect();
    json!({"schemaVersion": 2, "mediaType": MediaType::oci_index().to_string(), "manifests": children})
}

/// Reads images and indexes of usual and of unusual length.
pub(crate) fn bench(criterion: &mut Criterion) {
    let cases = [
        ("image of 8 layers", MediaType::oci_manifest(), image(8)),
        ("image of 120 layers", MediaType::oci_manifest(), image(120)),
        ("index of 16 children", MediaType::oci_index(), index(16)),
        ("index of 1,000 children", MediaType::oci_index(), index(1000)),
    ];
    let mut group = criterion.benchmark_group("parse a manifest");
    for (name, media_type, document) in cases {
        let bytes = Bytes::from(document.to_string());
        let digest = Digest::sha256(&bytes);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| Manifest::verify(black_box(bytes.clone()), &media_type, &digest).expect("a manifest"));
        });
    }
    group.finish();
}
