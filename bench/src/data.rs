//! Data sets for queries, written through the real store: a day of spans or log lines, in as many parts as wanted, or settled.
//!
//! A set is written once and kept in the cache folder under a name that holds a hash of everything that decides its bytes: the
//! generators, the crates that write, and its size. A set whose sources changed is written again and the old one removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use fastrand::Rng;
use metastore::Metastore;
use model::{LogRecord, Resource, RowSink, Scope, Signal, Span};
use serde::{Deserialize, Serialize};
use store::{RowBuffer, RowContext, Store, StoreOptions, TimeRange};
use xxhash_rust::xxh3::xxh3_64;

use crate::lines::{LineDraft, RARE_LINES, RARE_TOKEN, line};
use crate::world::{PODS, SpanDraft, World, hex};

/// When the day of the data begins: 20 November 2026, midnight UTC.
pub const DAY_START_UNIX_NANO: i64 = 1_795_132_800_000_000_000;
pub const DAY_NS: i64 = 86_400 * 1_000_000_000;

/// The project whose rows the server shows to those without a key.
pub const PROJECT: &str = "default";

/// Rows pushed into one append.
const ROWS_PER_APPEND: usize = 5_000;

/// Trace ids that are remembered for questions.
const TRACES_REMEMBERED: u64 = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Spans,
    Lines,
}

/// What a data set is made of.
#[derive(Clone, Debug)]
pub struct DataSet {
    pub name: &'static str,
    pub what: What,
    pub rows: u64,
    /// So many parts of equal size, never compacted; `None` for parts as the store makes them, settled.
    pub parts: Option<u64>,
}

/// What is known of a written set.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Written {
    pub rows: u64,
    pub parts: u64,
    /// Parquet files, relative to the folder of parts.
    pub files: Vec<String>,
    /// Traces spread over the day, 32 hex digits each.
    pub traces: Vec<String>,
}

const MANIFEST: &str = "bench.json";

impl DataSet {
    /// Where the set lies below the cache folder; `root` is that of the project.
    fn folder(&self, root: &Path, cache: &Path) -> anyhow::Result<PathBuf> {
        let mut sources = Vec::new();
        for folder in
            ["bench/src/world.rs", "bench/src/lines.rs", "bench/src/data.rs", "crates/store/src", "crates/metastore/src"]
        {
            read_sources(&root.join(folder), &mut sources)?;
        }
        sources.extend_from_slice(format!("{self:?}").as_bytes());
        Ok(cache.join(format!("{}-{:016x}", self.name, xxh3_64(&sources))))
    }

    /// The folder of the set and what is in it; writes it first when it is not there.
    pub async fn ensure(&self, root: &Path, cache: &Path) -> anyhow::Result<(PathBuf, Written)> {
        let folder = self.folder(root, cache)?;
        if let Ok(text) = fs::read_to_string(folder.join(MANIFEST)) {
            return Ok((folder, serde_json::from_str(&text)?));
        }
        self.remove_older(cache)?;
        fs::create_dir_all(&folder)?;
        let written = self.write(&folder).await.with_context(|| format!("cannot write the data set {}", self.name))?;
        fs::write(folder.join(MANIFEST), serde_json::to_string(&written)?)?;
        Ok((folder, written))
    }

    fn remove_older(&self, cache: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(cache)?;
        for entry in fs::read_dir(cache)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let hash = name.strip_prefix(self.name).and_then(|rest| rest.strip_prefix('-'));
            if hash.is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    async fn write(&self, folder: &Path) -> anyhow::Result<Written> {
        let options = StoreOptions {
            flush_interval: Duration::from_secs(3_600),
            compaction: self.parts.is_none(),
            // Nobody is there to come back later; the writer is never so far ahead of the flushes.
            memory_bytes_max: 4 * 1024 * 1024 * 1024,
            // A data set that a crash takes is written again.
            fsync: false,
            // A published table keeps files that were replaced for some minutes; a server publishes what is left of them.
            publish: false,
            ..StoreOptions::new(folder)
        };
        let store = Store::open(options, Metastore::open(folder).await?, |_| None).await?;
        let mut writer = Writer {
            set: self,
            store: store.clone(),
            world: World::new(),
            rng: Rng::with_seed(20),
            appended: 0,
            next_flush: 1,
            traces: Vec::new(),
        };
        match self.what {
            What::Spans => writer.spans().await?,
            What::Lines => writer.lines().await?,
        }
        let traces = writer.traces;
        store.flush().await?;
        if self.parts.is_none() {
            store.compact_now(None).await?;
        }
        let stats = store.stats();
        ensure!(stats.part_rows == self.rows, "{} rows in parts, {} were written", stats.part_rows, self.rows);
        let signal = if self.what == What::Spans { Signal::Spans } else { Signal::Logs };
        let seen = store.snapshot(PROJECT, signal, TimeRange::ALL).await?;
        let files = seen.parts.iter().map(|part| part.path.to_string()).collect();
        drop(seen);
        store.shutdown().await?;
        Ok(Written { rows: stats.part_rows, parts: stats.parts, files, traces })
    }
}

struct Writer<'s> {
    set: &'s DataSet,
    store: Store,
    world: World,
    rng: Rng,
    appended: u64,
    /// The part that is being filled, from 1.
    next_flush: u64,
    traces: Vec<String>,
}

