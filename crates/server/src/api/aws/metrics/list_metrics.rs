//! ListMetrics: which metrics have data.
//!
//! Quirks:  pages are of 500, as at AWS; a metric is listed at once, not after fifteen minutes

use engine::ask::cloudwatch_metrics::dimension_pairs;
use receivers::cloudwatch::tokens::PageToken;
use serde_json::{Value, json};
use store::TimeRange;

use super::{Answer, MetricsApi, engine_error, invalid_token};

const PAGE: usize = 500;

const SECOND: i64 = 1_000_000_000;

/// Metrics without data for so long are not listed.
const AGE_SECONDS: i64 = 14 * 86_400;

const RECENT_SECONDS: i64 = 3 * 3_600;

/// Points may lie so far ahead of the clock.
const AHEAD_SECONDS: i64 = 2 * 3_600;

impl MetricsApi<'_> {
    pub(super) async fn list_metrics(&self) -> Answer {
        let (namespace, name) = (self.input.text("Namespace"), self.input.text("MetricName"));
        let filters: Vec<(&str, Option<&str>)> = self
            .input
            .list("Dimensions")
            .iter()
            .map(|filter| (filter["Name"].as_str().unwrap_or_default(), filter["Value"].as_str()))
            .collect();
        let question = format!("{namespace:?} {name:?} {filters:?}");
        let question = ["ListMetrics", question.as_str()];
        let after = match self.input.text("NextToken") {
            None => None,
            Some(token) => Some(PageToken::decode(token, &question).map_err(|_| invalid_token())?.after),
        };
        let now = self.call.received_at_unix_nano;
        let age = if self.input.has("RecentlyActive") { RECENT_SECONDS } else { AGE_SECONDS };
        let range = TimeRange { start_unix_nano: now - age * SECOND, end_unix_nano: now + AHEAD_SECONDS * SECOND };
        let found = self.services.asker.cloudwatch_metrics(range, namespace, name).await.map_err(engine_error)?;
        let (mut metrics, mut last, mut more) = (Vec::new(), String::new(), false);
        for metric in found {
            let place = format!("{}\n{}\n{}", metric.namespace, metric.name, metric.dimensions);
            if after.as_ref().is_some_and(|after| place <= *after) {
                continue;
            }
            let dimensions = dimension_pairs(&metric.dimensions);
            let has = |(wanted, value): &(&str, Option<&str>)| {
                dimensions.iter().any(|(name, found)| name == wanted && value.is_none_or(|value| value == found))
            };
            if !filters.iter().all(has) {
                continue;
            }
            if metrics.len() == PAGE {
                more = true;
                break;
            }
            metrics.push(json!({ "Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": told(&dimensions) }));
            last = place;
        }
        let mut answer = json!({ "Metrics": metrics });
        if more {
            answer["NextToken"] = PageToken::new(last.as_str(), &question).encode().into();
        }
        Ok(answer)
    }
}

/// Dimensions as requests and answers have them.
pub fn told(dimensions: &[(String, String)]) -> Value {
    dimensions.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect()
}
