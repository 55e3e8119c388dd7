//! [`Query`] + schema -> one boolean [`Expr`].
//!
//! A key that the schema lacks is not an error: no row has it, so comparisons with it are false, `!=` is true, and the key is
//! reported. A value that cannot be of its column's type is an error, since it could only ever match nothing.

use datafusion_common::arrow::datatypes::{DataType, Schema};
use datafusion_common::{Column, ScalarValue};
use datafusion_expr::expr::Like;
use datafusion_expr::{BinaryExpr, Expr, Operator, ScalarUDF, binary_expr, cast, in_list, lit, try_cast};
use model::{Signal, SpanId, TraceId};

use super::ast::{Comparison, Key, Node, Query, Term, Value};
use super::error::SearchError;
use crate::caret::quote;

/// What a search is read against.
#[derive(Clone, Copy, Debug)]
pub struct LowerContext<'a> {
    pub signal: Signal,
    /// Every column there is: fixed ones and known attributes.
    pub schema: &'a Schema,
    /// The columns that plain words are looked for in; those the schema lacks are passed over.
    pub text_columns: &'a [&'a str],
    /// The function that says whether a text has words as words. Without it plain words are substrings, whatever the case.
    pub whole_words: Option<&'a ScalarUDF>,
    /// The function that says whether a text has another in it, whatever the case. Without it, ILIKE does.
    pub parts: Option<&'a ScalarUDF>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Lowered {
    /// Never NULL where it matters: rows are kept if it is true.
    pub expr: Expr,
    /// Keys that no row of this signal has, as written, in order of appearance, each once.
    pub unknown_keys: Vec<String>,
}

/// Turns a search into a condition over unqualified columns.
///
/// Short names: `service` is `service.name`; `duration` is `duration_ns` and takes `250ms`; `level` and `severity` are
/// `severity_number` and take names; `status` is `status_code`, or the HTTP status when compared with a number. A short name
/// holds only where the column it stands for exists; a quoted key is never short.
///
/// Refuses: a value that the column's type cannot hold; ordering or substrings of ids.
pub fn lower(query: &Query, context: &LowerContext<'_>) -> Result<Lowered, SearchError> {
    let mut lowering = Lowering { context, unknown_keys: Vec::new() };
    let expr = match &query.root {
        Some(root) => lowering.node(root)?,
        None => lit(true),
    };
    Ok(Lowered { expr, unknown_keys: lowering.unknown_keys })
}

/// Where HTTP instrumentations put the status: today's convention and the one before.
const HTTP_STATUS_COLUMNS: [&str; 2] = ["http.response.status_code", "http.status_code"];

struct Lowering<'a> {
    context: &'a LowerContext<'a>,
    unknown_keys: Vec<String>,
}

/// What a key stands for in this schema.
enum Field<'a> {
    Column { name: &'a str, data_type: &'a DataType },
    Duration,
    Severity,
    Status,
    Unknown,
}

impl<'a> Lowering<'a> {
    fn node(&mut self, node: &Node) -> Result<Expr, SearchError> {
        match node {
            Node::And(nodes) => Ok(balanced(self.nodes(nodes)?, Operator::And)),
            Node::Or(nodes) => Ok(balanced(self.nodes(nodes)?, Operator::Or)),
            Node::Not(node) => Ok(negate(self.node(node)?)),
            Node::Term(term) => self.term(term),
        }
    }

    fn nodes(&mut self, nodes: &[Node]) -> Result<Vec<Expr>, SearchError> {
        nodes.iter().map(|node| self.node(node)).collect()
    }

    fn term(&mut self, term: &Term) -> Result<Expr, SearchError> {
        match term {
            Term::Word(word) => Ok(self.word(word)),
            Term::Compare { key, comparison, value } => self.compare(key, *comparison, value),
            Term::Contains { key, value } => self.contains(key, value),
            Term::Exists { key } => Ok(match self.resolve(key) {
                Field::Column { name, .. } => column(name).is_not_null(),
                Field::Duration => column("duration_ns").is_not_null(),
                Field::Severity => column("severity_number").gt(lit(0_i64)),
                Field::Status => column("status_code").is_not_null(),
                Field::Unknown => lit(false),
            }),
            Term::In { key, values } => self.in_values(key, values),
        }
    }

