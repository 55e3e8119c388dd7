//! The operator: counts its input's rows, or adds up counts of others of its kind.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{internal_datafusion_err, internal_err};
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, ExecutionPlanProperties,
    InputDistributionRequirements, Partitioning, PhysicalExpr, PlanProperties, ReplaceChildrenOptions,
};
use futures::StreamExt;

use super::counts::Rows;
use super::state::{Comparison, schema};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Rows in, counts out, each partition for itself.
    Counting,
    /// Counts in, their sum out.
    AddingUp,
}

#[derive(Debug)]
pub struct BubbleUpExec {
    input: Arc<dyn ExecutionPlan>,
    mode: Mode,
    /// Of the columns that are counted.
    types: Vec<DataType>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl BubbleUpExec {
    /// Over rows whose first `columns` columns are counted, followed by whether a row is selected and its weight.
    pub fn counting(input: Arc<dyn ExecutionPlan>, columns: usize) -> Result<BubbleUpExec> {
        let schema = input.schema();
        let types: Vec<DataType> = schema.fields().iter().take(columns).map(|field| field.data_type().clone()).collect();
        let ends = schema.fields().get(columns..).unwrap_or_default();
        match ends {
            [selected, weight] if *selected.data_type() == DataType::Boolean && *weight.data_type() == DataType::Float64 => {}
            _ => return internal_err!("expected the selection and the weight after {columns} columns of {schema}"),
        }
        Ok(BubbleUpExec::new(input, Mode::Counting, types))
    }

    /// Over the counts of one that is [`BubbleUpExec::counting`].
    pub fn adding_up(counting: BubbleUpExec) -> BubbleUpExec {
        let types = counting.types.clone();
        BubbleUpExec::new(Arc::new(counting), Mode::AddingUp, types)
    }

    /// What this one counts, if it counts: its input and how many columns of it.
    pub fn counted(&self) -> Option<(&Arc<dyn ExecutionPlan>, usize)> {
        (self.mode == Mode::Counting).then_some((&self.input, self.types.len()))
    }

    fn new(input: Arc<dyn ExecutionPlan>, mode: Mode, types: Vec<DataType>) -> BubbleUpExec {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema()),
            Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            datafusion::physical_plan::execution_plan::EmissionType::Final,
            input.boundedness(),
        );
        BubbleUpExec { input, mode, types, properties: Arc::new(properties), metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl DisplayAs for BubbleUpExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BubbleUpExec: {:?}, {} columns", self.mode, self.types.len())
    }
}

impl ExecutionPlan for BubbleUpExec {
    fn name(&self) -> &str {
        "BubbleUpExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![match self.mode {
            Mode::Counting => Distribution::UnspecifiedDistribution,
            Mode::AddingUp => Distribution::SinglePartition,
        }])
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.into_iter().next().ok_or_else(|| internal_datafusion_err!("expected an input"))?;
        match self.mode {
            Mode::Counting => Ok(Arc::new(BubbleUpExec::counting(input, self.types.len())?)),
            Mode::AddingUp => Ok(Arc::new(BubbleUpExec::new(input, Mode::AddingUp, self.types.clone()))),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let memory = MemoryConsumer::new(format!("BubbleUp[{partition}]")).register(context.memory_pool());
        let mut comparison = Comparison::new(&self.types)?;
        let mut input = self.input.execute(partition, context)?;
        let mode = self.mode;
        let counted = async move {
            while let Some(batch) = input.next().await.transpose()? {
                let _timer = metrics.elapsed_compute().timer();
                match mode {
                    Mode::Counting => count(&mut comparison, &batch)?,
                    Mode::AddingUp => comparison.add_state(&batch)?,
                }
                memory.try_resize(comparison.bytes())?;
            }
            let state = comparison.take_state()?;
            metrics.record_output(state.num_rows());
            Ok(state)
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema(), futures::stream::once(counted))))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// Counts the rows of a batch.
fn count(comparison: &mut Comparison, batch: &RecordBatch) -> Result<()> {
    let columns = comparison.columns.len();
    let (Some(selected), Some(weights)) =
        (batch.column(columns).as_boolean_opt(), batch.column(columns + 1).as_primitive_opt::<Float64Type>())
    else {
        return internal_err!("expected the selection and the weight");
    };
    let selected: Vec<u32> = match selected.nulls() {
        None => selected.values().set_indices_u32().collect(),
        Some(nulls) => (selected.values() & nulls.inner()).set_indices_u32().collect(),
    };
    let weights: &[f64] = weights.values();
    let weights = weights.iter().any(|weight| *weight != 1.0).then_some(weights);
    let rows = Rows { count: batch.num_rows(), selected: &selected, weights };
    let more = |sum: &mut [f64; 2], all: f64, selected: f64| *sum = [sum[0] + all, sum[1] + selected];
    more(&mut comparison.rows, rows.count as f64, selected.len() as f64);
    match weights {
        None => more(&mut comparison.weights, rows.count as f64, selected.len() as f64),
        Some(weights) => {
            let of_selected = selected.iter().map(|row| weights[*row as usize]).sum();
            more(&mut comparison.weights, weights.iter().sum(), of_selected);
        }
    }
    for (counts, column) in comparison.columns.iter_mut().zip(batch.columns()) {
        counts.add(column, &rows)?;
    }
    Ok(())
}
