//! Resource policies, as AWS's tools write them. They are kept and given back; who may call is not decided by them.

use metastore::{MetastoreError, ResourcePolicy};
use receivers::aws::AwsError;
use serde_json::{Value, json};

use super::input::{Checked, Input, invalid};
use super::pages::{self, Place};
use super::{Answer, XrayApi, seconds, unavailable};

/// Policies of a project; AWS's bound.
const POLICIES_MAX: u32 = 5;

/// Bytes of a document; AWS's bound.
const DOCUMENT_BYTES_MAX: usize = 5 * 1024;

impl XrayApi<'_> {
    pub(super) async fn put_resource_policy(&self) -> Answer {
        let input = self.input()?;
        let name = policy_name(&input)?;
        let document = input.text("PolicyDocument")?.ok_or_else(|| input.missing("PolicyDocument"))?;
        let revision = revision(&input)?;
        input.flag("BypassPolicyLockoutCheck")?;
        check(document)?;
        let now = self.call.received_at_unix_nano;
        let put = self.metastore().put_resource_policy(self.project, name, document, revision, POLICIES_MAX, now).await;
        Ok(json!({ "ResourcePolicy": told(&put.map_err(refused)?) }))
    }

    pub(super) async fn list_resource_policies(&self) -> Answer {
        let input = self.input()?;
        let policies = self.metastore().resource_policies(self.project).await.map_err(unavailable)?;
        let operation = "ListResourcePolicies";
        let place = |policy: &ResourcePolicy| Place::new(policy.name.as_str());
        let page = pages::page(&input, operation, &[], POLICIES_MAX as usize, policies, place)?;
        Ok(pages::answer("ResourcePolicies", page.items.iter().map(told).collect(), page.next))
    }

    pub(super) async fn delete_resource_policy(&self) -> Answer {
        let input = self.input()?;
        let (name, revision) = (policy_name(&input)?, revision(&input)?);
        self.metastore().delete_resource_policy(self.project, name, revision).await.map_err(refused)?;
        Ok(json!({}))
    }
}

fn policy_name<'i>(input: &'i Input<'_>) -> Checked<&'i str> {
    let name = input.required_text("PolicyName", 1, 128)?;
    if name.chars().all(|letter| letter.is_alphanumeric() || "_+=,.@-".contains(letter)) {
        return Ok(name);
    }
    Err(input.refuse("PolicyName", r"satisfy regular expression pattern: [\w+=,.@-]+"))
}

fn revision(input: &Input<'_>) -> Checked<Option<u64>> {
    let Some(text) = input.text("PolicyRevisionId")? else { return Ok(None) };
    // An id that is none of ours is that of no revision.
    Ok(Some(text.parse().unwrap_or(u64::MAX)))
}

/// A policy is an object with statements.
fn check(document: &str) -> Checked<()> {
    if document.len() > DOCUMENT_BYTES_MAX {
        let message = format!("The policy has {} bytes, the maximum is {DOCUMENT_BYTES_MAX}.", document.len());
        return Err(AwsError::new("PolicySizeLimitExceededException", message));
    }
    let malformed = |message: String| Err(AwsError::new("MalformedPolicyDocumentException", message));
    match serde_json::from_str::<Value>(document) {
        Ok(Value::Object(policy)) if policy.contains_key("Statement") => Ok(()),
        Ok(_) => malformed("The policy has no Statement.".to_owned()),
        Err(error) => malformed(format!("The policy is not valid JSON: {error}")),
    }
}

fn told(policy: &ResourcePolicy) -> Value {
    json!({
        "PolicyName": policy.name,
        "PolicyDocument": policy.document,
        "PolicyRevisionId": policy.revision.to_string(),
        "LastUpdatedTime": seconds(policy.updated_at_unix_nano),
    })
}

fn refused(error: MetastoreError) -> AwsError {
    match error {
        MetastoreError::NotFound { .. } => invalid("The policy does not exist."),
        MetastoreError::OtherRevision { .. } => {
            AwsError::new("InvalidPolicyRevisionIdException", "The policy revision id is not the latest one.")
        }
        MetastoreError::TooMany { max, .. } => {
            AwsError::new("PolicyCountLimitExceededException", format!("There are {max} policies already."))
        }
        other => unavailable(other),
    }
}
