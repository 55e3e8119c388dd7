//! The text of a calculated field or formula -> a tree: `IF(GTE($duration_ms, 500), "slow", "fast")`.

use std::ops::Range;

use crate::caret;

/// Bytes of an expression: Honeycomb's bound.
pub const EXPRESSION_BYTES_MAX: usize = 4_095;

/// Calls and parentheses inside one another; plans are walked recursively.
pub const NESTING_DEPTH_MAX: usize = 50;

/// Operators in a row without parentheses. Each makes the tree one deeper.
pub const OPERATORS_IN_A_ROW_MAX: usize = 200;

/// An expression that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    pub message: String,
    /// Bytes of the expression at fault.
    pub span: Range<usize>,
}

impl ExpressionError {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> ExpressionError {
        ExpressionError { message: message.into(), span }
    }

    /// The message, the line at fault, and carets below what is meant.
    pub fn with_caret(&self, text: &str) -> String {
        caret::with_caret(&self.message, text, &self.span)
    }
}

/// A part of an expression, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub kind: NodeKind,
    pub span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    Column(String),
    Integer(i64),
    Float(f64),
    Text(String),
    Boolean(bool),
    Null,
    Call(Function, Vec<Node>),
}

impl Node {
    /// Adds the columns that the expression names.
    pub fn columns<'a>(&'a self, into: &mut Vec<&'a str>) {
        match &self.kind {
            NodeKind::Column(name) => into.push(name),
            NodeKind::Call(_, arguments) => arguments.iter().for_each(|argument| argument.columns(into)),
            _ => {}
        }
    }
}

macro_rules! functions {
    ($(($variant:ident, $name:literal, $from:literal, $to:expr),)*) => {
        /// A function of calculated fields.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Function { $($variant,)* }

        impl Function {
            /// Every function with its name and how many arguments it takes.
            pub const ALL: &'static [(&'static str, Function, usize, usize)] = &[$(($name, Function::$variant, $from, $to),)*];
        }
    };
}

const MANY: usize = 100;

functions![
    (If, "IF", 2, MANY),
    (Switch, "SWITCH", 3, MANY),
    (Coalesce, "COALESCE", 1, MANY),
    (Lt, "LT", 2, 2),
    (Lte, "LTE", 2, 2),
    (Gt, "GT", 2, 2),
    (Gte, "GTE", 2, 2),
    (Equals, "EQUALS", 2, 2),
    (In, "IN", 2, MANY),
    (Exists, "EXISTS", 1, 1),
    (Not, "NOT", 1, 1),
    (And, "AND", 1, MANY),
    (Or, "OR", 1, MANY),
    (Sum, "SUM", 1, MANY),
    (Sub, "SUB", 2, 2),
    (Mul, "MUL", 1, MANY),
    (Div, "DIV", 2, 2),
    (Mod, "MOD", 2, 2),
    (Min, "MIN", 1, MANY),
    (Max, "MAX", 1, MANY),
    (Log10, "LOG10", 1, 1),
    (Bucket, "BUCKET", 2, 4),
    (Int, "INT", 1, 1),
    (Float, "FLOAT", 1, 1),
    (Bool, "BOOL", 1, 1),
    (Text, "STRING", 1, 1),
    (Concat, "CONCAT", 1, MANY),
    (StartsWith, "STARTS_WITH", 2, 2),
    (EndsWith, "ENDS_WITH", 2, 2),
    (Contains, "CONTAINS", 2, 2),
    (ToLower, "TO_LOWER", 1, 1),
    (Length, "LENGTH", 1, 2),
    (Search, "SEARCH", 2, 2),
    (RegMatch, "REG_MATCH", 2, 2),
    (RegValue, "REG_VALUE", 2, 2),
    (RegCount, "REG_COUNT", 2, 2),
    (EventTimestamp, "EVENT_TIMESTAMP", 0, 0),
    (IngestTimestamp, "INGEST_TIMESTAMP", 0, 0),
    (UnixTimestamp, "UNIX_TIMESTAMP", 1, 1),
    (FormatTime, "FORMAT_TIME", 2, 2),
    (Last, "LAST", 1, 1),
    (Summarize, "SUMMARIZE", 1, 1),
    (Increase, "INCREASE", 1, 2),
    (Rate, "RATE", 1, 2),
];

impl Function {
    pub fn as_str(self) -> &'static str {
        Function::ALL.iter().find(|(_, function, ..)| *function == self).map_or("", |(name, ..)| name)
    }
}

/// Reads an expression to its end.
///
/// Refuses: unknown functions, a wrong number of arguments, and more than the limits above.
pub fn parse(text: &str) -> Result<Node, ExpressionError> {
    if text.len() > EXPRESSION_BYTES_MAX {
        let message = format!("expected an expression of at most {EXPRESSION_BYTES_MAX} bytes");
        return Err(ExpressionError::new(0..0, message));
    }
    let mut parser = Parser { text, at: 0, depth: 0, operators: 0 };
    let node = parser.expression(0)?;
    parser.blanks();
    if parser.at < text.len() {
        let span = parser.at..parser.at + 1;
        return Err(ExpressionError::new(span.clone(), format!("expected an operator or the end, found {}", found(text, &span))));
    }
    Ok(node)
}

