//! libFuzzer over the target `body` of `crates/fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::run("body", input));
