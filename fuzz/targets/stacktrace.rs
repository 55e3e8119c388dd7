//! libFuzzer over the target `stacktrace` of `crates/fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::run("stacktrace", input));
