//! Schemas of small batches, each made once: senders have the same columns request after request, and forty names and
//! types are more than a row.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use parking_lot::RwLock;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::limits::SCHEMAS_KEPT_MAX;

/// A column of a schema that may be known.
pub(crate) enum Named<'a> {
    /// A fixed column, as its table has it, of a type that may be narrower.
    Fixed(&'a FieldRef, DataType),
    /// An attribute's.
    Attribute(String, DataType),
}

impl Named<'_> {
    fn name(&self) -> &str {
        match self {
            Named::Fixed(field, _) => field.name(),
            Named::Attribute(name, _) => name,
        }
    }

    fn data_type(&self) -> &DataType {
        match self {
            Named::Fixed(_, data_type) | Named::Attribute(_, data_type) => data_type,
        }
    }

    fn is_nullable(&self) -> bool {
        match self {
            Named::Fixed(field, _) => field.is_nullable(),
            Named::Attribute(..) => true,
        }
    }

    fn is(&self, field: &Field) -> bool {
        self.name() == field.name() && self.data_type() == field.data_type() && self.is_nullable() == field.is_nullable()
    }

    fn into_field(self) -> FieldRef {
        match self {
            Named::Fixed(field, data_type) if *field.data_type() == data_type => Arc::clone(field),
            Named::Fixed(field, data_type) => Arc::new(Field::new(field.name(), data_type, field.is_nullable())),
            Named::Attribute(name, data_type) => Arc::new(Field::new(name, data_type, true)),
        }
    }
}

/// The schema of these columns; the same one for the same columns, as long as it is remembered.
pub(crate) fn schema_of(columns: Vec<Named<'_>>) -> SchemaRef {
    static KNOWN: LazyLock<RwLock<HashMap<u64, SchemaRef>>> = LazyLock::new(RwLock::default);
    let hash = columns.iter().fold(0, |hash, column| xxh3_64_with_seed(column.name().as_bytes(), hash));
    let is_it = |schema: &&SchemaRef| {
        schema.fields().len() == columns.len() && columns.iter().zip(schema.fields()).all(|(column, field)| column.is(field))
    };
    if let Some(schema) = KNOWN.read().get(&hash).filter(is_it) {
        return Arc::clone(schema);
    }
    let schema = Arc::new(Schema::new(columns.into_iter().map(Named::into_field).collect::<Vec<_>>()));
    let mut known = KNOWN.write();
    if known.len() >= SCHEMAS_KEPT_MAX {
        known.clear();
    }
    known.insert(hash, Arc::clone(&schema));
    schema
}

#[cfg(test)]
mod tests {
    use model::Signal;

    use super::*;
    use crate::columns;

    fn attributes(names: &[&str], data_type: &DataType) -> SchemaRef {
        schema_of(names.iter().map(|name| Named::Attribute((*name).to_owned(), data_type.clone())).collect())
    }

    #[test]
    fn the_same_columns_share_a_schema() {
        assert!(Arc::ptr_eq(&attributes(&["a", "b"], &DataType::Int64), &attributes(&["a", "b"], &DataType::Int64)));
    }

    #[test]
    fn other_names_orders_and_types_do_not() {
        let seen = attributes(&["c", "d"], &DataType::Int64);
        for (names, data_type) in [(["d", "c"], DataType::Int64), (["c", "d"], DataType::Utf8), (["c", "e"], DataType::Int64)] {
            let other = attributes(&names, &data_type);
            assert_ne!(other, seen);
            assert_eq!(other.field(0), &Field::new(names[0], data_type, true));
        }
    }

    #[test]
    fn a_fixed_column_keeps_what_its_table_says_of_it() {
        let table = columns::schema(Signal::Logs);
        let time = &table.fields()[0];
        let narrow = DataType::Int64;
        let schema = schema_of(vec![Named::Fixed(time, time.data_type().clone()), Named::Fixed(time, narrow.clone())]);
        assert!(Arc::ptr_eq(&schema.fields()[0], time));
        assert_eq!(schema.field(1), &Field::new(time.name(), narrow, false));
    }
}
