//! `cruddur`: the service people talk to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Path, Query as UrlQuery, State};
use axum::{Extension, Json};
use http::StatusCode;
use opentelemetry::KeyValue;
use opentelemetry::logs::Severity;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::{Call, get};
use super::database::{Query, failing_query, query};
use super::error::At as _;
use super::scope::{Scope, Step};
use super::service::Service;
use super::{AppError, notifications, search};
use crate::data::{ACTIVITIES, Activity, USERS, User, activities_of, user_by_handle};

pub const NAME: &str = "cruddur";

/// Searching may take long; the page shows a spinner.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Slower searches are worth a word at Rollbar.
const SEARCH_TOO_SLOW: Duration = Duration::from_millis(1400);

const HOME: Query = Query::select(
    "activities",
    "SELECT a.uuid, a.user_handle, a.message, a.likes_count, a.replies_count FROM activities a WHERE a.expires_at > now() ORDER BY a.created_at DESC LIMIT 50",
);
const USER: Query = Query::select("users", "SELECT u.uuid, u.handle, u.display_name FROM users u WHERE u.handle = $1");
const POSTS_OF_USER: Query = Query::select(
    "activities",
    "SELECT a.uuid, a.message FROM activities a WHERE a.user_handle = $1 ORDER BY a.created_at DESC LIMIT 20",
);
const GROUPS: Query =
    Query::select("message_groups", "SELECT g.uuid, g.other_handle FROM message_groups g WHERE g.user_handle = $1");
const LAST_MESSAGE: Query = Query::select(
    "messages",
    "SELECT m.message, m.created_at FROM messages m WHERE m.group_uuid = $1 ORDER BY m.created_at DESC LIMIT 1",
);
const MESSAGES: Query = Query::select(
    "messages",
    "SELECT m.message, m.created_at FROM messages m WHERE m.group_uuid = $1 ORDER BY m.created_at LIMIT 100",
);
const INSERT: Query = Query {
    operation: "INSERT",
    table: "activities",
    text: "INSERT INTO activities (uuid, user_handle, message, expires_at) VALUES ($1, $2, $3, $4) RETURNING uuid",
    plan: None,
};

/// What the routes share.
#[derive(Clone)]
pub struct Cruddur {
    pub service: Arc<Service>,
    pub notifications: SocketAddr,
    pub search: SocketAddr,
}

type Answer = Result<Json<Value>, AppError>;

pub async fn health() -> Json<Value> {
    Json(json!({"success": true}))
}

pub async fn home(State(app): State<Cruddur>, Extension(scope): Extension<Scope>) -> Answer {
    let service = &app.service;
    let activities = scope.step(Step::local("home-activities"), async |scope: Scope| {
        query(&scope, HOME, service.pause(4.0, 30.0), ACTIVITIES.len()).await?;
        scope.annotate("cruddur.activities.count", ACTIVITIES.len() as i64);
        tokio::time::sleep(service.pause(1.0, 5.0)).await;
        Ok(ACTIVITIES.iter().map(post).collect::<Vec<_>>())
    });
    Ok(Json(json!(activities.await.at("cruddur::home")?)))
}

pub async fn notifications(State(app): State<Cruddur>, Extension(scope): Extension<Scope>) -> Answer {
    let handle = signed_in(&scope).handle;
    let call = Call {
        service: notifications::NAME,
        address: app.notifications,
        template: notifications::ROUTE,
        path_and_query: &format!("{}?handle={handle}", notifications::ROUTE),
        timeout: scope.request.running.release.notifications_timeout,
        timeout_error: "NotificationsTimeout",
    };
    let answer = get(&scope, &app.service.http, call).await.at("cruddur::notifications")?;
    Ok(Json(answer))
}

pub async fn profile(State(app): State<Cruddur>, Extension(scope): Extension<Scope>, Path(handle): Path<String>) -> Answer {
    let Some(handle) = handle.strip_prefix('@') else {
        return Ok(Json(json!({"success": false})));
    };
    scope.annotate("cruddur.profile.handle", handle);
    let user = find_user(&app.service, &scope, handle).await.at("cruddur::profile")?;
    let posts: Vec<Value> = activities_of(user.handle).map(post).collect();
    query(&scope, POSTS_OF_USER, app.service.pause(3.0, 22.0), posts.len()).await.at("cruddur::profile")?;
    Ok(Json(json!({"handle": user.handle, "display_name": user.display_name, "activities": posts})))
}

/// Looks a handle up and trusts that it is there.
async fn find_user(service: &Service, scope: &Scope, handle: &str) -> Result<&'static User, AppError> {
    let found = user_by_handle(handle);
    query(scope, USER, service.pause(1.0, 8.0), usize::from(found.is_some())).await?;
    found.ok_or_else(|| {
        AppError::new("UnknownHandle", StatusCode::INTERNAL_SERVER_ERROR, format!("'{handle}'"), "cruddur::find_user")
    })
}

#[derive(Deserialize)]
pub struct SearchParams {
    #[serde(default)]
    term: String,
}

