//! CloudWatch's metrics API: metric data in and out, alarms; asked as a form, in JSON or in CBOR.
//!
//! One file a family. A request of any encoding becomes one tree, which gets its types from the service's own model
//! (`model`); answers are written from one.
//!
//! Spec:    docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Operations.html
//! Missing: anomaly detectors, metric streams, insight rules, widget images, mute rules and datasets are refused as unknown;
//!          metrics of other senders (OTLP) have no namespace and are not listed

mod alarm_evaluator;
mod alarm_judge;
mod alarm_state;
mod alarms;
mod dashboards;
mod list_metrics;
mod log_alarms;
mod metric_data;
mod model;
mod statistics;
mod tags;

use engine::EngineError;
use http::StatusCode;
use metastore::MetastoreError;
use receivers::aws::AwsError;
use receivers::aws_protocol::Encoding;
use receivers::cloudwatch::{AdmittedMetricData, METRICS_XML_NAMESPACE, PUT_METRIC_DATA, metric_data as wire, reply};
use receivers::{Headers, Incoming, Reply};
use serde_json::Value;

pub use self::alarm_evaluator::AlarmEvaluator;
pub use self::alarm_judge::Condition;
pub use self::alarm_state::{AlarmState, AlarmsState, StateError, StateValue};
pub use self::alarms::{Alarm, AlarmKind, alarms, keep_metric_alarm, remove, switch_actions};
use super::Call;
use super::input::Input;
use crate::Services;

/// What goes before an operation in `X-Amz-Target`.
pub const TARGET_PREFIX: &str = "GraniteServiceVersion20100801.";

/// Which operation of ours a call to `/` names, and in which encoding.
pub(super) fn operation(call: &Call) -> Option<(&str, Encoding)> {
    if let Some(target) = call.headers.get("x-amz-target") {
        return Some((target.to_str().ok()?.strip_prefix(TARGET_PREFIX)?, Encoding::Json));
    }
    let body = std::str::from_utf8(&call.body).ok()?;
    let value = |name: &str| body.split('&').find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='));
    (value("Version") == Some("2010-08-01")).then_some(())?;
    Some((value("Action")?, Encoding::Query))
}

pub(super) async fn answer(services: &Services, call: &Call, name: &str, encoding: Encoding) -> Reply {
    let refuse =
        |error: &AwsError| encoding.error_reply(error, reply::metrics_code(error.name), METRICS_XML_NAMESPACE, &call.request_id);
    let Some(known) = model::operation(name) else {
        let message = format!("Could not find operation {name} for version 2010-08-01");
        let name = if encoding == Encoding::Query { "InvalidAction" } else { "UnknownOperationException" };
        return refuse(&AwsError::new(name, message));
    };
    if name == "PutMetricData" {
        return put_metric_data(services, call, encoding).await.unwrap_or_else(|error| refuse(&error));
    }
    let input = match encoding.read(&call.body).and_then(|tree| known.read(&tree)) {
        Ok(input) => input,
        Err(error) => return refuse(&error),
    };
    let api = MetricsApi { services, call, project: &services.settings.project, input };
    match api.answer(name).await {
        Ok(answer) => known.reply(name, encoding, &answer, &call.request_id),
        Err(error) => refuse(&error),
    }
}

/// Goes the way of every receiver.
async fn put_metric_data(services: &Services, call: &Call, encoding: Encoding) -> Result<Reply, AwsError> {
    let data = wire::parse(encoding, &call.body, call.received_at_unix_nano)?;
    let content_type = call.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let incoming = Incoming {
        endpoint: PUT_METRIC_DATA,
        rest: "",
        headers: Headers(vec![
            ("content-type", content_type),
            ("x-cupola-region", call.region.as_str()),
            ("x-cupola-account", services.settings.account_id.as_str()),
        ]),
        remote_addr: call.remote_addr,
        received_at_unix_nano: call.received_at_unix_nano,
        trace_context: call.trace_context,
        body: &call.body,
    };
    let receiver = receivers::by_name("cloudwatch").ok_or_else(|| unavailable("the receiver is missing"))?;
    let decoded = Box::new(AdmittedMetricData { data, incoming: &incoming });
    Ok(services.ingest.take_decoded(receiver, &incoming, &call.body, Some(decoded)).await)
}

/// One call, and what it may use.
pub(super) struct MetricsApi<'a> {
    services: &'a Services,
    call: &'a Call,
    project: &'a str,
    input: Input,
}

/// What an operation answers with: its members, or an error by name.
type Answer = Result<Value, AwsError>;

impl MetricsApi<'_> {
    async fn answer(&self, operation: &str) -> Answer {
        match operation {
            "DeleteAlarms" => self.delete_alarms().await,
            "DeleteDashboards" => self.delete_dashboards().await,
            "DescribeAlarmHistory" => self.describe_alarm_history().await,
            "DescribeAlarms" => self.describe_alarms().await,
            "DescribeAlarmsForMetric" => self.describe_alarms_for_metric().await,
            "DisableAlarmActions" => self.switch_alarm_actions(false).await,
            "EnableAlarmActions" => self.switch_alarm_actions(true).await,
            "GetDashboard" => self.get_dashboard().await,
            "GetMetricData" => self.get_metric_data().await,
            "GetMetricStatistics" => self.get_metric_statistics().await,
            "ListDashboards" => self.list_dashboards().await,
            "ListMetrics" => self.list_metrics().await,
            "ListTagsForResource" => self.list_tags_for_resource().await,
            "PutCompositeAlarm" => self.put_composite_alarm().await,
            "PutDashboard" => self.put_dashboard().await,
            "PutLogAlarm" => self.put_log_alarm().await,
            "PutMetricAlarm" => self.put_metric_alarm().await,
            "SetAlarmState" => self.set_alarm_state().await,
            "TagResource" => self.tag_resource().await,
            "UntagResource" => self.untag_resource().await,
            other => {
                let message = format!("operation {other} of CloudWatch is not answered here yet");
                Err(AwsError::new("UnknownOperationException", message))
            }
        }
    }

    /// A time of the request in nanoseconds.
    fn time(&self, member: &str) -> Option<i64> {
        self.input.get(member)?.as_f64().map(|seconds| (seconds * 1e3).round() as i64 * 1_000_000)
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterValueException", message)
}

fn combination(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterCombinationException", message)
}

fn missing(message: impl Into<String>) -> AwsError {
    AwsError::new("MissingRequiredParameterException", message)
}

fn validation(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationException", message)
}

/// What went wrong was ours. The client is told as much and may try again, the log is told what.
fn unavailable(error: impl std::fmt::Display) -> AwsError {
    tracing::error!(%error, "a call to CloudWatch could not be answered");
    AwsError::new("InternalServiceFault", "The service cannot complete the request.")
        .with_status(StatusCode::INTERNAL_SERVER_ERROR)
}

fn engine_error(error: EngineError) -> AwsError {
    match error {
        EngineError::Invalid { message, .. } => invalid(message),
        EngineError::OutOfMemory(_) | EngineError::OutOfTime { .. } => AwsError::new("LimitExceededException", error.to_string()),
        other => unavailable(other),
    }
}

fn metastore_error(error: MetastoreError) -> AwsError {
    match error {
        MetastoreError::NotFound { .. } => {
            AwsError::new("ResourceNotFound", error.to_string()).with_status(StatusCode::NOT_FOUND)
        }
        MetastoreError::TooMany { .. } => AwsError::new("LimitExceededFault", error.to_string()),
        other => unavailable(other),
    }
}

fn invalid_token() -> AwsError {
    AwsError::new("InvalidNextToken", "The next token specified is invalid.")
}
