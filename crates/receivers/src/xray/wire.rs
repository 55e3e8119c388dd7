//! The words of X-Ray: segment documents, the calls that carry them, the daemon's datagrams.
//!
//! Documents are read liberally, as X-Ray itself does: a field of the wrong type counts as absent, unknown fields and
//! repeated ones are no error, and the whole text is kept beside what was understood.
//!
//! Spec: docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html,
//! docs.aws.amazon.com/xray/latest/api/API_PutTraceSegments.html, API_PutTelemetryRecords.html,
//! docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html ("Sending segment documents to the daemon")

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::aws::{integer, number, read_object};
use crate::json::sound_text;
use crate::json_tree::{Map, Text, Value};
use crate::receiver::Failure;

/// Documents in one PutTraceSegments call. The daemon sends 50; a program that calls the API itself may send more, but
/// each must be answered by id when it is refused.
pub const DOCUMENTS_PER_CALL_MAX: usize = 10_000;

/// Bytes of one document. X-Ray stops at 64 KB because a datagram does; over HTTP there is no such reason, and losing a
/// segment for one long metadata value is what people complain of. This bounds what one row of the store may weigh.
pub const DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Refused segments that one answer names; further ones are only counted.
pub const UNPROCESSED_PER_CALL_MAX: usize = DOCUMENTS_PER_CALL_MAX;

/// Spans of one document. SDKs stream subsegments in documents of their own long before this.
pub const SPANS_PER_DOCUMENT_MAX: usize = 10_000;

/// Exceptions of one cause that become rows; SDKs send a chain of a few.
pub const EXCEPTIONS_PER_CAUSE_MAX: usize = 64;

/// Frames of one exception that are printed; SDKs cut at 10 to 100.
pub const FRAMES_PER_EXCEPTION_MAX: usize = 1_000;

/// Links of one span that are kept; OpenTelemetry SDKs keep as many.
pub const LINKS_PER_SPAN_MAX: usize = 128;

/// Records in one PutTelemetryRecords call; the daemon sends 10.
pub const TELEMETRY_RECORDS_PER_CALL_MAX: usize = 1_000;

/// A segment or subsegment of a document.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a>(pub &'a Map<'a>);

impl<'a> Segment<'a> {
    pub fn get(&self, key: &str) -> Option<&'a Value<'a>> {
        self.0.get(key)
    }

    /// A string that is not blank.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        text(self.0, key)
    }

    pub fn flag(&self, key: &str) -> Option<bool> {
        self.get(key)?.as_bool()
    }

    pub fn object(&self, key: &str) -> Option<&'a Map<'a>> {
        self.get(key)?.as_object()
    }

    pub fn list(&self, key: &str) -> &'a [Value<'a>] {
        self.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Epoch seconds, written `1478293361.271`, `1.478293361271E9` or, wrongly, as a string.
    pub fn seconds(&self, key: &str) -> Option<f64> {
        number(self.get(key)?)
    }

    /// Whether this document is a subsegment sent on its own.
    pub fn is_subsegment(&self) -> bool {
        self.text("type").is_some_and(|text| text.eq_ignore_ascii_case("subsegment"))
    }

    pub fn cause(&self) -> Cause<'a> {
        match self.get("cause") {
            Some(Value::String(id)) => Cause::Exception { id },
            Some(Value::Object(cause)) => Cause::Exceptions(cause),
            _ => Cause::None,
        }
    }
}

/// What went wrong: told in full where it was raised, by the exception's id on its ancestors.
#[derive(Clone, Copy, Debug)]
pub enum Cause<'a> {
    None,
    Exception { id: &'a str },
    Exceptions(&'a Map<'a>),
}

/// One exception of a cause.
#[derive(Clone, Copy, Debug)]
pub struct CauseException<'a>(pub &'a Map<'a>);

impl<'a> CauseException<'a> {
    pub fn all(cause: &'a Map<'a>) -> impl Iterator<Item = CauseException<'a>> {
        let list = cause.get("exceptions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        list.iter().take(EXCEPTIONS_PER_CAUSE_MAX).filter_map(Value::as_object).map(CauseException)
    }

    pub fn text(&self, key: &str) -> &'a str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn frames(&self) -> impl Iterator<Item = Frame<'a>> + use<'a> {
        let list = self.0.get("stack").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        list.iter().take(FRAMES_PER_EXCEPTION_MAX).filter_map(Value::as_object).map(|frame| Frame {
            path: text(frame, "path").unwrap_or_default(),
            line: frame.get("line").and_then(integer),
            label: text(frame, "label").unwrap_or_default(),
        })
    }

    /// Frames the client left out.
    pub fn truncated(&self) -> i64 {
        self.0.get("truncated").and_then(integer).unwrap_or(0)
    }

    /// `Type: message`, or the one of the two there is.
    pub fn headline(&self) -> String {
        match (self.text("type"), self.text("message")) {
            ("", message) => message.to_owned(),
            (r#type, "") => r#type.to_owned(),
            (r#type, message) => format!("{type}: {message}"),
        }
    }
}

/// One frame of a stack. Node sends `null` for the line of built-in code.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub path: &'a str,
    pub line: Option<i64>,
    pub label: &'a str,
}

