//! What a search says, before it meets a schema.

use std::ops::Range;

/// Bytes of the query text.
pub type Span = Range<usize>;

/// A whole search. Without a root it is blank and matches every row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pub root: Option<Node>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Term(Term),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// `word` or `"some words"`: a substring of the text columns, whatever the case.
    Word(Value),
    /// `key = value` and its five sisters.
    Compare { key: Key, comparison: Comparison, value: Value },
    /// `key:value`: a substring, whatever the case.
    Contains { key: Key, value: Value },
    /// `key exists`.
    Exists { key: Key },
    /// `key in (a, b)`.
    In { key: Key, values: Vec<Value> },
}

/// The name of a column or attribute, dots included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub name: String,
    /// A quoted key is a column's name as it stands: no short name is looked up.
    pub quoted: bool,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub text: String,
    /// A quoted value is text even when it looks like a number, as far as the column's type allows.
    pub quoted: bool,
    pub span: Span,
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
}
