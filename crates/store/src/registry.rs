//! Which attribute columns each table has, and the widest type each was seen with: the schema that queries plan against.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use metastore::{AttributeType, RegisteredAttribute};
use model::Signal;
use parking_lot::RwLock;

use crate::attribute_columns::fold_into_rest;
use crate::columns;
use crate::error::StoreError;
use crate::limits::{SCHEMAS_ADMITTED_MAX, TABLE_ATTRIBUTE_COLUMNS_MAX};

#[derive(Default)]
pub(crate) struct Registry {
    projects: RwLock<HashMap<String, [Table; 3]>>,
}

/// How a batch is known to bring nothing new.
enum Known {
    /// By its schema, or there is no room to remember that.
    Schema,
    /// By its columns, one by one.
    Columns,
}

#[derive(Clone, Default)]
struct Table {
    types: BTreeMap<String, AttributeType>,
    /// Made when asked for, dropped when a column is added or widened.
    schema: Option<SchemaRef>,
    /// Of batches whose columns are all known. Columns are never forgotten and types never narrowed, so they stay so.
    admitted: Vec<SchemaRef>,
}

impl Registry {
    /// A registry of what the metastore knows.
    pub fn new(attributes: Vec<RegisteredAttribute>) -> Registry {
        let registry = Registry::default();
        let mut projects = registry.projects.write();
        for attribute in attributes {
            let Some(signal) = Signal::ALL.into_iter().find(|signal| signal.table() == attribute.signal) else { continue };
            let table = &mut projects.entry(attribute.project).or_default()[signal as usize];
            table.types.insert(attribute.key, attribute.r#type);
        }
        drop(projects);
        registry
    }

    /// The fixed columns of a table, then its attributes in order of their keys.
    pub fn schema(&self, project: &str, signal: Signal) -> SchemaRef {
        {
            let projects = self.projects.read();
            let Some(tables) = projects.get(project) else { return columns::schema(signal) };
            if let Some(schema) = &tables[signal as usize].schema {
                return Arc::clone(schema);
            }
        }
        let mut projects = self.projects.write();
        let Some(tables) = projects.get_mut(project) else { return columns::schema(signal) };
        let table = &mut tables[signal as usize];
        let fixed = columns::schema(signal);
        let attributes = table.types.iter().map(|(key, r#type)| Field::new(key, columns::data_type(*r#type), true));
        let fields: Vec<Field> = fixed.fields().iter().map(|field| field.as_ref().clone()).chain(attributes).collect();
        Arc::clone(table.schema.insert(Arc::new(Schema::new(fields))))
    }

    /// Makes the batch's attribute columns known; those for which there is no room go to its `attributes_rest`.
    pub fn admit(&self, project: &str, signal: Signal, batch: RecordBatch) -> Result<RecordBatch, StoreError> {
        match self.knows(project, signal, &batch) {
            Some(Known::Schema) => return Ok(batch),
            Some(Known::Columns) => {
                self.remember(project, signal, batch.schema());
                return Ok(batch);
            }
            None => {}
        }
        let refused = self.learn(project, signal, &batch);
        if refused.is_empty() { Ok(batch) } else { fold(&batch, signal, &|name| refused.iter().any(|known| known == name)) }
    }

    fn knows(&self, project: &str, signal: Signal, batch: &RecordBatch) -> Option<Known> {
        let projects = self.projects.read();
        let Table { types, admitted, .. } = &projects.get(project)?[signal as usize];
        if admitted.iter().any(|schema| Arc::ptr_eq(schema, batch.schema_ref())) {
            return Some(Known::Schema);
        }
        let is_known = |(name, seen): (&str, AttributeType)| types.get(name).is_some_and(|known| known.widen(seen) == *known);
        let are_known = attributes(signal, batch).all(is_known);
        are_known.then_some(if admitted.len() < SCHEMAS_ADMITTED_MAX { Known::Columns } else { Known::Schema })
    }

    fn remember(&self, project: &str, signal: Signal, schema: SchemaRef) {
        if let Some(tables) = self.projects.write().get_mut(project) {
            tables[signal as usize].admitted.push(schema);
        }
    }

    /// Adds and widens; returns the columns for which there was no room.
    fn learn(&self, project: &str, signal: Signal, batch: &RecordBatch) -> Vec<String> {
        let mut projects = self.projects.write();
        if !projects.contains_key(project) {
            projects.insert(project.to_owned(), Default::default());
        }
        let Some(tables) = projects.get_mut(project) else { return Vec::new() };
        let table = &mut tables[signal as usize];
        let mut refused = Vec::new();
        for (name, seen) in attributes(signal, batch) {
            let known = table.types.get(name).copied();
            let widened = known.map_or(seen, |known| known.widen(seen));
            if known == Some(widened) {
                continue;
            }
            if known.is_none() && table.types.len() >= TABLE_ATTRIBUTE_COLUMNS_MAX {
                refused.push(name.to_owned());
                continue;
            }
            table.types.insert(name.to_owned(), widened);
            table.schema = None;
        }
        refused
    }
}

/// The attribute columns of a batch.
pub(crate) fn attributes(signal: Signal, batch: &RecordBatch) -> impl Iterator<Item = (&str, AttributeType)> {
    let fixed = columns::fixed_names(signal);
    let fields = batch.schema_ref().fields().iter();
    fields
        .filter(move |field| !fixed.contains(field.name().as_str()))
        .map(|field| (field.name().as_str(), columns::attribute_type(field.data_type())))
}

/// The batch with the columns that `goes` names moved into `attributes_rest`.
pub(crate) fn fold(batch: &RecordBatch, signal: Signal, goes: &dyn Fn(&str) -> bool) -> Result<RecordBatch, StoreError> {
    let schema = batch.schema();
    let mut folded: Vec<(&str, &ArrayRef)> = Vec::new();
    let mut fields: Vec<Field> = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for (field, array) in schema.fields().iter().zip(batch.columns()) {
        if field.name() == columns::ATTRIBUTES_REST {
            continue;
        }
        if goes(field.name()) && !columns::is_fixed(signal, field.name()) {
            folded.push((field.name(), array));
        } else {
            fields.push(field.as_ref().clone());
            arrays.push(Arc::clone(array));
        }
    }
    if folded.is_empty() {
        return Ok(batch.clone());
    }
    let rest = batch.column_by_name(columns::ATTRIBUTES_REST);
    arrays.push(fold_into_rest(&folded, rest, batch.num_rows())?);
    fields.push(Field::new(columns::ATTRIBUTES_REST, arrow::datatypes::DataType::Utf8, true));
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::DataType;

    use super::*;

    fn batch(keys: std::ops::Range<usize>) -> RecordBatch {
        let fields: Vec<Field> = keys.clone().map(|key| Field::new(format!("k{key}"), DataType::Int64, true)).collect();
        let arrays = keys.map(|key| Arc::new(Int64Array::from(vec![key as i64])) as ArrayRef).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
    }

    #[test]
    fn a_table_has_at_most_so_many_columns() {
        let registry = Registry::default();
        let admit = |keys| registry.admit("default", Signal::Spans, batch(keys)).unwrap();
        assert_eq!(admit(0..TABLE_ATTRIBUTE_COLUMNS_MAX - 1).num_columns(), TABLE_ATTRIBUTE_COLUMNS_MAX - 1);
        let last = TABLE_ATTRIBUTE_COLUMNS_MAX - 1;
        let admitted = admit(last..last + 3);
        assert_eq!(admitted.num_columns(), 2);
        let rest = admitted.column_by_name(columns::ATTRIBUTES_REST).unwrap().as_string::<i32>();
        assert_eq!(rest.value(0), format!("{{\"k{}\":{},\"k{}\":{}}}", last + 1, last + 1, last + 2, last + 2));
        assert_eq!(admit(0..3).num_columns(), 3);
        let schema = registry.schema("default", Signal::Spans);
        assert_eq!(schema.fields().len(), columns::schema(Signal::Spans).fields().len() + TABLE_ATTRIBUTE_COLUMNS_MAX);
        assert_eq!(registry.schema("other", Signal::Spans), columns::schema(Signal::Spans));
    }
}
