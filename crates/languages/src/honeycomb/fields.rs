//! Honeycomb's names for what our columns hold, as views: `duration_ms` is `duration_ns`, `trace.parent_id` of an annotation
//! is the span it hangs on. A name that is none of these is an attribute's.

use datafusion_common::arrow::datatypes::{DataType, Schema};
use datafusion_common::{DataFusionError, ScalarValue};
use datafusion_expr::registry::FunctionRegistry;
use datafusion_expr::{Expr, cast, ident, lit, when};
use model::Signal;

use super::typed::{Type, Typed, call, null_of};

/// Names that every dataset has, with what they are; the page and the API list them beside attributes.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("body", "string"),
    ("duration_ms", "float"),
    ("error", "boolean"),
    ("event.name", "string"),
    ("exception.message", "string"),
    ("exception.stacktrace", "string"),
    ("exception.type", "string"),
    ("library.name", "string"),
    ("library.version", "string"),
    ("meta.annotation_type", "string"),
    ("meta.signal_type", "string"),
    ("name", "string"),
    ("service.name", "string"),
    ("severity", "string"),
    ("severity_code", "integer"),
    ("severity_text", "string"),
    ("span.kind", "string"),
    ("status_code", "integer"),
    ("status_message", "string"),
    ("trace.parent_id", "string"),
    ("trace.span_id", "string"),
    ("trace.trace_id", "string"),
    ("trace.trace_state", "string"),
    ("type", "string"),
];

/// Goes before the key of an attribute whose name a fixed column has.
const ATTRIBUTE_PREFIX: &str = "attributes.";

/// Severity names of OpenTelemetry and the first number of each.
const SEVERITIES: [(i64, &str); 6] = [(21, "fatal"), (17, "error"), (13, "warn"), (9, "info"), (5, "debug"), (1, "trace")];

/// What the field is in the signal's table; `None` when no row of it has such a field.
pub fn field(
    signal: Signal,
    schema: &Schema,
    functions: &dyn FunctionRegistry,
    name: &str,
) -> Result<Option<Typed>, DataFusionError> {
    if signal == Signal::Metrics {
        return of_metrics(schema, functions, name);
    }
    let text = |expr: Expr| Some(Typed::new(expr, Type::Text));
    let id = |column: &str| Ok::<_, DataFusionError>(text(call(functions, "id_text", vec![ident(column)])?));
    let scope = |member: &str| Ok::<_, DataFusionError>(text(call(functions, "attribute", vec![ident("scope"), lit(member)])?));
    match (signal, name) {
        (_, "trace.trace_id") => return id("trace_id"),
        (Signal::Spans, "trace.span_id") => return id("span_id"),
        (Signal::Spans, "trace.parent_id") => return id("parent_span_id"),
        (Signal::Logs, "trace.parent_id") => return id("span_id"),
        (_, "library.name") => return scope("name"),
        (_, "library.version") => return scope("version"),
        _ => {}
    }
    let built_in = match signal {
        Signal::Spans => of_spans(name)?,
        Signal::Logs => of_logs(name)?,
        Signal::Metrics => return Ok(None),
    };
    // Events that are no annotation may have a name of their own.
    if let (Signal::Logs, "name", Some(built_in), Some(own)) = (signal, name, &built_in, attribute(schema, name)) {
        return Ok(text(call(functions, "coalesce", vec![built_in.expr.clone(), own.text()])?));
    }
    Ok(built_in.or_else(|| attribute(schema, name)))
}

fn of_spans(name: &str) -> Result<Option<Typed>, DataFusionError> {
    let status = || ident("status_code");
    Ok(Some(match name {
        "name" | "status_message" => Typed::new(ident(name), Type::Text),
        "type" | "span.kind" => Typed::new(ident("kind"), Type::Text),
        "duration_ms" => Typed::new(cast(ident("duration_ns"), Type::Float.data_type()) / lit(1e6), Type::Float),
        "status_code" => {
            let mut number = when(status().eq(lit("error")), lit(2_i64)).when(status().eq(lit("ok")), lit(1_i64));
            Typed::new(number.otherwise(lit(0_i64))?, Type::Integer)
        }
        "error" => Typed::boolean(when(status().eq(lit("error")), lit(true)).otherwise(null_of(Type::Boolean))?),
        "trace.trace_state" => Typed::new(ident("trace_state"), Type::Text),
        "meta.signal_type" => Typed::new(lit("trace"), Type::Text),
        "is_root" => Typed::boolean(ident("parent_span_id").is_null()),
        _ => return Ok(None),
    }))
}

