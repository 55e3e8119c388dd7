//! The functions that plans of Logs Insights name: DataFusion's where it has them, and those of texts, documents and
//! addresses that it has not.

use std::net::IpAddr;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListBuilder, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::functions::{core, datetime, math, string, unicode};
use datafusion::functions_aggregate::{average, count, first_last, min_max, stddev, sum};
use datafusion::logical_expr::{
    AggregateUDF, ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, WindowUDF,
};
use languages::insights::{AggregateSeam, InsightsFunctions, ScalarSeam};
use serde_json::Value;

use super::captures::Expressions;
use super::fields::{field, plain};
use crate::functions::log_buckets;

pub struct Functions;

impl InsightsFunctions for Functions {
    fn scalar(&self, seam: ScalarSeam) -> Arc<ScalarUDF> {
        use ScalarSeam as S;
        match seam {
            S::Abs => math::abs(),
            S::Ceil => math::ceil(),
            S::Floor => math::floor(),
            S::Ln => math::ln(),
            S::Sqrt => math::sqrt(),
            S::Power => math::power(),
            S::Greatest => core::greatest(),
            S::Least => core::least(),
            S::Coalesce => core::coalesce(),
            S::DateBin => datetime::date_bin(),
            S::Now => datetime::now(&datafusion::config::ConfigOptions::default()),
            S::Concat => string::concat(),
            S::Ltrim => string::ltrim(),
            S::Rtrim => string::rtrim(),
            S::Btrim => string::btrim(),
            S::Upper => string::upper(),
            S::Lower => string::lower(),
            S::Replace => string::replace(),
            S::CharacterLength => unicode::character_length(),
            S::Substr => unicode::substr(),
            S::Strpos => unicode::strpos(),
            own => Arc::new(ScalarUDF::from(Own::new(own))),
        }
    }

    fn aggregate(&self, seam: AggregateSeam) -> Arc<AggregateUDF> {
        match seam {
            AggregateSeam::Count => count::count_udaf(),
            AggregateSeam::Avg => average::avg_udaf(),
            AggregateSeam::Sum => sum::sum_udaf(),
            AggregateSeam::Min => min_max::min_udaf(),
            AggregateSeam::Max => min_max::max_udaf(),
            AggregateSeam::Stddev => stddev::stddev_udaf(),
            AggregateSeam::Percentile => Arc::new(log_buckets::percentile()),
            AggregateSeam::FirstValue => first_last::first_value_udaf(),
            AggregateSeam::LastValue => first_last::last_value_udaf(),
        }
    }

    fn row_number(&self) -> Arc<WindowUDF> {
        datafusion::functions_window::row_number::row_number_udwf()
    }
}

/// A function of texts, row by row.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Own {
    seam: ScalarSeam,
    signature: Signature,
}

