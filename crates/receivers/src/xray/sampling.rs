//! Sampling: what SDKs ask before they send anything. Rules are data; the answers are made from them.
//!
//! Without an answer an SDK keeps one request a second and five per cent of the others. Both calls come unsigned to the
//! daemon's TCP port, too. ADOT sends an empty body for the rules, writes `SampleCount` for `SampledCount` and an empty
//! list of boost documents, and discards an answer without `SamplingTargetDocuments` or `LastRuleModification`.
//!
//! Spec: docs.aws.amazon.com/xray/latest/api/API_GetSamplingRules.html, API_GetSamplingTargets.html

use std::collections::BTreeMap;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::wire::text;
use crate::aws::{Dialect, integer, number, reply};
use crate::json_tree::{Map, Value};
use crate::receiver::{Failure, Reply};

/// The rule that matches when no other does; it cannot be removed.
pub const DEFAULT_RULE_NAME: &str = "Default";

/// Its priority, behind every other rule's 1 to 9999.
pub const DEFAULT_RULE_PRIORITY: u32 = 10_000;

/// Seconds until an SDK reports again.
pub const REPORT_INTERVAL_SECONDS: u32 = 10;

/// Seconds a quota holds: two intervals, so that one lost report does not end it.
pub const QUOTA_TTL_SECONDS: u32 = 2 * REPORT_INTERVAL_SECONDS;

/// Statistics documents in one call. AWS takes 25; an SDK sends one per rule it has used.
pub const STATISTICS_PER_CALL_MAX: usize = 1_000;

/// A sampling rule. Wildcards `*` and `?` may stand in every matcher.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SamplingRule {
    pub rule_name: String,
    #[serde(rename = "RuleARN")]
    pub rule_arn: String,
    #[serde(rename = "ResourceARN")]
    pub resource_arn: String,
    pub priority: u32,
    /// Share of requests kept once the reservoir is used up, 0 to 1.
    pub fixed_rate: f64,
    /// Requests a second kept before the rate applies, over all clients.
    pub reservoir_size: u32,
    pub service_name: String,
    pub service_type: String,
    pub host: String,
    #[serde(rename = "HTTPMethod")]
    pub http_method: String,
    #[serde(rename = "URLPath")]
    pub url_path: String,
    pub version: u32,
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling_rate_boost: Option<SamplingRateBoost>,
}

/// How far the rate may go up for a while when clients tell of anomalies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SamplingRateBoost {
    pub max_rate: f64,
    /// Minutes in which there is at most one boost.
    pub cooldown_window_minutes: u32,
}

/// A rule and when it was made and changed, in epoch seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SamplingRuleRecord {
    pub sampling_rule: SamplingRule,
    pub created_at: f64,
    pub modified_at: f64,
}

/// What a client counted for one rule since its last report.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingStatistics {
    pub rule_name: String,
    pub client_id: String,
    /// Epoch seconds; absent when the client sent none.
    pub timestamp: Option<f64>,
    pub request_count: u64,
    pub sampled_count: u64,
    pub borrow_count: u64,
}

/// What a client reports of anomalies, so that a rule may be sampled more for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingBoostStatistics {
    pub rule_name: String,
    pub service_name: String,
    pub anomaly_count: u64,
    pub total_count: u64,
    pub sampled_anomaly_count: u64,
}

/// A GetSamplingTargets request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SamplingReport {
    pub statistics: Vec<SamplingStatistics>,
    pub boosts: Vec<SamplingBoostStatistics>,
}

/// GetSamplingTargets' answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SamplingTargets {
    pub sampling_target_documents: Vec<SamplingTargetDocument>,
    /// Epoch seconds. An SDK whose rules are older fetches them again.
    pub last_rule_modification: f64,
    pub unprocessed_statistics: Vec<UnprocessedStatistics>,
    pub unprocessed_boost_statistics: Vec<UnprocessedStatistics>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SamplingTargetDocument {
    pub rule_name: String,
    pub fixed_rate: f64,
    pub reservoir_quota: u32,
    /// Epoch seconds.
    #[serde(rename = "ReservoirQuotaTTL")]
    pub reservoir_quota_ttl: f64,
    pub interval: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling_boost: Option<SamplingBoost>,
}

