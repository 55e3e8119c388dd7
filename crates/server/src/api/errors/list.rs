//! `GET /api/errors`: the items seen in a time range, narrowed, sorted and counted.
//!
//! Which items are on a page is known by the metastore where it can tell it ([`known`]), and by the rows elsewhere
//! ([`asked`]); what is told of those on the page is asked of the rows.

mod asked;
mod known;
mod narrowed;

use axum::Json;
use axum::extract::State;
use engine::ask::errors::{ErrorFilter, ErrorGroup};
use engine::ask::{Stats, UnixNano};
use metastore::{ErrorCountFilter, ErrorItem, ErrorItemFilter, Person};
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
    if let Some(reason) = &search.items.wrong {
        return Err(Refusal::parameter(reason.clone()));
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
    let mut rows = Vec::with_capacity(listed.rows.len());
    for (row, figures) in listed.rows.iter().zip(figures) {
        let figures = match figures {
            Some(figures) => figures,
            None => row_alone(services, *range, row).await?,
        };
        rows.push(ErrorRow { figures, item: told(&row.item, people) });
    }
    Ok(rows)
}

/// An item whose rows are gone: it is told as often as was noted of it.
async fn row_alone(services: &Services, range: TimeRange, row: &ListedRow) -> Result<ErrorGroup, Refusal> {
    const SECOND: i64 = 1_000_000_000;
    let filter = ErrorCountFilter { groups: Some(row.groups.clone()), ..ErrorCountFilter::default() };
    let (start, end) = (range.start_unix_nano.div_euclid(SECOND), range.end_unix_nano / SECOND);
    let noted = services.metastore.error_counts(&services.settings.project, start, end, &filter).await?;
    Ok(ErrorGroup {
        group: row.item.fingerprint.clone(),
        message: row.item.title.clone(),
        level: level_name(row.item.level).to_owned(),
        count: noted.iter().map(|(_, count)| *count as f64).sum(),
        first_seen_unix_nano: UnixNano(row.first_unix_nano),
        last_seen_unix_nano: UnixNano(row.last_unix_nano),
        ..ErrorGroup::default()
    })
}

#[cfg(test)]
mod tests {
    use model::{Attribute, Exception, LogRecord, Resource, RowSink};
    use store::{RowBuffer, RowContext};

    use super::*;
    use crate::testing::open;

    const SECOND: i64 = 1_000_000_000;

    type Ask<'a> = &'a dyn Fn(&mut ErrorParams);

    /// Errors of these names in an environment, `ago` seconds ago.
    async fn occur(services: &Services, now: i64, environment: &str, errors: &[(&str, i64, i32)]) {
        let mut rows = RowBuffer::new(RowContext { receiver: "otlp", received_at_unix_nano: now - SECOND, request: None });
        let environment = [Attribute::str("deployment.environment.name", environment)];
        rows.resource(&Resource { attributes: &environment, schema_url: "" });
        for (name, ago, severity_number) in errors {
            let exception = Exception { r#type: (*name).into(), group: Some((*name).into()), ..Exception::default() };
            rows.log(&LogRecord {
                time_unix_nano: now - ago * SECOND,
                severity_number: *severity_number,
                exception: Some(exception),
                ..LogRecord::default()
            });
        }
        services.store.append("default", b"request".to_vec(), rows).await.unwrap();
    }

    async fn services(folder: &std::path::Path, now: i64) -> Services {
        let services = open(folder).await;
        occur(&services, now, "production", &[("a", 300, 17), ("b", 200, 21), ("c", 100, 17), ("a", 50, 17), ("old", 9_000, 17)])
            .await;
        occur(&services, now, "staging", &[("d", 40, 13), ("b", 30, 21), ("old", 8_000, 13)]).await;
        services.ingest.items().catch_up(&services.metastore, &services.asker, now).await.unwrap();
        services
    }

    fn asking(now: i64, sort: &str, more: impl Fn(&mut ErrorParams)) -> ErrorParams {
        let mut params = ErrorParams {
            start: Some((now - 3_600 * SECOND).to_string()),
            end: Some(now.to_string()),
            q: String::new(),
            service: None,
            receiver: None,
            status: None,
            level: None,
            environment: None,
            framework: None,
            assigned: None,
            limit: Some(3),
            cursor: None,
            sort: Some(sort.to_owned()),
        };
        more(&mut params);
        params
    }

    fn told(listed: &Listed) -> (Vec<String>, u64, String) {
        let row = |row: &ListedRow| format!("{} {:?}", row.item.title, row.groups);
        let facets = serde_json::to_string(&listed.facets).unwrap();
        (listed.rows.iter().map(row).collect(), listed.total, facets)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_items_know_is_what_rows_tell() {
        let folder = tempfile::tempdir().unwrap();
        let now = now_unix_nano();
        let services = services(folder.path(), now).await;
        let asks: [Ask<'_>; 8] = [
            &|_| {},
            &|params| params.cursor = Some("3".into()),
            &|params| params.level = Some("critical,warning".into()),
            &|params| params.environment = Some("STAGING".into()),
            &|params| params.environment = Some("nowhere".into()),
            &|params| params.status = Some("resolved,snoozed".into()),
            &|params| params.assigned = Some("unassigned".into()),
            &|params| params.q = "#2".into(),
        ];
        for sort in ["last_seen", "first_seen", "level", "activated"] {
            for (number, ask) in asks.iter().enumerate() {
                let question = question(&services, asking(now, sort, ask)).await.unwrap();
                let known = known::list(&services, &question).await.unwrap().expect("an answer of the metastore");
                let asked = asked::list(&services, &question).await.unwrap();
                assert_eq!(told(&known), told(&asked), "sorted by {sort}, {number}");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn rows_tell_what_items_do_not_know() {
        let folder = tempfile::tempdir().unwrap();
        let now = now_unix_nano();
        let services = services(folder.path(), now).await;
        let asks: [(&str, Ask<'_>); 6] = [
            ("count", &|_| {}),
            ("people", &|_| {}),
            ("last_seen", &|params| params.end = Some((now - 100 * SECOND).to_string())),
            ("last_seen", &|params| params.q = "b".into()),
            ("last_seen", &|params| params.receiver = Some("otlp".into())),
            ("last_seen", &|params| params.assigned = Some("unassigned,anna".into())),
        ];
        for (number, (sort, ask)) in asks.iter().enumerate() {
            let question = question(&services, asking(now, sort, ask)).await.unwrap();
            assert!(known::list(&services, &question).await.unwrap().is_none(), "{number}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_page_is_told_with_the_figures_of_the_range() {
        let folder = tempfile::tempdir().unwrap();
        let now = now_unix_nano();
        let services = services(folder.path(), now).await;
        let answer = list(State(services), Params(asking(now, "last_seen", |_| {}))).await.unwrap().0;
        let told = |row: &ErrorRow| format!("{} {} {:?}", row.figures.r#type, row.figures.count, row.figures.environments);
        let rows: Vec<String> = answer.errors.iter().map(told).collect();
        assert_eq!(rows, ["b 2 [\"production\", \"staging\"]", "d 1 [\"staging\"]", "a 2 [\"production\"]"]);
        assert_eq!((answer.total, answer.next_cursor.as_deref()), (4, Some("3")));
        let trend = &answer.errors[2].figures.series;
        assert!(trend.counts.len() as i64 * trend.step_seconds >= 3_600, "the trend is of the whole range");
        assert!(answer.stats.rows_scanned > 0 && answer.stats.warnings.is_empty());
    }
}
