//! Where a query's events are: the groups that StartQuery names, and those that `SOURCE` chooses within the query.
//!
//! Quirks:  `aws/spans` is every span, `otel/<service>` the log records of a service that came by OpenTelemetry's protocol;
//!          neither is listed among log groups, and a group of that name goes first

use std::collections::HashMap;

use engine::ask::insights::{EventSource, EventSources, LookupTables, SERVICE_GROUP_PREFIX, SERVICE_STREAM, SPANS_GROUP};
use languages::insights::{Criterion, Query, Selection, Source};
use metastore::LogGroupFilter;
use receivers::aws::AwsError;
use receivers::cloudwatch::wire;
use serde_json::Value;

use super::groups::STANDARD_CLASS;
use super::lookup_tables::LOOKUP_TABLE;
use super::service_groups::service_of;
use super::{LogsApi, aws_error, not_found};
use crate::Services;

/// Groups that a query can name.
const GROUPS_MAX: usize = 50;

/// Groups that `logGroups(...)` can choose, as at the service.
const GROUPS_CHOSEN_MAX: usize = 10_000;

pub(super) const NANOS_PER_SECOND: i64 = 1_000_000_000;

impl LogsApi<'_> {
    /// What StartQuery's members name; where the query says itself, they may name nothing.
    pub(super) async fn named_sources(&self, may_be_none: bool) -> Result<EventSources, AwsError> {
        let members = ["logGroupName", "logGroupNames", "logGroupIdentifiers"];
        let given = members.iter().filter(|member| self.input.has(member)).count();
        if given > 1 || (given == 0 && !may_be_none) {
            return Err(self.invalid("Exactly one of logGroupName, logGroupNames and logGroupIdentifiers must be specified."));
        }
        let mut identifiers: Vec<&str> = self.input.text("logGroupName").into_iter().collect();
        identifiers.extend(self.input.texts("logGroupNames"));
        identifiers.extend(self.input.texts("logGroupIdentifiers"));
        if identifiers.len() > GROUPS_MAX {
            return Err(self.invalid(format!("A query can name at most {GROUPS_MAX} log groups.")));
        }
        let (start, end) = (self.input.integer("startTime").unwrap_or(0), self.input.integer("endTime").unwrap_or(0));
        if start > end {
            return Err(self.invalid("The specified time range is invalid: startTime must not be after endTime."));
        }
        let mut sources = EventSources {
            of: Vec::with_capacity(identifiers.len()),
            start_unix_nano: start.saturating_mul(NANOS_PER_SECOND),
            // The last second counts whole.
            end_unix_nano: end.saturating_add(1).saturating_mul(NANOS_PER_SECOND),
        };
        for identifier in identifiers {
            sources.of.push(self.source_of(identifier).await?);
        }
        Ok(sources)
    }

    /// Each source that is written in the query, by how it is printed.
    pub(super) async fn written_sources(
        &self,
        query: &Query,
        asked: &EventSources,
    ) -> Result<HashMap<String, EventSources>, AwsError> {
        let mut sources = HashMap::new();
        for source in query.sources() {
            let mut chosen = EventSources { of: Vec::new(), ..asked.clone() };
            if let Some(start) = self.time_of(source.start.as_deref())? {
                chosen.start_unix_nano = start;
            }
            if let Some(end) = self.time_of(source.end.as_deref())? {
                chosen.end_unix_nano = end.saturating_add(1);
            }
            for selection in &source.selections {
                self.choose(selection, &mut chosen.of).await?;
            }
            chosen.of.dedup();
            sources.insert(Source::to_string(source), chosen);
        }
        Ok(sources)
    }

    /// The tables that a query joins with; one that is not there is missing here too.
    pub(super) async fn tables_of(&self, query: &Query) -> Result<LookupTables, AwsError> {
        let mut tables = LookupTables::new();
        for name in query.tables() {
            if let Some(stored) = self.stored(LOOKUP_TABLE, "", name).await? {
                tables.insert(name.to_owned(), stored.text("tableBody").into());
            }
        }
        Ok(tables)
    }

    pub(super) async fn source_of(&self, identifier: &str) -> Result<EventSource, AwsError> {
        let name = wire::log_group_name_from_identifier("logGroupIdentifiers", identifier)?;
        let account = &self.services.settings.account_id;
        let missing = || not_found(format!("Log group '{name}' does not exist for account ID '{account}'"));
        source_named(self.services, name).await?.ok_or_else(missing)
    }

    /// Where the events of a group are, in the words of operations that read one group.
    pub(super) async fn source(&self, name: &str) -> Result<EventSource, AwsError> {
        source_named(self.services, name).await?.ok_or_else(wire::log_group_not_found)
    }

    /// Since when there is a stream of that name.
    pub(super) async fn stream_since(&self, source: &EventSource, stream: &str) -> Result<i64, AwsError> {
        match source {
            EventSource::Group { name, .. } => self.stream(name, stream).await,
            _ if stream == SERVICE_STREAM => Ok(0),
            _ => Err(wire::log_stream_not_found()),
        }
    }

    pub(super) async fn choose(&self, selection: &Selection, chosen: &mut Vec<EventSource>) -> Result<(), AwsError> {
        let criteria = match selection {
            Selection::Group(identifier) => {
                chosen.push(self.source_of(identifier).await?);
                return Ok(());
            }
            // There are no sources of the service's own here.
            Selection::DataSources(_) => return Ok(()),
            Selection::Groups(criteria) => criteria,
        };
        let values = |wanted: Criterion| criteria.iter().find(|(criterion, _)| *criterion == wanted).map(|(_, values)| values);
        let own = &self.services.settings.account_id;
        if values(Criterion::AccountIdentifiers).is_some_and(|accounts| !accounts.iter().any(|account| account == own)) {
            return Ok(());
        }
        let prefixes = values(Criterion::NamePrefix);
        let mut filter = LogGroupFilter::default();
        loop {
            let page = self.metastore().log_groups(self.project, &filter).await.map_err(aws_error)?;
            for group in page.items {
                let is_named = prefixes.is_none_or(|prefixes| prefixes.iter().any(|prefix| group.name.starts_with(prefix)));
                let (classes, tags) = (values(Criterion::Class), values(Criterion::Tags));
                if is_named && self.is_of(&group.name, classes, tags).await? {
                    chosen.push(EventSource::Group { name: group.name, since_unix_nano: group.created_at_unix_nano });
                }
                if chosen.len() > GROUPS_CHOSEN_MAX {
                    return Err(self.invalid(format!("A query can choose at most {GROUPS_CHOSEN_MAX} log groups.")));
                }
            }
            filter.after = page.next;
            if filter.after.is_none() {
                break;
            }
        }
        for prefix in prefixes.into_iter().flatten() {
            if let Some(service) = prefix.strip_prefix(SERVICE_GROUP_PREFIX) {
                chosen.push(EventSource::Services(service.to_owned()));
            }
            if prefix.starts_with("aws/") && SPANS_GROUP.starts_with(prefix.as_str()) {
                chosen.push(EventSource::Spans);
            }
        }
        Ok(())
    }

    /// Whether a group is of one of the classes and has one of the tags, `key` or `key:value`.
    async fn is_of(&self, group: &str, classes: Option<&Vec<String>>, tags: Option<&Vec<String>>) -> Result<bool, AwsError> {
        if let Some(classes) = classes {
            let settings = self.group_settings(group).await?;
            let own = settings.get("logGroupClass").and_then(Value::as_str).unwrap_or(STANDARD_CLASS);
            if !classes.iter().any(|class| class == own) {
                return Ok(false);
            }
        }
        let Some(tags) = tags else { return Ok(true) };
        let own = self.metastore().tags(self.project, &super::tags::of_group(group)).await.map_err(aws_error)?;
        Ok(tags.iter().any(|tag| {
            let (key, value) = tag.split_once([':', '=']).map_or((tag.as_str(), None), |(key, value)| (key, Some(value)));
            own.iter().any(|(own_key, own_value)| own_key == key && value.is_none_or(|value| value == own_value))
        }))
    }

    /// `now`, `-3600s` before now, seconds or milliseconds since 1970, or a date and time.
    fn time_of(&self, text: Option<&str>) -> Result<Option<i64>, AwsError> {
        let Some(text) = text else { return Ok(None) };
        let now = self.call.received_at_unix_nano;
        let read = time_within(text, now);
        read.map(Some).ok_or_else(|| {
            self.invalid(format!("cannot read the time {text} of SOURCE: expected -3600s, now, seconds or 2026-01-02T03:04:05Z"))
        })
    }
}

