//! `/1/datasets`, `/1/columns`, `/1/dataset_definitions`: services are datasets, fields are columns.
//!
//! What rows say cannot be changed here; what people write about it (descriptions, what is hidden) is kept beside it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use engine::ask::honeycomb::HoneycombQuestion;
use http::{StatusCode, Uri};
use languages::honeycomb::{BUILT_IN, QuerySpecification};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_128;

use super::call::{ALL, METRICS, body, id_of, object, query, slug, text_within, time};
use super::failure::{Answer, Failure};
use super::queries::calculated_fields;
use crate::{Services, now_unix_nano};

const SECOND: i64 = 1_000_000_000;

const DATASET: &str = "dataset";
/// The type of a dataset that is not of metrics.
const EVENTS: &str = "events";
const COLUMN: &str = "column";
/// Honeycomb's bound.
const EXPAND_JSON_DEPTH_MAX: i64 = 10;
const DEFINITIONS: &str = "dataset_definitions";

/// Our own columns that are not fields of Honeycomb's.
const NOT_COLUMNS: &[&str] = &[
    "time",
    "received_at",
    "receiver",
    "resource",
    "scope",
    "sample_rate",
    "request_trace_id",
    "request_span_id",
    "source",
    "retention_share",
    "trace_id",
    "span_id",
    "parent_span_id",
    "linked_trace_id",
    "trace_state",
    "kind",
    "duration_ns",
    "in_progress",
    "links",
    "attributes_rest",
    "severity_number",
    "event_name",
];

/// What a histogram is as fields of an event.
const HISTOGRAM_PARTS: &[&str] = &[".avg", ".count", ".max", ".min", ".sum"];

/// Which column means what, and which one is taken while nobody said: the first that is there.
const DEFINED: &[(&str, &[&str])] = &[
    ("span_id", &["trace.span_id"]),
    ("trace_id", &["trace.trace_id"]),
    ("parent_id", &["trace.parent_id"]),
    ("name", &["name"]),
    ("service_name", &["service.name"]),
    ("duration_ms", &["duration_ms"]),
    ("span_kind", &["span.kind"]),
    ("annotation_type", &["meta.annotation_type"]),
    ("link_span_id", &["trace.link.span_id"]),
    ("link_trace_id", &["trace.link.trace_id"]),
    ("error", &["error"]),
    ("status", &["http.status_code", "http.response.status_code"]),
    ("route", &["http.route"]),
    ("user", &["user.id", "enduser.id"]),
    ("log_severity", &["severity"]),
    ("log_message", &["body"]),
];

pub async fn list(State(services): State<Services>) -> Answer<Json<Value>> {
    Ok(Json(all(&services).await?.into_values().collect()))
}

pub async fn one(State(services): State<Services>, Path(dataset): Path<String>) -> Answer<Json<Value>> {
    let mut told = found(&services, &dataset).await?;
    told["regular_columns_count"] = columns_of(&services, &dataset).await?.len().into();
    Ok(Json(told))
}

/// 201 for a new one; 200 for one that is there, which clients read as "exists".
pub async fn create(State(services): State<Services>, request: Request) -> Answer<Response> {
    let (_, value) = body(request).await?;
    let asked = object(value)?;
    let Some(name) = asked.get("name").and_then(Value::as_str).map(str::trim).filter(|name| !name.is_empty()) else {
        return Err(Failure::invalid("name", "missing", "cannot be blank"));
    };
    text_within(&asked, "name", 255)?;
    let slug = slug(name);
    if let Some(known) = all(&services).await?.remove(&slug) {
        return Ok(Json(known).into_response());
    }
    let document = json!({
        "name": name,
        "description": text_within(&asked, "description", 1_024)?,
        "expand_json_depth": expand_json_depth(&asked)?.unwrap_or_default(),
        "dataset_type": dataset_type(&asked)?.unwrap_or(EVENTS),
        "settings": { "delete_protected": true },
    });
    services.honeycomb_put(DATASET, "", &slug, &document).await?;
    Ok((StatusCode::CREATED, Json(found(&services, &slug).await?)).into_response())
}

pub async fn change(State(services): State<Services>, Path(dataset): Path<String>, request: Request) -> Answer<Json<Value>> {
    let known = found(&services, &dataset).await?;
    let (_, value) = body(request).await?;
    let asked = object(value)?;
    text_within(&asked, "description", 1_024)?;
    expand_json_depth(&asked)?;
    let known_type = known["dataset_type"].as_str().unwrap_or(EVENTS);
    let mut document = json!({ "name": known["name"], "dataset_type": dataset_type(&asked)?.unwrap_or(known_type) });
    for member in ["description", "expand_json_depth", "settings"] {
        document[member] = asked.get(member).unwrap_or(&known[member]).clone();
    }
    services.honeycomb_put(DATASET, "", &slug(&dataset), &document).await?;
    Ok(Json(found(&services, &dataset).await?))
}

