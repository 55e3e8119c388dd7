//! The documents of a trace: those that were sent word for word, spans of other tracers as segments, and a segment made up
//! for each callee that sent nothing. Pure.

use std::collections::BTreeSet;

use engine::ask::stored_spans::StoredTrace;
use engine::ask::trace::SpanTold;
use model::TraceId;
use serde_json::{Map, Value, json};

use super::origin::{callee, resource_text};
use super::segment::{self, Document, is_call, made_up_id};
use super::seconds;

const INFERRED_SEED: u64 = 3;

/// A trace as BatchGetTraces tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceDocuments {
    pub duration_seconds: f64,
    /// Whether spans are missing.
    pub is_cut: bool,
    /// Id and text of each document: what was sent, by its start; then what is made up.
    pub documents: Vec<(String, String)>,
}

/// `None` when no span of the trace is there.
pub fn trace_documents(id: TraceId, trace: &StoredTrace) -> Option<TraceDocuments> {
    let spans = || trace.spans.iter().map(|span| &span.told);
    let start = spans().map(|span| span.start_time_unix_nano.0).min()?;
    let end = spans().map(|span| span.start_time_unix_nano.0.saturating_add(span.duration_ns)).max()?;
    let mut documents = Vec::new();
    for span in &trace.spans {
        match &span.source {
            Some(source) if span.told.receiver == "xray" => documents.push((span.told.span_id.clone(), source.clone())),
            // It stands within its segment's document.
            None if span.told.receiver == "xray" => {}
            _ => documents.extend(segment::documents(span).into_iter().map(|Document { id, json }| (id, json.to_string()))),
        }
    }
    let answered: BTreeSet<&str> = spans().filter(|span| is_service(span)).filter_map(|span| span.parent_span_id.as_deref()).collect();
    let silent = spans().filter(|span| is_leaving(span) && !answered.contains(span.span_id.as_str()));
    documents.extend(silent.map(|span| inferred(id, span)));
    Some(TraceDocuments { duration_seconds: seconds(end.saturating_sub(start)), is_cut: trace.is_cut, documents })
}

/// A span that another service sent when it was called.
fn is_service(span: &SpanTold) -> bool {
    !is_call(span) && span.kind != "internal"
}

/// A call whose other end is expected to be something else.
fn is_leaving(span: &SpanTold) -> bool {
    is_call(span) && span.attributes.get("aws.xray.inferred") != Some(&Value::Bool(true))
}

/// The segment of a callee that sent none: it has the caller's times and what the caller knows.
fn inferred(trace_id: TraceId, span: &SpanTold) -> (String, String) {
    let callee = callee(span);
    let id = made_up_id(&span.span_id, INFERRED_SEED);
    let mut out = Map::new();
    out.insert("id".into(), id.clone().into());
    out.insert("name".into(), callee.name.map_or_else(|| span.name.clone(), |name| name.into_owned()).into());
    out.insert("trace_id".into(), trace_id.to_xray().into());
    out.insert("parent_id".into(), span.span_id.clone().into());
    out.insert("start_time".into(), seconds(span.start_time_unix_nano.0).into());
    match span.in_progress {
        true => out.insert("in_progress".into(), true.into()),
        false => out.insert("end_time".into(), seconds(span.start_time_unix_nano.0 + span.duration_ns).into()),
    };
    out.insert("inferred".into(), true.into());
    out.insert("origin".into(), callee.node_type.into_owned().into());
    let text = |keys: &[&str]| keys.iter().find_map(|key| span.attributes.get(*key)).cloned();
    if let Some(status) = text(&["http.response.status_code", "http.status_code"]) {
        let mut http = json!({ "response": { "status": status } });
        if let (Some(method), Some(url)) = (text(&["http.request.method", "http.method"]), text(&["url.full", "http.url"])) {
            http["request"] = json!({ "method": method, "url": url });
        }
        out.insert("http".into(), http);
    }
    for (member, key) in [("error", "aws.xray.error"), ("throttle", "aws.xray.throttle"), ("fault", "aws.xray.fault")] {
        if span.attributes.get(key) == Some(&Value::Bool(true)) {
            out.insert(member.into(), true.into());
        }
    }
    if let Some(aws) = aws_of_call(span) {
        out.insert("aws".into(), aws);
    }
    (id, Value::Object(out).to_string())
}

