//! Which services fail more than they used to: each compared with its own past, window by window.
//!
//! A window is anomalous when its share of faults lies more than [`DEVIATIONS_MIN`] standard deviations above that of the
//! [`BASELINE_WINDOWS`] before it, by the test for two binomial shares; anomalous windows are left out of what later ones
//! are compared with. Anomalies of services that call each other, at the same time, are one insight; its cause is the service
//! from which the others have their faults. That is all: no seasons, no trends, no guess about what comes.

use std::collections::{BTreeMap, HashMap, HashSet};

/// Windows that a window is compared with: an hour, at one a minute.
pub const BASELINE_WINDOWS: usize = 60;

/// Requests that the past must have for anything to be said.
pub const BASELINE_REQUESTS_MIN: f64 = 20.0;

/// Standard deviations above the past. By chance alone one window of 15,000 lies there: one in ten days, at one a minute.
pub const DEVIATIONS_MIN: f64 = 4.0;

/// Faults of a window; below, a share says little.
pub const FAULTS_MIN: f64 = 3.0;

/// How far the share must be above that of the past, so that a rate of one per mille that doubles wakes nobody.
pub const SHARE_RISE_MIN: f64 = 0.05;

/// Windows without an anomaly after which one is over.
pub const CALM_WINDOWS: usize = 5;

/// Requests of one service in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Window {
    pub total: f64,
    pub faults: f64,
}

/// Faults that are no surprise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    pub low: f64,
    pub high: f64,
}

/// Some time in which one service failed more than it used to; windows by index.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anomaly {
    pub first: usize,
    /// The last that was anomalous; calm ones may lie between.
    pub last: usize,
    /// Whether the calm after it is not long enough yet.
    pub is_open: bool,
    /// Standard deviations of the worst window.
    pub deviations: f64,
}

/// What one anomaly of one or several services comes down to.
#[derive(Clone, Debug, PartialEq)]
pub struct Insight {
    pub first: usize,
    pub last: usize,
    pub is_open: bool,
    /// Services, the cause first, then the worst.
    pub services: Vec<usize>,
}

/// Anomalies of one service, oldest first. `windows` begin with [`BASELINE_WINDOWS`] of past for the first that is judged.
pub fn anomalies(windows: &[Window]) -> Vec<Anomaly> {
    let mut found: Vec<Anomaly> = Vec::new();
    let mut past = Past::default();
    for (at, window) in windows.iter().enumerate() {
        let deviations = past.deviations(*window);
        match (deviations, found.last_mut()) {
            (None, _) => past.push(*window),
            (Some(deviations), Some(last)) if at <= last.last + CALM_WINDOWS => {
                last.last = at;
                last.deviations = last.deviations.max(deviations);
            }
            (Some(deviations), _) => found.push(Anomaly { first: at, last: at, is_open: true, deviations }),
        }
    }
    for anomaly in &mut found {
        anomaly.is_open = anomaly.last + CALM_WINDOWS >= windows.len();
    }
    found
}

/// What the past lets expect of the window behind it; `None` while there is too little past.
pub fn forecast(past: &[Window], total: f64) -> Option<Forecast> {
    let mut seen = Past::default();
    past.iter().for_each(|window| seen.push(*window));
    seen.forecast(total)
}

