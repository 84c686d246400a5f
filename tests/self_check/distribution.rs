//! Pulling, listing and the record of requests.

use serde_json::json;

use crate::support::digest::sha256;
use crate::support::http::send;
use crate::support::images::{media_type, pull_manifest, zoo};
use crate::support::registry::{FakeRegistry, Options};
use crate::support::tls::TestCa;

#[test]
fn every_species_pushed_over_http_is_complete_and_reads_back_byte_for_byte() {
    let registry = FakeRegistry::start();
    for (name, image) in zoo::all("pushed") {
        image.push_to_url(&registry.url(), "team/app", name);
        let (media_type, bytes) = pull_manifest(&registry.url(), "team/app", name);
        assert_eq!(media_type, image.root.media_type);
        assert_eq!(bytes, image.root.bytes);
        assert_eq!(registry.tag_digest("team/app", name).unwrap(), sha256(&bytes));
    }
    registry.assert_closed();
}

#[test]
fn same_seed_same_digest_other_seed_other_digest() {
    for ((name, one), (_, two)) in zoo::all("a").into_iter().zip(zoo::all("a")) {
        assert_eq!(one.digest(), two.digest(), "{name}");
    }
    for ((name, one), (_, two)) in zoo::all("a").into_iter().zip(zoo::all("b")) {
        assert_ne!(one.digest(), two.digest(), "{name}");
    }
}

#[test]
fn an_index_is_unknown_to_who_does_not_accept_it() {
    let registry = FakeRegistry::start();
    zoo::index("accept").push_to(&registry, "app", "1");
    let url = format!("{}/v2/app/manifests/1", registry.url());
    for (accept, status) in [
        (media_type::OCI_INDEX, 200),
        ("application/json, application/VND.oci.image.index.v1+json;q=0.5", 200),
        (media_type::OCI_MANIFEST, 404),
        ("*/*", 404),
    ] {
        assert_eq!(send("HEAD", &url, &[("Accept", accept)], &[]).unwrap().status, status, "{accept}");
    }
    let refused = send("GET", &url, &[], &[]).unwrap();
    assert_eq!(refused.json()["errors"][0]["code"], "MANIFEST_UNKNOWN");
}

#[test]
fn head_tells_digest_type_and_length_without_a_body() {
    let registry = FakeRegistry::start();
    let image = zoo::docker("head");
    image.push_to(&registry, "app", "1");
    let url = format!("{}/v2/app/manifests/1", registry.url());
    let reply = send("HEAD", &url, &[("Accept", media_type::DOCKER_MANIFEST)], &[]).unwrap();
    assert_eq!(reply.header("docker-content-digest"), Some(image.digest()));
    assert_eq!(reply.header("content-type"), Some(media_type::DOCKER_MANIFEST));
    assert_eq!(reply.header("content-length"), Some(image.root.bytes.len().to_string().as_str()));
    assert!(reply.body.is_empty());
}

#[test]
fn absence_is_404_with_the_code_of_what_is_absent() {
    let registry = FakeRegistry::start();
    zoo::single("absent").push_to(&registry, "app", "1");
    let absent = sha256(b"absent");
    for (path, code) in [
        ("app/manifests/2".to_owned(), "MANIFEST_UNKNOWN"),
        (format!("app/manifests/{absent}"), "MANIFEST_UNKNOWN"),
        (format!("app/blobs/{absent}"), "BLOB_UNKNOWN"),
        ("other/manifests/1".to_owned(), "NAME_UNKNOWN"),
        ("other/tags/list".to_owned(), "NAME_UNKNOWN"),
    ] {
        let reply = send("GET", &format!("{}/v2/{path}", registry.url()), &[], &[]).unwrap();
        assert_eq!((reply.status, reply.json()["errors"][0]["code"].as_str()), (404, Some(code)), "{path}");
    }
}

