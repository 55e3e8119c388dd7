//! Walks `fixtures/queries/honeycomb/`, and laws that hold for any text.

use expect_test::expect;
use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<QuerySpecification, SpecificationError> {
    QuerySpecification::from_json(&serde_json::from_str(text).unwrap())
}

#[test]
fn defaults_are_honeycombs() {
    let specification = read("{}").unwrap();
    assert_eq!(specification.calculations, [Calculation::count()]);
    let times = Times::of(&specification, 1_795_233_600).unwrap();
    assert_eq!((times.end - times.start) / 1_000_000_000, 7_200);
    assert_eq!(times.step, 30_000_000_000);
}

#[test]
fn errors_name_their_place() {
    let errors = [
        r#"[]"#,
        r#"{"calculation": []}"#,
        r#"{"calculations": [{"op": "MEDIAN", "column": "a"}]}"#,
        r#"{"calculations": [{"op": "SUM"}]}"#,
        r#"{"calculations": [{"op": "COUNT", "column": "a"}]}"#,
        r#"{"calculations": [{"op": "COUNT", "filters": [{"column": "a", "op": "exists"}]}]}"#,
        r#"{"calculations": [{"op": "SUM", "column": "root.a"}]}"#,
        r#"{"filters": [{"column": "a", "op": "like", "value": "b"}]}"#,
        r#"{"filters": [{"column": "a", "op": "exists", "value": "b"}]}"#,
        r#"{"filters": [{"column": "a", "op": "="}]}"#,
        r#"{"filters": [{"column": "a", "op": "in", "value": ["b", {}]}]}"#,
        r#"{"filters": [{"column": "a", "op": "in", "value": "b"}]}"#,
        r#"{"filters": {"column": "a"}}"#,
        r#"{"filter_combination": "XOR"}"#,
        r#"{"breakdowns": ["a", 7]}"#,
        r#"{"breakdowns": ["none.a"]}"#,
        r#"{"orders": [{"column": "a"}]}"#,
        r#"{"orders": [{"op": "COUNT", "order": "up"}]}"#,
        r#"{"havings": [{"calculate_op": "COUNT", "op": ">", "value": "7"}]}"#,
        r#"{"havings": [{"calculate_op": "SUM", "column": "a", "op": ">", "value": 7}]}"#,
        r#"{"limit": 0}"#,
        r#"{"start_time": 1, "end_time": 2, "time_range": 1}"#,
        r#"{"start_time": 2, "end_time": 1}"#,
        r#"{"start_time": 1795233600000}"#,
        r#"{"compare_time_offset_seconds": 7}"#,
        r#"{"formulas": [{"name": "a"}]}"#,
        r#"{"formulas": [{"name": "a", "expression": "$b +"}]}"#,
        r#"{"calculated_fields": [{"name": "a", "expression": "LT($b)"}]}"#,
    ];
    let told: Vec<String> = errors
        .iter()
        .map(|text| {
            let error = read(text).unwrap_err();
            format!("{text}\n    {} {error}\n", error.code.as_str())
        })
        .collect();
    expect![[r#"
        []
            incorrect_type expected an object, found an array
        {"calculation": []}
            invalid calculation: unknown field
        {"calculations": [{"op": "MEDIAN", "column": "a"}]}
            invalid calculations[0].op: unknown operation "MEDIAN": expected one of COUNT CONCURRENCY SUM AVG COUNT_DISTINCT HEATMAP MAX MIN P001 P01 P05 P10 P20 P25 P50 P75 P80 P90 P95 P99 P999 RATE_AVG RATE_SUM RATE_MAX COUNT_DATAPOINTS HISTOGRAM_COUNT
        {"calculations": [{"op": "SUM"}]}
            missing calculations[0].column: SUM requires a column
        {"calculations": [{"op": "COUNT", "column": "a"}]}
            invalid calculations[0].column: COUNT does not take a column
        {"calculations": [{"op": "COUNT", "filters": [{"column": "a", "op": "exists"}]}]}
            missing calculations[0].name: is required for a calculation that has filters
        {"calculations": [{"op": "SUM", "column": "root.a"}]}
            invalid calculations[0].column: relational fields are for WHERE and GROUP BY only
        {"filters": [{"column": "a", "op": "like", "value": "b"}]}
            invalid filters[0].op: unknown operator "like": expected one of = != > >= < <= starts-with does-not-start-with ends-with does-not-end-with exists does-not-exist contains does-not-contain in not-in
        {"filters": [{"column": "a", "op": "exists", "value": "b"}]}
            invalid filters[0].value: exists and does-not-exist take no value
        {"filters": [{"column": "a", "op": "="}]}
            missing filters[0].value: is required for this operator
        {"filters": [{"column": "a", "op": "in", "value": ["b", {}]}]}
            incorrect_type filters[0].value[1]: expected a plain value, found an object
        {"filters": [{"column": "a", "op": "in", "value": "b"}]}
            incorrect_type filters[0].value: expected an array, found a string
        {"filters": {"column": "a"}}
            incorrect_type filters: expected an array, found an object
        {"filter_combination": "XOR"}
            invalid filter_combination: unknown combination "XOR": expected AND or OR
        {"breakdowns": ["a", 7]}
            incorrect_type breakdowns[1]: expected a string, found a number
        {"breakdowns": ["none.a"]}
            invalid breakdowns[0]: none. has no span to group by
        {"orders": [{"column": "a"}]}
            invalid orders[0]: must be one of the query's breakdowns or calculations
        {"orders": [{"op": "COUNT", "order": "up"}]}
            invalid orders[0].order: unknown order "up": expected ascending or descending
        {"havings": [{"calculate_op": "COUNT", "op": ">", "value": "7"}]}
            incorrect_type havings[0].value: expected a number, found a string
        {"havings": [{"calculate_op": "SUM", "column": "a", "op": ">", "value": 7}]}
            invalid havings[0]: must be one of the query's calculations
        {"limit": 0}
            invalid limit: must be between 1 and 10000
        {"start_time": 1, "end_time": 2, "time_range": 1}
            invalid time_range: start_time, end_time and time_range cannot be given all at once
        {"start_time": 2, "end_time": 1}
            invalid end_time: must be after start_time
        {"start_time": 1795233600000}
            invalid start_time: expected seconds, not milliseconds, since 1970
        {"compare_time_offset_seconds": 7}
            invalid compare_time_offset_seconds: must be one of 1800 3600 7200 28800 86400 604800 2419200 15724800
        {"formulas": [{"name": "a"}]}
            missing formulas[0].expression: cannot be blank
        {"formulas": [{"name": "a", "expression": "$b +"}]}
            invalid formulas[0].expression: expected a function, a $column or a value, found the end
          $b +
              ^
        {"calculated_fields": [{"name": "a", "expression": "LT($b)"}]}
            invalid calculated_fields[0].expression: LT takes 2 arguments, found 1
          LT($b)
          ^^^^^^
    "#]].assert_eq(&told.concat());
}

#[test]
fn expressions_point_at_what_is_wrong() {
    let texts =
        ["IF(GTE($a, 1), 2", "LT($a)", "NOPE($a)", "RATE($a, 300, 1)", "$a +", "\"open", "$a $b", "SUM($a,, 1)", "$", "1.2.3"];
    let told: Vec<String> = texts.iter().map(|text| parse_expression(text).unwrap_err().with_caret(text) + "\n").collect();
    expect![[r#"
        expected a comma or a closing parenthesis, found the end
          IF(GTE($a, 1), 2
                          ^
        LT takes 2 arguments, found 1
          LT($a)
          ^^^^^^
        unknown function "NOPE"
          NOPE($a)
          ^^^^
        RATE takes 1 to 2 arguments, found 3
          RATE($a, 300, 1)
          ^^^^^^^^^^^^^^^^
        expected a function, a $column or a value, found the end
          $a +
              ^
        expected a closing quote, found the end
          "open
          ^^^^^
        expected an operator or the end, found "$"
          $a $b
             ^
        expected a function, a $column or a value, found ","
          SUM($a,, 1)
                 ^
        expected the name of a column after $, found the end
          $
           ^
        expected a number, found "1.2.3"
          1.2.3
          ^^^^^
    "#]]
    .assert_eq(&told.concat());
    let deep = |depth: usize| format!("{}1{}", "NOT(".repeat(depth), ")".repeat(depth));
    assert!(parse_expression(&deep(40)).is_ok() && parse_expression(&deep(60)).is_err());
    assert!(parse_expression(&"-".repeat(4_000)).is_err() && parse_expression(&"(".repeat(4_000)).is_err());
    assert!(parse_expression(&format!("1{}", "+1".repeat(300))).is_err());
}

#[test]
fn operators_bind_as_people_expect() {
    let parsed = |text: &str| parse_expression(text).map(|node| told(&node)).unwrap();
    assert_eq!(parsed("1 + 2 * 3 - 4"), "SUB(SUM(1, MUL(2, 3)), 4)");
    assert_eq!(parsed("$a >= 1 AND NOT($b = \"x\") OR $c"), "OR(AND(GTE($a, 1), NOT(EQUALS($b, \"x\"))), $c)");
    assert_eq!(parsed("IF(AND(true, false,), `a\\b`, null,)"), "IF(AND(true, false), \"a\\\\b\", null)");
    assert_eq!(parsed("-$a - -1"), "SUB(SUB(0, $a), -1)");
    assert_eq!(parsed("($a + 1) / $\"odd name\" # ratio"), "DIV(SUM($a, 1), $odd name)");
}

fn told(node: &Node) -> String {
    match &node.kind {
        NodeKind::Column(name) => format!("${name}"),
        NodeKind::Integer(number) => number.to_string(),
        NodeKind::Float(number) => format!("{number:?}"),
        NodeKind::Text(text) => format!("{text:?}"),
        NodeKind::Boolean(value) => value.to_string(),
        NodeKind::Null => "null".to_owned(),
        NodeKind::Call(function, arguments) => {
            format!("{}({})", function.as_str(), arguments.iter().map(told).collect::<Vec<_>>().join(", "))
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in r#"[$A-Z_(),"`0-9a-z+*/<>=! .\\-]{0,60}"#) {
        if let Err(error) = parse_expression(&text) {
            error.with_caret(&text);
        }
    }
}
