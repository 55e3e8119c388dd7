//! `GET /api/errors`: the items seen in a time range, narrowed, sorted and counted.

use std::collections::{HashMap, HashSet};

use axum::Json;
use axum::extract::State;
use engine::ask::attributes::AttributeValue;
use engine::ask::errors::{ErrorFilter, ErrorGroup, GroupSeen};
use engine::ask::{Stats, UnixNano};
use metastore::{ErrorItem, ErrorItemFilter, ErrorItemOrder, ItemStatus, Person};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::search::{ItemWords, Search};
use super::{ErrorItemTold, level_name, level_number, told, up_to_date};
use crate::api::params::{Params, time_range};
use crate::api::refusal::Refusal;
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

#[derive(Default, Serialize, ToSchema)]
pub struct ErrorFacets {
    pub status: Vec<AttributeValue>,
    pub level: Vec<AttributeValue>,
    pub environment: Vec<AttributeValue>,
    pub framework: Vec<AttributeValue>,
    pub assigned: Vec<AttributeValue>,
}

/// One item while the list is made.
struct Row<'a> {
    item: &'a ErrorItem,
    environments: Vec<&'a str>,
    groups: Vec<String>,
    count: f64,
    people: u64,
    first_unix_nano: i64,
    last_unix_nano: i64,
    assigned: Option<String>,
    status: &'static str,
}

#[derive(Default)]
struct Wanted {
    /// One list per filter; an empty one lets everything pass.
    lists: [Vec<String>; 5],
}

const FILTERS: [&str; 5] = ["status", "level", "environment", "framework", "assigned"];

/// Items that were seen in the range.
#[utoipa::path(get, tag = "Errors", operation_id = "errors_list", path = "/api/errors", params(ErrorParams), responses((status = 200, body = Errors), (status = 400, body = Refusal)))]
pub async fn list(State(services): State<Services>, Params(params): Params<ErrorParams>) -> Result<Json<Errors>, Refusal> {
    let range = time_range(params.start.as_deref(), params.end.as_deref())?;
    let offset: usize = match params.cursor.as_deref() {
        None => 0,
        Some(text) => text.parse().map_err(|_| Refusal::parameter(format!("cannot read cursor {text:?}")))?,
    };
    let limit = params.limit.unwrap_or(ERRORS_PAGE_DEFAULT).clamp(1, ERRORS_PAGE_MAX);
    let sort = params.sort.as_deref().unwrap_or("last_seen");
    if !SORTS.contains(&sort) {
        return Err(Refusal::parameter(format!("cannot read sort from {sort:?}: expected {}", SORTS.join(", "))));
    }
    let search = Search::read(&params.q);
    if let Some(reason) = &search.items.wrong {
        return Err(Refusal::parameter(reason.clone()));
    }
    let wanted = wanted(&params, &search.items)?;
    let filter = ErrorFilter { q: search.rest.clone(), service: params.service, receiver: params.receiver };
    up_to_date(&services).await?;

    let seen =
        services.asker.error_groups(range, &filter, sort == "people").await.map_err(|error| placed(error.into(), &search))?;
    let (metastore, project) = (&services.metastore, &services.settings.project);
    let names: Vec<String> = seen.groups.iter().map(|seen| seen.group.clone()).collect();
    let known = metastore.error_items_of_fingerprints(project, &names).await?;
    let let_pass = passing(&services, &search.items).await?;
    let people = metastore.people(project).await?;
    let mut rows = rows(&seen.groups, &known, &people);
    rows.retain(|row| let_pass.as_ref().is_none_or(|ids| ids.contains(&row.item.id)));
    if !search.items.files.is_empty() {
        let found = services.asker.groups_where(range, &search.items.files).await?;
        let found: HashSet<&str> = found.iter().map(String::as_str).collect();
        rows.retain(|row| row.groups.iter().any(|group| found.contains(group.as_str())));
    }

    let facets = facets(&rows, &wanted);
    rows.retain(|row| wanted.passes(row, None));
    order(&mut rows, sort);
    let total = rows.len() as u64;
    let page: Vec<&Row> = rows.iter().skip(offset).take(limit).collect();
    let groups: Vec<Vec<String>> = page.iter().map(|row| row.groups.clone()).collect();
    let figures = services.asker.error_figures(range, &filter, &groups).await?;
    let errors = page
        .iter()
        .zip(figures)
        .map(|(row, figures)| ErrorRow { figures: figures.unwrap_or_else(|| row_alone(row)), item: told(row.item, &people) });
    let next = offset + page.len();
    let next_cursor = (next < rows.len()).then(|| next.to_string());
    Ok(Json(Errors { errors: errors.collect(), total, facets, next_cursor, stats: seen.stats }))
}

