//! `/api/deletions`: one trace, one person's rows or a time, deleted for good, with a receipt.

use axum::Json;
use axum::extract::{Path, Request, State};
use engine::ask::UnixNano;
use http::StatusCode;
use metastore::{Deletion, DeletionKind, NewDeletion};
use model::{Signal, TraceId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use analysis::retention::person::PERSON_ATTRIBUTES;

use super::params::{moment, not_from_another_page};
use super::refusal::Refusal;
use crate::limits::{
    API_BODY_BYTES_MAX, DELETION_LOOK, DELETION_WAIT_MAX, DELETIONS_LISTED, DELETIONS_PENDING_MAX, NAME_BYTES_MAX,
    PERSON_ATTRIBUTES_MAX,
};
use crate::listen::http_ingest::read_body;
use crate::{Services, now_unix_nano};

/// What to delete: exactly one of `trace_id`, `person`, or `start` and `end`. A field that is not known is refused, since
/// without it more might be deleted than was meant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeletionRequest {
    /// In 32 hex digits or X-Ray's form. A linked trace has an id of its own.
    trace_id: Option<String>,
    person: Option<PersonRequest>,
    /// RFC 3339 or unix milliseconds; included.
    start: Option<Moment>,
    /// Not included.
    end: Option<Moment>,
    /// With `start` and `end`: of this service only.
    service: Option<String>,
    /// `spans`, `logs`, `metrics`; all of them when absent.
    signals: Option<Vec<String>>,
}

/// Every row on which one of the attributes has the value.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonRequest {
    /// Where the person is named; when neither this nor `attributes` is given: `user.id`, `user.name`, `user.email`,
    /// `user.full_name`, `user.hash`, `enduser.id`, `enduser.pseudo.id`, and where Rollbar's and X-Ray's documents name them.
    attribute: Option<String>,
    attributes: Option<Vec<String>>,
    value: String,
}

/// RFC 3339, or unix milliseconds as a number or a text.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Moment {
    UnixMilliseconds(i64),
    Text(String),
}

#[derive(Serialize, ToSchema)]
pub struct Deletions {
    /// Newest first.
    pub deletions: Vec<Receipt>,
}

/// What became of a request to delete.
#[derive(Serialize, ToSchema)]
pub struct Receipt {
    pub id: String,
    /// `pending`: queries may still see rows. `done`: none does. `erased`: no file of Cupola's holds any.
    pub state: &'static str,
    pub requested_at_unix_nano: UnixNano,
    /// From then on the write-ahead log held none of the rows.
    pub log_truncated_at_unix_nano: Option<UnixNano>,
    /// Queries that began later see none of the rows.
    pub done_at_unix_nano: Option<UnixNano>,
    /// The old files were removed.
    pub erased_at_unix_nano: Option<UnixNano>,
    pub what: Meant,
    pub signals: Vec<String>,
    pub rows_deleted: RowsDeleted,
    /// Examples that named the person, blanked out in metric points that stay.
    pub exemplars_blanked: u64,
    pub parts_rewritten: u64,
    pub parts_removed: u64,
    pub bytes_removed: u64,
    /// Of the parts that took the place of rewritten ones.
    pub bytes_written: u64,
    /// Damaged parts, set aside before: what they hold is not known.
    pub parts_unreadable: u64,
    /// Why the last try did not come through; it is tried again.
    pub failure: Option<String>,
    /// What the receipt does not cover, and what it waits for, in words.
    pub notes: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct RowsDeleted {
    pub spans: u64,
    pub logs: u64,
    pub metrics: u64,
}

/// What was asked for. Whom a request was about is forgotten when it is done.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Meant {
    Trace { trace_id: String },
    Person { attributes: Vec<String>, value: Option<String> },
    Range { start_unix_nano: UnixNano, end_unix_nano: UnixNano, service: Option<String> },
}

