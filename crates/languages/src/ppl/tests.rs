//! Walks `fixtures/queries/ppl/`, where each query is followed by what it is in Logs Insights, or by its error.

use proptest::prelude::*;

use super::parse;

fn read(text: &str) -> Vec<(&'static str, String)> {
    match parse(text) {
        Ok(query) => vec![("read", query.to_string())],
        Err(error) => vec![("error", error.with_caret(text))],
    }
}

#[test]
fn the_manual_is_true() {
    let cases = crate::literate::check("ppl", |tag, body| match tag {
        "query" => Some(read(body.strip_suffix('\n').unwrap_or(body))),
        other => panic!("no block is called {other}"),
    });
    assert!(cases >= 85, "{cases} cases");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_with_a_place(text in "[a-z@`'\"|(),=<>. 0-9%\\[\\]é-]{0,60}") {
        if let Err(error) = parse(&text) {
            prop_assert!(text.get(error.span).is_some());
        }
    }

    #[test]
    fn commands_in_any_order_are_read_or_refused(words in prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..14)) {
        let text = words.join(" ");
        if let Err(error) = parse(&text) {
            prop_assert!(text.get(error.span).is_some());
        }
    }
}

const WORDS: [&str; 47] = [
    "source",
    "=",
    "where",
    "|",
    "fields",
    "-",
    "eval",
    "stats",
    "count()",
    "by",
    "span(@timestamp, 5m)",
    "sort",
    "head",
    "5",
    "dedup",
    "parse",
    "'(?<a>x)'",
    "rename",
    "as",
    "a",
    "b",
    ",",
    "top",
    "rare",
    "fillnull",
    "with",
    "0",
    "in",
    "(",
    ")",
    "[",
    "]",
    "join",
    "left=x",
    "right=y",
    "on",
    "x.a = y.a",
    "lookup",
    "flatten",
    "grok",
    "'%{IP:ip}'",
    "patterns",
    "trendline",
    "sma(2, a)",
    "wma(3, b)",
    "like",
    "'a%'",
];
