//! Expressions over series.

use std::collections::BTreeMap;

use super::ast::{Expression, Operator, Search};
use super::error::MetricMathError;
use super::functions;

/// Values by the start of their period, in seconds since 1970. Where there is no entry, there is no data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    pub points: BTreeMap<i64, f64>,
    pub period_seconds: i64,
}

/// A series with what it is called.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamedSeries {
    pub label: String,
    pub series: Series,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Scalar(f64),
    Series(Series),
    /// Several, each with its label.
    List(Vec<NamedSeries>),
    Text(String),
}

/// What an expression is evaluated in.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub start_seconds: i64,
    /// Exclusive.
    pub end_seconds: i64,
    pub period_seconds: i64,
    /// Series by their ids, in the order of the request; whether each is a metric rather than an expression.
    pub series: Vec<(String, bool, Value)>,
    /// What each SEARCH found.
    pub searches: Vec<(Search, Vec<NamedSeries>)>,
}

pub fn evaluate(expression: &Expression, world: &World) -> Result<Value, MetricMathError> {
    Evaluation { world }.value(expression)
}

pub(super) struct Evaluation<'w> {
    pub world: &'w World,
}

impl Evaluation<'_> {
    pub fn value(&mut self, expression: &Expression) -> Result<Value, MetricMathError> {
        match expression {
            Expression::Number(number) => Ok(Value::Scalar(*number)),
            Expression::Text(text) => Ok(Value::Text(text.clone())),
            Expression::Name(name, at) => match self.world.series.iter().find(|(id, ..)| id == name) {
                Some((_, _, value)) => Ok(value.clone()),
                None => Err(MetricMathError::at(*at, format!("{name} is not the id of a metric or an expression"))),
            },
            Expression::List(items) => self.list(items),
            Expression::Negated(inner) => Ok(self.value(inner)?.map(&|_, value| Some(-value))),
            Expression::Binary(left, operator, right, at) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                combine(left, right, &|left, right| operator.of(left, right)).map_err(|message| MetricMathError::at(*at, message))
            }
            Expression::Call(name, arguments, at) => {
                if let Some(search) = expression.as_search() {
                    let found = self.world.searches.iter().find(|(asked, _)| *asked == search);
                    return Ok(Value::List(found.map(|(_, found)| found.clone()).unwrap_or_default()));
                }
                functions::call(self, name, arguments, *at)
            }
        }
    }

    fn list(&mut self, items: &[Expression]) -> Result<Value, MetricMathError> {
        let mut out = Vec::new();
        for item in items {
            let label = if let Expression::Name(name, _) = item { name.clone() } else { String::new() };
            match self.value(item)? {
                Value::Series(series) => out.push(NamedSeries { label, series }),
                Value::List(list) => out.extend(list),
                Value::Scalar(value) => out.push(NamedSeries { label, series: self.constant(value) }),
                Value::Text(_) => return Err(MetricMathError::new("a text cannot be in a list of series")),
            }
        }
        Ok(Value::List(out))
    }

    /// The same value in every period.
    pub fn constant(&self, value: f64) -> Series {
        let World { start_seconds, end_seconds, period_seconds, .. } = *self.world;
        let step = usize::try_from(period_seconds).unwrap_or(1).max(1);
        Series { points: (start_seconds..end_seconds).step_by(step).map(|at| (at, value)).collect(), period_seconds }
    }
}

impl Series {
    pub fn map(&self, of: &dyn Fn(i64, f64) -> Option<f64>) -> Series {
        let points = self.points.iter().filter_map(|(at, value)| Some((*at, finite(of(*at, *value)?)?))).collect();
        Series { points, period_seconds: self.period_seconds }
    }
}

impl Value {
    /// Each value anew; what becomes no number is left out.
    pub fn map(&self, of: &dyn Fn(i64, f64) -> Option<f64>) -> Value {
        match self {
            Value::Scalar(value) => of(0, *value).and_then(finite).map_or(Value::Series(Series::default()), Value::Scalar),
            Value::Series(series) => Value::Series(series.map(of)),
            Value::List(list) => Value::List(each(list, |series| series.map(of))),
            Value::Text(text) => Value::Text(text.clone()),
        }
    }
}

pub(super) fn each(list: &[NamedSeries], of: impl Fn(&Series) -> Series) -> Vec<NamedSeries> {
    list.iter().map(|named| NamedSeries { label: named.label.clone(), series: of(&named.series) }).collect()
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// Two values, period by period: where one side has no data, the result has none.
pub(super) fn combine(left: Value, right: Value, of: &dyn Fn(f64, f64) -> Option<f64>) -> Result<Value, String> {
    let both = |left: &Series, right: &Series| {
        let points = left.points.iter().filter_map(|(at, value)| {
            let other = right.points.get(at)?;
            Some((*at, finite(of(*value, *other)?)?))
        });
        Series { points: points.collect(), period_seconds: left.period_seconds.max(right.period_seconds) }
    };
    Ok(match (left, right) {
        (Value::Text(_), _) | (_, Value::Text(_)) => return Err("a text cannot be calculated with".to_owned()),
        (Value::Scalar(left), Value::Scalar(right)) => match of(left, right).and_then(finite) {
            Some(value) => Value::Scalar(value),
            None => return Err("the result is no number".to_owned()),
        },
        (Value::Scalar(left), right) => right.map(&|_, right| of(left, right)),
        (left, Value::Scalar(right)) => left.map(&|_, left| of(left, right)),
        (Value::Series(left), Value::Series(right)) => Value::Series(both(&left, &right)),
        (Value::Series(left), Value::List(right)) => Value::List(each(&right, |right| both(&left, right))),
        (Value::List(left), Value::Series(right)) => Value::List(each(&left, |left| both(left, &right))),
        (Value::List(left), Value::List(right)) => {
            if left.len() != right.len() {
                return Err(format!("lists of {} and {} series cannot be combined", left.len(), right.len()));
            }
            let pairs = left.iter().zip(&right);
            Value::List(
                pairs
                    .map(|(left, right)| NamedSeries { label: left.label.clone(), series: both(&left.series, &right.series) })
                    .collect(),
            )
        }
    })
}

impl Operator {
    fn of(self, left: f64, right: f64) -> Option<f64> {
        let truth = |is: bool| Some(f64::from(u8::from(is)));
        match self {
            Operator::Add => Some(left + right),
            Operator::Subtract => Some(left - right),
            Operator::Multiply => Some(left * right),
            Operator::Divide => Some(left / right),
            Operator::Power => Some(left.powf(right)),
            Operator::Equal => truth(left == right),
            Operator::NotEqual => truth(left != right),
            Operator::Less => truth(left < right),
            Operator::LessOrEqual => truth(left <= right),
            Operator::Greater => truth(left > right),
            Operator::GreaterOrEqual => truth(left >= right),
            Operator::And => truth(left != 0.0 && right != 0.0),
            Operator::Or => truth(left != 0.0 || right != 0.0),
        }
    }
}