    /// Any of the text columns contains the word.
    fn word(&self, word: &Value) -> Expr {
        if word.text.is_empty() {
            return lit(true);
        }
        let columns = self.context.text_columns.iter().filter(|name| self.context.schema.column_with_name(name).is_some());
        let found = |name| match self.context.whole_words.filter(|_| has_word(&word.text)) {
            Some(whole_words) => whole_words.call(vec![column(name), lit(word.text.clone())]),
            None => self.contains_text(column(name), &word.text),
        };
        balanced(columns.map(|name| found(name)).collect(), Operator::Or)
    }

    fn compare(&mut self, key: &Key, comparison: Comparison, value: &Value) -> Result<Expr, SearchError> {
        match self.resolve(key) {
            Field::Column { name, data_type } => compare_column(name, data_type, key, comparison, value),
            Field::Duration => {
                let expected = "a duration with its unit, such as 250ms, 1.2s or 85us";
                let nanos = duration_ns(&value.text).ok_or_else(|| misfit(value, expected))?;
                Ok(compared(column("duration_ns"), comparison, lit(nanos)))
            }
            Field::Severity => severity(comparison, value),
            Field::Status => self.status(key, comparison, value),
            Field::Unknown => Ok(lit(comparison == Comparison::NotEqual)),
        }
    }

    fn contains(&mut self, key: &Key, value: &Value) -> Result<Expr, SearchError> {
        match self.resolve(key) {
            Field::Column { name, data_type: DataType::FixedSizeBinary(_) } => {
                Err(misfit_operator(key, &format!("`{name} = <id>`: ids are compared whole"), ":"))
            }
            Field::Column { name, data_type } if is_text(data_type) => Ok(self.contains_text(column(name), &value.text)),
            Field::Column { name, .. } => Ok(contains_text(cast(column(name), DataType::Utf8), &value.text)),
            Field::Duration => Err(misfit_operator(key, "a comparison, such as `duration > 250ms`", ":")),
            Field::Severity => severity(Comparison::Equal, value),
            Field::Status => self.status(key, Comparison::Equal, value),
            Field::Unknown => Ok(lit(false)),
        }
    }

    fn contains_text(&self, expr: Expr, text: &str) -> Expr {
        match self.context.parts {
            Some(parts) => parts.call(vec![expr, lit(text)]),
            None => contains_text(expr, text),
        }
    }

    fn in_values(&mut self, key: &Key, values: &[Value]) -> Result<Expr, SearchError> {
        if let Field::Column { name, data_type } = self.resolve(key) {
            let list: Vec<Expr> =
                values.iter().map(|value| literal(name, data_type, value)).collect::<Result<_, SearchError>>()?;
            return Ok(in_list(column(name), list, false));
        }
        let equals = values.iter().map(|value| self.compare(key, Comparison::Equal, value)).collect::<Result<_, _>>()?;
        Ok(balanced(equals, Operator::Or))
    }

    /// `status = error`, or `status >= 500` over whichever columns hold the HTTP status.
    fn status(&mut self, key: &Key, comparison: Comparison, value: &Value) -> Result<Expr, SearchError> {
        let word = value.text.to_ascii_lowercase();
        if matches!(word.as_str(), "ok" | "error" | "unset") {
            if !matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
                return Err(misfit_operator(key, "`=` or `!=` with a status word", comparison.as_str()));
            }
            return Ok(compared(column("status_code"), comparison, lit(word)));
        }
        if value.text.parse::<i64>().is_err() {
            return Err(misfit(value, "ok, error, unset or an HTTP status such as 500"));
        }
        let mut sides = Vec::new();
        for name in HTTP_STATUS_COLUMNS {
            if let Ok(field) = self.context.schema.field_with_name(name) {
                sides.push(compare_column(name, field.data_type(), key, comparison, value)?);
            }
        }
        if sides.is_empty() {
            self.unknown(HTTP_STATUS_COLUMNS[0]);
            return Ok(lit(comparison == Comparison::NotEqual));
        }
        let differs = comparison == Comparison::NotEqual;
        Ok(balanced(sides, if differs { Operator::And } else { Operator::Or }))
    }

    fn resolve(&mut self, key: &Key) -> Field<'a> {
        let schema = self.context.schema;
        let has = |name: &str| schema.column_with_name(name).is_some();
        let mut name = key.name.as_str();
        if !key.quoted {
            match name {
                "service" if has("service.name") => name = "service.name",
                "duration" if has("duration_ns") => return Field::Duration,
                "level" | "severity" if has("severity_number") => return Field::Severity,
                "status" if has("status_code") => return Field::Status,
                _ => {}
            }
        }
        match schema.field_with_name(name) {
            Ok(field) => Field::Column { name: field.name(), data_type: field.data_type() },
            Err(_) => {
                self.unknown(&key.name);
                Field::Unknown
            }
        }
    }

    fn unknown(&mut self, name: &str) {
        if !self.unknown_keys.iter().any(|known| known == name) {
            self.unknown_keys.push(name.to_owned());
        }
    }
}

