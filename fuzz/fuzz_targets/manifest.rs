//! See `regsync::fuzzing::manifest`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| regsync::fuzzing::manifest(data));
