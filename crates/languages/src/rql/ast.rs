//! A query as it was written, and how it is written out again.

use std::fmt;

use super::error::Place;

#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Empty for `*`.
    pub select: Vec<Selected>,
    pub table: Table,
    pub condition: Option<Expression>,
    pub group_by: Vec<Expression>,
    pub order_by: Vec<OrderKey>,
    pub offset: u64,
    pub limit: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    ItemOccurrence,
    Deploy,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Selected {
    pub expression: Expression,
    pub alias: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OrderKey {
    pub expression: Expression,
    pub descends: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Integer(i64),
    Float(f64),
    Text(String),
    Boolean(bool),
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    IntegerDivide,
    Modulo,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    Literal(Literal, Place),
    /// A dotted name, without its back-ticks.
    Column(String, Place),
    /// A function by its lower-case name. `count(*)` has no arguments.
    Call {
        name: String,
        arguments: Vec<Expression>,
        place: Place,
    },
    Not(Box<Expression>),
    Negative(Box<Expression>),
    Binary {
        operator: Binary,
        left: Box<Expression>,
        right: Box<Expression>,
    },
    Between {
        value: Box<Expression>,
        low: Box<Expression>,
        high: Box<Expression>,
        negated: bool,
    },
    In {
        value: Box<Expression>,
        list: Vec<Expression>,
        negated: bool,
    },
    Like {
        value: Box<Expression>,
        pattern: Box<Expression>,
        negated: bool,
    },
    IsNull {
        value: Box<Expression>,
        negated: bool,
    },
}

impl Table {
    pub const ALL: [Table; 2] = [Table::ItemOccurrence, Table::Deploy];

    pub fn name(self) -> &'static str {
        match self {
            Table::ItemOccurrence => "item_occurrence",
            Table::Deploy => "deploy",
        }
    }
}

impl Binary {
    /// As it is written, and how tightly it holds.
    pub(super) fn told(self) -> (&'static str, u8) {
        match self {
            Binary::Or => ("OR", 1),
            Binary::And => ("AND", 2),
            Binary::Equal => ("=", 4),
            Binary::NotEqual => ("!=", 4),
            Binary::Less => ("<", 4),
            Binary::LessOrEqual => ("<=", 4),
            Binary::Greater => (">", 4),
            Binary::GreaterOrEqual => (">=", 4),
            Binary::Add => ("+", 5),
            Binary::Subtract => ("-", 5),
            Binary::Multiply => ("*", 6),
            Binary::Divide => ("/", 6),
            Binary::IntegerDivide => ("DIV", 6),
            Binary::Modulo => ("MOD", 6),
        }
    }
}

impl Expression {
    /// Where it stands in the text.
    pub fn place(&self) -> Place {
        match self {
            Expression::Literal(_, place) | Expression::Column(_, place) | Expression::Call { place, .. } => *place,
            Expression::Not(inner) | Expression::Negative(inner) => inner.place(),
            Expression::Binary { left, right, .. } => left.place().to(right.place()),
            Expression::Between { value, high, .. } => value.place().to(high.place()),
            Expression::In { value, list, .. } => list.last().map_or(value.place(), |last| value.place().to(last.place())),
            Expression::Like { value, pattern, .. } => value.place().to(pattern.place()),
            Expression::IsNull { value, .. } => value.place(),
        }
    }

    /// The expressions it is made of.
    pub fn parts(&self) -> Vec<&Expression> {
        match self {
            Expression::Literal(..) | Expression::Column(..) => Vec::new(),
            Expression::Call { arguments, .. } => arguments.iter().collect(),
            Expression::Not(inner) | Expression::Negative(inner) => vec![inner],
            Expression::Binary { left, right, .. } => vec![left, right],
            Expression::Between { value, low, high, .. } => vec![value, low, high],
            Expression::In { value, list, .. } => std::iter::once(value.as_ref()).chain(list).collect(),
            Expression::Like { value, pattern, .. } => vec![value, pattern],
            Expression::IsNull { value, .. } => vec![value],
        }
    }

    /// Every column it names, from left to right.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Expression::Column(name, _) => vec![name],
            other => other.parts().into_iter().flat_map(Expression::columns).collect(),
        }
    }
}

impl Query {
    /// Every column it names; those of `*` are not among them.
    pub fn columns(&self) -> Vec<&str> {
        let selected = self.select.iter().map(|selected| &selected.expression);
        let keys = self.order_by.iter().map(|key| &key.expression);
        selected.chain(&self.condition).chain(&self.group_by).chain(keys).flat_map(Expression::columns).collect()
    }
}

