//! See `regsync::fuzzing::link`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| regsync::fuzzing::link(data));