/// Puts anomalies of services together. `calls` are pairs of services, the caller first.
pub fn insights(services: &[Vec<Window>], calls: &[(usize, usize)]) -> Vec<Insight> {
    let mut all: Vec<(usize, Anomaly)> = Vec::new();
    let mut of_service: Vec<std::ops::Range<usize>> = Vec::with_capacity(services.len());
    for (service, windows) in services.iter().enumerate() {
        let first = all.len();
        all.extend(anomalies(windows).into_iter().map(|anomaly| (service, anomaly)));
        of_service.push(first..all.len());
    }
    let mut groups: Vec<usize> = (0..all.len()).collect();
    let of = |service: usize| of_service.get(service).cloned().unwrap_or(0..0);
    for (from, to) in calls {
        for a in of(*from) {
            for b in of(*to) {
                let (one, other) = (all[a].1, all[b].1);
                if one.first <= other.last + CALM_WINDOWS && other.first <= one.last + CALM_WINDOWS {
                    let (a, b) = (top(&mut groups, a), top(&mut groups, b));
                    groups[a.max(b)] = a.min(b);
                }
            }
        }
    }
    let mut members: BTreeMap<usize, Vec<(usize, Anomaly)>> = BTreeMap::new();
    for (at, one) in all.iter().enumerate() {
        members.entry(top(&mut groups, at)).or_default().push(*one);
    }
    let mut callees: HashMap<usize, Vec<usize>> = HashMap::new();
    calls.iter().for_each(|(from, to)| callees.entry(*from).or_default().push(*to));
    let mut found: Vec<Insight> = members.into_values().map(|members| insight(members, &callees)).collect();
    found.sort_by_key(|insight| (insight.first, insight.services.first().copied()));
    found
}

/// The member that stands for a group, by way of others; who asks again has a shorter way.
fn top(groups: &mut [usize], mut member: usize) -> usize {
    while groups[member] != member {
        groups[member] = groups[groups[member]];
        member = groups[member];
    }
    member
}

fn insight(mut members: Vec<(usize, Anomaly)>, callees: &HashMap<usize, Vec<usize>>) -> Insight {
    members.sort_by(|(_, a), (_, b)| b.deviations.total_cmp(&a.deviations));
    let mut services: Vec<usize> = Vec::new();
    let mut known: HashSet<usize> = HashSet::new();
    services.extend(members.iter().map(|(service, _)| *service).filter(|service| known.insert(*service)));
    // Faults travel from the callee to its callers: the cause calls nobody who fails as well. Of several, the worst; in a
    // circle, too.
    let calls_a_member =
        |service: usize| callees.get(&service).is_some_and(|to| to.iter().any(|to| *to != service && known.contains(to)));
    let cause = services.iter().position(|service| !calls_a_member(*service)).unwrap_or(0);
    services[..=cause].rotate_right(1);
    Insight {
        first: members.iter().map(|(_, anomaly)| anomaly.first).min().unwrap_or(0),
        last: members.iter().map(|(_, anomaly)| anomaly.last).max().unwrap_or(0),
        is_open: members.iter().any(|(_, anomaly)| anomaly.is_open),
        services,
    }
}

/// The windows that one is compared with.
#[derive(Default)]
struct Past {
    windows: std::collections::VecDeque<Window>,
    total: f64,
    faults: f64,
}

impl Past {
    fn push(&mut self, window: Window) {
        self.windows.push_back(window);
        self.total += window.total;
        self.faults += window.faults;
        if self.windows.len() > BASELINE_WINDOWS
            && let Some(oldest) = self.windows.pop_front()
        {
            self.total -= oldest.total;
            self.faults -= oldest.faults;
        }
    }

    /// The share of faults. Half a fault is added, so that a past without any does not make the first one impossible.
    fn share(&self) -> Option<f64> {
        (self.total >= BASELINE_REQUESTS_MIN).then(|| (self.faults.max(0.0) + 0.5) / (self.total + 1.0))
    }

    /// How far beyond the past the window is, if that is enough to speak of.
    fn deviations(&self, window: Window) -> Option<f64> {
        let past = self.share()?;
        if window.faults < FAULTS_MIN || window.total <= 0.0 {
            return None;
        }
        let share = (window.faults / window.total).min(1.0);
        let pooled = ((self.faults.max(0.0) + 0.5 + window.faults) / (self.total + 1.0 + window.total)).min(1.0);
        let spread = (pooled * (1.0 - pooled) * (1.0 / window.total + 1.0 / (self.total + 1.0))).sqrt();
        let deviations = if spread > 0.0 { (share - past) / spread } else { 0.0 };
        (deviations >= DEVIATIONS_MIN && share - past >= SHARE_RISE_MIN).then_some(deviations)
    }

