//! Anomaly detectors: kept and given back.
//!
//! Missing: detection; ListAnomalies is always empty

use metastore::ResourceKind;
use receivers::cloudwatch::wire;
use serde_json::{Value, json};

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
            self.group(wire::log_group_name_from_identifier("logGroupArnList", arn)?).await?;
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
        self.forget_tags_of(&of_resource(&format!("anomaly-detector:{}", stored.name))).await?;
        Ok(json!({}))
    }

    pub(super) async fn list_anomalies(&self) -> Answer {
        if self.input.has("anomalyDetectorArn") {
            self.detector().await?;
        }
        self.listed_by_place("anomalies", &["ListAnomalies"], Vec::new())
    }

    pub(super) async fn update_anomaly(&self) -> Answer {
        if self.input.has("anomalyId") == self.input.has("patternId") {
            return Err(self.invalid("Exactly one of anomalyId and patternId must be specified."));
        }
        self.detector().await?;
        Err(not_found("The specified anomaly does not exist."))
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
