//! What recipients are told: a notice as Honeycomb's webhook, as a template that somebody wrote for it, as Slack's, Microsoft
//! Teams' and PagerDuty's formats, as e-mail.
//!
//! Missing: Slack by channel, which needs an app of Slack's: a channel is the address of an incoming webhook here. Of Go's
//!          templates only values, `quote` and `toJson`

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::alerting::{Destination, Payload};

/// Where PagerDuty takes events.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

/// Where a notice goes and in which words; nothing for a recipient that is no address.
///
/// `recipient` as it is kept, `named` as the alert names it. A notice has `kind`, `id`, `name`, `description`, `triggered`,
/// `is_test`, `summary`, `detail`, `operator`, `threshold`, `groups`, `groups_triggered`, `url`, and for burn alerts `slo`.
pub fn delivery(recipient: &Value, named: &Value, notice: &Value) -> Option<(Destination, Payload)> {
    let details = &recipient["details"];
    let text = |member: &str| details[member].as_str().unwrap_or_default().to_owned();
    match recipient["type"].as_str()? {
        "email" => {
            let to = text("email_address").split(',').map(|one| one.trim().to_owned()).collect();
            Some((Destination::Email { to }, mail(notice)))
        }
        "slack" => {
            let url = text("slack_channel");
            url.starts_with("http").then(|| (http(url, &[]), Payload::json(slack(notice))))
        }
        "msteams" | "msteams_workflow" => Some((http(text("webhook_url"), &[]), Payload::json(teams(notice)))),
        "pagerduty" => {
            let url = details["pagerduty_url"].as_str().unwrap_or(PAGERDUTY).to_owned();
            let severity = named["details"]["pagerduty_severity"].as_str().unwrap_or("critical");
            let body = pagerduty(notice, &text("pagerduty_integration_key"), severity);
            Some((http(url, &[]), Payload::json(body)))
        }
        "webhook" => Some(webhook(details, notice)),
        _ => None,
    }
}

fn http(url: String, headers: &[(String, String)]) -> Destination {
    Destination::Http { url, headers: headers.iter().cloned().collect::<BTreeMap<_, _>>() }
}

fn webhook(details: &Value, notice: &Value) -> (Destination, Payload) {
    let secret = details["webhook_secret"].as_str().unwrap_or_default();
    let url = details["webhook_url"].as_str().unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    if !secret.is_empty() {
        headers.push(("x-honeycomb-webhook-token".to_owned(), secret.to_owned()));
    }
    for header in details["webhook_headers"].as_array().map(Vec::as_slice).unwrap_or_default() {
        if let (Some(name), Some(value)) = (header["header"].as_str(), header["value"].as_str()) {
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }
    let payloads = &details["webhook_payloads"];
    let kind = notice["kind"].as_str().unwrap_or("trigger");
    let payload = match payloads["payload_templates"][kind]["body"].as_str().filter(|body| !body.is_empty()) {
        Some(template) => {
            let written = filled(template, &variables(notice, payloads));
            // What is no JSON goes as the text that it is.
            Payload::json(serde_json::from_str(&written).unwrap_or(Value::String(written)))
        }
        None if url.contains("hooks.slack.com") => Payload::json(slack(notice)),
        None => Payload::json(plain(notice, secret)),
    };
    (http(url, &headers), payload)
}

fn status(notice: &Value) -> &'static str {
    if notice["triggered"] == true { "TRIGGERED" } else { "OK" }
}

/// Honeycomb's own webhook.
fn plain(notice: &Value, secret: &str) -> Value {
    let mut body = json!({
        "version": "v0.1.0",
        "shared_secret": secret,
        "id": notice["id"],
        "name": notice["name"],
        "status": status(notice),
        "is_test": notice["is_test"],
        "summary": notice["summary"],
        "description": notice["detail"],
        "operator": words_of(notice["operator"].as_str().unwrap_or_default()),
        "threshold": notice["threshold"],
        "result_url": notice["url"],
        "result_groups": notice["groups"],
        "result_groups_triggered": notice["groups_triggered"],
        "alert": { "type": notice["kind"], "timestamp": notice["time"] },
    });
    match notice["kind"].as_str() {
        Some("trigger") => {
            body["trigger_description"] = notice["description"].clone();
            body["trigger_url"] = notice["url"].clone();
        }
        _ => {
            body["slo"] = notice["slo"].clone();
            body["burn_alert_description"] = notice["description"].clone();
        }
    }
    body
}

