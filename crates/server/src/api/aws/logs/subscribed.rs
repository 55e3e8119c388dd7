//! Subscription filters at work: the events of a call that match go to an HTTP address, as CloudWatch Logs hands them to a
//! function: `{"awslogs": {"data": <base64 of gzip of JSON>}}`.
//!
//! They are in the outbox before the call is answered, so that a client that was not answered sends both again.
//!
//! Missing: Kinesis, Firehose, functions and OpenSearch are kept as destinations, nothing is sent there;
//!          `fieldSelectionCriteria`, `emitSystemFields`
//! Quirks:  a delivery holds events of one stream, whatever the distribution; deliveries to one address may overtake each other

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use languages::filter_pattern::{Extracted, Pattern};
use receivers::aws::AwsError;
use receivers::cloudwatch::event_id::EventId;
use serde_json::{Map, Value, json};

use super::LogsApi;
use super::account_policies::SUBSCRIPTION_POLICY_TYPE;
use super::destinations::DESTINATION;
use super::listeners::Batch;
use super::made_metrics::Line;
use super::resources::of_group;
use super::subscriptions::SUBSCRIPTION_FILTER;
use crate::alerting::{Destination, NewDelivery, Payload};
use crate::limits::SUBSCRIPTION_DELIVERIES_WAITING_MAX;

/// A subscription that something can be sent to.
pub struct Subscription {
    name: String,
    pattern: Option<Pattern>,
    url: String,
}

impl LogsApi<'_> {
    /// The subscriptions of a group whose destination is an address.
    pub(super) async fn subscriptions_at_work(&self, group: &str) -> Result<Vec<Subscription>, AwsError> {
        let mut out = Vec::new();
        for stored in self.all(SUBSCRIPTION_FILTER, Some(&of_group(group))).await? {
            let (destination, pattern) = (stored.text("destinationArn"), stored.text("filterPattern"));
            out.extend(self.subscription(&stored.name, destination, pattern).await?);
        }
        for policy in self.account_policies_of(SUBSCRIPTION_POLICY_TYPE, group).await? {
            let document: Value = serde_json::from_str(policy.text("policyDocument")).unwrap_or_default();
            let member = |name: &str| document[name].as_str().unwrap_or_default();
            out.extend(self.subscription(&policy.name, member("DestinationArn"), member("FilterPattern")).await?);
        }
        Ok(out)
    }

    /// `None` where nothing can be sent.
    async fn subscription(&self, name: &str, destination: &str, pattern: &str) -> Result<Option<Subscription>, AwsError> {
        let mut url = destination.to_owned();
        if let Some((_, name)) = destination.split_once(":destination:") {
            let destination = self.stored(DESTINATION, "", name).await?;
            url = destination.map(|destination| destination.text("targetArn").to_owned()).unwrap_or_default();
        }
        if !is_address(&url) {
            return Ok(None);
        }
        Ok(Some(Subscription { name: name.to_owned(), pattern: self.pattern(Some(pattern))?, url }))
    }

    /// Hands deliveries to the outbox. One that cannot be is told in the log: the events themselves are kept.
    pub(super) async fn deliver(&self, deliveries: Vec<NewDelivery>) {
        for delivery in deliveries {
            let waiting = self.metastore().pending_deliveries_of(self.project, &delivery.origin).await;
            if waiting.is_ok_and(|waiting| waiting >= SUBSCRIPTION_DELIVERIES_WAITING_MAX) {
                tracing::warn!(origin = delivery.origin, "too much waits for a subscription's address; events are left out");
                continue;
            }
            let origin = delivery.origin.clone();
            if let Err(error) = self.services.outbox.send(delivery).await {
                tracing::warn!(origin, %error, "events were not handed over to a subscription's address");
            }
        }
    }
}

pub fn is_address(destination: &str) -> bool {
    destination.starts_with("http://") || destination.starts_with("https://")
}

