//! X-Ray's filter expressions over facts: a text becomes what a scan asks of spans, and a judge of traces.

use std::collections::HashMap;

use analysis::root_cause::{self, Trouble};
use analysis::service_graph::{Calls, NodeKey, Side};
use analysis::trace_facts::{Flags, SpanFact, Trace};
use datafusion::logical_expr::Expr;
use languages::xray_filter::{
    self, Call, Cause, CauseEntity, CauseException, CauseService, Filter, FilterError, GroupReference, LowerContext,
    LoweredFilter, NodeTest, RootCause, Segment, TraceView,
};
use model::{Signal, SpanId, TraceId};

use super::TraceJudge;
use crate::error::EngineError;
use crate::limits::FILTER_EXCEPTIONS_MAX;
use crate::session::Session;

/// The expression of a group, if there is such a group.
pub type Groups<'a> = &'a (dyn Fn(&GroupReference) -> Option<String> + Send + Sync);

/// A filter expression, ready to judge the traces of a session.
pub struct CompiledFilter {
    lowered: LoweredFilter,
    exceptions: HashMap<(TraceId, u64), Vec<CauseException>>,
    /// What whoever reads the answer should know.
    pub warnings: Vec<String>,
}

impl CompiledFilter {
    /// Reads a filter for the spans that a session sees. Blank text is the filter that every trace passes.
    ///
    /// Refuses, with the byte: what cannot be read, and groups that do not exist.
    pub async fn compile(session: &Session, text: &str, groups: Groups<'_>) -> Result<CompiledFilter, EngineError> {
        let filter = xray_filter::parse(text).map_err(invalid)?;
        let mut lowered = lower(session, &filter, groups)?;
        if !lowered.missing_columns.is_empty() {
            // What no part has as a column, a row may have among the rest of its attributes.
            session.admit(Signal::Spans, std::mem::take(&mut lowered.missing_columns)).await?;
            lowered = lower(session, &filter, groups)?;
        }
        let unknown = lowered.unknown_keys.iter().map(|key| format!("no span has {key:?}"));
        let mut warnings: Vec<String> = unknown.collect();
        let exceptions = match lowered.asks_for_exceptions() {
            true => exceptions(session, &mut warnings).await?,
            false => HashMap::new(),
        };
        Ok(CompiledFilter { lowered, exceptions, warnings })
    }

    /// Whether every trace passes.
    pub fn is_always(&self) -> bool {
        self.lowered.is_always()
    }
}

impl TraceJudge for CompiledFilter {
    fn predicates(&self) -> Vec<Expr> {
        self.lowered.predicates.clone()
    }

    fn necessary(&self) -> Option<Expr> {
        self.lowered.necessary.clone()
    }

    fn holds(&self, trace: &Trace<'_>, calls: &Calls, first_bit: usize) -> bool {
        let view = View { filter: self, trace, calls, first_bit };
        xray_filter::evaluate(&self.lowered.condition, &view)
    }
}

fn lower(session: &Session, filter: &Filter, groups: Groups<'_>) -> Result<LoweredFilter, EngineError> {
    let schema = session.schema(Signal::Spans);
    let is_fixed = |name: &str| store::columns::is_fixed(Signal::Spans, name);
    let context = LowerContext { schema: schema.as_ref(), is_fixed: &is_fixed, group: &|reference| groups(reference) };
    xray_filter::lower(filter, &context).map_err(invalid)
}

fn invalid(error: FilterError) -> EngineError {
    EngineError::Invalid { message: error.to_string(), position: Some(error.position()) }
}

/// The exceptions that spans raised, in the order in which they did.
async fn exceptions(
    session: &Session,
    warnings: &mut Vec<String>,
) -> Result<HashMap<(TraceId, u64), Vec<CauseException>>, EngineError> {
    let answer = session
        .ask(&format!(
            "SELECT trace_id, span_id, \"exception.type\" AS name, \"exception.message\" AS message FROM logs \
             WHERE (\"exception.type\" IS NOT NULL OR \"exception.message\" IS NOT NULL) \
             AND trace_id IS NOT NULL AND span_id IS NOT NULL ORDER BY time DESC LIMIT {FILTER_EXCEPTIONS_MAX}"
        ))
        .await?;
    if answer.rows() == FILTER_EXCEPTIONS_MAX {
        warnings.push(format!("only the newest {FILTER_EXCEPTIONS_MAX} exceptions were looked at"));
    }
    let mut exceptions: HashMap<(TraceId, u64), Vec<CauseException>> = HashMap::new();
    for row in answer.iter() {
        let (Some(trace_id), Some(span_id)) = (row.trace_id("trace_id"), row.span_id("span_id")) else { continue };
        let exception =
            CauseException { name: row.string("name").unwrap_or_default(), message: row.string("message").unwrap_or_default() };
        exceptions.entry((trace_id, number(span_id))).or_default().push(exception);
    }
    exceptions.values_mut().for_each(|raised| raised.reverse());
    Ok(exceptions)
}

