//! The log events of a query as a table: those of log groups, and spans and OpenTelemetry's log records that are told as if they
//! were in groups.

use datafusion::common::{Column, DataFusionError, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, col, lit, when};
use datafusion::prelude::ident;
use model::Signal;
use store::TimeRange;

use super::documents::span_document;
use super::event_ids::event_id;
use super::protection::{GroupMasks, protected};
use crate::error::EngineError;
use crate::session::Session;

pub(in crate::ask) const GROUP: &str = "aws.log.group.name";
pub(in crate::ask) const STREAM: &str = "aws.log.stream.name";
pub(in crate::ask) const EVENT_ID: &str = "aws.log.event.id";

/// Fields of log events and their columns.
pub(super) const NAMES: [(&str, &str); 6] = [
    ("@timestamp", "time"),
    ("@ingestionTime", "received_at"),
    ("@message", "body"),
    ("@log", GROUP),
    ("@logStream", STREAM),
    ("@ptr", EVENT_ID),
];

/// What all spans are found under.
pub const SPANS_GROUP: &str = "aws/spans";

/// What the log records of a service are found under that came by OpenTelemetry's protocol: this and its name.
pub const SERVICE_GROUP_PREFIX: &str = "otel/";

/// The one stream of groups that nobody made.
pub const SERVICE_STREAM: &str = "default";

/// Where log events are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventSource {
    /// A log group, and since when there is one of that name: what an earlier one held is gone.
    Group { name: String, since_unix_nano: i64 },
    /// Every span.
    Spans,
    /// Log records that came by OpenTelemetry's protocol, of a service.
    Service(String),
    /// The same of every service whose name begins so.
    Services(String),
}

/// Groups, and the times that are asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSources {
    pub of: Vec<EventSource>,
    pub start_unix_nano: i64,
    /// Exclusive.
    pub end_unix_nano: i64,
}

impl EventSources {
    pub(in crate::ask) fn range(&self) -> TimeRange {
        TimeRange { start_unix_nano: self.start_unix_nano, end_unix_nano: self.end_unix_nano }
    }

    pub(super) fn has_spans(&self) -> bool {
        self.of.contains(&EventSource::Spans)
    }

    /// Whether events of this group are among them.
    pub fn includes(&self, group: &str) -> bool {
        self.of.iter().any(|source| match source {
            EventSource::Group { name, .. } => name == group,
            EventSource::Spans => group == SPANS_GROUP,
            EventSource::Service(name) => group.strip_prefix(SERVICE_GROUP_PREFIX) == Some(name),
            EventSource::Services(prefix) => {
                group.strip_prefix(SERVICE_GROUP_PREFIX).is_some_and(|name| name.starts_with(prefix.as_str()))
            }
        })
    }
}

/// The tables that events are in.
pub(in crate::ask) struct Tables {
    logs: LogicalPlan,
    spans: LogicalPlan,
    has_groups: bool,
}

impl Tables {
    pub async fn of(session: &Session) -> Result<Tables, EngineError> {
        Ok(Tables {
            logs: session.plan(Signal::Logs, None).await?,
            spans: session.plan(Signal::Spans, None).await?,
            has_groups: [GROUP, STREAM, EVENT_ID].iter().all(|column| session.has(Signal::Logs, column)),
        })
    }

    /// How many events there are in some groups within a time.
    pub async fn number_of_events(&self, session: &Session, sources: &EventSources) -> Result<u64, EngineError> {
        let times = within(sources.range());
        let of_logs = session.count(Signal::Logs, times.clone().and(self.condition_of_logs(sources))).await?;
        let of_spans = if sources.has_spans() { session.count(Signal::Spans, times).await? } else { 0 };
        Ok(of_logs + of_spans)
    }

    /// The events of some groups within a time.
    pub fn events(&self, sources: &EventSources, masks: &GroupMasks, may_unmask: bool) -> Result<LogicalPlan, DataFusionError> {
        let times = within(sources.range());
        let logs = protected(self.of_logs(sources, &times)?, Signal::Logs, masks, may_unmask)?;
        if !sources.has_spans() {
            return Ok(logs);
        }
        let spans = protected(self.of_spans(&times)?, Signal::Spans, masks, may_unmask)?;
        if sources.of.len() == 1 {
            return Ok(spans);
        }
        LogicalPlanBuilder::from(logs).union_by_name(spans)?.build()
    }

    /// Every event of a time, whichever its group.
    pub fn all_events(&self, range: TimeRange) -> Result<LogicalPlan, DataFusionError> {
        let times = within(range);
        let named = |plan: LogicalPlan| {
            let names = ["time", "received_at", "body", GROUP, STREAM, EVENT_ID];
            LogicalPlanBuilder::from(plan).project(names.map(ident))?.build()
        };
        let is_event = ident("receiver").eq(lit("cloudwatch")).or(ident("receiver").eq(lit("otlp")));
        let logs = LogicalPlanBuilder::from(self.logs.clone()).filter(times.clone())?.filter(is_event)?.build()?;
        let spans = named(self.of_spans(&times)?)?;
        LogicalPlanBuilder::from(named(self.with_groups(logs)?)?).union_by_name(spans)?.build()
    }