impl Subscription {
    /// The lines that match, as one delivery.
    pub fn delivery(&self, account_id: &str, batch: &Batch<'_>, lines: &[Line<'_>]) -> Option<NewDelivery> {
        let mut first_id = None;
        let mut events = Vec::new();
        for (index, ((timestamp, message), (_, sent))) in lines.iter().zip(&batch.events).enumerate() {
            let extracted = match &self.pattern {
                None => Extracted::default(),
                Some(pattern) => match pattern.matches(message) {
                    None => continue,
                    Some(extracted) => extracted,
                },
            };
            let (received, place) = (batch.received_at_unix_nano, batch.first + index);
            let id = EventId::new(batch.group, batch.stream, *timestamp, received, place, sent).to_string();
            first_id.get_or_insert_with(|| id.clone());
            events.push(told(id, *timestamp, message, &self.pattern, extracted));
        }
        let message = json!({
            "messageType": "DATA_MESSAGE",
            "owner": account_id,
            "logGroup": batch.group,
            "logStream": batch.stream,
            "subscriptionFilters": [self.name],
            "logEvents": events,
        });
        Some(NewDelivery {
            origin: format!("cloudwatch.subscription:{}:{}", batch.group, self.name),
            dedupe_key: batch.request.map_or(first_id?, |request| format!("{request:032x}:{}", batch.first)),
            destination: Destination::Http { url: self.url.clone(), headers: Default::default() },
            payload: Payload::json(json!({ "awslogs": { "data": packed(&message)? } })),
        })
    }
}

/// An event; of words of a line, what they are called as well.
fn told(id: String, timestamp: i64, message: &str, pattern: &Option<Pattern>, extracted: Extracted) -> Value {
    let mut told = json!({ "id": id, "timestamp": timestamp, "message": message });
    if matches!(pattern, Some(Pattern::Fields(_))) {
        let fields = extracted.fields.into_iter();
        let fields: Map<String, Value> =
            fields.map(|(name, value)| (name.trim_start_matches('$').to_owned(), value.into())).collect();
        told["extractedFields"] = fields.into();
    }
    told
}

fn packed(message: &Value) -> Option<String> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(message.to_string().as_bytes()).ok()?;
    Some(STANDARD.encode(encoder.finish().ok()?))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::io::Read;

    use languages::filter_pattern;

    use super::*;

    fn check(pattern: &str, expected: Option<Value>) {
        let batch = Batch {
            group: "g",
            stream: "s",
            received_at_unix_nano: 5_000_000_000,
            first: 0,
            request: None,
            events: vec![(1_000, "GET /a 200"), (2_000, "GET /b 500")],
        };
        let lines: Vec<Line<'_>> = batch.events.iter().map(|(timestamp, line)| (*timestamp, Cow::Borrowed(*line))).collect();
        let pattern = (!pattern.is_empty()).then(|| filter_pattern::parse(pattern).unwrap());
        let subscription = Subscription { name: "f".into(), pattern, url: "http://hooks.test/".into() };
        let delivery = subscription.delivery("000000000000", &batch, &lines);
        let message = delivery.map(|delivery| {
            assert_eq!(delivery.origin, "cloudwatch.subscription:g:f");
            let Payload::Json { body } = delivery.payload else { panic!() };
            let packed = STANDARD.decode(body["awslogs"]["data"].as_str().unwrap()).unwrap();
            let mut text = String::new();
            flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
            let mut message: Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&message["messageType"], &message["owner"]), (&"DATA_MESSAGE".into(), &"000000000000".into()));
            let events = message["logEvents"].as_array_mut().unwrap();
            assert_eq!(events[0]["id"], delivery.dedupe_key);
            for event in &mut *events {
                assert_eq!(event["id"].as_str().unwrap().len(), 56);
                event.as_object_mut().unwrap().remove("id");
            }
            Value::Array(std::mem::take(events))
        });
        assert_eq!(message, expected);
    }

    #[test]
    fn what_matches_is_delivered() {
        let (first, second) =
            (json!({ "timestamp": 1_000, "message": "GET /a 200" }), json!({ "timestamp": 2_000, "message": "GET /b 500" }));
        check("", Some(json!([first, second])));
        check("500", Some(json!([second])));
        check("nothing", None);
        let mut with_fields = second;
        with_fields["extractedFields"] = json!({ "method": "GET", "path": "/b", "status": "500" });
        check("[method, path, status >= 500]", Some(json!([with_fields])));
    }
}
