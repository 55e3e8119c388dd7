//! Only what reads is let through, however it is dressed.
//!
//! The outside is judged by its syntax tree, the inside by its tokens: a walk over the tree recurses, and a long chain of
//! ORs would cost more stack than a thread has.

use sqlparser::ast::Statement;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::SqlError;

/// Refuses everything but queries and descriptions.
pub fn check_statement(statement: &Statement, tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    let mut inner = statement;
    // The parser bounds how often EXPLAIN can be said.
    while let Statement::Explain { statement, .. } = inner {
        inner = statement;
    }
    match inner {
        Statement::Query(_)
        | Statement::ExplainTable { .. }
        | Statement::ShowTables { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowFunctions { .. }
        | Statement::ShowVariable { .. } => Ok(()),
        _ => Err(SqlError::NotAQuery { statement: first_verb(tokens) }),
    }
}

/// Refuses what writes inside a query: `WITH x AS (DELETE …)`, `WITH x AS (…) INSERT …`, `SELECT … INTO`, `… FOR UPDATE`.
pub fn check_tokens(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    let tokens: Vec<&Token> = said(tokens).collect();
    for (at, token) in tokens.iter().enumerate() {
        let Some(keyword) = keyword(token) else { continue };
        let before = at.checked_sub(1).map(|before| tokens[before]);
        let refused = match keyword {
            Keyword::INTO => "SELECT INTO",
            Keyword::UPDATE | Keyword::SHARE if before.and_then(self::keyword) == Some(Keyword::FOR) => "SELECT FOR UPDATE",
            Keyword::INSERT | Keyword::UPDATE | Keyword::DELETE | Keyword::MERGE
                if matches!(before, Some(Token::LParen | Token::RParen)) && tokens.get(at + 1) != Some(&&Token::LParen) =>
            {
                return Err(SqlError::NotAQuery { statement: format!("{keyword:?}") });
            }
            _ => continue,
        };
        return Err(SqlError::NotAQuery { statement: refused.to_owned() });
    }
    Ok(())
}

/// For text that this parser cannot read: the error, if it begins as something that would not be run anyway.
pub fn refused_verb(tokens: &[TokenWithSpan]) -> Option<SqlError> {
    let first = said(tokens).next().and_then(keyword)?;
    matches!(
        first,
        Keyword::CREATE | Keyword::DROP | Keyword::ALTER | Keyword::INSERT | Keyword::UPDATE | Keyword::DELETE | Keyword::COPY
    )
    .then(|| SqlError::NotAQuery { statement: format!("{first:?}") })
}

/// `DROP` of `EXPLAIN DROP TABLE spans`: what the person asked for.
fn first_verb(tokens: &[TokenWithSpan]) -> String {
    let keywords = said(tokens).filter_map(keyword);
    let mut verbs = keywords.skip_while(|word| matches!(word, Keyword::EXPLAIN | Keyword::ANALYZE | Keyword::VERBOSE));
    verbs.next().map_or_else(|| "this".to_owned(), |verb| format!("{verb:?}"))
}

fn said(tokens: &[TokenWithSpan]) -> impl Iterator<Item = &Token> {
    tokens.iter().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_)))
}

fn keyword(token: &Token) -> Option<Keyword> {
    match token {
        Token::Word(word) if word.quote_style.is_none() && word.keyword != Keyword::NoKeyword => Some(word.keyword),
        _ => None,
    }
}
