//! Every dependency has its sentence, and one place where its version stands.

use tidy::{Manifest, report};

#[test]
fn each_workspace_dependency_says_why() {
    let mut offences = Vec::new();
    let mut in_dependencies = false;
    // A comment holds for the lines under it up to the next blank one.
    let mut has_reason = false;
    for line in Manifest::workspace_text().lines() {
        if line.starts_with('[') {
            in_dependencies = line == "[workspace.dependencies]";
        } else if line.trim().is_empty() {
            has_reason = false;
        } else if line.starts_with('#') {
            has_reason = true;
        } else if in_dependencies && !has_reason {
            let name = line.split('=').next().unwrap_or_default().trim();
            offences.push(format!("Cargo.toml: {name} needs a sentence above it that says why it is here"));
        }
    }
    report("reasons for dependencies", &offences);
}

#[test]
fn versions_stand_in_the_workspace_manifest() {
    let mut offences = Vec::new();
    for manifest in Manifest::all() {
        for edge in manifest.edges.iter().filter(|edge| !edge.from_workspace) {
            offences.push(format!("{}/Cargo.toml: write `{}.workspace = true`", manifest.folder, edge.to));
        }
    }
    report("versions", &offences);
}

#[test]
fn workspace_dependencies_are_used() {
    let used: Vec<String> = Manifest::all().into_iter().flat_map(|manifest| manifest.edges).map(|edge| edge.to).collect();
    let workspace: toml::Table = Manifest::workspace_text().parse().unwrap();
    let offered = workspace["workspace"]["dependencies"].as_table().unwrap();
    let offences: Vec<String> = offered
        .keys()
        .filter(|name| !used.contains(name))
        .map(|name| format!("Cargo.toml: {name} is used by no crate: remove it"))
        .collect();
    report("unused dependencies", &offences);
}
