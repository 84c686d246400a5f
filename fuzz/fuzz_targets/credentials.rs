//! See `regsync::fuzzing::credentials`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| regsync::fuzzing::credentials(data));
