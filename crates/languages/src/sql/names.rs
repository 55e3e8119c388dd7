//! The names in a statement that may be those of attributes: dotted ones, and quoted ones.

use std::collections::HashSet;

use sqlparser::dialect::GenericDialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, Tokenizer};

/// Names that may be meant as attributes, in order of appearance, each once; nothing for a text that cannot be read.
///
/// A dotted name counts with and without its first words, which may be a table's. Not among them: a single word without
/// quotes, which is more often a function, an alias or a table; what is called like a function; names given with AS.
pub fn names(sql: &str) -> Vec<String> {
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else { return Vec::new() };
    let tokens: Vec<Token> = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    let mut given: HashSet<&str> = HashSet::new();
    let mut found: Vec<String> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let Token::Word(first) = &tokens[at] else {
            at += 1;
            continue;
        };
        let mut words = vec![first];
        while let (Some(Token::Period), Some(Token::Word(word))) = (tokens.get(at + 1), tokens.get(at + 2)) {
            words.push(word);
            at += 2;
        }
        let before = at.checked_sub(2 * words.len() - 1).map(|before| &tokens[before]);
        at += 1;
        if matches!(before, Some(Token::Word(word)) if word.keyword == Keyword::AS) {
            given.insert(&words[0].value);
        }
        if tokens.get(at) == Some(&Token::LParen) {
            continue;
        }
        for start in 0..words.len() {
            if words.len() - start > 1 || words[start].quote_style.is_some() {
                let name = words[start..].iter().map(|word| word.value.as_str()).collect::<Vec<_>>().join(".");
                if !found.contains(&name) {
                    found.push(name);
                }
            }
        }
    }
    found.retain(|name| !given.contains(name.as_str()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_and_quoted_names_may_be_attributes() {
        let sql = r#"SELECT s.cart.size, "odd key", count(*) AS "the count", lower(user.name), plain FROM spans s
                     WHERE a.b = 'c.d' ORDER BY "the count""#;
        assert_eq!(names(sql), ["s.cart.size", "cart.size", "odd key", "user.name", "a.b"]);
        assert_eq!(names("SELECT 'unfinished"), Vec::<String>::new());
        assert_eq!(names(""), Vec::<String>::new());
        assert_eq!(names("a.b"), ["a.b"]);
    }
}
