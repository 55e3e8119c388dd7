//! The operator: groups its input's rows on codes and gives the states of their aggregates.

use std::fmt;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::common::internal_datafusion_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::StreamExt;

use super::groups::{Groups, evaluate};
use super::sets::Sets;

/// Takes the place of a partial `AggregateExec`.
#[derive(Debug)]
pub struct CodeGroupingExec {
    input: Arc<dyn ExecutionPlan>,
    keys: Vec<(Arc<dyn PhysicalExpr>, String)>,
    sets: Sets,
    aggregates: Vec<Arc<AggregateFunctionExpr>>,
    filters: Vec<Option<Arc<dyn PhysicalExpr>>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl CodeGroupingExec {
    /// The partial stage over `input`, which gives some of its texts as dictionaries; `None` when it has keys of other types.
    pub fn try_new(partial: &AggregateExec, input: Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let types = partial.group_expr().expr().iter().map(|(expr, _)| expr.data_type(&input.schema()));
        if !types.collect::<Result<Vec<_>>>()?.iter().all(Groups::supports) {
            return Ok(None);
        }
        let Some(sets) = Sets::of(partial.group_expr()) else { return Ok(None) };
        Ok(Some(Arc::new(CodeGroupingExec::over(
            input,
            partial.group_expr().expr().to_vec(),
            sets,
            partial.aggr_expr().to_vec(),
            partial.filter_expr().to_vec(),
            partial.schema(),
        ))))
    }

    fn over(
        input: Arc<dyn ExecutionPlan>,
        keys: Vec<(Arc<dyn PhysicalExpr>, String)>,
        sets: Sets,
        aggregates: Vec<Arc<AggregateFunctionExpr>>,
        filters: Vec<Option<Arc<dyn PhysicalExpr>>>,
        schema: SchemaRef,
    ) -> CodeGroupingExec {
        let partitions = input.output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions),
            datafusion::physical_plan::execution_plan::EmissionType::Final,
            input.boundedness(),
        );
        CodeGroupingExec {
            input,
            keys,
            sets,
            aggregates,
            filters,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl DisplayAs for CodeGroupingExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.keys.iter().map(|(_, name)| name.as_str()).collect();
        let aggregates: Vec<&str> = self.aggregates.iter().map(|expr| expr.name()).collect();
        write!(f, "CodeGroupingExec: gby=[{}]{}, aggr=[{}]", keys.join(", "), self.sets, aggregates.join(", "))
    }
}

