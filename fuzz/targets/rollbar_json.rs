//! libFuzzer over the target `rollbar_json` of `crates/fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::run("rollbar_json", input));
