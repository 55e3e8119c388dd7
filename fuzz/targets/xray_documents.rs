//! libFuzzer over the target `xray_documents` of `crates/fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::run("xray_documents", input));
