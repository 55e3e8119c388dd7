//! A made-up hour, judged and thinned: what is kept whole is whole, and what is thinned still counts right.

use std::collections::BTreeMap;

use super::*;

const HOUR: i64 = 3_600_000_000_000;
const WINDOW: Window = Window { start: 0, end: HOUR, spread: HOUR / 60 };

/// A repeatable source of numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) % below
    }
}

#[derive(Clone, Debug)]
struct Row {
    trace: u64,
    linked: Option<u64>,
    time: i64,
    service: String,
    route: Option<String>,
    duration_ns: i64,
    is_error: bool,
    weight: f64,
    share: f64,
}

impl Row {
    fn facts(&self) -> SpanFacts<'_> {
        SpanFacts {
            time: self.time,
            trace: key(self.trace),
            linked: self.linked.map(key),
            service: &self.service,
            route: self.route.as_deref(),
            duration_ns: self.duration_ns,
            is_error: self.is_error,
            weight: self.weight,
        }
    }
}

fn key(trace: u64) -> TraceKey {
    let mut id = [1; 16];
    id[..8].copy_from_slice(&trace.to_le_bytes());
    TraceKey::new(&id)
}

/// Traces of four spans over ten services and fifty routes; 1 % fail, a route is asked twice only.
fn hour(traces: u64) -> Vec<Row> {
    let mut dice = Dice(17);
    let mut rows = Vec::new();
    for trace in 0..traces {
        let start = dice.roll(HOUR as u64) as i64;
        let service = dice.roll(10).min(dice.roll(10));
        let route = if trace % (traces / 2) == 7 { "/rare".to_owned() } else { format!("/r{}", dice.roll(5)) };
        let is_error = dice.roll(100) == 0;
        let slowness = if dice.roll(200) == 0 { 100 } else { 1 };
        for span in 0..4 {
            rows.push(Row {
                trace,
                linked: None,
                time: start + span,
                service: format!("s{service}"),
                route: (span == 0).then(|| route.clone()),
                duration_ns: slowness * (1_000_000 + dice.roll(2_000_000) as i64),
                is_error: is_error && span == 2,
                weight: 1.0,
                share: 1.0,
            });
        }
    }
    rows
}

fn verdicts(rows: &[Row], window: Window, pins: &Pins) -> Verdicts {
    let mut survey = Survey::default();
    rows.iter().for_each(|row| survey.span(&row.facts()));
    let mut judge = survey.judge(window, pins);
    rows.iter().for_each(|row| judge.span(&row.facts()));
    judge.verdicts()
}

fn thinned(rows: &[Row], window: Window, level: u8, pins: &Pins) -> Vec<Row> {
    let verdicts = verdicts(rows, window, pins);
    assert!(!verdicts.overflowed());
    let fate = |row: &Row| match verdicts.of_trace(row.time, key(row.trace), row.share, Level::new(level)) {
        None | Some((_, Fate::Stays)) => Some(row.clone()),
        Some((_, Fate::Stands { share, factor })) => Some(Row { share, weight: row.weight * factor, ..row.clone() }),
        Some((_, Fate::Goes)) => None,
    };
    rows.iter().filter_map(fate).collect()
}

fn traces_of(rows: &[Row]) -> BTreeMap<u64, usize> {
    let mut traces = BTreeMap::new();
    for row in rows {
        *traces.entry(row.trace).or_default() += 1;
    }
    traces
}

fn weights(rows: &[Row], name: impl Fn(&Row) -> String) -> BTreeMap<String, f64> {
    let mut weights = BTreeMap::new();
    for row in rows {
        *weights.entry(name(row)).or_default() += row.weight;
    }
    weights
}

