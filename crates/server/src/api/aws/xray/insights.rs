//! Insights: services that fail more than they used to, worked out when somebody asks. The rule is `analysis::insights`.
//!
//! Nothing is stored: an insight's id says when it began and hashes whose it is, so that it is found again by looking again.

use std::collections::HashMap;

use analysis::insights::{BASELINE_WINDOWS, CALM_WINDOWS, Window, insights};
use engine::ask::fault_windows::{FaultNode, FaultWindows};
use engine::ask::trace_scope::TraceScope;
use metastore::XrayGroup;
use parking_lot::Mutex;
use receivers::aws::AwsError;
use serde_json::{Value, json};
use store::TimeRange;
use xxhash_rust::xxh3::Xxh3;

use super::graphs::{asked, range};
use super::groups::DEFAULT_GROUP;
use super::input::{Checked, Input, invalid};
use super::pages::{self, Place};
use super::{Answer, XrayApi, seconds, unavailable};
use crate::api::filters::find_groups;
use crate::limits::INSIGHTS_REMEMBERED;

const MINUTE_NS: i64 = 60 * 1_000_000_000;

/// Windows that a range is looked at in: a day by the minute; windows of longer ranges are longer.
const WINDOWS_MAX: i64 = 1_440;

const SUMMARIES_MAX: u32 = 100;
const EVENTS_MAX: u32 = 50;

/// Whose insights were told, so that those of a group other than the default are found again.
#[derive(Default)]
pub struct KnownInsights(Mutex<HashMap<String, String>>);

/// One insight with what it is made of.
struct Found {
    id: String,
    first: usize,
    last: usize,
    is_open: bool,
    /// The cause first.
    services: Vec<usize>,
}

/// What a look at a range found.
struct Look {
    group: XrayGroup,
    /// When the first window begins.
    start_unix_nano: i64,
    window_ns: i64,
    seen: FaultWindows,
    found: Vec<Found>,
}

