//! Walks `fixtures/queries/xray_filter/`, and laws that hold for any text. Cases with traces are the engine's.

use std::collections::HashMap;

use datafusion_common::arrow::datatypes::Schema;
use proptest::prelude::*;

use super::*;

type Groups = HashMap<String, String>;

fn context<'a>(schema: &'a Schema, group: &'a dyn Fn(&GroupReference) -> Option<String>) -> LowerContext<'a> {
    LowerContext { schema, is_fixed: &|name| matches!(name, "name" | "kind" | "service.name" | "source"), group }
}

fn by_name(groups: &Groups) -> impl Fn(&GroupReference) -> Option<String> {
    |reference| match reference {
        GroupReference::Name(name) => groups.get(name).cloned(),
        GroupReference::Arn(arn) => groups.get(arn.rsplit('/').next()?).cloned(),
    }
}

fn read(text: &str) -> Vec<(&'static str, String)> {
    match parse(text) {
        Ok(filter) => vec![("read", filter.to_string())],
        Err(error) => vec![("error", error.with_caret(text))],
    }
}

fn lowered(text: &str, schema: &Schema, groups: &Groups) -> Vec<(&'static str, String)> {
    let group = by_name(groups);
    match parse(text).and_then(|filter| lower(&filter, &context(schema, &group))) {
        Ok(lowered) => {
            let predicates = lowered.predicates.iter().enumerate().map(|(place, expr)| format!("{place}: {expr}"));
            let nodes = lowered.nodes.iter().enumerate().map(|(place, node)| format!("node {place}: {}", told(node)));
            let lines: Vec<String> = predicates.chain(nodes).collect();
            let mut answers = Vec::new();
            if !lines.is_empty() {
                answers.push(("predicates", lines.join("\n")));
            }
            answers.push(("condition", format!("{:?}", lowered.condition)));
            answers.extend(lowered.necessary.map(|expr| ("necessary", expr.to_string())));
            if !lowered.unknown_keys.is_empty() {
                answers.push(("unknown", lowered.unknown_keys.join("\n")));
            }
            answers
        }
        Err(error) => vec![("error", error.with_caret(text))],
    }
}

