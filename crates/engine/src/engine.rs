//! The trunk of every question: snapshot, plan, run within limits, answer.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use datafusion::catalog::MemoryCatalogProviderList;
use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr, LogicalPlan, col, lit};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use model::Signal;
use parking_lot::Mutex;
use store::{Store, TimeRange};

use crate::answer::{Answer, QueryStats};
use crate::error::EngineError;
use crate::id_literals::IdLiterals;
use crate::limits;
use crate::table::{PARTS_URL, SignalTable};

#[derive(Debug, Clone)]
pub struct EngineOptions {
    pub memory_bytes_max: usize,
    pub time_max: Duration,
    pub threads: usize,
}

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        EngineOptions {
            memory_bytes_max: limits::QUERY_MEMORY_BYTES_MAX,
            time_max: limits::QUERY_TIME_MAX,
            threads: cores.max(limits::QUERY_THREADS_MIN),
        }
    }
}

/// Answers questions over one store. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    store: Store,
    options: EngineOptions,
    env: Arc<RuntimeEnv>,
    /// Made with the first question: a thousand functions are not worth an idle server's memory.
    base: Arc<OnceLock<SessionState>>,
    runtime: Arc<QueryThreads>,
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

impl Engine {
    pub fn new(store: Store, options: EngineOptions) -> Result<Engine, EngineError> {
        let internal = |error: &dyn std::fmt::Display| EngineError::Internal(error.to_string());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.threads)
            .thread_name("query")
            .thread_stack_size(limits::QUERY_THREAD_STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|error| internal(&error))?;
        let env = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(options.memory_bytes_max)))
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::OsTmpDirectory))
            .build_arc()?;
        register_parts(&env, &store)?;
        let handle = runtime.handle().clone();
        let runtime = Arc::new(QueryThreads(Mutex::new(Some(runtime)), handle));
        Ok(Engine { store, options, env, base: Arc::default(), runtime })
    }

    fn base(&self) -> &SessionState {
        self.base.get_or_init(|| {
            let state = SessionStateBuilder::new()
                .with_config(session_config(self.options.threads))
                .with_runtime_env(Arc::clone(&self.env))
                .with_default_features();
            crate::functions::register(state).build()
        })
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A consistent view of one project's rows within `range`, ready to be asked.
    ///
    /// Rows outside the range may or may not be in it: callers filter by time as well.
    pub async fn session(&self, project: &str, range: TimeRange) -> Result<Session, EngineError> {
        let state = SessionStateBuilder::new_from_existing(self.base().clone())
            .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()))
            .with_analyzer_rules(with_id_literals(self.base()))
            .build();
        let context = SessionContext::new_with_state(state);
        let catalog = Arc::new(datafusion::catalog::MemoryCatalogProvider::new());
        let schema = Arc::new(datafusion::catalog::MemorySchemaProvider::new());
        datafusion::catalog::CatalogProvider::register_schema(catalog.as_ref(), "project", schema)?;
        context.register_catalog("cupola", catalog);
        let mut seen = QueryStats::default();
        let mut schemas = Vec::with_capacity(Signal::ALL.len());
        for signal in Signal::ALL {
            let snapshot = self.store.snapshot(project, signal, range).await?;
            seen.rows_total += snapshot.rows_total;
            seen.newest_unix_nano = seen.newest_unix_nano.max(snapshot.newest_unix_nano);
            schemas.push((signal.table(), Arc::clone(&snapshot.schema)));
            context.register_table(signal.table(), Arc::new(SignalTable::new(snapshot)))?;
        }
        Ok(Session { engine: self.clone(), context, seen, schemas, range })
    }

    /// Answers one SQL query over one project; at most `rows_max` rows.
    pub async fn sql(&self, project: &str, sql: &str, rows_max: usize) -> Result<Answer, EngineError> {
        let session = self.session(project, TimeRange::ALL).await?;
        let tables: Vec<(&str, &arrow::datatypes::Schema)> =
            session.schemas.iter().map(|(name, schema)| (*name, schema.as_ref())).collect();
        let sql = languages::sql::rewrite(sql, &tables)
            .map_err(|error| EngineError::Invalid { message: error.to_string(), position: error.position() })?;
        let frame = session.frame(&sql).await?;
        let mut answer = session.run(frame.limit(0, Some(rows_max + 1))?).await?;
        if answer.rows() > rows_max {
            truncate(&mut answer, rows_max);
            answer.truncated = Some(format!("the first {rows_max} rows of a longer answer"));
        }
        Ok(answer)
    }
}

