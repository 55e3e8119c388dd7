//! Words that name columns become quoted words.
//!
//! This happens between tokenizer and parser: half of the attributes people ask for begin with a word that SQL reserves
//! (`user.id`, `error.group`, `db.system`), and a parser would have taken them apart.

use std::collections::{HashMap, HashSet};

use datafusion_common::arrow::datatypes::Schema;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::Edit;

/// Replaces words in `tokens`, merging the parts of dotted names; returns what changed, in order of place.
pub fn quote_columns(tokens: &mut Vec<TokenWithSpan>, tables: &[(&str, &Schema)]) -> Vec<Edit> {
    let columns = tables.iter().flat_map(|(_, schema)| schema.fields().iter().map(|field| field.name().as_str())).collect();
    let names = Names::collect(tokens, tables, columns);
    let mut edits = Vec::new();
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let parts = dotted_name(tokens, at);
        if parts == 0 {
            out.push(tokens[at].clone());
            at += 1;
            continue;
        }
        // Words stand at every other token, dots between them.
        let length = 2 * parts - 1;
        let run = &tokens[at..at + length];
        let called = next_is_paren(&tokens[at + length..]);
        match if called { None } else { names.split(run) } {
            None => out.extend_from_slice(run),
            Some(split) => {
                let (before, name) = run.split_at(2 * split.qualifiers);
                for token in before {
                    out.push(names.requote(token, &mut edits));
                }
                let mut span = name[0].span;
                span.end = name[name.len() - 1].span.end;
                let word = quoted(&split.column);
                if !(name.len() == 1 && name[0].token == word) {
                    edits.push(Edit { start: span.start, end: span.end, text: word.to_string() });
                }
                out.push(TokenWithSpan::new(word, span));
            }
        }
        at += length;
    }
    *tokens = out;
    edits
}

/// How a dotted name is taken: so many words of qualifier, then the column.
struct Split {
    qualifiers: usize,
    column: String,
}

struct Names<'a> {
    columns: HashSet<&'a str>,
    /// Tables and their aliases as this statement uses them, in lower case.
    relations: HashSet<String>,
    /// Names given with AS that have capitals: from lower case to the spelling, so that answers keep it.
    aliases: HashMap<String, String>,
}

impl<'a> Names<'a> {
    fn collect(tokens: &[TokenWithSpan], tables: &[(&str, &Schema)], columns: HashSet<&'a str>) -> Names<'a> {
        let mut names = Names { columns, relations: HashSet::new(), aliases: HashMap::new() };
        let words: Vec<&Token> =
            tokens.iter().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_))).collect();
        for (at, token) in words.iter().enumerate() {
            let Token::Word(word) = token else { continue };
            if words.get(at + 1) == Some(&&Token::Period) {
                continue;
            }
            let before = at.checked_sub(1).map(|before| words[before]);
            let follows_table = |token: &Token| match token {
                Token::RParen => true,
                Token::Word(table) => tables.iter().any(|(name, _)| name.eq_ignore_ascii_case(&table.value)),
                _ => false,
            };
            let is_name = word.keyword == Keyword::NoKeyword || word.quote_style.is_some();
            match before {
                Some(Token::Word(keyword)) if keyword.keyword == Keyword::AS => {
                    names.relations.insert(word.value.to_ascii_lowercase());
                    if is_name && word.quote_style.is_none() && has_capitals(&word.value) {
                        names.aliases.insert(word.value.to_ascii_lowercase(), word.value.clone());
                    }
                }
                Some(Token::Word(keyword)) if matches!(keyword.keyword, Keyword::FROM | Keyword::JOIN | Keyword::WITH) => {
                    names.relations.insert(word.value.to_ascii_lowercase());
                }
                Some(before) if is_name && follows_table(before) => {
                    names.relations.insert(word.value.to_ascii_lowercase());
                }
                Some(Token::Comma) if follows_table(token) => {
                    names.relations.insert(word.value.to_ascii_lowercase());
                }
                _ => {}
            }
        }
        names
    }

    /// What `run` names, or `None` when nothing about it is ours to change.
    fn split(&self, run: &[TokenWithSpan]) -> Option<Split> {
        let words: Vec<&Word> = run.iter().step_by(2).filter_map(|token| as_word(&token.token)).collect();
        let column_from = |qualifiers: usize| {
            let rest = &words[qualifiers..];
            if rest.is_empty() || rest.iter().any(|word| word.quote_style.is_some()) {
                return None;
            }
            let joined = rest.iter().map(|word| word.value.as_str()).collect::<Vec<_>>().join(".");
            let column = self.column(&joined)?.to_owned();
            Some(Split { qualifiers, column })
        };
        match words.as_slice() {
            [] => None,
            [only] => {
                if only.quote_style.is_some() || !has_capitals(&only.value) {
                    return None;
                }
                if let Some(column) = self.columns.get(only.value.as_str()) {
                    return Some(Split { qualifiers: 0, column: (*column).to_owned() });
                }
                if only.keyword != Keyword::NoKeyword {
                    return None;
                }
                let alias = self.aliases.get(&only.value.to_ascii_lowercase())?;
                Some(Split { qualifiers: 0, column: alias.clone() })
            }
            [first, ..] => {
                let qualified = (1..words.len()).find_map(column_from);
                if self.relations.contains(&first.value.to_ascii_lowercase()) && qualified.is_some() {
                    return qualified;
                }
                column_from(0).or(qualified)
            }
        }
    }

    /// The column of that name as spelt, else in lower case, which is how SQL reads unquoted names.
    fn column(&self, name: &str) -> Option<&'a str> {
        self.columns.get(name).or_else(|| self.columns.get(name.to_ascii_lowercase().as_str())).copied()
    }

    /// A qualifier whose alias keeps its capitals is quoted as the alias is.
    fn requote(&self, token: &TokenWithSpan, edits: &mut Vec<Edit>) -> TokenWithSpan {
        let alias = as_word(&token.token)
            .filter(|word| word.quote_style.is_none())
            .and_then(|word| self.aliases.get(&word.value.to_ascii_lowercase()));
        let Some(alias) = alias else { return token.clone() };
        let word = quoted(alias);
        edits.push(Edit { start: token.span.start, end: token.span.end, text: word.to_string() });
        TokenWithSpan::new(word, token.span)
    }
}

/// How many words joined by dots begin at `at`; 0 when that is no word, or one inside a longer name.
fn dotted_name(tokens: &[TokenWithSpan], at: usize) -> usize {
    let is_word = |at: usize| tokens.get(at).is_some_and(|token| as_word(&token.token).is_some());
    if !is_word(at) {
        return 0;
    }
    let mut parts = 1;
    while tokens.get(at + 2 * parts - 1).is_some_and(|token| token.token == Token::Period) && is_word(at + 2 * parts) {
        parts += 1;
    }
    parts
}

fn next_is_paren(tokens: &[TokenWithSpan]) -> bool {
    let next = tokens.iter().find(|token| !matches!(token.token, Token::Whitespace(_)));
    next.is_some_and(|token| token.token == Token::LParen)
}

fn as_word(token: &Token) -> Option<&Word> {
    match token {
        Token::Word(word) => Some(word),
        _ => None,
    }
}

fn quoted(name: &str) -> Token {
    Token::make_word(&name.replace('"', "\"\""), Some('"'))
}

fn has_capitals(name: &str) -> bool {
    name.chars().any(|c| c.is_ascii_uppercase())
}