fn told(node: &NodeTest) -> String {
    let part = |part: &str, test: &Option<TextTest>| test.as_ref().map(|test| format!("{part} {test}"));
    let parts: Vec<String> = [part("name", &node.name), part("type", &node.r#type)].into_iter().flatten().collect();
    parts.join(", ")
}

#[test]
fn the_manual_is_true() {
    let mut schema = Schema::empty();
    let mut groups = Groups::new();
    let cases = crate::literate::check("xray_filter", |tag, body| {
        let body = body.strip_suffix('\n').unwrap_or(body);
        match tag {
            "filter" => Some(read(body)),
            "lower" => Some(lowered(body, &schema, &groups)),
            "schema spans" => {
                schema = crate::literate::schema(body);
                None
            }
            _ => {
                let name = tag.strip_prefix("group ").unwrap_or_else(|| panic!("no block is called {tag}"));
                groups.insert(name.to_owned(), body.to_owned());
                None
            }
        }
    });
    assert!(cases >= 100, "{cases} cases");
}

#[test]
fn limits_are_kept() {
    let nested = |depth: usize| format!("{}ok{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(NESTING_DEPTH_MAX)).is_ok());
    for text in [
        nested(NESTING_DEPTH_MAX + 1),
        nested(8_000),
        "!".repeat(16_000),
        "not ".repeat(4_000),
        format!("service(){{{}", "(".repeat(40)),
    ] {
        assert!(parse(&text).unwrap_err().expected.contains("at most 32"), "{text:.20}");
    }
    assert!(parse(&"ok ".repeat(TERMS_MAX)).is_ok());
    assert!(parse(&"ok ".repeat(TERMS_MAX + 1)).unwrap_err().expected.contains("at most 256 terms"));
    assert!(parse(&"é".repeat(FILTER_BYTES_MAX)).unwrap_err().expected.contains("bytes"));
    assert!(parse(&format!("rootcause.json = #{}", "[".repeat(9_000))).is_err());
}

#[test]
fn a_filter_has_a_bit_for_each_of_its_conditions() {
    let schema = crate::literate::schema("tenant: string\nduration_ns: int64");
    let lower_of = |terms: usize| {
        let terms: Vec<String> = (0..terms).map(|number| format!("annotation.tenant = \"{number}\"")).collect();
        // Said twice, it is still one condition.
        let text = format!("{} OR {}", terms.join(" OR "), terms[0]);
        lower(&parse(&text).unwrap(), &context(&schema, &|_| None))
    };
    assert_eq!(lower_of(PREDICATES_MAX).unwrap().predicates.len(), PREDICATES_MAX);
    assert!(lower_of(PREDICATES_MAX + 1).unwrap_err().expected.contains("at most 64 different conditions"));
    let services: Vec<String> = (0..=PREDICATES_MAX).map(|number| format!("service(\"{number}\")")).collect();
    let error = lower(&parse(&services.join(" OR ")).unwrap(), &context(&schema, &|_| None)).unwrap_err();
    assert!(error.expected.contains("at most 64 different services"));
}

#[test]
fn groups_end() {
    let schema = Schema::empty();
    let deep = |reference: &GroupReference| {
        let GroupReference::Name(name) = reference else { return None };
        let number: usize = name.parse().ok()?;
        Some(if number == 0 { "fault".to_owned() } else { format!("group.name = \"{}\"", number - 1) })
    };
    let filter = |number: usize| parse(&format!("ok OR group.name = \"{number}\"")).unwrap();
    assert!(lower(&filter(GROUPS_DEPTH_MAX - 1), &context(&schema, &deep)).is_ok());
    let error = lower(&filter(GROUPS_DEPTH_MAX), &context(&schema, &deep)).unwrap_err();
    assert!(error.expected.contains("at most 8 groups"), "{error}");
    assert_eq!(error.span, 19..22);
    // Each group names the next one many times.
    let broad = |reference: &GroupReference| {
        let GroupReference::Name(name) = reference else { return None };
        let next = name.parse::<usize>().ok()? + 1;
        Some(format!("group.name = \"{next}\" OR ").repeat(100) + "fault")
    };
    let error = lower(&filter(0), &context(&schema, &broad)).unwrap_err();
    assert!(error.expected.contains("at most"), "{error}");
    let wide = format!("group.name = \"{}\" ", 0).repeat(GROUPS_NAMED_MAX);
    assert!(lower(&parse(&wide).unwrap(), &context(&schema, &deep)).is_ok());
    let error = lower(&parse(&format!("{wide} group.name = \"0\"")).unwrap(), &context(&schema, &deep)).unwrap_err();
    assert!(error.expected.contains("at most 64 groups"), "{error}");
}

#[test]
fn every_keyword_of_the_list_is_read() {
    for keyword in KEYWORDS {
        let text = match keyword.name {
            "service" => "service(\"a\")".to_owned(),
            "edge" => "edge(\"a\", \"b\")".to_owned(),
            "id" => "service(id(name: \"a\"))".to_owned(),
            "annotation" => "annotation.a".to_owned(),
            "group.name" | "group.arn" => format!("{} = \"a\"", keyword.name),
            "rootcause.json" => "rootcause.json = #[]".to_owned(),
            name if ["first", "last", "remote", "index"].contains(&name) => format!("rootcause.fault.entity {{ {name} }}"),
            "coverage" => "rootcause.responsetime.entity { coverage > 0.5 }".to_owned(),
            name => name.to_owned(),
        };
        assert!(parse(&text).is_ok(), "{text}");
        assert!(parse(&text.to_uppercase()).is_ok(), "{text} in capitals");
        assert!(!keyword.help.is_empty() && !keyword.help.contains('\n'));
    }
}

/// Pieces that mean something, in any order.
fn soup() -> impl Strategy<Value = String> {
    let words = [
        "ok",
        "fault = false",
        "!",
        "(",
        ")",
        "{",
        "}",
        "AND",
        "or",
        "NOT",
        "responsetime > 2",
        "duration",
        "<",
        ">=",
        "=",
        "!=",
        "http.url",
        "CONTAINS",
        "BEGINSWITH",
        "\"a\"",
        "'",
        "\"",
        "\\",
        "annotation.a",
        "annotation[",
        "]",
        "a.b",
        "service(",
        "edge(",
        ",",
        "id(",
        "name:",
        "type: \"x\"",
        "group.name =",
        "rootcause.fault.entity {",
        "rootcause.json = #",
        "[{\"Services\":[]}]",
        "#[",
        "first",
        "coverage > 0.5",
        "name = a",
        "-1e999",
        "5",
        "é\u{301}",
        "\n",
        "true",
        "user",
    ];
    let piece = prop::sample::select(words.to_vec());
    prop::collection::vec((piece, prop::bool::ANY), 0..24)
        .prop_map(|pieces| pieces.into_iter().map(|(piece, blank)| format!("{piece}{}", if blank { " " } else { "" })).collect())
}

/// Filters as the grammar has them.
fn filters() -> impl Strategy<Value = String> {
    let term = prop::sample::select(vec![
        "ok",
        "fault != true",
        "partial = false",
        "responsetime > 2.5",
        "duration <= 1e-9",
        "http.status = 500",
        "user",
        "http.status",
        "http.url BEGINSWITH \"a\\\\\\\"b\"",
        "name = traces",
        "annotation.a",
        "annotation[a.b] = 5",
        "annotation[\"a b\"] != true",
        "annotation.a ENDSWITH 5",
        "annotation.a = \"5\"",
        "service()",
        "service(\"a\") { fault OR user = x }",
        "edge(id(type: t), \"b\") { !(ok error) }",
        "edge(,\"b\")",
        "group.name = g",
        "group.arn != \"a:b\"",
        "rootcause.fault.exception { first message CONTAINS \"\" }",
        "rootcause.responsetime.entity { coverage > -0 or last }",
        "rootcause.error.service",
        "json = #[{\"Services\":[{\"Name\":\"\\u00e9\"}]}]",
        "rootcause.fault.json != #[]",
    ]);
    let leaf = term.prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (prop::collection::vec(inner.clone(), 2..4), prop::sample::select(vec![" ", " AND ", " or "]))
                .prop_map(|(parts, joiner)| format!("({})", parts.join(joiner))),
            (prop::collection::vec(inner.clone(), 2..4), prop::sample::select(vec![" ", " AND ", " or "]))
                .prop_map(|(parts, joiner)| parts.join(joiner)),
            inner.prop_map(|part| format!("!{part}")),
        ]
    })
}

