//! `cupola export`: rows of a data folder that no server holds, as Parquet files.

use std::io::Write;

use anyhow::{Context, bail};
use jiff::Timestamp;
use model::Signal;
use store::{ExportRange, TimeRange};

use crate::config::ExportSettings;
use crate::serve::open_stopped;

pub async fn run(settings: ExportSettings) -> anyhow::Result<()> {
    let time = TimeRange {
        start_unix_nano: settings.start.as_deref().map_or(Ok(TimeRange::ALL.start_unix_nano), unix_nano)?,
        end_unix_nano: settings.end.as_deref().map_or(Ok(TimeRange::ALL.end_unix_nano), unix_nano)?,
    };
    if time.start_unix_nano >= time.end_unix_nano {
        bail!("--start is not before --end");
    }
    let signals = if settings.signal.is_empty() { Signal::ALL.to_vec() } else { signals(&settings.signal)? };
    if !settings.data_dir.is_dir() {
        bail!("there is no data folder {}", settings.data_dir.display());
    }
    let store = open_stopped(&settings.data_dir).await?;
    let what = ExportRange { project: settings.project, signals, time };
    let exported = store.export(&what, &settings.to).await;
    store.shutdown().await.context("cannot close the store")?;
    let manifest = exported?;
    let mut out = std::io::stdout().lock();
    for file in &manifest.files {
        writeln!(out, "{}\t{} rows\t{} bytes", file.name, file.rows, file.bytes)?;
    }
    let rows: u64 = manifest.files.iter().map(|file| file.rows).sum();
    writeln!(out, "exported {rows} rows to {}", settings.to.display())?;
    Ok(())
}

fn unix_nano(text: &str) -> anyhow::Result<i64> {
    let time: Timestamp = text.parse().with_context(|| format!("cannot read time {text:?}: expected 2026-01-02T03:04:05Z"))?;
    i64::try_from(time.as_nanosecond()).with_context(|| format!("time {text:?} is out of range"))
}

/// The signals of these names.
pub fn signals(names: &[String]) -> anyhow::Result<Vec<Signal>> {
    let named = names.iter().map(|name| {
        let signal = Signal::ALL.into_iter().find(|signal| signal.table() == name);
        signal.with_context(|| format!("unknown signal {name:?}: expected spans, logs or metrics"))
    });
    named.collect()
}
