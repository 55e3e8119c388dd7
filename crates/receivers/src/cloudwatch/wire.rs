//! The words of CloudWatch Logs: requests and answers of the operations on groups, streams and events.
//!
//! Requests are read liberally (unknown members are passed over) and checked by `validate`, which refuses as AWS does.
//! PutLogEvents stands in its own file. Times are milliseconds since 1970 UTC.
//!
//! Spec: docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_Operations.html

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::limits::{DESCRIBE_LIMIT_MAX, EVENTS_LIMIT_MAX, FILTER_PATTERN_CHARS_MAX, STREAM_NAMES_MAX, TAGS_MAX};
use super::names::{
    constraint, log_group_name, missing, validate_length, validate_log_group_name, validate_log_stream_name, validate_range,
    validate_retention_days,
};
use crate::aws::{AwsError, read_object};

pub use super::names::{Owner, log_group_name_from_identifier};

/// The prefix of `X-Amz-Target` before the operation's name.
pub const TARGET_PREFIX: &str = "Logs_20140328.";

/// A request that knows its own rules.
pub trait Request: DeserializeOwned {
    fn validate(&self) -> Result<(), AwsError>;
}

/// Reads and checks a request. An empty body is an empty object.
pub fn read<R: Request>(body: &[u8]) -> Result<R, AwsError> {
    let body = if body.is_empty() { b"{}" } else { body };
    let request: R = read_object(body).map_err(|error| AwsError::new("SerializationException", error))?;
    request.validate()?;
    Ok(request)
}

pub fn log_group_not_found() -> AwsError {
    AwsError::new("ResourceNotFoundException", "The specified log group does not exist.")
}

/// What watchtower and others wait for before they create the stream.
pub fn log_stream_not_found() -> AwsError {
    AwsError::new("ResourceNotFoundException", "The specified log stream does not exist.")
}

pub fn log_group_exists() -> AwsError {
    AwsError::new("ResourceAlreadyExistsException", "The specified log group already exists")
}

pub fn log_stream_exists() -> AwsError {
    AwsError::new("ResourceAlreadyExistsException", "The specified log stream already exists")
}

