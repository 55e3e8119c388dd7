//! Delivery destinations and their policies: where vended logs would go.

use metastore::ResourceKind;
use receivers::aws::AwsError;
use serde_json::{Map, Value, json};

use super::deliveries::DELIVERY;
use super::delivery_sources::{conflict, some_tags};
use super::resources::{OF_KIND_MAX, Stored, object};
use super::tags::of_resource;
use super::{Answer, LogsApi, not_found};

pub const DELIVERY_DESTINATION: ResourceKind = ResourceKind { name: "logs.delivery_destination", what: "delivery destination" };

const DELIVERY_DESTINATION_POLICY: ResourceKind =
    ResourceKind { name: "logs.delivery_destination_policy", what: "delivery destination policy" };

impl LogsApi<'_> {
    pub(super) async fn put_delivery_destination(&self) -> Answer {
        let name = self.input.required("name");
        let configuration = self.input.get("deliveryDestinationConfiguration");
        let target = configuration.and_then(|configuration| configuration["destinationResourceArn"].as_str());
        let kind = match target {
            Some(target) => {
                kind_of(target).ok_or_else(|| self.invalid(format!("The ARN {target} is no delivery destination.")))?
            }
            None if self.input.text("deliveryDestinationType") == Some("XRAY") => "XRAY",
            None => return Err(self.invalid("deliveryDestinationConfiguration must be specified for this destination type.")),
        };
        if let Some(asked) = self.input.text("deliveryDestinationType").filter(|asked| *asked != kind) {
            return Err(self.invalid(format!("The destination resource is of type {kind}, not {asked}.")));
        }
        let mut document = self.input.only(&["outputFormat", "deliveryDestinationConfiguration", "roleArn"]);
        document.insert("deliveryDestinationType".to_owned(), kind.into());
        if let Some(known) = self.stored(DELIVERY_DESTINATION, "", name).await? {
            if known.document.get("outputFormat") != document.get("outputFormat") {
                return Err(self.invalid("Update to existing Delivery Destination with new Output Format is not allowed"));
            }
            if known.text("deliveryDestinationType") != kind {
                return Err(self.invalid("Update to existing Delivery Destination with new type is not allowed"));
            }
        }
        self.put(DELIVERY_DESTINATION, "", name, &document, OF_KIND_MAX).await?;
        self.put_tags_of(&of_resource(&resource(name))).await?;
        self.get_delivery_destination().await
    }

    pub(super) async fn get_delivery_destination(&self) -> Answer {
        let stored = self.delivery_destination(self.input.required("name")).await?;
        Ok(json!({ "deliveryDestination": self.told_delivery_destination(&stored).await? }))
    }

    pub(super) async fn describe_delivery_destinations(&self) -> Answer {
        let names = self.input.texts("names");
        let mut told = Vec::new();
        for each in self.all(DELIVERY_DESTINATION, None).await? {
            if names.is_empty() || names.contains(&each.name.as_str()) {
                told.push((each.name.clone(), self.told_delivery_destination(&each).await?));
            }
        }
        self.listed_by_place("deliveryDestinations", &["DescribeDeliveryDestinations", &names.join(" ")], told)
    }

    pub(super) async fn delete_delivery_destination(&self) -> Answer {
        let name = self.input.required("name");
        self.delivery_destination(name).await?;
        let arn = self.arn(&resource(name));
        if self.all(DELIVERY, None).await?.iter().any(|each| each.text("deliveryDestinationArn") == arn) {
            return Err(conflict("This delivery destination is associated with a delivery. Delete the delivery first."));
        }
        self.forget(DELIVERY_DESTINATION, "", name).await?;
        self.metastore().delete_resources_of(self.project, &resource(name)).await.map_err(super::aws_error)?;
        self.forget_tags_of(&of_resource(&resource(name))).await?;
        Ok(json!({}))
    }

    pub(super) async fn put_delivery_destination_policy(&self) -> Answer {
        let name = self.input.required("deliveryDestinationName");
        self.delivery_destination(name).await?;
        let policy = self.input.required("deliveryDestinationPolicy");
        if !serde_json::from_str::<Value>(policy).is_ok_and(|policy| policy.is_object()) {
            return Err(self.invalid("The policy document is not valid JSON."));
        }
        let mut document = Map::new();
        document.insert("deliveryDestinationPolicy".to_owned(), policy.into());
        self.put(DELIVERY_DESTINATION_POLICY, &resource(name), "policy", &document, OF_KIND_MAX).await?;
        Ok(json!({ "policy": document }))
    }

    pub(super) async fn get_delivery_destination_policy(&self) -> Answer {
        let name = self.input.required("deliveryDestinationName");
        self.delivery_destination(name).await?;
        let policy = self.stored(DELIVERY_DESTINATION_POLICY, &resource(name), "policy").await?;
        Ok(json!({ "policy": policy.map(|policy| policy.document).unwrap_or_default() }))
    }

    pub(super) async fn delete_delivery_destination_policy(&self) -> Answer {
        let name = self.input.required("deliveryDestinationName");
        self.delivery_destination(name).await?;
        if self.stored(DELIVERY_DESTINATION_POLICY, &resource(name), "policy").await?.is_some() {
            self.forget(DELIVERY_DESTINATION_POLICY, &resource(name), "policy").await?;
        }
        Ok(json!({}))
    }

    pub(super) async fn delivery_destination(&self, name: &str) -> Result<Stored, AwsError> {
        let found = self.stored(DELIVERY_DESTINATION, "", name).await?;
        found.ok_or_else(|| not_found(format!("Requested Delivery Destination with name {name} does not exist in this account.")))
    }

    async fn told_delivery_destination(&self, stored: &Stored) -> Answer {
        let tags = self.tags_of(&of_resource(&resource(&stored.name))).await?;
        let mut told = json!({
            "name": stored.name,
            "arn": self.arn(&resource(&stored.name)),
            "tags": some_tags(tags),
        });
        for (member, value) in &stored.document {
            told[member] = value.clone();
        }
        Ok(object(told))
    }
}

fn resource(name: &str) -> String {
    format!("delivery-destination:{name}")
}

/// The type of a destination by its ARN's service.
fn kind_of(arn: &str) -> Option<&'static str> {
    match arn.strip_prefix("arn:")?.split(':').nth(1)? {
        "s3" => Some("S3"),
        "logs" => Some("CWL"),
        "firehose" => Some("FH"),
        "xray" => Some("XRAY"),
        _ => None,
    }
}
