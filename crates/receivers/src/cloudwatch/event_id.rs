//! Ids of events: 56 digits, like AWS's, that also say where an event stands in its stream.
//!
//! `logs tail --follow` asks again from the last millisecond and removes what it has seen by id, so an id must be the same
//! whenever it is asked for. It is made of what a replay of the request knows: the event's time, the request's time of
//! arrival, the place in the request, and a hash. Ids in the order of digits are events in the order they are read.

use std::fmt;

use xxhash_rust::xxh3::Xxh3;

/// Digits of an id.
pub const EVENT_ID_DIGITS: usize = 56;

/// Where the parts begin: 14 digits of milliseconds, 17 of microseconds, 5 of the place, 20 of the hash.
const PARTS: [(usize, usize); 4] = [(0, 14), (14, 31), (31, 36), (36, 56)];

const TIMESTAMP_MS_MAX: u64 = 99_999_999_999_999;
const RECEIVED_AT_US_MAX: u64 = 99_999_999_999_999_999;
const POSITION_MAX: u64 = 99_999;

/// An event's place in the order of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// Milliseconds since 1970 UTC, as the event says.
    pub timestamp_ms: u64,
    /// Microseconds since 1970 UTC.
    pub received_at_us: u64,
    /// Index in its request.
    pub position: u64,
    pub hash: u64,
}

impl EventId {
    pub fn new(
        log_group_name: &str,
        log_stream_name: &str,
        timestamp_ms: i64,
        received_at_unix_nano: i64,
        position: usize,
        message: &str,
    ) -> EventId {
        let mut hash = Xxh3::new();
        for part in [log_group_name, log_stream_name, message] {
            hash.update(part.as_bytes());
            hash.update(&[0]);
        }
        EventId {
            timestamp_ms: clamp(timestamp_ms, TIMESTAMP_MS_MAX),
            received_at_us: clamp(received_at_unix_nano / 1_000, RECEIVED_AT_US_MAX),
            position: (position as u64).min(POSITION_MAX),
            hash: hash.digest(),
        }
    }

    /// The place before every event of that millisecond: where reading begins when there is no event to stand on.
    pub fn before(timestamp_ms: i64) -> EventId {
        EventId { timestamp_ms: clamp(timestamp_ms, TIMESTAMP_MS_MAX), received_at_us: 0, position: 0, hash: 0 }
    }

    /// Reads 56 digits; `None` for anything else.
    pub fn parse(text: &str) -> Option<EventId> {
        if text.len() != EVENT_ID_DIGITS || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let part = |index: usize| text[PARTS[index].0..PARTS[index].1].parse::<u64>().ok();
        Some(EventId { timestamp_ms: part(0)?, received_at_us: part(1)?, position: part(2)?, hash: part(3)? })
    }
}

fn clamp(value: i64, max: u64) -> u64 {
    u64::try_from(value).unwrap_or(0).min(max)
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:014}{:017}{:05}{:020}", self.timestamp_ms, self.received_at_us, self.position, self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_digits_in_reading_order() {
        let id = |timestamp, received, position, message| EventId::new("g", "s", timestamp, received, position, message);
        let first = id(1_795_228_325_959, 1_795_228_326_000_000_000, 0, "plain line");
        assert_eq!(first.to_string(), "01795228325959017952283260000000000017768130645150317609");
        let texts: Vec<String> = [
            first,
            id(1_795_228_325_959, 1_795_228_326_000_000_000, 1, "plain line"),
            id(1_795_228_325_959, 1_795_228_327_000_000_000, 0, "a"),
            id(1_795_228_325_960, 1_795_228_326_000_000_000, 0, "a"),
        ]
        .map(|id| id.to_string())
        .into();
        assert!(texts.is_sorted());
    }

    proptest::proptest! {
        #[test]
        fn ids_read_back(timestamp in 0i64.., received in 0i64.., position in 0usize..200_000, message in "\\PC{0,20}") {
            let id = EventId::new("g", "s", timestamp, received, position, &message);
            proptest::prop_assert_eq!(id.to_string().len(), EVENT_ID_DIGITS);
            proptest::prop_assert_eq!(EventId::parse(&id.to_string()), Some(id));
        }

        #[test]
        fn any_text_is_read_or_not(text in "[0-9]{50,60}|\\PC{0,60}") {
            let _ = EventId::parse(&text);
        }
    }
}
