//! Exact links: ids that one vendor's record carries of another's trace.
//!
//! What is here is certain, since an id was copied; what has to be inferred from times and names is not here.

use model::{SpanId, TraceContext, TraceId, Value};

/// Span attributes in which OpenTelemetry keeps the header that X-Ray's middleware sets on answers, in the spellings of its
/// conventions, and the one that AWS's own instrumentation writes.
const TRACE_ID_ATTRIBUTES: [&str; 3] =
    ["http.response.header.x_amzn_trace_id", "http.response.header.x-amzn-trace-id", "aws.xray.trace_id"];

/// The other trace that a span attribute names.
///
/// Reads plain ids, `Root=1-…`, and either inside a JSON list of texts, as captured headers are kept.
pub fn exact_trace_link(key: &str, value: &Value<'_>) -> Option<TraceId> {
    if !TRACE_ID_ATTRIBUTES.contains(&key) {
        return None;
    }
    let text = value.as_str()?.trim();
    let first: String;
    let text = if text.starts_with('[') {
        let values: Vec<String> = serde_json::from_str(text).ok()?;
        first = values.into_iter().next()?;
        first.trim()
    } else {
        text
    };
    match TraceContext::from_xray_header(text) {
        Some(context) => Some(context.trace_id),
        None => whole_trace_id(text),
    }
}

/// Longer bodies are read this far: what identifies a line stands near its beginning, or the line is a dump.
pub const BODY_BYTES_READ_MAX: usize = 16 * 1024;

/// The trace, and the span if it says so, that a log line names in its body.
///
/// JSON bodies: members of the outermost object, or one object below (`{"dd": {"trace_id": …}}`). Text bodies: `trace_id=…`,
/// `traceId: …`, `Root=1-…;Parent=…`, `traceparent=00-…`. An id that is not 32 hex digits or X-Ray's form is not taken: 16
/// digits could be anything. Costs one scan for most lines, which have none.
pub fn trace_context_in_log_body(body: &str) -> Option<TraceContext> {
    let body = cut(body, BODY_BYTES_READ_MAX);
    if !may_name_a_trace(body) {
        return None;
    }
    if body.trim_start().starts_with('{')
        && let Ok(serde_json::Value::Object(members)) = serde_json::from_str(body)
    {
        return trace_context_in_members(&members);
    }
    trace_context_in_text(body)
}

/// Every spelling below has one of these words in some case; searching a few bytes is cheaper than parsing.
fn may_name_a_trace(body: &str) -> bool {
    let bytes = body.as_bytes();
    let named = |at: usize| bytes.get(at..at + 5).is_some_and(|word| word.eq_ignore_ascii_case(b"trace"));
    // One byte is compared for most places of a line.
    bytes.iter().enumerate().any(|(at, byte)| byte | 0x20 == b't' && named(at)) || body.contains("Root=1-")
}

fn trace_context_in_members(members: &serde_json::Map<String, serde_json::Value>) -> Option<TraceContext> {
    let mut found = (None, None);
    read_members("", members, &mut found);
    let (trace_id, span_id) = found;
    let context: TraceContext = trace_id?;
    Some(TraceContext { span_id: context.span_id.or(span_id), ..context })
}

fn read_members(
    above: &str,
    members: &serde_json::Map<String, serde_json::Value>,
    found: &mut (Option<TraceContext>, Option<SpanId>),
) {
    for (key, value) in members {
        match value {
            serde_json::Value::String(text) => read_pair(above, key, text, found),
            serde_json::Value::Object(inner) if above.is_empty() => read_members(key, inner, found),
            _ => {}
        }
    }
}

/// One key and its text; what was found first stays.
fn read_pair(above: &str, key: &str, text: &str, found: &mut (Option<TraceContext>, Option<SpanId>)) {
    match meaning(above, key) {
        Some(Meaning::Trace) if found.0.is_none() => found.0 = trace_context(text),
        Some(Meaning::Span) if found.1.is_none() => found.1 = SpanId::parse(text.trim()).ok(),
        _ => {}
    }
}

enum Meaning {
    Trace,
    Span,
}

