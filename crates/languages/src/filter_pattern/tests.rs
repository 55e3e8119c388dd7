//! Walks `fixtures/queries/filter_pattern/`, and laws that hold for any text.

use std::fmt::Write;

use datafusion_expr::col;
use proptest::prelude::*;

use super::*;

/// The lines that match, by number from 1, and what they tell.
fn matched(text: &str, data: &[String]) -> Vec<(&'static str, String)> {
    let pattern = match parse(text) {
        Ok(pattern) => pattern,
        Err(error) => return vec![("error", format!("{}\n{}", error.with_caret(text), error.service_message()))],
    };
    let mut told = String::new();
    for (number, line) in data.iter().enumerate().map(|(index, line)| (index + 1, line)) {
        let Some(extracted) = pattern.matches(line) else { continue };
        let fields: Vec<String> = extracted.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let separator = if fields.is_empty() { "" } else { ": " };
        writeln!(told, "{number}{separator}{}", fields.join(" | ")).unwrap();
    }
    vec![("matches", if told.is_empty() { "none".to_owned() } else { told })]
}

fn lowered(text: &str) -> Vec<(&'static str, String)> {
    let lowered = lower(&parse(text).unwrap(), &col("body"));
    let necessary = lowered.necessary.map_or("nothing".to_owned(), |expr| expr.to_string());
    vec![("necessary", necessary), ("exact", lowered.is_exact.to_string())]
}

#[test]
fn the_manual_is_true() {
    let mut data = Vec::new();
    let cases = crate::literate::check("filter_pattern", |tag, body| {
        let body = body.strip_suffix('\n').unwrap_or(body);
        match tag {
            "pattern" => Some(matched(body, &data)),
            "lower" => Some(lowered(body)),
            "print" => Some(vec![("read", parse(body).unwrap().to_string())]),
            "data" => {
                data = body.lines().map(str::to_owned).collect();
                None
            }
            other => panic!("no block is called {other}"),
        }
    });
    assert!(cases >= 150, "{cases} cases");
}

