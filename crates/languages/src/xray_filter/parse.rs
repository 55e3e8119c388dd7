//! Text -> [`Filter`], by hand and without backtracking.
//!
//! `or := and (OR and)*`, `and := unary (AND? unary)*`, `unary := ! unary | ( or ) | term`. A term's block is read with the
//! keywords that mean something in it, so that a keyword out of place is pointed at.

use super::ast::{
    AnnotationTest, Boolean, Cause, CausePart, Comparison, Filter, GroupReference, Node, NodePattern, Number, Term, Text,
    TextOperator, TextTest,
};
use super::error::{FilterError, Place};
use super::keywords;

/// Parentheses, braces and negations inside one another; deeper is no question of a person, and recursion costs stack.
pub const NESTING_DEPTH_MAX: usize = 32;

/// Terms of one filter: each is looked at for every trace.
pub const TERMS_MAX: usize = 256;

/// Bytes of one filter: several times what the vendor takes, and still an address.
pub const FILTER_BYTES_MAX: usize = 16 * 1024;

const A_TERM: &str = "a keyword, ! or (";

/// Reads a filter. Blank text is the filter that every trace passes.
///
/// Refuses, with the byte where it went wrong: unknown keywords and those that mean nothing where they stand, operators that
/// a keyword does not have, unclosed quotes, parentheses and braces, and more than [`NESTING_DEPTH_MAX`], [`TERMS_MAX`] or
/// [`FILTER_BYTES_MAX`].
pub fn parse(text: &str) -> Result<Filter, FilterError> {
    if text.len() > FILTER_BYTES_MAX {
        let start = (0..=FILTER_BYTES_MAX).rfind(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let expected = format!("at most {FILTER_BYTES_MAX} bytes");
        return Err(FilterError { span: start..text.len(), expected, found: format!("{} bytes", text.len()) });
    }
    let mut parser = Parser { text, at: 0, terms: 0 };
    parser.blanks();
    if parser.at_end() {
        return Ok(Filter::default());
    }
    let root = parser.or(Scope::Trace, 0)?;
    if !parser.at_end() {
        return Err(parser.unexpected("AND, OR, a keyword or the end"));
    }
    Ok(Filter { root: Some(root) })
}

/// What the keywords are about where they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Trace,
    /// In the block of a service or an edge.
    Segment,
    /// In the block of a root cause.
    Cause(Cause, CausePart),
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    terms: usize,
}

impl<'a> Parser<'a> {
    fn or(&mut self, scope: Scope, depth: usize) -> Result<Node, FilterError> {
        let mut nodes = vec![self.and(scope, depth)?];
        while self.take_word("or") {
            nodes.push(self.and(scope, depth)?);
        }
        Ok(joined(nodes, Node::Or))
    }

    fn and(&mut self, scope: Scope, depth: usize) -> Result<Node, FilterError> {
        let mut nodes = vec![self.unary(scope, depth)?];
        loop {
            if self.take_word("and") {
                nodes.push(self.unary(scope, depth)?);
                continue;
            }
            let ends = self.at_end() || matches!(self.peek(), Some(')' | '}')) || self.sees_word("or");
            if ends {
                return Ok(joined(nodes, Node::And));
            }
            nodes.push(self.unary(scope, depth)?);
        }
    }

    fn unary(&mut self, scope: Scope, depth: usize) -> Result<Node, FilterError> {
        let start = self.at;
        if self.take("!") || self.take_word("not") {
            let depth = self.deeper(depth, start)?;
            return Ok(Node::Not(Box::new(self.unary(scope, depth)?)));
        }
        if !self.take("(") {
            return self.term(scope, depth).map(Node::Term);
        }
        let depth = self.deeper(depth, start)?;
        if self.peek() == Some(')') {
            return Err(self.unexpected("a condition between the parentheses"));
        }
        let node = self.or(scope, depth)?;
        self.expect(")", || format!("AND, OR or `)` to close the `(` at byte {start}"))?;
        Ok(node)
    }

