//! Which traces a question is about: those that begin in a range of time and for which expressions hold.

use std::ops::ControlFlow;
use std::sync::Arc;

use analysis::service_graph::Calls;
use analysis::trace_facts::{SpanFact, Trace};
use datafusion::logical_expr::Expr;
use languages::xray_filter::GroupReference;
use model::{Signal, TraceId};
use store::TimeRange;

use super::traces::{TraceFilter, TraceStatus, span_condition};
use super::{Asker, Stats};
use crate::error::EngineError;
use crate::session::Session;
use crate::trace_facts::{CompiledFilter, Coverage, FactsQuestion, Groups, Scan, Scanned, TraceJudge, Window};

/// Which traces are meant. Everything that is given has to hold.
#[derive(Clone, Default)]
pub struct TraceScope {
    pub range: Option<TimeRange>,
    pub time: TraceTime,
    /// A filter expression; blank holds for every trace. Errors point into it.
    pub filter: String,
    /// The expression of the group whose traces are meant.
    pub group: String,
    /// Finds the expressions of groups that filters name.
    pub groups: Option<FindGroup>,
    /// What else decides.
    pub judges: Vec<Arc<dyn TraceJudge>>,
    /// What the page's search says.
    pub search: TraceFilter,
}

impl TraceScope {
    pub fn over(range: TimeRange) -> TraceScope {
        TraceScope { range: Some(range), ..TraceScope::default() }
    }

    pub(super) fn range(&self) -> TimeRange {
        self.range.unwrap_or(TimeRange::ALL)
    }
}

/// The expression of a group, if there is such a group.
pub type FindGroup = Arc<dyn Fn(&GroupReference) -> Option<String> + Send + Sync>;

/// When a trace lies within a range of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceTime {
    /// Its first span begins within.
    #[default]
    Begin,
    /// The time that its id tells is within, as X-Ray's ids do; of others, when the first span began.
    Id,
    /// Some span begins or ends within.
    Any,
    /// Some request was answered within.
    Answered,
}

impl TraceTime {
    fn is_in(self, trace: &Trace<'_>, range: TimeRange) -> bool {
        let within = |time: i64| range.start_unix_nano <= time && (time < range.end_unix_nano || range.end_unix_nano == i64::MAX);
        match self {
            TraceTime::Begin => within(trace.start_unix_nano()),
            TraceTime::Id => within(begin_of_id(trace.id(), trace.start_unix_nano())),
            TraceTime::Any => trace.spans().iter().any(|span| within(span.start_unix_nano) || within(span.end_unix_nano())),
            TraceTime::Answered => {
                let answered = |span: &&SpanFact| span.is(analysis::trace_facts::Flags::REQUEST);
                trace.spans().iter().filter(answered).any(|span| within(span.end_unix_nano()))
            }
        }
    }
}

/// An id is as old as its first four bytes say if that is near the trace's first span; random ids are not.
fn begin_of_id(id: TraceId, start_unix_nano: i64) -> i64 {
    const DAY_SECONDS: i64 = 86_400;
    let [a, b, c, d, ..] = id.0;
    let seconds = i64::from(u32::from_be_bytes([a, b, c, d]));
    let started = start_unix_nano.div_euclid(super::SECOND);
    if (started - seconds).abs() > DAY_SECONDS { start_unix_nano } else { seconds * super::SECOND }
}

/// A scope made ready for a session: its conditions as bits of spans.
pub(super) struct Chosen {
    range: TimeRange,
    time: TraceTime,
    judges: Vec<(Arc<dyn TraceJudge>, usize)>,
    /// The bit of spans that the search finds, when it looks for any.
    search_bit: Option<usize>,
    only_ok: bool,
}

impl Chosen {
    /// Whether a trace is meant; fills `calls` with the trace's when it has to look at them.
    pub fn takes(&self, trace: &Trace<'_>, calls: &mut Calls) -> bool {
        let found = |bit: usize| trace.spans().iter().any(|span| span.matches(bit));
        let failed = |span: &SpanFact| span.is(analysis::trace_facts::Flags::STATUS_ERROR);
        if !self.time.is_in(trace, self.range)
            || self.search_bit.is_some_and(|bit| !found(bit))
            || (self.only_ok && trace.spans().iter().any(failed))
        {
            return false;
        }
        if self.judges.is_empty() {
            return true;
        }
        calls.read(trace);
        self.judges.iter().all(|(judge, first_bit)| judge.holds(trace, calls, *first_bit))
    }
}

/// A scan over the traces of a scope.
pub(super) struct ScopeScan {
    pub session: Arc<Session>,
    pub chosen: Chosen,
    question: FactsQuestion,
    ends_early: bool,
    /// What whoever reads the answer should know of the filters.
    pub warnings: Vec<String>,
}

