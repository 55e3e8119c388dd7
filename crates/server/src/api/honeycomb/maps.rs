//! `/1/maps/dependencies`: which service calls which, over a time.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use engine::ask::trace_scope::TraceScope;
use http::{HeaderMap, StatusCode, Uri};
use languages::honeycomb::{QuerySpecification, Times};
use serde::Deserialize;
use serde_json::{Value, json};
use store::TimeRange;

use super::call::{Page, body, new_id, object, query};
use super::failure::{Answer, Failure, base};
use crate::{Services, now_unix_nano};

const KIND: &str = "map_dependencies";

/// Dependencies of one answer: Honeycomb's bounds.
const DEPENDENCIES_MAX: usize = 64_000;
const DEPENDENCIES_DEFAULT: usize = 10_000;

#[derive(Default, Deserialize)]
struct Asked {
    limit: Option<usize>,
}

/// Works the map out at once, so that the first look finds it.
pub async fn create(State(services): State<Services>, request: Request) -> Answer<Response> {
    let asked: Asked = query(request.uri());
    let limit = asked.limit.unwrap_or(DEPENDENCIES_DEFAULT);
    if !(1..=DEPENDENCIES_MAX).contains(&limit) {
        let message = format!("limit: must be between 1 and {DEPENDENCIES_MAX}");
        return Err(Failure::invalid("limit", "invalid", message));
    }
    let (_, value) = body(request).await?;
    let mut members = object(value)?;
    let nodes: Vec<String> = match members.remove("filters") {
        Some(Value::Array(nodes)) => nodes.iter().filter_map(|node| node["name"].as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    // Clients send the default range even where they give both ends.
    if members.contains_key("start_time") && members.contains_key("end_time") {
        members.remove("time_range");
    }
    let specification = QuerySpecification::from_json(&Value::Object(members))?;
    let times = Times::of(&specification, now_unix_nano() / 1_000_000_000 + 1)?;
    let range = TimeRange { start_unix_nano: times.start, end_unix_nano: times.end };
    let map = services.asker.map(&TraceScope::over(range)).await?;
    let name = |id: usize| {
        let node = map.nodes.iter().find(|node| node.id == id && node.synthetic.is_none());
        node.map(|node| node.name.as_str())
    };
    let mut dependencies = Vec::new();
    for edge in &map.edges {
        let (Some(parent), Some(child)) = (name(edge.from), name(edge.to)) else { continue };
        if nodes.is_empty() || nodes.iter().any(|wanted| wanted == parent || wanted == child) {
            dependencies.push(json!({
                "parent_node": { "name": parent, "type": "service" },
                "child_node": { "name": child, "type": "service" },
                "call_count": edge.statistics.total.round() as i64,
            }));
        }
    }
    dependencies.truncate(limit);
    let id = new_id();
    services.honeycomb_put(KIND, "", &id, &Value::Array(dependencies)).await?;
    Ok((StatusCode::CREATED, Json(json!({ "request_id": id, "status": "ready" }))).into_response())
}

pub async fn result(
    State(services): State<Services>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let found = services.honeycomb_get(KIND, "", &id).await;
    let found = found.map_err(|_| Failure::not_found("Map dependency request not found"))?;
    let dependencies: Vec<Value> = serde_json::from_str(&found.document).unwrap_or_default();
    let page = Page::of(&uri).map_err(|message| Failure::invalid("page[size]", "invalid", message))?;
    let (range, next) = page.within(dependencies.len(), &format!("{}{}", base(&headers), uri.path()));
    let told = &dependencies[range];
    Ok(Json(json!({ "request_id": id, "status": "ready", "dependencies": told, "links": { "next": next } })))
}
