//! See `regsync::fuzzing::plan_file`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| regsync::fuzzing::plan_file(data));