/// What a key means, whichever logging library spelt it: `trace_id`, `traceID`, `otelTraceID`, `trace.id`, `@xrayTraceId`.
fn meaning(above: &str, key: &str) -> Option<Meaning> {
    let mut letters = [0_u8; 24];
    let mut length = 0;
    let parts = [above, key];
    for byte in parts.iter().flat_map(|part| part.bytes()).filter(u8::is_ascii_alphanumeric) {
        *letters.get_mut(length)? = byte.to_ascii_lowercase();
        length += 1;
    }
    match &letters[..length] {
        b"traceid" | b"oteltraceid" | b"xraytraceid" | b"awsxraytraceid" | b"amzntraceid" | b"xamzntraceid" | b"ddtraceid"
        | b"traceparent" | b"contexttraceid" | b"spantraceid" => Some(Meaning::Trace),
        b"spanid" | b"otelspanid" | b"ddspanid" | b"contextspanid" | b"spanspanid" | b"xraysegmentid" => Some(Meaning::Span),
        _ => None,
    }
}

fn trace_context(text: &str) -> Option<TraceContext> {
    let text = text.trim();
    TraceContext::from_xray_header(text)
        .or_else(|| TraceContext::from_traceparent(text))
        .or_else(|| whole_trace_id(text).map(|trace_id| TraceContext { trace_id, span_id: None }))
}

/// An id of all its sixteen bytes.
fn whole_trace_id(text: &str) -> Option<TraceId> {
    if text.len() == 16 { None } else { TraceId::parse(text).ok() }
}

/// `key=value` and `key: value` anywhere in a line, quoted or not.
fn trace_context_in_text(body: &str) -> Option<TraceContext> {
    let mut found = (None, None);
    let bytes = body.as_bytes();
    for (at, _) in body.match_indices(['=', ':']) {
        let key = word_before(body, at);
        if key.is_empty() {
            continue;
        }
        let after = bytes[at + 1..].iter().position(|byte| !matches!(byte, b' ' | b'"' | b'\'')).unwrap_or(0);
        let value = &body[at + 1 + after..];
        if key.ends_with("Root") && value.starts_with("1-") {
            found.0 = found.0.or_else(|| xray_header_at(&body[at - "Root".len()..]));
            continue;
        }
        let length = value.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(value.len());
        read_pair("", key, &value[..length], &mut found);
    }
    let context: TraceContext = found.0?;
    Some(TraceContext { span_id: context.span_id.or(found.1), ..context })
}

/// `Root=1-…;Parent=…;Sampled=1` from the beginning of `text`, as far as it goes.
fn xray_header_at(text: &str) -> Option<TraceContext> {
    let in_header = |c: char| c.is_ascii_alphanumeric() || matches!(c, '=' | ';' | '-' | '?' | ':');
    TraceContext::from_xray_header(&text[..text.find(|c| !in_header(c)).unwrap_or(text.len())])
}

fn word_before(body: &str, end: usize) -> &str {
    let body = body[..end].trim_end_matches([' ', '"', '\'']);
    let start = body.bytes().rposition(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'@' | b'-')));
    &body[start.map_or(0, |at| at + 1)..]
}

fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const XRAY: &str = "1-6b00febe-06c7c253ab7238ba917a354e";
    const HEX: &str = "6b00febe06c7c253ab7238ba917a354e";

    #[test]
    fn headers_kept_on_spans_name_the_other_trace() {
        let id = Some(TraceId::parse(XRAY).unwrap());
        for (key, text) in [
            ("http.response.header.x_amzn_trace_id", format!(r#"["Root={XRAY}"]"#)),
            ("http.response.header.x_amzn_trace_id", format!("Root={XRAY};Sampled=1")),
            ("http.response.header.x-amzn-trace-id", format!(r#"[ "Root={XRAY};Parent=53995c3f42cd8ad8", "x" ]"#)),
            ("aws.xray.trace_id", XRAY.to_owned()),
            ("aws.xray.trace_id", HEX.to_owned()),
        ] {
            assert_eq!(exact_trace_link(key, &Value::str(&text)), id, "{key} = {text}");
            assert_eq!(exact_trace_link(key, &Value::Json(text.as_str().into())), id, "{key} = {text}");
        }
    }

    #[test]
    fn other_attributes_name_nothing() {
        for (key, text) in [
            ("http.response.header.x_amzn_trace_id", "[]"),
            ("http.response.header.x_amzn_trace_id", "[1]"),
            ("http.response.header.x_amzn_trace_id", ""),
            ("http.response.header.x_amzn_trace_id", "Root=1-zz"),
            ("aws.xray.trace_id", "27e371903a2de979"),
            ("http.request.header.x_amzn_trace_id", HEX),
            ("trace_id", HEX),
        ] {
            assert_eq!(exact_trace_link(key, &Value::str(text)), None, "{key} = {text}");
        }
        assert_eq!(exact_trace_link("aws.xray.trace_id", &Value::Int(1)), None);
    }

    /// `expected`: the trace id's first four digits and the span id, or a dash.
    fn check(body: &str, expected: &str) {
        let told = match trace_context_in_log_body(body) {
            Some(TraceContext { trace_id, span_id }) => {
                let span = span_id.map_or_else(|| "-".to_owned(), |span_id| span_id.to_string());
                format!("{} {span}", &trace_id.to_string()[..4])
            }
            None => "-".to_owned(),
        };
        assert_eq!(told, expected, "{body}");
    }

    #[test]
    fn json_bodies() {
        check(&format!(r#"{{"message":"x","trace_id":"{HEX}","span_id":"c42bb7fe274d1e14"}}"#), "6b00 c42bb7fe274d1e14");
        check(&format!(r#" {{"otelTraceID":"{HEX}","otelSpanID":"c42bb7fe274d1e14"}}"#), "6b00 c42bb7fe274d1e14");
        for key in
            ["traceId", "traceID", "TraceId", "trace.id", "xray_trace_id", "@xrayTraceId", "x-amzn-trace-id", "dd.trace_id"]
        {
            check(&format!(r#"{{"{key}":"{HEX}"}}"#), "6b00 -");
        }
        check(&format!(r#"{{"@xrayTraceId":"{XRAY}"}}"#), "6b00 -");
        check(&format!(r#"{{"traceparent":"00-{HEX}-c42bb7fe274d1e14-01"}}"#), "6b00 c42bb7fe274d1e14");
        check(&format!(r#"{{"trace":{{"id":"{HEX}"}},"span":{{"id":"c42bb7fe274d1e14"}}}}"#), "6b00 c42bb7fe274d1e14");
        check(&format!(r#"{{"dd":{{"trace_id":"{HEX}","span_id":"1"}}}}"#), "6b00 -");
        check(&format!(r#"{{"a":{{"b":{{"trace_id":"{HEX}"}}}}}}"#), "-");
        check(r#"{"trace_id":"0","span_id":"c42bb7fe274d1e14"}"#, "-");
        check(r#"{"trace_id":"00000000000000000000000000000000"}"#, "-");
        check(r#"{"trace_id":5}"#, "-");
        check(r#"{"message":"no id"}"#, "-");
        check(r#"{"stacktrace":"x"}"#, "-");
    }

    #[test]
    fn text_bodies() {
        check(
            &format!("2026-11-21 INFO [app] [trace_id={HEX} span_id=c42bb7fe274d1e14 resource.service.name=x] - hi"),
            "6b00 c42bb7fe274d1e14",
        );
        check(&format!("traceId: {HEX}, spanId: c42bb7fe274d1e14"), "6b00 c42bb7fe274d1e14");
        check(&format!("level=info trace_id=\"{HEX}\" msg=x"), "6b00 -");
        check(&format!("X-Amzn-Trace-Id: Root={XRAY};Parent=53995c3f42cd8ad8;Sampled=1 done"), "6b00 53995c3f42cd8ad8");
        check(&format!("got Root={XRAY}"), "6b00 -");
        check(&format!("traceparent: 00-{HEX}-c42bb7fe274d1e14-01"), "6b00 c42bb7fe274d1e14");
        check(&format!("{{broken json \"trace_id\": \"{HEX}\""), "6b00 -");
        check("XRAY TraceId: 1-58406520-a006649127e371903a2de979\tSegmentId: 2de979aa00000000", "5840 -");
        check("trace_id=27e371903a2de979", "-");
        check("trace_id=0 span_id=0", "-");
        check("Traceback (most recent call last): trace_id=", "-");
        check("[2026-Nov-21 02:15] 127.0.0.1 GET http /api/activities/home? 200 OK", "-");
        check("é=trace: ü", "-");
    }

    proptest::proptest! {
        #[test]
        fn no_body_panics(body in "\\PC{0,80}|([{\"=: ;-]|trace_id|Root=1-|[0-9a-f]{8,32}|é){0,20}") {
            let _ = trace_context_in_log_body(&body);
            let _ = exact_trace_link("aws.xray.trace_id", &Value::str(&body));
        }
    }
}
