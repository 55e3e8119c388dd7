//! The attribute columns of one buffer: found by key, typed by what arrives, padded only when a value needs its place.
//!
//! A column that a row does not mention is not touched: the gap is filled when the next value comes, with nulls or with the
//! value that the resource or scope gave for the run of rows. Senders name their attributes in the same order row after
//! row, so the column after this one is guessed before it is looked up.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayBuilder, ArrayRef, AsArray, BooleanArray, BooleanBuilder, Float64Array, Float64Builder, Int64Builder,
    StringBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::error::ArrowError;
use metastore::AttributeType;
use model::limits::{ATTRIBUTE_KEY_BYTES_MAX, ATTRIBUTE_VALUE_BYTES_MAX, ATTRIBUTES_PER_RECORD_MAX, TRUNCATION_MARK};
use model::{Attribute, Attributes, Signal, Value};
use xxhash_rust::xxh3::xxh3_64;

use crate::columns;
use crate::limits::ATTRIBUTE_COLUMNS_MAX;
use crate::run::RunAttribute;

pub(crate) struct AttributeColumns {
    signal: Signal,
    columns: Vec<Column>,
    slots: Vec<Slot>,
    by_key: HashMap<Box<str>, u32, KeyHashing>,
    /// The slot with which the last row began.
    first: u32,
    /// Columns that the current resource and the current scope fill.
    resource_columns: Vec<u32>,
    scope_columns: Vec<u32>,
    /// What the current resource and scope say beyond the columns there may be.
    resource_rest: Vec<(String, String)>,
    scope_rest: Vec<(String, String)>,
    rest: StringBuilder,
    rest_scratch: Vec<(String, String)>,
    /// Bytes that one row of the current run gets from its resource and scope.
    run_bytes: usize,
    rows: usize,
}

/// What one row's attributes say about fixed columns.
#[derive(Default)]
pub(crate) struct Claims<'a> {
    /// `service.name` of the record itself.
    pub service: Option<Cow<'a, str>>,
    /// The record's own exception type, message and stacktrace; empty ones are taken from attributes.
    pub exception: [Cow<'a, str>; 3],
}

/// Where a key's values go. A key's first sight decides.
struct Slot {
    key: Box<str>,
    target: Target,
    /// The slot that came after this one the last time.
    next: u32,
}

#[derive(Clone, Copy)]
enum Target {
    Column(u32),
    Service,
    Exception(usize),
}

impl AttributeColumns {
    pub fn new(signal: Signal) -> AttributeColumns {
        AttributeColumns {
            signal,
            columns: Vec::new(),
            slots: Vec::new(),
            by_key: HashMap::default(),
            first: 0,
            resource_columns: Vec::new(),
            scope_columns: Vec::new(),
            resource_rest: Vec::new(),
            scope_rest: Vec::new(),
            rest: StringBuilder::with_capacity(0, 0),
            rest_scratch: Vec::new(),
            run_bytes: 0,
            rows: 0,
        }
    }

    /// Ends the run of the resource before; the attributes hold for the rows that follow.
    pub fn resource(&mut self, attributes: &[RunAttribute]) {
        self.end_scope();
        for place in std::mem::take(&mut self.resource_columns) {
            let column = &mut self.columns[place as usize];
            column.pad_to(self.rows);
            column.fill = None;
            column.resource_fill = None;
        }
        self.resource_rest.clear();
        self.run_bytes = 0;
        for attribute in kept(attributes).iter().rev() {
            match self.run_column(&attribute.key) {
                RunTarget::Fixed => {}
                RunTarget::Column(place) if self.resource_columns.contains(&place) => {}
                RunTarget::Column(place) => {
                    let column = &mut self.columns[place as usize];
                    column.pad_to(self.rows);
                    self.run_bytes += value_bytes(&attribute.value);
                    column.resource_fill = Some(Arc::clone(&attribute.value));
                    column.fill = Some(Arc::clone(&attribute.value));
                    self.resource_columns.push(place);
                }
                RunTarget::Rest => push_rest(&mut self.resource_rest, &attribute.key, &attribute.value),
            }
        }
    }

