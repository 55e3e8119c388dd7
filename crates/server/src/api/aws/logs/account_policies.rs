//! Account policies: rules over all groups. They are kept and given back; those that protect data are acted on.

use metastore::{LogGroupFilter, ResourceKind};
use receivers::aws::AwsError;
use serde_json::{Value, json};

use super::data_protection::ACCOUNT_POLICY_TYPE;
use super::resources::{OF_KIND_MAX, Stored, object};
use super::{Answer, LogsApi, aws_error, limit_exceeded, not_found};

pub const ACCOUNT_POLICY: ResourceKind = ResourceKind { name: "logs.account_policy", what: "account policy" };

/// Of each type; index and transformer policies may be twenty.
const POLICIES_MAX: usize = 20;

impl LogsApi<'_> {
    pub(super) async fn put_account_policy(&self) -> Answer {
        let (name, kind) = (self.input.required("policyName"), self.input.required("policyType"));
        let policy = serde_json::from_str::<Value>(self.input.required("policyDocument"));
        if name.is_empty() || !policy.is_ok_and(|policy| policy.is_object() || policy.is_array()) {
            return Err(self.invalid("The policy document is not valid JSON."));
        }
        if kind == ACCOUNT_POLICY_TYPE {
            self.checked_policy(self.input.required("policyDocument"))?;
        }
        if self.input.flag("dryRun") == Some(true) {
            return Ok(json!({ "dryRunResult": self.dry_run().await? }));
        }
        let known = self.all(ACCOUNT_POLICY, Some(kind)).await?;
        if known.len() >= POLICIES_MAX && !known.iter().any(|each| each.name == name) {
            return Err(limit_exceeded());
        }
        let mut document = self.input.only(&["policyDocument", "scope", "selectionCriteria"]);
        document.entry("scope").or_insert_with(|| "ALL".into());
        self.put(ACCOUNT_POLICY, kind, name, &document, OF_KIND_MAX).await?;
        let stored = self.existing(ACCOUNT_POLICY, kind, name).await?;
        Ok(json!({ "accountPolicy": self.told_account_policy(&stored) }))
    }

    pub(super) async fn describe_account_policies(&self) -> Answer {
        let kind = self.input.required("policyType");
        let name = self.input.text("policyName");
        let mut all = self.all(ACCOUNT_POLICY, Some(kind)).await?;
        all.retain(|each| name.is_none_or(|name| each.name == name));
        let question = ["DescribeAccountPolicies", kind, name.unwrap_or_default()];
        self.listed("accountPolicies", &question, all, |each| self.told_account_policy(each))
    }

    pub(super) async fn delete_account_policy(&self) -> Answer {
        let (name, kind) = (self.input.required("policyName"), self.input.required("policyType"));
        if self.stored(ACCOUNT_POLICY, kind, name).await?.is_none() {
            return Err(not_found(format!("Policy with name [{name}] does not exist.")));
        }
        if self.input.flag("dryRun") == Some(true) {
            return Ok(json!({ "dryRunResult": self.dry_run().await? }));
        }
        self.forget(ACCOUNT_POLICY, kind, name).await?;
        Ok(json!({}))
    }

    /// What a policy would change of retention: nothing, since none is about it.
    async fn dry_run(&self) -> Result<Value, AwsError> {
        let mut filter = LogGroupFilter::default();
        let mut groups = 0;
        loop {
            let page = self.metastore().log_groups(self.project, &filter).await.map_err(aws_error)?;
            groups += page.items.len();
            filter.after = page.next;
            if filter.after.is_none() {
                break;
            }
        }
        Ok(json!({
            "totalMatchedLogGroups": groups,
            "increasedRetentionLogGroupCount": 0,
            "decreasedRetentionLogGroupCount": 0,
            "unchangedRetentionLogGroupCount": groups,
            "failedAnalysisCount": 0,
            "topLogGroupsImpacted": [],
        }))
    }

    fn told_account_policy(&self, stored: &Stored) -> Value {
        object(json!({
            "policyName": stored.name,
            "policyDocument": stored.document.get("policyDocument"),
            "lastUpdatedTime": stored.changed_ms,
            "policyType": stored.owner,
            "scope": stored.document.get("scope"),
            "selectionCriteria": stored.document.get("selectionCriteria"),
            "accountId": self.services.settings.account_id,
        }))
    }
}
