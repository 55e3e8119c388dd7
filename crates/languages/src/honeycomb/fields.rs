//! Honeycomb's names for what our columns hold, as views: `duration_ms` is `duration_ns`, `trace.parent_id` of an annotation
//! is the span it hangs on. What stands on another row is there by a join of [`super::beside`]. A name that is none of these is
//! an attribute's.

use datafusion_common::arrow::datatypes::{DataType, Schema};
use datafusion_common::{DataFusionError, ScalarValue};
use datafusion_expr::expr::Like;
use datafusion_expr::registry::FunctionRegistry;
use datafusion_expr::{Expr, cast, ident, lit, try_cast, when};

use super::beside::{EVENT_COUNT, LINK, SPAN_FAILED, SPAN_NAME, SPAN_START, exception_column};
use super::rows::{LowerContext, RowKind};
use super::typed::{Type, Typed, call, null_of};

/// Names that every dataset has, with what they are; the page and the API list them beside attributes.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("body", "string"),
    ("duration_ms", "float"),
    ("error", "boolean"),
    ("event.name", "string"),
    ("exception.escaped", "boolean"),
    ("exception.message", "string"),
    ("exception.stacktrace", "string"),
    ("exception.type", "string"),
    ("library.name", "string"),
    ("library.version", "string"),
    ("meta.annotation_type", "string"),
    ("meta.signal_type", "string"),
    ("meta.time_since_span_start_ms", "float"),
    ("name", "string"),
    ("parent_name", "string"),
    ("service.name", "string"),
    ("severity", "string"),
    ("severity_code", "integer"),
    ("severity_text", "string"),
    ("span.kind", "string"),
    ("span.num_events", "integer"),
    ("span.num_links", "integer"),
    ("status_code", "integer"),
    ("status_message", "string"),
    ("telemetry.instrumentation_library", "boolean"),
    ("trace.link.span_id", "string"),
    ("trace.link.trace_id", "string"),
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

/// An exception's fields: the columns of log records, and behind them whether it left the span.
pub const EXCEPTION_FIELDS: [&str; 4] = ["exception.type", "exception.message", "exception.stacktrace", "exception.escaped"];
pub const EXCEPTION_COLUMNS: &[&str] = EXCEPTION_FIELDS.split_at(EXCEPTION_ESCAPED).0;
pub const EXCEPTION_ESCAPED: usize = 3;

/// How the names of scopes begin that OpenTelemetry's own instrumentation has: Java, PHP, Python, .NET, Ruby, Go, JavaScript.
const INSTRUMENTATION_LIBRARIES: [&str; 6] = [
    "io.opentelemetry",
    "opentelemetry.instrumentation",
    "OpenTelemetry.Instrumentation",
    "OpenTelemetry::Instrumentation",
    "go.opentelemetry.io/contrib/instrumentation",
    "@opentelemetry/instrumentation",
];