    /// Ends the run of the scope before; the attributes hold for the rows that follow, over those of the resource.
    pub fn scope(&mut self, attributes: &[RunAttribute]) {
        self.end_scope();
        for attribute in kept(attributes).iter().rev() {
            match self.run_column(&attribute.key) {
                RunTarget::Fixed => {}
                RunTarget::Column(place) if self.scope_columns.contains(&place) => {}
                RunTarget::Column(place) => {
                    let column = &mut self.columns[place as usize];
                    column.pad_to(self.rows);
                    column.fill = Some(Arc::clone(&attribute.value));
                    self.scope_columns.push(place);
                }
                RunTarget::Rest => push_rest(&mut self.scope_rest, &attribute.key, &attribute.value),
            }
        }
    }

    fn end_scope(&mut self) {
        for place in std::mem::take(&mut self.scope_columns) {
            let column = &mut self.columns[place as usize];
            column.pad_to(self.rows);
            column.fill = column.resource_fill.clone();
        }
        self.scope_rest.clear();
    }

    /// Takes one row's attributes; of those with the same key the last wins. Returns roughly the bytes they take and how
    /// many were beyond [`ATTRIBUTES_PER_RECORD_MAX`].
    pub fn row<'a>(&mut self, attributes: &'a Attributes<'_>, claims: &mut Claims<'a>) -> (usize, usize) {
        let kept = kept(attributes);
        let mut bytes = self.run_bytes;
        let mut before = None;
        let mut service_seen = false;
        let mut exception_seen = [false; 3];
        for attribute in kept.iter().rev() {
            let Some(slot) = self.slot_after(before, &attribute.key) else {
                push_rest(&mut self.rest_scratch, &attribute.key, &attribute.value);
                continue;
            };
            before = Some(slot);
            match self.slots[slot as usize].target {
                Target::Column(place) => bytes += self.columns[place as usize].set(self.rows, &attribute.value),
                Target::Service => {
                    if !std::mem::replace(&mut service_seen, true) {
                        claims.service = Some(attribute.value.to_text());
                    }
                }
                Target::Exception(field) => {
                    if std::mem::replace(&mut exception_seen[field], true) {
                        continue;
                    }
                    let text = attribute.value.to_text();
                    if claims.exception[field].is_empty() {
                        claims.exception[field] = text;
                    } else if claims.exception[field] != text {
                        bytes += self.set_prefixed(attribute);
                    }
                }
            }
        }
        bytes += self.end_rest();
        self.rows += 1;
        (bytes, attributes.len() - kept.len())
    }

    /// Sets the column of a key that says something else than the fixed column of its name.
    fn set_prefixed(&mut self, attribute: &Attribute<'_>) -> usize {
        let key = format!("{}{}", columns::ATTRIBUTE_PREFIX, attribute.key);
        match self.slot(&key).map(|slot| self.slots[slot as usize].target) {
            Some(Target::Column(place)) => self.columns[place as usize].set(self.rows, &attribute.value),
            _ => {
                push_rest(&mut self.rest_scratch, &attribute.key, &attribute.value);
                0
            }
        }
    }

    /// Writes what of this row has no column, record before scope before resource.
    fn end_rest(&mut self) -> usize {
        if self.rest_scratch.is_empty() && self.scope_rest.is_empty() && self.resource_rest.is_empty() {
            return 0;
        }
        let mut members = std::mem::take(&mut self.rest_scratch);
        for (key, value) in self.scope_rest.iter().chain(&self.resource_rest) {
            if !members.iter().any(|(known, _)| known == key) {
                members.push((key.clone(), value.clone()));
            }
        }
        let json = json_object(&members);
        self.rest.append_nulls(self.rows - self.rest.len());
        self.rest.append_value(&json);
        members.clear();
        self.rest_scratch = members;
        json.len()
    }

    fn run_column(&mut self, key: &str) -> RunTarget {
        match self.slot(key).map(|slot| self.slots[slot as usize].target) {
            Some(Target::Column(place)) => RunTarget::Column(place),
            // The buffer takes the service's name from the resource itself.
            Some(Target::Service) => RunTarget::Fixed,
            Some(Target::Exception(_)) => {
                let prefixed = format!("{}{key}", columns::ATTRIBUTE_PREFIX);
                match self.slot(&prefixed).map(|slot| self.slots[slot as usize].target) {
                    Some(Target::Column(place)) => RunTarget::Column(place),
                    _ => RunTarget::Rest,
                }
            }
            None => RunTarget::Rest,
        }
    }

    /// The slot of a key, guessed from the one before.
    fn slot_after(&mut self, before: Option<u32>, key: &str) -> Option<u32> {
        let guess = before.map_or(self.first, |slot| self.slots[slot as usize].next);
        if let Some(slot) = self.slots.get(guess as usize)
            && *slot.key == *key
        {
            return Some(guess);
        }
        let slot = self.slot(key)?;
        match before {
            Some(before) => self.slots[before as usize].next = slot,
            None => self.first = slot,
        }
        Some(slot)
    }

    /// The slot of a key, made at first sight; `None` when there may be no further column.
    fn slot(&mut self, key: &str) -> Option<u32> {
        let key = cut_key(key);
        if let Some(slot) = self.by_key.get(key) {
            return Some(*slot);
        }
        let target = self.new_target(key)?;
        let slot = u32::try_from(self.slots.len()).ok()?;
        self.slots.push(Slot { key: key.into(), target, next: slot + 1 });
        self.by_key.insert(key.into(), slot);
        Some(slot)
    }

    fn new_target(&mut self, key: &str) -> Option<Target> {
        if key == columns::SERVICE_NAME {
            return Some(Target::Service);
        }
        if self.signal == Signal::Logs
            && let Some(field) = EXCEPTION_COLUMNS.iter().position(|name| *name == key)
        {
            return Some(Target::Exception(field));
        }
        let name = if key.is_empty() || columns::is_fixed(self.signal, key) {
            format!("{}{key}", columns::ATTRIBUTE_PREFIX)
        } else {
            key.to_owned()
        };
        // Only a prefixed name can belong to two keys.
        if name.starts_with(columns::ATTRIBUTE_PREFIX)
            && let Some(place) = self.columns.iter().position(|column| column.name == name)
        {
            return Some(Target::Column(u32::try_from(place).ok()?));
        }
        if self.columns.len() >= ATTRIBUTE_COLUMNS_MAX {
            return None;
        }
        self.columns.push(Column::new(name));
        Some(Target::Column(u32::try_from(self.columns.len() - 1).ok()?))
    }

    /// The columns that have a value, and `attributes_rest` if any row needed it.
    pub fn finish(mut self) -> (Vec<(String, ArrayRef)>, Option<ArrayRef>) {
        let rows = self.rows;
        let columns = self.columns.into_iter().filter_map(|column| column.finish(rows)).collect();
        let rest = (self.rest.len() > 0).then(|| {
            self.rest.append_nulls(rows - self.rest.len());
            Arc::new(self.rest.finish()) as ArrayRef
        });
        (columns, rest)
    }
}

