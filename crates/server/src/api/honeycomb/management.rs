//! `/2/teams/{team}/environments`, `…/api-keys` and `…/markers`, as JSON:API tells them.
//!
//! Quirks:  there is one environment whose rows these are, `cupola`; further ones are kept as people write them. Any key is
//!          welcome while none are configured, so that keys made here open nothing that is closed

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use http::{HeaderMap, StatusCode, Uri, header};
use metastore::HoneycombDocument;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::call::{ALL, body, new_id, object, query, slug, told};
use crate::{Services, now_unix_nano};

const ENVIRONMENT: &str = "environment";
const API_KEY: &str = "api_key";

/// Items of one page: Honeycomb's bounds.
const PAGE_DEFAULT: usize = 20;
const PAGE_MAX: usize = 100;

type Answer<T> = Result<T, Fault>;

/// A refusal in JSON:API's form.
pub struct Fault {
    status: StatusCode,
    code: &'static str,
    message: String,
}

fn fault(status: StatusCode, code: &'static str, message: impl Into<String>) -> Fault {
    Fault { status, code, message: message.into() }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or_default();
        let status = self.status.as_u16().to_string();
        let error = json!({ "id": new_id(), "status": status, "code": self.code, "title": title, "detail": self.message });
        answer(self.status, json!({ "errors": [error] }))
    }
}

impl From<metastore::MetastoreError> for Fault {
    fn from(error: metastore::MetastoreError) -> Fault {
        fault(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string())
    }
}

impl From<super::Failure> for Fault {
    fn from(failure: super::Failure) -> Fault {
        let code = if failure.status == StatusCode::NOT_FOUND { "not_found" } else { "invalid" };
        fault(failure.status, code, failure.message())
    }
}

fn answer(status: StatusCode, body: Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/vnd.api+json")], body.to_string()).into_response()
}

pub fn router() -> Router<Services> {
    let environments = get(|services: State<Services>, uri: Uri, headers: HeaderMap| async move {
        list(&services, ENVIRONMENT, &uri, &headers).await
    })
    .post(create_environment);
    let environment = get(|services: State<Services>, Path((_, id)): Path<(String, String)>, headers: HeaderMap| async move {
        Ok::<_, Fault>(one(ENVIRONMENT, &find(&services, ENVIRONMENT, &id, &headers).await?))
    })
    .patch(change_environment)
    .delete(remove_environment);
    let keys = get(|services: State<Services>, uri: Uri, headers: HeaderMap| async move {
        list(&services, API_KEY, &uri, &headers).await
    })
    .post(create_key);
    let key = get(|services: State<Services>, Path((_, id)): Path<(String, String)>, headers: HeaderMap| async move {
        Ok::<_, Fault>(one(API_KEY, &find(&services, API_KEY, &id, &headers).await?))
    })
    .patch(change_key)
    .delete(|services: State<Services>, Path((_, id)): Path<(String, String)>, headers: HeaderMap| async move {
        find(&services, API_KEY, &id, &headers).await?;
        services.metastore.delete_honeycomb_document(&services.settings.project, API_KEY, &id).await?;
        Ok::<_, Fault>(StatusCode::NO_CONTENT)
    });
    Router::new()
        .route("/2/teams/{team}/environments", environments)
        .route("/2/teams/{team}/environments/{id}", environment)
        .route("/2/teams/{team}/api-keys", keys)
        .route("/2/teams/{team}/api-keys/{id}", key)
        .route("/2/teams/{team}/pipelines", get(pipelines))
        .route("/2/{*rest}", any(unknown))
        .route("/2/teams/{team}/markers", post(create_marker))
        .route("/2/teams/{team}/markers/{id}", axum::routing::patch(change_marker))
}

/// Honeycomb's collectors that it manages: there are none.
async fn pipelines(headers: HeaderMap) -> Answer<Response> {
    keyed(&headers)?;
    Ok(answer(StatusCode::OK, json!({ "data": [], "links": { "next": null } })))
}

async fn unknown(request: Request) -> Fault {
    fault(StatusCode::NOT_FOUND, "not_found", format!("there is nothing at {} {}", request.method(), request.uri().path()))
}

/// A management key is `id:secret`.
fn keyed(headers: &HeaderMap) -> Answer<()> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = authorization.strip_prefix("Bearer ").and_then(|key| key.trim().split_once(':'));
    key.map(|_| ()).ok_or_else(|| fault(StatusCode::UNAUTHORIZED, "unauthenticated", "unknown API key"))
}