async fn compile(session: &Session, text: &str, scope: &TraceScope, is_group: bool) -> Result<CompiledFilter, EngineError> {
    let none = |_: &GroupReference| None;
    let groups: Groups<'_> = match &scope.groups {
        Some(groups) => groups.as_ref(),
        None => &none,
    };
    CompiledFilter::compile(session, text, groups).await.map_err(|error| match error {
        EngineError::Invalid { message, .. } if is_group => EngineError::invalid(format!("the group's expression: {message}")),
        error => error,
    })
}

impl Asker {
    /// A session in which the traces of `range` are whole.
    pub(super) async fn trace_session(&self, range: TimeRange) -> Result<Arc<Session>, EngineError> {
        Ok(Arc::new(self.session(Scan::reach(range)).await?))
    }

    pub(super) async fn scope_scan(&self, scope: &TraceScope, session: Arc<Session>) -> Result<ScopeScan, EngineError> {
        let mut question = FactsQuestion::default();
        let mut warnings = Vec::new();
        let mut given: Vec<Arc<dyn TraceJudge>> = Vec::new();
        for (text, is_group) in [(&scope.filter, false), (&scope.group, true)] {
            if !text.trim().is_empty() {
                let filter = compile(&session, text, scope, is_group).await?;
                warnings.extend(filter.warnings.iter().cloned());
                given.push(Arc::new(filter));
            }
        }
        given.extend(scope.judges.iter().cloned());
        let mut judges = Vec::with_capacity(given.len());
        let mut necessary: Vec<Expr> = Vec::new();
        for judge in given {
            let first_bit = question.predicates.len();
            question.predicates.extend(judge.predicates());
            necessary.extend(judge.necessary());
            judges.push((judge, first_bit));
        }
        let mut search_bit = None;
        if let Some(condition) = span_condition(&session, &scope.search).await? {
            search_bit = Some(question.predicates.len());
            question.predicates.push(condition.clone());
            necessary.insert(0, condition);
        }
        // Any of them will do; the first is the asker's own.
        question.necessary = necessary.into_iter().next();
        let only_ok = scope.search.status == Some(TraceStatus::Ok);
        let chosen = Chosen { range: scope.range(), time: scope.time, judges, search_bit, only_ok };
        Ok(ScopeScan { session, chosen, question, ends_early: false, warnings })
    }
}

impl ScopeScan {
    pub fn ends_early(mut self) -> ScopeScan {
        self.ends_early = true;
        self
    }

    pub fn with_links(mut self) -> ScopeScan {
        self.question.links = true;
        self
    }

    /// Has every span tell a text.
    pub fn with_value(mut self, value: Option<Expr>) -> ScopeScan {
        self.question.value = value;
        self
    }

    /// As many predicates as the scope has of its own, which is the bit of the next.
    pub fn with_predicate(mut self, predicate: Expr) -> (ScopeScan, usize) {
        self.question.predicates.push(predicate.clone());
        self.question.necessary.get_or_insert(predicate);
        let bit = self.question.predicates.len() - 1;
        (self, bit)
    }

    /// Shows `visit` one window after the other; it asks [`Chosen::takes`] which traces are meant.
    pub async fn fold<S: Send + 'static>(
        self,
        state: S,
        mut visit: impl FnMut(&mut S, &Window<'_>, &Chosen) -> ControlFlow<()> + Send + 'static,
    ) -> Result<Scanned<S>, EngineError> {
        let ScopeScan { session, chosen, question, ends_early, .. } = self;
        let scan = Scan { session, question, range: chosen.range, ends_early };
        scan.fold(state, move |state, window| visit(state, window, &chosen)).await
    }

    /// Shows `visit` one trace after the other, those that are meant, with their calls.
    pub async fn fold_traces<S: Send + 'static>(
        self,
        state: S,
        mut visit: impl FnMut(&mut S, &Trace<'_>, &Calls) + Send + 'static,
    ) -> Result<Scanned<S>, EngineError> {
        let mut calls = Calls::default();
        self.fold(state, move |state, window, chosen| {
            for trace in window.facts.traces() {
                if chosen.takes(&trace, &mut calls) {
                    calls.read(&trace);
                    visit(state, &trace, &calls);
                }
            }
            ControlFlow::Continue(())
        })
        .await
    }
}

/// What an answer over traces rests on.
pub(super) fn stats<S>(scanned: &Scanned<S>, warnings: Vec<String>) -> Stats {
    told(scanned.stats, &scanned.coverage, warnings)
}

pub(super) fn told(stats: crate::QueryStats, coverage: &Coverage, warnings: Vec<String>) -> Stats {
    let mut stats = Stats { truncated: coverage.told(), ..stats.into() };
    stats.warnings.extend(warnings);
    stats
}

/// Whether a column of spans is there to be asked for.
pub(super) fn known(session: &Session, names: &[&str]) -> Vec<String> {
    names.iter().filter(|name| session.has(Signal::Spans, name)).map(|name| (*name).to_owned()).collect()
}
