//! `log_patterns(text, severity number, time, step, weight)`: what lines have in common, mined where they are read.
//!
//! Answers with the miner as JSON, which [`read`] reads back: patterns, and how they are told, are `analysis::log_patterns`'s.

use std::sync::Arc;

use analysis::log_patterns::{LogLine, LogPatterns};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type};
use datafusion::common::{ScalarValue, exec_err};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};

#[derive(Debug, PartialEq, Eq, Hash)]
struct LogPatternsUdaf {
    signature: Signature,
}

/// The aggregate.
pub fn udaf() -> AggregateUDF {
    let types = vec![DataType::Utf8, DataType::Int64, DataType::Int64, DataType::Int64, DataType::Float64];
    AggregateUDF::from(LogPatternsUdaf { signature: Signature::exact(types, Volatility::Immutable) })
}

/// What the aggregate answered with.
pub fn read(answer: &str) -> LogPatterns {
    serde_json::from_str(answer).unwrap_or_default()
}

impl AggregateUDFImpl for LogPatternsUdaf {
    fn name(&self) -> &str {
        "log_patterns"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Mining(LogPatterns::default())))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, "patterns"), DataType::Utf8, true))])
    }
}

#[derive(Debug)]
struct Mining(LogPatterns);

impl Accumulator for Mining {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [texts, severities, times, steps, weights] = values else { return exec_err!("log_patterns takes five arguments") };
        let texts = texts.as_string::<i32>();
        let whole = |array: &ArrayRef, row: usize| {
            let array = array.as_primitive::<Int64Type>();
            if array.is_valid(row) { array.value(row) } else { 0 }
        };
        let weights = weights.as_primitive::<Float64Type>();
        for row in (0..texts.len()).filter(|row| texts.is_valid(*row)) {
            self.0.read(&LogLine {
                text: texts.value(row),
                severity_number: i32::try_from(whole(severities, row)).unwrap_or(0),
                time_unix_nano: whole(times, row),
                step: usize::try_from(whole(steps, row)).unwrap_or(0),
                weight: if weights.is_valid(row) { weights.value(row) } else { 1.0 },
            });
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(states) = states.first() else { return Ok(()) };
        let states = states.as_string::<i32>();
        for row in (0..states.len()).filter(|row| states.is_valid(*row)) {
            self.0.join(read(states.value(row)));
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match serde_json::to_string(&self.0) {
            Ok(told) => Ok(ScalarValue::Utf8(Some(told))),
            Err(error) => exec_err!("cannot tell the patterns of log lines: {error}"),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.heap_bytes()
    }
}
