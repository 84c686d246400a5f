//! Frames of h2, written by hand (RFC 9113, section 6), for what a sound server never sends.

/// No error at all.
pub const NO_ERROR: u32 = 0;
/// The fault is the server's.
pub const INTERNAL_ERROR: u32 = 2;
/// The stream was not looked at.
pub const REFUSED_STREAM: u32 = 7;

/// DATA without content that does not end its stream.
pub fn empty_data(stream: u32) -> Vec<u8> {
    frame(0, 0, stream, &[])
}

/// HEADERS with `:status: 200` alone: entry 8 of the static table of HPACK. `complete`: no CONTINUATION follows.
pub fn ok_headers(stream: u32, complete: bool) -> Vec<u8> {
    frame(1, if complete { 4 } else { 0 }, stream, &[0x88])
}

/// CONTINUATION that does not end the headers: one more header, of 16 KiB.
pub fn continuation(stream: u32) -> Vec<u8> {
    // A literal without indexing, its name of one byte, its value of 16000 in HPACK's integers (RFC 7541, 5.1).
    let mut payload = vec![0, 1, b'x', 0x7f, 0x81, 0x7c];
    payload.resize(payload.len() + 16_000, b'v');
    frame(9, 0, stream, &payload)
}

/// `RST_STREAM`.
pub fn reset_stream(stream: u32, error: u32) -> Vec<u8> {
    frame(3, 0, stream, &error.to_be_bytes())
}

/// GOAWAY: streams up to `last` were or will be looked at.
pub fn go_away(last: u32, error: u32) -> Vec<u8> {
    frame(7, 0, 0, &[last.to_be_bytes(), error.to_be_bytes()].concat())
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}
