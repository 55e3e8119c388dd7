//! A condition alone: what stands after WHERE, for questions whose other parts are not written by hand.

use datafusion_common::arrow::datatypes::Schema;
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::{Lines, SQL_BYTES_MAX, SqlError, check_size, guard, in_lower_case, quote, spliced, syntax_error};

/// Quotes attribute names of `tables` in one condition; everything else stays as written.
///
/// Refuses: whatever is not exactly one expression, so that it can be put into parentheses; more than the limits of
/// statements. A comment may end the text: put a line feed after it.
pub fn rewrite_condition(condition: &str, tables: &[(&str, &Schema)]) -> Result<String, SqlError> {
    if condition.len() > SQL_BYTES_MAX {
        return Err(SqlError::TooLarge { what: "bytes", max: SQL_BYTES_MAX, position: None });
    }
    let dialect = GenericDialect {};
    let lines = Lines::new(condition);
    let mut tokens = Tokenizer::new(&dialect, condition).tokenize_with_location().map_err(|error| SqlError::Syntax {
        position: Some(lines.offset(error.location)),
        message: in_lower_case(&error.message),
    })?;
    check_size(&tokens, &lines)?;
    let edits = quote::quote_columns(&mut tokens, tables);
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens.clone());
    parser.parse_expr().map_err(|error| syntax_error(&error, &lines))?;
    let next = parser.next_token();
    if next.token != Token::EOF {
        return Err(SqlError::Syntax {
            message: format!("expected the condition to end, found {}", next.token),
            position: Some(lines.offset(next.span.start)),
        });
    }
    guard::check_tokens(&tokens)?;
    Ok(spliced(condition, &edits, &lines))
}

#[cfg(test)]
mod tests {
    use datafusion_common::arrow::datatypes::{DataType, Field};

    use super::*;

    fn rewritten(condition: &str) -> Result<String, String> {
        let schema =
            Schema::new(vec![Field::new("http.route", DataType::Utf8, true), Field::new("userId", DataType::Utf8, true)]);
        rewrite_condition(condition, &[("spans", &schema)]).map_err(|error| format!("{error} at {:?}", error.position()))
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(
            rewritten("http.route = '/a' AND userId IS NOT NULL").unwrap(),
            r#""http.route" = '/a' AND "userId" IS NOT NULL"#
        );
        assert_eq!(rewritten("duration_ns > 1e6 -- slow").unwrap(), "duration_ns > 1e6 -- slow");
    }

    #[test]
    fn what_is_not_one_condition_is_refused() {
        for (condition, expected) in [
            ("true) OR (true", "expected the condition to end, found ) at Some(4)"),
            ("a = 1; DROP TABLE spans", "expected the condition to end, found ; at Some(5)"),
            ("a = 1 FROM spans", "expected the condition to end, found FROM at Some(6)"),
            ("", "cannot read SQL: expected"),
            ("a = ", "cannot read SQL: expected"),
            ("'open", "cannot read SQL"),
        ] {
            let error = rewritten(condition).unwrap_err();
            assert!(error.contains(expected), "{condition}: {error}");
        }
        assert!(rewritten(&"(".repeat(60)).unwrap_err().contains("at most 50 parentheses"));
    }
}