const SORTS: [&str; 6] = ["last_seen", "first_seen", "count", "people", "level", "activated"];

/// A fault in the search is where the person wrote it.
pub(super) fn placed(mut refusal: Refusal, search: &Search) -> Refusal {
    refusal.error.position = refusal.error.position.map(|position| search.written_at(position));
    refusal
}

fn wanted(params: &ErrorParams, words: &ItemWords) -> Result<Wanted, Refusal> {
    let split = |text: &Option<String>, more: &[String]| -> Vec<String> {
        let listed = text.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|text| !text.is_empty());
        listed.map(str::to_owned).chain(more.iter().cloned()).collect()
    };
    let statuses = split(&params.status, &words.statuses);
    for status in &statuses {
        if !matches!(status.as_str(), "all" | "snoozed") && ItemStatus::from_name(status).is_none() {
            let expected = "active, resolved, muted, archived, snoozed or all";
            return Err(Refusal::parameter(format!("cannot read status from {status:?}: expected {expected}")));
        }
    }
    let levels = split(&params.level, &words.levels);
    for level in &levels {
        level_number(level)?;
    }
    let lists = [
        if statuses.iter().any(|status| status == "all") { Vec::new() } else { statuses },
        levels,
        split(&params.environment, &words.environments),
        split(&params.framework, &words.frameworks),
        split(&params.assigned, &words.assigned),
    ];
    Ok(Wanted { lists })
}

/// The items that the words of a search let pass; `None` is all of them.
async fn passing(services: &Services, words: &ItemWords) -> Result<Option<HashSet<i64>>, Refusal> {
    let asks = words.has_comments.is_some() || words.has_issue.is_some();
    if words.counters.is_empty() && words.versions.is_empty() && words.fingerprints.is_empty() && !asks {
        return Ok(None);
    }
    let filter = ErrorItemFilter {
        counters: words.counters.clone(),
        versions: words.versions.clone(),
        fingerprints: (!words.fingerprints.is_empty()).then(|| words.fingerprints.clone()),
        has_comments: words.has_comments,
        has_issue: words.has_issue,
        ..ErrorItemFilter::default()
    };
    let most = engine::limits::ERROR_GROUPS_MAX as u64;
    let order = ErrorItemOrder::LastSeen;
    let items = services.metastore.error_items(&services.settings.project, &filter, order, 0, most).await?;
    Ok(Some(items.into_iter().map(|item| item.id).collect()))
}