/// A group that is protected cannot be deleted.
pub fn log_group_protected() -> AwsError {
    AwsError::new("ValidationException", "The specified log group has deletion protection enabled.")
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CreateLogGroup {
    pub log_group_name: Option<String>,
    pub kms_key_id: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub log_group_class: Option<String>,
    pub deletion_protection_enabled: bool,
}

impl Request for CreateLogGroup {
    fn validate(&self) -> Result<(), AwsError> {
        required_group(self.log_group_name.as_deref())?;
        validate_class(self.log_group_class.as_deref())?;
        if self.tags.len() > TAGS_MAX {
            let rule = format!("Map must have size less than or equal to {TAGS_MAX}");
            return Err(constraint("tags", &format!("[{} tags]", self.tags.len()), &rule));
        }
        Ok(())
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DeleteLogGroup {
    pub log_group_name: Option<String>,
}

impl Request for DeleteLogGroup {
    fn validate(&self) -> Result<(), AwsError> {
        required_group(self.log_group_name.as_deref())
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DescribeLogGroups {
    pub log_group_name_prefix: Option<String>,
    /// A part of the name, in any case; not together with the prefix.
    pub log_group_name_pattern: Option<String>,
    pub log_group_class: Option<String>,
    pub log_group_identifiers: Vec<String>,
    pub next_token: Option<String>,
    pub limit: Option<i64>,
}

impl Request for DescribeLogGroups {
    fn validate(&self) -> Result<(), AwsError> {
        if let Some(prefix) = &self.log_group_name_prefix {
            validate_log_group_name("logGroupNamePrefix", prefix)?;
        }
        match self.log_group_name_pattern.as_deref() {
            Some(_) if self.log_group_name_prefix.is_some() => {
                let message = "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.";
                return Err(AwsError::new("InvalidParameterException", message));
            }
            Some(pattern) if !pattern.is_empty() => validate_log_group_name("logGroupNamePattern", pattern)?,
            _ => {}
        }
        validate_class(self.log_group_class.as_deref())?;
        optional_range("limit", self.limit, DESCRIBE_LIMIT_MAX)
    }
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeLogGroupsAnswer {
    pub log_groups: Vec<LogGroup>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogGroup {
    pub log_group_name: String,
    pub creation_time: i64,
    /// Absent for a group that keeps for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_in_days: Option<u32>,
    pub metric_filter_count: u32,
    /// Ends with `:*`.
    pub arn: String,
    pub stored_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    pub log_group_class: String,
    /// Ends with the name.
    pub log_group_arn: String,
    pub deletion_protection_enabled: bool,
}

impl LogGroup {
    /// A group that nothing but its name is known of.
    pub fn new(owner: Owner<'_>, log_group_name: &str, creation_time: i64) -> LogGroup {
        LogGroup {
            log_group_name: log_group_name.to_owned(),
            creation_time,
            arn: owner.log_group_arn_with_streams(log_group_name),
            log_group_arn: owner.log_group_arn(log_group_name),
            log_group_class: STANDARD_CLASS.to_owned(),
            ..LogGroup::default()
        }
    }
}

const STANDARD_CLASS: &str = "STANDARD";

fn validate_class(class: Option<&str>) -> Result<(), AwsError> {
    match class {
        None | Some("STANDARD" | "INFREQUENT_ACCESS" | "DELIVERY") => Ok(()),
        Some(other) => {
            let rule = "Member must satisfy enum value set: [STANDARD, INFREQUENT_ACCESS, DELIVERY]";
            Err(constraint("logGroupClass", other, rule))
        }
    }
}

/// CreateLogStream and DeleteLogStream.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NamedLogStream {
    pub log_group_name: Option<String>,
    pub log_stream_name: Option<String>,
}

impl Request for NamedLogStream {
    fn validate(&self) -> Result<(), AwsError> {
        required_group(self.log_group_name.as_deref())?;
        required_stream(self.log_stream_name.as_deref())
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DescribeLogStreams {
    pub log_group_name: Option<String>,
    pub log_group_identifier: Option<String>,
    pub log_stream_name_prefix: Option<String>,
    pub order_by: Option<String>,
    pub descending: bool,
    pub next_token: Option<String>,
    pub limit: Option<i64>,
}

impl DescribeLogStreams {
    pub fn log_group_name(&self) -> Result<&str, AwsError> {
        log_group_name(self.log_group_name.as_deref(), self.log_group_identifier.as_deref())
    }

    pub fn orders_by_last_event_time(&self) -> bool {
        self.order_by.as_deref() == Some("LastEventTime")
    }
}

impl Request for DescribeLogStreams {
    fn validate(&self) -> Result<(), AwsError> {
        self.log_group_name()?;
        if let Some(prefix) = &self.log_stream_name_prefix {
            validate_log_stream_name("logStreamNamePrefix", prefix)?;
        }
        match self.order_by.as_deref() {
            None | Some("LogStreamName") => {}
            Some("LastEventTime") if self.log_stream_name_prefix.is_none() => {}
            Some("LastEventTime") => {
                let message = "Cannot order by LastEventTime with a logStreamNamePrefix.";
                return Err(AwsError::new("InvalidParameterException", message));
            }
            Some(other) => {
                let rule = "Member must satisfy enum value set: [LogStreamName, LastEventTime]";
                return Err(constraint("orderBy", other, rule));
            }
        }
        optional_range("limit", self.limit, DESCRIBE_LIMIT_MAX)
    }
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeLogStreamsAnswer {
    pub log_streams: Vec<LogStream>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogStream {
    pub log_stream_name: String,
    pub creation_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_event_timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_event_timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_ingestion_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_sequence_token: Option<String>,
    pub arn: String,
    /// Always 0, as at AWS since 2019.
    pub stored_bytes: u64,
}

/// PutRetentionPolicy and, without days, DeleteRetentionPolicy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PutRetentionPolicy {
    pub log_group_name: Option<String>,
    pub retention_in_days: Option<i64>,
}

impl PutRetentionPolicy {
    pub fn retention_days(&self) -> Result<u32, AwsError> {
        validate_retention_days(self.retention_in_days.ok_or_else(|| missing("retentionInDays"))?)
    }
}

impl Request for PutRetentionPolicy {
    fn validate(&self) -> Result<(), AwsError> {
        required_group(self.log_group_name.as_deref())?;
        self.retention_days().map(|_| ())
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DeleteRetentionPolicy {
    pub log_group_name: Option<String>,
}

impl Request for DeleteRetentionPolicy {
    fn validate(&self) -> Result<(), AwsError> {
        required_group(self.log_group_name.as_deref())
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GetLogEvents {
    pub log_group_name: Option<String>,
    pub log_group_identifier: Option<String>,
    pub log_stream_name: Option<String>,
    /// Inclusive.
    pub start_time: Option<i64>,
    /// Exclusive.
    pub end_time: Option<i64>,
    pub next_token: Option<String>,
    pub limit: Option<i64>,
    pub start_from_head: bool,
}

impl GetLogEvents {
    pub fn log_group_name(&self) -> Result<&str, AwsError> {
        log_group_name(self.log_group_name.as_deref(), self.log_group_identifier.as_deref())
    }
}

impl Request for GetLogEvents {
    fn validate(&self) -> Result<(), AwsError> {
        self.log_group_name()?;
        required_stream(self.log_stream_name.as_deref())?;
        validate_times(self.start_time, self.end_time)?;
        optional_range("limit", self.limit, EVENTS_LIMIT_MAX)
    }
}

/// Both tokens are always there; the end is reached when the one asked with comes back.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GetLogEventsAnswer {
    pub events: Vec<OutputLogEvent>,
    pub next_forward_token: String,
    pub next_backward_token: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputLogEvent {
    pub timestamp: i64,
    pub message: String,
    pub ingestion_time: i64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FilterLogEvents {
    pub log_group_name: Option<String>,
    pub log_group_identifier: Option<String>,
    pub log_stream_names: Vec<String>,
    pub log_stream_name_prefix: Option<String>,
    /// Inclusive.
    pub start_time: Option<i64>,
    /// Inclusive, unlike GetLogEvents'.
    pub end_time: Option<i64>,
    pub filter_pattern: Option<String>,
    pub next_token: Option<String>,
    pub limit: Option<i64>,
    /// `false` asks for the newest first.
    pub start_from_head: Option<bool>,
}

impl FilterLogEvents {
    pub fn log_group_name(&self) -> Result<&str, AwsError> {
        log_group_name(self.log_group_name.as_deref(), self.log_group_identifier.as_deref())
    }
}

impl Request for FilterLogEvents {
    fn validate(&self) -> Result<(), AwsError> {
        self.log_group_name()?;
        if !self.log_stream_names.is_empty() && self.log_stream_name_prefix.is_some() {
            let message = "LogStream names and LogStream name prefix are mutually exclusive parameters.";
            return Err(AwsError::new("InvalidParameterException", message));
        }
        if self.log_stream_names.len() > STREAM_NAMES_MAX {
            let rule = format!("Member must have length less than or equal to {STREAM_NAMES_MAX}");
            return Err(constraint("logStreamNames", &format!("[{} names]", self.log_stream_names.len()), &rule));
        }
        for name in &self.log_stream_names {
            validate_log_stream_name("logStreamNames", name)?;
        }
        if let Some(prefix) = &self.log_stream_name_prefix {
            validate_log_stream_name("logStreamNamePrefix", prefix)?;
        }
        if let Some(pattern) = &self.filter_pattern {
            validate_length("filterPattern", pattern, 0, FILTER_PATTERN_CHARS_MAX)?;
        }
        validate_times(self.start_time, self.end_time)?;
        optional_range("limit", self.limit, EVENTS_LIMIT_MAX)
    }
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FilterLogEventsAnswer {
    pub events: Vec<FilteredLogEvent>,
    /// Always empty, as at AWS since 2019.
    pub searched_log_streams: Vec<SearchedLogStream>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FilteredLogEvent {
    pub log_stream_name: String,
    pub timestamp: i64,
    pub message: String,
    pub ingestion_time: i64,
    pub event_id: String,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchedLogStream {
    pub log_stream_name: String,
    pub searched_completely: bool,
}

fn required_group(name: Option<&str>) -> Result<(), AwsError> {
    validate_log_group_name("logGroupName", name.ok_or_else(|| missing("logGroupName"))?)
}

fn required_stream(name: Option<&str>) -> Result<(), AwsError> {
    validate_log_stream_name("logStreamName", name.ok_or_else(|| missing("logStreamName"))?)
}

fn optional_range(member: &str, value: Option<i64>, max: i64) -> Result<(), AwsError> {
    value.map_or(Ok(()), |value| validate_range(member, value, 1, max))
}

fn validate_times(start: Option<i64>, end: Option<i64>) -> Result<(), AwsError> {
    for (member, time) in [("startTime", start), ("endTime", end)] {
        time.map_or(Ok(()), |time| validate_range(member, time, 0, i64::MAX))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<R: Request>(body: &str, expected: &str) {
        let message = read::<R>(body.as_bytes()).map_or_else(|error| error.to_string(), |_| "read".to_owned());
        assert!(message.contains(expected), "{body}: {message}");
    }

    #[test]
    fn requests_are_checked() {
        check::<CreateLogGroup>(r#"{"logGroupName": "shop", "tags": {"a": "b"}, "new": 1}"#, "read");
        check::<CreateLogGroup>("", "Value null at 'logGroupName'");
        check::<CreateLogGroup>(r#"{"logGroupName": "shop", "logGroupClass": "GOLD"}"#, "enum value set");
        check::<DescribeLogGroups>("{}", "read");
        check::<DescribeLogGroups>(r#"{"limit": 51}"#, "Value '51' at 'limit'");
        check::<DescribeLogGroups>(r#"{"limit": 0}"#, "greater than or equal to 1");
        check::<DescribeLogGroups>(r#"{"logGroupNamePrefix": "a", "logGroupNamePattern": "b"}"#, "mutually exclusive");
        check::<NamedLogStream>(r#"{"logGroupName": "g", "logStreamName": "a*"}"#, "pattern: [^:*]*");
        check::<DescribeLogStreams>(
            r#"{"logGroupName": "g", "orderBy": "LastEventTime", "logStreamNamePrefix": "a"}"#,
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
        );
        check::<DescribeLogStreams>(r#"{"logGroupName": "g", "orderBy": "Size"}"#, "enum value set");
        check::<DescribeLogStreams>(r#"{"logGroupIdentifier": "arn:aws:logs:r:0:log-group:g:*"}"#, "read");
        check::<PutRetentionPolicy>(r#"{"logGroupName": "g", "retentionInDays": 7}"#, "read");
        check::<PutRetentionPolicy>(r#"{"logGroupName": "g", "retentionInDays": 8}"#, "Value '8' at 'retentionInDays'");
        check::<PutRetentionPolicy>(r#"{"logGroupName": "g"}"#, "Value null at 'retentionInDays'");
        check::<GetLogEvents>(r#"{"logGroupName": "g", "logStreamName": "s", "startFromHead": true, "limit": 10}"#, "read");
        check::<GetLogEvents>(r#"{"logGroupName": "g", "logStreamName": "s", "limit": 10001}"#, "'limit'");
        check::<GetLogEvents>(r#"{"logGroupName": "g", "logStreamName": "s", "startTime": -1}"#, "'startTime'");
        check::<FilterLogEvents>(r#"{"logGroupName": "g", "interleaved": true, "filterPattern": "\"boom\""}"#, "read");
        check::<FilterLogEvents>(
            r#"{"logGroupName": "g", "logStreamNames": ["a"], "logStreamNamePrefix": "a"}"#,
            "mutually exclusive",
        );
        check::<FilterLogEvents>(&format!(r#"{{"logGroupName": "g", "filterPattern": "{}"}}"#, "x".repeat(1025)), "1024");
    }

    #[test]
    fn hostile_bodies_are_serialization_errors() {
        let deep = format!(r#"{{"x": {}"#, "[".repeat(100_000));
        for body in ["[", "[]", "7", r#"{"logGroupName": 7}"#, r#"{"tags": [1]}"#, &deep] {
            check::<CreateLogGroup>(body, "SerializationException");
        }
        assert_eq!(read::<CreateLogGroup>(b"{\"logGroupName\": \"\xff\"}").unwrap_err().name, "SerializationException");
    }

    #[test]
    fn a_group_has_two_arns() {
        let group = LogGroup::new(Owner { region: "eu-west-1", account_id: "000000000000" }, "shop", 7);
        expect_test::expect![[r#"{"logGroupName":"shop","creationTime":7,"metricFilterCount":0,"arn":"arn:aws:logs:eu-west-1:000000000000:log-group:shop:*","storedBytes":0,"logGroupClass":"STANDARD","logGroupArn":"arn:aws:logs:eu-west-1:000000000000:log-group:shop","deletionProtectionEnabled":false}"#]]
        .assert_eq(&serde_json::to_string(&group).unwrap());
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_an_answer(bytes in proptest::collection::vec(0u8.., 0..200)) {
            let _ = read::<FilterLogEvents>(&bytes);
            let _ = read::<DescribeLogStreams>(&bytes);
        }
    }
}
