//! X-Ray's sampling calls: without an answer its SDKs keep one request a second and five percent of the rest.

use axum::extract::{Request, State};
use axum::response::Response;
use http::HeaderMap;
use receivers::aws::{AwsError, Dialect};
use receivers::xray::sampling;
use receivers::{CorsPolicy, Failure, Reply};

use super::Call;
use crate::Services;
use crate::limits::API_BODY_BYTES_MAX;
use crate::listen::http_ingest::respond;

pub async fn rules(State(services): State<Services>, request: Request) -> Response {
    answer(&services, request, |services, call| {
        let rule = sampling::default_rule(&services.settings.region, &services.settings.account_id);
        Ok(sampling::rules_reply(&[rule], &call.request_id))
    })
    .await
}

pub async fn targets(State(services): State<Services>, request: Request) -> Response {
    answer(&services, request, |services, call| {
        let rule = sampling::default_rule(&services.settings.region, &services.settings.account_id);
        let report = sampling::read_report(&call.body)?;
        let now_unix_seconds = call.received_at_unix_nano as f64 / 1e9;
        Ok(sampling::targets_reply(&sampling::targets(&report, &[rule], now_unix_seconds), &call.request_id))
    })
    .await
}

async fn answer(services: &Services, request: Request, reply: impl Fn(&Services, &Call) -> Result<Reply, Failure>) -> Response {
    let call = match Call::read(services, request, API_BODY_BYTES_MAX).await {
        Ok(call) => call,
        Err((failure, request_id)) => return refused(&failure, &request_id),
    };
    match reply(services, &call) {
        Ok(reply) => respond(reply, CorsPolicy::None, &call.headers),
        Err(failure) => refused(&failure, &call.request_id),
    }
}

fn refused(failure: &Failure, request_id: &str) -> Response {
    let error = AwsError::new("InvalidRequestException", failure.to_string());
    respond(error.to_reply(Dialect::RestJson, request_id), CorsPolicy::None, &HeaderMap::new())
}
