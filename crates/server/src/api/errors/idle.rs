//! `/api/error-settings`: after how many days without an occurrence items are resolved by themselves, and their resolving.

use std::time::Duration;

use async_trait::async_trait;
use axum::Json;
use axum::extract::{Request, State};
use metastore::{Metastore, MetastoreError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::alerting::{EvaluationError, Evaluator};
use crate::api::refusal::Refusal;
use crate::api::retention::read;
use crate::limits::{IDLE_DAYS_MAX, IDLE_ITEMS_MAX};
use crate::{Services, now_unix_nano};

const DAY: i64 = 86_400 * 1_000_000_000;

const SETTING: &str = "errors.resolved_after_days";

#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorSettings {
    /// Active items that were not seen for so many days are resolved; null is never.
    resolved_after_days: Option<i64>,
}

/// How items are dealt with that nobody touches.
#[utoipa::path(get, tag = "Errors", operation_id = "error_settings", path = "/api/error-settings", responses((status = 200, body = ErrorSettings)))]
pub async fn settings(State(services): State<Services>) -> Result<Json<ErrorSettings>, Refusal> {
    let resolved_after_days = days(&services.metastore, &services.settings.project).await?;
    Ok(Json(ErrorSettings { resolved_after_days }))
}

/// Changes it; it holds from the next full hour on.
#[utoipa::path(put, tag = "Errors", operation_id = "error_settings_put", path = "/api/error-settings", request_body = ErrorSettings, responses((status = 200, body = ErrorSettings), (status = 400, body = Refusal)))]
pub async fn put(State(services): State<Services>, request: Request) -> Result<Json<ErrorSettings>, Refusal> {
    let asked: ErrorSettings = read(request, "{\"resolved_after_days\": 30}, or null for never").await?;
    if asked.resolved_after_days.is_some_and(|days| !(1..=IDLE_DAYS_MAX).contains(&days)) {
        return Err(Refusal::parameter(format!("resolved_after_days: expected 1 to {IDLE_DAYS_MAX}, or null")));
    }
    let text = asked.resolved_after_days.map(|days| days.to_string()).unwrap_or_default();
    services.metastore.put_project_setting(&services.settings.project, SETTING, &text, now_unix_nano()).await?;
    Ok(Json(asked))
}

async fn days(metastore: &Metastore, project: &str) -> Result<Option<i64>, MetastoreError> {
    let kept = metastore.project_setting(project, SETTING).await?;
    Ok(kept.and_then(|kept| kept.value.parse().ok()))
}

/// Resolves items that nobody saw for so long.
pub struct IdleItems;

#[async_trait]
impl Evaluator for IdleItems {
    fn name(&self) -> &'static str {
        "errors.idle_items"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    async fn evaluate(&self, services: &Services, now_unix_nano: i64) -> Result<(), EvaluationError> {
        let (metastore, project) = (&services.metastore, &services.settings.project);
        let Some(days) = days(metastore, project).await? else { return Ok(()) };
        let seen_before = now_unix_nano.saturating_sub(days * DAY);
        let resolved = metastore.resolve_idle_error_items(project, seen_before, days, IDLE_ITEMS_MAX, now_unix_nano).await?;
        if resolved > 0 {
            tracing::info!(resolved, days, "items that nobody saw were resolved");
        }
        Ok(())
    }
}
