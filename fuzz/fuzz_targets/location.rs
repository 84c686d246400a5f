//! See `regsync::fuzzing::location`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| regsync::fuzzing::location(data));
