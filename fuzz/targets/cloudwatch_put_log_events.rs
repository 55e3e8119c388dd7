//! libFuzzer over the target `cloudwatch_put_log_events` of `crates/fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::run("cloudwatch_put_log_events", input));
