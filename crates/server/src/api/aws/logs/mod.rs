//! CloudWatch Logs' API: 118 operations, told apart by their target, JSON 1.1 both ways.
//!
//! One file a family. Every request is checked against the service's own model first (`model`), so what the families read
//! has its type. Groups and streams have tables of their own, events are in the store, and what people configure is kept as
//! documents (`resources`).
//! Spec: docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_Operations.html

mod account_policies;
mod anomalies;
mod anomaly_detection;
mod buckets;
mod data_protection;
mod definitions;
mod deliveries;
mod delivery_destinations;
mod delivery_sources;
mod delivery_templates;
mod destinations;
mod event_stream;
mod exports;
mod groups;
mod imports;
mod index_policies;
mod integrations;
mod listeners;
mod live_tail;
mod lookup_tables;
mod made_metrics;
mod metric_filters;
mod model;
pub(in crate::api) mod page;
mod put_events;
mod queries;
mod query_jobs;
mod query_sources;
mod read;
mod records;
mod resource_policies;
mod resources;
mod scheduled_queries;
mod scheduled_runs;
mod selection_criteria;
mod service_groups;
mod settings;
mod subscribed;
mod subscriptions;
mod syslog;
mod table_integrations;
mod tags;
mod transform;
mod transformers;

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use metastore::{Metastore, MetastoreError};
use receivers::Reply;
use receivers::aws::{AwsError, Dialect, reply};
use receivers::cloudwatch::tokens::PageToken;
use receivers::cloudwatch::wire::{self, Owner};
use serde_json::Value;

pub use self::anomaly_detection::LogAnomalies;
pub use self::exports::ExportTasks;
pub use self::made_metrics::MetricFilterDefaults;
pub use self::scheduled_runs::ScheduledQueries;
pub use self::service_groups::take;
use super::Call;
use super::input::Input;
use crate::Services;

const NANOS_PER_MS: i64 = 1_000_000;

/// What the API remembers from one call to the next: queries and their results, and who listens.
#[derive(Default)]
pub struct LogsState {
    queries: Arc<query_jobs::QueryJobs>,
    sessions: live_tail::Sessions,
    policies: data_protection::CompiledPolicies,
    quiet_minutes: made_metrics::QuietMinutes,
    service_groups: service_groups::ServiceGroups,
}

/// Whether the answer of an operation goes on for as long as the client listens.
pub(super) fn is_streamed(operation: &str) -> bool {
    matches!(operation, "StartLiveTail" | "GetLogObject")
}

/// Answers an operation whose answer is an event stream, or refuses it as any other.
pub(super) async fn stream(services: &Services, call: &Call, operation: &str) -> Result<Response, Reply> {
    let Some(known) = model::operation(operation) else { return Err(unknown(call, operation)) };
    let input = known.read(&call.body).map_err(|error| refuse(call, &error))?;
    let logs = LogsApi { services, call, project: &services.settings.project, operation: known, input };
    let streamed = match operation {
        "StartLiveTail" => logs.start_live_tail().await,
        _ => logs.get_log_object().await,
    };
    streamed.map_err(|error| refuse(call, &error))
}

/// Answers one operation by its name.
pub(super) async fn answer(services: &Services, call: &Call, operation: &str) -> Reply {
    let Some(known) = model::operation(operation) else { return unknown(call, operation) };
    let mut logs = LogsApi { services, call, project: &services.settings.project, operation: known, input: Input::default() };
    // The one operation whose body is large has a reader of its own.
    if operation == "PutLogEvents" {
        return logs.put_log_events().await.unwrap_or_else(|error| refuse(call, &error));
    }
    logs.input = match known.read(&call.body) {
        Ok(input) => input,
        Err(error) => return refuse(call, &error),
    };
    match logs.answer(operation).await {
        Ok(body) => reply(Dialect::Json11, StatusCode::OK, &body, &call.request_id),
        Err(error) => refuse(call, &error),
    }
}

fn unknown(call: &Call, operation: &str) -> Reply {
    let message = format!("operation {operation} is not one of CloudWatch Logs");
    refuse(call, &AwsError::new("UnknownOperationException", message))
}

fn refuse(call: &Call, error: &AwsError) -> Reply {
    error.to_reply(Dialect::Json11, &call.request_id)
}

