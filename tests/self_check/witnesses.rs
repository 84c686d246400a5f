//! A registry and a client that are not ours agree with the stage.

use crate::support::http::{send, send_as};
use crate::support::images::{write_layout, zoo};
use crate::support::real_registry::{
    PASSWORD, RealRegistry, USER, digest_by_http, digest_by_skopeo, pull_with_skopeo, witness_digest,
};
use crate::support::registry::FakeRegistry;

/// What Docker's distribution 2 and skopeo both take.
fn common_species() -> Vec<(&'static str, crate::support::images::Image)> {
    let odd = ["unknown-child", "foreign", "sha512", "zero-byte"];
    zoo::all("witness").into_iter().filter(|(name, _)| !odd.contains(name)).collect()
}

#[test]
fn a_real_registry_takes_our_images_and_skopeo_reads_the_same_digests() {
    let Some(registry) = RealRegistry::start() else {
        return;
    };
    for (name, image) in common_species() {
        image.push_to_url(&registry.url(), "team/app", name);
        assert_eq!(witness_digest(&registry.host(), "team/app", name), image.digest(), "{name}");
    }
    let mark = registry.mark();
    digest_by_http(&registry.url(), "team/app", "index");
    let seen = registry.access_log_since(mark);
    assert_eq!((seen.len(), seen[0].method.as_str(), seen[0].status), (1, "GET", 200));
    assert_eq!(seen[0].path, "/v2/team/app/manifests/index");
    registry.assert_read_only_since(mark);
}

#[test]
fn a_real_registry_asks_for_its_password() {
    let Some(registry) = RealRegistry::start_with_password() else {
        return;
    };
    assert_eq!(send("GET", &format!("{}/v2/", registry.url()), &[], &[]).unwrap().status, 401);
    let login = format!("{USER}:{PASSWORD}");
    zoo::single("password").push_as(&registry.url(), "app", "1", Some(&login));
    let url = format!("{}/v2/app/tags/list", registry.url());
    assert_eq!(send_as(Some(&login), "GET", &url, &[], &[]).unwrap().json()["tags"][0], "1");
}

#[test]
fn skopeo_reads_the_fake_as_it_reads_a_real_one() {
    let registry = FakeRegistry::start();
    for (name, image) in common_species() {
        image.push_to(&registry, "team/app", name);
        let Some(digest) = digest_by_skopeo(&registry.host(), "team/app", name) else {
            return;
        };
        assert_eq!(digest, image.digest(), "{name}");
    }
    for name in ["single", "docker", "index"] {
        pull_with_skopeo(&registry.host(), "team/app", name);
    }
    registry.assert_read_only();
}

#[test]
fn a_layout_on_disk_names_its_images_and_holds_their_parts() {
    let dir = tempfile::tempdir().unwrap();
    let (index, single) = (zoo::index("layout"), zoo::with_sha512("layout"));
    write_layout(dir.path(), &[(&index, "1"), (&single, "2")]);
    let listed: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("index.json")).unwrap()).unwrap();
    assert_eq!(listed["manifests"][0]["digest"], index.digest());
    assert_eq!(listed["manifests"][1]["annotations"]["org.opencontainers.image.ref.name"], "2");
    for content in index.blobs.iter().chain(&index.children).chain([&index.root]).chain(&single.blobs) {
        let path = dir.path().join("blobs").join(content.digest.replace(':', "/"));
        assert_eq!(std::fs::read(path).unwrap(), content.bytes);
    }
}
