//! Building and testing select the same features, or DataFusion is compiled twice. See `crates/unify`.

use std::collections::BTreeSet;
use std::process::Command;

use tidy::{report, root};

#[test]
fn tests_ask_for_no_feature_that_a_build_does_not() {
    let built = features(&["--edges", "no-dev"]);
    let tested = features(&["--edges", "all"]);
    // A package that a build does not need at all may have any features.
    let offences: Vec<String> = built
        .iter()
        .filter(|package| !tested.contains(*package))
        .map(|package| {
            let name = package.split(" [").next().unwrap_or_default();
            let wanted: Vec<&String> = tested.iter().filter(|other| other.split(" [").next() == Some(name)).collect();
            format!("{package} when built, {wanted:?} when tested: ask for the same in crates/unify/Cargo.toml")
        })
        .collect();
    report("features", &offences);
}

/// Every package of the workspace's tree, as `name version [features]`.
fn features(edges: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--workspace", "--features", "cupola/embed-web", "--prefix", "none"])
        .args(["--format", "{p} [{f}]"])
        .args(edges)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // ` (*)` marks a package that was printed before.
    text.lines().filter(|line| line.contains(" v")).map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}
