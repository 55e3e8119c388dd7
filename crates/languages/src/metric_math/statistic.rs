//! Statistics of the values of one period, in CloudWatch's words: `Average`, `p99.9`, `TM(10%:90%)`, `PR(:300)`.
//!
//! Spec:   docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
//! Quirks: what was sent only as count, sum, minimum and maximum has no percentiles, unless its values are all the same

/// The values of one period.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    pub count: f64,
    pub sum: f64,
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// Values and how often each was there; in no order.
    values: Vec<(f64, f64)>,
    /// How many values are not among them.
    unknown: f64,
}

impl Distribution {
    pub fn add_value(&mut self, value: f64, count: f64) {
        self.add_totals(count, value * count, value, value);
        self.values.push((value, count));
    }

    /// Values of which only this is known.
    pub fn add_statistics(&mut self, count: f64, sum: f64, min: f64, max: f64) {
        self.add_totals(count, sum, min, max);
        if min == max {
            self.values.push((min, count));
        } else {
            self.unknown += count;
        }
    }

    fn add_totals(&mut self, count: f64, sum: f64, min: f64, max: f64) {
        self.count += count;
        self.sum += sum;
        self.min = Some(self.min.map_or(min, |least| least.min(min)));
        self.max = Some(self.max.map_or(max, |most| most.max(max)));
    }

    fn sorted(&self) -> Option<Vec<(f64, f64)>> {
        if self.unknown > 0.0 || self.values.is_empty() {
            return None;
        }
        let mut sorted = self.values.clone();
        sorted.sort_by(|left, right| left.0.total_cmp(&right.0));
        Some(sorted)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    SampleCount,
    Sum,
    Average,
    Minimum,
    Maximum,
    /// From 0 to 100.
    Percentile(f64),
    /// The mean of the values within.
    TrimmedMean(Bound, Bound),
    /// The mean with what lies outside moved to the edge.
    WinsorizedMean(Bound, Bound),
    TrimmedCount(Bound, Bound),
    TrimmedSum(Bound, Bound),
    /// The share of values within, in percent.
    PercentileRank(Bound, Bound),
}

/// One end of a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    Open,
    Percent(f64),
    Value(f64),
}

impl Statistic {
    /// `None` for a text that is no statistic.
    pub fn parse(text: &str) -> Option<Statistic> {
        let whole = match text {
            "SampleCount" => Some(Statistic::SampleCount),
            "Sum" => Some(Statistic::Sum),
            "Average" => Some(Statistic::Average),
            "Minimum" => Some(Statistic::Minimum),
            "Maximum" => Some(Statistic::Maximum),
            "IQM" => Some(Statistic::TrimmedMean(Bound::Percent(25.0), Bound::Percent(75.0))),
            _ => None,
        };
        if whole.is_some() {
            return whole;
        }
        if let Some(percent) = text.strip_prefix('p') {
            return percent_of(percent).map(Statistic::Percentile);
        }
        // `tm99` is `TM(:99%)`.
        let short = |prefix: &str| text.strip_prefix(prefix).and_then(percent_of).map(Bound::Percent);
        for (prefix, of) in [
            ("tm", Statistic::TrimmedMean as fn(Bound, Bound) -> Statistic),
            ("wm", Statistic::WinsorizedMean),
            ("tc", Statistic::TrimmedCount),
            ("ts", Statistic::TrimmedSum),
        ] {
            if let Some(upper) = short(prefix) {
                return Some(of(Bound::Open, upper));
            }
        }
        let (name, rest) = text.split_once('(')?;
        let (low, high) = rest.strip_suffix(')')?.split_once(':')?;
        let (low, high) = (Bound::parse(low)?, Bound::parse(high)?);
        if (low, high) == (Bound::Open, Bound::Open) {
            return None;
        }
        Some(match name {
            "TM" => Statistic::TrimmedMean(low, high),
            "WM" => Statistic::WinsorizedMean(low, high),
            "TC" => Statistic::TrimmedCount(low, high),
            "TS" => Statistic::TrimmedSum(low, high),
            "PR" if !matches!((low, high), (Bound::Percent(_), _) | (_, Bound::Percent(_))) => {
                Statistic::PercentileRank(low, high)
            }
            _ => return None,
        })
    }

    /// Whether single values must be known.
    pub fn needs_values(self) -> bool {
        !matches!(self, Statistic::SampleCount | Statistic::Sum | Statistic::Average | Statistic::Minimum | Statistic::Maximum)
    }

    /// `None` where there are no values, or they are not known well enough.
    pub fn of(self, distribution: &Distribution) -> Option<f64> {
        if distribution.count <= 0.0 {
            return None;
        }
        match self {
            Statistic::SampleCount => Some(distribution.count),
            Statistic::Sum => Some(distribution.sum),
            Statistic::Average => Some(distribution.sum / distribution.count),
            Statistic::Minimum => distribution.min,
            Statistic::Maximum => distribution.max,
            Statistic::Percentile(percent) => Some(percentile(&distribution.sorted()?, percent)),
            Statistic::TrimmedMean(low, high) => {
                let (count, sum) = totals(&within(&distribution.sorted()?, low, high));
                (count > 0.0).then(|| sum / count)
            }
            Statistic::WinsorizedMean(low, high) => {
                let sorted = distribution.sorted()?;
                let (low, high) = (edge(&sorted, low, 0.0), edge(&sorted, high, 100.0));
                let sum: f64 = sorted.iter().map(|(value, count)| value.max(low).min(high) * count).sum();
                Some(sum / distribution.count)
            }
            Statistic::TrimmedCount(low, high) => Some(totals(&within(&distribution.sorted()?, low, high)).0),
            Statistic::TrimmedSum(low, high) => Some(totals(&within(&distribution.sorted()?, low, high)).1),
            Statistic::PercentileRank(low, high) => {
                let (count, _) = totals(&within(&distribution.sorted()?, low, high));
                Some(count / distribution.count * 100.0)
            }
        }
    }
}

