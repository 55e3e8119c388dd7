//! Writes each target's first inputs to `corpus/<target>/` and its words to `corpus/<target>.dict`, for libFuzzer.

use std::fmt::Write;
use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
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
