//! Each scripted fault does what it says, to the requests it is for and to no other.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::support::cdn::BlobCdn;
use crate::support::http::{Reply, send};
use crate::support::images::{upload_url, zoo};
use crate::support::registry::FakeRegistry;
use crate::support::server::{Answer, Close, Counter, Fault, Gate, Match, refusing_host};
use crate::support::tls::TestCa;

const CONTENT: &[u8] = b"0123456789";

/// A registry with one blob, and the URL of the blob.
fn with_blob() -> (FakeRegistry, String) {
    let registry = FakeRegistry::start();
    let digest = registry.put_blob("app", CONTENT);
    let url = format!("{}/v2/app/blobs/{digest}", registry.url());
    (registry, url)
}

fn get(url: &str) -> std::io::Result<Reply> {
    send("GET", url, &[], &[])
}

#[track_caller]
fn faulty(fault: Fault) -> std::io::Result<Reply> {
    let (registry, url) = with_blob();
    registry.fault(Match::new("GET", "/blobs/").nth(2), fault);
    assert_eq!(get(&url).unwrap().body, CONTENT);
    let result = get(&url);
    assert_eq!(get(&url).unwrap().body, CONTENT);
    result
}

#[test]
fn replies_and_headers() {
    assert_eq!(faulty(Fault::status(503)).unwrap().status, 503);
    assert_eq!(faulty(Fault::too_many_requests("3")).unwrap().header("retry-after"), Some("3"));
    let page = faulty(Fault::html()).unwrap();
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let digest = "Docker-Content-Digest";
    assert_eq!(faulty(Fault::DropHeader(digest)).unwrap().header(digest), None);
    assert!(faulty(Fault::lying_digest()).unwrap().header(digest).unwrap().contains("0badc0de"));
    let chunked = faulty(Fault::DropHeader("Content-Length")).unwrap();
    assert_eq!((chunked.header("transfer-encoding"), &chunked.body[..]), (Some("chunked"), CONTENT));
    let answer = faulty(Fault::DoneBut(Answer::status(500))).unwrap();
    assert_eq!((answer.status, answer.body.len()), (500, 0));
}

#[test]
fn bodies() {
    assert_eq!(faulty(Fault::FlipBit { at: 3 }).unwrap().text(), "0122456789");
    assert_eq!(faulty(Fault::FlipBit { at: 99 }).unwrap().text(), "0123456788");
    let short = faulty(Fault::Truncate { to: 4 }).unwrap();
    assert_eq!((short.text().as_str(), short.header("content-length")), ("0123", Some("4")));
    assert_eq!(faulty(Fault::Append(Bytes::from("x"))).unwrap().text(), "0123456789x");
    assert_eq!(faulty(Fault::ReplaceBody(Bytes::from("other"))).unwrap().text(), "other");
    let started = Instant::now();
    let drip = Fault::Drip { piece: 2, pause: Duration::from_millis(10) };
    assert_eq!(faulty(drip).unwrap().body, CONTENT);
    assert!(started.elapsed() >= Duration::from_millis(50));
}

