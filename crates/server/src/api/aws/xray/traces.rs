//! BatchGetTraces: whole traces by their ids.

use model::TraceId;
use serde_json::{Value, json};

use super::documents::{TraceDocuments, trace_documents};
use super::input::{Checked, Input};
use super::pages::{self, Place};
use super::{Answer, XrayApi, unavailable};
use crate::limits::{XRAY_PAGE_BYTES_MAX, XRAY_TRACE_IDS_MAX};

/// Longest spelling of a trace id, X-Ray's own.
const TRACE_ID_CHARS_MAX: usize = 35;

impl XrayApi<'_> {
    pub(super) async fn batch_get_traces(&self) -> Answer {
        let input = self.input()?;
        let asked = trace_ids(&input, XRAY_TRACE_IDS_MAX)?;
        let question = asked.join(" ");
        let operation = "BatchGetTraces";
        let from = match pages::place(&input, operation, &[&question])? {
            Some(place) => place.as_text().parse::<usize>().map_err(|_| pages::wrong_token())?,
            None => 0,
        };
        let (mut traces, mut unknown, mut bytes, mut next) = (Vec::new(), Vec::new(), 0, None);
        for (number, asked) in asked.iter().enumerate().skip(from) {
            // A page has at least one trace, however large that is.
            if bytes > XRAY_PAGE_BYTES_MAX {
                next = Some(Place::new(number.to_string()).token(operation, &[&question]));
                break;
            }
            match self.documents(asked).await? {
                Some(found) => {
                    bytes += found.documents.iter().map(|(_, document)| document.len()).sum::<usize>();
                    traces.push(trace_told(asked, &found));
                }
                None => unknown.push(json!(asked)),
            }
        }
        let mut answer = pages::answer("Traces", traces, next);
        answer["UnprocessedTraceIds"] = unknown.into();
        Ok(answer)
    }

    /// The documents of a trace; `None` when there is none of that id, or the text is no id.
    pub(super) async fn documents(&self, asked: &str) -> Checked<Option<TraceDocuments>> {
        let Ok(id) = TraceId::parse(asked) else { return Ok(None) };
        let stored = self.services.asker.stored_trace(id).await.map_err(unavailable)?;
        Ok(trace_documents(id, &stored))
    }
}

/// The ids of a request, as they were written.
pub(super) fn trace_ids<'i>(input: &'i Input<'_>, ids_max: usize) -> Checked<Vec<&'i str>> {
    input.texts("TraceIds", ids_max, TRACE_ID_CHARS_MAX)?.ok_or_else(|| input.missing("TraceIds"))
}

fn trace_told(asked: &str, found: &TraceDocuments) -> Value {
    let segments: Vec<Value> =
        found.documents.iter().map(|(id, document)| json!({ "Id": id, "Document": document })).collect();
    json!({ "Id": asked, "Duration": found.duration_seconds, "LimitExceeded": found.is_cut, "Segments": segments })
}