/// Where the events of a group are: of one that was made, or of one that spans or a service are told in.
pub(super) async fn source_named(services: &Services, name: &str) -> Result<Option<EventSource>, AwsError> {
    let group = services.metastore.log_group(&services.settings.project, name).await.map_err(aws_error)?;
    Ok(match group {
        Some(group) => Some(EventSource::Group { name: group.name, since_unix_nano: group.created_at_unix_nano }),
        None if name == SPANS_GROUP => Some(EventSource::Spans),
        None => service_of(name).map(|service| EventSource::Service(service.to_owned())),
    })
}

fn time_within(text: &str, now_unix_nano: i64) -> Option<i64> {
    let text = text.trim_matches(['"', '\'']);
    if text.eq_ignore_ascii_case("now") {
        return Some(now_unix_nano);
    }
    if let Some(back) = text.strip_prefix('-') {
        let digits = back.find(|c: char| !c.is_ascii_digit()).unwrap_or(back.len());
        let seconds = match &back[digits..] {
            "" | "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            _ => return None,
        };
        let count: i64 = back[..digits].parse().ok()?;
        return now_unix_nano.checked_sub(count.checked_mul(seconds * NANOS_PER_SECOND)?);
    }
    if let Ok(number) = text.parse::<i64>() {
        // Seconds have eleven digits for the next three thousand years.
        return if number < 100_000_000_000 { number.checked_mul(NANOS_PER_SECOND) } else { number.checked_mul(1_000_000) };
    }
    i64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let now = 1_795_233_600_000_000_000;
        for (text, expected) in [
            ("now", Some(now)),
            ("-3600s", Some(now - 3_600 * NANOS_PER_SECOND)),
            ("-5m", Some(now - 300 * NANOS_PER_SECOND)),
            ("1795233600", Some(now)),
            ("1795233600000", Some(now)),
            ("2026-11-21T04:00:00Z", Some(now)),
            ("\"2026-11-21T04:00:00Z\"", Some(now)),
            ("-3y", None),
            ("soon", None),
        ] {
            assert_eq!(time_within(text, now), expected, "{text}");
        }
    }
}