const EXCEPTION_COLUMNS: [&str; 3] = [columns::EXCEPTION_TYPE, columns::EXCEPTION_MESSAGE, columns::EXCEPTION_STACKTRACE];

enum RunTarget {
    Column(u32),
    Rest,
    Fixed,
}

/// One growing column, padded lazily.
pub(crate) struct Column {
    name: String,
    values: Values,
    /// What rows get that do not say otherwise.
    fill: Option<Arc<Value<'static>>>,
    /// What `fill` becomes again when the scope ends.
    resource_fill: Option<Arc<Value<'static>>>,
}

enum Values {
    /// No value yet: that many nulls.
    Untyped(usize),
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Text(StringBuilder),
}

impl Column {
    pub fn new(name: String) -> Column {
        Column { name, values: Values::Untyped(0), fill: None, resource_fill: None }
    }

    /// Sets what the rows from `row` on get that do not say otherwise.
    pub fn fill_from(&mut self, row: usize, value: Arc<Value<'static>>) {
        self.pad_to(row);
        self.fill = Some(value);
    }

    /// Gives row `row` its value, unless it has one. Returns roughly the bytes taken.
    #[inline]
    pub fn set(&mut self, row: usize, value: &Value<'_>) -> usize {
        let rows = self.len();
        if rows > row {
            return 0;
        }
        if rows < row {
            self.pad_to(row);
        }
        // What nearly all values are.
        if let (Values::Text(builder), Value::Str(text)) = (&mut self.values, value)
            && text.len() <= ATTRIBUTE_VALUE_BYTES_MAX
        {
            builder.append_value(text);
            return text.len() + TEXT_OFFSET_BYTES;
        }
        self.set_any(value)
    }

