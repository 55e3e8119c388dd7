//! Honeycomb's queries over real rows: `fixtures/queries/honeycomb/`, where each question is followed by its answer.
//!
//! A block `rows` is what there is, one row a line: `span a shop "GET /cart" trace=1 span=1 parent=0 @0 12ms rate=4 error
//! key=value`, or `log b shop "the text" …`. The first word after the kind is kept as the attribute `row`. Times are
//! milliseconds after the start of the range, an hour; a `metric` has `value=` or `count= sum= min= max= buckets=10,20:4,3,0`, may
//! be `delta`, `cumulative` and `monotonic`, and `dataset=` is what the sender named. `link=2:7` is a link to a span of another
//! trace, `exception=Type:message` of an event, `scope=` the name of the instrumentation. Questions are `query` (a specification),
//! `filter` (filters, one a line: which rows pass), and `fields` (expressions, one a line: what each is for every row).

use parking_lot::Mutex;
use std::fmt::Write;
use std::path::Path;

use engine::ask::explore::{ExploreAnswer, ExploreBegin, ExploreEvent, ExploreGroup, ExploreQuestion};
use engine::ask::honeycomb::{HoneycombAnswer, HoneycombError, HoneycombPoint, HoneycombQuestion};
use languages::honeycomb::{FilterOperator, Operation, QuerySpecification};
use model::{
    Attribute, DataPoint, DataPointType, Exception, LogRecord, Resource, RowSink, Scope, Span, SpanId, SpanKind, SpanLink,
    StatusCode, Temporality, TraceId, Value,
};
use serde_json::{Value as Json, json};

use crate::stage::{PROJECT, SECOND, START, Stage, stage};

/// What calculated fields may call: each has a case of its own.
const FUNCTIONS: &[&str] = &[
    "IF",
    "SWITCH",
    "COALESCE",
    "LT",
    "LTE",
    "GT",
    "GTE",
    "EQUALS",
    "IN",
    "EXISTS",
    "NOT",
    "AND",
    "OR",
    "SUM",
    "SUB",
    "MUL",
    "DIV",
    "MOD",
    "MIN",
    "MAX",
    "LOG10",
    "BUCKET",
    "INT",
    "FLOAT",
    "BOOL",
    "STRING",
    "CONCAT",
    "STARTS_WITH",
    "ENDS_WITH",
    "CONTAINS",
    "TO_LOWER",
    "LENGTH",
    "SEARCH",
    "REG_MATCH",
    "REG_VALUE",
    "REG_COUNT",
    "EVENT_TIMESTAMP",
    "INGEST_TIMESTAMP",
    "UNIX_TIMESTAMP",
    "FORMAT_TIME",
    "LAST",
    "SUMMARIZE",
    "INCREASE",
    "RATE",
];

#[tokio::test]
async fn the_manual_is_true() {
    let folder = Path::new("../../fixtures/queries/honeycomb");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut cases = 0;
    let mut texts = String::new();
    for file in files {
        let found = std::fs::read_to_string(&file).unwrap();
        texts += &found;
        let expected = run(&found, &mut cases).await;
        let update = std::env::var_os("UPDATE_EXPECT").is_some();
        if update && expected != found {
            std::fs::write(&file, &expected).unwrap();
        }
        let differs = expected.lines().zip(found.lines()).find(|(left, right)| left != right);
        assert!(update || expected == found, "{}: run and file differ: {differs:?}", file.display());
    }
    assert!(cases >= 300, "{cases} cases");
    for (name, _) in Operation::ALL {
        assert!(texts.contains(&format!("\"op\": \"{name}\"")), "no case has {name}");
    }
    for (name, _) in FilterOperator::ALL {
        assert!(texts.contains(&format!(" {name} ")) || texts.contains(&format!(" {name}\n")), "no case has {name}");
    }
    for name in FUNCTIONS {
        assert!(texts.contains(&format!("{name}(")), "no case has {name}");
    }
}

