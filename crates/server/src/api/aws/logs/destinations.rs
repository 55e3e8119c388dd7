//! Destinations of subscriptions across accounts, and who may use them. What a subscription sends to one
//! whose target is an HTTP address goes there.

use metastore::ResourceKind;
use serde_json::{Value, json};

use super::resources::{OF_KIND_MAX, Stored, object};
use super::tags::of_resource;
use super::{Answer, LogsApi};

pub const DESTINATION: ResourceKind = ResourceKind { name: "logs.destination", what: "destination" };

impl LogsApi<'_> {
    pub(super) async fn put_destination(&self) -> Answer {
        let name = self.input.required("destinationName");
        let mut document = self.input.only(&["targetArn", "roleArn"]);
        // Its policy stays.
        if let Some(policy) =
            self.stored(DESTINATION, "", name).await?.and_then(|mut known| known.document.remove("accessPolicy"))
        {
            document.insert("accessPolicy".to_owned(), policy);
        }
        self.put(DESTINATION, "", name, &document, OF_KIND_MAX).await?;
        self.put_tags_of(&of_resource(&format!("destination:{name}"))).await?;
        let stored = self.existing(DESTINATION, "", name).await?;
        Ok(json!({ "destination": self.told_destination(&stored) }))
    }

    pub(super) async fn put_destination_policy(&self) -> Answer {
        let name = self.input.required("destinationName");
        let policy = self.input.required("accessPolicy");
        if !serde_json::from_str::<Value>(policy).is_ok_and(|policy| policy.is_object()) {
            return Err(self.invalid("The access policy is not a valid JSON document."));
        }
        let known = self.stored(DESTINATION, "", name).await?;
        let mut known = known.ok_or_else(|| self.invalid("The specified destination does not exist."))?;
        known.document.insert("accessPolicy".to_owned(), policy.into());
        self.put(DESTINATION, "", name, &known.document, OF_KIND_MAX).await?;
        Ok(json!({}))
    }

    pub(super) async fn describe_destinations(&self) -> Answer {
        let prefix = self.input.text("DestinationNamePrefix").unwrap_or_default();
        let mut all = self.all(DESTINATION, None).await?;
        all.retain(|each| each.name.starts_with(prefix));
        self.listed("destinations", &["DescribeDestinations", prefix], all, |each| self.told_destination(each))
    }

    pub(super) async fn delete_destination(&self) -> Answer {
        let name = self.input.required("destinationName");
        self.forget(DESTINATION, "", name).await?;
        self.forget_tags_of(&of_resource(&format!("destination:{name}"))).await?;
        Ok(json!({}))
    }

    fn told_destination(&self, stored: &Stored) -> Value {
        object(json!({
            "destinationName": stored.name,
            "targetArn": stored.document.get("targetArn"),
            "roleArn": stored.document.get("roleArn"),
            "accessPolicy": stored.document.get("accessPolicy"),
            "arn": self.arn(&format!("destination:{}", stored.name)),
            "creationTime": stored.created_ms,
        }))
    }
}
