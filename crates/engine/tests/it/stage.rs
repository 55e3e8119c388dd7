//! A store with rows, half of them in parts and half in memory.

use engine::ask::Asker;
use engine::{Engine, EngineOptions};
use metastore::Metastore;
use model::{Attribute, LogRecord, Resource, RowSink, Span, SpanId, StatusCode, TraceId, Value};
use store::{RowBuffer, RowContext, Store, StoreOptions};

pub const PROJECT: &str = "default";
/// 2026-11-21T04:00:00Z.
pub const START: i64 = 1_795_233_600_000_000_000;
pub const SECOND: i64 = 1_000_000_000;

pub struct Stage {
    pub asker: Asker,
    pub store: Store,
    pub folder: tempfile::TempDir,
}

pub async fn stage() -> Stage {
    stage_with(EngineOptions::default()).await
}

pub async fn stage_with(engine_options: EngineOptions) -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let metastore = Metastore::open(folder.path()).await.unwrap();
    let options = StoreOptions { fsync: false, ..StoreOptions::new(folder.path()) };
    let store = Store::open(options, metastore, |_| None).await.unwrap();
    let engine = Engine::new(store.clone(), engine_options).unwrap();
    Stage { asker: Asker { engine, project: PROJECT.into() }, store, folder }
}

impl Stage {
    /// Appends what `fill` pushes, as one request.
    pub async fn append(&self, fill: impl FnOnce(&mut RowBuffer)) {
        let context = RowContext { receiver: "otlp", received_at_unix_nano: START, request: None };
        let mut rows = RowBuffer::new(context);
        let service = [Attribute::str("service.name", "shop")];
        rows.resource(&Resource { attributes: &service, schema_url: "" });
        fill(&mut rows);
        self.store.append(PROJECT, b"request".to_vec(), rows).await.unwrap();
    }

    /// `count` requests of one span each, the first half in parts.
    pub async fn append_spans(&self, count: u64) {
        for number in 0..count {
            self.append(|rows| rows.span(&span(number, &[Attribute::new("number", Value::Int(number as i64))]))).await;
            if number == count / 2 {
                self.store.flush().await.unwrap();
            }
        }
    }

    /// The files of all parts, in order of their names, which is that of their making.
    pub fn part_files(&self) -> Vec<std::path::PathBuf> {
        let mut folders = vec![self.folder.path().join("parts")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false if path.extension().is_some_and(|extension| extension == "parquet") => files.push(path),
                    false => {}
                }
            }
        }
        files.sort_by_key(|file| file.file_name().map(std::ffi::OsStr::to_owned));
        files
    }

    pub async fn sql(&self, query: &str) -> Vec<Vec<serde_json::Value>> {
        self.asker.engine.sql(PROJECT, query, 1_000).await.unwrap().json_rows().unwrap()
    }
}

/// Span `number` of a trace of its own, a second after the one before; every tenth failed.
pub fn span<'a>(number: u64, attributes: &'a [Attribute<'a>]) -> Span<'a> {
    let mut id = [7u8; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    Span {
        start_time_unix_nano: START + number as i64 * SECOND,
        duration_ns: 1_000_000 * (number as i64 + 1),
        kind: model::SpanKind::Server,
        status_code: if number.is_multiple_of(10) { StatusCode::Error } else { StatusCode::Ok },
        attributes,
        ..Span::new(TraceId(id), SpanId((number + 1).to_be_bytes()), "GET /cart")
    }
}

pub fn log(second: i64, body: &str) -> LogRecord<'_> {
    LogRecord { time_unix_nano: START + second * SECOND, severity_number: 9, body: body.into(), ..LogRecord::default() }
}
