//! `cupola import`: Parquet files into a data folder that no server holds.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use metastore::Metastore;
use model::Signal;
use store::{ImportOutcome, MANIFEST, Manifest, ManifestFile, Store};

use crate::config::ImportSettings;
use crate::export::signals;
use crate::serve::open_stopped;

pub async fn run(settings: ImportSettings) -> anyhow::Result<()> {
    let signal = signals(settings.signal.as_slice())?.first().copied();
    let files = files_to_import(&settings.from, signal)?;
    let project = match (&settings.project, &files.project) {
        (Some(project), _) | (None, Some(project)) => project.clone(),
        (None, None) => crate::serve::PROJECT.to_owned(),
    };
    std::fs::create_dir_all(&settings.data_dir).with_context(|| format!("cannot make {}", settings.data_dir.display()))?;
    let store = open_stopped(&settings.data_dir).await?;
    let metastore = Metastore::open(&settings.data_dir).await.context("cannot open the catalog")?;
    server::ingest::look_at_all_rows(&metastore, &project, server::now_unix_nano()).await?;
    metastore.close().await;
    let imported = import_all(&store, &project, &files.files).await;
    store.shutdown().await.context("cannot close the store")?;
    imported
}

/// One file, and what is known of it.
struct ToImport {
    path: PathBuf,
    signal: Signal,
    expected: Option<ManifestFile>,
}

struct Files {
    /// Where an export's rows were.
    project: Option<String>,
    files: Vec<ToImport>,
}

fn files_to_import(from: &Path, signal: Option<Signal>) -> anyhow::Result<Files> {
    let bare = |path: PathBuf| {
        let signal =
            signal.with_context(|| format!("{} is not in an export: say what it holds with --signal", path.display()))?;
        anyhow::Ok(ToImport { path, signal, expected: None })
    };
    if from.is_file() {
        return Ok(Files { project: None, files: vec![bare(from.to_owned())?] });
    }
    if let Some(manifest) = Manifest::read(from)? {
        let wanted = manifest.files.into_iter().filter(|file| signal.is_none_or(|signal| signal == file.signal));
        let files = wanted.map(|file| ToImport { path: from.join(&file.name), signal: file.signal, expected: Some(file) });
        return Ok(Files { project: Some(manifest.project), files: files.collect() });
    }
    let entries = std::fs::read_dir(from).with_context(|| format!("cannot read folder {}", from.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<PathBuf>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "parquet"));
    paths.sort();
    if paths.is_empty() {
        bail!("{} holds neither {MANIFEST} nor a file that ends in .parquet", from.display());
    }
    Ok(Files { project: None, files: paths.into_iter().map(bare).collect::<anyhow::Result<Vec<ToImport>>>()? })
}

/// File by file: what was taken over before one is refused stays, and is passed over when the import is repeated.
async fn import_all(store: &Store, project: &str, files: &[ToImport]) -> anyhow::Result<()> {
    let (mut rows_imported, mut rows_there) = (0, 0);
    for file in files {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy();
        let told = match store.import(project, file.signal, &file.path, file.expected.as_ref()).await? {
            ImportOutcome::Imported { rows } => {
                rows_imported += rows;
                format!("{name}\t{rows} rows\timported")
            }
            ImportOutcome::AlreadyThere { rows } => {
                rows_there += rows;
                format!("{name}\t{rows} rows\talready there")
            }
        };
        writeln!(std::io::stdout().lock(), "{told}")?;
    }
    writeln!(std::io::stdout().lock(), "imported {rows_imported} rows into {project:?}, {rows_there} were there already")?;
    Ok(())
}
