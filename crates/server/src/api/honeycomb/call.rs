//! What the handlers of Honeycomb's API share: bodies, datasets, documents.

use std::ops::Range;

use axum::extract::Request;
use http::HeaderMap;
use metastore::HoneycombDocument;
use receivers::Failure as ReadFailure;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::failure::{Answer, Failure};
use crate::limits::{API_BODY_BYTES_MAX, HONEYCOMB_DOCUMENTS_MAX};
use crate::listen::http_ingest::read_body;
use crate::{Services, now_unix_nano};

/// The type of a dataset whose points are of series.
pub const METRICS: &str = "metrics";

/// Tags of one thing: Honeycomb's bound.
const TAGS_MAX: usize = 10;

/// The dataset that is all of them.
pub const ALL: &str = "__all__";

/// A JSON body; an empty one cannot be read.
pub async fn body(request: Request) -> Answer<(HeaderMap, Value)> {
    let (parts, body) = request.into_parts();
    let body = read_body(&parts.headers, body, API_BODY_BYTES_MAX).await;
    let body = body.map_err(|failure| match failure {
        ReadFailure::TooLarge { bytes_max } => Failure::too_large(bytes_max),
        failure => Failure::unparseable(failure.to_string()),
    })?;
    let value = serde_json::from_slice(&body).map_err(|error| Failure::unparseable(format!("invalid JSON: {error}")))?;
    Ok((parts.headers, value))
}

pub fn object(value: Value) -> Answer<Map<String, Value>> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(Failure::unparseable("expected a JSON object")),
    }
}

/// A text of at most so many characters; empty where it is not given.
pub fn text_within<'a>(asked: &'a Map<String, Value>, member: &str, chars_max: usize) -> Answer<&'a str> {
    let text = asked.get(member).and_then(Value::as_str).unwrap_or_default();
    if text.chars().count() > chars_max {
        return Err(Failure::invalid(member, "invalid", format!("{member}: must have at most {chars_max} characters")));
    }
    Ok(text)
}

/// The tags of a board, a trigger or an objective, in Honeycomb's bounds.
pub fn tags(asked: &Map<String, Value>) -> Answer<Value> {
    let tags = asked.get("tags").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if tags.len() > TAGS_MAX {
        return Err(Failure::invalid("tags", "invalid", format!("tags: at most {TAGS_MAX}")));
    }
    for (at, tag) in tags.iter().enumerate() {
        let wrong = |member: &str, expected: &str| {
            let field = format!("tags[{at}].{member}");
            Failure::invalid(&field, "invalid", format!("{field}: {expected}"))
        };
        if !is_tag(&tag["key"], 32, |c| c.is_ascii_lowercase()) {
            return Err(wrong("key", "must be 1 to 32 lower case letters"));
        }
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '/';
        if !is_tag(&tag["value"], 128, is_plain) {
            return Err(wrong("value", "must be 1 to 128 of a-z, 0-9, - and /, and begin with a letter"));
        }
    }
    Ok(tags.into())
}

fn is_tag(text: &Value, chars_max: usize, is_allowed: fn(char) -> bool) -> bool {
    let text = text.as_str().unwrap_or_default();
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.len() <= chars_max && text.chars().all(is_allowed)
}

pub fn query<T: DeserializeOwned + Default>(uri: &http::Uri) -> T {
    axum::extract::Query::<T>::try_from_uri(uri).map(|query| query.0).unwrap_or_default()
}

/// Items of one page: Honeycomb's bounds.
const PAGE_DEFAULT: usize = 20;
const PAGE_MAX: usize = 100;

/// Which of many items are told.
#[derive(Default, Deserialize)]
pub struct Page {
    #[serde(rename = "page[size]")]
    size: Option<usize>,
    #[serde(rename = "page[after]")]
    after: Option<String>,
}

impl Page {
    /// Refuses, for people: a page of no items, or of too many.
    pub fn of(uri: &http::Uri) -> Result<Page, String> {
        let page: Page = query(uri);
        match page.size() {
            1..=PAGE_MAX => Ok(page),
            _ => Err(format!("page[size]: must be between 1 and {PAGE_MAX}")),
        }
    }

    fn size(&self) -> usize {
        self.size.unwrap_or(PAGE_DEFAULT)
    }

