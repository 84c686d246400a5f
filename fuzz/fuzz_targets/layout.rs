//! See `regsync::fuzzing::layout`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| regsync::fuzzing::layout(data));