#[test]
fn limits_are_kept() {
    assert!(parse(&"é".repeat(PATTERN_CHARS_MAX)).is_ok());
    let error = parse(&"é".repeat(PATTERN_CHARS_MAX + 1)).unwrap_err();
    assert_eq!(error.service_message(), "Invalid filter pattern: Member must have length less than or equal to 1024");
    let nested = |depth: usize| format!("{{{} $.a = 1 {}}}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(NESTING_DEPTH_MAX)).is_ok());
    assert!(parse(&nested(NESTING_DEPTH_MAX + 1)).unwrap_err().expected.contains("at most 32"));
    assert!(parse(&"a ".repeat(CONDITIONS_MAX)).is_ok());
    assert!(parse(&"a ".repeat(CONDITIONS_MAX + 1)).unwrap_err().expected.contains("at most 256"));
    assert!(parse("%a% %b%").is_ok());
    assert!(parse("%a% %b% %c%").unwrap_err().expected.contains("at most 2 regular"));
    assert!(parse("%[a-z]{900}{900}%").unwrap_err().expected.contains("smaller"));
}

#[test]
fn any_property_of_a_document_can_be_asked_for() {
    let extracted = parse("{ $.a = 1 }").unwrap().matches(r#"{"a": 1, "b": {"c": [true, 2.5]}, "d": null}"#).unwrap();
    assert_eq!(extracted.fields, [("$.a".to_owned(), "1".to_owned())]);
    assert_eq!(extracted.get("$.b.c[1]").as_deref(), Some("2.5"));
    assert_eq!(extracted.get("$.a").as_deref(), Some("1"));
    for absent in ["$.b", "$.d", "$.x", "$b", "", "$."] {
        assert_eq!(extracted.get(absent), None, "{absent}");
    }
    let extracted = parse("[..., bytes]").unwrap().matches("a \"b c\" 12").unwrap();
    assert_eq!(extracted.get("$bytes").as_deref(), Some("12"));
    assert_eq!(extracted.get("$2").as_deref(), Some("b c"));
    assert_eq!(extracted.get("$.bytes"), None);
}

/// Pieces that mean something, in any order.
fn soup() -> impl Strategy<Value = String> {
    let words = [
        "ERROR",
        "?WARN",
        "-x",
        "\"a b\"",
        "\"",
        "\\",
        "%",
        "%a.b%",
        "%[%",
        "[",
        "]",
        ",",
        "...",
        "ip",
        "=",
        "!=",
        "=!",
        ">=",
        "<",
        "1e9",
        "4*",
        "*",
        "&&",
        "||",
        "(",
        ")",
        "{",
        "}",
        "$.a",
        "$.a.b[0]",
        "$.*",
        "$['a.b']",
        "$.[*]",
        "IS",
        "TRUE",
        "NULL",
        "NOT",
        "EXISTS",
        "\"x*\"",
        "é\u{301}",
        "\n",
        "-",
        "?",
        "$",
    ];
    let piece = prop::sample::select(words.to_vec());
    prop::collection::vec((piece, prop::bool::ANY), 0..24)
        .prop_map(|pieces| pieces.into_iter().map(|(piece, blank)| format!("{piece}{}", if blank { " " } else { "" })).collect())
}

/// Conditions on documents as the grammar has them.
fn documents() -> impl Strategy<Value = String> {
    let test = prop::sample::select(vec![
        "$.a = 1",
        "$.a.b[0] != \"x*\\*\"",
        "$.[*].c >= -1.5e3",
        "$['a.b\\''] = %x{2,}%",
        "$.a IS TRUE",
        "$.* NOT EXISTS",
        "$.a = 10.*",
        "$.ok=true",
    ]);
    test.prop_map(str::to_owned).prop_recursive(4, 16, 3, |inner| {
        (prop::collection::vec(inner, 2..4), prop::sample::select(vec![" && ", "||"])).prop_map(|(parts, joiner)| {
            let parts: Vec<String> = parts.into_iter().map(|part| format!("({part})")).collect();
            parts.join(joiner)
        })
    })
}

fn check_any(text: &str, line: &str) -> Result<(), TestCaseError> {
    let pattern = match parse(text) {
        Ok(pattern) => pattern,
        Err(error) => {
            prop_assert!(error.span.start <= error.span.end && text.get(error.span.clone()).is_some());
            let _ = (error.with_caret(text), error.service_message());
            return Ok(());
        }
    };
    pattern.matches(line);
    lower(&pattern, &col("body"));
    let printed = pattern.to_string();
    if printed.chars().count() <= PATTERN_CHARS_MAX {
        let again = parse(&printed);
        prop_assert_eq!(again.as_ref(), Ok(&pattern), "{} was printed as {}", text, printed);
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_printed_is_read_as_the_same(text in prop_oneof![soup(), "\\PC{0,60}"], line in "\\PC{0,40}") {
        check_any(&text, &line)?;
    }

    #[test]
    fn conditions_on_documents_are_read_and_printed(condition in documents()) {
        let text = format!("{{ {condition} }}");
        let too_many = condition.matches('%').count() > 2 * EXPRESSIONS_MAX;
        prop_assert!(too_many || parse(&text).is_ok() || text.chars().count() > PATTERN_CHARS_MAX, "{}", text);
        check_any(&text, r#"{"a": 1}"#)?;
    }

    #[test]
    fn a_phrase_finds_itself(phrase in "\\PC{1,40}", around in "\\PC{0,10}") {
        let quoted = format!("\"{}\"", phrase.replace('\\', "\\\\").replace('"', "\\\""));
        let line = format!("{around}{phrase}{around}");
        prop_assert!(parse(&quoted).unwrap().matches(&line).is_some());
        let excluded = format!("-{quoted}");
        prop_assert!(parse(&excluded).unwrap().matches(&line).is_none());
    }

    #[test]
    fn words_are_parts_of_the_line_in_their_order(line in "[ab \"\\[\\]\\\\é]{0,40}") {
        let mut end = 0;
        for word in words::words(&line) {
            prop_assert!(word.start >= end && line[word.start..].contains(word.text));
            end = word.start + word.text.len();
        }
    }

    #[test]
    fn a_glob_matches_what_it_is_made_of(pieces in prop::collection::vec("[ab]{0,3}", 1..5), between in "[ab]{0,3}") {
        let text = pieces.join(&between);
        let glob = Glob { pieces };
        prop_assert!(glob.matches(&text), "{glob} and {text}");
    }
}
