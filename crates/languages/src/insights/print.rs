//! A query as text, which reads back as the same.

use std::fmt;

use super::ast::{
    AddTotals, AppendCols, Command, Expr, Join, LikePattern, Lookup, Operator, Output, ParsePattern, Period, Query, Selection,
    SortKey, Source, TimeSpan, Trend,
};
use super::parse::{APPENDED_ROWS_MAX, RESERVED_WORDS};

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        listed(f, &self.commands, " | ")
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Source(source) => source.fmt(f),
            Command::Fields(outputs) => with_list(f, "fields ", outputs),
            Command::Display(outputs) => with_list(f, "display ", outputs),
            Command::Eval(outputs) => with_list(f, "eval ", outputs),
            Command::Hide(names) => with_list(f, "fields - ", &names.iter().map(|name| Name(name)).collect::<Vec<_>>()),
            Command::Filter(expr) => write!(f, "filter {expr}"),
            Command::FilterIndex(expr) => write!(f, "filterIndex {expr}"),
            Command::Parse { from, pattern, .. } => {
                f.write_str("parse ")?;
                if let Some(from) = from {
                    write!(f, "{} ", Within(from, 9))?;
                }
                pattern.fmt(f)
            }
            Command::Stats { aggregates, by } | Command::EventStats { aggregates, by } => {
                let word = if matches!(self, Command::Stats { .. }) { "stats " } else { "eventstats " };
                with_list(f, word, aggregates)?;
                if by.is_empty() { Ok(()) } else { with_list(f, " by ", by) }
            }
            Command::Sort(keys) => with_list(f, "sort ", keys),
            Command::Limit(count) => write!(f, "limit {count}"),
            Command::Tail(count) => write!(f, "tail {count}"),
            Command::Dedup(fields) => with_list(f, "dedup ", fields),
            Command::FirstOf { rows, of } => with_list(f, &format!("first {rows} of "), of),
            Command::Flatten(name) => write!(f, "flatten {}", Name(name)),
            Command::Trendline(trends) => with_list(f, "trendline ", trends),
            Command::Pattern(field) => write!(f, "pattern {field}"),
            Command::Diff(Period::Previous) => f.write_str("diff"),
            Command::Diff(period) => write!(f, "diff {}", period.as_str()),
            Command::Unnest { list, into } => write!(f, "unnest {list} into {}", Name(into)),
            Command::Unmask(outputs) => with_list(f, "unmask ", outputs),
            Command::Anomaly => f.write_str("anomaly"),
            Command::Lookup(lookup) => lookup.fmt(f),
            Command::Join(join) => join.fmt(f),
            Command::AddTotals(totals) => totals.fmt(f),
            Command::AppendCols(append) => append.fmt(f),
        }
    }
}

impl fmt::Display for Trend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}, {}) as {}", self.kind.as_str(), self.rows, self.field, Name(&self.alias))
    }
}

fn with_list(f: &mut fmt::Formatter<'_>, word: &str, parts: &[impl fmt::Display]) -> fmt::Result {
    f.write_str(word)?;
    listed(f, parts, ", ")
}

fn listed(f: &mut fmt::Formatter<'_>, parts: &[impl fmt::Display], joiner: &str) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        f.write_str(if index > 0 { joiner } else { "" })?;
        part.fmt(f)?;
    }
    Ok(())
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_list(f, "SOURCE ", &self.selections)?;
        for (word, time) in [("START", &self.start), ("END", &self.end)] {
            if let Some(time) = time {
                write!(f, " {word}={time}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = |f: &mut fmt::Formatter<'_>, texts: &[String]| {
            f.write_str("[")?;
            listed(f, &texts.iter().map(|text| Text(text)).collect::<Vec<_>>(), ", ")?;
            f.write_str("]")
        };
        match self {
            Selection::Group(name) => Text(name).fmt(f),
            Selection::Groups(criteria) => {
                f.write_str("logGroups(")?;
                for (index, (criterion, values)) in criteria.iter().enumerate() {
                    write!(f, "{}{}: ", if index > 0 { ", " } else { "" }, criterion.as_str())?;
                    texts(f, values)?;
                }
                f.write_str(")")
            }
            Selection::DataSources(names) => {
                f.write_str("dataSource(")?;
                texts(f, names)?;
                f.write_str(")")
            }
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt(f)?;
        self.alias.as_ref().map_or(Ok(()), |alias| write!(f, " as {}", Name(alias)))
    }
}

impl fmt::Display for ParsePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (names, is_named) = match self {
            ParsePattern::Glob { text, names } => {
                Text(text).fmt(f)?;
                (names, false)
            }
            ParsePattern::Regex { text, names } => {
                Regex(text).fmt(f)?;
                // Groups that have names bring them along.
                let compiled = regex::Regex::new(text).ok();
                (names, compiled.is_some_and(|compiled| compiled.capture_names().flatten().next().is_some()))
            }
        };
        if is_named || names.is_empty() {
            return Ok(());
        }
        f.write_str(" as ")?;
        listed(f, &names.iter().map(|name| Name(name)).collect::<Vec<_>>(), ", ")
    }
}

impl fmt::Display for SortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.expr, if self.descending { "desc" } else { "asc" })
    }
}

impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lookup {} ", Name(&self.table))?;
        for (index, (column, field)) in self.keys.iter().enumerate() {
            write!(f, "{}{} as {field}", if index > 0 { ", " } else { "" }, Name(column))?;
        }
        f.write_str(" OUTPUT ")?;
        for (index, (column, alias)) in self.outputs.iter().enumerate() {
            write!(f, "{}{}", if index > 0 { ", " } else { "" }, Name(column))?;
            if let Some(alias) = alias {
                write!(f, " as {}", Name(alias))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.keeps_left { "left" } else { "inner" };
        write!(f, "join type={kind} left={} right={} where ", Name(&self.left), Name(&self.right))?;
        for (index, (left, right)) in self.on.iter().enumerate() {
            let (left, right) = (format!("{}.{left}", self.left), format!("{}.{right}", self.right));
            write!(f, "{}{} = {}", if index > 0 { " and " } else { "" }, Name(&left), Name(&right))?;
        }
        write!(f, " ({})", self.query)
    }
}

impl fmt::Display for AddTotals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "addtotals fieldname={} row={} col={}", Name(&self.field_name), self.row, self.col)?;
        f.write_str(if self.fields.is_empty() { "" } else { " " })?;
        listed(f, &self.fields.iter().map(|name| Name(name)).collect::<Vec<_>>(), ", ")
    }
}

impl fmt::Display for AppendCols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("appendcols ")?;
        if self.overrides {
            f.write_str("override=true ")?;
        }
        if self.max != APPENDED_ROWS_MAX {
            write!(f, "max={} ", self.max)?;
        }
        write!(f, "({})", self.query)
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, self.unit.as_str())
    }
}

impl Operator {
    /// How close it binds: what binds closer needs no parentheses inside.
    pub(super) fn strength(self) -> u8 {
        match self {
            Operator::Or => 1,
            Operator::And => 2,
            Operator::Equal
            | Operator::NotEqual
            | Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => 4,
            Operator::Plus | Operator::Minus => 5,
            Operator::Times | Operator::Divide | Operator::Modulo => 6,
            Operator::Power => 8,
        }
    }
}

impl Expr {
    fn strength(&self) -> u8 {
        match self {
            Expr::Binary { operator, .. } => operator.strength(),
            Expr::Not(_) => 3,
            Expr::In { .. } | Expr::InQuery { .. } | Expr::Like { .. } => 4,
            Expr::Negative(_) => 7,
            _ => 9,
        }
    }
}

/// In parentheses unless it binds at least so close.
struct Within<'a>(&'a Expr, u8);

impl fmt::Display for Within<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.strength() >= self.1 { self.0.fmt(f) } else { write!(f, "({})", self.0) }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = |negated: &bool| if *negated { " not" } else { "" };
        match self {
            Expr::Field { name, .. } => Name(name).fmt(f),
            Expr::Number { text, .. } => f.write_str(text),
            Expr::Text(text) => Text(text).fmt(f),
            Expr::Boolean(is) => write!(f, "{is}"),
            Expr::Span(span) => span.fmt(f),
            Expr::Star => f.write_str("*"),
            Expr::Not(inner) => write!(f, "not {}", Within(inner, 3)),
            Expr::Negative(inner) => write!(f, "-{}", Within(inner, 7)),
            Expr::Binary { operator, left, right, .. } => {
                let strength = operator.strength();
                // Comparisons do not follow one another; powers are read from the right, all others from the left.
                let (left_strength, right_strength) = match operator {
                    Operator::Power => (strength + 1, strength - 1),
                    _ if strength == 4 => (strength + 1, strength + 1),
                    _ => (strength, strength + 1),
                };
                write!(f, "{} {} {}", Within(left, left_strength), operator.as_str(), Within(right, right_strength))
            }
            Expr::In { expr, list, negated } => {
                write!(f, "{}{} in [", Within(expr, 5), not(negated))?;
                listed(f, &list.iter().map(|one| Within(one, 5)).collect::<Vec<_>>(), ", ")?;
                f.write_str("]")
            }
            Expr::InQuery { expr, query, negated, .. } => write!(f, "{}{} in ({query})", Within(expr, 5), not(negated)),
            Expr::Like { expr, pattern, negated } => {
                write!(f, "{}{} like ", Within(expr, 5), not(negated))?;
                match pattern {
                    LikePattern::Text(text) => Text(text).fmt(f),
                    LikePattern::Regex(text) => Regex(text).fmt(f),
                }
            }
            Expr::Call { function, args, .. } => {
                write!(f, "{}(", function.as_str())?;
                listed(f, args, ", ")?;
                f.write_str(")")
            }
        }
    }
}

/// A field's name, in backticks where it would be read as something else.
pub(super) struct Name<'a>(pub &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begins = self.0.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '@'));
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '@' | '.');
        let is_bare = begins && self.0.chars().all(is_plain) && !self.0.contains("..") && !self.0.ends_with('.');
        let first = self.0.split('.').next().unwrap_or_default();
        let is_word = RESERVED_WORDS.iter().any(|word| word.eq_ignore_ascii_case(first));
        if is_bare && !is_word { f.write_str(self.0) } else { write!(f, "`{}`", self.0) }
    }
}

struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

struct Regex<'a>(&'a str);

impl fmt::Display for Regex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.0.replace('/', "\\/"))
    }
}
