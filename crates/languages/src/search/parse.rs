//! Text -> [`Query`], by hand and without backtracking over more than a word.
//!
//! `or := and (OR and)*`, `and := not (AND? not)*`, `not := (NOT | -)* primary`, `primary := ( or ) | term`. Words are read
//! where they stand, since `:`, `=` and commas mean one thing after a key and nothing in a plain word.

use super::ast::{Comparison, Key, Node, Query, Span, Term, Value};
use super::error::SearchError;

/// Parentheses and negations inside one another; deeper is no question of a person, and recursion costs stack.
pub const NESTING_DEPTH_MAX: usize = 32;

/// Terms of one search, values of `in (…)` included: each is a comparison per row.
pub const TERMS_MAX: usize = 1_000;

/// Bytes of one search: more does not fit an address bar.
pub const QUERY_BYTES_MAX: usize = 64 * 1024;

const A_TERM: &str = "a word, a comparison or (";
const A_VALUE: &str = "a value";

/// Reads a search. Blank text is the search that matches everything.
///
/// Refuses, with the byte where it went wrong: unclosed quotes and parentheses, operators without key or value, more than
/// [`NESTING_DEPTH_MAX`], [`TERMS_MAX`] or [`QUERY_BYTES_MAX`].
pub fn parse(text: &str) -> Result<Query, SearchError> {
    if text.len() > QUERY_BYTES_MAX {
        let expected = format!("at most {QUERY_BYTES_MAX} bytes");
        return Err(SearchError { span: QUERY_BYTES_MAX..text.len(), expected, found: format!("{} bytes", text.len()) });
    }
    let mut parser = Parser { text, at: 0, terms: 0 };
    parser.blanks();
    if parser.at_end() {
        return Ok(Query::default());
    }
    let root = parser.or(0)?;
    if !parser.at_end() {
        return Err(parser.unexpected("AND, OR, a term or the end"));
    }
    Ok(Query { root: Some(root) })
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    terms: usize,
}