    fn term(&mut self, scope: Scope, depth: usize) -> Result<Term, FilterError> {
        let start = self.at;
        self.count_term()?;
        if self.sees_word("and") || self.sees_word("or") {
            return Err(self.unexpected(A_TERM));
        }
        let written = self.word();
        if written.is_empty() {
            let is_sign = matches!(self.peek(), Some('&' | '|'));
            return Err(self.unexpected(if is_sign { "AND and OR as words" } else { A_TERM }));
        }
        let word = written.to_ascii_lowercase();
        let place = Place { start, end: self.at };
        if word == "annotation" || word.starts_with("annotation.") {
            return self.annotation(scope, written, place);
        }
        self.blanks();
        if let Some(keyword) = Boolean::from_word(&word) {
            self.check(scope, keywords::allows_boolean(scope, keyword), place)?;
            return self.boolean(keyword, place);
        }
        if let Some(keyword) = Number::from_word(&word) {
            self.check(scope, keywords::allows_number(scope, keyword), place)?;
            return self.number(keyword, place);
        }
        if let Some(keyword) = Text::from_word(&word) {
            self.check(scope, keywords::allows_text(scope, keyword), place)?;
            return self.text_test(keyword, place);
        }
        match word.as_str() {
            "service" | "edge" | "group.name" | "group.arn" | "json" => {
                self.check(scope, scope == Scope::Trace, place)?;
                match word.as_str() {
                    "service" => self.service(depth, place),
                    "edge" => self.edge(depth, place),
                    "json" => self.json(None),
                    _ => self.group(&word),
                }
            }
            _ if word == "rootcause" || word.starts_with("rootcause.") => {
                self.check(scope, scope == Scope::Trace, place)?;
                self.root_cause(&word, depth, place)
            }
            _ => Err(self.unknown_keyword(scope, written, place)),
        }
    }

    fn boolean(&mut self, keyword: Boolean, place: Place) -> Result<Term, FilterError> {
        let Some(equal) = self.equality(keyword.as_str())? else { return Ok(Term::Boolean { keyword, is: true, place }) };
        let start = self.at;
        let value = self.value("true or false")?;
        let is = match value.to_ascii_lowercase().as_str() {
            "true" => true,
            "false" => false,
            _ => return Err(FilterError::at(self.text, start..self.at, "true or false")),
        };
        self.blanks();
        Ok(Term::Boolean { keyword, is: is == equal, place })
    }

    fn number(&mut self, keyword: Number, place: Place) -> Result<Term, FilterError> {
        self.refuse_text_operator("=, !=, <, <=, > or >=, since this is a number")?;
        let Some(comparison) = self.comparison() else { return Ok(Term::NumberIsSet { keyword, place }) };
        let expected = match keyword {
            Number::ResponseTime | Number::Duration => "a number of seconds, such as 0.5",
            Number::HttpStatus => "a status code, such as 500",
            Number::Index => "a position, from 0",
            Number::Coverage => "a number from 0 to 1",
        };
        let number = self.number_value(expected)?;
        Ok(Term::Number { keyword, comparison, number, place })
    }

    fn text_test(&mut self, keyword: Text, place: Place) -> Result<Term, FilterError> {
        let before = self.at;
        if let Some(operator) = self.text_operator() {
            let value = self.text_value()?;
            return Ok(Term::Text { keyword, test: TextTest { operator, value }, place });
        }
        if let Some(comparison) = self.comparison() {
            let end = before + comparison.as_str().len();
            let expected = "=, !=, CONTAINS, BEGINSWITH or ENDSWITH, since this is a text";
            return Err(FilterError::at(self.text, before..end, expected));
        }
        Ok(Term::TextIsSet { keyword, place })
    }

    fn annotation(&mut self, scope: Scope, written: &'a str, place: Place) -> Result<Term, FilterError> {
        let key = match written.split_once('.') {
            Some((_, key)) if !key.is_empty() => key.to_owned(),
            Some(_) => return Err(FilterError::at(self.text, self.at..self.at, "the annotation's key right behind the dot")),
            None => self.bracketed_key()?,
        };
        let place = Place { start: place.start, end: self.at };
        self.blanks();
        if scope != Scope::Trace {
            let expected = "annotation outside of the braces: it is about the trace";
            return Err(FilterError::at(self.text, place.range(), expected));
        }
        let test = self.annotation_test()?;
        Ok(Term::Annotation { key, test, place })
    }

