//! `/api/logs/patterns`: what log lines have in common.

use axum::Json;
use axum::extract::State;
use engine::ask::log_patterns::LogPatternsFound;

use super::logs::LogParams;
use super::params::Params;
use super::refusal::Refusal;
use crate::Services;

const PATTERNS_DEFAULT: usize = 100;
const PATTERNS_MAX: usize = 1_000;

/// Patterns of the log records that match, those with most records first: counts, trend, severity, a sample, and what changes.
#[utoipa::path(get, tag = "Logs", operation_id = "logs_patterns", path = "/api/logs/patterns", params(LogParams), responses((status = 200, body = LogPatternsFound), (status = 400, body = Refusal)))]
pub async fn patterns(
    State(services): State<Services>,
    Params(params): Params<LogParams>,
) -> Result<Json<LogPatternsFound>, Refusal> {
    let limit = params.limit().unwrap_or(PATTERNS_DEFAULT).clamp(1, PATTERNS_MAX);
    Ok(Json(services.asker.log_patterns(params.range()?, &params.filter()?, limit).await?))
}