/// The file with the answers of the run.
async fn run(text: &str, cases: &mut usize) -> String {
    let mut out = String::new();
    let mut stage = stage().await;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(tag) = line.strip_prefix("```") else {
            out += &format!("{line}\n");
            continue;
        };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if matches!(tag, "answer" | "error") {
            continue;
        }
        out += &format!("```{tag}\n{}\n```\n", body.join("\n"));
        let answer = match tag {
            "rows" => {
                stage = self::stage().await;
                put(&stage, &body).await;
                continue;
            }
            "query" => {
                *cases += 1;
                match asked(&stage, serde_json::from_str(&body.join("\n")).unwrap()).await {
                    Ok(answer) => told(&answer),
                    Err(error) => {
                        out += &format!("```error\n{error}\n```\n");
                        continue;
                    }
                }
            }
            "filter" => {
                *cases += body.len();
                let mut told = String::new();
                for line in &body {
                    writeln!(told, "{line}: {}", passing(&stage, line).await).unwrap();
                }
                told
            }
            "fields" => {
                *cases += body.len();
                let mut told = String::new();
                for line in &body {
                    writeln!(told, "{line}: {}", values(&stage, line).await).unwrap();
                }
                told
            }
            other => panic!("no block is called {other}"),
        };
        out += &format!("```answer\n{}\n```\n", answer.trim_end());
    }
    out
}

async fn asked(stage: &Stage, query: Json) -> Result<HoneycombAnswer, HoneycombError> {
    stage.asker.honeycomb(&question(query)?).await
}

fn question(mut query: Json) -> Result<HoneycombQuestion, HoneycombError> {
    let object = query.as_object_mut().unwrap();
    let option = |object: &mut serde_json::Map<String, Json>, name: &str| object.remove(name);
    let raw = option(object, "raw").is_some();
    let time_series = option(object, "time_series").is_some();
    let dataset = option(object, "dataset").map(|name| name.as_str().unwrap().to_owned());
    let series = object.contains_key("granularity");
    if !["start_time", "end_time", "time_range"].iter().any(|name| object.contains_key(*name)) {
        object.insert("time_range".into(), json!(3_600));
    }
    let specification = QuerySpecification::from_json(&query)?;
    Ok(HoneycombQuestion {
        dataset,
        weighted: !raw,
        time_series,
        with_series: series,
        ..HoneycombQuestion::new(specification, START / SECOND + 3_600)
    })
}

/// The manual's queries, each with the rows that it is about.
async fn each_query(mut look: impl AsyncFnMut(&Stage, HoneycombQuestion, &str)) {
    for file in std::fs::read_dir("../../fixtures/queries/honeycomb").unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let mut stage = stage().await;
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some(tag) = line.strip_prefix("```") else { continue };
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            match tag {
                "rows" => {
                    stage = self::stage().await;
                    put(&stage, &body).await;
                }
                "query" => {
                    let text = body.join("\n");
                    let Ok(question) = question(serde_json::from_str(&text).unwrap()) else { continue };
                    look(&stage, question, &text).await;
                }
                _ => {}
            }
        }
    }
}

async fn explored(stage: &Stage, query: HoneycombQuestion, estimates: bool) -> Option<(ExploreBegin, ExploreAnswer, usize)> {
    let told = Mutex::new((None, None, 0));
    let question = ExploreQuestion { query, narrowed: Vec::new(), with_estimates: estimates };
    let listener = |event| match event {
        ExploreEvent::Begin(begin) => told.lock().0 = Some(begin),
        ExploreEvent::Answer(answer) => told.lock().1 = Some(answer),
        ExploreEvent::Partial(_) => told.lock().2 += 1,
        _ => {}
    };
    stage.asker.explore(&question, &listener).await.ok()?;
    let (begin, answer, partials) = told.into_inner();
    Some((begin.unwrap(), answer.unwrap(), partials))
}

