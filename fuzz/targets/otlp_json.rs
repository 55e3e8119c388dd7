//! libFuzzer over the target `otlp_json` of `crates/fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::run("otlp_json", input));