/// What the field is in rows of a kind; `None` when no row of it has such a field.
pub fn field(context: &LowerContext<'_>, kind: RowKind, schema: &Schema, name: &str) -> Result<Option<Typed>, DataFusionError> {
    let functions = context.functions;
    if kind == RowKind::Point {
        return of_metrics(schema, functions, name);
    }
    let text = |expr: Expr| Some(Typed::new(expr, Type::Text));
    let id = |column: &str| Ok::<_, DataFusionError>(text(call(functions, "id_text", vec![ident(column)])?));
    let scope = |member: &str| call(functions, "attribute", vec![ident("scope"), lit(member)]);
    match (kind, name) {
        (_, "trace.trace_id") => return id("trace_id"),
        (RowKind::Span, "trace.span_id") => return id("span_id"),
        (RowKind::Span, "trace.parent_id") => return id("parent_span_id"),
        (_, "trace.parent_id") => return id("span_id"),
        (_, "library.name") => return Ok(text(scope("name")?)),
        (_, "library.version") => return Ok(text(scope("version")?)),
        (_, "telemetry.instrumentation_library") => return Ok(Some(instrumentation_library(scope("name")?)?)),
        _ => {}
    }
    let own = attribute(schema, name);
    let is_alone = context.alone.contains(&name);
    let built_in = match kind {
        RowKind::Link => return of_links(schema, functions, name).map(Some),
        RowKind::Span if is_alone => of_spans(name)?,
        RowKind::Span => match from_its_events(functions, schema, name)? {
            Some(found) => Some(found),
            None => of_spans(name)?,
        },
        RowKind::Annotation => match from_its_span(functions, own.clone(), name)? {
            Some(found) => Some(found),
            None => of_logs(schema, name)?,
        },
        RowKind::Log | RowKind::Point => of_logs(schema, name)?,
    };
    // Events that are no annotation may have a name of their own.
    if let (RowKind::Log | RowKind::Annotation, "name", Some(built_in), Some(own)) = (kind, name, &built_in, &own) {
        return Ok(text(call(functions, "coalesce", vec![built_in.expr.clone(), own.clone().text()])?));
    }
    Ok(built_in.or(own))
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
        "error" => failed()?,
        "trace.trace_state" => Typed::new(ident("trace_state"), Type::Text),
        "meta.signal_type" => Typed::new(lit("trace"), Type::Text),
        "is_root" => Typed::boolean(ident("parent_span_id").is_null()),
        _ => return Ok(None),
    }))
}

/// True of a span that failed, null of others.
fn failed() -> Result<Typed, DataFusionError> {
    let failed = when(ident("status_code").eq(lit("error")), lit(true));
    Ok(Typed::boolean({ failed }.otherwise(null_of(Type::Boolean))?))
}

fn instrumentation_library(name: Expr) -> Result<Typed, DataFusionError> {
    let begins = |prefix: &str| {
        let pattern = Box::new(lit(format!("{prefix}%")));
        Expr::Like(Like::new(false, Box::new(name.clone()), pattern, None, false))
    };
    let known = INSTRUMENTATION_LIBRARIES.into_iter().map(begins).fold(lit(false), Expr::or);
    Ok(Typed::boolean(when(known, lit(true)).otherwise(null_of(Type::Boolean))?))
}

/// Fields of a span that its links and events tell: the first exception's are the span's, unless it has them itself.
fn from_its_events(functions: &dyn FunctionRegistry, schema: &Schema, name: &str) -> Result<Option<Typed>, DataFusionError> {
    let or_none = |number: Expr| {
        Ok::<_, DataFusionError>(Typed::new(call(functions, "coalesce", vec![number, lit(0_i64)])?, Type::Integer))
    };
    match name {
        "span.num_events" => return or_none(ident(EVENT_COUNT)).map(Some),
        "span.num_links" => {
            let links = call(functions, "json_items", vec![ident("links")])?;
            return or_none(cast(call(functions, "array_length", vec![links])?, DataType::Int64)).map(Some);
        }
        _ => {}
    }
    let Some(place) = EXCEPTION_FIELDS.iter().position(|field| *field == name) else { return Ok(None) };
    let told = ident(exception_column(place));
    let (own, told) = match place {
        EXCEPTION_ESCAPED => (escaped(schema), Typed::boolean(told.eq(lit(1_i64)))),
        _ => (attribute(schema, name), Typed::new(told, Type::Text)),
    };
    Ok(Some(first_of(functions, own, told)?))
}

/// Whether an exception left its span. Some senders write the word, as their language has it.
pub fn escaped(schema: &Schema) -> Option<Typed> {
    let told = attribute(schema, "exception.escaped")?;
    Some(match told.r#type {
        Type::Boolean => told,
        _ => Typed::boolean(told.text().in_list(vec![lit("true"), lit("True")], false)),
    })
}