/// One call, and what it may use.
pub(super) struct LogsApi<'a> {
    services: &'a Services,
    call: &'a Call,
    project: &'a str,
    operation: &'static model::Operation,
    input: Input,
}

/// What an operation answers with: its members, or an error by name.
type Answer = Result<Value, AwsError>;

impl<'a> LogsApi<'a> {
    /// For what is done on the clock, as an operation would do it.
    fn own(services: &'a Services, call: &'a Call, operation: &str) -> Option<LogsApi<'a>> {
        let operation = model::operation(operation)?;
        Some(LogsApi { services, call, project: &services.settings.project, operation, input: Input::default() })
    }
}

impl LogsApi<'_> {
    async fn answer(&self, operation: &str) -> Answer {
        match operation {
            "AssociateKmsKey" => self.associate_kms_key().await,
            "AssociateSourceToS3TableIntegration" => self.associate_source().await,
            "CancelExportTask" => self.cancel_export_task().await,
            "CancelImportTask" => self.cancel_import_task(),
            "CreateDelivery" => self.create_delivery().await,
            "CreateExportTask" => self.create_export_task().await,
            "CreateImportTask" => self.create_import_task(),
            "CreateLogAnomalyDetector" => self.create_log_anomaly_detector().await,
            "CreateLogGroup" => self.create_log_group().await,
            "CreateLogStream" => self.create_log_stream().await,
            "CreateLookupTable" => self.create_lookup_table().await,
            "CreateScheduledQuery" => self.create_scheduled_query().await,
            "DeleteAccountPolicy" => self.delete_account_policy().await,
            "DeleteDataProtectionPolicy" => self.delete_data_protection_policy().await,
            "DeleteDelivery" => self.delete_delivery().await,
            "DeleteDeliveryDestination" => self.delete_delivery_destination().await,
            "DeleteDeliveryDestinationPolicy" => self.delete_delivery_destination_policy().await,
            "DeleteDeliverySource" => self.delete_delivery_source().await,
            "DeleteDestination" => self.delete_destination().await,
            "DeleteIndexPolicy" => self.delete_index_policy().await,
            "DeleteIntegration" => self.delete_integration().await,
            "DeleteLogAnomalyDetector" => self.delete_log_anomaly_detector().await,
            "DeleteLogGroup" => self.delete_log_group().await,
            "DeleteLogStream" => self.delete_log_stream().await,
            "DeleteLookupTable" => self.delete_lookup_table().await,
            "DeleteMetricFilter" => self.delete_metric_filter().await,
            "DeleteQueryDefinition" => self.delete_query_definition().await,
            "DeleteResourcePolicy" => self.delete_resource_policy().await,
            "DeleteRetentionPolicy" => self.delete_retention_policy().await,
            "DeleteScheduledQuery" => self.delete_scheduled_query().await,
            "DeleteSubscriptionFilter" => self.delete_subscription_filter().await,
            "DeleteSyslogConfiguration" => self.delete_syslog_configuration().await,
            "DeleteTransformer" => self.delete_transformer().await,
            "DescribeAccountPolicies" => self.describe_account_policies().await,
            "DescribeConfigurationTemplates" => self.describe_configuration_templates(),
            "DescribeDeliveries" => self.describe_deliveries().await,
            "DescribeDeliveryDestinations" => self.describe_delivery_destinations().await,
            "DescribeDeliverySources" => self.describe_delivery_sources().await,
            "DescribeDestinations" => self.describe_destinations().await,
            "DescribeExportTasks" => self.describe_export_tasks().await,
            "DescribeFieldIndexes" => self.describe_field_indexes().await,
            "DescribeImportTaskBatches" => self.describe_import_task_batches(),
            "DescribeImportTasks" => self.describe_import_tasks(),
            "DescribeIndexPolicies" => self.describe_index_policies().await,
            "DescribeLogGroups" => self.describe_log_groups().await,
            "DescribeLogStreams" => self.describe_log_streams().await,
            "DescribeLookupTables" => self.describe_lookup_tables().await,
            "DescribeMetricFilters" => self.describe_metric_filters().await,
            "DescribeQueries" => self.describe_queries(),
            "DescribeQueryDefinitions" => self.describe_query_definitions().await,
            "DescribeResourcePolicies" => self.describe_resource_policies().await,
            "DescribeSubscriptionFilters" => self.describe_subscription_filters().await,
            "DisassociateKmsKey" => self.disassociate_kms_key().await,
            "DisassociateSourceFromS3TableIntegration" => self.disassociate_source().await,
            "FilterLogEvents" => self.filter_log_events().await,
            "GetDataProtectionPolicy" => self.get_data_protection_policy().await,
            "GetDelivery" => self.get_delivery().await,
            "GetDeliveryDestination" => self.get_delivery_destination().await,
            "GetDeliveryDestinationPolicy" => self.get_delivery_destination_policy().await,
            "GetDeliverySource" => self.get_delivery_source().await,
            "GetIntegration" => self.get_integration().await,
            "GetLogAnomalyDetector" => self.get_log_anomaly_detector().await,
            "GetLogEvents" => self.get_log_events().await,
            "GetLogFields" => self.get_log_fields(),
            "GetLogGroupFields" => self.get_log_group_fields().await,
            "GetLogRecord" => self.get_log_record().await,
            "GetLookupTable" => self.get_lookup_table().await,
            "GetQueryResults" => self.get_query_results(),
            "GetScheduledQuery" => self.get_scheduled_query().await,
            "GetScheduledQueryHistory" => self.get_scheduled_query_history().await,
            "GetStorageTierPolicy" => self.get_storage_tier_policy().await,
            "GetTransformer" => self.get_transformer().await,
            "ListAggregateLogGroupSummaries" => self.list_aggregate_log_group_summaries().await,
            "ListAnomalies" => self.list_anomalies().await,
            "ListIntegrations" => self.list_integrations().await,
            "ListLogAnomalyDetectors" => self.list_log_anomaly_detectors().await,
            "ListLogGroups" => self.list_log_groups().await,
            "ListLogGroupsForQuery" => self.list_log_groups_for_query(),
            "ListScheduledQueries" => self.list_scheduled_queries().await,
            "ListSourcesForS3TableIntegration" => self.list_sources().await,
            "ListSyslogConfigurations" => self.list_syslog_configurations().await,
            "ListTagsForResource" => self.list_tags_for_resource().await,
            "ListTagsLogGroup" => self.list_tags_log_group().await,
            "PutAccountPolicy" => self.put_account_policy().await,
            "PutBearerTokenAuthentication" => self.put_bearer_token_authentication().await,
            "PutDataProtectionPolicy" => self.put_data_protection_policy().await,
            "PutDeliveryDestination" => self.put_delivery_destination().await,
            "PutDeliveryDestinationPolicy" => self.put_delivery_destination_policy().await,
            "PutDeliverySource" => self.put_delivery_source().await,
            "PutDestination" => self.put_destination().await,
            "PutDestinationPolicy" => self.put_destination_policy().await,
            "PutIndexPolicy" => self.put_index_policy().await,
            "PutIntegration" => self.put_integration().await,
            "PutLogGroupDeletionProtection" => self.put_log_group_deletion_protection().await,
            "PutMetricFilter" => self.put_metric_filter().await,
            "PutQueryDefinition" => self.put_query_definition().await,
            "PutResourcePolicy" => self.put_resource_policy().await,
            "PutRetentionPolicy" => self.put_retention_policy().await,
            "PutStorageTierPolicy" => self.put_storage_tier_policy().await,
            "PutSubscriptionFilter" => self.put_subscription_filter().await,
            "PutSyslogConfiguration" => self.put_syslog_configuration().await,
            "PutTransformer" => self.put_transformer().await,
            "StartQuery" => self.start_query().await,
            "StopQuery" => self.stop_query(),
            "TagLogGroup" => self.tag_log_group().await,
            "TagResource" => self.tag_resource().await,
            "TestMetricFilter" => self.test_metric_filter(),
            "TestTransformer" => self.test_transformer(),
            "UntagLogGroup" => self.untag_log_group().await,
            "UntagResource" => self.untag_resource().await,
            "UpdateAnomaly" => self.update_anomaly().await,
            "UpdateDeliveryConfiguration" => self.update_delivery_configuration().await,
            "UpdateLogAnomalyDetector" => self.update_log_anomaly_detector().await,
            "UpdateLookupTable" => self.update_lookup_table().await,
            "UpdateScheduledQuery" => self.update_scheduled_query().await,
            other => {
                let message = format!("operation {other} of CloudWatch Logs is not answered here yet");
                Err(AwsError::new("UnknownOperationException", message))
            }
        }
    }

    fn metastore(&self) -> &Metastore {
        &self.services.metastore
    }

    fn owner(&self) -> Owner<'_> {
        Owner { region: &self.call.region, account_id: &self.services.settings.account_id }
    }

    /// `arn:aws:logs:<region>:<account>:<resource>`
    fn arn(&self, resource: &str) -> String {
        format!("arn:aws:logs:{}:{}:{resource}", self.call.region, self.services.settings.account_id)
    }

    fn now_ms(&self) -> i64 {
        self.call.received_at_unix_nano / NANOS_PER_MS
    }

    /// An error in the name that the operation has for wrong members.
    fn invalid(&self, message: impl Into<String>) -> AwsError {
        self.operation.invalid(message)
    }

    async fn group(&self, name: &str) -> Result<metastore::LogGroup, AwsError> {
        let found = self.metastore().log_group(self.project, name).await.map_err(aws_error)?;
        found.ok_or_else(wire::log_group_not_found)
    }

    /// The name of a group that is there, by a member that holds a name or an ARN.
    async fn group_named_by(&self, member: &str) -> Result<String, AwsError> {
        let name = wire::log_group_name_from_identifier(member, self.input.required(member))?.to_owned();
        self.group(&name).await?;
        Ok(name)
    }

    /// The same of a group that may also be one that spans or a service are told in.
    async fn readable_group_named_by(&self, member: &str) -> Result<String, AwsError> {
        let name = wire::log_group_name_from_identifier(member, self.input.required(member))?.to_owned();
        self.source(&name).await?;
        Ok(name)
    }

    /// When the stream was made.
    async fn stream(&self, group: &str, name: &str) -> Result<i64, AwsError> {
        let found = self.metastore().log_stream(self.project, group, name).await.map_err(aws_error)?;
        found.map(|stream| stream.created_at_unix_nano).ok_or_else(wire::log_stream_not_found)
    }

    async fn note_activity(&self) -> Result<(), AwsError> {
        let noted = self.services.log_stream_activity.write(self.metastore(), self.project).await;
        noted.map_err(aws_error)
    }
}

