//! AWS's own APIs: `POST /` told apart by target and form action, X-Ray's calls and those in CBOR at their paths.
//!
//! Any credentials are welcome while no keys are configured; see `access`.

pub mod access;
mod input;
mod logs;
pub mod metrics;
mod schedule;
mod signature;
mod xray;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use model::TraceContext;
use receivers::aws::{AwsError, Dialect};
use receivers::aws_protocol::Encoding;
use receivers::cloudwatch::METRICS_XML_NAMESPACE;
use receivers::cloudwatch::reply::{metrics_code, metrics_error};
use receivers::cloudwatch::{sts, wire::TARGET_PREFIX};
use receivers::{CorsPolicy, Failure, Reply};

pub(super) use self::logs::page as logs_page;
pub use self::logs::{ExportTasks, LogAnomalies, LogsState, MetricFilterDefaults, ScheduledQueries, take};
pub use self::signature::AwsKeys;
pub use self::xray::XrayState;
use crate::ingest::Held;
use crate::listen::http_ingest::{read_held_body, respond, trace_context};
use crate::{Peer, Services, now_unix_nano};

pub fn router() -> Router<Services> {
    Router::new()
        .route("/", post(dispatch).get(crate::web::page))
        .route(&format!("{METRICS_PATH}{{operation}}"), post(dispatch_metrics))
        .merge(xray::router())
}

/// A call with its body in the clear, and what its answer must name.
pub(super) struct Call {
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The room that the body takes.
    _held: Held,
    pub request_id: String,
    pub region: String,
    pub received_at_unix_nano: i64,
    pub remote_addr: Option<std::net::IpAddr>,
    pub trace_context: Option<TraceContext>,
}

impl Call {
    /// One that nobody sent.
    fn own(services: &Services, body: &serde_json::Value) -> Call {
        Call {
            headers: HeaderMap::new(),
            body: Bytes::from(body.to_string()),
            _held: services.ingest.hold(),
            request_id: uuid::Uuid::new_v4().to_string(),
            region: services.settings.region.clone(),
            received_at_unix_nano: now_unix_nano(),
            remote_addr: None,
            trace_context: None,
        }
    }

    pub(super) async fn read(services: &Services, request: Request, bytes_max: usize) -> Result<Call, (Failure, String)> {
        let (parts, body): (_, Body) = request.into_parts();
        let request_id = uuid::Uuid::new_v4().to_string();
        let mut held = services.ingest.hold();
        let read = read_held_body(&mut held, &parts.headers, body, bytes_max).await;
        Ok(Call {
            region: region(&parts.headers).unwrap_or_else(|| services.settings.region.clone()),
            body: read.map_err(|failure| (failure, request_id.clone()))?,
            _held: held,
            request_id,
            received_at_unix_nano: now_unix_nano(),
            remote_addr: parts.extensions.get::<Peer>().map(|peer| peer.ip()),
            trace_context: trace_context(&parts.headers),
            headers: parts.headers,
        })
    }
}

async fn dispatch(State(services): State<Services>, request: Request) -> Response {
    let call = match Call::read(&services, request, receivers::cloudwatch::put_log_events::BODY_BYTES_MAX).await {
        Ok(call) => call,
        Err((failure, request_id)) => {
            return respond(error_of(&failure).to_reply(Dialect::Json11, &request_id), CorsPolicy::None, &HeaderMap::new());
        }
    };
    if let Some(operation) = logs_operation(&call).filter(|operation| logs::is_streamed(operation)) {
        return match logs::stream(&services, &call, operation).await {
            Ok(response) => response,
            Err(reply) => respond(reply, CorsPolicy::None, &call.headers),
        };
    }
    respond(answer(&services, &call).await, CorsPolicy::None, &call.headers)
}

/// The operation of CloudWatch Logs that a call names.
fn logs_operation(call: &Call) -> Option<&str> {
    call.headers.get("x-amz-target")?.to_str().ok()?.strip_prefix(TARGET_PREFIX)
}

/// What goes before an operation of CloudWatch's metrics in the path of a call in CBOR.
const METRICS_PATH: &str = "/service/GraniteServiceVersion20100801/operation/";

/// A call in CBOR, which names its operation in the path.
async fn dispatch_metrics(State(services): State<Services>, Path(operation): Path<String>, request: Request) -> Response {
    let encoding = Encoding::Cbor;
    let reply = match Call::read(&services, request, receivers::cloudwatch::put_log_events::BODY_BYTES_MAX).await {
        Ok(call) => metrics::answer(&services, &call, &operation, encoding).await,
        Err((failure, request_id)) => {
            let error = metrics_error(&failure);
            encoding.error_reply(&error, metrics_code(error.name), METRICS_XML_NAMESPACE, &request_id)
        }
    };
    respond(reply, CorsPolicy::None, &HeaderMap::new())
}

async fn answer(services: &Services, call: &Call) -> Reply {
    if let Some((operation, encoding)) = metrics::operation(call) {
        return metrics::answer(services, call, operation, encoding).await;
    }
    if let Some(operation) = logs_operation(call) {
        return logs::answer(services, call, operation).await;
    }
    let target = call.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    match (target, sts::form_action(&call.body)) {
        (None, Some("GetCallerIdentity")) => sts::caller_identity(&services.settings.account_id, &call.request_id),
        (None, Some(action)) => sts::invalid_action(action, &call.request_id),
        (target, _) => {
            let message = match target {
                Some(target) => format!("operation {target} is not known here"),
                None => "the request names no operation: expected an X-Amz-Target header or an Action".to_owned(),
            };
            AwsError::new("UnknownOperationException", message).to_reply(Dialect::Json11, &call.request_id)
        }
    }
}

fn credential(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get("authorization")?.to_str().ok()?;
    authorization.split("Credential=").nth(1)?.split([',', ' ']).next()
}

/// The key that a call was signed with; whether the signature is its, `access` has looked at, where keys are configured.
pub(super) fn access_key_id(headers: &HeaderMap) -> Option<&str> {
    credential(headers)?.split('/').next().filter(|id| !id.is_empty())
}

/// The region in the scope of a SigV4 signature: `Credential=<key>/<date>/<region>/<service>/aws4_request`.
pub fn region(headers: &HeaderMap) -> Option<String> {
    let region = credential(headers)?.split('/').nth(2)?;
    let plain = !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    plain.then(|| region.to_owned())
}

/// A failure before an operation could look at its request, in AWS's words.
pub(super) fn error_of(failure: &Failure) -> AwsError {
    match failure {
        Failure::Busy { .. } => AwsError::new("ThrottlingException", "Rate exceeded"),
        Failure::Unavailable(reason) => {
            AwsError::new("ServiceUnavailableException", reason.clone()).with_status(StatusCode::SERVICE_UNAVAILABLE)
        }
        Failure::TooLarge { .. } => {
            AwsError::new("RequestEntityTooLargeException", failure.to_string()).with_status(StatusCode::PAYLOAD_TOO_LARGE)
        }
        other => AwsError::new("SerializationException", other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_stands_in_the_signature() {
        let mut headers = HeaderMap::new();
        assert_eq!(region(&headers), None);
        let value = "AWS4-HMAC-SHA256 Credential=AKIA/20261121/eu-west-1/logs/aws4_request, SignedHeaders=host, Signature=ab";
        headers.insert("authorization", value.parse().unwrap());
        assert_eq!(region(&headers).as_deref(), Some("eu-west-1"));
    }
}
