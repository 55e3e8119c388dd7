//! Service graphs, of a time, a group, single traces or a retrieval, and their numbers over time.

use analysis::insights::{self, BASELINE_WINDOWS, Window};
use analysis::service_graph::{Edge, EdgeKind, Histogram, Node, Selector, ServiceGraph, Side, Statistics};
use engine::EngineError;
use engine::ask::trace_scope::TraceScope;
use languages::xray_filter::{self, NodePattern, Term};
use model::TraceId;
use receivers::aws::AwsError;
use serde_json::{Map, Value, json};
use store::TimeRange;

use super::input::{Checked, Input, invalid};
use super::pages::{self, Place};
use super::traces::trace_ids;
use super::{Answer, XrayApi, seconds, unavailable};
use crate::api::filters::find_groups;
use crate::limits::XRAY_TRACE_IDS_MAX;

/// Periods on one page.
const PERIODS_PER_PAGE: usize = 1_440;

/// Seconds of a period when none is asked for; AWS's default.
const PERIOD_SECONDS_DEFAULT: u32 = 60;

const PERIOD_SECONDS_MAX: u32 = 86_400;

/// Longest expression that selects a node or an edge; AWS's bound.
const SELECTOR_CHARS_MAX: usize = 500;

const SECOND: i64 = 1_000_000_000;

impl XrayApi<'_> {
    pub(super) async fn get_service_graph(&self) -> Answer {
        let input = self.input()?;
        let range = range(&input)?;
        no_token(&input)?;
        let scope = self.scope(&input, range).await?;
        let graphed = self.services.asker.service_graph(&scope).await.map_err(asked)?;
        Ok(json!({
            "StartTime": seconds(range.start_unix_nano),
            "EndTime": seconds(range.end_unix_nano),
            "Services": services(&graphed.graph, &self.services.settings.account_id),
            "ContainsOldGroupVersions": false,
        }))
    }

    pub(super) async fn get_trace_graph(&self) -> Answer {
        let input = self.input()?;
        let ids = trace_ids(&input, XRAY_TRACE_IDS_MAX)?;
        no_token(&input)?;
        let graph = self.graph_of(ids.into_iter()).await?;
        Ok(json!({ "Services": services(&graph, &self.services.settings.account_id) }))
    }

    pub(super) async fn get_retrieved_traces_graph(&self) -> Answer {
        let input = self.input()?;
        no_token(&input)?;
        let (_, job) = self.retrieval(&input)?;
        let graph = self.graph_of(job.trace_ids()).await?;
        let services = services(&graph, &self.services.settings.account_id);
        let retrieved: Vec<Value> = services.into_iter().map(|service| json!({ "Service": service, "Links": [] })).collect();
        Ok(json!({ "RetrievalStatus": job.status(), "Services": retrieved }))
    }

    async fn graph_of(&self, ids: impl Iterator<Item = &str>) -> Checked<ServiceGraph> {
        let mut ids: Vec<TraceId> = ids.filter_map(|id| TraceId::parse(id).ok()).collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(self.services.asker.trace_graph(&ids).await.map_err(asked)?.graph)
    }

    pub(super) async fn get_time_series_service_statistics(&self) -> Answer {
        let input = self.input()?;
        let range = range(&input)?;
        let selector = selector(&input)?;
        let period_seconds = input.integer("Period", 1, PERIOD_SECONDS_MAX)?.unwrap_or(PERIOD_SECONDS_DEFAULT);
        let with_forecast = input.flag("ForecastStatistics")?.unwrap_or(false);
        let operation = "GetTimeSeriesServiceStatistics";
        let question = format!("{selector:?} {period_seconds} {range:?}");
        let from = match pages::place(&input, operation, &[&question])? {
            Some(place) => place.as_text().parse::<usize>().map_err(|_| pages::wrong_token())?,
            None => 0,
        };
        let is_edge = matches!(selector, Selector::Edge { .. } | Selector::Entries);
        let period_ns = i64::from(period_seconds) * SECOND;
        // A forecast needs the past, which is asked for with the rest.
        let past = if with_forecast && !is_edge { BASELINE_WINDOWS } else { 0 };
        let start = range.start_unix_nano.div_euclid(period_ns) * period_ns;
        let scope = self.scope(&input, TimeRange { start_unix_nano: start - past as i64 * period_ns, ..range }).await?;
        let series = self.services.asker.time_series(&scope, selector, i64::from(period_seconds)).await.map_err(asked)?;
        let statistics = &series.series.statistics;
        let windows: Vec<Window> =
            statistics.iter().map(|one| Window { total: one.total(), faults: one.fault }).collect();
        let told = statistics.iter().enumerate().skip(past + from).take(PERIODS_PER_PAGE).map(|(at, one)| {
            let mut out = Map::new();
            let time = series.series.period.start_unix_nano + at as i64 * period_ns;
            out.insert("Timestamp".into(), seconds(time).into());
            let member = if is_edge { "EdgeSummaryStatistics" } else { "ServiceSummaryStatistics" };
            out.insert(member.into(), summary(one));
            if let Some(expected) = windows.get(at.wrapping_sub(past)..at).and_then(|past| insights::forecast(past, windows[at].total)) {
                let forecast = json!({
                    "FaultCountHigh": expected.high.round() as i64,
                    "FaultCountLow": expected.low.round() as i64,
                });
                out.insert("ServiceForecastStatistics".into(), forecast);
            }
            out.insert("ResponseTimeHistogram".into(), histogram(&one.response_times));
            Value::Object(out)
        });
        let told: Vec<Value> = told.collect();
        let end = from + told.len();
        let next = (past + end < statistics.len()).then(|| Place::new(end.to_string()).token(operation, &[&question]));
        let mut answer = pages::answer("TimeSeriesServiceStatistics", told, next);
        answer["ContainsOldGroupVersions"] = false.into();
        Ok(answer)
    }

    /// The traces of a time, and of the group that the request names.
    pub(super) async fn scope(&self, input: &Input<'_>, range: TimeRange) -> Checked<TraceScope> {
        let group = self.named_group(input).await?.map(|group| group.filter_expression).unwrap_or_default();
        let groups = Some(find_groups(self.services).await.map_err(unavailable)?);
        Ok(TraceScope { group, groups, ..TraceScope::over(range) })
    }
}

