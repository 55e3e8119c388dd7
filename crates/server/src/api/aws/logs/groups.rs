//! Log groups and streams: made, listed, kept for so long, deleted.

use std::collections::BTreeMap;

use engine::ask::insights::{EventSource, SERVICE_STREAM};
use metastore::{LogGroup, LogGroupFilter, LogStream, LogStreamFilter, LogStreamOrder, Page, ResourceKind};
use receivers::aws::AwsError;
use receivers::cloudwatch::event_id::EventId;
use receivers::cloudwatch::limits::{DESCRIBE_LIMIT_MAX, TAGS_MAX};
use receivers::cloudwatch::tokens::PageToken;
use receivers::cloudwatch::wire;
use serde_json::{Map, Value, json};

use super::account_policies::ACCOUNT_POLICY;
use super::data_protection::ACCOUNT_POLICY_TYPE;
use super::metric_filters::METRIC_FILTER;
use super::resources::{OF_KIND_MAX, object, of_group};
use super::{Answer, LogsApi, NANOS_PER_MS, aws_error, page_after, told};

/// What a group has besides its name and retention: key, class, protection.
pub const GROUP_SETTINGS: ResourceKind = ResourceKind { name: "logs.group_settings", what: "log group setting" };

/// There is one document of them a group.
const SETTINGS: &str = "settings";

