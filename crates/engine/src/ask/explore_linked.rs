//! What is different about the events of selected spans, and about the log lines of selected traces.
//!
//! A span is one of the selected or one of the others, whatever number of events it has: each of its events stands for an equal
//! share of it, and a span without events for itself. So shares are shares of spans, and those of a field add up to all of them.
//! Likewise a trace is selected when one of its rows is, and each of its log lines stands for an equal share of it.
//!
//! Missing: events and lines of services that a dataset leaves out are looked at too, as they are of the same traces

use std::collections::BTreeSet;

use analysis::bubble_up::{Difference, Totals};
use arrow::datatypes::DataType;
use datafusion::common::JoinType;
use datafusion::dataframe::DataFrame;
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::functions::unicode::expr_fn::left;
use datafusion::functions_aggregate::expr_fn::{bool_or, count, max};
use datafusion::logical_expr::{Expr, cast, ident, lit};
use languages::honeycomb::{Calculation, Filter, FilterOperator, QuerySpecification, Times, lower};
use model::Signal;

use super::Asker;
use super::bubble_up::{BubbleUpColumn, columns, tell, totals};
use super::explore::{ExploreQuestion, reach};
use super::explore_selection::{ExploreSelection, asked, exists, selecting};
use super::honeycomb::HoneycombError;
use crate::answer::QueryStats;
use crate::bubble_up::Comparison;
use crate::error::EngineError;
use crate::limits::{BUBBLE_UP_BODY_CHARACTERS, BUBBLE_UP_COLUMNS_MAX};
use crate::session::Session;

/// Whose fields are compared, beside those of the rows themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linked {
    /// Events of the selected spans.
    Events,
    /// Log lines of the selected traces.
    Lines,
}

impl Linked {
    pub fn source(self) -> &'static str {
        match self {
            Linked::Events => "event",
            Linked::Lines => "trace",
        }
    }

    /// The rows, among all rows that have a trace; only log records have an annotation type.
    fn filters(self) -> Vec<Filter> {
        let filter = |column: &str, operator| Filter { column: column.to_owned(), operator, value: serde_json::Value::Null };
        let named = if self == Linked::Events { FilterOperator::Exists } else { FilterOperator::DoesNotExist };
        vec![filter("meta.annotation_type", FilterOperator::Exists), filter("name", named)]
    }

    /// What ties a row of these to those that are selected.
    fn keys(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Linked::Events => &[("trace.trace_id", "trace.trace_id"), ("trace.span_id", "trace.parent_id")],
            Linked::Lines => &[("trace.trace_id", "trace.trace_id")],
        }
    }

    /// Fields under Honeycomb's names that are compared beside attributes.
    fn built_in(self) -> &'static [&'static str] {
        match self {
            Linked::Events => &["exception.message", "exception.type", "name"],
            Linked::Lines => &[BODY, "library.name", "service.name", "severity"],
        }
    }
}

const BODY: &str = "body";

/// Columns of log records that are under other names, or say nothing about what traces have in common.
const NOT_COMPARED: &[&str] = &["event_name", "exception.stacktrace", "severity_number", "severity_text", "error.group"];

impl Asker {
    /// Compares fields of what is linked to a question's rows. `resource` has the names that are compared already, as every row
    /// of a service has the same.
    pub(super) async fn explore_linked(
        &self,
        question: &ExploreQuestion,
        selection: &ExploreSelection,
        linked: Linked,
        resource: &BTreeSet<String>,
        mean_weight: f64,
    ) -> Result<(Vec<(BubbleUpColumn, Difference)>, QueryStats), HoneycombError> {
        let times = Times::of(&question.query.specification, question.query.now_unix_seconds)?;
        let session = self.session(reach(&times, &question.query.specification)).await?;
        let names = names(&session, linked, resource)?;
        let units = self.units(&session, question, selection, linked).await?;
        let theirs = self.linked_rows(&session, question, linked, &names).await?;
        let (rows, types) = joined(units, theirs, linked, &names).map_err(EngineError::from)?;
        let plan = crate::bubble_up::over(rows.into_unoptimized_plan(), types.len()).map_err(EngineError::from)?;
        let answer = session.run(session.frame_of(plan)).await?;
        let mut counts = Comparison::read(&types, &answer.batches).map_err(EngineError::from)?;
        let totals = units_in(totals(&counts), mean_weight);
        let told = names.iter().zip(&mut counts.columns).map(|(name, counts)| tell(name, counts, &totals));
        Ok((told.collect(), answer.stats))
    }

