//! Walks `fixtures/queries/insights/`, and laws that hold for any text.

use datafusion_common::DataFusionError;
use datafusion_common::arrow::datatypes::Schema;
use datafusion_expr::LogicalPlan;
use datafusion_expr::logical_plan::builder::table_scan;
use proptest::prelude::*;

use super::stubs::Stubs;
use super::*;

const NAMES: &[(&str, &str)] = &[
    ("@timestamp", "time"),
    ("@ingestionTime", "received_at"),
    ("@message", "body"),
    ("@log", "aws.log.group.name"),
    ("@logStream", "aws.log.stream.name"),
    ("@ptr", "aws.log.event.id"),
];

/// The table of one side; its name says which groups are meant.
fn events(schema: &Schema, source: Option<&Source>) -> Result<LogicalPlan, DataFusionError> {
    let name = source.map_or("logs".to_owned(), |source| source.to_string());
    table_scan(Some(datafusion_common::TableReference::bare(name)), schema, None)?.build()
}

/// Every table has the columns that are asked for.
fn uploaded(lookup: &Lookup) -> Result<LogicalPlan, DataFusionError> {
    use datafusion_common::arrow::datatypes::{DataType, Field};
    let mut names: Vec<&String> = lookup.keys.iter().map(|(column, _)| column).collect();
    names.extend(lookup.outputs.iter().map(|(column, _)| column));
    names.sort();
    names.dedup();
    let fields: Vec<Field> = names.into_iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
    table_scan(Some(datafusion_common::TableReference::bare(lookup.table.clone())), &Schema::new(fields), None)?.build()
}

fn lowered(text: &str, schema: &Schema) -> Vec<(&'static str, String)> {
    match parse(text) {
        Ok(query) => planned(&query, text, schema),
        Err(error) => vec![("error", error.with_caret(text))],
    }
}

fn planned(query: &Query, text: &str, schema: &Schema) -> Vec<(&'static str, String)> {
    let context = LowerContext {
        functions: &Stubs,
        names: NAMES,
        message: "body",
        table: &uploaded,
        events: &|source| events(schema, source),
        limit: ROWS_DEFAULT,
    };
    match lower(query, text, &context) {
        Ok(pipeline) => told(&pipeline),
        Err(LowerError::Query(error)) => vec![("error", error.with_caret(text))],
        Err(LowerError::Plan(error)) => vec![("error", error.strip_backtrace())],
    }
}

fn told(pipeline: &Pipeline) -> Vec<(&'static str, String)> {
    let mut answers = vec![("plan", pipeline.plan.display_indent().to_string())];
    if !pipeline.then.is_empty() {
        let shown: Vec<String> = pipeline.shown.iter().map(|(name, expr)| format!("{name} = {expr}")).collect();
        let stages: Vec<String> = pipeline.then.iter().map(stage).collect();
        answers.push(("then", format!("{}\nshown: {}", stages.join("\n"), shown.join(", "))));
    }
    if !pipeline.unmasked.is_empty() {
        answers.push(("unmasked", pipeline.unmasked.join(", ")));
    }
    if !pipeline.unknown_fields.is_empty() {
        answers.push(("unknown", pipeline.unknown_fields.join("\n")));
    }
    answers
}

/// What `parse` takes out of each line, as the engine's function for captures does.
fn extracted(text: &str, data: &[String]) -> Vec<(&'static str, String)> {
    let query = parse(text).unwrap();
    let [Command::Parse { pattern, .. }] = query.commands.as_slice() else { panic!("{text} is not one parse") };
    let (expression, names, groups) = match pattern {
        ParsePattern::Glob { text, names } => (lower::glob_expression(text), names, Vec::new()),
        ParsePattern::Regex { text, names } => (text.clone(), names, lower::named_groups(text)),
    };
    let compiled = regex::Regex::new(&expression).unwrap();
    let lines = data.iter().map(|line| {
        let Some(captures) = compiled.captures(line) else { return "nothing".to_owned() };
        let value = |place: usize| captures.get(groups.get(place).map_or(place + 1, |group| *group as usize));
        let told = |(place, name): (usize, &String)| format!("{name}={}", value(place).map_or("NULL", |found| found.as_str()));
        names.iter().enumerate().map(told).collect::<Vec<_>>().join(" | ")
    });
    vec![("matches", lines.collect::<Vec<_>>().join("\n"))]
}

fn stage(stage: &Stage) -> String {
    match stage {
        Stage::Pattern { field } => format!("pattern of {field}"),
        Stage::AppendCols { overrides, max, pipeline } => {
            format!("append columns, override {overrides}, at most {max} rows, of\n{}", pipeline.plan.display_indent())
        }
        Stage::Rest(query) => format!("rest: {query}"),
        other => format!("{other:?}"),
    }
}