/// Floats that were added in another order differ in their last digits.
fn rounded(value: &Json) -> Json {
    match value {
        Json::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap();
            if number.fract() == 0.0 { json!(number as i64) } else { json!(format!("{number:.9e}")) }
        }
        Json::Array(items) => items.iter().map(rounded).collect(),
        Json::Object(_) => json!(value.to_string()),
        other => other.clone(),
    }
}

#[tokio::test]
async fn the_sql_of_a_query_gives_its_rows() {
    let mut told = 0;
    let mut misfits = Vec::new();
    each_query(async |stage, mut question, text| {
        question.with_series = true;
        let Ok(known) = Box::pin(stage.asker.honeycomb(&question)).await else { return };
        let Some((begin, answer, _)) = Box::pin(explored(stage, question.clone(), false)).await else { return };
        let asked = ExploreQuestion { query: question, narrowed: Vec::new(), with_estimates: false };
        let statements = Box::pin(stage.asker.explore_sql(&asked)).await.unwrap();
        told += 1;
        let has_heatmap = begin.calculations.iter().any(|one| one.kind == "heatmap");
        let summary = answer.groups.iter().map(|one| [one.key.clone(), one.values.clone()].concat()).collect();
        let names = begin.breakdowns.iter().cloned().chain(begin.calculations.iter().map(|one| one.label.clone()));
        let names: Vec<String> = names.collect();
        let line = |point: &HoneycombPoint| {
            let time = std::iter::once(json!(point.time_unix_nano));
            time.chain(names.iter().map(|name| point.data[name].clone())).collect()
        };
        let series = known.series.iter().map(line).collect();
        for (name, sql, expected) in [("summary", statements.summary, summary), ("series", statements.series, series)] {
            let found = match &sql {
                Some(sql) => Box::pin(rows_of_sql(stage, sql)).await,
                None => Err("no SQL".to_owned()),
            };
            if let Err(misfit) = found.and_then(|found| same_rows(name, found, expected, has_heatmap)) {
                misfits.push(format!("{name}: {misfit}: {text}\n{}", sql.unwrap_or_default()));
            }
        }
    })
    .await;
    assert!(misfits.is_empty(), "{} misfits\n{}", misfits.len(), misfits.join("\n\n"));
    assert!(told >= 75, "{told} queries");
}

/// The rows of a statement; a time is nanoseconds since 1970.
async fn rows_of_sql(stage: &Stage, sql: &str) -> Result<Vec<Vec<Json>>, String> {
    let found = stage.asker.engine.sql(PROJECT, sql, 100_000).await.map_err(|error| error.to_string())?;
    let mut rows = found.json_rows().map_err(|error| error.to_string())?;
    for (row, cells) in found.iter().zip(&mut rows) {
        if let Some(time) = row.i64("time") {
            cells[0] = json!(time);
        }
    }
    Ok(rows)
}

/// Groups have their order; steps of one time have none. Histograms are told in other words by SQL.
fn same_rows(name: &str, found: Vec<Vec<Json>>, expected: Vec<Vec<Json>>, has_heatmap: bool) -> Result<(), String> {
    if has_heatmap {
        let same = found.len() == expected.len();
        return if same { Ok(()) } else { Err(format!("{} rows for {}", found.len(), expected.len())) };
    }
    let rounded = |rows: Vec<Vec<Json>>| -> Vec<String> {
        let mut rows: Vec<String> = rows.into_iter().map(|row| rounded(&Json::Array(row)).to_string()).collect();
        if name == "series" {
            rows.sort();
        }
        rows
    };
    let (found, expected) = (rounded(found), rounded(expected));
    if found == expected { Ok(()) } else { Err(format!("{found:?} for {expected:?}")) }
}

