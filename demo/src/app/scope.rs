//! Where in a request the code is: the one value that is passed down, and through which everything is told.
//!
//! A scope knows the current OpenTelemetry span and the current X-Ray subsegment. [`Scope::step`] opens one of each
//! below, so that both tracers see the same work.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use opentelemetry::logs::{AnyValue, Severity};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_semantic_conventions::attribute;
use serde_json::{Map, Value};

use super::AppError;
use super::service::Running;
use crate::data::User;
use crate::telemetry::Vendors;
use crate::telemetry::otel::{LogLine, traceparent};
use crate::telemetry::rollbar::{Person, RequestInfo, Scene};
use crate::telemetry::xray::{Kind, Segment};

#[derive(Clone)]
pub struct Scope {
    pub context: Context,
    /// The subsegment we are in, or the segment itself.
    xray_id: String,
    pub request: Arc<Request>,
}

/// What stays the same for a whole request.
pub struct Request {
    pub running: Arc<Running>,
    pub vendors: Vendors,
    /// Only the front service has X-Ray's SDK.
    pub segment: Option<Segment>,
    pub user: Option<&'static User>,
    pub info: RequestInfo,
}

/// Something worth a span of its own.
pub struct Step {
    pub name: Cow<'static, str>,
    pub kind: SpanKind,
    pub attributes: Vec<KeyValue>,
    pub xray_name: Cow<'static, str>,
    pub xray_kind: Kind,
}

impl Step {
    /// A step of the app's own.
    pub fn local(name: &'static str) -> Step {
        Step {
            name: name.into(),
            kind: SpanKind::Internal,
            attributes: Vec::new(),
            xray_name: name.into(),
            xray_kind: Kind::Local,
        }
    }
}

impl Scope {
    /// The scope of the span that answers the request.
    pub fn new(context: Context, request: Arc<Request>) -> Scope {
        let xray_id = request.segment.as_ref().map(|segment| segment.id.clone()).unwrap_or_default();
        Scope { context, xray_id, request }
    }

    /// Does `work` in a span and a subsegment below this scope. An error ends both as failed.
    pub async fn step<T, F, W>(&self, step: Step, work: W) -> Result<T, AppError>
    where
        W: FnOnce(Scope) -> F,
        F: Future<Output = Result<T, AppError>>,
    {
        let context = self.request.running.otel.span(&self.context, step.name, step.kind, step.attributes);
        let xray_id = match &self.request.segment {
            Some(segment) => segment.begin_subsegment(&self.xray_id, &step.xray_name, step.xray_kind),
            None => String::new(),
        };
        let scope = Scope { context, xray_id, request: Arc::clone(&self.request) };
        let result = work(scope.clone()).await;
        scope.end(result.as_ref().err());
        result
    }

    pub fn set(&self, attribute: KeyValue) {
        self.context.span().set_attribute(attribute);
    }

    /// The same fact for both tracers: an attribute, and an annotation with underscores for dots.
    pub fn annotate(&self, key: &'static str, value: impl Into<Value>) {
        let value = value.into();
        if let Some(segment) = &self.request.segment {
            segment.annotate(&self.xray_id, &key.replace('.', "_"), value.clone());
        }
        self.set(KeyValue::new(key, otel_value(value)));
    }

    /// Data that X-Ray keeps beside the searchable fields.
    pub fn put_metadata(&self, key: &str, value: Value) {
        if let Some(segment) = &self.request.segment {
            segment.put_metadata(&self.xray_id, key, value);
        }
    }

    /// The status another service answered with.
    pub fn set_remote_status(&self, status: u16) {
        self.set(KeyValue::new(attribute::HTTP_RESPONSE_STATUS_CODE, i64::from(status)));
        if let Some(segment) = &self.request.segment {
            segment.set_status(&self.xray_id, status);
        }
    }

    /// A log record over OTLP.
    pub fn log(
        &self,
        severity: Severity,
        event_name: Option<&'static str>,
        body: impl Into<String>,
        attributes: Vec<(&'static str, AnyValue)>,
    ) {
        self.request.running.otel.log(&self.context, LogLine { severity, event_name, body: body.into(), attributes });
    }

    /// A JSON line into the log group, with the ids a structured logger would add.
    pub fn log_json(&self, level: &str, logger: &str, message: &str, fields: Map<String, Value>) {
        let span = self.context.span();
        let span = span.span_context();
        let mut line = Map::new();
        line.insert("level".into(), level.into());
        line.insert("logger".into(), logger.into());
        line.insert("message".into(), message.into());
        line.extend(fields);
        line.insert("trace_id".into(), span.trace_id().to_string().into());
        line.insert("span_id".into(), span.span_id().to_string().into());
        if let Some(segment) = &self.request.segment {
            line.insert("xray_trace_id".into(), segment.trace_id.as_str().into());
        }
        self.request.vendors.cloudwatch.log(&self.request.running.stream("app"), Value::Object(line).to_string());
    }

    /// A Rollbar message.
    pub fn notify(&self, level: &str, text: &str, extra: Map<String, Value>) {
        self.request.vendors.rollbar.message(level, text, extra, &self.scene());
    }

    /// What Rollbar learns about the request.
    pub fn scene(&self) -> Scene<'_> {
        let span = self.context.span();
        let span = span.span_context();
        Scene {
            identity: &self.request.running.identity,
            request: &self.request.info,
            person: self.request.user.map(|user| Person { id: user.uuid, username: user.handle }),
            traceparent: traceparent(&self.context),
            trace_id: span.is_valid().then(|| span.trace_id().to_string()),
        }
    }

    fn end(&self, error: Option<&AppError>) {
        let span = self.context.span();
        if let Some(error) = error {
            span.set_attribute(KeyValue::new(attribute::ERROR_TYPE, error.kind));
            span.set_status(Status::error(error.message.clone()));
        }
        span.end();
        if let Some(segment) = &self.request.segment {
            segment.end_subsegment(&self.xray_id, error);
        }
    }
}

fn otel_value(value: Value) -> opentelemetry::Value {
    match value {
        Value::Bool(value) => value.into(),
        Value::Number(number) if number.is_i64() => number.as_i64().unwrap_or_default().into(),
        Value::Number(number) => number.as_f64().unwrap_or_default().into(),
        Value::String(text) => text.into(),
        other => other.to_string().into(),
    }
}
