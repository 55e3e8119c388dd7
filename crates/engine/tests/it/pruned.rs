//! What is left unread has no row that was asked for: each condition finds what it finds where nothing can be left out.

use engine::ask::insights::{EventSource, EventSources, InsightsQuestion};
use model::{Attribute, LogRecord, RowSink, Value};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::stage::{SECOND, START, Stage, log, stage};

const PARTS: u64 = 6;
const LINES: u64 = 40;

/// A line's id: of digits and letters that ids are of, of other letters too, or within a longer word.
fn id(number: u64) -> String {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    match number % 4 {
        0 => format!("{mixed:016x}"),
        1 => format!("cart{:05}", mixed % 100_000),
        2 => format!("Req{mixed:016X}end"),
        _ => format!("{:x}-{:x}", mixed & 0xffff, mixed >> 48),
    }
}

fn body(number: u64) -> String {
    match number % 3 {
        0 => format!(r#"{{"request_id":"{}","ms":{}}}"#, id(number), number % 17),
        1 => format!("request {} took {} ms, größe={number}", id(number), number % 17),
        _ => format!("java.lang.IllegalStateException: {}", id(number)),
    }
}

/// Parts of some lines each, and some in memory. `order.id` is a text in most of them, a number in one, and in one is among
/// the attributes that have no column.
async fn lines() -> Stage {
    let stage = stage().await;
    for part in 0..=PARTS {
        let others: Vec<String> = (0..1_100).map(|key| format!("key.{key}")).collect();
        stage
            .append(|rows| {
                for number in part * LINES..(part + 1) * LINES {
                    let (body, id) = (body(number), id(number));
                    let order = if part == 3 { Value::Int(number as i64) } else { Value::Str(id.as_str().into()) };
                    let mut attributes = Vec::new();
                    if part == 4 {
                        attributes.extend(others.iter().map(|key| Attribute::new(key.as_str(), Value::Int(1))));
                    }
                    attributes.push(Attribute::new("order.id", order));
                    rows.log(&LogRecord { attributes: &attributes, ..log(number as i64, &body) });
                }
            })
            .await;
        if part < PARTS {
            stage.store.flush().await.unwrap();
        }
    }
    stage
}

/// A condition on a text.
#[derive(Clone, Debug)]
enum Asked {
    Like(String),
    Regex(String),
    Equal(String),
    In(Vec<String>),
}

impl Asked {
    fn sql(&self, text: &str) -> String {
        let quoted = |value: &str| format!("'{}'", value.replace('\'', "''"));
        match self {
            Asked::Like(pattern) => format!("{text} LIKE {}", quoted(pattern)),
            Asked::Regex(expression) => format!("{text} ~ {}", quoted(expression)),
            Asked::Equal(value) => format!("{text} = {}", quoted(value)),
            Asked::In(values) => {
                format!("{text} IN ({})", values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// A piece of a line, or of an id.
fn pieces(of: impl Fn(u64) -> String + 'static) -> impl Strategy<Value = String> {
    (0..(PARTS + 2) * LINES, 0usize..40, 1usize..40).prop_map(move |(number, from, length)| {
        of(number).chars().skip(from).take(length).filter(|c| !"%_\\".contains(*c)).collect()
    })
}

fn asked() -> impl Strategy<Value = (&'static str, Asked)> {
    prop_oneof![
        pieces(body).prop_map(|piece| ("body", Asked::Like(format!("%{piece}%")))),
        (pieces(body), pieces(body)).prop_map(|(start, end)| ("body", Asked::Like(format!("{start}%{end}")))),
        pieces(body).prop_map(|piece| ("body", Asked::Regex(regex::escape(&piece)))),
        (pieces(body), pieces(id))
            .prop_map(|(one, other)| ("body", Asked::Regex(format!("^.*({}|{})", regex::escape(&one), regex::escape(&other))))),
        (0..PARTS * LINES).prop_map(|number| ("body", Asked::Equal(body(number)))),
        (0..PARTS * LINES).prop_map(|number| ("\"order.id\"", Asked::Equal(id(number)))),
        (0..PARTS * LINES).prop_map(|number| ("\"order.id\"", Asked::Equal(number.to_string()))),
        pieces(id).prop_map(|value| ("\"order.id\"", Asked::In(vec![value, id(7)]))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_out_that_was_asked_for() {
    let stage = lines().await;
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Handle::current();
    let outcome = tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&asked(), |(column, asked)| {
            let told = |text: &str| format!("SELECT CAST(time AS BIGINT) FROM logs WHERE {} ORDER BY 1", asked.sql(text));
            let found = runtime.block_on(stage.sql(&told(column)));
            // Of what a function makes of the text nothing is known beforehand.
            let expected = runtime.block_on(stage.sql(&told(&format!("reverse(reverse({column}))"))));
            prop_assert_eq!(found, expected, "{:?}", asked);
            Ok(())
        })
    });
    outcome.unwrap();
}

#[tokio::test]
async fn an_id_is_looked_for_where_it_may_be() {
    let stage = lines().await;
    for (condition, scanned_max) in [
        (format!("body LIKE '%{}%'", id(0)), 2 * LINES),
        (format!("body ~ '{}'", id(42)), 2 * LINES),
        // One part has it as a number, and one where there is no column: nothing is known of them.
        (format!("\"order.id\" = '{}'", id(0)), 4 * LINES),
        ("body LIKE '%nowhere at all%'".to_owned(), LINES),
    ] {
        let sql = format!("SELECT count(*) FROM logs WHERE {condition}");
        let answer = stage.asker.engine.sql(crate::stage::PROJECT, &sql, 10).await.unwrap();
        assert!(answer.stats.rows_scanned <= scanned_max, "{condition}: {} rows scanned", answer.stats.rows_scanned);
    }
}

#[tokio::test]
async fn events_are_counted_with_and_without_being_read() {
    let stage = lines().await;
    for (from, to, services, query, scanned, matched) in [
        (0, 1_000, &["shop"][..], "fields @message", 280, 280),
        (0, 1_000, &["shop"], "filter @message like 'IllegalState' | limit 5", 280, 93),
        (0, 1_000, &["shop"], "filter @message like 'IllegalState' | sort @timestamp asc", 280, 93),
        (0, 1_000, &["shop"], "filter @message like 'IllegalState' | stats count(*)", 280, 93),
        (0, 1_000, &["shop"], "limit 50 | filter @message like 'IllegalState'", 280, 280),
        (10, 90, &["shop"], "fields @message", 80, 80),
        (10, 250, &["shop", "other"], "filter `order.id` = '100'", 240, 0),
        (0, 1_000, &["other"], "fields @message", 0, 0),
    ] {
        let log_groups = EventSources {
            of: services.iter().map(|service| EventSource::Service((*service).to_owned())).collect(),
            start_unix_nano: START + from * SECOND,
            end_unix_nano: START + to * SECOND,
        };
        let question = InsightsQuestion { log_groups, rows_max: 1_000, ..InsightsQuestion::default() };
        let found = stage.asker.insights(query, &question).await.unwrap();
        assert_eq!((found.scanned, found.matched), (scanned, matched), "{query}");
    }
}