#[test]
fn errors_slow_and_rare_requests_are_whole_and_the_rest_is_one_of_eight() {
    let rows = hour(20_000);
    let kept = thinned(&rows, WINDOW, 1, &Pins::default());
    let (before, after) = (traces_of(&rows), traces_of(&kept));
    assert!(after.iter().all(|(trace, spans)| before[trace] == *spans), "a trace is whole or gone");
    let mut routes: BTreeMap<(&str, &str), Vec<(i64, u64)>> = BTreeMap::new();
    for row in &rows {
        let is_rare = row.route.as_deref() == Some("/rare");
        assert!(!(row.is_error || is_rare) || after.contains_key(&row.trace), "{row:?}");
        if let Some(route) = row.route.as_deref().filter(|_| !is_rare) {
            routes.entry((&row.service, route)).or_default().push((row.duration_ns, row.trace));
        }
    }
    let mut told_apart = 0;
    for (route, requests) in routes {
        // Outliers are kept where they are few enough to be the slowest percent.
        let slow: Vec<_> = requests.iter().filter(|(duration, _)| *duration > 50_000_000).collect();
        if slow.len() <= requests.len() / 100 {
            told_apart += slow.len();
            assert!(slow.iter().all(|(_, trace)| after.contains_key(trace)), "the slowest of {route:?}");
        }
    }
    assert!(told_apart > 50, "{told_apart}");
    let share = after.len() as f64 / before.len() as f64;
    assert!((0.13..0.17).contains(&share), "{share} of the traces are left");
    // What was kept for its class stands for itself.
    assert!(kept.iter().filter(|row| row.is_error).all(|row| row.weight == 1.0));
    assert!(kept.iter().all(|row| row.weight == 1.0 || row.weight == 8.0));
}

#[test]
fn weighted_counts_stay_right_however_often_a_window_is_thinned() {
    let rows = hour(50_000);
    let mut left = rows.clone();
    for level in 1..=2 {
        left = thinned(&left, WINDOW, level, &Pins::default());
        let of = f64::from(Level::new(level).kept_one_of(Class::Plain));
        // Errors are exact; a trace has one failed span here.
        let errors = |rows: &[Row]| rows.iter().filter(|row| row.is_error).map(|row| row.weight).sum::<f64>();
        assert_eq!(errors(&left), errors(&rows));
        let roots = |rows: &[Row]| rows.iter().filter(|row| row.route.is_some()).cloned().collect::<Vec<_>>();
        for name in [|row: &Row| row.service.clone(), |row: &Row| format!("{} {:?}", row.service, row.route)] {
            let (before, after) = (weights(&roots(&rows), name), weights(&roots(&left), name));
            for (group, count) in before {
                let estimate = after.get(&group).copied().unwrap_or(0.0);
                // Four standard deviations of a sum of `count` draws, each `of` with chance 1 / `of`.
                let bound = 4.0 * (count * (of - 1.0)).sqrt();
                assert!((estimate - count).abs() <= bound, "{group}: {estimate} for {count}, more than {bound} off");
            }
        }
    }
}

/// Over many draws the mean is the truth: no draw is favoured. The seed of a draw is the range of ids.
#[test]
fn weighted_counts_have_no_bias() {
    const DRAWS: u64 = 400;
    const TRACES: u64 = 100;
    let mut sum = 0.0;
    for draw in 0..DRAWS {
        for trace in 0..TRACES {
            let lot = key(draw * TRACES + trace).lot();
            let mut weight = 1.0;
            let mut share = 1.0;
            for wanted in [1.0 / 8.0, 1.0 / 64.0] {
                match fate(lot, share, wanted) {
                    Fate::Stands { share: left, factor } => (share, weight) = (left, weight * factor),
                    Fate::Goes => weight = 0.0,
                    Fate::Stays => {}
                }
                if weight == 0.0 {
                    break;
                }
            }
            sum += weight;
        }
    }
    let mean = sum / DRAWS as f64;
    let deviation = (63.0 * TRACES as f64 / DRAWS as f64).sqrt();
    assert!((mean - TRACES as f64).abs() < 3.0 * deviation, "{mean} on average for {TRACES}");
}

#[test]
fn a_trace_that_changes_class_still_counts_right() {
    // Kept as slow at first, then plain because the window got slower: it is thinned from the whole, not from an eighth.
    let lots = (0..40_000).map(|trace| key(trace).lot());
    let left: f64 = lots
        .filter_map(|lot| match fate(lot, 1.0, 1.0) {
            Fate::Stays => match fate(lot, 1.0, 1.0 / 64.0) {
                Fate::Stands { factor, .. } => Some(factor),
                _ => None,
            },
            _ => None,
        })
        .sum();
    assert!((left - 40_000.0).abs() < 4.0 * (40_000.0f64 * 63.0).sqrt(), "{left}");
}

