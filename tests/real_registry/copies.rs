//! Copies between real registries, read by tools that are not ours.

use std::collections::BTreeMap;

use super::{RealPair, settled};
use crate::support::images::{Image, Single, zoo};
use crate::support::real_registry::{PASSWORD, RealRegistry, USER, pull_with_skopeo, witness_digest};
use crate::support::stage::{Mirror, steps};

/// What Docker's distribution 2 takes; skopeo reads these, too.
fn species() -> Vec<(&'static str, Image)> {
    let odd = ["unknown-child", "foreign", "sha512", "zero-byte"];
    zoo::all("real").into_iter().filter(|(name, _)| !odd.contains(name)).collect()
}

#[test]
fn every_species_arrives_and_two_witnesses_agree() {
    let Some(pair) = RealPair::start() else { return };
    for (name, image) in species() {
        image.push_to_url(&pair.source.url(), "zoo", name);
    }
    let mark = pair.source.mark();
    let regsync = pair.regsync(&[pair.mirror("zoo", &["*"])]);
    regsync.run(["apply"]).assert_status(0);
    pair.source.assert_read_only_since(mark);
    for (name, image) in species() {
        assert_eq!(witness_digest(&pair.target.host(), "zoo", name), image.digest(), "{name}");
    }
    for name in ["single", "docker", "index"] {
        pull_with_skopeo(&pair.target.host(), "zoo", name);
    }
    let mark = pair.target.mark();
    regsync.run(["apply"]).assert_status(0);
    pair.target.assert_read_only_since(mark);
}

#[test]
fn by_way_of_a_layout_and_behind_a_password() {
    let Some(source) = RealRegistry::start() else { return };
    let Some(target) = RealRegistry::start_with_password() else { return };
    let image = zoo::index_with_attestations("way");
    image.push_to_url(&source.url(), "app", "1");
    let out = Mirror::new(&format!("{}/app", source.host()), &["oci:between"], &["1"]);
    let on = Mirror::new("oci:between", &[&format!("{}/deep/er/app", target.host())], &["1"]);
    let variable = target.host().replace('.', "_").replace(':', "___");
    let regsync = crate::support::harness::Regsync::new()
        .file("out.yaml", crate::support::stage::yaml(&[out]))
        .file("on.yaml", crate::support::stage::yaml(&[on]))
        .env(&format!("REGSYNC_AUTH_{variable}"), &format!("{USER}:{PASSWORD}"));
    regsync.run(["apply", "-c", "out.yaml"]).assert_status(0);
    let applied = regsync.run(["apply", "-c", "on.yaml", "--log", "trace"]);
    applied.assert_status(0);
    assert!(!applied.stderr.contains(PASSWORD), "the password is in the log");
    let url = format!("{}/v2/deep/er/app/manifests/1", target.url());
    let login = format!("{USER}:{PASSWORD}");
    let accept = ("Accept", crate::support::images::ACCEPT);
    let reply = crate::support::http::send_as(Some(&login), "GET", &url, &[accept], &[]).unwrap();
    assert_eq!(reply.body, image.root.bytes);
}

#[test]
fn a_blob_is_uploaded_once_and_mounted_in_the_other_repositories() {
    let Some(pair) = RealPair::start() else { return };
    let images: Vec<_> = (0..4).map(|n| Single::new(&format!("once {n}")).shared_layer("base").build()).collect();
    for (n, image) in images.iter().enumerate() {
        image.push_to_url(&pair.source.url(), "app", &format!("v{n}"));
    }
    let targets = ["one", "two", "three"].map(|name| format!("{}/{name}", pair.target.host()));
    let targets: Vec<_> = targets.iter().map(String::as_str).collect();
    let mark = pair.target.mark();
    let regsync = pair.regsync(&[Mirror::new(&format!("{}/app", pair.source.host()), &targets, &["*"])]);
    regsync.run(["apply", "--concurrency", "8"]).assert_status(0);
    let (mut uploads, mut mounts) = (BTreeMap::new(), 0);
    for access in settled(&pair.target, mark, 12) {
        let path = access.path.replace("%3A", ":");
        if let ("PUT", 201, Some((_, digest))) = (access.method.as_str(), access.status, path.split_once("digest=")) {
            *uploads.entry(digest.split('&').next().unwrap_or_default().to_owned()).or_insert(0) += 1;
        }
        mounts += usize::from(access.method == "POST" && access.status == 201 && path.contains("mount="));
    }
    // Three of its own for each image, and the base.
    assert_eq!(uploads.len(), 4 * 3 + 1, "{uploads:#?}");
    assert!(uploads.values().all(|times| *times == 1), "uploaded more than once: {uploads:#?}");
    assert_eq!(mounts, uploads.len() * 2);
    for name in ["one", "two", "three"] {
        for (n, image) in images.iter().enumerate() {
            assert_eq!(witness_digest(&pair.target.host(), name, &format!("v{n}")), image.digest());
        }
    }
}

#[test]
fn a_moved_tag_and_a_repository_that_is_not_there() {
    let Some(pair) = RealPair::start() else { return };
    zoo::single("new").push_to_url(&pair.source.url(), "app", "1");
    zoo::single("old").push_to_url(&pair.target.url(), "app", "1");
    let regsync = pair.regsync(&[pair.mirror("app", &["1"]), pair.mirror("absent", &["*"])]);
    let applied = regsync.run(["apply", "--format", "json"]);
    let expected = ["app:1 updated tag-moved", "- failed list-failed E_NOT_FOUND"];
    assert_eq!(steps(&applied.assert_status(3).json()), expected);
    assert_eq!(witness_digest(&pair.target.host(), "app", "1"), zoo::single("new").digest());
}
