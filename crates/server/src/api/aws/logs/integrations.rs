//! Integrations with OpenSearch: kept and given back. Nothing is provisioned.

use metastore::{ResourceKind, ResourcesMax};
use serde_json::{Value, json};

use super::{Answer, LogsApi};

const INTEGRATION: ResourceKind = ResourceKind { name: "logs.integration", what: "integration" };

/// An account has one.
const INTEGRATIONS_MAX: ResourcesMax = ResourcesMax::OfKind(1);

impl LogsApi<'_> {
    pub(super) async fn put_integration(&self) -> Answer {
        let name = self.input.required("integrationName");
        if !self.input.get("resourceConfig").is_some_and(|config| config["openSearchResourceConfig"].is_object()) {
            return Err(self.invalid("resourceConfig must have openSearchResourceConfig."));
        }
        self.put(INTEGRATION, "", name, &self.input.only(&["integrationType", "resourceConfig"]), INTEGRATIONS_MAX).await?;
        Ok(json!({ "integrationName": name, "integrationStatus": "ACTIVE" }))
    }

    pub(super) async fn get_integration(&self) -> Answer {
        let stored = self.existing(INTEGRATION, "", self.input.required("integrationName")).await?;
        Ok(json!({
            "integrationName": stored.name,
            "integrationType": stored.text("integrationType"),
            "integrationStatus": "ACTIVE",
            "integrationDetails": { "openSearchIntegrationDetails": {} },
        }))
    }

    pub(super) async fn list_integrations(&self) -> Answer {
        let prefix = self.input.text("integrationNamePrefix").unwrap_or_default();
        let status = self.input.text("integrationStatus");
        let all = self.all(INTEGRATION, None).await?;
        let all = all.into_iter().filter(|each| each.name.starts_with(prefix) && status.is_none_or(|status| status == "ACTIVE"));
        let summaries: Vec<Value> = all
            .map(|each| {
                let kind = each.text("integrationType");
                json!({ "integrationName": each.name, "integrationType": kind, "integrationStatus": "ACTIVE" })
            })
            .collect();
        Ok(json!({ "integrationSummaries": summaries }))
    }

    pub(super) async fn delete_integration(&self) -> Answer {
        self.forget(INTEGRATION, "", self.input.required("integrationName")).await?;
        Ok(json!({}))
    }
}