    fn of_logs(&self, sources: &EventSources, times: &Expr) -> Result<LogicalPlan, DataFusionError> {
        let condition = self.condition_of_logs(sources);
        let plan = LogicalPlanBuilder::from(self.logs.clone()).filter(times.clone())?.filter(condition)?.build()?;
        let has_services = sources.of.iter().any(|source| matches!(source, EventSource::Service(_) | EventSource::Services(_)));
        if has_services { self.with_groups(plan) } else { Ok(plan) }
    }

    /// What came otherwise than by CloudWatch's API is in the group of its service.
    fn with_groups(&self, plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
        let service = datafusion::functions::string::concat().call(vec![lit(SERVICE_GROUP_PREFIX), ident("service.name")]);
        let id = event_id(ident("body"));
        let told = [(GROUP, service), (STREAM, lit(SERVICE_STREAM)), (EVENT_ID, id)].map(|(name, of_service)| {
            let was_sent = ident("receiver").eq(lit("cloudwatch"));
            let column = match self.has_groups {
                true => when(was_sent, ident(name)).otherwise(of_service)?,
                false => of_service,
            };
            Ok::<_, DataFusionError>((name, column))
        });
        with_columns(plan, told.into_iter().collect::<Result<_, _>>()?)
    }

    fn condition_of_logs(&self, sources: &EventSources) -> Expr {
        let conditions = sources.of.iter().filter_map(|source| self.condition(source));
        conditions.reduce(Expr::or).unwrap_or(lit(false))
    }

    fn condition(&self, source: &EventSource) -> Option<Expr> {
        let came_by = |receiver: &str| ident("receiver").eq(lit(receiver));
        Some(match source {
            EventSource::Group { name, since_unix_nano } => {
                if !self.has_groups {
                    return None;
                }
                let since = lit(ScalarValue::TimestampNanosecond(Some(*since_unix_nano), Some("UTC".into())));
                came_by("cloudwatch").and(ident(GROUP).eq(lit(name.as_str()))).and(col("received_at").gt_eq(since))
            }
            EventSource::Spans => return None,
            EventSource::Service(name) => came_by("otlp").and(ident("service.name").eq(lit(name.as_str()))),
            EventSource::Services(prefix) => {
                let starts = datafusion::functions::string::starts_with();
                came_by("otlp").and(starts.call(vec![ident("service.name"), lit(prefix.as_str())]))
            }
        })
    }

    /// Spans as log events: the whole span is the message, and its parts are fields.
    fn of_spans(&self, times: &Expr) -> Result<LogicalPlan, DataFusionError> {
        let plan = LogicalPlanBuilder::from(self.spans.clone()).filter(times.clone())?.build()?;
        let message = span_document(plan.schema());
        let nanos = |name: &str| datafusion::logical_expr::cast(ident(name), arrow::datatypes::DataType::Int64);
        let columns = vec![
            ("body", message),
            (GROUP, lit(SPANS_GROUP)),
            (STREAM, lit(SERVICE_STREAM)),
            (EVENT_ID, event_id(ident("span_id"))),
            ("traceId", ident("trace_id")),
            ("spanId", ident("span_id")),
            ("parentSpanId", ident("parent_span_id")),
            ("durationNano", ident("duration_ns")),
            ("startTimeUnixNano", nanos("time")),
            ("endTimeUnixNano", nanos("time") + ident("duration_ns")),
            ("status.code", ident("status_code")),
            ("status.message", ident("status_message")),
        ];
        with_columns(plan, columns)
    }
}

fn within(range: TimeRange) -> Expr {
    let at = |nanos: i64| lit(ScalarValue::TimestampNanosecond(Some(nanos), Some("UTC".into())));
    col("time").gt_eq(at(range.start_unix_nano)).and(col("time").lt(at(range.end_unix_nano)))
}

/// The plan with further columns, or with others in the place of those of the same name.
fn with_columns(plan: LogicalPlan, columns: Vec<(&str, Expr)>) -> Result<LogicalPlan, DataFusionError> {
    let is_replaced = |column: &Column| columns.iter().any(|(name, _)| *name == column.name);
    let kept = plan.schema().columns().into_iter().filter(|column| !is_replaced(column)).map(Expr::Column);
    let exprs: Vec<Expr> = kept.chain(columns.iter().map(|(name, expr)| expr.clone().alias(*name))).collect();
    LogicalPlanBuilder::from(plan).project(exprs)?.build()
}