/// Start and end, the end not included.
pub(super) fn range(input: &Input<'_>) -> Checked<TimeRange> {
    let (start_unix_nano, end_unix_nano) = (input.required_time("StartTime")?, input.required_time("EndTime")?);
    if start_unix_nano >= end_unix_nano {
        return Err(invalid("StartTime must be before EndTime."));
    }
    Ok(TimeRange { start_unix_nano, end_unix_nano })
}

/// A graph is on one page: its numbers of nodes mean nothing on another.
fn no_token(input: &Input<'_>) -> Checked<()> {
    if input.text("NextToken")?.is_some() { Err(pages::wrong_token()) } else { Ok(()) }
}

/// `service("a")` or `edge("a", "b")`; nothing selects the entries.
fn selector(input: &Input<'_>) -> Checked<Selector> {
    let Some(text) = input.text_of("EntitySelectorExpression", 0, SELECTOR_CHARS_MAX)? else { return Ok(Selector::Entries) };
    let wrong = |reason: &str| invalid(format!("Invalid entity selector expression: {reason}"));
    let filter = xray_filter::parse(text).map_err(|error| wrong(&error.to_string()))?;
    let named = |node: NodePattern| node.name.ok_or_else(|| wrong("expected the name of a service"));
    match filter.root {
        None => Ok(Selector::Entries),
        Some(xray_filter::Node::Term(Term::Service { node, block: None, .. })) => {
            let node_type = node.r#type.clone();
            Ok(Selector::Node { name: named(node)?, node_type })
        }
        Some(xray_filter::Node::Term(Term::Edge { source, destination, block: None, .. })) => {
            Ok(Selector::Edge { from: named(source)?, to: named(destination)? })
        }
        Some(_) => Err(wrong("expected service(\"name\") or edge(\"from\", \"to\")")),
    }
}

/// What went wrong with a question: the client's filter, or ours.
pub(super) fn asked(error: EngineError) -> AwsError {
    match error {
        EngineError::Invalid { message, position: Some(_) } => invalid(format!("Invalid filter expression: {message}")),
        EngineError::Invalid { message, position: None } => invalid(message),
        EngineError::OutOfTime { .. } | EngineError::OutOfMemory(_) => invalid(format!("The question is too large: {error}")),
        other => unavailable(other),
    }
}

