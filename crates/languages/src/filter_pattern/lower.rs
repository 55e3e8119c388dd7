//! [`Pattern`] -> a condition on the column of the lines, which every line that matches meets.
//!
//! The scan applies it, and the exact matcher what is left of it. Terms become exactly what they say; of fields and documents
//! only that the texts they name are somewhere in the line.

use datafusion_expr::expr::Like;
use datafusion_expr::{Expr, Operator, binary_expr, lit};

use super::ast::{
    Comparison, Condition, FieldPattern, FieldTest, Glob, JsonTest, Pattern, Property, SelectorTest, Step, Term, Terms, Value,
};

/// A pattern as the engine runs it.
#[derive(Clone, Debug, PartialEq)]
pub struct LoweredPattern {
    /// What every line that matches meets; nothing when no such thing is known.
    pub necessary: Option<Expr>,
    /// Whether it says all, so that nothing is left for the matcher but to extract.
    pub is_exact: bool,
}

/// Turns a pattern into a condition on `line`, an expression of text.
pub fn lower(pattern: &Pattern, line: &Expr) -> LoweredPattern {
    let (necessary, is_exact) = match pattern {
        Pattern::Everything => (None, true),
        Pattern::Terms(terms) => (terms_expr(terms, line), true),
        Pattern::Fields(fields) => {
            let conditions = fields.iter().filter_map(|field| match field {
                FieldPattern::One { condition: Some(condition), .. } => necessary(condition, &|test| field_expr(test, line)),
                FieldPattern::One { condition: None, .. } | FieldPattern::Ellipsis => None,
            });
            (joined(conditions.collect(), Operator::And), false)
        }
        Pattern::Json(condition) => (necessary(condition, &|test| json_expr(test, line)), false),
    };
    LoweredPattern { necessary, is_exact }
}

fn terms_expr(terms: &Terms, line: &Expr) -> Option<Expr> {
    let found = |term: &Term| match term {
        Term::Phrase(phrase) => contains(line, phrase),
        Term::Expression(expression) => matches_expression(line, expression.translated()),
    };
    if terms.counts_optional() {
        return joined(terms.optional.iter().map(found).collect(), Operator::Or);
    }
    let not_found = |term: &Term| match found(term) {
        Expr::Like(like) => Expr::Like(Like { negated: true, ..like }),
        other => Expr::Not(Box::new(other)),
    };
    let required = terms.required.iter().map(found);
    joined(required.chain(terms.excluded.iter().map(not_found)).collect(), Operator::And)
}

/// Of several parts those that are known when all must hold; nothing when one of the alternatives is unknown.
fn necessary<T>(condition: &Condition<T>, test: &impl Fn(&T) -> Option<Expr>) -> Option<Expr> {
    match condition {
        Condition::Test(one) => test(one),
        Condition::And(parts) => joined(parts.iter().filter_map(|part| necessary(part, test)).collect(), Operator::And),
        Condition::Or(parts) => {
            let parts: Option<Vec<Expr>> = parts.iter().map(|part| necessary(part, test)).collect();
            joined(parts?, Operator::Or)
        }
    }
}

fn field_expr(test: &FieldTest, line: &Expr) -> Option<Expr> {
    match (&test.value, test.comparison) {
        (Value::Text(glob), Comparison::Equal) => pieces_expr(glob, line),
        _ => None,
    }
}

fn json_expr(test: &JsonTest, line: &Expr) -> Option<Expr> {
    if test.test == SelectorTest::Is(Property::NotExists) {
        return None;
    }
    let keys = test.selector.steps.iter().filter_map(|step| match step {
        Step::Key(key) => Some(written(key)?),
        Step::Index(_) | Step::Any => None,
    });
    let mut parts: Vec<Expr> = keys.map(|key| or_escaped(line, &format!("\"{key}\""))).collect();
    match &test.test {
        SelectorTest::Compare { comparison: Comparison::Equal, value: Value::Text(glob) } => {
            // A number need not be written as it is compared; a letter other than that of exponents says that none is meant.
            let is_letter = |c: char| c.is_ascii_alphabetic() && !c.eq_ignore_ascii_case(&'e');
            let is_text = glob.pieces.iter().any(|piece| piece.contains(is_letter));
            let pieces = glob.pieces.iter().filter_map(|piece| written(piece)).filter(|piece| !piece.is_empty());
            if is_text {
                parts.extend(pieces.map(|piece| or_escaped(line, piece)));
            }
        }
        SelectorTest::Is(property) => match property {
            Property::True => parts.push(contains(line, "true")),
            Property::False => parts.push(contains(line, "false")),
            Property::Null => parts.push(contains(line, "null")),
            Property::Exists | Property::NotExists => {}
        },
        SelectorTest::Compare { .. } => {}
    }
    joined(parts, Operator::And)
}

fn pieces_expr(glob: &Glob, line: &Expr) -> Option<Expr> {
    joined(glob.pieces.iter().filter(|piece| !piece.is_empty()).map(|piece| contains(line, piece)).collect(), Operator::And)
}

/// The text if JSON writes it in one way, escapes by number aside.
fn written(text: &str) -> Option<&str> {
    let is_plain = |c: char| (c.is_ascii_graphic() || c == ' ') && !matches!(c, '"' | '\\' | '/');
    text.chars().all(is_plain).then_some(text)
}

/// Any character of a document can be written by its number.
fn or_escaped(line: &Expr, text: &str) -> Expr {
    binary_expr(contains(line, text), Operator::Or, contains(line, "\\u"))
}

fn contains(line: &Expr, text: &str) -> Expr {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    Expr::Like(Like::new(false, Box::new(line.clone()), Box::new(lit(pattern)), None, false))
}

fn matches_expression(line: &Expr, expression: &str) -> Expr {
    binary_expr(line.clone(), Operator::RegexMatch, lit(expression))
}

fn joined(mut exprs: Vec<Expr>, operator: Operator) -> Option<Expr> {
    match exprs.len() {
        0 => None,
        1 => exprs.pop(),
        length => {
            let right = joined(exprs.split_off(length / 2), operator)?;
            Some(binary_expr(joined(exprs, operator)?, operator, right))
        }
    }
}
