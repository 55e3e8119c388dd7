//! Values of a language without types over columns that have them.

use datafusion_common::arrow::datatypes::{DataType, TimeUnit};
use datafusion_expr::{Expr, ExprSchemable, cast, lit, try_cast};

use super::lower::{LowerContext, Lowered};
use super::scope::Scope;
use super::seams::ScalarSeam;

pub(super) const NANOS_PER_MS: i64 = 1_000_000;

pub(super) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

pub(super) fn type_of(expr: &Expr, scope: &Scope) -> Lowered<DataType> {
    Ok(match expr.get_type(scope.plan.schema())? {
        DataType::Dictionary(_, value) => *value,
        data_type => data_type,
    })
}

pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

pub(super) fn is_numeric(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

pub(super) fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..))
}

/// Whether it is a text that commands made, or that was found in a message, and so may be a number.
pub(super) fn is_dynamic(expr: &Expr, scope: &Scope) -> bool {
    let is_column = matches!(expr, Expr::Column(column) if !scope.defined.iter().any(|(_, defined)| defined == column));
    !is_column && type_of(expr, scope).is_ok_and(|data_type| is_text(&data_type))
}

/// The value as a number: times are milliseconds, texts what they spell or NULL.
pub(super) fn number(expr: Expr, scope: &Scope) -> Lowered<Expr> {
    let data_type = type_of(&expr, scope)?;
    Ok(match data_type {
        _ if data_type.is_numeric() => expr,
        DataType::Null => cast(expr, DataType::Float64),
        DataType::Boolean => cast(expr, DataType::Int64),
        DataType::Timestamp(..) => millis(expr),
        _ => try_cast(expr, DataType::Float64),
    })
}

pub(super) fn float(expr: Expr, scope: &Scope) -> Lowered<Expr> {
    let expr = number(expr, scope)?;
    Ok(if type_of(&expr, scope)? == DataType::Float64 { expr } else { cast(expr, DataType::Float64) })
}

/// Milliseconds since 1970.
pub(super) fn millis(expr: Expr) -> Expr {
    cast(cast(expr, timestamp()), DataType::Int64) / lit(NANOS_PER_MS)
}

pub(super) fn text(expr: Expr, scope: &Scope, context: &LowerContext<'_>) -> Lowered<Expr> {
    let data_type = type_of(&expr, scope)?;
    Ok(match data_type {
        _ if is_text(&data_type) => expr,
        DataType::FixedSizeBinary(_) | DataType::Binary => context.scalar(ScalarSeam::Hex, vec![expr]),
        _ => cast(expr, DataType::Utf8),
    })
}

/// The value as a time: numbers are milliseconds since 1970.
pub(super) fn time(expr: Expr, scope: &Scope) -> Lowered<Expr> {
    let data_type = type_of(&expr, scope)?;
    if is_time(&data_type) {
        return Ok(expr);
    }
    let nanos = number(expr, scope)? * lit(NANOS_PER_MS);
    Ok(cast(cast(nanos, DataType::Int64), timestamp()))
}

/// The value as a condition: numbers other than 0, and the text `true`.
pub(super) fn truth(expr: Expr, scope: &Scope) -> Lowered<Expr> {
    let data_type = type_of(&expr, scope)?;
    Ok(match (data_type, expr) {
        (DataType::Boolean, expr) => expr,
        // What was told as a number is the condition that it was.
        (DataType::Int64, Expr::Cast(cast)) if cast.expr.get_type(scope.plan.schema())? == DataType::Boolean => *cast.expr,
        (data_type, expr) if data_type.is_numeric() => expr.not_eq(lit(0_i64)),
        (data_type, expr) if is_text(&data_type) => expr.eq(lit("true")),
        (_, expr) => expr.is_not_null(),
    })
}

pub(super) fn negated(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}
