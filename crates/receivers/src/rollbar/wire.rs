//! The words of Rollbar: items, traces, frames, deploys.
//!
//! Items are read liberally, as Rollbar itself does: a field of the wrong type counts as absent and unknown fields are
//! no error.
//!
//! Spec: docs.rollbar.com/reference/create-item, docs.rollbar.com/reference/post-deploy

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::form;
use crate::incoming::Incoming;
use crate::json::sound_text;
use crate::json_tree::{Map, Value};
use crate::receiver::Failure;

/// Bytes of one item. Rollbar documents 512 KB; locals of deep stacks go beyond, and pyrollbar answers a 413 with a
/// second item that says nothing.
pub const ITEM_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of a deploy: seven short fields.
pub const DEPLOY_BYTES_MAX: usize = 64 * 1024;

/// Exceptions of a `trace_chain` that are printed; real chains have a handful.
pub const CHAIN_LINKS_MAX: usize = 64;

/// Frames of one trace that are printed; SDKs cut at 100 to 300.
pub const FRAMES_PER_TRACE_MAX: usize = 1_000;

/// What stands in the log for an access token: that there was one.
const TOKEN_SHOWN: &str = "present";

/// A shorter token is not looked for inside an item: `test` would be found in honest text.
const TOKEN_CHARS_MIN: usize = 16;

/// A request for one item: the data, and the text that may be kept.
#[derive(Debug)]
pub struct Payload<'a> {
    pub data: Map<'a>,
    /// The payload word for word, but without its access token.
    pub source: String,
    pub has_token: bool,
}

impl<'a> Payload<'a> {
    /// Reads the body of `POST /api/1/item/`: JSON, or a form with the JSON in `payload`.
    pub fn from_incoming(incoming: &Incoming<'a>) -> Result<Payload<'a>, Failure> {
        if is_json(incoming.body) {
            return Payload::from_json(incoming.body);
        }
        let fields = form::urlencoded(incoming.body);
        let field = |name| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let Some(payload) = field("payload") else { return Payload::from_json(incoming.body) };
        let payload = Payload::from_json(payload.as_bytes())?.into_owned();
        let has_token = payload.has_token || field("access_token").is_some_and(|token| !token.is_empty());
        Ok(Payload { has_token, ..payload })
    }

    /// What tells this item from every other, and from itself sent again.
    pub fn uuid(&self) -> Option<&str> {
        self.data.get("uuid")?.as_str().filter(|uuid| !uuid.is_empty())
    }

    /// Nearly all bodies are sound; one that is not is made so and read again.
    fn from_json(body: &'a [u8]) -> Result<Payload<'a>, Failure> {
        match std::str::from_utf8(body).map(Payload::from_text) {
            Ok(Ok(payload)) => Ok(payload),
            _ => Payload::from_text(&sound_text(body)).map(Payload::into_owned),
        }
    }

    fn into_owned<'any>(self) -> Payload<'any> {
        Payload { data: self.data.into_owned(), source: self.source, has_token: self.has_token }
    }

    fn from_text(text: &'a str) -> Result<Payload<'a>, Failure> {
        let members = members_of(text)?;
        let data: Value<'a> = match members.iter().rev().find(|(key, _)| key == "data") {
            None => return Err(Failure::Invalid("missing required field \"data\"".to_owned())),
            Some((_, data)) => serde_json::from_str(data.get()).map_err(|error| Failure::Malformed(error.to_string()))?,
        };
        let Value::Object(data) = data else {
            return Err(Failure::Invalid("field \"data\" must be an object".to_owned()));
        };
        let tokens = tokens_of(&members);
        Ok(Payload { data, source: source_without_tokens(&members, &tokens), has_token: !tokens.is_empty() })
    }
}

/// The values of an object's `access_token`, should it be there, that are texts and not empty.
fn tokens_of(members: &Members<'_>) -> Vec<String> {
    let told = members.iter().filter(|(key, _)| key == "access_token");
    told.filter_map(|(_, token)| serde_json::from_str(token.get()).ok()).filter(|token: &String| !token.is_empty()).collect()
}

/// The body of an item with a word in place of its access token; `None` for one that has none, or cannot be read.
///
/// What is understood of it is the same, [`Payload::source`] to the letter.
pub fn item_without_token(body: &[u8]) -> Option<Vec<u8>> {
    if is_json(body) {
        return json_without_tokens(body, Vec::new());
    }
    let mut fields = form::urlencoded(body);
    let Some(place) = fields.iter().position(|(key, _)| key == "payload") else { return json_without_tokens(body, Vec::new()) };
    let (_, payload) = fields.swap_remove(place);
    let beside = fields.into_iter().filter(|(key, value)| key == "access_token" && !value.is_empty());
    json_without_tokens(payload.as_bytes(), beside.map(|(_, value)| value).collect())
}

fn json_without_tokens(body: &[u8], beside: Vec<String>) -> Option<Vec<u8>> {
    let sound;
    let members = match std::str::from_utf8(body).ok().and_then(|text| members_of(text).ok()) {
        Some(members) => members,
        None => {
            sound = sound_text(body);
            members_of(&sound).ok()?
        }
    };
    if beside.is_empty() && members.iter().all(|(key, _)| key != "access_token") {
        return None;
    }
    let tokens: Vec<String> = tokens_of(&members).into_iter().chain(beside).collect();
    let shown = if tokens.is_empty() { "" } else { TOKEN_SHOWN };
    let source = source_without_tokens(&members, &tokens);
    let rest = source.trim_start_matches('{');
    let between = if rest == "}" { "" } else { ", " };
    Some(format!("{{\"access_token\": \"{shown}\"{between}{rest}").into_bytes())
}

type Members<'a> = Vec<(String, &'a RawValue)>;

fn members_of(text: &str) -> Result<Members<'_>, Failure> {
    let members: Result<TopLevel<'_>, serde_json::Error> = serde_json::from_str(text);
    members.map(|members| members.0).map_err(|error| Failure::Malformed(error.to_string()))
}