fn number(span_id: SpanId) -> u64 {
    u64::from_be_bytes(span_id.0)
}

/// A trace of facts as a filter looks at it.
struct View<'a> {
    filter: &'a CompiledFilter,
    trace: &'a Trace<'a>,
    calls: &'a Calls,
    /// Lower bits are of other filters.
    first_bit: usize,
}

impl TraceView for View<'_> {
    fn root(&self) -> Segment {
        Segment { root: true, ..self.segment(self.trace.root()) }
    }

    fn root_is_there(&self) -> bool {
        !self.trace.root_is_missing()
    }

    fn duration_ns(&self) -> i64 {
        self.trace.duration_ns()
    }

    fn matches(&self) -> u64 {
        self.own(self.trace.spans().iter().fold(0, |matches, span| matches | span.matches))
    }

    fn is_throttled(&self) -> bool {
        self.trace.spans().iter().any(|span| span.is(Flags::THROTTLE))
    }

    fn is_partial(&self) -> bool {
        self.trace.is_partial()
    }

    fn calls(&self) -> impl Iterator<Item = Call> {
        self.calls.calls().iter().map(|call| {
            let (seen_by, request) = (self.trace.spans()[call.seen_by as usize], self.trace.spans()[call.request as usize]);
            let source_is_client = call.from.is_some_and(|from| from.side == Side::Client);
            let inferred = call.to.side == Side::Inferred || request.is(Flags::INFERRED);
            let root = call.request as usize == self.trace.root_index() || source_is_client;
            Call {
                source: call.from.map(|from| self.node(from)),
                source_is_client,
                destination: self.node(call.to),
                seen_by: self.segment(&seen_by),
                request: Segment { inferred, root: root && !inferred, ..self.segment(&request) },
            }
        })
    }

    fn root_causes(&self, cause: Cause) -> Vec<RootCause> {
        let found = match cause {
            Cause::ResponseTime => root_cause::response_time(self.trace, self.calls).into_iter().collect(),
            Cause::Fault => root_cause::trouble(self.trace, self.calls, Trouble::Fault),
            Cause::Error => root_cause::trouble(self.trace, self.calls, Trouble::Error),
        };
        found.into_iter().map(|cause| self.told(cause)).collect()
    }
}

impl View<'_> {
    /// Which of the filter's nodes this is.
    fn node(&self, key: NodeKey) -> u64 {
        let (name, node_type) = (self.trace.text(key.name), self.trace.text(key.node_type));
        // Who asks bears the name of whom it asks, and is meant only by its type.
        let is_meant = |test: &NodeTest| key.side != Side::Client || !test.is_of_any_type();
        let tests = self.filter.lowered.nodes.iter().enumerate();
        tests.filter(|(_, test)| is_meant(test) && test.holds(name, node_type)).fold(0, |bits, (place, _)| bits | 1 << place)
    }

    /// The bits of this filter; one without predicates may begin behind the last.
    fn own(&self, matches: u64) -> u64 {
        matches.checked_shr(self.first_bit as u32).unwrap_or_default()
    }

    fn segment(&self, span: &SpanFact) -> Segment {
        Segment {
            matches: self.own(span.matches),
            duration_ns: span.duration_ns,
            error: span.is(Flags::ERROR),
            fault: span.is(Flags::FAULT),
            throttle: span.is(Flags::THROTTLE),
            in_progress: span.is(Flags::IN_PROGRESS),
            inferred: false,
            root: false,
        }
    }

    fn told(&self, cause: root_cause::RootCause) -> RootCause {
        let services = cause.services.into_iter().map(|service| {
            let inferred = service.node.side == Side::Inferred;
            let entities = service.entities.into_iter().map(|entity| CauseEntity {
                name: self.trace.text(entity.name).to_owned(),
                coverage: entity.coverage,
                remote: entity.remote,
                exceptions: if inferred { Vec::new() } else { self.exceptions(entity.span) },
            });
            CauseService {
                name: self.trace.text(service.node.name).to_owned(),
                r#type: self.trace.text(service.node.node_type).to_owned(),
                inferred,
                entities: entities.collect(),
            }
        });
        RootCause { services: services.collect(), client_impacting: cause.client_impacting }
    }

    fn exceptions(&self, span: u32) -> Vec<CauseException> {
        let span = &self.trace.spans()[span as usize];
        self.filter.exceptions.get(&(self.trace.facts.id(span.own_trace), span.span_id)).cloned().unwrap_or_default()
    }
}
