//! The questions of the query set: in Cupola's SQL, in DuckDB's and in ClickHouse's, meaning the same.
//!
//! Where a function of ours is younger than the plain way of saying it, both are given, and the first that the server
//! understands is measured; the report shows which.

use serde_json::{Value, json};

use crate::data::{DAY_NS, DAY_START_UNIX_NANO, What};
use crate::lines::{ABSENT_TOKEN, COMMON_TOKEN, RARE_SUBSTRING, RARE_TOKEN};
use crate::world::COMPARED;

/// One question.
#[derive(Clone, Debug)]
pub struct Question {
    /// What the report and the peers call it.
    pub id: &'static str,
    pub over: What,
    /// The best way first.
    pub ours: Vec<String>,
    /// `{t}` stands for the table.
    pub duckdb: String,
    pub clickhouse: String,
    pub agreed: Agreed,
}

/// What everybody's answers must have in common, so that nobody is fast by being wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreed {
    /// Nothing: each has buckets of its own.
    Nothing,
    Rows,
    /// Rows and the first cell.
    First,
}

/// The service whose heatmap is drawn and whose slow requests are compared.
const SERVICE: &str = "checkout";

/// What is compared with the rest: slow requests of one service, about one span in two hundred.
pub const SELECTED: &str = "\"service.name\" = 'checkout' and duration_ns > 100000000";

/// A question that is asked in words of an API of ours.
pub struct Posted {
    pub id: &'static str,
    pub path: &'static str,
    pub body: Value,
    /// Where the rows are in its answer, as a JSON pointer.
    pub rows: &'static str,
}

/// BubbleUp over SQL's words, then what *Explore* asks: a chart, a table, their total and the rest, over the day of the spans.
pub fn posted() -> Vec<Posted> {
    let (start, end) = (DAY_START_UNIX_NANO / 1_000_000, (DAY_START_UNIX_NANO + DAY_NS) / 1_000_000);
    let built = |id, query: Value| Posted {
        id,
        path: "/api/explore/query",
        body: json!({ "query": query, "start": start, "end": end, "stream": false }),
        rows: "/answer/groups",
    };
    let hour = 3_600_000;
    let slow = json!([{ "column": "duration_ms", "op": ">=", "value": 50 }]);
    vec![
        Posted {
            id: "bubble up",
            path: "/api/bubble-up",
            body: json!({
                "start": start.to_string(), "end": end.to_string(), "selection": SELECTED, "columns": COMPARED,
            }),
            rows: "/columns",
        },
        built("explore: heatmap", json!({ "calculations": [{ "op": "HEATMAP", "column": "duration_ms" }] })),
        built("explore: by a million users", json!({ "breakdowns": ["user.id"], "limit": 100 })),
        built(
            "explore: p99 by route",
            json!({ "calculations": [{ "op": "P99", "column": "duration_ms" }], "breakdowns": ["service.name", "http.route"] }),
        ),
        Posted {
            id: "explore: bubble up, every field",
            path: "/api/explore/bubble-up",
            body: json!({
                "query": {}, "start": start, "end": end, "limit": 250,
                "selection": { "start": end - hour, "end": end, "column": "duration_ms", "filters": slow },
            }),
            rows: "/fields",
        },
    ]
}