impl XrayApi<'_> {
    pub(super) async fn get_insight_summaries(&self) -> Answer {
        let input = self.input()?;
        let range = range(&input)?;
        let states = input.list("States", 1)?.unwrap_or_default();
        if let Some(wrong) = states.iter().find(|state| !matches!(state.as_str(), Some("ACTIVE" | "CLOSED"))) {
            return Err(invalid(format!("States must be ACTIVE or CLOSED, not {wrong}.")));
        }
        let max = input.integer("MaxResults", 1, SUMMARIES_MAX)?.unwrap_or(SUMMARIES_MAX) as usize;
        input.text_of("NextToken", 1, 2_000)?;
        let group = match self.named_group(&input).await? {
            Some(group) => group,
            None => self.default_group().await?,
        };
        let question = [group.name.clone(), format!("{range:?} {states:?}")];
        let look = self.look(group, range).await?;
        let wanted = |found: &&Found| {
            let is_within = look.time(found.first) < range.end_unix_nano && look.time(found.last + 1) > range.start_unix_nano;
            is_within && (states.is_empty() || states.iter().any(|state| state.as_str() == Some(found.state())))
        };
        let found: Vec<&Found> = look.found.iter().filter(wanted).collect();
        let question: Vec<&str> = question.iter().map(String::as_str).collect();
        let place = |found: &&Found| Place::pair(look.time(found.first), &found.id);
        let page = pages::page(&input, "GetInsightSummaries", &question, max, found, place)?;
        let summaries = page.items.into_iter().map(|found| {
            let mut told = self.insight_told(&look, found);
            told["LastUpdateTime"] = seconds(look.time(found.last + 1)).into();
            told
        });
        Ok(pages::answer("InsightSummaries", summaries.collect(), page.next))
    }

    pub(super) async fn get_insight(&self) -> Answer {
        let input = self.input()?;
        let (look, place) = self.named_insight(&input).await?;
        Ok(json!({ "Insight": self.insight_told(&look, &look.found[place]) }))
    }

    pub(super) async fn get_insight_events(&self) -> Answer {
        let input = self.input()?;
        let max = input.integer("MaxResults", 1, EVENTS_MAX)?.unwrap_or(EVENTS_MAX) as usize;
        input.text_of("NextToken", 1, 2_000)?;
        let (look, place) = self.named_insight(&input).await?;
        let found = &look.found[place];
        // One event for each window: how it stood at its end.
        let windows: Vec<usize> = (found.first..=found.last).collect();
        let page = pages::page(&input, "GetInsightEvents", &[&found.id], max, windows, |window| {
            Place::pair(look.time(*window), "")
        })?;
        let events = page.items.into_iter().map(|window| {
            let so_far = Found { last: window, services: found.services.clone(), id: String::new(), ..*found };
            json!({
                "Summary": look.summary(&so_far),
                "EventTime": seconds(look.time(window + 1)),
                "ClientRequestImpactStatistics": look.impact(&so_far, |_, node| node.is_root),
                "RootCauseServiceRequestImpactStatistics": look.impact(&so_far, |at, _| so_far.services.first() == Some(&at)),
                "TopAnomalousServices": self.anomalous(&look, &so_far),
            })
        });
        Ok(pages::answer("InsightEvents", events.collect(), page.next))
    }

    pub(super) async fn get_insight_impact_graph(&self) -> Answer {
        let input = self.input()?;
        let asked_range = range(&input)?;
        if input.text_of("NextToken", 1, 2_000)?.is_some() {
            return Err(pages::wrong_token());
        }
        let (look, place) = self.named_insight(&input).await?;
        let found = &look.found[place];
        // The anomalous services, and whoever calls one of them.
        let is_in = |node: usize| {
            let calls_one = |(from, to): &(usize, usize)| *from == node && found.services.contains(to);
            found.services.contains(&node) || look.seen.calls.iter().any(calls_one)
        };
        let nodes: Vec<usize> = (0..look.seen.nodes.len()).filter(|node| is_in(*node)).collect();
        let services = nodes.iter().map(|number| {
            let edges = look.seen.calls.iter().filter(|(from, to)| from == number && nodes.contains(to));
            let mut told = self.service_id(&look.seen.nodes[*number]);
            told["ReferenceId"] = (*number).into();
            told["Edges"] = edges.map(|(_, to)| json!({ "ReferenceId": to })).collect();
            told
        });
        Ok(json!({
            "InsightId": found.id,
            "StartTime": seconds(asked_range.start_unix_nano),
            "EndTime": seconds(asked_range.end_unix_nano),
            "ServiceGraphStartTime": seconds(look.time(found.first)),
            "ServiceGraphEndTime": seconds(look.time(found.last + 1)),
            "Services": services.collect::<Vec<_>>(),
        }))
    }

    /// Looks at a range with the past that it is compared with.
    async fn look(&self, group: XrayGroup, range: TimeRange) -> Checked<Look> {
        let minutes = (range.end_unix_nano - range.start_unix_nano).div_euclid(MINUTE_NS) + 1;
        let window_minutes = minutes.div_euclid(WINDOWS_MAX) + 1;
        self.look_by(group, range, window_minutes).await
    }

    async fn look_by(&self, group: XrayGroup, range: TimeRange, window_minutes: i64) -> Checked<Look> {
        let window_ns = window_minutes * MINUTE_NS;
        let first = range.start_unix_nano.div_euclid(window_ns) - BASELINE_WINDOWS as i64;
        // Somewhat beyond the end, to see whether what is anomalous there is over since.
        let beyond = range.end_unix_nano.saturating_add((CALM_WINDOWS as i64 + 1) * window_ns);
        let looked_at = TimeRange {
            start_unix_nano: first * window_ns,
            end_unix_nano: beyond.min(self.call.received_at_unix_nano).max(range.start_unix_nano),
        };
        let groups = Some(find_groups(self.services).await.map_err(unavailable)?);
        let scope = TraceScope { group: group.filter_expression.clone(), groups, ..TraceScope::over(looked_at) };
        let seen = self.services.asker.fault_windows(&scope, window_ns / 1_000_000_000).await.map_err(asked)?;
        let series: Vec<Vec<Window>> = seen.nodes.iter().map(|node| node.windows.clone()).collect();
        let start_unix_nano = looked_at.start_unix_nano;
        let found = insights(&series, &seen.calls).into_iter().filter_map(|insight| {
            let cause = &seen.nodes[*insight.services.first()?];
            let began = start_unix_nano + insight.first as i64 * window_ns;
            Some(Found {
                id: insight_id(began / MINUTE_NS, window_minutes, &group.name, cause),
                first: insight.first,
                last: insight.last,
                is_open: insight.is_open,
                services: insight.services,
            })
        });
        let found: Vec<Found> = found.collect();
        let mut known = self.services.xray.insights.0.lock();
        if known.len() + found.len() > INSIGHTS_REMEMBERED {
            known.clear();
        }
        known.extend(found.iter().take(INSIGHTS_REMEMBERED).map(|found| (found.id.clone(), group.name.clone())));
        drop(known);
        Ok(Look { group, start_unix_nano, window_ns, seen, found })
    }

    async fn named_insight(&self, input: &Input<'_>) -> Checked<(Look, usize)> {
        let id = input.text("InsightId")?.ok_or_else(|| input.missing("InsightId"))?;
        let (began_minute, window_minutes) =
            read_id(id).ok_or_else(|| input.refuse("InsightId", "be the id of an insight"))?;
        // Nothing that has not begun is anomalous.
        if began_minute > self.call.received_at_unix_nano / MINUTE_NS {
            return Err(no_insight());
        }
        let group = self.services.xray.insights.0.lock().get(id).cloned();
        let group = match group {
            Some(name) if name != DEFAULT_GROUP => {
                self.metastore().xray_group(self.project, &name).await.map_err(unavailable)?.ok_or_else(no_insight)?
            }
            _ => self.default_group().await?,
        };
        let start_unix_nano = began_minute * MINUTE_NS;
        let end_unix_nano = start_unix_nano.saturating_add(WINDOWS_MAX * window_minutes * MINUTE_NS);
        let look = self.look_by(group, TimeRange { start_unix_nano, end_unix_nano }, window_minutes).await?;
        let found = look.found.iter().position(|found| found.id.eq_ignore_ascii_case(id)).ok_or_else(no_insight)?;
        Ok((look, found))
    }

    async fn default_group(&self) -> Checked<XrayGroup> {
        let groups = self.all_groups().await?;
        let found = groups.into_iter().find(|group| group.name == DEFAULT_GROUP);
        found.ok_or_else(|| unavailable("the default group is missing"))
    }

    fn insight_told(&self, look: &Look, found: &Found) -> Value {
        let mut told = json!({
            "InsightId": found.id,
            "GroupARN": self.group_arn(&look.group),
            "GroupName": look.group.name,
            "RootCauseServiceId": self.service_id(look.cause(found)),
            "Categories": ["FAULT"],
            "State": found.state(),
            "StartTime": seconds(look.time(found.first)),
            "Summary": look.summary(found),
            "ClientRequestImpactStatistics": look.impact(found, |_, node| node.is_root),
            "RootCauseServiceRequestImpactStatistics": look.impact(found, |at, _| found.services.first() == Some(&at)),
            "TopAnomalousServices": self.anomalous(look, found),
        });
        if !found.is_open {
            told["EndTime"] = seconds(look.time(found.last + 1)).into();
        }
        told
    }

    fn anomalous(&self, look: &Look, found: &Found) -> Vec<Value> {
        let services = found.services.iter().map(|service| &look.seen.nodes[*service]);
        services.map(|node| json!({ "ServiceId": self.service_id(node) })).collect()
    }

    fn service_id(&self, node: &FaultNode) -> Value {
        let mut told = json!({ "Name": node.name, "Names": [node.name], "Type": node.node_type });
        if !node.is_inferred {
            told["AccountId"] = self.services.settings.account_id.as_str().into();
        }
        told
    }
}

