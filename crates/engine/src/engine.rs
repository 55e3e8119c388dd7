//! The engine: what all questions share, which is threads, memory, spill space and what is known of files.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use datafusion::dataframe::DataFrame;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionConfig;
use parking_lot::Mutex;
use store::{Store, TimeRange};

use crate::answer::Answer;
use crate::error::EngineError;
use crate::footers::RestSeen;
use crate::limits;
use crate::session::Session;
use crate::stream::SqlStream;
use crate::table::PARTS_URL;

#[derive(Debug, Clone)]
pub struct EngineOptions {
    pub memory_bytes_max: usize,
    pub time_max: Duration,
    pub threads: usize,
    /// Where sorts and groupings go that outgrow memory; the system's own folder for such files when none is named.
    /// What is found there at the start is removed.
    pub spill_dir: Option<PathBuf>,
    pub spill_bytes_max: u64,
    /// Spans that a question over whole traces aims to hold at once.
    pub trace_window_spans: u64,
}

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        EngineOptions {
            memory_bytes_max: limits::QUERY_MEMORY_BYTES_MAX,
            time_max: limits::QUERY_TIME_MAX,
            // One a core: questions take turns within a thread, and more threads would take more of the cores from ingest.
            threads: cores,
            spill_dir: None,
            spill_bytes_max: limits::QUERY_SPILL_BYTES_MAX,
            trace_window_spans: limits::TRACE_WINDOW_SPANS,
        }
    }
}

/// Answers questions over one store. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) store: Store,
    pub(crate) options: EngineOptions,
    pub(crate) env: Arc<RuntimeEnv>,
    /// Made with the first question: a thousand functions are not worth an idle server's memory.
    base: Arc<OnceLock<SessionState>>,
    runtime: Arc<QueryThreads>,
    running: Arc<AtomicUsize>,
    pub(crate) rest_seen: Arc<RestSeen>,
}

/// The threads that run questions; ended in the background, since a runtime may not be dropped within another.
struct QueryThreads(Mutex<Option<tokio::runtime::Runtime>>, tokio::runtime::Handle);

impl Drop for QueryThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.lock().take() {
            runtime.shutdown_background();
        }
    }
}

/// Where a core is wanted by both, ingest gets nine tenths of it: what is not taken in now is lost, an answer is only late.
fn give_way() {
    use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};
    let Ok(priority) = ThreadPriorityValue::try_from(limits::QUERY_THREAD_PRIORITY) else { return };
    if let Err(error) = set_current_thread_priority(ThreadPriority::Crossplatform(priority)) {
        tracing::warn!(?error, "questions run at the priority of ingest");
    }
}

/// Consumers of memory that an error names when there is no more.
const CONSUMERS_TOLD: usize = 3;

impl Engine {
    pub fn new(store: Store, options: EngineOptions) -> Result<Engine, EngineError> {
        let internal = |error: &dyn std::fmt::Display| EngineError::Internal(error.to_string());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.threads)
            .thread_name("query")
            .on_thread_start(give_way)
            .thread_stack_size(limits::QUERY_THREAD_STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|error| internal(&error))?;
        let pool = FairSpillPool::new(options.memory_bytes_max);
        let consumers = std::num::NonZeroUsize::new(CONSUMERS_TOLD).unwrap_or(std::num::NonZeroUsize::MIN);
        let env = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(TrackConsumersPool::new(pool, consumers)))
            .with_disk_manager_builder(spill(&options)?)
            .with_metadata_cache_limit(limits::FOOTER_CACHE_BYTES_MAX)
            .build_arc()?;
        let url = datafusion::execution::object_store::ObjectStoreUrl::parse(PARTS_URL)?;
        env.register_object_store(url.as_ref(), store.object_store());
        let handle = runtime.handle().clone();
        let runtime = Arc::new(QueryThreads(Mutex::new(Some(runtime)), handle));
        Ok(Engine { store, options, env, base: Arc::default(), runtime, running: Arc::default(), rest_seen: Arc::default() })
    }

    pub(crate) fn base(&self) -> &SessionState {
        self.base.get_or_init(|| {
            let state = SessionStateBuilder::new()
                .with_config(session_config(&self.options))
                .with_runtime_env(Arc::clone(&self.env))
                .with_default_features();
            crate::functions::register(state).build()
        })
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Questions that are being worked on.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// A consistent view of one project's rows within `range`, ready to be asked.
    ///
    /// Rows outside the range may or may not be in it: callers filter by time as well.
    pub async fn session(&self, project: &str, range: TimeRange) -> Result<Session, EngineError> {
        Session::open(self.clone(), project, range)
    }

    /// Answers one SQL query over one project; at most `rows_max` rows.
    pub async fn sql(&self, project: &str, sql: &str, rows_max: usize) -> Result<Answer, EngineError> {
        let session = self.session(project, TimeRange::ALL).await?;
        let frame = session.sql_frame(sql).await?;
        let mut answer = session.run(first(frame, rows_max + 1)?).await?;
        if answer.rows() > rows_max {
            truncate(&mut answer, rows_max);
            answer.truncated = Some(cut_at(rows_max));
        }
        Ok(answer)
    }

    /// The same, told while it is worked on: how far it is, rows as they are found, and how it ended.
    ///
    /// What cannot be planned is refused here; dropping the stream ends the work.
    pub async fn sql_stream(&self, project: &str, sql: &str, rows_max: usize) -> Result<SqlStream, EngineError> {
        let session = self.session(project, TimeRange::ALL).await?;
        let frame = session.sql_frame(sql).await?;
        Ok(crate::stream::start(session, first(frame, rows_max + 1)?, rows_max))
    }

    /// Runs work on the query threads; dropping what is returned ends it.
    pub(crate) fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> AbortOnDrop<T> {
        let running = Running::begin(&self.running);
        AbortOnDrop(self.runtime.1.spawn(async move {
            let _running = running;
            work.await
        }))
    }
}