#[test]
fn broken_connections() {
    let reset = faulty(Fault::Reset).unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    assert_eq!(faulty(Fault::DoneButReset).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let cut = |after, close| faulty(Fault::CutBody { after, close }).unwrap_err().kind();
    assert_eq!(cut(0, Close::Fin), ErrorKind::UnexpectedEof);
    assert_eq!(cut(9, Close::Fin), ErrorKind::UnexpectedEof);
    assert_eq!(cut(5, Close::Reset), ErrorKind::ConnectionReset);
    assert_eq!(get(&format!("http://{}/", refusing_host())).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn the_bytes_before_a_cut_arrive() {
    let client = TestCa::new().client().build().unwrap();
    for close in [Close::Fin, Close::Reset] {
        let (registry, url) = with_blob();
        registry.fault(Match::new("GET", "/blobs/"), Fault::CutBody { after: 6, close });
        let mut reply = client.get(&url).send().await.unwrap();
        assert_eq!(reply.content_length(), Some(10));
        assert_eq!(reply.chunk().await.unwrap().unwrap(), &CONTENT[..6]);
        assert!(reply.chunk().await.is_err());
    }
}

#[test]
fn a_stopped_server_refuses_connections() {
    let (registry, url) = with_blob();
    registry.stop();
    assert_eq!(get(&url).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn work_is_done_or_not_as_the_fault_says() {
    let registry = FakeRegistry::start();
    let image = zoo::artifact("done");
    image.push_to(&registry, "app", "1");
    let put = |tag: &str| {
        let url = format!("{}/v2/app/manifests/{tag}", registry.url());
        send("PUT", &url, &[("Content-Type", &image.root.media_type)], &image.root.bytes)
    };
    registry.fault(Match::new("PUT", "/manifests/a"), Fault::DoneBut(Answer::status(500)));
    registry.fault(Match::new("PUT", "/manifests/b"), Fault::status(500));
    registry.fault(Match::new("PUT", "/manifests/c"), Fault::DoneButReset);
    registry.fault(Match::new("PUT", "/manifests/d"), Fault::Reset);
    assert_eq!((put("a").unwrap().status, put("b").unwrap().status), (500, 500));
    assert!(put("c").is_err() && put("d").is_err());
    assert_eq!(registry.store.tags("app"), ["1", "a", "c"]);
}

#[test]
fn an_upload_broken_by_the_server_keeps_what_came() {
    let registry = FakeRegistry::start();
    registry.fault(Match::new("PATCH", ""), Fault::ResetUpload { after: 4 });
    let opened = send("POST", &format!("{}/v2/app/blobs/uploads/", registry.url()), &[], &[]).unwrap();
    let session = format!("{}{}", registry.url(), opened.header("location").unwrap());
    assert!(send("PATCH", &session, &[("Content-Range", "0-9")], CONTENT).is_err());
    assert_eq!(send("GET", &session, &[], &[]).unwrap().header("range"), Some("0-3"));
    registry.fault(Match::new("PUT", ""), Fault::ResetUpload { after: 1 });
    let digest = crate::support::digest::sha256(CONTENT);
    assert!(send("PUT", &upload_url(&registry.url(), &opened, &digest), &[], &CONTENT[4..]).is_err());
    assert!(!registry.has_blob("app", &digest));
}

#[test]
fn a_redirect_leads_to_a_host_that_takes_no_credentials() {
    let (registry, url) = with_blob();
    let cdn = BlobCdn::start();
    let to = cdn.serve_blobs_of(&registry.store);
    registry.fault(Match::new("GET", "/blobs/"), Fault::Redirect { status: 307, to });
    let redirect = get(&url).unwrap();
    let target = redirect.header("location").unwrap();
    assert_eq!(redirect.status, 307);
    assert_eq!(get(target).unwrap().body, CONTENT);
    cdn.assert_no_authorization();
    assert_eq!(send("GET", target, &[("Authorization", "Basic eA==")], &[]).unwrap().status, 400);
    assert!(catch_unwind(AssertUnwindSafe(|| cdn.assert_no_authorization())).is_err());
    let layer = cdn.serve("/layer.tar", "bytes");
    assert_eq!(get(&layer).unwrap().text(), "bytes");
}

#[test]
fn the_nth_the_first_and_those_from_the_nth_on() {
    let (registry, url) = with_blob();
    let statuses = || [(); 4].map(|()| get(&url).unwrap().status);
    registry.fault(Match::new("GET", "/blobs/").first(2), Fault::status(500));
    assert_eq!(statuses(), [500, 500, 200, 200]);
    registry.clear_faults();
    registry.fault(Match::new("*", "/blobs/").from(3), Fault::status(500));
    assert_eq!(statuses(), [200, 200, 500, 500]);
    registry.clear_faults();
    registry.fault(Match::new("PUT", "/blobs/"), Fault::status(500));
    assert_eq!(statuses(), [200; 4]);
}

#[test]
fn a_hook_changes_state_just_before_the_answer() {
    let registry = FakeRegistry::start();
    let (old, new) = (zoo::artifact("old"), zoo::artifact("new"));
    new.push_to(&registry, "app", "new");
    old.push_to(&registry, "app", "1");
    let moved_to = new.digest().to_owned();
    registry.before_with_store(Match::new("HEAD", "/manifests/1").nth(2), move |store| {
        store.tag("app", "1", &moved_to);
    });
    let digest = || {
        let url = format!("{}/v2/app/manifests/1", registry.url());
        let reply = send("HEAD", &url, &[("Accept", "application/vnd.oci.image.manifest.v1+json")], &[]).unwrap();
        reply.header("docker-content-digest").unwrap().to_owned()
    };
    assert_eq!([digest(), digest()], [old.digest(), new.digest()]);
}

#[test]
fn a_gate_holds_requests_until_it_opens() {
    let (registry, url) = with_blob();
    let gate = Gate::new();
    registry.fault(Match::new("GET", "/blobs/"), Fault::Hold(gate.clone()));
    let held = [0; 3].map(|_| {
        let url = url.clone();
        thread::spawn(move || get(&url).unwrap().body)
    });
    gate.wait_for(3);
    assert!(registry.requests().iter().all(|request| request.status.is_none()));
    gate.open();
    for thread in held {
        assert_eq!(thread.join().unwrap(), CONTENT);
    }
}

#[test]
fn an_answer_is_held_after_the_work_is_done() {
    let (registry, url) = with_blob();
    let gate = Gate::new();
    registry.fault(Match::new("DELETE", "/blobs/"), Fault::HoldAnswer(gate.clone()));
    let asking = thread::spawn(move || send("DELETE", &url, &[], &[]));
    gate.wait_for(1);
    assert!(registry.store.blobs("app").is_empty() && !asking.is_finished());
    gate.open();
    assert_eq!(asking.join().unwrap().unwrap().status, 202);
    assert_eq!(gate.reached(), 1);
}

#[test]
fn a_counter_counts_over_servers() {
    let (one, other) = (FakeRegistry::start(), FakeRegistry::start());
    let counter = Counter::default();
    for registry in [&one, &other] {
        registry.fault(Match::any().counted_by(&counter).nth(2), Fault::status(418));
    }
    let status = |registry: &FakeRegistry| get(&format!("{}/v2/", registry.url())).unwrap().status;
    assert_eq!([status(&one), status(&other), status(&one)], [200, 418, 200]);
}
