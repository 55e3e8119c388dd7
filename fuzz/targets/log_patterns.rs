//! libFuzzer over the target `log_patterns` of `crates/fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::run("log_patterns", input));
