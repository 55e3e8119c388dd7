//! libFuzzer over the target `cloudwatch_wire` of `crates/fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::run("cloudwatch_wire", input));
