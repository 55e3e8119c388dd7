//! Filters -> conditions. A condition is never null; what denies holds for rows that lack the field.

use datafusion_common::ScalarValue;
use datafusion_common::arrow::datatypes::DataType;
use datafusion_expr::expr::Like;
use datafusion_expr::{Expr, cast, lit, try_cast};
use serde_json::Value;

use super::ast::FilterOperator;
use super::typed::{Type, Typed};

pub fn condition(field: Typed, operator: FilterOperator, value: &Value) -> Expr {
    if let Some(denied) = operator.denied() {
        return match denied {
            FilterOperator::Exists => field.expr.is_null(),
            // `IS NOT TRUE` says the same, but plans differ on whether it can be null.
            denied => {
                let test = test(field, denied, value);
                test.clone().is_null().or(Expr::Not(Box::new(test)))
            }
        };
    }
    test(field, operator, value)
}

fn test(field: Typed, operator: FilterOperator, value: &Value) -> Expr {
    use FilterOperator as Op;
    match operator {
        Op::Exists => field.expr.is_not_null(),
        Op::In => within(field, value),
        Op::Contains => like(field, value, "%", "%"),
        Op::StartsWith => like(field, value, "", "%"),
        Op::EndsWith => like(field, value, "%", ""),
        Op::Greater | Op::GreaterOrEqual | Op::Less | Op::LessOrEqual => ordered(field, operator, value),
        _ => equal(field, value),
    }
}

fn equal(field: Typed, value: &Value) -> Expr {
    match field.r#type {
        Type::Null => lit(false),
        Type::Text => field.expr.eq(lit(plain_text(value))),
        Type::Boolean => truth_of(value).map_or(lit(false), |truth| field.expr.eq(lit(truth))),
        Type::Integer => match number_of(value) {
            Some(number) if number.fract() == 0.0 && number.abs() < 9e15 => field.expr.eq(lit(number as i64)),
            Some(_) => match value.as_i64() {
                Some(whole) => field.expr.eq(lit(whole)),
                None => lit(false),
            },
            None => lit(false),
        },
        Type::Float => number_of(value).map_or(lit(false), |number| field.expr.eq(lit(number))),
    }
}

/// One of many: texts in one list, which scans look up faster than a row of comparisons.
fn within(field: Typed, values: &Value) -> Expr {
    let Value::Array(values) = values else { return equal(field, values) };
    if field.r#type == Type::Text && !values.is_empty() {
        let list = values.iter().map(|value| lit(plain_text(value))).collect();
        return field.expr.in_list(list, false);
    }
    values.iter().map(|value| equal(field.clone(), value)).reduce(Expr::or).unwrap_or_else(|| lit(false))
}

fn ordered(field: Typed, operator: FilterOperator, value: &Value) -> Expr {
    let (left, right) = match (field.r#type, value) {
        (Type::Integer, Value::Number(number)) if number.is_i64() => (field.expr, lit(number.as_i64().unwrap_or_default())),
        (Type::Integer, value) => match number_of(value) {
            Some(number) => (cast(field.expr, DataType::Float64), lit(number)),
            None => return lit(false),
        },
        (Type::Float, value) => match number_of(value) {
            Some(number) => (field.expr, lit(number)),
            None => return lit(false),
        },
        (Type::Text, Value::Number(number)) => {
            (try_cast(field.expr, DataType::Float64), lit(number.as_f64().unwrap_or_default()))
        }
        (Type::Text, value) => (field.expr, lit(plain_text(value))),
        (Type::Null | Type::Boolean, _) => return lit(false),
    };
    match operator {
        FilterOperator::Greater => left.gt(right),
        FilterOperator::GreaterOrEqual => left.gt_eq(right),
        FilterOperator::Less => left.lt(right),
        _ => left.lt_eq(right),
    }
}

fn like(field: Typed, value: &Value, before: &str, behind: &str) -> Expr {
    if field.r#type == Type::Null {
        return lit(false);
    }
    let text = plain_text(value).replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    let pattern = Expr::Literal(ScalarValue::Utf8(Some(format!("{before}{text}{behind}"))), None);
    Expr::Like(Like::new(false, Box::new(field.text()), Box::new(pattern), None, false))
}

/// A value as a text field would hold it.
fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        value => value.as_f64(),
    }
}

fn truth_of(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => text.parse().ok(),
        value => value.as_f64().and_then(|number| match number {
            0.0 => Some(false),
            1.0 => Some(true),
            _ => None,
        }),
    }
}
