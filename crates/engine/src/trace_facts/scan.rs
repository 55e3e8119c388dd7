//! Reads the windows of a range, newest first, and hands their traces on as facts.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use analysis::trace_facts::{FactsBuilder, IdHashes, Texts, TraceFacts};
use arrow::array::AsArray;
use arrow::datatypes::{DataType, TimestampNanosecondType};
use datafusion::common::{Column, ScalarValue};
use datafusion::dataframe::DataFrame;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::{Expr, lit};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use model::{Signal, TraceId};
use store::{Snapshot, TimeRange};

use super::FactsQuestion;
use super::columns::{Reader, is_text, projection};
use super::windows::{Stretch, rows_in, windows};
use crate::answer::QueryStats;
use crate::dictionaries::scan::{Which, as_dictionaries};
use crate::error::EngineError;
use crate::limits::{
    DAMAGED_PARTS_PER_QUESTION_MAX, TRACE_CANDIDATES_MAX, TRACE_CANDIDATES_NAMED_MAX, TRACE_PREDICATES_MAX, TRACE_REACH_NS,
    TRACE_SPANS_HELD_MAX, TRACE_SPANS_JUDGED_MAX, TRACE_SPANS_WAITING_MAX, TRACE_START_MARGIN_NS, TRACE_WINDOW_SPANS_FIRST,
    TRACE_WINDOWS_MAX,
};
use crate::session::{Session, rows_scanned};

/// How much of a range an answer rests on.
#[derive(Clone, Copy, Debug)]
pub struct Coverage {
    /// Traces that began before this were not looked at.
    pub from_unix_nano: i64,
    pub spans: u64,
    /// The share of the range, in time; 1 when all of it was looked at, or as much as the question needed.
    pub share: f64,
    /// Spans that were left out because too many came at one moment.
    pub left_out: u64,
}

impl Coverage {
    /// Why the answer is not whole, if it is not.
    pub fn told(&self) -> Option<String> {
        if self.share < 1.0 {
            let (percent, spans) = (self.share * 100.0, self.spans);
            return Some(format!("the newest {percent:.1} % of the time range, {spans} spans; narrow the range to see the rest"));
        }
        (self.left_out > 0).then(|| format!("{} spans of a moment with more than {TRACE_SPANS_HELD_MAX}", self.left_out))
    }
}

/// What a question over traces takes: a session, what to know of spans, and the time in which its traces begin.
pub struct Scan {
    pub session: Arc<Session>,
    pub question: FactsQuestion,
    /// The session's range has to reach [`TRACE_REACH_NS`] beyond this on both sides; see [`Scan::reach`].
    pub range: TimeRange,
    /// Whether the question may be answered before all of the range is read: its first windows are small then.
    pub ends_early: bool,
}

/// The traces of one window.
pub struct Window<'a> {
    pub facts: &'a TraceFacts,
    /// No trace that is shown later began at this time or after.
    pub settled_from_unix_nano: i64,
}

/// What a scan ends with.
pub struct Scanned<S> {
    pub state: S,
    pub texts: Texts,
    pub coverage: Coverage,
    pub stats: QueryStats,
}

impl Scan {
    /// The range that a session has to see for traces that begin within `range` to be whole.
    pub fn reach(range: TimeRange) -> TimeRange {
        TimeRange {
            start_unix_nano: range.start_unix_nano.saturating_sub(TRACE_REACH_NS),
            end_unix_nano: range.end_unix_nano.saturating_add(TRACE_REACH_NS),
        }
    }

    /// Calls `visit` with the traces of one window after the other, each trace once, until it breaks. Runs on the query threads,
    /// within the time limit. What `visit` is shown are whole traces, also such that begin outside the range.
    pub async fn fold<S: Send + 'static>(
        self,
        state: S,
        visit: impl FnMut(&mut S, &Window<'_>) -> ControlFlow<()> + Send + 'static,
    ) -> Result<Scanned<S>, EngineError> {
        if self.question.predicates.len() > TRACE_PREDICATES_MAX {
            let message = format!("expected at most {TRACE_PREDICATES_MAX} conditions on spans in one expression");
            return Err(EngineError::invalid(message));
        }
        let engine = self.session.engine.clone();
        let time_max = engine.options.time_max;
        let task = engine.spawn(async move { Running::new(self).fold(state, visit).await });
        let Ok(joined) = tokio::time::timeout(time_max, task).await else {
            return Err(EngineError::OutOfTime { seconds: time_max.as_secs() });
        };
        joined.map_err(|error| EngineError::Internal(error.to_string()))?
    }
}