/// Deletes. Answers 200 with a receipt that is done, or 202 with one that is not yet.
#[utoipa::path(post, tag = "Retention", operation_id = "deletions_request", path = "/api/deletions", request_body = DeletionRequest, responses((status = 200, body = Receipt), (status = 202, body = Receipt), (status = 400, body = Refusal), (status = 403, body = Refusal), (status = 429, body = Refusal)))]
pub async fn request(State(services): State<Services>, request: Request) -> Result<(StatusCode, Json<Receipt>), Refusal> {
    let asked = read(request).await?;
    let (kind, signals) = (kind(&asked)?, signals(asked.signals.as_deref())?);
    let metastore = &services.metastore;
    if metastore.pending_deletions().await?.len() >= DELETIONS_PENDING_MAX {
        return Err(Refusal::busy(format!("{DELETIONS_PENDING_MAX} deletions are waiting already; ask again when one is done")));
    }
    let project = services.settings.project.clone();
    let id = uuid::Uuid::now_v7().simple().to_string();
    let deletion = NewDeletion { id: id.clone(), project, kind, signals, requested_at_unix_nano: now_unix_nano() };
    services.asker.engine.store().delete(&deletion).await?;
    let receipt = waited_for(&services, &id).await?;
    let status = if receipt.done_at_unix_nano.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(receipt)))
}

/// Receipts, newest first.
#[utoipa::path(get, tag = "Retention", operation_id = "deletions_list", path = "/api/deletions", responses((status = 200, body = Deletions)))]
pub async fn list(State(services): State<Services>) -> Result<Json<Deletions>, Refusal> {
    let deletions = services.metastore.deletions(&services.settings.project, DELETIONS_LISTED).await?;
    Ok(Json(Deletions { deletions: deletions.into_iter().map(receipt).collect() }))
}

/// One receipt.
#[utoipa::path(get, tag = "Retention", operation_id = "deletions_one", path = "/api/deletions/{id}", params(("id" = String, Path)), responses((status = 200, body = Receipt), (status = 404, body = Refusal)))]
pub async fn one(State(services): State<Services>, Path(id): Path<String>) -> Result<Json<Receipt>, Refusal> {
    Ok(Json(found(&services, &id).await?))
}

async fn found(services: &Services, id: &str) -> Result<Receipt, Refusal> {
    let found = services.metastore.deletion(&services.settings.project, id).await?;
    found.map(receipt).ok_or_else(|| Refusal::missing(format!("no deletion {id}")))
}

/// The receipt when it is done, or as it is after a while.
async fn waited_for(services: &Services, id: &str) -> Result<Receipt, Refusal> {
    let until = tokio::time::Instant::now() + DELETION_WAIT_MAX;
    loop {
        let receipt = found(services, id).await?;
        let is_over = receipt.done_at_unix_nano.is_some() || receipt.failure.is_some();
        if is_over || tokio::time::Instant::now() >= until {
            return Ok(receipt);
        }
        tokio::time::sleep(DELETION_LOOK).await;
    }
}

async fn read(request: Request) -> Result<DeletionRequest, Refusal> {
    let (parts, body) = request.into_parts();
    not_from_another_page(&parts.headers)?;
    let body = read_body(&parts.headers, body, API_BODY_BYTES_MAX).await.map_err(|failure| Refusal::body(&failure))?;
    serde_json::from_slice(&body).map_err(|error| {
        Refusal::parameter(format!(
            "cannot read the body: {error}; expected {{\"trace_id\": …}}, {{\"person\": {{\"value\": …}}}} or {{\"start\": …, \"end\": …}}"
        ))
    })
}

fn kind(asked: &DeletionRequest) -> Result<DeletionKind, Refusal> {
    let is_range = asked.start.is_some() || asked.end.is_some();
    if asked.service.is_some() && !is_range {
        return Err(Refusal::parameter("service goes with start and end"));
    }
    match (&asked.trace_id, &asked.person, is_range) {
        (Some(id), None, false) => {
            let id = TraceId::parse(id).map_err(|error| Refusal::parameter(error.to_string()))?;
            Ok(DeletionKind::Trace { trace_id: id.to_string() })
        }
        (None, Some(person), false) => person_kind(person),
        (None, None, true) => range_kind(asked),
        _ => Err(Refusal::parameter("expected exactly one of trace_id, person, or start and end")),
    }
}