    /// The spans or traces of a question, each once: `u0…`, whether it is selected, and what it stands for.
    async fn units(
        &self,
        session: &Session,
        question: &ExploreQuestion,
        selection: &ExploreSelection,
        linked: Linked,
    ) -> Result<DataFrame, HoneycombError> {
        let names: Vec<String> = linked.keys().iter().map(|(ours, _)| (*ours).to_owned()).collect();
        let mut asked = asked(question, names, selecting(selection));
        asked.narrowed.extend(selection.column.as_deref().map(exists));
        asked.narrowed.extend(linked.keys().iter().map(|(ours, _)| exists(ours)));
        let state = session.state();
        let lowered = lower(&asked.query.specification, self.explore_context(session, &state, &asked).await?)?;
        let rows = session.frame_of(lowered.selected(selection.start.unwrap_or(i64::MIN), selection.end.unwrap_or(i64::MAX))?);
        let keys = (0..linked.keys().len()).map(|place| ident(format!("c{place}")).alias(format!("u{place}")));
        let told = vec![bool_or(ident("selected")).alias("selected"), max(ident("weight")).alias("weight")];
        Ok(rows.aggregate(keys.collect(), told).map_err(EngineError::from)?)
    }

    /// The events or lines themselves: `c0…`, first the keys, then the fields.
    async fn linked_rows(
        &self,
        session: &Session,
        question: &ExploreQuestion,
        linked: Linked,
        names: &[String],
    ) -> Result<DataFrame, HoneycombError> {
        const HOUR: i64 = 3_600;
        let times = Times::of(&question.query.specification, question.query.now_unix_seconds)?;
        let keys = linked.keys().iter().map(|(_, theirs)| (*theirs).to_owned());
        let mut asked = asked(question, keys.chain(names.iter().cloned()).collect(), Calculation::count());
        asked.narrowed = linked.filters();
        asked.query.dataset = None;
        asked.query.specification = QuerySpecification {
            filters: Vec::new(),
            start_time: Some(times.start.div_euclid(1_000_000_000) - HOUR),
            end_time: Some(times.end.div_euclid(1_000_000_000) + HOUR),
            time_range: None,
            ..asked.query.specification
        };
        let state = session.state();
        let lowered = lower(&asked.query.specification, self.explore_context(session, &state, &asked).await?)?;
        Ok(session.frame_of(lowered.selected(i64::MIN, i64::MAX)?))
    }
}

/// Spans or traces with what is linked to each: fields `c0…`, whether it is selected, and the share of it that a row stands for.
fn joined(
    units: DataFrame,
    theirs: DataFrame,
    linked: Linked,
    names: &[String],
) -> datafusion::error::Result<(DataFrame, Vec<DataType>)> {
    let keys = linked.keys().len();
    let named = |prefix: &str| (0..keys).map(|place| format!("{prefix}{place}")).collect::<Vec<String>>();
    let (ours, counted, told) = (named("u"), named("n"), named("k"));
    let of_keys = |names: &[String]| -> Vec<Expr> {
        names.iter().enumerate().map(|(place, name)| ident(format!("c{place}")).alias(name)).collect()
    };
    let how_many = theirs.clone().aggregate(of_keys(&counted), vec![count(lit(1_i64)).alias("linked")])?;
    let mut columns = of_keys(&told);
    for (place, name) in names.iter().enumerate() {
        let value = ident(format!("c{}", keys + place));
        let value = if name == BODY { left(value, lit(BUBBLE_UP_BODY_CHARACTERS)) } else { value };
        columns.push(value.alias(format!("f{place}")));
    }
    let theirs = theirs.select(columns)?;
    // What is held in memory are the keys; lines pass by.
    let known = units.join(how_many, JoinType::Left, &texts(&ours), &texts(&counted), None)?;
    let all = known.join(theirs, JoinType::Left, &texts(&ours), &texts(&told), None)?;
    let share = ident("weight") / coalesce(vec![cast(ident("linked"), DataType::Float64), lit(1.0)]);
    let mut columns: Vec<Expr> = (0..names.len()).map(|place| ident(format!("f{place}")).alias(format!("c{place}"))).collect();
    columns.extend([coalesce(vec![ident("selected"), lit(false)]).alias("selected"), share.alias("weight")]);
    let rows = all.select(columns)?;
    let types = rows.schema().fields().iter().take(names.len()).map(|field| field.data_type().clone()).collect();
    Ok((rows, types))
}

fn texts(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// How many spans or traces there are: rows are as many as what is linked to them.
fn units_in(counted: Totals, mean_weight: f64) -> Totals {
    let units = |weight: f64| if mean_weight > 0.0 { (weight / mean_weight).round() as u64 } else { 0 };
    Totals { selection_rows: units(counted.selection), baseline_rows: units(counted.baseline), ..counted }
}

/// The fields to compare: attributes of log records that are not their resource's, and what they are called by.
fn names(session: &Session, linked: Linked, resource: &BTreeSet<String>) -> Result<Vec<String>, EngineError> {
    let mut names: BTreeSet<String> = linked.built_in().iter().map(|name| (*name).to_owned()).collect();
    let (columns, _) = columns(&session.schema(Signal::Logs), None)?;
    let own = columns.into_iter().map(|(name, _)| name);
    names.extend(own.filter(|name| !resource.contains(name) && !NOT_COMPARED.contains(&name.as_str())));
    Ok(names.into_iter().take(BUBBLE_UP_COLUMNS_MAX).collect())
}
