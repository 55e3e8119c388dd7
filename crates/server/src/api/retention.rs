//! `/api/retention` and `/api/pins`: what is kept for how long, what was thinned, and what is kept to the last.

use analysis::retention::{Class, Level};
use axum::Json;
use axum::extract::{Path, Request, State};
use engine::ask::UnixNano;
use http::{HeaderMap, StatusCode};
use metastore::{NewPin, Pin, PinKind, RetentionPolicy, RetentionRun, ThinnedWindow};
use model::{Signal, TraceId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::deletions::Moment;
use super::params::{moment, not_from_another_page};
use super::refusal::Refusal;
use crate::limits::{API_BODY_BYTES_MAX, NAME_BYTES_MAX, RETENTION_RUNS_LISTED};
use crate::listen::http_ingest::read_body;
use crate::{Services, now_unix_nano};

const MEGABYTE: u64 = 1024 * 1024;

/// How long what stays, and how much of it. Null is for ever, or without a bound.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    #[serde(default)]
    pub spans_days: Option<u32>,
    #[serde(default)]
    pub logs_days: Option<u32>,
    #[serde(default)]
    pub metrics_days: Option<u32>,
    /// Spans and logs together: a trace's live or die together. Beyond it errors, slow and rare requests and what is pinned
    /// stay longest.
    #[serde(default)]
    pub traces_megabytes: Option<u64>,
    /// Beyond it the oldest go.
    #[serde(default)]
    pub metrics_megabytes: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub struct Retention {
    pub policy: Policy,
    /// Whether the policy is that of the settings, and not the project's own.
    pub is_default: bool,
    /// What parts hold now; rows that are not in a part yet are not counted.
    pub held: Vec<Held>,
    /// Time that was thinned, oldest first; what is not listed is whole.
    pub thinned: Vec<Thinned>,
    /// The last runs that did something, newest first.
    pub runs: Vec<Run>,
}

#[derive(Serialize, ToSchema)]
pub struct Held {
    pub signal: &'static str,
    pub rows: u64,
    pub bytes: u64,
}

/// A stretch of time that was thinned to one level.
#[derive(Serialize, ToSchema)]
pub struct Thinned {
    pub start_unix_nano: UnixNano,
    pub end_unix_nano: UnixNano,
    pub level: u8,
    /// What is left of it, in words.
    pub keeps: String,
    /// Of each class one of so many is left; 0 is none.
    pub kept_one_of: ByClass,
    /// Spans and log records that are left.
    pub rows: ByClass,
    /// Before it was first thinned.
    pub rows_before: u64,
    pub bytes_before: u64,
    pub bytes_after: u64,
    pub thinned_at_unix_nano: UnixNano,
}

#[derive(Clone, Copy, Default, Serialize, ToSchema)]
pub struct ByClass {
    pub plain: u64,
    /// Slow or rare requests, warnings, log lines of a rare kind.
    pub notable: u64,
    pub error: u64,
    pub pinned: u64,
}

#[derive(Serialize, ToSchema)]
pub struct Run {
    pub started_at_unix_nano: UnixNano,
    pub ended_at_unix_nano: UnixNano,
    pub parts_removed: u64,
    pub parts_rewritten: u64,
    pub rows_before: u64,
    pub rows_after: u64,
    pub bytes_before: u64,
    pub bytes_after: u64,
    /// In words; empty when nothing was to be done.
    pub outcome: String,
}

#[derive(Serialize, ToSchema)]
pub struct Pins {
    pub pins: Vec<PinTold>,
}

#[derive(Serialize, ToSchema)]
pub struct PinTold {
    pub id: i64,
    /// `trace`, `error_group` or `time_range`.
    pub kind: &'static str,
    pub value: String,
    pub start_unix_nano: Option<UnixNano>,
    pub end_unix_nano: Option<UnixNano>,
    pub reason: String,
    pub created_at_unix_nano: UnixNano,
}

/// What to keep to the last: exactly one of `trace_id`, `error_group`, or `start` and `end` with a `name`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PinRequest {
    trace_id: Option<String>,
    error_group: Option<String>,
    start: Option<Moment>,
    end: Option<Moment>,
    name: Option<String>,
    #[serde(default)]
    reason: String,
}

/// The policy in force, what is held, what was thinned and the last runs.
#[utoipa::path(get, tag = "Retention", operation_id = "retention_status", path = "/api/retention", responses((status = 200, body = Retention)))]
pub async fn status(State(services): State<Services>) -> Result<Json<Retention>, Refusal> {
    let (project, metastore) = (&services.settings.project, &services.metastore);
    let store = services.asker.engine.store();
    let held = Signal::ALL.map(|signal| {
        let (rows, bytes) = store.held(project, signal);
        Held { signal: signal.table(), rows, bytes }
    });
    let runs = metastore.retention_runs(project, RETENTION_RUNS_LISTED).await?;
    Ok(Json(Retention {
        policy: told(&store.retention_policy(project).await?),
        is_default: metastore.retention_policy(project).await?.is_none(),
        held: held.into_iter().collect(),
        thinned: joined(&metastore.thinned_windows(project).await?),
        runs: runs.into_iter().map(run_told).collect(),
    }))
}

