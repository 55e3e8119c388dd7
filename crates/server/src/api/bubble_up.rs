//! `POST /api/bubble-up`: what is different about some rows.

use axum::Json;
use axum::extract::{Request, State};
use engine::ask::bubble_up::{BubbleUp, BubbleUpQuestion};
use model::Signal;
use serde::Deserialize;
use utoipa::ToSchema;

use super::params::time_range;
use super::refusal::Refusal;
use crate::Services;
use crate::limits::API_BODY_BYTES_MAX;
use crate::listen::http_ingest::read_body;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BubbleUpQuery {
    #[serde(default)]
    signal: BubbleUpSignal,
    /// RFC 3339 or unix milliseconds; an hour before `end` by default.
    start: Option<String>,
    /// RFC 3339 or unix milliseconds; now by default.
    end: Option<String>,
    /// The rows that stand out, as a condition in SQL: `duration_ns > 1e9 AND http.route = '/cart'`.
    selection: String,
    /// The rows they are compared with, as a condition; all others of the range by default.
    baseline: Option<String>,
    /// The columns that are compared; by default every attribute, and what the signal has beside ids and documents.
    columns: Option<Vec<String>>,
    /// Columns told, 20 by default.
    limit: Option<usize>,
}

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BubbleUpSignal {
    #[default]
    Spans,
    Logs,
    Metrics,
}

impl From<BubbleUpSignal> for Signal {
    fn from(signal: BubbleUpSignal) -> Signal {
        match signal {
            BubbleUpSignal::Spans => Signal::Spans,
            BubbleUpSignal::Logs => Signal::Logs,
            BubbleUpSignal::Metrics => Signal::Metrics,
        }
    }
}

const COLUMNS_DEFAULT: usize = 20;

/// Compares selected rows with the others, column by column; the columns that differ most come first.
#[utoipa::path(post, tag = "SQL", operation_id = "bubble_up", path = "/api/bubble-up", request_body = BubbleUpQuery, responses((status = 200, body = BubbleUp), (status = 400, body = Refusal)))]
pub async fn compare(State(services): State<Services>, request: Request) -> Result<Json<BubbleUp>, Refusal> {
    let (parts, body) = request.into_parts();
    let body = read_body(&parts.headers, body, API_BODY_BYTES_MAX).await.map_err(|failure| Refusal::body(&failure))?;
    let query: BubbleUpQuery = serde_json::from_slice(&body)
        .map_err(|error| Refusal::parameter(format!("cannot read the body: {error}; expected {{\"selection\": \"…\"}}")))?;
    let question = BubbleUpQuestion {
        signal: query.signal.into(),
        range: time_range(query.start.as_deref(), query.end.as_deref())?,
        selection: query.selection,
        baseline: query.baseline,
        columns: query.columns,
        limit: query.limit.unwrap_or(COLUMNS_DEFAULT).clamp(1, engine::limits::BUBBLE_UP_COLUMNS_MAX),
    };
    Ok(Json(services.asker.bubble_up(question).await?))
}
