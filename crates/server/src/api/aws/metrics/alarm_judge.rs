//! How an alarm is judged: the last values against its threshold, M of N, and what missing ones count for. Pure.
//!
//! Spec:   docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
//! Quirks: as at AWS, two periods more than asked for are looked at, so that a late value does not change the state

use languages::metric_math::Statistic;
use receivers::aws::AwsError;
use serde_json::{Map, Value};

use super::alarm_state::StateValue;
use super::statistics::check_period;
use super::{missing, validation};

/// Periods looked at beyond those that are evaluated.
const PERIODS_BEYOND: i64 = 2;

/// What an alarm asks of its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// 0 for an alarm on expressions, whose queries say it.
    pub period_seconds: i64,
    pub evaluation_periods: i64,
    pub datapoints_to_alarm: i64,
    pub threshold: f64,
    pub comparison: Comparison,
    pub missing_data: MissingData,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingData {
    Missing,
    Ignore,
    Breaching,
    NotBreaching,
}

/// What the values say.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// `None` leaves the state as it is.
    pub state: Option<StateValue>,
    pub reason: String,
    /// The values that decided, the newest first.
    pub evaluated: Vec<(i64, f64)>,
}

impl Condition {
    /// Reads and checks what a document says.
    pub fn read(document: &Map<String, Value>) -> Result<Condition, AwsError> {
        let integer = |member: &str| document.get(member).and_then(Value::as_i64);
        let text = |member: &str| document.get(member).and_then(Value::as_str);
        let (evaluation_periods, datapoints_to_alarm) = match integer("QueryResultsToEvaluate") {
            Some(results) => (results, integer("QueryResultsToAlarm").unwrap_or(results)),
            None => {
                let periods =
                    integer("EvaluationPeriods").ok_or_else(|| missing("The parameter EvaluationPeriods is required."))?;
                (periods, integer("DatapointsToAlarm").unwrap_or(periods))
            }
        };
        if datapoints_to_alarm > evaluation_periods {
            return Err(validation("DatapointsToAlarm must be less than or equal to EvaluationPeriods."));
        }
        if let Some(name) = text("ExtendedStatistic")
            && !Statistic::parse(name).is_some_and(Statistic::needs_values)
        {
            return Err(validation(format!("The value {name} for parameter ExtendedStatistic is not supported.")));
        }
        let period_seconds = integer("Period").unwrap_or(0);
        if document.contains_key("Period") {
            check_period(period_seconds, "Period")?;
        }
        if period_seconds.max(1) * evaluation_periods > 7 * 86_400 {
            return Err(validation("Metrics cannot be checked across more than seven days (EvaluationPeriods * Period)."));
        }
        let threshold = document.get("Threshold").and_then(Value::as_f64);
        let comparison = match text("ComparisonOperator") {
            Some("GreaterThanThreshold") => Comparison::Greater,
            Some("GreaterThanOrEqualToThreshold") => Comparison::GreaterOrEqual,
            Some("LessThanThreshold") => Comparison::Less,
            Some("LessThanOrEqualToThreshold") => Comparison::LessOrEqual,
            Some(other) => return Err(validation(format!("{other} needs an anomaly band, which is not answered here yet."))),
            None => return Err(missing("The parameter ComparisonOperator is required.")),
        };
        let missing_data = match text("TreatMissingData") {
            None | Some("missing") => MissingData::Missing,
            Some("ignore") => MissingData::Ignore,
            Some("breaching") => MissingData::Breaching,
            Some("notBreaching") => MissingData::NotBreaching,
            Some(other) => {
                let message = format!("Value '{other}' for TreatMissingData must be missing, ignore, breaching or notBreaching.");
                return Err(validation(message));
            }
        };
        Ok(Condition {
            period_seconds,
            evaluation_periods,
            datapoints_to_alarm,
            threshold: threshold.ok_or_else(|| missing("The parameter Threshold is required."))?,
            comparison,
            missing_data,
        })
    }

    /// How many of the newest periods are looked at.
    pub fn periods_seen(&self) -> i64 {
        self.evaluation_periods + PERIODS_BEYOND
    }

