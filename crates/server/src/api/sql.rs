//! `POST /api/sql`: one query over `spans`, `logs` and `metrics`; answers in JSON, CSV or Arrow IPC.

use arrow::csv::WriterBuilder;
use arrow::ipc::writer::StreamWriter;
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use engine::ask::Stats;
use engine::{Answer, EngineError};
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::refusal::Refusal;
use super::sql_stream;
use crate::Services;
use crate::limits::API_BODY_BYTES_MAX;
use crate::listen::http_ingest::read_body;

#[derive(Deserialize, ToSchema)]
pub struct SqlQuery {
    /// One `SELECT`; attribute names may be written without quotes.
    query: String,
    #[serde(default)]
    format: SqlFormat,
    /// At most this many rows; 100,000 by default and at most.
    max_rows: Option<usize>,
    /// Tells progress and rows while the query runs: lines of JSON (`application/x-ndjson`), or server-sent events for who
    /// accepts `text/event-stream`. `format` does not matter then.
    #[serde(default)]
    stream: bool,
}

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SqlFormat {
    #[default]
    Json,
    Csv,
    /// An Arrow IPC stream.
    Arrow,
}

#[derive(Serialize, ToSchema)]
pub struct SqlAnswer {
    columns: Vec<SqlColumn>,
    #[schema(value_type = Vec<Vec<Object>>)]
    rows: Vec<Vec<Value>>,
    stats: Stats,
}

#[derive(Serialize, ToSchema)]
pub struct SqlColumn {
    pub name: String,
    pub r#type: String,
}

/// Answers one SQL query.
#[utoipa::path(post, tag = "SQL", operation_id = "sql_query", path = "/api/sql", request_body = SqlQuery, responses((status = 200, content((SqlAnswer = "application/json"), (super::sql_stream::SqlStreamEvent = "application/x-ndjson"))), (status = 400, body = Refusal)))]
pub async fn query(State(services): State<Services>, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let body = read_body(&parts.headers, body, API_BODY_BYTES_MAX).await.map_err(|failure| Refusal::body(&failure))?;
    let query: SqlQuery = serde_json::from_slice(&body)
        .map_err(|error| Refusal::parameter(format!("cannot read the body: {error}; expected {{\"query\": \"SELECT …\"}}")))?;
    let rows_max = query.max_rows.unwrap_or(engine::limits::SQL_ROWS_MAX).min(engine::limits::SQL_ROWS_MAX);
    let asker = &services.asker;
    if query.stream {
        let stream = asker.engine.sql_stream(&asker.project, &query.query, rows_max).await?;
        return Ok(sql_stream::respond(&parts.headers, stream));
    }
    let answer = asker.engine.sql(&asker.project, &query.query, rows_max).await?;
    match query.format {
        SqlFormat::Json => Ok(Json(json(answer)?).into_response()),
        SqlFormat::Csv => Ok(([(CONTENT_TYPE, "text/csv; charset=utf-8")], csv(&answer)?).into_response()),
        SqlFormat::Arrow => Ok(([(CONTENT_TYPE, "application/vnd.apache.arrow.stream")], ipc(&answer)?).into_response()),
    }
}

fn json(answer: Answer) -> Result<SqlAnswer, EngineError> {
    let columns = columns(&answer.schema);
    let rows = answer.json_rows()?;
    let stats = Stats { truncated: answer.truncated, ..answer.stats.into() };
    Ok(SqlAnswer { columns, rows, stats })
}

pub(super) fn columns(schema: &arrow::datatypes::Schema) -> Vec<SqlColumn> {
    engine::columns_of(schema).into_iter().map(|column| SqlColumn { name: column.name, r#type: column.r#type }).collect()
}

fn csv(answer: &Answer) -> Result<Vec<u8>, EngineError> {
    let mut out = Vec::new();
    let mut writer = WriterBuilder::new().with_header(true).build(&mut out);
    writer.write(&arrow::array::RecordBatch::new_empty(answer.schema.clone()))?;
    for batch in &answer.batches {
        writer.write(batch)?;
    }
    drop(writer);
    Ok(out)
}

fn ipc(answer: &Answer) -> Result<Vec<u8>, EngineError> {
    let mut out = Vec::new();
    let mut writer = StreamWriter::try_new(&mut out, &answer.schema)?;
    for batch in &answer.batches {
        writer.write(batch)?;
    }
    writer.finish()?;
    drop(writer);
    Ok(out)
}
