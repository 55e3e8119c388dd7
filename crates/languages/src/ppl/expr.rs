//! Values, conditions and functions, as Logs Insights has them.

use super::parse::{Parsed, Parser};
use super::tokens::Token;
use crate::insights::{Expr, Function, InsightsError, LikePattern, NESTING_DEPTH_MAX, Operator, Place, TimeSpan, TimeUnit};

/// Functions that are Logs Insights' under another name.
const FUNCTIONS: &[(&str, Function)] = &[
    ("abs", Function::Abs),
    ("ceil", Function::Ceil),
    ("ceiling", Function::Ceil),
    ("floor", Function::Floor),
    ("sqrt", Function::Sqrt),
    ("ln", Function::Log),
    ("concat", Function::Concat),
    ("ltrim", Function::Ltrim),
    ("rtrim", Function::Rtrim),
    ("trim", Function::Trim),
    ("length", Function::Strlen),
    ("upper", Function::ToUpper),
    ("lower", Function::ToLower),
    ("replace", Function::Replace),
    ("coalesce", Function::Coalesce),
    ("ifnull", Function::Coalesce),
    ("if", Function::If),
    ("ispresent", Function::IsPresent),
    ("isnotnull", Function::IsPresent),
    ("isempty", Function::IsEmpty),
    ("isblank", Function::IsBlank),
    ("greatest", Function::Greatest),
    ("least", Function::Least),
    ("cidrmatch", Function::IsIpInSubnet),
];

/// Aggregates of one field.
const AGGREGATES: &[(&str, Function)] = &[
    ("avg", Function::Avg),
    ("sum", Function::Sum),
    ("min", Function::Min),
    ("max", Function::Max),
    ("distinct_count", Function::CountDistinct),
    ("dc", Function::CountDistinct),
    ("stddev_samp", Function::Stddev),
    ("stddev", Function::Stddev),
    ("earliest", Function::Earliest),
    ("first", Function::Earliest),
    ("latest", Function::Latest),
    ("last", Function::Latest),
];

/// Every name that is a function.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let others = [
        "count",
        "median",
        "percentile",
        "isnull",
        "like",
        "mod",
        "pow",
        "power",
        "substr",
        "substring",
        "json_extract",
        "case",
        "cast",
        "regexp_match",
        "now",
        "span",
    ];
    FUNCTIONS.iter().chain(AGGREGATES).map(|(name, _)| *name).chain(others)
}

