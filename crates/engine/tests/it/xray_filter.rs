//! Filter expressions over real traces: `fixtures/queries/xray_filter/traces/`, where each filter is followed by the traces
//! that pass it.
//!
//! A block `traces` is what there is: a name, and below it its spans, a child two blanks further in than its parent:
//! `service kind "name" @start duration key=value flag`. A start is told from the parent's; `…` instead of a duration is a span
//! in progress. Flags are `error`, `fault`, `throttle`, `inferred`, as segments have them, `failed`, which is OpenTelemetry's
//! status, and `orphan`, whose parent never came. `exception "type" "message"` below a span is raised by it.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use analysis::service_graph::Calls;
use engine::EngineError;
use engine::trace_facts::{CompiledFilter, FactsQuestion, Groups, Scan, TraceJudge};
use languages::xray_filter::GroupReference;
use model::{Attribute, Exception, LogRecord, Resource, RowSink, Span, SpanId, SpanKind, StatusCode, TraceId, Value};
use store::TimeRange;

use crate::stage::{PROJECT, SECOND, START, Stage, stage};

const MS: i64 = 1_000_000;
const HOUR: TimeRange = TimeRange { start_unix_nano: START, end_unix_nano: START + 3_600 * SECOND };

#[derive(Default)]
struct Told {
    names: Vec<String>,
    groups: HashMap<String, String>,
}

#[tokio::test]
async fn the_manual_is_true() {
    let folder = Path::new("../../fixtures/queries/xray_filter/traces");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut cases = 0;
    for file in files {
        let found = std::fs::read_to_string(&file).unwrap();
        let expected = run(&found, &mut cases).await;
        let update = std::env::var_os("UPDATE_EXPECT").is_some();
        if update && expected != found {
            std::fs::write(&file, &expected).unwrap();
        }
        let differs = expected.lines().zip(found.lines()).find(|(left, right)| left != right);
        assert!(update || expected == found, "{}: run and file differ: {differs:?}", file.display());
    }
    assert!(cases >= 150, "{cases} cases");
}

/// The file with the answers of the run.
async fn run(text: &str, cases: &mut usize) -> String {
    let mut out = String::new();
    let (mut stage, mut told) = (stage().await, Told::default());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(tag) = line.strip_prefix("```") else {
            out += &format!("{line}\n");
            continue;
        };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let body = body.join("\n");
        if matches!(tag, "passes" | "error" | "warnings") {
            continue;
        }
        out += &format!("```{tag}\n{body}\n```\n");
        match tag {
            "traces" => {
                stage = self::stage().await;
                told.names = put(&stage, &body).await;
            }
            "filter" => {
                *cases += 1;
                for (tag, answer) in answer(&stage, &told, &body).await {
                    out += &format!("```{tag}\n{answer}\n```\n");
                }
            }
            tag => {
                let group = tag.strip_prefix("group ").unwrap_or_else(|| panic!("no block is called {tag}"));
                told.groups.insert(group.to_owned(), body);
            }
        }
    }
    out
}

async fn answer(stage: &Stage, told: &Told, text: &str) -> Vec<(&'static str, String)> {
    match passing(stage, told, text).await {
        Ok((names, warnings)) => {
            let names = if names.is_empty() { "none".to_owned() } else { names.join(" ") };
            let mut answers = vec![("passes", names)];
            if !warnings.is_empty() {
                answers.push(("warnings", warnings.join("\n")));
            }
            answers
        }
        Err(EngineError::Invalid { message, position }) => {
            assert!(position.is_some());
            vec![("error", message)]
        }
        Err(error) => panic!("{text}: {error}"),
    }
}

/// The names of the traces that pass, in the order in which they are told, and warnings.
async fn passing(stage: &Stage, told: &Told, text: &str) -> Result<(Vec<String>, Vec<String>), EngineError> {
    let groups = told.groups.clone();
    let group = move |reference: &GroupReference| match reference {
        GroupReference::Name(name) => groups.get(name).cloned(),
        GroupReference::Arn(arn) => groups.get(arn.rsplit('/').next()?).cloned(),
    };
    let (found, warnings) = found(stage, &group, text).await?;
    let names = told.names.iter().enumerate().filter(|(number, _)| found.contains(&trace_id(*number)));
    Ok((names.map(|(_, name)| name.clone()).collect(), warnings))
}

/// The traces that pass, and warnings. Asked twice: with what is necessary read first, and without.
pub async fn found(stage: &Stage, groups: Groups<'_>, text: &str) -> Result<(Vec<TraceId>, Vec<String>), EngineError> {
    let session = Arc::new(stage.asker.engine.session(PROJECT, Scan::reach(HOUR)).await?);
    let filter = Arc::new(CompiledFilter::compile(&session, text, groups).await?);
    let mut answers = Vec::new();
    for necessary in [filter.necessary(), None] {
        let question = FactsQuestion { predicates: filter.predicates(), necessary, ..FactsQuestion::default() };
        let scan = Scan { session: Arc::clone(&session), question, range: HOUR, ends_early: false };
        let judge = Arc::clone(&filter);
        let scanned = scan
            .fold((Vec::new(), Calls::default()), move |(found, calls), window| {
                for trace in window.facts.traces() {
                    calls.read(&trace);
                    if judge.holds(&trace, calls, 0) {
                        found.push(trace.id());
                    }
                }
                ControlFlow::Continue(())
            })
            .await?;
        answers.push(scanned.state.0);
    }
    assert_eq!(answers[0], answers[1], "{text}: what is necessary leaves out traces that pass");
    Ok((answers.swap_remove(0), filter.warnings.clone()))
}