/// A string member that is not blank.
pub fn text<'a>(map: &'a Map<'a>, key: &str) -> Option<&'a str> {
    map.get(key)?.as_str().filter(|text| !text.trim().is_empty())
}

/// A segment document that was not kept, as PutTraceSegments tells its caller.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UnprocessedTraceSegment {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub error_code: &'static str,
    pub message: String,
}

/// The documents of a PutTraceSegments body: strings that hold JSON. Objects are taken as if they had been strings.
pub fn trace_segment_documents(body: &[u8]) -> Result<Vec<Cow<'_, str>>, Failure> {
    let malformed = |error: &str| Failure::Malformed(format!("cannot read PutTraceSegments: {error}"));
    // As SDKs write them, all are strings; what is not is looked at one by one.
    let documents = match read_object::<PutTraceSegments<Text<'_>>>(body) {
        Ok(request) => request.documents.map(|documents| documents.into_iter().map(|Text(text)| text).collect::<Vec<_>>()),
        Err(_) => {
            let request: PutTraceSegments<&RawValue> = read_object(body).map_err(|error| malformed(&error))?;
            request.documents.map(|documents| documents.into_iter().map(document_text).collect())
        }
    };
    let documents = documents.ok_or_else(|| malformed("expected a member TraceSegmentDocuments"))?;
    if documents.len() > DOCUMENTS_PER_CALL_MAX {
        let count = documents.len();
        return Err(Failure::Invalid(format!("{count} documents in one call, expected at most {DOCUMENTS_PER_CALL_MAX}")));
    }
    Ok(documents)
}

#[derive(serde::Deserialize)]
struct PutTraceSegments<D> {
    #[serde(rename = "TraceSegmentDocuments")]
    documents: Option<Vec<D>>,
}

fn document_text(raw: &RawValue) -> Cow<'_, str> {
    let raw = raw.get();
    if !raw.starts_with('"') {
        return Cow::Borrowed(raw);
    }
    let text = serde_json::from_str::<String>(raw).or_else(|_| serde_json::from_str(&sound_text(raw.as_bytes())));
    // A string that is no text stays quoted and is refused as a document.
    text.map_or(Cow::Borrowed(raw), Cow::Owned)
}

/// A datagram taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datagram<'a> {
    Document(&'a str),
    /// `T1S` and `T1U`: base64 of an OTLP ExportTraceServiceRequest, as ADOT sends it from Lambda.
    Traces {
        base64: &'a str,
        sampled: bool,
    },
    /// `M1`: base64 of an OTLP ExportMetricsServiceRequest.
    Metrics {
        base64: &'a str,
    },
}

/// Reads the header line, `{"format":"json","version":1}`, and tells what follows it.
pub fn datagram(text: &str) -> Result<Datagram<'_>, Failure> {
    let malformed = |what: &str| Failure::Malformed(format!("cannot read datagram: {what}"));
    let (header, payload) = text.split_once('\n').ok_or_else(|| malformed("expected a header line before the document"))?;
    // SDKs write it in one of these ways, letter by letter.
    if !matches!(header, r#"{"format":"json","version":1}"# | r#"{"format": "json", "version": 1}"#) {
        let header: Value<'_> = serde_json::from_str(header).map_err(|_| malformed("expected a JSON header"))?;
        let format = header.get("format").and_then(Value::as_str).unwrap_or_default();
        if !format.eq_ignore_ascii_case("json") || header.get("version").and_then(integer) != Some(1) {
            return Err(malformed(r#"expected the header {"format":"json","version":1}"#));
        }
    }
    let payload = payload.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0');
    Ok(if payload.is_empty() {
        return Err(malformed("expected a document after the header line"));
    } else if let Some(base64) = payload.strip_prefix("T1S") {
        Datagram::Traces { base64, sampled: true }
    } else if let Some(base64) = payload.strip_prefix("T1U") {
        Datagram::Traces { base64, sampled: false }
    } else if let Some(base64) = payload.strip_prefix("M1") {
        Datagram::Metrics { base64 }
    } else {
        Datagram::Document(payload)
    })
}

/// A PutTelemetryRecords body: what the daemon counted since it last told.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct PutTelemetryRecords<'a> {
    #[serde(rename = "TelemetryRecords", borrow)]
    pub records: Option<Vec<Value<'a>>>,
    #[serde(rename = "EC2InstanceId")]
    pub ec2_instance_id: Option<String>,
    #[serde(rename = "Hostname")]
    pub hostname: Option<String>,
    #[serde(rename = "ResourceARN")]
    pub resource_arn: Option<String>,
}

pub fn put_telemetry_records(body: &[u8]) -> Result<PutTelemetryRecords<'_>, Failure> {
    let malformed = |error: &str| Failure::Malformed(format!("cannot read PutTelemetryRecords: {error}"));
    let request: PutTelemetryRecords<'_> = read_object(body).map_err(|error| malformed(&error))?;
    let count = request.records.as_ref().ok_or_else(|| malformed("expected a member TelemetryRecords"))?.len();
    if count > TELEMETRY_RECORDS_PER_CALL_MAX {
        let expected = TELEMETRY_RECORDS_PER_CALL_MAX;
        return Err(Failure::Invalid(format!("{count} records in one call, expected at most {expected}")));
    }
    Ok(request)
}
