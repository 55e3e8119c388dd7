//! libFuzzer over the target `language_ppl` of `crates/fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::run("language_ppl", input));