impl LogsApi<'_> {
    pub(super) async fn create_log_group(&self) -> Answer {
        let request: wire::CreateLogGroup = wire::read(&self.call.body)?;
        let name = request.log_group_name.unwrap_or_default();
        let made = self.metastore().create_log_group(self.project, &name, None, self.call.received_at_unix_nano).await;
        made.map_err(aws_error)?;
        let settings = self.input.only(&["kmsKeyId", "logGroupClass", "deletionProtectionEnabled"]);
        if !settings.is_empty() {
            self.put(GROUP_SETTINGS, &of_group(&name), SETTINGS, &settings, OF_KIND_MAX).await?;
        }
        let resource = super::tags::of_group(&name);
        let tags: Vec<(String, String)> = request.tags.into_iter().collect();
        self.metastore().put_tags(self.project, &resource, &tags, TAGS_MAX as u32).await.map_err(aws_error)?;
        Ok(json!({}))
    }

    pub(super) async fn delete_log_group(&self) -> Answer {
        let request: wire::DeleteLogGroup = wire::read(&self.call.body)?;
        self.note_activity().await?;
        let name = request.log_group_name.unwrap_or_default();
        self.unprotected(&name).await?;
        self.metastore().delete_log_group(self.project, &name).await.map_err(aws_error)?;
        self.metastore().delete_resources_of(self.project, &of_group(&name)).await.map_err(aws_error)?;
        let resource = super::tags::of_group(&name);
        self.metastore().delete_all_tags(self.project, &resource).await.map_err(aws_error)?;
        Ok(json!({}))
    }

    pub(super) async fn describe_log_groups(&self) -> Answer {
        let request: wire::DescribeLogGroups = wire::read(&self.call.body)?;
        self.note_activity().await?;
        let question = [
            "DescribeLogGroups",
            request.log_group_name_prefix.as_deref().unwrap_or_default(),
            request.log_group_name_pattern.as_deref().unwrap_or_default(),
        ];
        let filter = LogGroupFilter {
            prefix: request.log_group_name_prefix.clone(),
            contains: request.log_group_name_pattern.clone(),
            after: page_after(request.next_token.as_deref(), &question)?,
            limit: request.limit.unwrap_or(DESCRIBE_LIMIT_MAX) as usize,
        };
        let page = self.metastore().log_groups(self.project, &filter).await.map_err(aws_error)?;
        let mut log_groups = Vec::with_capacity(page.items.len());
        for group in &page.items {
            let settings = self.group_settings(&group.name).await?;
            let class = settings.get("logGroupClass").and_then(Value::as_str).unwrap_or(STANDARD_CLASS);
            if request.log_group_class.as_deref().is_none_or(|asked| asked == class) && identified(&request, &group.name) {
                log_groups.push(self.told_group(group, settings).await?);
            }
        }
        let next_token = page.next.map(|after| PageToken::new(after, &question).encode());
        let mut answer = json!({ "logGroups": log_groups });
        if let Some(next_token) = next_token {
            answer["nextToken"] = next_token.into();
        }
        Ok(answer)
    }

    pub(super) async fn create_log_stream(&self) -> Answer {
        let request: wire::NamedLogStream = wire::read(&self.call.body)?;
        let (group, stream) = (request.log_group_name.unwrap_or_default(), request.log_stream_name.unwrap_or_default());
        let now = self.call.received_at_unix_nano;
        self.metastore().create_log_stream(self.project, &group, &stream, now).await.map_err(aws_error)?;
        Ok(json!({}))
    }

    pub(super) async fn delete_log_stream(&self) -> Answer {
        let request: wire::NamedLogStream = wire::read(&self.call.body)?;
        self.note_activity().await?;
        let (group, stream) = (request.log_group_name.unwrap_or_default(), request.log_stream_name.unwrap_or_default());
        self.group(&group).await?;
        self.unprotected(&group).await?;
        self.metastore().delete_log_stream(self.project, &group, &stream).await.map_err(aws_error)?;
        Ok(json!({}))
    }

    pub(super) async fn describe_log_streams(&self) -> Answer {
        let request: wire::DescribeLogStreams = wire::read(&self.call.body)?;
        self.note_activity().await?;
        let group = request.log_group_name()?;
        let order = if request.orders_by_last_event_time() { LogStreamOrder::LastEventTime } else { LogStreamOrder::Name };
        let prefix = request.log_stream_name_prefix.as_deref().unwrap_or_default();
        let direction = if request.descending { "descending" } else { "ascending" };
        let question = ["DescribeLogStreams", group, prefix, direction, request.order_by.as_deref().unwrap_or_default()];
        let filter = LogStreamFilter {
            prefix: request.log_stream_name_prefix.clone(),
            order,
            descending: request.descending,
            after: page_after(request.next_token.as_deref(), &question)?,
            limit: request.limit.unwrap_or(DESCRIBE_LIMIT_MAX) as usize,
        };
        let page = match self.source(group).await? {
            EventSource::Group { .. } => self.metastore().log_streams(self.project, group, &filter).await.map_err(aws_error)?,
            _ => only_stream(group, &filter),
        };
        let ms = |nanos: Option<i64>| nanos.map(|nanos| nanos.div_euclid(NANOS_PER_MS));
        let log_streams = page
            .items
            .iter()
            .map(|stream| wire::LogStream {
                log_stream_name: stream.name.clone(),
                creation_time: stream.created_at_unix_nano / NANOS_PER_MS,
                first_event_timestamp: ms(stream.first_event_unix_nano),
                last_event_timestamp: ms(stream.last_event_unix_nano),
                last_ingestion_time: ms(stream.last_ingestion_unix_nano),
                upload_sequence_token: Some(EventId::before(stream.created_at_unix_nano / NANOS_PER_MS).to_string()),
                arn: self.owner().log_stream_arn(group, &stream.name),
                stored_bytes: 0,
            })
            .collect();
        let next_token = page.next.map(|after| PageToken::new(after, &question).encode());
        told(&wire::DescribeLogStreamsAnswer { log_streams, next_token })
    }

    pub(super) async fn put_retention_policy(&self) -> Answer {
        let request: wire::PutRetentionPolicy = wire::read(&self.call.body)?;
        let days = request.retention_days()?;
        let name = request.log_group_name.unwrap_or_default();
        self.metastore().put_log_group_retention(self.project, &name, Some(days)).await.map_err(aws_error)?;
        Ok(json!({}))
    }

    pub(super) async fn delete_retention_policy(&self) -> Answer {
        let request: wire::DeleteRetentionPolicy = wire::read(&self.call.body)?;
        let name = request.log_group_name.unwrap_or_default();
        self.metastore().put_log_group_retention(self.project, &name, None).await.map_err(aws_error)?;
        Ok(json!({}))
    }

    /// Everything that matches, of all pages of the table; in the order of names.
    async fn matching_groups(&self) -> Result<Vec<(String, String)>, AwsError> {
        let pattern = self.input.text("logGroupNamePattern");
        let class = self.input.text("logGroupClass");
        let mut filter = LogGroupFilter::default();
        let mut found = Vec::new();
        loop {
            let page = self.metastore().log_groups(self.project, &filter).await.map_err(aws_error)?;
            for group in page.items.iter().filter(|group| pattern.is_none_or(|pattern| matches(pattern, &group.name))) {
                let settings = self.group_settings(&group.name).await?;
                let own = settings.get("logGroupClass").and_then(Value::as_str).unwrap_or(STANDARD_CLASS).to_owned();
                if class.is_none_or(|class| class == own) && self.has_tags(&group.name).await? {
                    found.push((group.name.clone(), own));
                }
            }
            filter.after = page.next;
            if filter.after.is_none() {
                return Ok(found);
            }
        }
    }

    /// Whether the group has one of the values of each tag that is asked for; a tag without values only has to be there.
    async fn has_tags(&self, group: &str) -> Result<bool, AwsError> {
        let asked = self.input.list("logGroupTags");
        if asked.is_empty() {
            return Ok(true);
        }
        let resource = super::tags::of_group(group);
        let tags: BTreeMap<String, String> =
            self.metastore().tags(self.project, &resource).await.map_err(aws_error)?.into_iter().collect();
        Ok(asked.iter().all(|tag| {
            let own = tag["key"].as_str().and_then(|key| tags.get(key));
            let values: Vec<&str> = tag["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            own.is_some_and(|own| values.is_empty() || values.iter().any(|value| matches_tag(value, own)))
        }))
    }

    pub(super) async fn list_log_groups(&self) -> Answer {
        // Data sources and field indexes are of no group here.
        let none = self.input.has("dataSources");
        let groups = if none { Vec::new() } else { self.matching_groups().await? };
        let items = groups.into_iter().map(|(name, class)| {
            let told = json!({ "logGroupName": name, "logGroupArn": self.owner().log_group_arn(&name), "logGroupClass": class });
            (name, told)
        });
        let pattern = self.input.text("logGroupNamePattern").unwrap_or_default();
        let question = ["ListLogGroups", pattern, self.input.text("logGroupClass").unwrap_or_default()];
        self.listed_by_place("logGroups", &question, items.collect())
    }

    /// Groups by where their logs come from: all of them were sent by their owner, which AWS calls no data source.
    pub(super) async fn list_aggregate_log_group_summaries(&self) -> Answer {
        let none = self.input.has("dataSources");
        let groups = if none { Vec::new() } else { self.matching_groups().await? };
        let unknown = |key: &str| json!({ "key": key, "value": "unknown" });
        let mut identifiers = vec![unknown("dataSourceName"), unknown("dataSourceType")];
        if self.input.text("groupBy") == Some("DATA_SOURCE_NAME_TYPE_AND_FORMAT") {
            identifiers.push(unknown("dataSourceFormat"));
        }
        let summary = json!({ "logGroupCount": groups.len(), "groupingIdentifiers": identifiers });
        let items = if groups.is_empty() { Vec::new() } else { vec![("unknown".to_owned(), summary)] };
        self.listed_by_place("aggregateLogGroupSummaries", &["ListAggregateLogGroupSummaries"], items)
    }

    pub(super) async fn group_settings(&self, name: &str) -> Result<Map<String, Value>, AwsError> {
        let stored = self.stored(GROUP_SETTINGS, &of_group(name), SETTINGS).await?;
        Ok(stored.map(|stored| stored.document).unwrap_or_default())
    }

    /// Sets a member of a group's settings, or removes it.
    pub(super) async fn set_of_group(&self, name: &str, member: &str, value: Option<Value>) -> Result<(), AwsError> {
        self.group(name).await?;
        let mut settings = self.group_settings(name).await?;
        match value {
            Some(value) => settings.insert(member.to_owned(), value),
            None => settings.remove(member),
        };
        self.put(GROUP_SETTINGS, &of_group(name), SETTINGS, &settings, OF_KIND_MAX).await
    }

    async fn unprotected(&self, name: &str) -> Result<(), AwsError> {
        let settings = self.group_settings(name).await?;
        match settings.get("deletionProtectionEnabled") {
            Some(Value::Bool(true)) => Err(wire::log_group_protected()),
            _ => Ok(()),
        }
    }

    async fn told_group(&self, group: &LogGroup, settings: Map<String, Value>) -> Answer {
        let filters = self.all(METRIC_FILTER, Some(&of_group(&group.name))).await?;
        let mut told = told(&wire::LogGroup {
            retention_in_days: group.retention_days,
            stored_bytes: group.stored_bytes,
            metric_filter_count: filters.len() as u32,
            ..wire::LogGroup::new(self.owner(), &group.name, group.created_at_unix_nano / NANOS_PER_MS)
        })?;
        for (member, value) in settings {
            told[member] = value;
        }
        let protection = self.stored(super::data_protection::DATA_PROTECTION, &of_group(&group.name), "policy").await?;
        told["dataProtectionStatus"] = protection.map_or(Value::Null, |_| "ACTIVATED".into());
        if !self.all(ACCOUNT_POLICY, Some(ACCOUNT_POLICY_TYPE)).await?.is_empty() {
            told["inheritedProperties"] = json!(["ACCOUNT_DATA_PROTECTION"]);
        }
        Ok(object(told))
    }
}

