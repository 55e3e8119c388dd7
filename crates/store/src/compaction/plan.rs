//! Which parts are worth putting together, as a function of the parts and the time.
//!
//! Parts are looked at by the day of their newest row. Within a day, parts of like size are merged when there are
//! [`COMPACTION_FAN`] of them or when they fill a large part, so a row is rewritten two or three times on its way into a part
//! of [`COMPACTED_PART_BYTES`]. When the day is over, what is left of it is merged too, unless that would copy a large part
//! for the sake of a few late rows.

use std::collections::BTreeMap;

use crate::limits::{COMPACTED_PART_BYTES, COMPACTION_FAN, COMPACTION_PARTS_MAX};
use crate::snapshot::Part;

const DAY_NANOS: i64 = 24 * 3600 * 1_000_000_000;

/// How long after its end a day counts as over: senders buffer, and clocks differ.
const SETTLED_AFTER_NANOS: i64 = 30 * 60 * 1_000_000_000;

/// Parts up to this many bytes are of one size.
const SMALL_PART_BYTES: u64 = 64 * 1024;

/// When a part is worth merging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    At {
        now_unix_nano: i64,
    },
    /// All that can be merged is, whatever the time.
    Now,
}

/// The day of a time, counted from 1970.
pub(crate) fn day_of(unix_nano: i64) -> i64 {
    unix_nano.div_euclid(DAY_NANOS)
}

/// The parts of one table that should become one, or several of the full size; nothing when all is well.
pub(crate) fn plan(parts: &[Part], moment: Moment) -> Option<Vec<Part>> {
    let mut days: BTreeMap<i64, Vec<&Part>> = BTreeMap::new();
    for part in parts.iter().filter(|part| part.bytes < COMPACTED_PART_BYTES / 3 * 2 || part.level == 0) {
        days.entry(day_of(part.max_time)).or_default().push(part);
    }
    // The newest day first: it is the one that is asked most.
    days.into_iter().rev().find_map(|(day, parts)| {
        let is_settled = match moment {
            Moment::Now => true,
            Moment::At { now_unix_nano } => {
                now_unix_nano > (day + 1).saturating_mul(DAY_NANOS).saturating_add(SETTLED_AFTER_NANOS)
            }
        };
        of_like_size(&parts).or_else(|| if is_settled { of_a_settled_day(&parts, moment) } else { None })
    })
}

fn of_like_size(parts: &[&Part]) -> Option<Vec<Part>> {
    let mut tiers: BTreeMap<u32, Vec<&Part>> = BTreeMap::new();
    for part in parts {
        tiers.entry((part.bytes / SMALL_PART_BYTES).max(1).ilog(COMPACTION_FAN as u64)).or_default().push(part);
    }
    tiers.into_values().find_map(|parts| {
        let bytes: u64 = parts.iter().map(|part| part.bytes).sum();
        let enough = parts.len() >= COMPACTION_FAN || (parts.len() > 1 && bytes >= COMPACTED_PART_BYTES);
        if enough { Some(oldest(&parts)) } else { None }
    })
}

fn of_a_settled_day(parts: &[&Part], moment: Moment) -> Option<Vec<Part>> {
    let mut parts = parts.to_vec();
    if moment != Moment::Now {
        // A large part is left out when there is little to add to it.
        parts.sort_by_key(|part| part.bytes);
        let mut smaller: u64 = parts.iter().map(|part| part.bytes).sum();
        while let Some(largest) = parts.last() {
            smaller -= largest.bytes;
            if largest.level == 0 || largest.bytes <= smaller.saturating_mul(COMPACTION_FAN as u64) {
                break;
            }
            parts.pop();
        }
        parts.sort_by_key(|part| (part.min_time, part.id));
    }
    // A fresh part is worth being rewritten alone: it is a good deal smaller afterwards.
    if parts.len() > 1 || parts.first().is_some_and(|part| part.level == 0) { Some(oldest(&parts)) } else { None }
}

/// As many of the oldest as fill a large part. They are in order of their oldest rows.
fn oldest(parts: &[&Part]) -> Vec<Part> {
    let mut bytes = 0;
    let fitting = parts.iter().enumerate().take_while(|(place, part)| {
        bytes += part.bytes;
        *place < 2 || (*place < COMPACTION_PARTS_MAX && bytes <= COMPACTED_PART_BYTES / 4 * 5)
    });
    fitting.map(|(_, part)| (*part).clone()).collect()
}

