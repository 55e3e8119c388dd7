//! Index policies: which fields of a group are indexed, by its own policy or else by those of the account. They are kept and
//! given back; every field can be asked for anyway.

use metastore::ResourceKind;
use receivers::aws::AwsError;
use receivers::cloudwatch::wire;
use serde_json::{Value, json};

use super::account_policies::INDEX_POLICY_TYPE;
use super::resources::{OF_KIND_MAX, Stored, object, of_group};
use super::{Answer, LogsApi};

const INDEX_POLICY: ResourceKind = ResourceKind { name: "logs.index_policy", what: "index policy" };

const POLICY: &str = "policy";

/// Fields of one policy.
const FIELDS_MAX: usize = 20;

/// A policy at work in a group.
struct AtWork {
    group: String,
    /// Of one of the account's.
    name: Option<String>,
    policy: Stored,
}

impl LogsApi<'_> {
    pub(super) async fn put_index_policy(&self) -> Answer {
        let group = self.group_named_by("logGroupIdentifier").await?;
        let fields = fields(self.input.required("policyDocument"));
        if fields.as_ref().is_none_or(|fields| fields.len() > FIELDS_MAX) {
            return Err(self.invalid(format!("The policy document must be JSON with at most {FIELDS_MAX} Fields.")));
        }
        self.put(INDEX_POLICY, &of_group(&group), POLICY, &self.input.only(&["policyDocument"]), OF_KIND_MAX).await?;
        let policy = self.existing(INDEX_POLICY, &of_group(&group), POLICY).await?;
        Ok(json!({ "indexPolicy": told(&AtWork { group, name: None, policy }) }))
    }

    pub(super) async fn describe_index_policies(&self) -> Answer {
        let found = self.policies_of_identifiers().await?;
        let items = found.iter().map(|each| (place(each, ""), told(each))).collect();
        self.listed_by_place("indexPolicies", &["DescribeIndexPolicies"], items)
    }

    pub(super) async fn describe_field_indexes(&self) -> Answer {
        let found = self.policies_of_identifiers().await?;
        let categories = self.input.texts("indexCategories");
        let mut items = Vec::new();
        for each in found.iter().filter(|_| categories.is_empty() || categories.contains(&"CUSTOM")) {
            for field in fields(each.policy.text("policyDocument")).unwrap_or_default() {
                let told = json!({
                    "logGroupIdentifier": each.group,
                    "fieldIndexName": field,
                    "lastScanTime": self.now_ms(),
                    "type": "FIELD_INDEX",
                    "indexCategory": "CUSTOM",
                });
                items.push((place(each, &field), told));
            }
        }
        items.sort_by(|a, b| a.0.cmp(&b.0));
        self.listed_by_place("fieldIndexes", &["DescribeFieldIndexes", &categories.join(" ")], items)
    }

    pub(super) async fn delete_index_policy(&self) -> Answer {
        let group = self.group_named_by("logGroupIdentifier").await?;
        self.forget(INDEX_POLICY, &of_group(&group), POLICY).await?;
        Ok(json!({}))
    }

    /// In the order of groups; a group's own policy stands for those of the account.
    async fn policies_of_identifiers(&self) -> Result<Vec<AtWork>, AwsError> {
        let mut found = Vec::new();
        for identifier in self.input.texts("logGroupIdentifiers") {
            let group = wire::log_group_name_from_identifier("logGroupIdentifiers", identifier)?;
            self.group(group).await?;
            match self.stored(INDEX_POLICY, &of_group(group), POLICY).await? {
                Some(policy) => found.push(AtWork { group: group.to_owned(), name: None, policy }),
                None => {
                    found.extend(self.account_policies_of(INDEX_POLICY_TYPE, group).await?.into_iter().map(|policy| AtWork {
                        group: group.to_owned(),
                        name: Some(policy.name.clone()),
                        policy,
                    }))
                }
            }
        }
        found.sort_by_cached_key(|each| place(each, ""));
        Ok(found)
    }
}

fn place(each: &AtWork, field: &str) -> String {
    format!("{}\n{}\n{field}", each.group, each.name.as_deref().unwrap_or_default())
}

pub(super) fn is_index_policy(document: &str) -> bool {
    fields(document).is_some_and(|fields| !fields.is_empty())
}

/// `{"Fields": ["a", "b"]}`, or `"FieldsV2"` with an object of them.
fn fields(document: &str) -> Option<Vec<String>> {
    let document = serde_json::from_str::<Value>(document).ok()?;
    if let Some(fields) = document["FieldsV2"].as_object() {
        return Some(fields.keys().cloned().collect());
    }
    document["Fields"].as_array()?.iter().map(|field| field.as_str().map(str::to_owned)).collect()
}

fn told(each: &AtWork) -> Value {
    object(json!({
        "logGroupIdentifier": each.group,
        "lastUpdateTime": each.policy.changed_ms,
        "policyDocument": each.policy.text("policyDocument"),
        "policyName": each.name,
        "source": if each.name.is_some() { "ACCOUNT" } else { "LOG_GROUP" },
    }))
}
