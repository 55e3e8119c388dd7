//! Index policies: which fields of a group are indexed. They are kept and given back; every field can be asked for anyway.

use metastore::ResourceKind;
use receivers::aws::AwsError;
use receivers::cloudwatch::wire;
use serde_json::{Value, json};

use super::resources::{OF_KIND_MAX, Stored, group_of, of_group};
use super::{Answer, LogsApi};

const INDEX_POLICY: ResourceKind = ResourceKind { name: "logs.index_policy", what: "index policy" };

const POLICY: &str = "policy";

/// Fields of one policy.
const FIELDS_MAX: usize = 20;

impl LogsApi<'_> {
    pub(super) async fn put_index_policy(&self) -> Answer {
        let group = self.group_named_by("logGroupIdentifier").await?;
        let fields = fields(self.input.required("policyDocument"));
        if fields.as_ref().is_none_or(|fields| fields.len() > FIELDS_MAX) {
            return Err(self.invalid(format!("The policy document must be JSON with at most {FIELDS_MAX} Fields.")));
        }
        self.put(INDEX_POLICY, &of_group(&group), POLICY, &self.input.only(&["policyDocument"]), OF_KIND_MAX).await?;
        let stored = self.existing(INDEX_POLICY, &of_group(&group), POLICY).await?;
        Ok(json!({ "indexPolicy": told(&stored) }))
    }

    pub(super) async fn describe_index_policies(&self) -> Answer {
        let found = self.policies_of_identifiers().await?;
        self.listed("indexPolicies", &["DescribeIndexPolicies"], found, told)
    }

    pub(super) async fn describe_field_indexes(&self) -> Answer {
        let found = self.policies_of_identifiers().await?;
        let categories = self.input.texts("indexCategories");
        let mut items = Vec::new();
        for policy in found.iter().filter(|_| categories.is_empty() || categories.contains(&"CUSTOM")) {
            for field in fields(policy.text("policyDocument")).unwrap_or_default() {
                let told = json!({
                    "logGroupIdentifier": group_of(&policy.owner),
                    "fieldIndexName": field,
                    "lastScanTime": self.now_ms(),
                    "type": "FIELD_INDEX",
                    "indexCategory": "CUSTOM",
                });
                items.push((format!("{}\n{field}", policy.owner), told));
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

    async fn policies_of_identifiers(&self) -> Result<Vec<Stored>, AwsError> {
        let mut found = Vec::new();
        for identifier in self.input.texts("logGroupIdentifiers") {
            let group = wire::log_group_name_from_identifier("logGroupIdentifiers", identifier)?;
            self.group(group).await?;
            found.extend(self.stored(INDEX_POLICY, &of_group(group), POLICY).await?);
        }
        found.sort_by(|a, b| a.owner.cmp(&b.owner));
        Ok(found)
    }
}

/// `{"Fields": ["a", "b"]}`, or `"FieldsV2"` with an object of them.
fn fields(document: &str) -> Option<Vec<String>> {
    let document = serde_json::from_str::<Value>(document).ok()?;
    if let Some(fields) = document["FieldsV2"].as_object() {
        return Some(fields.keys().cloned().collect());
    }
    document["Fields"].as_array()?.iter().map(|field| field.as_str().map(str::to_owned)).collect()
}

fn told(stored: &Stored) -> Value {
    json!({
        "logGroupIdentifier": group_of(&stored.owner),
        "lastUpdateTime": stored.changed_ms,
        "policyDocument": stored.text("policyDocument"),
        "source": "LOG_GROUP",
    })
}
