//! Looking at a window twice: the first time for what is usual in it, the second for who is not.
//!
//! [`Survey`] is told every span and log line of the window and of the time around it: how long the requests of each route
//! take, how often each route and each kind of log line is, which traces are linked. [`Judge`] then looks at the same rows
//! again and remembers the units that are worth more than the plain ones; plain ones take no memory, as their fate follows
//! from their id. [`Verdicts`] answers for each row.
//!
//! A trace belongs to the window of its first row. Rows of a trace that goes over the window's end are decided with it,
//! up to [`Window::spread`]; what a trace says still later is decided by its own window, with the same lot.

use std::collections::{HashMap, HashSet};

use xxhash_rust::xxh3::Xxh3;

use super::families::Families;
use super::levels::{Class, Level};
use super::lots::{Fate, Lot, TraceKey, fate, log_key, log_lot};
use super::templates::{RareTemplates, Templates};

/// Of each route the slowest so many are notable, at least one.
pub const SLOW_SHARE: f64 = 0.01;

/// Routes that together get at most so many of the requests are rare; likewise kinds of log lines.
pub const RARE_SHARE: f64 = 0.01;

/// Routes told apart; at 2.5 KB each, ten doublings, this is 10 MB. The rest counts as one route.
const ROUTES_MAX: usize = 4_096;

/// Error groups whose first and latest occurrence are remembered; beyond it the newest groups count as errors only.
const ERROR_GROUPS_MAX: usize = 100_000;

/// Units above plain that are remembered; at about 16 bytes each this is 32 MB. Beyond it units count as plain, and
/// [`Verdicts::overflowed`] says so.
const UNITS_MAX: usize = 2_000_000;

/// Traces remembered on each side of a window's edges; at 8 bytes each this is 32 MB. Beyond it a trace may be cut in two.
const EDGE_TRACES_MAX: usize = 2_000_000;

/// Duration buckets in a doubling: 1.1 % wide.
const BUCKETS_PER_DOUBLING: f64 = 64.0;

/// OpenTelemetry's severities from which a record is a warning and an error.
const SEVERITY_WARN: i64 = 13;
const SEVERITY_ERROR: i64 = 17;

/// The time that is thinned, and how far a trace may reach over its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Nanoseconds since 1970 UTC; the end is not included.
    pub start: i64,
    pub end: i64,
    /// Nanoseconds.
    pub spread: i64,
}

impl Window {
    /// What must be looked at to judge the window: the time around it too.
    pub fn around(&self) -> (i64, i64) {
        (self.start.saturating_sub(self.spread), self.end.saturating_add(self.spread))
    }
}

/// What is asked of a span.
#[derive(Clone, Copy, Debug)]
pub struct SpanFacts<'a> {
    pub time: i64,
    pub trace: TraceKey,
    /// The trace that an exact link names.
    pub linked: Option<TraceKey>,
    pub service: &'a str,
    /// For a span that is a request to its service: the route, or the span's name.
    pub route: Option<&'a str>,
    pub duration_ns: i64,
    pub is_error: bool,
    /// How many spans it stands for.
    pub weight: f64,
}

/// What is asked of a log record.
#[derive(Clone, Copy, Debug)]
pub struct LogFacts<'a> {
    pub time: i64,
    /// The trace it belongs to, or else the trace of the request that delivered it.
    pub trace: Option<TraceKey>,
    pub service: &'a str,
    pub severity_number: i64,
    pub error_group: Option<&'a str>,
    pub body: &'a str,
    pub weight: f64,
}

impl LogFacts<'_> {
    fn is_error(&self) -> bool {
        self.severity_number >= SEVERITY_ERROR || self.error_group.is_some()
    }

    fn subject(&self) -> Subject {
        match self.trace {
            Some(trace) => Subject::Trace(trace),
            None => Subject::Log(log_key(self.time, self.body)),
        }
    }
}

/// What people have pinned.
#[derive(Clone, Debug, Default)]
pub struct Pins {
    pub traces: HashSet<TraceKey>,
    pub error_groups: HashSet<String>,
    /// Half-open ranges of time, in nanoseconds.
    pub ranges: Vec<(i64, i64)>,
}

impl Pins {
    fn hold(&self, time: i64) -> bool {
        self.ranges.iter().any(|(start, end)| (*start..*end).contains(&time))
    }
}

#[derive(Clone, Copy, Debug)]
enum Subject {
    Trace(TraceKey),
    Log(u64),
}

/// The first look.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    families: Families,
    routes: HashMap<u64, Durations>,
    templates: Templates,
    occurrences: HashMap<Box<str>, Occurrences>,
}

#[derive(Clone, Copy, Debug)]
struct Occurrences {
    first: (i64, Subject),
    latest: (i64, Subject),
}

impl Survey {
    pub fn span(&mut self, span: &SpanFacts<'_>) {
        if let Some(linked) = span.linked {
            self.families.link(span.trace, linked);
        }
        if let Some(route) = span.route {
            let mut key = route_key(span.service, route);
            if self.routes.len() >= ROUTES_MAX && !self.routes.contains_key(&key) {
                key = OTHER_ROUTES;
            }
            self.routes.entry(key).or_default().add(bucket(span.duration_ns), span.weight);
        }
    }

