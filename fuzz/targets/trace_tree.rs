//! libFuzzer over the target `trace_tree` of `crates/fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::run("trace_tree", input));
