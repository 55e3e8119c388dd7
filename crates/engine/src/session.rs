//! One project's tables as of one moment, and the trunk of every question: plan, run within limits, answer.
//!
//! A part that turns out to be damaged on the way is set aside by the store; the question is then asked again without it,
//! and the answer says so.

use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::MemoryCatalogProviderList;
use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr, LogicalPlan, col, lit};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionContext;
use model::Signal;
use parking_lot::RwLock;
use store::{Snapshot, Store, TimeRange};

use crate::answer::{Answer, QueryStats};
use crate::engine::{Engine, quote};
use crate::error::EngineError;
use crate::id_literals::IdLiterals;
use crate::limits::{DAMAGED_PARTS_PER_QUESTION_MAX, REST_KEYS_TOLD_MAX, REST_NAMES_MAX};
use crate::progress::Progress;
use crate::table::SignalTable;

/// What a session's tables read: one cut through the store, taken again only when a part had to be set aside.
#[derive(Debug)]
pub(crate) struct View {
    snapshots: RwLock<[Arc<Snapshot>; 3]>,
    pub progress: Progress,
}

impl View {
    pub fn snapshot(&self, signal: Signal) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.read()[signal as usize])
    }

    fn damaged(&self) -> (u64, u64) {
        let snapshots = self.snapshots.read();
        let parts = snapshots.iter().flat_map(|snapshot| &snapshot.damaged);
        parts.fold((0, 0), |(parts, rows), part| (parts + 1, rows + part.rows))
    }
}

/// One project's tables as of one moment.
pub struct Session {
    pub(crate) engine: Engine,
    project: String,
    range: TimeRange,
    context: SessionContext,
    pub(crate) view: Arc<View>,
    /// The tables' columns: those of the snapshots, then what was named and only `attributes_rest` can have.
    schemas: RwLock<[SchemaRef; 3]>,
}

