//! What is sent: Rollbar's payload to webhooks, a message in Slack's format, an e-mail.

use metastore::{ErrorItem, ItemStatus};
use serde_json::{Map, Value, json};

use super::super::items::{item_json, level_name};
use super::Trigger;
use crate::alerting::{Destination, Payload};

/// Something that a rule tells.
pub struct Told<'t> {
    pub trigger: Trigger,
    /// `None` of a deploy.
    pub item: Option<&'t ErrorItem>,
    /// The payload of the last occurrence, or the deploy.
    pub document: &'t Value,
    /// What the trigger adds: `occurrences`, `trigger`.
    pub extra: Map<String, Value>,
    /// Where the page is.
    pub page: &'t str,
}

/// What goes to a channel; `None` where its configuration names no address.
pub fn delivery(channel: &str, config: &Map<String, Value>, told: &Told<'_>) -> Option<(Destination, Payload)> {
    let text = |name: &str| config.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let http = |url: &str| Destination::Http { url: url.to_owned(), headers: Default::default() };
    match channel {
        "webhook" => Some((http(text("url")?), Payload::json(webhook(told)))),
        "slack" => Some((http(text("url").or_else(|| text("webhook_url"))?), Payload::json(slack(told, text("channel"))))),
        "email" => {
            let listed = config.get("to").or_else(|| config.get("addresses"));
            let to: Vec<String> = match listed? {
                Value::String(text) => text.split(',').map(|to| to.trim().to_owned()).collect(),
                Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                _ => return None,
            };
            let to: Vec<String> = to.into_iter().filter(|to| to.contains('@')).collect();
            (!to.is_empty()).then(|| (Destination::Email { to }, mail(told)))
        }
        _ => None,
    }
}

/// `{"event_name", "data": {"item": {…, "last_occurrence"}}}`, with the numbers that Rollbar has for level and status.
fn webhook(told: &Told<'_>) -> Value {
    let mut data = Map::new();
    match told.item {
        None => {
            data.insert("deploy".into(), told.document.clone());
        }
        Some(item) => {
            let mut json = item_json(item);
            json["level"] = item.level.into();
            json["status"] = match item.status {
                ItemStatus::Active => 1,
                ItemStatus::Resolved => 2,
                ItemStatus::Muted => 3,
                ItemStatus::Archived => 5,
            }
            .into();
            json["last_occurrence"] = told.document.clone();
            data.insert("item".into(), json);
            data.insert("url".into(), item_url(told, item).into());
        }
    }
    data.extend(told.extra.clone());
    json!({ "event_name": told.trigger.event_name(), "data": data })
}

fn slack(told: &Told<'_>, channel: Option<&str>) -> Value {
    let mut message = match told.item {
        None => json!({ "text": format!("*{}* {}", told.trigger.title(), line(told)) }),
        Some(item) => {
            let escaped = item.title.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let fields: Vec<Value> =
                facts(told).into_iter().map(|(title, value)| json!({ "title": title, "value": value, "short": true })).collect();
            json!({
                "text": format!("*{}*: <{}|#{} {escaped}>", told.trigger.title(), item_url(told, item), item.counter),
                "attachments": [{ "color": colour(item), "fallback": line(told), "fields": fields }],
            })
        }
    };
    if let Some(channel) = channel {
        message["channel"] = channel.into();
    }
    message
}

fn mail(told: &Told<'_>) -> Payload {
    let subject = match told.item {
        Some(item) => format!("{}: #{} {}", told.trigger.title(), item.counter, item.title),
        None => format!("{} {}", told.trigger.title(), line(told)),
    };
    let mut text = format!("{}\n\n", line(told));
    for (name, value) in facts(told) {
        text.push_str(&format!("{name}: {value}\n"));
    }
    if let Some(item) = told.item {
        text.push_str(&format!("\n{}\n", item_url(told, item)));
    }
    Payload::mail(subject, text)
}

/// The thing in one line.
fn line(told: &Told<'_>) -> String {
    match told.item {
        Some(item) => format!("#{} {}", item.counter, item.title),
        None => {
            let of = |name: &str| told.document.get(name).and_then(Value::as_str).unwrap_or_default();
            format!("of {} to {} by {}", of("revision"), of("environment"), of("local_username"))
        }
    }
}

fn facts(told: &Told<'_>) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    if let Some(item) = told.item {
        out.push(("Level", level_name(item.level).to_owned()));
        out.push(("Environment", item.environment.clone()));
        out.push(("Occurrences", item.occurrences.to_string()));
    }
    let of = |name: &str| told.document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    out.push(("Version", of("code_version")));
    out.push(("Context", of("context")));
    out.push(("Comment", of("comment")));
    if let Some(trigger) = told.extra.get("trigger") {
        out.push(("Rate", format!("{} in {} s", trigger["threshold"], trigger["window_size"])));
    }
    out.retain(|(_, value)| !value.is_empty());
    out
}

fn item_url(told: &Told<'_>, item: &ErrorItem) -> String {
    format!("{}/errors/{}", told.page, item.fingerprint)
}

fn colour(item: &ErrorItem) -> &'static str {
    match item.level {
        50.. => "#b3261e",
        40..=49 => "#e07a2f",
        30..=39 => "#d9a514",
        _ => "#5b7fa6",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_has_its_form() {
        let item = ErrorItem {
            id: 1_000_001,
            counter: 1,
            title: "E: <no>".into(),
            level: 40,
            environment: "production".into(),
            occurrences: 10,
            fingerprint: "f".into(),
            ..ErrorItem::default()
        };
        let document = json!({"code_version": "1.2", "body": {"message": {"body": "no"}}});
        let extra: Map<String, Value> = [("occurrences".to_owned(), json!(10))].into_iter().collect();
        let told = Told {
            trigger: Trigger::ExpRepeatItem,
            item: Some(&item),
            document: &document,
            extra,
            page: "http://127.0.0.1:8080",
        };
        let config = |json: Value| json.as_object().cloned().unwrap();
        let (to, Payload::Json { body }) = delivery("webhook", &config(json!({"url": "http://x/"})), &told).unwrap() else {
            panic!()
        };
        assert_eq!(to, Destination::Http { url: "http://x/".into(), headers: Default::default() });
        assert_eq!((&body["event_name"], &body["data"]["occurrences"]), (&json!("exp_repeat_item"), &json!(10)));
        assert_eq!((&body["data"]["item"]["level"], &body["data"]["item"]["last_occurrence"]), (&json!(40), &document));
        let (_, Payload::Json { body }) =
            delivery("slack", &config(json!({"url": "http://x/", "channel": "#ops"})), &told).unwrap()
        else {
            panic!()
        };
        assert_eq!(body["text"], "*Error repeats*: <http://127.0.0.1:8080/errors/f|#1 E: &lt;no&gt;>");
        assert_eq!(body["channel"], "#ops");
        let (to, Payload::Mail { subject, text }) = delivery("email", &config(json!({"to": "a@b.c, d@e.f"})), &told).unwrap()
        else {
            panic!()
        };
        assert_eq!(to, Destination::Email { to: vec!["a@b.c".into(), "d@e.f".into()] });
        assert!(subject.contains("#1 E: <no>") && text.contains("Version: 1.2"), "{subject} {text}");
        assert!(delivery("webhook", &Map::new(), &told).is_none());
    }
}