/// Groups become items, in the order in which they were seen last.
fn rows<'a>(seen: &[GroupSeen], known: &'a [(String, ErrorItem)], people: &[Person]) -> Vec<Row<'a>> {
    let now = now_unix_nano();
    let item_of: HashMap<&str, &ErrorItem> = known.iter().map(|(group, item)| (group.as_str(), item)).collect();
    let mut place: HashMap<i64, usize> = HashMap::new();
    let mut rows: Vec<Row<'a>> = Vec::new();
    for group in seen {
        // Of a group without an item nothing was written yet; the next question knows it.
        let Some(item) = item_of.get(group.group.as_str()) else { continue };
        if let Some(at) = place.get(&item.id) {
            let row = &mut rows[*at];
            row.groups.push(group.group.clone());
            row.count += group.count;
            row.people = row.people.max(group.people);
            row.first_unix_nano = row.first_unix_nano.min(group.first_unix_nano);
            row.last_unix_nano = row.last_unix_nano.max(group.last_unix_nano);
            continue;
        }
        place.insert(item.id, rows.len());
        let snoozed = item.status == ItemStatus::Active && item.snoozed_until_unix_nano.is_some_and(|until| until > now);
        rows.push(Row {
            item,
            environments: item.environments.iter().map(String::as_str).filter(|name| !name.is_empty()).collect(),
            groups: vec![group.group.clone()],
            count: group.count,
            people: group.people,
            first_unix_nano: group.first_unix_nano,
            last_unix_nano: group.last_unix_nano,
            assigned: told(item, people).assigned_to,
            status: if snoozed { "snoozed" } else { item.status.name() },
        });
    }
    rows
}

impl Wanted {
    /// Whether a row passes every filter, but one that is left out.
    fn passes(&self, row: &Row, but: Option<usize>) -> bool {
        let filters = self.lists.iter().enumerate().filter(|(at, list)| Some(*at) != but && !list.is_empty());
        filters.into_iter().all(|(at, list)| {
            let values = values(row, at);
            list.iter().any(|wanted| match (FILTERS[at], wanted.as_str()) {
                ("assigned", "assigned") => row.assigned.is_some(),
                ("assigned", "unassigned") => row.assigned.is_none(),
                (_, wanted) => values.iter().any(|value| value.eq_ignore_ascii_case(wanted)),
            })
        })
    }
}

fn values<'a>(row: &'a Row, filter: usize) -> Vec<&'a str> {
    match FILTERS[filter] {
        "status" => vec![row.status],
        "level" => vec![level_name(row.item.level)],
        "environment" => row.environments.clone(),
        "framework" => Some(row.item.framework.as_str()).filter(|name| !name.is_empty()).into_iter().collect(),
        _ => vec![row.assigned.as_deref().unwrap_or("unassigned")],
    }
}

fn facets(rows: &[Row], wanted: &Wanted) -> ErrorFacets {
    let counted = |filter: usize| {
        let mut counts: HashMap<&str, f64> = HashMap::new();
        for row in rows.iter().filter(|row| wanted.passes(row, Some(filter))) {
            for value in values(row, filter) {
                *counts.entry(value).or_default() += 1.0;
            }
        }
        let mut told: Vec<AttributeValue> =
            counts.into_iter().map(|(value, count)| AttributeValue { value: value.to_owned(), count }).collect();
        told.sort_by(|left, right| right.count.total_cmp(&left.count).then_with(|| left.value.cmp(&right.value)));
        told
    };
    ErrorFacets { status: counted(0), level: counted(1), environment: counted(2), framework: counted(3), assigned: counted(4) }
}

fn order(rows: &mut [Row], sort: &str) {
    use std::cmp::Reverse;
    match sort {
        "first_seen" => rows.sort_by_key(|row| Reverse(row.item.first_seen_unix_nano)),
        "count" => rows.sort_by(|left, right| right.count.total_cmp(&left.count)),
        "people" => rows.sort_by_key(|row| Reverse((row.people, row.last_unix_nano))),
        "level" => rows.sort_by_key(|row| Reverse((row.item.level, row.last_unix_nano))),
        "activated" => rows.sort_by_key(|row| Reverse(row.item.last_activated_at_unix_nano)),
        _ => rows.sort_by_key(|row| Reverse(row.last_unix_nano)),
    }
}

/// An item whose rows went between two questions.
fn row_alone(row: &Row) -> ErrorGroup {
    ErrorGroup {
        group: row.item.fingerprint.clone(),
        message: row.item.title.clone(),
        level: level_name(row.item.level).to_owned(),
        count: row.count,
        people: row.people,
        first_seen_unix_nano: UnixNano(row.first_unix_nano),
        last_seen_unix_nano: UnixNano(row.last_unix_nano),
        ..ErrorGroup::default()
    }
}
