//! One signal's rows as a table: stock Parquet scans over the parts that may matter, plus the rows still in memory.
//!
//! The Parquet side is DataFusion's own `DataSourceExec` with an explicit list of files, so that a distributed engine can
//! take the plan as it is. Before the plan sees them, parts are pruned by time, then parts and row groups by the words they
//! hold. Files are listed newest first and carry the bounds of their times, so that a search for the newest rows ends as
//! soon as no older file can matter, without having opened it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics, project_schema};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::union::UnionExec;
use model::Signal;
use store::{Part, Snapshot, Store, TokenFilters};

use crate::dictionaries::{self, RepeatingColumns};
use crate::footers;
use crate::limits::DICTIONARY_SAMPLE_FILES;
use crate::part_reader::PartReaders;
use crate::prune::{MayHold, TimeBounds, Words};
use crate::rest::RestColumns;
use crate::session::View;

/// The scheme under which the store's parts are registered with every session.
pub const PARTS_URL: &str = "cupola://parts";

/// The column that says how many rows a row stands for.
const SAMPLE_RATE: &str = "sample_rate";

/// Bytes read from a part's end at once: most footers with their page index fit, and one read is cheaper than three.
pub(crate) const FOOTER_BYTES_HINT: usize = 64 * 1024;

pub(crate) struct SignalTable {
    signal: Signal,
    /// The snapshot's columns, then those that a question named and only `attributes_rest` can have.
    schema: SchemaRef,
    view: Arc<View>,
    store: Store,
    /// Of each part the row groups that are read, where not all are.
    only: Option<HashMap<u64, Vec<bool>>>,
}

impl std::fmt::Debug for SignalTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignalTable").field("signal", &self.signal).finish_non_exhaustive()
    }
}

impl SignalTable {
    /// `schema` is the snapshot's, possibly with further columns at its end.
    pub fn new(signal: Signal, schema: SchemaRef, view: Arc<View>, store: Store) -> SignalTable {
        SignalTable { signal, schema, view, store, only: None }
    }

    /// Of the parts these row groups alone.
    pub fn only(self, row_groups: HashMap<u64, Vec<bool>>) -> SignalTable {
        SignalTable { only: Some(row_groups), ..self }
    }

    /// The files that may hold rows for which `filters` hold, newest first, each with the row groups to read.
    fn files<'a>(&self, snapshot: &'a Snapshot, filters: &[Expr]) -> Vec<Chosen<'a>> {
        let bounds = TimeBounds::of(filters);
        let words = if self.signal == Signal::Logs { Words::of(filters) } else { Words::Any };
        let mut chosen: Vec<Chosen<'_>> = Vec::new();
        for part in &snapshot.parts {
            if !bounds.overlaps(part.min_time, part.max_time) {
                self.view.progress.pass(part.rows);
                continue;
            }
            let row_groups = match &self.only {
                Some(only) => only.get(&part.id).map_or(RowGroups::None, |wanted| chosen_row_groups(wanted.iter().copied())),
                None => row_groups(&self.store, part, &words),
            };
            match row_groups {
                RowGroups::None => self.view.progress.pass(part.rows),
                RowGroups::All => chosen.push(Chosen { part, access: None }),
                RowGroups::Some(access) => chosen.push(Chosen { part, access: Some(access) }),
            }
        }
        chosen.sort_by_key(|chosen| std::cmp::Reverse((chosen.part.max_time, chosen.part.id)));
        chosen
    }

    async fn parquet_scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        files: Vec<Chosen<'_>>,
        limit: Option<usize>,
        rest: Option<Arc<RestColumns>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let url = ObjectStoreUrl::parse(PARTS_URL)?;
        let env = state.runtime_env();
        let cache = env.cache_manager.get_file_metadata_cache();
        let rows = files.iter().map(|file| (file.part.path.clone(), file.part.rows));
        let readers = PartReaders::new(env.object_store(&url)?, cache, Arc::clone(&self.view), rows);
        let statistics = statistics(&files, self.schema.fields().len());
        let mut files: Vec<PartitionedFile> = files.into_iter().map(partitioned).collect();
        note_footers(&readers, &self.schema, &mut files).await?;
        let groups = in_turn(files, state.config().target_partitions());
        let source = ParquetSource::new(Arc::clone(&self.schema))
            .with_table_parquet_options(state.default_table_options().parquet)
            .with_parquet_file_reader_factory(Arc::new(readers));
        let adapters = dictionaries::Adapters::over(rest.map(|rest| rest as _));
        let config = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_expr_adapter(Some(Arc::new(adapters)))
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn memory_scan(
        &self,
        snapshot: &Snapshot,
        projection: Option<&Vec<usize>>,
        rest: Option<&RestColumns>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = project_schema(&self.schema, projection)?;
        let mut batches = snapshot.memory_as(&schema).map_err(|error| DataFusionError::External(error.into()))?;
        if let Some(rest) = rest {
            batches = batches
                .into_iter()
                .zip(&snapshot.memory)
                .map(|(batch, stored)| rest.fill(batch, stored))
                .collect::<Result<Vec<RecordBatch>>>()?;
        }
        self.view.progress.pass(snapshot.memory.iter().map(|batch| batch.num_rows() as u64).sum());
        Ok(MemorySourceConfig::try_new_exec(&[batches], schema, None)?)
    }

    /// The columns of this question that have to be looked for in `attributes_rest` as well.
    ///
    /// A question for all columns gets `attributes_rest` itself; only what it filters by is looked for then.
    fn rest_columns(&self, snapshot: &Snapshot, projection: Option<&Vec<usize>>, filters: &[Expr]) -> Option<Arc<RestColumns>> {
        let fields = self.schema.fields();
        let added = fields.iter().filter(|field| snapshot.schema.column_with_name(field.name()).is_none());
        let mut names: HashSet<String> = added.map(|field| field.name().clone()).collect();
        for filter in filters {
            names.extend(filter.column_refs().into_iter().map(|column| column.name.clone()));
        }
        if let Some(places) = projection.filter(|places| places.len() < snapshot.schema.fields().len()) {
            names.extend(places.iter().filter_map(|place| fields.get(*place)).map(|field| field.name().clone()));
        }
        names.retain(|name| !store::columns::is_fixed(self.signal, name));
        (!names.is_empty()).then(|| Arc::new(RestColumns::new(names)))
    }
}

