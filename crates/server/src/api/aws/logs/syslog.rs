//! Syslog configurations: which groups a VPC endpoint may send syslog to. They are kept and given back.

use metastore::ResourceKind;
use receivers::cloudwatch::wire;
use serde_json::{Map, json};

use super::resources::{OF_KIND_MAX, Stored, group_of, object, of_group};
use super::{Answer, LogsApi};

const SYSLOG_CONFIGURATION: ResourceKind = ResourceKind { name: "logs.syslog_configuration", what: "syslog configuration" };

/// A configuration for every endpoint.
const ANY_ENDPOINT: &str = "*";

impl LogsApi<'_> {
    pub(super) async fn put_syslog_configuration(&self) -> Answer {
        let group = self.group_named_by("logGroupIdentifier").await?;
        let endpoint = self.input.text("vpcEndpointId").unwrap_or(ANY_ENDPOINT);
        self.put(SYSLOG_CONFIGURATION, &of_group(&group), endpoint, &Map::new(), OF_KIND_MAX).await?;
        Ok(json!({}))
    }

    pub(super) async fn delete_syslog_configuration(&self) -> Answer {
        let group = self.group_named_by("logGroupIdentifier").await?;
        let endpoint = self.input.text("vpcEndpointId").unwrap_or(ANY_ENDPOINT);
        self.forget(SYSLOG_CONFIGURATION, &of_group(&group), endpoint).await?;
        Ok(json!({}))
    }

    pub(super) async fn list_syslog_configurations(&self) -> Answer {
        let group = match self.input.text("logGroupIdentifier") {
            Some(identifier) => Some(wire::log_group_name_from_identifier("logGroupIdentifier", identifier)?),
            None => None,
        };
        if let Some(group) = group {
            self.group(group).await?;
        }
        let endpoint = self.input.text("vpcEndpointId");
        let mut all = self.all(SYSLOG_CONFIGURATION, group.map(of_group).as_deref()).await?;
        all.retain(|each: &Stored| endpoint.is_none_or(|endpoint| each.name == endpoint));
        let question = ["ListSyslogConfigurations", group.unwrap_or_default(), endpoint.unwrap_or_default()];
        self.listed("syslogConfigurations", &question, all, |each| {
            object(json!({
                "logGroupArn": self.owner().log_group_arn(group_of(&each.owner)),
                "sourceType": "VPCE",
                "vpcEndpointId": (each.name != ANY_ENDPOINT).then_some(&each.name),
                "createdAt": each.created_ms,
            }))
        })
    }
}
