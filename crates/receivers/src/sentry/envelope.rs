//! Envelopes: a line of JSON about the whole, then items, each behind a line of JSON of its own.
//!
//! Spec: develop.sentry.dev/sdk/foundations/envelopes

use std::borrow::Cow;

use base64::Engine as _;
use serde_json::{Map, Value};

use crate::body::{ContentEncoding, decompress};
use crate::json::sound_text;
use crate::receiver::Failure;

/// Bytes of an envelope in the clear: a full event, a transaction of a thousand spans and a few attachments of text. Sentry
/// itself takes ten times as much, for recordings and crash dumps, which are not kept here.
pub const BODY_BYTES_MAX: usize = 20 * 1024 * 1024;

/// Items of one envelope; SDKs put in a handful.
const ITEMS_MAX: usize = 1_000;

/// What stands in the log for the address with its key.
const KEY_SHOWN: &str = "present";

#[derive(Debug)]
pub struct Envelope<'a> {
    pub header: Map<String, Value>,
    /// The header names the address that the client was told, and so a key.
    pub has_key: bool,
    pub items: Vec<Item<'a>>,
}

#[derive(Debug)]
pub struct Item<'a> {
    pub kind: String,
    pub header: Map<String, Value>,
    pub payload: Cow<'a, [u8]>,
}

impl<'a> Envelope<'a> {
    /// Refuses: a first line that is no JSON object. An item that is cut off ends the envelope.
    pub fn read(body: &'a [u8]) -> Result<Envelope<'a>, Failure> {
        let (line, mut rest) = first_line(body);
        let header = object(line).ok_or_else(|| Failure::Malformed("expected a JSON object as the first line".to_owned()))?;
        let has_key = header.get("dsn").and_then(Value::as_str).is_some_and(|dsn| !dsn.is_empty());
        let mut items = Vec::new();
        while items.len() < ITEMS_MAX {
            rest = rest.trim_ascii_start();
            let (line, after) = first_line(rest);
            let Some(header) = object(line) else { break };
            let payload;
            (payload, rest) = match header.get("length").and_then(Value::as_u64) {
                Some(length) => after.split_at(usize::try_from(length).unwrap_or(usize::MAX).min(after.len())),
                None => first_line(after),
            };
            let kind = header.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
            items.push(Item { kind, header, payload: Cow::Borrowed(payload) });
        }
        Ok(Envelope { header, has_key, items })
    }

    /// What `/store/` takes: an event alone, as JSON, or in the base64 of zlib of the oldest clients.
    pub fn of_event(body: &'a [u8]) -> Result<Envelope<'a>, Failure> {
        let payload = if body.trim_ascii_start().starts_with(b"{") { Cow::Borrowed(body) } else { Cow::Owned(unpacked(body)?) };
        let item = Item { kind: "event".to_owned(), header: Map::new(), payload };
        let event = item.json().map_err(Failure::Malformed)?;
        let header = event.get("event_id").map(|id| ("event_id".to_owned(), id.clone())).into_iter().collect();
        Ok(Envelope { header, has_key: false, items: vec![item] })
    }

    /// The id that the client is told again.
    pub fn event_id(&self) -> Option<String> {
        self.header.get("event_id").and_then(Value::as_str).map(str::to_owned)
    }

    /// What a dynamic sampler was told of the trace, e.g. `environment`.
    pub fn trace(&self, key: &str) -> Option<&str> {
        self.header.get("trace")?.get(key)?.as_str()
    }
}

impl Item<'_> {
    /// The payload as an object.
    pub fn json(&self) -> Result<Map<String, Value>, String> {
        match serde_json::from_str(&self.text()) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err("expected a JSON object".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    pub fn text(&self) -> Cow<'_, str> {
        sound_text(&self.payload)
    }
}

/// The envelope with a word in place of the address that holds its key, and of the key itself; `None` for one without.
pub fn without_key(body: &[u8]) -> Option<Vec<u8>> {
    let (line, rest) = first_line(body);
    let mut header = Value::Object(object(line)?);
    let mut is_changed = false;
    for pointer in ["/dsn", "/trace/public_key"] {
        if let Some(secret) = header.pointer_mut(pointer).filter(|secret| *secret != KEY_SHOWN) {
            *secret = KEY_SHOWN.into();
            is_changed = true;
        }
    }
    if !is_changed {
        return None;
    }
    let mut out = header.to_string().into_bytes();
    out.push(b'\n');
    out.extend_from_slice(rest);
    Some(out)
}

/// Everything behind the first line.
pub fn items_of(body: &[u8]) -> &[u8] {
    first_line(body).1
}

fn unpacked(body: &[u8]) -> Result<Vec<u8>, Failure> {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(body.trim_ascii())
        .map_err(|error| Failure::Malformed(format!("expected JSON, or base64 of it: {error}")))?;
    if bytes.starts_with(b"{") {
        return Ok(bytes);
    }
    decompress(ContentEncoding::Deflate, &bytes, BODY_BYTES_MAX).map_err(|error| Failure::Malformed(error.to_string()))
}

fn first_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

fn object(line: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(line).ok()
}
