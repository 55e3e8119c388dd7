//! The OpenTelemetry SDK as a Rust service sets it up: traces, logs and metrics over OTLP/gRPC.
//!
//! Each service has providers of its own, because a resource belongs to a provider; a deploy makes new ones, as a new
//! process would. Nothing is registered globally: the program that hosts the demo keeps its own telemetry apart.

use std::borrow::Cow;
use std::time::Duration;

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider as _, UpDownCounter};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{SpanKind, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{BatchLogProcessor, SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracer, SdkTracerProvider};
use opentelemetry_semantic_conventions::attribute;
use opentelemetry_semantic_conventions::metric;

use super::{ENVIRONMENT, Identity};
use crate::clock;

/// Short, so that a fresh page fills within seconds.
const EXPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Two seconds are plenty on loopback, and an exporter that waits longer only holds up the end.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(2);
/// The instrumentation scope of everything the app tells itself.
const SCOPE: &str = "cruddur";
/// The boundaries the semantic conventions advise for durations in seconds.
const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// One service's OpenTelemetry. [`Otel::close`] it off the runtime before the last owner drops it: the providers'
/// `Drop` blocks.
pub struct Otel {
    tracer: SdkTracer,
    logger: SdkLogger,
    pub metrics: Metrics,
    tracer_provider: SdkTracerProvider,
    logger_provider: SdkLoggerProvider,
    meter_provider: SdkMeterProvider,
}

/// The instruments of one service.
pub struct Metrics {
    /// `http.server.request.duration`, s
    pub request_duration: Histogram<f64>,
    /// `http.server.active_requests`, {request}
    pub active_requests: UpDownCounter<i64>,
    /// `db.client.operation.duration`, s
    pub database_duration: Histogram<f64>,
    /// `cruddur.activities.created`, {activity}
    pub activities_created: Counter<u64>,
}

/// One log record.
pub struct LogLine {
    pub severity: Severity,
    pub event_name: Option<&'static str>,
    pub body: String,
    pub attributes: Vec<(&'static str, AnyValue)>,
}

impl Otel {
    /// Needs a Tokio runtime around it for the exporters' connections; they connect when they have something to send.
    pub fn start(endpoint: &str, identity: &Identity) -> anyhow::Result<Otel> {
        let resource = Resource::builder()
            .with_attributes([
                KeyValue::new(attribute::SERVICE_NAME, identity.service),
                KeyValue::new(attribute::SERVICE_VERSION, identity.version.clone()),
                KeyValue::new(attribute::DEPLOYMENT_ENVIRONMENT_NAME, ENVIRONMENT),
                KeyValue::new(attribute::HOST_NAME, identity.host),
                KeyValue::new(attribute::PROCESS_PID, i64::from(std::process::id())),
            ])
            .build();

        let spans = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(EXPORT_TIMEOUT)
            .with_retry_policy(retry())
            .build()?;
        let spans = BatchSpanProcessor::builder(spans)
            .with_batch_config(
                opentelemetry_sdk::trace::BatchConfigBuilder::default().with_scheduled_delay(EXPORT_INTERVAL).build(),
            )
            .build();
        let tracer_provider = SdkTracerProvider::builder().with_resource(resource.clone()).with_span_processor(spans).build();

        let logs = opentelemetry_otlp::LogExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(EXPORT_TIMEOUT)
            .with_retry_policy(retry())
            .build()?;
        let logs = BatchLogProcessor::builder(logs)
            .with_batch_config(
                opentelemetry_sdk::logs::BatchConfigBuilder::default().with_scheduled_delay(EXPORT_INTERVAL).build(),
            )
            .build();
        let logger_provider = SdkLoggerProvider::builder().with_resource(resource.clone()).with_log_processor(logs).build();

        let points = opentelemetry_otlp::MetricExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(EXPORT_TIMEOUT)
            .with_retry_policy(retry())
            .build()?;
        let points = PeriodicReader::builder(points).with_interval(EXPORT_INTERVAL).build();
        let meter_provider = SdkMeterProvider::builder().with_resource(resource).with_reader(points).build();

        Ok(Otel {
            tracer: tracer_provider.tracer(SCOPE),
            logger: logger_provider.logger(SCOPE),
            metrics: Metrics::new(&meter_provider.meter(SCOPE)),
            tracer_provider,
            logger_provider,
            meter_provider,
        })
    }

    /// Starts a span below whatever span `parent` holds; the new context holds the new span.
    pub fn span(
        &self,
        parent: &Context,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        attributes: Vec<KeyValue>,
    ) -> Context {
        let span =
            self.tracer.span_builder(name).with_kind(kind).with_attributes(attributes).start_with_context(&self.tracer, parent);
        parent.with_span(span)
    }

    /// Tells one line, tied to the span of `context` if there is one.
    pub fn log(&self, context: &Context, line: LogLine) {
        let now = clock::now();
        let mut record = self.logger.create_log_record();
        record.set_timestamp(now);
        record.set_observed_timestamp(now);
        record.set_severity_number(line.severity);
        record.set_severity_text(line.severity.name());
        record.set_body(line.body.into());
        record.add_attributes(line.attributes);
        if let Some(event_name) = line.event_name {
            record.set_event_name(event_name);
        }
        let span = context.span();
        let span = span.span_context();
        if span.is_valid() {
            record.set_trace_context(span.trace_id(), span.span_id(), Some(span.trace_flags()));
        }
        self.logger.emit(record);
    }

    /// Flushes and ends all three signals. Blocks for as long as the target does.
    pub fn close(&self) {
        // What could not be delivered is lost; the SDK has already told so through `tracing`.
        let _ = self.tracer_provider.shutdown_with_timeout(EXPORT_TIMEOUT);
        let _ = self.logger_provider.shutdown_with_timeout(EXPORT_TIMEOUT);
        let _ = self.meter_provider.shutdown_with_timeout(EXPORT_TIMEOUT);
    }
}

impl Metrics {
    fn new(meter: &Meter) -> Metrics {
        Metrics {
            request_duration: meter
                .f64_histogram(metric::HTTP_SERVER_REQUEST_DURATION)
                .with_unit("s")
                .with_description("Duration of HTTP server requests.")
                .with_boundaries(SECONDS.to_vec())
                .build(),
            active_requests: meter
                .i64_up_down_counter(metric::HTTP_SERVER_ACTIVE_REQUESTS)
                .with_unit("{request}")
                .with_description("Number of active HTTP server requests.")
                .build(),
            database_duration: meter
                .f64_histogram(metric::DB_CLIENT_OPERATION_DURATION)
                .with_unit("s")
                .with_description("Duration of database client operations.")
                .with_boundaries(SECONDS.to_vec())
                .build(),
            activities_created: meter
                .u64_counter("cruddur.activities.created")
                .with_unit("{activity}")
                .with_description("Posts that people wrote.")
                .build(),
        }
    }
}

/// Two quick tries more when the server says "later"; then the batch is dropped, for the next is a second away.
fn retry() -> opentelemetry_otlp::RetryPolicy {
    opentelemetry_otlp::RetryPolicy::recommended().with_max_retries(2).with_initial_delay(Duration::from_millis(200))
}

/// The caller's span, from `traceparent`.
pub fn extract(headers: &http::HeaderMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers))
}

/// Writes `traceparent` for the span of `context`.
pub fn inject(context: &Context, headers: &mut http::HeaderMap) {
    TraceContextPropagator::new().inject_context(context, &mut HeadersMut(headers));
}

/// The `traceparent` of the span of `context`, if there is one.
pub fn traceparent(context: &Context) -> Option<String> {
    let mut headers = http::HeaderMap::new();
    inject(context, &mut headers);
    Some(headers.get("traceparent")?.to_str().ok()?.to_owned())
}

struct Headers<'a>(&'a http::HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

struct HeadersMut<'a>(&'a mut http::HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        // The propagator writes ASCII names and values only.
        if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(key), http::HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}