impl Own {
    fn new(seam: ScalarSeam) -> Own {
        Own { seam, signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Own {
    fn name(&self) -> &str {
        match self.seam {
            ScalarSeam::JsonField => "json_field",
            ScalarSeam::JsonParse => "json_parse",
            ScalarSeam::JsonStringify => "json_stringify",
            ScalarSeam::JsonItems => "json_items",
            ScalarSeam::RegexCapture => "regex_capture",
            ScalarSeam::Hex => "hex_digits",
            ScalarSeam::IsValidIp => "is_valid_ip",
            ScalarSeam::IsValidIpV4 => "is_valid_ipv4",
            ScalarSeam::IsValidIpV6 => "is_valid_ipv6",
            ScalarSeam::IsIpInSubnet => "is_ip_in_subnet",
            ScalarSeam::IsIpv4InSubnet => "is_ipv4_in_subnet",
            ScalarSeam::IsIpv6InSubnet => "is_ipv6_in_subnet",
            _ => "unknown",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        use ScalarSeam as S;
        Ok(match self.seam {
            S::IsValidIp | S::IsValidIpV4 | S::IsValidIpV6 | S::IsIpInSubnet | S::IsIpv4InSubnet | S::IsIpv6InSubnet => {
                DataType::Boolean
            }
            S::JsonItems => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
            _ => DataType::Utf8,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        use ScalarSeam as S;
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(first) = arrays.first() else { return exec_err!("{} takes an argument", self.name()) };
        if self.seam == S::Hex {
            return Ok(ColumnarValue::Array(hex(first)?));
        }
        let first = texts(first)?;
        let second = arrays.get(1).map(texts).transpose()?;
        let rows = first.len();
        let text = |row: usize| first.is_valid(row).then(|| first.value(row));
        let other = |row: usize| second.as_ref().filter(|array| array.is_valid(row)).map(|array| array.value(row));
        let array: ArrayRef = match self.seam {
            S::JsonField => Arc::new((0..rows).map(|row| field(text(row)?, other(row)?)).collect::<StringArray>()),
            S::JsonParse => {
                let parsed = |text: &str| serde_json::from_str::<Value>(text).ok().map(|_| text.to_owned());
                Arc::new((0..rows).map(|row| parsed(text(row)?)).collect::<StringArray>())
            }
            S::JsonStringify => {
                let compact =
                    |text: &str| serde_json::from_str::<Value>(text).map_or_else(|_| text.to_owned(), |json| json.to_string());
                Arc::new((0..rows).map(|row| Some(compact(text(row)?))).collect::<StringArray>())
            }
            S::JsonItems => items((0..rows).map(text)),
            S::RegexCapture => {
                let groups = arrays.get(2).map(|array| cast(array, &DataType::Int64)).transpose()?;
                let group = |row: usize| groups.as_ref().map_or(1, |array| array.as_primitive::<Int64Type>().value(row));
                let mut expressions = Expressions::default();
                let mut found = StringBuilder::with_capacity(rows, 0);
                for row in 0..rows {
                    let group = usize::try_from(group(row)).ok();
                    let captured = text(row).zip(other(row)).zip(group);
                    found.append_option(captured.and_then(|((text, other), group)| expressions.capture(text, other, group)));
                }
                Arc::new(found.finish())
            }
            seam => Arc::new((0..rows).map(|row| address(seam, text(row)?, other(row))).collect::<BooleanArray>()),
        };
        Ok(ColumnarValue::Array(array))
    }
}

fn texts(array: &ArrayRef) -> Result<StringArray> {
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}

fn hex(array: &ArrayRef) -> Result<ArrayRef> {
    let bytes = cast(array, &DataType::Binary)?;
    let bytes = bytes.as_binary::<i32>();
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok(Arc::new(bytes.iter().map(|bytes| bytes.map(digits)).collect::<StringArray>()))
}

fn items<'a>(rows: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    let mut list = ListBuilder::new(StringBuilder::new());
    for row in rows {
        match row.map(|text| (text, serde_json::from_str::<Value>(text))) {
            None => list.append(false),
            Some((_, Ok(Value::Array(items)))) => {
                for item in &items {
                    list.values().append_option(plain(item));
                }
                list.append(true);
            }
            Some((text, _)) => {
                list.values().append_value(text);
                list.append(true);
            }
        }
    }
    Arc::new(list.finish())
}

fn address(seam: ScalarSeam, text: &str, subnet: Option<&str>) -> Option<bool> {
    let address = text.parse::<IpAddr>().ok();
    let within = |wants: fn(&IpAddr) -> bool| {
        let subnet = subnet?;
        Some(address.is_some_and(|address| wants(&address) && is_in(address, subnet)))
    };
    match seam {
        ScalarSeam::IsValidIp => Some(address.is_some()),
        ScalarSeam::IsValidIpV4 => Some(address.is_some_and(|address| address.is_ipv4())),
        ScalarSeam::IsValidIpV6 => Some(address.is_some_and(|address| address.is_ipv6())),
        ScalarSeam::IsIpInSubnet => within(|_| true),
        ScalarSeam::IsIpv4InSubnet => within(IpAddr::is_ipv4),
        _ => within(IpAddr::is_ipv6),
    }
}

/// Whether an address is in `10.0.0.0/8` or the like.
fn is_in(address: IpAddr, subnet: &str) -> bool {
    let Some((network, bits)) = subnet.split_once('/') else { return false };
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(address) & mask == u32::from(network) & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            u128::from(address) & mask == u128::from(network) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_in_subnets() {
        for (address, subnet, expected) in [
            ("10.1.2.3", "10.0.0.0/8", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("10.1.2.3", "0.0.0.0/0", true),
            ("fe80::1", "fe80::/10", true),
            ("10.1.2.3", "fe80::/10", false),
            ("10.1.2.3", "10.0.0.0", false),
        ] {
            assert_eq!(is_in(address.parse().unwrap(), subnet), expected, "{address} {subnet}");
        }
    }
}