pub async fn search(
    State(app): State<Cruddur>,
    Extension(scope): Extension<Scope>,
    UrlQuery(params): UrlQuery<SearchParams>,
) -> Result<(StatusCode, Json<Value>), AppError> {
    if params.term.trim().is_empty() {
        scope.log(Severity::Info, None, "search without a term refused", Vec::new());
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(json!(["search_term_blank"]))));
    }
    scope.annotate("cruddur.search.term", params.term.as_str());
    let started = Instant::now();
    let call = Call {
        service: search::NAME,
        address: app.search,
        template: search::ROUTE,
        path_and_query: &format!("{}?term={}", search::ROUTE, url_encoded(&params.term)),
        timeout: SEARCH_TIMEOUT,
        timeout_error: "SearchTimeout",
    };
    let found = get(&scope, &app.service.http, call).await.at("cruddur::search")?;
    let took = started.elapsed();
    if took >= SEARCH_TOO_SLOW {
        let extra = Map::from_iter([
            ("term".to_owned(), params.term.as_str().into()),
            ("duration_ms".to_owned(), (took.as_millis() as u64).into()),
        ]);
        scope.log_json("WARN", "cruddur.search", "search took too long", extra.clone());
        scope.notify("warning", "search took too long", extra);
    }
    Ok((StatusCode::OK, Json(found)))
}

/// The inbox: one query for the conversations, and then one more for each of them.
pub async fn message_groups(State(app): State<Cruddur>, Extension(scope): Extension<Scope>) -> Answer {
    let service = &app.service;
    let user = signed_in(&scope);
    let groups = user.message_groups as usize;
    query(&scope, GROUPS, service.pause(2.0, 12.0), groups).await.at("cruddur::message_groups")?;
    scope.annotate("cruddur.message_groups.count", i64::from(user.message_groups));
    let mut conversations = Vec::with_capacity(groups);
    for other in USERS.iter().cycle().filter(|other| other.handle != user.handle).take(groups) {
        query(&scope, LAST_MESSAGE, service.pause(3.0, 14.0), 1).await.at("cruddur::message_groups")?;
        conversations.push(json!({"handle": other.handle, "display_name": other.display_name}));
    }
    Ok(Json(json!(conversations)))
}

pub async fn messages(State(app): State<Cruddur>, Extension(scope): Extension<Scope>, Path(handle): Path<String>) -> Answer {
    let handle = handle.trim_start_matches('@');
    let other = find_user(&app.service, &scope, handle).await.at("cruddur::messages")?;
    query(&scope, MESSAGES, app.service.pause(4.0, 26.0), 12).await.at("cruddur::messages")?;
    let messages: Vec<Value> = activities_of(other.handle).map(post).collect();
    Ok(Json(json!({"with": other.handle, "messages": messages})))
}

#[derive(Deserialize)]
pub struct NewActivity {
    message: String,
}

pub async fn create_activity(
    State(app): State<Cruddur>,
    Extension(scope): Extension<Scope>,
    Json(new): Json<NewActivity>,
) -> Result<(StatusCode, Json<Value>), AppError> {
    let user = signed_in(&scope);
    let length = new.message.chars().count();
    scope.annotate("cruddur.message.length", length as i64);
    if new.message.trim().is_empty() {
        scope.notify("warning", "somebody tried to post nothing", Map::new());
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(json!(["message_blank"]))));
    }
    let service = &app.service;
    let inserted = scope.step(Step::local("create-activity"), async |scope: Scope| {
        insert_activity(service, &scope, length).await.at("cruddur::create_activity")
    });
    inserted.await.at("cruddur::create_activity")?;

    scope.request.running.otel.metrics.activities_created.add(1, &[KeyValue::new("cruddur.message.kind", "post")]);
    let uuid = uuid::Uuid::new_v4().to_string();
    let fields = Map::from_iter([
        ("activity_uuid".to_owned(), uuid.as_str().into()),
        ("user_handle".to_owned(), user.handle.into()),
        ("length".to_owned(), length.into()),
    ]);
    scope.log_json("INFO", "cruddur.activities", "activity created", fields);
    let event = vec![("cruddur.activity.uuid", uuid.clone().into()), ("user.name", user.handle.into())];
    scope.log(Severity::Info, Some("cruddur.activity.created"), format!("{} wrote {length} characters", user.handle), event);
    Ok((StatusCode::CREATED, Json(json!({"uuid": uuid, "handle": user.handle, "message": new.message}))))
}

/// The table has a check constraint, and nobody looked at it before.
async fn insert_activity(service: &Service, scope: &Scope, length: usize) -> Result<usize, AppError> {
    let longest = scope.request.running.release.message_length_max;
    if length <= longest {
        return query(scope, INSERT, service.pause(3.0, 18.0), 1).await;
    }
    let message = format!("message too long: {length} characters, at most {longest}");
    let error = AppError::new("ActivityRejected", StatusCode::INTERNAL_SERVER_ERROR, message, "cruddur::insert_activity");
    failing_query(scope, INSERT, service.pause(2.0, 6.0), error).await
}

fn post(activity: &Activity) -> Value {
    json!({"handle": activity.handle, "message": activity.message, "likes_count": activity.likes, "replies_count": activity.replies})
}

/// Who asks; visitors see what the first user sees.
fn signed_in(scope: &Scope) -> &'static User {
    scope.request.user.unwrap_or(&USERS[0])
}

fn url_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}
