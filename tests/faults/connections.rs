//! Connections that are refused, break or never come about.

use crate::support::server::{Close, Fault, Match, refusing_host};
use crate::support::ward::{SPECIES, Species, TAG_PATH, Ward};

#[test]
fn a_reset_before_the_headers_is_tried_again() {
    for species in SPECIES {
        let ward = Ward::of(species);
        ward.source.fault(Match::new("GET", &ward.layer_path()).first(1), Fault::Reset);
        ward.source.fault(Match::new("HEAD", TAG_PATH).first(1), Fault::Reset);
        ward.ends_well();
    }
}

#[test]
fn a_host_that_refuses_connections_fails_its_own_image() {
    let mut ward = Ward::apart(Species::Index);
    let home = ward.source.host();
    ward.reach_source_at(&refusing_host());
    let (output, _) = ward.apply();
    output.assert_status(3);
    ward.assert_tag_is_as_before();
    ward.reach_source_at(&home);
    ward.converges();
}

#[test]
fn a_connection_that_always_breaks_is_given_up() {
    let ward = Ward::of(Species::Single);
    ward.source.fault(Match::new("GET", &ward.layer_path()), Fault::CutBody { after: 10, close: Close::Fin });
    let error = ward.fails("E_CONNECT");
    assert_eq!(error["side"], "source", "{error:#}");
}
