//! Redirects: followed as far as they lead somewhere allowed, and never with anything to show.

use crate::support::cdn::BlobCdn;
use crate::support::registry::{Auth, FakeRegistry, Options};
use crate::support::server::{Answer, Fault, Match};
use crate::support::ward::{SPECIES, Setup, Species, TAG_PATH, UPLOADS, Ward};

fn redirect(status: u16, to: impl Into<String>) -> Fault {
    Fault::Redirect { status, to: to.into() }
}

#[test]
fn another_origin_is_sent_nothing_but_the_question() {
    for (species, status) in SPECIES.into_iter().zip([302, 307, 308]) {
        let ward = Ward::of(species);
        let cdn = BlobCdn::start();
        ward.source
            .fault(Match::new("GET", "/v2/faulty/blobs/"), redirect(status, cdn.serve_blobs_of(&ward.source.store)));
        ward.ends_well();
        ward.assert_told_nothing(&cdn);
        assert!(!cdn.requests().is_empty());
        for request in cdn.requests() {
            assert_eq!(request.header("referer"), None, "{}", request.line());
            let words = request.headers.iter().any(|(_, value)| value.contains(&ward.source.host()));
            assert!(!words, "it was told where we come from: {:?}", request.headers);
        }
    }
}

#[test]
fn a_manifest_may_come_from_elsewhere_too() {
    let ward = Ward::of(Species::Index);
    let (cdn, child) = (BlobCdn::start(), &ward.image.children[0]);
    let to = cdn.serve("/child", child.bytes.clone());
    ward.source.fault(Match::new("GET", &child.digest), redirect(307, to));
    ward.ends_well();
    ward.assert_told_nothing(&cdn);
}

#[test]
fn five_hops_are_followed_and_six_are_not() {
    for (hops, allowed) in [(5, true), (6, false)] {
        let ward = Ward::of(Species::Single);
        let chain: Vec<_> = (0..hops).map(|_| BlobCdn::start()).collect();
        for (cdn, next) in chain.iter().zip(&chain[1..]) {
            cdn.fault(Match::new("GET", "/blobs/"), redirect(307, format!("{}/blobs/{{digest}}", next.url())));
        }
        chain[hops - 1].serve_blobs_of(&ward.source.store);
        let first = format!("{}/blobs/{{digest}}", chain[0].url());
        ward.source.fault(Match::new("GET", &ward.layer_path()), redirect(307, first));
        if allowed {
            ward.ends_well();
        } else {
            ward.fails("E_REDIRECT");
            assert!(chain[hops - 1].requests().is_empty());
        }
        for cdn in &chain {
            ward.assert_told_nothing(cdn);
        }
    }
}

#[test]
fn redirects_that_lead_nowhere_end() {
    let nowhere = ["", "http://", "http://[::1", "ftp://127.0.0.1/", "file:///etc/passwd", "http://a b/"];
    let faults = nowhere.map(|location| redirect(307, location)).into_iter().chain([
        redirect(302, "{digest}"),
        Fault::Reply(Answer::status(307)),
        Fault::Reply(Answer::status(300).header("Location", "/v2/")),
    ]);
    for (n, fault) in faults.enumerate() {
        let ward = Ward::of(Species::Index);
        ward.source.fault(Match::new("GET", &ward.layer_path()), fault);
        let error = ward.is_refused("E_REDIRECT");
        assert_eq!(error["side"], "source", "{n}: {error:#}");
    }
}

#[test]
fn a_circle_is_left_after_few_requests() {
    let ward = Ward::of(Species::Single);
    ward.source.fault(Match::new("HEAD", TAG_PATH), redirect(307, TAG_PATH));
    let (output, _) = ward.plan();
    output.assert_status(1);
    let asked = ward.source.count("HEAD", TAG_PATH);
    assert!(asked <= 8, "{asked} requests");
    ward.fails("E_REDIRECT");
}

#[test]
fn metadata_services_are_not_asked_however_they_are_spelled() {
    let places = ["169.254.169.254", "[::ffff:169.254.169.254]", "2852039166", "0xa9fea9fe", "[fd00:ec2::254]"];
    for place in places {
        let ward = Ward::of(Species::Artifact);
        let to = format!("http://{place}/latest/meta-data/");
        ward.source.fault(Match::new("GET", &ward.layer_path()), redirect(307, to));
        ward.is_refused("E_BOUNDARY");
    }
}

#[test]
fn a_place_that_asks_for_a_credential_gets_none() {
    let ward = Ward::of(Species::Index);
    let other = FakeRegistry::with(Options { auth: Auth::basic("mirror", "CANARY-elsewhere"), ..Options::default() });
    let to = format!("{}{}", other.url(), ward.layer_path());
    ward.source.fault(Match::new("GET", &ward.layer_path()), redirect(307, to));
    let error = ward.fails("E_BOUNDARY");
    assert!(error["message"].as_str().unwrap().contains(&other.host()), "{error:#}");
    ward.assert_told_nothing(&other);
    assert!(other.requests().iter().all(|request| request.status == Some(401)));
}

#[test]
fn a_place_that_has_nothing_proves_no_absence() {
    let ward = Ward::of(Species::Index);
    let cdn = BlobCdn::start();
    ward.source.fault(Match::new("GET", &ward.layer_path()), redirect(307, format!("{}/gone", cdn.url())));
    let error = ward.fails("E_UNAVAILABLE");
    assert!(error["message"].as_str().unwrap().contains("proves nothing"), "{error:#}");
    ward.assert_told_nothing(&cdn);
}

#[test]
fn encryption_is_not_left() {
    let ward = Ward::begin(Setup::encrypted(Species::Single));
    let cdn = BlobCdn::start();
    ward.source.fault(Match::new("GET", &ward.layer_path()), redirect(307, cdn.serve_blobs_of(&ward.source.store)));
    ward.fails("E_BOUNDARY");
    assert!(cdn.requests().is_empty(), "{}", cdn.request_log(&[]));
}

#[test]
fn a_write_follows_within_its_origin() {
    for status in [307, 308] {
        let ward = Ward::of(Species::Index);
        ward.target.fault(Match::new("PUT", TAG_PATH).first(1), redirect(status, format!("{TAG_PATH}?moved")));
        ward.target.fault(Match::new("POST", UPLOADS).first(1), redirect(status, format!("{UPLOADS}?moved")));
        ward.ends_well();
    }
}

#[test]
fn a_write_does_not_become_something_else() {
    for status in [301, 302, 303] {
        let ward = Ward::of(Species::Index);
        ward.target.fault(Match::new("PUT", TAG_PATH), redirect(status, format!("{TAG_PATH}?moved")));
        assert_eq!(ward.is_refused("E_REDIRECT")["side"], "target");
    }
}

#[test]
fn a_write_does_not_leave_its_origin() {
    for (method, path) in [("PUT", TAG_PATH), ("POST", UPLOADS), ("PUT", UPLOADS)] {
        let ward = Ward::of(Species::Single);
        let thief = FakeRegistry::start();
        ward.target.fault(Match::new(method, path), redirect(307, format!("{}/v2/faulty/x", thief.url())));
        assert_eq!(ward.fails("E_BOUNDARY")["side"], "target");
        assert!(thief.requests().is_empty(), "{}", thief.request_log(&[]));
    }
}