/// At most so many rows. An explanation of a plan stands at its root and is short.
fn first(frame: DataFrame, rows: usize) -> Result<DataFrame, EngineError> {
    match frame.logical_plan() {
        LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => Ok(frame),
        _ => Ok(frame.limit(0, Some(rows))?),
    }
}

struct Running(Arc<AtomicUsize>);

impl Running {
    fn begin(count: &Arc<AtomicUsize>) -> Running {
        count.fetch_add(1, Ordering::Relaxed);
        Running(Arc::clone(count))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A task that ends when nobody waits for it any more.
pub(crate) struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Where work that outgrows memory goes. What an earlier run left there is removed.
fn spill(options: &EngineOptions) -> Result<DiskManagerBuilder, EngineError> {
    let builder = DiskManagerBuilder::default().with_max_temp_directory_size(options.spill_bytes_max);
    let Some(folder) = &options.spill_dir else { return Ok(builder.with_mode(DiskManagerMode::OsTmpDirectory)) };
    let failed = |error: std::io::Error| EngineError::Internal(format!("cannot make {}: {error}", folder.display()));
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(failed)?;
    }
    std::fs::create_dir_all(folder).map_err(failed)?;
    Ok(builder.with_mode(DiskManagerMode::Directories(vec![folder.clone()])))
}

fn session_config(options_given: &EngineOptions) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(options_given.threads)
        .with_default_catalog_and_schema("cupola", "project")
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true);
    let options = config.options_mut();
    // Attribute keys keep their case, as everywhere else.
    options.sql_parser.enable_ident_normalization = false;
    // Off by default; 1.5 to 2.5 times on selective questions (see ADR 0003).
    options.execution.parquet.pushdown_filters = true;
    options.execution.parquet.reorder_filters = true;
    options.execution.parquet.bloom_filter_on_read = true;
    // What a sort keeps back to merge what it put on disk; it must be there even where memory is tight.
    options.execution.sort_spill_reservation_bytes =
        options.execution.sort_spill_reservation_bytes.min(options_given.memory_bytes_max / limits::SORT_MERGE_SHARE);
    // The store writes plain strings; views would be cast twice.
    options.execution.parquet.schema_force_view_types = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    config
}

pub(crate) fn cut_at(rows_max: usize) -> String {
    format!("the first {rows_max} rows of a longer answer")
}

fn truncate(answer: &mut Answer, rows_max: usize) {
    let mut left = rows_max;
    for batch in &mut answer.batches {
        let keep = batch.num_rows().min(left);
        *batch = batch.slice(0, keep);
        left -= keep;
    }
    answer.batches.retain(|batch| batch.num_rows() > 0);
}

/// An identifier quoted for SQL.
pub(crate) fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// A text quoted for SQL.
pub(crate) fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
