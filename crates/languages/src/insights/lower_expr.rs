//! Expressions of a query as those of a plan.

use std::sync::Arc;

use datafusion_common::ScalarValue;
use datafusion_common::arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion_expr::expr::Like;
use datafusion_expr::{Expr as Plan, binary_expr, cast, in_list, in_subquery, lit, try_cast, when};

use super::ast::{Expr, Function, LikePattern, Operator, Place, TimeSpan, TimeUnit};
use super::lower::{Lowered, Lowering};
use super::scope::Scope;
use super::seams::ScalarSeam;
use super::values::{NANOS_PER_MS, float, is_numeric, is_text, is_time, millis, number, text, time, timestamp, truth, type_of};

/// 1970-01-05, a Monday: weeks begin there.
const MONDAY_UNIX_NANO: i64 = 4 * 86_400 * 1_000_000_000;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A century is the longest period: all there is falls into one, and nothing overflows.
const PERIOD_DAYS_MAX: i64 = 36_525;
const PERIOD_MONTHS_MAX: i64 = 1_200;
const PERIOD_NANOS_MAX: i64 = PERIOD_DAYS_MAX * 86_400 * NANOS_PER_SECOND;

impl Lowering<'_> {
    pub(super) fn expr(&self, expr: &Expr, scope: &mut Scope) -> Lowered<Plan> {
        Ok(match expr {
            Expr::Field { name, .. } => scope.field(name, self.context),
            Expr::Number { text, value, .. } => text.parse::<i64>().map_or_else(|_| lit(*value), lit),
            Expr::Text(text) => lit(text.clone()),
            Expr::Boolean(is) => lit(*is),
            Expr::Span(_) | Expr::Star => lit(ScalarValue::Utf8(None)),
            Expr::Not(inner) => {
                let inner = self.expr(inner, scope)?;
                self.negated_if(truth(inner, scope)?, true)
            }
            Expr::Negative(inner) => {
                let inner = self.expr(inner, scope)?;
                match number(inner, scope)? {
                    Plan::Literal(ScalarValue::Int64(Some(value)), _) => lit(-value),
                    Plan::Literal(ScalarValue::Float64(Some(value)), _) => lit(-value),
                    other => Plan::Negative(Box::new(other)),
                }
            }
            Expr::Binary { operator, left, right, .. } => {
                let (left, right) = (self.expr(left, scope)?, self.expr(right, scope)?);
                self.binary(*operator, left, right, scope)?
            }
            Expr::In { expr, list, negated } => {
                let is_in = self.is_in(expr, list, scope)?;
                self.negated_if(is_in, *negated)
            }
            Expr::InQuery { expr, query, negated, place } => {
                let value = self.text_of(expr, scope)?;
                let plan = self.subquery_values(query, *place)?;
                self.negated_if(in_subquery(value, Arc::new(plan)), *negated)
            }
            Expr::Like { expr, pattern, negated } => {
                let value = self.text_of(expr, scope)?;
                match pattern {
                    LikePattern::Text(part) => contains(value, part, *negated),
                    LikePattern::Regex(expression) => {
                        let operator = if *negated {
                            datafusion_expr::Operator::RegexNotMatch
                        } else {
                            datafusion_expr::Operator::RegexMatch
                        };
                        binary_expr(value, operator, lit(expression.clone()))
                    }
                }
            }
            Expr::Call { function, .. } if function.is_aggregate() => scope.field(&aggregate_name(expr), self.context),
            Expr::Call { function, args, place } => match scope.made_as(expr) {
                Some(made) => made,
                None => self.call(*function, args, *place, scope)?,
            },
        })
    }

    fn binary(&self, operator: Operator, left: Plan, right: Plan, scope: &Scope) -> Lowered<Plan> {
        Ok(match operator {
            Operator::Or => truth(left, scope)?.or(truth(right, scope)?),
            Operator::And => truth(left, scope)?.and(truth(right, scope)?),
            Operator::Plus => number(left, scope)? + number(right, scope)?,
            Operator::Minus => number(left, scope)? - number(right, scope)?,
            Operator::Times => number(left, scope)? * number(right, scope)?,
            // Whole numbers too: 1 / 2 is a half, and nothing is divided by 0.
            Operator::Divide => float(left, scope)? / float(right, scope)?,
            Operator::Modulo => float(left, scope)? % float(right, scope)?,
            Operator::Power => self.context.scalar(ScalarSeam::Power, vec![float(left, scope)?, float(right, scope)?]),
            _ => self.compared(operator, left, right, scope)?,
        })
    }

    fn compared(&self, operator: Operator, left: Plan, right: Plan, scope: &Scope) -> Lowered<Plan> {
        let (left_type, right_type) = (type_of(&left, scope)?, type_of(&right, scope)?);
        if let Some(compared) = against_time(operator, &left, &left_type, &right) {
            return Ok(compared);
        }
        if let Some(right) = id_literal(&left_type, &right).filter(|_| matches!(operator, Operator::Equal | Operator::NotEqual)) {
            let operator =
                if operator == Operator::Equal { datafusion_expr::Operator::Eq } else { datafusion_expr::Operator::NotEq };
            return Ok(binary_expr(left, operator, right));
        }
        let is_order = !matches!(operator, Operator::Equal | Operator::NotEqual);
        let is_literal_text = |plan: &Plan, data_type: &DataType| matches!(plan, Plan::Literal(..)) && is_text(data_type);
        let quotes = is_literal_text(&left, &left_type) || is_literal_text(&right, &right_type);
        let (left, right) = if left_type == right_type && !is_text(&left_type) {
            (left, right)
        } else if is_time(&left_type) && is_text(&right_type) {
            (left, try_cast(right, timestamp()))
        } else if is_time(&right_type) && is_text(&left_type) {
            (try_cast(left, timestamp()), right)
        } else if is_numeric(&left_type) && is_numeric(&right_type) {
            (left, right)
        } else if (is_numeric(&left_type) || is_numeric(&right_type)) && (is_order || !quotes) || (is_order && !quotes) {
            (number(left, scope)?, number(right, scope)?)
        } else {
            (text(left, scope, self.context)?, text(right, scope, self.context)?)
        };
        let operator = match operator {
            Operator::NotEqual => datafusion_expr::Operator::NotEq,
            Operator::Less => datafusion_expr::Operator::Lt,
            Operator::LessOrEqual => datafusion_expr::Operator::LtEq,
            Operator::Greater => datafusion_expr::Operator::Gt,
            Operator::GreaterOrEqual => datafusion_expr::Operator::GtEq,
            _ => datafusion_expr::Operator::Eq,
        };
        Ok(binary_expr(left, operator, right))
    }

    fn is_in(&self, expr: &Expr, list: &[Expr], scope: &mut Scope) -> Lowered<Plan> {
        let value = self.expr(expr, scope)?;
        let values: Vec<Plan> = list.iter().map(|one| self.expr(one, scope)).collect::<Lowered<_>>()?;
        let is_literal_text = |plan: &Plan| matches!(plan, Plan::Literal(ScalarValue::Utf8(Some(_)), _));
        if values.iter().all(is_literal_text) {
            return Ok(in_list(text(value, scope, self.context)?, values, false));
        }
        let is_number = |plan: &Plan| matches!(plan, Plan::Literal(ScalarValue::Int64(_) | ScalarValue::Float64(_), _));
        if values.iter().all(is_number) {
            return Ok(in_list(number(value, scope)?, values, false));
        }
        let mut alternatives: Option<Plan> = None;
        for one in values {
            let equal = self.compared(Operator::Equal, value.clone(), one, scope)?;
            alternatives = Some(alternatives.map_or(equal.clone(), |alternatives| alternatives.or(equal)));
        }
        Ok(alternatives.unwrap_or(lit(false)))
    }

    fn call(&self, function: Function, args: &[Expr], place: Place, scope: &mut Scope) -> Lowered<Plan> {
        match (function, args) {
            (Function::Bin, [Expr::Span(span)]) => {
                let Some(time) = scope.known_field("@timestamp", self.context) else {
                    return Err(self.refused(
                        place,
                        "log events, or a field for the time and datefloor",
                        "rows without @timestamp",
                    ));
                };
                return Ok(self.date_floor(time, *span));
            }
            (Function::DateFloor, [at, Expr::Span(span)]) => {
                let at = self.expr(at, scope)?;
                return Ok(self.date_floor(time(at, scope)?, *span));
            }
            (Function::DateCeil, [at, Expr::Span(span)]) => {
                let at = self.expr(at, scope)?;
                let at = time(at, scope)?;
                let floor = self.date_floor(at.clone(), *span);
                return Ok(when(floor.clone().eq(at), floor.clone()).otherwise(floor + lit(interval(*span)))?);
            }
            _ => {}
        }
        let plans: Vec<Plan> = args.iter().map(|arg| self.expr(arg, scope)).collect::<Lowered<_>>()?;
        self.call_with(function, plans, scope)
    }

    fn call_with(&self, function: Function, mut args: Vec<Plan>, scope: &Scope) -> Lowered<Plan> {
        let scalar = |seam, args| Ok(self.context.scalar(seam, args));
        let as_text = |plan: Plan| text(plan, scope, self.context);
        let texts = |args: Vec<Plan>| args.into_iter().map(as_text).collect::<Lowered<Vec<Plan>>>();
        let numbers = |args: Vec<Plan>| args.into_iter().map(|plan| number(plan, scope)).collect::<Lowered<Vec<Plan>>>();
        match function {
            Function::Abs => scalar(ScalarSeam::Abs, numbers(args)?),
            Function::Ceil => scalar(ScalarSeam::Ceil, numbers(args)?),
            Function::Floor => scalar(ScalarSeam::Floor, numbers(args)?),
            Function::Log => scalar(ScalarSeam::Ln, numbers(args)?),
            Function::Sqrt => scalar(ScalarSeam::Sqrt, numbers(args)?),
            Function::Greatest => scalar(ScalarSeam::Greatest, self.floats(args, scope)?),
            Function::Least => scalar(ScalarSeam::Least, self.floats(args, scope)?),
            Function::FromMillis => {
                let millis = args.swap_remove(0);
                time(number(millis, scope)?, scope)
            }
            Function::ToMillis => {
                let at = args.swap_remove(0);
                Ok(millis(time(at, scope)?))
            }
            Function::Now => {
                let now = self.context.scalar(ScalarSeam::Now, Vec::new());
                Ok(cast(cast(now, timestamp()), DataType::Int64) / lit(NANOS_PER_SECOND))
            }
            Function::IsPresent => Ok(args.swap_remove(0).is_not_null()),
            Function::IsEmpty => {
                let value = as_text(args.swap_remove(0))?;
                Ok(cast(value.clone().is_null().or(value.eq(lit(""))), DataType::Int64))
            }
            Function::IsBlank => {
                let value = as_text(args.swap_remove(0))?;
                let trimmed = self.context.scalar(ScalarSeam::Btrim, vec![value.clone(), lit(" \t\r\n")]);
                Ok(cast(value.is_null().or(trimmed.eq(lit(""))), DataType::Int64))
            }
            Function::Concat => scalar(ScalarSeam::Concat, texts(args)?),
            Function::Ltrim => scalar(ScalarSeam::Ltrim, texts(args)?),
            Function::Rtrim => scalar(ScalarSeam::Rtrim, texts(args)?),
            Function::Trim => scalar(ScalarSeam::Btrim, texts(args)?),
            Function::Strlen => scalar(ScalarSeam::CharacterLength, texts(args)?),
            Function::ToUpper => scalar(ScalarSeam::Upper, texts(args)?),
            Function::ToLower => scalar(ScalarSeam::Lower, texts(args)?),
            Function::Replace => scalar(ScalarSeam::Replace, texts(args)?),
            Function::Substr => {
                let whole = |plan: Plan| Ok::<_, super::lower::LowerError>(cast(number(plan, scope)?, DataType::Int64));
                let mut args = args.into_iter();
                let value = as_text(args.next().unwrap_or(lit("")))?;
                let mut out = vec![value];
                for (place, arg) in args.enumerate() {
                    let arg = whole(arg)?;
                    // Positions count from 0 here.
                    out.push(if place == 0 { arg + lit(1_i64) } else { arg });
                }
                scalar(ScalarSeam::Substr, out)
            }
            Function::StrContains => {
                let part = as_text(args.swap_remove(1))?;
                let value = as_text(args.swap_remove(0))?;
                let is_in = match &part {
                    Plan::Literal(ScalarValue::Utf8(Some(part)), _) => contains(value, part, false),
                    _ => self.context.scalar(ScalarSeam::Strpos, vec![value, part]).gt(lit(0_i64)),
                };
                // 1 and 0, as the service tells it.
                Ok(cast(is_in, DataType::Int64))
            }
            Function::Coalesce => scalar(ScalarSeam::Coalesce, self.alike(args, scope)?),
            Function::If => {
                let condition = truth(args.remove(0), scope)?;
                let mut values = self.alike(args, scope)?;
                let otherwise = values.pop().unwrap_or(lit(ScalarValue::Null));
                let then = values.pop().unwrap_or(lit(ScalarValue::Null));
                Ok(when(condition, then).otherwise(otherwise)?)
            }
            Function::Case => self.case(args, scope),
            Function::JsonParse => scalar(ScalarSeam::JsonParse, texts(args)?),
            Function::JsonStringify => scalar(ScalarSeam::JsonStringify, texts(args)?),
            Function::IsValidIp => scalar(ScalarSeam::IsValidIp, texts(args)?),
            Function::IsValidIpV4 => scalar(ScalarSeam::IsValidIpV4, texts(args)?),
            Function::IsValidIpV6 => scalar(ScalarSeam::IsValidIpV6, texts(args)?),
            Function::IsIpInSubnet => scalar(ScalarSeam::IsIpInSubnet, texts(args)?),
            Function::IsIpv4InSubnet => scalar(ScalarSeam::IsIpv4InSubnet, texts(args)?),
            Function::IsIpv6InSubnet => scalar(ScalarSeam::IsIpv6InSubnet, texts(args)?),
            // Both were lowered with their periods, and aggregates are columns by now.
            _ => Ok(lit(ScalarValue::Utf8(None))),
        }
    }

    /// `case(condition, value, ..., otherwise)`.
    fn case(&self, args: Vec<Plan>, scope: &Scope) -> Lowered<Plan> {
        let has_otherwise = args.len() % 2 == 1;
        let is_value = |place: usize| place % 2 == 1 || (has_otherwise && place + 1 == args.len());
        let values = args.iter().enumerate().filter(|(place, _)| is_value(*place)).map(|(_, arg)| arg.clone());
        let mut values = self.alike(values.collect(), scope)?;
        let otherwise = if has_otherwise { values.pop() } else { None };
        let conditions = args.iter().enumerate().filter(|(place, _)| !is_value(*place)).map(|(_, arg)| truth(arg.clone(), scope));
        let conditions = conditions.collect::<Lowered<Vec<Plan>>>()?;
        let pairs = conditions.into_iter().zip(values).map(|(condition, value)| (Box::new(condition), Box::new(value)));
        Ok(Plan::Case(datafusion_expr::Case::new(None, pairs.collect(), otherwise.map(Box::new))))
    }

    fn floats(&self, args: Vec<Plan>, scope: &Scope) -> Lowered<Vec<Plan>> {
        args.into_iter().map(|plan| float(plan, scope)).collect()
    }

    /// Values of one type: theirs, if they have one in common, else numbers, else texts.
    fn alike(&self, args: Vec<Plan>, scope: &Scope) -> Lowered<Vec<Plan>> {
        let types: Vec<DataType> = args.iter().map(|arg| type_of(arg, scope)).collect::<Lowered<_>>()?;
        if types.windows(2).all(|pair| pair[0] == pair[1]) {
            return Ok(args);
        }
        if types.iter().all(is_numeric) {
            return self.floats(args, scope);
        }
        args.into_iter().map(|plan| text(plan, scope, self.context)).collect()
    }

    fn date_floor(&self, at: Plan, span: TimeSpan) -> Plan {
        let mut args = vec![lit(interval(span)), at];
        if span.unit == TimeUnit::Week {
            args.push(lit(ScalarValue::TimestampNanosecond(Some(MONDAY_UNIX_NANO), Some("UTC".into()))));
        }
        self.context.scalar(ScalarSeam::DateBin, args)
    }
}