fn read(text: &str) -> Vec<(&'static str, String)> {
    match parse(text) {
        Ok(query) => vec![("read", query.to_string())],
        Err(error) => {
            let told = error.compile_error(text);
            let places = format!("{}..{}", told.start_char_offset, told.end_char_offset);
            vec![("error", format!("{}\n{places}: {}", error.with_caret(text), told.message))]
        }
    }
}

#[test]
fn the_manual_is_true() {
    let (mut schema, mut data) = (Schema::empty(), Vec::new());
    let cases = crate::literate::check("insights", |tag, body| {
        let body = body.strip_suffix('\n').unwrap_or(body);
        match tag {
            "query" => Some(read(body)),
            "lower" => Some(lowered(body, &schema)),
            "extract" => Some(extracted(body, &data)),
            "data" => {
                data = body.lines().map(str::to_owned).collect();
                None
            }
            "schema logs" => {
                schema = crate::literate::schema(body);
                None
            }
            other => panic!("no block is called {other}"),
        }
    });
    assert!(cases >= 300, "{cases} cases");
}

#[test]
fn limits_are_kept() {
    let filler = |chars: usize| format!("limit 5 #{}", "é".repeat(chars));
    assert!(parse(&filler(QUERY_CHARS_MAX - 9)).is_ok());
    assert!(parse(&filler(QUERY_CHARS_MAX)).unwrap_err().expected.contains("at most 10000 characters"));
    let nested = |depth: usize| format!("filter {}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(NESTING_DEPTH_MAX)).is_ok());
    for text in
        [nested(NESTING_DEPTH_MAX + 1), format!("filter {}", "not ".repeat(2_000)), format!("filter {}", "-".repeat(9_000))]
    {
        assert!(parse(&text).unwrap_err().expected.contains("at most 32"), "{text:.20}");
    }
    assert!(parse(&format!("filter {}", "2 ^ ".repeat(2_000))).unwrap_err().expected.contains("at most 32"));
    assert!(parse(&vec!["limit 1"; COMMANDS_MAX].join("|")).is_ok());
    assert!(parse(&vec!["limit 1"; COMMANDS_MAX + 1].join("|")).unwrap_err().expected.contains("at most 100 commands"));
    assert!(
        parse(&format!("fields {}", vec!["a"; EXPRESSIONS_MAX + 1].join(","))).unwrap_err().expected.contains("at most 2000")
    );
    assert!(parse("filter a like /[a-z]{900}{900}/").unwrap_err().expected.contains("smaller"));
}

#[test]
fn every_function_is_read_by_its_name() {
    for function in Function::ALL {
        let args = match function {
            Function::Bin => "5m",
            Function::DateFloor | Function::DateCeil => "@timestamp, 1h",
            Function::Pct => "a, 99.9",
            _ => ["", "a", "a, b", "a, b, c"][function.arity().0.min(3)],
        };
        let command = if function.is_aggregate() { "stats" } else { "fields" };
        for name in [function.as_str().to_owned(), function.as_str().to_uppercase()] {
            let text = format!("{command} {name}({args}) as x");
            assert!(parse(&text).is_ok(), "{text}: {:?}", parse(&text));
        }
    }
}

#[test]
fn every_word_is_told_and_read_as_it_is_told() {
    let told = |kind| KEYWORDS.iter().filter(move |keyword: &&Keyword| keyword.kind == kind).map(|keyword| keyword.name);
    let sorted = |names: Vec<&'static str>| {
        let mut names = names;
        names.sort_unstable();
        names
    };
    assert_eq!(sorted(told(KeywordKind::Command).collect()), sorted(COMMAND_WORDS.to_vec()));
    for (kind, is_aggregate) in [(KeywordKind::Aggregate, true), (KeywordKind::Function, false)] {
        let known = Function::ALL.iter().filter(|function| function.is_aggregate() == is_aggregate);
        assert_eq!(sorted(told(kind).collect()), sorted(known.map(|function| function.as_str()).collect()));
    }
    for keyword in KEYWORDS {
        let text = match keyword.kind {
            KeywordKind::Command => keyword.usage.to_owned(),
            KeywordKind::Aggregate => format!("stats {}", keyword.usage),
            KeywordKind::Function => format!("fields {}", keyword.usage.replace("…", "a, b")),
        };
        assert!(parse(&text).is_ok(), "{text}: {:?}", parse(&text));
        assert!(!keyword.help.is_empty() && !keyword.help.contains('\n'));
    }
}