impl Session {
    pub(crate) fn open(engine: Engine, project: &str, range: TimeRange) -> Result<Session, EngineError> {
        let state = SessionStateBuilder::new_from_existing(engine.base().clone())
            .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()))
            .with_analyzer_rules(with_id_literals(engine.base()))
            .build();
        let context = SessionContext::new_with_state(state);
        let catalog = Arc::new(datafusion::catalog::MemoryCatalogProvider::new());
        let schema = Arc::new(datafusion::catalog::MemorySchemaProvider::new());
        datafusion::catalog::CatalogProvider::register_schema(catalog.as_ref(), "project", schema)?;
        context.register_catalog("cupola", catalog);
        let snapshots = take(&engine.store, project, range);
        let schemas = RwLock::new(snapshots.each_ref().map(|snapshot| Arc::clone(&snapshot.schema)));
        let view = Arc::new(View { snapshots: RwLock::new(snapshots), progress: Progress::default() });
        let session = Session { engine, project: project.to_owned(), range, context, view, schemas };
        for signal in Signal::ALL {
            session.register(signal)?;
        }
        Ok(session)
    }

    fn register(&self, signal: Signal) -> Result<(), EngineError> {
        let table = SignalTable::new(signal, self.schema(signal), Arc::clone(&self.view), self.engine.store.clone());
        self.context.deregister_table(signal.table())?;
        self.context.register_table(signal.table(), Arc::new(table))?;
        Ok(())
    }

    pub fn schema(&self, signal: Signal) -> SchemaRef {
        Arc::clone(&self.schemas.read()[signal as usize])
    }

    pub fn has(&self, signal: Signal, column: &str) -> bool {
        self.schema(signal).column_with_name(column).is_some()
    }

    /// The column quoted for SQL, or a typed null when nobody ever sent it.
    pub fn column_or_null(&self, signal: Signal, column: &str) -> String {
        if self.has(signal, column) { quote(column) } else { "CAST(NULL AS VARCHAR)".into() }
    }

    /// Stats of a question that read nothing yet.
    pub fn seen(&self) -> QueryStats {
        let (damaged_parts, damaged_rows) = self.view.damaged();
        let snapshots = self.view.snapshots.read();
        QueryStats {
            rows_total: snapshots.iter().map(|snapshot| snapshot.rows_total).sum(),
            newest_unix_nano: snapshots.iter().filter_map(|snapshot| snapshot.newest_unix_nano).max(),
            damaged_parts,
            damaged_rows,
            ..QueryStats::default()
        }
    }

    /// Makes names that no table has as a column known where rows may have them in `attributes_rest`.
    pub async fn admit(&self, signal: Signal, names: impl IntoIterator<Item = String>) -> Result<(), EngineError> {
        let schema = self.schema(signal);
        let mut fields: Vec<Field> = Vec::new();
        for name in names {
            let is_new = schema.column_with_name(&name).is_none() && fields.iter().all(|field| *field.name() != name);
            if is_new && fields.len() < REST_NAMES_MAX {
                fields.push(Field::new(name, arrow::datatypes::DataType::Utf8, true));
            }
        }
        if fields.is_empty() || !self.engine.rest_seen.any(&self.engine, &self.view.snapshot(signal)).await? {
            return Ok(());
        }
        let all = schema.fields().iter().map(|field| field.as_ref().clone()).chain(fields).collect::<Vec<_>>();
        self.schemas.write()[signal as usize] = Arc::new(Schema::new(all));
        self.register(signal)
    }

    /// Keys of attributes that are in no column, in order; at most [`REST_KEYS_TOLD_MAX`].
    pub async fn rest_keys(&self, signal: Signal) -> Result<Vec<String>, EngineError> {
        if !self.engine.rest_seen.any(&self.engine, &self.view.snapshot(signal)).await? {
            return Ok(Vec::new());
        }
        let answer = self
            .ask(&format!(
                "SELECT DISTINCT key FROM (SELECT unnest(attribute_keys(attributes_rest)) AS key FROM {} \
                 WHERE attributes_rest IS NOT NULL) ORDER BY key LIMIT {REST_KEYS_TOLD_MAX}",
                signal.table()
            ))
            .await?;
        let schema = self.schema(signal);
        let keys = answer.iter().filter_map(|row| row.string("key"));
        Ok(keys.filter(|key| schema.column_with_name(key).is_none()).collect())
    }

    /// The rows of `signal` within the session's range for which `filter` holds.
    pub(crate) async fn plan(&self, signal: Signal, filter: Option<Expr>) -> Result<LogicalPlan, EngineError> {
        let provider = datafusion::datasource::provider_as_source(self.context.table_provider(signal.table()).await?);
        let mut builder = datafusion::logical_expr::LogicalPlanBuilder::scan(signal.table(), provider, None)?;
        if let Some(range) = range_filter(self.range) {
            builder = builder.filter(range)?;
        }
        if let Some(filter) = filter {
            builder = builder.filter(filter)?;
        }
        Ok(builder.build()?)
    }

    /// A plan, ready to be run.
    pub(crate) fn frame_of(&self, plan: LogicalPlan) -> DataFrame {
        DataFrame::new(self.context.state(), plan)
    }

    /// Registers the rows of `signal` within the session's range for which `filter` holds, under `name`.
    pub async fn define(&self, name: &str, signal: Signal, filter: Option<Expr>) -> Result<(), EngineError> {
        let frame = self.frame_of(self.plan(signal, filter).await?);
        self.context.register_table(name, frame.into_view())?;
        Ok(())
    }

    /// Plans a query that a person wrote.
    pub(crate) async fn sql_frame(&self, sql: &str) -> Result<DataFrame, EngineError> {
        for signal in Signal::ALL {
            self.admit(signal, languages::sql::names(sql)).await?;
        }
        let schemas = self.schemas.read().clone();
        let tables: Vec<(&str, &Schema)> =
            Signal::ALL.iter().zip(&schemas).map(|(signal, schema)| (signal.table(), schema.as_ref())).collect();
        let sql = languages::sql::rewrite(sql, &tables)
            .map_err(|error| EngineError::Invalid { message: error.to_string(), position: error.position() })?;
        self.frame(&sql).await
    }

    /// All rows of a signal's table, ready to be narrowed down.
    pub(crate) async fn table(&self, signal: Signal) -> Result<DataFrame, EngineError> {
        Ok(self.context.table(signal.table()).await?)
    }

    /// A signal's table and the functions there are, for languages that make plans themselves.
    pub(crate) async fn source(&self, signal: Signal) -> Result<Arc<dyn datafusion::logical_expr::TableSource>, EngineError> {
        Ok(datafusion::datasource::provider_as_source(self.context.table_provider(signal.table()).await?))
    }

    /// The functions that plans may use.
    pub(crate) fn state(&self) -> SessionState {
        self.context.state()
    }

    /// Runs a plan that a language made.
    pub(crate) async fn run_plan(&self, plan: LogicalPlan) -> Result<Answer, EngineError> {
        self.run(DataFrame::new(self.context.state(), plan)).await
    }

    /// A table that was defined.
    pub(crate) async fn defined(&self, name: &str) -> Result<LogicalPlan, EngineError> {
        Ok(self.context.table(name).await?.into_unoptimized_plan())
    }

    /// Rows that are not of the store, to be joined to those that are.
    pub(crate) fn given(&self, rows: arrow::array::RecordBatch) -> Result<LogicalPlan, EngineError> {
        Ok(self.context.read_batch(rows)?.into_unoptimized_plan())
    }

    /// A plan over this session's tables, ready to be run.
    pub(crate) fn planned(&self, plan: LogicalPlan) -> DataFrame {
        DataFrame::new(self.context.state(), plan)
    }

    /// Plans a query of our own making.
    pub async fn frame(&self, sql: &str) -> Result<DataFrame, EngineError> {
        let (state, sql) = (self.context.state(), sql.to_owned());
        let plan = self.on_query_threads(async move { state.create_logical_plan(&sql).await }).await?;
        Ok(DataFrame::new(self.context.state(), plan?))
    }

    /// Does what walks plans recursively, where there is room on the stack for it.
    pub(crate) async fn on_query_threads<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, EngineError> {
        self.engine.spawn(work).await.map_err(|error| EngineError::Internal(error.to_string()))
    }

    /// Plans and runs a query of our own making.
    pub async fn ask(&self, sql: &str) -> Result<Answer, EngineError> {
        let frame = self.frame(sql).await?;
        self.run(frame).await
    }

    /// The first rows, whole, of a table that was defined: `order` names columns, each with whether it descends.
    ///
    /// `SELECT *` says the same, but its planner compares every column with every other, and a table may have thousands.
    pub async fn first_rows(&self, name: &str, order: &[(&str, bool)], limit: usize) -> Result<Answer, EngineError> {
        let column = |name: &str| Expr::Column(datafusion::common::Column::from_name(name));
        let order = order.iter().map(|(name, descends)| column(name).sort(!descends, *descends)).collect();
        let frame = self.context.table(name).await?.sort(order)?.limit(0, Some(limit))?;
        self.run(frame).await
    }

    /// Runs a plan on the query threads, within the time limit. Dropping the returned future cancels the query.
    pub async fn run(&self, frame: DataFrame) -> Result<Answer, EngineError> {
        let started = Instant::now();
        let time_max = self.engine.options.time_max;
        let (state, plan) = frame.into_parts();
        let answered = tokio::time::timeout(time_max, async {
            let mut left = DAMAGED_PARTS_PER_QUESTION_MAX;
            loop {
                match self.run_once(&state, &plan).await {
                    Err(error) if left > 0 && self.leave_out_damaged() => {
                        tracing::warn!(%error, "a question is asked again without a damaged part");
                        left -= 1;
                    }
                    outcome => return outcome,
                }
            }
        });
        let Ok(outcome) = answered.await else {
            return Err(EngineError::OutOfTime { seconds: time_max.as_secs() });
        };
        let (physical, batches) = outcome?;
        let (rows_scanned, bytes_scanned) = (rows_scanned(&physical), bytes_scanned(&physical));
        let stats = QueryStats { elapsed: started.elapsed(), rows_scanned, bytes_scanned, ..self.seen() };
        Ok(Answer { schema: physical.schema(), batches, stats, truncated: None })
    }

    async fn run_once(&self, state: &SessionState, plan: &LogicalPlan) -> Result<Ran, EngineError> {
        let (state, plan) = (state.clone(), plan.clone());
        self.on_query_threads(async move {
            let physical = state.create_physical_plan(&plan).await?;
            let batches = collect(Arc::clone(&physical), state.task_ctx()).await?;
            Ok((physical, batches))
        })
        .await?
    }

    /// Takes the cut again. Tells whether parts were set aside since the last one, so that asking again makes sense.
    pub(crate) fn leave_out_damaged(&self) -> bool {
        let known: Vec<u64> = {
            let snapshots = self.view.snapshots.read();
            snapshots.iter().flat_map(|snapshot| &snapshot.damaged).map(|part| part.id).collect()
        };
        let snapshots = take(&self.engine.store, &self.project, self.range);
        let fresh = snapshots.iter().flat_map(|snapshot| &snapshot.damaged).any(|part| !known.contains(&part.id));
        if fresh {
            *self.view.snapshots.write() = snapshots;
            self.view.progress.restart();
        }
        fresh
    }
}