    pub fn log(&mut self, log: &LogFacts<'_>) {
        if let Some(group) = log.error_group {
            let seen = (log.time, log.subject());
            let has_room = self.occurrences.len() < ERROR_GROUPS_MAX;
            match self.occurrences.get_mut(group) {
                Some(known) if seen.0 < known.first.0 => known.first = seen,
                Some(known) if seen.0 > known.latest.0 => known.latest = seen,
                Some(_) => {}
                None if has_room => {
                    self.occurrences.insert(group.into(), Occurrences { first: seen, latest: seen });
                }
                None => {}
            }
        }
        if log.trace.is_none() && log.severity_number < SEVERITY_WARN && log.error_group.is_none() {
            self.templates.count(log.service, log.body, log.weight);
        }
    }

    /// What is usual, for the second look at the same rows.
    pub fn judge(self, window: Window, pins: &Pins) -> Judge<'_> {
        let mut judge = Judge {
            slow: slow_routes(&self.routes),
            rare: rare_routes(&self.routes),
            pins,
            verdicts: Verdicts {
                window,
                families: self.families,
                classes: HashMap::new(),
                logs: HashSet::new(),
                templates: self.templates.rare(RARE_SHARE),
                before: HashSet::new(),
                after: HashSet::new(),
                overflowed: false,
            },
        };
        for trace in &pins.traces {
            judge.verdicts.raise(*trace, Class::Pinned);
        }
        for seen in self.occurrences.values() {
            for (_, subject) in [seen.first, seen.latest] {
                match subject {
                    Subject::Trace(trace) => judge.verdicts.raise(trace, Class::Pinned),
                    Subject::Log(key) => {
                        judge.verdicts.logs.insert(key);
                    }
                }
            }
        }
        judge
    }
}

/// The second look.
#[derive(Clone, Debug)]
pub struct Judge<'p> {
    /// Buckets above which a request of the route is slow.
    slow: HashMap<u64, u16>,
    rare: HashSet<u64>,
    pins: &'p Pins,
    verdicts: Verdicts,
}

impl Judge<'_> {
    pub fn span(&mut self, span: &SpanFacts<'_>) {
        self.verdicts.note_edges(span.time, span.trace);
        let class = if self.pins.hold(span.time) {
            Class::Pinned
        } else if span.is_error {
            Class::Error
        } else if span.route.is_some_and(|route| self.is_notable(span, route)) {
            Class::Notable
        } else {
            return;
        };
        self.verdicts.raise(span.trace, class);
    }

    fn is_notable(&self, span: &SpanFacts<'_>, route: &str) -> bool {
        let mut key = route_key(span.service, route);
        if !self.slow.contains_key(&key) {
            key = OTHER_ROUTES;
        }
        self.rare.contains(&key) || self.slow.get(&key).is_some_and(|most| bucket(span.duration_ns) > *most)
    }

    pub fn log(&mut self, log: &LogFacts<'_>) {
        if let Some(trace) = log.trace {
            self.verdicts.note_edges(log.time, trace);
        }
        let is_pinned = self.pins.hold(log.time) || log.error_group.is_some_and(|group| self.pins.error_groups.contains(group));
        match (log.trace, is_pinned) {
            (Some(trace), true) => self.verdicts.raise(trace, Class::Pinned),
            (Some(trace), false) if log.is_error() => self.verdicts.raise(trace, Class::Error),
            (None, true) => {
                self.verdicts.logs.insert(log_key(log.time, log.body));
            }
            // What a line without a trace is worth is seen on the line itself.
            _ => {}
        }
    }

    pub fn verdicts(self) -> Verdicts {
        self.verdicts
    }
}

/// What each row of the window is worth.
#[derive(Clone, Debug)]
pub struct Verdicts {
    window: Window,
    families: Families,
    /// By head of family; who is not here is plain.
    classes: HashMap<u64, Class>,
    /// Pinned records without a trace.
    logs: HashSet<u64>,
    templates: RareTemplates,
    /// Heads of families with rows shortly before the window's start, which therefore belong to the window before.
    before: HashSet<u64>,
    /// Heads of families with rows shortly before the window's end: their later rows belong to this window.
    after: HashSet<u64>,
    overflowed: bool,
}

impl Verdicts {
    /// Whether there was more to remember than the limits allow; then some units were taken for plain.
    pub fn overflowed(&self) -> bool {
        self.overflowed || self.families.overflowed()
    }

    /// The class of a row of a trace and what becomes of it; no class when the row is not of this window.
    pub fn of_trace(&self, time: i64, trace: TraceKey, share: f64, level: Level) -> Option<(Class, Fate)> {
        let head = self.families.head(trace);
        if !self.is_ours(time, head) {
            return None;
        }
        let class = self.classes.get(&head.0).copied().unwrap_or(Class::Plain);
        Some((class, fate(head.lot(), share, level.share(class))))
    }

