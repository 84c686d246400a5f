//! See `regsync::fuzzing::reference`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| regsync::fuzzing::reference(data));
