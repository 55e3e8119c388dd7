//! What people keep beside their rows: calculated fields, query annotations, markers and their colours, boards and their views.
//!
//! They are documents with a few members that are checked; the rest is given back as it came.

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, Uri};
use languages::honeycomb::{FilterOperator, parse_expression};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::call::{ALL, body, new_id, object, query, slug, tags, text_within, told};
use super::failure::{Answer, Failure};
use crate::{Services, now_unix_nano};

/// A kind of document.
struct Kind {
    name: &'static str,
    /// As errors call it.
    title: &'static str,
    /// Members that have to be there, and how many characters they may have.
    required: &'static [(&'static str, usize)],
    /// The member that no two documents of a dataset may share.
    unique: Option<&'static str>,
    /// Whether what is wrong with one is told member by member; else as a plain error.
    has_details: bool,
    /// Whether one that is deleted is told once more.
    told_when_deleted: bool,
    /// Looks at what is particular to the kind, and fills in what was not given.
    complete: fn(&mut Map<String, Value>) -> Answer<()>,
}

const PLAIN: Kind =
    Kind { name: "", title: "", required: &[], unique: None, has_details: true, told_when_deleted: false, complete: |_| Ok(()) };

static DERIVED_COLUMN: Kind = Kind {
    name: "derived_column",
    title: "Derived Column",
    required: &[("alias", 255), ("expression", languages::honeycomb::EXPRESSION_BYTES_MAX)],
    unique: Some("alias"),
    has_details: false,
    complete: complete_derived_column,
    ..PLAIN
};
static ANNOTATION: Kind = Kind {
    name: "query_annotation",
    title: "Query annotation",
    required: &[("name", 320), ("query_id", 64)],
    has_details: false,
    complete: complete_annotation,
    ..PLAIN
};
static MARKER: Kind =
    Kind { name: "marker", title: "Marker", has_details: false, told_when_deleted: true, complete: complete_marker, ..PLAIN };
static MARKER_SETTING: Kind = Kind {
    name: "marker_setting",
    title: "Marker setting",
    required: &[("type", 255), ("color", 16)],
    unique: Some("type"),
    told_when_deleted: true,
    complete: complete_marker_setting,
    ..PLAIN
};
static BOARD: Kind = Kind { name: "board", title: "Board", required: &[("name", 255)], complete: complete_board, ..PLAIN };
static BOARD_VIEW: Kind = Kind {
    name: "board_view",
    title: "Board View",
    required: &[("name", 255)],
    unique: Some("name"),
    complete: complete_board_view,
    ..PLAIN
};

/// Views and preset filters of one board, and characters of a panel of text: Honeycomb's bounds.
const BOARD_VIEWS_MAX: usize = 50;
const PRESET_FILTERS_MAX: usize = 5;
const TEXT_PANEL_CHARS_MAX: usize = 10_000;

