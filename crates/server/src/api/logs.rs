//! `/api/logs`: search, counts over time, and the lines around one.

use axum::Json;
use axum::extract::State;
use engine::ask::log_fields::LogFields;
use engine::ask::logs::{LogFilter, LogHistogram, Logs, LogsAround, Order};
use serde::Deserialize;
use utoipa::IntoParams;

use super::params::{Params, time_range, trace_id};
use super::refusal::Refusal;
use crate::Services;

#[derive(Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogParams {
    /// RFC 3339 or unix milliseconds; an hour before `end` by default.
    start: Option<String>,
    /// RFC 3339 or unix milliseconds; now by default.
    end: Option<String>,
    /// Search language: words, `key = value`, AND, OR, NOT, parentheses.
    #[serde(default)]
    q: String,
    service: Option<String>,
    receiver: Option<String>,
    /// OpenTelemetry severity number: 9 info, 13 warn, 17 error.
    severity_min: Option<i64>,
    trace_id: Option<String>,
    log_group: Option<String>,
    log_stream: Option<String>,
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// `newest` (default) or `oldest`.
    order: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AroundParams {
    /// Id of the record in the middle.
    id: String,
    /// Its time.
    time_unix_nano: String,
    service: Option<String>,
    log_stream: Option<String>,
    before: Option<usize>,
    after: Option<usize>,
}

const LOGS_DEFAULT: usize = 200;
const AROUND_DEFAULT: usize = 20;

impl LogParams {
    pub fn range(&self) -> Result<store::TimeRange, Refusal> {
        time_range(self.start.as_deref(), self.end.as_deref())
    }

    pub fn limit(&self) -> Option<usize> {
        self.limit
    }

    pub fn order(&self) -> Result<Order, Refusal> {
        match self.order.as_deref() {
            None | Some("newest") => Ok(Order::Newest),
            Some("oldest") => Ok(Order::Oldest),
            Some(other) => Err(Refusal::parameter(format!("cannot read order from {other:?}: expected newest or oldest"))),
        }
    }

    pub fn filter(&self) -> Result<LogFilter, Refusal> {
        Ok(LogFilter {
            q: self.q.clone(),
            service: self.service.clone(),
            receiver: self.receiver.clone(),
            severity_min: self.severity_min,
            trace_id: self.trace_id.as_deref().map(trace_id).transpose()?,
            log_group: self.log_group.clone(),
            log_stream: self.log_stream.clone(),
        })
    }
}

/// Log records and events that match.
#[utoipa::path(get, tag = "Logs", operation_id = "logs_list", path = "/api/logs", params(LogParams), responses((status = 200, body = Logs), (status = 400, body = Refusal)))]
pub async fn list(State(services): State<Services>, Params(params): Params<LogParams>) -> Result<Json<Logs>, Refusal> {
    let range = time_range(params.start.as_deref(), params.end.as_deref())?;
    let order = params.order()?;
    let limit = params.limit.unwrap_or(LOGS_DEFAULT);
    Ok(Json(services.asker.logs(range, &params.filter()?, order, limit, params.cursor.as_deref()).await?))
}

/// Which fields they have, and how many have each.
#[utoipa::path(get, tag = "Logs", operation_id = "logs_fields", path = "/api/logs/fields", params(LogParams), responses((status = 200, body = LogFields), (status = 400, body = Refusal)))]
pub async fn fields(State(services): State<Services>, Params(params): Params<LogParams>) -> Result<Json<LogFields>, Refusal> {
    Ok(Json(services.asker.log_fields(params.range()?, &params.filter()?).await?))
}

/// How many match, by level and step.
#[utoipa::path(get, tag = "Logs", operation_id = "logs_histogram", path = "/api/logs/histogram", params(LogParams), responses((status = 200, body = LogHistogram), (status = 400, body = Refusal)))]
pub async fn histogram(
    State(services): State<Services>,
    Params(params): Params<LogParams>,
) -> Result<Json<LogHistogram>, Refusal> {
    let range = time_range(params.start.as_deref(), params.end.as_deref())?;
    Ok(Json(services.asker.log_histogram(range, &params.filter()?).await?))
}

/// The lines of the same service, or stream, before and after one.
#[utoipa::path(get, tag = "Logs", operation_id = "logs_around", path = "/api/logs/around", params(AroundParams), responses((status = 200, body = LogsAround), (status = 400, body = Refusal)))]
pub async fn around(State(services): State<Services>, Params(params): Params<AroundParams>) -> Result<Json<LogsAround>, Refusal> {
    let time = params.time_unix_nano.parse().map_err(|_| Refusal::parameter("time_unix_nano must be a whole number"))?;
    let filter = LogFilter { service: params.service, log_stream: params.log_stream, ..LogFilter::default() };
    let (before, after) = (params.before.unwrap_or(AROUND_DEFAULT), params.after.unwrap_or(AROUND_DEFAULT));
    Ok(Json(services.asker.logs_around(&params.id, time, &filter, before, after).await?))
}
