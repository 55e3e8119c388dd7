//! Walks `fixtures/queries/metric_math/`, and laws that hold for any text.

use proptest::prelude::*;

use super::*;

/// Minutes of 2026-11-21, which is a Saturday, from 12:00 on.
const START: i64 = 1_795_262_400;

/// Lines such as `m1: 1 2 - 4`, one value a minute; a dash is no data.
fn world(text: &str) -> World {
    let mut world = World { start_seconds: START, period_seconds: 60, end_seconds: START, ..World::default() };
    for line in text.lines() {
        let (id, values) = line.split_once(':').unwrap();
        let mut series = Series { period_seconds: 60, ..Series::default() };
        for (minute, value) in values.split_whitespace().enumerate() {
            let at = START + 60 * minute as i64;
            world.end_seconds = world.end_seconds.max(at + 60);
            if value != "-" {
                series.points.insert(at, value.parse().unwrap());
            }
        }
        world.series.push((id.to_owned(), true, Value::Series(series)));
    }
    world
}

fn told_series(series: &Series) -> String {
    let last = series.points.keys().next_back().map_or(START, |at| at + 60);
    let values = (START..last).step_by(60).map(|at| match series.points.get(&at) {
        Some(value) => ((value * 1e6).round() / 1e6).to_string(),
        None => "-".to_owned(),
    });
    let values = values.collect::<Vec<_>>().join(" ");
    if values.is_empty() { "no data".to_owned() } else { values }
}

fn told(text: &str, world: &World) -> Vec<(&'static str, String)> {
    match parse(text).and_then(|expression| evaluate(&expression, world)) {
        Err(error) => vec![("error", error.explain(text))],
        Ok(Value::Scalar(value)) => vec![("value", ((value * 1e6).round() / 1e6).to_string())],
        Ok(Value::Text(text)) => vec![("value", format!("{text:?}"))],
        Ok(Value::Series(series)) => vec![("value", format!("[{}]", told_series(&series)))],
        Ok(Value::List(list)) => {
            let lines = list.iter().map(|named| format!("{}: [{}]", named.label, told_series(&named.series)));
            vec![("value", lines.collect::<Vec<_>>().join("\n"))]
        }
    }
}

#[test]
fn the_manual_is_true() {
    let mut current = World::default();
    let cases = crate::literate::check("metric_math", |tag, body| {
        let body = body.strip_suffix('\n').unwrap_or(body);
        match tag {
            "series" => {
                current = world(body);
                None
            }
            "expression" => Some(told(body, &current)),
            other => panic!("no block is called {other}"),
        }
    });
    assert!(cases >= 50, "{cases} cases");
}

#[test]
fn names_and_searches_are_told() {
    let expression = parse("m1 / FILL(e2, REPEAT) + SUM(SEARCH('{A,b} c', 'p99', 60))").unwrap();
    assert_eq!(expression.names(), ["m1", "e2"]);
    assert!(!expression.uses_metrics());
    let search = Search { terms: "{A,b} c".into(), statistic: "p99".into(), period_seconds: Some(60) };
    assert_eq!(expression.searches(), [search]);
    assert!(parse(&"(".repeat(500)).is_err());
}

proptest! {
    #[test]
    fn never_panics(text in "(m1|m2|[0-9.]{1,3}|[-+*/^<>=&|(),\\[\\] ]|SUM\\(|IF\\(|FILL\\(|SORT\\(|REPEAT|METRICS\\(\\)|'a'){0,14}") {
        let world = world("m1: 1 2 - 4\nm2: - - 3 0");
        if let Ok(expression) = parse(&text) {
            let _ = evaluate(&expression, &world);
        }
    }
}
