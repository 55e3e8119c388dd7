//! A time range cut into windows of about as many spans each, by what the catalog knows: how many rows each part has, and
//! between which times. Within a part rows are taken to be spread evenly.

use store::TimeRange;

/// Rows between two moments, both included.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    pub min_time: i64,
    pub max_time: i64,
    pub rows: u64,
}

/// Windows that cover `range`, the newest first. The first has about `rows_first` rows, each next one up to four times as many
/// as the one before, none much more than `rows_max`. Their number is bounded by `windows_max`; the last takes the rest.
pub fn windows(stretches: &[Stretch], range: TimeRange, rows_first: u64, rows_max: u64, windows_max: usize) -> Vec<TimeRange> {
    let mut borders: Vec<(i64, f64)> = Vec::with_capacity(stretches.len() * 2);
    for stretch in stretches.iter().filter(|stretch| range.overlaps(stretch.min_time, stretch.max_time)) {
        let length = (i128::from(stretch.max_time) - i128::from(stretch.min_time) + 1) as f64;
        let density = stretch.rows as f64 / length;
        borders.push((stretch.max_time.saturating_add(1), density));
        borders.push((stretch.min_time, -density));
    }
    borders.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
    let (mut rows_wanted, mut rows, mut density) = (rows_first.max(1) as f64, 0.0_f64, 0.0_f64);
    let (mut windows, mut end, mut at) = (Vec::new(), range.end_unix_nano, range.end_unix_nano);
    for (time, change) in borders {
        let time = time.clamp(range.start_unix_nano, range.end_unix_nano);
        while at > time {
            let stretch_rows = density * (i128::from(at) - i128::from(time)) as f64;
            if rows + stretch_rows <= rows_wanted || windows.len() + 1 >= windows_max {
                rows += stretch_rows;
                at = time;
                continue;
            }
            let step = ((rows_wanted - rows) / density).max(1.0) as i64;
            at = at.saturating_sub(step).max(time);
            windows.push(TimeRange { start_unix_nano: at, end_unix_nano: end });
            (end, rows) = (at, 0.0);
            rows_wanted = (rows_wanted * 4.0).min(rows_max as f64);
        }
        density = (density + change).max(0.0);
    }
    if end > range.start_unix_nano {
        windows.push(TimeRange { start_unix_nano: range.start_unix_nano, end_unix_nano: end });
    }
    windows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RANGE: TimeRange = TimeRange { start_unix_nano: 0, end_unix_nano: 1_000 };

    fn cuts(stretches: &[Stretch], rows_first: u64, rows_max: u64) -> Vec<i64> {
        windows(stretches, RANGE, rows_first, rows_max, 100).iter().map(|window| window.start_unix_nano).collect()
    }

    #[test]
    fn windows_have_about_as_many_rows() {
        assert_eq!(cuts(&[], 10, 10), [0]);
        let even = Stretch { min_time: 0, max_time: 999, rows: 1_000 };
        assert_eq!(cuts(&[even], 250, 250), [750, 500, 250, 0]);
        assert_eq!(cuts(&[even], 10, 500), [990, 950, 790, 290, 0]);
        let dense = Stretch { min_time: 900, max_time: 999, rows: 1_000 };
        assert_eq!(cuts(&[even, dense], 550, 550), [950, 900, 350, 0]);
        let moment = Stretch { min_time: 500, max_time: 500, rows: 10_000 };
        assert_eq!(cuts(&[moment], 10, 10), [500, 0]);
    }

    proptest! {
        #[test]
        fn windows_cover_the_range_without_overlap(
            stretches in prop::collection::vec((any::<i64>(), any::<i64>(), 0..10_000_u64), 0..8),
            (start, end) in (any::<i64>(), any::<i64>()),
        ) {
            let range = TimeRange { start_unix_nano: start.min(end), end_unix_nano: start.max(end) };
            let stretches: Vec<Stretch> = stretches
                .into_iter()
                .map(|(one, other, rows)| Stretch { min_time: one.min(other), max_time: one.max(other), rows })
                .collect();
            let windows = windows(&stretches, range, 100, 1_000, 50);
            prop_assert!(windows.len() <= 50);
            let mut end = range.end_unix_nano;
            for window in &windows {
                prop_assert_eq!(window.end_unix_nano, end);
                prop_assert!(window.start_unix_nano < end);
                end = window.start_unix_nano;
            }
            prop_assert!(end == range.start_unix_nano || windows.is_empty());
        }
    }
}