type Ran = (Arc<dyn ExecutionPlan>, Vec<arrow::array::RecordBatch>);

fn take(store: &Store, project: &str, range: TimeRange) -> [Arc<Snapshot>; 3] {
    store.snapshots(project, range).map(Arc::new)
}

fn with_id_literals(base: &SessionState) -> Vec<Arc<dyn datafusion::optimizer::AnalyzerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn datafusion::optimizer::AnalyzerRule + Send + Sync>> = vec![Arc::new(IdLiterals)];
    rules.extend(base.analyzer().rules.iter().cloned());
    rules
}

/// `time` within the range, or nothing when the range is all of time.
fn range_filter(range: TimeRange) -> Option<Expr> {
    if range == TimeRange::ALL {
        return None;
    }
    let at = |nanos: i64| lit(ScalarValue::TimestampNanosecond(Some(nanos), Some("UTC".into())));
    Some(col("time").gt_eq(at(range.start_unix_nano)).and(col("time").lt(at(range.end_unix_nano))))
}

/// Rows that a plan's scans looked at: those they gave, and those that their filters held back.
pub(crate) fn rows_scanned(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let children = plan.children();
    if children.is_empty() {
        if let Some(rows) = rows_in_memory(plan) {
            return rows;
        }
        let Some(metrics) = plan.metrics() else { return 0 };
        let held_back = metrics.sum_by_name("pushdown_rows_pruned").map_or(0, |value| value.as_usize());
        return (metrics.output_rows().unwrap_or(0) + held_back) as u64;
    }
    children.into_iter().map(rows_scanned).sum()
}

/// Bytes that a plan's scans read from files, and those of rows in memory.
fn bytes_scanned(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let children = plan.children();
    if !children.is_empty() {
        return children.into_iter().map(bytes_scanned).sum();
    }
    let in_memory = plan.downcast_ref::<DataSourceExec>().and_then(|scan| {
        let batches = scan.data_source().downcast_ref::<MemorySourceConfig>()?.partitions();
        let columns = batches.iter().flatten().flat_map(|batch| batch.columns());
        Some(columns.map(|column| column.to_data().get_slice_memory_size().unwrap_or(0) as u64).sum())
    });
    let read = || plan.metrics()?.sum_by_name("bytes_scanned").map(|value| value.as_usize() as u64);
    in_memory.or_else(read).unwrap_or(0)
}

/// The rows that a scan of memory gives; it keeps no count of its own.
fn rows_in_memory(plan: &Arc<dyn ExecutionPlan>) -> Option<u64> {
    let scan = plan.downcast_ref::<DataSourceExec>()?;
    let batches = scan.data_source().downcast_ref::<MemorySourceConfig>()?.partitions();
    Some(batches.iter().flatten().map(|batch| batch.num_rows() as u64).sum())
}