    /// `[key]`, with quotes or without.
    fn bracketed_key(&mut self) -> Result<String, FilterError> {
        self.blanks();
        let open = self.at;
        self.expect("[", || "`.` or `[` and the annotation's key".to_owned())?;
        let key = match self.peek() {
            Some('"' | '\'') => self.quoted()?,
            _ => {
                let length = self.rest().find([']', '[', '{', '}', '"']).unwrap_or(self.rest().len());
                let key = self.rest()[..length].trim_end().to_owned();
                self.at += length;
                key
            }
        };
        if key.is_empty() {
            return Err(self.unexpected("the annotation's key between the brackets"));
        }
        self.blanks();
        if self.peek() != Some(']') {
            return Err(self.unexpected(format!("`]` to close the `[` at byte {open}")));
        }
        self.at += 1;
        Ok(key)
    }

    fn annotation_test(&mut self) -> Result<AnnotationTest, FilterError> {
        let before = self.at;
        let operator = self.text_operator();
        if let Some(operator @ (TextOperator::Contains | TextOperator::BeginsWith | TextOperator::EndsWith)) = operator {
            return Ok(AnnotationTest::Text(TextTest { operator, value: self.text_value()? }));
        }
        self.at = before;
        let Some(comparison) = self.comparison() else { return Ok(AnnotationTest::Set) };
        let operator = match comparison {
            Comparison::Equal => TextOperator::Equal,
            Comparison::NotEqual => TextOperator::NotEqual,
            _ => {
                return Ok(AnnotationTest::Number {
                    comparison,
                    number: self.number_value("a number: only numbers have an order")?,
                });
            }
        };
        let quoted = matches!(self.peek(), Some('"' | '\''));
        let value = self.text_value()?;
        if let Some(number) = number_from(&value).filter(|_| !quoted) {
            return Ok(AnnotationTest::Number { comparison, number });
        }
        let equal = operator == TextOperator::Equal;
        Ok(match value.to_ascii_lowercase().as_str() {
            "true" if !quoted => AnnotationTest::Boolean { is: equal },
            "false" if !quoted => AnnotationTest::Boolean { is: !equal },
            _ => AnnotationTest::Text(TextTest { operator, value }),
        })
    }

    fn service(&mut self, depth: usize, place: Place) -> Result<Term, FilterError> {
        self.expect("(", || "`(` behind service".to_owned())?;
        let node = self.node_pattern()?;
        self.expect(")", || "`)` behind the service's name".to_owned())?;
        let place = Place { start: place.start, end: self.text[..self.at].trim_end().len() };
        let block = self.block(Scope::Segment, depth)?;
        Ok(Term::Service { node, block, place })
    }

    fn edge(&mut self, depth: usize, place: Place) -> Result<Term, FilterError> {
        self.expect("(", || "`(` behind edge".to_owned())?;
        let source = self.node_pattern()?;
        self.expect(",", || "`,` and the service that is called".to_owned())?;
        let destination = self.node_pattern()?;
        self.expect(")", || "`)` behind the names of two services".to_owned())?;
        let place = Place { start: place.start, end: self.text[..self.at].trim_end().len() };
        let block = self.block(Scope::Segment, depth)?;
        Ok(Term::Edge { source, destination, block, place })
    }

    /// A name, `id(...)`, or nothing, which is any node.
    fn node_pattern(&mut self) -> Result<NodePattern, FilterError> {
        if matches!(self.peek(), Some(')' | ',')) {
            return Ok(NodePattern::default());
        }
        if !self.sees_call("id") {
            let name = self.value("a service's name in quotes, or id(...)")?;
            self.blanks();
            return Ok(NodePattern::named(name));
        }
        self.advance("id".len());
        self.expect("(", || "`(` behind id".to_owned())?;
        let mut node = NodePattern::default();
        while self.peek() != Some(')') {
            self.id_part(&mut node)?;
            if !self.take(",") && self.peek() != Some(')') {
                return Err(self.unexpected("`,` or `)` behind a part of id(...)"));
            }
        }
        self.advance(1);
        Ok(node)
    }