#[async_trait]
impl TableProvider for SignalTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
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
        let snapshot = self.view.snapshot(self.signal);
        self.view.progress.begin(snapshot.rows_total);
        let rest = self.rest_columns(&snapshot, projection, filters);
        let files = self.files(&snapshot, filters);
        let mut inputs = Vec::with_capacity(2);
        if !snapshot.memory.is_empty() {
            inputs.push(self.memory_scan(&snapshot, projection, rest.as_deref())?);
        }
        if !files.is_empty() {
            inputs.push(self.parquet_scan(state, projection, files, limit, rest).await?);
        }
        match inputs.len() {
            0 => Ok(Arc::new(EmptyExec::new(project_schema(&self.schema, projection)?))),
            1 => Ok(inputs.remove(0)),
            _ => UnionExec::try_new(inputs),
        }
    }
}

/// A part that is read, and which of its row groups.
struct Chosen<'a> {
    part: &'a Part,
    access: Option<ParquetAccessPlan>,
}

enum RowGroups {
    All,
    None,
    Some(ParquetAccessPlan),
}

/// What the filters of a part know of one of its row groups.
struct RowGroup<'a> {
    filters: &'a TokenFilters,
    group: usize,
}

impl MayHold for RowGroup<'_> {
    fn word(&self, word: &str) -> bool {
        self.filters.may_contain(self.group, store::token_hash(word))
    }

    fn part_of_word(&self, part: &str) -> bool {
        self.filters.may_contain_part(self.group, part)
    }

    fn value(&self, attribute: &str, value: &str) -> bool {
        !self.filters.tell_of(attribute, value) || store::tokens(value).all(|word| self.word(word))
    }
}

/// The row groups of a part that may hold the words.
fn row_groups(store: &Store, part: &Part, words: &Words) -> RowGroups {
    if *words == Words::Any {
        return RowGroups::All;
    }
    let Some(filters) = store.token_filters(part) else { return RowGroups::All };
    let may_match = |group| words.may_match(&RowGroup { filters: &filters, group });
    chosen_row_groups((0..filters.row_groups()).map(may_match))
}

/// The row groups of a part, one after the other, as far as they are wanted.
fn chosen_row_groups(wanted: impl ExactSizeIterator<Item = bool>) -> RowGroups {
    let groups = wanted.len();
    let mut access = ParquetAccessPlan::new_all(groups);
    let mut left = groups;
    for (group, _) in wanted.enumerate().filter(|(_, is_wanted)| !is_wanted) {
        access.skip(group);
        left -= 1;
    }
    match left {
        0 => RowGroups::None,
        _ if left == groups => RowGroups::All,
        _ => RowGroups::Some(access),
    }
}

