//! X-Ray's filter expressions, where our own API takes them, and the words they are made of.

use axum::Json;
use http::StatusCode;
use languages::xray_filter::{self, FilterError, KEYWORDS};
use serde::Serialize;
use utoipa::ToSchema;

use super::refusal::Refusal;

#[derive(Serialize, ToSchema)]
pub struct FilterKeywords {
    pub keywords: Vec<FilterKeyword>,
}

/// A word of the language. Annotations are not listed: they are the keys of `/api/attributes`.
#[derive(Serialize, ToSchema)]
pub struct FilterKeyword {
    pub name: &'static str,
    /// `boolean`, `number`, `string` or `complex`.
    pub kind: &'static str,
    pub operators: Vec<&'static str>,
    pub help: &'static str,
}

/// The keywords of filter expressions, for completion.
#[utoipa::path(get, tag = "Traces", operation_id = "filter_keywords", path = "/api/filter-keywords", responses((status = 200, body = FilterKeywords)))]
pub async fn keywords() -> Json<FilterKeywords> {
    let keywords = KEYWORDS.iter().map(|keyword| FilterKeyword {
        name: keyword.name,
        kind: keyword.kind.as_str(),
        operators: keyword.operators.to_vec(),
        help: keyword.help,
    });
    Json(FilterKeywords { keywords: keywords.collect() })
}

/// Whether an expression can be read; an empty one matches everything.
pub fn check(expression: &str) -> Result<(), Refusal> {
    if expression.trim().is_empty() {
        return Ok(());
    }
    xray_filter::parse(expression).map(drop).map_err(|error| refusal(&error))
}

fn refusal(error: &FilterError) -> Refusal {
    let mut refusal = Refusal::new(StatusCode::BAD_REQUEST, "invalid_query", error.to_string());
    refusal.error.position = Some(error.position());
    refusal
}
