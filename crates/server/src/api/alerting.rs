//! `/api/alerting`: what was delivered to others, and a try of a destination.

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::params::{Params, not_from_another_page};
use super::refusal::Refusal;
use crate::alerting::{Destination, OutboxError, Payload, ToldDelivery};
use crate::limits::DELIVERIES_LISTED;
use crate::{Services, now_unix_nano};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveryParams {
    /// What the origin begins with, e.g. `cloudwatch.alarm:`; all without it.
    origin: Option<String>,
    /// At most 500, which is also the default.
    limit: Option<u32>,
}

#[derive(Serialize, ToSchema)]
pub struct Deliveries {
    /// The newest first.
    pub deliveries: Vec<ToldDelivery>,
    /// Whether e-mail can be sent at all.
    pub email_configured: bool,
}

/// What was sent to others, and what came of it.
#[utoipa::path(get, tag = "Alerting", operation_id = "alerting_deliveries", path = "/api/alerting/deliveries", params(DeliveryParams), responses((status = 200, body = Deliveries)))]
pub async fn deliveries(
    State(services): State<Services>,
    Params(params): Params<DeliveryParams>,
) -> Result<Json<Deliveries>, Refusal> {
    let limit = params.limit.unwrap_or(DELIVERIES_LISTED).min(DELIVERIES_LISTED);
    let deliveries = services.outbox.deliveries(params.origin.as_deref().unwrap_or_default(), limit).await?;
    Ok(Json(Deliveries { deliveries, email_configured: services.settings.mail.is_some() }))
}

#[derive(Deserialize, ToSchema)]
pub struct TestDelivery {
    destination: Destination,
}

/// Sends a test to a destination, once, and tells what came of it.
#[utoipa::path(post, tag = "Alerting", operation_id = "alerting_test", path = "/api/alerting/test", request_body = TestDelivery, responses((status = 200, body = ToldDelivery), (status = 400, body = Refusal)))]
pub async fn test(
    State(services): State<Services>,
    headers: HeaderMap,
    Json(asked): Json<TestDelivery>,
) -> Result<Json<ToldDelivery>, Refusal> {
    not_from_another_page(&headers)?;
    let text = "This is a test from Cupola. If you can read it, deliveries arrive here.";
    let payload = match asked.destination {
        Destination::Http { .. } => Payload::json(json!({ "test": true, "text": text, "time_unix_nano": now_unix_nano() })),
        Destination::Email { .. } => Payload::mail("Test from Cupola", text),
    };
    Ok(Json(services.outbox.test(asked.destination, payload).await?))
}

impl From<OutboxError> for Refusal {
    fn from(error: OutboxError) -> Refusal {
        match error {
            OutboxError::Metastore(error) => error.into(),
            other => Refusal::new(StatusCode::BAD_REQUEST, "invalid_parameter", other.to_string()),
        }
    }
}