/// Gives the project a policy of its own. It is acted on within ten minutes, or by `POST /api/retention/run`.
#[utoipa::path(put, tag = "Retention", operation_id = "retention_put_policy", path = "/api/retention", request_body = Policy, responses((status = 200, body = Retention), (status = 400, body = Refusal)))]
pub async fn put_policy(State(services): State<Services>, request: Request) -> Result<Json<Retention>, Refusal> {
    let asked: Policy =
        read(request, "{\"spans_days\", \"logs_days\", \"metrics_days\", \"traces_megabytes\", \"metrics_megabytes\"}").await?;
    let days = [asked.spans_days, asked.logs_days, asked.metrics_days];
    if days.contains(&Some(0)) || [asked.traces_megabytes, asked.metrics_megabytes].contains(&Some(0)) {
        return Err(Refusal::parameter("cannot keep for 0 days or in 0 megabytes: expected null for no bound"));
    }
    let policy = RetentionPolicy {
        spans_days: asked.spans_days,
        logs_days: asked.logs_days,
        metrics_days: asked.metrics_days,
        traces_bytes_max: asked.traces_megabytes.map(|megabytes| megabytes.saturating_mul(MEGABYTE)),
        metrics_bytes_max: asked.metrics_megabytes.map(|megabytes| megabytes.saturating_mul(MEGABYTE)),
    };
    services.metastore.put_retention_policy(&services.settings.project, Some(&policy), now_unix_nano()).await?;
    status(State(services)).await
}

/// Takes the project's own policy back: the settings hold again.
#[utoipa::path(delete, tag = "Retention", operation_id = "retention_delete_policy", path = "/api/retention", responses((status = 200, body = Retention)))]
pub async fn delete_policy(State(services): State<Services>) -> Result<Json<Retention>, Refusal> {
    services.metastore.put_retention_policy(&services.settings.project, None, now_unix_nano()).await?;
    status(State(services)).await
}

/// Has retention look now, and says what it did.
#[utoipa::path(post, tag = "Retention", operation_id = "retention_run", path = "/api/retention/run", responses((status = 200, body = Run), (status = 403, body = Refusal), (status = 503, body = Refusal)))]
pub async fn run(State(services): State<Services>, headers: HeaderMap) -> Result<Json<Run>, Refusal> {
    not_from_another_page(&headers)?;
    // It goes on when the caller goes away: what it has begun is of use to nobody by halves.
    let (store, project) = (services.asker.engine.store().clone(), services.settings.project.clone());
    let run = tokio::spawn(async move { store.retain(&project).await }).await;
    let run = run.unwrap_or_else(|error| Err(store::StoreError::Unavailable(error.to_string())))?;
    Ok(Json(run_told(run)))
}

/// What is kept to the last.
#[utoipa::path(get, tag = "Retention", operation_id = "pins_list", path = "/api/pins", responses((status = 200, body = Pins)))]
pub async fn pins(State(services): State<Services>) -> Result<Json<Pins>, Refusal> {
    let pins = services.metastore.pins(&services.settings.project).await?;
    Ok(Json(Pins { pins: pins.into_iter().map(pin_told).collect() }))
}

/// Pins a trace, an error group or a time.
#[utoipa::path(post, tag = "Retention", operation_id = "pins_add", path = "/api/pins", request_body = PinRequest, responses((status = 200, body = PinTold), (status = 400, body = Refusal)))]
pub async fn pin(State(services): State<Services>, request: Request) -> Result<Json<PinTold>, Refusal> {
    let asked: PinRequest = read(request, "{\"trace_id\"}, {\"error_group\"} or {\"name\", \"start\", \"end\"}").await?;
    let pin = pin_of(asked)?;
    let now = now_unix_nano();
    let id = services.metastore.put_pin(&services.settings.project, &pin, now).await?;
    Ok(Json(pin_told(Pin { id, created_at_unix_nano: now, pin })))
}