fn compare_column(
    name: &str,
    data_type: &DataType,
    key: &Key,
    comparison: Comparison,
    value: &Value,
) -> Result<Expr, SearchError> {
    let orders = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    if orders && matches!(data_type, DataType::FixedSizeBinary(_)) {
        return Err(misfit_operator(key, "`=` or `!=`: ids have no order", comparison.as_str()));
    }
    // "90" < "100" as a person means it. Equality stays textual: `version = 1.10` is not 1.1.
    if orders
        && is_text(data_type)
        && !value.quoted
        && let Some(number) = finite(&value.text)
    {
        return Ok(compared(try_cast(column(name), DataType::Float64), comparison, lit(number)));
    }
    Ok(compared(column(name), comparison, literal(name, data_type, value)?))
}

/// The value in the column's own type, so that statistics and bloom filters can be asked without a cast.
fn literal(name: &str, data_type: &DataType, value: &Value) -> Result<Expr, SearchError> {
    let text = value.text.as_str();
    match data_type {
        _ if is_text(data_type) => {
            let is_word_of_ours = matches!(name, "status_code" | "kind");
            Ok(lit(if is_word_of_ours { text.to_ascii_lowercase() } else { text.to_owned() }))
        }
        DataType::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" => Ok(lit(true)),
            "false" => Ok(lit(false)),
            _ => Err(misfit(value, &format!("true or false, which is what {name} holds"))),
        },
        DataType::Int64 => match text.parse::<i64>() {
            Ok(whole) => Ok(lit(whole)),
            Err(_) => finite(text).map(lit).ok_or_else(|| misfit(value, &format!("a number, which is what {name} holds"))),
        },
        DataType::Float64 => finite(text).map(lit).ok_or_else(|| misfit(value, &format!("a number, which is what {name} holds"))),
        DataType::FixedSizeBinary(16) => match TraceId::parse(text) {
            Ok(id) => Ok(bytes(&id.0)),
            Err(_) => Err(misfit(value, "a trace id: 32 hex digits, 16 hex digits, or 1-<8 hex>-<24 hex>")),
        },
        DataType::FixedSizeBinary(8) => match SpanId::parse(text) {
            Ok(id) => Ok(bytes(&id.0)),
            Err(_) => Err(misfit(value, "a span id: 16 hex digits")),
        },
        DataType::Timestamp(..) => match ScalarValue::try_from_string(text.to_owned(), data_type) {
            Ok(time) => Ok(lit(time)),
            Err(_) => Err(misfit(value, "a time, such as 2026-11-21T02:15:26Z")),
        },
        other => match ScalarValue::try_from_string(text.to_owned(), other) {
            Ok(scalar) => Ok(lit(scalar)),
            Err(_) => Err(misfit(value, &format!("a value of type {other}"))),
        },
    }
}