fn words_of(operator: &str) -> &'static str {
    match operator {
        ">" => "greater than",
        ">=" => "greater than or equal to",
        "<" => "less than",
        _ => "less than or equal to",
    }
}

fn slack(notice: &Value) -> Value {
    let colour = if notice["triggered"] == true { "danger" } else { "good" };
    json!({
        "text": notice["summary"],
        "attachments": [{
            "color": colour,
            "title": notice["name"],
            "title_link": notice["url"],
            "text": notice["detail"],
            "fields": fields(notice).into_iter().map(|(title, value)| json!({ "title": title, "value": value, "short": true })).collect::<Vec<_>>(),
        }],
    })
}

fn teams(notice: &Value) -> Value {
    let facts: Vec<Value> = fields(notice).into_iter().map(|(title, value)| json!({ "title": title, "value": value })).collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": [
                    { "type": "TextBlock", "size": "Medium", "weight": "Bolder", "wrap": true, "text": notice["summary"] },
                    { "type": "TextBlock", "wrap": true, "text": notice["detail"] },
                    { "type": "FactSet", "facts": facts },
                ],
                "actions": [{ "type": "Action.OpenUrl", "title": "Open", "url": notice["url"] }],
            },
        }],
    })
}

/// An incident that begins, or is over: both have the same key.
fn pagerduty(notice: &Value, key: &str, severity: &str) -> Value {
    let kind = notice["kind"].as_str().unwrap_or_default();
    let id = notice["id"].as_str().unwrap_or_default();
    json!({
        "routing_key": key,
        "event_action": if notice["triggered"] == true { "trigger" } else { "resolve" },
        "dedup_key": format!("{kind}:{id}"),
        "client": "Cupola",
        "client_url": notice["url"],
        "payload": {
            "summary": notice["summary"],
            "source": notice["dataset"],
            "severity": severity,
            "timestamp": notice["time"],
            "custom_details": { "description": notice["detail"], "groups": notice["groups_triggered"], "is_test": notice["is_test"] },
        },
    })
}

fn mail(notice: &Value) -> Payload {
    let mut text = format!("{}\n\n", notice["detail"].as_str().unwrap_or_default());
    for (title, value) in fields(notice) {
        text += &format!("{title}: {value}\n");
    }
    text += &format!("\n{}\n", notice["url"].as_str().unwrap_or_default());
    Payload::mail(notice["summary"].as_str().unwrap_or_default(), text)
}

/// The groups that are told one by one; a person reads no more of them in a message.
const GROUPS_TOLD: usize = 10;

