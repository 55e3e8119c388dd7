//! Text -> [`Query`], by hand and without backtracking.
//!
//! `expression := OR of AND of NOT of comparisons of sums of products of - of primaries`, as in MySQL.

use super::ast::{Binary, Expression, Literal, OrderKey, Query, Selected, Table};
use super::error::{Place, RqlError};
use super::lexer::{Token, is_reserved, tokens};

/// Bytes of one query: a page of text.
pub const RQL_BYTES_MAX: usize = 16 * 1024;

/// Parentheses, calls and negations inside one another.
pub const NESTING_DEPTH_MAX: usize = 32;

/// Operators, values and columns of one query.
pub const EXPRESSIONS_MAX: usize = 1_000;

/// Rows of one answer, as in Rollbar.
pub const ROWS_MAX: u64 = 1_000;

/// Reads a query.
///
/// Refuses, with the byte where it went wrong: what is no `SELECT … FROM item_occurrence|deploy …`, and what is beyond
/// [`RQL_BYTES_MAX`], [`NESTING_DEPTH_MAX`], [`EXPRESSIONS_MAX`] or [`ROWS_MAX`].
pub fn parse(text: &str) -> Result<Query, RqlError> {
    if text.len() > RQL_BYTES_MAX {
        let start = text.floor_char_boundary(RQL_BYTES_MAX);
        let expected = format!("at most {RQL_BYTES_MAX} bytes");
        return Err(RqlError { span: start..text.len(), expected, found: format!("{} bytes", text.len()) });
    }
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, expressions: 0 };
    let query = parser.query()?;
    match parser.token() {
        Token::End => Ok(query),
        Token::Word(word) if word.eq_ignore_ascii_case("having") => {
            Err(parser.unexpected("GROUP BY, ORDER BY, LIMIT or the end: RQL has no HAVING"))
        }
        _ => Err(parser.unexpected("an operator, WHERE, GROUP BY, ORDER BY, LIMIT or the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(Token, Place)>,
    at: usize,
    expressions: usize,
}

impl Parser<'_> {
    fn query(&mut self) -> Result<Query, RqlError> {
        self.keyword("SELECT")?;
        if matches!(self.token(), Token::Word(word) if word.eq_ignore_ascii_case("distinct")) {
            return Err(self.unexpected("columns: RQL has no DISTINCT, GROUP BY does the same"));
        }
        let select = if self.takes_sign("*") { Vec::new() } else { self.selected()? };
        self.keyword("FROM")?;
        let table = self.table()?;
        let condition = if self.takes("WHERE") { Some(self.expression(0)?) } else { None };
        let group_by = if self.takes("GROUP") { self.group_by(&select)? } else { Vec::new() };
        let order_by = if self.takes("ORDER") { self.order_by()? } else { Vec::new() };
        let (offset, limit) = if self.takes("LIMIT") { self.limit()? } else { (0, None) };
        Ok(Query { select, table, condition, group_by, order_by, offset, limit })
    }

    fn selected(&mut self) -> Result<Vec<Selected>, RqlError> {
        let mut select = Vec::new();
        loop {
            let expression = self.expression(0)?;
            let alias = if self.takes("AS") { Some(self.name("a name")?) } else { None };
            select.push(Selected { expression, alias });
            if !self.takes_sign(",") {
                return Ok(select);
            }
        }
    }

    fn table(&mut self) -> Result<Table, RqlError> {
        let found = match self.token() {
            Token::Word(word) | Token::Quoted(word) => {
                Table::ALL.into_iter().find(|table| table.name().eq_ignore_ascii_case(word))
            }
            _ => None,
        };
        let table = found.ok_or_else(|| self.unexpected("item_occurrence or deploy"))?;
        self.at += 1;
        Ok(table)
    }

    fn group_by(&mut self, select: &[Selected]) -> Result<Vec<Expression>, RqlError> {
        self.keyword("BY")?;
        if select.is_empty() {
            return Err(self.unexpected("columns in place of *: GROUP BY makes rows of its own"));
        }
        let mut keys = Vec::new();
        loop {
            let key = self.expression(0)?;
            let is_simple = matches!(key, Expression::Column(..) | Expression::Literal(Literal::Integer(_), _));
            if !is_simple {
                let expected = "a column or the number of one: what is calculated is grouped by its number";
                return Err(RqlError::at(self.text, key.place().range(), expected));
            }
            keys.push(key);
            if !self.takes_sign(",") {
                return Ok(keys);
            }
        }
    }

    fn order_by(&mut self) -> Result<Vec<OrderKey>, RqlError> {
        self.keyword("BY")?;
        let mut keys = Vec::new();
        loop {
            let expression = self.expression(0)?;
            let descends = self.takes("DESC");
            if !descends {
                self.takes("ASC");
            }
            keys.push(OrderKey { expression, descends });
            if !self.takes_sign(",") {
                return Ok(keys);
            }
        }
    }

    /// `LIMIT 10`, `LIMIT 20, 10`, `LIMIT 10 OFFSET 20`.
    fn limit(&mut self) -> Result<(u64, Option<u64>), RqlError> {
        let first_place = self.place();
        let first = self.rows()?;
        let (offset, limit, place) = if self.takes_sign(",") {
            let place = self.place();
            (first, self.rows()?, place)
        } else if self.takes("OFFSET") {
            (self.rows()?, first, first_place)
        } else {
            (0, first, first_place)
        };
        if limit > ROWS_MAX {
            return Err(RqlError::at(self.text, place.range(), format!("at most {ROWS_MAX} rows")));
        }
        Ok((offset, Some(limit)))
    }

    fn rows(&mut self) -> Result<u64, RqlError> {
        match self.token() {
            Token::Integer(number) if *number >= 0 => {
                let number = number.unsigned_abs();
                self.at += 1;
                Ok(number)
            }
            _ => Err(self.unexpected("a number of rows")),
        }
    }

    fn expression(&mut self, depth: usize) -> Result<Expression, RqlError> {
        let mut left = self.and(depth)?;
        while self.takes("OR") {
            left = binary(Binary::Or, left, self.and(depth)?);
        }
        Ok(left)
    }

    fn and(&mut self, depth: usize) -> Result<Expression, RqlError> {
        let mut left = self.not(depth)?;
        while self.takes("AND") {
            left = binary(Binary::And, left, self.not(depth)?);
        }
        Ok(left)
    }

    fn not(&mut self, depth: usize) -> Result<Expression, RqlError> {
        self.bounded(depth)?;
        if self.takes("NOT") {
            return Ok(Expression::Not(Box::new(self.not(depth + 1)?)));
        }
        self.comparison(depth)
    }

    fn comparison(&mut self, depth: usize) -> Result<Expression, RqlError> {
        const COMPARISONS: [Binary; 6] =
            [Binary::LessOrEqual, Binary::GreaterOrEqual, Binary::NotEqual, Binary::Equal, Binary::Less, Binary::Greater];
        let value = self.sum(depth)?;
        if let Some(operator) = COMPARISONS.into_iter().find(|operator| self.takes_sign(operator.told().0)) {
            return Ok(binary(operator, value, self.sum(depth)?));
        }
        if self.takes("IS") {
            let negated = self.takes("NOT");
            self.keyword("NULL")?;
            return Ok(Expression::IsNull { value: Box::new(value), negated });
        }
        let negated = self.takes("NOT");
        let value = Box::new(value);
        if self.takes("IN") {
            self.sign("(")?;
            let list = self.list(depth)?;
            return Ok(Expression::In { value, list, negated });
        }
        if self.takes("BETWEEN") {
            let low = Box::new(self.sum(depth)?);
            self.keyword("AND")?;
            return Ok(Expression::Between { value, low, high: Box::new(self.sum(depth)?), negated });
        }
        if self.takes("LIKE") {
            return Ok(Expression::Like { value, pattern: Box::new(self.sum(depth)?), negated });
        }
        if negated { Err(self.unexpected("IN, BETWEEN or LIKE")) } else { Ok(*value) }
    }

    fn sum(&mut self, depth: usize) -> Result<Expression, RqlError> {
        let mut left = self.product(depth)?;
        loop {
            let operator = match self.token() {
                Token::Sign("+") => Binary::Add,
                Token::Sign("-") => Binary::Subtract,
                _ => return Ok(left),
            };
            self.at += 1;
            left = binary(operator, left, self.product(depth)?);
        }
    }

    fn product(&mut self, depth: usize) -> Result<Expression, RqlError> {
        let mut left = self.negative(depth)?;
        loop {
            let operator = match self.token() {
                Token::Sign("*") => Binary::Multiply,
                Token::Sign("/") => Binary::Divide,
                Token::Sign("%") => Binary::Modulo,
                Token::Word(word) if word.eq_ignore_ascii_case("div") => Binary::IntegerDivide,
                Token::Word(word) if word.eq_ignore_ascii_case("mod") => Binary::Modulo,
                _ => return Ok(left),
            };
            self.at += 1;
            left = binary(operator, left, self.negative(depth)?);
        }
    }

    fn negative(&mut self, depth: usize) -> Result<Expression, RqlError> {
        self.bounded(depth)?;
        if !self.takes_sign("-") {
            return self.primary(depth);
        }
        Ok(match self.negative(depth + 1)? {
            Expression::Literal(Literal::Integer(value), place) if value > 0 => {
                Expression::Literal(Literal::Integer(-value), place)
            }
            Expression::Literal(Literal::Float(value), place) if value > 0.0 => {
                Expression::Literal(Literal::Float(-value), place)
            }
            inner => Expression::Negative(Box::new(inner)),
        })
    }

    fn primary(&mut self, depth: usize) -> Result<Expression, RqlError> {
        let place = self.place();
        let literal = |literal| Ok(Expression::Literal(literal, place));
        let token = self.token().clone();
        if matches!(token, Token::End) {
            return Err(self.unexpected("a column, a value or a function"));
        }
        self.at += 1;
        match token {
            Token::Integer(value) => literal(Literal::Integer(value)),
            Token::Float(value) => literal(Literal::Float(value)),
            Token::Text(text) => literal(Literal::Text(text)),
            Token::Quoted(name) if !name.is_empty() => Ok(Expression::Column(name, place)),
            Token::Word(word) if word.eq_ignore_ascii_case("true") => literal(Literal::Boolean(true)),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => literal(Literal::Boolean(false)),
            Token::Word(word) if word.eq_ignore_ascii_case("null") => literal(Literal::Null),
            Token::Word(word)
                if *self.token() == Token::Sign("(") && (!is_reserved(&word) || word.eq_ignore_ascii_case("mod")) =>
            {
                self.call(&word, place, depth)
            }
            Token::Word(word) if !is_reserved(&word) => Ok(Expression::Column(word, place)),
            Token::Sign("(") => {
                let inner = self.expression(depth + 1)?;
                self.sign(")")?;
                Ok(inner)
            }
            _ => {
                self.at -= 1;
                Err(self.unexpected("a column, a value or a function"))
            }
        }
    }

    fn call(&mut self, word: &str, start: Place, depth: usize) -> Result<Expression, RqlError> {
        let name = word.to_ascii_lowercase();
        self.sign("(")?;
        let arguments = if name == "count" && self.takes_sign("*") {
            self.sign(")")?;
            Vec::new()
        } else if self.takes_sign(")") {
            if name == "count" {
                self.at -= 1;
                return Err(self.unexpected("* or what to count"));
            }
            Vec::new()
        } else {
            self.list(depth)?
        };
        let end = self.tokens[self.at - 1].1;
        Ok(Expression::Call { name, arguments, place: start.to(end) })
    }

    /// Expressions between commas, and the parenthesis that closes them.
    fn list(&mut self, depth: usize) -> Result<Vec<Expression>, RqlError> {
        let mut list = Vec::new();
        loop {
            list.push(self.expression(depth + 1)?);
            if !self.takes_sign(",") {
                break;
            }
        }
        self.sign(")")?;
        Ok(list)
    }

    fn name(&mut self, expected: &str) -> Result<String, RqlError> {
        let name = match self.token() {
            Token::Quoted(name) if !name.is_empty() => name.clone(),
            Token::Word(name) if !is_reserved(name) => name.clone(),
            _ => return Err(self.unexpected(expected)),
        };
        self.at += 1;
        Ok(name)
    }

    fn bounded(&mut self, depth: usize) -> Result<(), RqlError> {
        self.expressions += 1;
        if depth > NESTING_DEPTH_MAX {
            return Err(self.unexpected(format!("at most {NESTING_DEPTH_MAX} levels of nesting")));
        }
        // Each value is looked at as a negation and as a minus.
        if self.expressions > 2 * EXPRESSIONS_MAX {
            return Err(self.unexpected(format!("at most {EXPRESSIONS_MAX} expressions")));
        }
        Ok(())
    }

    fn token(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn place(&self) -> Place {
        self.tokens[self.at].1
    }

    fn takes(&mut self, keyword: &str) -> bool {
        let takes = matches!(self.token(), Token::Word(word) if word.eq_ignore_ascii_case(keyword));
        self.at += usize::from(takes);
        takes
    }

    fn takes_sign(&mut self, sign: &str) -> bool {
        let takes = matches!(self.token(), Token::Sign(found) if *found == sign);
        self.at += usize::from(takes);
        takes
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), RqlError> {
        if self.takes(keyword) { Ok(()) } else { Err(self.unexpected(keyword)) }
    }

    fn sign(&mut self, sign: &str) -> Result<(), RqlError> {
        if self.takes_sign(sign) { Ok(()) } else { Err(self.unexpected(sign)) }
    }

    fn unexpected(&self, expected: impl Into<String>) -> RqlError {
        let place = self.place();
        let span = if matches!(self.token(), Token::End) { self.text.len()..self.text.len() } else { place.range() };
        RqlError::at(self.text, span, expected)
    }
}

fn binary(operator: Binary, left: Expression, right: Expression) -> Expression {
    Expression::Binary { operator, left: Box::new(left), right: Box::new(right) }
}
