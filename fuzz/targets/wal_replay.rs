//! libFuzzer over the target `wal_replay` of `crates/fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::run("wal_replay", input));
