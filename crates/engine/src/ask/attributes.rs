//! What can be asked for: attribute keys, their types and values.

use model::Signal;
use serde::Serialize;
use store::TimeRange;
use utoipa::ToSchema;

use super::{Asker, Stats};
use crate::engine::{quote, quote_text};
use crate::error::EngineError;
use crate::limits::PAGE_ROWS_MAX;

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Attributes {
    pub attributes: Vec<AttributeKey>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AttributeKey {
    pub key: String,
    pub signal: String,
    pub r#type: String,
    /// Whether every row has the column, or only those that said so.
    pub fixed: bool,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AttributeValues {
    pub values: Vec<AttributeValue>,
    pub stats: Stats,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AttributeValue {
    pub value: String,
    #[serde(serialize_with = "super::weighted")]
    pub count: f64,
}

impl Asker {
    pub async fn attributes(&self, signal: Option<Signal>) -> Result<Attributes, EngineError> {
        let session = self.session(TimeRange::ALL).await?;
        let mut attributes = Vec::new();
        for signal in Signal::ALL.into_iter().filter(|each| signal.is_none_or(|wanted| wanted == *each)) {
            for field in session.schema(signal).fields() {
                attributes.push(AttributeKey {
                    key: field.name().clone(),
                    signal: signal.table().to_owned(),
                    r#type: crate::answer::type_name(field.data_type()),
                    fixed: store::columns::is_fixed(signal, field.name()),
                });
            }
            for key in session.rest_keys(signal).await? {
                attributes.push(AttributeKey { key, signal: signal.table().to_owned(), r#type: "string".into(), fixed: false });
            }
        }
        Ok(Attributes { attributes })
    }

    /// The most frequent values of one attribute that begin with `prefix`, ignoring case.
    pub async fn attribute_values(
        &self,
        range: TimeRange,
        signal: Signal,
        key: &str,
        prefix: &str,
        limit: usize,
    ) -> Result<AttributeValues, EngineError> {
        let session = self.session(range).await?;
        session.admit(signal, [key.to_owned()]).await?;
        if !session.has(signal, key) {
            return Ok(AttributeValues { values: Vec::new(), stats: session.seen().into() });
        }
        session.define("t", signal, None).await?;
        let column = quote(key);
        let answer = session
            .ask(&format!(
                "SELECT CAST({column} AS VARCHAR) AS value, sum({weight}) AS n FROM t WHERE {column} IS NOT NULL \
                 AND starts_with(lower(CAST({column} AS VARCHAR)), {prefix}) GROUP BY 1 ORDER BY n DESC, value LIMIT {limit}",
                weight = if signal == Signal::Metrics { "1.0" } else { "sample_rate" },
                prefix = quote_text(&prefix.to_lowercase()),
                limit = limit.clamp(1, PAGE_ROWS_MAX),
            ))
            .await?;
        let values =
            answer.iter().filter_map(|row| Some(AttributeValue { value: row.string("value")?, count: row.f64("n")? })).collect();
        Ok(AttributeValues { values, stats: answer.stats.into() })
    }
}
