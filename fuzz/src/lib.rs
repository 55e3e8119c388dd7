//! What the programs in `targets/` share: they differ in the name of their target alone.

use std::sync::OnceLock;

/// Runs one input of the target that this program is named after.
pub fn run(name: &str, input: &[u8]) {
    static TARGET: OnceLock<&'static fuzzing::Target> = OnceLock::new();
    let target = TARGET.get_or_init(|| fuzzing::by_name(name).expect("a program is named after a target"));
    (target.run)(input);
}
