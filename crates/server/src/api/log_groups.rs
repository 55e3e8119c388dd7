//! `/api/logs/groups` and `/api/logs/streams`: where CloudWatch's log lines are kept, to look around in.

use axum::Json;
use axum::extract::State;
use engine::ask::UnixNano;
use metastore::{LogGroupFilter, LogStreamFilter, LogStreamOrder};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::params::Params;
use super::refusal::Refusal;
use crate::Services;
use crate::limits::LOG_GROUPS_TOLD_MAX;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogGroupParams {
    /// Anywhere in the name, whatever the case.
    q: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogStreamParams {
    /// The log group.
    group: String,
    /// How names begin; then streams are in the order of names, otherwise those with the newest events come first.
    prefix: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct LogGroupsTold {
    /// In the order of names.
    pub groups: Vec<LogGroupTold>,
    /// Whether there are more.
    pub truncated: bool,
}

#[derive(Serialize, ToSchema)]
pub struct LogGroupTold {
    pub name: String,
    pub created_at_unix_nano: UnixNano,
    /// For ever when it is not told.
    pub retention_days: Option<u32>,
    pub stored_bytes: u64,
}

#[derive(Serialize, ToSchema)]
pub struct LogStreamsTold {
    pub streams: Vec<LogStreamTold>,
    pub next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct LogStreamTold {
    pub name: String,
    pub first_event_unix_nano: Option<UnixNano>,
    pub last_event_unix_nano: Option<UnixNano>,
    pub stored_bytes: u64,
}

/// Log groups.
#[utoipa::path(get, tag = "Logs", operation_id = "log_groups_list", path = "/api/logs/groups", params(LogGroupParams), responses((status = 200, body = LogGroupsTold)))]
pub async fn groups(
    State(services): State<Services>,
    Params(params): Params<LogGroupParams>,
) -> Result<Json<LogGroupsTold>, Refusal> {
    let mut filter = LogGroupFilter { contains: params.q.filter(|q| !q.is_empty()), ..LogGroupFilter::default() };
    let mut groups = Vec::new();
    loop {
        let page = services.metastore.log_groups(&services.settings.project, &filter).await?;
        groups.extend(page.items.into_iter().map(|group| LogGroupTold {
            name: group.name,
            created_at_unix_nano: UnixNano(group.created_at_unix_nano),
            retention_days: group.retention_days,
            stored_bytes: group.stored_bytes,
        }));
        filter.after = page.next;
        if filter.after.is_none() || groups.len() >= LOG_GROUPS_TOLD_MAX {
            return Ok(Json(LogGroupsTold { groups, truncated: filter.after.is_some() }));
        }
    }
}

/// Streams of a log group.
#[utoipa::path(get, tag = "Logs", operation_id = "log_streams_list", path = "/api/logs/streams", params(LogStreamParams), responses((status = 200, body = LogStreamsTold), (status = 404, body = Refusal)))]
pub async fn streams(
    State(services): State<Services>,
    Params(params): Params<LogStreamParams>,
) -> Result<Json<LogStreamsTold>, Refusal> {
    let prefix = params.prefix.filter(|prefix| !prefix.is_empty());
    let by_name = prefix.is_some();
    let filter = LogStreamFilter {
        prefix,
        order: if by_name { LogStreamOrder::Name } else { LogStreamOrder::LastEventTime },
        descending: !by_name,
        after: params.cursor,
        limit: 0,
    };
    let page = services.metastore.log_streams(&services.settings.project, &params.group, &filter).await?;
    let streams = page.items.into_iter().map(|stream| LogStreamTold {
        name: stream.name,
        first_event_unix_nano: stream.first_event_unix_nano.map(UnixNano),
        last_event_unix_nano: stream.last_event_unix_nano.map(UnixNano),
        stored_bytes: stream.stored_bytes,
    });
    Ok(Json(LogStreamsTold { streams: streams.collect(), next_cursor: page.next }))
}
