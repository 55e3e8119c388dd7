//! Data protection policies of groups: kept and given back.

use metastore::ResourceKind;
use serde_json::{Value, json};

use super::resources::{OF_KIND_MAX, of_group};
use super::{Answer, LogsApi};

pub const DATA_PROTECTION: ResourceKind = ResourceKind { name: "logs.data_protection_policy", what: "data protection policy" };

const POLICY: &str = "policy";

impl LogsApi<'_> {
    pub(super) async fn put_data_protection_policy(&self) -> Answer {
        let group = self.group_named_by("logGroupIdentifier").await?;
        let policy = serde_json::from_str::<Value>(self.input.required("policyDocument")).unwrap_or_default();
        if policy["Statement"].as_array().is_none_or(|statements| statements.len() != 2) {
            let message =
                "The policy document must be JSON with two statements, one with the operation Audit and one with Deidentify.";
            return Err(self.invalid(message));
        }
        self.put(DATA_PROTECTION, &of_group(&group), POLICY, &self.input.only(&["policyDocument"]), OF_KIND_MAX).await?;
        self.get_data_protection_policy().await
    }

    pub(super) async fn get_data_protection_policy(&self) -> Answer {
        let group = self.group_named_by("logGroupIdentifier").await?;
        let identifier = self.input.required("logGroupIdentifier");
        Ok(match self.stored(DATA_PROTECTION, &of_group(&group), POLICY).await? {
            Some(stored) => json!({
                "logGroupIdentifier": identifier,
                "policyDocument": stored.text("policyDocument"),
                "lastUpdatedTime": stored.changed_ms,
            }),
            None => json!({ "logGroupIdentifier": identifier }),
        })
    }

    pub(super) async fn delete_data_protection_policy(&self) -> Answer {
        let group = self.group_named_by("logGroupIdentifier").await?;
        self.forget(DATA_PROTECTION, &of_group(&group), POLICY).await?;
        Ok(json!({}))
    }
}
