//! Deliveries: a source joined with a destination. They are kept and given back; nothing is delivered.

use metastore::ResourceKind;
use receivers::aws::AwsError;
use serde_json::{Map, Value, json};

use super::delivery_sources::{conflict, some_tags};
use super::resources::{OF_KIND_MAX, Stored, object};
use super::tags::of_resource;
use super::{Answer, LogsApi, not_found};

pub const DELIVERY: ResourceKind = ResourceKind { name: "logs.delivery", what: "delivery" };

/// What a delivery can be told besides its ends.
const CONFIGURATION: [&str; 3] = ["recordFields", "fieldDelimiter", "s3DeliveryConfiguration"];

impl LogsApi<'_> {
    pub(super) async fn create_delivery(&self) -> Answer {
        let source = self.input.required("deliverySourceName");
        self.delivery_source(source).await?;
        let arn = self.input.required("deliveryDestinationArn");
        let destination = arn.rsplit_once(":delivery-destination:").map(|(_, name)| name);
        let destination = self.delivery_destination(destination.unwrap_or(arn)).await?;
        let twin = |each: &Stored| each.text("deliverySourceName") == source && each.text("deliveryDestinationArn") == arn;
        if self.all(DELIVERY, None).await?.iter().any(twin) {
            return Err(conflict("Delivery already exists."));
        }
        let kind = destination.text("deliveryDestinationType");
        self.check_configuration(kind)?;
        let id: String = uuid::Uuid::new_v4().simple().to_string().chars().take(16).collect();
        let mut document = self.input.only(&["deliverySourceName", "deliveryDestinationArn"]);
        document.insert("deliveryDestinationType".to_owned(), kind.into());
        self.configure(&mut document);
        self.put(DELIVERY, "", &id, &document, OF_KIND_MAX).await?;
        self.put_tags_of(&of_resource(&format!("delivery:{id}"))).await?;
        let stored = self.delivery(&id).await?;
        Ok(json!({ "delivery": self.told_delivery(&stored).await? }))
    }

    pub(super) async fn get_delivery(&self) -> Answer {
        let stored = self.delivery(self.input.required("id")).await?;
        Ok(json!({ "delivery": self.told_delivery(&stored).await? }))
    }

    pub(super) async fn describe_deliveries(&self) -> Answer {
        let sources = self.input.texts("deliverySourceNames");
        let mut told = Vec::new();
        for each in self.all(DELIVERY, None).await? {
            if sources.is_empty() || sources.contains(&each.text("deliverySourceName")) {
                told.push((each.name.clone(), self.told_delivery(&each).await?));
            }
        }
        self.listed_by_place("deliveries", &["DescribeDeliveries", &sources.join(" ")], told)
    }

    pub(super) async fn update_delivery_configuration(&self) -> Answer {
        let mut stored = self.delivery(self.input.required("id")).await?;
        self.check_configuration(stored.text("deliveryDestinationType"))?;
        self.configure(&mut stored.document);
        self.put(DELIVERY, "", &stored.name, &stored.document, OF_KIND_MAX).await?;
        Ok(json!({}))
    }

    pub(super) async fn delete_delivery(&self) -> Answer {
        let stored = self.delivery(self.input.required("id")).await?;
        self.forget(DELIVERY, "", &stored.name).await?;
        self.forget_tags_of(&of_resource(&format!("delivery:{}", stored.name))).await?;
        Ok(json!({}))
    }

    async fn delivery(&self, id: &str) -> Result<Stored, AwsError> {
        let found = self.stored(DELIVERY, "", id).await?;
        found.ok_or_else(|| not_found(format!("Requested Delivery with id {id} does not exist in this account.")))
    }

    fn check_configuration(&self, kind: &str) -> Result<(), AwsError> {
        if kind != "S3" && self.input.has("s3DeliveryConfiguration") {
            return Err(self.invalid("s3DeliveryConfiguration is only for destinations of type S3."));
        }
        Ok(())
    }

    fn configure(&self, document: &mut Map<String, Value>) {
        document.extend(self.input.only(&CONFIGURATION));
    }

    async fn told_delivery(&self, stored: &Stored) -> Answer {
        let resource = format!("delivery:{}", stored.name);
        let tags = self.tags_of(&of_resource(&resource)).await?;
        let mut told = json!({ "id": stored.name, "arn": self.arn(&resource), "tags": some_tags(tags) });
        for (member, value) in &stored.document {
            told[member] = value.clone();
        }
        Ok(object(told))
    }
}