/// The stream of a group that spans or a service are told in.
fn only_stream(group: &str, filter: &LogStreamFilter) -> Page<LogStream> {
    let is_asked = filter.after.is_none() && filter.prefix.as_deref().is_none_or(|prefix| SERVICE_STREAM.starts_with(prefix));
    let stream = LogStream { log_group: group.to_owned(), name: SERVICE_STREAM.to_owned(), ..LogStream::default() };
    Page { items: if is_asked { vec![stream] } else { Vec::new() }, next: None }
}

pub const STANDARD_CLASS: &str = "STANDARD";

fn identified(request: &wire::DescribeLogGroups, name: &str) -> bool {
    let names = |identifier: &String| {
        wire::log_group_name_from_identifier("logGroupIdentifiers", identifier).is_ok_and(|known| known == name)
    };
    request.log_group_identifiers.is_empty() || request.log_group_identifiers.iter().any(names)
}

/// `^prefix` or a part of the name, several behind `|`.
fn matches(pattern: &str, name: &str) -> bool {
    pattern.split('|').any(|part| match part.strip_prefix('^') {
        Some(prefix) => name.starts_with(prefix),
        None => name.contains(part),
    })
}

/// `*` at either end stands for anything; `!` before it turns it round.
fn matches_tag(asked: &str, own: &str) -> bool {
    let (turned, asked) = asked.strip_prefix('!').map_or((false, asked), |asked| (true, asked));
    let (open, asked) = asked.strip_prefix('*').map_or((false, asked), |asked| (true, asked));
    let (open_end, asked) = asked.strip_suffix('*').map_or((false, asked), |asked| (true, asked));
    let found = match (open, open_end) {
        (false, false) => own == asked,
        (false, true) => own.starts_with(asked),
        (true, false) => own.ends_with(asked),
        (true, true) => own.contains(asked),
    };
    found != turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_tags_match() {
        for (pattern, name, expected) in
            [("^/aws", "/aws/x", true), ("^aws", "/aws/x", false), ("aws|^shop", "shop/1", true), ("aws", "AWS", false)]
        {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        for (asked, own, expected) in
            [("live", "live", true), ("li*", "live", true), ("*ve", "live", true), ("!li*", "live", false), ("*", "", true)]
        {
            assert_eq!(matches_tag(asked, own), expected, "{asked} {own}");
        }
    }
}