#[test]
fn linked_traces_live_or_die_together() {
    let mut rows = hour(4_000);
    let halves: Vec<Row> = rows
        .iter()
        .filter(|row| row.route.is_some() && row.trace % 2 == 0)
        .map(|row| Row { trace: row.trace + 1_000_000, route: None, is_error: false, ..row.clone() })
        .collect();
    for row in rows.iter_mut().filter(|row| row.route.is_some() && row.trace % 2 == 0) {
        row.linked = Some(row.trace + 1_000_000);
    }
    rows.extend(halves);
    let kept = traces_of(&thinned(&rows, WINDOW, 1, &Pins::default()));
    for trace in (0..4_000).step_by(2) {
        assert_eq!(kept.contains_key(&trace), kept.contains_key(&(trace + 1_000_000)), "{trace}");
    }
}

#[test]
fn a_trace_over_the_edge_is_decided_once() {
    let mut rows = hour(2_000);
    // Each trace of the last minute goes on in the next hour.
    let late: Vec<Row> = rows
        .iter()
        .filter(|row| row.time > HOUR - WINDOW.spread / 2 && row.route.is_some())
        .map(|row| Row { time: row.time + WINDOW.spread / 2, route: None, ..row.clone() })
        .collect();
    assert!(late.len() > 10);
    rows.extend(late);
    let next = Window { start: HOUR, end: 2 * HOUR, ..WINDOW };
    let first = thinned(&rows, WINDOW, 2, &Pins::default());
    let second = thinned(&first, next, 1, &Pins::default());
    assert_eq!(first.len(), second.len(), "what the first window decided is not decided again");
    let whole = traces_of(&rows);
    assert!(traces_of(&second).iter().all(|(trace, spans)| whole[trace] == *spans));
}

#[test]
fn what_is_pinned_is_kept_to_the_last_level() {
    let rows = hour(2_000);
    let ranges = vec![(0, HOUR / 100)];
    let pins = Pins { traces: [key(5), key(6)].into(), ranges: ranges.clone(), ..Pins::default() };
    let kept = traces_of(&thinned(&rows, WINDOW, 6, &pins));
    let pinned: HashSet<u64> = rows.iter().filter(|row| row.time < ranges[0].1).map(|row| row.trace).chain([5, 6]).collect();
    assert_eq!(kept.keys().copied().collect::<HashSet<u64>>(), pinned);
    assert!(thinned(&rows, WINDOW, 7, &pins).is_empty());
}

#[test]
fn logs_go_with_their_trace_or_by_what_they_say() {
    let log = |time: i64, trace: Option<u64>, severity_number, error_group, body| LogFacts {
        time,
        trace: trace.map(key),
        service: "shop",
        severity_number,
        error_group,
        body,
        weight: 1.0,
    };
    let lines: Vec<String> = (0..10_000).map(|number| format!("GET /cart/{number} 200")).collect();
    let mut logs: Vec<LogFacts<'_>> = lines.iter().zip(0..).map(|(body, time)| log(time, None, 9, None, body.as_str())).collect();
    logs.push(log(10, None, 9, None, "leader lost"));
    logs.push(log(11, None, 13, None, "GET /cart/1 200"));
    logs.extend((0..40).map(|time| log(20 + time, None, 17, Some("group"), "boom")));
    logs.push(log(12, Some(1), 17, None, "boom"));
    logs.push(log(13, Some(1), 9, None, "before"));
    let pins = Pins::default();
    let mut survey = Survey::default();
    logs.iter().for_each(|log| survey.log(log));
    let mut judge = survey.judge(WINDOW, &pins);
    logs.iter().for_each(|log| judge.log(log));
    let verdicts = judge.verdicts();
    let class = |log: &LogFacts<'_>| verdicts.of_log(log, 1.0, Level::new(1)).unwrap().0;
    let fate_at = |log: &LogFacts<'_>, level| verdicts.of_log(log, 1.0, Level::new(level)).unwrap().1;
    assert_eq!(logs[10_000..10_002].iter().map(class).collect::<Vec<_>>(), [Class::Notable; 2]);
    let group: Vec<Class> = logs[10_002..10_042].iter().map(class).collect();
    assert_eq!((group[0], group[39]), (Class::Pinned, Class::Pinned), "the first and the latest occurrence");
    assert!(group[1..39].iter().all(|class| *class == Class::Error));
    assert_eq!(logs[10_042..].iter().map(class).collect::<Vec<_>>(), [Class::Error; 2], "the trace failed, so both stay");
    let left = logs[..10_000].iter().filter(|log| fate_at(log, 1) != Fate::Goes).count();
    assert!((1_100..1_400).contains(&left), "{left} of 10,000 plain lines");
    assert!(verdicts.of_log(&log(HOUR, None, 9, None, "later"), 1.0, Level::new(1)).is_none());
}