impl Parser<'_> {
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        self.or(0)
    }

    fn or(&mut self, depth: usize) -> Parsed<Expr> {
        let start = self.at();
        let mut left = self.and(depth)?;
        while self.take_word("or") {
            let right = self.and(depth)?;
            left = self.binary(Operator::Or, left, right, start);
        }
        Ok(left)
    }

    fn and(&mut self, depth: usize) -> Parsed<Expr> {
        let start = self.at();
        let mut left = self.not(depth)?;
        while self.take_word("and") {
            let right = self.not(depth)?;
            left = self.binary(Operator::And, left, right, start);
        }
        Ok(left)
    }

    fn not(&mut self, depth: usize) -> Parsed<Expr> {
        let start = self.at();
        if self.sees_word("not") {
            let depth = self.deeper(depth, start)?;
            self.take_word("not");
            return Ok(Expr::Not(Box::new(self.not(depth)?)));
        }
        self.comparison(depth)
    }

    fn comparison(&mut self, depth: usize) -> Parsed<Expr> {
        let start = self.at();
        let left = self.sum(depth)?;
        let operators = [
            ("==", Operator::Equal),
            ("=", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<>", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        if let Some((_, operator)) = operators.into_iter().find(|(sign, _)| self.take(sign)) {
            let right = self.sum(depth)?;
            return Ok(self.binary(operator, left, right, start));
        }
        if self.take_word("is") {
            let negated = self.take_word("not");
            self.expect_word("null")?;
            let present = self.call(Function::IsPresent, vec![left], start);
            return Ok(if negated { present } else { Expr::Not(Box::new(present)) });
        }
        let negated = self.take_word("not");
        if self.take_word("like") {
            let pattern = self.like_pattern()?;
            return Ok(Expr::Like { expr: Box::new(left), pattern, negated });
        }
        if self.take_word("between") {
            let low = self.sum(depth)?;
            self.expect_word("and")?;
            let high = self.sum(depth)?;
            let least = self.binary(Operator::GreaterOrEqual, left.clone(), low, start);
            let most = self.binary(Operator::LessOrEqual, left, high, start);
            let within = self.binary(Operator::And, least, most, start);
            return Ok(if negated { Expr::Not(Box::new(within)) } else { within });
        }
        if self.take_word("in") {
            return self.is_in(left, negated, depth, start);
        }
        if negated { Err(self.unexpected("like, between or in")) } else { Ok(left) }
    }

    fn is_in(&mut self, expr: Expr, negated: bool, depth: usize, start: usize) -> Parsed<Expr> {
        let expr = Box::new(expr);
        if self.sees("[") || self.begins_subquery() {
            let query = Box::new(self.subquery()?);
            return Ok(Expr::InQuery { expr, query, negated, place: self.place_from(start) });
        }
        self.expect("(", "`(` and values, or `[` and a query")?;
        let list = self.list(|parser| parser.sum(depth))?;
        self.expect(")", "`,` or `)`")?;
        Ok(Expr::In { expr, list, negated })
    }

    fn like_pattern(&mut self) -> Parsed<LikePattern> {
        let pattern = self.text("a text between quotes")?;
        Ok(LikePattern::Regex(like_expression(&pattern)))
    }

    fn sum(&mut self, depth: usize) -> Parsed<Expr> {
        let start = self.at();
        let mut left = self.product(depth)?;
        let operators = [("+", Operator::Plus), ("-", Operator::Minus)];
        while let Some((_, operator)) = operators.into_iter().find(|(sign, _)| self.take(sign)) {
            let right = self.product(depth)?;
            left = self.binary(operator, left, right, start);
        }
        Ok(left)
    }

    fn product(&mut self, depth: usize) -> Parsed<Expr> {
        let start = self.at();
        let mut left = self.signed(depth)?;
        let operators = [("*", Operator::Times), ("/", Operator::Divide), ("%", Operator::Modulo)];
        while let Some((_, operator)) = operators.into_iter().find(|(sign, _)| self.take(sign)) {
            let right = self.signed(depth)?;
            left = self.binary(operator, left, right, start);
        }
        Ok(left)
    }

    fn signed(&mut self, depth: usize) -> Parsed<Expr> {
        let start = self.at();
        if self.take("-") {
            let depth = self.deeper(depth, start)?;
            return Ok(Expr::Negative(Box::new(self.signed(depth)?)));
        }
        self.primary(depth)
    }

    fn primary(&mut self, depth: usize) -> Parsed<Expr> {
        self.count_expression()?;
        let start = self.at();
        if self.take("(") {
            let depth = self.deeper(depth, start)?;
            let expr = self.or(depth)?;
            self.expect(")", "an operator or `)`")?;
            return Ok(expr);
        }
        match self.peek().cloned() {
            Some(Token::Text(text)) => {
                self.skip();
                Ok(Expr::Text(text))
            }
            Some(Token::Number(..)) => self.number(),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false") => {
                self.skip();
                Ok(Expr::Boolean(word.eq_ignore_ascii_case("true")))
            }
            Some(Token::Word(word)) if self.is_call() => self.named_call(&word, depth),
            _ => {
                let (name, place) = self.name("a value")?;
                Ok(Expr::Field { name, place })
            }
        }
    }

    pub(super) fn number(&mut self) -> Parsed<Expr> {
        let start = self.at();
        let Some(Token::Number(text, letters)) = self.peek().cloned() else { return Err(self.unexpected("a number")) };
        let value = text.parse::<f64>().ok().filter(|value| value.is_finite() && letters.is_empty());
        let value = value.ok_or_else(|| self.unexpected("a number without a unit"))?;
        self.skip();
        Ok(Expr::Number { text, value, place: self.place_from(start) })
    }

    /// `function(…)`: the word stands here and a parenthesis behind it.
    fn named_call(&mut self, word: &str, depth: usize) -> Parsed<Expr> {
        let start = self.at();
        let depth = self.deeper(depth, start)?;
        let lower = word.to_ascii_lowercase();
        if lower == "span" {
            return self.span();
        }
        let place = self.token_place();
        self.skip();
        self.expect("(", "`(`")?;
        if lower == "case" {
            return self.case(start, depth);
        }
        if lower == "cast" {
            return self.cast(start, depth);
        }
        let mut args = Vec::new();
        if lower == "count" && self.take("*") {
            args.push(Expr::Star);
        } else if !self.sees(")") {
            args = self.list(|parser| parser.or(depth))?;
        }
        self.expect(")", "`,` or `)`")?;
        self.called(&lower, args, start, place)
    }

    fn called(&mut self, name: &str, mut args: Vec<Expr>, start: usize, place: Place) -> Parsed<Expr> {
        let misfit = |expected: &str| Err(InsightsError::at(self.source, place.range(), expected));
        let percent = |digits: &str| digits.parse::<f64>().ok().filter(|share| (0.0..=100.0).contains(share));
        let share = ["percentile", "perc", "p"].iter().find_map(|prefix| percent(name.strip_prefix(prefix)?));
        Ok(match (name, args.len()) {
            ("count" | "c", 0) => self.call(Function::Count, vec![Expr::Star], start),
            ("count" | "c", 1) => self.call(Function::Count, args, start),
            ("median", 1) => self.percentile(args, 50.0, start),
            ("percentile" | "percentile_approx", 2) => match args.pop() {
                Some(Expr::Number { value, .. }) if (0.0..=100.0).contains(&value) => self.percentile(args, value, start),
                _ => return misfit("a field and a number from 0 to 100"),
            },
            (_, 1) if share.is_some() => self.percentile(args, share.unwrap_or(50.0), start),
            ("isnull", 1) => Expr::Not(Box::new(self.call(Function::IsPresent, args, start))),
            ("now" | "sysdate", 0) => self.call(Function::Now, args, start),
            ("mod" | "modulus" | "pow" | "power" | "add" | "subtract" | "multiply" | "divide", 2) => {
                let operator = match name {
                    "mod" | "modulus" => Operator::Modulo,
                    "add" => Operator::Plus,
                    "subtract" => Operator::Minus,
                    "multiply" => Operator::Times,
                    "divide" => Operator::Divide,
                    _ => Operator::Power,
                };
                let right = args.remove(1);
                self.binary(operator, args.remove(0), right, start)
            }
            ("like", 2) | ("regexp_match", 2) => {
                let Expr::Text(pattern) = args.remove(1) else { return misfit("a text to compare with") };
                let pattern = match name {
                    "like" => like_expression(&pattern),
                    _ => self.checked_regex(pattern, place)?,
                };
                Expr::Like { expr: Box::new(args.remove(0)), pattern: LikePattern::Regex(pattern), negated: false }
            }
            ("substr" | "substring", 2 | 3) => {
                // Positions count from 1 here.
                let from = args.remove(1);
                let from = match from {
                    Expr::Number { value, place, .. } => {
                        Expr::Number { text: (value - 1.0).to_string(), value: value - 1.0, place }
                    }
                    other => self.binary(Operator::Minus, other, whole(1.0), start),
                };
                args.insert(1, from);
                self.call(Function::Substr, args, start)
            }
            ("json_extract", 2) => match (args.remove(0), args.remove(0)) {
                (Expr::Field { name, place }, Expr::Text(path)) => {
                    let steps = path.trim_start_matches('$').split(['.', '[', ']']);
                    let path = steps.filter(|step| !step.is_empty() && *step != "{}").collect::<Vec<_>>().join(".");
                    let name = if name == "@message" { path } else { format!("{name}.{path}") };
                    Expr::Field { name, place }
                }
                _ => return misfit("a field and a path between quotes"),
            },
            _ => {
                let known = AGGREGATES.iter().chain(FUNCTIONS).find(|(known, _)| *known == name);
                let Some((_, function)) = known else {
                    let near = names().find(|known| crate::insights::is_near(known, name));
                    let perhaps = near.map_or(String::new(), |near| format!(", perhaps {near}"));
                    return Err(InsightsError::at(self.source, place.range(), format!("a function{perhaps}")));
                };
                let (least, most) = function.arity();
                if !(least..=most).contains(&args.len()) {
                    let found = format!("{} arguments", args.len());
                    let expected = match (least, most) {
                        (1, 1) => format!("one argument of {name}"),
                        (least, most) if least == most => format!("{least} arguments of {name}"),
                        (least, usize::MAX) => format!("{least} arguments of {name} or more"),
                        (least, most) => format!("{least} to {most} arguments of {name}"),
                    };
                    return Err(InsightsError::at(self.source, place.range(), expected).found(found));
                }
                self.call(*function, args, start)
            }
        })
    }

    fn percentile(&self, mut args: Vec<Expr>, share: f64, start: usize) -> Expr {
        args.push(whole(share));
        self.call(Function::Pct, args, start)
    }

    /// `case(condition, value, … else value)`.
    fn case(&mut self, start: usize, depth: usize) -> Parsed<Expr> {
        let mut args = Vec::new();
        loop {
            args.push(self.or(depth)?);
            self.expect(",", "`,` and a value")?;
            args.push(self.or(depth)?);
            if self.take_word("else") {
                args.push(self.or(depth)?);
                break;
            }
            if !self.take(",") {
                break;
            }
        }
        self.expect(")", "`,`, else or `)`")?;
        Ok(self.call(Function::Case, args, start))
    }

    /// `cast(value as type)`: to a number, or to a text.
    fn cast(&mut self, start: usize, depth: usize) -> Parsed<Expr> {
        let value = self.or(depth)?;
        self.expect_word("as")?;
        let place = self.token_place();
        let word = self.word("a type, such as int, double or string")?.to_ascii_lowercase();
        self.expect(")", "`)`")?;
        match word.as_str() {
            "string" => Ok(self.call(Function::Concat, vec![value], start)),
            "int" | "integer" | "long" | "short" | "byte" => {
                let number = self.binary(Operator::Times, value, whole(1.0), start);
                Ok(self.call(Function::Floor, vec![number], start))
            }
            "double" | "float" => Ok(self.binary(Operator::Times, value, whole(1.0), start)),
            _ => Err(InsightsError::at(self.source, place.range(), "a type, such as int, double or string")),
        }
    }

    /// `span(field, 5m)`, `span(field, 10)`.
    fn span(&mut self) -> Parsed<Expr> {
        let start = self.at();
        self.skip();
        self.expect("(", "`(`")?;
        let (name, place) = self.name("a field")?;
        let field = Expr::Field { name, place };
        self.expect(",", "`,` and a length")?;
        let Some(Token::Number(number, letters)) = self.peek().cloned() else {
            return Err(self.unexpected("a length, such as 5m"));
        };
        let length_place = self.token_place();
        let misfit = || InsightsError::at(self.source, length_place.range(), "a length, such as 5m or 10");
        let length = if letters.is_empty() {
            number.parse::<f64>().ok().filter(|length| *length > 0.0 && length.is_finite()).map(Err)
        } else {
            unit(&letters).zip(number.parse::<u32>().ok().filter(|count| *count > 0)).map(Ok)
        };
        let length = length.ok_or_else(misfit)?;
        self.skip();
        self.expect(")", "`)`")?;
        Ok(match length {
            Ok((unit, count)) => self.call(Function::DateFloor, vec![field, Expr::Span(TimeSpan { count, unit })], start),
            Err(length) => {
                let parts = self.binary(Operator::Divide, field, whole(length), start);
                let floor = self.call(Function::Floor, vec![parts], start);
                self.binary(Operator::Times, floor, whole(length), start)
            }
        })
    }

    pub(super) fn binary(&self, operator: Operator, left: Expr, right: Expr, start: usize) -> Expr {
        Expr::Binary { operator, left: Box::new(left), right: Box::new(right), place: self.place_from(start) }
    }

    pub(super) fn call(&self, function: Function, args: Vec<Expr>, start: usize) -> Expr {
        Expr::Call { function, args, place: self.place_from(start) }
    }

    fn deeper(&self, depth: usize, start: usize) -> Parsed<usize> {
        if depth < NESTING_DEPTH_MAX {
            return Ok(depth + 1);
        }
        let end = start + self.source[start..].chars().next().map_or(0, char::len_utf8);
        let expected = format!("at most {NESTING_DEPTH_MAX} parentheses, functions and negations inside one another");
        Err(InsightsError::at(self.source, start..end, expected))
    }
}

