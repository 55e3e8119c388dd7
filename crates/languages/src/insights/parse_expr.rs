//! Expressions of a query: `or`, `and`, `not`, comparisons, sums, products, signs, powers, in that order.

use super::ast::{Expr, Function, LikePattern, Operator, Place, TimeSpan, TimeUnit};
use super::error::InsightsError;
use super::parse::{EXPRESSIONS_MAX, NESTING_DEPTH_MAX, Parsed, Parser, RESERVED_WORDS, is_near};

const A_VALUE: &str = "a field, a value or a function";

impl Parser<'_> {
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        self.or(0)
    }

    fn or(&mut self, depth: usize) -> Parsed<Expr> {
        let start = self.at;
        let mut left = self.and(depth)?;
        while self.take_word("or") {
            left = binary(Operator::Or, left, self.and(depth)?, start, self.at);
        }
        Ok(left)
    }

    fn and(&mut self, depth: usize) -> Parsed<Expr> {
        let start = self.at;
        let mut left = self.not(depth)?;
        while self.take_word("and") {
            left = binary(Operator::And, left, self.not(depth)?, start, self.at);
        }
        Ok(left)
    }

    fn not(&mut self, depth: usize) -> Parsed<Expr> {
        let start = self.at;
        if self.take_word("not") {
            let depth = self.deeper(depth, start)?;
            return Ok(Expr::Not(Box::new(self.not(depth)?)));
        }
        self.comparison(depth)
    }

    fn comparison(&mut self, depth: usize) -> Parsed<Expr> {
        let start = self.at;
        let left = self.sum(depth)?;
        let before = self.at;
        let negated = self.take_word("not");
        if self.take_word("like") {
            return self.like(left, negated);
        }
        if self.take_word("in") {
            return self.membership(left, negated, depth, start);
        }
        if negated {
            self.at = before;
            return Err(self.unexpected("an operator, such as =, not like or not in"));
        }
        if self.take("=~") {
            self.blanks();
            return self.like(left, false);
        }
        let spellings = [
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("==", Operator::Equal),
            ("=", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let Some((_, operator)) = spellings.into_iter().find(|(spelling, _)| self.take(spelling)) else { return Ok(left) };
        self.blanks();
        let right = self.sum(depth)?;
        Ok(binary(operator, left, right, start, self.at))
    }

    fn like(&mut self, expr: Expr, negated: bool) -> Parsed<Expr> {
        let start = self.at;
        let pattern = match self.peek() {
            Some('/') => {
                let text = self.regex_literal()?;
                let end = start + self.text[start..self.at].trim_end().len();
                self.check_regex(&text, start..end)?;
                LikePattern::Regex(text)
            }
            Some('"' | '\'') => LikePattern::Text(self.text_literal()?),
            _ => return Err(self.unexpected("a text between quotes, or a regular expression between slashes")),
        };
        Ok(Expr::Like { expr: Box::new(expr), pattern, negated })
    }

    fn membership(&mut self, expr: Expr, negated: bool, depth: usize, start: usize) -> Parsed<Expr> {
        let expr = Box::new(expr);
        match self.peek() {
            Some('[') => {
                self.expect("[", "`[`")?;
                let list = self.list(|parser| parser.sum(depth))?;
                self.expect("]", "`,` or `]`")?;
                Ok(Expr::In { expr, list, negated })
            }
            Some('(') => {
                let query = Box::new(self.subquery()?);
                Ok(Expr::InQuery { expr, query, negated, place: Place { start, end: self.at } })
            }
            _ => Err(self.unexpected("`[` and values, or `(` and a query")),
        }
    }

    fn sum(&mut self, depth: usize) -> Parsed<Expr> {
        let start = self.at;
        let mut left = self.product(depth)?;
        loop {
            let operator = if self.take("+") {
                Operator::Plus
            } else if self.take("-") {
                Operator::Minus
            } else {
                return Ok(left);
            };
            self.blanks();
            left = binary(operator, left, self.product(depth)?, start, self.at);
        }
    }

    fn product(&mut self, depth: usize) -> Parsed<Expr> {
        let start = self.at;
        let mut left = self.sign(depth)?;
        let operators = [("*", Operator::Times), ("/", Operator::Divide), ("%", Operator::Modulo)];
        while let Some((_, operator)) = operators.into_iter().find(|(spelling, _)| self.take(spelling)) {
            self.blanks();
            left = binary(operator, left, self.sign(depth)?, start, self.at);
        }
        Ok(left)
    }

    fn sign(&mut self, depth: usize) -> Parsed<Expr> {
        let start = self.at;
        if self.take("-") {
            self.blanks();
            let depth = self.deeper(depth, start)?;
            return Ok(Expr::Negative(Box::new(self.sign(depth)?)));
        }
        let left = self.primary(depth)?;
        if !self.take("^") {
            return Ok(left);
        }
        self.blanks();
        let depth = self.deeper(depth, start)?;
        let right = self.sign(depth)?;
        Ok(binary(Operator::Power, left, right, start, self.at))
    }

    /// A value, with the blanks behind.
    pub(super) fn primary(&mut self, depth: usize) -> Parsed<Expr> {
        self.expressions += 1;
        if self.expressions > EXPRESSIONS_MAX {
            return Err(self.unexpected(format!("at most {EXPRESSIONS_MAX} values and functions")));
        }
        let start = self.at;
        match self.peek() {
            Some('(') => {
                let depth = self.deeper(depth, start)?;
                self.expect("(", "`(`")?;
                let expr = self.or(depth)?;
                self.expect(")", &format!("an operator, or `)` to close the `(` at byte {start}"))?;
                Ok(expr)
            }
            Some('"' | '\'') => self.text_literal().map(Expr::Text),
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some('/') => Err(self.unexpected("a value; regular expressions stand behind like and =~")),
            _ if self.sees_word("true") || self.sees_word("false") => {
                Ok(Expr::Boolean(self.word_with_blanks().eq_ignore_ascii_case("true")))
            }
            _ => self.field_or_call(depth),
        }
    }

    fn word_with_blanks(&mut self) -> String {
        let word = self.word().to_owned();
        self.blanks();
        word
    }

    fn field_or_call(&mut self, depth: usize) -> Parsed<Expr> {
        let start = self.at;
        let word = self.word();
        let end = self.at;
        self.blanks();
        if !word.is_empty() && self.peek() == Some('(') && !RESERVED_WORDS.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            return self.call(word, Place { start, end }, depth);
        }
        self.at = start;
        let (name, place) = self.name(A_VALUE)?;
        Ok(Expr::Field { name, place })
    }

    fn call(&mut self, word: &str, place: Place, depth: usize) -> Parsed<Expr> {
        let Some(function) = Function::from_word(word) else {
            let lower = word.to_ascii_lowercase();
            let near = Function::ALL.iter().find(|known| is_near(&known.as_str().to_ascii_lowercase(), &lower));
            let perhaps = near.map_or(String::new(), |near| format!(", perhaps {}", near.as_str()));
            return Err(InsightsError::at(self.text, place.range(), format!("a function{perhaps}")));
        };
        let depth = self.deeper(depth, place.start)?;
        let takes_spans = matches!(function, Function::Bin | Function::DateFloor | Function::DateCeil);
        let outside = std::mem::replace(&mut self.takes_spans, takes_spans);
        self.expect("(", "`(`")?;
        let mut args = Vec::new();
        if function == Function::Count && self.peek() == Some('*') {
            self.expect("*", "`*`")?;
            args.push(Expr::Star);
        } else if self.peek() != Some(')') {
            args = self.list(|parser| parser.or(depth))?;
        }
        self.expect(")", "`,` or `)`")?;
        self.takes_spans = outside;
        self.check_args(function, &args, place)?;
        let end = place.start + self.text[place.start..self.at].trim_end().len();
        Ok(Expr::Call { function, args, place: Place { start: place.start, end } })
    }

    fn check_args(&self, function: Function, args: &[Expr], place: Place) -> Parsed<()> {
        let (least, most) = function.arity();
        let misfit = |expected: String| Err(InsightsError::at(self.text, place.range(), expected));
        if !(least..=most).contains(&args.len()) {
            let wanted = match (least, most) {
                (1, 1) => "one argument".to_owned(),
                (least, most) if least == most => format!("{least} arguments"),
                (least, usize::MAX) => format!("{least} arguments or more"),
                (least, most) => format!("{least} to {most} arguments"),
            };
            let error = InsightsError::at(self.text, place.range(), format!("{wanted} of {}", function.as_str()));
            return Err(error.found(format!("{} arguments", args.len())));
        }
        match function {
            Function::Bin if !matches!(args, [Expr::Span(_)]) => misfit("a period, such as bin(5m)".to_owned()),
            Function::DateFloor | Function::DateCeil if !matches!(args, [_, Expr::Span(_)]) => {
                misfit(format!("a time and a period, such as {}(@timestamp, 1h)", function.as_str()))
            }
            Function::Pct if !matches!(args, [_, Expr::Number { value, .. }] if (0.0..=100.0).contains(value)) => {
                misfit("a field and a number from 0 to 100, such as pct(@duration, 95)".to_owned())
            }
            Function::Case if args.len() < 2 => misfit("conditions and values".to_owned()),
            _ => Ok(()),
        }
    }

    fn number(&mut self) -> Parsed<Expr> {
        let start = self.at;
        let rest = self.rest();
        let digits = |from: usize| from + rest[from..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - from);
        let mut end = digits(0);
        if rest[end..].starts_with('.') {
            end = digits(end + 1);
        }
        if let Some(exponent) = rest[end..].strip_prefix(['e', 'E']) {
            let signed = usize::from(exponent.starts_with(['+', '-']));
            let after = digits(end + 1 + signed);
            end = if after > end + 1 + signed { after } else { end };
        }
        let written = &rest[..end];
        self.at += end;
        let letters = self.word();
        if letters.is_empty() {
            let value = written.parse::<f64>().ok().filter(|value| value.is_finite());
            let value = value.ok_or_else(|| InsightsError::at(self.text, start..self.at.max(start + 1), "a number"))?;
            let place = Place { start, end: self.at };
            self.blanks();
            return Ok(Expr::Number { text: written.to_owned(), value, place });
        }
        let span = TimeUnit::from_unit(letters).zip(written.parse::<u32>().ok().filter(|count| *count > 0));
        match span {
            Some((unit, count)) if self.takes_spans => {
                self.blanks();
                Ok(Expr::Span(TimeSpan { count, unit }))
            }
            Some(_) => Err(InsightsError::at(self.text, start..self.at, "a number without a unit")),
            None if self.takes_spans => {
                Err(InsightsError::at(self.text, start..self.at, "a period: a whole number and ms, s, m, h, d, w, mo, q or y"))
            }
            None => Err(InsightsError::at(self.text, start..self.at, "a number")),
        }
    }

    /// A name with its dots, backticks and brackets, with the blanks behind.
    pub(super) fn name(&mut self, expected: &str) -> Parsed<(String, Place)> {
        let start = self.at;
        let mut name = String::new();
        loop {
            let from = self.at;
            if self.take("`") {
                let length = self.rest().find('`').ok_or_else(|| {
                    let end = self.text.len();
                    InsightsError::at(self.text, end..end, format!("a backtick to close the one at byte {from}"))
                })?;
                if length == 0 {
                    return Err(InsightsError::at(self.text, from..from + 2, "a name between the backticks"));
                }
                name.push_str(&self.rest()[..length]);
                self.at += length + 1;
            } else {
                let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '@');
                let length = self.rest().find(|c| !is_name(c)).unwrap_or(self.rest().len());
                let part = &self.rest()[..length];
                let is_first = name.is_empty();
                let is_word = is_first && RESERVED_WORDS.iter().any(|word| word.eq_ignore_ascii_case(part));
                if part.is_empty() || is_word || (is_first && part.starts_with(|c: char| c.is_numeric())) {
                    return Err(self.unexpected(expected));
                }
                name.push_str(part);
                self.at += length;
            }
            self.brackets(&mut name)?;
            let next = self.rest().strip_prefix('.').and_then(|rest| rest.chars().next());
            if !next.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '@' | '`')) {
                break;
            }
            name.push('.');
            self.at += 1;
        }
        let place = Place { start, end: self.at };
        self.blanks();
        Ok((name, place))
    }

    /// `[0]`, `["key"]`, right behind a name.
    fn brackets(&mut self, name: &mut String) -> Parsed<()> {
        while self.peek() == Some('[') {
            self.expect("[", "`[`")?;
            let key = match self.peek() {
                Some('"' | '\'') => self.text_literal()?,
                _ => {
                    let digits = self.rest().find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest().len());
                    if digits == 0 {
                        return Err(self.unexpected("a position from 0 or a key between quotes"));
                    }
                    let key = self.rest()[..digits].to_owned();
                    self.at += digits;
                    self.blanks();
                    key
                }
            };
            if key.is_empty() || key.contains('`') {
                return Err(self.unexpected("a key that is not empty and without backticks"));
            }
            if !self.take("]") {
                return Err(self.unexpected("`]`"));
            }
            name.push('.');
            name.push_str(&key);
        }
        Ok(())
    }

    /// A text between quotes, with the blanks behind.
    pub(super) fn text_literal(&mut self) -> Parsed<String> {
        let start = self.at;
        let Some(quote @ ('"' | '\'')) = self.peek() else { return Err(self.unexpected("a text between quotes")) };
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.at = start + at + 1;
                self.blanks();
                return Ok(out);
            }
            let escaped = chars.next_if(|(_, next)| c == '\\' && matches!(next, '"' | '\'' | '\\'));
            out.push(escaped.map_or(c, |(_, escaped)| escaped));
        }
        let end = self.text.len();
        Err(InsightsError::at(self.text, end..end, format!("{quote} to close the one at byte {start}")))
    }

    /// An expression between slashes, with the blanks behind.
    pub(super) fn regex_literal(&mut self) -> Parsed<String> {
        let start = self.at;
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '/' => {
                    self.at = start + at + 1;
                    self.blanks();
                    if out.is_empty() {
                        return Err(InsightsError::at(self.text, start..start + 2, "a regular expression between the slashes"));
                    }
                    return Ok(out);
                }
                '\\' => match chars.next() {
                    Some((_, '/')) => out.push('/'),
                    Some((_, escaped)) => out.extend(['\\', escaped]),
                    None => break,
                },
                _ => out.push(c),
            }
        }
        let end = self.text.len();
        Err(InsightsError::at(self.text, end..end, format!("/ to close the one at byte {start}")))
    }

    fn deeper(&self, depth: usize, start: usize) -> Parsed<usize> {
        if depth < NESTING_DEPTH_MAX {
            return Ok(depth + 1);
        }
        let expected = format!("at most {NESTING_DEPTH_MAX} parentheses, functions and negations inside one another");
        let end = start + self.text[start..].chars().next().map_or(0, char::len_utf8);
        Err(InsightsError::at(self.text, start..end, expected))
    }
}

impl TimeUnit {
    /// A unit as people write it.
    fn from_unit(letters: &str) -> Option<TimeUnit> {
        let lower = letters.to_ascii_lowercase();
        Some(match lower.as_str() {
            "ms" | "millisecond" | "milliseconds" => TimeUnit::Millisecond,
            "s" | "sec" | "second" | "seconds" => TimeUnit::Second,
            "m" | "min" | "minute" | "minutes" => TimeUnit::Minute,
            "h" | "hr" | "hour" | "hours" => TimeUnit::Hour,
            "d" | "day" | "days" => TimeUnit::Day,
            "w" | "week" | "weeks" => TimeUnit::Week,
            "mo" | "mon" | "month" | "months" => TimeUnit::Month,
            "q" | "qtr" | "quarter" | "quarters" => TimeUnit::Quarter,
            "y" | "yr" | "year" | "years" => TimeUnit::Year,
            _ => return None,
        })
    }
}

fn binary(operator: Operator, left: Expr, right: Expr, start: usize, end: usize) -> Expr {
    Expr::Binary { operator, left: Box::new(left), right: Box::new(right), place: Place { start, end } }
}