fn page_after(token: Option<&str>, question: &[&str]) -> Result<Option<String>, AwsError> {
    Ok(token.map(|token| PageToken::decode(token, question)).transpose()?.map(|token| token.after))
}

fn told(answer: &impl serde::Serialize) -> Answer {
    serde_json::to_value(answer).map_err(unavailable)
}

fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::new("ResourceNotFoundException", message)
}

fn limit_exceeded() -> AwsError {
    AwsError::new("LimitExceededException", "Resource limit exceeded.")
}

/// What went wrong was ours. The client is told as much and may try again, the log is told what.
fn unavailable(error: impl std::fmt::Display) -> AwsError {
    tracing::warn!(%error, "a call to CloudWatch Logs could not be answered");
    AwsError::new("ServiceUnavailableException", "The service cannot complete the request.")
        .with_status(StatusCode::SERVICE_UNAVAILABLE)
}

fn aws_error(error: MetastoreError) -> AwsError {
    match error {
        MetastoreError::NotFound { what: "log group", .. } => wire::log_group_not_found(),
        MetastoreError::NotFound { what: "log stream", .. } => wire::log_stream_not_found(),
        MetastoreError::NotFound { what, .. } => not_found(format!("The specified {what} does not exist.")),
        MetastoreError::AlreadyExists { what: "log group", .. } => wire::log_group_exists(),
        MetastoreError::AlreadyExists { .. } => wire::log_stream_exists(),
        MetastoreError::TooMany { .. } => limit_exceeded(),
        MetastoreError::InvalidRetention(days) => {
            AwsError::new("InvalidParameterException", format!("retentionInDays {days} is not one of the allowed values"))
        }
        other => unavailable(other),
    }
}