    fn id_part(&mut self, node: &mut NodePattern) -> Result<(), FilterError> {
        let start = self.at;
        let part = self.word().to_ascii_lowercase();
        let place = start..self.at;
        let slot = match part.as_str() {
            "name" => &mut node.name,
            "type" => &mut node.r#type,
            "account.id" => &mut node.account_id,
            _ => return Err(FilterError::at(self.text, place, "name, type or account.id, each with a colon and a text")),
        };
        if slot.is_some() {
            return Err(FilterError::at(self.text, place, format!("{part} only once")));
        }
        self.blanks();
        self.expect(":", || format!("`:` behind {part}"))?;
        *slot = Some(self.text_value()?);
        Ok(())
    }

    fn group(&mut self, word: &str) -> Result<Term, FilterError> {
        let Some(is) = self.equality(word)? else { return Err(self.unexpected(format!("= or != behind {word}"))) };
        let start = self.at;
        let value = self.text_value()?;
        let place = Place { start, end: self.text[..self.at].trim_end().len() };
        let reference = match word {
            "group.arn" => GroupReference::Arn(value),
            _ => GroupReference::Name(value),
        };
        Ok(Term::Group { reference, is, place })
    }

    fn root_cause(&mut self, word: &str, depth: usize, place: Place) -> Result<Term, FilterError> {
        let mut parts = word.split('.').skip(1);
        let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        let refused = |expected: &str| Err(FilterError::at(self.text, place.range(), expected));
        if (first, second) == ("json", None) {
            return self.json(None);
        }
        let Some(cause) = Cause::from_word(first) else {
            return refused("rootcause.fault, rootcause.error or rootcause.responsetime with what is listed, or rootcause.json");
        };
        let part = match second {
            Some("json") if third.is_none() => return self.json(Some(cause)),
            Some(part) if third.is_none() => CausePart::from_word(part),
            _ => None,
        };
        match part {
            Some(CausePart::Exception) if cause == Cause::ResponseTime => {
                refused("rootcause.responsetime.entity, .service or .json: what is slow raises nothing")
            }
            Some(part) => {
                let block = self.block(Scope::Cause(cause, part), depth)?;
                Ok(Term::RootCause { cause, part, block, place })
            }
            None if cause == Cause::ResponseTime => refused("rootcause.responsetime.entity, .service or .json"),
            None => refused(&format!("rootcause.{first}.entity, .service, .exception or .json")),
        }
    }

    fn json(&mut self, cause: Option<Cause>) -> Result<Term, FilterError> {
        let Some(is) = self.equality("json")? else { return Err(self.unexpected("= or != and `#[` with root causes in JSON")) };
        if !self.rest().starts_with("#[") {
            return Err(self.unexpected("`#[` with root causes in JSON"));
        }
        self.at += 1;
        let start = self.at;
        let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter::<Vec<serde_json::Value>>();
        let json = match values.next() {
            Some(Ok(json)) => json,
            Some(Err(error)) => {
                let at = start + offset_of(self.rest(), error.line(), error.column());
                return Err(FilterError::at(self.text, at..at, format!("JSON ({})", without_place(&error.to_string()))));
            }
            None => return Err(self.unexpected("root causes in JSON")),
        };
        self.at = start + values.byte_offset();
        let place = Place { start: start - 1, end: self.at };
        self.blanks();
        Ok(Term::RootCauseJson { cause, json, is, place })
    }

    fn block(&mut self, scope: Scope, depth: usize) -> Result<Option<Box<Node>>, FilterError> {
        let open = self.at;
        if !self.take("{") {
            return Ok(None);
        }
        let depth = self.deeper(depth, open)?;
        if self.peek() == Some('}') {
            return Err(self.unexpected("a condition between the braces"));
        }
        let node = self.or(scope, depth)?;
        self.expect("}", || format!("AND, OR or `}}` to close the `{{` at byte {open}"))?;
        Ok(Some(Box::new(node)))
    }

