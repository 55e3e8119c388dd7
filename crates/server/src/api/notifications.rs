//! `/api/notifications`: of what people are told, and where; the same rules that Rollbar's API has.
//!
//! What was sent is at `/api/alerting/deliveries?origin=rollbar.rule`.

use axum::Json;
use axum::extract::{Path, Request, State};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::params::not_from_another_page;
use super::refusal::Refusal;
use super::retention::read;
use super::rollbar::notifications::{CHANNELS, NotificationRule, TRIGGERS, rules};
use crate::Services;
use crate::alerting::ToldDelivery;

#[derive(Serialize, ToSchema)]
pub struct Notifications {
    pub channels: Vec<NotificationChannel>,
    pub rules: Vec<NotificationRuleTold>,
    /// What may make a rule speak.
    pub triggers: Vec<NotificationTrigger>,
    /// Whether e-mail can be sent at all.
    pub email_configured: bool,
}

#[derive(Serialize, ToSchema)]
pub struct NotificationChannel {
    /// `webhook`, `slack` or `email`.
    pub kind: &'static str,
    pub enabled: bool,
    /// `url`, `to`, `channel`.
    #[schema(value_type = Object)]
    pub config: Map<String, Value>,
}

#[derive(Serialize, ToSchema)]
pub struct NotificationRuleTold {
    pub id: i64,
    pub channel: &'static str,
    pub trigger: &'static str,
    #[schema(value_type = Vec<Object>)]
    pub filters: Vec<Value>,
    /// Over the channel's.
    #[schema(value_type = Object)]
    pub config: Map<String, Value>,
    pub enabled: bool,
}

