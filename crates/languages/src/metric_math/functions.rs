//! The functions of metric math.
//!
//! `AVG`, `MAX`, `MIN`, `STDDEV` and `SUM` make one number of a series, and one series of a list.

use std::collections::BTreeMap;

use super::ast::Expression;
use super::error::MetricMathError;
use super::evaluate::{Evaluation, NamedSeries, Series, Value, combine, each};

type Result = std::result::Result<Value, MetricMathError>;

pub fn call(evaluation: &mut Evaluation<'_>, name: &str, arguments: &[Expression], at: usize) -> Result {
    let mut call = Call { evaluation, name, arguments, at };
    match name {
        "ABS" => call.of_each(f64::abs),
        "CEIL" => call.of_each(f64::ceil),
        "FLOOR" => call.of_each(f64::floor),
        "LOG" => call.of_each(f64::ln),
        "LOG10" => call.of_each(f64::log10),
        "AVG" => call.fold(&|values| values.iter().sum::<f64>() / values.len() as f64),
        "SUM" => call.fold(&|values| values.iter().sum()),
        "MAX" => call.fold(&|values| values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
        "MIN" => call.fold(&|values| values.iter().copied().fold(f64::INFINITY, f64::min)),
        "STDDEV" => call.fold(&deviation),
        "DATAPOINT_COUNT" => call.fold_or_zero(&|values| values.len() as f64),
        "DIFF" => call.of_series(&|series| neighbours(series, |_, difference| difference)),
        "DIFF_TIME" => call.of_series(&|series| neighbours(series, |seconds, _| seconds)),
        "RATE" => call.of_series(&|series| neighbours(series, |seconds, difference| difference / seconds)),
        "RUNNING_SUM" => call.of_series(&running_sum),
        "FILL" => call.fill(),
        "FIRST" => call.pick(|list| list.first().cloned()),
        "LAST" => call.pick(|list| list.last().cloned()),
        "IF" => call.choose(),
        "METRICS" => call.metrics(),
        "METRIC_COUNT" => Ok(Value::Scalar(call.list_at(0)?.len() as f64)),
        "PERIOD" => call.period(),
        "TIME_SERIES" => match call.value_at(0)? {
            Value::Scalar(value) => Ok(Value::Series(call.evaluation.constant(value))),
            _ => Err(call.wrong("expects a number")),
        },
        "REMOVE_EMPTY" => {
            let mut list = call.list_at(0)?;
            list.retain(|named| !named.series.points.is_empty());
            Ok(Value::List(list))
        }
        "SLICE" => call.slice(),
        "SORT" => call.sort(),
        "EPOCH" => call.of_time(|seconds| seconds),
        "MINUTE" => call.of_time(|seconds| seconds.rem_euclid(3_600) / 60),
        "HOUR" => call.of_time(|seconds| seconds.rem_euclid(86_400) / 3_600),
        // Monday is 1; 1970 began on a Thursday.
        "DAY" => call.of_time(|seconds| (seconds.div_euclid(86_400) + 3).rem_euclid(7) + 1),
        "DATE" => call.of_time(|seconds| civil(seconds).2),
        "MONTH" => call.of_time(|seconds| civil(seconds).1),
        "YEAR" => call.of_time(|seconds| civil(seconds).0),
        "SEARCH" => Err(call.wrong("expects a search in quotes, a statistic in quotes, and a period")),
        "ANOMALY_DETECTION_BAND" | "INSIGHT_RULE_METRIC" | "SERVICE_QUOTA" | "DB_PERF_INSIGHTS" | "LAMBDA" => {
            Err(call.wrong("is not answered here yet"))
        }
        _ => Err(MetricMathError::at(at, format!("{name} is not a function of metric math"))),
    }
}

struct Call<'c, 'w> {
    evaluation: &'c mut Evaluation<'w>,
    name: &'c str,
    arguments: &'c [Expression],
    at: usize,
}

impl Call<'_, '_> {
    fn wrong(&self, what: &str) -> MetricMathError {
        MetricMathError::at(self.at, format!("{} {what}", self.name))
    }

    fn argument(&self, index: usize) -> std::result::Result<&Expression, MetricMathError> {
        self.arguments.get(index).ok_or_else(|| self.wrong("has too few arguments"))
    }

    fn value_at(&mut self, index: usize) -> Result {
        let argument = self.argument(index)?.clone();
        self.evaluation.value(&argument)
    }

    /// A list of series; one series is a list of one.
    fn list_at(&mut self, index: usize) -> std::result::Result<Vec<NamedSeries>, MetricMathError> {
        match self.value_at(index)? {
            Value::List(list) => Ok(list),
            Value::Series(series) => Ok(vec![NamedSeries { label: String::new(), series }]),
            Value::Scalar(_) | Value::Text(_) => Err(self.wrong("expects a list of series")),
        }
    }

    fn number_at(&mut self, index: usize) -> std::result::Result<f64, MetricMathError> {
        match self.value_at(index)? {
            Value::Scalar(number) => Ok(number),
            _ => Err(self.wrong("expects a number")),
        }
    }

    fn of_each(&mut self, of: fn(f64) -> f64) -> Result {
        match self.value_at(0)? {
            Value::Text(_) => Err(self.wrong("expects numbers")),
            value => Ok(value.map(&|_, value| Some(of(value)))),
        }
    }

    fn of_series(&mut self, of: &dyn Fn(&Series) -> Series) -> Result {
        match self.value_at(0)? {
            Value::Series(series) => Ok(Value::Series(of(&series))),
            Value::List(list) => Ok(Value::List(each(&list, of))),
            Value::Scalar(_) | Value::Text(_) => Err(self.wrong("expects a series")),
        }
    }

    fn of_time(&mut self, of: fn(i64) -> i64) -> Result {
        self.of_series(&|series| series.map(&|at, _| Some(of(at) as f64)))
    }

    /// A series becomes a number; a list becomes a series, over those that have data in each period.
    fn fold(&mut self, of: &dyn Fn(&[f64]) -> f64) -> Result {
        match self.value_at(0)? {
            Value::Scalar(number) => Ok(Value::Scalar(number)),
            Value::Series(series) => {
                let values: Vec<f64> = series.points.values().copied().collect();
                // Without data there is nothing to say.
                Ok(if values.is_empty() { Value::Series(Series::default()) } else { Value::Scalar(of(&values)) })
            }
            Value::List(list) => Ok(Value::Series(folded(&list, of))),
            Value::Text(_) => Err(self.wrong("expects series")),
        }
    }

    fn fold_or_zero(&mut self, of: &dyn Fn(&[f64]) -> f64) -> Result {
        match self.value_at(0)? {
            Value::Series(series) => Ok(Value::Scalar(of(&series.points.values().copied().collect::<Vec<_>>()))),
            Value::List(list) => Ok(Value::Series(folded(&list, of))),
            _ => Err(self.wrong("expects series")),
        }
    }

    fn fill(&mut self) -> Result {
        let with = match self.argument(1)? {
            Expression::Name(word, _) if word == "REPEAT" => Fill::Repeat,
            Expression::Name(word, _) if word == "LINEAR" => Fill::Linear,
            _ => match self.value_at(1)? {
                Value::Scalar(number) => Fill::From(self.evaluation.constant(number)),
                Value::Series(series) => Fill::From(series),
                _ => return Err(self.wrong("fills with a number, a series, REPEAT or LINEAR")),
            },
        };
        let grid = self.evaluation.constant(0.0);
        self.of_series(&|series| with.over(series, &grid))
    }

    fn pick(&mut self, of: fn(&[NamedSeries]) -> Option<NamedSeries>) -> Result {
        let list = self.list_at(0)?;
        Ok(Value::Series(of(&list).map(|named| named.series).unwrap_or_default()))
    }

    fn choose(&mut self) -> Result {
        let condition = self.value_at(0)?;
        let when_true = self.value_at(1)?;
        let when_false = if self.arguments.len() > 2 { Some(self.value_at(2)?) } else { None };
        let condition = match condition {
            Value::Scalar(number) if when_false.is_some() => {
                return Ok(if number != 0.0 { when_true } else { when_false.unwrap_or(when_true_empty()) });
            }
            Value::Scalar(number) => self.evaluation.constant(number),
            Value::Series(series) => series,
            Value::List(_) | Value::Text(_) => return Err(self.wrong("expects a series as its condition")),
        };
        let holds = |is: bool| condition.map(&|_, value| ((value != 0.0) == is).then_some(1.0));
        let chosen = |side: Value, is: bool| {
            combine(Value::Series(holds(is)), side, &|_, value| Some(value)).map_err(MetricMathError::new)
        };
        let yes = chosen(when_true, true)?;
        let Some(when_false) = when_false else { return Ok(yes) };
        let no = chosen(when_false, false)?;
        Ok(match (yes, no) {
            (Value::Series(yes), Value::Series(no)) => Value::Series(merged(yes, no)),
            (Value::List(yes), Value::Series(no)) => Value::List(each(&yes, |yes| merged(yes.clone(), no.clone()))),
            (Value::Series(yes), Value::List(no)) => Value::List(each(&no, |no| merged(yes.clone(), no.clone()))),
            (Value::List(yes), Value::List(no)) if yes.len() == no.len() => {
                let pairs = yes.into_iter().zip(no);
                Value::List(pairs.map(|(yes, no)| NamedSeries { series: merged(yes.series, no.series), ..yes }).collect())
            }
            _ => return Err(self.wrong("has sides that cannot be combined")),
        })
    }

    fn metrics(&mut self) -> Result {
        let part = match self.arguments.first() {
            None => None,
            Some(Expression::Text(part)) => Some(part.clone()),
            Some(_) => return Err(self.wrong("expects a text in quotes, or nothing")),
        };
        let mut out = Vec::new();
        for (id, is_metric, value) in &self.evaluation.world.series {
            if *is_metric && part.as_ref().is_none_or(|part| id.contains(part.as_str())) {
                match value {
                    Value::Series(series) => out.push(NamedSeries { label: id.clone(), series: series.clone() }),
                    Value::List(list) => out.extend(list.iter().cloned()),
                    Value::Scalar(_) | Value::Text(_) => {}
                }
            }
        }
        Ok(Value::List(out))
    }

    fn period(&mut self) -> Result {
        match self.value_at(0)? {
            Value::Series(series) => Ok(Value::Scalar(series.period_seconds as f64)),
            _ => Err(self.wrong("expects a series")),
        }
    }

    fn slice(&mut self) -> Result {
        let list = self.list_at(0)?;
        let bounded = |number: f64| (number.max(0.0) as usize).min(list.len());
        let from = bounded(self.number_at(1)?);
        let to = if self.arguments.len() > 2 { bounded(self.number_at(2)?) } else { list.len() };
        if self.arguments.len() == 2 {
            let one = list.get(from).map(|named| named.series.clone());
            return Ok(Value::Series(one.unwrap_or_default()));
        }
        Ok(Value::List(list[from.min(to)..to].to_vec()))
    }

    fn sort(&mut self) -> Result {
        let mut list = self.list_at(0)?;
        let word = |at: usize| match self.arguments.get(at) {
            Some(Expression::Name(word, _)) => word.as_str(),
            _ => "",
        };
        let by: fn(&Series) -> f64 = match word(1) {
            "AVG" => |series| series.points.values().sum::<f64>() / series.points.len() as f64,
            "SUM" => |series| series.points.values().sum(),
            "MIN" => |series| series.points.values().copied().fold(f64::INFINITY, f64::min),
            "MAX" => |series| series.points.values().copied().fold(f64::NEG_INFINITY, f64::max),
            _ => return Err(self.wrong("sorts by AVG, SUM, MIN or MAX")),
        };
        let descends = match word(2) {
            "ASC" => false,
            "DESC" => true,
            _ => return Err(self.wrong("needs ASC or DESC")),
        };
        list.sort_by(|left, right| {
            let order = by(&left.series).total_cmp(&by(&right.series));
            if descends { order.reverse() } else { order }
        });
        if self.arguments.len() > 3 {
            let count = self.number_at(3)?.max(0.0) as usize;
            list.truncate(count);
        }
        Ok(Value::List(list))
    }
}

fn when_true_empty() -> Value {
    Value::Series(Series::default())
}

fn merged(mut yes: Series, no: Series) -> Series {
    yes.period_seconds = yes.period_seconds.max(no.period_seconds);
    no.points.into_iter().for_each(|(at, value)| {
        yes.points.entry(at).or_insert(value);
    });
    yes
}

fn folded(list: &[NamedSeries], of: &dyn Fn(&[f64]) -> f64) -> Series {
    let mut all: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for named in list {
        for (at, value) in &named.series.points {
            all.entry(*at).or_default().push(*value);
        }
    }
    let points = all.into_iter().map(|(at, values)| (at, of(&values))).filter(|(_, value)| value.is_finite()).collect();
    Series { points, period_seconds: list.iter().map(|named| named.series.period_seconds).max().unwrap_or(0) }
}

fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

/// Each value with the one before it; the first has none.
fn neighbours(series: &Series, of: fn(f64, f64) -> f64) -> Series {
    let pairs = series.points.iter().zip(series.points.iter().skip(1));
    let points = pairs.map(|((before_at, before), (at, value))| (*at, of((at - before_at) as f64, value - before)));
    Series { points: points.collect(), period_seconds: series.period_seconds }
}

fn running_sum(series: &Series) -> Series {
    let mut sum = 0.0;
    let points = series.points.iter().map(|(at, value)| {
        sum += value;
        (*at, sum)
    });
    Series { points: points.collect(), period_seconds: series.period_seconds }
}

enum Fill {
    From(Series),
    Repeat,
    Linear,
}

impl Fill {
    fn over(&self, series: &Series, grid: &Series) -> Series {
        let mut out = series.clone();
        out.period_seconds = series.period_seconds.max(grid.period_seconds);
        for at in grid.points.keys().filter(|at| !series.points.contains_key(at)) {
            let before = series.points.range(..at).next_back();
            let filled = match self {
                Fill::From(other) => other.points.get(at).copied(),
                Fill::Repeat => before.map(|(_, value)| *value),
                Fill::Linear => before
                    .zip(series.points.range(at..).next())
                    .map(|((from, first), (to, last))| first + (last - first) * (at - from) as f64 / (to - from) as f64),
            };
            if let Some(value) = filled {
                out.points.insert(*at, value);
            }
        }
        out
    }
}

/// Year, month and day of a time; the calendar counted from March, so that the leap day is the last of its year.
fn civil(seconds: i64) -> (i64, i64, i64) {
    let days = seconds.div_euclid(86_400) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}
