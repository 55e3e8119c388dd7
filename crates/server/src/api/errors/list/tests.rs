//! What the metastore tells of a list is what the rows tell of it.

use metastore::{ErrorItemUpdate, ItemStatus, OccurrencesSeen};
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
        ("people", &|_| {}),
        ("count", &|params| params.end = Some((now - 100 * SECOND).to_string())),
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

const MINUTE: i64 = 60 * SECOND;

/// Occurrences as ingest takes them in: each so many minutes ago, standing for several.
async fn came_in(services: &Services, now: i64, occurrences: &[(&str, i64, u64)]) {
    let mut rows = RowBuffer::new(RowContext { receiver: "otlp", received_at_unix_nano: now, request: None });
    rows.resource(&Resource { attributes: &[], schema_url: "" });
    let mut seen = Vec::new();
    for (place, (name, minutes_ago, count)) in occurrences.iter().enumerate() {
        // No two at the same time: what is told first of such is nobody's business.
        let time_unix_nano = now - minutes_ago * MINUTE + place as i64;
        let exception = Exception { r#type: (*name).into(), group: Some((*name).into()), ..Exception::default() };
        let sample_rate = *count as f64;
        rows.log(&LogRecord {
            time_unix_nano,
            severity_number: 17,
            sample_rate,
            exception: Some(exception),
            ..LogRecord::default()
        });
        seen.push(OccurrencesSeen {
            fingerprint: (*name).into(),
            title: (*name).into(),
            level: 40,
            first_seen_unix_nano: time_unix_nano,
            last_seen_unix_nano: time_unix_nano,
            first_occurrence: time_unix_nano,
            last_occurrence: time_unix_nano,
            count: *count,
            ..OccurrencesSeen::default()
        });
    }
    services.store.append("default", b"request".to_vec(), rows).await.unwrap();
    services.ingest.items().saw(seen);
    services.ingest.items().write(&services.metastore, &services.asker, now).await.unwrap();
}

/// Items with a past: seen for hours, put together, taken apart, resolved and there again.
async fn with_a_past(folder: &std::path::Path, now: i64) -> Services {
    let services = open(folder).await;
    let metastore = &services.metastore;
    let id = async |name: &str| {
        let known = metastore.error_items_of_fingerprints("default", &[name.to_owned()]).await.unwrap();
        known[0].1.id
    };
    let early = [
        ("steady", 310, 4),
        ("steady", 250, 1),
        ("often", 290, 20),
        ("left", 300, 2),
        ("right", 280, 3),
        ("apart", 270, 5),
        ("from", 265, 1),
        ("again", 200, 6),
        ("over", 190, 9),
    ];
    came_in(&services, now, &early).await;
    metastore
        .merge_error_items("default", &[id("left").await, id("right").await], Some("both"), now - 180 * MINUTE)
        .await
        .unwrap();
    let (apart, from) = (id("apart").await, id("from").await);
    let group = metastore.merge_error_items("default", &[apart, from], None, now - 180 * MINUTE).await.unwrap();
    for name in ["again", "over"] {
        let resolved = ErrorItemUpdate { status: Some(ItemStatus::Resolved), ..ErrorItemUpdate::default() };
        metastore.update_error_item("default", id(name).await, &resolved, now - 170 * MINUTE).await.unwrap();
    }
    came_in(&services, now, &[("apart", 160, 2), ("right", 150, 4), ("again", 140, 1), ("steady", 130, 1)]).await;
    metastore.unmerge_error_items("default", group.id, &[from], now - 120 * MINUTE).await.unwrap();
    let late = [
        ("again", 100, 2),
        ("new", 95, 7),
        ("apart", 80, 1),
        ("left", 75, 1),
        ("new", 61, 2),
        ("new", 59, 1),
        ("newer", 45, 8),
        ("from", 31, 3),
        ("often", 29, 1),
        ("newest", 10, 2),
        ("newer", 1, 1),
    ];
    came_in(&services, now, &late).await;
    services
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_counted_as_their_rows_are() {
    let folder = tempfile::tempdir().unwrap();
    let now = now_unix_nano();
    let services = with_a_past(folder.path(), now).await;
    let asks: [Ask<'_>; 5] = [
        &|_| {},
        &|params| params.cursor = Some("3".into()),
        &|params| params.status = Some("active".into()),
        &|params| params.status = Some("resolved".into()),
        &|params| params.q = "is:group".into(),
    ];
    let (mut of_items, mut of_rows) = (0, 0);
    for minutes in [400, 305, 275, 195, 145, 96, 60, 30, 5] {
        let start = now - minutes * MINUTE;
        let filter = filter_of(&ItemWords::default());
        let totals = services.metastore.error_item_totals("default", &filter, start..now, 50, 50).await.unwrap().unwrap();
        of_items += totals.known.len();
        of_rows += totals.others.len();
        for (number, ask) in asks.iter().enumerate() {
            let asking = asking(now, "count", |params| {
                params.start = Some(start.to_string());
                ask(params);
            });
            let question = question(&services, asking).await.unwrap();
            let mut known = known::list(&services, &question).await.unwrap().expect("an answer of the metastore");
            let mut asked = asked::list(&services, &question).await.unwrap();
            // The metastore tells all groups of an item, the rows those that they have.
            let told = |listed: &Listed| {
                let titles: Vec<String> = listed.rows.iter().map(|row| row.item.title.clone()).collect();
                (titles, listed.total, serde_json::to_string(&listed.facets).unwrap())
            };
            assert_eq!(told(&known), told(&asked), "{minutes} minutes, {number}");
            let mut figures = Vec::new();
            for listed in [&mut known, &mut asked] {
                let rows = told_with_figures(&services, &question, listed).await.unwrap();
                figures.push(rows.iter().map(|row| (row.item.title.clone(), row.figures.count)).collect::<Vec<_>>());
            }
            assert_eq!(figures[0], figures[1], "{minutes} minutes, {number}");
            assert!(figures[0].is_sorted_by(|left, right| left.1 >= right.1), "{:?}", figures[0]);
        }
    }
    assert!(of_items > 20 && of_rows > 20, "{of_items} and {of_rows}: both ways are tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_items_without_rows_is_asked_for_once_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let services = open(folder.path()).await;
    let now = now_unix_nano();
    let hour = now / (60 * MINUTE) * 3_600 - 3_600;
    let gone = |group: &str| OccurrencesSeen {
        fingerprint: group.into(),
        title: group.into(),
        level: 40,
        first_seen_unix_nano: hour * SECOND,
        last_seen_unix_nano: hour * SECOND,
        count: 5,
        ..OccurrencesSeen::default()
    };
    services.ingest.items().saw(vec![gone("x"), gone("y")]);
    let noted = ["x", "x", "y"].iter().enumerate().map(|(place, group)| metastore::ErrorCount {
        group: (*group).into(),
        environment: place.to_string(),
        hour_unix: hour,
        occurrences: 2 + place as u64,
    });
    services.metastore.raise_error_counts("default", &noted.collect::<Vec<_>>()).await.unwrap();
    came_in(&services, now, &[("z", 1, 1)]).await;
    let asking = asking(now, "last_seen", |params| params.start = Some((hour * SECOND).to_string()));
    let answer = list(State(services), Params(asking)).await.unwrap().0;
    let mut rows: Vec<(&str, f64)> = answer.errors.iter().map(|row| (row.item.title.as_str(), row.figures.count)).collect();
    rows.sort_by(|left, right| left.0.cmp(right.0));
    assert_eq!(rows, [("x", 5.0), ("y", 4.0), ("z", 1.0)]);
}
