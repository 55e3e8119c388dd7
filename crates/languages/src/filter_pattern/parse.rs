//! Text -> [`Pattern`], by hand and without backtracking.
//!
//! The first character says which of the three kinds it is: `{`, `[`, or anything else. What a condition may be about is told
//! by its reader: a property of a document, or the field that it stands in.

use super::ast::{
    Comparison, Condition, FieldPattern, FieldTest, Glob, JsonTest, Pattern, Property, Selector, SelectorTest, Step, Term, Terms,
    Value, is_key_char,
};
use super::error::FilterPatternError;
use super::expression::Expression;

/// Characters of one pattern, as the service has it.
pub const PATTERN_CHARS_MAX: usize = 1024;

/// Regular expressions of one pattern, as the service has it: each is held against every line.
pub const EXPRESSIONS_MAX: usize = 2;

/// Parentheses inside one another; deeper is no question of a person, and recursion costs stack.
pub const NESTING_DEPTH_MAX: usize = 32;

/// Terms, fields and conditions of one pattern: each is looked at for every line.
pub const CONDITIONS_MAX: usize = 256;

type Parsed<T> = Result<T, FilterPatternError>;

/// Reads a pattern. Blank text is the pattern that every line matches.
///
/// Refuses, with the byte where it went wrong: terms with other signs than letters, digits and underscores outside of quotes;
/// what is not closed; expressions outside of the service's alphabet; more than [`PATTERN_CHARS_MAX`], [`EXPRESSIONS_MAX`],
/// [`NESTING_DEPTH_MAX`] or [`CONDITIONS_MAX`].
pub fn parse(text: &str) -> Parsed<Pattern> {
    if let Some((over, _)) = text.char_indices().nth(PATTERN_CHARS_MAX) {
        let found = format!("{} characters", text.chars().count());
        let error = FilterPatternError::at(text, over..text.len(), format!("at most {PATTERN_CHARS_MAX} characters"));
        let reason = format!("Member must have length less than or equal to {PATTERN_CHARS_MAX}");
        return Err(error.found(found).because(reason));
    }
    let mut parser = Parser { text, at: 0, expressions: 0, conditions: 0 };
    parser.blanks();
    let pattern = match parser.peek() {
        None => return Ok(Pattern::Everything),
        Some('{') => {
            parser.check_closed('{', '}')?;
            Pattern::Json(parser.json()?)
        }
        Some('[') => {
            parser.check_closed('[', ']')?;
            Pattern::Fields(parser.fields()?)
        }
        Some(_) => Pattern::Terms(parser.terms()?),
    };
    parser.blanks();
    match parser.at_end() {
        true => Ok(pattern),
        false => Err(parser.unexpected("the end of the pattern")),
    }
}

/// `$.a.b`, alone.
pub(super) fn selector(text: &str) -> Option<Selector> {
    let mut parser = Parser { text, at: 0, expressions: 0, conditions: 0 };
    let selector = parser.selector().ok()?;
    parser.at_end().then_some(selector)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    expressions: usize,
    conditions: usize,
}

impl<'a> Parser<'a> {
    fn terms(&mut self) -> Parsed<Terms> {
        let mut terms = Terms::default();
        while !self.at_end() {
            self.count_condition()?;
            let start = self.at;
            let list = match self.peek() {
                Some('?') => &mut terms.optional,
                Some('-') => &mut terms.excluded,
                _ => &mut terms.required,
            };
            if matches!(self.peek(), Some('?' | '-')) {
                self.at += 1;
            }
            let term = match self.peek() {
                Some('"') => Term::Phrase(self.phrase(start)?),
                Some('%') => Term::Expression(self.expression()?),
                _ => Term::Phrase(self.plain_term(start)?),
            };
            list.push(term);
            if !self.at_end() && !self.sees_blank() {
                let end = self.at + self.rest().find(char::is_whitespace).unwrap_or(self.rest().len());
                let error = FilterPatternError::at(self.text, self.at..end, "a blank between two terms");
                return Err(error.in_term(&self.text[start..end]));
            }
            self.blanks();
        }
        Ok(terms)
    }

