//! Writes each target's first inputs to `corpus/<target>/` and its words to `corpus/<target>.dict`, for libFuzzer.
//!
//! It is built as a target itself, because everything here is compiled to report to libFuzzer and links with nothing else.

#![no_main]

use std::fmt::Write;
use std::fs;
use std::path::Path;

libfuzzer_sys::fuzz_target!(init: write().expect("the folder of the corpus can be written"), |_data: &[u8]| {});

fn write() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in fuzzing::all() {
        let folder = corpus.join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in fuzzing::seeds(target.name).iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:04}")), seed)?;
        }
        let mut words = String::new();
        for word in fuzzing::dictionary(target.name) {
            let hex: String = word.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
            let _ = writeln!(words, "\"{hex}\"");
        }
        fs::write(corpus.join(format!("{}.dict", target.name)), words)?;
    }
    Ok(())
}
