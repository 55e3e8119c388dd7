//! Sampling rules and what SDKs ask before they send anything: rules, targets, statistics.

use std::collections::BTreeMap;

use metastore::{MetastoreError, SamplingBoostPolicy, SamplingRule, SamplingRuleUpdate};
use receivers::Reply;
use receivers::xray::sampling::{self as wire, SamplingRateBoost, SamplingRuleRecord};
use serde_json::json;

use super::input::{Checked, Input, invalid};
use super::pages::{self, Place};
use super::{Answer, XrayApi, seconds, unavailable};
use crate::limits::{SAMPLING_RULES_MAX, SAMPLING_STATISTICS_TOLD_SECONDS};

/// Rules on one page: all a project can have, because the SDKs read just one.
const RULES_PER_PAGE: usize = SAMPLING_RULES_MAX as usize + 1;

/// Windows on one page of statistics.
const WINDOWS_PER_PAGE: usize = 1_000;

/// Only version there is of the rules' format.
const VERSION: u32 = 1;

const PRIORITY_MAX: u32 = 9_999;

impl XrayApi<'_> {
    pub(super) async fn get_sampling_rules(&self) -> Result<Reply, receivers::aws::AwsError> {
        let input = self.input()?;
        let rules = self.metastore().sampling_rules(self.project).await.map_err(unavailable)?.rules;
        let records: Vec<SamplingRuleRecord> = rules.into_iter().map(|rule| self.record(rule)).collect();
        let page = pages::page(&input, "GetSamplingRules", &[], RULES_PER_PAGE, records, |record| {
            Place::pair(record.sampling_rule.priority, &record.sampling_rule.rule_name)
        })?;
        Ok(wire::rules_reply(&page.items, page.next, &self.call.request_id))
    }

    pub(super) async fn get_sampling_targets(&self) -> Result<Reply, receivers::aws::AwsError> {
        let report = wire::read_report(&self.call.body).map_err(|failure| invalid(failure.to_string()))?;
        let rules = self.metastore().sampling_rules(self.project).await.map_err(unavailable)?;
        let changed_at = seconds(rules.changed_at_unix_nano);
        let records: Vec<SamplingRuleRecord> = rules.rules.into_iter().map(|rule| self.record(rule)).collect();
        let now = self.call.received_at_unix_nano;
        let is_rule = |name: &str| records.iter().any(|record| record.sampling_rule.rule_name == name);
        self.services.xray.counts.note(&report, is_rule, now);
        let mut assigned = self.services.xray.clients.reporting(&report, now);
        let targets = wire::targets(&report, &records, changed_at, now as f64 / 1e9, &mut assigned);
        Ok(wire::targets_reply(&targets, &self.call.request_id))
    }

    pub(super) async fn create_sampling_rule(&self) -> Answer {
        let input = self.input()?;
        let rule = rule_of(&input.required_object("SamplingRule")?, self.call.received_at_unix_nano)?;
        let tags = self.tags_of(&input)?;
        self.metastore().create_sampling_rule(self.project, &rule, SAMPLING_RULES_MAX).await.map_err(refused)?;
        self.put_new_tags(&format!("sampling-rule/{}", rule.name), &tags).await?;
        Ok(json!({ "SamplingRuleRecord": self.record(rule) }))
    }

    pub(super) async fn update_sampling_rule(&self) -> Answer {
        let input = self.input()?;
        let update = input.required_object("SamplingRuleUpdate")?;
        let name = self.rule_name(&update)?;
        let mut changes = changes_of(&update)?;
        if name == metastore::DEFAULT_SAMPLING_RULE {
            only_rate_and_reservoir(&changes)?;
            changes.priority = None;
        }
        let now = self.call.received_at_unix_nano;
        let updated = self.metastore().update_sampling_rule(self.project, &name, &changes, now).await.map_err(refused)?;
        Ok(json!({ "SamplingRuleRecord": self.record(updated) }))
    }

    pub(super) async fn delete_sampling_rule(&self) -> Answer {
        let name = self.rule_name(&self.input()?)?;
        let now = self.call.received_at_unix_nano;
        let gone = self.metastore().delete_sampling_rule(self.project, &name, now).await.map_err(refused)?;
        let resource = format!("sampling-rule/{name}");
        self.metastore().delete_all_tags(self.project, &resource).await.map_err(unavailable)?;
        Ok(json!({ "SamplingRuleRecord": self.record(gone) }))
    }

    pub(super) async fn get_sampling_statistic_summaries(&self) -> Answer {
        let input = self.input()?;
        let after = pages::place(&input, "GetSamplingStatisticSummaries", &[])?;
        let after = after.as_ref().map(Place::as_pair).transpose()?;
        self.services.xray.counts.write(self.metastore(), self.project).await.map_err(unavailable)?;
        let from = self.call.received_at_unix_nano - SAMPLING_STATISTICS_TOLD_SECONDS * 1_000_000_000;
        let limit = WINDOWS_PER_PAGE as u32 + 1;
        let windows = self.metastore().sampling_statistics(self.project, from, after, limit).await.map_err(unavailable)?;
        let page = pages::cut(windows, WINDOWS_PER_PAGE, "GetSamplingStatisticSummaries", &[], |window| {
            Place::pair(window.start_unix_nano, &window.rule)
        });
        let summaries: Vec<_> = page
            .items
            .iter()
            .map(|window| {
                json!({
                    "RuleName": window.rule,
                    "Timestamp": seconds(window.start_unix_nano),
                    "RequestCount": window.requests,
                    "BorrowCount": window.borrowed,
                    "SampledCount": window.sampled,
                })
            })
            .collect();
        Ok(pages::answer("SamplingStatisticSummaries", summaries, page.next))
    }

    /// A rule in X-Ray's words.
    pub(crate) fn record(&self, rule: SamplingRule) -> SamplingRuleRecord {
        SamplingRuleRecord {
            created_at: seconds(rule.created_at_unix_nano),
            modified_at: seconds(rule.modified_at_unix_nano),
            sampling_rule: wire::SamplingRule {
                rule_arn: wire::rule_arn(&self.call.region, &self.services.settings.account_id, &rule.name),
                rule_name: rule.name,
                resource_arn: rule.resource_arn,
                priority: rule.priority,
                fixed_rate: rule.fixed_rate,
                reservoir_size: rule.reservoir_size,
                service_name: rule.service_name,
                service_type: rule.service_type,
                host: rule.host,
                http_method: rule.http_method,
                url_path: rule.url_path,
                version: rule.version,
                attributes: rule.attributes,
                sampling_rate_boost: rule.boost.map(|boost| SamplingRateBoost {
                    max_rate: boost.max_rate,
                    cooldown_window_minutes: boost.cooldown_minutes,
                }),
            },
        }
    }

    /// A rule is named by its name or its ARN, not by both.
    fn rule_name(&self, input: &Input<'_>) -> Checked<String> {
        let (name, arn) = (input.text_of("RuleName", 1, 32)?, input.text("RuleARN")?);
        match (name, arn) {
            (Some(name), None) => Ok(name.to_owned()),
            (None, Some(arn)) => {
                let named = arn.split_once(":sampling-rule/").map(|(_, name)| name.to_owned());
                named.ok_or_else(|| invalid(format!("Invalid ARN: {arn}")))
            }
            (Some(_), Some(_)) => Err(invalid("Specify a rule by either RuleName or RuleARN, but not both")),
            (None, None) => Err(invalid("Either RuleName or RuleARN must be specified")),
        }
    }
}

