//! See `regsync::fuzzing::docker_config`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| regsync::fuzzing::docker_config(data));