    fn forecast(&self, total: f64) -> Option<Forecast> {
        let share = self.share()?;
        let spread = DEVIATIONS_MIN * (total * share * (1.0 - share)).sqrt();
        let expected = total * share;
        Some(Forecast { low: (expected - spread).max(0.0), high: (expected + spread).min(total) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An hour and a half of ten requests a minute, with so many faults in each of the windows named.
    fn windows(faults: &[(std::ops::Range<usize>, f64)]) -> Vec<Window> {
        let mut windows = vec![Window { total: 10.0, faults: 0.0 }; 90];
        for (range, count) in faults {
            windows[range.clone()].iter_mut().for_each(|window| window.faults = *count);
        }
        windows
    }

    #[test]
    fn a_calm_service_has_none() {
        assert_eq!(anomalies(&windows(&[])), []);
        assert_eq!(anomalies(&windows(&[(70..71, 2.0)])), []);
        assert_eq!(anomalies(&[]), []);
    }

    #[test]
    fn what_always_fails_is_no_news() {
        assert_eq!(anomalies(&windows(&[(0..90, 5.0)])), []);
    }

    #[test]
    fn an_outage_is_one_anomaly_with_its_gaps() {
        let found = anomalies(&windows(&[(65..68, 6.0), (71..74, 9.0)]));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].first, found[0].last, found[0].is_open), (65, 73, false));
        assert!(found[0].deviations > 10.0);
    }

    #[test]
    fn what_goes_on_is_open() {
        let found = anomalies(&windows(&[(80..90, 8.0)]));
        assert_eq!((found[0].first, found[0].last, found[0].is_open), (80, 89, true));
    }

    #[test]
    fn a_long_outage_does_not_become_usual() {
        let mut long = windows(&[(60..90, 8.0)]);
        long.extend(vec![Window { total: 10.0, faults: 8.0 }; 120]);
        let found = anomalies(&long);
        assert_eq!((found.len(), found[0].first, found[0].last), (1, 60, 209));
    }

    #[test]
    fn without_a_past_nothing_is_said() {
        let young = [Window { total: 1.0, faults: 0.0 }, Window { total: 10.0, faults: 10.0 }];
        assert_eq!(anomalies(&young), []);
        assert_eq!(forecast(&young[..1], 10.0), None);
    }

    #[test]
    fn callers_of_the_cause_are_in_its_insight() {
        // 0 calls 1 calls 2; 3 fails by itself.
        let services = [
            windows(&[(70..75, 5.0)]),
            windows(&[(70..75, 7.0)]),
            windows(&[(69..75, 6.0)]),
            windows(&[(70..72, 9.0)]),
            windows(&[]),
        ];
        let found = insights(&services, &[(0, 1), (1, 2), (0, 4)]);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].first, found[0].last, found[0].services[0]), (69, 74, 2));
        let mut members = found[0].services.clone();
        members.sort_unstable();
        assert_eq!(members, [0, 1, 2]);
        assert_eq!(found[1].services, [3]);
    }

    #[test]
    fn services_in_a_circle_have_a_cause() {
        let services = [windows(&[(70..75, 5.0)]), windows(&[(70..75, 7.0)])];
        let found = insights(&services, &[(0, 1), (1, 0)]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].services, [1, 0]);
    }

    #[test]
    fn a_forecast_holds_what_is_usual() {
        let past = vec![Window { total: 100.0, faults: 10.0 }; 30];
        let expected = forecast(&past, 100.0).unwrap();
        assert!(expected.low < 10.0 && expected.low >= 0.0 && expected.high > 10.0 && expected.high < 30.0, "{expected:?}");
    }

    proptest::proptest! {
        #[test]
        fn any_windows_are_judged(counts in proptest::collection::vec((0f64..1e6, 0f64..1.0), 0..200)) {
            let windows: Vec<Window> =
                counts.iter().map(|(total, share)| Window { total: *total, faults: total * share }).collect();
            for anomaly in anomalies(&windows) {
                proptest::prop_assert!(anomaly.first <= anomaly.last && anomaly.last < windows.len());
            }
        }
    }
}
