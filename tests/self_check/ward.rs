//! The ward sees what it is for, and its faults do what they say.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::support::canary::canary;
use crate::support::http::send;
use crate::support::images::{Image, upload_url, zoo};
use crate::support::registry::{FakeRegistry, Options};
use crate::support::server::{Fault, Match, Room};
use crate::support::tripwire;
use crate::support::ward::oracle::{assert_secrets_stay, assert_silent, assert_written_in_order};
use crate::support::ward::{Species, TAG_PATH, Ward};

fn panics(check: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(check)).is_err()
}

/// A registry that takes everything in any order.
fn careless() -> FakeRegistry {
    FakeRegistry::with(Options { checks_references: false, ..Options::default() })
}

fn put_manifest(registry: &FakeRegistry, image: &Image, reference: &str) {
    let url = format!("{}/v2/app/manifests/{reference}", registry.url());
    let reply = send("PUT", &url, &[("Content-Type", &image.root.media_type)], &image.root.bytes).unwrap();
    assert_eq!(reply.status, 201);
}

fn put_blobs(registry: &FakeRegistry, image: &Image) {
    for blob in &image.blobs {
        let opened = send("POST", &format!("{}/v2/app/blobs/uploads/", registry.url()), &[], &[]).unwrap();
        let url = upload_url(&registry.url(), &opened, &blob.digest);
        assert_eq!(send("PUT", &url, &[], &blob.bytes).unwrap().status, 201);
    }
}

#[test]
fn the_order_of_writes_is_seen() {
    let image = zoo::artifact("order");
    let sound = careless();
    put_blobs(&sound, &image);
    put_manifest(&sound, &image, "1");
    assert_written_in_order(&sound);
    let manifest_first = careless();
    put_manifest(&manifest_first, &image, image.digest());
    put_blobs(&manifest_first, &image);
    assert!(panics(|| assert_written_in_order(&manifest_first)));
    let tag_first = careless();
    put_blobs(&tag_first, &image);
    put_manifest(&tag_first, &image, "1");
    put_manifest(&tag_first, &zoo::artifact("late"), zoo::artifact("late").digest());
    assert!(panics(|| assert_written_in_order(&tag_first)));
}

#[test]
fn a_secret_on_the_wrong_host_is_seen_wherever_it_is() {
    let (own, foreign) = (canary("own"), canary("foreign"));
    let secrets = [own.clone(), foreign.clone()];
    let asks = |target: String, value: String, body: String| {
        let registry = FakeRegistry::start();
        // For the other wire, which is not what is looked at here.
        for secret in &secrets {
            tripwire::belongs(secret, &registry.host());
        }
        let url = format!("{}/v2/{target}", registry.url());
        send("POST", &url, &[("X-Note", &value)], body.as_bytes()).unwrap();
        panics(|| assert_secrets_stay(&registry, std::slice::from_ref(&own), &secrets))
    };
    let nothing = String::new;
    assert!(!asks(nothing(), own.clone(), own.clone()));
    assert!(asks(nothing(), foreign.clone(), nothing()));
    assert!(asks(nothing(), nothing(), format!("password={foreign}")));
    assert!(asks(format!("?token={foreign}"), nothing(), nothing()));
    assert!(asks(format!("?token={own}"), nothing(), nothing()));
    assert!(panics(|| assert_silent("here", &format!("<{own}>"), &secrets)));
}

#[test]
#[should_panic(expected = "not every fault struck")]
fn a_fault_that_never_strikes_is_seen() {
    let ward = Ward::of(Species::Single);
    ward.source.fault(Match::new("DELETE", TAG_PATH), Fault::status(500));
    ward.ends_well();
}

#[test]
#[should_panic(expected = "instead of")]
fn a_fault_that_shows_is_seen() {
    let ward = Ward::of(Species::Single);
    ward.source.fault(Match::new("GET", &ward.layer_path()), Fault::status(403));
    ward.ends_as("stale", "E_DENIED", |_| ());
}

#[test]
fn raw_bytes_go_out_as_they_are() {
    let registry = FakeRegistry::start();
    registry.fault(
        Match::new("GET", "/v2/").nth(2),
        Fault::raw("HTTP/1.1 418 Teapot\r\nContent-Length: 2\r\n\r\nhi and more"),
    );
    let get = || send("GET", &format!("{}/v2/", registry.url()), &[], &[]).unwrap();
    assert_eq!(get().status, 200);
    assert_eq!((get().status, registry.strikes()), (418, vec![1]));
    registry.rewind_faults();
    assert_eq!((get().status, registry.strikes()), (200, vec![0]));
    assert_eq!((get().status, registry.strikes()), (418, vec![1]));
}

#[test]
fn a_server_without_room_resets_connections() {
    let room = Room { connections: Some(0), streams: None };
    let registry = FakeRegistry::with(Options { room, ..Options::default() });
    assert!(send("GET", &format!("{}/v2/", registry.url()), &[], &[]).is_err());
    assert!(registry.requests().is_empty());
}
