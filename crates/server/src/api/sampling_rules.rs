//! `/api/sampling-rules`: which requests clients keep, and what a rule does: for the page.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Request, State};
use engine::ask::UnixNano;
use http::{HeaderMap, StatusCode};
use metastore::{DEFAULT_SAMPLING_PRIORITY, DEFAULT_SAMPLING_RULE, SamplingRule, SamplingRuleUpdate, SamplingWindow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::params::not_from_another_page;
use super::refusal::Refusal;
use super::retention::read;
use crate::limits::SAMPLING_RULES_MAX;
use crate::{Services, now_unix_nano};

const MINUTE_NS: i64 = 60 * 1_000_000_000;

/// Minutes of which counts are shown.
const EFFECT_MINUTES: i64 = 60;

/// Minutes over which the totals are.
const RECENT_MINUTES: i64 = 10;

/// Windows that are read: an hour of six a minute for each rule.
const WINDOWS_READ_MAX: u32 = 60 * 6 * (SAMPLING_RULES_MAX + 1);

#[derive(Serialize, ToSchema)]
pub struct SamplingRulesTold {
    /// In the order in which clients try them; the default is last.
    pub rules: Vec<SamplingRuleTold>,
}

#[derive(Serialize, ToSchema)]
pub struct SamplingRuleTold {
    pub name: String,
    /// 1 to 9999, lower first; 10000 for the default.
    pub priority: u32,
    /// Share of requests kept once the reservoir is used up, 0 to 1.
    pub fixed_rate: f64,
    /// Requests a second kept before the rate applies, over all clients.
    pub reservoir_size: u32,
    pub service_name: String,
    pub service_type: String,
    pub host: String,
    pub http_method: String,
    pub url_path: String,
    pub resource_arn: String,
    pub attributes: BTreeMap<String, String>,
    /// It can be changed, not removed, and matches everything.
    pub is_default: bool,
    pub modified_at_unix_nano: UnixNano,
    /// Clients that report on it now.
    pub clients: u32,
    /// Requests that matched in the last ten minutes, those of them that were kept, and those kept without a quota.
    pub requests: u64,
    pub sampled: u64,
    pub borrowed: u64,
    /// The last hour by minute, oldest first; minutes without a report are left out.
    pub effect: Vec<SamplingMinute>,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
pub struct SamplingMinute {
    /// Seconds since 1970 at which the minute began.
    pub minute_unix: i64,
    pub requests: u64,
    pub sampled: u64,
}

/// A rule as it is to be. `*` and `?` may stand in every matcher, and what is not given matches everything.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SamplingRuleRequest {
    /// Only when it is made; 1 to 32 characters.
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    priority: Option<u32>,
    fixed_rate: f64,
    reservoir_size: u32,
    #[serde(default)]
    service_name: Option<String>,
    #[serde(default)]
    service_type: Option<String>,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    http_method: Option<String>,
    #[serde(default)]
    url_path: Option<String>,
    #[serde(default)]
    resource_arn: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

const EXPECTED: &str = "{\"name\", \"priority\", \"fixed_rate\", \"reservoir_size\", …}";

/// Every rule with what it did lately.
#[utoipa::path(get, tag = "Sampling", operation_id = "sampling_rules_list", path = "/api/sampling-rules", responses((status = 200, body = SamplingRulesTold)))]
pub async fn list(State(services): State<Services>) -> Result<Json<SamplingRulesTold>, Refusal> {
    let (metastore, project, now) = (&services.metastore, &services.settings.project, now_unix_nano());
    services.xray.write(metastore, project).await?;
    let from = (now / MINUTE_NS - EFFECT_MINUTES) * MINUTE_NS;
    let windows = metastore.sampling_statistics(project, from, None, WINDOWS_READ_MAX).await?;
    let rules = metastore.sampling_rules(project).await?.rules;
    let rules = rules.into_iter().map(|rule| told(&services, rule, &windows, now)).collect();
    Ok(Json(SamplingRulesTold { rules }))
}

/// Makes a rule. Clients hear of it when they next report, within ten seconds, or fetch, within five minutes.
#[utoipa::path(post, tag = "Sampling", operation_id = "sampling_rules_add", path = "/api/sampling-rules", request_body = SamplingRuleRequest, responses((status = 200, body = SamplingRuleTold), (status = 400, body = Refusal), (status = 409, body = Refusal)))]
pub async fn add(State(services): State<Services>, request: Request) -> Result<Json<SamplingRuleTold>, Refusal> {
    let asked: SamplingRuleRequest = read(request, EXPECTED).await?;
    let name = asked.name.as_deref().unwrap_or_default().trim().to_owned();
    let is_fine = |letter: char| letter.is_alphanumeric() || "-_. /:".contains(letter);
    if name.is_empty() || name.chars().count() > 32 || !name.chars().all(is_fine) {
        return Err(Refusal::parameter("a rule has a name of 1 to 32 letters, digits and - _ . / :"));
    }
    check(&asked)?;
    let priority = asked.priority.ok_or_else(|| Refusal::parameter("a rule has a priority from 1 to 9999"))?;
    let now = now_unix_nano();
    let or_any = |text: Option<String>| text.unwrap_or_else(|| "*".to_owned());
    let rule = SamplingRule {
        fixed_rate: asked.fixed_rate,
        reservoir_size: asked.reservoir_size,
        service_name: or_any(asked.service_name),
        service_type: or_any(asked.service_type),
        host: or_any(asked.host),
        http_method: or_any(asked.http_method),
        url_path: or_any(asked.url_path),
        resource_arn: or_any(asked.resource_arn),
        attributes: asked.attributes,
        created_at_unix_nano: now,
        modified_at_unix_nano: now,
        ..SamplingRule::matching_all(&name, priority)
    };
    services.metastore.create_sampling_rule(&services.settings.project, &rule, SAMPLING_RULES_MAX).await?;
    Ok(Json(told(&services, rule, &[], now)))
}

/// Changes a rule; of the default only its rate and its reservoir.
#[utoipa::path(put, tag = "Sampling", operation_id = "sampling_rules_change", path = "/api/sampling-rules/{name}", params(("name" = String, Path)), request_body = SamplingRuleRequest, responses((status = 200, body = SamplingRuleTold), (status = 400, body = Refusal), (status = 404, body = Refusal)))]
pub async fn change(
    State(services): State<Services>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<SamplingRuleTold>, Refusal> {
    let asked: SamplingRuleRequest = read(request, EXPECTED).await?;
    if asked.name.as_ref().is_some_and(|other| *other != name) {
        return Err(Refusal::parameter("a rule keeps its name: make another one instead"));
    }
    let mut update = SamplingRuleUpdate {
        fixed_rate: Some(asked.fixed_rate),
        reservoir_size: Some(asked.reservoir_size),
        ..SamplingRuleUpdate::default()
    };
    if name != DEFAULT_SAMPLING_RULE {
        check(&asked)?;
        update.priority = asked.priority;
        let or_any = |text: Option<String>| Some(text.unwrap_or_else(|| "*".to_owned()));
        update.service_name = or_any(asked.service_name);
        update.service_type = or_any(asked.service_type);
        update.host = or_any(asked.host);
        update.http_method = or_any(asked.http_method);
        update.url_path = or_any(asked.url_path);
        update.resource_arn = or_any(asked.resource_arn);
        update.attributes = Some(asked.attributes);
    } else {
        check(&SamplingRuleRequest { priority: None, ..asked })?;
    }
    let now = now_unix_nano();
    let updated = services.metastore.update_sampling_rule(&services.settings.project, &name, &update, now).await?;
    Ok(Json(told(&services, updated, &[], now)))
}

/// Removes a rule; the default cannot be removed.
#[utoipa::path(delete, tag = "Sampling", operation_id = "sampling_rules_delete", path = "/api/sampling-rules/{name}", params(("name" = String, Path)), responses((status = 204), (status = 400, body = Refusal), (status = 404, body = Refusal)))]
pub async fn remove(
    State(services): State<Services>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    not_from_another_page(&headers)?;
    let project = &services.settings.project;
    services.metastore.delete_sampling_rule(project, &name, now_unix_nano()).await?;
    services.metastore.delete_all_tags(project, &format!("sampling-rule/{name}")).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The bounds are X-Ray's: its SDKs are who reads the rules.
fn check(asked: &SamplingRuleRequest) -> Result<(), Refusal> {
    if asked.priority.is_some_and(|priority| !(1..DEFAULT_SAMPLING_PRIORITY).contains(&priority)) {
        return Err(Refusal::parameter("a priority is from 1 to 9999; only the default has 10000"));
    }
    if !(0.0..=1.0).contains(&asked.fixed_rate) {
        return Err(Refusal::parameter("a rate is from 0 to 1"));
    }
    if asked.reservoir_size > i32::MAX as u32 {
        return Err(Refusal::parameter("a reservoir is a number of requests a second"));
    }
    let texts = [
        ("service_name", &asked.service_name, 64),
        ("service_type", &asked.service_type, 64),
        ("host", &asked.host, 64),
        ("http_method", &asked.http_method, 10),
        ("url_path", &asked.url_path, 128),
        ("resource_arn", &asked.resource_arn, 500),
    ];
    for (name, text, chars_max) in texts {
        if text.as_ref().is_some_and(|text| text.chars().count() > chars_max) {
            return Err(Refusal::parameter(format!("{name} has at most {chars_max} characters")));
        }
    }
    let is_long = |text: &String| !(1..=32).contains(&text.chars().count());
    if asked.attributes.len() > 5 || asked.attributes.iter().any(|(key, value)| is_long(key) || is_long(value)) {
        return Err(Refusal::parameter("a rule has at most 5 attributes, keys and values of 1 to 32 characters"));
    }
    Ok(())
}

fn told(services: &Services, rule: SamplingRule, windows: &[SamplingWindow], now: i64) -> SamplingRuleTold {
    let of_rule = || windows.iter().filter(|window| window.rule == rule.name);
    let recent = || of_rule().filter(|window| window.start_unix_nano >= now - RECENT_MINUTES * MINUTE_NS);
    let mut minutes: BTreeMap<i64, SamplingMinute> = BTreeMap::new();
    for window in of_rule() {
        let minute_unix = window.start_unix_nano.div_euclid(MINUTE_NS) * 60;
        let minute = minutes.entry(minute_unix).or_insert(SamplingMinute { minute_unix, requests: 0, sampled: 0 });
        minute.requests += window.requests;
        minute.sampled += window.sampled;
    }
    SamplingRuleTold {
        clients: services.xray.sampling_clients(&rule.name, now) as u32,
        requests: recent().map(|window| window.requests).sum(),
        sampled: recent().map(|window| window.sampled).sum(),
        borrowed: recent().map(|window| window.borrowed).sum(),
        effect: minutes.into_values().collect(),
        is_default: rule.name == DEFAULT_SAMPLING_RULE,
        modified_at_unix_nano: UnixNano(rule.modified_at_unix_nano),
        name: rule.name,
        priority: rule.priority,
        fixed_rate: rule.fixed_rate,
        reservoir_size: rule.reservoir_size,
        service_name: rule.service_name,
        service_type: rule.service_type,
        host: rule.host,
        http_method: rule.http_method,
        url_path: rule.url_path,
        resource_arn: rule.resource_arn,
        attributes: rule.attributes,
    }
}