    /// The items of this page, and the address of the next one.
    pub fn within(&self, items: usize, path: &str) -> (Range<usize>, Option<String>) {
        let after = self.after.as_ref().and_then(|after| after.parse().ok());
        let from = after.unwrap_or(0_usize).min(items);
        let to = (from + self.size()).min(items);
        let joint = if path.contains('?') { '&' } else { '?' };
        let next = (to < items).then(|| format!("{path}{joint}page%5Bsize%5D={}&page%5Bafter%5D={to}", self.size()));
        (from..to, next)
    }
}

/// A name as it stands in paths: lower case, everything but letters, digits, dots and underscores a hyphen.
pub fn slug(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c.to_ascii_lowercase() } else { '-' };
    name.trim().chars().map(plain).collect()
}

/// A new id, in Honeycomb's style.
pub fn new_id() -> String {
    id_of(uuid::Uuid::new_v4().as_u128())
}

/// Eleven letters and digits.
pub fn id_of(mut number: u128) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut id = String::with_capacity(11);
    for _ in 0..11 {
        id.push(char::from(DIGITS[(number % 62) as usize]));
        number /= 62;
    }
    id
}

/// RFC 3339, in UTC.
pub fn time(unix_nano: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(unix_nano)).map(|time| time.to_string()).unwrap_or_default()
}

/// A document as its object, with what it is called and when it was written.
pub fn told(document: &HoneycombDocument) -> Value {
    let mut value: Value = serde_json::from_str(&document.document).unwrap_or_else(|_| json!({}));
    value["id"] = document.id.as_str().into();
    value["created_at"] = time(document.created_at_unix_nano).into();
    value["updated_at"] = time(document.changed_at_unix_nano).into();
    value
}

impl Services {
    /// The service that a slug names; nothing for all of them.
    pub(super) async fn honeycomb_dataset(&self, wanted: &str) -> Answer<Option<String>> {
        if wanted == ALL {
            return Ok(None);
        }
        if self.asker.honeycomb_has_dataset(wanted).await? {
            return Ok(Some(wanted.to_owned()));
        }
        let datasets = self.asker.honeycomb_datasets().await?;
        if let Some(found) = datasets.iter().find(|one| one.name == wanted).or_else(|| {
            let wanted = slug(wanted);
            datasets.iter().find(|one| slug(&one.name) == wanted)
        }) {
            return Ok(Some(found.name.clone()));
        }
        // One that was made and has no rows yet.
        let project = &self.settings.project;
        match self.metastore.honeycomb_document(project, "dataset", &slug(wanted)).await? {
            Some(made) => {
                let document: Value = serde_json::from_str(&made.document).unwrap_or_default();
                Ok(Some(document["name"].as_str().unwrap_or(wanted).to_owned()))
            }
            None => Err(Failure::not_found("Dataset not found")),
        }
    }

    /// Whether somebody said of a dataset that its points are of series.
    pub(in crate::api) async fn honeycomb_time_series(&self, dataset: &str) -> Answer<bool> {
        let found = self.metastore.honeycomb_document(&self.settings.project, "dataset", &slug(dataset)).await?;
        let document = found.and_then(|found| serde_json::from_str::<Value>(&found.document).ok()).unwrap_or_default();
        Ok(document["dataset_type"] == METRICS)
    }

    pub(super) async fn honeycomb_put(&self, kind: &str, scope: &str, id: &str, document: &Value) -> Answer<HoneycombDocument> {
        let now = now_unix_nano();
        let document = HoneycombDocument {
            kind: kind.to_owned(),
            scope: scope.to_owned(),
            id: id.to_owned(),
            document: document.to_string(),
            created_at_unix_nano: now,
            changed_at_unix_nano: now,
        };
        self.metastore.put_honeycomb_document(&self.settings.project, &document, HONEYCOMB_DOCUMENTS_MAX).await?;
        Ok(document)
    }

    /// A document of a dataset, by its id.
    pub(super) async fn honeycomb_get(&self, kind: &str, scope: &str, id: &str) -> Answer<HoneycombDocument> {
        let found = self.metastore.honeycomb_document(&self.settings.project, kind, id).await?;
        found.filter(|found| found.scope == scope).ok_or_else(|| Failure::not_found("not found"))
    }
}