impl ExecutionPlan for CodeGroupingExec {
    fn name(&self) -> &str {
        "CodeGroupingExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for (key, _) in &self.keys {
            if f(key)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.into_iter().next().ok_or_else(|| internal_datafusion_err!("expected an input"))?;
        Ok(Arc::new(CodeGroupingExec::over(
            input,
            self.keys.clone(),
            self.sets.clone(),
            self.aggregates.clone(),
            self.filters.clone(),
            self.schema(),
        )))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(datafusion::physical_plan::ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let types = self.keys.iter().map(|(expr, _)| expr.data_type(&self.input.schema())).collect::<Result<Vec<_>>>()?;
        let grouping = Grouping {
            keys: self.keys.iter().map(|(expr, _)| Arc::clone(expr)).collect(),
            aggregates: self
                .aggregates
                .iter()
                .zip(&self.filters)
                .map(|(expr, filter)| Aggregate::new(expr, filter))
                .collect::<Result<_>>()?,
            groups: Groups::new(&types)?,
            sets: self.sets.clone(),
            rows: Vec::new(),
            schema: self.schema(),
            memory: MemoryConsumer::new(format!("CodeGrouping[{partition}]")).register(context.memory_pool()),
        };
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let batch_size = context.session_config().batch_size();
        let schema = self.schema();
        let stream = futures::stream::try_unfold(State { grouping, input: Some(input), told: Vec::new() }, move |mut state| {
            let metrics = metrics.clone();
            async move {
                loop {
                    if let Some(batch) = state.told.pop() {
                        metrics.record_output(batch.num_rows());
                        return Ok(Some((batch, state)));
                    }
                    let Some(input) = state.input.as_mut() else { return Ok(None) };
                    match input.next().await.transpose()? {
                        Some(batch) => {
                            let _timer = metrics.elapsed_compute().timer();
                            if state.grouping.add(&batch)? {
                                state.told = state.grouping.tell(batch_size)?;
                            }
                        }
                        None => {
                            let _timer = metrics.elapsed_compute().timer();
                            state.input = None;
                            state.told = state.grouping.tell(batch_size)?;
                        }
                    }
                }
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

struct State {
    grouping: Grouping,
    input: Option<SendableRecordBatchStream>,
    /// What is still to be given, last first.
    told: Vec<RecordBatch>,
}

/// One partition's groups and their aggregates.
struct Grouping {
    keys: Vec<Arc<dyn PhysicalExpr>>,
    aggregates: Vec<Aggregate>,
    groups: Groups,
    sets: Sets,
    /// The group of each row, scratch of a batch.
    rows: Vec<usize>,
    schema: SchemaRef,
    memory: MemoryReservation,
}

struct Aggregate {
    expr: AggregateFunctionExpr,
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    filter: Option<Arc<dyn PhysicalExpr>>,
    accumulator: Box<dyn GroupsAccumulator>,
}

impl Aggregate {
    fn new(expr: &AggregateFunctionExpr, filter: &Option<Arc<dyn PhysicalExpr>>) -> Result<Aggregate> {
        Ok(Aggregate {
            expr: expr.clone(),
            arguments: expr.expressions(),
            filter: filter.clone(),
            accumulator: expr.create_groups_accumulator()?,
        })
    }
}

impl Grouping {
    /// Adds the rows of a batch; true when what is known has to be told to make room.
    fn add(&mut self, batch: &RecordBatch) -> Result<bool> {
        self.groups.of_rows(&evaluate(&self.keys, batch)?, &mut self.rows)?;
        for aggregate in &mut self.aggregates {
            let values = evaluate(&aggregate.arguments, batch)?;
            let filter = match &aggregate.filter {
                Some(filter) => Some(filter.evaluate(batch)?.into_array(batch.num_rows())?),
                None => None,
            };
            let filter: Option<&BooleanArray> = match &filter {
                Some(filter) => Some(filter.as_boolean_opt().ok_or_else(|| internal_datafusion_err!("expected a condition"))?),
                None => None,
            };
            aggregate.accumulator.update_batch(&values, &self.rows, filter, self.groups.len())?;
        }
        let bytes = self.groups.bytes() + self.aggregates.iter().map(|aggregate| aggregate.accumulator.size()).sum::<usize>();
        let has_room = self.memory.try_resize(bytes).is_ok();
        Ok(!has_room || self.groups.is_full())
    }

    /// The states of all groups, last first, in batches; then there are none.
    fn tell(&mut self, batch_size: usize) -> Result<Vec<RecordBatch>> {
        if self.groups.len() == 0 {
            return Ok(Vec::new());
        }
        let keys = self.groups.keys()?;
        let mut states = Vec::with_capacity(self.aggregates.len());
        for aggregate in &mut self.aggregates {
            states.push(aggregate.accumulator.state(EmitTo::All)?);
        }
        self.groups.clear();
        self.memory.free();
        let exprs: Vec<&AggregateFunctionExpr> = self.aggregates.iter().map(|aggregate| &aggregate.expr).collect();
        let mut told = Vec::new();
        for whole in self.sets.rolled_up(&self.schema, &keys, &exprs, &states)? {
            let starts = (0..whole.num_rows()).step_by(batch_size.max(1));
            told.extend(starts.rev().map(|start| whole.slice(start, batch_size.min(whole.num_rows() - start))));
        }
        Ok(told)
    }
}