    fn set_any(&mut self, value: &Value<'_>) -> usize {
        let value = cut_value(value);
        self.values.append(&value, 1);
        value_bytes(&value)
    }

    pub fn finish(mut self, rows: usize) -> Option<(String, ArrayRef)> {
        self.pad_to(rows);
        let array: ArrayRef = match self.values {
            Values::Untyped(_) => return None,
            Values::Bool(mut builder) => Arc::new(builder.finish()),
            Values::Int(mut builder) => Arc::new(builder.finish()),
            Values::Float(mut builder) => Arc::new(builder.finish()),
            Values::Text(mut builder) => Arc::new(builder.finish()),
        };
        (array.null_count() < array.len()).then_some((self.name, array))
    }

    fn pad_to(&mut self, rows: usize) {
        let missing = rows.saturating_sub(self.len());
        if missing == 0 {
            return;
        }
        match &self.fill {
            Some(value) => self.values.append(value, missing),
            None => self.values.append_nulls(missing),
        }
    }

    fn len(&self) -> usize {
        self.values.len()
    }
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Values::Untyped(nulls) => *nulls,
            Values::Bool(builder) => builder.len(),
            Values::Int(builder) => builder.len(),
            Values::Float(builder) => builder.len(),
            Values::Text(builder) => builder.len(),
        }
    }

    fn append_nulls(&mut self, count: usize) {
        match self {
            Values::Untyped(nulls) => *nulls += count,
            Values::Bool(builder) => builder.append_nulls(count),
            Values::Int(builder) => builder.append_nulls(count),
            Values::Float(builder) => builder.append_nulls(count),
            Values::Text(builder) => builder.append_nulls(count),
        }
    }

    /// Appends `value` `count` times, widening the column if it is too narrow.
    fn append(&mut self, value: &Value<'_>, count: usize) {
        match (&mut *self, value) {
            (Values::Bool(builder), Value::Bool(value)) => builder.append_n(count, *value),
            (Values::Int(builder), Value::Int(value)) => builder.append_value_n(*value, count),
            (Values::Float(builder), Value::Float(value)) => builder.append_value_n(*value, count),
            (Values::Float(builder), Value::Int(value)) => builder.append_value_n(*value as f64, count),
            (Values::Text(builder), value) => match value {
                Value::Str(text) | Value::Json(text) => append_text(builder, text, count),
                Value::Bool(value) => append_text(builder, if *value { "true" } else { "false" }, count),
                Value::Int(value) => append_text(builder, &value.to_string(), count),
                Value::Float(value) => append_text(builder, &float_text(*value), count),
            },
            (values, value) => {
                values.widen(type_of(value));
                values.append(value, count);
            }
        }
    }

    /// Becomes the narrowest kind that holds both what is there and `other`.
    fn widen(&mut self, other: AttributeType) {
        let (array, target): (Option<ArrayRef>, AttributeType) = match self {
            Values::Untyped(_) => (None, other),
            Values::Bool(builder) => (Some(Arc::new(builder.finish())), AttributeType::Bool.widen(other)),
            Values::Int(builder) => (Some(Arc::new(builder.finish())), AttributeType::Int64.widen(other)),
            Values::Float(builder) => (Some(Arc::new(builder.finish())), AttributeType::Float64.widen(other)),
            Values::Text(_) => return,
        };
        let nulls = if let Values::Untyped(nulls) = self { *nulls } else { 0 };
        let mut widened = match target {
            AttributeType::Bool => Values::Bool(BooleanBuilder::with_capacity(0)),
            AttributeType::Int64 => Values::Int(Int64Builder::with_capacity(0)),
            AttributeType::Float64 => Values::Float(Float64Builder::with_capacity(0)),
            AttributeType::String => Values::Text(StringBuilder::with_capacity(0, 0)),
        };
        widened.append_nulls(nulls);
        if let Some(array) = array {
            // Casting a column up cannot fail; were it to, its values would be lost, so nulls stand in their place.
            if let Err(error) = widened.append_cast(&array) {
                tracing::error!(%error, "cannot widen an attribute column; its values are lost");
                widened.append_nulls(array.len() - widened.len().min(array.len()));
            }
        }
        *self = widened;
    }

    /// Appends a whole array by the same cast that readers use, so that a value reads the same wherever it was widened.
    fn append_cast(&mut self, array: &ArrayRef) -> Result<(), ArrowError> {
        let array = cast(array, &columns::data_type(self.attribute_type()))?;
        match self {
            Values::Untyped(nulls) => *nulls += array.len(),
            Values::Bool(builder) => builder.append_array(array.as_boolean()),
            Values::Int(builder) => builder.append_array(array.as_primitive::<Int64Type>()),
            Values::Float(builder) => builder.append_array(array.as_primitive::<Float64Type>()),
            Values::Text(builder) => builder.append_array(array.as_string::<i32>())?,
        }
        Ok(())
    }

    fn attribute_type(&self) -> AttributeType {
        match self {
            Values::Bool(_) => AttributeType::Bool,
            Values::Int(_) => AttributeType::Int64,
            Values::Float(_) => AttributeType::Float64,
            Values::Untyped(_) | Values::Text(_) => AttributeType::String,
        }
    }
}

