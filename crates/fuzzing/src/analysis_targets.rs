//! What is read out of texts and traces that others wrote: stack traces, templates, levels, ids, and trees of spans.

use std::borrow::Cow;

use analysis::log_patterns::{LogLine, LogPatterns};
use analysis::sensitive::{Masks, Sensitive};
use analysis::stacktrace::parse;
use analysis::trace_tree::{SpanView, TraceLink, trace_tree as tree};
use analysis::{fingerprint, linking, message_template, severity};
use model::{Exception, SpanId, SpanKind, TraceContext, TraceId, Value};

/// What `telemetry.sdk.language` may say; the first byte of an input chooses.
const LANGUAGES: [Option<&str>; 12] = [
    None,
    Some("python"),
    Some("nodejs"),
    Some("webjs"),
    Some("java"),
    Some("ruby"),
    Some("go"),
    Some("rust"),
    Some("dotnet"),
    Some("php"),
    Some("erlang"),
    Some("?"),
];

pub fn stacktrace(input: &[u8]) {
    let Some((first, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let language = LANGUAGES[usize::from(*first) % LANGUAGES.len()];
    let parsed = parse(text, language);
    let frames: usize = parsed.links.iter().map(|link| link.frames.len()).sum();
    assert!(frames <= text.len(), "{frames} frames in {} bytes", text.len());
    let exception = Exception {
        r#type: Cow::Borrowed("Error"),
        message: Cow::Borrowed(text.lines().last().unwrap_or_default()),
        stacktrace: Cow::Borrowed(text),
        ..Exception::default()
    };
    let group = fingerprint(&exception, language);
    assert!(!group.is_empty() && group.len() <= 1_024);
    assert_eq!(group, fingerprint(&exception, language));
}

/// Lines are put together without one being lost, whichever miner read them, and their patterns match them.
pub fn log_patterns(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let lines: Vec<&str> = text.lines().collect();
    let read = |lines: &[&str]| {
        let mut patterns = LogPatterns::default();
        for (step, line) in lines.iter().enumerate() {
            patterns.read(&LogLine { text: line, step, weight: 1.0, ..LogLine::default() });
        }
        patterns
    };
    let mut joined = read(&lines[..lines.len() / 2]);
    joined.join(read(&lines[lines.len() / 2..]));
    assert_eq!(joined.count(), lines.len() as f64);
    let told = |patterns: LogPatterns| {
        let patterns = patterns.patterns();
        assert!(patterns.iter().all(|pattern| !pattern.expression().contains('\u{1}') || text.contains('\u{1}')));
        patterns.iter().map(|pattern| (pattern.text(), pattern.count)).collect::<Vec<_>>()
    };
    // Beyond what is kept apart, what comes first decides.
    if lines.len() <= 1_000 {
        assert_eq!(told(joined), told(read(&lines)));
    }
    let kinds = [Sensitive::EmailAddress, Sensitive::IpAddress, Sensitive::CreditCardNumber, Sensitive::BankAccountNumber];
    if let Ok(masks) = Masks::new(&kinds, &[]) {
        assert_eq!(masks.mask(text).chars().count(), text.chars().count());
    }
}

pub fn log_text(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let template = message_template(text);
    assert!(template.len() <= 8 * text.len() + 64, "{} bytes of template for {}", template.len(), text.len());
    assert!((0..=24).contains(&severity::severity_in_text(text)));
    assert!((0..=24).contains(&severity::severity_number(text)));
    let _ = linking::trace_context_in_log_body(text);
    for key in ["http.response.header.x_amzn_trace_id", "aws.xray.trace_id"] {
        let _ = linking::exact_trace_link(key, &Value::str(text));
    }
    let _ = TraceContext::from_traceparent(text);
    let _ = TraceContext::from_xray_header(text);
    if let Ok(id) = TraceId::parse(text) {
        assert_eq!(TraceId::parse(&id.to_string()), Ok(id));
        assert_eq!(TraceId::parse(&id.to_xray()), Ok(id));
    }
    if let Ok(id) = SpanId::parse(text) {
        assert_eq!(SpanId::parse(&id.to_string()), Ok(id));
    }
}

/// Eight bytes a span: trace, id, parent, kind and service, start, duration, and what it links. Few ids, so that they meet.
pub fn trace_tree(input: &[u8]) {
    let mut spans = Vec::new();
    let mut links = Vec::new();
    for bytes in input.chunks_exact(8) {
        let [trace, id, parent, kind, start, duration, link, more] = bytes else { continue };
        if link.is_multiple_of(4) {
            links.push(TraceLink { from: spans.len(), to: trace_id(link / 4 % 4) });
        }
        let scale = if more.is_multiple_of(16) { i64::MAX / 255 } else { 700_000 };
        spans.push(SpanView {
            trace_id: trace_id(trace % 4),
            span_id: SpanId([0, 0, 0, 0, 0, 0, 0, id % 32]),
            parent_span_id: (parent % 33 != 32).then_some(SpanId([0, 0, 0, 0, 0, 0, 0, parent % 33])),
            start_time_unix_nano: i64::from(*start).wrapping_sub(128).saturating_mul(scale),
            duration_ns: i64::from(*duration).saturating_mul(scale),
            in_progress: kind & 0x80 != 0,
            kind: SpanKind::from_otlp(i64::from(kind & 7)),
            service: ["web", "api"][usize::from(kind >> 3 & 1)],
        });
    }
    let rows = tree(&spans, &links);
    assert!(rows.len() <= spans.len());
    let mut shown = vec![false; spans.len()];
    for (index, row) in rows.iter().enumerate() {
        assert!(!std::mem::replace(&mut shown[row.span], true), "span {} has two rows", row.span);
        match row.parent {
            Some(parent) => assert!(parent < index && rows[parent].depth + 1 == row.depth, "row {index}: {row:?}"),
            None => assert_eq!(row.depth, 0),
        }
    }
}

fn trace_id(number: u8) -> TraceId {
    TraceId([number; 16])
}