/// Levels of nested objects that become fields of their own.
fn expand_json_depth(asked: &Map<String, Value>) -> Answer<Option<i64>> {
    match asked.get("expand_json_depth") {
        None | Some(Value::Null) => Ok(None),
        Some(depth) => match depth.as_i64().filter(|depth| (0..=EXPAND_JSON_DEPTH_MAX).contains(depth)) {
            Some(depth) => Ok(Some(depth)),
            None => {
                let message = format!("expand_json_depth: must be between 0 and {EXPAND_JSON_DEPTH_MAX}");
                Err(Failure::invalid("expand_json_depth", "invalid", message))
            }
        },
    }
}

/// What the dataset's points are: events with metrics as fields, or of series.
fn dataset_type(asked: &Map<String, Value>) -> Answer<Option<&str>> {
    match asked.get("dataset_type") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) if [EVENTS, METRICS].contains(&name.as_str()) => Ok(Some(name)),
        Some(_) => Err(Failure::invalid("dataset_type", "invalid", "dataset_type: must be events or metrics")),
    }
}

/// What people wrote of it goes; rows are deleted by retention and `/api/deletions` alone.
pub async fn remove(State(services): State<Services>, Path(dataset): Path<String>) -> Answer<Response> {
    let known = found(&services, &dataset).await?;
    if known["settings"]["delete_protected"] != json!(false) {
        return Err(Failure::conflict("dataset is delete protected"));
    }
    let project = &services.settings.project;
    services.metastore.delete_honeycomb_document(project, DATASET, &slug(&dataset)).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

async fn found(services: &Services, dataset: &str) -> Answer<Value> {
    all(services).await?.remove(&slug(dataset)).ok_or_else(|| Failure::not_found("Dataset not found"))
}

/// By slug: services with rows, and what was made and has none yet.
async fn all(services: &Services) -> Answer<BTreeMap<String, Value>> {
    let mut datasets = BTreeMap::new();
    for dataset in services.asker.honeycomb_datasets().await? {
        let slug = slug(&dataset.name);
        let told = json!({
            "name": dataset.name,
            "description": "",
            "slug": slug,
            "expand_json_depth": 0,
            "created_at": time(dataset.first_unix_nano),
            "last_written_at": time(dataset.last_unix_nano),
            "regular_columns_count": null,
            "dataset_type": EVENTS,
            "settings": { "delete_protected": true },
        });
        datasets.insert(slug, told);
    }
    for document in services.metastore.honeycomb_documents(&services.settings.project, DATASET, None).await? {
        let Ok(Value::Object(written)) = serde_json::from_str(&document.document) else { continue };
        let told = datasets.entry(document.id.clone()).or_insert_with(|| {
            json!({
                "slug": document.id,
                "created_at": time(document.created_at_unix_nano),
                "last_written_at": null,
                "regular_columns_count": null,
            })
        });
        for (member, value) in written {
            told[member] = value;
        }
    }
    Ok(datasets)
}

#[derive(Default, Deserialize)]
struct ColumnsAsked {
    key_name: Option<String>,
}

/// All columns, or the one that `key_name` names.
pub async fn columns(State(services): State<Services>, Path(dataset): Path<String>, uri: Uri) -> Answer<Json<Value>> {
    let columns = columns_of(&services, &dataset).await?;
    match query::<ColumnsAsked>(&uri).key_name {
        None => Ok(Json(columns.into_values().collect())),
        Some(name) => {
            let mut columns = columns.into_values();
            let found = columns.find(|column| column["key_name"] == name.as_str());
            Ok(Json(with_last_written(&services, &dataset, found).await?))
        }
    }
}

pub async fn column(State(services): State<Services>, Path((dataset, id)): Path<(String, String)>) -> Answer<Json<Value>> {
    let found = columns_of(&services, &dataset).await?.remove(&id);
    Ok(Json(with_last_written(&services, &dataset, found).await?))
}

/// A column with the time of the newest row that has it. Of one column: for all of them every row would be read.
async fn with_last_written(services: &Services, dataset: &str, column: Option<Value>) -> Answer<Value> {
    let mut column = column.ok_or_else(|| Failure::not_found("Column not found"))?;
    let specification = json!({
        "calculated_fields": [{ "name": "written_at", "expression": "EVENT_TIMESTAMP()" }],
        "calculations": [{ "op": "MAX", "column": "written_at" }],
        "filters": [{ "column": column["key_name"], "op": "exists" }],
        "start_time": 0,
    });
    let question = HoneycombQuestion {
        dataset: services.honeycomb_dataset(dataset).await?,
        calculated_fields: calculated_fields(services, dataset).await?,
        with_series: false,
        with_total: false,
        with_other: false,
        ..HoneycombQuestion::new(QuerySpecification::from_json(&specification)?, now_unix_nano() / SECOND + 1)
    };
    let answer = services.asker.honeycomb(&question).await?;
    let newest = answer.results.first().and_then(|cells| cells.get("MAX(written_at)")?.as_f64());
    if let Some(seconds) = newest {
        column["last_written"] = time((seconds * 1e3) as i64 * 1_000_000).into();
    }
    Ok(column)
}

pub async fn create_column(State(services): State<Services>, Path(dataset): Path<String>, request: Request) -> Answer<Response> {
    let columns = columns_of(&services, &dataset).await?;
    let (_, value) = body(request).await?;
    let asked = object(value)?;
    let Some(name) = asked.get("key_name").and_then(Value::as_str).filter(|name| !name.is_empty()) else {
        return Err(Failure::invalid("key_name", "missing", "cannot be blank"));
    };
    let id = column_id(&dataset, name);
    if columns.contains_key(&id) {
        return Err(Failure::conflict(format!("column {name:?} already exists")));
    }
    services.honeycomb_put(COLUMN, &slug(&dataset), &id, &written(&asked, name)?).await?;
    let made = columns_of(&services, &dataset).await?.remove(&id).unwrap_or_default();
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

pub async fn change_column(
    State(services): State<Services>,
    Path((dataset, id)): Path<(String, String)>,
    request: Request,
) -> Answer<Json<Value>> {
    let known = columns_of(&services, &dataset).await?.remove(&id);
    let known = object(known.ok_or_else(|| Failure::not_found("Column not found"))?)?;
    let (_, value) = body(request).await?;
    let mut merged = known.clone();
    merged.extend(object(value)?);
    let name = known.get("key_name").and_then(Value::as_str).unwrap_or_default();
    services.honeycomb_put(COLUMN, &slug(&dataset), &id, &written(&merged, name)?).await?;
    let changed = columns_of(&services, &dataset).await?.remove(&id);
    Ok(Json(with_last_written(&services, &dataset, changed).await?))
}

/// What people wrote of it goes; a column that rows have stays.
pub async fn remove_column(State(services): State<Services>, Path((dataset, id)): Path<(String, String)>) -> Answer<StatusCode> {
    if !columns_of(&services, &dataset).await?.contains_key(&id) {
        return Err(Failure::not_found("Column not found"));
    }
    services.metastore.delete_honeycomb_document(&services.settings.project, COLUMN, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What people may write of a column.
fn written(asked: &Map<String, Value>, name: &str) -> Answer<Value> {
    let r#type = asked.get("type").and_then(Value::as_str).unwrap_or("string");
    if !["string", "float", "integer", "boolean"].contains(&r#type) {
        return Err(Failure::invalid("type", "invalid", "type: must be one of string, float, integer, boolean"));
    }
    Ok(json!({
        "key_name": name,
        "type": r#type,
        "description": asked.get("description").and_then(Value::as_str).unwrap_or_default(),
        "hidden": asked.get("hidden").and_then(Value::as_bool).unwrap_or(false),
    }))
}

fn column_id(dataset: &str, name: &str) -> String {
    id_of(xxh3_128(format!("{} {name}", slug(dataset)).as_bytes()))
}

/// By id: fields that every dataset has, attributes, and what was made here.
async fn columns_of(services: &Services, dataset: &str) -> Answer<BTreeMap<String, Value>> {
    let metrics = match services.honeycomb_dataset(dataset).await? {
        Some(name) => services.asker.honeycomb_metrics(&name).await?,
        None => Vec::new(),
    };
    let mut types: BTreeMap<String, &str> = BUILT_IN.iter().map(|(name, r#type)| ((*name).to_owned(), *r#type)).collect();
    let time_series = !metrics.is_empty() && services.honeycomb_time_series(dataset).await?;
    for metric in &metrics {
        // A histogram is several fields of an event, and one series.
        let parts: &[&str] = if metric.is_histogram && !time_series { HISTOGRAM_PARTS } else { &[""] };
        types.extend(parts.iter().map(|part| (format!("{}{part}", metric.name), "float")));
    }
    for attribute in services.asker.attributes(None).await?.attributes {
        let is_left_out = match attribute.signal.as_str() {
            "metrics" => metrics.is_empty() || attribute.fixed,
            _ => attribute.fixed && NOT_COLUMNS.contains(&attribute.key.as_str()),
        };
        if is_left_out {
            continue;
        }
        types.entry(attribute.key).or_insert(match attribute.r#type.as_str() {
            "bool" => "boolean",
            "int64" => "integer",
            "float64" => "float",
            _ => "string",
        });
    }
    let seen = first_seen(services).await?;
    let mut columns = BTreeMap::new();
    for (name, r#type) in types {
        let id = column_id(dataset, &name);
        let mut column = json!({ "id": id, "key_name": name, "type": r#type, "description": "", "hidden": false });
        if let Some(first) = seen.get(&name) {
            column["created_at"] = time(*first).into();
            column["updated_at"] = time(*first).into();
        }
        columns.insert(id, column);
    }
    let scope = slug(dataset);
    for document in services.metastore.honeycomb_documents(&services.settings.project, COLUMN, Some(&scope)).await? {
        let mut column: Value = serde_json::from_str(&document.document).unwrap_or_default();
        column["id"] = document.id.as_str().into();
        column["created_at"] = time(document.created_at_unix_nano).into();
        column["updated_at"] = time(document.changed_at_unix_nano).into();
        columns.insert(document.id, column);
    }
    Ok(columns)
}

/// When the first row came that has an attribute, by its key.
async fn first_seen(services: &Services) -> Answer<BTreeMap<String, i64>> {
    let mut seen = BTreeMap::new();
    for attribute in services.metastore.attributes().await? {
        if attribute.project == services.settings.project {
            let first = seen.entry(attribute.key).or_insert(attribute.first_seen_unix_nano);
            *first = (*first).min(attribute.first_seen_unix_nano);
        }
    }
    Ok(seen)
}

pub async fn definitions(State(services): State<Services>, Path(dataset): Path<String>) -> Answer<Json<Value>> {
    if dataset == ALL {
        return Err(Failure::not_found("Dataset not found"));
    }
    let columns = columns_of(&services, &dataset).await?;
    let calculated = calculated_fields(&services, &dataset).await?;
    let has = |name: &str| columns.values().any(|column| column["key_name"] == name);
    let written = services.honeycomb_get(DEFINITIONS, &slug(&dataset), &slug(&dataset)).await.ok();
    let written: Value = written.and_then(|one| serde_json::from_str(&one.document).ok()).unwrap_or_default();
    let mut told = Map::new();
    for (meaning, defaults) in DEFINED {
        let name = match written[*meaning]["name"].as_str() {
            Some(name) => Some(name),
            None => defaults.iter().copied().find(|name| has(name)),
        };
        if let Some(name) = name {
            let is_calculated = !has(name) && calculated.iter().any(|field| field.name == name);
            let column_type = if is_calculated { "derived_column" } else { "column" };
            told.insert((*meaning).to_owned(), json!({ "name": name, "column_type": column_type }));
        }
    }
    Ok(Json(Value::Object(told)))
}

/// An empty name resets what a meaning stands for.
pub async fn change_definitions(
    State(services): State<Services>,
    Path(dataset): Path<String>,
    request: Request,
) -> Answer<Json<Value>> {
    if dataset == ALL {
        return Err(Failure::not_found("Dataset not found"));
    }
    let columns = columns_of(&services, &dataset).await?;
    let calculated = calculated_fields(&services, &dataset).await?;
    let has = |name: &str| {
        columns.values().any(|column| column["key_name"] == name) || calculated.iter().any(|field| field.name == name)
    };
    let wrong = |message: String| Failure::plain(StatusCode::UNPROCESSABLE_ENTITY, message);
    let scope = slug(&dataset);
    let written = services.honeycomb_get(DEFINITIONS, &scope, &scope).await.ok();
    let written: Option<Value> = written.and_then(|one| serde_json::from_str(&one.document).ok());
    let mut written = object(written.unwrap_or_else(|| json!({})))?;
    let (_, value) = body(request).await?;
    for (meaning, asked) in object(value)? {
        if !DEFINED.iter().any(|(known, _)| *known == meaning) {
            return Err(wrong(format!("{meaning}: unknown field")));
        }
        match asked["name"].as_str() {
            None | Some("") => {
                written.remove(&meaning);
            }
            Some(name) if has(name) => {
                written.insert(meaning, json!({ "name": name }));
            }
            Some(name) => return Err(wrong(format!("{meaning}: no column is called {name:?}"))),
        }
    }
    services.honeycomb_put(DEFINITIONS, &scope, &scope, &Value::Object(written)).await?;
    definitions(State(services), Path(dataset)).await
}