/// A time compared with whole milliseconds, in a way that tells which files matter: whatever is within one is that one.
fn against_time(operator: Operator, left: &Plan, left_type: &DataType, right: &Plan) -> Option<Plan> {
    let Plan::Literal(ScalarValue::Int64(Some(millis)), _) = right else { return None };
    if !is_time(left_type) {
        return None;
    }
    let at = |millis: i64| {
        let nanos = millis.checked_mul(NANOS_PER_MS)?;
        Some(lit(ScalarValue::TimestampNanosecond(Some(nanos), Some("UTC".into()))))
    };
    let next = millis.checked_add(1)?;
    Some(match operator {
        Operator::Less => left.clone().lt(at(*millis)?),
        Operator::LessOrEqual => left.clone().lt(at(next)?),
        Operator::Greater => left.clone().gt_eq(at(next)?),
        Operator::GreaterOrEqual => left.clone().gt_eq(at(*millis)?),
        _ => return None,
    })
}

/// The bytes of an id that is written in hex.
fn id_literal(id_type: &DataType, text: &Plan) -> Option<Plan> {
    let DataType::FixedSizeBinary(bytes_wanted) = id_type else { return None };
    let Plan::Literal(ScalarValue::Utf8(Some(text)), _) = text else { return None };
    if text.len() != 2 * usize::try_from(*bytes_wanted).ok()? || !text.is_ascii() {
        return None;
    }
    let bytes = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok());
    Some(lit(ScalarValue::FixedSizeBinary(*bytes_wanted, Some(bytes.collect::<Option<Vec<u8>>>()?))))
}