#[derive(Serialize, ToSchema)]
pub struct NotificationTrigger {
    pub name: &'static str,
    pub title: &'static str,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationChannelRequest {
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    #[schema(value_type = Object)]
    config: Map<String, Value>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationRuleRequest {
    /// `webhook`, `slack` or `email`.
    channel: String,
    trigger: String,
    /// `{"type", "operation", "value"}`.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    filters: Vec<Value>,
    #[serde(default)]
    #[schema(value_type = Object)]
    config: Map<String, Value>,
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

const RULE_EXPECTED: &str = "{\"channel\", \"trigger\", \"filters\", \"config\", \"enabled\"}";

/// Channels, rules, and what there is to choose from.
#[utoipa::path(get, tag = "Notifications", operation_id = "notifications", path = "/api/notifications", responses((status = 200, body = Notifications)))]
pub async fn all(State(services): State<Services>) -> Result<Json<Notifications>, Refusal> {
    told(&services).await
}

/// Says where a channel leads.
#[utoipa::path(put, tag = "Notifications", operation_id = "notifications_channel", path = "/api/notifications/channels/{kind}", params(("kind" = String, Path)), request_body = NotificationChannelRequest, responses((status = 200, body = Notifications), (status = 404, body = Refusal), (status = 422, body = Refusal)))]
pub async fn put_channel(
    State(services): State<Services>,
    Path(kind): Path<String>,
    request: Request,
) -> Result<Json<Notifications>, Refusal> {
    let mut asked: NotificationChannelRequest = read(request, "{\"enabled\", \"config\"}").await?;
    asked.config.insert("enabled".into(), asked.enabled.into());
    rules::put_channel(&services, rules::known(&kind)?, asked.config).await?;
    told(&services).await
}

/// Adds a rule.
#[utoipa::path(post, tag = "Notifications", operation_id = "notifications_rule_add", path = "/api/notifications/rules", request_body = NotificationRuleRequest, responses((status = 200, body = Notifications), (status = 422, body = Refusal)))]
pub async fn add_rule(State(services): State<Services>, request: Request) -> Result<Json<Notifications>, Refusal> {
    let asked: NotificationRuleRequest = read(request, RULE_EXPECTED).await?;
    rules::add(&services, rules::known(&asked.channel)?, rule_of(asked)?).await?;
    told(&services).await
}

/// Changes a rule; it may go to another channel.
#[utoipa::path(put, tag = "Notifications", operation_id = "notifications_rule_put", path = "/api/notifications/rules/{id}", params(("id" = i64, Path)), request_body = NotificationRuleRequest, responses((status = 200, body = Notifications), (status = 404, body = Refusal), (status = 422, body = Refusal)))]
pub async fn put_rule(
    State(services): State<Services>,
    Path(id): Path<i64>,
    request: Request,
) -> Result<Json<Notifications>, Refusal> {
    let asked: NotificationRuleRequest = read(request, RULE_EXPECTED).await?;
    let (channel, known) = found(&services, id).await?;
    let next = rules::known(&asked.channel)?;
    let rule = NotificationRule { id, created_at_unix_nano: known.created_at_unix_nano, ..rule_of(asked)? };
    if next != channel {
        rules::delete(&services, channel, id).await?;
    }
    rules::put(&services, next, &rule).await?;
    told(&services).await
}

/// Takes a rule away.
#[utoipa::path(delete, tag = "Notifications", operation_id = "notifications_rule_delete", path = "/api/notifications/rules/{id}", params(("id" = i64, Path)), responses((status = 200, body = Notifications), (status = 404, body = Refusal)))]
pub async fn delete_rule(
    State(services): State<Services>,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Result<Json<Notifications>, Refusal> {
    not_from_another_page(&headers)?;
    let (channel, _) = found(&services, id).await?;
    rules::delete(&services, channel, id).await?;
    told(&services).await
}

/// Sends once what a rule would, about the error seen last, and tells what was answered.
#[utoipa::path(post, tag = "Notifications", operation_id = "notifications_rule_test", path = "/api/notifications/rules/{id}/test", params(("id" = i64, Path)), responses((status = 200, body = ToldDelivery), (status = 404, body = Refusal), (status = 422, body = Refusal)))]
pub async fn test_rule(
    State(services): State<Services>,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Result<Json<ToldDelivery>, Refusal> {
    not_from_another_page(&headers)?;
    let (channel, _) = found(&services, id).await?;
    Ok(Json(rules::try_out(&services, channel, id).await?))
}

async fn found(services: &Services, id: i64) -> Result<(&'static str, NotificationRule), Refusal> {
    for channel in CHANNELS {
        if let Some(rule) = rules::of_channel(services, channel).await?.into_iter().find(|rule| rule.id == id) {
            return Ok((channel, rule));
        }
    }
    Err(Refusal::missing(format!("no rule {id}")))
}

fn rule_of(asked: NotificationRuleRequest) -> Result<NotificationRule, Refusal> {
    let status = if asked.enabled { "enabled" } else { "disabled" };
    let (trigger, filters, config) = (asked.trigger, asked.filters, asked.config);
    Ok(rules::rule_of(json!({ "trigger": trigger, "filters": filters, "config": config, "status": status }))?)
}

async fn told(services: &Services) -> Result<Json<Notifications>, Refusal> {
    let (mut channels, mut all) = (Vec::new(), Vec::new());
    for kind in CHANNELS {
        let mut config = rules::channel_config(services, kind).await?;
        let enabled = config.remove("enabled") != Some(Value::Bool(false));
        channels.push(NotificationChannel { kind, enabled, config });
        all.extend(rules::of_channel(services, kind).await?.into_iter().map(|rule| NotificationRuleTold {
            id: rule.id,
            channel: kind,
            trigger: rule.trigger.name(),
            filters: rule.filters,
            config: rule.config,
            enabled: rule.status == "enabled",
        }));
    }
    all.sort_by_key(|rule| rule.id);
    let triggers = TRIGGERS.map(|trigger| NotificationTrigger { name: trigger.name(), title: trigger.title() });
    let triggers = Vec::from(triggers);
    Ok(Json(Notifications { channels, rules: all, triggers, email_configured: services.settings.mail.is_some() }))
}