#[cfg(test)]
mod tests {
    use model::Signal;

    use super::*;
    use crate::snapshot::PartInfo;

    const MEGABYTE: u64 = 1024 * 1024;
    const HOUR: i64 = DAY_NANOS / 24;

    fn part(id: u64, hour: i64, bytes: u64, level: u8) -> Part {
        Part::from(PartInfo {
            id,
            project: "default".into(),
            signal: Signal::Spans,
            path: object_store::path::Path::from(id.to_string()),
            rows: 10,
            bytes,
            sidecar_bytes: 0,
            min_time: hour * HOUR,
            max_time: hour * HOUR + HOUR / 2,
            level,
        })
    }

    fn planned(parts: &[Part], hour: i64) -> Vec<u64> {
        let moment = Moment::At { now_unix_nano: hour * HOUR };
        plan(parts, moment).unwrap_or_default().iter().map(|part| part.id).collect()
    }

    #[test]
    fn parts_of_like_size_are_merged_when_there_are_enough() {
        let fan = COMPACTION_FAN as u64;
        let few: Vec<Part> = (0..fan - 1).map(|id| part(id, 0, 9 * MEGABYTE, 0)).collect();
        assert!(planned(&few, 1).is_empty());
        let enough: Vec<Part> = (0..fan).map(|id| part(id, 0, 9 * MEGABYTE, 0)).chain([part(99, 0, 100 * MEGABYTE, 1)]).collect();
        assert_eq!(planned(&enough, 1), (0..fan).collect::<Vec<_>>());
        // Three of a hundred megabytes fill a large part.
        let large: Vec<Part> = (0..3).map(|id| part(id, 0, 100 * MEGABYTE, 1)).collect();
        assert_eq!(planned(&large, 1), [0, 1, 2]);
        // A part that is large enough is done.
        let done: Vec<Part> = (0..30).map(|id| part(id, 0, 200 * MEGABYTE, 2)).collect();
        assert_eq!((planned(&done, 1), planned(&done, 1_000)), (Vec::new(), Vec::new()));
    }

    #[test]
    fn what_is_left_of_a_day_is_merged_when_it_is_over() {
        let parts =
            [part(1, 0, 90 * MEGABYTE, 2), part(2, 5, 9 * MEGABYTE, 1), part(3, 6, MEGABYTE, 0), part(4, 30, MEGABYTE, 0)];
        assert!(planned(&parts, 24).is_empty());
        assert_eq!(planned(&parts, 25), [1, 2, 3]);
        // A few late rows are not worth copying the large part, only themselves.
        let late = [part(1, 0, 90 * MEGABYTE, 2), part(2, 5, 8_000, 0), part(3, 6, 9_000, 0)];
        assert_eq!(planned(&late, 25), [2, 3]);
        assert!(planned(&[part(1, 0, 90 * MEGABYTE, 2), part(2, 5, 8_000, 1)], 25).is_empty());
        // One fresh part alone is made smaller, once.
        assert_eq!(planned(&[part(1, 0, MEGABYTE, 0)], 25), [1]);
        assert!(planned(&[part(1, 0, MEGABYTE, 1)], 25).is_empty());
    }

    proptest::proptest! {
        /// Whatever the sizes, merging comes to an end, and no part is rewritten often.
        #[test]
        fn merging_ends(sizes in proptest::collection::vec(1_000u64..40_000_000, 1..200), hours in 0i64..200) {
            let mut parts: Vec<Part> =
                (0..).zip(&sizes).map(|(id, bytes)| part(id, id as i64 % (hours + 1), *bytes, 0)).collect();
            parts.sort_by_key(|part| (part.min_time, part.id));
            let mut rewritten = 0;
            let total: u64 = sizes.iter().sum();
            for round in 0.. {
                let Some(merged) = plan(&parts, Moment::At { now_unix_nano: 1_000 * HOUR }) else { break };
                proptest::prop_assert!(round < 400);
                let bytes: u64 = merged.iter().map(|part| part.bytes).sum();
                rewritten += bytes;
                parts.retain(|part| !merged.contains(part));
                let level = merged.iter().map(|part| part.level).max().unwrap() + 1;
                parts.push(part(1_000 + round, merged[0].min_time / HOUR, bytes, level));
                parts.sort_by_key(|part| (part.min_time, part.id));
            }
            proptest::prop_assert!(rewritten <= total * 6, "{} times", rewritten / total);
        }
    }
}