    /// Likewise for a log record, whether it has a trace or not.
    pub fn of_log(&self, log: &LogFacts<'_>, share: f64, level: Level) -> Option<(Class, Fate)> {
        if let Some(trace) = log.trace {
            return self.of_trace(log.time, trace, share, level);
        }
        if !(self.window.start..self.window.end).contains(&log.time) {
            return None;
        }
        let class = self.class_of_lone_log(log);
        Some((class, fate(lone_lot(log), share, level.share(class))))
    }

    fn class_of_lone_log(&self, log: &LogFacts<'_>) -> Class {
        if !self.logs.is_empty() && self.logs.contains(&log_key(log.time, log.body)) {
            Class::Pinned
        } else if log.is_error() {
            Class::Error
        } else if log.severity_number >= SEVERITY_WARN || self.templates.is_rare(log.service, log.body) {
            Class::Notable
        } else {
            Class::Plain
        }
    }

    fn is_ours(&self, time: i64, head: TraceKey) -> bool {
        let Window { start, end, spread } = self.window;
        if time < start || time >= end.saturating_add(spread) {
            false
        } else if time >= end {
            self.after.contains(&head.0)
        } else {
            time >= start.saturating_add(spread) || !self.before.contains(&head.0)
        }
    }

    fn note_edges(&mut self, time: i64, trace: TraceKey) {
        let Window { start, end, spread } = self.window;
        for (edge, seen) in [(start, &mut self.before), (end, &mut self.after)] {
            if (edge.saturating_sub(spread)..edge).contains(&time) {
                if seen.len() < EDGE_TRACES_MAX {
                    seen.insert(self.families.head(trace).0);
                } else {
                    self.overflowed = true;
                }
            }
        }
    }

    fn raise(&mut self, trace: TraceKey, class: Class) {
        let head = self.families.head(trace).0;
        if self.classes.len() >= UNITS_MAX && !self.classes.contains_key(&head) {
            self.overflowed = true;
            return;
        }
        let known = self.classes.entry(head).or_insert(class);
        *known = (*known).max(class);
    }
}

fn lone_lot(log: &LogFacts<'_>) -> Lot {
    log_lot(log.time, log.body)
}

/// Requests of one route by duration.
#[derive(Clone, Debug, Default)]
struct Durations {
    /// Of the first counter.
    first: u16,
    counters: Vec<f32>,
    total: f64,
}

impl Durations {
    fn add(&mut self, bucket: u16, weight: f64) {
        self.total += weight;
        if self.counters.is_empty() {
            self.first = bucket;
        }
        if bucket < self.first {
            let missing = usize::from(self.first - bucket);
            self.counters.splice(0..0, std::iter::repeat_n(0.0, missing));
            self.first = bucket;
        }
        let place = usize::from(bucket - self.first);
        if place >= self.counters.len() {
            self.counters.resize(place + 1, 0.0);
        }
        self.counters[place] += weight as f32;
    }

    /// The bucket above which the slowest [`SLOW_SHARE`] lie, but at least the slowest request.
    fn slow_above(&self) -> u16 {
        let allowed = (self.total * SLOW_SHARE).max(1.0);
        let mut above = 0.0;
        for (place, weight) in self.counters.iter().enumerate().rev() {
            above += f64::from(*weight);
            if above > allowed {
                return self.first.saturating_add(place as u16);
            }
        }
        // All of them together are no more than one request: then it is a rare route, not a slow one.
        self.first.saturating_add(self.counters.len() as u16)
    }
}

/// Stands for routes beyond those told apart.
const OTHER_ROUTES: u64 = 0;

fn route_key(service: &str, route: &str) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(service.as_bytes());
    hash.update(&[0]);
    hash.update(route.as_bytes());
    hash.digest()
}

fn bucket(duration_ns: i64) -> u16 {
    ((duration_ns.max(1) as f64).log2() * BUCKETS_PER_DOUBLING) as u16
}

fn slow_routes(routes: &HashMap<u64, Durations>) -> HashMap<u64, u16> {
    routes.iter().map(|(key, durations)| (*key, durations.slow_above())).collect()
}

/// The rarest routes, as far as they together get at most [`RARE_SHARE`] of the requests. Routes that are equally rare are
/// so together or not at all.
fn rare_routes(routes: &HashMap<u64, Durations>) -> HashSet<u64> {
    let mut left = routes.values().map(|durations| durations.total).sum::<f64>() * RARE_SHARE;
    let mut by_total: Vec<(f64, u64)> = routes.iter().map(|(key, durations)| (durations.total, *key)).collect();
    by_total.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut rare = HashSet::new();
    for equals in by_total.chunk_by(|a, b| a.0 == b.0) {
        left -= equals.iter().map(|(total, _)| total).sum::<f64>();
        if left < 0.0 {
            break;
        }
        rare.extend(equals.iter().map(|(_, key)| *key));
    }
    rare
}

#[cfg(test)]
mod tests;
