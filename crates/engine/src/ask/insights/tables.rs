//! Rows that are not in the store as tables of a plan: uploaded tables, and what a stage told.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::DataFusionError;
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use languages::insights::Lookup;

/// Tables by their names, as CSV with a header.
pub type LookupTables = HashMap<String, Arc<str>>;

/// The columns of a table that a lookup asks for; of rows with the same keys the first.
pub(super) fn uploaded(tables: &LookupTables, lookup: &Lookup) -> Result<LogicalPlan, DataFusionError> {
    let Some(text) = tables.get(&lookup.table) else {
        return Err(DataFusionError::Plan(format!("there is no lookup table called {}", lookup.table)));
    };
    let mut rows = csv(text).into_iter();
    let header = rows.next().unwrap_or_default();
    let keys: Vec<usize> = lookup.keys.iter().filter_map(|(column, _)| header.iter().position(|name| name == column)).collect();
    let mut seen = HashSet::new();
    let mut columns: Vec<Vec<Option<String>>> = vec![Vec::new(); header.len()];
    for row in rows {
        let key: Vec<Option<String>> = keys.iter().map(|at| row.get(*at).cloned()).collect();
        if !seen.insert(key) {
            continue;
        }
        let mut cells = row.into_iter();
        columns.iter_mut().for_each(|column| column.push(cells.next()));
    }
    let fields: Vec<Field> = header.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
    let arrays = columns.into_iter().map(|column| Arc::new(StringArray::from_iter(column)) as ArrayRef).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
    rows_plan("lookup", schema, vec![batch])
}

/// A plan that reads these rows.
pub(super) fn rows_plan(name: &str, schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<LogicalPlan, DataFusionError> {
    let table = MemTable::try_new(schema, vec![batches])?;
    LogicalPlanBuilder::scan(name, provider_as_source(Arc::new(table)), None)?.build()
}

/// Lines of cells; quotes hold commas, line ends, and quotes that are doubled.
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut is_quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if is_quoted || cell.trim().is_empty() => {
                is_quoted = !is_quoted;
                if is_quoted {
                    cell.clear();
                }
            }
            ',' if !is_quoted => row.push(std::mem::take(&mut cell).trim().to_owned()),
            '\r' if !is_quoted => {}
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut cell).trim().to_owned());
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell.trim().to_owned());
        rows.push(row);
    }
    rows.retain(|row| row.iter().any(|cell| !cell.is_empty()));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read() {
        let rows = csv("id,name\r\n1, Ann \n2,\"Smith, \"\"J\"\"\nof X\"\n\n3,\n");
        assert_eq!(rows, [vec!["id", "name"], vec!["1", "Ann"], vec!["2", "Smith, \"J\"\nof X"], vec!["3", ""]]);
    }
}
