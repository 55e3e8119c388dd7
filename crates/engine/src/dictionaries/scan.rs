//! Plans whose scans give chosen text columns as dictionaries.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, Partitioning, PhysicalExpr};

use super::adapters::{OwnCodes, over_dictionaries};
use super::readers::RepeatingColumns;
use super::{dictionary_type, is_dictionary};

/// Which columns are worth it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that repeat in the files, as far as their footers were looked at.
    Repeating,
    /// All that are wanted: texts that do not repeat get codes of their own.
    All,
}

/// The plan with the wanted output columns as dictionaries where its scan can give them; `None` when it gives none.
///
/// Looks through operators that pass columns on as they are, and stops at others.
pub fn as_dictionaries(
    plan: &Arc<dyn ExecutionPlan>,
    wanted: &HashSet<usize>,
    which: Which,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if wanted.is_empty() {
        return Ok(None);
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        return through_projection(projection, wanted, which);
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        return through_filter(filter, wanted, which);
    }
    if let Some(union) = plan.downcast_ref::<UnionExec>() {
        return through_union(union, wanted, which);
    }
    if let Some(scan) = plan.downcast_ref::<DataSourceExec>() {
        return scanned(scan, wanted, which);
    }
    let passes = plan.downcast_ref::<CoalescePartitionsExec>().is_some()
        || plan.downcast_ref::<CooperativeExec>().is_some()
        || plan
            .downcast_ref::<RepartitionExec>()
            .is_some_and(|repartition| matches!(repartition.partitioning(), Partitioning::RoundRobinBatch(_)));
    match plan.children().as_slice() {
        [child] if passes => match as_dictionaries(child, wanted, which)? {
            Some(child) => {
                let options = datafusion::physical_plan::ReplaceChildrenOptions::new(
                    datafusion::physical_plan::ChildrenPropertiesMode::Recompute,
                );
                Ok(Some(Arc::clone(plan).replace_children(vec![child], options)?))
            }
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

fn through_projection(
    projection: &ProjectionExec,
    wanted: &HashSet<usize>,
    which: Which,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    // What is computed of texts is computed of each text once when the texts are dictionaries.
    let needed = |place: &usize| projection.expr().get(*place).map(|ProjectionExpr { expr, .. }| collect_columns(expr));
    let below: HashSet<usize> = wanted.iter().filter_map(needed).flatten().map(|column| column.index()).collect();
    let Some(input) = as_dictionaries(projection.input(), &below, which)? else { return Ok(None) };
    let schema = input.schema();
    let mut exprs: Vec<ProjectionExpr> = Vec::with_capacity(projection.expr().len());
    for (place, ProjectionExpr { expr, alias }) in projection.expr().iter().enumerate() {
        let expr = if wanted.contains(&place) && expr.downcast_ref::<Column>().is_some() {
            Arc::clone(expr)
        } else {
            over_dictionaries(as_texts(Arc::clone(expr), &schema)?, &schema)?
        };
        exprs.push(ProjectionExpr { expr, alias: alias.clone() });
    }
    Ok(Some(Arc::new(ProjectionExec::try_new(exprs, input)?)))
}

fn through_filter(filter: &FilterExec, wanted: &HashSet<usize>, which: Which) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let below: HashSet<usize> = match filter.projection().as_ref() {
        Some(projection) => wanted.iter().filter_map(|place| projection.get(*place).copied()).collect(),
        None => wanted.clone(),
    };
    let Some(input) = as_dictionaries(filter.input(), &below, which)? else { return Ok(None) };
    let schema = input.schema();
    let predicate = over_dictionaries(as_texts(Arc::clone(filter.predicate()), &schema)?, &schema)?;
    let builder = FilterExecBuilder::new(predicate, input).with_default_selectivity(filter.default_selectivity());
    let builder = builder.apply_projection(filter.projection().as_ref().map(|projection| projection.to_vec()))?;
    Ok(Some(Arc::new(builder.with_fetch(filter.fetch()).build()?)))
}

/// All inputs must agree; one that cannot gives its texts codes of their own.
fn through_union(union: &UnionExec, wanted: &HashSet<usize>, which: Which) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let mut found: HashSet<usize> = HashSet::new();
    let mut inputs = Vec::with_capacity(union.inputs().len());
    for input in union.inputs() {
        let rewritten = as_dictionaries(input, wanted, which)?;
        if let Some(plan) = &rewritten {
            found.extend(dictionaries_of(&plan.schema()));
        }
        inputs.push((input, rewritten));
    }
    if found.is_empty() {
        return Ok(None);
    }
    let inputs = inputs.into_iter().map(|(input, rewritten)| {
        let input = rewritten.unwrap_or_else(|| Arc::clone(input));
        with_own_codes(input, &found)
    });
    Ok(Some(UnionExec::try_new(inputs.collect::<Result<Vec<_>>>()?)?))
}

fn with_own_codes(input: Arc<dyn ExecutionPlan>, wanted: &HashSet<usize>) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = input.schema();
    if wanted.iter().all(|place| is_dictionary(schema.field(*place).data_type())) {
        return Ok(input);
    }
    let exprs = schema.fields().iter().enumerate().map(|(place, field)| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), place));
        let expr = if wanted.contains(&place) && *field.data_type() == DataType::Utf8 {
            Arc::new(OwnCodes::new(column))
        } else {
            column
        };
        ProjectionExpr { expr, alias: field.name().clone() }
    });
    Ok(Arc::new(ProjectionExec::try_new(exprs.collect::<Vec<_>>(), input)?))
}