/// A rate that holds for one service until its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SamplingBoost {
    pub boost_rate: f64,
    /// Epoch seconds.
    #[serde(rename = "BoostRateTTL")]
    pub boost_rate_ttl: f64,
}

/// What whoever knows the other clients assigned to the one that reports.
pub trait Assign {
    /// Requests a second that the client may keep of the rule's reservoir.
    fn quota(&mut self, rule: &SamplingRule, client_id: &str) -> u32;

    /// A boost of the rule for the services that the report names.
    fn boost(&mut self, rule: &SamplingRule, boosts: &[SamplingBoostStatistics]) -> Option<SamplingBoost>;
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UnprocessedStatistics {
    pub rule_name: String,
    pub error_code: &'static str,
    pub message: String,
}

/// The ARN of a rule.
pub fn rule_arn(region: &str, account_id: &str, rule_name: &str) -> String {
    format!("arn:aws:xray:{region}:{account_id}:sampling-rule/{rule_name}")
}

/// GetSamplingRules' answer.
pub fn rules_reply(records: &[SamplingRuleRecord], next_token: Option<String>, request_id: &str) -> Reply {
    let mut body = serde_json::json!({"SamplingRuleRecords": records});
    if let Some(token) = next_token {
        body["NextToken"] = token.into();
    }
    reply(Dialect::RestJson, StatusCode::OK, &body, request_id)
}

/// Reads a GetSamplingTargets body. An empty one reports nothing; a document without a rule name is passed over.
pub fn read_report(body: &[u8]) -> Result<SamplingReport, Failure> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(SamplingReport::default());
    }
    let request: Map<'_> =
        serde_json::from_slice(body).map_err(|error| Failure::Malformed(format!("cannot read GetSamplingTargets: {error}")))?;
    Ok(SamplingReport {
        statistics: documents(&request, "SamplingStatisticsDocuments")?.filter_map(statistics).collect(),
        boosts: documents(&request, "SamplingBoostStatisticsDocuments")?.filter_map(boost_statistics).collect(),
    })
}

fn documents<'a>(request: &'a Map<'a>, member: &str) -> Result<impl Iterator<Item = &'a Map<'a>> + use<'a>, Failure> {
    let list = request.get(member).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if list.len() > STATISTICS_PER_CALL_MAX {
        let count = list.len();
        return Err(Failure::Invalid(format!("{count} {member} in one call, expected at most {STATISTICS_PER_CALL_MAX}")));
    }
    Ok(list.iter().filter_map(Value::as_object))
}

fn statistics(document: &Map<'_>) -> Option<SamplingStatistics> {
    Some(SamplingStatistics {
        rule_name: text(document, "RuleName")?.to_owned(),
        client_id: text(document, "ClientID").unwrap_or_default().to_owned(),
        timestamp: document.get("Timestamp").and_then(number),
        request_count: count(document, "RequestCount").unwrap_or(0),
        sampled_count: count(document, "SampledCount").or_else(|| count(document, "SampleCount")).unwrap_or(0),
        borrow_count: count(document, "BorrowCount").unwrap_or(0),
    })
}

fn boost_statistics(document: &Map<'_>) -> Option<SamplingBoostStatistics> {
    Some(SamplingBoostStatistics {
        rule_name: text(document, "RuleName")?.to_owned(),
        service_name: text(document, "ServiceName").unwrap_or_default().to_owned(),
        anomaly_count: count(document, "AnomalyCount").unwrap_or(0),
        total_count: count(document, "TotalCount").unwrap_or(0),
        sampled_anomaly_count: count(document, "SampledAnomalyCount").unwrap_or(0),
    })
}

fn count(document: &Map<'_>, key: &str) -> Option<u64> {
    document.get(key).and_then(integer).and_then(|count| u64::try_from(count).ok())
}

