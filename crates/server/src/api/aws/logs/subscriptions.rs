//! Subscription filters: checked, kept and given back. What they find is sent by `subscribed`.

use metastore::{ResourceKind, ResourcesMax};
use receivers::aws::AwsError;
use serde_json::{Value, json};

use super::destinations::DESTINATION;
use super::resources::{group_of, object, of_group};
use super::subscribed::is_address;
use super::{Answer, LogsApi};

pub const SUBSCRIPTION_FILTER: ResourceKind = ResourceKind { name: "logs.subscription_filter", what: "subscription filter" };

/// Of a group.
const FILTERS_MAX: u32 = 2;

const MEMBERS: [&str; 7] = [
    "filterPattern",
    "destinationArn",
    "roleArn",
    "distribution",
    "applyOnTransformedLogs",
    "fieldSelectionCriteria",
    "emitSystemFields",
];

/// What a subscription can go to at AWS, by the service in the ARN.
const DESTINATIONS: [&str; 6] = ["kinesis", "firehose", "lambda", "logs", "es", "opensearch"];

impl LogsApi<'_> {
    pub(super) async fn put_subscription_filter(&self) -> Answer {
        self.pattern(self.input.text("filterPattern"))?;
        let group = self.input.required("logGroupName");
        self.source(group).await?;
        self.checked_destination(self.input.required("destinationArn")).await?;
        let mut document = self.input.only(&MEMBERS);
        document.entry("distribution").or_insert_with(|| "ByLogStream".into());
        let name = self.input.required("filterName");
        self.put(SUBSCRIPTION_FILTER, &of_group(group), name, &document, ResourcesMax::OfOwner(FILTERS_MAX)).await?;
        self.services.logs.service_groups.changed();
        Ok(json!({}))
    }

    /// Refuses: what nothing could be sent to.
    pub(super) async fn checked_destination(&self, arn: &str) -> Result<(), AwsError> {
        // An HTTP address is ours: nothing at AWS is called that.
        let service = arn.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(1)).unwrap_or_default();
        if !is_address(arn) && !DESTINATIONS.contains(&service) {
            return Err(self.invalid(format!("destinationArn for vendor {service} cannot be used")));
        }
        if let Some((_, name)) = arn.split_once(":destination:").filter(|_| service == "logs")
            && self.stored(DESTINATION, "", name).await?.is_none()
        {
            return Err(self.invalid("Could not find the specified destination."));
        }
        Ok(())
    }

    pub(super) async fn describe_subscription_filters(&self) -> Answer {
        let group = self.input.required("logGroupName");
        self.source(group).await?;
        let prefix = self.input.text("filterNamePrefix").unwrap_or_default();
        let mut all = self.all(SUBSCRIPTION_FILTER, Some(&of_group(group))).await?;
        all.retain(|each| each.name.starts_with(prefix));
        self.listed("subscriptionFilters", &["DescribeSubscriptionFilters", group, prefix], all, |each| {
            let mut told = Value::Object(each.document.clone());
            told["filterName"] = each.name.as_str().into();
            told["logGroupName"] = group_of(&each.owner).into();
            told["creationTime"] = each.created_ms.into();
            object(told)
        })
    }

    pub(super) async fn delete_subscription_filter(&self) -> Answer {
        let group = self.input.required("logGroupName");
        self.source(group).await?;
        self.forget(SUBSCRIPTION_FILTER, &of_group(group), self.input.required("filterName")).await?;
        self.services.logs.service_groups.changed();
        Ok(json!({}))
    }
}
