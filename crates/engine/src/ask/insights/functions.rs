//! The functions that plans of Logs Insights name: DataFusion's where it has them, and those of texts, documents and
//! addresses that it has not.

use std::collections::HashMap;
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
use regex::Regex;
use serde_json::Value;

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
            S::JsonField => {
                let mut fields = Documents::default();
                let found = (0..rows).map(|row| fields.field(text(row)?, other(row)?));
                Arc::new(found.collect::<StringArray>())
            }
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
                let found = (0..rows).map(|row| expressions.capture(text(row)?, other(row)?, group(row)));
                Arc::new(found.collect::<StringArray>())
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

/// Reads documents; neighbours that are the same text are read once, as are several fields of one row.
#[derive(Default)]
struct Documents {
    text: String,
    value: Option<Value>,
}

impl Documents {
    fn field(&mut self, document: &str, path: &str) -> Option<String> {
        if self.text != document || self.value.is_none() {
            document.clone_into(&mut self.text);
            let start = document.trim_start();
            let is_structure = start.starts_with('{') || start.starts_with('[');
            self.value = Some(if is_structure { serde_json::from_str(document).unwrap_or_default() } else { Value::Null });
        }
        let value = self.value.as_ref()?;
        plain(value.get(path).or_else(|| at(value, path))?)
    }
}

/// By the dots of a path; a member's own name may have dots, too.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    match value {
        Value::Array(items) => {
            let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
            let item = items.get(head.parse::<usize>().ok()?)?;
            rest.map_or(Some(item), |rest| at(item, rest))
        }
        Value::Object(members) => {
            if let Some(member) = members.get(path) {
                return Some(member);
            }
            path.match_indices('.').find_map(|(dot, _)| at(members.get(&path[..dot])?, &path[dot + 1..]))
        }
        _ => None,
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Expressions by their text: nearly always one.
#[derive(Default)]
struct Expressions(HashMap<String, Option<Regex>>);

impl Expressions {
    fn capture(&mut self, text: &str, expression: &str, group: i64) -> Option<String> {
        if !self.0.contains_key(expression) {
            self.0.insert(expression.to_owned(), Regex::new(expression).ok());
        }
        let captures = self.0.get(expression)?.as_ref()?.captures(text)?;
        captures.get(usize::try_from(group).ok()?).map(|found| found.as_str().to_owned())
    }
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
    fn fields_are_found_in_documents() {
        let document = r#"{"a": {"b": [1, {"c": "x"}]}, "d.e": true, "f": {"g.h": 2}, "n": null}"#;
        let mut documents = Documents::default();
        for (path, expected) in [
            ("a.b.0", Some("1")),
            ("a.b.1.c", Some("x")),
            ("d.e", Some("true")),
            ("f.g.h", Some("2")),
            ("a.b", Some(r#"[1,{"c":"x"}]"#)),
            ("n", None),
            ("a.x", None),
        ] {
            assert_eq!(documents.field(document, path).as_deref(), expected, "{path}");
        }
        assert_eq!(documents.field("plain", "a"), None);
        assert_eq!(documents.field(r#"[5]"#, "0").as_deref(), Some("5"));
    }

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
