//! Account policies: rules over all log groups, or over those that their criteria choose.
//!
//! Those that protect data, subscribe, transform for metric filters, and index are acted on, beside or in the place of the
//! groups' own as at the service.
//! Missing: retention and metric extraction policies are kept and change nothing

use metastore::{LogGroupFilter, ResourceKind};
use receivers::aws::AwsError;
use serde_json::{Value, json};

use super::data_protection::ACCOUNT_POLICY_TYPE;
use super::index_policies::is_index_policy;
use super::resources::{OF_KIND_MAX, Stored, object};
use super::selection_criteria::{By, SelectionCriteria};
use super::{Answer, LogsApi, aws_error, limit_exceeded, not_found};

pub const ACCOUNT_POLICY: ResourceKind = ResourceKind { name: "logs.account_policy", what: "account policy" };

pub(super) const SUBSCRIPTION_POLICY_TYPE: &str = "SUBSCRIPTION_FILTER_POLICY";
pub(super) const INDEX_POLICY_TYPE: &str = "FIELD_INDEX_POLICY";
pub(super) const TRANSFORMER_POLICY_TYPE: &str = "TRANSFORMER_POLICY";
const EXTRACTION_POLICY_TYPE: &str = "METRIC_EXTRACTION_POLICY";
const RETENTION_POLICY_TYPE: &str = "RETENTION_POLICY";

/// Of each type, as at the service; index policies may be for twenty prefixes and twenty data sources.
fn policies_max(kind: &str) -> usize {
    match kind {
        ACCOUNT_POLICY_TYPE | SUBSCRIPTION_POLICY_TYPE => 1,
        EXTRACTION_POLICY_TYPE => 5,
        INDEX_POLICY_TYPE => 40,
        _ => 20,
    }
}

impl LogsApi<'_> {
    pub(super) async fn put_account_policy(&self) -> Answer {
        let (name, kind) = (self.input.required("policyName"), self.input.required("policyType"));
        self.check_account_policy(name, kind).await?;
        if self.input.flag("dryRun") == Some(true) {
            return Ok(json!({ "dryRunResult": self.dry_run().await? }));
        }
        let known = self.all(ACCOUNT_POLICY, Some(kind)).await?;
        if known.len() >= policies_max(kind) && !known.iter().any(|each| each.name == name) {
            return Err(limit_exceeded());
        }
        let mut document = self.input.only(&["policyDocument", "scope", "selectionCriteria"]);
        document.entry("scope").or_insert_with(|| "ALL".into());
        self.put(ACCOUNT_POLICY, kind, name, &document, OF_KIND_MAX).await?;
        self.services.logs.service_groups.changed();
        let stored = self.existing(ACCOUNT_POLICY, kind, name).await?;
        Ok(json!({ "accountPolicy": self.told_account_policy(&stored) }))
    }

    /// Refuses: a policy that could not be acted on.
    async fn check_account_policy(&self, name: &str, kind: &str) -> Result<(), AwsError> {
        let document = self.input.required("policyDocument");
        let policy = serde_json::from_str::<Value>(document).ok().filter(|policy| policy.is_object() || policy.is_array());
        let policy = policy.filter(|_| !name.is_empty());
        let policy = policy.ok_or_else(|| self.invalid("The policy document is not valid JSON."))?;
        self.check_criteria(kind)?;
        match kind {
            ACCOUNT_POLICY_TYPE => self.checked_policy(document),
            SUBSCRIPTION_POLICY_TYPE => self.check_subscription_policy(&policy).await,
            TRANSFORMER_POLICY_TYPE => self.check_processors(policy.as_array().map(Vec::as_slice).unwrap_or_default()),
            INDEX_POLICY_TYPE if !is_index_policy(document) => {
                Err(self.invalid("The policy document must be JSON with at least one field index."))
            }
            _ => Ok(()),
        }
    }

    async fn check_subscription_policy(&self, policy: &Value) -> Result<(), AwsError> {
        let destination = policy["DestinationArn"].as_str().filter(|destination| !destination.is_empty());
        let destination = destination.ok_or_else(|| self.invalid("The policy document must have a DestinationArn."))?;
        self.checked_destination(destination).await?;
        self.pattern(policy["FilterPattern"].as_str()).map(|_| ())
    }

    fn check_criteria(&self, kind: &str) -> Result<(), AwsError> {
        let Some(text) = self.input.text("selectionCriteria") else { return Ok(()) };
        let criteria = SelectionCriteria::parse(text);
        let criteria = criteria.ok_or_else(|| self.invalid(format!("The selection criteria {text} cannot be read.")))?;
        let is_allowed = match kind {
            SUBSCRIPTION_POLICY_TYPE => criteria.by == By::Name && criteria.is_negated,
            TRANSFORMER_POLICY_TYPE | RETENTION_POLICY_TYPE => criteria.by == By::NamePrefix,
            INDEX_POLICY_TYPE => criteria.by != By::Name,
            EXTRACTION_POLICY_TYPE => criteria.by != By::DataSource,
            _ => false,
        };
        if is_allowed {
            Ok(())
        } else {
            Err(self.invalid(format!("A policy of the type {kind} cannot have such selection criteria.")))
        }
    }

    /// The policies of a type that are for a group, in the order of names.
    pub(super) async fn account_policies_of(&self, kind: &str, group: &str) -> Result<Vec<Stored>, AwsError> {
        let mut all = self.all(ACCOUNT_POLICY, Some(kind)).await?;
        all.retain(|policy| {
            let criteria = policy.document.get("selectionCriteria").and_then(Value::as_str);
            criteria.is_none_or(|text| SelectionCriteria::parse(text).is_some_and(|criteria| criteria.includes(group)))
        });
        Ok(all)
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
        self.services.logs.service_groups.changed();
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
