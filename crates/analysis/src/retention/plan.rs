//! Which window gives up what next, so that the whole fits a budget.
//!
//! What a window has to say is worth less the older it is: at each moment the window with the greatest
//! `age x share of plain units` gives up a level. Left to itself that comes to rest with shares that fall like `1 / age`:
//! the last day whole, the week before at one of eight, the two months before at one of 64. Every doubling of age then
//! gets about the same room.

use super::levels::{Class, LEVEL_MAX, Level, STEP};

/// One window of time as it is now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowState {
    /// Nanoseconds since 1970 UTC; the end is not included.
    pub start: i64,
    pub end: i64,
    pub level: Level,
    pub bytes: u64,
    /// Of the rows it has now, how many are of each class; nothing until it was looked at.
    pub classes: Option<[u64; 4]>,
}

/// Of a window nobody has looked at yet, what each class is taken to be.
const CLASSES_GUESSED: [u64; 4] = [88, 5, 6, 1];

/// What is to be done next: one window to one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub start: i64,
    pub end: i64,
    pub from: Level,
    pub to: Level,
}

/// Bytes that a window will have at a level, as far as one can know before.
pub fn bytes_at(window: &WindowState, level: Level) -> u64 {
    let classes = window.classes.unwrap_or(CLASSES_GUESSED);
    let rows: u64 = classes.iter().sum();
    if rows == 0 {
        return if level == LEVEL_MAX { 0 } else { window.bytes };
    }
    let left: f64 = Class::ALL
        .into_iter()
        .zip(classes)
        .map(|(class, rows)| match window.level.share(class) {
            share if share > 0.0 => rows as f64 * (level.share(class) / share).min(1.0),
            _ => 0.0,
        })
        .sum();
    (window.bytes as f64 * left / rows as f64) as u64
}

/// What each window has to come to so that all together hold at most `target_bytes`, oldest first; windows that stay as
/// they are are left out. Windows that end after `young_from` are left alone: their traces are still coming in.
///
/// `fixed_bytes` is what the budget also has to hold and no window can give up.
pub fn steps(windows: &[WindowState], fixed_bytes: u64, target_bytes: u64, young_from: i64, now: i64) -> Vec<Step> {
    let mut bytes = windows.iter().map(|window| window.bytes).sum::<u64>().saturating_add(fixed_bytes);
    let mut wanted: Vec<Level> = windows.iter().map(|window| window.level).collect();
    let mut offers = Vec::new();
    for (place, window) in windows.iter().enumerate().filter(|(_, window)| window.end <= young_from && window.bytes > 0) {
        let age = now.saturating_sub(window.start).max(1) as f64;
        let mut level = window.level;
        while let Some(next) = level.next() {
            offers.push((age / STEP.powi(i32::from(level.number())), place, level, next));
            level = next;
        }
    }
    // The greatest first; of equals the oldest.
    offers.sort_by(|a, b| b.0.total_cmp(&a.0).then(windows[a.1].start.cmp(&windows[b.1].start)).then(a.2.cmp(&b.2)));
    for (_, place, from, to) in offers {
        if bytes <= target_bytes {
            break;
        }
        let window = &windows[place];
        bytes = bytes.saturating_sub(bytes_at(window, from).saturating_sub(bytes_at(window, to)));
        wanted[place] = to;
    }
    let mut steps: Vec<Step> = windows
        .iter()
        .zip(wanted)
        .filter(|(window, to)| *to != window.level)
        .map(|(window, to)| Step { start: window.start, end: window.end, from: window.level, to })
        .collect();
    steps.sort_by_key(|step| step.start);
    steps
}