fn dictionaries_of(schema: &Schema) -> impl Iterator<Item = usize> {
    schema.fields().iter().enumerate().filter(|(_, field)| is_dictionary(field.data_type())).map(|(place, _)| place)
}

/// The scan with a table schema in which the wanted columns are dictionaries.
fn scanned(scan: &DataSourceExec, wanted: &HashSet<usize>, which: Which) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(config) = scan.data_source().downcast_ref::<FileScanConfig>() else { return Ok(None) };
    let Some(source) = config.file_source().downcast_ref::<ParquetSource>() else { return Ok(None) };
    // Without our adapter each row would be looked up in a dictionary made for it.
    if config.expr_adapter_factory.is_none() || !config.table_partition_cols().is_empty() {
        return Ok(None);
    }
    let Some(projection) = source.projection() else { return Ok(None) };
    let repeating =
        config.file_groups.iter().flat_map(|group| group.iter()).find_map(|file| file.extension::<RepeatingColumns>());
    let chosen: HashSet<usize> = wanted
        .iter()
        .filter_map(|place| projection.as_ref().get(*place)?.expr.downcast_ref::<Column>().map(Column::index))
        .filter(|place| {
            let field = config.file_schema().field(*place);
            let repeats = repeating.is_some_and(|repeating| repeating.0.contains(field.name()));
            *field.data_type() == DataType::Utf8 && (which == Which::All || repeats)
        })
        .collect();
    if chosen.is_empty() {
        return Ok(None);
    }
    let schema = with_dictionaries(config.file_schema(), &chosen);
    let exprs = projection.as_ref().iter().enumerate().map(|(place, ProjectionExpr { expr, alias })| {
        let passes = wanted.contains(&place) && expr.downcast_ref::<Column>().is_some();
        let expr = if passes { Arc::clone(expr) } else { as_texts(Arc::clone(expr), &schema)? };
        Ok(ProjectionExpr { expr, alias: alias.clone() })
    });
    let projection = ProjectionExprs::new(exprs.collect::<Result<Vec<_>>>()?);

    let mut new = ParquetSource::new(Arc::clone(&schema)).with_table_parquet_options(source.table_parquet_options().clone());
    if let Some(readers) = source.parquet_file_reader_factory() {
        new = new.with_parquet_file_reader_factory(Arc::clone(readers));
    }
    if let Some(predicate) = source.filter() {
        new = new.with_predicate(as_texts(predicate, &schema)?);
    }
    let Some(new) = new.try_pushdown_projection(&projection)? else { return Ok(None) };
    let config = FileScanConfigBuilder::from(config.clone()).with_source(new).build();
    Ok(Some(DataSourceExec::from_data_source(config)))
}

fn with_dictionaries(schema: &SchemaRef, chosen: &HashSet<usize>) -> SchemaRef {
    let fields = schema.fields().iter().enumerate().map(|(place, field)| {
        if chosen.contains(&place) {
            Arc::new(Field::new(field.name(), dictionary_type(), field.is_nullable()))
        } else {
            Arc::clone(field)
        }
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

/// The expression reading dictionary columns of `schema` as the texts they were.
fn as_texts(expr: Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    let rewritten = expr.transform_down(|expr| {
        let Some(column) = expr.downcast_ref::<Column>() else { return Ok(Transformed::no(expr)) };
        if schema.fields().get(column.index()).is_none_or(|field| !is_dictionary(field.data_type())) {
            return Ok(Transformed::no(expr));
        }
        let text = CastExpr::new(expr, DataType::Utf8, None);
        Ok(Transformed::new(Arc::new(text), true, TreeNodeRecursion::Jump))
    })?;
    Ok(rewritten.data)
}
