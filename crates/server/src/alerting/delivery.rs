//! What is sent, and where to.

use std::collections::BTreeMap;

use metastore::{Delivery, DeliveryState};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The number of a delivery, in the order in which they were handed over.
pub type DeliveryId = u64;

/// Something to be sent once.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// Who sends it: kind and name with a colon between, e.g. `rollbar.rule:12`.
    pub origin: String,
    /// Of deliveries with the same origin and key, only the first is sent.
    pub dedupe_key: String,
    pub destination: Destination,
    pub payload: Payload,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Destination {
    /// A POST to the address, which is http or https.
    Http {
        url: String,
        /// Beside those that the payload brings, over which they win.
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    Email {
        to: Vec<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Payload {
    Json {
        body: Value,
    },
    /// To an HTTP address it goes as JSON with these two members.
    Mail {
        subject: String,
        text: String,
    },
    /// Bytes as they are; e-mail cannot carry them.
    Bytes {
        content_type: String,
        content_encoding: Option<String>,
        /// Base64.
        body: String,
    },
}

impl Payload {
    pub fn json(body: Value) -> Payload {
        Payload::Json { body }
    }

    pub fn mail(subject: impl Into<String>, text: impl Into<String>) -> Payload {
        Payload::Mail { subject: subject.into(), text: text.into() }
    }
}

/// A delivery as it is told to people: where to without what is secret about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ToldDelivery {
    pub id: DeliveryId,
    pub origin: String,
    pub dedupe_key: String,
    /// `http` or `email`.
    pub kind: &'static str,
    /// The address without user, password and query, or the recipients.
    pub to: String,
    /// `pending`, `delivered` or `failed`.
    pub state: &'static str,
    pub attempts: u64,
    /// What came of the last attempt, in words.
    pub answer: String,
    pub created_at_unix_nano: i64,
    pub attempted_at_unix_nano: Option<i64>,
    /// Of a pending one.
    pub next_attempt_unix_nano: Option<i64>,
}

impl ToldDelivery {
    pub fn of(delivery: Delivery) -> ToldDelivery {
        let (kind, to) = match serde_json::from_str::<Destination>(&delivery.destination) {
            Ok(Destination::Http { url, .. }) => ("http", without_secrets(&url)),
            Ok(Destination::Email { to }) => ("email", to.join(", ")),
            Err(_) => ("http", String::new()),
        };
        ToldDelivery {
            id: delivery.id,
            origin: delivery.origin,
            dedupe_key: delivery.dedupe_key,
            kind,
            to,
            state: delivery.state.as_str(),
            attempts: delivery.attempts,
            answer: delivery.answer,
            created_at_unix_nano: delivery.created_at_unix_nano,
            attempted_at_unix_nano: delivery.attempted_at_unix_nano,
            next_attempt_unix_nano: (delivery.state == DeliveryState::Pending).then_some(delivery.next_attempt_unix_nano),
        }
    }
}

/// An address without what may let others in: user, password, query and fragment.
pub fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        None => url.to_owned(),
        Some((scheme, rest)) => {
            let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_an_address_are_not_told() {
        for (url, told) in [
            ("https://user:pass@hooks.test/a/b?token=1#x", "https://hooks.test/a/b"),
            ("http://127.0.0.1:1/", "http://127.0.0.1:1/"),
            ("http://h", "http://h"),
            ("nonsense?x", "nonsense"),
        ] {
            assert_eq!(without_secrets(url), told);
        }
    }
}