struct Running {
    scan: Scan,
    started: Instant,
    memory: MemoryReservation,
    builder: FactsBuilder,
    reader: Reader,
    damage_left: usize,
    rows_scanned: u64,
    spans: u64,
    left_out: u64,
    /// The least and the greatest time of any row that the catalog and memory know of.
    between: (i64, i64),
}

type Ids = HashSet<TraceId, IdHashes>;

impl Running {
    fn new(scan: Scan) -> Running {
        let mut builder = FactsBuilder::default();
        let reader = Reader::new(scan.question.predicates.len(), &mut builder.texts);
        let memory = MemoryConsumer::new("trace facts").register(&scan.session.engine.env.memory_pool);
        Running {
            scan,
            started: Instant::now(),
            memory,
            builder,
            reader,
            damage_left: DAMAGED_PARTS_PER_QUESTION_MAX,
            rows_scanned: 0,
            spans: 0,
            left_out: 0,
            between: (i64::MIN, i64::MAX),
        }
    }

    async fn fold<S>(
        mut self,
        mut state: S,
        mut visit: impl FnMut(&mut S, &Window<'_>) -> ControlFlow<()>,
    ) -> Result<Scanned<S>, EngineError> {
        let range = Scan::reach(self.scan.range);
        let most = self.scan.session.engine.options.trace_window_spans;
        let first = if self.scan.ends_early { most.min(TRACE_WINDOW_SPANS_FIRST) } else { most };
        let stretches = stretches(&self.scan.session.view.snapshot(Signal::Spans));
        let mut ahead = windows(&stretches, range, first, most, TRACE_WINDOWS_MAX);
        ahead.reverse();
        let mut seen_from = range.end_unix_nano;
        let mut answered = false;
        self.between = stretches
            .iter()
            .fold((i64::MAX, i64::MIN), |(min, max), stretch| (min.min(stretch.min_time), max.max(stretch.max_time)));
        while let Some(window) = ahead.pop() {
            if self.spans >= TRACE_SPANS_JUDGED_MAX || self.started.elapsed() > self.scan.session.engine.options.time_max / 2 {
                break;
            }
            if self.scan.question.necessary.is_none() {
                self.builder.reserve((rows_in(&stretches, window) as usize).min(TRACE_SPANS_HELD_MAX));
            }
            if self.read(window).await?.is_break() {
                let middle = window.start_unix_nano.midpoint(window.end_unix_nano);
                ahead.push(TimeRange { end_unix_nano: middle, ..window });
                ahead.push(TimeRange { start_unix_nano: middle, ..window });
                continue;
            }
            self.spans += self.builder.spans_count() as u64;
            let mut facts = std::mem::take(&mut self.builder).finish();
            if !ahead.is_empty() && self.spans < TRACE_SPANS_JUDGED_MAX {
                set_aside(&mut facts, window);
            }
            let settled = if ahead.is_empty() { i64::MIN } else { window.start_unix_nano.saturating_add(TRACE_REACH_NS) };
            let flow = visit(&mut state, &Window { facts: &facts, settled_from_unix_nano: settled });
            self.builder = facts.go_on();
            self.spans -= self.builder.spans_count() as u64;
            seen_from = window.start_unix_nano;
            if flow.is_break() {
                answered = true;
                break;
            }
        }
        let whole = answered || ahead.is_empty() && seen_from <= range.start_unix_nano || stretches.is_empty();
        let coverage = Coverage {
            from_unix_nano: seen_from.max(self.scan.range.start_unix_nano),
            spans: self.spans,
            share: if whole { 1.0 } else { share(self.scan.range, &stretches, seen_from) },
            left_out: self.left_out,
        };
        let stats = QueryStats { elapsed: self.started.elapsed(), rows_scanned: self.rows_scanned, ..self.scan.session.seen() };
        Ok(Scanned { state, texts: self.builder.texts, coverage, stats })
    }

    /// Reads a window's spans into the builder; breaks, having read nothing, when they are too many at once.
    async fn read(&mut self, window: TimeRange) -> Result<ControlFlow<()>, EngineError> {
        let candidates = match self.scan.question.necessary.clone() {
            Some(necessary) => match self.candidates(window, necessary).await? {
                Some(ids) if ids.is_empty() => return Ok(ControlFlow::Continue(())),
                candidates => candidates,
            },
            None => None,
        };
        let mark = self.builder.mark();
        loop {
            match self.read_once(window, candidates.as_ref()).await {
                Ok(ControlFlow::Continue(())) => return Ok(ControlFlow::Continue(())),
                Ok(ControlFlow::Break(())) => {
                    self.builder.back_to(mark);
                    return Ok(ControlFlow::Break(()));
                }
                Err(error) if self.damage_left > 0 && self.scan.session.leave_out_damaged() => {
                    tracing::warn!(%error, "traces are read again without a damaged part");
                    self.damage_left -= 1;
                    self.builder.back_to(mark);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn read_once(&mut self, window: TimeRange, candidates: Option<&Ids>) -> Result<ControlFlow<()>, EngineError> {
        let mut frame = self.spans(window).await?;
        if let Some(ids) = candidates.filter(|ids| ids.len() <= TRACE_CANDIDATES_NAMED_MAX) {
            frame = frame.filter(column("trace_id").in_list(ids.iter().map(|id| id_literal(*id)).collect(), false))?;
        }
        let exprs = projection(&self.scan.session.schema(Signal::Spans), &self.scan.question);
        let (state, plan) = frame.select(exprs)?.into_parts();
        let plan = with_codes(state.create_physical_plan(&plan).await?)?;
        let mut stream = execute_stream(Arc::clone(&plan), state.task_ctx())?;
        let wanted = |id: TraceId, linked: Option<TraceId>| {
            candidates.is_none_or(|ids| ids.contains(&id) || linked.is_some_and(|linked| ids.contains(&linked)))
        };
        while let Some(batch) = stream.next().await.transpose()? {
            if self.builder.spans_count() + batch.num_rows() > TRACE_SPANS_HELD_MAX {
                if window.end_unix_nano.saturating_sub(window.start_unix_nano) > TRACE_START_MARGIN_NS {
                    return Ok(ControlFlow::Break(()));
                }
                self.left_out += batch.num_rows() as u64;
                continue;
            }
            self.reader.read(&batch, &mut self.builder, &wanted)?;
            self.memory.try_resize(self.builder.bytes())?;
        }
        self.rows_scanned += rows_scanned(&plan);
        Ok(ControlFlow::Continue(()))
    }

    /// The traces of a window of which some span meets a condition, those that wait, and those linked to either; `None` when
    /// they are so many that reading all is cheaper.
    async fn candidates(&mut self, window: TimeRange, necessary: Expr) -> Result<Option<Ids>, EngineError> {
        let window = TimeRange { start_unix_nano: window.start_unix_nano.saturating_sub(TRACE_REACH_NS), ..window };
        let found = self.spans(window).await?.filter(necessary)?.select(vec![column("trace_id")])?.distinct()?;
        let found = self.scan.session.run(found.limit(0, Some(TRACE_CANDIDATES_MAX + 1))?).await?;
        self.rows_scanned += found.stats.rows_scanned;
        if found.rows() > TRACE_CANDIDATES_MAX {
            return Ok(None);
        }
        let mut ids: Ids = found.iter().filter_map(|row| row.trace_id("trace_id")).collect();
        ids.extend(self.builder.ids());
        if ids.is_empty() {
            return Ok(Some(ids));
        }
        let linked = self.spans(window).await?.filter(column("linked_trace_id").is_not_null())?;
        let linked = linked.select(vec![column("trace_id"), column("linked_trace_id")])?.distinct()?;
        let linked = self.scan.session.run(linked.limit(0, Some(TRACE_CANDIDATES_MAX))?).await?;
        let pairs = linked.iter().filter_map(|row| Some((row.trace_id("trace_id")?, row.trace_id("linked_trace_id")?)));
        let meant: Vec<TraceId> =
            pairs.filter(|(from, to)| ids.contains(from) || ids.contains(to)).flat_map(|(from, to)| [from, to]).collect();
        ids.extend(meant);
        Ok(Some(ids))
    }

    /// The window's spans; its end is not in it. A bound that no row is beyond is not asked for.
    async fn spans(&self, window: TimeRange) -> Result<DataFrame, EngineError> {
        let at = |nanos: i64| lit(ScalarValue::TimestampNanosecond(Some(nanos), Some("UTC".into())));
        let (least, greatest) = self.between;
        let from = (window.start_unix_nano > least).then(|| column("time").gt_eq(at(window.start_unix_nano)));
        let to = (window.end_unix_nano <= greatest).then(|| match window.end_unix_nano {
            i64::MAX => column("time").lt_eq(at(i64::MAX)),
            end => column("time").lt(at(end)),
        });
        let table = self.scan.session.table(Signal::Spans).await?;
        match from.into_iter().chain(to).reduce(Expr::and) {
            Some(within) => Ok(table.filter(within)?),
            None => Ok(table),
        }
    }
}

/// Traces that begin so near a window's border that older spans of them may follow wait for the next window, unless too many do.
fn set_aside(facts: &mut TraceFacts, window: TimeRange) {
    let mut left = TRACE_SPANS_WAITING_MAX;
    facts.set_aside(|trace| {
        let reach = if trace.root_is_missing() { TRACE_REACH_NS } else { TRACE_START_MARGIN_NS };
        let waits = trace.start_unix_nano() < window.start_unix_nano.saturating_add(reach) && left >= trace.spans().len();
        left -= if waits { trace.spans().len() } else { 0 };
        waits
    });
}

fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

fn id_literal(id: TraceId) -> Expr {
    lit(ScalarValue::FixedSizeBinary(16, Some(id.0.to_vec())))
}

/// The plan with its texts as codes where its scans can give them.
fn with_codes(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>, EngineError> {
    let schema = plan.schema();
    let fields = schema.fields().iter().enumerate();
    let texts = fields.filter(|(_, field)| *field.data_type() == DataType::Utf8 && is_text(field.name())).map(|(place, _)| place);
    Ok(as_dictionaries(&plan, &texts.collect(), Which::All)?.unwrap_or(plan))
}

/// What the catalog and memory know of how rows are spread over time.
fn stretches(snapshot: &Snapshot) -> Vec<Stretch> {
    let parts = snapshot.parts.iter();
    let mut stretches: Vec<Stretch> =
        parts.map(|part| Stretch { min_time: part.min_time, max_time: part.max_time, rows: part.rows }).collect();
    for batch in &snapshot.memory {
        let times = batch.column_by_name("time").and_then(|times| times.as_primitive_opt::<TimestampNanosecondType>());
        let Some(times) = times.map(|times| times.values()) else { continue };
        if let (Some(min_time), Some(max_time)) = (times.iter().min(), times.iter().max()) {
            stretches.push(Stretch { min_time: *min_time, max_time: *max_time, rows: times.len() as u64 });
        }
    }
    stretches
}

/// The share in time of what was looked at, of the part of the range in which there are spans.
fn share(range: TimeRange, stretches: &[Stretch], seen_from: i64) -> f64 {
    let oldest = stretches.iter().map(|stretch| stretch.min_time).min().unwrap_or(range.start_unix_nano);
    let newest = stretches.iter().map(|stretch| stretch.max_time).max().unwrap_or(range.end_unix_nano);
    let (start, end) = (range.start_unix_nano.max(oldest) as f64, range.end_unix_nano.min(newest) as f64);
    ((end - seen_from as f64) / (end - start).max(1.0)).clamp(0.0, 0.999)
}