/// The column of an aggregate, by what is written.
pub(super) fn aggregate_name(expr: &Expr) -> String {
    format!("#{expr}")
}

fn interval(span: TimeSpan) -> ScalarValue {
    let count = i64::from(span.count);
    let small = |count: i64| i32::try_from(count).unwrap_or(i32::MAX);
    let nanos = |seconds: i64| (0, 0, count.saturating_mul(seconds * NANOS_PER_SECOND).min(PERIOD_NANOS_MAX));
    let (months, days, nanos) = match span.unit {
        TimeUnit::Millisecond => (0, 0, count * NANOS_PER_MS),
        TimeUnit::Second => nanos(1),
        TimeUnit::Minute => nanos(60),
        TimeUnit::Hour => nanos(3_600),
        TimeUnit::Day => (0, small(count.min(PERIOD_DAYS_MAX)), 0),
        TimeUnit::Week => (0, small((7 * count).min(PERIOD_DAYS_MAX)), 0),
        TimeUnit::Month => (small(count.min(PERIOD_MONTHS_MAX)), 0, 0),
        TimeUnit::Quarter => (small((3 * count).min(PERIOD_MONTHS_MAX)), 0, 0),
        TimeUnit::Year => (small((12 * count).min(PERIOD_MONTHS_MAX)), 0, 0),
    };
    ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(months, days, nanos)))
}

fn contains(value: Plan, part: &str, negated: bool) -> Plan {
    let mut pattern = String::with_capacity(part.len() + 2);
    pattern.push('%');
    for c in part.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    Plan::Like(Like::new(negated, Box::new(value), Box::new(lit(pattern)), None, false))
}
