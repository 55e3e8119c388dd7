//! `/notifications/{channel}`: where a channel leads, and the rules of what is sent there.

use axum::extract::Path;
use http::{Method, StatusCode};
use metastore::ResourcesMax;
use serde_json::{Map, Value, json};

use super::super::call::{Call, Told, Wrong, id, told};
use super::filters::Filters;
use super::told::delivery;
use super::{CHANNEL, CHANNELS, NotificationRule, RULE, Trigger};
use crate::alerting::{EvaluationError, ToldDelivery};
use crate::limits::NOTIFICATION_RULES_MAX;
use crate::{Services, now_unix_nano};

/// A rule that is switched on, with what it needs.
pub struct Kept {
    pub(super) rule: NotificationRule,
    pub channel: String,
    /// The channel's, over which the rule's wins.
    pub config: Map<String, Value>,
    pub filters: Filters,
}

/// Who sends what a rule tells.
pub fn origin(channel: &str, id: i64) -> String {
    format!("rollbar.rule:{channel}/{id}")
}

/// All rules that are switched on, of channels that are.
pub async fn kept(services: &Services) -> Result<Vec<Kept>, EvaluationError> {
    let (metastore, project) = (&services.metastore, services.settings.project.as_str());
    let mut channels = Vec::new();
    for channel in metastore.resources(project, CHANNEL, None).await? {
        channels.push((channel.name, members(&channel.document)));
    }
    let mut out = Vec::new();
    for resource in metastore.resources(project, RULE, None).await? {
        let Ok(rule) = serde_json::from_str::<NotificationRule>(&resource.document) else { continue };
        let channel = channels.iter().find(|(name, _)| *name == resource.owner);
        let is_off = channel.is_some_and(|(_, config)| config.get("enabled") == Some(&Value::Bool(false)));
        let Ok(filters) = Filters::compile(&rule.filters) else { continue };
        if rule.status == "enabled" && !is_off {
            let mut config = channel.map(|(_, config)| config.clone()).unwrap_or_default();
            config.extend(rule.config.clone());
            out.push(Kept { rule, channel: resource.owner, config, filters });
        }
    }
    Ok(out)
}

fn members(document: &str) -> Map<String, Value> {
    serde_json::from_str(document).unwrap_or_default()
}

pub fn known(channel: &str) -> Result<&'static str, Wrong> {
    let found = CHANNELS.into_iter().find(|name| *name == channel);
    found.ok_or_else(|| Wrong::new(StatusCode::NOT_FOUND, format!("no channel {channel:?}: there are {}", CHANNELS.join(", "))))
}

/// `GET`, `PUT /notifications/{channel}`: where it leads, e.g. `{"enabled": true, "url": …}`; of e-mail `{"to": […]}`.
pub async fn channel(Path(name): Path<String>, call: Call) -> Told {
    let channel = known(&name)?;
    if call.method == Method::PUT {
        call.is_meant()?;
        put_channel(&call.services, channel, call.members()?).await?;
    }
    told(&channel_config(&call.services, channel).await?)
}

/// `GET`, `POST`, `PUT /notifications/{channel}/rules`: POST adds rules, PUT puts them in the place of all others.
pub async fn rules(Path(name): Path<String>, call: Call) -> Told {
    let channel = known(&name)?;
    if call.method != Method::GET {
        call.is_meant()?;
        let asked: Vec<Value> = call.list_of_objects()?;
        let rules = asked.into_iter().map(rule_of).collect::<Result<Vec<_>, Wrong>>()?;
        if call.method == Method::PUT {
            for known in of_channel(&call.services, channel).await? {
                delete(&call.services, channel, known.id).await?;
            }
        }
        for rule in rules {
            add(&call.services, channel, rule).await?;
        }
    }
    let rules: Vec<Value> = of_channel(&call.services, channel).await?.iter().map(|rule| rule_json(channel, rule)).collect();
    told(&rules)
}

/// `GET`, `PUT`, `DELETE /notifications/{channel}/rule/{id}`.
pub async fn rule(Path((name, text)): Path<(String, String)>, call: Call) -> Told {
    let (channel, number) = (known(&name)?, id("Rule", &text)?);
    let rule = one(&call.services, channel, number).await?;
    let rule = match call.method {
        Method::PUT | Method::PATCH => {
            call.is_meant()?;
            let mut whole = serde_json::to_value(&rule).unwrap_or_default();
            for (name, value) in call.members()?.into_iter().filter(|(name, _)| name != "access_token" && name != "id") {
                whole[name] = value;
            }
            let changed = NotificationRule { id: number, created_at_unix_nano: rule.created_at_unix_nano, ..rule_of(whole)? };
            put(&call.services, channel, &changed).await?;
            changed
        }
        Method::DELETE => {
            call.is_meant()?;
            delete(&call.services, channel, number).await?;
            rule
        }
        _ => rule,
    };
    told(&rule_json(channel, &rule))
}

/// `POST /notifications/{channel}/rule/{id}/test`: sends once what the rule would, about the item seen last.
pub async fn test(Path((name, text)): Path<(String, String)>, call: Call) -> Told {
    call.is_meant()?;
    told(&try_out(&call.services, known(&name)?, id("Rule", &text)?).await?)
}

