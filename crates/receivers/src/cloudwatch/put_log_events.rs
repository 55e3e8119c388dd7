//! PutLogEvents: what is asked, and which of its events are let in.
//!
//! The server asks [`parse`] and [`admit`] before it looks for the group and the stream; translation asks them again,
//! with the time of arrival for now, so that a replay comes to the same answer.
//!
//! Spec: docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{IgnoredAny, SeqAccess, Visitor};

use super::names::{constraint, missing, validate_log_group_name, validate_log_stream_name};
use crate::aws::{AwsError, read_object};
use crate::json::sound_text;

/// Events in one call.
pub const EVENTS_PER_CALL_MAX: usize = 10_000;

/// Bytes of all messages in UTF-8, with [`EVENT_OVERHEAD_BYTES`] each.
pub const BATCH_BYTES_MAX: usize = 1_048_576;

/// Bytes of one message with its overhead. It was 262,144 until 2025.
pub const EVENT_BYTES_MAX: usize = 1_048_576;

/// What AWS counts for each event beside its message.
pub const EVENT_OVERHEAD_BYTES: usize = 26;

/// Largest body: a full batch in which every byte is escaped as `\u0000`, and its names and timestamps.
pub const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Longest time between the first and the last event that are let in.
pub const SPREAD_MS_MAX: i64 = 24 * HOUR_MS;

/// An event further ahead of the clock is too new.
pub const AHEAD_MS_MAX: i64 = 2 * HOUR_MS;

/// An event further back is too old, however long its group is kept.
pub const AGE_MS_MAX: i64 = 14 * DAY_MS;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A PutLogEvents request. Sequence tokens are not read: they have had no meaning since 2023.
#[derive(Clone, Debug)]
pub struct PutLogEvents<'a> {
    pub log_group_name: Cow<'a, str>,
    pub log_stream_name: Cow<'a, str>,
    /// At most [`EVENTS_PER_CALL_MAX`]; a longer list is refused by [`admit`] for its length.
    pub log_events: Vec<InputLogEvent<'a>>,
    /// How many events were sent.
    pub log_events_count: usize,
    pub entity: Entity,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputLogEvent<'a> {
    /// Milliseconds since 1970 UTC.
    pub timestamp: i64,
    pub message: Cow<'a, str>,
}

/// Who the logs are of.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Entity {
    pub key_attributes: BTreeMap<String, String>,
    pub attributes: BTreeMap<String, String>,
}

/// Which events are let in; the indexes of the others in AWS's own terms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    pub accepted: Range<usize>,
    /// The first event that is too new; inclusive.
    pub too_new_log_event_start_index: Option<usize>,
    /// Behind the last event that is older than 14 days; exclusive.
    pub too_old_log_event_end_index: Option<usize>,
    /// Behind the last event that is older than the group's retention; exclusive.
    pub expired_log_event_end_index: Option<usize>,
}

/// Reads a body. Unknown members are passed over; half a surrogate pair, which JavaScript leaves where it cuts a text, is
/// replaced.
///
/// Refuses: what is not JSON of the right types, as SerializationException; missing members, as AWS words it.
pub fn parse(body: &[u8]) -> Result<PutLogEvents<'_>, AwsError> {
    match read_object(body) {
        Ok(wire) => request(wire),
        Err(_) => {
            let sound = sound_text(body);
            let wire = read_object(sound.as_bytes()).map_err(|error| AwsError::new("SerializationException", error))?;
            request(wire).map(PutLogEvents::into_owned)
        }
    }
}

impl PutLogEvents<'_> {
    fn into_owned(self) -> PutLogEvents<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let event = |event: InputLogEvent<'_>| InputLogEvent { timestamp: event.timestamp, message: owned(event.message) };
        PutLogEvents {
            log_group_name: owned(self.log_group_name),
            log_stream_name: owned(self.log_stream_name),
            log_events: self.log_events.into_iter().map(event).collect(),
            log_events_count: self.log_events_count,
            entity: self.entity,
        }
    }
}

