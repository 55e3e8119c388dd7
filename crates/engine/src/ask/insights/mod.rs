//! Logs Insights' queries, run: the events of log groups as a table, the plan of the language over it, and behind it what no
//! relation is.
//!
//! Quirks:  spans are log events too, in [`SPANS_GROUP`], and so are the log records of a service, in [`SERVICE_GROUP_PREFIX`]
//!          and its name; what is protected is masked before anything else is done

mod captures;
mod documents;
mod event_ids;
mod events;
mod fields;
mod functions;
mod protection;
mod stages;
mod tables;
mod unusual;

use std::collections::HashMap;

use datafusion::common::DataFusionError;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use languages::insights::{self, Command, CompileError, Lookup, LowerContext, LowerError, Pipeline, Query, Source};
use languages::ppl;
use model::Signal;
use store::TimeRange;

pub use self::documents::span_events;
pub use self::events::{EventSource, EventSources, SERVICE_GROUP_PREFIX, SERVICE_STREAM, SPANS_GROUP};
pub use self::protection::GroupMasks;
pub use self::tables::LookupTables;

use self::events::NAMES;
pub(super) use self::events::{EVENT_ID, GROUP, STREAM, Tables};
use self::functions::Functions;
use self::stages::shift;
use super::Asker;
use crate::answer::Answer;
use crate::error::EngineError;
use crate::session::Session;

/// What a query is written in. All are the same pipe over the same events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PipeLanguage {
    #[default]
    Insights,
    Ppl,
}

/// What a query is asked of.
#[derive(Clone, Debug, Default)]
pub struct InsightsQuestion {
    pub language: PipeLanguage,
    /// Where the query does not say.
    pub log_groups: EventSources,
    /// What each source that is written in the query means, by how it is printed.
    pub sources: HashMap<String, EventSources>,
    pub tables: LookupTables,
    /// What is protected.
    pub masks: GroupMasks,
    /// Whether who asks may see what is protected.
    pub may_unmask: bool,
    /// What is told where the query has no limit.
    pub rows_max: usize,
}

