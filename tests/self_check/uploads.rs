//! Pushing: sessions, chunks, mounts, and what a registry must refuse.

use std::time::{Duration, Instant};

use crate::support::digest::{Algorithm, sha256};
use crate::support::http::{Reply, send, send_broken};
use crate::support::images::{media_type, upload_url, zoo};
use crate::support::registry::{FakeRegistry, Options};

fn post(registry: &FakeRegistry, query: &str) -> Reply {
    send("POST", &format!("{}/v2/app/blobs/uploads/{query}", registry.url()), &[], &[]).unwrap()
}

fn code(reply: &Reply) -> (u16, String) {
    (reply.status, reply.json()["errors"][0]["code"].as_str().unwrap().to_owned())
}

fn location(registry: &FakeRegistry, reply: &Reply) -> String {
    format!("{}{}", registry.url(), reply.header("location").unwrap())
}

#[test]
fn a_blob_is_there_once_its_digest_is_proven() {
    let registry = FakeRegistry::start();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let digest = algorithm.digest(b"content");
        let opened = post(&registry, "");
        let url = upload_url(&registry.url(), &opened, &digest);
        assert_eq!(code(&send("PUT", &url, &[], b"c0ntent").unwrap()), (400, "DIGEST_INVALID".to_owned()));
        assert!(!registry.has_blob("app", &digest));
        // The session has gone with the mistake.
        assert_eq!(code(&send("PUT", &url, &[], b"content").unwrap()), (404, "BLOB_UPLOAD_UNKNOWN".to_owned()));
        let url = upload_url(&registry.url(), &post(&registry, ""), &digest);
        assert_eq!(send("PUT", &url, &[], b"content").unwrap().status, 201);
        assert!(registry.has_blob("app", &digest));
    }
}

#[test]
fn chunks_are_taken_in_order_at_the_latest_location() {
    let registry = FakeRegistry::start();
    let first = location(&registry, &post(&registry, ""));
    let patch = |url: &str, range: &str, body: &[u8]| send("PATCH", url, &[("Content-Range", range)], body).unwrap();
    assert_eq!(code(&patch(&first, "bytes 0-2", b"abc")), (400, "BLOB_UPLOAD_INVALID".to_owned()));
    assert_eq!(code(&patch(&first, "0-5", b"abc")), (400, "SIZE_INVALID".to_owned()));
    let appended = patch(&first, "0-2", b"abc");
    assert_eq!((appended.status, appended.header("range")), (202, Some("0-2")));
    let second = location(&registry, &appended);
    assert_eq!(code(&patch(&first, "3-5", b"def")), (400, "BLOB_UPLOAD_INVALID".to_owned()));
    let out_of_order = patch(&second, "4-6", b"efg");
    assert_eq!((out_of_order.status, out_of_order.header("range")), (416, Some("0-2")));
    let third = patch(&second, "3-5", b"def");
    let progress = send("GET", &location(&registry, &third), &[], &[]).unwrap();
    assert_eq!((progress.status, progress.header("range")), (204, Some("0-5")));
    let digest = sha256(b"abcdefgh");
    let closed = send("PUT", &upload_url(&registry.url(), &progress, &digest), &[], b"gh").unwrap();
    assert_eq!((closed.status, closed.header("docker-content-digest")), (201, Some(digest.as_str())));
}

#[test]
fn chunks_shorter_than_the_least_length_must_be_the_last() {
    let registry = FakeRegistry::with(Options { chunk_min_length: Some(4), ..Options::default() });
    let opened = post(&registry, "");
    assert_eq!(opened.header("oci-chunk-min-length"), Some("4"));
    let patch = |at: &Reply, range: &str, body: &[u8]| {
        send("PATCH", &location(&registry, at), &[("Content-Range", range)], body).unwrap()
    };
    let whole = patch(&opened, "0-3", b"abcd");
    let short = patch(&whole, "4-5", b"ef");
    assert_eq!((whole.status, short.status), (202, 202));
    assert_eq!(patch(&short, "6-9", b"ghij").status, 416);
}

