//! What clients counted for each rule, noted in memory and written together, so that a report never waits for the metastore.

use std::collections::HashMap;

use metastore::{Metastore, MetastoreError, SamplingWindow};
use parking_lot::Mutex;
use receivers::xray::sampling::{REPORT_INTERVAL_SECONDS, SamplingReport};

/// Counts of as much time stand in one window: what one report covers.
pub const WINDOW_NS: i64 = REPORT_INTERVAL_SECONDS as i64 * 1_000_000_000;

/// Counts that wait to be written.
#[derive(Default)]
pub struct SamplingCounts(Mutex<HashMap<(String, i64), SamplingWindow>>);

impl SamplingCounts {
    /// Adds a report to the window in which it arrived: clients' clocks are not believed. Counts of rules that nobody has
    /// are not kept.
    pub fn note(&self, report: &SamplingReport, is_rule: impl Fn(&str) -> bool, now_unix_nano: i64) {
        let start_unix_nano = now_unix_nano.div_euclid(WINDOW_NS) * WINDOW_NS;
        let mut waiting = self.0.lock();
        for one in report.statistics.iter().filter(|one| is_rule(&one.rule_name)) {
            let window = waiting.entry((one.rule_name.clone(), start_unix_nano)).or_insert_with(|| SamplingWindow {
                rule: one.rule_name.clone(),
                start_unix_nano,
                ..SamplingWindow::default()
            });
            window.requests = window.requests.saturating_add(one.request_count);
            window.sampled = window.sampled.saturating_add(one.sampled_count);
            window.borrowed = window.borrowed.saturating_add(one.borrow_count);
        }
    }

    /// Writes what waits. A failure puts nothing back: counts are a convenience.
    pub async fn write(&self, metastore: &Metastore, project: &str) -> Result<(), MetastoreError> {
        let waiting: Vec<SamplingWindow> = std::mem::take(&mut *self.0.lock()).into_values().collect();
        if waiting.is_empty() { Ok(()) } else { metastore.note_sampling_statistics(project, &waiting).await }
    }
}

#[cfg(test)]
mod tests {
    use receivers::xray::sampling::read_report;

    use super::*;

    #[tokio::test]
    async fn reports_of_one_window_add_up() {
        let counts = SamplingCounts::default();
        let body = br#"{"SamplingStatisticsDocuments": [
            {"RuleName": "a", "ClientID": "x", "RequestCount": 5, "SampleCount": 2, "BorrowCount": 1},
            {"RuleName": "gone", "ClientID": "x", "RequestCount": 5}]}"#;
        let report = read_report(body).unwrap();
        for now in [WINDOW_NS, WINDOW_NS + 5, 2 * WINDOW_NS - 1, 2 * WINDOW_NS] {
            counts.note(&report, |name| name == "a", now);
        }
        let metastore = Metastore::in_memory().await.unwrap();
        counts.write(&metastore, "default").await.unwrap();
        counts.write(&metastore, "default").await.unwrap();
        let windows = metastore.sampling_statistics("default", 0, None, 9).await.unwrap();
        let told: Vec<_> = windows.iter().map(|w| (w.start_unix_nano, w.requests, w.sampled, w.borrowed)).collect();
        assert_eq!(told, [(WINDOW_NS, 15, 6, 3), (2 * WINDOW_NS, 5, 2, 1)]);
    }
}
