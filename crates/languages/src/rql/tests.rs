//! Walks `fixtures/queries/rql/`, and laws that hold for any text. Cases with rows are the engine's.

use std::sync::Arc;

use datafusion_common::Result;
use datafusion_common::arrow::datatypes::{DataType, Schema};
use datafusion_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, LogicalPlan, LogicalPlanBuilder, LogicalTableSource,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use proptest::prelude::*;

use super::*;

/// A function that has a name and a type, and is never called.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Named(String, Signature);

impl ScalarUDFImpl for Named {
    fn name(&self) -> &str {
        &self.0
    }

    fn signature(&self) -> &Signature {
        &self.1
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        let is_number = ["strpos", "character_length", "octet_length", "rollbar_occurrence_number"].contains(&self.name());
        Ok(if is_number { DataType::Int64 } else { DataType::Utf8 })
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        unreachable!("plans of tests are not run")
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct NamedAggregate(String, Signature);

impl AggregateUDFImpl for NamedAggregate {
    fn name(&self) -> &str {
        &self.0
    }

    fn signature(&self) -> &Signature {
        &self.1
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(match self.name() {
            "count" => DataType::Int64,
            "sum" => DataType::Float64,
            _ => arguments[0].clone(),
        })
    }

    fn accumulator(&self, _: datafusion_expr::function::AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        unreachable!("plans of tests are not run")
    }
}

fn rows(schema: &Schema, query: &Query) -> LogicalPlan {
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    for name in item_columns_of(query) {
        let is_number = ITEM_COLUMNS.iter().any(|(column, is_number)| *column == name && *is_number);
        let data_type = if is_number { DataType::Int64 } else { DataType::Utf8 };
        fields.push(Arc::new(datafusion_common::arrow::datatypes::Field::new(name, data_type, true)));
    }
    let source = Arc::new(LogicalTableSource::new(Arc::new(Schema::new(fields))));
    LogicalPlanBuilder::scan("rows", source, None).unwrap().build().unwrap()
}

fn lowered(text: &str, schema: &Schema) -> std::result::Result<Lowered, RqlError> {
    let query = parse(text)?;
    let context = LowerContext {
        text,
        scalar: &|name| Some(Arc::new(ScalarUDF::from(Named(name.to_owned(), Signature::variadic_any(Volatility::Immutable))))),
        aggregate: &|name| {
            Some(Arc::new(AggregateUDF::from(NamedAggregate(name.to_owned(), Signature::variadic_any(Volatility::Immutable)))))
        },
        now_unix_seconds: 1_795_226_742,
    };
    lower(&query, rows(schema, &query), &context)
}

#[test]
fn the_manual_is_true() {
    let mut schema = Schema::empty();
    let cases = crate::literate::check("rql", |tag, body| {
        let body = body.strip_suffix('\n').unwrap_or(body);
        match tag {
            "rql" => Some(match parse(body) {
                Ok(query) => vec![("read", query.to_string())],
                Err(error) => vec![("error", error.with_caret(body))],
            }),
            "lower" => Some(match lowered(body, &schema) {
                Ok(lowered) => vec![("plan", lowered.plan.display_indent().to_string()), ("columns", lowered.columns.join("\n"))],
                Err(error) => vec![("error", error.with_caret(body))],
            }),
            "schema logs" => {
                schema = crate::literate::schema(body);
                None
            }
            "bounds" => Some(match parse(body) {
                Ok(query) => vec![("read", format!("{:?}", bounds::time_bounds(&query, 1_000_000)))],
                Err(error) => vec![("error", error.with_caret(body))],
            }),
            other => panic!("no block is called {other}"),
        }
    });
    assert!(cases >= 80, "{cases} cases");
}

#[test]
fn limits_are_kept() {
    let where_ = |condition: String| parse(&format!("SELECT * FROM item_occurrence WHERE {condition}"));
    let nested = |depth: usize| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(where_(nested(NESTING_DEPTH_MAX)).is_ok());
    for condition in
        [nested(NESTING_DEPTH_MAX + 1), nested(4_000), "NOT ".repeat(2_000), "- ".repeat(4_000), "lower(".repeat(500)]
    {
        assert!(where_(condition.clone()).unwrap_err().expected.contains("at most 32"), "{condition:.20}");
    }
    let list = |count: usize| format!("a IN (1{})", ", 1".repeat(count));
    assert!(where_(list(900)).is_ok());
    assert!(where_(list(1_200)).unwrap_err().expected.contains("at most 1000 expressions"));
    let chain = where_(format!("a{}", " OR a".repeat(900))).unwrap();
    let _ = (chain.to_string(), chain.columns().len());
    assert!(where_("é".repeat(RQL_BYTES_MAX)).unwrap_err().expected.contains("bytes"));
}

fn soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "SELECT",
        "FROM",
        "item_occurrence",
        "deploy",
        "WHERE",
        "GROUP BY",
        "ORDER BY",
        "LIMIT",
        "count(*)",
        "sum(",
        "lower(",
        "*",
        ",",
        "(",
        ")",
        "=",
        "!=",
        "<",
        "+",
        "-",
        "DIV",
        "MOD",
        "AND",
        "OR",
        "NOT",
        "IN",
        "BETWEEN",
        "LIKE",
        "IS NULL",
        "1",
        "0.5",
        "'x'",
        "\"",
        "`a b`",
        "item.counter",
        "timestamp",
        "body.trace.exception.class",
        "AS",
        "n",
        "DESC",
        "unix_timestamp()",
        "é",
        "null",
        "true",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_printed_is_read_the_same(
        text in prop_oneof![soup(), soup().prop_map(|soup| format!("SELECT * FROM item_occurrence WHERE {soup}")), "\\PC{0,60}"],
    ) {
        let schema = crate::literate::schema("time: int64\nseverity_number: int64\nsample_rate: float64\nsource: string\nerror.group: string\nbody: string\nreceived_at: int64");
        match parse(&text) {
            Ok(query) => {
                prop_assert_eq!(parse(&query.to_string()).unwrap(), query);
                if let Err(error) = lowered(&text, &schema) {
                    prop_assert!(error.position() <= text.len());
                }
            }
            Err(error) => prop_assert!(text.is_char_boundary(error.position())),
        }
    }
}
