//! Questions in RQL, Rollbar's query language, over logs seen as its tables.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder};
use languages::rql::{self, Query, RqlError, Table};
use model::Signal;
use serde_json::{Map, Value};
use store::TimeRange;

use super::{Asker, Stats, is};
use crate::error::EngineError;
use crate::session::Session;

/// An item and the groups whose occurrences are its own; members are the columns `item.…`.
#[derive(Clone, Debug, Default)]
pub struct RqlItem {
    pub groups: Vec<String>,
    pub members: Map<String, Value>,
}

#[derive(Clone, Debug)]
pub struct RqlAnswer {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
    pub stats: Stats,
}

const SECOND: i64 = 1_000_000_000;

/// The column of items by which they are joined; no attribute is called so.
const ITEM_GROUP: &str = "item group";

impl Asker {
    /// Answers a query. `items` is asked for only if the query is about items as well.
    pub async fn rql(&self, text: &str, items: &[RqlItem], now_unix_seconds: i64) -> Result<RqlAnswer, EngineError> {
        let query = rql::parse(text).map_err(|error| invalid(&error, text))?;
        let (first, last) = rql::time_bounds(&query, now_unix_seconds);
        let range = TimeRange {
            start_unix_nano: first.map_or(i64::MIN, |first| first.saturating_mul(SECOND)),
            end_unix_nano: last.map_or(i64::MAX, |last| last.saturating_add(1).saturating_mul(SECOND)),
        };
        let session = self.session(range).await?;
        let rows = rows(&session, &query, items).await?;
        let state = session.state();
        let context = rql::LowerContext {
            text,
            scalar: &|name| state.scalar_functions().get(name).cloned(),
            aggregate: &|name| state.aggregate_functions().get(name).cloned(),
            now_unix_seconds,
        };
        let lowered = rql::lower(&query, rows, &context).map_err(|error| invalid(&error, text))?;
        let answer = session.run(session.planned(lowered.plan)).await?;
        Ok(RqlAnswer { columns: lowered.columns, rows: answer.json_rows()?, stats: answer.stats.into() })
    }
}

fn invalid(error: &RqlError, text: &str) -> EngineError {
    EngineError::Invalid { message: error.with_caret(text), position: Some(error.position()) }
}

/// The rows of the query's table, with the columns of items that it names.
async fn rows(session: &Session, query: &Query, items: &[RqlItem]) -> Result<LogicalPlan, EngineError> {
    let column = |name: &str| Expr::Column(Column::from_name(name));
    let condition = match query.table {
        Table::ItemOccurrence => column("error.group").is_not_null(),
        Table::Deploy => is("event_name", "deploy"),
    };
    session.define("l", Signal::Logs, Some(condition)).await?;
    let rows = session.defined("l").await?;
    let columns = rql::item_columns_of(query);
    if columns.is_empty() {
        return Ok(rows);
    }
    let items = session.given(items_batch(&columns, items)?)?;
    let keys = (vec![Column::from_name("error.group")], vec![Column::from_name(ITEM_GROUP)]);
    Ok(LogicalPlanBuilder::from(rows).join(items, JoinType::Left, keys, None)?.build()?)
}

/// A row for each group of each item.
fn items_batch(columns: &[&str], items: &[RqlItem]) -> Result<RecordBatch, EngineError> {
    let groups: Vec<&str> = items.iter().flat_map(|item| item.groups.iter().map(String::as_str)).collect();
    let mut fields = vec![Field::new(ITEM_GROUP, DataType::Utf8, true)];
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(StringArray::from(groups))];
    for name in columns {
        let is_number = rql::ITEM_COLUMNS.iter().any(|(known, is_number)| known == name && *is_number);
        let values = items.iter().flat_map(|item| std::iter::repeat_n(item.members.get(*name), item.groups.len()));
        fields.push(Field::new(*name, if is_number { DataType::Int64 } else { DataType::Utf8 }, true));
        arrays.push(if is_number {
            Arc::new(values.map(|value| value.and_then(Value::as_i64)).collect::<Int64Array>())
        } else {
            Arc::new(values.map(|value| value.and_then(Value::as_str)).collect::<StringArray>())
        });
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(datafusion::error::DataFusionError::from)?)
}
