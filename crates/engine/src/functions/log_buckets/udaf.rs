//! The aggregates of SQL: `percentile`, `histogram`, and the one several percentiles of a column share.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{ScalarValue, exec_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Documentation, GroupsAccumulator, Signature, Volatility,
};
use datafusion::physical_plan::PhysicalExpr;

use super::accumulator::{LogBuckets, OneGroup, Told, state_fields};
use super::scheme;

/// Steps per doubling of a histogram unless it is asked for more: about as many as a chart has room for.
const HISTOGRAM_STEPS: i64 = 4;

/// One of the aggregates over log buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// `percentile(number, share [, weight])`.
    Percentile,
    /// `shared_percentiles(number, weight, share, ...)`: a list. What the rule of [`super::share`] puts in place.
    Shared,
    /// `histogram(number [, weight [, steps]])`: a list of buckets.
    Histogram,
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub struct LogBucketsUdaf {
    kind: Kind,
    signature: Signature,
}

pub fn percentile() -> AggregateUDF {
    LogBucketsUdaf::of(Kind::Percentile)
}

pub fn shared_percentiles() -> AggregateUDF {
    LogBucketsUdaf::of(Kind::Shared)
}

pub fn histogram() -> AggregateUDF {
    LogBucketsUdaf::of(Kind::Histogram)
}

impl LogBucketsUdaf {
    fn of(kind: Kind) -> AggregateUDF {
        AggregateUDF::from(LogBucketsUdaf { kind, signature: Signature::user_defined(Volatility::Immutable) })
    }

    /// Which argument is the weight.
    fn weight(&self, arguments: usize) -> Option<usize> {
        match self.kind {
            Kind::Percentile => (arguments > 2).then_some(2),
            Kind::Shared => Some(1),
            Kind::Histogram => (arguments > 1).then_some(1),
        }
    }

    fn told(&self, arguments: &[Arc<dyn PhysicalExpr>], schema: &arrow::datatypes::Schema) -> Result<Told> {
        let literal = |at: usize| literal(&arguments[at], schema);
        Ok(match self.kind {
            Kind::Percentile => Told::Percentile(share(&literal(1)?)?),
            Kind::Shared => Told::Percentiles((2..arguments.len()).map(|at| share(&literal(at)?)).collect::<Result<_>>()?),
            Kind::Histogram if arguments.len() > 2 => match literal(2)? {
                ScalarValue::Int64(Some(steps)) => Told::Histogram(steps_of(steps)?),
                other => return plan_err!("cannot read steps per doubling from {other}: expected a power of two up to 64"),
            },
            Kind::Histogram => Told::Histogram(steps_of(HISTOGRAM_STEPS)?),
        })
    }

    fn groups(&self, args: &AccumulatorArgs<'_>) -> Result<LogBuckets> {
        if args.is_distinct {
            return plan_err!("cannot count distinct values in {}: expected it without DISTINCT", self.name());
        }
        let Some(number) = args.expr_fields.first() else { return plan_err!("{} needs a number", self.name()) };
        Ok(LogBuckets::new(number.data_type(), self.weight(args.exprs.len()), self.told(args.exprs, args.schema)?))
    }
}

pub(super) fn steps_of(steps: i64) -> Result<u32> {
    match scheme::step_bits(steps) {
        Some(bits) => Ok(bits),
        None => exec_err!("cannot take {steps} steps per doubling: expected a power of two up to 64"),
    }
}

fn literal(expr: &Arc<dyn PhysicalExpr>, schema: &arrow::datatypes::Schema) -> Result<ScalarValue> {
    let nothing = RecordBatch::new_empty(Arc::new(schema.clone()));
    match expr.evaluate(&nothing) {
        Ok(ColumnarValue::Scalar(value)) => Ok(value),
        _ => plan_err!("cannot use {expr} here: expected a constant"),
    }
}

fn share(value: &ScalarValue) -> Result<f64> {
    match value {
        ScalarValue::Float64(Some(share)) if (0.0..=1.0).contains(share) => Ok(*share),
        other => plan_err!("cannot tell the percentile {other}: expected a number from 0 to 1, such as 0.95"),
    }
}

/// Numbers are counted as they are or as floats.
fn number_type(data_type: &DataType) -> Result<DataType> {
    match data_type {
        DataType::Int64 | DataType::Int32 | DataType::Int16 | DataType::Int8 => Ok(DataType::Int64),
        DataType::UInt32 | DataType::UInt16 | DataType::UInt8 => Ok(DataType::Int64),
        data_type if data_type.is_numeric() || data_type.is_null() => Ok(DataType::Float64),
        DataType::Dictionary(_, values) => number_type(values),
        other => plan_err!("cannot count {other}: expected a number"),
    }
}

impl AggregateUDFImpl for LogBucketsUdaf {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Percentile => "percentile",
            Kind::Shared => "shared_percentiles",
            Kind::Histogram => "histogram",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let (from, to, expected) = match self.kind {
            Kind::Percentile => (2, 3, "a number, a share from 0 to 1, and maybe a weight"),
            Kind::Shared => (3, usize::MAX, "a number, a weight, and shares from 0 to 1"),
            Kind::Histogram => (1, 3, "a number, and maybe a weight and the steps per doubling"),
        };
        if types.len() < from || types.len() > to {
            return plan_err!("{} takes {expected}", self.name());
        }
        let mut coerced = vec![DataType::Float64; types.len()];
        for (place, data_type) in types.iter().enumerate() {
            coerced[place] = match place {
                0 => number_type(data_type)?,
                2 if self.kind == Kind::Histogram => DataType::Int64,
                _ if data_type.is_numeric() || data_type.is_null() => DataType::Float64,
                _ => return plan_err!("{} takes {expected}, not {data_type}", self.name()),
            };
        }
        Ok(coerced)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(match self.kind {
            Kind::Percentile => Told::Percentile(0.0).data_type(),
            Kind::Shared => Told::Percentiles(Vec::new()).data_type(),
            Kind::Histogram => Told::Histogram(0).data_type(),
        })
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(OneGroup(self.groups(&args)?)))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        Ok(state_fields(args.name))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(self.groups(&args)?))
    }

    fn order_sensitivity(&self) -> datafusion::logical_expr::utils::AggregateOrderSensitivity {
        datafusion::logical_expr::utils::AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        None
    }
}