fn found(text: &str, span: &Range<usize>) -> String {
    let from = span.start.min(text.len());
    let end = text[from..].chars().next().map_or(from, |first| from + first.len_utf8());
    caret::found(text, &(from..end))
}

/// Between operands, weakest first; longer spellings before their beginnings.
const INFIX: &[(&str, u8, Infix)] = &[
    ("OR", 1, Infix::Call(Function::Or)),
    ("AND", 2, Infix::Call(Function::And)),
    ("!=", 4, Infix::NotEqual),
    ("==", 4, Infix::Call(Function::Equals)),
    ("<=", 5, Infix::Call(Function::Lte)),
    (">=", 5, Infix::Call(Function::Gte)),
    ("=", 4, Infix::Call(Function::Equals)),
    ("<", 5, Infix::Call(Function::Lt)),
    (">", 5, Infix::Call(Function::Gt)),
    ("+", 6, Infix::Call(Function::Sum)),
    ("-", 6, Infix::Call(Function::Sub)),
    ("*", 7, Infix::Call(Function::Mul)),
    ("/", 7, Infix::Call(Function::Div)),
    ("%", 7, Infix::Call(Function::Mod)),
];

#[derive(Clone, Copy)]
enum Infix {
    Call(Function),
    NotEqual,
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    operators: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        loop {
            self.at = self.text.len() - self.rest().trim_start().len();
            if !self.rest().starts_with('#') {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    fn eat(&mut self, wanted: char) -> bool {
        self.blanks();
        let there = self.rest().starts_with(wanted);
        self.at += if there { wanted.len_utf8() } else { 0 };
        there
    }

    fn expected<T>(&self, what: &str) -> Result<T, ExpressionError> {
        let end = self.rest().chars().next().map_or(self.at, |first| self.at + first.len_utf8());
        let span = self.at..end;
        Err(ExpressionError::new(span.clone(), format!("expected {what}, found {}", found(self.text, &span))))
    }

    /// Operands joined by operators that bind tighter than `weakest`.
    fn expression(&mut self, weakest: u8) -> Result<Node, ExpressionError> {
        let mut left = self.operand()?;
        while let Some((length, strength, infix)) = self.infix().filter(|(_, strength, _)| *strength > weakest) {
            self.operators += 1;
            if self.operators > OPERATORS_IN_A_ROW_MAX {
                return self.expected(&format!("at most {OPERATORS_IN_A_ROW_MAX} operators"));
            }
            self.at += length;
            let right = self.expression(strength)?;
            let span = left.span.start..right.span.end;
            left = match infix {
                Infix::Call(function) => Node { kind: NodeKind::Call(function, vec![left, right]), span },
                Infix::NotEqual => {
                    let equals = Node { kind: NodeKind::Call(Function::Equals, vec![left, right]), span: span.clone() };
                    Node { kind: NodeKind::Call(Function::Not, vec![equals]), span }
                }
            };
        }
        Ok(left)
    }

    fn infix(&mut self) -> Option<(usize, u8, Infix)> {
        self.blanks();
        let rest = self.rest();
        let stands = |name: &str| {
            let is_word = name.starts_with(|first: char| first.is_ascii_alphabetic());
            let goes_on = rest[name.len()..].starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_');
            !(is_word && goes_on)
        };
        let mut operators = INFIX.iter();
        let (name, strength, infix) = operators.find(|(name, ..)| rest.starts_with(name) && stands(name))?;
        Some((name.len(), *strength, *infix))
    }

    fn operand(&mut self) -> Result<Node, ExpressionError> {
        self.depth += 1;
        if self.depth > NESTING_DEPTH_MAX {
            return self.expected(&format!("at most {NESTING_DEPTH_MAX} levels of nesting"));
        }
        let node = self.operand_within();
        self.depth -= 1;
        node
    }

    fn operand_within(&mut self) -> Result<Node, ExpressionError> {
        self.blanks();
        let start = self.at;
        let kind = match self.rest().chars().next() {
            Some('(') => {
                self.at += 1;
                let node = self.expression(0)?;
                return if self.eat(')') {
                    Ok(Node { span: start..self.at, ..node })
                } else {
                    self.expected("a closing parenthesis")
                };
            }
            Some('$') => self.column()?,
            Some('"') => NodeKind::Text(self.quoted()?),
            Some('`') => NodeKind::Text(self.raw()?),
            Some('!') => {
                self.at += 1;
                NodeKind::Call(Function::Not, vec![self.operand()?])
            }
            Some('0'..='9' | '.') => self.number()?,
            Some('-') => {
                self.at += 1;
                match self.rest().starts_with(|next: char| next.is_ascii_digit() || next == '.') {
                    true => match self.number()? {
                        NodeKind::Integer(number) => NodeKind::Integer(-number),
                        NodeKind::Float(number) => NodeKind::Float(-number),
                        other => other,
                    },
                    false => {
                        let zero = Node { kind: NodeKind::Integer(0), span: start..self.at };
                        NodeKind::Call(Function::Sub, vec![zero, self.operand()?])
                    }
                }
            }
            Some(first) if first.is_ascii_alphabetic() => return self.word(),
            _ => return self.expected("a function, a $column or a value"),
        };
        Ok(Node { kind, span: start..self.at })
    }

    fn column(&mut self) -> Result<NodeKind, ExpressionError> {
        self.at += 1;
        let name = match self.rest().chars().next() {
            Some('"') => self.quoted()?,
            Some('`') => self.raw()?,
            // Minus, plus and slash belong to names when no blank stands before them.
            _ => {
                let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | ':' | '=' | '+' | '?' | '-');
                let length = self.rest().find(|c: char| !is_part(c)).unwrap_or(self.rest().len());
                let name = self.rest()[..length].to_owned();
                self.at += length;
                name
            }
        };
        if name.is_empty() { self.expected("the name of a column after $") } else { Ok(NodeKind::Column(name)) }
    }

    fn quoted(&mut self) -> Result<String, ExpressionError> {
        let start = self.at;
        self.at += 1;
        let mut out = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((offset, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += offset + 1;
                    return Ok(out);
                }
                '\\' => match chars.next().map(|(_, escaped)| escaped) {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some('r') => out.push('\r'),
                    Some(escaped @ ('"' | '\\' | '\'')) => out.push(escaped),
                    Some('u') => {
                        let digits: String = chars.by_ref().take(4).map(|(_, digit)| digit).collect();
                        match u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32) {
                            Some(named) => out.push(named),
                            None => {
                                self.at += offset;
                                return self.expected("four hex digits after \\u");
                            }
                        }
                    }
                    _ => {
                        self.at += offset;
                        return self.expected("an escape such as \\n or \\\"");
                    }
                },
                c => out.push(c),
            }
        }
        Err(ExpressionError::new(start..self.text.len(), "expected a closing quote, found the end"))
    }

    fn raw(&mut self) -> Result<String, ExpressionError> {
        let start = self.at;
        let inner = &self.rest()[1..];
        match inner.find('`') {
            Some(length) => {
                self.at += length + 2;
                Ok(inner[..length].to_owned())
            }
            None => Err(ExpressionError::new(start..self.text.len(), "expected a closing back quote, found the end")),
        }
    }

    fn number(&mut self) -> Result<NodeKind, ExpressionError> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut end = start;
        while end < bytes.len() {
            let is_sign = matches!(bytes[end], b'+' | b'-') && end > start && matches!(bytes[end - 1], b'e' | b'E');
            if !(bytes[end].is_ascii_digit() || matches!(bytes[end], b'.' | b'e' | b'E') || is_sign) {
                break;
            }
            end += 1;
        }
        let text = &self.text[start..end];
        let kind = match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(whole), _) => NodeKind::Integer(whole),
            (_, Ok(number)) if number.is_finite() => NodeKind::Float(number),
            _ => return Err(ExpressionError::new(start..end, format!("expected a number, found {text:?}"))),
        };
        self.at = end;
        Ok(kind)
    }

    /// `true`, `false`, `null`, or a function and its arguments.
    fn word(&mut self) -> Result<Node, ExpressionError> {
        let start = self.at;
        let length = self.rest().find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(self.rest().len());
        let name = &self.rest()[..length];
        self.at += length;
        let span = start..self.at;
        let plain = |kind| Ok(Node { kind, span: span.clone() });
        match name {
            "true" => return plain(NodeKind::Boolean(true)),
            "false" => return plain(NodeKind::Boolean(false)),
            "null" => return plain(NodeKind::Null),
            _ => {}
        }
        let known = Function::ALL.iter().find(|(known, ..)| *known == name);
        let Some((_, function, from, to)) = known else {
            return Err(ExpressionError::new(span, format!("unknown function {}", caret::quote(name))));
        };
        if !self.eat('(') {
            return self.expected(&format!("a parenthesis after {name}"));
        }
        let arguments = self.arguments()?;
        let count = arguments.len();
        if count < *from || count > *to {
            let wanted = match (*from, *to) {
                (from, to) if from == to => from.to_string(),
                (from, MANY) => format!("at least {from}"),
                (from, to) => format!("{from} to {to}"),
            };
            let message = format!("{name} takes {wanted} arguments, found {count}");
            return Err(ExpressionError::new(start..self.at, message));
        }
        Ok(Node { kind: NodeKind::Call(*function, arguments), span: start..self.at })
    }

    /// What stands up to the closing parenthesis; a comma may be last.
    fn arguments(&mut self) -> Result<Vec<Node>, ExpressionError> {
        let mut arguments = Vec::new();
        loop {
            if self.eat(')') {
                return Ok(arguments);
            }
            arguments.push(self.expression(0)?);
            if self.eat(',') {
                continue;
            }
            return if self.eat(')') { Ok(arguments) } else { self.expected("a comma or a closing parenthesis") };
        }
    }
}