#[test]
fn a_blob_can_be_mounted_from_a_repository_that_has_it() {
    let registry = FakeRegistry::start();
    let digest = registry.put_blob("library/base", "shared");
    assert_eq!(post(&registry, &format!("?mount={digest}&from=library%2Fbase")).status, 201);
    assert!(registry.has_blob("app", &digest));
    let elsewhere = post(&registry, &format!("?mount={digest}&from=library/other"));
    assert_eq!(elsewhere.status, 202);
    assert!(elsewhere.header("location").unwrap().starts_with("/v2/app/blobs/uploads/"));
    let cannot = FakeRegistry::with(Options { mounts: false, absolute_locations: true, ..Options::default() });
    cannot.put_blob("library/base", "shared");
    let opened = post(&cannot, &format!("?mount={digest}&from=library/base"));
    assert_eq!(opened.status, 202);
    assert!(opened.header("location").unwrap().starts_with(&cannot.url()));
}

#[test]
fn a_blob_can_be_pushed_in_one_request_and_a_session_cancelled() {
    let registry = FakeRegistry::start();
    let digest = sha256(b"at once");
    let url = format!("{}/v2/app/blobs/uploads/?digest={digest}", registry.url());
    assert_eq!(send("POST", &url, &[], b"at once").unwrap().status, 201);
    assert!(registry.has_blob("app", &digest));
    let session = location(&registry, &post(&registry, ""));
    assert_eq!(registry.store.open_uploads(), 1);
    assert_eq!(send("DELETE", &session, &[], &[]).unwrap().status, 204);
    assert_eq!(registry.store.open_uploads(), 0);
}

#[test]
fn a_broken_put_commits_nothing_and_a_broken_patch_keeps_what_came() {
    let registry = FakeRegistry::start();
    let digest = sha256(b"whole");
    let opened = post(&registry, "");
    send_broken("PUT", &upload_url(&registry.url(), &opened, &digest), &[], (500, b"whole"));
    let session = location(&registry, &opened);
    send_broken("PATCH", &session, &[("Content-Range", "0-4")], (5, b"who"));
    let ends = Instant::now() + Duration::from_secs(10);
    while send("GET", &session, &[], &[]).unwrap().header("range") != Some("0-2") {
        assert!(Instant::now() < ends, "{}", registry.request_log_in_order(&[]));
    }
    assert!(!registry.has_blob("app", &digest));
    let rest = send("PATCH", &session, &[("Content-Range", "3-4")], b"le").unwrap();
    assert_eq!(send("PUT", &upload_url(&registry.url(), &rest, &digest), &[], &[]).unwrap().status, 201);
}

#[test]
fn a_manifest_must_be_true_and_refer_to_what_is_there() {
    let registry = FakeRegistry::start();
    let image = zoo::single("refused");
    let other = zoo::index("refused");
    let put = |reference: &str, media_type: &str, bytes: &[u8]| {
        let url = format!("{}/v2/app/manifests/{reference}", registry.url());
        code(&send("PUT", &url, &[("Content-Type", media_type)], bytes).unwrap())
    };
    let root = &image.root;
    let expected = |code: &str| (400, code.to_owned());
    assert_eq!(put("1", &root.media_type, &root.bytes), expected("MANIFEST_BLOB_UNKNOWN"));
    assert_eq!(put("1", &other.root.media_type, &other.root.bytes), expected("MANIFEST_BLOB_UNKNOWN"));
    assert_eq!(put(other.digest(), &root.media_type, &root.bytes), expected("DIGEST_INVALID"));
    assert_eq!(put("1", media_type::DOCKER_MANIFEST, &root.bytes), expected("MANIFEST_INVALID"));
    assert_eq!(put("1", &root.media_type, b"{"), expected("MANIFEST_INVALID"));
    assert_eq!(put("-1", &root.media_type, &root.bytes), expected("TAG_INVALID"));
    assert_eq!(put("1", &root.media_type, &vec![b' '; 4 * 1024 * 1024 + 1]), (413, "MANIFEST_INVALID".to_owned()));
    assert!(registry.store.tags("app").is_empty());
}

#[test]
fn an_unknown_blob_is_named_in_the_detail() {
    let registry = FakeRegistry::start();
    let image = zoo::artifact("detail");
    image.push_to(&registry, "app", "1");
    registry.store.delete_blob("app", &image.blobs[1].digest);
    let url = format!("{}/v2/app/manifests/2", registry.url());
    let reply = send("PUT", &url, &[("Content-Type", media_type::OCI_MANIFEST)], &image.root.bytes).unwrap();
    assert_eq!(reply.json()["errors"][0]["detail"]["digest"], image.blobs[1].digest.as_str());
}
