//! What can be read out of a log line: its severity, the trace it belongs to, the exception it tells, its JSON fields.
//!
//! Shippers send a time and a text; the logger's level and ids are in the text if they are anywhere. Everything here is a
//! guess with a stated rule, and the body is kept as it came.

use std::borrow::Cow;

use model::{Attribute, Exception, SpanId, TraceContext, TraceId, Value};

use super::emf::METADATA_MEMBER;
use super::exceptions::exception_from_text;
use super::limits::{JSON_FIELDS_MAX, TRACE_ID_SEARCH_BYTES_MAX};
use crate::json_tree::{Map, flatten};

/// What one message tells.
#[derive(Debug, Default)]
pub struct Reading<'m> {
    /// OpenTelemetry's 1..=24; 0 when the message does not say.
    pub severity_number: i32,
    /// The level's word as written.
    pub severity_text: Cow<'m, str>,
    pub trace_id: Option<TraceId>,
    pub span_id: Option<SpanId>,
    pub exception: Option<Exception<'m>>,
    /// The fields of a message that is one JSON object, nested ones with dots.
    pub fields: Vec<Attribute<'m>>,
    pub dropped_fields_count: u32,
    /// The object itself, when it is an event in the embedded metric format.
    pub metrics: Option<Map<'m>>,
}

/// Reads a message.
///
/// Severity: of a JSON object its level field; else the first five words are searched for a level in capitals, and the
/// first word also in small letters when brackets or a colon mark it; else ERROR for a message that tells an exception.
/// Trace: of a JSON object its trace id field; else what follows a label such as `trace_id=`; else an id in X-Ray's form
/// anywhere near the head. Exception: of a JSON object its stack field; else a traceback in the text.
pub fn read(message: &str) -> Reading<'_> {
    let mut reading = Reading::default();
    if let Some(json) = json_object(message) {
        reading.metrics = json.contains_key(METADATA_MEMBER).then(|| json.clone());
        let fields = json_fields(json);
        reading.dropped_fields_count = fields.len().saturating_sub(JSON_FIELDS_MAX) as u32;
        reading.fields = fields;
        reading.fields.truncate(JSON_FIELDS_MAX);
        read_fields(&mut reading);
    } else {
        (reading.severity_number, reading.severity_text) = severity_of_text(message);
        reading.exception = exception_from_text(message).map(Exception::from);
    }
    if reading.trace_id.is_none() {
        (reading.trace_id, reading.span_id) = trace_of_text(message);
    }
    if reading.severity_number == 0 && reading.exception.is_some() {
        (reading.severity_number, reading.severity_text) = (17, Cow::Borrowed("ERROR"));
    }
    reading
}

fn json_object(message: &str) -> Option<Map<'_>> {
    let trimmed = message.trim();
    if !trimmed.starts_with('{') || !trimmed.ends_with('}') {
        return None;
    }
    serde_json::from_str(trimmed).ok()
}