/// Every question that is asked in SQL.
pub fn questions() -> Vec<Question> {
    vec![
        Question {
            id: "percentiles",
            over: What::Spans,
            ours: ["percentile", "approx_percentile_cont"]
                .map(|function| {
                    format!(
                        "select \"service.name\", \"http.route\", count(*), {function}(duration_ns, 0.5), \
                         {function}(duration_ns, 0.95), {function}(duration_ns, 0.99) from spans group by 1, 2"
                    )
                })
                .into(),
            duckdb: "select \"service.name\", \"http.route\", count(*), approx_quantile(duration_ns, [0.5, 0.95, 0.99]) \
                     from {t} group by 1, 2"
                .into(),
            clickhouse: "select \"service.name\", \"http.route\", count(*), quantiles(0.5, 0.95, 0.99)(duration_ns) \
                         from {t} group by 1, 2"
                .into(),
            agreed: Agreed::Rows,
        },
        Question {
            id: "heatmap",
            over: What::Spans,
            ours: vec![
                format!(
                    "select time_bucket(interval '10 minutes', \"time\"), log_bucket(duration_ns), count(*) from spans \
                     where \"service.name\" = '{SERVICE}' group by 1, 2"
                ),
                format!(
                    "select date_bin(interval '10 minutes', \"time\"), floor(ln(duration_ns) * 10), count(*) from spans \
                     where \"service.name\" = '{SERVICE}' group by 1, 2"
                ),
            ],
            duckdb: format!(
                "select epoch_ns(\"time\") // 600000000000, floor(ln(duration_ns) * 10), count(*) from {{t}} \
                 where \"service.name\" = '{SERVICE}' group by 1, 2"
            ),
            clickhouse: format!(
                "select toStartOfInterval(\"time\", interval 10 minute), floor(log(duration_ns) * 10), count(*) from {{t}} \
                 where \"service.name\" = '{SERVICE}' group by 1, 2"
            ),
            agreed: Agreed::Nothing,
        },
        alike("top users", What::Spans, "select \"user.id\", count(*) as spans from {t} group by 1 order by 2 desc, 1 limit 20"),
        Question {
            id: "errors over time",
            over: What::Spans,
            ours: vec![
                "select time_bucket(interval '10 minutes', \"time\"), \"service.name\", count(*) from spans \
                 where status_code = 'error' group by 1, 2"
                    .into(),
                "select date_bin(interval '10 minutes', \"time\"), \"service.name\", count(*) from spans \
                 where status_code = 'error' group by 1, 2"
                    .into(),
            ],
            duckdb: "select epoch_ns(\"time\") // 600000000000, \"service.name\", count(*) from {t} \
                     where status_code = 'error' group by 1, 2"
                .into(),
            clickhouse: "select toStartOfInterval(\"time\", interval 10 minute), \"service.name\", count(*) from {t} \
                         where status_code = 'error' group by 1, 2"
                .into(),
            agreed: Agreed::Rows,
        },
        token("token, 19 hits", RARE_TOKEN),
        token("token, absent", ABSENT_TOKEN),
        alike(
            "newest 100 of a common word",
            What::Lines,
            &format!("select \"time\", body from {{t}} where body like '%{COMMON_TOKEN}%' order by \"time\" desc limit 100"),
        ),
        alike("substring, count", What::Lines, &format!("select count(*) from {{t}} where body like '%{RARE_SUBSTRING}%'")),
    ]
}

/// The same words for everybody.
fn alike(id: &'static str, over: What, query: &str) -> Question {
    let table = if over == What::Spans { "spans" } else { "logs" };
    // A moment is written differently by each.
    let agreed = if query.contains("order by \"time\"") { Agreed::Rows } else { Agreed::First };
    Question { id, over, ours: vec![query.replace("{t}", table)], duckdb: query.into(), clickhouse: query.into(), agreed }
}

fn token(id: &'static str, word: &str) -> Question {
    Question {
        id,
        over: What::Lines,
        ours: vec![
            format!("select count(*) from logs where has_token(body, '{word}')"),
            format!("select count(*) from logs where body like '%{word}%'"),
        ],
        duckdb: format!("select count(*) from {{t}} where contains(body, '{word}')"),
        clickhouse: format!("select count(*) from {{t}} where hasToken(body, '{word}')"),
        agreed: Agreed::First,
    }
}

/// What an operator for comparing does in one go, said in SQL: a grouping for each attribute.
pub fn comparison(text: impl Fn(&str) -> String) -> String {
    let each = COMPARED.iter().map(|key| {
        format!(
            "select '{key}' as attribute, {} as value, count(*) filter (where {SELECTED}) as selected, count(*) as spans \
             from {{t}} group by 2",
            text(key)
        )
    });
    each.collect::<Vec<_>>().join(" union all ")
}

/// One trace of a peer's table, all its columns.
pub fn trace(literal: &str) -> String {
    format!("select * from {{t}} where trace_id = {literal}")
}