/// Rows, and what they were found among.
#[derive(Clone, Debug)]
pub struct InsightsAnswer {
    pub answer: Answer,
    /// Log events that meet the query's filters.
    pub matched: u64,
    /// Log events in the groups and times asked about.
    pub scanned: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum InsightsFailure {
    #[error("{}", .0.message)]
    Query(CompileError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A query as it is understood, or why it cannot be: told before it is run.
pub fn check(language: PipeLanguage, text: &str) -> Result<Query, CompileError> {
    let read = match language {
        PipeLanguage::Insights => insights::parse(text),
        PipeLanguage::Ppl => ppl::parse(text),
    };
    read.map_err(|error| error.compile_error(text))
}

impl Asker {
    /// Runs a query over log events.
    pub async fn insights(&self, text: &str, question: &InsightsQuestion) -> Result<InsightsAnswer, InsightsFailure> {
        let query = check(question.language, text).map_err(InsightsFailure::Query)?;
        let session = self.session(reach(&query, question)).await?;
        let names = || query.fields().into_iter();
        session.admit(Signal::Logs, names()).await?;
        if question.log_groups.has_spans() || question.sources.values().any(EventSources::has_spans) {
            session.admit(Signal::Spans, names()).await?;
        }
        let tables = Tables::of(&session).await?;
        let run = Run { session, tables, query, text, question };
        let pipeline = run.lowered(0)?;
        let matched = pipeline.matched.clone();
        let answer = run.carried(pipeline).await?;
        let scanned = run.tables.number_of_events(&run.session, run.asked()).await?;
        let matched = match run.has_filter() {
            true if run.tells_all_matched(&answer) => answer.rows() as u64,
            true => run.number_of(matched).await?,
            false => scanned,
        };
        Ok(InsightsAnswer { answer, matched, scanned })
    }
}

/// One query on its way.
struct Run<'a> {
    session: Session,
    tables: Tables,
    query: Query,
    text: &'a str,
    question: &'a InsightsQuestion,
}

/// What lowering asks, of times that lie `shift` back.
struct Context<'a> {
    run: &'a Run<'a>,
    shift: i64,
}

impl Context<'_> {
    fn with<T>(&self, lower: impl FnOnce(&LowerContext<'_>) -> T) -> T {
        let events = |source: Option<&Source>| self.run.events(source, self.shift);
        let table = |lookup: &Lookup| tables::uploaded(&self.run.question.tables, lookup);
        lower(&LowerContext {
            functions: &Functions,
            names: &NAMES,
            message: "body",
            table: &table,
            events: &events,
            limit: self.run.question.rows_max,
        })
    }
}

impl Run<'_> {
    fn context(&self, shift: i64) -> Context<'_> {
        Context { run: self, shift }
    }

    fn lowered(&self, shift: i64) -> Result<Pipeline, InsightsFailure> {
        let lowered = self.context(shift).with(|context| insights::lower(&self.query, self.text, context));
        lowered.map_err(|error| failure(self.text, error))
    }

    /// Groups and times of the query itself.
    fn asked(&self) -> &EventSources {
        asked(&self.query, self.question)
    }

    fn events(&self, source: Option<&Source>, shift: i64) -> Result<LogicalPlan, DataFusionError> {
        let mut sources = named(source, self.question).clone();
        sources.start_unix_nano = sources.start_unix_nano.saturating_sub(shift);
        sources.end_unix_nano = sources.end_unix_nano.saturating_sub(shift);
        self.tables.events(&sources, &self.question.masks, self.question.may_unmask)
    }

    fn has_filter(&self) -> bool {
        self.query.commands.iter().any(|command| matches!(command, Command::Filter(_) | Command::FilterIndex(_)))
    }

    /// Whether the answer has a row for each event that meets the query's filters: they come first, nothing behind them adds or
    /// takes away rows but a limit, and that was not reached.
    fn tells_all_matched(&self, answer: &Answer) -> bool {
        let mut limit = self.question.rows_max as u64;
        let mut may_filter = true;
        for command in &self.query.commands {
            match command {
                Command::Source(_) | Command::Parse { .. } => {}
                Command::Fields(_) | Command::Display(_) | Command::Eval(_) | Command::Hide(_) | Command::Unmask(_) => {}
                Command::Filter(_) | Command::FilterIndex(_) if may_filter => {}
                Command::Sort(_) => may_filter = false,
                Command::Limit(count) => (may_filter, limit) = (false, limit.min(*count)),
                _ => return false,
            }
        }
        (answer.rows() as u64) < limit
    }

    async fn number_of(&self, plan: LogicalPlan) -> Result<u64, EngineError> {
        let none: Vec<Expr> = Vec::new();
        let plan = LogicalPlanBuilder::from(plan).aggregate(none, vec![count(lit(1_i64)).alias("n")])?.build()?;
        let answer = self.session.run_plan(plan).await?;
        let counted = answer.iter().next().and_then(|row| row.i64("n"));
        Ok(counted.and_then(|counted| u64::try_from(counted).ok()).unwrap_or(0))
    }
}

fn own_source(query: &Query) -> Option<&Source> {
    match query.commands.first() {
        Some(Command::Source(source)) => Some(source),
        _ => None,
    }
}

fn named<'q>(source: Option<&Source>, question: &'q InsightsQuestion) -> &'q EventSources {
    source.and_then(|source| question.sources.get(&source.to_string())).unwrap_or(&question.log_groups)
}

fn asked<'q>(query: &Query, question: &'q InsightsQuestion) -> &'q EventSources {
    named(own_source(query), question)
}

/// All the times that a query asks about.
fn reach(query: &Query, question: &InsightsQuestion) -> TimeRange {
    let own = asked(query, question);
    let (mut start, mut end) = (own.start_unix_nano, own.end_unix_nano);
    for sources in question.sources.values() {
        start = start.min(sources.start_unix_nano);
        end = end.max(sources.end_unix_nano);
    }
    for command in &query.commands {
        if let Command::Diff(period) = command {
            start = start.min(own.start_unix_nano.saturating_sub(shift(own, *period)));
        }
    }
    TimeRange { start_unix_nano: start, end_unix_nano: end }
}

fn failure(text: &str, error: LowerError) -> InsightsFailure {
    match error {
        LowerError::Query(error) => InsightsFailure::Query(error.compile_error(text)),
        // What cannot be planned for what it asks, such as a table that is not there, has no place in the text.
        LowerError::Plan(DataFusionError::Plan(message)) => {
            let end_char_offset = text.chars().count();
            InsightsFailure::Query(CompileError { start_char_offset: 0, end_char_offset, message })
        }
        LowerError::Plan(error) => InsightsFailure::Engine(error.into()),
    }
}