impl Parser<'_> {
    fn or(&mut self, depth: usize) -> Result<Node, SearchError> {
        let mut nodes = vec![self.and(depth)?];
        while self.take_joiner("OR", "or", nodes.last()) {
            nodes.push(self.and(depth)?);
        }
        Ok(joined(nodes, Node::Or))
    }

    fn and(&mut self, depth: usize) -> Result<Node, SearchError> {
        let mut nodes = vec![self.not(depth)?];
        loop {
            if self.take_joiner("AND", "and", nodes.last()) {
                nodes.push(self.not(depth)?);
                continue;
            }
            if self.at_end() || self.peek() == Some(')') || self.sees_joiner("OR", "or", nodes.last()) {
                return Ok(joined(nodes, Node::And));
            }
            nodes.push(self.not(depth)?);
        }
    }

    fn not(&mut self, depth: usize) -> Result<Node, SearchError> {
        let start = self.at;
        let negated = if self.sees_keyword("NOT") || (self.sees_keyword("not") && self.comparison_follows("not".len())) {
            self.advance("NOT".len());
            true
        } else if self.peek() == Some('-') && self.rest()[1..].starts_with(|c: char| !c.is_whitespace() && c != ')') {
            self.at += 1;
            true
        } else {
            false
        };
        if !negated {
            return self.primary(depth);
        }
        let depth = self.deeper(depth, start)?;
        Ok(Node::Not(Box::new(self.not(depth)?)))
    }

    fn primary(&mut self, depth: usize) -> Result<Node, SearchError> {
        if self.peek() != Some('(') {
            return self.term().map(Node::Term);
        }
        let open = self.at;
        let depth = self.deeper(depth, open)?;
        self.advance(1);
        if self.peek() == Some(')') {
            return Err(self.unexpected("a term between the parentheses; quote text that contains parentheses"));
        }
        let node = self.or(depth)?;
        if self.peek() != Some(')') {
            return Err(self.unexpected(format!("`)` to close the `(` at byte {open}")));
        }
        self.advance(1);
        Ok(node)
    }

    fn deeper(&self, depth: usize, at: usize) -> Result<usize, SearchError> {
        if depth < NESTING_DEPTH_MAX {
            return Ok(depth + 1);
        }
        let expected = format!("at most {NESTING_DEPTH_MAX} parentheses and negations inside one another");
        Err(SearchError { span: at..at + 1, expected, found: "more".to_owned() })
    }

    fn term(&mut self) -> Result<Term, SearchError> {
        let start = self.at;
        self.count_term(start)?;
        let Some(first) = self.peek() else { return Err(self.unexpected(A_TERM)) };
        if matches!(first, '=' | '<' | '>' | '!' | ')') || self.sees_keyword("AND") || self.sees_keyword("OR") {
            return Err(self.unexpected(A_TERM));
        }
        if let Some(key) = self.key()? {
            if let Some(term) = self.after_key(key)? {
                return Ok(term);
            }
            self.at = start;
        }
        let word = if matches!(first, '"' | '\'') { self.quoted()? } else { self.plain_word() };
        self.blanks();
        Ok(Term::Word(word))
    }

    /// A word that may be a key, or a quoted one; the place stays just behind it. `None` when no key can start here.
    fn key(&mut self) -> Result<Option<Key>, SearchError> {
        let start = self.at;
        if matches!(self.peek(), Some('"' | '\'')) {
            let Value { text, span, .. } = self.quoted()?;
            return Ok(Some(Key { name: text, quoted: true, span }));
        }
        if !self.rest().starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '@')) {
            return Ok(None);
        }
        let length = self.rest().find(|c: char| !is_key_char(c)).unwrap_or(self.rest().len());
        self.at += length;
        Ok(Some(Key { name: self.text[start..self.at].to_owned(), quoted: false, span: start..self.at }))
    }

    /// What makes the word just read a key; `None` when it is a plain word after all.
    fn after_key(&mut self, key: Key) -> Result<Option<Term>, SearchError> {
        if self.colon_contains() {
            self.at += 1;
            let value = self.value(":", false)?;
            return Ok(Some(Term::Contains { key, value }));
        }
        self.blanks();
        if let Some((comparison, length)) = self.comparison() {
            let operator = self.text[self.at..self.at + length].to_owned();
            self.advance(length);
            let value = self.value(&operator, false)?;
            return Ok(Some(Term::Compare { key, comparison, value }));
        }
        if self.sees_keyword("exists") || self.sees_keyword("EXISTS") {
            self.advance("exists".len());
            return Ok(Some(Term::Exists { key }));
        }
        if self.sees_list() {
            self.advance("in".len());
            self.advance(1);
            return self.list().map(|values| Some(Term::In { key, values }));
        }
        Ok(None)
    }

    /// Whether `:` stands right here with a value right behind it. `Error: refused` and `http://host` are plain words.
    fn colon_contains(&self) -> bool {
        let rest = self.rest();
        rest.starts_with(':') && !rest.starts_with("://") && rest[1..].starts_with(|c: char| !c.is_whitespace() && c != ')')
    }

    fn comparison(&self) -> Option<(Comparison, usize)> {
        let rest = self.rest();
        let operators = [
            ("!=", Comparison::NotEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<=", Comparison::LessOrEqual),
            ("==", Comparison::Equal),
            ("=", Comparison::Equal),
            (">", Comparison::Greater),
            ("<", Comparison::Less),
        ];
        operators.into_iter().find(|(text, _)| rest.starts_with(text)).map(|(text, comparison)| (comparison, text.len()))
    }

    /// `in`, blanks, `(`.
    fn sees_list(&self) -> bool {
        let rest = self.rest();
        let Some(after) = rest.strip_prefix("in").or_else(|| rest.strip_prefix("IN")) else { return false };
        after.trim_start().starts_with('(')
    }

    fn list(&mut self) -> Result<Vec<Value>, SearchError> {
        let mut values = vec![self.value("(", true)?];
        loop {
            match self.peek() {
                Some(',') => {
                    self.advance(1);
                    self.count_term(self.at)?;
                    values.push(self.value(",", true)?);
                }
                Some(')') => {
                    self.advance(1);
                    return Ok(values);
                }
                _ => return Err(self.unexpected("`,` or `)` in the list of values")),
            }
        }
    }

    /// A quoted or bare value; bare ones end at a blank or at a `)` they did not open, in a list at a comma too.
    fn value(&mut self, after: &str, in_list: bool) -> Result<Value, SearchError> {
        let value = match self.peek() {
            Some('"' | '\'') => self.quoted()?,
            _ => {
                let start = self.at;
                let mut open = 0_usize;
                let length = self.rest().find(|c: char| {
                    match c {
                        '(' => open += 1,
                        ')' if open == 0 => return true,
                        ')' => open -= 1,
                        ',' if in_list && open == 0 => return true,
                        _ => {}
                    }
                    c.is_whitespace()
                });
                self.at += length.unwrap_or(self.rest().len());
                Value { text: self.text[start..self.at].to_owned(), quoted: false, span: start..self.at }
            }
        };
        if value.text.is_empty() && !value.quoted {
            return Err(self.unexpected(format!("{A_VALUE} after `{after}`")));
        }
        self.blanks();
        Ok(value)
    }

    /// Text between quotes of one kind; `\n`, `\t` and an escaped quote or backslash are understood, other backslashes stay.
    fn quoted(&mut self) -> Result<Value, SearchError> {
        let start = self.at;
        let mut chars = self.rest().char_indices();
        let quote = chars.next().map_or('"', |(_, c)| c);
        let mut text = String::new();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.at = start + at + c.len_utf8();
                return Ok(Value { text, quoted: true, span: start..self.at });
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            match chars.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, 't')) => text.push('\t'),
                Some((_, escaped)) if escaped == quote || escaped == '\\' => text.push(escaped),
                Some((_, other)) => text.extend(['\\', other]),
                None => break,
            }
        }
        let end = self.text.len();
        Err(SearchError::at(self.text, end..end, format!("{quote} to close the text opened at byte {start}")))
    }

    fn plain_word(&mut self) -> Value {
        let start = self.at;
        let end_of_word = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"');
        let length = self.rest().find(end_of_word).unwrap_or(self.rest().len());
        self.at += length;
        Value { text: self.text[start..self.at].to_owned(), quoted: false, span: start..self.at }
    }

    /// Steps over AND or OR. In lower case they are English between two plain words, and join everything else.
    fn take_joiner(&mut self, upper: &str, lower: &str, before: Option<&Node>) -> bool {
        let seen = self.sees_joiner(upper, lower, before);
        if seen {
            self.advance(upper.len());
        }
        seen
    }

    fn sees_joiner(&self, upper: &str, lower: &str, before: Option<&Node>) -> bool {
        let after_word = matches!(before, Some(Node::Term(Term::Word(_))));
        self.sees_keyword(upper) || (self.sees_keyword(lower) && (!after_word || self.comparison_follows(lower.len())))
    }

    /// Whether a comparison, a parenthesis or a negation of either comes `skip` bytes from here.
    fn comparison_follows(&self, skip: usize) -> bool {
        let mut ahead = Parser { text: self.text, at: self.at, terms: 0 };
        ahead.advance(skip);
        while ahead.sees_keyword("not") || ahead.sees_keyword("NOT") {
            ahead.advance("not".len());
        }
        if ahead.peek() == Some('-') {
            ahead.at += 1;
        }
        if ahead.peek() == Some('(') {
            return true;
        }
        let Ok(Some(_)) = ahead.key() else { return false };
        if ahead.colon_contains() {
            return true;
        }
        ahead.blanks();
        ahead.comparison().is_some() || ahead.sees_list() || ahead.sees_keyword("exists") || ahead.sees_keyword("EXISTS")
    }

    /// Whether `word` stands here as a word of its own.
    fn sees_keyword(&self, word: &str) -> bool {
        self.rest().strip_prefix(word).is_some_and(|after| {
            after.is_empty() || after.starts_with(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"' | '\''))
        })
    }

    fn count_term(&mut self, at: usize) -> Result<(), SearchError> {
        self.terms += 1;
        if self.terms <= TERMS_MAX {
            return Ok(());
        }
        Err(SearchError { span: at..at, expected: format!("at most {TERMS_MAX} terms and values"), found: "more".to_owned() })
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    fn blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn advance(&mut self, bytes: usize) {
        self.at += bytes;
        self.blanks();
    }

    fn unexpected(&self, expected: impl Into<String>) -> SearchError {
        let length = self.rest().find(char::is_whitespace).unwrap_or(self.rest().len());
        let span: Span = self.at..self.at + length;
        SearchError::at(self.text, span, expected)
    }
}

fn joined(mut nodes: Vec<Node>, join: fn(Vec<Node>) -> Node) -> Node {
    match nodes.pop() {
        Some(only) if nodes.is_empty() => only,
        Some(last) => {
            nodes.push(last);
            join(nodes)
        }
        None => join(nodes),
    }
}

fn is_key_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | '@' | '$' | '*' | '[' | ']')
}
