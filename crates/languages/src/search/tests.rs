//! Walks `fixtures/queries/search/`, and laws that hold for any text.

use super::*;
use datafusion_common::arrow::datatypes::Schema;
use model::Signal;
use proptest::prelude::*;

fn answer(signal: Signal, schema: &Schema, text: &str) -> Vec<(&'static str, String)> {
    let text_columns: &[&str] = match signal {
        Signal::Spans => &["name"],
        Signal::Logs => &["body", "exception.type", "exception.message"],
        Signal::Metrics => &["metric"],
    };
    let context = LowerContext { signal, schema, text_columns, whole_words: None, parts: None };
    match parse(text).and_then(|query| lower(&query, &context)) {
        Ok(Lowered { expr, unknown_keys }) => {
            let mut answers = vec![("expr", expr.to_string())];
            if !unknown_keys.is_empty() {
                answers.push(("unknown", unknown_keys.join("\n")));
            }
            answers
        }
        Err(error) => vec![("error", error.with_caret(text))],
    }
}

#[test]
fn the_manual_is_true() {
    let mut schema = Schema::empty();
    let mut signal = Signal::Spans;
    let cases = crate::literate::check("search", |tag, body| match tag {
        "search" => Some(answer(signal, &schema, body.strip_suffix('\n').unwrap_or(body))),
        _ => {
            let table = tag.strip_prefix("schema ").unwrap_or_else(|| panic!("no block is called {tag}"));
            signal = Signal::ALL.into_iter().find(|signal| signal.table() == table).unwrap();
            schema = crate::literate::schema(body);
            None
        }
    });
    assert!(cases >= 40, "{cases} cases");
}

#[test]
fn limits_are_kept() {
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(NESTING_DEPTH_MAX)).is_ok());
    assert!(parse(&nested(NESTING_DEPTH_MAX + 1)).is_err());
    assert!(parse(&nested(30_000)).is_err());
    assert!(parse(&"-".repeat(60_000)).is_err() && parse(&format!("{}a", "-".repeat(60_000))).is_err());
    assert!(parse(&"NOT ".repeat(10_000)).is_err());
    assert!(parse(&"not ".repeat(10_000)).is_err());
    assert!(parse(&"a ".repeat(TERMS_MAX)).is_ok());
    assert!(parse(&"a ".repeat(TERMS_MAX + 1)).is_err());
    assert!(parse(&format!("a in (1{})", ",1".repeat(TERMS_MAX))).is_err());
    assert!(parse(&"a".repeat(QUERY_BYTES_MAX + 1)).is_err());
}

/// Pieces that mean something, in any order.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("a = 1"),
        Just("http.route"),
        Just("="),
        Just("!="),
        Just(">"),
        Just(":"),
        Just("("),
        Just(")"),
        Just("AND"),
        Just("or"),
        Just("NOT"),
        Just("-"),
        Just("in ("),
        Just(","),
        Just("exists"),
        Just("\""),
        Just("'"),
        Just("\\"),
        Just("250ms"),
        Just("status"),
        Just("level >= warn"),
        Just("trace_id ="),
        Just("é\u{301}"),
        Just("\n"),
        Just("-1e999"),
    ];
    prop::collection::vec((piece, prop::bool::ANY), 0..24)
        .prop_map(|pieces| pieces.into_iter().map(|(piece, blank)| format!("{piece}{}", if blank { " " } else { "" })).collect())
}

proptest! {
    #[test]
    fn no_text_panics_and_every_error_points_into_it(text in prop_oneof![soup(), "\\PC{0,80}"]) {
        let schema = crate::literate::schema("name: string\nhttp.route: string\na: int64\nstatus_code: string\nduration_ns: int64\ntrace_id: trace id");
        for signal in Signal::ALL {
            let context = LowerContext { signal, schema: &schema, text_columns: &["name"], whole_words: None, parts: None };
            if let Err(error) = parse(&text).and_then(|query| lower(&query, &context)) {
                prop_assert!(error.span.start <= error.span.end && error.span.end <= text.len());
                prop_assert!(text.get(error.span.clone()).is_some());
                let _ = error.with_caret(&text);
            }
        }
    }

    #[test]
    fn a_quoted_value_is_read_back(value in "\\PC{0,40}") {
        let quoted = format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
        let Some(Node::Term(Term::Compare { value: read, .. })) = parse(&format!("key = {quoted}")).unwrap().root else {
            panic!("not a comparison");
        };
        prop_assert_eq!(read.text, value);
    }
}