impl fmt::Display for Query {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SELECT ")?;
        if self.select.is_empty() {
            out.write_str("*")?;
        }
        for (place, selected) in self.select.iter().enumerate() {
            write!(out, "{}{}", if place > 0 { ", " } else { "" }, selected.expression)?;
            if let Some(alias) = &selected.alias {
                write!(out, " AS {}", Name(alias))?;
            }
        }
        write!(out, " FROM {}", self.table.name())?;
        if let Some(condition) = &self.condition {
            write!(out, " WHERE {condition}")?;
        }
        for (place, key) in self.group_by.iter().enumerate() {
            write!(out, "{}{key}", if place > 0 { ", " } else { " GROUP BY " })?;
        }
        for (place, key) in self.order_by.iter().enumerate() {
            let descends = if key.descends { " DESC" } else { "" };
            write!(out, "{}{}{descends}", if place > 0 { ", " } else { " ORDER BY " }, key.expression)?;
        }
        match (self.limit, self.offset) {
            (None, _) => Ok(()),
            (Some(limit), 0) => write!(out, " LIMIT {limit}"),
            (Some(limit), offset) => write!(out, " LIMIT {offset}, {limit}"),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = |negated: &bool| if *negated { " NOT" } else { "" };
        match self {
            Expression::Literal(literal, _) => write!(out, "{literal}"),
            Expression::Column(name, _) => write!(out, "{}", Name(name)),
            Expression::Call { name, arguments, .. } if arguments.is_empty() && name == "count" => out.write_str("count(*)"),
            Expression::Call { name, arguments, .. } => write!(out, "{name}({})", List(arguments)),
            Expression::Not(inner) => write!(out, "NOT {}", Inner(inner, 3)),
            Expression::Negative(inner) => write!(out, "-{}", Inner(inner, 7)),
            Expression::Binary { operator, left, right } => {
                let (sign, tightness) = operator.told();
                // Comparisons do not follow one another; the others hold on to their left.
                let left_tightness = if tightness == 4 { 5 } else { tightness };
                write!(out, "{} {sign} {}", Inner(left, left_tightness), Inner(right, tightness + 1))
            }
            Expression::Between { value, low, high, negated } => {
                write!(out, "{}{} BETWEEN {} AND {}", Inner(value, 5), not(negated), Inner(low, 5), Inner(high, 5))
            }
            Expression::In { value, list, negated } => {
                write!(out, "{}{} IN ({})", Inner(value, 5), not(negated), List(list))
            }
            Expression::Like { value, pattern, negated } => {
                write!(out, "{}{} LIKE {}", Inner(value, 5), not(negated), Inner(pattern, 5))
            }
            Expression::IsNull { value, negated } => write!(out, "{} IS{} NULL", Inner(value, 5), not(negated)),
        }
    }
}

impl Expression {
    fn tightness(&self) -> u8 {
        match self {
            Expression::Not(_) => 3,
            Expression::Binary { operator, .. } => operator.told().1,
            Expression::Between { .. } | Expression::In { .. } | Expression::Like { .. } | Expression::IsNull { .. } => 4,
            Expression::Negative(_) => 7,
            Expression::Literal(..) | Expression::Column(..) | Expression::Call { .. } => 8,
        }
    }
}

/// In parentheses where it holds less tightly than its place asks.
struct Inner<'a>(&'a Expression, u8);

impl fmt::Display for Inner<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.tightness() < self.1 { write!(out, "({})", self.0) } else { write!(out, "{}", self.0) }
    }
}

struct List<'a>(&'a [Expression]);

impl fmt::Display for List<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, expression) in self.0.iter().enumerate() {
            write!(out, "{}{expression}", if place > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

/// A name, in back-ticks where it needs them.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if super::lexer::is_plain_name(self.0) { out.write_str(self.0) } else { write!(out, "`{}`", self.0.replace('`', "``")) }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Integer(value) => write!(out, "{value}"),
            // Always with a point, so that it stays what it is.
            Literal::Float(value) => write!(out, "{value:?}"),
            Literal::Text(text) => write!(out, "'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
            Literal::Boolean(value) => out.write_str(if *value { "true" } else { "false" }),
            Literal::Null => out.write_str("null"),
        }
    }
}
