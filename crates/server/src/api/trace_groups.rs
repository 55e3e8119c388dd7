//! `/api/trace-groups`: X-Ray's groups for the page: filters with a name.

use axum::Json;
use axum::extract::{Path, Request, State};
use engine::ask::UnixNano;
use http::{HeaderMap, StatusCode};
use metastore::{XrayGroup, XrayGroupUpdate};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::params::not_from_another_page;
use super::refusal::Refusal;
use super::retention::read;
use crate::limits::XRAY_GROUPS_MAX;
use crate::{Services, now_unix_nano};

/// What a name of X-Ray's may have, in characters.
const NAME_CHARS_MAX: usize = 32;

/// The group that is everywhere and holds everything; it is not listed.
const RESERVED: &str = "Default";

#[derive(Serialize, ToSchema)]
pub struct TraceGroups {
    pub groups: Vec<TraceGroup>,
}

/// A filter with a name. It is evaluated when somebody asks, so it looks back in time.
#[derive(Serialize, ToSchema)]
pub struct TraceGroup {
    pub name: String,
    pub filter_expression: String,
    pub insights_enabled: bool,
    pub created_at_unix_nano: UnixNano,
    pub modified_at_unix_nano: UnixNano,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TraceGroupRequest {
    /// Only when it is made; 1 to 32 characters.
    #[serde(default)]
    name: Option<String>,
    filter_expression: String,
    #[serde(default)]
    insights_enabled: bool,
}

const EXPECTED: &str = "{\"name\", \"filter_expression\", \"insights_enabled\"}";

/// Every group in the order of names.
#[utoipa::path(get, tag = "Traces", operation_id = "trace_groups_list", path = "/api/trace-groups", responses((status = 200, body = TraceGroups)))]
pub async fn list(State(services): State<Services>) -> Result<Json<TraceGroups>, Refusal> {
    let groups = services.metastore.xray_groups(&services.settings.project).await?;
    Ok(Json(TraceGroups { groups: groups.into_iter().filter(|group| group.name != RESERVED).map(told).collect() }))
}

/// Makes a group.
#[utoipa::path(post, tag = "Traces", operation_id = "trace_groups_add", path = "/api/trace-groups", request_body = TraceGroupRequest, responses((status = 200, body = TraceGroup), (status = 400, body = Refusal), (status = 409, body = Refusal)))]
pub async fn add(State(services): State<Services>, request: Request) -> Result<Json<TraceGroup>, Refusal> {
    let asked: TraceGroupRequest = read(request, EXPECTED).await?;
    let name = asked.name.unwrap_or_default().trim().to_owned();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) || name == RESERVED {
        let message = format!("a group has a name of 1 to {NAME_CHARS_MAX} characters other than {RESERVED:?}");
        return Err(Refusal::parameter(message));
    }
    let now = now_unix_nano();
    let group = XrayGroup {
        name,
        id: uuid::Uuid::new_v4().simple().to_string().to_uppercase(),
        filter_expression: checked(asked.filter_expression)?,
        insights_enabled: asked.insights_enabled,
        notifications_enabled: false,
        created_at_unix_nano: now,
        modified_at_unix_nano: now,
    };
    services.metastore.create_xray_group(&services.settings.project, &group, XRAY_GROUPS_MAX).await?;
    Ok(Json(told(group)))
}

/// Changes a group.
#[utoipa::path(put, tag = "Traces", operation_id = "trace_groups_change", path = "/api/trace-groups/{name}", params(("name" = String, Path)), request_body = TraceGroupRequest, responses((status = 200, body = TraceGroup), (status = 400, body = Refusal), (status = 404, body = Refusal)))]
pub async fn change(
    State(services): State<Services>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<TraceGroup>, Refusal> {
    let asked: TraceGroupRequest = read(request, EXPECTED).await?;
    if asked.name.is_some_and(|other| other != name) {
        return Err(Refusal::parameter("a group keeps its name: make another one instead"));
    }
    let update = XrayGroupUpdate {
        filter_expression: Some(checked(asked.filter_expression)?),
        insights_enabled: Some(asked.insights_enabled),
        notifications_enabled: None,
    };
    let updated = services.metastore.update_xray_group(&services.settings.project, &name, &update, now_unix_nano()).await?;
    Ok(Json(told(updated)))
}

/// Removes a group; the traces it found stay.
#[utoipa::path(delete, tag = "Traces", operation_id = "trace_groups_delete", path = "/api/trace-groups/{name}", params(("name" = String, Path)), responses((status = 204), (status = 404, body = Refusal)))]
pub async fn remove(
    State(services): State<Services>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    not_from_another_page(&headers)?;
    let project = &services.settings.project;
    if let Some(group) = services.metastore.xray_group(project, &name).await? {
        services.metastore.delete_all_tags(project, &format!("group/{name}/{}", group.id)).await?;
    }
    services.metastore.delete_xray_group(project, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The expression, if it can be read.
fn checked(expression: String) -> Result<String, Refusal> {
    super::filters::check(&expression)?;
    Ok(expression)
}

fn told(group: XrayGroup) -> TraceGroup {
    TraceGroup {
        name: group.name,
        filter_expression: group.filter_expression,
        insights_enabled: group.insights_enabled,
        created_at_unix_nano: UnixNano(group.created_at_unix_nano),
        modified_at_unix_nano: UnixNano(group.modified_at_unix_nano),
    }
}
