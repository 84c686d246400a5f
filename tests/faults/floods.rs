//! More headers and frames than anybody needs: an end, and little memory until then.

use std::sync::Arc;

use crate::support::server::frames::{continuation, empty_data, ok_headers};
use crate::support::server::{Fault, Match, Spill};
use crate::support::ward::{Setup, Species, TAG_PATH, Ward};

/// The image fails, with whichever of these codes: what counts is that the run goes on in little memory.
#[track_caller]
fn fails_within_bounds(ward: &Ward, codes: [&str; 2]) {
    let peak = ward.peak_memory_of_apply(codes);
    assert!(peak < 64 << 10, "{peak} KiB of memory");
    ward.converges();
}

/// A gibibyte of headers.
fn header_bomb() -> Fault {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
    let tail = format!("X-Bomb: {}\r\n", "b".repeat(65_000));
    let make = move |_| Spill { head: head.into(), tail: tail.clone().into(), times: 1 << 14, goes_on: false };
    Fault::Raw(Arc::new(make))
}

#[test]
fn headers_without_end() {
    let ward = Ward::of(Species::Index);
    ward.source.fault(Match::new("*", TAG_PATH), header_bomb());
    fails_within_bounds(&ward, ["E_CONNECT", "E_PROTOCOL"]);
}

#[test]
fn continuations_without_end() {
    let ward = Ward::begin(Setup::encrypted(Species::Index));
    let make = |stream| Spill {
        head: ok_headers(stream, false).into(),
        tail: continuation(stream).into(),
        times: 1 << 14,
        goes_on: false,
    };
    ward.source.fault(Match::new("*", TAG_PATH), Fault::RawAtOnce(Arc::new(make)));
    fails_within_bounds(&ward, ["E_CONNECT", "E_PROTOCOL"]);
}

#[test]
fn empty_frames_without_end() {
    let ward = Ward::begin(Setup::encrypted(Species::Index));
    let make = |stream| Spill {
        head: ok_headers(stream, true).into(),
        tail: empty_data(stream).repeat(1000).into(),
        times: 1 << 12,
        goes_on: false,
    };
    ward.source.fault(Match::new("GET", &ward.layer_path()), Fault::RawAtOnce(Arc::new(make)));
    fails_within_bounds(&ward, ["E_CONNECT", "E_PROTOCOL"]);
}
