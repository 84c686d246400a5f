//! Streams of h2 that are refused, reset or come too late.

use crate::support::server::frames::{INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM, go_away, reset_stream};
use crate::support::server::{Fault, Match, Spill};
use crate::support::ward::{SPECIES, Setup, Species, TAG_PATH, UPLOADS, Ward};

/// Six images; the hosts of the faulty one speak h2.
fn encrypted(species: Species) -> Ward {
    Ward::begin(Setup::encrypted(species))
}

#[track_caller]
fn ends_well_over_h2(ward: &Ward) {
    ward.ends_well();
    assert!(ward.requests().iter().all(|request| !request.http1), "this was to be about h2");
}

/// GOAWAY whose last stream is the one before ours; then the connection ends.
fn leave_before_ours() -> Fault {
    let make = |stream: u32| Spill { head: go_away(stream.saturating_sub(2), NO_ERROR).into(), ..Spill::default() };
    Fault::RawAtOnce(std::sync::Arc::new(make))
}

#[test]
fn a_request_after_the_last_stream_is_made_again_whatever_it_is() {
    for species in SPECIES {
        let ward = encrypted(species);
        ward.source.fault(Match::new("GET", &ward.layer_path()).first(1), leave_before_ours());
        ward.target.fault(Match::new("POST", UPLOADS).first(1), leave_before_ours());
        ward.target.fault(Match::new("PUT", TAG_PATH).first(1), leave_before_ours());
        ends_well_over_h2(&ward);
    }
}

#[test]
fn an_upload_after_the_last_stream_begins_again() {
    let ward = encrypted(Species::Single);
    ward.target.fault(Match::new("PUT", UPLOADS).first(1), leave_before_ours());
    ends_well_over_h2(&ward);
}

#[test]
fn a_refused_stream_is_opened_again() {
    for (method, path) in [("GET", "/blobs/"), ("GET", "/manifests/"), ("HEAD", TAG_PATH)] {
        let ward = encrypted(Species::Index);
        let refused = || Fault::frames(|stream| reset_stream(stream, REFUSED_STREAM));
        ward.source.fault(Match::new(method, path).first(1), refused());
        ends_well_over_h2(&ward);
    }
}

#[test]
fn an_upload_whose_stream_is_reset_begins_again() {
    for error in [REFUSED_STREAM, INTERNAL_ERROR] {
        for (method, path) in [("POST", UPLOADS), ("PUT", UPLOADS), ("PUT", TAG_PATH)] {
            let ward = encrypted(Species::Single);
            let reset = Fault::frames(move |stream| reset_stream(stream, error));
            ward.target.fault(Match::new(method, path).first(1), reset);
            ends_well_over_h2(&ward);
        }
    }
}

#[test]
fn a_stream_that_is_always_reset_is_given_up() {
    let ward = encrypted(Species::Index);
    let reset = Fault::frames(|stream| reset_stream(stream, INTERNAL_ERROR));
    ward.source.fault(Match::new("GET", &ward.layer_path()), reset);
    let error = ward.fails("E_CONNECT");
    assert_eq!(error["side"], "source", "{error:#}");
}
