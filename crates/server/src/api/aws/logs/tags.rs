//! Tags, of both generations: by ARN on anything, by name on log groups.

use metastore::MetastoreError;
use receivers::aws::AwsError;
use receivers::cloudwatch::limits::TAGS_MAX;
use serde_json::{Map, Value, json};

use super::deliveries::DELIVERY;
use super::delivery_destinations::DELIVERY_DESTINATION;
use super::delivery_sources::DELIVERY_SOURCE;
use super::destinations::DESTINATION;
use super::{Answer, LogsApi, aws_error};

/// What the tags of a group are kept under; X-Ray's have names of their own.
pub fn of_group(name: &str) -> String {
    format!("logs:log-group:{name}")
}

/// What the tags of anything else are kept under, by what its ARN says behind the account.
pub fn of_resource(resource: &str) -> String {
    format!("logs:{resource}")
}

impl LogsApi<'_> {
    pub(super) async fn tag_resource(&self) -> Answer {
        let resource = self.tagged().await?;
        self.put_tags_of(&resource).await
    }

    pub(super) async fn untag_resource(&self) -> Answer {
        let resource = self.tagged().await?;
        self.delete_tags_of(&resource, "tagKeys").await
    }

    pub(super) async fn list_tags_for_resource(&self) -> Answer {
        let resource = self.tagged().await?;
        Ok(json!({ "tags": self.tags_of(&resource).await? }))
    }

    pub(super) async fn tag_log_group(&self) -> Answer {
        let resource = self.tagged_group().await?;
        self.put_tags_of(&resource).await
    }

    pub(super) async fn untag_log_group(&self) -> Answer {
        let resource = self.tagged_group().await?;
        self.delete_tags_of(&resource, "tags").await
    }

    pub(super) async fn list_tags_log_group(&self) -> Answer {
        let resource = self.tagged_group().await?;
        Ok(json!({ "tags": self.tags_of(&resource).await? }))
    }

    pub(super) async fn tags_of(&self, resource: &str) -> Result<Value, AwsError> {
        let tags = self.metastore().tags(self.project, resource).await.map_err(aws_error)?;
        Ok(Value::Object(tags.into_iter().map(|(key, value)| (key, Value::from(value))).collect::<Map<_, _>>()))
    }

    /// The tags of a new resource, as its Create or Put call brings them.
    pub(super) async fn put_tags_of(&self, resource: &str) -> Answer {
        let tags = self.input.pairs("tags");
        match self.metastore().put_tags(self.project, resource, &tags, TAGS_MAX as u32).await {
            Ok(()) => Ok(json!({})),
            Err(MetastoreError::TooMany { max, .. }) => {
                Err(AwsError::new("TooManyTagsException", format!("A resource can have at most {max} tags.")))
            }
            Err(error) => Err(aws_error(error)),
        }
    }

    pub(super) async fn forget_tags_of(&self, resource: &str) -> Result<(), AwsError> {
        self.metastore().delete_all_tags(self.project, resource).await.map_err(aws_error)
    }

    async fn delete_tags_of(&self, resource: &str, member: &str) -> Answer {
        let keys: Vec<String> = self.input.texts(member).into_iter().map(str::to_owned).collect();
        self.metastore().delete_tags(self.project, resource, &keys).await.map_err(aws_error)?;
        Ok(json!({}))
    }

    async fn tagged_group(&self) -> Result<String, AwsError> {
        let name = self.input.required("logGroupName");
        self.group(name).await?;
        Ok(of_group(name))
    }

    /// What `resourceArn` names, which has to be there.
    async fn tagged(&self) -> Result<String, AwsError> {
        let arn = self.input.required("resourceArn");
        let resource = arn.strip_prefix("arn:").and_then(|rest| rest.splitn(5, ':').nth(4));
        let (kind, name) = resource.and_then(|resource| resource.split_once(':')).ok_or_else(|| self.invalid("Invalid ARN"))?;
        let kept = match kind {
            "log-group" => {
                let name = name.split_once(':').map_or(name, |(name, _)| name);
                self.group(name).await?;
                return Ok(of_group(name));
            }
            "destination" => DESTINATION,
            "delivery" => DELIVERY,
            "delivery-source" => DELIVERY_SOURCE,
            "delivery-destination" => DELIVERY_DESTINATION,
            "anomaly-detector" => super::anomalies::DETECTOR,
            "scheduled-query" => super::scheduled_queries::SCHEDULED_QUERY,
            "lookup-table" => super::lookup_tables::LOOKUP_TABLE,
            _ => return Err(self.invalid("Invalid ARN")),
        };
        if self.stored(kept, "", name).await?.is_none() {
            return Err(super::not_found("The specified resource does not exist."));
        }
        Ok(of_resource(&format!("{kind}:{name}")))
    }
}