fn source_without_tokens(members: &Members<'_>, tokens: &[String]) -> String {
    let mut out = String::from("{");
    for (key, value) in members.iter().filter(|(key, _)| key != "access_token") {
        if out.len() > 1 {
            out.push_str(", ");
        }
        model::json_string(key, &mut out);
        out.push_str(": ");
        out.push_str(value.get());
    }
    out.push('}');
    // Some notifiers repeat their options, token and all, in `notifier.configured_options`.
    for token in tokens.iter().filter(|token| token.len() >= TOKEN_CHARS_MIN) {
        if out.contains(token.as_str()) {
            out = out.replace(token.as_str(), &"*".repeat(token.len()));
        }
    }
    out
}

/// The members of an object in their order, values unread.
struct TopLevel<'a>(Members<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for TopLevel<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Members<'a> {
            type Value = TopLevel<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TopLevel<'a>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, &'de RawValue>()? {
                    members.push(member);
                }
                Ok(TopLevel(members))
            }
        }
        deserializer.deserialize_map(Members(std::marker::PhantomData))
    }
}

/// Told by the first byte: `curl -d '{…}'` calls its JSON a form.
fn is_json(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{") || body.starts_with(b"\xef\xbb\xbf")
}

/// An object of an item, read by its keys.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a>(pub &'a Map<'a>);

impl<'a> Object<'a> {
    pub fn get(self, key: &str) -> Option<&'a Value<'a>> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// A string that is not blank.
    pub fn text(self, key: &str) -> Option<&'a str> {
        self.get(key)?.as_str().filter(|text| !text.trim().is_empty())
    }

    /// A string, or a number in its text form: ids are sent as either.
    pub fn text_or_number(self, key: &str) -> Option<Cow<'a, str>> {
        match self.get(key)? {
            Value::Number(number) => Some(Cow::Owned(number.to_string())),
            Value::String(text) if !text.trim().is_empty() => Some(Cow::Borrowed(text)),
            _ => None,
        }
    }

    /// A number, or a string with one.
    pub fn number(self, key: &str) -> Option<f64> {
        match self.get(key)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub fn object(self, key: &str) -> Option<Object<'a>> {
        self.get(key)?.as_object().map(Object)
    }

    pub fn list(self, key: &str) -> &'a [Value<'a>] {
        self.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

/// What an item tells: `data.body`.
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// `trace` or `trace_chain`; the latest exception first. Never empty.
    Traces(Vec<Trace<'a>>),
    Message(Object<'a>),
    CrashReport {
        raw: &'a str,
    },
}

impl<'a> Body<'a> {
    /// Reads `data.body`. Refuses: none of `trace`, `trace_chain`, `message`, `crash_report`.
    pub fn from_data(data: Object<'a>) -> Result<Body<'a>, Failure> {
        let invalid = |text: &str| Failure::Invalid(text.to_owned());
        let body = data.object("body").ok_or_else(|| invalid("missing required field \"data.body\""))?;
        let chain = body.list("trace_chain").iter().filter_map(Value::as_object).take(CHAIN_LINKS_MAX);
        let mut traces: Vec<Trace<'a>> = chain.map(|trace| Trace(Object(trace))).collect();
        if let Some(trace) = body.object("trace").filter(|_| traces.is_empty()) {
            traces.push(Trace(trace));
        }
        if !traces.is_empty() {
            return Ok(Body::Traces(traces));
        }
        if let Some(message) = body.object("message") {
            return Ok(Body::Message(message));
        }
        let raw = body.object("crash_report").and_then(|report| report.text("raw"));
        raw.map(|raw| Body::CrashReport { raw })
            .ok_or_else(|| invalid("\"data.body\" must contain one of \"trace\", \"trace_chain\", \"message\", \"crash_report\""))
    }
}

/// One exception with its calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trace<'a>(pub Object<'a>);

impl PartialEq for Object<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<'a> Trace<'a> {
    pub fn exception(self, key: &str) -> &'a str {
        self.0.object("exception").and_then(|exception| exception.text(key)).unwrap_or_default()
    }

    /// Oldest call first.
    pub fn frames(self) -> impl DoubleEndedIterator<Item = Frame<'a>> {
        let frames = self.0.list("frames");
        let newest = &frames[frames.len().saturating_sub(FRAMES_PER_TRACE_MAX)..];
        newest.iter().filter_map(Value::as_object).map(|frame| Frame(Object(frame)))
    }
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a>(Object<'a>);

impl<'a> Frame<'a> {
    pub fn filename(self) -> &'a str {
        self.0.text("filename").unwrap_or_default()
    }

    pub fn method(self) -> &'a str {
        self.0.text("method").unwrap_or_default()
    }

    pub fn class_name(self) -> &'a str {
        self.0.text("class_name").unwrap_or_default()
    }

    pub fn code(self) -> &'a str {
        self.0.text("code").map(str::trim).unwrap_or_default()
    }

    pub fn line(self) -> Option<u32> {
        self.0.number("lineno").filter(|line| *line >= 0.0).map(|line| line as u32)
    }

    pub fn column(self) -> Option<u32> {
        self.0.number("colno").filter(|column| *column >= 0.0).map(|column| column as u32)
    }
}