/// Members of `aws` that tell of the call: operation, region, request, resource.
fn aws_of_call(span: &SpanTold) -> Option<Value> {
    const MEMBERS: [&str; 7] = ["operation", "region", "request_id", "table_name", "queue_url", "bucket_name", "account_id"];
    let told = MEMBERS.iter().filter_map(|member| {
        let own = span.attributes.get(&format!("aws.{member}")).cloned();
        let value = match *member {
            "operation" => own.or_else(|| span.attributes.get("rpc.method").cloned()),
            "account_id" => own.or_else(|| resource_text(span, "cloud.account.id").map(Value::from)),
            _ => own,
        };
        Some(((*member).to_owned(), value?))
    });
    let told: Map<String, Value> = told.collect();
    let is_aws = span.attributes.get("aws.service").is_some() || span.attributes.get("rpc.system").and_then(Value::as_str) == Some("aws-api");
    is_aws.then_some(Value::Object(told))
}

#[cfg(test)]
mod tests {
    use engine::ask::UnixNano;
    use engine::ask::stored_spans::StoredSpan;

    use super::*;

    const TRACE: &str = "581cf771a006649127e371903a2de979";

    fn span(span_id: &str, parent: Option<&str>, kind: &str, attributes: Value) -> StoredSpan {
        StoredSpan {
            told: SpanTold {
                trace_id: TRACE.into(),
                span_id: span_id.into(),
                parent_span_id: parent.map(str::to_owned),
                kind: kind.into(),
                receiver: "xray".into(),
                service: "shop".into(),
                name: "DynamoDB".into(),
                start_time_unix_nano: UnixNano(1_478_293_361_000_000_000),
                duration_ns: 250_000_000,
                attributes: attributes.as_object().cloned().unwrap_or_default(),
                ..SpanTold::default()
            },
            source: None,
        }
    }

    fn told(spans: Vec<StoredSpan>) -> Option<TraceDocuments> {
        trace_documents(TraceId::parse(TRACE).unwrap(), &StoredTrace { spans, is_cut: false })
    }

    #[test]
    fn what_was_sent_is_given_back_and_silent_callees_are_made_up() {
        let source = r#"{"name" : "shop","id":"aa", "odd" : [ 1.0 ]}"#;
        let segment = StoredSpan { source: Some(source.into()), ..span("00000000000000aa", None, "server", json!({})) };
        let call = json!({"aws.xray.namespace": "aws", "aws.service": "DynamoDB", "aws.table_name": "carts", "aws.operation": "GetItem",
            "aws.region": "eu-west-1", "http.response.status_code": 200});
        let documents = told(vec![segment, span("00000000000000bb", Some("00000000000000aa"), "client", call)]).unwrap();
        assert_eq!(documents.duration_seconds, 0.25);
        assert_eq!(documents.documents.len(), 2);
        assert_eq!(documents.documents[0], ("00000000000000aa".to_owned(), source.to_owned()));
        let made_up: Value = serde_json::from_str(&documents.documents[1].1).unwrap();
        let id = made_up["id"].as_str().unwrap();
        assert_eq!(
            made_up,
            json!({"id": id, "name": "carts", "trace_id": "1-581cf771-a006649127e371903a2de979", "parent_id": "00000000000000bb",
                "start_time": 1478293361.0, "end_time": 1478293361.25, "inferred": true, "origin": "AWS::DynamoDB::Table",
                "http": {"response": {"status": 200}},
                "aws": {"operation": "GetItem", "region": "eu-west-1", "table_name": "carts"}})
        );
    }

    #[test]
    fn whoever_answered_is_not_made_up() {
        let call = span("00000000000000bb", Some("00000000000000aa"), "client", json!({"aws.xray.namespace": "remote"}));
        let callee = StoredSpan {
            source: Some("{}".into()),
            ..span("00000000000000cc", Some("00000000000000bb"), "server", json!({}))
        };
        let documents = told(vec![call, callee]).unwrap().documents;
        assert_eq!(documents, [("00000000000000cc".to_owned(), "{}".to_owned())]);
        assert_eq!(told(Vec::new()), None);
    }
}