#[tokio::test]
async fn what_is_told_on_the_way_ends_with_what_the_vendors_api_tells() {
    each_query(async |stage, mut question, text| {
        question.with_series = true;
        let Ok(known) = stage.asker.honeycomb(&question).await else { return };
        let Some((begin, answer, _)) = explored(stage, question, true).await else { panic!("no answer to {text}") };
        let label = |at: usize| begin.calculations[at].label.clone();
        let of = |group: &ExploreGroup| -> serde_json::Map<String, Json> {
            let keys = begin.breakdowns.iter().cloned().zip(group.key.iter().cloned());
            keys.chain(group.values.iter().cloned().enumerate().map(|(at, value)| (label(at), value))).collect()
        };
        assert_eq!(answer.groups.iter().map(of).collect::<Vec<_>>(), known.results, "{text}");
        assert_eq!(answer.other.as_ref().map(of).is_some(), known.other.is_some(), "{text}");
        for point in &known.series {
            let step = ((point.time_unix_nano - begin.first_step_unix_nano.0) / begin.step_ns) as usize;
            let group = answer
                .groups
                .iter()
                .find(|group| begin.breakdowns.iter().zip(&group.key).all(|(name, cell)| point.data.get(name) == Some(cell)));
            let group = group.unwrap();
            for at in 0..begin.calculations.len() {
                assert_eq!(group.series[at][step], point.data[&label(at)], "{text}");
            }
        }
    })
    .await;
}

fn told(answer: &HoneycombAnswer) -> String {
    let mut out = String::new();
    let line = |cells: &serde_json::Map<String, Json>| serde_json::to_string(cells).unwrap();
    for cells in &answer.results {
        writeln!(out, "{}", line(cells)).unwrap();
    }
    if let Some(total) = &answer.total {
        writeln!(out, "TOTAL {}", line(total)).unwrap();
    }
    if let Some(other) = &answer.other {
        writeln!(out, "OTHER {}", line(other)).unwrap();
    }
    for (name, points) in [("", &answer.series), ("TOTAL ", &answer.total_series)] {
        for point in points {
            let at = (point.time_unix_nano - START) as f64 / 1e9;
            writeln!(out, "{name}@{at} {}", line(&point.data)).unwrap();
        }
    }
    out
}

/// `column op value`: the rows that pass.
async fn passing(stage: &Stage, line: &str) -> String {
    let mut words = line.splitn(3, ' ');
    let (column, operator) = (words.next().unwrap(), words.next().unwrap());
    let value = words.next().map(|value| serde_json::from_str::<Json>(value).unwrap());
    let mut filter = json!({"column": column, "op": operator});
    if let Some(value) = value {
        filter["value"] = value;
    }
    let query = json!({"filters": [filter], "breakdowns": ["row"], "orders": [{"column": "row"}]});
    match asked(stage, query).await {
        Ok(answer) => {
            let rows: Vec<&str> = answer.results.iter().map(|cells| cells["row"].as_str().unwrap()).collect();
            if rows.is_empty() { "none".into() } else { rows.join(" ") }
        }
        Err(error) => error.to_string(),
    }
}

/// What an expression is for each row.
async fn values(stage: &Stage, expression: &str) -> String {
    let query = json!({
        "calculated_fields": [{"name": "it", "expression": expression}],
        "breakdowns": ["row", "it"],
        "orders": [{"column": "row"}],
    });
    match asked(stage, query).await {
        Ok(answer) => {
            let values: Vec<String> = answer.results.iter().map(|cells| cells["it"].to_string()).collect();
            values.join(" ")
        }
        Err(error) => error.to_string(),
    }
}

/// Appends rows, the first half in parts.
async fn put(stage: &Stage, lines: &[&str]) {
    for (number, line) in lines.iter().enumerate() {
        put_one(stage, line).await;
        if number == lines.len() / 2 {
            stage.store.flush().await.unwrap();
        }
    }
}

