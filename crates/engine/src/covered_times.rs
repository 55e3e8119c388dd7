//! Conditions on time that all rows of a file meet are not asked of its rows.
//!
//! The catalog knows between which times the rows of a part lie. The Parquet reader prunes by that, but what it reads it filters
//! row by row, and reads the times for it. Most files of a long range lie within it whole.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};
use datafusion::physical_expr::split_conjunction;
use datafusion::physical_expr::utils::conjunction;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

/// Drops conditions on time where files meet them. Comes after filters are pushed into scans.
#[derive(Debug)]
pub(crate) struct CoveredTimes;

impl PhysicalOptimizerRule for CoveredTimes {
    fn name(&self) -> &str {
        "covered_times"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| match plan.downcast_ref::<DataSourceExec>().map(without_covered).transpose()?.flatten() {
            Some(new) => Ok(Transformed::yes(new)),
            None => Ok(Transformed::no(plan)),
        })
        .data()
    }
}

fn without_covered(scan: &DataSourceExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(config) = scan.data_source().downcast_ref::<FileScanConfig>() else { return Ok(None) };
    let Some(source) = config.file_source().downcast_ref::<ParquetSource>() else { return Ok(None) };
    let Some(predicate) = source.filter() else { return Ok(None) };
    let conditions = split_conjunction(&predicate);
    let bounds: Vec<Bound> = conditions.iter().filter_map(|condition| Bound::of(condition)).collect();
    let is_covered = |file: &PartitionedFile| file.statistics.as_ref().is_some_and(|known| covers(&bounds, known));
    let files = || config.file_groups.iter().flat_map(FileGroup::iter);
    if bounds.is_empty() || !files().any(is_covered) {
        return Ok(None);
    }
    let others: Vec<Arc<dyn PhysicalExpr>> =
        conditions.iter().filter(|condition| Bound::of(condition).is_none()).map(|condition| Arc::clone(condition)).collect();
    // Who looks for the newest rows stops early, and has to meet the files in their order.
    let is_in_order = config.limit.is_some() || others.iter().any(|other| other.snapshot_generation() != 0);
    let groups_where = |wanted: bool| -> Vec<FileGroup> {
        let groups =
            config.file_groups.iter().map(|group| group.iter().filter(|file| is_covered(file) == wanted).cloned().collect());
        groups.filter(|files: &Vec<PartitionedFile>| !files.is_empty()).map(FileGroup::new).collect()
    };
    let free = source.with_predicate(conjunction(others));
    let scan = |source: ParquetSource, groups: Vec<FileGroup>| {
        let builder = FileScanConfigBuilder::from(config.clone()).with_file_groups(groups).with_source(Arc::new(source));
        DataSourceExec::from_data_source(builder.build()) as Arc<dyn ExecutionPlan>
    };
    if files().all(is_covered) {
        return Ok(Some(scan(free, config.file_groups.clone())));
    }
    // A plan over one partition may rest on there being one.
    if is_in_order || config.file_groups.len() < 2 {
        return Ok(None);
    }
    let inputs = vec![scan(free, groups_where(true)), scan(source.clone(), groups_where(false))];
    Ok(Some(UnionExec::try_new(inputs)?))
}

/// `time` compared with a constant, from either side.
struct Bound {
    operator: Operator,
    nanos: i64,
}

impl Bound {
    fn of(condition: &Arc<dyn PhysicalExpr>) -> Option<Bound> {
        let comparison = condition.downcast_ref::<BinaryExpr>()?;
        let column = comparison.left().downcast_ref::<Column>().filter(|column| column.name() == "time");
        let constant = comparison.right().downcast_ref::<Literal>()?;
        let ScalarValue::TimestampNanosecond(Some(nanos), _) = constant.value() else { return None };
        let operator = *comparison.op();
        let is_order = matches!(operator, Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq);
        column.filter(|_| is_order).map(|_| Bound { operator, nanos: *nanos })
    }

    fn holds_between(&self, earliest: i64, latest: i64) -> bool {
        match self.operator {
            Operator::Lt => latest < self.nanos,
            Operator::LtEq => latest <= self.nanos,
            Operator::Gt => earliest > self.nanos,
            _ => earliest >= self.nanos,
        }
    }
}

/// Whether all rows meet the bounds. What is known begins with the table's first column, which is `time`.
fn covers(bounds: &[Bound], known: &Statistics) -> bool {
    let Some(time) = known.column_statistics.first() else { return false };
    let (
        Precision::Exact(ScalarValue::TimestampNanosecond(Some(earliest), _)),
        Precision::Exact(ScalarValue::TimestampNanosecond(Some(latest), _)),
    ) = (&time.min_value, &time.max_value)
    else {
        return false;
    };
    bounds.iter().all(|bound| bound.holds_between(*earliest, *latest))
}
