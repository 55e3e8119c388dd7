//! `GET /api/errors/{group}`: one item, with what happened to it and its occurrences in a time range.

use axum::Json;
use axum::extract::{Path, State};
use engine::ask::Stats;
use engine::ask::UnixNano;
use engine::ask::error_page::{Breakdown, Occurrences, Variant};
use engine::ask::errors::{ErrorFilter, ErrorGroup, ErrorSeries};
use engine::ask::logs::Log;
use engine::ask::occurrences::OccurrenceFilter;
use metastore::{ErrorItem, ItemComment, ItemEvent, ItemVersion};
use serde::{Deserialize, Serialize};
use store::TimeRange;
use utoipa::{IntoParams, ToSchema};

use super::hours::{HOUR_SECONDS, hourly};
use super::list::placed;
use super::search::Search;
use super::{ErrorItemTold, level_name, told, up_to_date};
use crate::Services;
use crate::api::params::{Params, time_range};
use crate::api::refusal::Refusal;
use crate::limits::{ERROR_OCCURRENCES_REACHED_MAX, ERROR_OCCURRENCES_SHOWN, ERRORS_PAGE_MAX};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ErrorItemParams {
    start: Option<String>,
    end: Option<String>,
    /// Search language over the item's occurrences.
    #[serde(default)]
    q: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OccurrenceParams {
    start: Option<String>,
    end: Option<String>,
    /// Search language over the item's occurrences.
    #[serde(default)]
    q: String,
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ErrorAnswer {
    pub item: ErrorItemTold,
    /// The groups whose occurrences are the item's: more than one when it was merged.
    pub groups: Vec<String>,
    /// Over the range; a count of nothing when it was not seen in it.
    pub error: ErrorGroup,
    /// In the range; otherwise the last there was.
    pub latest: Option<Log>,
    /// Newest first, a hundred at most, without the vendor's documents after the first.
    pub occurrences: Vec<Log>,
    pub breakdowns: Vec<Breakdown>,
    /// The messages it comes with, most frequent first.
    pub variants: Vec<Variant>,
    /// How many different messages there are.
    pub messages: u64,
    /// Where it was seen, ever, latest first.
    pub versions: Vec<VersionTold>,
    /// Newest first.
    pub history: Vec<EventTold>,
    /// Oldest first.
    pub comments: Vec<CommentTold>,
    /// Where people work on it.
    pub issue: Option<String>,
    pub stats: Stats,
}

#[derive(Serialize, ToSchema)]
pub struct VersionTold {
    pub environment: String,
    pub version: String,
    pub first_seen_unix_nano: UnixNano,
    pub last_seen_unix_nano: UnixNano,
    pub occurrences: u64,
}

#[derive(Serialize, ToSchema)]
pub struct EventTold {
    pub at_unix_nano: UnixNano,
    /// `new`, `reactivated`, `reopened`, `resolved`, `muted`, `archived`, `level`, `title`, `assigned`, `snoozed`, `merged`,
    /// `unmerged`, `commented`, `issue`.
    pub kind: &'static str,
    /// What was before, what is now.
    #[schema(value_type = Object)]
    pub details: serde_json::Value,
}

#[derive(Serialize, ToSchema)]
pub struct CommentTold {
    pub id: i64,
    pub at_unix_nano: UnixNano,
    pub author: String,
    pub body: String,
}

/// One item with its newest occurrences.
#[utoipa::path(get, tag = "Errors", operation_id = "errors_one", path = "/api/errors/{group}", params(("group" = String, Path, description = "one of the item's groups, or its number"), ErrorItemParams), responses((status = 200, body = ErrorAnswer), (status = 404, body = Refusal)))]
pub async fn one(
    State(services): State<Services>,
    Path(group): Path<String>,
    Params(params): Params<ErrorItemParams>,
) -> Result<Json<ErrorAnswer>, Refusal> {
    let range = time_range(params.start.as_deref(), params.end.as_deref())?;
    let (item, groups) = found(&services, &group).await?;
    let search = Search::read(&params.q);
    if let Some(wrong) = search.wrong() {
        return Err(wrong);
    }
    let filter = ErrorFilter { q: search.rest.clone(), ..ErrorFilter::default() };
    let (asker, metastore) = (&services.asker, &services.metastore);
    let page = asker.error_page(range, &filter, &groups, ERROR_OCCURRENCES_SHOWN).await;
    let page = page.map_err(|error| placed(error.into(), &search))?;
    let mut occurrences = page.occurrences;
    let latest = match occurrences.first() {
        Some(latest) => Some(latest.clone()),
        None => asker.occurrence(item.last_occurrence).await?.map(|occurrence| occurrence.log),
    };
    // A payload is a hundred times the line about it; those that are looked at are asked for one by one.
    for log in occurrences.iter_mut().skip(SOURCES_TOLD) {
        log.source = None;
    }
    let people = metastore.people(&services.settings.project).await?;
    let mut history: Vec<EventTold> = metastore.error_item_events(item.id).await?.into_iter().map(event_told).collect();
    name_people(&mut history, &people);
    let mut comments: Vec<CommentTold> = metastore.error_item_comments(item.id).await?.into_iter().map(comment_told).collect();
    comments.sort_by_key(|comment| (comment.at_unix_nano, comment.id));
    let none = || ErrorGroup {
        group: groups[0].clone(),
        level: level_name(item.level).to_owned(),
        series: ErrorSeries::over(range),
        ..ErrorGroup::default()
    };
    let mut error = page.figures.unwrap_or_else(none);
    if filter.q.trim().is_empty() {
        add_noted(&services, range, &groups, &mut error).await?;
    }
    Ok(Json(ErrorAnswer {
        item: told(&item, &people),
        groups,
        error,
        latest,
        occurrences,
        breakdowns: page.breakdowns,
        variants: page.variants,
        messages: page.messages,
        versions: metastore.error_item_versions(item.id).await?.into_iter().map(version_told).collect(),
        history,
        comments,
        issue: metastore.error_item_issue(item.id).await?,
        stats: page.stats,
    }))
}

/// Puts what was noted of hours whose rows are gone into the trend and the count; a trend of shorter steps is that of its rows.
async fn add_noted(services: &Services, range: TimeRange, groups: &[String], error: &mut ErrorGroup) -> Result<(), Refusal> {
    let series = &mut error.series;
    if series.step_seconds % HOUR_SECONDS != 0 || series.step_seconds == 0 {
        return Ok(());
    }
    let filter = OccurrenceFilter { groups: Some(groups.to_vec()), ..OccurrenceFilter::default() };
    let hours = hourly(services, range, &filter).await?;
    let start = series.start_unix_nano.0 / 1_000_000_000;
    let mut counts = vec![0.0; series.counts.len()];
    for (hour, count) in &hours {
        let place = usize::try_from((hour - start).div_euclid(series.step_seconds)).ok();
        if let Some(step) = place.and_then(|place| counts.get_mut(place)) {
            *step += count;
        }
    }
    series.counts = counts;
    error.count = hours.values().sum();
    Ok(())
}

/// Occurrences told with the vendor's document.
const SOURCES_TOLD: usize = 5;

/// An item's occurrences, newest first.
#[utoipa::path(get, tag = "Errors", operation_id = "errors_occurrences", path = "/api/errors/{group}/occurrences", params(("group" = String, Path, description = "one of the item's groups, or its number"), OccurrenceParams), responses((status = 200, body = Occurrences), (status = 404, body = Refusal)))]
pub async fn occurrences(
    State(services): State<Services>,
    Path(group): Path<String>,
    Params(params): Params<OccurrenceParams>,
) -> Result<Json<Occurrences>, Refusal> {
    let range = time_range(params.start.as_deref(), params.end.as_deref())?;
    let (_, groups) = found(&services, &group).await?;
    let offset: usize = match params.cursor.as_deref() {
        None => 0,
        Some(text) => text.parse().map_err(|_| Refusal::parameter(format!("cannot read cursor {text:?}")))?,
    };
    if offset > ERROR_OCCURRENCES_REACHED_MAX {
        let message =
            format!("a list reaches {ERROR_OCCURRENCES_REACHED_MAX} occurrences; a shorter time range shows older ones");
        return Err(Refusal::parameter(message));
    }
    let search = Search::read(&params.q);
    if let Some(wrong) = search.wrong() {
        return Err(wrong);
    }
    let filter = ErrorFilter { q: search.rest.clone(), ..ErrorFilter::default() };
    let limit = params.limit.unwrap_or(ERROR_OCCURRENCES_SHOWN).clamp(1, ERRORS_PAGE_MAX);
    let page = services.asker.error_occurrences(range, &filter, &groups, offset, limit).await;
    Ok(Json(page.map_err(|error| placed(error.into(), &search))?))
}

/// One occurrence, with the vendor's document.
#[utoipa::path(get, tag = "Errors", operation_id = "errors_occurrence", path = "/api/errors/{group}/occurrences/{id}", params(("group" = String, Path), ("id" = String, Path, description = "the id of the log record")), responses((status = 200, body = Log), (status = 404, body = Refusal)))]
pub async fn occurrence(
    State(services): State<Services>,
    Path((group, id)): Path<(String, String)>,
) -> Result<Json<Log>, Refusal> {
    let (_, groups) = found(&services, &group).await?;
    let log = services.asker.error_occurrence(&groups, &id).await?;
    log.map(Json).ok_or_else(|| Refusal::missing(format!("no occurrence {id} of this error")))
}

/// An occurrence of an error by the id of its log record.
pub(in crate::api) async fn occurrence_of(
    services: &Services,
    group: &str,
    id: &str,
) -> Result<engine::ask::occurrences::Occurrence, Refusal> {
    let (item, groups) = found(services, group).await?;
    let log = services.asker.error_occurrence(&groups, id).await?;
    let log = log.ok_or_else(|| Refusal::missing(format!("no occurrence {id} of this error")))?;
    let group = log.error_group.clone().unwrap_or(item.fingerprint);
    Ok(engine::ask::occurrences::Occurrence { number: 0, group, uuid: None, log })
}

/// The item of a group or a number, and its groups, the one it began with first.
pub(super) async fn found(services: &Services, named: &str) -> Result<(ErrorItem, Vec<String>), Refusal> {
    up_to_date(services).await?;
    let (metastore, project) = (&services.metastore, &services.settings.project);
    let of_group = metastore.error_items_of_fingerprints(project, &[named.to_owned()]).await?.pop().map(|(_, item)| item);
    let item = match (of_group, named.parse::<i64>()) {
        (Some(item), _) => Some(item),
        (None, Ok(counter)) => metastore.error_item_by_counter(project, counter).await?,
        (None, Err(_)) => None,
    };
    let item = item.ok_or_else(|| Refusal::missing(format!("there is no error {named}")))?;
    let mut groups = metastore.error_item_fingerprints(item.id).await?;
    groups.sort_by_key(|group| *group != item.fingerprint);
    if groups.is_empty() {
        groups.push(item.fingerprint.clone());
    }
    Ok((item, groups))
}

pub(super) fn comment_told(comment: ItemComment) -> CommentTold {
    CommentTold { id: comment.id, at_unix_nano: UnixNano(comment.at_unix_nano), author: comment.author, body: comment.body }
}

fn event_told(event: ItemEvent) -> EventTold {
    EventTold { at_unix_nano: UnixNano(event.at_unix_nano), kind: event.kind.name(), details: event.details }
}

/// Histories hold numbers of people; a page tells names.
fn name_people(history: &mut [EventTold], people: &[metastore::Person]) {
    for event in history.iter_mut().filter(|event| event.kind == "assigned") {
        for key in ["from_user", "to_user"] {
            let id = event.details.get(key).and_then(serde_json::Value::as_i64);
            if let Some(person) = people.iter().find(|person| Some(person.id) == id) {
                event.details[key] = person.name.as_str().into();
            }
        }
    }
}

fn version_told(version: ItemVersion) -> VersionTold {
    VersionTold {
        environment: version.environment,
        version: version.version,
        first_seen_unix_nano: UnixNano(version.first_seen_unix_nano),
        last_seen_unix_nano: UnixNano(version.last_seen_unix_nano),
        occurrences: version.occurrences,
    }
}