/// What each reported rule may keep from now on: one target per rule, in the order reported.
pub fn targets(
    report: &SamplingReport,
    records: &[SamplingRuleRecord],
    last_rule_modification: f64,
    now_unix_seconds: f64,
    assign: &mut dyn Assign,
) -> SamplingTargets {
    let rule = |name: &str| records.iter().map(|record| &record.sampling_rule).find(|rule| rule.rule_name == name);
    let mut answer = SamplingTargets {
        sampling_target_documents: Vec::new(),
        last_rule_modification,
        unprocessed_statistics: Vec::new(),
        unprocessed_boost_statistics: Vec::new(),
    };
    for statistics in &report.statistics {
        match rule(&statistics.rule_name) {
            Some(rule) if answer.sampling_target_documents.iter().any(|target| target.rule_name == rule.rule_name) => {}
            Some(rule) => answer.sampling_target_documents.push(SamplingTargetDocument {
                rule_name: rule.rule_name.clone(),
                fixed_rate: rule.fixed_rate,
                reservoir_quota: assign.quota(rule, &statistics.client_id),
                reservoir_quota_ttl: now_unix_seconds + f64::from(QUOTA_TTL_SECONDS),
                interval: REPORT_INTERVAL_SECONDS,
                sampling_boost: assign.boost(rule, &report.boosts),
            }),
            None => answer.unprocessed_statistics.push(unknown_rule(&statistics.rule_name)),
        }
    }
    let boosts = report.boosts.iter().filter(|boost| rule(&boost.rule_name).is_none());
    answer.unprocessed_boost_statistics = boosts.map(|boost| unknown_rule(&boost.rule_name)).collect();
    answer
}

fn unknown_rule(rule_name: &str) -> UnprocessedStatistics {
    UnprocessedStatistics {
        rule_name: rule_name.to_owned(),
        error_code: "404",
        message: format!("sampling rule {rule_name} does not exist"),
    }
}