/// What the embedded metric format says about itself is no field.
fn json_fields(json: Map<'_>) -> Vec<Attribute<'_>> {
    let mut fields = Vec::new();
    for (key, value) in json.into_iter().filter(|(key, _)| !key.is_empty() && key != METADATA_MEMBER) {
        flatten(key, value, &mut fields);
    }
    fields
}

const LEVEL_FIELDS: [&str; 10] =
    ["severity_text", "severityText", "level", "levelname", "log.level", "severity", "loglevel", "log_level", "lvl", "logLevel"];

const TRACE_ID_FIELDS: [&str; 9] = [
    "trace_id",
    "traceId",
    "otelTraceID",
    "xray_trace_id",
    "xrayTraceId",
    "@xrayTraceId",
    "trace.id",
    "dd.trace_id",
    "AWS-XRAY-TRACE-ID",
];

const SPAN_ID_FIELDS: [&str; 6] = ["span_id", "spanId", "otelSpanID", "span.id", "dd.span_id", "segment_id"];

const STACK_FIELDS: [&str; 12] = [
    "exc_info",
    "exception",
    "exception.stacktrace",
    "exception.stack_trace",
    "traceback",
    "stack_trace",
    "stacktrace",
    "stackTrace",
    "stack",
    "error.stack",
    "error.stack_trace",
    "err.stack",
];

fn read_fields(reading: &mut Reading<'_>) {
    let find = |names: &[&str]| names.iter().find_map(|name| reading.fields.iter().find(|field| field.key == *name));
    let (severity_number, severity_text) = find(&LEVEL_FIELDS).map(|field| severity_of_value(&field.value)).unwrap_or_default();
    let trace = find(&TRACE_ID_FIELDS).and_then(|field| trace_of_value(&field.value));
    let span_id = find(&SPAN_ID_FIELDS).and_then(|field| span_of_value(&field.value));
    let texts = STACK_FIELDS.iter().filter_map(|name| reading.fields.iter().find(|field| field.key == *name)?.value.as_str());
    let exception = texts.filter_map(exception_from_text).next().map(|told| Exception {
        r#type: Cow::Owned(told.r#type.to_owned()),
        message: Cow::Owned(told.message.to_owned()),
        stacktrace: Cow::Owned(told.stacktrace.to_owned()),
        ..Exception::default()
    });
    reading.severity_number = severity_number;
    reading.severity_text = Cow::Owned(severity_text);
    reading.trace_id = trace.map(|trace| trace.trace_id);
    reading.span_id = span_id.or(trace.and_then(|trace| trace.span_id)).filter(|_| trace.is_some());
    reading.exception = exception;
}

fn severity_of_value(level: &Value<'_>) -> (i32, String) {
    let number = match level {
        // Node's pino and bunyan count in tens.
        Value::Int(10) => 1,
        Value::Int(20) => 5,
        Value::Int(30) => 9,
        Value::Int(40) => 13,
        Value::Int(50) => 17,
        Value::Int(60) => 21,
        Value::Str(word) => severity_number(word.trim()),
        _ => 0,
    };
    if number == 0 { (0, String::new()) } else { (number, level.to_text().trim().to_owned()) }
}

/// OpenTelemetry's number for a level's word in any case; 0 for other words.
fn severity_number(word: &str) -> i32 {
    const LEVELS: [(&str, i32); 19] = [
        ("TRACE", 1),
        ("VERBOSE", 5),
        ("DEBUG", 5),
        ("INFO", 9),
        ("INFORMATION", 9),
        ("NOTICE", 10),
        ("WARN", 13),
        ("WARNING", 13),
        ("ERR", 17),
        ("ERROR", 17),
        ("SEVERE", 17),
        ("CRIT", 21),
        ("CRITICAL", 21),
        ("FATAL", 21),
        ("PANIC", 21),
        ("ALERT", 21),
        ("EMERG", 21),
        ("EMERGENCY", 21),
        ("FAULT", 17),
    ];
    LEVELS.iter().find(|(level, _)| level.eq_ignore_ascii_case(word)).map_or(0, |(_, number)| *number)
}

/// Words at the head of a line that are searched for a level: date, time, logger, thread and the level itself.
const LEVEL_WORDS_MAX: usize = 5;

fn severity_of_text(message: &str) -> (i32, Cow<'_, str>) {
    let line = message.lines().next().unwrap_or_default();
    let words = line.split([' ', '\t', '|']).filter(|word| word.contains(|c: char| c.is_ascii_alphanumeric()));
    for (index, word) in words.take(LEVEL_WORDS_MAX).enumerate() {
        let (marked, level) = level_of_word(word);
        let number = severity_number(level);
        let capitals = level.bytes().all(|byte| byte.is_ascii_uppercase());
        if number != 0 && (capitals || marked && index == 0 || word.contains("level=")) {
            return (number, Cow::Borrowed(level));
        }
    }
    (0, Cow::Borrowed(""))
}

/// The part of a word that could be a level, and whether a bracket or a colon marks it as one:
/// `[ERROR]`, `ERROR:root:text`, `level=error`, `<warn>`, `Error:`.
fn level_of_word(word: &str) -> (bool, &str) {
    let named = word.strip_prefix("level=").unwrap_or(word);
    let bare = named.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let end = bare.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(bare.len());
    let marked = named.starts_with(['[', '<', '(']) || bare[end..].starts_with(':');
    (marked, &bare[..end])
}

/// A trace id as a field holds it: any spelling of the id, `id@span`, an `X-Amzn-Trace-Id` header, Datadog's decimal.
fn trace_of_value(value: &Value<'_>) -> Option<TraceContext> {
    let text = match value {
        Value::Int(decimal) => return trace_of_decimal(&decimal.to_string()),
        other => other.as_str()?.trim(),
    };
    if text.contains("Root=") {
        return TraceContext::from_xray_header(text);
    }
    let (id, span) = text.split_once('@').unwrap_or((text, ""));
    let context = |trace_id| TraceContext { trace_id, span_id: SpanId::parse(span).ok() };
    TraceId::parse(id).ok().map(context).or_else(|| trace_of_decimal(text))
}

fn trace_of_decimal(text: &str) -> Option<TraceContext> {
    let low: u64 = text.parse().ok()?;
    Some(TraceContext { trace_id: TraceId::parse(&format!("{low:016x}")).ok()?, span_id: None })
}

fn span_of_value(value: &Value<'_>) -> Option<SpanId> {
    let text = value.to_text();
    SpanId::parse(text.trim()).ok().or_else(|| SpanId::from_bytes(&text.trim().parse::<u64>().ok()?.to_be_bytes()))
}

fn trace_of_text(message: &str) -> (Option<TraceId>, Option<SpanId>) {
    let head = head(message);
    let labelled = |names: &[&str]| names.iter().find_map(|name| after_label(head, name));
    let by_label = labelled(&["trace_id", "traceId", "otelTraceID"]).and_then(|id| TraceId::parse(id).ok());
    let by_shape = || xray_id(head);
    match by_label.map(|trace_id| (trace_id, None)).or_else(by_shape) {
        Some((trace_id, span_id)) => {
            let told = || labelled(&["span_id", "spanId", "otelSpanID", "SegmentId", "Parent"]);
            (Some(trace_id), span_id.or_else(|| told().and_then(|id| SpanId::parse(id).ok())))
        }
        None => (None, None),
    }
}

fn head(message: &str) -> &str {
    let mut end = message.len().min(TRACE_ID_SEARCH_BYTES_MAX);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}

/// The hex digits and dashes that follow `label=`, `label: ` or `"label": "`.
fn after_label<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(label)?;
    let rest = rest.trim_start_matches('"');
    let rest = rest.strip_prefix(['=', ':'])?.trim_start_matches([' ', '"', '\'']);
    let end = rest.find(|c: char| !c.is_ascii_hexdigit() && c != '-').unwrap_or(rest.len());
    Some(&rest[..end])
}