    fn check(&self, scope: Scope, allowed: bool, place: Place) -> Result<(), FilterError> {
        if allowed {
            return Ok(());
        }
        let known = keywords::of(scope).join(", ");
        let expected = match scope {
            Scope::Trace => {
                "a keyword of traces: this one stands in the braces of a root cause, as in rootcause.fault.entity { … }"
                    .to_owned()
            }
            Scope::Segment => format!("a keyword of services and edges: {known}"),
            Scope::Cause(..) => format!("a keyword of what this root cause lists: {known}"),
        };
        Err(FilterError::at(self.text, place.range(), expected))
    }

    fn unknown_keyword(&self, scope: Scope, written: &str, place: Place) -> FilterError {
        let expected = match keywords::nearest(scope, written) {
            Some((near, true)) => format!("a keyword, perhaps {near}"),
            Some((near, false)) => {
                format!("a keyword, perhaps {near}; annotations and attributes are written annotation[{written}]")
            }
            None if scope != Scope::Trace => format!("one of {}", keywords::of(scope).join(", ")),
            None => format!("a keyword; annotations and attributes are written annotation[{written}]"),
        };
        FilterError::at(self.text, place.range(), expected)
    }

    /// `=` or `!=`: whether it is the first. Other operators are refused.
    fn equality(&mut self, of: &str) -> Result<Option<bool>, FilterError> {
        self.refuse_text_operator(&format!("= or != behind {of}"))?;
        let start = self.at;
        match self.comparison() {
            None => Ok(None),
            Some(Comparison::Equal) => Ok(Some(true)),
            Some(Comparison::NotEqual) => Ok(Some(false)),
            Some(other) => {
                let end = start + other.as_str().len();
                Err(FilterError::at(self.text, start..end, format!("= or != behind {of}")))
            }
        }
    }

    fn refuse_text_operator(&self, expected: &str) -> Result<(), FilterError> {
        let written = [TextOperator::Contains, TextOperator::BeginsWith, TextOperator::EndsWith];
        match written.into_iter().find(|operator| self.sees_word(operator.as_str())) {
            Some(_) => Err(self.unexpected(expected)),
            None => Ok(()),
        }
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let operators = [
            ("!=", Comparison::NotEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<=", Comparison::LessOrEqual),
            ("==", Comparison::Equal),
            ("=", Comparison::Equal),
            (">", Comparison::Greater),
            ("<", Comparison::Less),
        ];
        operators.into_iter().find(|(text, _)| self.take(text)).map(|(_, comparison)| comparison)
    }

    fn text_operator(&mut self) -> Option<TextOperator> {
        let words = [TextOperator::Contains, TextOperator::BeginsWith, TextOperator::EndsWith];
        if let Some(operator) = words.into_iter().find(|operator| self.take_word(operator.as_str())) {
            return Some(operator);
        }
        let signs = [("!=", TextOperator::NotEqual), ("==", TextOperator::Equal), ("=", TextOperator::Equal)];
        signs.into_iter().find(|(sign, _)| self.take(sign)).map(|(_, operator)| operator)
    }

    fn number_value(&mut self, expected: &str) -> Result<f64, FilterError> {
        let start = self.at;
        let value = self.value(expected)?;
        let number = number_from(&value).ok_or_else(|| FilterError::at(self.text, start..self.at, expected))?;
        self.blanks();
        Ok(number)
    }

    fn text_value(&mut self) -> Result<String, FilterError> {
        let value = self.value("a text in quotes")?;
        self.blanks();
        Ok(value)
    }

    /// A quoted value, or a bare one up to a blank or a sign of the grammar; the place stays right behind it.
    fn value(&mut self, expected: &str) -> Result<String, FilterError> {
        if matches!(self.peek(), Some('"' | '\'')) {
            return self.quoted();
        }
        let length = self.rest().find(ends_bare_value).unwrap_or(self.rest().len());
        if length == 0 || self.sees_word("and") || self.sees_word("or") {
            return Err(self.unexpected(expected));
        }
        let value = self.rest()[..length].to_owned();
        self.at += length;
        Ok(value)
    }

    /// Text between quotes of one kind; an escaped quote or backslash is understood, other backslashes stay.
    fn quoted(&mut self) -> Result<String, FilterError> {
        let start = self.at;
        let mut chars = self.rest().char_indices();
        let quote = chars.next().map_or('"', |(_, c)| c);
        let mut text = String::new();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.at = start + at + c.len_utf8();
                return Ok(text);
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            match chars.next() {
                Some((_, escaped)) if matches!(escaped, '"' | '\'' | '\\') => text.push(escaped),
                Some((_, other)) => text.extend(['\\', other]),
                None => break,
            }
        }
        let end = self.text.len();
        Err(FilterError::at(self.text, end..end, format!("{quote} to close the text opened at byte {start}")))
    }

