//! Transformers: how lines are turned into documents. They are kept, given back and tried.
//!
//! Missing: transforming what is kept; metric filters that ask for it look at what a transformer makes of a line

use metastore::ResourceKind;
use receivers::aws::AwsError;
use serde_json::{Value, json};

use super::account_policies::TRANSFORMER_POLICY_TYPE;
use super::resources::{OF_KIND_MAX, of_group};
use super::transform::{Unknown, transform};
use super::{Answer, LogsApi, not_found};

const TRANSFORMER: ResourceKind = ResourceKind { name: "logs.transformer", what: "transformer" };

/// There is one of them a group.
const TRANSFORMER_NAME: &str = "transformer";

impl LogsApi<'_> {
    pub(super) async fn put_transformer(&self) -> Answer {
        let group = self.group_named_by("logGroupIdentifier").await?;
        self.check_processors(self.input.list("transformerConfig"))?;
        self.put(TRANSFORMER, &of_group(&group), TRANSFORMER_NAME, &self.input.only(&["transformerConfig"]), OF_KIND_MAX).await?;
        Ok(json!({}))
    }

    pub(super) async fn get_transformer(&self) -> Answer {
        let group = self.group_named_by("logGroupIdentifier").await?;
        let stored = self.stored(TRANSFORMER, &of_group(&group), TRANSFORMER_NAME).await?;
        let stored = stored.ok_or_else(|| not_found("The specified transformer does not exist."))?;
        Ok(json!({
            "logGroupIdentifier": self.input.required("logGroupIdentifier"),
            "creationTime": stored.created_ms,
            "lastModifiedTime": stored.changed_ms,
            "transformerConfig": stored.document.get("transformerConfig"),
        }))
    }

    pub(super) async fn delete_transformer(&self) -> Answer {
        let group = self.group_named_by("logGroupIdentifier").await?;
        self.forget(TRANSFORMER, &of_group(&group), TRANSFORMER_NAME).await?;
        Ok(json!({}))
    }

    pub(super) fn test_transformer(&self) -> Answer {
        self.check_processors(self.input.list("transformerConfig"))?;
        let processors = self.input.list("transformerConfig");
        let mut transformed = Vec::new();
        for (index, message) in self.input.texts("logEventMessages").into_iter().enumerate() {
            let document = transform(processors, message).map_err(|Unknown(kind)| {
                AwsError::new("InvalidOperationException", format!("The processor {kind} is not carried out here."))
            })?;
            transformed.push(json!({
                "eventNumber": index + 1,
                "eventMessage": message,
                "transformedEventMessage": document.to_string(),
            }));
        }
        Ok(json!({ "transformedLogs": transformed }))
    }

    /// What becomes of a group's lines: its own transformer, else the account's.
    pub(super) async fn processors_of(&self, group: &str) -> Result<Vec<Value>, AwsError> {
        if let Some(own) = self.stored(TRANSFORMER, &of_group(group), TRANSFORMER_NAME).await? {
            return Ok(own.document.get("transformerConfig").and_then(Value::as_array).cloned().unwrap_or_default());
        }
        let policies = self.account_policies_of(TRANSFORMER_POLICY_TYPE, group).await?;
        let document = policies.first().map(|policy| policy.text("policyDocument")).unwrap_or("[]");
        Ok(serde_json::from_str(document).unwrap_or_default())
    }

    /// Each processor is one of its kind, and a parser comes first.
    pub(super) fn check_processors(&self, processors: &[Value]) -> Result<(), AwsError> {
        let kinds: Vec<Option<&String>> = processors
            .iter()
            .map(|processor| processor.as_object().filter(|members| members.len() == 1).and_then(|members| members.keys().next()))
            .collect();
        if kinds.iter().any(Option::is_none) {
            return Err(self.invalid("Each processor of the transformer must have exactly one kind."));
        }
        let parses = |kind: &&String| kind.starts_with("parse") || ["csv", "grok"].contains(&kind.as_str());
        if !kinds.first().copied().flatten().is_some_and(|kind| parses(&kind)) {
            return Err(self.invalid("The first processor of the transformer must be a parser."));
        }
        Ok(())
    }
}