/// Fields of a span's event that its span tells.
fn from_its_span(functions: &dyn FunctionRegistry, own: Option<Typed>, name: &str) -> Result<Option<Typed>, DataFusionError> {
    let since = || cast(ident("time"), DataType::Int64) - cast(ident(SPAN_START), DataType::Int64);
    let told = match name {
        "parent_name" => Typed::new(ident(SPAN_NAME), Type::Text),
        "meta.time_since_span_start_ms" => {
            let clamped = call(functions, "greatest", vec![since(), lit(0_i64)])?;
            // Where there is no span, there is no time since its start, although the greater of null and zero is zero.
            let clamped = when(ident(SPAN_START).is_not_null(), clamped).otherwise(null_of(Type::Integer))?;
            Typed::new(cast(clamped, DataType::Float64) / lit(1e6), Type::Float)
        }
        "meta.invalid_time_since_span_start" => {
            Typed::boolean(when(since().lt(lit(0_i64)), lit(true)).otherwise(null_of(Type::Boolean))?)
        }
        "error" => Typed::boolean(when(ident(SPAN_FAILED).eq(lit(1_i64)), lit(true)).otherwise(null_of(Type::Boolean))?),
        _ => return Ok(None),
    };
    Ok(Some(first_of(functions, own, told)?))
}

/// What a row tells itself, else what was found for it.
fn first_of(functions: &dyn FunctionRegistry, own: Option<Typed>, found: Typed) -> Result<Typed, DataFusionError> {
    let Some(own) = own else { return Ok(found) };
    let r#type = own.r#type.or(found.r#type);
    Ok(Typed::new(call(functions, "coalesce", vec![own.widened(r#type), found.widened(r#type)])?, r#type))
}

/// A link has the fields of its span's resource and scope, and its own attributes.
fn of_links(schema: &Schema, functions: &dyn FunctionRegistry, name: &str) -> Result<Typed, DataFusionError> {
    let member = |document: Expr, member: &str| call(functions, "attribute", vec![document, lit(member)]);
    Ok(match name {
        "trace.link.trace_id" => {
            // As ids are told elsewhere: without eight bytes of zero before those that count.
            let id = member(ident(LINK), "trace_id")?;
            let is_short = Expr::Like(Like::new(false, Box::new(id.clone()), Box::new(lit("0000000000000000%")), None, false));
            let short = call(functions, "right", vec![id.clone(), lit(16_i64)])?;
            Typed::new(when(is_short, short).otherwise(id)?, Type::Text)
        }
        "trace.link.span_id" => Typed::new(member(ident(LINK), "span_id")?, Type::Text),
        "trace.trace_state" => Typed::new(member(ident(LINK), "trace_state")?, Type::Text),
        "parent_name" => Typed::new(ident("name"), Type::Text),
        "meta.annotation_type" => Typed::new(lit("link"), Type::Text),
        "meta.signal_type" => Typed::new(lit("trace"), Type::Text),
        "error" => failed()?,
        "is_root" => Typed::boolean(lit(false)),
        "service.name" => Typed::new(ident(name), Type::Text),
        _ => {
            let of_scope = member(member(ident("scope"), "attributes")?, name)?;
            let own = member(member(ident(LINK), "attributes")?, name)?;
            let told = call(functions, "coalesce", vec![own, of_scope, member(ident("resource"), name)?])?;
            match attribute(schema, name).map_or(Type::Text, |known| known.r#type) {
                Type::Text | Type::Null => Typed::new(told, Type::Text),
                known => Typed::new(try_cast(told, known.data_type()), known),
            }
        }
    })
}

fn of_logs(schema: &Schema, name: &str) -> Result<Option<Typed>, DataFusionError> {
    let has_trace = || ident("trace_id").is_not_null();
    let named = || ident("event_name").not_eq(lit("")).is_true();
    let event_name = || when(named(), ident("event_name")).otherwise(null_of(Type::Text));
    Ok(Some(match name {
        "name" | "event.name" => Typed::new(event_name()?, Type::Text),
        "body" | "severity_text" | "exception.type" | "exception.message" | "exception.stacktrace" => {
            Typed::new(ident(name), Type::Text)
        }
        "exception.escaped" => return Ok(escaped(schema)),
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
