//! Bodies that are not what was asked for, or come in a form that nobody asked for.

use bytes::Bytes;

use crate::support::images::archive::gzip;
use crate::support::server::{Fault, Match};
use crate::support::ward::{SPECIES, Species, TAG, TAG_PATH, UPLOADS, Ward};

/// Fails for good, and meanwhile no upload of the damaged layer was completed.
#[track_caller]
fn fails_without_completing(ward: &Ward, code: &str) {
    let error = ward.fails_until(code, |ward| {
        let digest = ward.layer().digest.replace(':', "%3A");
        let completed = |path: &str, status| path.contains(&digest) && status == Some(201);
        let mut requests = ward.target.requests().into_iter().filter(|request| request.path.starts_with(UPLOADS));
        let wrong = requests.find(|request| completed(&request.target(), request.status));
        assert!(wrong.is_none(), "wrong bytes were completed: {}", wrong.unwrap().line());
        assert_eq!(ward.target.store.blob("faulty", &ward.layer().digest), None);
    });
    assert_eq!(error["side"], "source", "{error:#}");
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    for (species, at) in SPECIES.into_iter().zip([0, 200, usize::MAX]) {
        let ward = Ward::of(species);
        ward.source.fault(Match::new("GET", &ward.layer_path()), Fault::FlipBit { at });
        fails_without_completing(&ward, "E_DIGEST");
    }
}

#[test]
fn a_bit_that_was_flipped_once_is_read_again() {
    let ward = Ward::of(Species::Single);
    ward.source.fault(Match::new("GET", &ward.layer_path()).first(1), Fault::FlipBit { at: 100 });
    ward.ends_well();
}

#[test]
fn a_body_of_another_length_than_its_descriptor_is_not_completed() {
    for fault in [Fault::Truncate { to: 17 }, Fault::Append(Bytes::from_static(b"more"))] {
        let ward = Ward::of(Species::Artifact);
        ward.source.fault(Match::new("GET", &ward.layer_path()), fault.clone());
        fails_without_completing(&ward, "E_SIZE");
        // Without a length nothing is known before the bytes have come.
        let ward = Ward::of(Species::Single);
        ward.source.fault(Match::new("GET", &ward.layer_path()), fault);
        ward.source.fault(Match::new("GET", &ward.layer_path()), Fault::DropHeader("content-length"));
        fails_without_completing(&ward, "E_SIZE");
    }
}

#[test]
fn a_body_without_length_is_as_good_as_any() {
    for species in SPECIES {
        let ward = Ward::of(species);
        ward.source.fault(Match::new("GET", "/v2/faulty/"), Fault::DropHeader("content-length"));
        ward.ends_well();
    }
}

#[test]
fn chunks_without_sense_are_given_up_after_some_tries() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunk in ["zz\r\nnonsense\r\n0\r\n\r\n", "ffffffffffffffffff\r\nx\r\n", "5\r\nabc"] {
        let ward = Ward::of(Species::Single);
        ward.source.fault(Match::new("GET", &ward.layer_path()), Fault::raw(format!("{head}{chunk}")));
        let error = ward.fails("E_CONNECT");
        assert!(error["attempts"].as_u64().unwrap() > 1, "{error:#}");
    }
}

#[test]
fn chunks_that_once_made_no_sense_are_read_again() {
    let ward = Ward::of(Species::Index);
    let broken = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    ward.source.fault(Match::new("GET", &ward.layer_path()).first(1), Fault::raw(broken));
    ward.source.fault(Match::new("GET", &ward.image.children[0].digest).first(1), Fault::raw(broken));
    ward.ends_well();
}

#[test]
fn what_follows_an_answer_belongs_to_no_other() {
    let ward = Ward::of(Species::Single);
    let layer = ward.layer();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", layer.bytes.len());
    let smuggled = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nevil!";
    let bytes = [head.as_bytes(), &layer.bytes, smuggled.as_bytes()].concat();
    ward.source.fault(Match::new("GET", &ward.layer_path()), Fault::raw(bytes));
    ward.ends_well();
}

#[test]
fn an_answer_that_is_no_http_is_given_up() {
    let ward = Ward::of(Species::Single);
    ward.source.fault(Match::new("*", TAG_PATH), Fault::raw("220 mail.example ESMTP\r\n"));
    let error = ward.fails("E_CONNECT");
    assert_eq!(error["side"], "source", "{error:#}");
}

#[test]
fn bytes_count_and_not_what_a_header_calls_them() {
    for species in SPECIES {
        let ward = Ward::of(species);
        ward.source.fault(Match::new("*", "/v2/faulty/"), Fault::SetHeader("content-encoding", "gzip".into()));
        ward.ends_well();
        let accepted = |encoding: Option<&str>| matches!(encoding, None | Some("identity"));
        let asked = ward.source.requests().into_iter().find(|request| !accepted(request.header("accept-encoding")));
        assert!(asked.is_none(), "asked for another encoding: {asked:?}");
    }
}

#[test]
fn a_body_that_was_compressed_on_the_way_is_not_taken() {
    let ward = Ward::of(Species::Single);
    ward.source.fault(Match::new("GET", &ward.layer_path()), Fault::ReplaceBody(gzip(&ward.layer().bytes).into()));
    ward.source.fault(Match::new("GET", &ward.layer_path()), Fault::SetHeader("content-encoding", "gzip".into()));
    fails_without_completing(&ward, "E_SIZE");
    // Nor a manifest, where the tag alone is known and no header names a digest.
    let ward = Ward::of(Species::Index);
    let manifest = gzip(&ward.image.root.bytes);
    ward.source.fault(Match::new("*", TAG_PATH), Fault::DropHeader("docker-content-digest"));
    ward.source.fault(Match::new("GET", TAG_PATH), Fault::ReplaceBody(manifest.into()));
    ward.source.fault(Match::new("GET", TAG_PATH), Fault::SetHeader("content-encoding", "gzip".into()));
    ward.fails("E_MANIFEST");
}

#[test]
fn the_page_of_a_captive_portal_is_neither_blob_nor_manifest() {
    let ward = Ward::of(Species::Artifact);
    ward.source.fault(Match::new("GET", &ward.layer_path()), Fault::html());
    fails_without_completing(&ward, "E_SIZE");
    let ward = Ward::of(Species::Index);
    ward.source.fault(Match::new("GET", &ward.image.children[0].digest), Fault::html());
    ward.fails("E_DIGEST");
    let ward = Ward::of(Species::Single);
    ward.source.fault(Match::new("*", TAG_PATH), Fault::html());
    let error = ward.fails("E_MANIFEST");
    assert!(!error["message"].as_str().unwrap().contains("<html"), "{error:#}");
    assert_eq!(ward.target.store.tags("faulty"), [TAG]);
}