    /// Letters, digits, dots and underscores from here on; the place stays right behind them.
    fn word(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !is_word_char(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Whether this word stands here by itself, whatever its case.
    fn sees_word(&self, word: &str) -> bool {
        let rest = self.rest();
        let same = rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        same && !rest[word.len()..].starts_with(is_word_char)
    }

    fn sees_call(&self, word: &str) -> bool {
        self.sees_word(word) && self.rest()[word.len()..].trim_start().starts_with('(')
    }

    fn take_word(&mut self, word: &str) -> bool {
        let seen = self.sees_word(word);
        if seen {
            self.advance(word.len());
        }
        seen
    }

    fn take(&mut self, sign: &str) -> bool {
        let seen = self.rest().starts_with(sign);
        if seen {
            self.advance(sign.len());
        }
        seen
    }

    fn expect(&mut self, sign: &str, expected: impl FnOnce() -> String) -> Result<(), FilterError> {
        if self.take(sign) { Ok(()) } else { Err(self.unexpected(expected())) }
    }

    fn deeper(&self, depth: usize, at: usize) -> Result<usize, FilterError> {
        if depth < NESTING_DEPTH_MAX {
            return Ok(depth + 1);
        }
        let expected = format!("at most {NESTING_DEPTH_MAX} parentheses, braces and negations inside one another");
        Err(FilterError { span: at..at + 1, expected, found: "more".to_owned() })
    }

    fn count_term(&mut self) -> Result<(), FilterError> {
        self.terms += 1;
        if self.terms <= TERMS_MAX {
            return Ok(());
        }
        Err(FilterError { span: self.at..self.at, expected: format!("at most {TERMS_MAX} terms"), found: "more".to_owned() })
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

    fn blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn advance(&mut self, bytes: usize) {
        self.at += bytes;
        self.blanks();
    }

    /// Points at what stands here: a word, or one sign.
    fn unexpected(&self, expected: impl Into<String>) -> FilterError {
        let rest = self.rest();
        let word = rest.find(|c: char| !is_word_char(c)).unwrap_or(rest.len());
        let length = if word > 0 { word } else { self.peek().map_or(0, char::len_utf8) };
        FilterError::at(self.text, self.at..self.at + length, expected)
    }
}

fn joined(mut nodes: Vec<Node>, join: fn(Vec<Node>) -> Node) -> Node {
    match nodes.len() {
        1 => nodes.swap_remove(0),
        _ => join(nodes),
    }
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.')
}

fn ends_bare_value(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '{' | '}' | '[' | ']' | ',' | '"' | '\'' | '!' | '=' | '<' | '>' | '#')
}

/// A finite number as people write them; neither `inf` nor `nan`.
fn number_from(text: &str) -> Option<f64> {
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    text.parse::<f64>().ok().filter(|number| numeric && number.is_finite())
}

/// The byte of a JSON error, which tells a line and a column in bytes, both from 1; always at a character's beginning.
fn offset_of(json: &str, line: usize, column: usize) -> usize {
    let before: usize = json.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let at = (before + column.saturating_sub(1)).min(json.len());
    (0..=at).rfind(|at| json.is_char_boundary(*at)).unwrap_or(0)
}

/// A JSON error without the line and column that it ends with.
fn without_place(message: &str) -> &str {
    message.split(" at line ").next().unwrap_or(message)
}
