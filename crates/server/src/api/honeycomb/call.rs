//! What the handlers of Honeycomb's API share: bodies, datasets, documents.

use axum::extract::Request;
use http::HeaderMap;
use metastore::HoneycombDocument;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::failure::{Answer, Failure};
use crate::limits::{API_BODY_BYTES_MAX, HONEYCOMB_DOCUMENTS_MAX};
use crate::listen::http_ingest::read_body;
use crate::{Services, now_unix_nano};

/// The type of a dataset whose points are of series.
pub const METRICS: &str = "metrics";

/// The dataset that is all of them.
pub const ALL: &str = "__all__";

/// A JSON body; an empty one cannot be read.
pub async fn body(request: Request) -> Answer<(HeaderMap, Value)> {
    let (parts, body) = request.into_parts();
    let body = read_body(&parts.headers, body, API_BODY_BYTES_MAX).await;
    let body = body.map_err(|failure| Failure::unparseable(failure.to_string()))?;
    let value = serde_json::from_slice(&body).map_err(|error| Failure::unparseable(format!("invalid JSON: {error}")))?;
    Ok((parts.headers, value))
}

pub fn object(value: Value) -> Answer<Map<String, Value>> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(Failure::unparseable("expected a JSON object")),
    }
}

pub fn query<T: DeserializeOwned + Default>(uri: &http::Uri) -> T {
    axum::extract::Query::<T>::try_from_uri(uri).map(|query| query.0).unwrap_or_default()
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