fn person_kind(person: &PersonRequest) -> Result<DeletionKind, Refusal> {
    let attributes: Vec<String> = match (&person.attribute, &person.attributes) {
        (Some(one), None) => vec![one.clone()],
        (None, Some(several)) => several.clone(),
        (None, None) => PERSON_ATTRIBUTES.map(str::to_owned).to_vec(),
        (Some(_), Some(_)) => return Err(Refusal::parameter("expected attribute or attributes, not both")),
    };
    if attributes.is_empty() || attributes.len() > PERSON_ATTRIBUTES_MAX {
        return Err(Refusal::parameter(format!("expected 1 to {PERSON_ATTRIBUTES_MAX} attributes, found {}", attributes.len())));
    }
    let is_name = |text: &str| !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.contains('\n');
    if let Some(wrong) = attributes.iter().chain([&person.value]).find(|text| !is_name(text)) {
        let shown: String = wrong.chars().take(40).collect();
        return Err(Refusal::parameter(format!("cannot use {shown:?}: expected one line of 1 to {NAME_BYTES_MAX} bytes")));
    }
    Ok(DeletionKind::Person { attributes, value: Some(person.value.clone()) })
}

fn range_kind(asked: &DeletionRequest) -> Result<DeletionKind, Refusal> {
    let (Some(start), Some(end)) = (&asked.start, &asked.end) else {
        return Err(Refusal::parameter("expected both start and end"));
    };
    let read = |name, at: &Moment| match at {
        Moment::UnixMilliseconds(number) => moment(name, &number.to_string()),
        Moment::Text(text) => moment(name, text),
    };
    let (start_unix_nano, end_unix_nano) = (read("start", start)?, read("end", end)?);
    if start_unix_nano >= end_unix_nano {
        return Err(Refusal::parameter("start must be before end"));
    }
    Ok(DeletionKind::Range { start_unix_nano, end_unix_nano, service: asked.service.clone() })
}

fn signals(asked: Option<&[String]>) -> Result<Vec<String>, Refusal> {
    let known = Signal::ALL.map(|signal| signal.table().to_owned());
    let Some(asked) = asked else { return Ok(known.to_vec()) };
    if let Some(wrong) = asked.iter().find(|name| !known.contains(name)) {
        return Err(Refusal::parameter(format!("cannot read a signal from {wrong:?}: expected spans, logs or metrics")));
    }
    let wanted: Vec<String> = known.into_iter().filter(|name| asked.contains(name)).collect();
    if wanted.is_empty() { Err(Refusal::parameter("expected at least one signal")) } else { Ok(wanted) }
}

fn receipt(deletion: Deletion) -> Receipt {
    let notes = notes(&deletion);
    let state = match (deletion.done_at_unix_nano, deletion.erased_at_unix_nano) {
        (None, _) => "pending",
        (Some(_), None) => "done",
        (Some(_), Some(_)) => "erased",
    };
    let what = match deletion.request.kind {
        DeletionKind::Trace { trace_id } => Meant::Trace { trace_id },
        DeletionKind::Person { attributes, value } => Meant::Person { attributes, value },
        DeletionKind::Range { start_unix_nano, end_unix_nano, service } => {
            Meant::Range { start_unix_nano: UnixNano(start_unix_nano), end_unix_nano: UnixNano(end_unix_nano), service }
        }
    };
    Receipt {
        id: deletion.request.id,
        state,
        requested_at_unix_nano: UnixNano(deletion.request.requested_at_unix_nano),
        log_truncated_at_unix_nano: deletion.log_truncated_at_unix_nano.map(UnixNano),
        done_at_unix_nano: deletion.done_at_unix_nano.map(UnixNano),
        erased_at_unix_nano: deletion.erased_at_unix_nano.map(UnixNano),
        what,
        signals: deletion.request.signals,
        rows_deleted: RowsDeleted { spans: deletion.spans, logs: deletion.logs, metrics: deletion.metrics },
        exemplars_blanked: deletion.cells,
        parts_rewritten: deletion.parts_rewritten,
        parts_removed: deletion.parts_removed,
        bytes_removed: deletion.bytes_removed,
        bytes_written: deletion.bytes_written,
        parts_unreadable: deletion.parts_unreadable,
        failure: deletion.failure,
        notes,
    }
}

