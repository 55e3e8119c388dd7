//! Which time a query is about, so that rows of other times are not read.

use super::ast::{Binary, Expression, Literal, Query};

/// The first and the last second that a row may have for the query to see it, as far as its condition says so plainly:
/// `timestamp` compared with a number, or with what can be calculated without rows.
pub fn time_bounds(query: &Query, now_unix_seconds: i64) -> (Option<i64>, Option<i64>) {
    let mut bounds = Bounds { first: None, last: None, now: now_unix_seconds };
    if let Some(condition) = &query.condition {
        bounds.narrow(condition);
    }
    (bounds.first, bounds.last)
}

struct Bounds {
    first: Option<i64>,
    last: Option<i64>,
    now: i64,
}

impl Bounds {
    /// What has to hold besides others narrows; anything else leaves the bounds as they are.
    fn narrow(&mut self, condition: &Expression) {
        match condition {
            Expression::Binary { operator: Binary::And, left, right } => {
                self.narrow(left);
                self.narrow(right);
            }
            Expression::Binary { operator, left, right } if is_timestamp(left) => self.compare(*operator, right),
            Expression::Binary { operator, left, right } if is_timestamp(right) => self.compare(mirrored(*operator), left),
            Expression::Between { value, low, high, negated: false } if is_timestamp(value) => {
                self.compare(Binary::GreaterOrEqual, low);
                self.compare(Binary::LessOrEqual, high);
            }
            _ => {}
        }
    }

    fn compare(&mut self, operator: Binary, value: &Expression) {
        let Some(value) = self.constant(value).filter(|value| value.abs() < 9e9) else { return };
        let (is_first, is_last) = match operator {
            Binary::Equal => (true, true),
            Binary::Greater | Binary::GreaterOrEqual => (true, false),
            Binary::Less | Binary::LessOrEqual => (false, true),
            _ => return,
        };
        if is_first {
            self.first = Some(self.first.unwrap_or(i64::MIN).max(value.floor() as i64));
        }
        if is_last {
            self.last = Some(self.last.unwrap_or(i64::MAX).min(value.ceil() as i64));
        }
    }

    fn constant(&self, expression: &Expression) -> Option<f64> {
        match expression {
            Expression::Literal(Literal::Integer(value), _) => Some(*value as f64),
            Expression::Literal(Literal::Float(value), _) => Some(*value),
            Expression::Call { name, arguments, .. } if name == "unix_timestamp" && arguments.is_empty() => Some(self.now as f64),
            Expression::Binary { operator, left, right } => {
                let (left, right) = (self.constant(left)?, self.constant(right)?);
                match operator {
                    Binary::Add => Some(left + right),
                    Binary::Subtract => Some(left - right),
                    Binary::Multiply => Some(left * right),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

fn is_timestamp(expression: &Expression) -> bool {
    matches!(expression, Expression::Column(name, _) if name == "timestamp")
}

fn mirrored(operator: Binary) -> Binary {
    match operator {
        Binary::Less => Binary::Greater,
        Binary::LessOrEqual => Binary::GreaterOrEqual,
        Binary::Greater => Binary::Less,
        Binary::GreaterOrEqual => Binary::LessOrEqual,
        other => other,
    }
}