fn rule_of(input: &Input<'_>, now_unix_nano: i64) -> Checked<SamplingRule> {
    let name = input.text_of("RuleName", 1, 32)?;
    let name = name.ok_or_else(|| invalid("RuleName must be specified: the ARN of a new rule is made of it"))?;
    if !name.chars().all(|letter| letter.is_alphanumeric() || "-_. /:".contains(letter)) {
        return Err(input.refuse("RuleName", "consist of letters, digits and - _ . / :"));
    }
    if input.get("RuleARN").is_some() {
        return Err(invalid("Specify a rule by either RuleName or RuleARN, but not both"));
    }
    let changes = changes_of(input)?;
    let number = |value: Option<u32>, member: &str| value.ok_or_else(|| input.missing(member));
    let text = |value: Option<String>, member: &str| value.ok_or_else(|| input.missing(member));
    let version = number(input.integer("Version", 1, u32::MAX)?, "Version")?;
    if version != VERSION {
        return Err(input.refuse("Version", "be 1"));
    }
    Ok(SamplingRule {
        name: name.to_owned(),
        priority: number(changes.priority, "Priority")?,
        fixed_rate: changes.fixed_rate.ok_or_else(|| input.missing("FixedRate"))?,
        reservoir_size: number(changes.reservoir_size, "ReservoirSize")?,
        service_name: text(changes.service_name, "ServiceName")?,
        service_type: text(changes.service_type, "ServiceType")?,
        host: text(changes.host, "Host")?,
        http_method: text(changes.http_method, "HTTPMethod")?,
        url_path: text(changes.url_path, "URLPath")?,
        resource_arn: text(changes.resource_arn, "ResourceARN")?,
        attributes: changes.attributes.unwrap_or_default(),
        version,
        boost: changes.boost,
        created_at_unix_nano: now_unix_nano,
        modified_at_unix_nano: now_unix_nano,
    })
}

