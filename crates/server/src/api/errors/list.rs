//! `GET /api/errors`: the items seen in a time range, narrowed, sorted and counted.
//!
//! Which items are on a page is known by the metastore where it can tell it ([`known`]), and by the rows elsewhere
//! ([`asked`]); what is told of those on the page is asked of the rows.

mod asked;
mod counted;
mod known;
mod narrowed;

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use engine::ask::errors::{ErrorFilter, ErrorGroup};
use engine::ask::{Stats, UnixNano};
use metastore::{ErrorItem, ErrorItemFilter, Person};
use serde::{Deserialize, Serialize};
use store::TimeRange;
use utoipa::{IntoParams, ToSchema};

pub use self::narrowed::ErrorFacets;
use self::narrowed::Wanted;
use super::search::{ItemWords, Search};
use super::{ErrorItemTold, level_name, told};
use crate::api::params::{Params, time_range};
use crate::api::refusal::Refusal;
use crate::ingest::items_up_to_date;
use crate::limits::{ERRORS_PAGE_DEFAULT, ERRORS_PAGE_MAX};
use crate::{Services, now_unix_nano};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ErrorParams {
    start: Option<String>,
    end: Option<String>,
    /// Search language over the occurrences, and words about items: `#12`, `is:resolved`, `has:comments`.
    #[serde(default)]
    q: String,
    service: Option<String>,
    receiver: Option<String>,
    /// `active`, `resolved`, `muted`, `archived`, `snoozed`, several with commas; `active` are those that are not snoozed. All
    /// when left out.
    status: Option<String>,
    /// `critical`, `error`, `warning`, `info`, `debug`, several with commas.
    level: Option<String>,
    /// Several with commas, as the next two.
    environment: Option<String>,
    framework: Option<String>,
    /// Names, `assigned` or `unassigned`.
    assigned: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
    /// `last_seen` (default), `first_seen`, `count`, `people`, `level` or `activated`.
    sort: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Errors {
    pub errors: Vec<ErrorRow>,
    /// Items that match, on all pages.
    pub total: u64,
    /// Counts of items by each filter's values, with the other filters applied.
    pub facets: ErrorFacets,
    pub next_cursor: Option<String>,
    pub stats: Stats,
}

/// An item with its figures over the range.
#[derive(Serialize, ToSchema)]
pub struct ErrorRow {
    #[serde(flatten)]
    pub figures: ErrorGroup,
    pub item: ErrorItemTold,
}

/// What a list is asked for.
struct Question {
    range: TimeRange,
    offset: usize,
    limit: usize,
    sort: Sort,
    wanted: Wanted,
    search: Search,
    filter: ErrorFilter,
    people: Vec<Person>,
    now_unix_nano: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    LastSeen,
    FirstSeen,
    Count,
    People,
    Level,
    Activated,
}

/// The items of one page, and what is told of all that match.
struct Listed {
    rows: Vec<ListedRow>,
    total: u64,
    facets: ErrorFacets,
    stats: Stats,
}

struct ListedRow {
    item: ErrorItem,
    /// Whose occurrences are its own.
    groups: Vec<String>,
    /// No occurrence of it in the range is before the first of these times or after the last.
    first_unix_nano: i64,
    last_unix_nano: i64,
}

const SORTS: [(&str, Sort); 6] = [
    ("last_seen", Sort::LastSeen),
    ("first_seen", Sort::FirstSeen),
    ("count", Sort::Count),
    ("people", Sort::People),
    ("level", Sort::Level),
    ("activated", Sort::Activated),
];

const BEHIND: &str = "many errors came in just now: the newest are not in this list yet";

/// Items that were seen in the range.
#[utoipa::path(get, tag = "Errors", operation_id = "errors_list", path = "/api/errors", params(ErrorParams), responses((status = 200, body = Errors), (status = 400, body = Refusal)))]
pub async fn list(State(services): State<Services>, Params(params): Params<ErrorParams>) -> Result<Json<Errors>, Refusal> {
    let question = question(&services, params).await?;
    let is_whole = items_up_to_date(&services).await?;
    let mut listed = match known::list(&services, &question).await? {
        Some(listed) => listed,
        None => asked::list(&services, &question).await?,
    };
    let errors = told_with_figures(&services, &question, &mut listed).await?;
    if !is_whole {
        listed.stats.warnings.push(BEHIND.to_owned());
    }
    let next = question.offset.saturating_add(errors.len());
    let next_cursor = ((next as u64) < listed.total).then(|| next.to_string());
    Ok(Json(Errors { errors, total: listed.total, facets: listed.facets, next_cursor, stats: listed.stats }))
}

async fn question(services: &Services, params: ErrorParams) -> Result<Question, Refusal> {
    let range = time_range(params.start.as_deref(), params.end.as_deref())?;
    let offset: usize = match params.cursor.as_deref() {
        None => 0,
        Some(text) => text.parse().map_err(|_| Refusal::parameter(format!("cannot read cursor {text:?}")))?,
    };
    let limit = params.limit.unwrap_or(ERRORS_PAGE_DEFAULT).clamp(1, ERRORS_PAGE_MAX);
    let sort = sort(params.sort.as_deref().unwrap_or("last_seen"))?;
    let search = Search::read(&params.q);
    if let Some(wrong) = search.wrong() {
        return Err(wrong);
    }
    let wanted = Wanted::read(&params, &search.items)?;
    let filter = ErrorFilter { q: search.rest.clone(), service: params.service, receiver: params.receiver };
    let people = services.metastore.people(&services.settings.project).await?;
    Ok(Question { range, offset, limit, sort, wanted, search, filter, people, now_unix_nano: now_unix_nano() })
}

fn sort(name: &str) -> Result<Sort, Refusal> {
    SORTS.iter().find(|(known, _)| *known == name).map(|(_, sort)| *sort).ok_or_else(|| {
        let names = SORTS.map(|(name, _)| name).join(", ");
        Refusal::parameter(format!("cannot read sort from {name:?}: expected {names}"))
    })
}

/// A fault in the search is where the person wrote it.
pub(super) fn placed(mut refusal: Refusal, search: &Search) -> Refusal {
    refusal.error.position = refusal.error.position.map(|position| search.written_at(position));
    refusal
}

/// The items that the words of a search let pass.
fn filter_of(words: &ItemWords) -> ErrorItemFilter {
    ErrorItemFilter {
        counters: words.counters.clone(),
        versions: words.versions.clone(),
        fingerprints: (!words.fingerprints.is_empty()).then(|| words.fingerprints.clone()),
        has_comments: words.has_comments,
        has_issue: words.has_issue,
        is_group: words.is_group,
        // Those that were merged into others are told with these.
        is_member: Some(false),
        ..ErrorItemFilter::default()
    }
}

/// The rows of a page with their figures over the range.
async fn told_with_figures(services: &Services, question: &Question, listed: &mut Listed) -> Result<Vec<ErrorRow>, Refusal> {
    let Question { range, filter, people, .. } = question;
    let first = listed.rows.iter().map(|row| row.first_unix_nano).min().unwrap_or(range.start_unix_nano);
    let last = listed.rows.iter().map(|row| row.last_unix_nano).max().unwrap_or(range.end_unix_nano);
    let within = TimeRange {
        start_unix_nano: range.start_unix_nano.max(first),
        end_unix_nano: range.end_unix_nano.min(last.saturating_add(1)),
    };
    let groups: Vec<Vec<String>> = listed.rows.iter().map(|row| row.groups.clone()).collect();
    let (figures, stats) = services.asker.error_figures(*range, within, filter, &groups).await?;
    if listed.stats.rows_scanned == 0 {
        listed.stats = stats;
    }
    let alone = listed.rows.iter().zip(&figures).filter(|(_, figures)| figures.is_none()).map(|(row, _)| row);
    let noted = noted(services, *range, alone).await?;
    let rows = listed.rows.iter().zip(figures).map(|(row, figures)| ErrorRow {
        figures: figures.unwrap_or_else(|| without_rows(row, &noted)),
        item: told(&row.item, people),
    });
    let mut rows: Vec<ErrorRow> = rows.collect();
    if question.sort == Sort::Count {
        rows.sort_by(|left, right| right.figures.count.total_cmp(&left.figures.count));
    }
    Ok(rows)
}

/// How often the groups of some items occurred in a time, as far as it was noted.
async fn noted<'a>(
    services: &Services,
    range: TimeRange,
    rows: impl Iterator<Item = &'a ListedRow>,
) -> Result<HashMap<String, u64>, Refusal> {
    const SECOND: i64 = 1_000_000_000;
    let groups: Vec<String> = rows.flat_map(|row| row.groups.iter().cloned()).collect();
    let (start, end) = (range.start_unix_nano.div_euclid(SECOND), range.end_unix_nano / SECOND);
    let counts = services.metastore.error_counts_of_groups(&services.settings.project, start, end, &groups).await?;
    Ok(counts.into_iter().collect())
}

/// An item whose rows are gone: it is told as often as was noted of it.
fn without_rows(row: &ListedRow, noted: &HashMap<String, u64>) -> ErrorGroup {
    ErrorGroup {
        group: row.item.fingerprint.clone(),
        message: row.item.title.clone(),
        level: level_name(row.item.level).to_owned(),
        count: row.groups.iter().filter_map(|group| noted.get(group)).map(|count| *count as f64).sum(),
        first_seen_unix_nano: UnixNano(row.first_unix_nano),
        last_seen_unix_nano: UnixNano(row.last_unix_nano),
        ..ErrorGroup::default()
    }
}

#[cfg(test)]
mod tests;
