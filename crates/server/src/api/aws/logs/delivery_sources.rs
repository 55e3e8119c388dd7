//! Delivery sources: resources of AWS that would write vended logs. They are kept and given back.

use metastore::ResourceKind;
use receivers::aws::AwsError;
use serde_json::{Value, json};

use super::deliveries::DELIVERY;
use super::delivery_templates::log_types;
use super::resources::{OF_KIND_MAX, Stored, object};
use super::tags::of_resource;
use super::{Answer, LogsApi, not_found};

pub const DELIVERY_SOURCE: ResourceKind = ResourceKind { name: "logs.delivery_source", what: "delivery source" };

impl LogsApi<'_> {
    pub(super) async fn put_delivery_source(&self) -> Answer {
        let name = self.input.required("name");
        let arn = self.input.required("resourceArn");
        let service = arn.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(1)).unwrap_or_default();
        let known_types = log_types(service);
        if known_types.is_empty() {
            return Err(not_found("Cannot access provided service."));
        }
        let log_type = self.input.required("logType");
        if !known_types.contains(&log_type) {
            return Err(self.invalid(format!("This service is not allowed for this LogSource: {log_type}")));
        }
        if let Some(known) = self.stored(DELIVERY_SOURCE, "", name).await?
            && (known.text("resourceArn") != arn || known.text("logType") != log_type)
        {
            return Err(conflict("Update is not supported for resource ARN and log type."));
        }
        let mut document = self.input.only(&["resourceArn", "logType", "deliverySourceConfiguration"]);
        document.insert("service".to_owned(), service.into());
        self.put(DELIVERY_SOURCE, "", name, &document, OF_KIND_MAX).await?;
        self.put_tags_of(&of_resource(&format!("delivery-source:{name}"))).await?;
        self.get_delivery_source().await
    }

    pub(super) async fn get_delivery_source(&self) -> Answer {
        let stored = self.delivery_source(self.input.required("name")).await?;
        Ok(json!({ "deliverySource": self.told_delivery_source(&stored).await? }))
    }

    pub(super) async fn describe_delivery_sources(&self) -> Answer {
        let arns = self.input.texts("resourceArns");
        let mut told = Vec::new();
        for each in self.all(DELIVERY_SOURCE, None).await? {
            if arns.is_empty() || arns.contains(&each.text("resourceArn")) {
                told.push((each.name.clone(), self.told_delivery_source(&each).await?));
            }
        }
        self.listed_by_place("deliverySources", &["DescribeDeliverySources", &arns.join(" ")], told)
    }

    pub(super) async fn delete_delivery_source(&self) -> Answer {
        let name = self.input.required("name");
        self.delivery_source(name).await?;
        if self.all(DELIVERY, None).await?.iter().any(|each| each.text("deliverySourceName") == name) {
            return Err(conflict("This delivery source is associated with a delivery. Delete the delivery first."));
        }
        self.forget(DELIVERY_SOURCE, "", name).await?;
        self.forget_tags_of(&of_resource(&format!("delivery-source:{name}"))).await?;
        Ok(json!({}))
    }

    pub(super) async fn delivery_source(&self, name: &str) -> Result<Stored, AwsError> {
        let found = self.stored(DELIVERY_SOURCE, "", name).await?;
        found.ok_or_else(|| not_found(format!("Requested Delivery Source with name {name} does not exist in this account.")))
    }

    async fn told_delivery_source(&self, stored: &Stored) -> Answer {
        let resource = format!("delivery-source:{}", stored.name);
        let tags = self.tags_of(&of_resource(&resource)).await?;
        Ok(object(json!({
            "name": stored.name,
            "arn": self.arn(&resource),
            "resourceArns": [stored.text("resourceArn")],
            "service": stored.text("service"),
            "logType": stored.text("logType"),
            "deliverySourceConfiguration": stored.document.get("deliverySourceConfiguration"),
            "status": "ACTIVE",
            "tags": some_tags(tags),
        })))
    }
}

pub fn conflict(message: impl Into<String>) -> AwsError {
    AwsError::new("ConflictException", message)
}

/// Tags where there are any; the service leaves out an empty map.
pub fn some_tags(tags: Value) -> Value {
    if tags.as_object().is_some_and(|tags| !tags.is_empty()) { tags } else { Value::Null }
}