/// Takes a pin back.
#[utoipa::path(delete, tag = "Retention", operation_id = "pins_delete", path = "/api/pins/{id}", params(("id" = i64, Path)), responses((status = 204), (status = 404, body = Refusal)))]
pub async fn unpin(State(services): State<Services>, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    let id = id.parse().map_err(|_| Refusal::parameter(format!("cannot read a pin's id from {id:?}: expected a number")))?;
    services.metastore.delete_pin(&services.settings.project, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A body of JSON of a request that was meant.
pub(super) async fn read<T: DeserializeOwned>(request: Request, expected: &str) -> Result<T, Refusal> {
    let (parts, body) = request.into_parts();
    not_from_another_page(&parts.headers)?;
    let body = read_body(&parts.headers, body, API_BODY_BYTES_MAX).await.map_err(|failure| Refusal::body(&failure))?;
    serde_json::from_slice(&body)
        .map_err(|error| Refusal::parameter(format!("cannot read the body: {error}; expected {expected}")))
}

fn pin_of(asked: PinRequest) -> Result<NewPin, Refusal> {
    let is_too_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > NAME_BYTES_MAX || text.is_empty());
    if is_too_long(&asked.error_group) || is_too_long(&asked.name) || asked.reason.len() > NAME_BYTES_MAX {
        return Err(Refusal::parameter(format!("a name and a reason have 1 to {NAME_BYTES_MAX} bytes")));
    }
    let reason = asked.reason;
    match (asked.trace_id, asked.error_group, asked.start, asked.end, asked.name) {
        (Some(id), None, None, None, None) => {
            let id = TraceId::parse(&id).map_err(|error| Refusal::parameter(error.to_string()))?;
            Ok(NewPin { kind: PinKind::Trace, value: id.to_string(), range: None, reason })
        }
        (None, Some(value), None, None, None) => Ok(NewPin { kind: PinKind::ErrorGroup, value, range: None, reason }),
        (None, None, Some(start), Some(end), Some(value)) => {
            let at = |name, at: &Moment| match at {
                Moment::UnixMilliseconds(number) => moment(name, &number.to_string()),
                Moment::Text(text) => moment(name, text),
            };
            let (start, end) = (at("start", &start)?, at("end", &end)?);
            if start >= end {
                return Err(Refusal::parameter("start must be before end"));
            }
            Ok(NewPin { kind: PinKind::TimeRange, value, range: Some((start, end)), reason })
        }
        _ => Err(Refusal::parameter("expected exactly one of trace_id, error_group, or name with start and end")),
    }
}

fn pin_told(pin: Pin) -> PinTold {
    PinTold {
        id: pin.id,
        kind: pin.pin.kind.as_str(),
        value: pin.pin.value,
        start_unix_nano: pin.pin.range.map(|(start, _)| UnixNano(start)),
        end_unix_nano: pin.pin.range.map(|(_, end)| UnixNano(end)),
        reason: pin.pin.reason,
        created_at_unix_nano: UnixNano(pin.created_at_unix_nano),
    }
}

fn told(policy: &RetentionPolicy) -> Policy {
    Policy {
        spans_days: policy.spans_days,
        logs_days: policy.logs_days,
        metrics_days: policy.metrics_days,
        traces_megabytes: policy.traces_bytes_max.map(|bytes| bytes / MEGABYTE),
        metrics_megabytes: policy.metrics_bytes_max.map(|bytes| bytes / MEGABYTE),
    }
}

fn run_told(run: RetentionRun) -> Run {
    Run {
        started_at_unix_nano: UnixNano(run.started_at_unix_nano),
        ended_at_unix_nano: UnixNano(run.ended_at_unix_nano),
        parts_removed: run.parts_ended,
        parts_rewritten: run.parts_rewritten,
        rows_before: run.rows_before,
        rows_after: run.rows_after,
        bytes_before: run.bytes_before,
        bytes_after: run.bytes_after,
        outcome: run.outcome,
    }
}

/// Neighbouring windows of one level as one stretch.
fn joined(windows: &[ThinnedWindow]) -> Vec<Thinned> {
    let mut joined: Vec<Thinned> = Vec::new();
    for window in windows {
        let level = Level::new(window.level);
        let rows = window.rows;
        let rows = ByClass { plain: rows.plain, notable: rows.notable, error: rows.error, pinned: rows.pinned };
        match joined.last_mut() {
            Some(last) if last.end_unix_nano.0 == window.start_unix_nano && last.level == window.level => {
                last.end_unix_nano = UnixNano(window.end_unix_nano);
                last.rows.plain += rows.plain;
                last.rows.notable += rows.notable;
                last.rows.error += rows.error;
                last.rows.pinned += rows.pinned;
                last.rows_before += window.rows_before;
                last.bytes_before += window.bytes_before;
                last.bytes_after += window.bytes_after;
                last.thinned_at_unix_nano = last.thinned_at_unix_nano.max(UnixNano(window.thinned_at_unix_nano));
            }
            _ => {
                let of = |class| u64::from(level.kept_one_of(class));
                joined.push(Thinned {
                    start_unix_nano: UnixNano(window.start_unix_nano),
                    end_unix_nano: UnixNano(window.end_unix_nano),
                    level: window.level,
                    keeps: level.to_string(),
                    kept_one_of: ByClass {
                        plain: of(Class::Plain),
                        notable: of(Class::Notable),
                        error: of(Class::Error),
                        pinned: of(Class::Pinned),
                    },
                    rows,
                    rows_before: window.rows_before,
                    bytes_before: window.bytes_before,
                    bytes_after: window.bytes_after,
                    thinned_at_unix_nano: UnixNano(window.thinned_at_unix_nano),
                });
            }
        }
    }
    joined
}
