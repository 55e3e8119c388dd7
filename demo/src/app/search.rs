//! `cruddur-search`: looks through all posts. When the planner has a bad day it reads the whole table.

use std::sync::Arc;

use axum::extract::{Query as UrlQuery, State};
use axum::{Extension, Json};
use opentelemetry::KeyValue;
use opentelemetry::logs::Severity;
use serde::Deserialize;
use serde_json::{Value, json};

use super::AppError;
use super::database::{Query, query};
use super::error::At as _;
use super::scope::{Scope, Step};
use super::service::Service;
use crate::data::activities_about;

pub const NAME: &str = "cruddur-search";
pub const ROUTE: &str = "/internal/search";

/// How often the index is not used.
const SEQUENTIAL_SHARE: f64 = 0.18;

const BY_INDEX: Query = Query {
    operation: "SELECT",
    table: "activities",
    text: "SELECT a.uuid, a.user_handle, a.message FROM activities a WHERE a.message_tsv @@ plainto_tsquery($1) ORDER BY a.created_at DESC LIMIT 20",
    plan: Some("Bitmap Heap Scan on activities (Bitmap Index Scan on activities_message_tsv_idx)"),
};
const BY_READING_EVERYTHING: Query = Query {
    operation: "SELECT",
    table: "activities",
    text: "SELECT a.uuid, a.user_handle, a.message FROM activities a WHERE a.message ILIKE '%' || $1 || '%' ORDER BY a.created_at DESC LIMIT 20",
    plan: Some("Seq Scan on activities"),
};

#[derive(Deserialize)]
pub struct Params {
    term: String,
}

pub async fn find(
    State(service): State<Arc<Service>>,
    Extension(scope): Extension<Scope>,
    UrlQuery(params): UrlQuery<Params>,
) -> Result<Json<Value>, AppError> {
    let found: Vec<Value> =
        activities_about(&params.term).map(|activity| json!({"handle": activity.handle, "message": activity.message})).collect();
    let sequential = service.unlucky(SEQUENTIAL_SHARE);
    let (statement, duration) = match sequential {
        true => (BY_READING_EVERYTHING, service.pause(800.0, 2000.0)),
        false => (BY_INDEX, service.pause(12.0, 70.0)),
    };
    scope.set(KeyValue::new("cruddur.search.plan", if sequential { "sequential" } else { "index" }));
    query(&scope, statement, duration, found.len()).await.at("search::find")?;
    let pause = service.pause(1.0, 12.0);
    let ranked = scope.step(Step::local("rank results"), async |_| {
        tokio::time::sleep(pause).await;
        Ok(found.len())
    });
    let count = ranked.await.at("search::find")?;
    scope.log(
        Severity::Info,
        None,
        format!("{count} posts about {:?}", params.term),
        vec![("cruddur.search.term", params.term.clone().into()), ("cruddur.search.count", (count as i64).into())],
    );
    Ok(Json(json!({"activities": found})))
}