fn of_logs(name: &str) -> Result<Option<Typed>, DataFusionError> {
    let has_trace = || ident("trace_id").is_not_null();
    let named = || ident("event_name").not_eq(lit("")).is_true();
    let event_name = || when(named(), ident("event_name")).otherwise(null_of(Type::Text));
    Ok(Some(match name {
        "name" | "event.name" => Typed::new(event_name()?, Type::Text),
        "body" | "severity_text" | "exception.type" | "exception.message" | "exception.stacktrace" => {
            Typed::new(ident(name), Type::Text)
        }
        "severity_code" => Typed::new(ident("severity_number"), Type::Integer),
        "severity" => {
            let at_least = |number: i64| ident("severity_number").gt_eq(lit(number));
            let (number, word) = SEVERITIES[0];
            let mut cases = when(at_least(number), lit(word));
            for (number, word) in &SEVERITIES[1..] {
                cases = cases.when(at_least(*number), lit(*word));
            }
            Typed::new(cases.otherwise(lit("unspecified"))?, Type::Text)
        }
        "meta.signal_type" => {
            let r#type = when(has_trace().and(named()), lit("trace")).otherwise(lit("log"))?;
            Typed::new(r#type, Type::Text)
        }
        "meta.annotation_type" => {
            let is_link = ident("event_name").eq(lit("link")).is_true();
            let mut r#type = when(has_trace().and(is_link), lit("link")).when(has_trace(), lit("span_event"));
            Typed::new(r#type.otherwise(null_of(Type::Text))?, Type::Text)
        }
        "is_root" => Typed::boolean(lit(false)),
        "duration_ms" | "status_code" | "type" | "span.kind" => return Ok(None),
        _ => return Ok(None),
    }))
}

/// Columns of data points that are no attributes.
const POINT_COLUMNS: &[&str] = &[
    "metric",
    "description",
    "unit",
    "type",
    "temporality",
    "is_monotonic",
    "series",
    "start_time",
    "flags",
    "value",
    "count",
    "sum",
    "min",
    "max",
    "buckets",
    "exemplars",
];

/// A label, or the value of the metric of that name: of a histogram its `.count`, `.sum`, `.avg`, `.min`, `.max`.
fn of_metrics(schema: &Schema, functions: &dyn FunctionRegistry, name: &str) -> Result<Option<Typed>, DataFusionError> {
    let prefixed = format!("{ATTRIBUTE_PREFIX}{name}");
    if schema.column_with_name(&prefixed).is_some() || !POINT_COLUMNS.contains(&name) {
        let label = attribute(schema, name);
        if label.is_some() || BUILT_IN.iter().any(|(known, _)| *known == name) {
            return Ok(label);
        }
    }
    let of = |metric: &str| ident("metric").eq(lit(metric));
    let mut value = when(of(name), ident("value"));
    if let Some((metric, part)) = name.rsplit_once('.') {
        let number = |column: &str| cast(ident(column), DataType::Float64);
        let found = match part {
            "count" => Some(number("count")),
            "sum" | "min" | "max" => Some(ident(part)),
            "avg" => {
                let counted = call(functions, "nullif", vec![number("count"), lit(0.0)])?;
                Some(ident("sum") / counted)
            }
            _ => None,
        };
        if let Some(found) = found {
            value = value.when(of(metric), found);
        }
    }
    Ok(Some(Typed::new(value.otherwise(null_of(Type::Float))?, Type::Float)))
}

/// An attribute, or a column of ours of that name.
fn attribute(schema: &Schema, name: &str) -> Option<Typed> {
    let prefixed = format!("{ATTRIBUTE_PREFIX}{name}");
    let (column, field) = [prefixed.as_str(), name]
        .into_iter()
        .find_map(|column| Some((column, schema.column_with_name(column)?.1)))
        .filter(|(_, field)| !matches!(field.data_type(), DataType::FixedSizeBinary(_)))?;
    let r#type = Type::of(field.data_type());
    let is_plain = *field.data_type() == r#type.data_type();
    Some(Typed::new(if is_plain { ident(column) } else { cast(ident(column), r#type.data_type()) }, r#type))
}

/// An id as the columns have it, from the text that Honeycomb prints.
pub fn trace_id(text: &str) -> Option<ScalarValue> {
    let padded = match text.len() {
        32 => text.to_owned(),
        16 => format!("{:0>32}", text),
        _ => return None,
    };
    let bytes: Option<Vec<u8>> = (0..16).map(|at| u8::from_str_radix(padded.get(2 * at..2 * at + 2)?, 16).ok()).collect();
    Some(ScalarValue::FixedSizeBinary(16, Some(bytes?)))
}