    fn breaches(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Greater => value > self.threshold,
            Comparison::GreaterOrEqual => value >= self.threshold,
            Comparison::Less => value < self.threshold,
            Comparison::LessOrEqual => value <= self.threshold,
        }
    }

    /// Judges the values of the newest periods, the newest first; `None` where there was none.
    pub fn judge(&self, periods: &[(i64, Option<f64>)]) -> Verdict {
        let (n, m) = (self.evaluation_periods as usize, self.datapoints_to_alarm as usize);
        let real: Vec<(usize, i64, f64)> =
            periods.iter().enumerate().filter_map(|(age, (at, value))| Some((age + 1, *at, (*value)?))).take(n).collect();
        let breaching = real.iter().filter(|(_, _, value)| self.breaches(*value)).count();
        let absent = n - real.len();
        let oldest_age = real.last().map_or(0, |(age, ..)| *age);
        let state = match self.missing_data {
            _ if breaching >= m => Some(StateValue::Alarm),
            _ if absent == 0 => Some(StateValue::Ok),
            MissingData::Breaching if breaching + absent >= m => Some(StateValue::Alarm),
            MissingData::Breaching | MissingData::NotBreaching => Some(StateValue::Ok),
            MissingData::Missing if real.is_empty() => Some(StateValue::InsufficientData),
            _ if breaching < real.len() => Some(StateValue::Ok),
            // All that there is breaches, and it began long enough ago.
            MissingData::Missing if oldest_age >= m => Some(StateValue::Alarm),
            MissingData::Missing | MissingData::Ignore => None,
        };
        let evaluated: Vec<(i64, f64)> = real.iter().map(|(_, at, value)| (*at, *value)).collect();
        let reason = state.map(|state| self.reason(state, &evaluated, breaching, absent)).unwrap_or_default();
        Verdict { state, reason, evaluated }
    }

    fn reason(&self, state: StateValue, evaluated: &[(i64, f64)], breaching: usize, absent: usize) -> String {
        let (n, m) = (self.evaluation_periods, self.datapoints_to_alarm);
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        if state == StateValue::InsufficientData {
            let verb = if n == 1 { "was" } else { "were" };
            return format!("Insufficient Data: {n} datapoint{} {verb} unknown.", plural(n as usize));
        }
        let treated = match self.missing_data {
            MissingData::Breaching => Some("Breaching"),
            MissingData::NotBreaching => Some("NonBreaching"),
            MissingData::Missing | MissingData::Ignore => None,
        };
        let filled = treated.filter(|_| absent > 0).map(|treated| {
            let verb = if absent == 1 { "was" } else { "were" };
            format!("{absent} missing datapoint{} {verb} treated as [{treated}]", plural(absent))
        });
        if evaluated.is_empty() {
            let filled = filled.unwrap_or_default();
            return format!("Threshold Crossed: no datapoints were received for {n} period{} and {filled}.", plural(n as usize));
        }
        let words = match self.comparison {
            Comparison::Greater => "greater than",
            Comparison::GreaterOrEqual => "greater than or equal to",
            Comparison::Less => "less than",
            Comparison::LessOrEqual => "less than or equal to",
        };
        let count = if state == StateValue::Alarm { breaching } else { evaluated.len() - breaching };
        let told: Vec<String> = evaluated
            .iter()
            .filter(|(_, value)| self.breaches(*value) == (state == StateValue::Alarm))
            .take(5)
            .map(|(at, value)| format!("{value:?} ({})", told_time(*at)))
            .collect();
        let verb = if count == 1 { "was" } else { "were" };
        let not = if state == StateValue::Alarm { "" } else { " not" };
        let change = if state == StateValue::Alarm { "OK -> ALARM" } else { "ALARM -> OK" };
        let needed = if state == StateValue::Alarm { m } else { n - m + 1 };
        let filled = filled.map(|filled| format!(" and {filled}")).unwrap_or_default();
        format!(
            "Threshold Crossed: {count} out of the last {n} datapoint{} [{}] {verb}{not} {words} the threshold ({:?}){filled} \
             (minimum {needed} datapoint{} for {change} transition).",
            plural(n as usize),
            told.join(", "),
            self.threshold,
            plural(needed as usize),
        )
    }

    /// In a few words, e.g. `> 500 for 3 of 5 periods of 60 s`.
    pub fn words(&self) -> String {
        let sign = self.sign();
        let of = if self.datapoints_to_alarm == self.evaluation_periods {
            self.evaluation_periods.to_string()
        } else {
            format!("{} of {}", self.datapoints_to_alarm, self.evaluation_periods)
        };
        let noun = if self.evaluation_periods == 1 { "period" } else { "periods" };
        let period = match self.period_seconds {
            0 => String::new(),
            seconds if seconds % 60 == 0 => format!(" of {} min", seconds / 60),
            seconds => format!(" of {seconds} s"),
        };
        format!("{sign} {} for {of} {noun}{period}", self.threshold)
    }

    pub fn sign(&self) -> &'static str {
        match self.comparison {
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
        }
    }
}