/// GetSamplingTargets' answer as bytes.
pub fn targets_reply(targets: &SamplingTargets, request_id: &str) -> Reply {
    reply(Dialect::RestJson, StatusCode::OK, targets, request_id)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const NOW: f64 = 1_795_228_326.5;

    const MODIFIED: f64 = 1_795_228_000.0;

    fn rule(name: &str) -> SamplingRuleRecord {
        let any = || "*".to_owned();
        SamplingRuleRecord {
            sampling_rule: SamplingRule {
                rule_name: name.to_owned(),
                rule_arn: rule_arn("eu-west-1", "000000000000", name),
                resource_arn: any(),
                priority: DEFAULT_RULE_PRIORITY,
                fixed_rate: 0.5,
                reservoir_size: 5,
                service_name: any(),
                service_type: any(),
                host: any(),
                http_method: any(),
                url_path: any(),
                version: 1,
                attributes: BTreeMap::new(),
                sampling_rate_boost: None,
            },
            created_at: 0.0,
            modified_at: MODIFIED,
        }
    }

    fn rules() -> Vec<SamplingRuleRecord> {
        vec![rule("checkout"), rule(DEFAULT_RULE_NAME)]
    }

    /// Half of the reservoir for everybody, and a boost for whoever reports an anomaly.
    struct Halves;

    impl Assign for Halves {
        fn quota(&mut self, rule: &SamplingRule, _: &str) -> u32 {
            rule.reservoir_size / 2
        }

        fn boost(&mut self, rule: &SamplingRule, boosts: &[SamplingBoostStatistics]) -> Option<SamplingBoost> {
            let mut of_rule = boosts.iter().filter(|boost| boost.rule_name == rule.rule_name);
            of_rule.any(|boost| boost.anomaly_count > 0).then_some(SamplingBoost { boost_rate: 1.0, boost_rate_ttl: NOW + 60.0 })
        }
    }

    fn check(body: &str, expected: Expect) {
        let answer = match read_report(body.as_bytes()) {
            Ok(report) => targets_reply(&targets(&report, &rules(), MODIFIED, NOW, &mut Halves), "id").body,
            Err(failure) => failure.to_string().into_bytes(),
        };
        expected.assert_eq(&String::from_utf8(answer).unwrap());
    }

    #[test]
    fn rules_are_answered_in_aws_words() {
        let reply = rules_reply(&[rule(DEFAULT_RULE_NAME)], None, "id");
        expect![[r#"{"SamplingRuleRecords":[{"SamplingRule":{"RuleName":"Default","RuleARN":"arn:aws:xray:eu-west-1:000000000000:sampling-rule/Default","ResourceARN":"*","Priority":10000,"FixedRate":0.5,"ReservoirSize":5,"ServiceName":"*","ServiceType":"*","Host":"*","HTTPMethod":"*","URLPath":"*","Version":1,"Attributes":{}},"CreatedAt":0.0,"ModifiedAt":1795228000.0}]}"#]]
        .assert_eq(&String::from_utf8(reply.body).unwrap());
    }

    #[test]
    fn each_reported_rule_gets_one_target() {
        check(
            r#"{"SamplingStatisticsDocuments": [
                {"RuleName": "checkout", "ClientID": "a", "RequestCount": 6, "SampleCount": 4, "Timestamp": 1795228187},
                {"RuleName": "checkout", "ClientID": "b", "RequestCount": 6, "SampledCount": 4, "BorrowCount": 2},
                {"RuleName": "gone", "ClientID": "b"}, {"ClientID": "nameless"}, 7],
                "SamplingBoostStatisticsDocuments": [{"RuleName": "gone", "ServiceName": "shop", "AnomalyCount": 1},
                {"RuleName": "checkout", "ServiceName": "shop", "AnomalyCount": 2}]}"#,
            expect![[
                r#"{"SamplingTargetDocuments":[{"RuleName":"checkout","FixedRate":0.5,"ReservoirQuota":2,"ReservoirQuotaTTL":1795228346.5,"Interval":10,"SamplingBoost":{"BoostRate":1.0,"BoostRateTTL":1795228386.5}}],"LastRuleModification":1795228000.0,"UnprocessedStatistics":[{"RuleName":"gone","ErrorCode":"404","Message":"sampling rule gone does not exist"}],"UnprocessedBoostStatistics":[{"RuleName":"gone","ErrorCode":"404","Message":"sampling rule gone does not exist"}]}"#
            ]],
        );
    }

    #[test]
    fn nothing_reported_is_answered_whole() {
        for body in ["", " \n", "{}", r#"{"SamplingStatisticsDocuments": null}"#, r#"{"SamplingStatisticsDocuments": [[]]}"#] {
            assert_eq!(read_report(body.as_bytes()), Ok(SamplingReport::default()), "{body}");
        }
        check(
            "",
            expect![[
                r#"{"SamplingTargetDocuments":[],"LastRuleModification":1795228000.0,"UnprocessedStatistics":[],"UnprocessedBoostStatistics":[]}"#
            ]],
        );
    }

    #[test]
    fn both_spellings_of_the_count_are_read() {
        for word in ["SampledCount", "SampleCount"] {
            let body = format!(r#"{{"SamplingStatisticsDocuments": [{{"RuleName": "Default", "{word}": 4}}]}}"#);
            assert_eq!(read_report(body.as_bytes()).unwrap().statistics[0].sampled_count, 4);
        }
    }

    #[test]
    fn hostile_bodies_are_refused() {
        check("[]", expect!["cannot read GetSamplingTargets: invalid type: sequence, expected an object at line 1 column 0"]);
        check("\u{1}", expect!["cannot read GetSamplingTargets: expected value at line 1 column 1"]);
        let many = format!(r#"{{"SamplingStatisticsDocuments": [{}{{}}]}}"#, "{},".repeat(STATISTICS_PER_CALL_MAX));
        check(&many, expect!["1001 SamplingStatisticsDocuments in one call, expected at most 1000"]);
        let deep = format!(r#"{{"SamplingStatisticsDocuments": {}"#, "[".repeat(100_000));
        check(&deep, expect!["cannot read GetSamplingTargets: recursion limit exceeded at line 1 column 159"]);
        assert!(read_report(b"{\"SamplingStatisticsDocuments\": [{\"RuleName\": \"\xff\"}]}").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_an_answer(bytes in proptest::collection::vec(0u8.., 0..200)) {
            if let Ok(report) = read_report(&bytes) {
                let _ = targets(&report, &rules(), MODIFIED, NOW, &mut Halves);
            }
        }
    }
}
