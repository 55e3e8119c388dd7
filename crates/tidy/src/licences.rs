//! SPDX licence expressions: `OR`, `AND`, `WITH`, parentheses, and the old `MIT/Apache-2.0`.

use std::fmt;

/// A licence expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// A licence, with its exception if it has one: `Apache-2.0 WITH LLVM-exception`.
    Licence(String),
    Any(Vec<Expression>),
    All(Vec<Expression>),
}

/// Why a text is not a licence expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenceError(String);

impl fmt::Display for LicenceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for LicenceError {}

impl Expression {
    /// Reads an expression. `/` counts as `OR`, as crates.io once asked for.
    pub fn parse(text: &str) -> Result<Expression, LicenceError> {
        let spaced = text.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut parser = Parser { words: &words, at: 0 };
        let expression = parser.any()?;
        match parser.peek() {
            None => Ok(expression),
            Some(word) => Err(LicenceError(format!("cannot read licence {text:?}: unexpected {word:?}"))),
        }
    }

    /// Whether what is allowed is enough to use the package. A licence with an exception is also fine when it is fine
    /// without: exceptions only add permissions.
    pub fn is_satisfied_by(&self, allowed: &[&str]) -> bool {
        match self {
            Expression::Licence(name) => {
                let without_exception = name.split(" WITH ").next().unwrap_or(name);
                allowed.contains(&name.as_str()) || allowed.contains(&without_exception)
            }
            Expression::Any(choices) => choices.iter().any(|choice| choice.is_satisfied_by(allowed)),
            Expression::All(parts) => parts.iter().all(|part| part.is_satisfied_by(allowed)),
        }
    }
}

struct Parser<'w> {
    words: &'w [&'w str],
    at: usize,
}

impl<'w> Parser<'w> {
    fn peek(&self) -> Option<&'w str> {
        self.words.get(self.at).copied()
    }

    fn take(&mut self, word: &str) -> bool {
        let is_next = self.peek().is_some_and(|next| next.eq_ignore_ascii_case(word));
        self.at += usize::from(is_next);
        is_next
    }

    fn any(&mut self) -> Result<Expression, LicenceError> {
        let mut choices = vec![self.all()?];
        while self.take("OR") {
            choices.push(self.all()?);
        }
        Ok(if choices.len() == 1 { choices.remove(0) } else { Expression::Any(choices) })
    }

    fn all(&mut self) -> Result<Expression, LicenceError> {
        let mut parts = vec![self.one()?];
        while self.take("AND") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::All(parts) })
    }

    fn one(&mut self) -> Result<Expression, LicenceError> {
        if self.take("(") {
            let inner = self.any()?;
            return if self.take(")") { Ok(inner) } else { Err(LicenceError("missing \")\"".to_owned())) };
        }
        let name = self.name()?;
        if self.take("WITH") {
            let exception = self.name()?;
            return Ok(Expression::Licence(format!("{name} WITH {exception}")));
        }
        Ok(Expression::Licence(name.to_owned()))
    }

    fn name(&mut self) -> Result<&'w str, LicenceError> {
        let word = self.peek().filter(|word| !matches!(*word, "(" | ")" | "OR" | "AND" | "WITH"));
        self.at += 1;
        word.ok_or_else(|| LicenceError("expected the name of a licence".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, allowed: &[&str], expected: bool) {
        let expression = Expression::parse(text).unwrap();
        assert_eq!(expression.is_satisfied_by(allowed), expected, "{text} by {allowed:?}");
    }

    #[test]
    fn expressions() {
        check("MIT", &["MIT"], true);
        check("MIT OR Apache-2.0", &["Apache-2.0"], true);
        check("MIT/Apache-2.0", &["Apache-2.0"], true);
        check("MIT AND Zlib", &["MIT"], false);
        check("(MIT OR GPL-3.0) AND Unicode-3.0", &["MIT", "Unicode-3.0"], true);
        check("Apache-2.0 WITH LLVM-exception OR GPL-2.0", &["Apache-2.0"], true);
        check("GPL-3.0-only", &["MIT"], false);
    }

    #[test]
    fn not_expressions() {
        for text in ["", "MIT OR", "(MIT", "MIT Apache-2.0", "AND"] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
    }
}
