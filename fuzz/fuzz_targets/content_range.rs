//! See `regsync::fuzzing::content_range`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| regsync::fuzzing::content_range(data));