pub fn router() -> Router<Services> {
    let of_datasets: [(&str, &'static Kind); 4] = [
        ("/1/derived_columns", &DERIVED_COLUMN),
        ("/1/query_annotations", &ANNOTATION),
        ("/1/markers", &MARKER),
        ("/1/marker_settings", &MARKER_SETTING),
    ];
    let mut router = Router::new();
    for (path, kind) in of_datasets {
        let all = get(move |State(services): State<Services>, Path(dataset): Path<String>, uri: Uri| async move {
            list(&services, kind, &slug_of(&services, &dataset).await?, &uri).await
        })
        .post(move |State(services): State<Services>, Path(dataset): Path<String>, request: Request| async move {
            create(&services, kind, &slug_of(&services, &dataset).await?, request).await
        });
        let one = get(move |State(services): State<Services>, Path((dataset, id)): Path<(String, String)>| async move {
            let found = find(&services, kind, &slug(&dataset), &id).await?;
            Ok::<_, Failure>(Json(shown(&services, kind, &found).await?))
        })
        .put(move |State(services): State<Services>, Path((dataset, id)): Path<(String, String)>, request: Request| async move {
            change(&services, kind, &slug(&dataset), &id, request).await
        })
        .delete(move |State(services): State<Services>, Path((dataset, id)): Path<(String, String)>| async move {
            remove(&services, kind, &slug(&dataset), &id).await
        });
        router = router.route(&format!("{path}/{{dataset}}"), all).route(&format!("{path}/{{dataset}}/{{id}}"), one);
    }
    let boards = get(|State(services): State<Services>, uri: Uri| async move { list(&services, &BOARD, "", &uri).await })
        .post(|State(services): State<Services>, request: Request| async move { create(&services, &BOARD, "", request).await });
    let board = get(|State(services): State<Services>, Path(id): Path<String>| async move {
        let found = find(&services, &BOARD, "", &id).await?;
        Ok::<_, Failure>(Json(shown(&services, &BOARD, &found).await?))
    })
    .put(|State(services): State<Services>, Path(id): Path<String>, request: Request| async move {
        change(&services, &BOARD, "", &id, request).await
    })
    .delete(|State(services): State<Services>, Path(id): Path<String>| async move {
        let project = &services.settings.project;
        for view in services.metastore.honeycomb_documents(project, BOARD_VIEW.name, Some(&id)).await? {
            services.metastore.delete_honeycomb_document(project, BOARD_VIEW.name, &view.id).await?;
        }
        remove(&services, &BOARD, "", &id).await
    });
    let views = get(|State(services): State<Services>, Path(board): Path<String>, uri: Uri| async move {
        find(&services, &BOARD, "", &board).await?;
        list(&services, &BOARD_VIEW, &board, &uri).await
    })
    .post(|State(services): State<Services>, Path(board): Path<String>, request: Request| async move {
        find(&services, &BOARD, "", &board).await?;
        let known = services.metastore.honeycomb_documents(&services.settings.project, BOARD_VIEW.name, Some(&board)).await?;
        if known.len() >= BOARD_VIEWS_MAX {
            return Err(Failure::invalid("name", "invalid", format!("a board has at most {BOARD_VIEWS_MAX} views")));
        }
        create(&services, &BOARD_VIEW, &board, request).await
    });
    let view = get(|State(services): State<Services>, Path((board, id)): Path<(String, String)>| async move {
        Ok::<_, Failure>(Json(told(&find(&services, &BOARD_VIEW, &board, &id).await?)))
    })
    .put(|State(services): State<Services>, Path((board, id)): Path<(String, String)>, request: Request| async move {
        change(&services, &BOARD_VIEW, &board, &id, request).await
    })
    .delete(|State(services): State<Services>, Path((board, id)): Path<(String, String)>| async move {
        remove(&services, &BOARD_VIEW, &board, &id).await
    });
    router = router.route("/1/boards/{id}/views", views).route("/1/boards/{id}/views/{view}", view);
    // Some clients write the slash.
    router.route("/1/boards", boards.clone()).route("/1/boards/", boards).route("/1/boards/{id}", board)
}

/// The slug of a dataset that is there.
async fn slug_of(services: &Services, dataset: &str) -> Answer<String> {
    services.honeycomb_dataset(dataset).await?;
    Ok(slug(dataset))
}

#[derive(Default, Deserialize)]
struct Asked {
    alias: Option<String>,
}

/// All of a dataset; `?alias=` names one calculated field.
async fn list(services: &Services, kind: &Kind, scope: &str, uri: &Uri) -> Answer<Response> {
    let documents = services.metastore.honeycomb_documents(&services.settings.project, kind.name, Some(scope)).await?;
    let mut shown = Vec::with_capacity(documents.len());
    for document in &documents {
        shown.push(self::shown(services, kind, document).await?);
    }
    let mut all = shown.into_iter();
    match query::<Asked>(uri).alias.filter(|_| kind.unique == Some("alias")) {
        None => Ok(Json(all.collect::<Vec<_>>()).into_response()),
        Some(alias) => match all.find(|one| one["alias"] == alias.as_str()) {
            Some(one) => Ok(Json(one).into_response()),
            None => Err(missing(kind)),
        },
    }
}

async fn create(services: &Services, kind: &Kind, scope: &str, request: Request) -> Answer<Response> {
    let (_, value) = body(request).await?;
    let document = checked(services, kind, scope, None, object(value)?).await?;
    let made = services.honeycomb_put(kind.name, scope, &new_id(), &document).await?;
    Ok((StatusCode::CREATED, Json(shown(services, kind, &made).await?)).into_response())
}

async fn change(services: &Services, kind: &Kind, scope: &str, id: &str, request: Request) -> Answer<Json<Value>> {
    let known = find(services, kind, scope, id).await?;
    let (_, value) = body(request).await?;
    let document = checked(services, kind, scope, Some(id), object(value)?).await?;
    if kind.name == ANNOTATION.name {
        let before: Value = serde_json::from_str(&known.document).unwrap_or_default();
        if before["query_id"] != document["query_id"] {
            return Err(Failure::plain(StatusCode::BAD_REQUEST, "query_id: cannot be changed"));
        }
    }
    services.honeycomb_put(kind.name, scope, id, &document).await?;
    Ok(Json(shown(services, kind, &find(services, kind, scope, id).await?).await?))
}

async fn remove(services: &Services, kind: &Kind, scope: &str, id: &str) -> Answer<Response> {
    let gone = shown(services, kind, &find(services, kind, scope, id).await?).await?;
    services.metastore.delete_honeycomb_document(&services.settings.project, kind.name, id).await?;
    Ok(if kind.told_when_deleted { Json(gone).into_response() } else { StatusCode::NO_CONTENT.into_response() })
}

async fn find(services: &Services, kind: &Kind, scope: &str, id: &str) -> Answer<metastore::HoneycombDocument> {
    services.honeycomb_get(kind.name, scope, id).await.map_err(|failure| match failure.status {
        StatusCode::NOT_FOUND => missing(kind),
        _ => failure,
    })
}

/// A document as clients know it: a marker has the colour of its type, a board the address of its page.
async fn shown(services: &Services, kind: &Kind, document: &metastore::HoneycombDocument) -> Answer<Value> {
    let mut value = told(document);
    if kind.name == MARKER.name && value["color"].is_null() {
        let settings = services.metastore.honeycomb_documents(&services.settings.project, MARKER_SETTING.name, None).await?;
        let of_marker = |setting: &&metastore::HoneycombDocument| setting.scope == document.scope || setting.scope == ALL;
        let colour = settings.iter().filter(of_marker).map(told).find(|setting| setting["type"] == value["type"]);
        if let Some(colour) = colour {
            value["color"] = colour["color"].clone();
        }
    }
    if kind.name == BOARD.name {
        for panel in value["panels"].as_array_mut().into_iter().flatten() {
            name_dataset(services, panel).await?;
        }
        value["links"] = json!({ "board_url": format!("http://{}/boards/{}", services.addresses.http, document.id) });
    }
    Ok(value)
}

/// A marker with the colour of its type.
pub async fn marker(services: &Services, document: &metastore::HoneycombDocument) -> Answer<Value> {
    shown(services, &MARKER, document).await
}

/// Says of a panel with a query which dataset that is of.
async fn name_dataset(services: &Services, panel: &mut Value) -> Answer<()> {
    let Some(query) = panel["query_panel"]["query_id"].as_str().filter(|_| panel["query_panel"]["dataset"].is_null()) else {
        return Ok(());
    };
    if let Some(query) = services.metastore.honeycomb_document(&services.settings.project, "query", query).await? {
        panel["query_panel"]["dataset"] = query.scope.into();
    }
    Ok(())
}

fn missing(kind: &Kind) -> Failure {
    Failure::not_found(format!("{} not found", kind.title))
}

/// The document to keep; `id` is its own when it is there already.
async fn checked(services: &Services, kind: &Kind, scope: &str, id: Option<&str>, document: Map<String, Value>) -> Answer<Value> {
    let checked = with_details(services, kind, scope, id, document).await;
    checked.map_err(|failure| if kind.has_details { failure } else { failure.plainly(StatusCode::BAD_REQUEST) })
}

async fn with_details(
    services: &Services,
    kind: &Kind,
    scope: &str,
    id: Option<&str>,
    mut document: Map<String, Value>,
) -> Answer<Value> {
    for member in ["id", "created_at", "updated_at"] {
        document.remove(member);
    }
    for (member, chars_max) in kind.required {
        if text_within(&document, member, *chars_max)?.trim().is_empty() {
            return Err(Failure::invalid(member, "missing", format!("{member}: cannot be blank")));
        }
    }
    (kind.complete)(&mut document)?;
    // One that is there may be about a query that went since.
    for query in queries_named(&document).filter(|_| id.is_none()) {
        if services.metastore.honeycomb_document(&services.settings.project, "query", query).await?.is_none() {
            return Err(Failure::invalid("query_id", "invalid", format!("query_id: there is no query {query:?}")));
        }
    }
    if let Some(member) = kind.unique {
        let others = services.metastore.honeycomb_documents(&services.settings.project, kind.name, Some(scope)).await?;
        let taken = others.iter().filter(|other| Some(other.id.as_str()) != id).any(|other| {
            let other: Value = serde_json::from_str(&other.document).unwrap_or_default();
            Some(&other[member]) == document.get(member)
        });
        if taken {
            return Err(Failure::conflict(format!("{} with this {member} already exists", kind.title)));
        }
    }
    Ok(Value::Object(document))
}

/// The kept queries that a document is about: an annotation's, and those of a board's panels.
fn queries_named(document: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let panels = document.get("panels").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let of_panels = panels.iter().filter_map(|panel| panel["query_panel"]["query_id"].as_str());
    document.get("query_id").and_then(Value::as_str).into_iter().chain(of_panels)
}

fn complete_derived_column(document: &mut Map<String, Value>) -> Answer<()> {
    let expression = document.get("expression").and_then(Value::as_str).unwrap_or_default();
    parse_expression(expression).map_err(|error| {
        let message = format!("invalid derived column syntax: {}", error.with_caret(expression));
        Failure::invalid("expression", "invalid", message)
    })?;
    text_within(document, "description", 255)?;
    document.entry("description").or_insert_with(|| "".into());
    Ok(())
}

fn complete_annotation(document: &mut Map<String, Value>) -> Answer<()> {
    text_within(document, "description", 1_023)?;
    document.entry("description").or_insert_with(|| "".into());
    document.entry("source").or_insert_with(|| "query".into());
    Ok(())
}

/// Fills in when a marker is, and looks at whether that is a time.
pub fn complete_marker(document: &mut Map<String, Value>) -> Answer<()> {
    if document.get("start_time").is_none_or(Value::is_null) {
        document.insert("start_time".into(), (now_unix_nano() / 1_000_000_000).into());
    }
    for member in ["start_time", "end_time"] {
        if document.get(member).is_some_and(|time| !time.is_null() && time.as_i64().is_none()) {
            return Err(Failure::invalid(member, "incorrect_type", format!("{member}: expected seconds since 1970")));
        }
    }
    // What is worked out when it is told.
    document.remove("color");
    Ok(())
}

fn complete_marker_setting(document: &mut Map<String, Value>) -> Answer<()> {
    let colour = document.get("color").and_then(Value::as_str).unwrap_or_default();
    let is_hex = colour.strip_prefix('#').is_some_and(|hex| hex.len() == 6 && hex.chars().all(|c| c.is_ascii_hexdigit()));
    if is_hex { Ok(()) } else { Err(Failure::invalid("color", "invalid", "color: expected a colour as #RRGGBB")) }
}

fn complete_board_view(document: &mut Map<String, Value>) -> Answer<()> {
    let filters = document.entry("filters").or_insert_with(|| json!([]));
    for (at, filter) in filters.as_array().map(Vec::as_slice).unwrap_or_default().iter().enumerate() {
        let known = filter["operation"].as_str().is_some_and(|name| FilterOperator::named(name).is_some());
        if filter["column"].as_str().is_none_or(str::is_empty) || !known {
            let message = format!("filters[{at}]: expected a column and an operation");
            return Err(Failure::invalid(&format!("filters[{at}]"), "invalid", message));
        }
    }
    Ok(())
}

fn complete_board(document: &mut Map<String, Value>) -> Answer<()> {
    text_within(document, "description", 1_024)?;
    let one_of = |member: &str, known: &[&str]| match document.get(member).filter(|value| !value.is_null()) {
        Some(value) if !value.as_str().is_some_and(|value| known.contains(&value)) => {
            Err(Failure::invalid(member, "invalid", format!("{member}: must be {}", known.join(" or "))))
        }
        _ => Ok(()),
    };
    one_of("type", &["flexible"])?;
    one_of("layout_generation", &["auto", "manual"])?;
    let items = |member: &str| document.get(member).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if items("preset_filters").len() > PRESET_FILTERS_MAX {
        let message = format!("preset_filters: at most {PRESET_FILTERS_MAX}");
        return Err(Failure::invalid("preset_filters", "invalid", message));
    }
    for (at, panel) in items("panels").iter().enumerate() {
        if !is_panel(panel) {
            let message =
                format!("panels[{at}]: expected a query_panel with a query_id, a slo_panel or a text_panel of that type");
            return Err(Failure::invalid(&format!("panels[{at}]"), "invalid", message));
        }
    }
    let tags = tags(document)?;
    document.insert("tags".into(), tags);
    document.remove("links");
    for (member, default) in [
        ("description", json!("")),
        ("panels", json!([])),
        ("preset_filters", json!([])),
        ("layout_generation", json!("manual")),
        ("type", json!("flexible")),
    ] {
        document.entry(member).or_insert(default);
    }
    Ok(())
}

fn is_panel(panel: &Value) -> bool {
    match panel["type"].as_str() {
        Some("query") => panel["query_panel"]["query_id"].as_str().is_some_and(|id| !id.is_empty()),
        Some("slo") => panel["slo_panel"].is_object(),
        Some("text") => {
            let content = panel["text_panel"]["content"].as_str();
            content.is_some_and(|content| content.chars().count() <= TEXT_PANEL_CHARS_MAX)
        }
        _ => false,
    }
}