/// Files in the order given, cut into as many runs of about as many bytes as there are threads. Idle threads take what is
/// next in this order, whichever run it is in.
fn in_turn(files: Vec<PartitionedFile>, threads: usize) -> Vec<FileGroup> {
    let total: u64 = files.iter().map(|file| file.object_meta.size).sum();
    let share = total.div_ceil(threads.max(1) as u64).max(1);
    let mut groups: Vec<Vec<PartitionedFile>> = vec![Vec::new()];
    let mut bytes = 0;
    for file in files {
        if bytes >= share * groups.len() as u64 {
            groups.push(Vec::new());
        }
        bytes += file.object_meta.size;
        if let Some(group) = groups.last_mut() {
            group.push(file);
        }
    }
    groups.into_iter().map(FileGroup::new).collect()
}

/// Looks at the footers of some of the files: notes with the first what repeats in them, and with each how often its rows count.
///
/// A plan is made once for all files, so that a sample has to do; where a file is otherwise the plan is only slower.
async fn note_footers(readers: &PartReaders, schema: &Schema, files: &mut [PartitionedFile]) -> Result<()> {
    let mut by_size: Vec<&mut PartitionedFile> = files.iter_mut().collect();
    if by_size.len() > DICTIONARY_SAMPLE_FILES {
        by_size.select_nth_unstable_by_key(DICTIONARY_SAMPLE_FILES, |file| std::cmp::Reverse(file.object_meta.size));
        by_size.truncate(DICTIONARY_SAMPLE_FILES);
    }
    let rate_column = schema.column_with_name(SAMPLE_RATE).map(|(place, _)| place);
    let mut repeating: HashSet<String> = HashSet::new();
    for file in by_size {
        let footer = readers.footer(file).await?;
        // A column that one of them does not have says nothing against it.
        repeating.extend(dictionaries::repeating_columns(&footer).map(str::to_owned));
        if let (Some(column), Some(rate)) = (rate_column, footers::only_value(&footer, SAMPLE_RATE)) {
            note_only_value(file, column, rate);
        }
    }
    if let Some(first) = files.first_mut() {
        first.extensions.insert(RepeatingColumns(repeating));
    }
    Ok(())
}

/// Notes that a column has one value in all rows, so that it is not read.
fn note_only_value(file: &mut PartitionedFile, column: usize, value: f64) {
    let Some(known) = file.statistics.as_ref() else { return };
    let mut known = Statistics::clone(known);
    if known.column_statistics.len() <= column {
        known.column_statistics.resize(column + 1, ColumnStatistics::new_unknown());
    }
    let value = Precision::Exact(ScalarValue::Float64(Some(value)));
    known.column_statistics[column] = ColumnStatistics {
        null_count: Precision::Exact(0),
        min_value: value.clone(),
        max_value: value,
        ..ColumnStatistics::new_unknown()
    };
    file.statistics = Some(Arc::new(known));
}

fn partitioned(file: Chosen<'_>) -> PartitionedFile {
    let part = file.part;
    let partitioned = PartitionedFile::new(part.path.to_string(), part.bytes)
        .with_statistics(Arc::new(Statistics {
            num_rows: Precision::Exact(part.rows as usize),
            total_byte_size: Precision::Absent,
            // Of the table's first column, `time`; the catalog knows of no others.
            column_statistics: vec![time_statistics(part.min_time, part.max_time)],
        }))
        .with_metadata_size_hint(FOOTER_BYTES_HINT.min(part.bytes as usize));
    match file.access {
        Some(access) => partitioned.with_extension(access),
        None => partitioned,
    }
}

/// What is known of all files together: how many rows, and between which times.
fn statistics(files: &[Chosen<'_>], columns: usize) -> Statistics {
    let mut column_statistics = vec![ColumnStatistics::new_unknown(); columns];
    let earliest = files.iter().map(|file| file.part.min_time).min();
    let latest = files.iter().map(|file| file.part.max_time).max();
    if let (Some(time), Some(earliest), Some(latest)) = (column_statistics.first_mut(), earliest, latest) {
        *time = time_statistics(earliest, latest);
    }
    Statistics {
        num_rows: Precision::Exact(files.iter().map(|file| file.part.rows as usize).sum()),
        total_byte_size: Precision::Absent,
        column_statistics,
    }
}

fn time_statistics(earliest: i64, latest: i64) -> ColumnStatistics {
    let at = |nanos| Precision::Exact(ScalarValue::TimestampNanosecond(Some(nanos), Some("UTC".into())));
    ColumnStatistics {
        null_count: Precision::Exact(0),
        min_value: at(earliest),
        max_value: at(latest),
        ..ColumnStatistics::new_unknown()
    }
}
