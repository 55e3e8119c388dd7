//! SQL as people write it over attributes: `SELECT http.route FROM spans`, no quotes needed.
//!
//! In:      one SELECT, EXPLAIN, DESCRIBE or SHOW
//! Spec:    datafusion.apache.org/user-guide/sql
//! Out:     the same text with attribute names quoted, for DataFusion's own planner
//! Missing: keys with characters outside identifiers (`http.request.header.x-id`) still need their quotes
//! Quirks:  where a dotted name can be read both ways, a table alias beats an attribute

mod condition;
mod guard;
mod names;
mod quote;
#[cfg(test)]
mod tests;

pub use condition::rewrite_condition;
pub use names::names;

use datafusion_common::arrow::datatypes::Schema;
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

/// Bytes of one statement: a long list of ids fits, a dump does not.
pub const SQL_BYTES_MAX: usize = 256 * 1024;

/// Operators in a row without parenthesis or comma. Each makes the tree one deeper, and planners recurse over it.
pub const OPERATORS_IN_A_ROW_MAX: usize = 400;

/// Parentheses inside one another, for the same reason; it is also what the parser itself allows.
pub const NESTING_DEPTH_MAX: usize = 50;

/// Why a statement is not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    #[error("cannot read SQL: {message}")]
    Syntax { message: String, position: Option<usize> },
    #[error("cannot run {statement}: expected SELECT, EXPLAIN, DESCRIBE or SHOW, since queries only read")]
    NotAQuery { statement: String },
    #[error("cannot run {count} statements: expected one")]
    NotOneStatement { count: usize },
    #[error("cannot read SQL: expected at most {max} {what}")]
    TooLarge { what: &'static str, max: usize, position: Option<usize> },
}

impl SqlError {
    /// Byte offset of the fault in the text, where it is known.
    pub fn position(&self) -> Option<usize> {
        match self {
            SqlError::Syntax { position, .. } | SqlError::TooLarge { position, .. } => *position,
            SqlError::NotAQuery { .. } | SqlError::NotOneStatement { .. } => None,
        }
    }
}

/// Quotes attribute names of `tables` in one reading statement; everything else stays as written, in its case. A final
/// semicolon is left out.
///
/// `service.name`, `s.http.route` and `userId` become `"service.name"`, `s."http.route"` and `"userId"` if they are columns.
/// Refuses: whatever is not exactly one reading statement; more than the limits above.
pub fn rewrite(sql: &str, tables: &[(&str, &Schema)]) -> Result<String, SqlError> {
    if sql.len() > SQL_BYTES_MAX {
        return Err(SqlError::TooLarge { what: "bytes", max: SQL_BYTES_MAX, position: None });
    }
    let dialect = GenericDialect {};
    let lines = Lines::new(sql);
    let mut tokens = Tokenizer::new(&dialect, sql).tokenize_with_location().map_err(|error| SqlError::Syntax {
        position: Some(lines.offset(error.location)),
        message: in_lower_case(&error.message),
    })?;
    check_size(&tokens, &lines)?;
    let edits = quote::quote_columns(&mut tokens, tables);
    let end = end_of_statement(&tokens, sql, &lines);
    let statements = Parser::new(&dialect)
        .with_tokens_with_locations(tokens.clone())
        .parse_statements()
        .map_err(|error| guard::refused_verb(&tokens).unwrap_or_else(|| syntax_error(&error, &lines)))?;
    match statements.as_slice() {
        [statement] => guard::check_statement(statement, &tokens)?,
        others => return Err(SqlError::NotOneStatement { count: others.len() }),
    }
    guard::check_tokens(&tokens)?;
    Ok(spliced(&sql[..end], &edits, &lines))
}

/// A token's place in the text and what to write there instead.
struct Edit {
    start: Location,
    end: Location,
    text: String,
}

fn spliced(sql: &str, edits: &[Edit], lines: &Lines<'_>) -> String {
    let mut out = String::with_capacity(sql.len() + 2 * edits.len());
    let mut from = 0;
    for edit in edits {
        out.push_str(&sql[from..lines.offset(edit.start)]);
        out.push_str(&edit.text);
        from = lines.offset(edit.end);
    }
    out.push_str(&sql[from..]);
    out
}