fn check_any(text: &str) -> Result<(), TestCaseError> {
    let schema = crate::literate::schema("name: string\nurl.full: string\nhttp.status_code: int64\na: int64\nuser.id: string");
    let points_into_it = |error: &FilterError| {
        prop_assert!(error.span.start <= error.span.end && error.span.end <= text.len());
        prop_assert!(text.get(error.span.clone()).is_some());
        let _ = error.with_caret(text);
        Ok(())
    };
    let filter = match parse(text) {
        Ok(filter) => filter,
        Err(error) => return points_into_it(&error),
    };
    let printed = filter.to_string();
    let again = parse(&printed);
    prop_assert_eq!(again.as_ref(), Ok(&filter), "{} was printed as {}", text, printed);
    if let Err(error) = lower(&filter, &context(&schema, &|_| Some("fault".into()))) {
        points_into_it(&error)?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_printed_is_read_as_the_same(text in prop_oneof![soup(), "\\PC{0,80}"]) {
        check_any(&text)?;
    }

    #[test]
    fn filters_are_read_and_printed(text in filters()) {
        prop_assert!(parse(&text).is_ok(), "{}", text);
        check_any(&text)?;
    }

    #[test]
    fn a_quoted_value_is_read_back(value in "\\PC{0,40}") {
        let quoted = format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
        let Some(Node::Term(Term::Text { test, .. })) = parse(&format!("user = {quoted}")).unwrap().root else {
            panic!("not a comparison");
        };
        prop_assert_eq!(test.value, value);
    }
}
