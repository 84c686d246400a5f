//! Connections that are refused, break, or are too few.

use std::path::Path;

use crate::support::registry::Options;
use crate::support::server::{Close, Fault, Match, Room, refusing_host};
use crate::support::stage::Pair;
use crate::support::ward::{FAULTY, SPECIES, Setup, Species, TAG_PATH, Ward, step};

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
fn a_reset_of_the_realm_is_tried_again() {
    let ward = Ward::of(Species::Single);
    ward.tokens.fault(Match::new("GET", "/token").first(1), Fault::Reset);
    ward.ends_well();
}

/// Plans and applies, sees the faulty image fail, puts things right and sees it arrive.
#[track_caller]
fn fails_to_be_reached(mut ward: Ward, host: &str, words: &str) {
    let home = ward.source.host();
    ward.reach_source_at(host);
    let (output, document) = ward.plan();
    output.assert_status(1);
    assert_eq!(step(&document, FAULTY)["reason"], "source-unreadable");
    let (output, document) = ward.apply();
    output.assert_status(3);
    let error = &step(&document, FAULTY)["error"];
    assert_eq!((error["code"].as_str(), error["side"].as_str()), (Some("E_CONNECT"), Some("source")), "{error:#}");
    assert!(error["message"].as_str().unwrap().contains(words), "{error:#}");
    assert!(error["hint"].as_str().unwrap().contains("check the name of the host"), "{error:#}");
    ward.assert_tag_is_as_before();
    ward.reach_source_at(&home);
    ward.converges();
}

#[test]
fn a_host_that_refuses_connections_fails_its_own_image() {
    let host = refusing_host();
    fails_to_be_reached(Ward::apart(Species::Index), &host, &format!("cannot connect to {host}"));
}

#[test]
fn a_host_whose_name_is_unknown_fails_its_own_image() {
    // RFC 6761, 6.4: no resolver knows such a name.
    let host = "registry.invalid";
    fails_to_be_reached(Ward::apart(Species::Single), host, "cannot connect to registry.invalid");
}

#[test]
fn a_connection_that_always_breaks_is_given_up() {
    let ward = Ward::of(Species::Single);
    ward.source.fault(Match::new("GET", &ward.layer_path()), Fault::CutBody { after: 10, close: Close::Fin });
    let error = ward.fails("E_CONNECT");
    assert_eq!(error["side"], "source", "{error:#}");
    assert!(error["attempts"].as_u64().unwrap() > 1, "{error:#}");
}

#[test]
fn a_registry_with_room_for_two_connections_is_served_by_two() {
    let narrow = || Options { room: Room { connections: Some(2), streams: None }, ..Options::default() };
    let setup = Setup { source: narrow(), target: narrow(), settings: "concurrency: 1", ..Setup::of(Species::Index) };
    Ward::begin(setup).ends_well();
}

#[test]
fn a_registry_that_resets_what_is_one_connection_too_many_is_tried_again() {
    let narrow = || Options { room: Room { connections: Some(6), streams: None }, ..Options::default() };
    Ward::begin(Setup { source: narrow(), target: narrow(), ..Setup::of(Species::Index) }).ends_well();
}

#[test]
fn a_registry_with_one_stream_at_a_time_makes_the_others_wait() {
    let narrow = || Options { room: Room { connections: None, streams: Some(1) }, ..Options::default() };
    let ward = Ward::begin(Setup { source: narrow(), target: narrow(), ..Setup::encrypted(Species::Index) });
    ward.ends_well();
    assert!(ward.source.requests().iter().all(|request| !request.http1), "this was to be about h2");
}

#[cfg(unix)]
#[test]
fn few_file_descriptors_are_enough_for_many_images() {
    let pair = Pair::start();
    let tags: Vec<_> = (0..120).map(|n| format!("t{n}")).collect();
    for tag in &tags {
        crate::support::images::zoo::single(tag).push_to(&pair.source, "app", tag);
    }
    let regsync = pair.regsync(&[pair.mirror("app", &["*"])]);
    let script = format!(
        "ulimit -n 64; exec {:?} apply --concurrency 64 --report json=result.json",
        env!("CARGO_BIN_EXE_regsync")
    );
    let output = regsync.spawn_program(Path::new("/bin/sh"), &["-c", &script]).wait();
    output.assert_status(0);
    assert_eq!(pair.target.store.tags("app").len(), tags.len());
    pair.target.assert_closed();
}