/// Sends once what a rule would, about the item seen last, and tells what was answered.
pub async fn try_out(services: &Services, channel: &'static str, number: i64) -> Result<ToldDelivery, Wrong> {
    let rule = one(services, channel, number).await?;
    let mut config = channel_config(services, channel).await?;
    config.extend(rule.config.clone());
    let (metastore, project) = (&services.metastore, &services.settings.project);
    let latest = metastore.error_items(project, &Default::default(), Default::default(), 0, 1).await?;
    let item = latest.into_iter().next().unwrap_or_else(example);
    let document = json!({ "environment": "test", "body": { "message": { "body": "This is a test." } } });
    let page = format!("http://{}", services.addresses.http);
    let extra = [("test".to_owned(), Value::Bool(true))].into_iter().collect();
    let message = super::told::Told { trigger: rule.trigger, item: Some(&item), document: &document, extra, page: &page };
    let (destination, payload) = delivery(channel, &config, &message)
        .ok_or_else(|| Wrong::invalid("neither the rule nor its channel says where to send: expected url, or to for e-mail"))?;
    let sent = services.outbox.test(destination, payload).await;
    sent.map_err(|error| Wrong::new(StatusCode::BAD_GATEWAY, error.to_string()))
}

fn example() -> metastore::ErrorItem {
    metastore::ErrorItem { title: "Test of a notification".into(), level: 40, ..Default::default() }
}

pub async fn of_channel(services: &Services, channel: &str) -> Result<Vec<NotificationRule>, Wrong> {
    let found = services.metastore.resources(&services.settings.project, RULE, Some(channel)).await?;
    let mut rules: Vec<NotificationRule> =
        found.iter().filter_map(|resource| serde_json::from_str(&resource.document).ok()).collect();
    rules.sort_by_key(|rule| rule.id);
    Ok(rules)
}

async fn one(services: &Services, channel: &str, number: i64) -> Result<NotificationRule, Wrong> {
    let found = services.metastore.resource(&services.settings.project, RULE, channel, &number.to_string()).await?;
    let rule = found.and_then(|resource| serde_json::from_str(&resource.document).ok());
    rule.ok_or_else(|| Wrong::missing("Rule"))
}

/// Keeps a new rule, and tells its number.
pub async fn add(services: &Services, channel: &str, rule: NotificationRule) -> Result<i64, Wrong> {
    let found = services.metastore.resources(&services.settings.project, RULE, None).await?;
    let last = found.iter().filter_map(|resource| resource.name.parse::<i64>().ok()).max().unwrap_or(0);
    let rule = NotificationRule { id: last + 1, created_at_unix_nano: now_unix_nano(), ..rule };
    put(services, channel, &rule).await?;
    Ok(rule.id)
}

pub async fn put(services: &Services, channel: &str, rule: &NotificationRule) -> Result<(), Wrong> {
    let document = serde_json::to_string(rule).map_err(|error| Wrong::invalid(error.to_string()))?;
    let (name, max) = (rule.id.to_string(), ResourcesMax::OfKind(NOTIFICATION_RULES_MAX));
    let (metastore, project) = (&services.metastore, &services.settings.project);
    Ok(metastore.put_resource(project, RULE, channel, &name, &document, max, now_unix_nano()).await?)
}

pub async fn delete(services: &Services, channel: &str, number: i64) -> Result<(), Wrong> {
    services.metastore.delete_resource(&services.settings.project, RULE, channel, &number.to_string()).await?;
    Ok(())
}

/// What a channel's configuration says; nothing of one that was not set up.
pub async fn channel_config(services: &Services, channel: &str) -> Result<Map<String, Value>, Wrong> {
    let found = services.metastore.resource(&services.settings.project, CHANNEL, "", channel).await?;
    Ok(found.map(|resource| members(&resource.document)).unwrap_or_default())
}

/// Refuses: an address that is none.
pub async fn put_channel(services: &Services, channel: &str, mut config: Map<String, Value>) -> Result<(), Wrong> {
    config.remove("access_token");
    config.retain(|_, value| value.as_str() != Some(""));
    if let Some(url) = config.get("url") {
        let is_url = url.as_str().is_some_and(|url| url.starts_with("http://") || url.starts_with("https://"));
        if !is_url {
            return Err(Wrong::invalid("url: expected an address that begins with http:// or https://"));
        }
    }
    let document = Value::Object(config).to_string();
    let max = ResourcesMax::OfKind(CHANNELS.len() as u32);
    let (metastore, project) = (&services.metastore, &services.settings.project);
    Ok(metastore.put_resource(project, CHANNEL, "", channel, &document, max, now_unix_nano()).await?)
}

/// Refuses: triggers and filters that are unknown, a rate without a filter that says which.
pub fn rule_of(asked: Value) -> Result<NotificationRule, Wrong> {
    let rule: NotificationRule =
        serde_json::from_value(asked).map_err(|error| Wrong::invalid(format!("cannot read the rule: {error}")))?;
    let filters = Filters::compile(&rule.filters).map_err(Wrong::invalid)?;
    if rule.trigger == Trigger::OccurrenceRate && filters.rate.is_none() {
        return Err(Wrong::invalid(r#"expected a filter {"type": "rate", "period": seconds, "count": occurrences}"#));
    }
    if rule.status != "enabled" && rule.status != "disabled" {
        return Err(Wrong::invalid("status: expected enabled or disabled"));
    }
    Ok(rule)
}

fn rule_json(channel: &str, rule: &NotificationRule) -> Value {
    let action = match channel {
        "email" => "send_email",
        "slack" => "send_message",
        _ => "post_to_webhook",
    };
    json!({
        "id": rule.id,
        "action": action,
        "trigger": rule.trigger,
        "filters": rule.filters,
        "config": rule.config,
        "status": rule.status,
    })
}
