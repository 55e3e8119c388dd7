//! `/api/scrubbing`: what is taken out of what comes in before it is written, and what was.

use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::refusal::Refusal;
use super::retention::read;
use crate::ingest::{ScrubHits, ScrubSettings};
use crate::{Services, now_unix_nano};

#[derive(Serialize, ToSchema)]
pub struct ScrubbingHits {
    /// Since the server began; values are not kept, only where they were.
    pub hits: Vec<ScrubHits>,
}

/// What is taken out.
#[utoipa::path(get, tag = "Privacy", operation_id = "scrubbing_settings", path = "/api/scrubbing", responses((status = 200, body = ScrubSettings)))]
pub async fn settings(State(services): State<Services>) -> Json<ScrubSettings> {
    Json(services.ingest.scrubber().settings())
}

/// Changes it, for what comes from now on.
#[utoipa::path(put, tag = "Privacy", operation_id = "scrubbing_put", path = "/api/scrubbing", request_body = ScrubSettings, responses((status = 200, body = ScrubSettings), (status = 400, body = Refusal)))]
pub async fn put(State(services): State<Services>, request: Request) -> Result<Json<ScrubSettings>, Refusal> {
    let asked: ScrubSettings = read(request, "{\"enabled\", \"receivers\", \"keys\", \"patterns\", …}").await?;
    let scrubber = services.ingest.scrubber();
    scrubber.put(&services.metastore, &services.settings.project, asked, now_unix_nano()).await?.map_err(Refusal::parameter)?;
    Ok(Json(scrubber.settings()))
}

/// What was taken out, by receiver and rule.
#[utoipa::path(get, tag = "Privacy", operation_id = "scrubbing_hits", path = "/api/scrubbing/hits", responses((status = 200, body = ScrubbingHits)))]
pub async fn hits(State(services): State<Services>) -> Json<ScrubbingHits> {
    Json(ScrubbingHits { hits: services.ingest.scrubber().hits() })
}