fn request(wire: Wire<'_>) -> Result<PutLogEvents<'_>, AwsError> {
    let log_events = wire.log_events.ok_or_else(|| missing("logEvents"))?;
    Ok(PutLogEvents {
        log_group_name: wire.log_group_name.ok_or_else(|| missing("logGroupName"))?.0,
        log_stream_name: wire.log_stream_name.ok_or_else(|| missing("logStreamName"))?.0,
        log_events_count: log_events.count,
        log_events: log_events.kept.into_iter().enumerate().map(input_log_event).collect::<Result<_, _>>()?,
        entity: wire.entity.unwrap_or_default(),
    })
}

/// Decides which events are let in. `retention_days` is the group's, `None` for one that keeps for ever.
///
/// Refuses, as InvalidParameterException and without letting anything in: names AWS does not allow; no events or more than
/// [`EVENTS_PER_CALL_MAX`]; an empty message or a time before 1970; an event or a batch that is too large; events that are
/// not in the order of time; accepted events that span more than 24 hours.
pub fn admit(request: &PutLogEvents<'_>, now_unix_ms: i64, retention_days: Option<u32>) -> Result<Admission, AwsError> {
    validate_log_group_name("logGroupName", &request.log_group_name)?;
    validate_log_stream_name("logStreamName", &request.log_stream_name)?;
    validate_events(request)?;
    validate_sizes(&request.log_events)?;
    validate_order(&request.log_events)?;
    let admission = admission(&request.log_events, now_unix_ms, retention_days);
    validate_spread(&request.log_events[admission.accepted.clone()])?;
    Ok(admission)
}

impl Admission {
    /// What is let in of a request that [`admit`] found in order, now that the retention of its group is known.
    pub fn of(request: &PutLogEvents<'_>, now_unix_ms: i64, retention_days: Option<u32>) -> Admission {
        admission(&request.log_events, now_unix_ms, retention_days)
    }
}

fn validate_events(request: &PutLogEvents<'_>) -> Result<(), AwsError> {
    let length = |rule: &str| {
        let value = format!("[{} events]", request.log_events_count);
        constraint("logEvents", &value, &format!("Member must have length {rule}"))
    };
    if request.log_events_count == 0 {
        return Err(length("greater than or equal to 1"));
    }
    if request.log_events_count > EVENTS_PER_CALL_MAX {
        return Err(length(&format!("less than or equal to {EVENTS_PER_CALL_MAX}")));
    }
    for (index, event) in request.log_events.iter().enumerate() {
        let member = |name: &str| format!("logEvents.{}.member.{name}", index + 1);
        if event.message.is_empty() {
            return Err(constraint(&member("message"), "", "Member must have length greater than or equal to 1"));
        }
        if event.timestamp < 0 {
            let value = event.timestamp.to_string();
            return Err(constraint(&member("timestamp"), &value, "Member must have value greater than or equal to 0"));
        }
    }
    Ok(())
}

fn validate_sizes(events: &[InputLogEvent<'_>]) -> Result<(), AwsError> {
    let sizes = || events.iter().map(|event| event.message.len() + EVENT_OVERHEAD_BYTES);
    if let Some(bytes) = sizes().find(|bytes| *bytes > EVENT_BYTES_MAX) {
        return Err(invalid(format!("Log event too large: {bytes} bytes exceeds limit of {EVENT_BYTES_MAX}")));
    }
    match sizes().sum::<usize>() {
        bytes if bytes > BATCH_BYTES_MAX => {
            Err(invalid(format!("Upload too large: {bytes} bytes exceeds limit of {BATCH_BYTES_MAX}")))
        }
        _ => Ok(()),
    }
}

fn validate_order(events: &[InputLogEvent<'_>]) -> Result<(), AwsError> {
    if events.is_sorted_by_key(|event| event.timestamp) {
        return Ok(());
    }
    Err(invalid("Log events in a single PutLogEvents request must be in chronological order."))
}

fn validate_spread(accepted: &[InputLogEvent<'_>]) -> Result<(), AwsError> {
    match (accepted.first(), accepted.last()) {
        (Some(first), Some(last)) if last.timestamp - first.timestamp > SPREAD_MS_MAX => {
            Err(invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours."))
        }
        _ => Ok(()),
    }
}

/// Events are in order, so each reason cuts a piece off one of the ends.
fn admission(events: &[InputLogEvent<'_>], now_unix_ms: i64, retention_days: Option<u32>) -> Admission {
    let before = |unix_ms: i64| events.partition_point(|event| event.timestamp < unix_ms);
    let too_old = before(now_unix_ms.saturating_sub(AGE_MS_MAX));
    let kept_ms = retention_days.map(|days| i64::from(days) * DAY_MS);
    let expired = kept_ms.map_or(0, |kept_ms| before(now_unix_ms.saturating_sub(kept_ms)));
    let too_new = before(now_unix_ms.saturating_add(AHEAD_MS_MAX).saturating_add(1));
    let start = too_old.max(expired);
    Admission {
        accepted: start..too_new.max(start),
        too_new_log_event_start_index: (too_new < events.len()).then_some(too_new),
        too_old_log_event_end_index: (too_old > 0).then_some(too_old),
        expired_log_event_end_index: (expired > too_old).then_some(expired),
    }
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}

/// The request as serde reads it: every member may be missing, so that its absence can be told in AWS's words.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    log_group_name: Option<Text<'a>>,
    #[serde(borrow)]
    log_stream_name: Option<Text<'a>>,
    #[serde(borrow)]
    log_events: Option<WireEvents<'a>>,
    entity: Option<Entity>,
}

/// Borrowed where the JSON has no escapes; serde does not borrow inside an `Option` by itself.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct WireEvent<'a> {
    timestamp: Option<serde_json::Number>,
    #[serde(borrow)]
    message: Option<Text<'a>>,
}

fn input_log_event((index, event): (usize, WireEvent<'_>)) -> Result<InputLogEvent<'_>, AwsError> {
    let member = |name: &str| missing(&format!("logEvents.{}.member.{name}", index + 1));
    let timestamp = event.timestamp.ok_or_else(|| member("timestamp"))?;
    // Some clients write milliseconds as a float; AWS drops the fraction.
    let timestamp = timestamp.as_i64().or_else(|| timestamp.as_f64().map(|ms| ms as i64)).unwrap_or(i64::MAX);
    Ok(InputLogEvent { timestamp, message: event.message.ok_or_else(|| member("message"))?.0 })
}

/// The first events of a list, and how many there were: a list of millions is counted, not kept.
struct WireEvents<'a> {
    kept: Vec<WireEvent<'a>>,
    count: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for WireEvents<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<WireEvents<'a>, D::Error> {
        struct Events;
        impl<'de> Visitor<'de> for Events {
            type Value = WireEvents<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of log events")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<WireEvents<'de>, A::Error> {
                let mut kept = Vec::new();
                while kept.len() < EVENTS_PER_CALL_MAX
                    && let Some(event) = list.next_element()?
                {
                    kept.push(event);
                }
                let mut count = kept.len();
                while kept.len() == EVENTS_PER_CALL_MAX && list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(WireEvents { kept, count })
            }
        }
        deserializer.deserialize_seq(Events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_228_326_000;

    fn request(events: &[(i64, &str)]) -> Vec<u8> {
        let events: Vec<_> =
            events.iter().map(|(timestamp, message)| serde_json::json!({"timestamp": timestamp, "message": message})).collect();
        serde_json::json!({"logGroupName": "/app/web", "logStreamName": "web/1", "logEvents": events}).to_string().into_bytes()
    }

    fn ask(events: &[(i64, &str)], retention_days: Option<u32>) -> Result<Admission, String> {
        let body = request(events);
        let request = parse(&body).map_err(|error| error.to_string())?;
        admit(&request, NOW, retention_days).map_err(|error| error.to_string())
    }

    fn times(times: &[i64], retention_days: Option<u32>) -> Result<Admission, String> {
        ask(&times.iter().map(|time| (*time, "line")).collect::<Vec<_>>(), retention_days)
    }

    #[track_caller]
    fn refused<T: fmt::Debug>(result: Result<T, String>, expected: &str) {
        assert_eq!(result.unwrap_err(), expected);
    }

    #[test]
    fn whole_requests_are_refused_in_aws_words() {
        let order = "Log events in a single PutLogEvents request must be in chronological order.";
        refused(times(&[NOW, NOW - 1], None), &format!("InvalidParameterException: {order}"));
        let span = "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.";
        refused(times(&[NOW - SPREAD_MS_MAX - 1, NOW], None), &format!("InvalidParameterException: {span}"));
        assert!(times(&[NOW - SPREAD_MS_MAX, NOW], None).is_ok());
        let detected = "InvalidParameterException: 1 validation error detected:";
        refused(
            ask(&[], None),
            &format!(
                "{detected} Value '[0 events]' at 'logEvents' failed to satisfy constraint: \
                 Member must have length greater than or equal to 1"
            ),
        );
        refused(
            ask(&vec![(NOW, "x"); EVENTS_PER_CALL_MAX + 1], None),
            &format!(
                "{detected} Value '[10001 events]' at 'logEvents' failed to satisfy constraint: \
                 Member must have length less than or equal to 10000"
            ),
        );
        assert_eq!(ask(&vec![(NOW, "x"); EVENTS_PER_CALL_MAX], None).unwrap().accepted, 0..10_000);
        refused(
            ask(&[(NOW, "x"), (NOW, "")], None),
            &format!(
                "{detected} Value '' at 'logEvents.2.member.message' failed to satisfy constraint: \
                 Member must have length greater than or equal to 1"
            ),
        );
        refused(
            times(&[-1, NOW], None),
            &format!(
                "{detected} Value '-1' at 'logEvents.1.member.timestamp' failed to satisfy constraint: \
                 Member must have value greater than or equal to 0"
            ),
        );
    }

    #[test]
    fn sizes_count_utf8_and_26_bytes_each() {
        let full = "x".repeat(EVENT_BYTES_MAX - EVENT_OVERHEAD_BYTES);
        assert!(ask(&[(NOW, &full)], None).is_ok());
        refused(
            ask(&[(NOW, &format!("{full}x"))], None),
            "InvalidParameterException: Log event too large: 1048577 bytes exceeds limit of 1048576",
        );
        let half = "x".repeat(BATCH_BYTES_MAX / 2 - EVENT_OVERHEAD_BYTES);
        assert!(ask(&[(NOW, &half), (NOW, &half)], None).is_ok());
        refused(
            ask(&[(NOW, &half), (NOW, &half), (NOW, "☃")], None),
            "InvalidParameterException: Upload too large: 1048605 bytes exceeds limit of 1048576",
        );
    }

    #[test]
    fn events_out_of_time_are_skipped_and_told() {
        let fine = Admission { accepted: 0..2, ..Admission::default() };
        assert_eq!(times(&[NOW, NOW + AHEAD_MS_MAX], None), Ok(fine.clone()));
        assert_eq!(times(&[NOW - AGE_MS_MAX, NOW - AGE_MS_MAX], None), Ok(fine.clone()));
        assert_eq!(times(&[NOW - DAY_MS, NOW], Some(1)), Ok(fine));
        // Too new is inclusive.
        let too_new = Admission { accepted: 0..1, too_new_log_event_start_index: Some(1), ..Admission::default() };
        assert_eq!(times(&[NOW, NOW + AHEAD_MS_MAX + 1], None), Ok(too_new));
        // Too old and expired are exclusive; the spread is of the accepted alone.
        let too_old = Admission { accepted: 1..2, too_old_log_event_end_index: Some(1), ..Admission::default() };
        assert_eq!(times(&[NOW - AGE_MS_MAX - 1, NOW], None), Ok(too_old.clone()));
        assert_eq!(times(&[NOW - AGE_MS_MAX - 1, NOW], Some(30)), Ok(too_old.clone()));
        assert_eq!(times(&[NOW - AGE_MS_MAX - 1, NOW], Some(7)), Ok(too_old));
        let all = Admission {
            accepted: 2..3,
            too_new_log_event_start_index: Some(3),
            too_old_log_event_end_index: Some(1),
            expired_log_event_end_index: Some(2),
        };
        assert_eq!(times(&[0, NOW - 7 * DAY_MS - 1, NOW, NOW + DAY_MS], Some(7)), Ok(all));
        let none = Admission { accepted: 1..1, too_old_log_event_end_index: Some(1), ..Admission::default() };
        assert_eq!(times(&[0], None), Ok(none));
        let none = Admission { accepted: 0..0, too_new_log_event_start_index: Some(0), ..Admission::default() };
        assert_eq!(times(&[i64::MAX], None), Ok(none));
    }

    #[test]
    fn tokens_and_unknown_members_are_passed_over() {
        let body = br#"{"logGroupName": "g", "logStreamName": "s", "sequenceToken": null, "new": {"a": [1]},
            "logEvents": [{"timestamp": 1795228326000.7, "message": "a\u2603", "ingestion": 1}],
            "entity": {"keyAttributes": {"Type": "Service", "Name": "shop"}}}"#;
        let request = parse(body).unwrap();
        assert_eq!(request.log_events, [InputLogEvent { timestamp: NOW, message: "a☃".into() }]);
        assert_eq!(request.entity.key_attributes["Name"], "shop");
    }

    #[test]
    fn broken_text_is_mended() {
        let body = br#"{"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": 1, "message": "cut \ud83d"}]}"#;
        assert_eq!(parse(body).unwrap().log_events[0].message, "cut \u{fffd}");
    }

    #[test]
    fn names_and_missing_members_are_refused() {
        let check = |body: &str, expected: &str| {
            let result = parse(body.as_bytes()).and_then(|request| admit(&request, NOW, None));
            assert!(result.as_ref().unwrap_err().to_string().contains(expected), "{body}: {result:?}");
        };
        let events = r#""logEvents": [{"timestamp": 1795228326000, "message": "m"}]"#;
        check("{}", "Value null at 'logEvents' failed to satisfy constraint: Member must not be null");
        check(&format!(r#"{{"logStreamName": "s", {events}}}"#), "Value null at 'logGroupName'");
        check(&format!(r#"{{"logGroupName": "g", {events}}}"#), "Value null at 'logStreamName'");
        check(&format!(r#"{{"logGroupName": "a b", "logStreamName": "s", {events}}}"#), r"pattern: [\.\-_/#A-Za-z0-9]+");
        check(&format!(r#"{{"logGroupName": "g", "logStreamName": "a:b", {events}}}"#), "pattern: [^:*]*");
        check(
            r#"{"logGroupName": "g", "logStreamName": "s", "logEvents": [{"message": "m"}]}"#,
            "'logEvents.1.member.timestamp'",
        );
        check(r#"{"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": 1}]}"#, "'logEvents.1.member.message'");
    }

    #[test]
    fn hostile_bodies_are_serialization_errors() {
        let deep = format!(r#"{{"x": {}"#, "[".repeat(1_000_000));
        let huge = format!(r#"{{"logGroupName": "g", "logStreamName": "s", "logEvents": [{}{{}}]}}"#, "{},".repeat(2_000_000));
        for body in [
            &b""[..],
            b"{",
            b"null",
            b"[]",
            br#"["g", "s", [[1, "m"]], null]"#,
            br#"{"logEvents": [{"timestamp": "1", "message": "m"}]}"#,
            br#"{"logEvents": {}}"#,
            deep.as_bytes(),
        ] {
            assert_eq!(parse(body).unwrap_err().name, "SerializationException", "{:?}", String::from_utf8_lossy(body));
        }
        assert!(parse(huge.as_bytes()).unwrap_err().message.contains("logEvents.1.member.timestamp"));
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_an_answer(bytes in proptest::collection::vec(0u8.., 0..300)) {
            if let Ok(request) = parse(&bytes) {
                let _ = admit(&request, NOW, Some(1));
            }
        }

        #[test]
        fn what_is_let_in_is_within_the_rules(mut times in proptest::collection::vec(0i64.., 1..20), now in 0i64.., days in 0u32..) {
            times.sort_unstable();
            let body = request(&times.iter().map(|time| (*time, "m")).collect::<Vec<_>>());
            let request = parse(&body).unwrap();
            if let Ok(admission) = admit(&request, now, Some(days)) {
                for event in &request.log_events[admission.accepted] {
                    proptest::prop_assert!(event.timestamp.saturating_sub(now) <= AHEAD_MS_MAX);
                    proptest::prop_assert!(now.saturating_sub(event.timestamp) <= AGE_MS_MAX);
                }
            }
        }
    }
}
