//! `POST /api/sql` with `"stream": true`: progress and rows while a query runs, as lines of JSON or server-sent events.
//!
//! Every event is one object with one member, named like the event: `columns`, `progress`, `rows`, `restart`, `end`, `error`.
//! The stream ends with `end` or `error`. When the client goes away, the query ends.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use engine::ask::Stats;
use engine::{EngineError, SqlEvent, SqlStream};
use futures::{Stream, StreamExt};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::refusal::{Refusal, RefusalBody};
use super::sql::SqlColumn;

/// One event of a streamed answer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SqlStreamEvent {
    /// First of all.
    Columns(Vec<SqlColumn>),
    Progress(SqlStreamProgress),
    /// Some of the rows. Aggregates have theirs only at the end.
    #[schema(value_type = Vec<Vec<Object>>)]
    Rows(Vec<Vec<Value>>),
    /// Rows told so far do not hold: a damaged file was set aside, and the query begins anew without it.
    Restart(String),
    End(Stats),
    Error(RefusalBody),
}

/// How far a query is.
#[derive(Serialize, ToSchema)]
pub struct SqlStreamProgress {
    #[serde(flatten)]
    stats: Stats,
    /// Of all rows, how many need not be looked at any more; between 0 and 1.
    share: f64,
}

/// The answer as a stream, in the form that the client accepts.
pub fn respond(headers: &HeaderMap, stream: SqlStream) -> Response {
    let accepts = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let events = events(stream);
    if accepts.contains("text/event-stream") {
        let events =
            events.filter_map(async |event| Event::default().event(name(&event)).json_data(&event).ok().map(Ok::<_, Infallible>));
        return Sse::new(events).keep_alive(KeepAlive::default()).into_response();
    }
    let lines = events.map(|event| {
        let mut line = serde_json::to_vec(&event).unwrap_or_default();
        line.push(b'\n');
        Ok::<_, Infallible>(Bytes::from(line))
    });
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

fn events(stream: SqlStream) -> impl Stream<Item = SqlStreamEvent> {
    let events = futures::stream::unfold(stream, async |mut stream| {
        let event = stream.next().await?;
        Some((told(event), stream))
    });
    // What compresses the answer asks once more after the end.
    events.fuse()
}

fn told(event: SqlEvent) -> SqlStreamEvent {
    match event {
        SqlEvent::Columns(schema) => SqlStreamEvent::Columns(super::sql::columns(&schema)),
        SqlEvent::Progress(progress) => {
            SqlStreamEvent::Progress(SqlStreamProgress { stats: progress.stats.into(), share: progress.share })
        }
        SqlEvent::Rows(batch) => match rows(&batch) {
            Ok(rows) => SqlStreamEvent::Rows(rows),
            Err(error) => SqlStreamEvent::Error(Refusal::from(error).error),
        },
        SqlEvent::Restarted => SqlStreamEvent::Restart("a file is damaged; the answer begins anew without it".to_owned()),
        SqlEvent::Ended { stats, truncated } => SqlStreamEvent::End(Stats { truncated, ..stats.into() }),
        SqlEvent::Failed(error) => SqlStreamEvent::Error(Refusal::from(error).error),
    }
}

fn rows(batch: &arrow::array::RecordBatch) -> Result<Vec<Vec<Value>>, EngineError> {
    let row = |row| batch.columns().iter().map(|column| engine::cell_json(column.as_ref(), row)).collect();
    (0..batch.num_rows()).map(row).collect()
}

fn name(event: &SqlStreamEvent) -> &'static str {
    match event {
        SqlStreamEvent::Columns(_) => "columns",
        SqlStreamEvent::Progress(_) => "progress",
        SqlStreamEvent::Rows(_) => "rows",
        SqlStreamEvent::Restart(_) => "restart",
        SqlStreamEvent::End(_) => "end",
        SqlStreamEvent::Error(_) => "error",
    }
}
