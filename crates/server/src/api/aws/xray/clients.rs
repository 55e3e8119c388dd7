//! Who samples by which rule just now: the clients among which a reservoir is divided, and boosts that are on.
//!
//! All of it is in memory and comes back within one interval after a restart, because clients report again.

use std::collections::HashMap;

use parking_lot::Mutex;
use receivers::xray::sampling::{
    Assign, REPORT_INTERVAL_SECONDS, SamplingBoost, SamplingBoostStatistics, SamplingReport, SamplingRule,
};

use crate::limits::{SAMPLING_BOOSTS_REMEMBERED, SAMPLING_CLIENTS_REMEMBERED};

/// A client that did not report for an interval and a half is gone; the half is for reports that are a little late.
const CLIENT_SEEN_NS: i64 = REPORT_INTERVAL_SECONDS as i64 * 1_500_000_000;

/// How long a boost holds: six reports, so that every client of the service hears of it and some traces are kept.
const BOOST_NS: i64 = 60 * 1_000_000_000;

#[derive(Default)]
pub struct SamplingClients(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// When each client last reported on a rule.
    seen: HashMap<(String, String), i64>,
    /// When a boost of a rule for a service began.
    boosts: HashMap<(String, String), i64>,
}

impl SamplingClients {
    /// Notes who reports, and gives what decides on the answer.
    pub fn reporting(&self, report: &SamplingReport, now_unix_nano: i64) -> Assigned<'_> {
        let mut known = self.0.lock();
        known.forget(now_unix_nano);
        for one in &report.statistics {
            if known.seen.len() < SAMPLING_CLIENTS_REMEMBERED {
                known.seen.insert((one.rule_name.clone(), one.client_id.clone()), now_unix_nano);
            }
        }
        drop(known);
        Assigned { clients: self, now_unix_nano }
    }

    /// Clients that report on a rule now.
    pub fn count(&self, rule: &str, now_unix_nano: i64) -> usize {
        let mut known = self.0.lock();
        known.forget(now_unix_nano);
        known.seen.keys().filter(|(of, _)| of == rule).count()
    }
}

impl Known {
    fn forget(&mut self, now_unix_nano: i64) {
        self.seen.retain(|_, at| now_unix_nano - *at <= CLIENT_SEEN_NS);
    }

    /// The reservoir in whole requests, so that all shares together are the reservoir; who gets one more is decided by the
    /// order of ids, which stays the same while the same clients report.
    fn share(&self, rule: &SamplingRule, client_id: &str) -> u32 {
        let mut clients: Vec<&str> =
            self.seen.keys().filter(|(of, _)| *of == rule.rule_name).map(|(_, client)| client.as_str()).collect();
        clients.sort_unstable();
        let count = clients.len().max(1) as u32;
        let place = clients.iter().position(|client| *client == client_id).unwrap_or(0) as u32;
        rule.reservoir_size / count + u32::from(place < rule.reservoir_size % count)
    }

    /// Clients kept fewer anomalies than there were: for a minute more is kept, then not before the rule's pause is over.
    fn boost(&mut self, rule: &SamplingRule, statistics: &SamplingBoostStatistics, now_unix_nano: i64) -> Option<SamplingBoost> {
        let policy = rule.sampling_rate_boost?;
        let key = (rule.rule_name.clone(), statistics.service_name.clone());
        let began = self.boosts.get(&key).copied();
        let pause_ns = i64::from(policy.cooldown_window_minutes) * 60 * 1_000_000_000;
        let is_on = began.is_some_and(|began| now_unix_nano < began + BOOST_NS);
        let may_begin = began.is_none_or(|began| now_unix_nano >= began + pause_ns.max(BOOST_NS));
        let is_missed = statistics.anomaly_count > statistics.sampled_anomaly_count;
        let began = match began {
            Some(began) if is_on => began,
            _ if may_begin && is_missed && policy.max_rate > rule.fixed_rate => {
                let longest_pause = |at: &i64| now_unix_nano - *at < 24 * 60 * BOOST_NS;
                self.boosts.retain(|_, at| longest_pause(at));
                if self.boosts.len() >= SAMPLING_BOOSTS_REMEMBERED {
                    return None;
                }
                self.boosts.insert(key, now_unix_nano);
                now_unix_nano
            }
            _ => return None,
        };
        Some(SamplingBoost { boost_rate: policy.max_rate, boost_rate_ttl: (began + BOOST_NS) as f64 / 1e9 })
    }
}