pub(super) fn whole(value: f64) -> Expr {
    Expr::Number { text: value.to_string(), value, place: Place::default() }
}

/// `%` is anything, `_` one character; the whole text has to fit.
fn like_expression(pattern: &str) -> String {
    let mut expression = String::from("(?s)^");
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => expression.push_str(".*"),
            '_' => expression.push('.'),
            '\\' => expression.push_str(&regex::escape(&chars.next().unwrap_or('\\').to_string())),
            _ => expression.push_str(&regex::escape(&c.to_string())),
        }
    }
    expression.push('$');
    expression
}

/// A unit of time; minutes are `m`, months `M` or `mon`.
fn unit(letters: &str) -> Option<TimeUnit> {
    if letters == "M" {
        return Some(TimeUnit::Month);
    }
    let lower = letters.to_ascii_lowercase();
    Some(match lower.as_str() {
        "ms" => TimeUnit::Millisecond,
        "s" | "sec" | "second" | "seconds" => TimeUnit::Second,
        "m" | "min" | "minute" | "minutes" => TimeUnit::Minute,
        "h" | "hr" | "hour" | "hours" => TimeUnit::Hour,
        "d" | "day" | "days" => TimeUnit::Day,
        "w" | "week" | "weeks" => TimeUnit::Week,
        "mon" | "month" | "months" => TimeUnit::Month,
        "q" | "qtr" | "quarter" | "quarters" => TimeUnit::Quarter,
        "y" | "yr" | "year" | "years" => TimeUnit::Year,
        _ => return None,
    })
}
