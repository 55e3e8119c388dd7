//! What a buffer makes of rows.

use std::fmt::Write;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use expect_test::{Expect, expect};
use model::limits::{ATTRIBUTE_KEY_BYTES_MAX, ATTRIBUTES_PER_RECORD_MAX, TRUNCATION_MARK};
use model::{Attribute, DataPointType, Exception, SpanKind, StatusCode, Temporality};

use super::*;
use crate::limits::ATTRIBUTE_COLUMNS_MAX;

const TRACE: TraceId = TraceId([0xab; 16]);
const SPAN: SpanId = SpanId([0xcd; 8]);

fn buffer() -> RowBuffer {
    RowBuffer::new(RowContext { receiver: "otlp", received_at_unix_nano: 9, request: None })
}

fn int(key: &str, value: i64) -> Attribute<'_> {
    Attribute::new(key, Value::Int(value))
}

fn log_with(buffer: &mut RowBuffer, attributes: &[Attribute<'_>]) {
    buffer.log(&LogRecord { attributes, ..LogRecord::default() });
}

fn batch(buffer: RowBuffer) -> RecordBatch {
    let mut batches = buffer.finish().unwrap();
    assert_eq!(batches.len(), 1);
    batches.remove(0).1
}

/// The columns, one a line, without those that every test row has alike.
fn shown(batch: &RecordBatch) -> String {
    const DULL: [&str; 9] = [
        "time",
        "received_at",
        "receiver",
        "scope",
        "sample_rate",
        "flags",
        "severity_number",
        "body",
        "dropped_attributes_count",
    ];
    let mut text = String::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        if DULL.contains(&field.name().as_str()) {
            continue;
        }
        let options = FormatOptions::default().with_null("-");
        let formatter = ArrayFormatter::try_new(column, &options).unwrap();
        let values: Vec<String> = (0..column.len()).map(|row| formatter.value(row).to_string()).collect();
        writeln!(text, "{}: {} = {}", field.name(), field.data_type(), values.join(" | ")).unwrap();
    }
    text
}

fn check(buffer: RowBuffer, expected: &Expect) {
    expected.assert_eq(&shown(&batch(buffer)));
}