/// Pieces that mean something, in any order.
fn soup() -> impl Strategy<Value = String> {
    let words = [
        "fields",
        "display",
        "filter",
        "filterIndex",
        "parse",
        "stats",
        "sort",
        "limit 5",
        "head 2",
        "tail 1",
        "dedup",
        "pattern",
        "diff",
        "unnest",
        "unmask",
        "anomaly",
        "lookup t",
        "join type=left left=a right=b where a.x=b.x",
        "addtotals",
        "appendcols",
        "SOURCE",
        "|",
        ",",
        "@message",
        "@timestamp desc",
        "a.b[0]",
        "`x y`",
        "as z",
        "by",
        "count(*)",
        "avg(a)",
        "pct(a, 99)",
        "bin(5m)",
        "bin(1mo)",
        "bin(4294967295m)",
        "bin(4294967295y)",
        "(",
        ")",
        "[",
        "]",
        "=",
        "!=",
        "=~",
        "like",
        "not",
        "in",
        "and",
        "or",
        "+",
        "-",
        "*",
        "/",
        "^",
        "%",
        "1e3",
        "5",
        "5m",
        "\"a*\"",
        "'",
        "/x(?<n>.)/",
        "# c\n",
        "\n",
        "true",
        "into",
        "OUTPUT",
        "logGroups(namePrefix: ['a'])",
        "START=-5m",
        "é",
        "\\",
        "`",
        "if(a, b, c)",
    ];
    let piece = prop::sample::select(words.to_vec());
    prop::collection::vec((piece, prop::bool::ANY), 0..24)
        .prop_map(|pieces| pieces.into_iter().map(|(piece, blank)| format!("{piece}{}", if blank { " " } else { "" })).collect())
}

/// Expressions as the grammar has them.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a",
        "@message",
        "a.b.0",
        "`odd name`",
        "5",
        "1.5e3",
        "\"x\"",
        "true",
        "abs(a)",
        "coalesce(a, b, 1)",
        "a like /x\\/y/",
        "a not in [1, 'b']",
        "b not like \"z\"",
        "a in [(b or c), -(-d)]",
        "`as`.x",
        "`true`.y",
        "isempty(a)",
        "now()",
        "a[\"k\"][1]",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(4, 24, 3, |inner| {
        let operator = prop::sample::select(vec!["+", "-", "*", "/", "%", "^", "=", "!=", "<", "and", "or"]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(left, operator, right)| format!("({left}) {operator} ({right})")),
            inner.clone().prop_map(|inner| format!("not ({inner})")),
            inner.clone().prop_map(|inner| format!("-({inner})")),
            inner.prop_map(|inner| format!("strlen({inner})")),
        ]
    })
}

fn check_any(text: &str) -> Result<(), TestCaseError> {
    match parse(text) {
        Ok(query) => {
            let printed = query.to_string();
            let again = parse(&printed);
            prop_assert_eq!(again.as_ref(), Ok(&query), "{} was printed as {}", text, printed);
            let schema = crate::literate::schema("time: timestamp\nbody: string\nstatus: int64\na: float64");
            lowered(text, &schema);
        }
        Err(error) => {
            prop_assert!(error.span.start <= error.span.end && text.get(error.span.clone()).is_some(), "{} {:?}", text, error);
            let _ = (error.with_caret(text), error.compile_error(text));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_printed_is_read_as_the_same(text in prop_oneof![soup(), "\\PC{0,60}"]) {
        check_any(&text)?;
    }

    #[test]
    fn expressions_are_read_and_printed(expr in expressions()) {
        let text = format!("filter {expr} | fields {expr} as x");
        prop_assert!(parse(&text).is_ok(), "{}: {:?}", text, parse(&text));
        check_any(&text)?;
    }
}

#[test]
fn every_query_of_the_other_pipe_has_a_plan() {
    use datafusion_common::arrow::datatypes::{DataType, Field, TimeUnit};
    let time = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let mut fields: Vec<Field> = ["time", "received_at"].map(|name| Field::new(name, time.clone(), true)).to_vec();
    let texts = ["body", "aws.log.group.name", "aws.log.stream.name", "aws.log.event.id", "level", "service"];
    fields.extend(texts.map(|name| Field::new(name, DataType::Utf8, true)));
    fields.push(Field::new("latency", DataType::Int64, true));
    let schema = Schema::new(fields);
    let manual = std::fs::read_to_string("../../fixtures/queries/ppl/01-reading.md").unwrap();
    let queries: Vec<&str> = manual.split("```query\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect();
    assert!(queries.len() > 60);
    for text in queries {
        let query = crate::ppl::parse(text).unwrap();
        let told = planned(&query, text, &schema);
        assert!(told.iter().any(|(tag, _)| *tag == "plan"), "{text}: {told:?}");
    }
    let plan = |text: &str| planned(&crate::ppl::parse(text).unwrap(), text, &schema).remove(0).1;
    let shown = |text: &str| plan(text).lines().next().unwrap().to_owned();
    assert!(shown("eval slow = latency > 5 | fields - @message").contains("slow"));
    assert!(!shown("eval slow = latency > 5 | fields - @message").contains("body AS @message"));
    assert!(plan("eventstats avg(latency) as mean by service").contains("WindowAggr"));
}
