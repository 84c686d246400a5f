//! Memory does not grow with the size of what is copied: 1 GiB in eight layers, a few MiB of RAM.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::RealPair;
use crate::support::harness::Regsync;
use crate::support::http::{Reply, parse, send};
use crate::support::images::{Content, media_type, upload_url};
use crate::support::memory;
use crate::support::real_registry::{RealRegistry, witness_digest};
use crate::support::stage::Mirror;

const LAYERS: u64 = 8;
const BLOCKS: usize = 128;
const BLOCK: usize = 1 << 20;
const LIMIT_KIB: u64 = 64 * 1024;

/// One MiB that no compression makes smaller; blocks of a layer differ in their first bytes.
fn block(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..BLOCK / 8).flat_map(next).collect()
}

/// Calls `each` with the blocks of a layer, one after another.
fn blocks(seed: u64, mut each: impl FnMut(&[u8])) {
    let mut block = block(seed);
    for n in 0..BLOCKS {
        block[..8].copy_from_slice(&(n as u64).to_le_bytes());
        each(&block);
    }
}

fn digest(seed: u64) -> String {
    let mut hasher = Sha256::new();
    blocks(seed, |block| hasher.update(block));
    hasher.finalize().iter().fold("sha256:".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Uploads a layer block by block.
fn upload(url: &str, host: &str, seed: u64, digest: &str) {
    let opened = send("POST", &format!("{url}/v2/big/blobs/uploads/"), &[], &[]).unwrap();
    let target = upload_url(url, &opened, digest);
    let target = target.strip_prefix(url).unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let length = BLOCKS * BLOCK;
    let head = format!(
        "PUT {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    blocks(seed, |block| stream.write_all(block).unwrap());
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let reply: Reply = parse(&answer, false).unwrap();
    assert_eq!(reply.status, 201, "{}", reply.text());
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "/proc tells how much memory a process has")]
fn a_gibibyte_passes_through_64_mebibytes() {
    let Some(pair) = RealPair::start() else { return };
    let config = Content::new(
        media_type::OCI_CONFIG,
        r#"{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}"#,
    );
    let mut layers = Vec::new();
    for seed in 1..=LAYERS {
        let digest = digest(seed);
        upload(&pair.source.url(), &pair.source.host(), seed, &digest);
        layers.push(json!({"mediaType": media_type::OCI_LAYER, "digest": digest, "size": BLOCKS * BLOCK}));
    }
    let opened = send("POST", &format!("{}/v2/big/blobs/uploads/", pair.source.url()), &[], &[]).unwrap();
    let url = upload_url(&pair.source.url(), &opened, &config.digest);
    assert_eq!(send("PUT", &url, &[], &config.bytes).unwrap().status, 201);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_MANIFEST, "config": config.descriptor(), "layers": layers,
    });
    let root = Content::manifest(media_type::OCI_MANIFEST, &manifest);
    let url = format!("{}/v2/big/manifests/1", pair.source.url());
    assert_eq!(send("PUT", &url, &[("Content-Type", &root.media_type)], &root.bytes).unwrap().status, 201);

    let highest = highest_while_copying(&pair.regsync(&[pair.mirror("big", &["1"])]), 1);
    assert!(highest < LIMIT_KIB, "{} MiB of memory for 1 GiB of layers", highest / 1024);
    assert_eq!(witness_digest(&pair.target.host(), "big", "1"), root.digest);

    // The same to two targets that are fed from one read.
    let targets = [RealRegistry::start().unwrap(), RealRegistry::start().unwrap()];
    let references = targets.each_ref().map(|target| format!("{}/big", target.host()));
    let source = format!("{}/big", pair.source.host());
    let mirror = Mirror::new(&source, &references.each_ref().map(String::as_str), &["1"]);
    let highest = highest_while_copying(&pair.regsync(&[mirror]), 2);
    assert!(highest < LIMIT_KIB, "{} MiB of memory for 1 GiB of layers to two targets", highest / 1024);
    for target in &targets {
        assert_eq!(witness_digest(&target.host(), "big", "1"), root.digest);
    }
}

/// Applies, to so many targets; the most memory that took, in KiB.
fn highest_while_copying(regsync: &Regsync, targets: u64) -> u64 {
    let mut run = regsync.spawn(["apply", "--format", "json"]);
    let highest = memory::highest_until_end(&mut run);
    let result = run.wait();
    let sent = result.assert_status(0).json()["bytes"]["sent"].as_u64().unwrap();
    assert!(sent > targets * LAYERS * (BLOCKS * BLOCK) as u64, "only {sent} bytes were sent");
    highest
}