#[test]
fn types_widen_and_gaps_are_null() {
    let mut buffer = buffer();
    log_with(&mut buffer, &[int("a", 1), Attribute::new("b", Value::Bool(true)), int("c", 1)]);
    log_with(&mut buffer, &[]);
    log_with(&mut buffer, &[Attribute::new("a", Value::Float(0.5)), int("b", 2), Attribute::str("c", "x")]);
    log_with(
        &mut buffer,
        &[int("a", 2), Attribute::new("c", Value::Float(1e-5)), Attribute::new("d", Value::Json("[1]".into()))],
    );
    check(
        buffer,
        &expect![[r#"
        service.name: Utf8 = unknown_service | unknown_service | unknown_service | unknown_service
        resource: Dictionary(Int32, Utf8) = {} | {} | {} | {}
        c: Utf8 = 1 | - | x | 0.00001
        b: Utf8 = true | - | 2 | -
        a: Float64 = 1.0 | - | 0.5 | 2.0
        d: Utf8 = - | - | - | [1]
    "#]],
    );
}

#[test]
fn record_beats_scope_beats_resource() {
    let mut buffer = buffer();
    let resource = [Attribute::str("service.name", "shop"), int("k", 1), int("only.resource", 7)];
    buffer.resource(&Resource { attributes: &resource, schema_url: "" });
    log_with(&mut buffer, &[]);
    buffer.scope(&Scope { name: "lib", version: "2", attributes: &[int("k", 2)], schema_url: "" });
    log_with(&mut buffer, &[]);
    log_with(&mut buffer, &[int("k", 3), int("k", 4)]);
    buffer.scope(&Scope::default());
    log_with(&mut buffer, &[Attribute::str("service.name", "other")]);
    buffer.resource(&Resource::default());
    log_with(&mut buffer, &[]);
    check(
        buffer,
        &expect![[r#"
        service.name: Utf8 = shop | shop | shop | other | unknown_service
        resource: Dictionary(Int32, Utf8) = {"k":1,"only.resource":7,"service.name":"shop"} | {"k":1,"only.resource":7,"service.name":"shop"} | {"k":1,"only.resource":7,"service.name":"shop"} | {"k":1,"only.resource":7,"service.name":"shop"} | {}
        only.resource: Int64 = 7 | 7 | 7 | 7 | -
        k: Int64 = 1 | 2 | 4 | 1 | -
    "#]],
    );
}

#[test]
fn keys_of_fixed_columns_are_prefixed() {
    let mut buffer = buffer();
    let exception = Exception { r#type: "KeyError".into(), ..Exception::default() };
    let attributes = [
        Attribute::str("body", "b"),
        Attribute::str("attributes.body", "first"),
        Attribute::str("", "nameless"),
        Attribute::str("exception.type", "Other"),
        Attribute::str("exception.message", "from attribute"),
        Attribute::str("error.group", "g"),
    ];
    buffer.log(&LogRecord { exception: Some(exception.clone()), attributes: &attributes, ..LogRecord::default() });
    let same = [Attribute::str("exception.type", "KeyError")];
    buffer.log(&LogRecord { exception: Some(exception), attributes: &same, ..LogRecord::default() });
    check(
        buffer,
        &expect![[r#"
        service.name: Utf8 = unknown_service | unknown_service
        resource: Dictionary(Int32, Utf8) = {} | {}
        exception.type: Utf8 = KeyError | KeyError
        exception.message: Utf8 = from attribute | -
        attributes.error.group: Utf8 = g | -
        attributes.exception.type: Utf8 = Other | -
        attributes.: Utf8 = nameless | -
        attributes.body: Utf8 = first | -
    "#]],
    );
}

#[test]
fn long_things_are_cut_and_marked() {
    let long = "ü".repeat(BODY_BYTES_MAX);
    let mut buffer = buffer();
    let attributes = [Attribute::str(&long, long.as_str()), Attribute::new("json", Value::Json(long.as_str().into()))];
    buffer.log(&LogRecord { body: long.as_str().into(), attributes: &attributes, ..LogRecord::default() });
    let batch = batch(buffer);
    let text = |name: &str| arrow::array::AsArray::as_string::<i32>(batch.column_by_name(name).unwrap()).value(0).to_owned();
    assert!(text("body").len() <= BODY_BYTES_MAX && text("body").ends_with(TRUNCATION_MARK));
    assert!(text("json").len() <= ATTRIBUTE_VALUE_BYTES_MAX && text("json").ends_with(TRUNCATION_MARK));
    let key = &long[..ATTRIBUTE_KEY_BYTES_MAX];
    assert!(text(key).ends_with(TRUNCATION_MARK));
}

#[test]
fn more_keys_than_columns_go_to_the_rest() {
    let keys: Vec<String> = (0..ATTRIBUTE_COLUMNS_MAX + 2).map(|number| format!("k{number:04}")).collect();
    let mut buffer = buffer();
    let resource = [Attribute::str("r", "first column")];
    buffer.resource(&Resource { attributes: &resource, schema_url: "" });
    let attributes: Vec<Attribute<'_>> = keys.iter().map(|key| int(key, 5)).collect();
    log_with(&mut buffer, &attributes);
    let resource = [Attribute::str("late", "resource"), Attribute::str("k0000", "overruled")];
    buffer.resource(&Resource { attributes: &resource, schema_url: "" });
    log_with(&mut buffer, &[Attribute::str("new", "\"quoted\""), int("k0000", 1), int("k1001", 2)]);
    let batch = batch(buffer);
    let attributes = crate::registry::attributes(Signal::Logs, &batch).count();
    assert_eq!(attributes, ATTRIBUTE_COLUMNS_MAX);
    let rest = arrow::array::AsArray::as_string::<i32>(batch.column_by_name(columns::ATTRIBUTES_REST).unwrap());
    let expected = expect![[r#"
        {"k0002":5,"k0001":5,"k0000":5}
        {"k0000":1,"new":"\"quoted\"","late":"resource"}
    "#]];
    expected.assert_eq(&format!("{}\n{}\n", rest.value(0), rest.value(1)));
}

#[test]
fn attributes_beyond_the_records_limit_are_counted() {
    let keys: Vec<String> = (0..ATTRIBUTES_PER_RECORD_MAX + 3).map(|number| format!("k{}", number % 10)).collect();
    let attributes: Vec<Attribute<'_>> = keys.iter().map(|key| int(key, 1)).collect();
    let mut buffer = buffer();
    buffer.log(&LogRecord { dropped_attributes_count: 1, attributes: &attributes, ..LogRecord::default() });
    let batch = batch(buffer);
    let dropped = batch.column_by_name("dropped_attributes_count").unwrap();
    assert_eq!(arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(dropped).value(0), 4);
}

#[test]
fn a_span_has_all_its_columns() {
    let request = TraceContext { trace_id: TraceId([1; 16]), span_id: Some(SpanId([2; 8])) };
    let mut buffer = RowBuffer::new(RowContext { receiver: "xray", received_at_unix_nano: 9, request: Some(request) });
    let link = SpanLink { trace_id: TRACE, span_id: SPAN, trace_state: "", attributes: vec![int("a", 1)] };
    buffer.span(&Span {
        start_time_unix_nano: 1_000,
        duration_ns: 5,
        parent_span_id: Some(SPAN),
        kind: SpanKind::Server,
        status_code: StatusCode::Error,
        status_message: "bad",
        links: &[link],
        linked_trace_id: Some(TRACE),
        source: Some("{}"),
        attributes: &[Attribute::str("name", "not the name")],
        ..Span::new(TRACE, SPAN, "GET /")
    });
    check(
        buffer,
        &expect![[r#"
        service.name: Utf8 = unknown_service
        resource: Dictionary(Int32, Utf8) = {}
        request_trace_id: FixedSizeBinary(16) = 01010101010101010101010101010101
        request_span_id: FixedSizeBinary(8) = 0202020202020202
        source: Utf8 = {}
        trace_id: FixedSizeBinary(16) = abababababababababababababababab
        span_id: FixedSizeBinary(8) = cdcdcdcdcdcdcdcd
        parent_span_id: FixedSizeBinary(8) = cdcdcdcdcdcdcdcd
        linked_trace_id: FixedSizeBinary(16) = abababababababababababababababab
        name: Utf8 = GET /
        kind: Utf8 = server
        duration_ns: Int64 = 5
        status_code: Utf8 = error
        status_message: Utf8 = bad
        in_progress: Boolean = false
        dropped_events_count: Int64 = 0
        dropped_links_count: Int64 = 0
        links: Utf8 = [{"trace_id":"abababababababababababababababab","span_id":"cdcdcdcdcdcdcdcd","trace_state":"","attributes":{"a":1}}]
        attributes.name: Utf8 = not the name
    "#]],
    );
}

#[test]
fn a_series_is_the_same_in_any_order() {
    let mut buffer = buffer();
    let point = |attributes, metric| DataPoint {
        metric,
        description: "",
        unit: "s",
        r#type: DataPointType::Gauge,
        temporality: Temporality::Unspecified,
        is_monotonic: false,
        start_time_unix_nano: 0,
        time_unix_nano: 1,
        flags: 0,
        value: Some(1.5),
        count: None,
        sum: None,
        min: None,
        max: None,
        buckets: "".into(),
        exemplars: "".into(),
        attributes,
    };
    let (one, two) = ([int("a", 1), int("b", 2)], [int("b", 2), int("a", 1)]);
    let swapped = [int("a", 2), int("b", 1)];
    buffer.data_point(&point(&one, "m"));
    buffer.data_point(&point(&two, "m"));
    buffer.data_point(&point(&swapped, "m"));
    buffer.data_point(&point(&one, "n"));
    buffer.resource(&Resource { attributes: &[Attribute::str("host.name", "h")], schema_url: "" });
    buffer.data_point(&point(&one, "m"));
    check(
        buffer,
        &expect![[r#"
        service.name: Utf8 = unknown_service | unknown_service | unknown_service | unknown_service | unknown_service
        resource: Dictionary(Int32, Utf8) = {} | {} | {} | {} | {"host.name":"h"}
        metric: Utf8 = m | m | m | n | m
        description: Utf8 =  |  |  |  | 
        unit: Utf8 = s | s | s | s | s
        type: Utf8 = gauge | gauge | gauge | gauge | gauge
        temporality: Utf8 = unspecified | unspecified | unspecified | unspecified | unspecified
        is_monotonic: Boolean = false | false | false | false | false
        series: Int64 = 3304586729511708441 | 3304586729511708441 | -1099469871623790253 | -5095425797347553577 | -8293633824669112581
        value: Float64 = 1.5 | 1.5 | 1.5 | 1.5 | 1.5
        b: Int64 = 2 | 2 | 1 | 2 | 2
        a: Int64 = 1 | 1 | 2 | 1 | 1
        host.name: Utf8 = - | - | - | - | h
    "#]],
    );
}

#[test]
fn a_buffer_that_is_too_large_is_refused_whole() {
    let source = "x".repeat(ROW_BUFFER_BYTES_MAX / 2);
    let mut buffer = buffer();
    for _ in 0..5 {
        buffer.log(&LogRecord { source: Some(&source), ..LogRecord::default() });
    }
    assert_eq!(buffer.rows().logs, 5);
    assert!(matches!(buffer.finish(), Err(StoreError::TooLarge { .. })));
}

proptest::proptest! {
    /// Whatever the order of rows, resources and types, each row reads back as the last value its key was given.
    #[test]
    fn every_row_reads_back(runs in runs()) {
        let mut buffer = buffer();
        let mut expected: Vec<[Option<String>; 4]> = Vec::new();
        // Twice, so that resources come back that were told before.
        for (resource, rows) in runs.iter().chain(&runs) {
            let named = attributes_of(resource);
            buffer.resource(&Resource { attributes: &named, schema_url: "" });
            for row in rows {
                let attributes = attributes_of(row);
                log_with(&mut buffer, &attributes);
                expected.push(std::array::from_fn(|key| {
                    let last = row.iter().rev().chain(resource.iter().rev()).find(|(named, _)| *named == key);
                    last.map(|(_, value)| value.to_text().into_owned())
                }));
            }
        }
        proptest::prop_assume!(!expected.is_empty());
        let batch = batch(buffer);
        for (key, name) in KEYS.iter().enumerate() {
            let column = batch.column_by_name(name);
            for (row, expected) in expected.iter().enumerate() {
                let found = column.filter(|column| column.is_valid(row)).map(|column| {
                    let column = arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).unwrap();
                    arrow::array::AsArray::as_string::<i32>(&column).value(row).to_owned()
                });
                proptest::prop_assert_eq!(same_number(found), same_number(expected[key].clone()), "row {} key {}", row, name);
            }
        }
    }
}

const KEYS: [&str; 4] = ["a", "b", "http.route", "name.with.dots"];

type Row = Vec<(usize, Value<'static>)>;

fn runs() -> impl proptest::strategy::Strategy<Value = Vec<(Row, Vec<Row>)>> {
    use proptest::collection::vec;
    use proptest::prelude::*;
    let value = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        (-1000i64..1000).prop_map(Value::Int),
        (-8i32..8).prop_map(|quarters| Value::Float(f64::from(quarters) / 4.0)),
        "[a-c]{0,3}".prop_map(|text| Value::Str(text.into())),
    ];
    let row = vec((0..KEYS.len(), value), 0..6);
    vec((row.clone(), vec(row, 0..4)), 0..4)
}

fn attributes_of(row: &Row) -> Vec<Attribute<'static>> {
    row.iter().map(|(key, value)| Attribute::new(KEYS[*key], value.clone())).collect()
}

/// A number reads the same whether it was kept as 1, 1.0 or a text of either.
fn same_number(text: Option<String>) -> Option<String> {
    text.map(|text| text.parse::<f64>().map_or(text, |number| number.to_string()))
}

/// Rows of attributes in any order, with repeats: `(key, value)` of few keys.
fn rows_of_attributes() -> impl proptest::strategy::Strategy<Value = Vec<Vec<(usize, i64)>>> {
    proptest::collection::vec(proptest::collection::vec((0usize..6, -3i64..3), 0..8), 1..12)
}

proptest::proptest! {
    /// Whichever order attributes come in, and whatever was guessed from the row before, each row says what it was given.
    #[test]
    fn a_guessed_order_changes_nothing(rows in rows_of_attributes()) {
        const KEYS: [&str; 6] = ["a", "b", "http.route", "service.name", "exception.type", "attributes.body"];
        let mut together = buffer();
        for row in &rows {
            let attributes: Vec<Attribute<'_>> = row.iter().map(|(key, value)| int(KEYS[*key], *value)).collect();
            log_with(&mut together, &attributes);
        }
        let together = batch(together);
        for (number, row) in rows.iter().enumerate() {
            let mut alone = buffer();
            let attributes: Vec<Attribute<'_>> = row.iter().map(|(key, value)| int(KEYS[*key], *value)).collect();
            log_with(&mut alone, &attributes);
            let alone = batch(alone);
            for (field, column) in alone.schema().fields().iter().zip(alone.columns()) {
                let same = together.column_by_name(field.name()).unwrap().slice(number, 1);
                proptest::prop_assert_eq!(&same, column, "{} of row {}", field.name(), number);
            }
            let said = |batch: &RecordBatch, row: usize| batch.columns().iter().filter(|column| column.is_valid(row)).count();
            proptest::prop_assert_eq!(said(&together, number), said(&alone, 0));
        }
    }
}