#[test]
fn a_range_of_a_blob_is_206_and_its_place_is_told() {
    let registry = FakeRegistry::start();
    let digest = registry.put_blob("app", "0123456789");
    let url = format!("{}/v2/app/blobs/{digest}", registry.url());
    let get = |range| send("GET", &url, &[("Range", range)], &[]).unwrap();
    let tail = get("bytes=7-");
    assert_eq!((tail.status, tail.text().as_str()), (206, "789"));
    assert_eq!(tail.header("content-range"), Some("bytes 7-9/10"));
    assert_eq!(get("bytes=2-4").text(), "234");
    assert_eq!(get("bytes=10-").status, 416);
    assert_eq!(get("lines=1-").status, 200);
}

#[test]
fn tags_come_in_pages_that_link_to_the_next() {
    let registry = FakeRegistry::with(Options { page_size: 2, ..Options::default() });
    let image = zoo::artifact("tags");
    for tag in ["3", "1", "5", "2", "4"] {
        image.push_to(&registry, "app", tag);
    }
    let (mut url, mut pages) = (Some("/v2/app/tags/list?n=1000".to_owned()), Vec::new());
    while let Some(path) = url {
        let reply = send("GET", &format!("{}{path}", registry.url()), &[], &[]).unwrap();
        pages.push(reply.json()["tags"].clone());
        let link = reply.header("link").map(|link| link.strip_suffix(">; rel=\"next\"").unwrap());
        url = link.map(|link| link.trim_start_matches('<').to_owned());
    }
    assert_eq!(pages, [json!(["1", "2"]), json!(["3", "4"]), json!(["5"])]);
    let after = send("GET", &format!("{}/v2/app/tags/list?last=4", registry.url()), &[], &[]).unwrap();
    assert_eq!(after.json(), json!({"name": "app", "tags": ["5"]}));
}

#[test]
fn the_request_log_is_the_same_text_in_each_run() {
    let registry = FakeRegistry::start();
    let image = zoo::artifact("log");
    image.push_to_url(&registry.url(), "app", "1");
    pull_manifest(&registry.url(), "app", "1");
    pull_manifest(&registry.url(), "app", image.digest());
    pull_manifest(&registry.url(), "app", "1");
    let names = image.names();
    let names: Vec<_> = names.iter().map(|(digest, name)| (digest.as_str(), name.as_str())).collect();
    insta::assert_snapshot!(registry.request_log(&names), @r"
    GET /v2/app/manifests/1 -> 200 (x2)
    GET /v2/app/manifests/[root] -> 200
    POST /v2/app/blobs/uploads/ -> 202 (x2)
    PUT /v2/app/blobs/uploads/[session]?_state=[state]&digest=[blob 1] -> 201
    PUT /v2/app/blobs/uploads/[session]?_state=[state]&digest=[blob 2] -> 201
    PUT /v2/app/manifests/1 -> 201
    ");
    assert_eq!(registry.count("POST", "/uploads/"), 2);
    assert_eq!(registry.count("*", "/manifests/1"), 3);
    let put = registry.requests().into_iter().find(|request| request.path.ends_with("/manifests/1")).unwrap();
    assert_eq!(put.body_length, image.root.bytes.len());
    assert_eq!(put.host, registry.host());
    registry.clear_log();
    assert_eq!(registry.request_log(&[]), "");
}

#[tokio::test]
async fn speaks_h2_as_well() {
    let registry = FakeRegistry::start();
    let image = zoo::single("h2");
    image.push_to(&registry, "app", "1");
    let client = TestCa::new().client().http2_prior_knowledge().build().unwrap();
    let url = format!("{}/v2/app/manifests/1", registry.url());
    let reply = client.get(url).header("accept", media_type::OCI_MANIFEST).send().await.unwrap();
    assert_eq!(reply.version(), reqwest::Version::HTTP_2);
    assert_eq!(reply.bytes().await.unwrap(), image.root.bytes);
    assert_eq!(registry.requests()[0].host, registry.host());
}
