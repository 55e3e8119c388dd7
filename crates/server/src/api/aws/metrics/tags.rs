//! Tags of alarms, by ARN.

use http::StatusCode;
use receivers::aws::AwsError;
use serde_json::{Value, json};

use super::alarms::{ALARM, tag_owner};
use super::{Answer, MetricsApi, metastore_error};

/// Of one resource; AWS's bound.
const TAGS_MAX: u32 = 50;

impl MetricsApi<'_> {
    pub(super) async fn tag_resource(&self) -> Answer {
        let owner = self.tagged().await?;
        let tags = self.input.list("Tags").iter();
        let tags = tags.filter_map(|tag| Some((tag["Key"].as_str()?.to_owned(), tag["Value"].as_str()?.to_owned())));
        self.put_tags(&owner, tags.collect()).await?;
        Ok(json!({}))
    }

    pub(super) async fn untag_resource(&self) -> Answer {
        let owner = self.tagged().await?;
        let keys: Vec<String> = self.input.texts("TagKeys").into_iter().map(str::to_owned).collect();
        self.services.metastore.delete_tags(self.project, &owner, &keys).await.map_err(metastore_error)?;
        Ok(json!({}))
    }

    pub(super) async fn list_tags_for_resource(&self) -> Answer {
        let owner = self.tagged().await?;
        let tags = self.services.metastore.tags(self.project, &owner).await.map_err(metastore_error)?;
        let tags: Vec<Value> = tags.into_iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        Ok(json!({ "Tags": tags }))
    }

    pub(super) async fn put_tags(&self, owner: &str, tags: Vec<(String, String)>) -> Result<(), AwsError> {
        if tags.is_empty() {
            return Ok(());
        }
        self.services.metastore.put_tags(self.project, owner, &tags, TAGS_MAX).await.map_err(metastore_error)
    }

    async fn tagged(&self) -> Result<String, AwsError> {
        let arn = self.input.required("ResourceARN");
        let name = arn.split_once(":alarm:").map(|(_, name)| name).unwrap_or_default();
        let found = self.services.metastore.resource(self.project, ALARM, "", name).await.map_err(metastore_error)?;
        match found {
            Some(_) => Ok(tag_owner(name)),
            None => {
                let error = AwsError::new("ResourceNotFoundException", format!("Unable to find resource {arn}."));
                Err(error.with_status(StatusCode::NOT_FOUND).with_details(json!({ "ResourceType": "alarm", "ResourceId": name })))
            }
        }
    }
}