impl Writer<'_> {
    async fn spans(&mut self) -> anyhow::Result<()> {
        let world = std::mem::take(&mut self.world);
        let mut drafts: Vec<SpanDraft<'_>> = Vec::new();
        // Ten spans are the mean of a trace.
        let step = DAY_NS / (self.set.rows / 10).max(1) as i64;
        let mut told = 0;
        while self.appended < self.set.rows {
            let wanted = self.room();
            while drafts.len() < wanted {
                world.trace(self.rng.usize(0..PODS), DAY_START_UNIX_NANO + (told * step) % DAY_NS, &mut self.rng, &mut drafts);
                told += 1;
            }
            let mut rows = buffer(drafts[0].start_time_unix_nano);
            let mut batch: Vec<SpanDraft<'_>> = drafts.drain(..wanted).collect();
            self.remember(&batch);
            // As requests come: one resource, all its spans.
            batch.sort_by_key(|draft| (draft.service, draft.pod));
            for group in batch.chunk_by(|a, b| (a.service, a.pod) == (b.service, b.pod)) {
                enter(&mut rows, &world, group[0].service, group[0].pod);
                group.iter().for_each(|draft| push_span(&mut rows, draft));
            }
            self.append(rows, wanted).await?;
        }
        Ok(())
    }

    async fn lines(&mut self) -> anyhow::Result<()> {
        let world = std::mem::take(&mut self.world);
        let step = DAY_NS / self.set.rows.max(1) as i64;
        let rare_every = (self.set.rows / RARE_LINES).max(1);
        while self.appended < self.set.rows {
            let wanted = self.room();
            let mut batch: Vec<LineDraft> = Vec::with_capacity(wanted);
            for number in self.appended..self.appended + wanted as u64 {
                let mut draft = line(&world, DAY_START_UNIX_NANO + number as i64 * step, &mut self.rng);
                if number % rare_every == rare_every / 2 && number / rare_every < RARE_LINES {
                    draft.body.push_str(&format!(" correlation {RARE_TOKEN}"));
                }
                batch.push(draft);
            }
            let mut rows = buffer(batch[0].time_unix_nano);
            batch.sort_by_key(|draft| (draft.service, draft.pod));
            for group in batch.chunk_by(|a, b| (a.service, a.pod) == (b.service, b.pod)) {
                enter(&mut rows, &world, group[0].service, group[0].pod);
                group.iter().for_each(|draft| push_line(&mut rows, draft));
            }
            self.append(rows, wanted).await?;
        }
        Ok(())
    }

    /// How many rows go into the next append: no more than the part being filled still takes.
    fn room(&self) -> usize {
        let end = match self.set.parts {
            Some(parts) => (self.set.rows * self.next_flush / parts).min(self.set.rows),
            None => self.set.rows,
        };
        ROWS_PER_APPEND.min((end - self.appended) as usize).max(1)
    }

    async fn append(&mut self, rows: RowBuffer, count: usize) -> anyhow::Result<()> {
        self.store.append(PROJECT, Vec::new(), rows).await?;
        self.appended += count as u64;
        if let Some(parts) = self.set.parts
            && self.appended >= self.set.rows * self.next_flush / parts
        {
            self.store.flush().await?;
            self.next_flush += 1;
        }
        Ok(())
    }

    fn remember(&mut self, batch: &[SpanDraft<'_>]) {
        let every = (self.set.rows / TRACES_REMEMBERED).max(1);
        if self.appended / every >= self.traces.len() as u64 {
            // Whole within the batch: its neighbours on both sides are of other traces.
            let middle = &batch[batch.len() / 2];
            self.traces.push(hex(&middle.trace_id.0));
        }
    }
}

fn buffer(received_at_unix_nano: i64) -> RowBuffer {
    RowBuffer::new(RowContext { receiver: "otlp", received_at_unix_nano, request: None })
}

fn enter(rows: &mut RowBuffer, world: &World, service: usize, pod: usize) {
    rows.resource(&Resource { attributes: &world.services[service].pods[pod], schema_url: "" });
    rows.scope(&Scope { name: "shop.telemetry", version: "1.4.0", ..Scope::default() });
}

fn push_span(rows: &mut RowBuffer, draft: &SpanDraft<'_>) {
    rows.span(&Span {
        start_time_unix_nano: draft.start_time_unix_nano,
        duration_ns: draft.duration_ns,
        parent_span_id: draft.parent_span_id,
        kind: draft.kind,
        status_code: draft.status_code,
        status_message: draft.status_message,
        attributes: &draft.attributes,
        ..Span::new(draft.trace_id, draft.span_id, draft.name)
    });
}

fn push_line(rows: &mut RowBuffer, draft: &LineDraft) {
    rows.log(&LogRecord {
        time_unix_nano: draft.time_unix_nano,
        trace_id: draft.trace.map(|(trace_id, _)| trace_id),
        span_id: draft.trace.map(|(_, span_id)| span_id),
        severity_number: draft.severity_number,
        severity_text: draft.severity_text.into(),
        body: draft.body.as_str().into(),
        sample_rate: 1.0,
        attributes: &draft.attributes,
        ..LogRecord::default()
    });
}

/// The texts of a file, or of all files below a folder, in order of their names.
fn read_sources(path: &Path, out: &mut Vec<u8>) -> anyhow::Result<()> {
    let context = || format!("cannot read {}; data sets are named by the sources that write them", path.display());
    if !path.is_dir() {
        out.extend(fs::read(path).with_context(context)?);
        return Ok(());
    }
    let mut entries = fs::read_dir(path).with_context(context)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    entries.iter().try_for_each(|entry| read_sources(&entry.path(), out))
}