pub(super) fn services(graph: &ServiceGraph, account_id: &str) -> Vec<Value> {
    let edges_from = |number: usize| graph.edges.iter().filter(move |edge| edge.from == number).map(edge_told).collect();
    let nodes = graph.nodes.iter().enumerate();
    nodes.map(|(number, node)| service(number, node, edges_from(number), account_id)).collect()
}

fn service(number: usize, node: &Node, edges: Vec<Value>, account_id: &str) -> Value {
    let mut out = Map::new();
    out.insert("ReferenceId".into(), number.into());
    out.insert("Name".into(), node.name.as_str().into());
    out.insert("Names".into(), json!([node.name]));
    if node.is_root {
        out.insert("Root".into(), true.into());
    }
    if node.side == Side::Service {
        out.insert("AccountId".into(), account_id.into());
    }
    out.insert("Type".into(), node.node_type.as_str().into());
    out.insert("State".into(), if node.side == Side::Service { "active" } else { "unknown" }.into());
    out.insert("StartTime".into(), seconds(node.start_unix_nano).into());
    out.insert("EndTime".into(), seconds(node.end_unix_nano).into());
    out.insert("Edges".into(), edges.into());
    if node.side != Side::Client {
        out.insert("SummaryStatistics".into(), summary(&node.statistics));
        out.insert("DurationHistogram".into(), histogram(&node.durations));
        out.insert("ResponseTimeHistogram".into(), histogram(&node.statistics.response_times));
    }
    Value::Object(out)
}

fn edge_told(edge: &Edge) -> Value {
    let mut out = json!({
        "ReferenceId": edge.to,
        "StartTime": seconds(edge.start_unix_nano),
        "EndTime": seconds(edge.end_unix_nano),
        "SummaryStatistics": summary(&edge.statistics),
        "ResponseTimeHistogram": histogram(&edge.statistics.response_times),
        "Aliases": [],
    });
    if edge.kind == EdgeKind::Link {
        out["EdgeType"] = "link".into();
        out["ReceivedEventAgeHistogram"] = histogram(&edge.ages);
    }
    out
}

/// Counts are weighted and told whole; the total is the sum of what is told.
fn summary(statistics: &Statistics) -> Value {
    let whole = |count: f64| count.round() as i64;
    let (ok, error, throttle, fault) =
        (whole(statistics.ok), whole(statistics.error), whole(statistics.throttle), whole(statistics.fault));
    json!({
        "OkCount": ok,
        "ErrorStatistics": { "ThrottleCount": throttle, "OtherCount": error - throttle, "TotalCount": error },
        "FaultStatistics": { "OtherCount": fault, "TotalCount": fault },
        "TotalCount": ok + error + fault,
        "TotalResponseTime": statistics.response_time_ns / 1e9,
    })
}

fn histogram(counts: &Histogram) -> Value {
    let entries = counts.entries().into_iter().map(|entry| (entry.value_s, entry.count.round() as i64));
    entries.filter(|(_, count)| *count > 0).map(|(value, count)| json!({ "Value": value, "Count": count })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(text: &str) -> Result<Selector, String> {
        let body = json!({ "EntitySelectorExpression": text }).to_string();
        selector(&Input::read(body.as_bytes()).unwrap()).map_err(|error| error.message)
    }

    #[test]
    fn nodes_and_edges_are_selected() {
        let node = |name: &str, node_type: Option<&str>| {
            Ok(Selector::Node { name: name.into(), node_type: node_type.map(str::to_owned) })
        };
        assert_eq!(selected("service(\"shop\")"), node("shop", None));
        assert_eq!(selected("service(id(name: \"t\", type: \"AWS::DynamoDB::Table\"))"), node("t", Some("AWS::DynamoDB::Table")));
        assert_eq!(selected("edge(\"a\", \"b\")"), Ok(Selector::Edge { from: "a".into(), to: "b".into() }));
        assert_eq!(selected(" "), Ok(Selector::Entries));
        for wrong in ["fault", "service()", "service(\"a\") { fault }", "service("] {
            assert!(selected(wrong).unwrap_err().starts_with("Invalid entity selector expression"), "{wrong}");
        }
    }
}
