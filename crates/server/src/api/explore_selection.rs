//! `POST /api/explore/bubble-up` and `/api/explore/traces`: what is different about rows selected in a chart, and their traces.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use engine::ask::explore::ExploreQuestion;
use engine::ask::explore_selection::{BubbleUpEvent, ExploreBubbleUp, ExploreSelection, ExploreTraces};
use engine::ask::honeycomb::HoneycombError;
use languages::honeycomb::{Filter, FilterOperator, Times};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::explore::{ExploreMoment, ExploreQuery, filters, read, respond, tell, told_by};
use super::refusal::Refusal;
use crate::Services;

/// A box of a heatmap, a range of a chart, a group: whatever is given holds together.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExploreSelected {
    start: Option<ExploreMoment>,
    end: Option<ExploreMoment>,
    /// The field of a heatmap, whose values lie from `low` to below `high`; rows without it are no part of the comparison.
    column: Option<String>,
    low: Option<f64>,
    high: Option<f64>,
    /// Values of the query's breakdowns.
    #[serde(default)]
    #[schema(value_type = Object)]
    group: Map<String, Value>,
    /// As in a query specification.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    filters: Vec<Value>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExploreBubbleUpQuery {
    #[schema(value_type = Object)]
    query: Map<String, Value>,
    dataset: Option<String>,
    start: Option<ExploreMoment>,
    end: Option<ExploreMoment>,
    selection: ExploreSelected,
    /// Fields told, 40 by default.
    limit: Option<usize>,
    /// Whether estimates are told on the way, as lines of JSON or server-sent events: `partial`, then `answer`, or `error`.
    #[serde(default)]
    stream: bool,
}

const FIELDS_DEFAULT: usize = 40;

/// Compares the selected rows of a query with its others, field by field.
#[utoipa::path(post, tag = "Explore", operation_id = "explore_bubble_up", path = "/api/explore/bubble-up", request_body = ExploreBubbleUpQuery, responses((status = 200, content((ExploreBubbleUp = "application/json"), (BubbleUpEvent = "application/x-ndjson"))), (status = 400, body = Refusal)))]
pub async fn bubble_up(State(services): State<Services>, request: Request) -> Result<Response, Refusal> {
    let (headers, asked): (_, ExploreBubbleUpQuery) = read(request).await?;
    let question = services.explore_question(&alone(asked.query, asked.dataset, asked.start, asked.end)).await?;
    let selection = asked.selection.read()?;
    let limit = asked.limit.unwrap_or(FIELDS_DEFAULT).clamp(1, engine::limits::BUBBLE_UP_COLUMNS_MAX);
    Times::of(&question.query.specification, question.query.now_unix_seconds).map_err(HoneycombError::from)?;
    if !asked.stream {
        let question = ExploreQuestion { with_estimates: false, ..question };
        return Ok(Json(services.asker.explore_bubble_up(&question, &selection, limit, &|_| {}).await?).into_response());
    }
    let events = told_by(move |teller| async move {
        let partial = |estimate| tell(&teller, BubbleUpEvent::Partial(estimate));
        let answer = services.asker.explore_bubble_up(&question, &selection, limit, &partial).await?;
        tell(&teller, BubbleUpEvent::Answer(answer));
        Ok(())
    });
    Ok(respond(&headers, events))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExploreTracesQuery {
    #[schema(value_type = Object)]
    query: Map<String, Value>,
    dataset: Option<String>,
    start: Option<ExploreMoment>,
    end: Option<ExploreMoment>,
    /// Values of the query's breakdowns.
    #[serde(default)]
    #[schema(value_type = Object)]
    group: Map<String, Value>,
    /// The field whose largest values come first, `duration_ms` by default.
    column: Option<String>,
    /// Values above it are left out: the point of a line that was clicked.
    below: Option<f64>,
    /// Traces told, 20 by default.
    limit: Option<usize>,
    /// Filters that hold beside the query's own, also where any of those may.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    narrowed: Vec<Value>,
}

const TRACES_DEFAULT: usize = 20;
const TRACES_MAX: usize = 500;

/// The traces of a query's rows in which a field is largest, each once.
#[utoipa::path(post, tag = "Explore", operation_id = "explore_traces", path = "/api/explore/traces", request_body = ExploreTracesQuery, responses((status = 200, body = ExploreTraces), (status = 400, body = Refusal)))]
pub async fn traces(State(services): State<Services>, request: Request) -> Result<Json<ExploreTraces>, Refusal> {
    let (_, asked): (_, ExploreTracesQuery) = read(request).await?;
    let mut question = services.explore_question(&alone(asked.query, asked.dataset, asked.start, asked.end)).await?;
    let column = asked.column.unwrap_or_else(|| "duration_ms".to_owned());
    question.narrowed.extend(filters(&asked.narrowed)?);
    question.narrowed.extend(of_group(&asked.group));
    question.narrowed.extend(asked.below.map(|most| bound(&column, FilterOperator::LessOrEqual, most)));
    let limit = asked.limit.unwrap_or(TRACES_DEFAULT).clamp(1, TRACES_MAX);
    Ok(Json(services.asker.explore_traces(&question, &column, limit).await?))
}

/// A query of which only the rows matter.
fn alone(
    mut query: Map<String, Value>,
    dataset: Option<String>,
    start: Option<ExploreMoment>,
    end: Option<ExploreMoment>,
) -> ExploreQuery {
    for member in
        ["orders", "havings", "formulas", "calculations", "breakdowns", "limit", "compare_time_offset_seconds", "granularity"]
    {
        query.remove(member);
    }
    ExploreQuery { query, dataset, start, end, series: false, total: false, other: false, stream: false, narrowed: Vec::new() }
}

fn bound(column: &str, operator: FilterOperator, value: f64) -> Filter {
    Filter { column: column.to_owned(), operator, value: value.into() }
}

fn of_group(group: &Map<String, Value>) -> impl Iterator<Item = Filter> {
    group.iter().map(|(column, value)| Filter {
        column: column.clone(),
        operator: if value.is_null() { FilterOperator::DoesNotExist } else { FilterOperator::Equal },
        value: value.clone(),
    })
}

impl ExploreSelected {
    fn read(self) -> Result<ExploreSelection, Refusal> {
        let mut filters = filters(&self.filters)?;
        filters.extend(of_group(&self.group));
        let column = self.column;
        if let Some(column) = &column {
            filters.extend(self.low.map(|low| bound(column, FilterOperator::GreaterOrEqual, low)));
            filters.extend(self.high.map(|high| bound(column, FilterOperator::Less, high)));
        }
        let nanos = |moment: Option<ExploreMoment>, name| moment.map(|moment| moment.nanos(name)).transpose();
        Ok(ExploreSelection { start: nanos(self.start, "start")?, end: nanos(self.end, "end")?, filters, column })
    }
}
