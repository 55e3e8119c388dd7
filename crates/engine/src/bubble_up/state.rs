//! Counts as rows: how partitions, and one day nodes, pass on what they counted.

use std::sync::Arc;

use arrow::array::{AsArray, Float64Builder, Int8Builder, Int32Builder, Int64Builder, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Float64Type, Int8Type, Int32Type, Int64Type, Schema, SchemaRef};
use datafusion::common::internal_err;
use datafusion::error::Result;

use super::counts::{ColumnCounts, Pair, State};

/// What a row of state tells.
const ROWS: i8 = 0;
const WEIGHTS: i8 = 1;
const NULLS: i8 = 2;
const TEXT: i8 = 3;
const WHOLE: i8 = 4;
const BUCKET: i8 = 5;
const FORGOTTEN: i8 = 6;

pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("column", DataType::Int32, false),
        Field::new("tells", DataType::Int8, false),
        Field::new("text", DataType::Utf8, true),
        Field::new("number", DataType::Int64, true),
        Field::new("all", DataType::Float64, false),
        Field::new("selected", DataType::Float64, false),
    ]))
}

/// Everything counted: rows, what they stand for, and each column.
#[derive(Debug)]
pub struct Comparison {
    pub rows: Pair,
    pub weights: Pair,
    pub columns: Vec<ColumnCounts>,
}

impl Comparison {
    pub fn new(types: &[DataType]) -> Result<Comparison> {
        let columns = types.iter().map(ColumnCounts::new).collect::<Result<_>>()?;
        Ok(Comparison { rows: [0.0; 2], weights: [0.0; 2], columns })
    }

    /// The counts of columns of these types, from the rows of the plan that [`super::over`] made.
    pub fn read(types: &[DataType], batches: &[RecordBatch]) -> Result<Comparison> {
        let mut comparison = Comparison::new(types)?;
        for batch in batches {
            comparison.add_state(batch)?;
        }
        Ok(comparison)
    }

    pub fn add_state(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.schema_ref().fields().len() != schema().fields().len() {
            return internal_err!("expected counts, found {}", batch.schema_ref());
        }
        let column = batch.column(0).as_primitive::<Int32Type>();
        let tells = batch.column(1).as_primitive::<Int8Type>();
        let (text, number) = (batch.column(2).as_string::<i32>(), batch.column(3).as_primitive::<Int64Type>());
        let (all, selected) = (batch.column(4).as_primitive::<Float64Type>(), batch.column(5).as_primitive::<Float64Type>());
        for row in 0..batch.num_rows() {
            let pair = [all.value(row), selected.value(row)];
            let more = |sum: &mut Pair| *sum = [sum[0] + pair[0], sum[1] + pair[1]];
            match tells.value(row) {
                ROWS => more(&mut self.rows),
                WEIGHTS => more(&mut self.weights),
                tells => {
                    let place = usize::try_from(column.value(row)).ok();
                    let Some(counts) = place.and_then(|place| self.columns.get_mut(place)) else {
                        return internal_err!("counts of a column that nobody asked for");
                    };
                    match tells {
                        NULLS => more(&mut counts.nulls),
                        FORGOTTEN => more(&mut counts.forgotten),
                        TEXT => counts.add_told(State::Text(text.value(row)), pair),
                        WHOLE => counts.add_told(State::Whole(number.value(row)), pair),
                        BUCKET => counts.add_told(State::Bucket(number.value(row) as i32), pair),
                        other => return internal_err!("counts of an unknown kind {other}"),
                    }
                }
            }
        }
        Ok(())
    }

    pub fn take_state(&mut self) -> Result<RecordBatch> {
        let mut rows = Builders::default();
        rows.push(-1, ROWS, None, None, self.rows);
        rows.push(-1, WEIGHTS, None, None, self.weights);
        for (place, counts) in (0..).zip(&mut self.columns) {
            rows.push(place, NULLS, None, None, counts.nulls);
            if counts.is_cut() {
                rows.push(place, FORGOTTEN, None, None, counts.forgotten);
            }
            counts.tell_state(|state, pair| match state {
                State::Text(text) => rows.push(place, TEXT, Some(text), None, pair),
                State::Whole(number) => rows.push(place, WHOLE, None, Some(number), pair),
                State::Bucket(bucket) => rows.push(place, BUCKET, None, Some(bucket.into()), pair),
            });
        }
        rows.finish()
    }

    pub fn bytes(&self) -> usize {
        self.columns.iter().map(ColumnCounts::bytes).sum()
    }
}

#[derive(Default)]
struct Builders {
    column: Int32Builder,
    tells: Int8Builder,
    text: StringBuilder,
    number: Int64Builder,
    all: Float64Builder,
    selected: Float64Builder,
}

impl Builders {
    fn push(&mut self, column: i32, tells: i8, text: Option<&str>, number: Option<i64>, [all, selected]: Pair) {
        self.column.append_value(column);
        self.tells.append_value(tells);
        self.text.append_option(text);
        self.number.append_option(number);
        self.all.append_value(all);
        self.selected.append_value(selected);
    }

    fn finish(mut self) -> Result<RecordBatch> {
        Ok(RecordBatch::try_new(
            schema(),
            vec![
                Arc::new(self.column.finish()),
                Arc::new(self.tells.finish()),
                Arc::new(self.text.finish()),
                Arc::new(self.number.finish()),
                Arc::new(self.all.finish()),
                Arc::new(self.selected.finish()),
            ],
        )?)
    }
}