    fn plain_term(&mut self, start: usize) -> Parsed<String> {
        let from = self.at;
        let end = from + self.rest().find(char::is_whitespace).unwrap_or(self.rest().len());
        let word = &self.text[from..end];
        let is_plain = |c: char| c.is_alphanumeric() || c == '_';
        let Some(odd) = word.find(|c| !is_plain(c)) else {
            if word.is_empty() {
                let error = FilterPatternError::at(self.text, from..from, "a term right behind the sign");
                return Err(error.in_term(&self.text[start..end]));
            }
            self.at = end;
            return Ok(word.to_owned());
        };
        let odd_end = from + odd + word[odd..].chars().next().map_or(0, char::len_utf8);
        let expected = "letters, digits and underscores; other terms stand between double quotes";
        Err(FilterPatternError::at(self.text, from + odd..odd_end, expected).in_term(&self.text[start..end]))
    }

    /// What stands between double quotes, wildcards not being any.
    fn phrase(&mut self, start: usize) -> Parsed<String> {
        let from = self.at;
        let phrase = self.quoted('"', |out: &mut Vec<String>, escaped, c| {
            let Some(last) = out.last_mut() else { return };
            if escaped && !matches!(c, '"' | '\\') {
                last.push('\\');
            }
            last.push(c);
        })?;
        let phrase = phrase.concat();
        if phrase.is_empty() {
            let error = FilterPatternError::at(self.text, from..self.at, "a phrase between the quotes");
            return Err(error.in_term(&self.text[start..self.at]));
        }
        Ok(phrase)
    }

    fn fields(&mut self) -> Parsed<Vec<FieldPattern>> {
        self.take("[");
        self.blanks();
        if self.take("]") {
            return Ok(vec![FieldPattern::Ellipsis]);
        }
        let mut fields = Vec::new();
        let mut ellipses = 0;
        loop {
            self.count_condition()?;
            let start = self.at;
            let field = self.field()?;
            ellipses += usize::from(field == FieldPattern::Ellipsis);
            if ellipses > 1 {
                return Err(FilterPatternError::at(self.text, start..start + 3, "at most one ... among the fields"));
            }
            fields.push(field);
            self.blanks();
            if self.take("]") {
                return Ok(fields);
            }
            if !self.take(",") {
                return Err(self.unexpected("`,` or `]` behind a field"));
            }
            self.blanks();
        }
    }

    fn field(&mut self) -> Parsed<FieldPattern> {
        if self.take("...") {
            return Ok(FieldPattern::Ellipsis);
        }
        if matches!(self.peek(), Some(',' | ']')) {
            return Ok(FieldPattern::One { name: None, condition: None });
        }
        if self.peek() != Some('(') {
            let start = self.at;
            let name = self.field_name()?;
            self.blanks();
            if matches!(self.peek(), Some(',' | ']')) || self.at_end() {
                return Ok(FieldPattern::One { name: Some(name), condition: None });
            }
            self.at = start;
        }
        let mut name: Option<String> = None;
        let condition = self.or(0, &mut |parser| {
            let start = parser.at;
            let found = parser.field_name()?;
            if let Some(name) = name.as_ref().filter(|name| **name != found) {
                let expected = format!("{name}: the conditions of one field are about that field");
                return Err(FilterPatternError::at(parser.text, start..parser.at, expected));
            }
            name = Some(found);
            parser.blanks();
            let comparison = parser.comparison("=, !=, <, <=, > or >= behind the field")?;
            let value = parser.value(comparison, &[',', ']'])?;
            Ok(FieldTest { comparison, value })
        })?;
        Ok(FieldPattern::One { name, condition: Some(condition) })
    }

