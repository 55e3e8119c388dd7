//! libFuzzer over the target `otlp_protobuf` of `crates/fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::run("otlp_protobuf", input));
