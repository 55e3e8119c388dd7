//! What OTLP clients are told, in the encoding they spoke: export responses, and `google.rpc.Status` when nothing was kept.
//!
//! Spec: opentelemetry.io/docs/specs/otlp/#otlphttp-response and #otlpgrpc-response

use http::StatusCode;
use model::{Counted, Signal};
use serde_json::json;

use super::ids::base64_encode;
use super::limits::REASONS_PER_REPLY_MAX;
use super::{Encoding, PROTOBUF, encoding, is_grpc, signal};
use crate::incoming::Incoming;
use crate::receiver::{Failure, Reply};

/// Kept, all or in part. What was refused, or left out, is told as partial success.
pub fn kept(incoming: &Incoming<'_>, counted: &Counted<'_>) -> Reply {
    let signal = signal(incoming).unwrap_or(Signal::Spans);
    let rejected = counted.refused(signal);
    let message = reasons(counted);
    if is_grpc(incoming) {
        let mut reply = Reply::new(StatusCode::OK, "application/grpc", partial_success(rejected, &message));
        reply.grpc = Some((OK, String::new()));
        return reply;
    }
    match encoding(incoming) {
        Ok(Encoding::Json) => {
            let rejected_name = match signal {
                Signal::Spans => "rejectedSpans",
                Signal::Logs => "rejectedLogRecords",
                Signal::Metrics => "rejectedDataPoints",
            };
            let body = match message.as_str() {
                "" => json!({}),
                message => json!({"partialSuccess": {rejected_name: rejected.to_string(), "errorMessage": message}}),
            };
            Reply::new(StatusCode::OK, JSON, body.to_string())
        }
        _ => Reply::new(StatusCode::OK, PROTOBUF, partial_success(rejected, &message)),
    }
}

/// Nothing was kept.
pub fn refused(incoming: &Incoming<'_>, failure: &Failure) -> Reply {
    let (status, code, retry_after_seconds) = match failure {
        Failure::Malformed(_) | Failure::Invalid(_) => (StatusCode::BAD_REQUEST, INVALID_ARGUMENT, None),
        Failure::UnsupportedMediaType(_) | Failure::UnsupportedEncoding(_) => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, UNIMPLEMENTED, None)
        }
        Failure::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, RESOURCE_EXHAUSTED, None),
        Failure::Unauthenticated => (StatusCode::UNAUTHORIZED, UNAUTHENTICATED, None),
        Failure::Forbidden => (StatusCode::FORBIDDEN, PERMISSION_DENIED, None),
        // With RetryInfo, which is sent, OTLP's clients send it again; without, they would drop the batch.
        Failure::Busy { retry_after_seconds } => (StatusCode::TOO_MANY_REQUESTS, RESOURCE_EXHAUSTED, Some(*retry_after_seconds)),
        Failure::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE, Some(RETRY_AFTER_SECONDS)),
    };
    let message = failure.to_string();
    let details = status_message(code, &message, retry_after_seconds);
    if is_grpc(incoming) {
        let mut reply = Reply::new(StatusCode::OK, "application/grpc", Vec::new());
        if retry_after_seconds.is_some() {
            reply = reply.with_header("grpc-status-details-bin", base64_encode(&details).trim_end_matches('='));
        }
        reply.grpc = Some((code, message));
        return reply;
    }
    let reply = match encoding(incoming) {
        Ok(Encoding::Protobuf) => Reply::new(status, PROTOBUF, details),
        Ok(Encoding::Json) => Reply::new(status, JSON, json!({"code": code, "message": message}).to_string()),
        Err(_) => Reply::new(status, "text/plain; charset=utf-8", message),
    };
    match retry_after_seconds {
        Some(seconds) => reply.with_header("retry-after", &seconds.to_string()),
        None => reply,
    }
}

const JSON: &str = "application/json";

/// A store that refuses needs a person, or a restart; both take longer than a moment.
const RETRY_AFTER_SECONDS: u32 = 5;

// Codes of google.rpc.Code.
const OK: i32 = 0;
const INVALID_ARGUMENT: i32 = 3;
const PERMISSION_DENIED: i32 = 7;
const RESOURCE_EXHAUSTED: i32 = 8;
const UNIMPLEMENTED: i32 = 12;
const UNAVAILABLE: i32 = 14;
const UNAUTHENTICATED: i32 = 16;

/// The first reasons in one line, each with its count; empty when all was kept whole.
fn reasons(counted: &Counted<'_>) -> String {
    let mut told: Vec<String> = counted
        .refusals
        .iter()
        .take(REASONS_PER_REPLY_MAX)
        .map(|refusal| match refusal.count {
            0 => refusal.reason.to_string(),
            count => format!("{count} refused: {}", refusal.reason),
        })
        .collect();
    match counted.refusals.len().saturating_sub(REASONS_PER_REPLY_MAX) {
        0 => {}
        more => told.push(format!("and {more} more reasons")),
    }
    told.join("; ")
}

/// `Export*ServiceResponse`: empty, or field 1 with the number of records rejected (1) and why (2).
fn partial_success(rejected: u64, message: &str) -> Vec<u8> {
    if message.is_empty() {
        return Vec::new();
    }
    let mut partial = Vec::new();
    put_number(1, rejected, &mut partial);
    put_bytes(2, message.as_bytes(), &mut partial);
    let mut response = Vec::new();
    put_bytes(1, &partial, &mut response);
    response
}

/// `google.rpc.Status`: code (1), message (2), and as details (3) an `Any` with the `RetryInfo`.
fn status_message(code: i32, message: &str, retry_after_seconds: Option<u32>) -> Vec<u8> {
    let mut status = Vec::new();
    put_number(1, code.unsigned_abs().into(), &mut status);
    put_bytes(2, message.as_bytes(), &mut status);
    if let Some(seconds) = retry_after_seconds {
        let (mut duration, mut retry_info, mut any) = (Vec::new(), Vec::new(), Vec::new());
        put_number(1, seconds.into(), &mut duration);
        put_bytes(1, &duration, &mut retry_info);
        put_bytes(1, b"type.googleapis.com/google.rpc.RetryInfo", &mut any);
        put_bytes(2, &retry_info, &mut any);
        put_bytes(3, &any, &mut status);
    }
    status
}

fn put_number(field: u8, value: u64, out: &mut Vec<u8>) {
    if value != 0 {
        out.push(field << 3);
        put_varint(value, out);
    }
}

fn put_bytes(field: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(field << 3 | 2);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
