//! Functions by name and type alone: enough to make plans, not to run them.

use std::sync::Arc;

use datafusion_common::arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion_common::{Result, not_impl_err};
use datafusion_expr::function::{AccumulatorArgs, PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, PartitionEvaluator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility, WindowUDF, WindowUDFImpl,
};

use super::{AggregateSeam, InsightsFunctions, ScalarSeam};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Stub {
    name: String,
    signature: Signature,
    /// That of the first argument where there is none.
    data_type: Option<DataType>,
}

impl Stub {
    fn new(name: &str, data_type: Option<DataType>) -> Stub {
        let signature = match name {
            "now" | "row_number" => Signature::nullary(Volatility::Stable),
            _ => Signature::variadic_any(Volatility::Immutable),
        };
        Stub { name: name.to_owned(), signature, data_type }
    }

    fn type_of(&self, args: &[DataType]) -> DataType {
        self.data_type.clone().or(args.first().cloned()).unwrap_or(DataType::Null)
    }
}

impl ScalarUDFImpl for Stub {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(self.type_of(args))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        not_impl_err!("plans are made here, not run")
    }
}

impl AggregateUDFImpl for Stub {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(self.type_of(args))
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        not_impl_err!("plans are made here, not run")
    }
}

impl WindowUDFImpl for Stub {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(&self, _: PartitionEvaluatorArgs<'_>) -> Result<Box<dyn PartitionEvaluator>> {
        not_impl_err!("plans are made here, not run")
    }

    fn field(&self, args: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(args.name(), DataType::UInt64, false)))
    }
}

pub struct Stubs;

impl InsightsFunctions for Stubs {
    fn scalar(&self, seam: ScalarSeam) -> Arc<ScalarUDF> {
        use ScalarSeam as S;
        let name = snake_case(&format!("{seam:?}"));
        let data_type = match seam {
            S::Abs | S::Ceil | S::Floor | S::Greatest | S::Least | S::Coalesce => None,
            S::Ln | S::Sqrt | S::Power => Some(DataType::Float64),
            S::DateBin | S::Now => Some(DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))),
            S::CharacterLength | S::Strpos => Some(DataType::Int32),
            S::IsValidIp | S::IsValidIpV4 | S::IsValidIpV6 | S::IsIpInSubnet | S::IsIpv4InSubnet | S::IsIpv6InSubnet => {
                Some(DataType::Boolean)
            }
            S::JsonItems => Some(DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))),
            _ => Some(DataType::Utf8),
        };
        Arc::new(ScalarUDF::new_from_impl(Stub::new(&name, data_type)))
    }

    fn aggregate(&self, seam: AggregateSeam) -> Arc<AggregateUDF> {
        let data_type = match seam {
            AggregateSeam::Count => Some(DataType::Int64),
            AggregateSeam::Avg | AggregateSeam::Stddev | AggregateSeam::Percentile => Some(DataType::Float64),
            _ => None,
        };
        Arc::new(AggregateUDF::new_from_impl(Stub::new(&snake_case(&format!("{seam:?}")), data_type)))
    }

    fn row_number(&self) -> Arc<WindowUDF> {
        Arc::new(WindowUDF::new_from_impl(Stub::new("row_number", None)))
    }
}

fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for (place, c) in name.chars().enumerate() {
        if c.is_uppercase() && place > 0 {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