/// A deploy's fields, whichever way they were sent.
#[derive(Debug)]
pub struct Deploy(Vec<(String, String)>);

impl Deploy {
    /// Refuses: no JSON where JSON was said; no `environment`; no `revision`.
    pub fn from_incoming(incoming: &Incoming<'_>) -> Result<Deploy, Failure> {
        let deploy = Deploy::read(incoming)?;
        match ["environment", "revision"].into_iter().find(|name| deploy.field(name).is_none()) {
            Some(missing) => Err(Failure::Invalid(format!("missing required field {missing:?}"))),
            None => Ok(deploy),
        }
    }

    fn read(incoming: &Incoming<'_>) -> Result<Deploy, Failure> {
        Ok(Deploy(match incoming.headers.media_type().as_str() {
            _ if is_json(incoming.body) => json_fields(incoming.body)?,
            "multipart/form-data" => form::multipart(incoming.headers.get("content-type").unwrap_or_default(), incoming.body),
            "application/json" => json_fields(incoming.body)?,
            _ => form::urlencoded(incoming.body),
        }))
    }

    /// The body as JSON, with a word in place of its access token; `None` for one that has none, or cannot be read.
    pub fn without_token(incoming: &Incoming<'_>) -> Option<Vec<u8>> {
        let Deploy(fields) = Deploy::read(incoming).ok()?;
        fields.iter().find(|(key, value)| key == "access_token" && !value.is_empty())?;
        let mut out = format!("{{\"access_token\": \"{TOKEN_SHOWN}\"");
        for (key, value) in fields.iter().filter(|(key, _)| key != "access_token") {
            out.push_str(", ");
            model::json_string(key, &mut out);
            out.push_str(": ");
            model::json_string(value, &mut out);
        }
        out.push('}');
        Some(out.into_bytes())
    }

    /// A field that is not blank.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|value| !value.trim().is_empty())
    }
}

fn json_fields(body: &[u8]) -> Result<Vec<(String, String)>, Failure> {
    let sound = sound_text(body);
    let fields: Result<Map<'_>, serde_json::Error> = serde_json::from_str(&sound);
    let fields = fields.map_err(|error| Failure::Malformed(error.to_string()))?;
    let text = |value: Value<'_>| match value {
        Value::Null => String::new(),
        Value::String(text) => text.into_owned(),
        other => other.to_string(),
    };
    Ok(fields.into_iter().map(|(key, value)| (key.into_owned(), text(value))).collect())
}
