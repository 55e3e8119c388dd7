//! `cruddur-notifications`: who liked and who answered. Now and then it waits for a lock.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query as UrlQuery, State};
use axum::{Extension, Json};
use http::StatusCode;
use opentelemetry::KeyValue;
use opentelemetry::logs::Severity;
use serde::Deserialize;
use serde_json::{Value, json};

use super::AppError;
use super::database::{Query, failing_query, query};
use super::error::At as _;
use super::scope::Scope;
use super::service::Service;
use crate::data::{ACTIVITIES, USERS};

pub const NAME: &str = "cruddur-notifications";
pub const ROUTE: &str = "/internal/notifications";

/// How often somebody else holds the lock, and for how long.
const LOCKED_SHARE: f64 = 0.04;
const LOCKED: Duration = Duration::from_millis(850);
/// How often the answer is merely late; patient callers do not notice.
const LATE_SHARE: f64 = 0.05;
/// How often the lock is not given at all.
const REFUSED_SHARE: f64 = 0.01;

const UNREAD: Query = Query {
    operation: "SELECT",
    table: "notifications",
    text: "SELECT n.uuid, n.kind, n.activity_uuid, n.created_at FROM notifications n WHERE n.user_handle = $1 AND n.read_at IS NULL ORDER BY n.created_at DESC LIMIT 50 FOR UPDATE SKIP LOCKED",
    plan: None,
};
const MARK_SEEN: Query = Query {
    operation: "UPDATE",
    table: "notifications",
    text: "UPDATE notifications SET seen_at = now() WHERE user_handle = $1 AND seen_at IS NULL",
    plan: None,
};

#[derive(Deserialize)]
pub struct Params {
    handle: String,
}

pub async fn list(
    State(service): State<Arc<Service>>,
    Extension(scope): Extension<Scope>,
    UrlQuery(params): UrlQuery<Params>,
) -> Result<Json<Value>, AppError> {
    let count = unread(&service, &scope).await.at("notifications::list")?;
    query(&scope, MARK_SEEN, service.pause(2.0, 9.0), 0).await.at("notifications::list")?;
    scope.set(KeyValue::new("cruddur.notifications.count", count as i64));
    scope.log(
        Severity::Info,
        None,
        format!("{count} notifications for {}", params.handle),
        vec![("cruddur.handle", params.handle.clone().into())],
    );
    let notifications: Vec<Value> = ACTIVITIES
        .iter()
        .zip(USERS)
        .filter(|(activity, user)| activity.handle != params.handle && user.handle != activity.handle)
        .take(count)
        .map(|(activity, user)| json!({"handle": user.handle, "message": activity.message, "likes": activity.likes}))
        .collect();
    Ok(Json(json!({"notifications": notifications})))
}

async fn unread(service: &Service, scope: &Scope) -> Result<usize, AppError> {
    if service.unlucky(REFUSED_SHARE) {
        let message = "could not obtain lock on row in relation \"notifications\"";
        let error = AppError::new("LockNotAvailable", StatusCode::SERVICE_UNAVAILABLE, message, "notifications::unread");
        return failing_query(scope, UNREAD, service.pause(20.0, 40.0), error).await.at("notifications::unread");
    }
    let wait = if service.unlucky(LOCKED_SHARE) {
        scope.log(Severity::Warn, Some("lock.wait"), "waiting for a lock on notifications", Vec::new());
        LOCKED
    } else if service.unlucky(LATE_SHARE) {
        service.pause(260.0, 420.0)
    } else {
        service.pause(8.0, 60.0)
    };
    query(scope, UNREAD, wait, 6).await.at("notifications::unread")
}