/// What clients are told, as of one report.
pub struct Assigned<'a> {
    clients: &'a SamplingClients,
    now_unix_nano: i64,
}

impl Assign for Assigned<'_> {
    fn quota(&mut self, rule: &SamplingRule, client_id: &str) -> u32 {
        self.clients.0.lock().share(rule, client_id)
    }

    fn boost(&mut self, rule: &SamplingRule, boosts: &[SamplingBoostStatistics]) -> Option<SamplingBoost> {
        let mut known = self.clients.0.lock();
        let of_rule = boosts.iter().filter(|boost| boost.rule_name == rule.rule_name);
        of_rule.filter_map(|boost| known.boost(rule, boost, self.now_unix_nano)).next()
    }
}

#[cfg(test)]
mod tests {
    use receivers::xray::sampling::{SamplingRateBoost, read_report};

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn rule(reservoir_size: u32) -> SamplingRule {
        SamplingRule {
            rule_name: "a".into(),
            rule_arn: String::new(),
            resource_arn: "*".into(),
            priority: 1,
            fixed_rate: 0.1,
            reservoir_size,
            service_name: "*".into(),
            service_type: "*".into(),
            host: "*".into(),
            http_method: "*".into(),
            url_path: "*".into(),
            version: 1,
            attributes: Default::default(),
            sampling_rate_boost: Some(SamplingRateBoost { max_rate: 0.8, cooldown_window_minutes: 10 }),
        }
    }

    fn report(client: &str) -> SamplingReport {
        let body = format!(
            r#"{{"SamplingStatisticsDocuments": [{{"RuleName": "a", "ClientID": "{client}"}}],
                "SamplingBoostStatisticsDocuments": [{{"RuleName": "a", "ServiceName": "shop", "AnomalyCount": 4,
                    "SampledAnomalyCount": 1, "TotalCount": 9}}]}}"#
        );
        read_report(body.as_bytes()).unwrap()
    }

    #[test]
    fn a_reservoir_is_divided_without_a_rest() {
        let clients = SamplingClients::default();
        for client in ["x", "y", "z"] {
            clients.reporting(&report(client), 0);
        }
        let shares: Vec<u32> =
            ["x", "y", "z"].iter().map(|client| clients.reporting(&report(client), 5 * SECOND).quota(&rule(5), client)).collect();
        assert_eq!(shares, [2, 2, 1]);
        assert_eq!(clients.count("a", 6 * SECOND), 3);
        assert_eq!(clients.reporting(&report("x"), 6 * SECOND).quota(&rule(2), "z"), 0);
    }

    #[test]
    fn who_falls_silent_leaves_its_share() {
        let clients = SamplingClients::default();
        clients.reporting(&report("x"), 0);
        assert_eq!(clients.reporting(&report("y"), 10 * SECOND).quota(&rule(4), "y"), 2);
        assert_eq!(clients.reporting(&report("y"), 20 * SECOND).quota(&rule(4), "y"), 4);
    }

    #[test]
    fn a_boost_is_answered_for_a_minute_and_then_pauses() {
        let clients = SamplingClients::default();
        let boost_at = |second: i64| {
            let report = report("x");
            let told = clients.reporting(&report, second * SECOND).boost(&rule(1), &report.boosts);
            told.map(|boost| (boost.boost_rate, boost.boost_rate_ttl))
        };
        assert_eq!(boost_at(100), Some((0.8, 160.0)));
        assert_eq!(boost_at(150), Some((0.8, 160.0)));
        assert_eq!(boost_at(170), None);
        assert_eq!(boost_at(701), Some((0.8, 761.0)));
    }

    #[test]
    fn a_rule_without_a_boost_has_none() {
        let clients = SamplingClients::default();
        let report = report("x");
        let plain = SamplingRule { sampling_rate_boost: None, ..rule(1) };
        assert_eq!(clients.reporting(&report, 0).boost(&plain, &report.boosts), None);
    }
}
