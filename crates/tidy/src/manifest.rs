//! What a crate's `Cargo.toml` says it depends on.

use std::fs;

/// Which table of the manifest an edge stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// `dependencies` and `build-dependencies`: what ends up in, or makes, the program.
    Normal,
    /// `dev-dependencies`: tests only.
    Dev,
}

/// One dependency of a crate.
#[derive(Clone, Debug)]
pub struct Edge {
    pub to: String,
    pub section: Section,
    /// Whether the version is taken from the workspace.
    pub from_workspace: bool,
}

/// A crate of the workspace.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// From the root of the project.
    pub folder: String,
    pub name: String,
    pub edges: Vec<Edge>,
}

impl Manifest {
    /// Every crate of the workspace, sorted by name.
    pub fn all() -> Vec<Manifest> {
        let mut manifests: Vec<Manifest> = crate::files(&["Cargo.toml"])
            .iter()
            .filter_map(|file| Some((file.path.strip_suffix("/Cargo.toml")?.to_owned(), &file.text)))
            .filter_map(|(folder, text)| Manifest::parse(folder, text))
            .collect();
        manifests.sort_by(|left, right| left.name.cmp(&right.name));
        manifests
    }

    /// The manifest of the workspace itself.
    pub fn workspace_text() -> String {
        fs::read_to_string(crate::root().join("Cargo.toml")).unwrap_or_default()
    }

    fn parse(folder: String, text: &str) -> Option<Manifest> {
        let table: toml::Table = text.parse().ok()?;
        // A folder with a workspace of its own, such as `fuzz/`, is built by its own rules.
        if table.contains_key("workspace") {
            return None;
        }
        let name = table.get("package")?.get("name")?.as_str()?.to_owned();
        let mut edges = Vec::new();
        for (key, section) in
            [("dependencies", Section::Normal), ("build-dependencies", Section::Normal), ("dev-dependencies", Section::Dev)]
        {
            let Some(dependencies) = table.get(key).and_then(toml::Value::as_table) else { continue };
            for (to, value) in dependencies {
                let from_workspace = value.get("workspace").and_then(toml::Value::as_bool).unwrap_or(false);
                edges.push(Edge { to: to.clone(), section, from_workspace });
            }
        }
        Some(Manifest { folder, name, edges })
    }
}
