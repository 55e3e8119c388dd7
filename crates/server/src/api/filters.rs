//! X-Ray's filter expressions, where our own API takes them, and the words they are made of.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use engine::ask::trace_scope::{FindGroup, TraceScope};
use http::StatusCode;
use languages::xray_filter::{self, FilterError, GroupReference, KEYWORDS};
use metastore::MetastoreError;
use serde::Serialize;
use store::TimeRange;
use utoipa::ToSchema;

use super::refusal::Refusal;
use crate::Services;

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

/// The traces of a time, of a filter and of a group, as a request names them; neither need be given.
pub async fn scope(
    services: &Services,
    range: TimeRange,
    filter: Option<&str>,
    group: Option<&str>,
) -> Result<TraceScope, Refusal> {
    let mut scope = TraceScope { filter: filter.unwrap_or_default().to_owned(), ..TraceScope::over(range) };
    let named = group.filter(|group| !group.is_empty() && *group != "Default");
    if let Some(group) = named {
        let found = services.metastore.xray_group(&services.settings.project, group).await?;
        let missing = || Refusal::parameter(format!("there is no group {group:?}"));
        scope.group = found.ok_or_else(missing)?.filter_expression;
    }
    scope.groups = Some(find_groups(services).await?);
    Ok(scope)
}

/// What finds the groups that expressions name, by name or ARN.
pub async fn find_groups(services: &Services) -> Result<FindGroup, MetastoreError> {
    let groups = services.metastore.xray_groups(&services.settings.project).await?;
    let expressions: HashMap<String, String> =
        groups.into_iter().map(|group| (group.name, group.filter_expression)).collect();
    Ok(Arc::new(move |reference: &GroupReference| match reference {
        GroupReference::Name(name) => expression_of(&expressions, name),
        GroupReference::Arn(arn) => {
            let (_, named) = arn.split_once(":group/")?;
            expression_of(&expressions, named).or_else(|| expression_of(&expressions, named.rsplit_once('/')?.0))
        }
    }))
}

/// The group that is everywhere has an expression that holds for everything.
fn expression_of(expressions: &HashMap<String, String>, name: &str) -> Option<String> {
    let found = expressions.get(name).cloned();
    found.or_else(|| (name == "Default").then(String::new))
}