    fn field_name(&mut self) -> Parsed<String> {
        let length =
            self.rest().find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '.')).unwrap_or(self.rest().len());
        let name = &self.rest()[..length];
        if name.is_empty() {
            return Err(self.unexpected("a field's name, ... or nothing"));
        }
        self.at += length;
        Ok(name.to_owned())
    }

    fn json(&mut self) -> Parsed<Condition<JsonTest>> {
        self.take("{");
        self.blanks();
        let condition = self.or(0, &mut Parser::json_test)?;
        match self.take("}") {
            true => Ok(condition),
            false => Err(self.unexpected("&&, || or `}`")),
        }
    }

    fn json_test(&mut self) -> Parsed<JsonTest> {
        let selector = self.selector()?;
        self.blanks();
        let test = if self.take_word("IS") {
            let properties = [("TRUE", Property::True), ("FALSE", Property::False), ("NULL", Property::Null)];
            let property = properties.iter().find(|(word, _)| self.take_word(word));
            SelectorTest::Is(property.map(|(_, property)| *property).ok_or_else(|| self.unexpected("TRUE, FALSE or NULL"))?)
        } else if self.take_word("NOT") {
            match self.take_word("EXISTS") {
                true => SelectorTest::Is(Property::NotExists),
                false => return Err(self.unexpected("EXISTS")),
            }
        } else if self.take_word("EXISTS") {
            SelectorTest::Is(Property::Exists)
        } else {
            let comparison = self.comparison("=, !=, <, <=, >, >=, IS, EXISTS or NOT EXISTS")?;
            SelectorTest::Compare { comparison, value: self.value(comparison, &['}'])? }
        };
        self.blanks();
        Ok(JsonTest { selector, test })
    }

    fn selector(&mut self) -> Parsed<Selector> {
        let start = self.at;
        if !self.take("$") {
            return Err(self.unexpected("a property, such as $.name"));
        }
        let mut steps = Vec::new();
        loop {
            if self.take(".") {
                if self.peek() == Some('[') {
                    continue;
                }
                if self.take("*") {
                    steps.push(Step::Any);
                    continue;
                }
                let length = self.rest().find(|c| !is_key_char(c)).unwrap_or(self.rest().len());
                if length == 0 {
                    return Err(self.unexpected("a key behind the dot"));
                }
                steps.push(Step::Key(self.rest()[..length].to_owned()));
                self.at += length;
            } else if self.take("[") {
                self.blanks();
                steps.push(self.bracketed()?);
                self.blanks();
                if !self.take("]") {
                    return Err(self.unexpected("`]`"));
                }
            } else if steps.is_empty() {
                return Err(FilterPatternError::at(self.text, start..self.at, "a property, such as $.name"));
            } else {
                return Ok(Selector { steps });
            }
        }
    }

    fn bracketed(&mut self) -> Parsed<Step> {
        match self.peek() {
            Some('*') => {
                self.at += 1;
                Ok(Step::Any)
            }
            Some(quote @ ('\'' | '"')) => {
                let key = self.quoted(quote, |out, _, c| {
                    out.last_mut().into_iter().for_each(|last| last.push(c));
                })?;
                Ok(Step::Key(key.concat()))
            }
            _ => {
                let start = self.at;
                let length = self.rest().find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest().len());
                let index = self.rest()[..length].parse().ok();
                self.at += length;
                index.map(Step::Index).ok_or_else(|| {
                    FilterPatternError::at(self.text, start..self.at, "a position from 0, * or a quoted key between the brackets")
                })
            }
        }
    }

    /// `test (&& test)* (|| ...)*` with parentheses, up to what is neither.
    fn or<T>(&mut self, depth: usize, test: &mut dyn FnMut(&mut Self) -> Parsed<T>) -> Parsed<Condition<T>> {
        let mut parts = vec![self.and(depth, test)?];
        while self.take("||") {
            self.blanks();
            parts.push(self.and(depth, test)?);
        }
        Ok(joined(parts, Condition::Or))
    }

    fn and<T>(&mut self, depth: usize, test: &mut dyn FnMut(&mut Self) -> Parsed<T>) -> Parsed<Condition<T>> {
        let mut parts = vec![self.unary(depth, test)?];
        while self.take("&&") {
            self.blanks();
            parts.push(self.unary(depth, test)?);
        }
        Ok(joined(parts, Condition::And))
    }

    fn unary<T>(&mut self, depth: usize, test: &mut dyn FnMut(&mut Self) -> Parsed<T>) -> Parsed<Condition<T>> {
        let start = self.at;
        if !self.take("(") {
            self.count_condition()?;
            let test = test(self)?;
            self.blanks();
            return Ok(Condition::Test(test));
        }
        if depth == NESTING_DEPTH_MAX {
            let expected = format!("at most {NESTING_DEPTH_MAX} parentheses inside one another");
            return Err(FilterPatternError::at(self.text, start..start + 1, expected));
        }
        self.blanks();
        let condition = self.or(depth + 1, test)?;
        if !self.take(")") {
            return Err(self.unexpected(format!("&&, || or `)` to close the `(` at byte {start}")));
        }
        self.blanks();
        Ok(condition)
    }

    fn comparison(&mut self, expected: &str) -> Parsed<Comparison> {
        let spellings = [
            ("!=", Comparison::NotEqual),
            ("=!", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("=", Comparison::Equal),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        for (spelling, comparison) in spellings {
            if self.take(spelling) {
                self.blanks();
                return Ok(comparison);
            }
        }
        Err(self.unexpected(expected))
    }

    /// A value up to one of `ends`, a parenthesis, a joiner or a blank.
    fn value(&mut self, comparison: Comparison, ends: &[char]) -> Parsed<Value> {
        let start = self.at;
        let value = match self.peek() {
            Some('"') => Value::Text(self.quoted_glob()?),
            Some('%') => Value::Expression(self.expression()?),
            _ => self.bare_value(ends)?,
        };
        if comparison.orders() && !matches!(value, Value::Number { .. }) {
            return Err(FilterPatternError::at(self.text, start..self.at, format!("a number behind {}", comparison.as_str())));
        }
        Ok(value)
    }

    fn bare_value(&mut self, ends: &[char]) -> Parsed<Value> {
        let start = self.at;
        let rest = self.rest();
        let ends_here = |at: usize, c: char| {
            c.is_whitespace()
                || matches!(c, '(' | ')')
                || ends.contains(&c)
                || rest[at..].starts_with("&&")
                || rest[at..].starts_with("||")
        };
        let length = rest.char_indices().find(|(at, c)| ends_here(*at, *c)).map_or(rest.len(), |(at, _)| at);
        let word = &rest[..length];
        if word.is_empty() || word.starts_with(['=', '<', '>', '!']) {
            return Err(self.unexpected("a value"));
        }
        if let Some(odd) = word.find(|c: char| !(c.is_ascii_graphic() || c.is_alphanumeric()) || c == '"') {
            let odd_end = start + odd + word[odd..].chars().next().map_or(0, char::len_utf8);
            let error = FilterPatternError::at(self.text, start + odd..odd_end, "double quotes around such a value");
            return Err(error.in_term(word));
        }
        self.at += length;
        if let Some(number) = number(word) {
            return Ok(Value::Number { text: word.to_owned(), number });
        }
        let mut pieces = vec![String::new()];
        let mut chars = word.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '*' => pieces.push(String::new()),
                '\\' if matches!(chars.peek(), Some('*' | '\\')) => {
                    pieces.last_mut().into_iter().for_each(|last| last.extend(chars.next()))
                }
                _ => pieces.last_mut().into_iter().for_each(|last| last.push(c)),
            }
        }
        Ok(Value::Text(Glob { pieces }))
    }

    fn quoted_glob(&mut self) -> Parsed<Glob> {
        let pieces = self.quoted('"', |out, escaped, c| {
            if c == '*' && !escaped {
                out.push(String::new());
                return;
            }
            let Some(last) = out.last_mut() else { return };
            if escaped && !matches!(c, '"' | '\\' | '*') {
                last.push('\\');
            }
            last.push(c);
        })?;
        Ok(Glob { pieces })
    }

    /// Reads up to the closing quote; `take` is given each character and whether a backslash stood before it.
    fn quoted(&mut self, quote: char, take: impl Fn(&mut Vec<String>, bool, char)) -> Parsed<Vec<String>> {
        let start = self.at;
        let mut out = vec![String::new()];
        let mut escaped = false;
        for (at, c) in self.rest().char_indices().skip(1) {
            if c == '\\' && !escaped {
                escaped = true;
                continue;
            }
            if c == quote && !escaped {
                self.at = start + at + 1;
                return Ok(out);
            }
            take(&mut out, escaped, c);
            escaped = false;
        }
        let expected = format!("`{quote}` to close the one at byte {start}");
        Err(FilterPatternError::at(self.text, self.text.len()..self.text.len(), expected))
    }

    fn expression(&mut self) -> Parsed<Expression> {
        let start = self.at;
        self.take("%");
        let Some(length) = self.rest().find('%') else {
            let end = self.text.len();
            return Err(FilterPatternError::at(self.text, end..end, format!("% to close the one at byte {start}")));
        };
        let inner = self.at..self.at + length;
        let term = &self.text[start..inner.end + 1];
        self.expressions += 1;
        if self.expressions > EXPRESSIONS_MAX {
            let expected = format!("at most {EXPRESSIONS_MAX} regular expressions in one pattern");
            return Err(FilterPatternError::at(self.text, start..inner.end + 1, expected));
        }
        self.at = inner.end + 1;
        Expression::new(&self.text[inner.clone()]).map_err(|misfit| {
            let span = match self.text[inner.start + misfit.at..].chars().next() {
                Some(c) if misfit.at > 0 || !misfit.expected.contains("regular") => {
                    inner.start + misfit.at..inner.start + misfit.at + c.len_utf8()
                }
                _ => start..inner.end + 1,
            };
            FilterPatternError::at(self.text, span, misfit.expected).in_term(term)
        })
    }

    fn check_closed(&self, open: char, close: char) -> Parsed<()> {
        let trimmed = self.text.trim_end();
        if trimmed.ends_with(close) {
            return Ok(());
        }
        let error = FilterPatternError::at(self.text, trimmed.len()..self.text.len(), format!("`{close}` at the end"));
        Err(error.found("the end").because(format!("If a filter pattern starts with '{open}' it must end with '{close}'")))
    }

    fn count_condition(&mut self) -> Parsed<()> {
        self.conditions += 1;
        match self.conditions <= CONDITIONS_MAX {
            true => Ok(()),
            false => Err(self.unexpected(format!("at most {CONDITIONS_MAX} terms, fields and conditions"))),
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    fn sees_blank(&self) -> bool {
        self.peek().is_some_and(char::is_whitespace)
    }

    fn blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn take(&mut self, sign: &str) -> bool {
        let is_there = self.rest().starts_with(sign);
        self.at += if is_there { sign.len() } else { 0 };
        is_there
    }

    /// A whole word, in any case, with the blanks behind it.
    fn take_word(&mut self, word: &str) -> bool {
        let length = self.rest().find(|c: char| !c.is_alphanumeric()).unwrap_or(self.rest().len());
        let is_there = self.rest()[..length].eq_ignore_ascii_case(word);
        if is_there {
            self.at += length;
            self.blanks();
        }
        is_there
    }

    fn unexpected(&self, expected: impl Into<String>) -> FilterPatternError {
        let length = self.peek().map_or(0, char::len_utf8);
        FilterPatternError::at(self.text, self.at..self.at + length, expected)
    }
}

fn joined<T>(mut parts: Vec<Condition<T>>, join: impl FnOnce(Vec<Condition<T>>) -> Condition<T>) -> Condition<T> {
    match parts.len() {
        1 => parts.swap_remove(0),
        _ => join(parts),
    }
}

/// A finite number as people and programs write it; words that Rust takes for numbers are none.
pub(super) fn number(word: &str) -> Option<f64> {
    let is_numeric = word.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E'));
    let number: f64 = word.parse().ok().filter(|_| is_numeric && word.contains(|c: char| c.is_ascii_digit()))?;
    number.is_finite().then_some(number)
}
