//! The oracles catch what they are for.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::support::canary::{assert_no_canary, canary, holds};
use crate::support::http::{send, send_as};
use crate::support::images::zoo;
use crate::support::registry::{FakeRegistry, Options};

fn panic_message(check: impl FnOnce()) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(check)).err()?;
    Some(panic.downcast::<String>().map_or_else(|_| "no text".to_owned(), |text| *text))
}

#[test]
fn an_incomplete_image_is_found_whatever_it_lacks() {
    for (name, image) in zoo::all("oracle") {
        for blob in &image.blobs {
            let registry = FakeRegistry::start();
            image.push_to(&registry, "app", name);
            registry.assert_closed();
            registry.store.delete_blob("app", &blob.digest);
            let message = panic_message(|| registry.assert_closed()).expect(name);
            assert!(message.contains(&format!("app:{name}: blob {} is missing", blob.digest)), "{message}");
        }
        for child in &image.children {
            let registry = FakeRegistry::start();
            image.push_to(&registry, "app", name);
            registry.store.delete_manifest("app", &child.digest);
            assert!(panic_message(|| registry.assert_closed()).expect(name).contains(&child.digest));
        }
    }
}

#[test]
fn wrong_bytes_and_dangling_tags_are_found() {
    let registry = FakeRegistry::start();
    let image = zoo::single("wrong");
    image.push_to(&registry, "app", "1");
    registry.store.put_blob_as("app", &image.blobs[0].digest, "something else");
    assert!(panic_message(|| registry.assert_closed()).unwrap().contains("not with the right content"));
    let registry = FakeRegistry::start();
    registry.store.tag("app", "1", image.digest());
    assert!(panic_message(|| registry.assert_closed()).unwrap().contains("is missing"));
}

#[test]
fn a_tag_that_was_incomplete_when_pushed_stays_a_violation() {
    let registry = FakeRegistry::with(Options { checks_references: false, ..Options::default() });
    let image = zoo::artifact("late");
    let url = format!("{}/v2/app/manifests/1", registry.url());
    let put = send("PUT", &url, &[("Content-Type", &image.root.media_type)], &image.root.bytes).unwrap();
    assert_eq!(put.status, 201);
    for blob in &image.blobs {
        registry.store.put_blob_as("app", &blob.digest, blob.bytes.clone());
    }
    assert!(panic_message(|| registry.assert_closed()).unwrap().contains("app:1 when pushed: "));
}

#[test]
fn a_write_and_a_credential_are_found() {
    let registry = FakeRegistry::start();
    send("GET", &format!("{}/v2/", registry.url()), &[], &[]).unwrap();
    registry.assert_read_only();
    registry.assert_no_authorization();
    send_as(Some("user:password"), "POST", &format!("{}/v2/app/blobs/uploads/", registry.url()), &[], &[]).unwrap();
    assert!(panic_message(|| registry.assert_read_only()).unwrap().contains("POST /v2/app/blobs/uploads/"));
    assert!(panic_message(|| registry.assert_no_authorization()).is_some());
}

#[test]
fn a_canary_is_seen_through_base64_at_every_alignment() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let secret = canary("target password");
    for user in ["", "a", "ab", "abc", "abcd"] {
        assert!(holds(&STANDARD.encode(format!("{user}:{secret}")), &secret));
        assert!(holds(&URL_SAFE_NO_PAD.encode(format!("{user}{secret}!")), &secret));
    }
    assert!(!holds(&STANDARD.encode("nothing to see"), &secret));
    assert!(panic_message(|| assert_no_canary("a log", &format!("x {secret} y"), &[])).is_some());
    assert_no_canary("a log", "sound", &[&secret]);
}