async fn put_one(stage: &Stage, line: &str) {
    let words = words(line);
    let (kind, row, service, name) = (words[0].as_str(), &words[1], &words[2], &words[3]);
    // What a row is called would make a series of each point.
    let mut attributes = match row.as_str() {
        "-" => Vec::new(),
        row => vec![Attribute::new("row", Value::Str(row.into()))],
    };
    let (mut trace, mut id, mut parent, mut at, mut duration, mut rate, mut failed) = (0, 0, 0, 0, 0.0, 1.0, false);
    let mut severity = 0;
    let mut point: std::collections::BTreeMap<&str, f64> = Default::default();
    let mut of_service = vec![Attribute::str("service.name", service)];
    let (mut temporality, mut is_monotonic, mut buckets) = (Temporality::Unspecified, false, String::new());
    let (mut links, mut exception, mut scope) = (Vec::new(), None, "");
    for word in &words[4..] {
        match word.split_once('=') {
            Some(("trace", number)) => trace = number.parse().unwrap(),
            Some(("span", number)) => id = number.parse().unwrap(),
            Some(("parent", number)) => parent = number.parse().unwrap(),
            Some(("rate", number)) => rate = number.parse().unwrap(),
            Some(("severity", number)) => severity = number.parse().unwrap(),
            Some(("link", to)) => {
                let (trace, span) = to.split_once(':').unwrap();
                links.push(SpanLink {
                    trace_id: trace_of(trace.parse().unwrap()),
                    span_id: SpanId(span.parse::<u64>().unwrap().to_be_bytes()),
                    trace_state: "",
                    attributes: vec![Attribute::str("linked.by", row)],
                });
            }
            Some(("exception", told)) => {
                let (of, message) = told.split_once(':').unwrap();
                exception = Some(Exception { r#type: of.into(), message: message.into(), ..Exception::default() });
            }
            Some(("scope", name)) => scope = name,
            Some(("dataset", name)) => of_service.push(Attribute::str("honeycomb.dataset", name)),
            Some(("buckets", told)) => {
                let (bounds, counts) = told.split_once(':').unwrap();
                buckets = format!(r#"{{"bounds":[{bounds}],"counts":[{counts}]}}"#);
            }
            Some((part @ ("value" | "count" | "sum" | "min" | "max"), number)) if kind == "metric" => {
                point.insert(part, number.parse().unwrap());
            }
            Some((key, value)) => {
                let value = match serde_json::from_str::<Json>(value) {
                    Ok(Json::Bool(value)) => Value::Bool(value),
                    Ok(Json::Number(number)) if number.is_i64() => Value::Int(number.as_i64().unwrap()),
                    Ok(Json::Number(number)) => Value::Float(number.as_f64().unwrap()),
                    _ => Value::Str(value.trim_matches('"').into()),
                };
                attributes.push(Attribute::new(key, value));
            }
            None if word == "error" => failed = true,
            None if word == "delta" => temporality = Temporality::Delta,
            None if word == "cumulative" => temporality = Temporality::Cumulative,
            None if word == "monotonic" => is_monotonic = true,
            None if word.starts_with('@') => at = word[1..].parse::<i64>().unwrap(),
            None => duration = word.strip_suffix("ms").unwrap().parse::<f64>().unwrap(),
        }
    }
    let time = START + at * 1_000_000;
    let trace_id = (trace != 0).then(|| trace_of(trace));
    let span_id = |number: u64| (number != 0).then(|| SpanId(number.to_be_bytes()));
    stage
        .append(|rows| {
            rows.resource(&Resource { attributes: &of_service, schema_url: "" });
            rows.scope(&Scope { name: scope, ..Scope::default() });
            match kind {
                "span" => rows.span(&Span {
                    start_time_unix_nano: time,
                    duration_ns: (duration * 1e6) as i64,
                    parent_span_id: span_id(parent),
                    kind: SpanKind::Server,
                    status_code: if failed { StatusCode::Error } else { StatusCode::Unset },
                    sample_rate: rate,
                    links: &links,
                    attributes: &attributes,
                    ..Span::new(trace_id.unwrap(), span_id(id).unwrap(), name)
                }),
                "log" => rows.log(&LogRecord {
                    time_unix_nano: time,
                    trace_id,
                    span_id: span_id(parent),
                    severity_number: severity,
                    body: name.as_str().into(),
                    sample_rate: rate,
                    attributes: &attributes,
                    ..LogRecord::default()
                }),
                "metric" => rows.data_point(&DataPoint {
                    metric: name,
                    description: "",
                    unit: "",
                    r#type: match (point.contains_key("value"), temporality) {
                        (false, _) => DataPointType::Histogram,
                        (true, Temporality::Unspecified) => DataPointType::Gauge,
                        (true, _) => DataPointType::Sum,
                    },
                    temporality,
                    is_monotonic,
                    start_time_unix_nano: 0,
                    time_unix_nano: time,
                    flags: 0,
                    value: point.get("value").copied(),
                    count: point.get("count").map(|count| *count as u64),
                    sum: point.get("sum").copied(),
                    min: point.get("min").copied(),
                    max: point.get("max").copied(),
                    buckets: buckets.as_str().into(),
                    exemplars: "".into(),
                    attributes: &attributes,
                }),
                "event" => rows.log(&LogRecord {
                    time_unix_nano: time,
                    trace_id,
                    span_id: span_id(parent),
                    event_name: name,
                    exception: exception.clone(),
                    attributes: &attributes,
                    ..LogRecord::default()
                }),
                other => panic!("no row is called {other}"),
            }
        })
        .await;
}

fn trace_of(number: u64) -> TraceId {
    TraceId([[7; 8], number.to_be_bytes()].concat().try_into().unwrap())
}

/// Words between blanks; quotes hold one together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.trim().chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[tokio::test]
async fn what_is_different_about_a_selection_and_its_traces() {
    use engine::ask::explore_selection::ExploreSelection;
    let stage = stage().await;
    let mut lines: Vec<String> = Vec::new();
    for n in 1..=60_u64 {
        // The slow ones are of one customer; everything else is alike.
        let (customer, duration) = if n % 6 == 0 { ("big", 900 + n) } else { ("small", 20) };
        let mode = if n % 2 == 0 { "even" } else { "odd" };
        let of_mode = if n % 12 == 0 { "odd" } else { mode };
        lines.push(format!("span r{n} shop pay trace={n} span={n} @{n} {duration}ms customer={customer} mode={of_mode}"));
        let reason = if n % 6 == 0 { "full" } else { "none" };
        lines.push(format!("log l{n} shop paid trace={n} parent={n} @{n} customer={customer} reason={reason}"));
    }
    put(&stage, &lines.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let query = question(json!({ "filters": [{ "column": "service.name", "op": "=", "value": "shop" }] })).unwrap();
    let question = ExploreQuestion { query, narrowed: Vec::new(), with_estimates: false };
    let slow =
        QuerySpecification::from_json(&json!({ "filters": [{ "column": "duration_ms", "op": ">=", "value": 500 }] })).unwrap();
    let selection =
        ExploreSelection { filters: slow.filters, column: Some("duration_ms".to_owned()), ..ExploreSelection::default() };

    let told = stage.asker.explore_bubble_up(&question, &selection, 40, &|_| {}).await.unwrap();
    assert_eq!((told.selection.rows, told.baseline.rows), (10, 50), "log lines have no duration and are no part of it");
    let field = |name: &str| told.fields.iter().find(|field| field.column == name).unwrap();
    let customer = field("customer");
    assert!(customer.significant && customer.score > 0.8, "{customer:?}");
    let big = customer.values.iter().find(|value| value.value.as_deref() == Some("big")).unwrap();
    assert_eq!((big.selection_share, big.baseline_share), (1.0, 0.0));
    assert!(!field("mode").significant, "{:?}", field("mode"));
    assert_eq!(field("duration_ms").kind, "number");
    let mut own = told.fields.iter().filter(|field| field.source != "trace");
    assert!(own.all(|field| field.column != "body" && !field.column.starts_with("trace.")));

    let within = ExploreSelection { start: Some(START), end: Some(START + 12_000_000), ..selection.clone() };
    let told = stage.asker.explore_bubble_up(&question, &within, 40, &|_| {}).await.unwrap();
    assert_eq!((told.selection.rows, told.baseline.rows), (1, 59), "a time chooses among the rows of the question");

    let told = stage.asker.explore_traces(&question, "duration_ms", 3).await.unwrap();
    let values: Vec<_> = told.traces.iter().map(|trace| trace.value).collect();
    assert_eq!(values, [Some(960.0), Some(954.0), Some(948.0)]);
    assert_eq!(told.traces[0].service.as_deref(), Some("shop"));
    assert_eq!(told.traces[0].time_unix_nano, (START + 60_000_000).to_string());
}

#[tokio::test]
async fn events_of_selected_spans_and_lines_of_their_traces_are_compared_too() {
    use engine::ask::explore_selection::ExploreSelection;
    let stage = stage().await;
    let mut lines: Vec<String> = Vec::new();
    for n in 1..=60_u64 {
        let is_slow = n % 3 == 0;
        lines.push(format!("span r{n} shop pay trace={n} span={n} @{n} {}ms", if is_slow { 900 } else { 20 }));
        // Slow spans wait three times each; a fast one in two looks into the cache.
        let events = if is_slow { 3 } else { n % 2 };
        for _ in 0..events {
            let (name, what) = if is_slow { ("wait", "row") } else { ("cache", "hit") };
            lines.push(format!("event e{n} shop {name} trace={n} parent={n} @{n} what={what}"));
        }
        // Another span of the trace says so, in another service.
        lines.push(format!("log l{n} stock {} trace={n} parent=999 @{n}", if is_slow { "locked" } else { "fine" }));
    }
    lines.push("log other shop locked @5".to_owned());
    put(&stage, &lines.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let query = question(json!({ "filters": [{ "column": "name", "op": "=", "value": "pay" }] })).unwrap();
    let question = ExploreQuestion { query, narrowed: Vec::new(), with_estimates: false };
    let slow =
        QuerySpecification::from_json(&json!({ "filters": [{ "column": "duration_ms", "op": ">=", "value": 500 }] })).unwrap();
    let selection =
        ExploreSelection { filters: slow.filters, column: Some("duration_ms".to_owned()), ..ExploreSelection::default() };

    let told = stage.asker.explore_bubble_up(&question, &selection, 40, &|_| {}).await.unwrap();
    assert_eq!((told.selection.rows, told.baseline.rows), (20, 40));
    let field = |source: &str, name: &str| {
        let found = told.fields.iter().find(|field| field.source == source && field.column == name);
        found.unwrap_or_else(|| panic!("no {name} of {source}: {:?}", told.fields))
    };
    let shares = |source: &str, name: &str, value: &str| {
        let field = field(source, name);
        let value = field.values.iter().find(|one| one.value.as_deref() == Some(value));
        value.map(|value| (value.selection_share, value.baseline_share))
    };
    let events = field("event", "name");
    assert!(events.significant && events.score > 0.7, "{events:?}");
    let share = |found: Option<(f64, f64)>| found.map(|(selection, baseline)| (selection * 1e6, baseline * 1e6));
    let rounded = |found| share(found).map(|(selection, baseline)| (selection.round() as i64, baseline.round() as i64));
    let none = rounded(Some((events.selection_null_share, events.baseline_null_share)));
    assert_eq!(none, Some((0, 500_000)), "a span without events is one too");
    assert_eq!(rounded(shares("event", "name", "wait")), Some((1_000_000, 0)), "three events of a span are one span");
    assert_eq!(rounded(shares("event", "name", "cache")), Some((0, 500_000)));
    assert!(field("event", "what").significant);
    let bodies = field("trace", "body");
    assert!(bodies.significant && bodies.score > 0.85, "{bodies:?}");
    assert_eq!(rounded(shares("trace", "body", "locked")), Some((1_000_000, 0)));
    assert_eq!(rounded(shares("trace", "service.name", "stock")), Some((1_000_000, 1_000_000)));
    assert!(!field("trace", "service.name").significant);
    assert_eq!(field("resource", "service.name").values.len(), 1);
}
