//! `/api/error-rules`, `/api/error-items`: by which rules errors are told apart, and items put together and taken apart.

use analysis::grouping::rules::{Defaults, RuleText, Rules, values_at};
use axum::Json;
use axum::extract::{Path, Request, State};
use engine::ask::UnixNano;
use engine::ask::occurrences::{Occurrence, OccurrenceFilter};
use metastore::ErrorItem;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::TimeRange;
use utoipa::ToSchema;

use super::refusal::Refusal;
use super::retention::read;
use super::rollbar::occurrence_payload;
use crate::ingest::{KeptRules, RuleBookError};
use crate::limits::{ITEMS_MERGED_MAX, RULES_TRIED_ON};
use crate::{Services, now_unix_nano};

/// A rule: what an occurrence has to be like, and what it is then grouped by and called.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `{"path", "op", "value"}`, or `{"any": […]}`, `{"all": […]}`, `{"none": […]}`.
    #[schema(value_type = Object)]
    pub condition: Value,
    /// A template; `{{default_fingerprint}}`, `{{default_title}}` and any path may stand in it, `group-item-12` names an item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ErrorRules {
    /// In order: the first that holds counts.
    pub rules: Vec<ErrorRule>,
    /// From when on occurrences are told apart by them.
    pub in_force_since_unix_nano: UnixNano,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorRulesRequest {
    rules: Vec<ErrorRule>,
    /// Only when they are tried: on the occurrences of this item.
    #[serde(default)]
    item_id: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub struct ErrorRulesTried {
    /// The latest first.
    pub occurrences: Vec<ErrorRuleTried>,
}

#[derive(Serialize, ToSchema)]
pub struct ErrorRuleTried {
    pub number: i64,
    /// What it is grouped by now.
    pub group: String,
    pub title: String,
    /// The rule that holds, counted from none.
    pub rule: Option<usize>,
    pub would_be_fingerprint: String,
    pub would_be_title: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MergeRequest {
    ids: Vec<i64>,
    #[serde(default)]
    title: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnmergeRequest {
    /// All members when none is named.
    #[serde(default)]
    ids: Vec<i64>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitRequest {
    /// Where in the payload that is by which occurrences are to differ, e.g. `custom.tenant`.
    path: String,
}

#[derive(Serialize, ToSchema)]
pub struct ItemNumbers {
    pub id: i64,
    pub counter: i64,
    pub title: String,
    pub occurrences: u64,
}

#[derive(Serialize, ToSchema)]
pub struct ItemsTold {
    pub items: Vec<ItemNumbers>,
}

const EXPECTED: &str = "{\"rules\": [{\"condition\", \"fingerprint\", \"title\"}]}";

/// The rules in their order.
#[utoipa::path(get, tag = "Errors", operation_id = "error_rules_list", path = "/api/error-rules", responses((status = 200, body = ErrorRules)))]
pub async fn list(State(services): State<Services>) -> Json<ErrorRules> {
    Json(told(services.ingest.rules().latest()))
}

/// Puts rules in the place of all others, for what arrives a second later and after. What is there stays where it is.
#[utoipa::path(put, tag = "Errors", operation_id = "error_rules_put", path = "/api/error-rules", request_body = ErrorRulesRequest, responses((status = 200, body = ErrorRules), (status = 400, body = Refusal)))]
pub async fn put(State(services): State<Services>, request: Request) -> Result<Json<ErrorRules>, Refusal> {
    let asked: ErrorRulesRequest = read(request, EXPECTED).await?;
    Ok(Json(told(keep(&services, texts(asked.rules)).await?)))
}

async fn keep(services: &Services, rules: Vec<RuleText>) -> Result<KeptRules, Refusal> {
    let kept = services.ingest.rules().put(&services.metastore, &services.settings.project, rules, now_unix_nano()).await;
    kept.map_err(|error| match error {
        RuleBookError::Rule(error) => Refusal::parameter(error.to_string()),
        RuleBookError::Metastore(error) => error.into(),
        RuleBookError::Unwritable(error) => Refusal::parameter(error.to_string()),
    })
}

/// What rules would do to the latest occurrences, of all items or of one.
#[utoipa::path(post, tag = "Errors", operation_id = "error_rules_try", path = "/api/error-rules/try", request_body = ErrorRulesRequest, responses((status = 200, body = ErrorRulesTried), (status = 400, body = Refusal)))]
pub async fn try_out(State(services): State<Services>, request: Request) -> Result<Json<ErrorRulesTried>, Refusal> {
    let asked: ErrorRulesRequest = read(request, EXPECTED).await?;
    let rules = Rules::compile(&texts(asked.rules)).map_err(|error| Refusal::parameter(error.to_string()))?;
    let groups = match asked.item_id {
        Some(id) => Some(services.metastore.error_item_fingerprints(id).await?),
        None => None,
    };
    let filter = OccurrenceFilter { groups, ..OccurrenceFilter::default() };
    let latest = services.asker.occurrences(TimeRange::ALL, &filter, 0, RULES_TRIED_ON).await?;
    Ok(Json(ErrorRulesTried { occurrences: latest.iter().map(|occurrence| tried(&rules, occurrence)).collect() }))
}

fn tried(rules: &Rules, occurrence: &Occurrence) -> ErrorRuleTried {
    let exception = occurrence.log.exception.as_ref();
    let title = match exception {
        Some(exception) if !exception.r#type.is_empty() => format!("{}: {}", exception.r#type, exception.message),
        _ => occurrence.log.body.clone(),
    };
    let payload = occurrence_payload(occurrence);
    let defaults = Defaults { fingerprint: &occurrence.group, title: &title };
    let ruled = rules.apply(&payload, defaults);
    let rule = ruled.as_ref().map(|ruled| ruled.rule);
    let (fingerprint, new_title) = ruled.map(|ruled| (ruled.fingerprint, ruled.title)).unwrap_or_default();
    ErrorRuleTried {
        number: occurrence.number,
        group: occurrence.group.clone(),
        rule,
        would_be_fingerprint: fingerprint.unwrap_or_else(|| occurrence.group.clone()),
        would_be_title: new_title.unwrap_or_else(|| title.clone()),
        title,
    }
}

/// Merges items into one. The first that is a group already takes the others in; without one a group is made.
#[utoipa::path(post, tag = "Errors", operation_id = "error_items_merge", path = "/api/error-items/merge", request_body = MergeRequest, responses((status = 200, body = ItemNumbers), (status = 400, body = Refusal), (status = 404, body = Refusal)))]
pub async fn merge(State(services): State<Services>, request: Request) -> Result<Json<ItemNumbers>, Refusal> {
    let mut asked: MergeRequest = read(request, "{\"ids\": [two numbers or more], \"title\"}").await?;
    asked.ids.dedup();
    if !(2..=ITEMS_MERGED_MAX).contains(&asked.ids.len()) {
        return Err(Refusal::parameter(format!("expected the ids of 2 to {ITEMS_MERGED_MAX} items")));
    }
    let project = &services.settings.project;
    let title = asked.title.as_deref().map(str::trim).filter(|title| !title.is_empty());
    let group = services.metastore.merge_error_items(project, &asked.ids, title, now_unix_nano()).await?;
    Ok(Json(numbers(&group)))
}

/// Takes items out of the group that they were merged into.
#[utoipa::path(post, tag = "Errors", operation_id = "error_items_unmerge", path = "/api/error-items/{id}/unmerge", params(("id" = i64, Path, description = "the group's item")), request_body = UnmergeRequest, responses((status = 200, body = ItemsTold), (status = 404, body = Refusal)))]
pub async fn unmerge(
    State(services): State<Services>,
    Path(id): Path<i64>,
    request: Request,
) -> Result<Json<ItemsTold>, Refusal> {
    let asked: UnmergeRequest = read(request, "{\"ids\": [numbers of members]}").await?;
    let left = services.metastore.unmerge_error_items(&services.settings.project, id, &asked.ids, now_unix_nano()).await?;
    Ok(Json(ItemsTold { items: left.iter().map(numbers).collect() }))
}

/// The items that were merged into one.
#[utoipa::path(get, tag = "Errors", operation_id = "error_items_members", path = "/api/error-items/{id}/members", params(("id" = i64, Path, description = "the group's item")), responses((status = 200, body = ItemsTold)))]
pub async fn members(State(services): State<Services>, Path(id): Path<i64>) -> Result<Json<ItemsTold>, Refusal> {
    let members = services.metastore.error_item_members(id).await?;
    Ok(Json(ItemsTold { items: members.iter().map(numbers).collect() }))
}

/// Tells the occurrences of an item apart by what stands at a place of the payload, from now on: a rule before all others.
#[utoipa::path(post, tag = "Errors", operation_id = "error_items_split", path = "/api/error-items/{id}/split", params(("id" = i64, Path)), request_body = SplitRequest, responses((status = 200, body = ErrorRules), (status = 400, body = Refusal), (status = 404, body = Refusal)))]
pub async fn split(State(services): State<Services>, Path(id): Path<i64>, request: Request) -> Result<Json<ErrorRules>, Refusal> {
    let asked: SplitRequest = read(request, "{\"path\": \"custom.tenant\"}").await?;
    let path = asked.path.trim();
    if path.is_empty() || path.contains(['{', '}']) {
        return Err(Refusal::parameter("expected the path of a value in the payload, e.g. custom.tenant"));
    }
    let item = services.metastore.error_item(&services.settings.project, id).await?;
    let item = item.ok_or_else(|| Refusal::missing(format!("no item {id}")))?;
    let groups = services.metastore.error_item_fingerprints(id).await?;
    let filter = OccurrenceFilter { groups: Some(groups.clone()), ..OccurrenceFilter::default() };
    let latest = services.asker.occurrences(TimeRange::ALL, &filter, 0, RULES_TRIED_ON).await?;
    let names: Vec<String> = path.split('.').map(str::to_owned).collect();
    if !latest.iter().any(|occurrence| !values_at(&occurrence_payload(occurrence), &names).is_empty()) {
        return Err(Refusal::parameter(format!("none of the latest {} occurrences has {path}", latest.len())));
    }
    let rule = RuleText {
        name: Some(format!("#{} split by {path}", item.counter)),
        condition: serde_json::json!({ "path": "default_fingerprint", "op": "in", "value": groups }),
        fingerprint: Some(format!("{{{{default_fingerprint}}}} {{{{{path}}}}}")),
        title: Some(format!("{{{{default_title}}}} [{{{{{path}}}}}]")),
    };
    let mut rules = services.ingest.rules().latest().rules;
    rules.insert(0, rule);
    Ok(Json(told(keep(&services, rules).await?)))
}

fn texts(rules: Vec<ErrorRule>) -> Vec<RuleText> {
    rules
        .into_iter()
        .map(|rule| RuleText { name: rule.name, condition: rule.condition, fingerprint: rule.fingerprint, title: rule.title })
        .collect()
}

fn told(kept: KeptRules) -> ErrorRules {
    let rules = kept.rules.into_iter();
    ErrorRules {
        rules: rules
            .map(|rule| ErrorRule {
                name: rule.name,
                condition: rule.condition,
                fingerprint: rule.fingerprint,
                title: rule.title,
            })
            .collect(),
        in_force_since_unix_nano: UnixNano(kept.since_unix_nano),
    }
}

fn numbers(item: &ErrorItem) -> ItemNumbers {
    ItemNumbers { id: item.id, counter: item.counter, title: item.title.clone(), occurrences: item.occurrences }
}