fn append_text(builder: &mut StringBuilder, text: &str, count: usize) {
    for _ in 0..count {
        builder.append_value(text);
    }
}

/// A float as the readers' cast prints it. Only for the rare number in a column of texts.
fn float_text(value: f64) -> String {
    let array: ArrayRef = Arc::new(Float64Array::from(vec![value]));
    match cast(&array, &DataType::Utf8) {
        Ok(text) => text.as_string::<i32>().value(0).to_owned(),
        Err(_) => value.to_string(),
    }
}

fn type_of(value: &Value<'_>) -> AttributeType {
    match value {
        Value::Bool(_) => AttributeType::Bool,
        Value::Int(_) => AttributeType::Int64,
        Value::Float(_) => AttributeType::Float64,
        Value::Str(_) | Value::Json(_) => AttributeType::String,
    }
}

fn kept<A>(attributes: &[A]) -> &[A] {
    &attributes[..attributes.len().min(ATTRIBUTES_PER_RECORD_MAX)]
}

/// What a text takes in a column beside itself.
const TEXT_OFFSET_BYTES: usize = 4;

fn value_bytes(value: &Value<'_>) -> usize {
    match value {
        Value::Str(text) | Value::Json(text) => text.len() + TEXT_OFFSET_BYTES,
        _ => 8,
    }
}

