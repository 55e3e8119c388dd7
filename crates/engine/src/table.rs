//! One signal's rows as a table: stock Parquet scans over the matching parts, plus the rows still in memory.
//!
//! The Parquet side is DataFusion's own `DataSourceExec` with an explicit list of files, so that a distributed engine can
//! take the plan as it is. Parts are pruned by time before the plan sees them.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{ScalarValue, project_schema};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use store::{Part, Snapshot};

use crate::{dictionaries, limits};

/// The scheme under which the store's parts are registered with every session.
pub const PARTS_URL: &str = "cupola://parts";

#[derive(Debug)]
pub struct SignalTable {
    snapshot: Snapshot,
}

impl SignalTable {
    pub fn new(snapshot: Snapshot) -> SignalTable {
        SignalTable { snapshot }
    }

    async fn parquet_scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        parts: Vec<&Part>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let url = ObjectStoreUrl::parse(PARTS_URL)?;
        let env = state.runtime_env();
        let readers = CachedParquetFileReaderFactory::new(env.object_store(&url)?, env.cache_manager.get_file_metadata_cache());
        let readers = dictionaries::Readers::new(Arc::new(readers));
        let mut groups = spread(parts, state.config().target_partitions());
        readers.note_repeating(&mut groups, limits::DICTIONARY_SAMPLE_FILES).await?;
        let source = ParquetSource::new(Arc::clone(&self.snapshot.schema))
            .with_table_parquet_options(state.default_table_options().parquet)
            .with_parquet_file_reader_factory(Arc::new(readers));
        let config = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_expr_adapter(Some(Arc::new(dictionaries::Adapters::over(None))))
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn memory_scan(&self, projection: Option<&Vec<usize>>) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = project_schema(&self.snapshot.schema, projection)?;
        let batches = self.snapshot.memory_as(&schema).map_err(|error| DataFusionError::External(error.into()))?;
        Ok(MemorySourceConfig::try_new_exec(&[batches], schema, None)?)
    }
}

#[async_trait]
impl TableProvider for SignalTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.snapshot.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (from, to) = time_bounds(filters);
        let parts: Vec<&Part> = self.snapshot.parts.iter().filter(|part| part.max_time >= from && part.min_time <= to).collect();
        let mut inputs = Vec::with_capacity(2);
        if !parts.is_empty() {
            inputs.push(self.parquet_scan(state, projection, parts, limit).await?);
        }
        if !self.snapshot.memory.is_empty() {
            inputs.push(self.memory_scan(projection)?);
        }
        match inputs.len() {
            0 => Ok(Arc::new(EmptyExec::new(project_schema(&self.snapshot.schema, projection)?))),
            1 => Ok(inputs.remove(0)),
            _ => UnionExec::try_new(inputs),
        }
    }
}

/// Spreads parts over the query threads, largest first onto the emptiest, so that no thread has all the work.
fn spread(mut parts: Vec<&Part>, threads: usize) -> Vec<FileGroup> {
    parts.sort_by_key(|part| std::cmp::Reverse(part.bytes));
    let mut groups: Vec<(u64, Vec<PartitionedFile>)> = vec![(0, Vec::new()); threads.clamp(1, parts.len().max(1))];
    for part in parts {
        if let Some((bytes, files)) = groups.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            *bytes += part.bytes;
            files.push(PartitionedFile::new(part.path.to_string(), part.bytes));
        }
    }
    groups.into_iter().map(|(_, files)| FileGroup::new(files)).collect()
}

/// The nanoseconds between which `time` must lie for the filters to hold; both inclusive.
fn time_bounds(filters: &[Expr]) -> (i64, i64) {
    let mut bounds = (i64::MIN, i64::MAX);
    let mut pending: Vec<&Expr> = filters.iter().collect();
    while let Some(expr) = pending.pop() {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { continue };
        if *op == Operator::And {
            pending.extend([left.as_ref(), right.as_ref()]);
            continue;
        }
        let (literal, op) = match (left.as_ref(), right.as_ref()) {
            (Expr::Column(column), Expr::Literal(value, _)) if column.name == "time" => (value, *op),
            (Expr::Literal(value, _), Expr::Column(column)) if column.name == "time" => match op.swap() {
                Some(op) => (value, op),
                None => continue,
            },
            _ => continue,
        };
        let ScalarValue::TimestampNanosecond(Some(nanos), _) = literal else { continue };
        match op {
            Operator::Gt | Operator::GtEq => bounds.0 = bounds.0.max(*nanos),
            Operator::Lt | Operator::LtEq => bounds.1 = bounds.1.min(*nanos),
            Operator::Eq => bounds = (bounds.0.max(*nanos), bounds.1.min(*nanos)),
            _ => {}
        }
    }
    bounds
}
