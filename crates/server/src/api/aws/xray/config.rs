//! Settings that X-Ray's tools read and write. They are kept and given back; what they would switch at AWS is always on
//! here: nothing is encrypted by a key of somebody's, every span is searchable, and all of them are indexed.

use serde_json::{Value, json};

use super::input::{Input, invalid};
use super::pages::{self, Place};
use super::{Answer, XrayApi, not_found, seconds, unavailable};

const ENCRYPTION: &str = "xray.encryption_config";
const DESTINATION: &str = "xray.trace_segment_destination";
const INDEXING: &str = "xray.indexing_rule.Default";

/// The one indexing rule.
const INDEXING_RULE: &str = "Default";

impl XrayApi<'_> {
    pub(super) async fn get_encryption_config(&self) -> Answer {
        let stored = self.setting(ENCRYPTION).await?.map(|(value, _)| value);
        Ok(json!({ "EncryptionConfig": encryption(stored) }))
    }

    pub(super) async fn put_encryption_config(&self) -> Answer {
        let input = self.input()?;
        let r#type = input.word("Type", &["NONE", "KMS"])?.ok_or_else(|| input.missing("Type"))?;
        let key_id = input.text_of("KeyId", 1, 3_000)?;
        let config = match (r#type, key_id) {
            ("KMS", None) => return Err(invalid("KeyId must be specified when Type is KMS.")),
            ("KMS", Some(key_id)) => json!({ "Type": "KMS", "KeyId": key_id }),
            (_, Some(_)) => return Err(invalid("KeyId must not be specified when Type is NONE.")),
            (_, None) => json!({ "Type": "NONE" }),
        };
        self.put_setting(ENCRYPTION, &config).await?;
        Ok(json!({ "EncryptionConfig": encryption(Some(config)) }))
    }

    pub(super) async fn get_trace_segment_destination(&self) -> Answer {
        let stored = self.setting(DESTINATION).await?.map(|(value, _)| value);
        Ok(destination(stored))
    }

    pub(super) async fn update_trace_segment_destination(&self) -> Answer {
        let input = self.input()?;
        let asked = input.word("Destination", &["XRay", "CloudWatchLogs"])?;
        let Some(asked) = asked else { return self.get_trace_segment_destination().await };
        if let Some(logs) = input.object("CloudWatchLogsConfiguration")? {
            logs.text_of("SpansLogGroupKmsKeyId", 1, 256)?;
            if asked != "CloudWatchLogs" {
                return Err(invalid("CloudWatchLogsConfiguration needs the destination CloudWatchLogs."));
            }
        }
        let asked = json!(asked);
        self.put_setting(DESTINATION, &asked).await?;
        Ok(destination(Some(asked)))
    }

    pub(super) async fn get_indexing_rules(&self) -> Answer {
        let input = self.input()?;
        let rule = self.indexing_rule().await?;
        let page = pages::page(&input, "GetIndexingRules", &[], 1, vec![rule], |_| Place::new(INDEXING_RULE))?;
        Ok(pages::answer("IndexingRules", page.items, page.next))
    }

    pub(super) async fn update_indexing_rule(&self) -> Answer {
        let input = self.input()?;
        let name = input.text("Name")?.ok_or_else(|| input.missing("Name"))?;
        let desired = desired_percentage(&input)?;
        if name != INDEXING_RULE {
            return Err(not_found(format!("Indexing rule {name} does not exist.")));
        }
        self.put_setting(INDEXING, &json!(desired)).await?;
        Ok(json!({ "IndexingRule": self.indexing_rule().await? }))
    }

    /// What is wished for is given back; what is done is everything.
    async fn indexing_rule(&self) -> Answer {
        let stored = self.setting(INDEXING).await?;
        let (desired, modified_at) = stored.map_or((json!(100.0), 0), |(value, at)| (value, at));
        let percentages = json!({ "DesiredSamplingPercentage": desired, "ActualSamplingPercentage": 100.0 });
        Ok(json!({ "Name": INDEXING_RULE, "ModifiedAt": seconds(modified_at), "Rule": { "Probabilistic": percentages } }))
    }

    async fn setting(&self, name: &str) -> Result<Option<(Value, i64)>, receivers::aws::AwsError> {
        let stored = self.metastore().project_setting(self.project, name).await.map_err(unavailable)?;
        Ok(stored.and_then(|stored| Some((serde_json::from_str(&stored.value).ok()?, stored.changed_at_unix_nano))))
    }

    async fn put_setting(&self, name: &str, value: &Value) -> Result<(), receivers::aws::AwsError> {
        let now = self.call.received_at_unix_nano;
        self.metastore().put_project_setting(self.project, name, &value.to_string(), now).await.map_err(unavailable)
    }
}

fn encryption(stored: Option<Value>) -> Value {
    let mut config = stored.filter(Value::is_object).unwrap_or_else(|| json!({ "Type": "NONE" }));
    config["Status"] = "ACTIVE".into();
    config
}

fn destination(stored: Option<Value>) -> Value {
    json!({ "Destination": stored.unwrap_or_else(|| "XRay".into()), "Status": "ACTIVE" })
}

fn desired_percentage(input: &Input<'_>) -> Result<f64, receivers::aws::AwsError> {
    let rule = input.required_object("Rule")?;
    let probabilistic = rule.required_object("Probabilistic")?;
    let desired = probabilistic.number("DesiredSamplingPercentage", 0.0, 100.0)?;
    desired.ok_or_else(|| probabilistic.missing("DesiredSamplingPercentage"))
}
