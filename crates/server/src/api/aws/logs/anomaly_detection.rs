//! What anomaly detectors look for: patterns of their groups' lines that are new or come in sudden numbers, looked at again every
//! few minutes, and kept for as long as the detector says.
//!
//! Quirks:  a detector looks at the last 288 of its periods, a day for the usual five minutes; nothing is known before four periods
//!          have passed since a group's first line in that time

use std::time::Duration;

use analysis::log_patterns::{LogPattern, Unusual, UnusualKind};
use async_trait::async_trait;
use engine::ask::insights::EventSources;
use languages::filter_pattern;
use metastore::{Evaluation, ResourceKind};
use receivers::aws::AwsError;
use receivers::cloudwatch::wire;
use serde_json::{Map, Value, json};

use super::anomalies::DETECTOR;
use super::data_protection::masks_of_sources;
use super::query_sources::source_named;
use super::resources::{OF_KIND_MAX, Stored};
use super::{NANOS_PER_MS, aws_error, unavailable};
use crate::Services;
use crate::alerting::{EvaluationError, Evaluator};

pub const ANOMALY: ResourceKind = ResourceKind { name: "logs.anomaly", what: "anomaly" };

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Periods that a detector looks back.
const PERIODS: i64 = 288;

/// An anomaly is active for as many periods after it showed.
const ACTIVE_PERIODS: i64 = 3;

/// What a detector is asked about again within this time was looked at just before.
const FRESH_NANOS: i64 = 10 * NANOS_PER_SECOND;

/// Anomalies told of one detector; more at once are one incident.
const ANOMALIES_MAX: usize = 500;

const VALUES_TOLD_MAX: usize = 10;

/// Looks for all detectors whose period has passed.
#[derive(Debug)]
pub struct LogAnomalies;

