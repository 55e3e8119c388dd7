//! `/api/receivers`: what arrived, what was refused and why, and where to send.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Services;
use crate::ingest::ReceiverActivity;

#[derive(Serialize, ToSchema)]
pub struct Receivers {
    pub receivers: Vec<ReceiverActivity>,
    pub addresses: AddressesTold,
    pub region: String,
    pub account_id: String,
}

/// Where clients send to, as they write it.
#[derive(Serialize, ToSchema)]
pub struct AddressesTold {
    pub http: String,
    pub otlp_grpc: String,
    pub otlp_http: String,
    pub xray: String,
}

/// Every receiver with what it took since the start.
#[utoipa::path(get, tag = "Receivers", operation_id = "receivers_list", path = "/api/receivers", responses((status = 200, body = Receivers)))]
pub async fn list(State(services): State<Services>) -> Json<Receivers> {
    let addresses = services.addresses;
    Json(Receivers {
        receivers: services.ingest.activity().snapshot(),
        addresses: AddressesTold {
            http: format!("http://{}", addresses.http),
            otlp_grpc: format!("http://{}", addresses.otlp_grpc),
            otlp_http: format!("http://{}", addresses.otlp_http),
            xray: addresses.xray.to_string(),
        },
        region: services.settings.region.clone(),
        account_id: services.settings.account_id.clone(),
    })
}
