//! When something is due: `rate(5 minutes)`, `cron(0/15 8-17 ? * MON-FRI *)`, `at(2026-11-21T12:00:00)`, as AWS's schedulers read them.
//!
//! Missing: `L`, `W` and `#` in cron expressions; time zones other than UTC

use std::collections::BTreeSet;

/// A schedule, all times in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Every so many seconds, at whole multiples.
    Rate(i64),
    Cron(Box<Cron>),
    At(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: BTreeSet<u32>,
    hours: BTreeSet<u32>,
    days: BTreeSet<u32>,
    months: BTreeSet<u32>,
    /// 1 is Sunday.
    weekdays: BTreeSet<u32>,
    years: BTreeSet<u32>,
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A cron expression is looked for in so many minutes back.
const MINUTES_BACK_MAX: i64 = 24 * 60;

impl Schedule {
    pub fn parse(text: &str) -> Option<Schedule> {
        let (kind, inner) = text.trim().strip_suffix(')')?.split_once('(')?;
        match kind {
            "rate" => {
                let (count, unit) = inner.trim().split_once(' ')?;
                let count: i64 = count.parse().ok().filter(|count| (1..=100_000).contains(count))?;
                let seconds = match unit.trim().trim_end_matches('s') {
                    "minute" => 60,
                    "hour" => 3_600,
                    "day" => 86_400,
                    "second" => 1,
                    _ => return None,
                };
                Some(Schedule::Rate(count * seconds))
            }
            "at" => {
                let time: jiff::Timestamp = format!("{}Z", inner.trim()).parse().ok()?;
                Some(Schedule::At(time.as_second()))
            }
            "cron" => {
                let fields: Vec<&str> = inner.split_whitespace().collect();
                let [minutes, hours, days, months, weekdays, years] = fields.as_slice() else { return None };
                Some(Schedule::Cron(Box::new(Cron {
                    minutes: field(minutes, 0, 59, &[])?,
                    hours: field(hours, 0, 23, &[])?,
                    days: field(days, 1, 31, &[])?,
                    months: field(months, 1, 12, &MONTHS)?,
                    weekdays: field(weekdays, 1, 7, &WEEKDAYS)?,
                    years: field(years, 1970, 2199, &[])?,
                })))
            }
            _ => None,
        }
    }

    /// The newest time at or before `now`, in seconds, at which it was due; of a cron expression within the last day.
    pub fn last_due(&self, now: i64) -> Option<i64> {
        match self {
            Schedule::Rate(seconds) => Some(now.div_euclid(*seconds) * seconds),
            Schedule::At(time) => (*time <= now).then_some(*time),
            Schedule::Cron(cron) => {
                let minute = now.div_euclid(60);
                (0..=MINUTES_BACK_MAX).map(|back| (minute - back) * 60).find(|time| cron.is_due(*time))
            }
        }
    }
}

impl Cron {
    fn is_due(&self, seconds: i64) -> bool {
        let Ok(time) = jiff::Timestamp::from_second(seconds) else { return false };
        let time = time.to_zoned(jiff::tz::TimeZone::UTC);
        let weekday = time.weekday().to_sunday_zero_offset() as u32 + 1;
        self.minutes.contains(&(time.minute() as u32))
            && self.hours.contains(&(time.hour() as u32))
            && self.days.contains(&(time.day() as u32))
            && self.months.contains(&(time.month() as u32))
            && self.weekdays.contains(&weekday)
            && self.years.contains(&(time.year() as u32))
    }
}

/// Numbers of one field: `*`, `?`, `5`, `1,2`, `1-5`, `*/10`, `3/10`, `MON-FRI`.
fn field(text: &str, least: u32, most: u32, words: &[&str]) -> Option<BTreeSet<u32>> {
    let number = |text: &str| -> Option<u32> {
        let word = words.iter().position(|word| word.eq_ignore_ascii_case(text));
        let number = word.map(|at| at as u32 + 1).or_else(|| text.parse().ok())?;
        (least..=most).contains(&number).then_some(number)
    };
    let mut out = BTreeSet::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<u32>().ok().filter(|step| *step > 0)?)),
            None => (part, None),
        };
        let (from, to) = match (range, range.split_once('-')) {
            ("*" | "?", _) => (least, most),
            (_, Some((from, to))) => (number(from)?, number(to)?),
            (one, None) => (number(one)?, if step.is_some() { most } else { number(one)? }),
        };
        out.extend((from..=to).step_by(step.unwrap_or(1) as usize));
    }
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21 is a Saturday.
    fn last(text: &str, now: &str) -> Option<String> {
        let now: jiff::Timestamp = format!("{now}Z").parse().unwrap();
        let due = Schedule::parse(text)?.last_due(now.as_second())?;
        Some(jiff::Timestamp::from_second(due).unwrap().to_string())
    }

    #[test]
    fn schedules_are_due_when_they_say() {
        for (text, now, expected) in [
            ("rate(5 minutes)", "2026-11-21T12:07:10", Some("2026-11-21T12:05:00Z")),
            ("rate(1 hour)", "2026-11-21T12:07:10", Some("2026-11-21T12:00:00Z")),
            ("cron(0/15 * * * ? *)", "2026-11-21T12:44:59", Some("2026-11-21T12:30:00Z")),
            ("cron(0 8 ? * MON-FRI *)", "2026-11-21T07:00:00", Some("2026-11-20T08:00:00Z")),
            ("cron(0 8 ? * SUN *)", "2026-11-21T12:00:00", None),
            ("cron(30 9 21 NOV ? 2026)", "2026-11-21T12:00:00", Some("2026-11-21T09:30:00Z")),
            ("at(2026-11-21T11:00:00)", "2026-11-21T12:00:00", Some("2026-11-21T11:00:00Z")),
            ("at(2026-11-21T13:00:00)", "2026-11-21T12:00:00", None),
        ] {
            assert_eq!(last(text, now).as_deref(), expected, "{text}");
        }
        for text in [
            "",
            "rate()",
            "rate(0 minutes)",
            "rate(5 fortnights)",
            "cron(* * * *)",
            "cron(61 * * * ? *)",
            "cron(1/0 * * * ? *)",
            "at(x)",
        ] {
            assert_eq!(Schedule::parse(text), None, "{text}");
        }
    }
}