fn trace_id(number: usize) -> TraceId {
    TraceId([&[7; 14][..], &(number as u16).to_be_bytes()].concat().try_into().unwrap())
}

/// Appends traces ten seconds apart, the first half in parts; returns their names.
async fn put(stage: &Stage, told: &str) -> Vec<String> {
    let mut traces: Vec<(String, Vec<&str>)> = Vec::new();
    for line in told.lines().filter(|line| !line.trim().is_empty()) {
        match line.starts_with(' ') {
            false => traces.push((line.trim().to_owned(), Vec::new())),
            true => traces.last_mut().expect("a trace has a name").1.push(line),
        }
    }
    let half = traces.len() / 2;
    for (number, (_, lines)) in traces.iter().enumerate() {
        put_trace(stage, number, lines).await;
        if number == half {
            stage.store.flush().await.unwrap();
        }
    }
    traces.into_iter().map(|(name, _)| name).collect()
}

async fn put_trace(stage: &Stage, number: usize, lines: &[&str]) {
    let trace_id = trace_id(number);
    // The span that is open at each depth, and when it began.
    let mut open: Vec<(SpanId, i64)> = Vec::new();
    for (line_number, line) in lines.iter().enumerate() {
        let depth = (line.len() - line.trim_start().len()) / 2 - 1;
        let words = words(line.trim());
        if words[0].0 == "exception" {
            let (span_id, start) = open[depth - 1];
            let exception =
                Exception { r#type: words[1].0.as_str().into(), message: words[2].0.as_str().into(), ..Exception::default() };
            let log = LogRecord {
                time_unix_nano: start + line_number as i64,
                trace_id: Some(trace_id),
                span_id: Some(span_id),
                severity_number: 17,
                event_name: "exception",
                exception: Some(exception),
                ..LogRecord::default()
            };
            stage.append(|rows| rows.log(&log)).await;
            continue;
        }
        open.truncate(depth);
        let (mut parent, began) =
            open.last().map_or((None, START + number as i64 * 10 * SECOND), |(id, start)| (Some(*id), *start));
        let span_id = SpanId((line_number as u64 + 1).to_be_bytes());
        let service = words[0].0.as_str();
        let mut span = Span::new(trace_id, span_id, service);
        span.kind = (0..=5).map(SpanKind::from_otlp).find(|kind| kind.as_str() == words[1].0).unwrap();
        span.start_time_unix_nano = began;
        let mut resource = BTreeMap::from([("service.name", Value::str(service))]);
        let mut attributes = Vec::new();
        for (word, quoted) in &words[2..] {
            if *quoted {
                span.name = word;
            } else if let Some(at) = word.strip_prefix('@') {
                span.start_time_unix_nano = began + at.trim_end_matches("ms").parse::<i64>().unwrap() * MS;
            } else if word == "…" {
                span.in_progress = true;
            } else if let Some(ms) = word.strip_suffix("ms").and_then(|ms| ms.parse::<i64>().ok()) {
                span.duration_ns = ms * MS;
            } else if let Some((key, value)) = word.split_once('=') {
                let is_of_resource = ["cloud.", "host."].iter().any(|prefix| key.starts_with(prefix));
                match is_of_resource {
                    true => {
                        resource.insert(key, typed(value));
                    }
                    false => attributes.push(Attribute::new(key, typed(value))),
                }
            } else {
                match word.as_str() {
                    "failed" => span.status_code = StatusCode::Error,
                    "orphan" => parent = Some(SpanId([9; 8])),
                    flag => attributes.push(Attribute::new(format!("aws.xray.{flag}"), Value::Bool(true))),
                }
            }
        }
        span.parent_span_id = parent;
        span.attributes = &attributes;
        let resource: Vec<Attribute<'_>> = resource.into_iter().map(|(key, value)| Attribute::new(key, value)).collect();
        open.push((span_id, span.start_time_unix_nano));
        stage
            .append(|rows| {
                rows.resource(&Resource { attributes: &resource, schema_url: "" });
                rows.span(&span);
            })
            .await;
    }
}

/// Words, and whether a whole word stands in quotes; quotes behind `=` belong to the word, and are left out.
fn words(line: &str) -> Vec<(String, bool)> {
    let mut words = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let mut inside = false;
        let ends = |c: char| {
            inside ^= c == '"';
            c == ' ' && !inside
        };
        let length = rest.find(ends).unwrap_or(rest.len());
        let word = &rest[..length];
        match word.strip_prefix('"') {
            Some(_) => words.push((word.trim_matches('"').to_owned(), true)),
            None => words.push((word.to_owned(), false)),
        }
        rest = rest[length..].trim_start();
    }
    words
}

fn typed(value: &str) -> Value<'_> {
    match value {
        "true" | "false" => Value::Bool(value == "true"),
        _ if value.starts_with('"') => Value::str(value.trim_matches('"')),
        _ => match (value.parse::<i64>(), value.parse::<f64>()) {
            (Ok(whole), _) => Value::Int(whole),
            (_, Ok(number)) => Value::Float(number),
            _ => Value::str(value),
        },
    }
}
