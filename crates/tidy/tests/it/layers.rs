//! Who may import whom. ARCHITECTURE.md draws it; this keeps it true.

use tidy::{Manifest, Section, report};

/// Our crates from the bottom up, and what each may be built from. A test may also use anything further down.
///
/// `model` is the common vocabulary: everybody may speak it.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("metastore", &["model"]),
    ("receivers", &["model"]),
    ("analysis", &["model"]),
    ("languages", &["model"]),
    ("store", &["model", "metastore", "analysis"]),
    ("engine", &["model", "analysis", "store", "languages"]),
    ("server", &["model", "metastore", "receivers", "analysis", "languages", "store", "engine"]),
    ("demo", &[]),
    ("cupola", &["model", "metastore", "receivers", "analysis", "languages", "store", "engine", "server", "demo"]),
    ("fuzzing", &["model", "receivers", "analysis", "languages", "store"]),
    ("bench", &["model", "metastore", "store"]),
    ("tidy", &[]),
    ("unify", &[]),
];

/// Crates of others that belong to one part of the house, and who may use them outside of tests.
const HOMES: &[(&str, &[&str], &str)] = &[
    ("datafusion", &["engine"], "only the engine executes"),
    ("datafusion-common", &["languages", "engine"], "the outgoing waist is the logical plan"),
    ("datafusion-expr", &["languages", "engine"], "the outgoing waist is the logical plan"),
    ("sqlparser", &["languages", "engine"], "text becomes a plan in languages"),
    ("arrow", &["store", "engine", "server"], "columns belong to store and engine; the server only encodes answers"),
    ("parquet", &["store", "engine"], "files belong to the store, scans to the engine"),
    ("object_store", &["store", "engine"], "files belong to the store, scans to the engine"),
    ("sqlx", &["metastore"], "relational state has one owner"),
    ("axum", &["server", "demo"], "sockets belong to the server"),
    ("tonic", &["server", "bench"], "sockets belong to the server"),
    ("hyper-util", &["server"], "sockets belong to the server"),
    ("hyper-rustls", &["server"], "what goes out goes through the outbox"),
    ("rustls", &["server"], "what goes out goes through the outbox"),
    ("tokio-rustls", &["server"], "what goes out goes through the outbox"),
    ("tower", &["server", "demo"], "sockets belong to the server"),
    ("tower-http", &["server"], "sockets belong to the server"),
    (
        "tokio",
        &["metastore", "store", "engine", "server", "demo", "cupola", "bench"],
        "model, receivers, analysis and languages do no IO",
    ),
    ("prost", &[], "the OTLP walk is written by hand; prost is the oracle of its tests"),
    ("opentelemetry-proto", &["unify"], "the OTLP walk is written by hand; prost is the oracle of its tests"),
    ("opentelemetry", &["demo"], "the demo is an app like any other; our own telemetry goes through tracing"),
    ("anyhow", &["cupola", "demo", "bench"], "a crate border has an enum a caller can act on"),
    ("clap", &["cupola", "bench"], "configuration is read at the edge"),
];

#[test]
fn crates_import_only_from_the_layers_below() {
    let names: Vec<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    let mut offences = Vec::new();
    for manifest in Manifest::all() {
        let Some(height) = names.iter().position(|name| *name == manifest.name) else {
            offences.push(format!("{}: not in the table of layers: say in crates/tidy where it belongs", manifest.name));
            continue;
        };
        for edge in manifest.edges.iter().filter(|edge| names.contains(&edge.to.as_str())) {
            let is_allowed = match edge.section {
                Section::Normal => LAYERS[height].1.contains(&edge.to.as_str()),
                Section::Dev => names[..height].contains(&edge.to.as_str()),
            };
            if !is_allowed {
                offences.push(format!("{} -> {}: not an edge of ARCHITECTURE.md", manifest.name, edge.to));
            }
        }
    }
    report("layers", &offences);
}

#[test]
fn foreign_crates_stay_where_they_belong() {
    let mut offences = Vec::new();
    for manifest in Manifest::all() {
        for edge in manifest.edges.iter().filter(|edge| edge.section == Section::Normal) {
            let home = HOMES.iter().find(|(name, ..)| *name == edge.to);
            if let Some((_, users, reason)) = home.filter(|(_, users, _)| !users.contains(&manifest.name.as_str())) {
                offences.push(format!("{} -> {}: {reason} (allowed: {users:?})", manifest.name, edge.to));
            }
        }
    }
    report("homes of foreign crates", &offences);
}

#[test]
fn folders_are_called_like_their_packages() {
    let offences: Vec<String> = Manifest::all()
        .iter()
        .filter(|manifest| manifest.folder.rsplit('/').next() != Some(manifest.name.as_str()))
        .map(|manifest| format!("{}: holds the package {:?}", manifest.folder, manifest.name))
        .collect();
    report("names of folders", &offences);
}
