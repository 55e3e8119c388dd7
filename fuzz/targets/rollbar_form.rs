//! libFuzzer over the target `rollbar_form` of `crates/fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::run("rollbar_form", input));
