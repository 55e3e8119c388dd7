//! What a span's own service is, and what the callee is called that sent nothing: names and types as the map has them.

use analysis::service_graph::node::{REMOTE_ATTRIBUTES, Remote, TYPE_ATTRIBUTES, remote, service_type};
use engine::ask::trace::SpanTold;
use serde_json::Value;

/// The type of a span's own service; empty when nothing says.
pub fn origin(span: &SpanTold) -> &str {
    service_type(&TYPE_ATTRIBUTES.map(|key| text(span, key)))
}

/// The name of the callee, where the span says.
pub fn remote_name(span: &SpanTold) -> Option<String> {
    callee(span).name.map(|name| name.into_owned())
}

/// The callee of a span that calls.
pub fn callee(span: &SpanTold) -> Remote<'_> {
    remote(&REMOTE_ATTRIBUTES.map(|key| text(span, key)))
}

/// A text of the resource, or of the span where it tells it itself.
pub fn resource_text(span: &SpanTold, key: &str) -> Option<String> {
    let told = span.resource.get(key).or_else(|| span.attributes.get(key))?;
    match told {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    }
}

fn text<'s>(span: &'s SpanTold, key: &str) -> &'s str {
    span.attributes.get(key).or_else(|| span.resource.get(key)).and_then(Value::as_str).unwrap_or_default()
}