/// Where the statement ends: before its final semicolon, if it has one.
fn end_of_statement(tokens: &[TokenWithSpan], sql: &str, lines: &Lines<'_>) -> usize {
    let mut end = sql.len();
    for token in tokens.iter().rev() {
        match token.token {
            Token::Whitespace(_) | Token::EOF => {}
            Token::SemiColon => end = lines.offset(token.span.start),
            _ => break,
        }
    }
    end
}

fn check_size(tokens: &[TokenWithSpan], lines: &Lines<'_>) -> Result<(), SqlError> {
    // One count per open parenthesis.
    let mut in_a_row = vec![0_usize];
    for TokenWithSpan { token, span } in tokens {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => in_a_row.push(0),
            Token::RParen | Token::RBracket | Token::RBrace if in_a_row.len() > 1 => {
                in_a_row.pop();
            }
            Token::Comma => {
                if let Some(count) = in_a_row.last_mut() {
                    *count = 0;
                }
            }
            Token::Whitespace(_) | Token::EOF | Token::Number(..) | Token::SingleQuotedString(_) => {}
            Token::Word(word) if !deepens(word) => {}
            _ => {
                if let Some(count) = in_a_row.last_mut() {
                    *count += 1;
                }
            }
        }
        let too_large = |what, max| Err(SqlError::TooLarge { what, max, position: Some(lines.offset(span.start)) });
        if in_a_row.len() > NESTING_DEPTH_MAX {
            return too_large("parentheses inside one another", NESTING_DEPTH_MAX);
        }
        if in_a_row.last().is_some_and(|count| *count > OPERATORS_IN_A_ROW_MAX) {
            return too_large("operators in a row", OPERATORS_IN_A_ROW_MAX);
        }
    }
    Ok(())
}

/// Words that put what follows one level deeper in the tree.
fn deepens(word: &sqlparser::tokenizer::Word) -> bool {
    use sqlparser::keywords::Keyword;
    matches!(
        word.keyword,
        Keyword::AND
            | Keyword::OR
            | Keyword::NOT
            | Keyword::XOR
            | Keyword::IS
            | Keyword::LIKE
            | Keyword::ILIKE
            | Keyword::UNION
            | Keyword::EXCEPT
            | Keyword::INTERSECT
            | Keyword::JOIN
            | Keyword::EXPLAIN
            | Keyword::CASE
            | Keyword::COLLATE
            | Keyword::AT
            | Keyword::DIV
    )
}

/// The parser says where only in its message: ` at Line: 1, Column: 8`.
fn syntax_error(error: &ParserError, lines: &Lines<'_>) -> SqlError {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message.as_str(),
        ParserError::RecursionLimitExceeded => {
            return SqlError::TooLarge { what: "levels of nesting", max: NESTING_DEPTH_MAX, position: None };
        }
    };
    let place = message.rfind(" at Line: ").and_then(|at| {
        let (line, column) = message[at + " at Line: ".len()..].split_once(", Column: ")?;
        Some((at, Location::new(line.parse().ok()?, column.parse().ok()?)))
    });
    match place {
        Some((at, location)) => {
            SqlError::Syntax { message: in_lower_case(&message[..at]), position: Some(lines.offset(location)) }
        }
        None => SqlError::Syntax { message: in_lower_case(message), position: None },
    }
}

fn in_lower_case(message: &str) -> String {
    let mut chars = message.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(chars).collect::<String>().replacen("expected: ", "expected ", 1)
}

/// Byte offsets of the parser's lines and columns, which count from one, in characters.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
    is_ascii: bool,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Lines<'a> {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Lines { text, starts, is_ascii: text.is_ascii() }
    }

    /// The end of the text for a place that does not exist, such as the end of input.
    fn offset(&self, location: Location) -> usize {
        let Some(line) = (location.line as usize).checked_sub(1) else { return self.text.len() };
        let Some(&start) = self.starts.get(line) else { return self.text.len() };
        let rest = &self.text[start..];
        let column = (location.column as usize).saturating_sub(1);
        if self.is_ascii {
            return start + column.min(rest.len());
        }
        rest.char_indices().nth(column).map_or(self.text.len(), |(at, _)| start + at)
    }
}
