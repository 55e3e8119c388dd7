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

use super::call::{ALL, Page, body, new_id, object, query, slug, text_within, told};
use super::documents;
use crate::Services;

const ENVIRONMENT: &str = "environment";
const API_KEY: &str = "api_key";

const MARKER: &str = "marker";

const JSON_API: &str = "application/vnd.api+json";

/// What an environment can be drawn in.
const COLOURS: [&str; 10] =
    ["blue", "green", "gold", "red", "purple", "lightBlue", "lightGreen", "lightGold", "lightRed", "lightPurple"];

type Answer<T> = Result<T, Fault>;

/// A refusal in JSON:API's form.
pub struct Fault {
    status: StatusCode,
    code: String,
    message: String,
    /// Where in the body it is, as a JSON pointer.
    pointer: Option<String>,
}

fn fault(status: StatusCode, code: &str, message: impl Into<String>) -> Fault {
    Fault { status, code: code.to_owned(), message: message.into(), pointer: None }
}

/// A member of the body that is wrong.
fn wrong(pointer: &str, code: &str, message: impl Into<String>) -> Fault {
    Fault { pointer: Some(pointer.to_owned()), ..fault(StatusCode::UNPROCESSABLE_ENTITY, code, message) }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = self.status.as_u16().to_string();
        // Of a single error clients show the title alone.
        let mut error =
            json!({ "id": new_id(), "status": status, "code": self.code, "title": self.message, "detail": self.message });
        if let Some(pointer) = self.pointer {
            error["source"] = json!({ "pointer": pointer });
        }
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
        let of_status = if failure.status == StatusCode::NOT_FOUND { "not_found" } else { "invalid" };
        match failure.wrong_member() {
            Some((member, code)) => wrong(&format!("/data/attributes/{member}"), code, failure.message()),
            None => fault(failure.status, of_status, failure.message()),
        }
    }
}

fn answer(status: StatusCode, body: Value) -> Response {
    (status, [(header::CONTENT_TYPE, JSON_API)], body.to_string()).into_response()
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
        .route("/2/teams/{team}/enhance_indexer_usage", post(usage))
        .route("/2/{*rest}", any(unknown))
        .route("/2/teams/{team}/markers", post(create_marker))
        .route("/2/teams/{team}/markers/{id}", axum::routing::patch(change_marker))
}

/// Honeycomb's collectors that it manages: there are none.
async fn pipelines(headers: HeaderMap) -> Answer<Response> {
    keyed(&headers)?;
    Ok(answer(StatusCode::OK, json!({ "data": [], "links": { "next": null } })))
}

/// What an indexer used is nothing that is paid for here.
async fn usage(request: Request) -> Answer<StatusCode> {
    data("enhance_indexer_usage", request).await?;
    Ok(StatusCode::NO_CONTENT)
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
        _ => ("markers", &["message", "type", "url", "start_time", "end_time", "color"]),
    }
}

fn resource(kind: &str, document: &HoneycombDocument) -> Value {
    resource_of(kind, document, &told(document))
}

