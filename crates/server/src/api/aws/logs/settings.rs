//! Settings of a group or an account that have a call each: key, protection, bearer tokens, storage tier. They are kept and
//! given back; protection is acted on.

use metastore::ResourceKind;
use receivers::cloudwatch::wire;
use serde_json::{Value, json};

use super::resources::OF_KIND_MAX;
use super::{Answer, LogsApi};

/// Settings of the account: one document each.
const ACCOUNT_SETTING: ResourceKind = ResourceKind { name: "logs.account_setting", what: "account setting" };

const STORAGE_TIER: &str = "storage_tier";
const QUERY_RESULT_KEY: &str = "query_result_key";

impl LogsApi<'_> {
    pub(super) async fn associate_kms_key(&self) -> Answer {
        self.set_kms_key(self.input.get("kmsKeyId").cloned()).await
    }

    pub(super) async fn disassociate_kms_key(&self) -> Answer {
        self.set_kms_key(None).await
    }

    async fn set_kms_key(&self, key: Option<Value>) -> Answer {
        match (self.input.text("logGroupName"), self.input.text("resourceIdentifier")) {
            (Some(_), Some(_)) => {
                return Err(self.invalid("logGroupName and resourceIdentifier are mutually exclusive parameters."));
            }
            (Some(name), None) => self.set_of_group(name, "kmsKeyId", key).await?,
            (None, Some(identifier)) if identifier.contains(":query-result:") => {
                let document = key.map(|key| json!({ "kmsKeyId": key })).unwrap_or_else(|| json!({}));
                let Value::Object(document) = document else { return Ok(json!({})) };
                self.put(ACCOUNT_SETTING, "", QUERY_RESULT_KEY, &document, OF_KIND_MAX).await?;
            }
            (None, Some(identifier)) => {
                let name = wire::log_group_name_from_identifier("resourceIdentifier", identifier)?;
                self.set_of_group(name, "kmsKeyId", key).await?;
            }
            (None, None) => return Err(self.invalid("Either logGroupName or resourceIdentifier must be specified.")),
        }
        Ok(json!({}))
    }

    pub(super) async fn put_log_group_deletion_protection(&self) -> Answer {
        let name = self.group_named_by("logGroupIdentifier").await?;
        self.set_of_group(&name, "deletionProtectionEnabled", self.input.get("deletionProtectionEnabled").cloned()).await?;
        Ok(json!({}))
    }

    pub(super) async fn put_bearer_token_authentication(&self) -> Answer {
        let name = self.group_named_by("logGroupIdentifier").await?;
        let enabled = self.input.get("bearerTokenAuthenticationEnabled").cloned();
        self.set_of_group(&name, "bearerTokenAuthenticationEnabled", enabled).await?;
        Ok(json!({}))
    }

    pub(super) async fn put_storage_tier_policy(&self) -> Answer {
        self.put(ACCOUNT_SETTING, "", STORAGE_TIER, &self.input.only(&["storageTier"]), OF_KIND_MAX).await?;
        self.get_storage_tier_policy().await
    }

    pub(super) async fn get_storage_tier_policy(&self) -> Answer {
        Ok(match self.stored(ACCOUNT_SETTING, "", STORAGE_TIER).await? {
            Some(stored) => json!({ "storageTier": stored.text("storageTier"), "lastUpdatedTime": stored.changed_ms }),
            None => json!({ "storageTier": "STANDARD" }),
        })
    }
}
