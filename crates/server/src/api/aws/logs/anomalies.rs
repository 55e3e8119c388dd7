//! Anomaly detectors, and what they found.
//!
//! Quirks:  times of anomalies are seconds, those of log samples milliseconds, as the service's model says; a detector that is
//!          asked about looks at once

use metastore::ResourceKind;
use receivers::cloudwatch::wire;
use serde_json::{Value, json};

use super::anomaly_detection::{self, ANOMALY};
use super::resources::{OF_KIND_MAX, Stored, object};
use super::tags::of_resource;
use super::{Answer, LogsApi, not_found};

pub const DETECTOR: ResourceKind = ResourceKind { name: "logs.anomaly_detector", what: "anomaly detector" };

const MEMBERS: [&str; 6] =
    ["logGroupArnList", "detectorName", "evaluationFrequency", "filterPattern", "kmsKeyId", "anomalyVisibilityTime"];

/// Days an anomaly can be seen, where the detector does not say.
const VISIBILITY_DAYS: i64 = 21;

impl LogsApi<'_> {
    pub(super) async fn create_log_anomaly_detector(&self) -> Answer {
        let arns = self.input.texts("logGroupArnList");
        if arns.is_empty() {
            return Err(self.invalid("logGroupArnList must not be empty."));
        }
        for arn in arns {
            if !arn.starts_with("arn:") {
                return Err(self.invalid(format!("Invalid log group ARN: {arn}")));
            }
            self.source(wire::log_group_name_from_identifier("logGroupArnList", arn)?).await?;
        }
        self.pattern(self.input.text("filterPattern"))?;
        let mut document = self.input.only(&MEMBERS);
        document.entry("anomalyVisibilityTime").or_insert_with(|| VISIBILITY_DAYS.into());
        document.entry("evaluationFrequency").or_insert_with(|| "FIVE_MIN".into());
        document.insert("anomalyDetectorStatus".to_owned(), "ANALYZING".into());
        let id = uuid::Uuid::new_v4().to_string();
        self.put(DETECTOR, "", &id, &document, OF_KIND_MAX).await?;
        self.put_tags_of(&of_resource(&format!("anomaly-detector:{id}"))).await?;
        Ok(json!({ "anomalyDetectorArn": self.arn(&format!("anomaly-detector:{id}")) }))
    }

    pub(super) async fn get_log_anomaly_detector(&self) -> Answer {
        let stored = self.detector().await?;
        let Value::Object(mut told) = self.told_detector(&stored) else { return Ok(json!({})) };
        told.remove("anomalyDetectorArn");
        Ok(Value::Object(told))
    }

    pub(super) async fn list_log_anomaly_detectors(&self) -> Answer {
        let group = self.input.text("filterLogGroupArn");
        let mut all = self.all(DETECTOR, None).await?;
        let watches = |each: &Stored, arn: &str| {
            each.document.get("logGroupArnList").and_then(Value::as_array).into_iter().flatten().any(|own| own == arn)
        };
        all.retain(|each| group.is_none_or(|group| watches(each, group)));
        let question = ["ListLogAnomalyDetectors", group.unwrap_or_default()];
        self.listed("anomalyDetectors", &question, all, |each| self.told_detector(each))
    }

    pub(super) async fn update_log_anomaly_detector(&self) -> Answer {
        self.pattern(self.input.text("filterPattern"))?;
        let mut stored = self.detector().await?;
        stored.document.extend(self.input.only(&["evaluationFrequency", "filterPattern", "anomalyVisibilityTime"]));
        let status = if self.input.flag("enabled") == Some(false) { "PAUSED" } else { "ANALYZING" };
        stored.document.insert("anomalyDetectorStatus".to_owned(), status.into());
        self.put(DETECTOR, "", &stored.name, &stored.document, OF_KIND_MAX).await?;
        Ok(json!({}))
    }

    pub(super) async fn delete_log_anomaly_detector(&self) -> Answer {
        let stored = self.detector().await?;
        self.forget(DETECTOR, "", &stored.name).await?;
        for anomaly in self.all(ANOMALY, Some(&stored.name)).await? {
            self.forget(ANOMALY, &stored.name, &anomaly.name).await?;
        }
        self.forget_tags_of(&of_resource(&format!("anomaly-detector:{}", stored.name))).await?;
        Ok(json!({}))
    }

    pub(super) async fn list_anomalies(&self) -> Answer {
        let detectors = match self.input.has("anomalyDetectorArn") {
            true => vec![self.detector().await?],
            false => self.all(DETECTOR, None).await?,
        };
        let wanted = self.input.text("suppressionState").map(|state| state == "SUPPRESSED");
        let mut items = Vec::new();
        for detector in detectors {
            anomaly_detection::look_again(self.services, &detector, self.call.received_at_unix_nano).await?;
            for anomaly in self.all(ANOMALY, Some(&detector.name)).await? {
                let told = self.told_anomaly(&detector, anomaly);
                if wanted.is_none_or(|wanted| told["suppressed"] == wanted) {
                    // Newest first, and still in the order of their places.
                    let place = i64::MAX - told["lastSeen"].as_i64().unwrap_or(0);
                    items.push((format!("{place:020}\n{}", told["anomalyId"].as_str().unwrap_or_default()), told));
                }
            }
        }
        items.sort_by(|a, b| a.0.cmp(&b.0));
        let arn = self.input.text("anomalyDetectorArn").unwrap_or_default();
        let question = ["ListAnomalies", arn, self.input.text("suppressionState").unwrap_or_default()];
        self.listed_by_place("anomalies", &question, items)
    }

    /// Suppresses an anomaly, or all of a pattern, or no longer; or takes it for normal.
    pub(super) async fn update_anomaly(&self) -> Answer {
        let (anomaly, pattern) = (self.input.text("anomalyId"), self.input.text("patternId"));
        if anomaly.is_some() == pattern.is_some() {
            return Err(self.invalid("Exactly one of anomalyId and patternId must be specified."));
        }
        let detector = self.detector().await?;
        let mut all = self.all(ANOMALY, Some(&detector.name)).await?;
        all.retain(|each| match anomaly {
            Some(id) => each.text("anomalyId") == id,
            None => Some(each.text("patternId")) == pattern,
        });
        if all.is_empty() {
            return Err(not_found("The specified anomaly does not exist."));
        }
        let now_ms = self.now_ms();
        let until = match (self.input.text("suppressionType"), self.input.get("suppressionPeriod")) {
            (Some("LIMITED"), Some(period)) => {
                let unit = match period["suppressionUnit"].as_str() {
                    Some("HOURS") => 3_600,
                    Some("MINUTES") => 60,
                    _ => 1,
                };
                Some(now_ms / 1_000 + period["value"].as_i64().unwrap_or(0).saturating_mul(unit))
            }
            (Some("LIMITED"), None) => return Err(self.invalid("suppressionPeriod must be specified with LIMITED.")),
            (Some(_), _) => Some(0),
            (None, _) => None,
        };
        for mut each in all {
            let document = &mut each.document;
            document.insert("suppressed".to_owned(), until.is_some().into());
            document.insert("isPatternLevelSuppression".to_owned(), (until.is_some() && pattern.is_some()).into());
            document.remove("suppressedDate");
            document.remove("suppressedUntil");
            if let Some(until) = until {
                document.insert("suppressedDate".to_owned(), (now_ms / 1_000).into());
                document.insert("suppressedUntil".to_owned(), until.into());
            }
            if let Some(baseline) = self.input.flag("baseline") {
                document.insert("baseline".to_owned(), baseline.into());
            }
            self.put(ANOMALY, &detector.name, &each.name, &each.document, OF_KIND_MAX).await?;
        }
        Ok(json!({}))
    }

    fn told_anomaly(&self, detector: &Stored, anomaly: Stored) -> Value {
        let now = self.now_ms() / 1_000;
        let mut told = Value::Object(anomaly.document);
        let until = told["suppressedUntil"].as_i64();
        let is_suppressed = told["suppressed"] == true && until.is_none_or(|until| until == 0 || until > now);
        let is_normal = told["baseline"] == true;
        if let Some(members) = told.as_object_mut() {
            members.remove("baseline");
        }
        told["suppressed"] = is_suppressed.into();
        told["state"] = match (is_normal, is_suppressed) {
            (true, _) => "Baseline",
            (false, true) => "Suppressed",
            (false, false) => "Active",
        }
        .into();
        told["anomalyDetectorArn"] = self.arn(&format!("anomaly-detector:{}", detector.name)).into();
        told["logGroupArnList"] = detector.document.get("logGroupArnList").cloned().unwrap_or_else(|| json!([]));
        told
    }

    async fn detector(&self) -> Result<Stored, receivers::aws::AwsError> {
        let id = self.input.required("anomalyDetectorArn").rsplit(':').next().unwrap_or_default();
        self.existing(DETECTOR, "", id).await
    }

    fn told_detector(&self, stored: &Stored) -> Value {
        let mut told = Value::Object(stored.document.clone());
        told["anomalyDetectorArn"] = self.arn(&format!("anomaly-detector:{}", stored.name)).into();
        told["creationTimeStamp"] = stored.created_ms.into();
        told["lastModifiedTimeStamp"] = stored.changed_ms.into();
        object(told)
    }
}