fn told_time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or_default().strftime("%d/%m/%y %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(n: i64, m: i64, missing: &str) -> Condition {
        let document = json!({ "EvaluationPeriods": n, "DatapointsToAlarm": m, "Period": 60, "Threshold": 10.0,
            "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": missing });
        Condition::read(document.as_object().unwrap()).unwrap()
    }

    /// `X` breaches, `0` does not, `-` is missing; the newest last, as AWS's manual has them.
    fn judged(n: i64, m: i64, missing: &str, values: &str) -> &'static str {
        let periods: Vec<(i64, Option<f64>)> = values
            .split(' ')
            .rev()
            .enumerate()
            .map(|(age, value)| {
                (
                    1_795_262_400 - 60 * age as i64,
                    match value {
                        "X" => Some(11.0),
                        "0" => Some(0.0),
                        _ => None,
                    },
                )
            })
            .collect();
        condition(n, m, missing).judge(&periods).state.map_or("retain", StateValue::as_str)
    }

    /// AWS's own tables.
    #[test]
    fn missing_data_count_as_the_manual_says() {
        let (ok, alarm, unknown, retain) = ("OK", "ALARM", "INSUFFICIENT_DATA", "retain");
        for (n, m, values, missing, ignore, breaching, not_breaching) in [
            (3, 3, "0 - X - X", ok, ok, ok, ok),
            (3, 3, "0 - - - -", ok, ok, ok, ok),
            (3, 3, "- - - - -", unknown, retain, alarm, ok),
            (3, 3, "0 X X - X", alarm, alarm, alarm, alarm),
            (3, 3, "- - X - -", alarm, retain, alarm, ok),
            (3, 2, "0 - X - X", alarm, alarm, alarm, alarm),
            (3, 2, "0 0 X 0 X", alarm, alarm, alarm, alarm),
            (3, 2, "0 - X - -", ok, ok, alarm, ok),
            (3, 2, "- - - - 0", ok, ok, alarm, ok),
            (3, 2, "- - - X -", alarm, retain, alarm, ok),
        ] {
            for (treatment, expected) in
                [("missing", missing), ("ignore", ignore), ("breaching", breaching), ("notBreaching", not_breaching)]
            {
                assert_eq!(judged(n, m, treatment, values), expected, "{m} of {n}, {treatment}: {values}");
            }
        }
    }

    #[test]
    fn reasons_are_told_as_awss_are() {
        let at = 1_795_262_400;
        let reason = |condition: Condition, values: &[(i64, Option<f64>)]| condition.judge(values).reason;
        expect_test::expect!["Threshold Crossed: 2 out of the last 3 datapoints [12.0 (21/11/26 12:00:00), 11.5 (21/11/26 11:59:00)] were greater than the threshold (10.0) (minimum 2 datapoints for OK -> ALARM transition)."]
            .assert_eq(&reason(condition(3, 2, "missing"), &[(at, Some(12.0)), (at - 60, Some(11.5)), (at - 120, Some(1.0))]));
        expect_test::expect!["Threshold Crossed: 1 out of the last 1 datapoint [1.0 (21/11/26 12:00:00)] was not greater than the threshold (10.0) (minimum 1 datapoint for ALARM -> OK transition)."]
            .assert_eq(&reason(condition(1, 1, "missing"), &[(at, Some(1.0))]));
        expect_test::expect!["Insufficient Data: 1 datapoint was unknown."]
            .assert_eq(&reason(condition(1, 1, "missing"), &[(at, None)]));
        expect_test::expect![
            "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were treated as [Breaching]."
        ]
        .assert_eq(&reason(condition(2, 2, "breaching"), &[(at, None), (at - 60, None)]));
        assert_eq!(condition(5, 3, "missing").words(), "> 10 for 3 of 5 periods of 1 min");
    }

    #[test]
    fn wrong_conditions_are_refused() {
        for (member, value) in [
            ("DatapointsToAlarm", json!(4)),
            ("ComparisonOperator", json!("GreaterThanUpperThreshold")),
            ("TreatMissingData", json!("no")),
            ("Period", json!(7)),
            ("EvaluationPeriods", json!(20_000)),
            ("Threshold", Value::Null),
        ] {
            let mut document =
                json!({ "EvaluationPeriods": 3, "Period": 60, "Threshold": 1.0, "ComparisonOperator": "LessThanThreshold" });
            assert!(Condition::read(document.as_object().unwrap()).is_ok());
            document[member] = value;
            assert!(Condition::read(document.as_object().unwrap()).is_err(), "{member}");
        }
    }
}
