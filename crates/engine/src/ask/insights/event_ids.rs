//! Ids of events that were not sent with one: 56 digits in the order of events, made of the event alone.
//!
//! Quirks:  the form is that of the ids that `PutLogEvents` gives: 14 digits of the event's milliseconds, 17 of the microseconds
//!          of its arrival, 5 zeros, 20 of a hash

use std::sync::Arc;

use arrow::array::{AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::prelude::ident;
use xxhash_rust::xxh3::Xxh3;

/// The id of an event that is told from others of the same time by `own`.
pub(super) fn event_id(own: Expr) -> Expr {
    let function = EventId { signature: Signature::any(3, Volatility::Immutable) };
    ScalarUDF::from(function).call(vec![ident("time"), ident("received_at"), own])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct EventId {
    signature: Signature,
}

impl ScalarUDFImpl for EventId {
    fn name(&self) -> &str {
        "event_id"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [times, arrivals, own] = arrays.as_slice() else {
            return datafusion::common::exec_err!("event_id takes a time, an arrival and what is its own");
        };
        let (times, arrivals) = (cast(times, &DataType::Int64)?, cast(arrivals, &DataType::Int64)?);
        let (times, arrivals) = (times.as_primitive::<Int64Type>(), arrivals.as_primitive::<Int64Type>());
        let own = cast(own, &DataType::Binary)?;
        let own = own.as_binary::<i32>();
        let ids = (0..times.len()).map(|row| id(times.value(row), arrivals.value(row), own.value(row)));
        Ok(ColumnarValue::Array(Arc::new(StringArray::from_iter_values(ids))))
    }
}

fn id(time_unix_nano: i64, received_at_unix_nano: i64, own: &[u8]) -> String {
    let mut hash = Xxh3::new();
    hash.update(&time_unix_nano.to_le_bytes());
    hash.update(own);
    let (ms, us) = (time_unix_nano.max(0) / 1_000_000, received_at_unix_nano.max(0) / 1_000);
    format!("{ms:014}{us:017}{:05}{:020}", 0, hash.digest())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_the_order_of_events() {
        let ids = [id(5_000_000, 1_000, b"a"), id(5_000_000, 2_000, b"a"), id(6_000_000, 1_000, b"a")];
        assert!(ids.is_sorted() && ids.iter().all(|id| id.len() == 56));
        assert_ne!(id(5_000_000, 1_000, b"a"), id(5_000_000, 1_000, b"b"));
    }
}