/// The resource's type in JSON:API, and the members that are its attributes.
fn shape(kind: &str) -> (&'static str, &'static [&'static str]) {
    match kind {
        ENVIRONMENT => ("environments", &["name", "slug", "description", "color", "settings"]),
        API_KEY => ("api-keys", &["name", "key_type", "disabled", "permissions"]),
        _ => ("markers", &["message", "type", "url", "start_time", "end_time"]),
    }
}

fn resource(kind: &str, document: &HoneycombDocument) -> Value {
    let kept = told(document);
    let (r#type, members) = shape(kind);
    let mut attributes: Map<String, Value> =
        members.iter().filter_map(|member| Some(((*member).to_owned(), kept.get(*member)?.clone()))).collect();
    let mut resource = json!({ "id": document.id, "type": r#type });
    if kind == API_KEY {
        attributes.insert("timestamps".into(), json!({ "created": kept["created_at"], "updated": kept["updated_at"] }));
        let environment = json!({ "data": { "type": "environments", "id": kept["environment"] } });
        resource["relationships"] = json!({ "environment": environment });
    }
    resource["attributes"] = attributes.into();
    resource["links"] = json!({ "self": format!("/2/teams/cupola/{type}/{}", document.id) });
    resource
}

fn one(kind: &str, document: &HoneycombDocument) -> Response {
    answer(StatusCode::OK, json!({ "data": resource(kind, document) }))
}

/// The environment that all rows are of; it cannot go.
fn own_environment() -> HoneycombDocument {
    let document = json!({
        "name": "Cupola", "slug": "cupola", "description": "", "color": "blue", "settings": { "delete_protected": true },
    });
    HoneycombDocument {
        kind: ENVIRONMENT.into(),
        id: "cupola".into(),
        document: document.to_string(),
        ..HoneycombDocument::default()
    }
}

async fn all(services: &Services, kind: &str) -> Answer<Vec<HoneycombDocument>> {
    let mut all = services.metastore.honeycomb_documents(&services.settings.project, kind, None).await?;
    if kind == ENVIRONMENT && all.iter().all(|one| one.id != "cupola") {
        all.insert(0, own_environment());
    }
    Ok(all)
}

#[derive(Default, Deserialize)]
struct Page {
    #[serde(rename = "page[size]")]
    size: Option<usize>,
    #[serde(rename = "page[after]")]
    after: Option<String>,
}

async fn list(services: &Services, kind: &str, uri: &Uri, headers: &HeaderMap) -> Answer<Response> {
    keyed(headers)?;
    let page: Page = query(uri);
    let size = page.size.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&size) {
        let message = format!("page[size]: must be between 1 and {PAGE_MAX}");
        return Err(fault(StatusCode::BAD_REQUEST, "invalid", message));
    }
    let all = all(services, kind).await?;
    let from = page.after.and_then(|after| after.parse().ok()).unwrap_or(0_usize).min(all.len());
    let to = (from + size).min(all.len());
    let next = (to < all.len()).then(|| format!("{}?page%5Bsize%5D={size}&page%5Bafter%5D={to}", uri.path()));
    let data: Vec<Value> = all[from..to].iter().map(|document| resource(kind, document)).collect();
    Ok(answer(StatusCode::OK, json!({ "data": data, "links": { "next": next } })))
}

async fn find(services: &Services, kind: &str, id: &str, headers: &HeaderMap) -> Answer<HoneycombDocument> {
    keyed(headers)?;
    let found = all(services, kind).await?.into_iter().find(|one| one.id == id);
    found.ok_or_else(|| fault(StatusCode::NOT_FOUND, "not_found", format!("there is no {} {id}", kind.replace('_', " "))))
}

/// The attributes of a body's resource, which has to be of this type; and the resource.
async fn attributes(kind: &str, request: Request) -> Answer<(Map<String, Value>, Value)> {
    keyed(request.headers())?;
    let (_, mut value) = body(request).await?;
    let (r#type, _) = shape(kind);
    if value["data"]["type"] != r#type {
        return Err(fault(StatusCode::CONFLICT, "invalid", format!("data.type: must be {type}")));
    }
    let asked = object(value["data"]["attributes"].take())?;
    Ok((asked, value["data"].take()))
}

fn text<'a>(asked: &'a Map<String, Value>, member: &str) -> Answer<&'a str> {
    let found = asked.get(member).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let missing = || fault(StatusCode::UNPROCESSABLE_ENTITY, "missing", format!("{member}: cannot be blank"));
    found.ok_or_else(missing)
}

async fn create_environment(State(services): State<Services>, request: Request) -> Answer<Response> {
    let (asked, _) = attributes(ENVIRONMENT, request).await?;
    let name = text(&asked, "name")?;
    if all(&services, ENVIRONMENT).await?.iter().any(|one| told(one)["slug"] == slug(name).as_str()) {
        return Err(fault(StatusCode::CONFLICT, "already_exists", format!("an environment is called {name:?} already")));
    }
    let document = json!({
        "name": name,
        "slug": slug(name),
        "description": asked.get("description").and_then(Value::as_str).unwrap_or_default(),
        "color": asked.get("color").and_then(Value::as_str).unwrap_or("blue"),
        "settings": { "delete_protected": true },
    });
    let made = services.honeycomb_put(ENVIRONMENT, "", &new_id(), &document).await?;
    Ok(answer(StatusCode::CREATED, json!({ "data": resource(ENVIRONMENT, &made) })))
}

async fn change_environment(
    State(services): State<Services>,
    Path((_, id)): Path<(String, String)>,
    request: Request,
) -> Answer<Response> {
    let known = find(&services, ENVIRONMENT, &id, request.headers()).await?;
    let (asked, _) = attributes(ENVIRONMENT, request).await?;
    changed(&services, ENVIRONMENT, &known, asked, &["description", "color", "settings"]).await
}

async fn remove_environment(
    State(services): State<Services>,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    let known = find(&services, ENVIRONMENT, &id, &headers).await?;
    if id == "cupola" || told(&known)["settings"]["delete_protected"] != false {
        return Err(fault(StatusCode::CONFLICT, "conflict", "the environment is delete protected"));
    }
    services.metastore.delete_honeycomb_document(&services.settings.project, ENVIRONMENT, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The secret is told once, here.
async fn create_key(State(services): State<Services>, request: Request) -> Answer<Response> {
    let (asked, data) = attributes(API_KEY, request).await?;
    let name = text(&asked, "name")?;
    let key_type = text(&asked, "key_type")?;
    let prefix = match key_type {
        "ingest" => "hcxik_01",
        "configuration" => "hcxlk_01",
        _ => return Err(fault(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "key_type: must be ingest or configuration")),
    };
    let environment = data["relationships"]["environment"]["data"]["id"].as_str().unwrap_or("cupola").to_owned();
    if all(&services, ENVIRONMENT).await?.iter().all(|one| one.id != environment) {
        return Err(fault(StatusCode::UNPROCESSABLE_ENTITY, "invalid", format!("there is no environment {environment}")));
    }
    let document = json!({
        "name": name,
        "key_type": key_type,
        "disabled": asked.get("disabled").and_then(Value::as_bool).unwrap_or(false),
        "permissions": asked.get("permissions").cloned().unwrap_or_else(|| json!({ "create_datasets": false })),
        "environment": environment,
    });
    let made = services.honeycomb_put(API_KEY, "", &format!("{prefix}{}", new_id()), &document).await?;
    let mut told = resource(API_KEY, &made);
    told["attributes"]["secret"] = format!("{}{}", new_id(), new_id()).into();
    Ok(answer(StatusCode::CREATED, json!({ "data": told })))
}

async fn change_key(
    State(services): State<Services>,
    Path((_, id)): Path<(String, String)>,
    request: Request,
) -> Answer<Response> {
    let known = find(&services, API_KEY, &id, request.headers()).await?;
    let (asked, _) = attributes(API_KEY, request).await?;
    changed(&services, API_KEY, &known, asked, &["name", "disabled"]).await
}

async fn changed(
    services: &Services,
    kind: &str,
    known: &HoneycombDocument,
    mut asked: Map<String, Value>,
    members: &[&str],
) -> Answer<Response> {
    let mut document: Value = serde_json::from_str(&known.document).unwrap_or_else(|_| json!({}));
    for member in members {
        if let Some(value) = asked.remove(*member).filter(|value| !value.is_null()) {
            document[*member] = value;
        }
    }
    services.honeycomb_put(kind, &known.scope, &known.id, &document).await?;
    let found = services.metastore.honeycomb_document(&services.settings.project, kind, &known.id).await?;
    Ok(one(kind, &found.unwrap_or_else(|| known.clone())))
}

/// A marker of all datasets, which `/1/markers` tells too.
async fn create_marker(State(services): State<Services>, request: Request) -> Answer<Response> {
    let (asked, _) = attributes("marker", request).await?;
    let mut document = Value::Object(asked);
    if document["start_time"].is_null() {
        document["start_time"] = (now_unix_nano() / 1_000_000_000).into();
    }
    let made = services.honeycomb_put("marker", ALL, &new_id(), &document).await?;
    Ok(answer(StatusCode::CREATED, json!({ "data": resource("marker", &made) })))
}

async fn change_marker(
    State(services): State<Services>,
    Path((_, id)): Path<(String, String)>,
    request: Request,
) -> Answer<Response> {
    let (asked, _) = attributes("marker", request).await?;
    let known = services.metastore.honeycomb_document(&services.settings.project, "marker", &id).await?;
    let known = known.ok_or_else(|| fault(StatusCode::NOT_FOUND, "not_found", format!("there is no marker {id}")))?;
    changed(&services, "marker", &known, asked, &["message", "type", "url", "start_time", "end_time"]).await
}
