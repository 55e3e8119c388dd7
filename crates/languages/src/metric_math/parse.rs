//! Text to expression.

use super::ast::{Expression, Operator};
use super::error::MetricMathError;

/// Bytes of an expression; the service's own bound is 2,048 characters.
const TEXT_BYTES_MAX: usize = 8_192;

/// Parentheses and operators within each other.
const DEPTH_MAX: usize = 64;

pub fn parse(text: &str) -> Result<Expression, MetricMathError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(MetricMathError::new(format!("the expression has more than {TEXT_BYTES_MAX} bytes")));
    }
    let mut parser = Parser { text, at: 0, depth: 0 };
    let expression = parser.expression(0)?;
    parser.blank();
    if parser.at < text.len() { Err(parser.unexpected()) } else { Ok(expression) }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

/// Operators by how tightly they bind, those that bind least first.
const OPERATORS: [&[(&str, Operator)]; 6] = [
    &[("||", Operator::Or), ("OR", Operator::Or)],
    &[("&&", Operator::And), ("AND", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide)],
    &[("^", Operator::Power)],
];

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn blank(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn unexpected(&self) -> MetricMathError {
        match self.rest().chars().next() {
            Some(character) => MetricMathError::at(self.at, format!("unexpected {character:?}")),
            None => MetricMathError::at(self.at, "the expression ends too early"),
        }
    }

    fn eat(&mut self, word: &str) -> bool {
        self.blank();
        let is_word = word.starts_with(|first: char| first.is_ascii_alphabetic());
        let Some(after) = self.rest().strip_prefix(word) else { return false };
        if is_word && after.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_') {
            return false;
        }
        self.at += word.len();
        true
    }

    fn expect(&mut self, word: &str) -> Result<(), MetricMathError> {
        if self.eat(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn expression(&mut self, level: usize) -> Result<Expression, MetricMathError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX * OPERATORS.len() {
            return Err(MetricMathError::at(self.at, "the expression is nested too deep"));
        }
        let found = match OPERATORS.get(level) {
            None => self.unary(),
            Some(operators) => self.binary(level, operators),
        };
        self.depth -= 1;
        found
    }

    fn binary(&mut self, level: usize, operators: &[(&str, Operator)]) -> Result<Expression, MetricMathError> {
        let mut left = self.expression(level + 1)?;
        loop {
            self.blank();
            let at = self.at;
            let Some((_, operator)) = operators.iter().find(|(word, _)| self.eat(word)) else { return Ok(left) };
            // A power of a power is read from the right.
            let right = if *operator == Operator::Power { self.expression(level)? } else { self.expression(level + 1)? };
            left = Expression::Binary(Box::new(left), *operator, Box::new(right), at);
        }
    }

    fn unary(&mut self) -> Result<Expression, MetricMathError> {
        if self.eat("-") {
            let inner = self.expression(OPERATORS.len())?;
            return Ok(Expression::Negated(Box::new(inner)));
        }
        if self.eat("+") {
            return self.expression(OPERATORS.len());
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expression, MetricMathError> {
        self.blank();
        let at = self.at;
        if self.eat("(") {
            let inner = self.expression(0)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.eat("[") {
            return Ok(Expression::List(self.list("]")?));
        }
        match self.rest().chars().next() {
            Some(quote @ ('"' | '\'')) => self.text(quote),
            Some(first) if first.is_ascii_digit() || first == '.' => self.number(),
            Some(first) if first.is_ascii_alphabetic() || first == '_' => {
                let name = self.word();
                if self.eat("(") {
                    let arguments = self.list(")")?;
                    return Ok(Expression::Call(name.to_ascii_uppercase(), arguments, at));
                }
                Ok(Expression::Name(name, at))
            }
            _ => Err(self.unexpected()),
        }
    }

    fn list(&mut self, end: &str) -> Result<Vec<Expression>, MetricMathError> {
        let mut out = Vec::new();
        if self.eat(end) {
            return Ok(out);
        }
        loop {
            out.push(self.expression(0)?);
            if self.eat(end) {
                return Ok(out);
            }
            self.expect(",")?;
        }
    }

    fn word(&mut self) -> String {
        let rest = self.rest();
        let end = rest.find(|next: char| !next.is_ascii_alphanumeric() && next != '_').unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_owned()
    }

    fn text(&mut self, quote: char) -> Result<Expression, MetricMathError> {
        let start = self.at;
        let mut out = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => out.extend(characters.next().map(|(_, escaped)| escaped)),
                end if end == quote => {
                    self.at = start + at + 1;
                    return Ok(Expression::Text(out));
                }
                other => out.push(other),
            }
        }
        Err(MetricMathError::at(start, "a text has no end"))
    }

    fn number(&mut self) -> Result<Expression, MetricMathError> {
        let rest = self.rest();
        let mut end = rest.find(|next: char| !next.is_ascii_digit() && next != '.').unwrap_or(rest.len());
        if let Some(exponent) = rest[end..].strip_prefix(['e', 'E']) {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            let count = digits.bytes().take_while(u8::is_ascii_digit).count();
            if count > 0 {
                end += 1 + (exponent.len() - digits.len()) + count;
            }
        }
        let number = rest[..end].parse().ok().filter(|number: &f64| number.is_finite());
        let number = number.ok_or_else(|| MetricMathError::at(self.at, format!("{:?} is no number", &rest[..end])))?;
        self.at += end;
        Ok(Expression::Number(number))
    }
}
