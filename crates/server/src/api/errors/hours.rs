//! Counts of occurrences by the hour that stay right when retention removes rows.
//!
//! Every few minutes the hours that got rows are counted and noted in the metastore. An answer takes of each hour the larger
//! of what its rows tell and what was noted: rows are ahead of the notes for a few minutes, and behind them once they go.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use engine::ask::occurrence_hours::HourCount;
use engine::ask::occurrences::OccurrenceFilter;
use metastore::{ErrorCount, ErrorCountFilter};
use store::TimeRange;

use crate::Services;
use crate::alerting::{EvaluationError, Evaluator};
use crate::ingest::{ItemsError, Looked, LookedUntil};
use crate::limits::{ERROR_COUNTS_DAYS, ERROR_COUNTS_HOURLY_DAYS, ERROR_COUNTS_NOTED_MAX};

const SECOND: i64 = 1_000_000_000;
pub(super) const HOUR_SECONDS: i64 = 3_600;
const HOUR: i64 = HOUR_SECONDS * SECOND;
const DAY_SECONDS: i64 = 86_400;

/// Up to when occurrences are known to be noted.
const NOTED: LookedUntil = LookedUntil::setting("error_counts.noted_until");

/// Hours further apart than this are counted one by one.
const HOURS_JOINED: i64 = 6;

/// Notes how often errors occurred.
pub struct OccurrenceHours;

#[async_trait]
impl Evaluator for OccurrenceHours {
    fn name(&self) -> &'static str {
        "errors.occurrence_hours"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(300)
    }

    async fn evaluate(&self, services: &Services, now_unix_nano: i64) -> Result<(), EvaluationError> {
        note(services, now_unix_nano).await
    }
}

/// Counts again what got rows since the last time.
pub(super) async fn note(services: &Services, now_unix_nano: i64) -> Result<(), EvaluationError> {
    let (asker, metastore, project) = (&services.asker, &services.metastore, &services.settings.project);
    let Looked::Before(since) = NOTED.read(metastore, project).await? else { return Ok(()) };
    let now_unix = now_unix_nano / SECOND;
    let hourly_since = (now_unix - ERROR_COUNTS_HOURLY_DAYS * DAY_SECONDS) * SECOND;
    // Older ones are days by now, to which nothing is added.
    let hours = asker.occurrence_hours_received(since, now_unix_nano).await?;
    for range in ranges(hours.into_iter().filter(|hour| *hour >= hourly_since)) {
        let counted = asker.occurrence_hours(range, ERROR_COUNTS_NOTED_MAX).await?;
        let counts: Vec<ErrorCount> = counted.into_iter().map(count_of).collect();
        metastore.raise_error_counts(project, &counts).await?;
    }
    metastore.settle_error_counts(project, hourly_since / SECOND, now_unix - ERROR_COUNTS_DAYS * DAY_SECONDS).await?;
    Ok(NOTED.note(metastore, project, now_unix_nano).await?)
}

/// Hours, in order, joined to times that one question covers.
fn ranges(hours: impl Iterator<Item = i64>) -> Vec<TimeRange> {
    let mut ranges: Vec<TimeRange> = Vec::new();
    for hour in hours {
        match ranges.last_mut() {
            Some(last) if hour - last.end_unix_nano < HOURS_JOINED * HOUR => last.end_unix_nano = hour + HOUR,
            _ => ranges.push(TimeRange { start_unix_nano: hour, end_unix_nano: hour + HOUR }),
        }
    }
    ranges
}

fn count_of(counted: HourCount) -> ErrorCount {
    ErrorCount {
        group: counted.group,
        environment: counted.environment,
        hour_unix: counted.start_unix_nano / SECOND,
        occurrences: counted.count.round() as u64,
    }
}

/// How many occurrences there were in each hour of a time, by the hour's beginning in seconds; of hours that are cut off, what
/// their rows tell.
pub(in crate::api) async fn hourly(
    services: &Services,
    range: TimeRange,
    filter: &OccurrenceFilter,
) -> Result<BTreeMap<i64, f64>, ItemsError> {
    let rows = services.asker.occurrence_counts(range, HOUR_SECONDS, filter, false).await?;
    let mut hours: BTreeMap<i64, f64> = rows.iter().map(|row| (row.start_unix_nano / SECOND, row.count)).collect();
    let noted = ErrorCountFilter { groups: filter.groups.clone(), environments: filter.environments.clone() };
    let (start, end) = (range.start_unix_nano.div_euclid(SECOND), range.end_unix_nano / SECOND);
    for (hour, count) in services.metastore.error_counts(&services.settings.project, start, end, &noted).await? {
        let known = hours.entry(hour).or_default();
        *known = known.max(count as f64);
    }
    Ok(hours)
}

#[cfg(test)]
mod tests {
    use metastore::RetentionPolicy;
    use model::{Attribute, Exception, LogRecord, Resource, RowSink};
    use store::{RowBuffer, RowContext};

    use super::*;
    use crate::now_unix_nano;
    use crate::testing::open;

    /// One occurrence at each of these times, in production.
    async fn occur(services: &Services, times: &[i64]) {
        let mut rows = RowBuffer::new(RowContext { receiver: "otlp", received_at_unix_nano: times[0], request: None });
        let environment = [Attribute::str("deployment.environment.name", "production")];
        rows.resource(&Resource { attributes: &environment, schema_url: "" });
        for at in times {
            let exception = Exception { r#type: "E".into(), group: Some("g".into()), ..Exception::default() };
            rows.log(&LogRecord { time_unix_nano: *at, exception: Some(exception), ..LogRecord::default() });
        }
        services.store.append("default", b"request".to_vec(), rows).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn counts_outlive_the_rows_that_retention_removes() {
        let folder = tempfile::tempdir().unwrap();
        let services = open(folder.path()).await;
        let now = now_unix_nano();
        let long_ago = (now / HOUR - 40 * 24) * HOUR;
        let all = TimeRange { start_unix_nano: long_ago, end_unix_nano: now + HOUR };
        let counted = async |environment: &str| {
            let filter = OccurrenceFilter {
                groups: Some(vec!["g".into()]),
                environments: vec![environment.into()],
                ..OccurrenceFilter::default()
            };
            hourly(&services, all, &filter).await.unwrap().into_values().collect::<Vec<f64>>()
        };
        occur(&services, &[long_ago, long_ago + 1, long_ago + HOUR]).await;
        occur(&services, &[now]).await;
        note(&services, now + SECOND).await.unwrap();
        assert_eq!(counted("production").await, [2.0, 1.0, 1.0]);

        let policy = RetentionPolicy { logs_days: Some(30), ..RetentionPolicy::default() };
        services.metastore.put_retention_policy("default", Some(&policy), now).await.unwrap();
        services.store.flush().await.unwrap();
        services.store.retain("default").await.unwrap();
        let rows = services.asker.occurrence_hours(TimeRange::ALL, 9).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.count).collect::<Vec<_>>(), [1.0], "what is old is gone");
        note(&services, now + 2 * SECOND).await.unwrap();
        assert_eq!(counted("production").await, [2.0, 1.0, 1.0]);
        assert_eq!(counted("staging").await, [0.0; 0]);
    }

    #[test]
    fn hours_that_are_near_are_asked_for_together() {
        let found = ranges([0, HOUR, 4 * HOUR, 40 * HOUR].into_iter());
        let told: Vec<(i64, i64)> =
            found.iter().map(|range| (range.start_unix_nano / HOUR, range.end_unix_nano / HOUR)).collect();
        assert_eq!(told, [(0, 5), (40, 41)]);
    }
}