fn changes_of(input: &Input<'_>) -> Checked<SamplingRuleUpdate> {
    let text = |member: &str, chars_max: usize| -> Checked<Option<String>> {
        Ok(input.text_of(member, 0, chars_max)?.map(str::to_owned))
    };
    Ok(SamplingRuleUpdate {
        priority: input.integer("Priority", 1, PRIORITY_MAX)?,
        fixed_rate: input.number("FixedRate", 0.0, 1.0)?,
        reservoir_size: input.integer("ReservoirSize", 0, i32::MAX as u32)?,
        service_name: text("ServiceName", 64)?,
        service_type: text("ServiceType", 64)?,
        host: text("Host", 64)?,
        http_method: text("HTTPMethod", 10)?,
        url_path: text("URLPath", 128)?,
        resource_arn: text("ResourceARN", 500)?,
        attributes: attributes_of(input)?,
        boost: boost_of(input)?,
    })
}

/// At most five, of at most 32 characters each.
fn attributes_of(input: &Input<'_>) -> Checked<Option<BTreeMap<String, String>>> {
    let Some(attributes) = input.object("Attributes")? else { return Ok(None) };
    let mut read = BTreeMap::new();
    for (key, value) in attributes.entries() {
        let is_short = |text: &str| (1..=32).contains(&text.chars().count());
        match value.as_str() {
            Some(value) if is_short(key) && is_short(value) => read.insert(key.clone(), value.to_owned()),
            _ => return Err(input.refuse("Attributes", "have keys and values of 1 to 32 characters")),
        };
    }
    if read.len() > 5 {
        return Err(input.refuse("Attributes", "have at most 5 entries"));
    }
    Ok(Some(read))
}

fn boost_of(input: &Input<'_>) -> Checked<Option<SamplingBoostPolicy>> {
    let Some(boost) = input.object("SamplingRateBoost")? else { return Ok(None) };
    Ok(Some(SamplingBoostPolicy {
        max_rate: boost.number("MaxRate", 0.0, 1.0)?.ok_or_else(|| boost.missing("MaxRate"))?,
        cooldown_minutes: boost
            .integer("CooldownWindowMinutes", 0, 60 * 24)?
            .ok_or_else(|| boost.missing("CooldownWindowMinutes"))?,
    }))
}

/// The default matches everything and comes last; only how much it keeps can change.
fn only_rate_and_reservoir(changes: &SamplingRuleUpdate) -> Checked<()> {
    let stars = [
        &changes.service_name,
        &changes.service_type,
        &changes.host,
        &changes.http_method,
        &changes.url_path,
        &changes.resource_arn,
    ];
    let is_moved = changes.priority.is_some_and(|priority| priority != metastore::DEFAULT_SAMPLING_PRIORITY);
    let is_narrowed = stars.into_iter().flatten().any(|matcher| matcher != "*");
    let has_attributes = changes.attributes.as_ref().is_some_and(|attributes| !attributes.is_empty());
    if is_moved || is_narrowed || has_attributes {
        return Err(invalid("Only FixedRate, ReservoirSize and SamplingRateBoost of the Default rule can be updated"));
    }
    Ok(())
}

fn refused(error: MetastoreError) -> receivers::aws::AwsError {
    match error {
        MetastoreError::NotFound { .. } => invalid("Sampling rule does not exist."),
        MetastoreError::AlreadyExists { .. } => invalid("A sampling rule with this name already exists."),
        MetastoreError::Permanent { .. } => invalid("The Default sampling rule cannot be deleted."),
        MetastoreError::TooMany { max, .. } => {
            let message = format!("You have reached the maximum number of sampling rules, {max}.");
            receivers::aws::AwsError::new("RuleLimitExceededException", message)
        }
        other => unavailable(other),
    }
}