/// A resource out of a document, of which this is known.
fn resource_of(kind: &str, document: &HoneycombDocument, kept: &Value) -> Value {
    let (r#type, members) = shape(kind);
    let mut attributes: Map<String, Value> =
        members.iter().filter_map(|member| Some(((*member).to_owned(), kept.get(*member)?.clone()))).collect();
    let mut resource = json!({ "id": document.id, "type": r#type });
    if kind != ENVIRONMENT {
        attributes.insert("timestamps".into(), json!({ "created": kept["created_at"], "updated": kept["updated_at"] }));
        let environment = kept["environment"].as_str().unwrap_or("cupola");
        resource["relationships"]["environment"] = json!({ "data": { "type": "environments", "id": environment } });
    }
    if kind == MARKER && document.scope != ALL {
        resource["relationships"]["dataset"] = json!({ "data": { "type": "datasets", "id": document.scope } });
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
struct Filter {
    /// Of keys: `ingest` or `configuration`.
    #[serde(rename = "filter[type]")]
    r#type: Option<String>,
}

async fn list(services: &Services, kind: &str, uri: &Uri, headers: &HeaderMap) -> Answer<Response> {
    keyed(headers)?;
    let page = Page::of(uri).map_err(|message| fault(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message))?;
    let mut all = all(services, kind).await?;
    let mut path = uri.path().to_owned();
    if let Some(wanted) = query::<Filter>(uri).r#type.filter(|_| kind == API_KEY) {
        all.retain(|document| told(document)["key_type"] == wanted.as_str());
        path += &format!("?filter%5Btype%5D={wanted}");
    }
    let (range, next) = page.within(all.len(), &path);
    let data: Vec<Value> = all[range].iter().map(|document| resource(kind, document)).collect();
    Ok(answer(StatusCode::OK, json!({ "data": data, "links": { "next": next } })))
}

async fn find(services: &Services, kind: &str, id: &str, headers: &HeaderMap) -> Answer<HoneycombDocument> {
    keyed(headers)?;
    let found = all(services, kind).await?.into_iter().find(|one| one.id == id);
    found.ok_or_else(|| fault(StatusCode::NOT_FOUND, "not_found", format!("there is no {} {id}", kind.replace('_', " "))))
}

/// A body's resource, which has to be of this type.
async fn data(r#type: &str, request: Request) -> Answer<Value> {
    keyed(request.headers())?;
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.starts_with(JSON_API) {
        let message = format!("content-type: must be {JSON_API}");
        return Err(fault(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid", message));
    }
    let (_, mut value) = body(request).await?;
    if value["data"]["type"] != r#type {
        return Err(wrong("/data/type", "invalid", format!("type: must be {type}")));
    }
    Ok(value["data"].take())
}

/// The attributes of a body's resource, and the resource.
async fn attributes(kind: &str, request: Request) -> Answer<(Map<String, Value>, Value)> {
    let mut data = data(shape(kind).0, request).await?;
    Ok((object(data["attributes"].take())?, data))
}

/// A text that has to be there.
fn text<'a>(asked: &'a Map<String, Value>, member: &str, chars_max: usize) -> Answer<&'a str> {
    match text_within(asked, member, chars_max)?.trim() {
        "" => Err(wrong(&format!("/data/attributes/{member}"), "missing", format!("{member}: cannot be blank"))),
        text => Ok(text),
    }
}

fn colour(asked: &Map<String, Value>) -> Answer<()> {
    match asked.get("color").filter(|colour| !colour.is_null()) {
        Some(colour) if !colour.as_str().is_some_and(|colour| COLOURS.contains(&colour)) => {
            let message = format!("color: must be one of {}", COLOURS.join(" "));
            Err(wrong("/data/attributes/color", "invalid", message))
        }
        _ => Ok(()),
    }
}

async fn create_environment(State(services): State<Services>, request: Request) -> Answer<Response> {
    let (asked, _) = attributes(ENVIRONMENT, request).await?;
    let name = text(&asked, "name", 255)?;
    colour(&asked)?;
    if all(&services, ENVIRONMENT).await?.iter().any(|one| told(one)["slug"] == slug(name).as_str()) {
        return Err(fault(StatusCode::CONFLICT, "already_exists", format!("an environment is called {name:?} already")));
    }
    let document = json!({
        "name": name,
        "slug": slug(name),
        "description": text_within(&asked, "description", 255)?,
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
    colour(&asked)?;
    text_within(&asked, "description", 255)?;
    let known = changed(&services, &known, asked, &["description", "color", "settings"]).await?;
    Ok(one(ENVIRONMENT, &known))
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
    let name = text(&asked, "name", 100)?;
    let key_type = text(&asked, "key_type", 100)?;
    let prefix = match key_type {
        "ingest" => "hcxik_01",
        "configuration" => "hcxlk_01",
        _ => return Err(wrong("/data/attributes/key_type", "invalid", "key_type: must be ingest or configuration")),
    };
    let environment = data["relationships"]["environment"]["data"]["id"].as_str().unwrap_or("cupola").to_owned();
    if all(&services, ENVIRONMENT).await?.iter().all(|one| one.id != environment) {
        let message = format!("there is no environment {environment}");
        return Err(wrong("/data/relationships/environment", "invalid", message));
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
    text_within(&asked, "name", 100)?;
    let known = changed(&services, &known, asked, &["name", "disabled", "permissions"]).await?;
    Ok(one(API_KEY, &known))
}

/// A document with those of the members changed that are given.
async fn changed(
    services: &Services,
    known: &HoneycombDocument,
    mut asked: Map<String, Value>,
    members: &[&str],
) -> Answer<HoneycombDocument> {
    let mut document: Value = serde_json::from_str(&known.document).unwrap_or_else(|_| json!({}));
    for member in members {
        if let Some(value) = asked.remove(*member).filter(|value| !value.is_null()) {
            document[*member] = value;
        }
    }
    services.honeycomb_put(&known.kind, &known.scope, &known.id, &document).await?;
    let found = services.metastore.honeycomb_document(&services.settings.project, &known.kind, &known.id).await?;
    Ok(found.unwrap_or_else(|| known.clone()))
}

/// A marker of the dataset that it is related to, else of all; `/1/markers` tells it too.
async fn create_marker(State(services): State<Services>, request: Request) -> Answer<Response> {
    let (mut asked, data) = attributes(MARKER, request).await?;
    documents::complete_marker(&mut asked)?;
    let scope = match data["relationships"]["dataset"]["data"]["id"].as_str() {
        None | Some(ALL) => ALL.to_owned(),
        Some(dataset) => services.honeycomb_dataset(dataset).await.map(|_| slug(dataset))?,
    };
    let made = services.honeycomb_put(MARKER, &scope, &new_id(), &Value::Object(asked)).await?;
    marker(&services, StatusCode::CREATED, &made).await
}

async fn change_marker(
    State(services): State<Services>,
    Path((_, id)): Path<(String, String)>,
    request: Request,
) -> Answer<Response> {
    let (asked, _) = attributes(MARKER, request).await?;
    let known = services.metastore.honeycomb_document(&services.settings.project, MARKER, &id).await?;
    let known = known.ok_or_else(|| fault(StatusCode::NOT_FOUND, "not_found", format!("there is no marker {id}")))?;
    let known = changed(&services, &known, asked, &["message", "type", "url", "start_time", "end_time"]).await?;
    marker(&services, StatusCode::OK, &known).await
}

async fn marker(services: &Services, status: StatusCode, document: &HoneycombDocument) -> Answer<Response> {
    let told = documents::marker(services, document).await?;
    Ok(answer(status, json!({ "data": resource_of(MARKER, document, &told) })))
}