#[async_trait]
impl Evaluator for LogAnomalies {
    fn name(&self) -> &'static str {
        "cloudwatch.log_anomalies"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn evaluate(&self, services: &Services, now_unix_nano: i64) -> Result<(), EvaluationError> {
        let detectors = services.metastore.resources(&services.settings.project, DETECTOR, None).await?;
        let mut failed = None;
        for detector in detectors {
            let looked = async {
                let detector = Stored::read(detector)?;
                look(services, &detector, now_unix_nano, period(&detector)).await
            };
            // One that cannot look keeps no other from looking.
            if let Err(error) = looked.await {
                failed = Some(EvaluationError::Other(error.message));
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Has a detector look for whom asks about it, unless it just did.
pub(super) async fn look_again(services: &Services, detector: &Stored, now_unix_nano: i64) -> Result<(), AwsError> {
    look(services, detector, now_unix_nano, FRESH_NANOS).await
}

/// Nanoseconds from one look to the next.
fn period(detector: &Stored) -> i64 {
    let minutes = match detector.text("evaluationFrequency") {
        "ONE_MIN" => 1,
        "TEN_MIN" => 10,
        "FIFTEEN_MIN" => 15,
        "THIRTY_MIN" => 30,
        "ONE_HOUR" => 60,
        _ => 5,
    };
    minutes * 60 * NANOS_PER_SECOND
}

async fn look(services: &Services, detector: &Stored, now: i64, at_least_nanos: i64) -> Result<(), AwsError> {
    let (metastore, project) = (&services.metastore, &services.settings.project);
    if detector.text("anomalyDetectorStatus") == "PAUSED" {
        return Ok(());
    }
    let name = LogAnomalies.name();
    let before = metastore.evaluation(project, name, &detector.name).await.map_err(aws_error)?;
    if before.is_some_and(|before| now.saturating_sub(before.evaluated_at_unix_nano) < at_least_nanos) {
        return Ok(());
    }
    find(services, detector, now).await?;
    let evaluation = Evaluation { subject: detector.name.clone(), state: String::new(), evaluated_at_unix_nano: now };
    metastore.put_evaluation(project, name, &evaluation).await.map_err(aws_error)
}

async fn find(services: &Services, detector: &Stored, now: i64) -> Result<(), AwsError> {
    let (metastore, project) = (&services.metastore, &services.settings.project);
    let period = period(detector);
    // Whole periods, the last of which is still open.
    let end = (now.div_euclid(period) + 1) * period;
    let mut sources = EventSources { of: Vec::new(), start_unix_nano: end - PERIODS * period, end_unix_nano: end };
    for arn in detector.document.get("logGroupArnList").and_then(Value::as_array).into_iter().flatten() {
        let name = wire::log_group_name_from_identifier("logGroupArnList", arn.as_str().unwrap_or_default())?;
        sources.of.extend(source_named(services, name).await?);
    }
    let masks = masks_of_sources(services, std::iter::once(&sources)).await?;
    let filter = filter_pattern::parse(detector.text("filterPattern")).ok();
    let found = services.asker.unusual_patterns(&sources, &masks, filter.as_ref(), period).await;
    let found = found.map_err(unavailable)?;
    let known = metastore.resources(project, ANOMALY, Some(&detector.name)).await.map_err(aws_error)?;
    let known = known.into_iter().map(Stored::read).collect::<Result<Vec<Stored>, AwsError>>()?;
    for (pattern, unusual) in found.into_iter().take(ANOMALIES_MAX) {
        let key = key(&pattern, &unusual, sources.start_unix_nano, period);
        let mut document = told(&pattern, &unusual, &sources, period, now);
        let before = known.iter().find(|each| each.name == key);
        let of_pattern = known.iter().find(|each| {
            each.text("patternId") == pattern.id && each.document.get("isPatternLevelSuppression") == Some(&Value::Bool(true))
        });
        for (kept, from) in [
            (
                &[
                    "anomalyId",
                    "firstSeen",
                    "suppressed",
                    "suppressedDate",
                    "suppressedUntil",
                    "isPatternLevelSuppression",
                    "baseline",
                ][..],
                before,
            ),
            (&["suppressed", "suppressedDate", "suppressedUntil", "isPatternLevelSuppression"][..], of_pattern),
        ] {
            for member in kept {
                if let Some(value) = from.and_then(|from| from.document.get(*member)) {
                    document.insert((*member).to_owned(), value.clone());
                }
            }
        }
        put(services, &detector.name, &key, &document, now).await?;
    }
    forget_old(services, detector, &known, now).await
}

/// What an anomaly is kept under: a new pattern is one, a sudden one is another each time.
fn key(pattern: &LogPattern, unusual: &Unusual, start_unix_nano: i64, period: i64) -> String {
    match unusual.kind {
        UnusualKind::New => format!("{}:new", pattern.id),
        UnusualKind::Sudden => {
            format!("{}:{}", pattern.id, start_unix_nano / NANOS_PER_SECOND + seconds_of(unusual.step, period))
        }
    }
}

fn seconds_of(step: usize, period: i64) -> i64 {
    i64::try_from(step).unwrap_or(i64::MAX).saturating_mul(period) / NANOS_PER_SECOND
}

async fn put(services: &Services, owner: &str, name: &str, document: &Map<String, Value>, now: i64) -> Result<(), AwsError> {
    let document = serde_json::to_string(document).map_err(unavailable)?;
    let project = &services.settings.project;
    services.metastore.put_resource(project, ANOMALY, owner, name, &document, OF_KIND_MAX, now).await.map_err(aws_error)
}

/// Anomalies are seen for so many days.
async fn forget_old(services: &Services, detector: &Stored, known: &[Stored], now: i64) -> Result<(), AwsError> {
    let days = detector.document.get("anomalyVisibilityTime").and_then(Value::as_i64).unwrap_or(21);
    let oldest = now / NANOS_PER_SECOND - days * 86_400;
    for each in known {
        if each.document.get("lastSeen").and_then(Value::as_i64).is_some_and(|seen| seen < oldest) {
            let project = &services.settings.project;
            services.metastore.delete_resource(project, ANOMALY, &detector.name, &each.name).await.map_err(aws_error)?;
        }
    }
    Ok(())
}

fn told(pattern: &LogPattern, unusual: &Unusual, sources: &EventSources, period: i64, now: i64) -> Map<String, Value> {
    let start = sources.start_unix_nano / NANOS_PER_SECOND;
    let showed = start + seconds_of(unusual.step, period);
    let is_active = now / NANOS_PER_SECOND - showed < ACTIVE_PERIODS * period / NANOS_PER_SECOND;
    let steps = pattern.steps.iter().enumerate().filter(|(_, lines)| **lines > 0.0);
    let histogram: Map<String, Value> =
        steps.map(|(step, lines)| ((start + seconds_of(step, period)).to_string(), Value::from(lines.round() as i64))).collect();
    let first = match unusual.kind {
        UnusualKind::New => pattern.first_unix_nano / NANOS_PER_SECOND,
        UnusualKind::Sudden => showed,
    };
    let document = json!({
        "anomalyId": uuid::Uuid::new_v4().to_string(),
        "patternId": pattern.id,
        "patternString": pattern.text(),
        "patternRegex": pattern.expression(),
        "priority": unusual.priority.as_str(),
        "firstSeen": first,
        "lastSeen": pattern.last_unix_nano / NANOS_PER_SECOND,
        "description": unusual.description(),
        "active": is_active,
        "histogram": histogram,
        "logSamples": [{ "timestamp": pattern.last_unix_nano / NANOS_PER_MS, "message": pattern.sample }],
        "patternTokens": tokens(pattern),
        "suppressed": false,
        "isPatternLevelSuppression": false,
    });
    match document {
        Value::Object(document) => document,
        _ => Map::new(),
    }
}

/// Parts that stay and parts that change, in order.
fn tokens(pattern: &LogPattern) -> Vec<Value> {
    let mut place = 0;
    let told = pattern.flat().map(|(text, token)| match token {
        None => json!({ "dynamicTokenPosition": 0, "isDynamic": false, "tokenString": text, "enumerations": {} }),
        Some(token) => {
            place += 1;
            let values = token.values.iter().take(VALUES_TOLD_MAX);
            let values: Map<String, Value> =
                values.map(|(value, count)| (value.clone(), Value::from(count.round() as i64))).collect();
            json!({
                "dynamicTokenPosition": place,
                "isDynamic": true,
                "tokenString": format!("<{}>", token.name),
                "enumerations": values,
                "inferredTokenName": token.kind.as_str(),
            })
        }
    });
    told.collect()
}