/// `level >= warn`: a name covers its four numbers; a number is a number; 0 is unknown and neither low nor high.
fn severity(comparison: Comparison, value: &Value) -> Result<Expr, SearchError> {
    let column = || column("severity_number");
    if let Ok(number) = value.text.parse::<i64>() {
        return Ok(compared(column(), comparison, lit(number)));
    }
    let (low, high): (i64, i64) = match value.text.to_ascii_lowercase().as_str() {
        "unknown" => (0, 0),
        "trace" => (1, 4),
        "debug" => (5, 8),
        "info" | "information" | "notice" => (9, 12),
        "warn" | "warning" => (13, 16),
        "error" | "err" => (17, 20),
        "fatal" | "critical" => (21, 24),
        _ => return Err(misfit(value, "trace, debug, info, warn, error, fatal, unknown or a number from 1 to 24")),
    };
    Ok(match comparison {
        Comparison::Equal => column().between(lit(low), lit(high)),
        Comparison::NotEqual => negate(column().between(lit(low), lit(high))),
        Comparison::Less => column().between(lit(1_i64), lit(low - 1)),
        Comparison::LessOrEqual => column().between(lit(1_i64), lit(high)),
        Comparison::Greater => column().gt(lit(high)),
        Comparison::GreaterOrEqual => column().gt_eq(lit(low)),
    })
}

/// Whole nanoseconds of `1.2s`; `None` without a unit or beyond what 64 bits hold.
fn duration_ns(text: &str) -> Option<i64> {
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let (number, unit) = text.split_at(split);
    let unit_ns = match unit.trim_start() {
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" | "min" => 60e9,
        "h" => 3_600e9,
        _ => return None,
    };
    let nanos = number.parse::<f64>().ok()? * unit_ns;
    // Beyond 2^63 ns, 292 years, the cast would silently saturate.
    (nanos < i64::MAX as f64).then_some(nanos.round() as i64)
}

fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

fn bytes(id: &[u8]) -> Expr {
    lit(ScalarValue::FixedSizeBinary(id.len() as i32, Some(id.to_vec())))
}

/// A comparison that is true for NULL where `!=` says so.
fn compared(left: Expr, comparison: Comparison, right: Expr) -> Expr {
    let operator = match comparison {
        Comparison::Equal => Operator::Eq,
        Comparison::NotEqual => Operator::IsDistinctFrom,
        Comparison::Less => Operator::Lt,
        Comparison::LessOrEqual => Operator::LtEq,
        Comparison::Greater => Operator::Gt,
        Comparison::GreaterOrEqual => Operator::GtEq,
    };
    binary_expr(left, operator, right)
}

/// Whether a text has anything that could be a word of its own.
fn has_word(text: &str) -> bool {
    text.chars().any(|char| !char.is_ascii() || char.is_ascii_alphanumeric())
}

fn contains_text(expr: Expr, text: &str) -> Expr {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    Expr::Like(Like::new(false, Box::new(expr), Box::new(lit(pattern)), None, true))
}

/// What is true exactly where `expr` is not: rows for which it is false or NULL.
fn negate(expr: Expr) -> Expr {
    match expr {
        Expr::Literal(ScalarValue::Boolean(Some(value)), _) => lit(!value),
        Expr::IsNotNull(inner) => Expr::IsNull(inner),
        Expr::IsNull(inner) => Expr::IsNotNull(inner),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) if matches!(*right, Expr::Literal(..)) => {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::IsDistinctFrom, right })
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::IsDistinctFrom, right }) => {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right })
        }
        other => Expr::IsNotTrue(Box::new(other)),
    }
}

/// Joins conditions as a tree of logarithmic depth: whoever walks it recurses. Nothing joined matches nothing.
fn balanced(mut exprs: Vec<Expr>, operator: Operator) -> Expr {
    match exprs.len() {
        0 => lit(false),
        1 => exprs.swap_remove(0),
        length => {
            let right = exprs.split_off(length / 2);
            binary_expr(balanced(exprs, operator), operator, balanced(right, operator))
        }
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

fn finite(text: &str) -> Option<f64> {
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    text.parse::<f64>().ok().filter(|number| numeric && number.is_finite())
}

fn misfit(value: &Value, expected: &str) -> SearchError {
    SearchError { span: value.span.clone(), expected: expected.to_owned(), found: quote(&value.text) }
}

fn misfit_operator(key: &Key, expected: &str, operator: &str) -> SearchError {
    SearchError { span: key.span.clone(), expected: expected.to_owned(), found: format!("`{operator}`") }
}
