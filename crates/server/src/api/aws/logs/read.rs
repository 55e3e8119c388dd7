//! GetLogEvents and FilterLogEvents: events read back, filtered by pattern.

use std::collections::HashMap;

use analysis::sensitive::Masks;
use engine::ask::insights::EventSource;
use engine::ask::log_events::{LogEvent, LogEventFilter};
use languages::filter_pattern::{self, Pattern};
use receivers::aws::AwsError;
use receivers::cloudwatch::event_id::EventId;
use receivers::cloudwatch::limits::{EVENTS_LIMIT_MAX, EVENTS_PAGE_BYTES_MAX};
use receivers::cloudwatch::tokens::{Direction, EventsToken, PageToken};
use receivers::cloudwatch::wire;

use super::{Answer, LogsApi, NANOS_PER_MS, aws_error, told, unavailable};

/// Events that one call of FilterLogEvents looks at, where the scan alone cannot say whether the pattern matches. What is
/// behind them is for the next page, as at AWS.
const LOOKED_AT_MAX: usize = 50_000;

impl LogsApi<'_> {
    pub(super) async fn get_log_events(&self) -> Answer {
        let request: wire::GetLogEvents = wire::read(&self.call.body)?;
        let group = request.log_group_name()?;
        let stream = request.log_stream_name.as_deref().unwrap_or_default();
        let source = self.source(group).await?;
        let stream_since = self.stream_since(&source, stream).await?;
        let token = request.next_token.as_deref().map(EventsToken::decode).transpose()?;
        let newest_first = match token {
            Some(token) => token.direction == Direction::Backward,
            None => !request.start_from_head,
        };
        let limit = request.limit.unwrap_or(EVENTS_LIMIT_MAX) as usize;
        let filter = LogEventFilter {
            log_stream_names: vec![stream.to_owned()],
            start_unix_ms: request.start_time,
            end_unix_ms: request.end_time,
            received_from_unix_ms: stream_since / NANOS_PER_MS,
            beyond_event_id: token.map(|token| token.event.to_string()),
            newest_first,
            ..LogEventFilter::of(source)
        };
        let masks = self.masks_asked(group).await?;
        let mut events = self.events(&filter, limit).await?.0;
        mask(&mut events, masks.as_deref());
        if newest_first {
            events.reverse();
        }
        let place = |event: Option<&LogEvent>| {
            let known = event.and_then(|event| EventId::parse(&event.event_id)).or(token.map(|token| token.event));
            known.unwrap_or_else(|| EventId::before(request.start_time.unwrap_or(0)))
        };
        let forward = EventsToken { direction: Direction::Forward, event: place(events.last()) };
        let backward = EventsToken { direction: Direction::Backward, event: place(events.first()) };
        let events = events
            .into_iter()
            .map(|event| wire::OutputLogEvent {
                timestamp: event.timestamp_ms,
                message: event.message,
                ingestion_time: event.received_at_ms,
            })
            .collect();
        let (next_forward_token, next_backward_token) = (forward.encode(), backward.encode());
        told(&wire::GetLogEventsAnswer { events, next_forward_token, next_backward_token })
    }

    pub(super) async fn filter_log_events(&self) -> Answer {
        let request: wire::FilterLogEvents = wire::read(&self.call.body)?;
        let pattern = self.pattern(request.filter_pattern.as_deref())?;
        let group = request.log_group_name()?;
        let source = self.source(group).await?;
        let newest_first = request.start_from_head == Some(false);
        let times = format!("{:?} {:?} {newest_first}", request.start_time, request.end_time);
        let streams = request.log_stream_names.join("\n");
        let prefix = request.log_stream_name_prefix.as_deref().unwrap_or_default();
        let text = request.filter_pattern.as_deref().unwrap_or_default();
        let question = ["FilterLogEvents", group, &times, &streams, prefix, text];
        let token = request.next_token.as_deref().map(|token| PageToken::decode(token, &question)).transpose()?;
        let filter = LogEventFilter {
            log_stream_names: request.log_stream_names.clone(),
            log_stream_name_prefix: request.log_stream_name_prefix.clone(),
            start_unix_ms: request.start_time,
            // Inclusive there, exclusive here.
            end_unix_ms: request.end_time.map(|end| end.saturating_add(1)),
            beyond_event_id: token.map(|token| token.event()).transpose()?.map(|event| event.to_string()),
            newest_first,
            pattern,
            ..LogEventFilter::of(source.clone())
        };
        let limit = request.limit.unwrap_or(EVENTS_LIMIT_MAX) as usize;
        let masks = self.masks_asked(group).await?;
        let (events, next) = self.matching_events(filter, limit, masks.as_deref()).await?;
        let next_token = next.map(|event_id| PageToken::new(event_id, &question).encode());
        let events = self
            .of_living_streams(&source, events)
            .await?
            .into_iter()
            .map(|event| wire::FilteredLogEvent {
                log_stream_name: event.log_stream_name,
                timestamp: event.timestamp_ms,
                message: event.message,
                ingestion_time: event.received_at_ms,
                event_id: event.event_id,
            })
            .collect();
        told(&wire::FilterLogEventsAnswer { events, searched_log_streams: Vec::new(), next_token })
    }

    pub(super) fn pattern(&self, text: Option<&str>) -> Result<Option<Pattern>, AwsError> {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        let parsed = filter_pattern::parse(text).map_err(|error| self.invalid(error.service_message()))?;
        Ok(Some(parsed))
    }

    /// One page of events that match, and the id of the event to go on behind if there may be more.
    async fn matching_events(
        &self,
        mut filter: LogEventFilter,
        limit: usize,
        masks: Option<&Masks>,
    ) -> Result<(Vec<LogEvent>, Option<String>), AwsError> {
        let (mut found, mut looked_at) = (Vec::new(), 0);
        let mut bytes_left = EVENTS_PAGE_BYTES_MAX;
        let pattern = filter.pattern.clone();
        if masks.is_some() {
            // What is masked matches as it is told: what the scan would look for is in the text as it was sent.
            filter.pattern = None;
        }
        let rows = if pattern.is_some() { EVENTS_LIMIT_MAX as usize } else { limit + 1 };
        loop {
            let mut page = self.services.asker.log_events(&filter, rows).await.map_err(unavailable)?;
            mask(&mut page, masks);
            let is_last = page.len() < rows;
            looked_at += page.len();
            for event in page {
                let place = event.event_id.clone();
                if pattern.as_ref().is_none_or(|pattern| pattern.matches(&event.message).is_some()) {
                    if found.len() == limit || (event.message.len() > bytes_left && !found.is_empty()) {
                        return Ok((found, filter.beyond_event_id));
                    }
                    bytes_left = bytes_left.saturating_sub(event.message.len());
                    found.push(event);
                }
                filter.beyond_event_id = Some(place);
            }
            if is_last {
                return Ok((found, None));
            }
            if looked_at >= LOOKED_AT_MAX {
                return Ok((found, filter.beyond_event_id));
            }
        }
    }

    /// One page of events, and whether more follow: at most `limit`, and no more than a megabyte.
    async fn events(&self, filter: &LogEventFilter, limit: usize) -> Result<(Vec<LogEvent>, bool), AwsError> {
        let asked = self.services.asker.log_events(filter, limit + 1).await;
        let mut events = asked.map_err(unavailable)?;
        let mut bytes = 0;
        let fits = |event: &LogEvent| {
            bytes += event.message.len();
            bytes <= EVENTS_PAGE_BYTES_MAX
        };
        let count = events.iter().map(fits).take_while(|fits| *fits).count().max(1).min(limit);
        let more = events.len() > count;
        events.truncate(count);
        Ok((events, more))
    }

    /// Without events of streams that were deleted since.
    async fn of_living_streams(&self, source: &EventSource, events: Vec<LogEvent>) -> Result<Vec<LogEvent>, AwsError> {
        let EventSource::Group { name: group, .. } = source else { return Ok(events) };
        let mut since = HashMap::new();
        let mut living = Vec::with_capacity(events.len());
        for event in events {
            if !since.contains_key(&event.log_stream_name) {
                let found = self.metastore().log_stream(self.project, group, &event.log_stream_name).await;
                let from = found.map_err(aws_error)?.map(|stream| stream.created_at_unix_nano / NANOS_PER_MS);
                since.insert(event.log_stream_name.clone(), from);
            }
            if since[&event.log_stream_name].is_some_and(|from| event.received_at_ms >= from) {
                living.push(event);
            }
        }
        Ok(living)
    }
}

/// Events as they are told.
pub(super) fn mask(events: &mut [LogEvent], masks: Option<&Masks>) {
    let Some(masks) = masks else { return };
    for event in events {
        if let std::borrow::Cow::Owned(masked) = masks.mask(&event.message) {
            event.message = masked;
        }
    }
}
