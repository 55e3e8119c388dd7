//! Resource policies: who else may write to an account's or a group's logs. They are kept and given back; nothing acts on them.

use metastore::{ResourceKind, ResourcesMax};
use receivers::aws::AwsError;
use receivers::cloudwatch::wire;
use serde_json::{Map, Value, json};

use super::resources::{Stored, object, of_group};
use super::{Answer, LogsApi, not_found};

pub const RESOURCE_POLICY: ResourceKind = ResourceKind { name: "logs.resource_policy", what: "resource policy" };

/// Of an account in a region.
const POLICIES_MAX: u32 = 10;

/// A group has one, whose name is this.
const OF_GROUP: &str = "group";

impl LogsApi<'_> {
    pub(super) async fn put_resource_policy(&self) -> Answer {
        let document = self.input.text("policyDocument").unwrap_or_default();
        if !serde_json::from_str::<Value>(document).is_ok_and(|policy| policy.is_object()) {
            return Err(self.invalid("This resource policy contains invalid Json"));
        }
        let (owner, name) = self.place_of_policy().await?;
        let known = self.stored(RESOURCE_POLICY, &owner, &name).await?;
        self.check_revision(known.as_ref())?;
        let revision = known.as_ref().map_or(0, revision) + 1;
        let mut kept = Map::new();
        kept.insert("policyDocument".to_owned(), document.into());
        kept.insert("revision".to_owned(), revision.into());
        self.put(RESOURCE_POLICY, &owner, &name, &kept, ResourcesMax::OfOwner(POLICIES_MAX)).await?;
        let stored = self.existing(RESOURCE_POLICY, &owner, &name).await?;
        let told = self.told_policy(&stored);
        Ok(object(json!({ "resourcePolicy": told, "revisionId": told.get("revisionId") })))
    }

    pub(super) async fn describe_resource_policies(&self) -> Answer {
        let arn = self.input.text("resourceArn");
        let scope = self.input.text("policyScope").unwrap_or(if arn.is_some() { "RESOURCE" } else { "ACCOUNT" });
        let all = match arn {
            Some(arn) => {
                let group = wire::log_group_name_from_identifier("resourceArn", arn)?.to_owned();
                self.all(RESOURCE_POLICY, Some(&of_group(&group))).await?
            }
            None => self.all(RESOURCE_POLICY, None).await?,
        };
        let all = all.into_iter().filter(|each| each.owner.is_empty() == (scope == "ACCOUNT")).collect();
        let question = ["DescribeResourcePolicies", arn.unwrap_or_default(), scope];
        self.listed("resourcePolicies", &question, all, |each| self.told_policy(each))
    }

    pub(super) async fn delete_resource_policy(&self) -> Answer {
        let (owner, name) = self.place_of_policy().await?;
        let known = self.stored(RESOURCE_POLICY, &owner, &name).await?;
        let known = known.ok_or_else(|| not_found(format!("Policy with name [{name}] does not exist.")))?;
        self.check_revision(Some(&known))?;
        self.forget(RESOURCE_POLICY, &owner, &name).await?;
        Ok(json!({}))
    }

    /// Of the account by its name, or of a group by its ARN.
    async fn place_of_policy(&self) -> Result<(String, String), AwsError> {
        match (self.input.text("resourceArn"), self.input.text("policyName")) {
            (Some(_), _) => {
                let group = self.group_named_by("resourceArn").await?;
                Ok((of_group(&group), OF_GROUP.to_owned()))
            }
            (None, Some(name)) if !name.trim().is_empty() => Ok((String::new(), name.to_owned())),
            (None, _) => Err(self.invalid("Policy name must be specified")),
        }
    }

    fn check_revision(&self, known: Option<&Stored>) -> Result<(), AwsError> {
        let Some(expected) = self.input.text("expectedRevisionId") else { return Ok(()) };
        match known {
            Some(known) if revision(known).to_string() == expected => Ok(()),
            _ => Err(self.invalid("The specified revision ID does not match the current revision of the policy.")),
        }
    }

    fn told_policy(&self, stored: &Stored) -> Value {
        let group = (!stored.owner.is_empty()).then(|| self.owner().log_group_arn(super::resources::group_of(&stored.owner)));
        object(json!({
            "policyName": group.is_none().then_some(&stored.name),
            "policyDocument": stored.document.get("policyDocument"),
            "lastUpdatedTime": stored.changed_ms,
            "policyScope": if group.is_some() { "RESOURCE" } else { "ACCOUNT" },
            "revisionId": group.is_some().then(|| revision(stored).to_string()),
            "resourceArn": group,
        }))
    }
}

fn revision(stored: &Stored) -> u64 {
    stored.document.get("revision").and_then(Value::as_u64).unwrap_or(0)
}
