//! libFuzzer over the target `honeycomb_json` of `crates/fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::run("honeycomb_json", input));