impl Found {
    fn state(&self) -> &'static str {
        if self.is_open { "ACTIVE" } else { "CLOSED" }
    }
}

impl Look {
    /// When a window begins.
    fn time(&self, window: usize) -> i64 {
        self.start_unix_nano + window as i64 * self.window_ns
    }

    fn cause(&self, found: &Found) -> &FaultNode {
        &self.seen.nodes[found.services[0]]
    }

    /// Requests of some services while it lasted.
    fn impact(&self, found: &Found, of: impl Fn(usize, &FaultNode) -> bool) -> Value {
        let nodes = self.seen.nodes.iter().enumerate().filter(|(at, node)| of(*at, node));
        let sum = nodes.flat_map(|(_, node)| &node.windows[found.first..=found.last]).fold(Window::default(), add);
        let (total, faults) = (sum.total.round() as i64, sum.faults.round() as i64);
        json!({ "FaultCount": faults, "OkCount": total - faults, "TotalCount": total })
    }

    fn summary(&self, found: &Found) -> String {
        let cause = self.cause(found);
        let during = cause.windows[found.first..=found.last].iter().fold(Window::default(), add);
        let past = found.first.saturating_sub(BASELINE_WINDOWS)..found.first;
        let before = cause.windows[past].iter().fold(Window::default(), add);
        let percent = |window: Window| if window.total > 0.0 { window.faults / window.total * 100.0 } else { 0.0 };
        format!(
            "{} of {} requests to {} failed, {:.1} %; before, {:.1} % did.",
            during.faults.round(),
            during.total.round(),
            cause.name,
            percent(during),
            percent(before)
        )
    }
}

