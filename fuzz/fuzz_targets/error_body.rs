//! See `regsync::fuzzing::error_body`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| regsync::fuzzing::error_body(data));