pub(crate) fn owned(value: &Value<'_>) -> Value<'static> {
    match cut_value(value) {
        Value::Bool(value) => Value::Bool(value),
        Value::Int(value) => Value::Int(value),
        Value::Float(value) => Value::Float(value),
        Value::Str(text) => Value::Str(Cow::Owned(text.into_owned())),
        Value::Json(text) => Value::Json(Cow::Owned(text.into_owned())),
    }
}

/// The value within its limit. JSON that was cut is JSON no more, but a text.
pub(crate) fn cut_value<'a>(value: &'a Value<'_>) -> Value<'a> {
    match value {
        Value::Bool(value) => Value::Bool(*value),
        Value::Int(value) => Value::Int(*value),
        Value::Float(value) => Value::Float(*value),
        Value::Json(text) if text.len() <= ATTRIBUTE_VALUE_BYTES_MAX => Value::Json(Cow::Borrowed(text)),
        Value::Str(text) | Value::Json(text) => Value::Str(cut(text, ATTRIBUTE_VALUE_BYTES_MAX)),
    }
}

/// The text within `bytes_max`, marked when it was cut.
pub(crate) fn cut(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(bytes_max - TRUNCATION_MARK.len());
    Cow::Owned(format!("{}{TRUNCATION_MARK}", &text[..end]))
}

fn cut_key(key: &str) -> &str {
    &key[..key.floor_char_boundary(ATTRIBUTE_KEY_BYTES_MAX)]
}

/// Keeps an attribute as a member of `attributes_rest`, unless a later one of its key is there.
fn push_rest(members: &mut Vec<(String, String)>, key: &str, value: &Value<'_>) {
    let key = cut_key(key);
    if members.iter().any(|(known, _)| known == key) {
        return;
    }
    let mut json = String::new();
    cut_value(value).write_json(&mut json);
    members.push((key.to_owned(), json));
}

/// A JSON object of members whose values are JSON already.
pub(crate) fn json_object(members: &[(String, String)]) -> String {
    let mut json = String::from("{");
    for (place, (key, value)) in members.iter().enumerate() {
        if place > 0 {
            json.push(',');
        }
        model::json_string(key, &mut json);
        json.push(':');
        json.push_str(value);
    }
    json.push('}');
    json
}

/// Moves columns that may not stay columns into `attributes_rest`: one JSON object per row.
pub(crate) fn fold_into_rest(folded: &[(&str, &ArrayRef)], rest: Option<&ArrayRef>, rows: usize) -> Result<ArrayRef, ArrowError> {
    let texts = folded.iter().map(|(_, array)| cast(array, &DataType::Utf8)).collect::<Result<Vec<_>, _>>()?;
    let mut builder = StringBuilder::with_capacity(rows, 0);
    let mut json = String::new();
    for row in 0..rows {
        json.clear();
        if let Some(rest) = rest
            && rest.is_valid(row)
        {
            let members = rest.as_string::<i32>().value(row);
            json.push_str(members.strip_suffix('}').unwrap_or(members));
        }
        for ((key, array), text) in folded.iter().zip(&texts) {
            if array.is_null(row) {
                continue;
            }
            json.push_str(if json.is_empty() { "{" } else { "," });
            model::json_string(key, &mut json);
            json.push(':');
            json_value(array, text.as_string::<i32>().value(row), row, &mut json);
        }
        match json.is_empty() {
            true => builder.append_null(),
            false => {
                json.push('}');
                builder.append_value(&json);
            }
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn json_value(array: &ArrayRef, text: &str, row: usize, out: &mut String) {
    match array.data_type() {
        DataType::Boolean => {
            out.push_str(if array.as_any().downcast_ref::<BooleanArray>().is_some_and(|array| array.value(row)) {
                "true"
            } else {
                "false"
            })
        }
        DataType::Int64 => out.push_str(text),
        DataType::Float64 => Value::Float(array.as_primitive::<Float64Type>().value(row)).write_json(out),
        _ => model::json_string(text, out),
    }
}

/// Keys are short, a buffer has few and at most [`ATTRIBUTE_COLUMNS_MAX`], so a fast hash is worth more than a keyed one.
#[derive(Clone, Copy, Default)]
struct KeyHashing;

#[derive(Default)]
struct KeyHasher(u64);

impl std::hash::BuildHasher for KeyHashing {
    type Hasher = KeyHasher;

    fn build_hasher(&self) -> KeyHasher {
        KeyHasher::default()
    }
}

impl std::hash::Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= xxh3_64(bytes);
    }

    // The byte that ends a text in a hash of several texts; here there is one.
    fn write_u8(&mut self, _end: u8) {}
}