impl Bound {
    fn parse(text: &str) -> Option<Bound> {
        match text.trim() {
            "" => Some(Bound::Open),
            text => match text.strip_suffix('%') {
                Some(percent) => percent_of(percent).map(Bound::Percent),
                None => text.parse().ok().filter(|value: &f64| value.is_finite()).map(Bound::Value),
            },
        }
    }
}

fn percent_of(text: &str) -> Option<f64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|percent| is_plain && (0.0..=100.0).contains(percent))
}

fn totals(values: &[(f64, f64)]) -> (f64, f64) {
    values.iter().fold((0.0, 0.0), |(count, sum), (value, times)| (count + times, sum + value * times))
}

/// Between the two values next to the place.
fn percentile(sorted: &[(f64, f64)], percent: f64) -> f64 {
    let count: f64 = sorted.iter().map(|(_, count)| count).sum();
    let place = (count - 1.0).max(0.0) * percent / 100.0;
    let at = |place: f64| {
        let mut seen = 0.0;
        for (value, times) in sorted {
            seen += times;
            if place < seen {
                return *value;
            }
        }
        sorted.last().map_or(0.0, |(value, _)| *value)
    };
    let (below, above) = (at(place.floor()), at(place.ceil()));
    below + (above - below) * place.fract()
}

/// The values between two ends; a value that lies on an end given in percent counts in part.
fn within(sorted: &[(f64, f64)], low: Bound, high: Bound) -> Vec<(f64, f64)> {
    let count: f64 = sorted.iter().map(|(_, count)| count).sum();
    let from = if let Bound::Percent(percent) = low { count * percent / 100.0 } else { 0.0 };
    let to = if let Bound::Percent(percent) = high { count * percent / 100.0 } else { count };
    let mut seen = 0.0;
    let mut out = Vec::new();
    for (value, times) in sorted {
        let kept = (seen + times).min(to) - seen.max(from);
        seen += times;
        let is_above = !matches!(low, Bound::Value(low) if *value <= low);
        let is_below = !matches!(high, Bound::Value(high) if *value > high);
        if kept > 0.0 && is_above && is_below {
            out.push((*value, kept));
        }
    }
    out
}

fn edge(sorted: &[(f64, f64)], bound: Bound, open: f64) -> f64 {
    match bound {
        Bound::Open => percentile(sorted, open),
        Bound::Percent(percent) => percentile(sorted, percent),
        Bound::Value(value) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_ten() -> Distribution {
        let mut out = Distribution::default();
        (1..=10).for_each(|value| out.add_value(f64::from(value), 1.0));
        out
    }

    #[test]
    fn statistics_of_ten_values() {
        for (name, expected) in [
            ("SampleCount", 10.0),
            ("Sum", 55.0),
            ("Average", 5.5),
            ("Minimum", 1.0),
            ("Maximum", 10.0),
            ("p50", 5.5),
            ("p0", 1.0),
            ("p100", 10.0),
            ("tm90", 5.0),
            ("TM(10%:90%)", 5.5),
            ("TM(2:5)", 4.0),
            ("IQM", 5.5),
            ("tc50", 5.0),
            ("TS(:3)", 6.0),
            ("PR(:5)", 50.0),
            ("PR(5:10)", 50.0),
            ("WM(:5)", 4.0),
        ] {
            let found = Statistic::parse(name).unwrap().of(&to_ten()).unwrap();
            assert!((found - expected).abs() < 1e-9, "{name}: {found}");
        }
        for name in ["", "average", "p101", "p", "TM()", "TM(:)", "PR(1%:)", "p-1", "tm", "XX(1:2)", "p1e1"] {
            assert_eq!(Statistic::parse(name), None, "{name}");
        }
    }

    #[test]
    fn percentiles_need_values() {
        let mut distribution = Distribution::default();
        assert_eq!(Statistic::Average.of(&distribution), None);
        distribution.add_statistics(4.0, 8.0, 2.0, 2.0);
        assert_eq!(Statistic::Percentile(99.0).of(&distribution), Some(2.0));
        distribution.add_statistics(2.0, 10.0, 1.0, 9.0);
        assert_eq!(Statistic::Percentile(99.0).of(&distribution), None);
        assert_eq!(Statistic::Average.of(&distribution), Some(3.0));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_not(text in ".{0,12}", short in "(p|tm|TM\\(|PR\\()[0-9.:%]{0,6}\\)?") {
            for text in [text, short] {
                if let Some(statistic) = Statistic::parse(&text) {
                    let _ = statistic.of(&to_ten());
                }
            }
        }
    }
}