/// Neighbours that go from one level to the same other, as one step of at most `span_max` nanoseconds: a whole day's
/// requests say better what is slow and rare than an hour's.
pub fn joined(steps: &[Step], span_max: i64) -> Vec<Step> {
    let mut joined: Vec<Step> = Vec::new();
    for step in steps {
        match joined.last_mut() {
            Some(last)
                if last.end == step.start
                    && (last.from, last.to) == (step.from, step.to)
                    && step.end.saturating_sub(last.start) <= span_max =>
            {
                last.end = step.end;
            }
            _ => joined.push(*step),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000_000;

    fn hours(count: i64) -> Vec<WindowState> {
        let window = |hour| WindowState {
            start: hour * HOUR,
            end: (hour + 1) * HOUR,
            level: Level::WHOLE,
            bytes: 1_000,
            classes: Some([900, 50, 49, 1]),
        };
        (0..count).map(window).collect()
    }

    fn after(windows: &[WindowState], steps: &[Step]) -> Vec<WindowState> {
        let mut windows = windows.to_vec();
        for step in steps {
            for window in windows.iter_mut().filter(|window| (step.start..step.end).contains(&window.start)) {
                let classes = window.classes.unwrap();
                window.bytes = bytes_at(window, step.to);
                let left = |class: Class| {
                    let (was, is) = (window.level.share(class), step.to.share(class));
                    (classes[class as usize] as f64 * if was > 0.0 { is / was } else { 0.0 }) as u64
                };
                window.classes = Some(Class::ALL.map(left));
                window.level = step.to;
            }
        }
        windows
    }

    fn total(windows: &[WindowState]) -> u64 {
        windows.iter().map(|window| window.bytes).sum()
    }

    #[test]
    fn nothing_is_done_within_the_budget() {
        assert_eq!(steps(&hours(10), 0, 10_000, i64::MAX, 10 * HOUR), []);
    }

    #[test]
    fn shares_fall_with_age_and_the_young_stay_whole() {
        let windows = hours(24 * 60);
        let now = 24 * 60 * HOUR;
        let planned = steps(&windows, 0, 400_000, now - HOUR, now);
        let windows = after(&windows, &planned);
        assert!(total(&windows) <= 400_000, "{}", total(&windows));
        assert!(total(&windows) > 390_000, "no more than needed: {}", total(&windows));
        assert!(windows.is_sorted_by(|older, newer| older.level >= newer.level));
        let levels: Vec<usize> = (0..=LEVEL_MAX.number())
            .map(|level| windows.iter().filter(|window| window.level.number() == level).count())
            .collect();
        expect_test::expect!["[150, 1050, 240, 0, 0, 0, 0, 0]"].assert_eq(&format!("{levels:?}"));
    }

    #[test]
    fn a_budget_that_cannot_be_met_takes_all_but_the_young() {
        let windows = hours(5);
        let planned = steps(&windows, 0, 100, 4 * HOUR, 5 * HOUR);
        assert!(planned.iter().all(|step| step.to == LEVEL_MAX));
        assert_eq!(planned.len(), 4);
        assert_eq!(steps(&windows, 1_000_000, 100, 4 * HOUR, 5 * HOUR).len(), 4);
    }

    #[test]
    fn neighbours_are_joined_up_to_a_day() {
        let planned = steps(&hours(48), 0, 1_000, i64::MAX, 48 * HOUR);
        let joined = joined(&planned, 24 * HOUR);
        assert!(joined.len() < planned.len());
        assert!(joined.iter().all(|step| step.end - step.start <= 24 * HOUR));
        assert_eq!(joined.iter().map(|step| step.end - step.start).sum::<i64>(), planned.len() as i64 * HOUR);
    }

    proptest::proptest! {
        #[test]
        fn a_plan_is_enough_as_far_as_it_can_be_and_comes_to_an_end(
            bytes in proptest::collection::vec(0u64..10_000, 1..40), target in 0u64..100_000, fixed in 0u64..1_000,
        ) {
            let mut windows = hours(bytes.len() as i64);
            for (window, bytes) in windows.iter_mut().zip(bytes) {
                window.bytes = bytes;
            }
            let now = windows.len() as i64 * HOUR;
            let planned = steps(&windows, fixed, target, now, now);
            let after = after(&windows, &planned);
            let all_gone = after.iter().all(|window| window.bytes == 0);
            proptest::prop_assert!(total(&after) + fixed <= target + 40 || all_gone);
            proptest::prop_assert!(planned.iter().all(|step| step.to > step.from));
        }
    }
}