fn add(sum: Window, window: &Window) -> Window {
    Window { total: sum.total + window.total, faults: sum.faults + window.faults }
}

fn no_insight() -> AwsError {
    invalid("Insight not found.")
}

/// A UUID that says in which minute the insight began and how long its windows are, and hashes whose it is.
fn insight_id(began_minute: i64, window_minutes: i64, group: &str, cause: &FaultNode) -> String {
    let mut hash = Xxh3::new();
    for text in [group, &cause.name, &cause.node_type] {
        hash.update(text.as_bytes());
        hash.update(&[0]);
    }
    let hash = hash.digest();
    let (minute, window) = (began_minute as u32, window_minutes as u16);
    format!("{minute:08x}-{window:04x}-4{:03x}-8{:03x}-{:012x}", hash & 0xfff, (hash >> 12) & 0xfff, hash >> 24)
}

/// The minute and the minutes of a window.
fn read_id(id: &str) -> Option<(i64, i64)> {
    let parts: Vec<&str> = id.split('-').collect();
    let is_hex = |part: &str, digits: usize| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let [minute, window, version, variant, rest] = parts[..] else { return None };
    let is_uuid = is_hex(minute, 8) && is_hex(window, 4) && is_hex(version, 4) && is_hex(variant, 4) && is_hex(rest, 12);
    let known = is_uuid && version.starts_with(['1', '2', '3', '4', '5']) && variant.starts_with(['8', '9', 'a', 'b', 'A', 'B']);
    known.then_some(())?;
    let window = i64::from(u16::from_str_radix(window, 16).ok()?).max(1);
    Some((i64::from(u32::from_str_radix(minute, 16).ok()?), window))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_when_it_began() {
        let cause = FaultNode {
            name: "shop".into(),
            node_type: String::new(),
            is_inferred: false,
            is_root: true,
            windows: Vec::new(),
        };
        let id = insight_id(29_000_000, 3, "Default", &cause);
        assert_eq!(read_id(&id), Some((29_000_000, 3)));
        assert_ne!(id, insight_id(29_000_000, 3, "other", &cause));
        assert_eq!(uuid::Uuid::parse_str(&id).map(|id| id.get_version_num()), Ok(4));
        for wrong in ["", "shop", "0a1b2c3d-0000-9000-8000-000000000000", "0a1b2c3d-0000-4000-c000-000000000000"] {
            assert_eq!(read_id(wrong), None, "{wrong}");
        }
    }
}
