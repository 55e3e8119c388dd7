//! BubbleUp over the rows of a query: a box of a heatmap, a stretch of a line, a group, or any filter, against the rest.
//!
//! Rows are spans and log records as one table of events, under Honeycomb's names; every field of record, resource and scope
//! is compared, but moments, ids and whole documents.
//!
//! Missing: fields of other records of the rows' traces

use arrow::datatypes::DataType;
use datafusion::dataframe::DataFrame;
use languages::honeycomb::{BUILT_IN, Calculation, Filter, QuerySpecification, Times, lower};
use model::Signal;

use super::Asker;
use super::bubble_up::{BubbleUp, compared};
use super::explore::{ExploreQuestion, reach};
use super::honeycomb::HoneycombError;
use crate::bubble_up::ColumnCounts;
use crate::error::EngineError;
use crate::limits::BUBBLE_UP_COLUMNS_MAX;
use crate::session::Session;

/// What stands out among the rows of a query.
#[derive(Clone, Debug)]
pub struct ExploreSelection {
    /// Nanoseconds since 1970: selected rows lie from one to before the other.
    pub from: i64,
    pub to: i64,
    /// Selected rows pass all of these.
    pub filters: Vec<Filter>,
    /// Fields told, the most different first.
    pub limit: usize,
}

/// Columns of ours and fields of Honeycomb's that say nothing about what rows have in common.
const NOT_COMPARED: &[&str] = &[
    "attributes_rest",
    "body",
    "duration_ns",
    "event_name",
    "exception.stacktrace",
    "flags",
    "in_progress",
    "kind",
    "links",
    "linked_trace_id",
    "parent_span_id",
    "received_at",
    "receiver",
    "request_span_id",
    "request_trace_id",
    "resource",
    "retention_share",
    "sample_rate",
    "scope",
    "severity_number",
    "source",
    "span_id",
    "time",
    "trace.parent_id",
    "trace.span_id",
    "trace.trace_id",
    "trace.trace_state",
    "trace_id",
    "trace_state",
    "type",
];

impl Asker {
    /// Compares the selected rows of a query with its other rows, field by field.
    pub async fn explore_bubble_up(
        &self,
        question: &ExploreQuestion,
        selection: ExploreSelection,
    ) -> Result<BubbleUp, HoneycombError> {
        let asked = &question.query.specification;
        let times = Times::of(asked, question.query.now_unix_seconds)?;
        let session = self.session(reach(&times, asked)).await?;
        let (fields, left_out) = fields(&session, question);
        let marked = Calculation { filters: selection.filters, name: Some("selected".to_owned()), ..Calculation::count() };
        let specification = QuerySpecification {
            calculations: vec![marked],
            breakdowns: fields,
            orders: Vec::new(),
            havings: Vec::new(),
            formulas: Vec::new(),
            limit: None,
            compare_time_offset_seconds: None,
            ..asked.clone()
        };
        let mut query = question.query.clone();
        query.specification = specification;
        let question = ExploreQuestion { query, ..question.clone() };
        let state = session.state();
        let context = self.explore_context(&session, &state, &question).await?;
        let lowered = lower(&question.query.specification, context)?;
        let rows = lowered.compared(selection.from, selection.to)?;
        let types = rows.schema().fields().iter().map(|field| field.data_type().clone());
        let names = question.query.specification.breakdowns.iter().cloned();
        let columns: Vec<(String, DataType)> = names.zip(types).collect();
        let plan = crate::bubble_up::over(rows, columns.len()).map_err(EngineError::from)?;
        let answer = session.run(DataFrame::new(state.clone(), plan)).await?;
        Ok(compared(&answer, &columns, selection.limit, left_out)?)
    }
}

/// The fields to compare, and whether there are more than can be.
fn fields(session: &Session, question: &ExploreQuestion) -> (Vec<String>, bool) {
    let mut fields: Vec<String> =
        BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).filter(|name| !NOT_COMPARED.contains(&name.as_str())).collect();
    fields.push("is_root".to_owned());
    let mut known: std::collections::HashSet<String> = fields.iter().cloned().collect();
    let own = &question.query.specification.calculated_fields;
    let mut add = |name: &str| {
        if !NOT_COMPARED.contains(&name) && known.insert(name.to_owned()) {
            fields.push(name.to_owned());
        }
    };
    own.iter().chain(&question.query.calculated_fields).for_each(|field| add(&field.name));
    for signal in [Signal::Spans, Signal::Logs] {
        for field in session.schema(signal).fields() {
            if ColumnCounts::supports(field.data_type()) {
                add(field.name());
            }
        }
    }
    let left_out = fields.len() > BUBBLE_UP_COLUMNS_MAX;
    fields.truncate(BUBBLE_UP_COLUMNS_MAX);
    (fields, left_out)
}