/// The first id in X-Ray's own form, `1-<8 hex>-<24 hex>`, with the span that may follow it as `@<16 hex>`.
fn xray_id(text: &str) -> Option<(TraceId, Option<SpanId>)> {
    const XRAY_ID_BYTES: usize = 35;
    text.match_indices("1-").find_map(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text.get(at + XRAY_ID_BYTES..)?;
        if before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '-') || after.starts_with(|c: char| c.is_ascii_hexdigit()) {
            return None;
        }
        let trace_id = TraceId::parse(&text[at..at + XRAY_ID_BYTES]).ok()?;
        let span_id = after.strip_prefix('@').and_then(|span| SpanId::parse(span.get(..16)?).ok());
        Some((trace_id, span_id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_stand_at_the_head() {
        for (message, number, text) in [
            ("[ERROR] 2026-11-21 failed", 17, "ERROR"),
            ("ERROR:root:failed", 17, "ERROR"),
            ("2026-11-21 02:14:00,123 - app - WARNING - slow", 13, "WARNING"),
            ("2026-11-21T02:14:00Z\t1b2c\tINFO\tdone", 9, "INFO"),
            ("CRITICAL the disk is full", 21, "CRITICAL"),
            ("[info] listening", 9, "info"),
            ("error: no such file", 17, "error"),
            ("level=debug msg=\"x\"", 5, "debug"),
            ("time=2026 level=warn msg=\"x\"", 13, "warn"),
            ("error rates are low", 0, ""),
            ("the information: none", 0, ""),
            ("[2026-Nov-21 02:14] 127.0.0.1 GET http /x? 500 INTERNAL SERVER ERROR", 0, ""),
            ("", 0, ""),
            ("{\"level\": \"error\"}", 17, "error"),
            ("{\"levelname\": \"INFO\", \"msg\": \"ERROR\"}", 9, "INFO"),
            ("{\"level\": 40}", 13, "40"),
            ("{\"log\": {\"level\": \"Fatal\"}}", 21, "Fatal"),
            ("{\"level\": \"loud\"}", 0, ""),
            ("{\"level\": \"error\"", 0, ""),
        ] {
            let reading = read(message);
            assert_eq!((reading.severity_number, &*reading.severity_text), (number, text), "{message}");
        }
    }

    #[test]
    fn traces_are_found_by_field_label_and_shape() {
        const HEX: &str = "5759e988bd862e3fe1be46a994272793";
        for (message, trace_id, span_id) in [
            (r#"{"trace_id": "5759e988bd862e3fe1be46a994272793", "span_id": "53995c3f42cd8ad8"}"#, HEX, "53995c3f42cd8ad8"),
            (r#"{"xray_trace_id": "1-5759e988-bd862e3fe1be46a994272793"}"#, HEX, ""),
            (r#"{"@xrayTraceId": "1-5759e988-bd862e3fe1be46a994272793@53995c3f42cd8ad8"}"#, HEX, "53995c3f42cd8ad8"),
            (r#"{"traceId": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8"}"#, HEX, "53995c3f42cd8ad8"),
            (r#"{"dd": {"trace_id": "255", "span_id": "1"}}"#, "000000000000000000000000000000ff", "0000000000000001"),
            (r#"{"trace_id": "0", "text": "[trace_id=1-5759e988-bd862e3fe1be46a994272793]"}"#, HEX, ""),
            ("INFO [trace_id=5759e988bd862e3fe1be46a994272793 span_id=53995c3f42cd8ad8 x] m", HEX, "53995c3f42cd8ad8"),
            ("AWS-XRAY-TRACE-ID: 1-5759e988-bd862e3fe1be46a994272793@53995c3f42cd8ad8", HEX, "53995c3f42cd8ad8"),
            ("XRAY TraceId: 1-5759e988-bd862e3fe1be46a994272793\tSegmentId: 53995c3f42cd8ad8", HEX, "53995c3f42cd8ad8"),
            ("11-5759e988-bd862e3fe1be46a994272793", "", ""),
            ("1-5759e988-bd862e3fe1be46a99427279312", "", ""),
            ("[trace_id=0 span_id=0] started", "", ""),
            ("1-☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃", "", ""),
        ] {
            let reading = read(message);
            assert_eq!(reading.trace_id.map(|id| id.to_string()).unwrap_or_default(), trace_id, "{message}");
            assert_eq!(reading.span_id.map(|id| id.to_string()).unwrap_or_default(), span_id, "{message}");
        }
    }

    #[test]
    fn json_fields_are_counted() {
        let json: serde_json::Map<String, serde_json::Value> = (0..300).map(|i| (format!("k{i}"), i.into())).collect();
        let message = serde_json::Value::Object(json).to_string();
        let reading = read(&message);
        assert_eq!((reading.fields.len(), reading.dropped_fields_count), (JSON_FIELDS_MAX, 100));
        assert!(read(&format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000))).fields.is_empty());
    }

    #[test]
    fn exceptions_in_fields_and_text_are_errors() {
        let told = "Traceback (most recent call last):\\n  File \\\"a.py\\\", line 1, in f\\nKeyError: 'x'";
        let message = format!("{{\"msg\": \"failed\", \"exc_info\": \"{told}\"}}");
        let reading = read(&message);
        let exception = reading.exception.unwrap();
        assert_eq!((&*exception.r#type, &*exception.message, reading.severity_number), ("KeyError", "'x'", 17));
        let reading = read("WARNING retrying\nTraceback (most recent call last):\n  File \"a.py\", line 1, in f\nOSError");
        assert_eq!((&*reading.exception.unwrap().r#type, reading.severity_number), ("OSError", 13));
    }

    proptest::proptest! {
        #[test]
        fn any_message_is_read(message in "\\PC{0,120}|(trace_id|1-|=|\"|:|[0-9a-f]{8}|-|@|☃|\\{|\\}| ){0,20}") {
            let _ = read(&message);
        }
    }
}
