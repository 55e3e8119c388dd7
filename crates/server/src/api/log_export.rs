//! `GET /api/logs/export`: every line that matches, as a file that is written while it is read.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use engine::EngineError;
use engine::ask::logs::{Log, LogFilter, Order};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Deserialize;
use store::TimeRange;
use utoipa::IntoParams;

use super::logs::LogParams;
use super::params::Params;
use super::refusal::Refusal;
use crate::Services;
use crate::limits::LOG_EXPORT_LINES_MAX;

/// Lines of one question; the file is made of as many as it takes.
const LINES_AT_ONCE: usize = 1_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportParams {
    /// `csv` (default) or `ndjson`: a JSON object a line, with every attribute.
    format: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Ndjson,
}

/// What is still to be written.
struct Export {
    services: Services,
    range: TimeRange,
    filter: LogFilter,
    order: Order,
    format: Format,
    cursor: Option<String>,
    written: usize,
    ended: bool,
}

/// The lines that match, newest first unless asked otherwise.
#[utoipa::path(get, tag = "Logs", operation_id = "logs_export", path = "/api/logs/export", params(LogParams, ExportParams), responses((status = 200, body = String, content_type = "text/csv"), (status = 400, body = Refusal)))]
pub async fn export(
    State(services): State<Services>,
    Params(params): Params<LogParams>,
    Params(asked): Params<ExportParams>,
) -> Result<Response, Refusal> {
    let format = match asked.format.as_deref() {
        None | Some("csv") => Format::Csv,
        Some("ndjson" | "json") => Format::Ndjson,
        Some(other) => return Err(Refusal::parameter(format!("cannot read format from {other:?}: expected csv or ndjson"))),
    };
    let mut export = Export {
        range: params.range()?,
        filter: params.filter()?,
        order: params.order()?,
        services,
        format,
        cursor: None,
        written: 0,
        ended: false,
    };
    // The first lines are asked for before anything is answered, so that a fault of the search is told as one.
    let first = export.next().await?;
    let head = if format == Format::Csv { Bytes::from_static(CSV_HEAD.as_bytes()) } else { Bytes::new() };
    let rest = futures::stream::unfold(export, async |mut export| {
        if export.ended {
            return None;
        }
        let lines = export.next().await.map_err(|refusal| std::io::Error::other(refusal.error.message));
        export.ended |= lines.is_err();
        Some((lines, export))
    });
    let begun = futures::stream::iter([Ok(head), Ok(first)]);
    // What compresses the answer asks once more after the end.
    let body = Body::from_stream(futures::StreamExt::fuse(futures::StreamExt::chain(begun, rest)));
    let (kind, name) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"logs.csv\""),
        Format::Ndjson => ("application/x-ndjson", "attachment; filename=\"logs.ndjson\""),
    };
    Ok(([(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, name)], body).into_response())
}

impl Export {
    async fn next(&mut self) -> Result<Bytes, Refusal> {
        let asker = &self.services.asker;
        let cursor = self.cursor.take();
        let page = asker.logs(self.range, &self.filter, self.order, LINES_AT_ONCE, cursor.as_deref()).await?;
        self.written += page.logs.len();
        self.cursor = page.next_cursor;
        self.ended = self.cursor.is_none() || self.written >= LOG_EXPORT_LINES_MAX;
        let mut out = Vec::new();
        for log in &page.logs {
            match self.format {
                Format::Csv => csv_line(log, &mut out),
                Format::Ndjson => {
                    serde_json::to_writer(&mut out, log)
                        .map_err(|error| Refusal::from(EngineError::invalid(error.to_string())))?;
                    out.push(b'\n');
                }
            }
        }
        Ok(out.into())
    }
}

const CSV_HEAD: &str = "time,service,level,severity_number,message,trace_id,span_id,receiver,log_group,log_stream,attributes\r\n";

fn csv_line(log: &Log, out: &mut Vec<u8>) {
    let time = jiff::Timestamp::from_nanosecond(i128::from(log.time_unix_nano.0)).map(|time| time.to_string());
    let attribute = |key: &str| log.attributes.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
    let attributes = serde_json::to_string(&log.attributes).unwrap_or_default();
    let number = log.severity_number.to_string();
    let cells = [
        time.as_deref().unwrap_or_default(),
        &log.service,
        &log.severity_text,
        &number,
        &log.body,
        log.trace_id.as_deref().unwrap_or_default(),
        log.span_id.as_deref().unwrap_or_default(),
        &log.receiver,
        attribute("aws.log.group.name"),
        attribute("aws.log.stream.name"),
        &attributes,
    ];
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        csv_cell(cell, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Quoted where it has to be. A cell that a spreadsheet would take for a formula gets an apostrophe in front.
fn csv_cell(cell: &str, out: &mut Vec<u8>) {
    let is_formula = cell.starts_with(['=', '+', '@', '\t']) || (cell.starts_with('-') && cell.parse::<f64>().is_err());
    if !is_formula && !cell.contains([',', '"', '\r', '\n']) {
        out.extend_from_slice(cell.as_bytes());
        return;
    }
    out.push(b'"');
    if is_formula {
        out.push(b'\'');
    }
    out.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_have_to_be() {
        let told = |cell: &str| {
            let mut out = Vec::new();
            csv_cell(cell, &mut out);
            String::from_utf8(out).unwrap()
        };
        for (cell, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=cmd()", "\"'=cmd()\""),
            ("-5", "-5"),
            ("-rm", "\"'-rm\""),
            ("", ""),
        ] {
            assert_eq!(told(cell), expected);
        }
    }
}