fn fields(notice: &Value) -> Vec<(String, String)> {
    let groups = notice["groups_triggered"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut told: Vec<(String, String)> = groups
        .iter()
        .take(GROUPS_TOLD)
        .map(|group| {
            let names = group["Group"].as_object().into_iter().flatten().map(|(name, value)| format!("{name} = {}", bare(value)));
            let name = names.collect::<Vec<_>>().join(", ");
            (if name.is_empty() { "value".to_owned() } else { name }, bare(&group["Result"]))
        })
        .collect();
    if groups.len() > GROUPS_TOLD {
        told.push(("further groups".to_owned(), (groups.len() - GROUPS_TOLD).to_string()));
    }
    told
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What a template may name.
fn variables(notice: &Value, payloads: &Value) -> Value {
    let mut given = Map::new();
    for variable in payloads["template_variables"].as_array().map(Vec::as_slice).unwrap_or_default() {
        if let Some(name) = variable["name"].as_str() {
            given.insert(name.to_owned(), variable["default_value"].clone());
        }
    }
    json!({
        "Name": notice["name"],
        "ID": notice["id"],
        "Description": notice["description"],
        "Vars": given,
        "Alert": {
            "Status": status(notice),
            "Summary": notice["summary"],
            "Description": notice["detail"],
            "IsTest": notice["is_test"],
            "Timestamp": notice["time"],
            "InstanceID": notice["instance"],
            "Version": "v0.1.0",
            "URL": notice["url"],
        },
        "Operator": words_of(notice["operator"].as_str().unwrap_or_default()),
        "Threshold": notice["threshold"],
        "Result": {
            "URL": notice["url"],
            "Value": notice["value"],
            "Groups": notice["groups"],
            "GroupsTriggered": notice["groups_triggered"],
        },
        "SLO": { "ID": notice["slo"]["id"], "Name": notice["slo"]["name"] },
    })
}

/// A template with its values: `{{ .Alert.Status | quote }}`. What it names and there is not is empty.
fn filled(template: &str, variables: &Value) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        out += before;
        let Some((inside, behind)) = behind.split_once("}}") else {
            out += "{{";
            rest = behind;
            continue;
        };
        let mut pieces = inside.trim().trim_matches('-').split('|').map(str::trim);
        let name = pieces.next().unwrap_or_default();
        let found = name.trim_start_matches('.').split('.').try_fold(variables, |value, member| value.get(member));
        let value = found.cloned().unwrap_or(Value::String(String::new()));
        out += &match pieces.next() {
            Some("toJson") => value.to_string(),
            Some("quote") => Value::String(bare(&value)).to_string(),
            _ => bare(&value),
        };
        rest = behind;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice() -> Value {
        json!({
            "kind": "trigger", "id": "a", "name": "slow", "description": "why", "triggered": true, "is_test": false,
            "summary": "Triggered: slow", "detail": "7 is greater than 5", "operator": ">", "threshold": 5, "value": 7,
            "groups": [{"Group": {"name": "GET /"}, "Result": 7}], "groups_triggered": [{"Group": {"name": "GET /"}, "Result": 7}],
            "url": "http://x/alerts", "dataset": "shop", "time": "2026-11-21T04:00:00Z",
        })
    }

    fn sent(r#type: &str, details: Value) -> (String, Value) {
        let recipient = json!({ "type": r#type, "details": details });
        match delivery(&recipient, &json!({}), &notice()).unwrap() {
            (Destination::Http { url, headers }, Payload::Json { body }) => (format!("{url} {headers:?}"), body),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn webhooks_are_honeycombs() {
        let (to, body) = sent(
            "webhook",
            json!({ "webhook_url": "http://h/x", "webhook_secret": "s3",
            "webhook_headers": [{"header": "Authorization", "value": "Bearer t"}] }),
        );
        assert_eq!(to, r#"http://h/x {"authorization": "Bearer t", "x-honeycomb-webhook-token": "s3"}"#);
        assert_eq!(
            (&body["status"], &body["shared_secret"], &body["operator"]),
            (&json!("TRIGGERED"), &json!("s3"), &json!("greater than"))
        );
        assert_eq!(body["result_groups_triggered"], json!([{"Group": {"name": "GET /"}, "Result": 7}]));
    }

    #[test]
    fn templates_are_filled() {
        let template = r#"{"n": {{ .Name | quote }}, "s": "{{.Alert.Status}}", "g": {{ .Result.GroupsTriggered | toJson }}, "v": {{ .Vars.team | quote }}, "x": "{{ .Nothing }}"}"#;
        let payloads = json!({ "payload_templates": { "trigger": { "body": template } }, "template_variables": [{"name": "team", "default_value": "a"}] });
        let (_, body) = sent("webhook", json!({ "webhook_url": "http://h", "webhook_payloads": payloads }));
        assert_eq!(
            body,
            json!({"n": "slow", "s": "TRIGGERED", "g": [{"Group": {"name": "GET /"}, "Result": 7}], "v": "a", "x": ""})
        );
    }

    #[test]
    fn others_have_their_own_formats() {
        let (_, body) = sent("slack", json!({ "slack_channel": "http://slack/hook" }));
        assert_eq!((&body["text"], &body["attachments"][0]["color"]), (&json!("Triggered: slow"), &json!("danger")));
        assert_eq!(body["attachments"][0]["fields"][0], json!({"title": "name = GET /", "value": "7", "short": true}));
        let (to, body) = sent("pagerduty", json!({ "pagerduty_integration_key": "k" }));
        assert!(to.starts_with(PAGERDUTY));
        assert_eq!((&body["event_action"], &body["dedup_key"]), (&json!("trigger"), &json!("trigger:a")));
        let (_, body) = sent("msteams_workflow", json!({ "webhook_url": "http://t" }));
        assert_eq!(body["attachments"][0]["content"]["body"][0]["text"], "Triggered: slow");
        let slack = json!({ "type": "slack", "details": { "slack_channel": "#ops" } });
        assert!(delivery(&slack, &json!({}), &notice()).is_none());
    }
}
