//! Which data sources are written to S3 tables: kept and given back. Nothing is written there.

use metastore::ResourceKind;
use serde_json::json;

use super::resources::{OF_KIND_MAX, object};
use super::{Answer, LogsApi, not_found};

const SOURCE: ResourceKind = ResourceKind { name: "logs.table_source", what: "source" };

impl LogsApi<'_> {
    pub(super) async fn associate_source(&self) -> Answer {
        let integration = self.input.required("integrationArn");
        if !integration.starts_with("arn:") {
            return Err(self.invalid("integrationArn is not a valid ARN."));
        }
        let id = uuid::Uuid::new_v4().to_string();
        self.put(SOURCE, integration, &id, &self.input.only(&["dataSource"]), OF_KIND_MAX).await?;
        Ok(json!({ "identifier": id }))
    }

    pub(super) async fn disassociate_source(&self) -> Answer {
        let id = self.input.required("identifier");
        let found = self.all(SOURCE, None).await?.into_iter().find(|each| each.name == id);
        let found = found.ok_or_else(|| not_found("The specified source does not exist."))?;
        self.forget(SOURCE, &found.owner, id).await?;
        Ok(json!({ "identifier": id }))
    }

    pub(super) async fn list_sources(&self) -> Answer {
        let integration = self.input.required("integrationArn");
        let all = self.all(SOURCE, Some(integration)).await?;
        self.listed("sources", &["ListSourcesForS3TableIntegration", integration], all, |each| {
            object(json!({
                "identifier": each.name,
                "dataSource": each.document.get("dataSource"),
                "status": "ACTIVE",
                "createdTimeStamp": each.created_ms,
            }))
        })
    }
}