/// One project's tables as of one moment.
pub struct Session {
    engine: Engine,
    context: SessionContext,
    seen: QueryStats,
    schemas: Vec<(&'static str, arrow::datatypes::SchemaRef)>,
    range: TimeRange,
}

impl Session {
    pub fn schema(&self, signal: Signal) -> arrow::datatypes::SchemaRef {
        let found = self.schemas.iter().find(|(name, _)| *name == signal.table());
        found.map(|(_, schema)| Arc::clone(schema)).unwrap_or_else(|| Arc::new(arrow::datatypes::Schema::empty()))
    }

    pub fn has(&self, signal: Signal, column: &str) -> bool {
        self.schema(signal).column_with_name(column).is_some()
    }

    /// The column quoted for SQL, or a typed null when nobody ever sent it.
    pub fn column_or_null(&self, signal: Signal, column: &str) -> String {
        if self.has(signal, column) { quote(column) } else { "CAST(NULL AS VARCHAR)".into() }
    }

    pub fn seen(&self) -> QueryStats {
        self.seen
    }

    /// Registers the rows of `signal` within the session's range for which `filter` holds, under `name`.
    pub async fn define(&self, name: &str, signal: Signal, filter: Option<Expr>) -> Result<(), EngineError> {
        let provider = datafusion::datasource::provider_as_source(self.context.table_provider(signal.table()).await?);
        let mut builder = datafusion::logical_expr::LogicalPlanBuilder::scan(signal.table(), provider, None)?;
        if let Some(range) = range_filter(self.range) {
            builder = builder.filter(range)?;
        }
        if let Some(filter) = filter {
            builder = builder.filter(filter)?;
        }
        let frame = DataFrame::new(self.context.state(), builder.build()?);
        self.context.register_table(name, frame.into_view())?;
        Ok(())
    }

    /// Plans a query of our own making.
    pub async fn frame(&self, sql: &str) -> Result<DataFrame, EngineError> {
        let plan: LogicalPlan = self.context.state().create_logical_plan(sql).await?;
        Ok(DataFrame::new(self.context.state(), plan))
    }

    /// Plans and runs a query of our own making.
    pub async fn ask(&self, sql: &str) -> Result<Answer, EngineError> {
        let frame = self.frame(sql).await?;
        self.run(frame).await
    }

    /// Runs a plan on the query threads, within the time limit. Dropping the returned future cancels the query.
    pub async fn run(&self, frame: DataFrame) -> Result<Answer, EngineError> {
        let started = Instant::now();
        let time_max = self.engine.options.time_max;
        let (state, plan) = frame.into_parts();
        let task = self.engine.runtime.1.spawn(async move {
            let physical = state.create_physical_plan(&plan).await?;
            let batches = collect(Arc::clone(&physical), state.task_ctx()).await?;
            Ok::<_, EngineError>((physical, batches))
        });
        let task = AbortOnDrop(task);
        let Ok(joined) = tokio::time::timeout(time_max, task).await else {
            return Err(EngineError::OutOfTime { seconds: time_max.as_secs() });
        };
        let (physical, batches) = joined.map_err(|error| EngineError::Internal(error.to_string()))??;
        let stats = QueryStats { elapsed: started.elapsed(), rows_scanned: rows_scanned(&physical), ..self.seen };
        Ok(Answer { schema: physical.schema(), batches, stats, truncated: None })
    }
}

/// A task that ends when nobody waits for it any more.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

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

fn session_config(threads: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
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
    // The store writes plain strings; views would be cast twice.
    options.execution.parquet.schema_force_view_types = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    config
}

fn with_id_literals(base: &SessionState) -> Vec<Arc<dyn datafusion::optimizer::AnalyzerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn datafusion::optimizer::AnalyzerRule + Send + Sync>> = vec![Arc::new(IdLiterals)];
    rules.extend(base.analyzer().rules.iter().cloned());
    rules
}

fn register_parts(env: &RuntimeEnv, store: &Store) -> Result<(), EngineError> {
    let url = datafusion::execution::object_store::ObjectStoreUrl::parse(PARTS_URL)?;
    env.register_object_store(url.as_ref(), store.object_store());
    Ok(())
}

/// `time` within the range, or nothing when the range is all of time.
fn range_filter(range: TimeRange) -> Option<Expr> {
    if range == TimeRange::ALL {
        return None;
    }
    let at = |nanos: i64| lit(ScalarValue::TimestampNanosecond(Some(nanos), Some("UTC".into())));
    Some(col("time").gt_eq(at(range.start_unix_nano)).and(col("time").lt(at(range.end_unix_nano))))
}

fn rows_scanned(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let children = plan.children();
    if children.is_empty() {
        return plan.metrics().and_then(|metrics| metrics.output_rows()).unwrap_or(0) as u64;
    }
    children.into_iter().map(rows_scanned).sum()
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
