//! What AWS's own services can deliver: the log types of the better known ones, as DescribeConfigurationTemplates lists them.

use serde_json::{Value, json};

use super::{Answer, LogsApi};

/// Service, type of resource, its log types.
const TEMPLATES: [(&str, &str, &[&str]); 12] = [
    ("apigateway", "domain", &["ACCESS_LOGS"]),
    ("bedrock", "knowledge-base", &["APPLICATION_LOGS"]),
    ("bedrock-agentcore", "runtime", &["APPLICATION_LOGS", "TRACES", "USAGE_LOGS"]),
    ("cloudfront", "distribution", &["ACCESS_LOGS", "CONNECTION_LOGS"]),
    ("codewhisperer", "profile", &["EVENT_LOGS"]),
    (
        "elasticloadbalancing",
        "loadbalancer",
        &["ALB_ACCESS_LOGS", "ALB_CONNECTION_LOGS", "ALB_HEALTH_CHECK_LOGS", "NLB_ACCESS_LOGS"],
    ),
    ("elemental-mediatailor", "playbackConfiguration", &["AD_DECISION_SERVER_LOGS", "MANIFEST_SERVICE_LOGS", "TRANSCODE_LOGS"]),
    ("events", "event-bus", &["ERROR_LOGS", "INFO_LOGS", "TRACE_LOGS"]),
    ("mediapackagev2", "channel", &["EGRESS_ACCESS_LOGS", "INGRESS_ACCESS_LOGS"]),
    ("ses", "mailmanager-ingress-point", &["APPLICATION_LOGS", "TRAFFIC_POLICY_DEBUG_LOGS"]),
    ("sso", "instance", &["ERROR_LOGS"]),
    (
        "workmail",
        "organization",
        &["ACCESS_CONTROL_LOGS", "AUTHENTICATION_LOGS", "WORKMAIL_AVAILABILITY_PROVIDER_LOGS", "WORKMAIL_MAILBOX_ACCESS_LOGS"],
    ),
];

const DESTINATIONS: [&str; 3] = ["CWL", "FH", "S3"];

/// What a service can deliver; nothing for one that cannot.
pub fn log_types(service: &str) -> &'static [&'static str] {
    TEMPLATES.iter().find(|(known, _, _)| *known == service).map_or(&[], |(_, _, types)| types)
}

impl LogsApi<'_> {
    pub(super) fn describe_configuration_templates(&self) -> Answer {
        let service = self.input.text("service");
        let asked = |member: &str, value: &str| {
            let asked = self.input.texts(member);
            asked.is_empty() || asked.contains(&value)
        };
        let mut items = Vec::new();
        for (known, resource_type, types) in TEMPLATES {
            if service.is_some_and(|service| service != known) || !asked("resourceTypes", resource_type) {
                continue;
            }
            for log_type in types.iter().filter(|log_type| asked("logTypes", log_type)) {
                for destination in DESTINATIONS.iter().filter(|destination| asked("deliveryDestinationTypes", destination)) {
                    let place = format!("{known} {resource_type} {log_type} {destination}");
                    items.push((place, template(known, resource_type, log_type, destination)));
                }
            }
        }
        let lists = ["logTypes", "resourceTypes", "deliveryDestinationTypes"].map(|member| self.input.texts(member).join(" "));
        let question = ["DescribeConfigurationTemplates", service.unwrap_or_default(), &lists[0], &lists[1], &lists[2]];
        self.listed_by_place("configurationTemplates", &question, items)
    }
}

fn template(service: &str, resource_type: &str, log_type: &str, destination: &str) -> Value {
    let formats: &[&str] = match destination {
        "S3" => &["json", "plain", "w3c", "parquet"],
        _ => &["json", "plain"],
    };
    json!({
        "service": service,
        "resourceType": resource_type,
        "logType": log_type,
        "deliveryDestinationType": destination,
        "allowedOutputFormats": formats,
        "allowedActionForAllowVendedLogsDeliveryForResource": format!("{service}:AllowVendedLogDeliveryForResource"),
    })
}
