//! What a filter pattern says. Printed, it reads back as the same.

use std::fmt;

use super::expression::Expression;

/// A whole pattern.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// Blank: every line matches.
    Everything,
    Terms(Terms),
    /// `[...]`: the words of a line, one by one.
    Fields(Vec<FieldPattern>),
    /// `{...}`: lines that are JSON.
    Json(Condition<JsonTest>),
}

/// Terms to be found anywhere in a line. Where any is required or excluded, the optional ones mean nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    pub required: Vec<Term>,
    pub optional: Vec<Term>,
    pub excluded: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// Found as it is, by case.
    Phrase(String),
    Expression(Expression),
}

/// One place of a space-delimited pattern.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldPattern {
    /// Any number of words, also none.
    Ellipsis,
    /// One word, or several between quotes or brackets.
    One { name: Option<String>, condition: Option<Condition<FieldTest>> },
}

/// Tests put together; `&&` binds closer than `||`.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition<T> {
    And(Vec<Condition<T>>),
    Or(Vec<Condition<T>>),
    Test(T),
}

#[derive(Clone, Debug, PartialEq)]
pub struct FieldTest {
    pub comparison: Comparison,
    pub value: Value,
}

/// What must hold of one property.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonTest {
    pub selector: Selector,
    pub test: SelectorTest,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SelectorTest {
    Compare { comparison: Comparison, value: Value },
    Is(Property),
}

/// What a property is, without a value to compare it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property {
    True,
    False,
    Null,
    Exists,
    NotExists,
}

/// `$.a.b[0]['c d'].*`: the way from a document to values in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selector {
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Key(String),
    Index(usize),
    /// `[*]`, `.*`: each element of an array, each value of an object.
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Finite; `text` is as it was written.
    Number {
        text: String,
        number: f64,
    },
    Text(Glob),
    Expression(Expression),
}

/// A text with wildcards: the pieces between its stars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    pub pieces: Vec<String>,
}

impl Comparison {
    pub fn as_str(self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        }
    }

    /// Whether it is for numbers alone.
    pub fn orders(self) -> bool {
        !matches!(self, Comparison::Equal | Comparison::NotEqual)
    }
}

impl Property {
    pub fn as_str(self) -> &'static str {
        match self {
            Property::True => "IS TRUE",
            Property::False => "IS FALSE",
            Property::Null => "IS NULL",
            Property::Exists => "EXISTS",
            Property::NotExists => "NOT EXISTS",
        }
    }
}

impl Terms {
    /// Whether the optional terms are looked at.
    pub fn counts_optional(&self) -> bool {
        self.required.is_empty() && self.excluded.is_empty()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Everything => Ok(()),
            Pattern::Terms(terms) => terms.fmt(f),
            Pattern::Fields(fields) => {
                f.write_str("[")?;
                for (index, field) in fields.iter().enumerate() {
                    f.write_str(if index > 0 { ", " } else { "" })?;
                    field.fmt(f)?;
                }
                f.write_str("]")
            }
            Pattern::Json(condition) => {
                f.write_str("{ ")?;
                told(condition, f, &|test, f| test.fmt(f))?;
                f.write_str(" }")
            }
        }
    }
}

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signed = [("", &self.required), ("?", &self.optional), ("-", &self.excluded)];
        let terms = signed.iter().flat_map(|(sign, terms)| terms.iter().map(move |term| (sign, term)));
        for (index, (sign, term)) in terms.enumerate() {
            let blank = if index > 0 { " " } else { "" };
            write!(f, "{blank}{sign}{term}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Term::Phrase(phrase) => write!(f, "\"{}\"", phrase.replace('\\', "\\\\").replace('"', "\\\"")),
            Term::Expression(expression) => expression.fmt(f),
        }
    }
}

impl fmt::Display for FieldPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldPattern::Ellipsis => f.write_str("..."),
            FieldPattern::One { name, condition } => {
                let name = name.as_deref().unwrap_or_default();
                match condition {
                    Some(condition) => {
                        told(condition, f, &|test: &FieldTest, f| write!(f, "{name} {} {}", test.comparison.as_str(), test.value))
                    }
                    None => f.write_str(name),
                }
            }
        }
    }
}

type Tell<'a, T> = &'a dyn Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result;

fn told<T>(condition: &Condition<T>, f: &mut fmt::Formatter<'_>, tell: Tell<'_, T>) -> fmt::Result {
    let (parts, joiner, is_and) = match condition {
        Condition::Test(test) => return tell(test, f),
        Condition::And(parts) => (parts, " && ", true),
        Condition::Or(parts) => (parts, " || ", false),
    };
    for (index, part) in parts.iter().enumerate() {
        f.write_str(if index > 0 { joiner } else { "" })?;
        let parenthesized = match part {
            Condition::Test(_) => false,
            Condition::And(_) => is_and,
            Condition::Or(_) => true,
        };
        f.write_str(if parenthesized { "(" } else { "" })?;
        told(part, f, tell)?;
        f.write_str(if parenthesized { ")" } else { "" })?;
    }
    Ok(())
}

impl fmt::Display for JsonTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            SelectorTest::Compare { comparison, value } => write!(f, "{} {} {value}", self.selector, comparison.as_str()),
            SelectorTest::Is(property) => write!(f, "{} {}", self.selector, property.as_str()),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for step in &self.steps {
            match step {
                Step::Key(key) if is_plain_key(key) => write!(f, ".{key}")?,
                Step::Key(key) => write!(f, "['{}']", key.replace('\\', "\\\\").replace('\'', "\\'"))?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Any => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

/// Whether a key may stand behind a dot.
pub(super) fn is_plain_key(key: &str) -> bool {
    !key.is_empty() && key.chars().all(is_key_char)
}

pub(super) fn is_key_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '@' | ':' | '#' | '/' | '+' | '$' | '~')
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number { text, .. } => f.write_str(text),
            Value::Text(glob) => glob.fmt(f),
            Value::Expression(expression) => expression.fmt(f),
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = |piece: &String| piece.replace('\\', "\\\\").replace('"', "\\\"").replace('*', "\\*");
        write!(f, "\"{}\"", self.pieces.iter().map(escaped).collect::<Vec<_>>().join("*"))
    }
}