fn notes(deletion: &Deletion) -> Vec<String> {
    let mut notes = Vec::new();
    match (deletion.done_at_unix_nano, deletion.erased_at_unix_nano) {
        (None, _) => notes.push("not done yet: until it is, queries may see rows; a restart takes it up again".to_owned()),
        (Some(_), None) => {
            notes.push("files with the rows are held by queries that began before; they are removed when those end".to_owned())
        }
        (Some(_), Some(_)) => {}
    }
    match &deletion.request.kind {
        DeletionKind::Trace { .. } => {
            notes.push("a trace of another tracer that is linked to this one has an id of its own and was not touched".to_owned());
        }
        DeletionKind::Person { attributes, .. } => notes.push(format!(
            "rows were told by {}, as columns and in documents; a text that merely mentions the person, and other rows of the same traces, were kept",
            attributes.join(", ")
        )),
        DeletionKind::Range { .. } => notes.push("rows were told by their own time, not by when they arrived".to_owned()),
    }
    if deletion.parts_unreadable > 0 {
        notes.push(format!("{} damaged parts were set aside before and could not be looked into", deletion.parts_unreadable));
    }
    notes.push("rows that arrive later, and copies made before, such as exports, backups and segments of the log that were set aside as damaged, are not reached".to_owned());
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: expect_test::Expect) {
        let asked: Result<DeletionRequest, String> = serde_json::from_str(body).map_err(|error| error.to_string());
        let said = match asked {
            Err(error) => format!("unreadable: {error}"),
            Ok(asked) => match kind(&asked).and_then(|kind| Ok((kind, signals(asked.signals.as_deref())?))) {
                Ok((kind, signals)) => format!("{kind:?} of {}", signals.join(", ")),
                Err(refusal) => format!("refused: {}", refusal.error.message),
            },
        };
        expected.assert_eq(&said);
    }

    #[test]
    fn a_request_means_one_thing_or_is_refused() {
        check(
            r#"{"trace_id": "1-58406520-a006649127e371903a2de979"}"#,
            expect_test::expect![[r#"Trace { trace_id: "58406520a006649127e371903a2de979" } of spans, logs, metrics"#]],
        );
        check(
            r#"{"trace_id": "58"}"#,
            expect_test::expect![[
                r#"refused: cannot read trace id from "58": expected 32 hex digits, 16 hex digits, or 1-<8 hex>-<24 hex>"#
            ]],
        );
        check(
            r#"{"person": {"attribute": "tenant", "value": "u-17"}, "signals": ["logs", "spans"]}"#,
            expect_test::expect![[r#"Person { attributes: ["tenant"], value: Some("u-17") } of spans, logs"#]],
        );
        check(
            r#"{"person": {"value": ""}}"#,
            expect_test::expect![[r#"refused: cannot use "": expected one line of 1 to 1024 bytes"#]],
        );
        check(
            r#"{"person": {"attribute": "a", "attributes": ["b"], "value": "c"}}"#,
            expect_test::expect!["refused: expected attribute or attributes, not both"],
        );
        check(
            r#"{"start": 1000, "end": "1970-01-01T00:00:02Z", "service": "shop"}"#,
            expect_test::expect![[
                r#"Range { start_unix_nano: 1000000000, end_unix_nano: 2000000000, service: Some("shop") } of spans, logs, metrics"#
            ]],
        );
        check(r#"{"start": 1000}"#, expect_test::expect!["refused: expected both start and end"]);
        check(r#"{"start": 2000, "end": 1000}"#, expect_test::expect!["refused: start must be before end"]);
        check(r#"{"service": "shop"}"#, expect_test::expect!["refused: service goes with start and end"]);
        check(
            r#"{"start": 1000, "end": 2000, "sevice": "shop"}"#,
            expect_test::expect![
                "unreadable: unknown field `sevice`, expected one of `trace_id`, `person`, `start`, `end`, `service`, `signals` at line 1 column 37"
            ],
        );
        check(
            r#"{"trace_id": "58406520a006649127e371903a2de979", "start": 1000, "end": 2000}"#,
            expect_test::expect!["refused: expected exactly one of trace_id, person, or start and end"],
        );
        check(
            r#"{"start": 1000, "end": 2000, "signals": ["span"]}"#,
            expect_test::expect![[r#"refused: cannot read a signal from "span": expected spans, logs or metrics"#]],
        );
        check("{}", expect_test::expect!["refused: expected exactly one of trace_id, person, or start and end"]);
    }
}
