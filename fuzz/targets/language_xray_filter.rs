//! libFuzzer over the target `language_xray_filter` of `crates/fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::run("language_xray_filter", input));
