//! Points of one series, added up step by step.

use std::collections::HashMap;

use serde_json::Value;

use super::Aggregation;

/// One data point as it is kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Point<'p> {
    pub time_unix_nano: i64,
    /// Whether it counts since a start.
    pub is_cumulative: bool,
    pub value: Option<f64>,
    pub count: Option<f64>,
    pub sum: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub buckets: &'p str,
}

/// What was measured in one step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    count: f64,
    sum: f64,
    min: Option<f64>,
    max: Option<f64>,
    /// With its time.
    last: Option<(i64, f64)>,
    /// The bits of the bounds of ranges of values, and how many lay in each; a single value is a range without width.
    ranges: HashMap<(u64, u64), f64>,
}

/// From, to, and how many values lay there.
pub type Bucket = (f64, f64, f64);

/// Count, sum and buckets since a start.
#[derive(Clone, Debug, Default)]
struct Counted {
    count: f64,
    sum: f64,
    buckets: Vec<Bucket>,
}

/// A series on its way through time.
#[derive(Clone, Debug, Default)]
pub struct Track {
    before: Option<Counted>,
}

impl Track {
    /// What a point adds; nothing for the first one of those that count since a start.
    pub fn add(&mut self, point: &Point<'_>) -> Option<Cell> {
        let ranges = ranges(point.buckets);
        if let Some(value) = point.value {
            let mut cell = Cell { count: 1.0, sum: value, last: Some((point.time_unix_nano, value)), ..Cell::default() };
            (cell.min, cell.max, cell.ranges) = (Some(value), Some(value), by_bounds(vec![(value, value, 1.0)]));
            if point.is_cumulative {
                let before = self.before.replace(Counted { count: 1.0, sum: value, buckets: Vec::new() })?.sum;
                // A counter that fell began anew.
                cell.sum = if value < before { value } else { value - before };
            }
            return Some(cell);
        }
        let (count, sum) = (point.count?, point.sum.unwrap_or(0.0));
        let last = (count > 0.0).then_some((point.time_unix_nano, sum / count));
        if !point.is_cumulative {
            return Some(Cell { count, sum, min: point.min, max: point.max, last, ranges: by_bounds(ranges) });
        }
        let before = self.before.replace(Counted { count, sum, buckets: ranges.clone() })?;
        if count < before.count {
            return Some(Cell { count, sum, min: None, max: None, last, ranges: by_bounds(ranges) });
        }
        let ranges = by_bounds(grown(ranges, &before.buckets));
        let (count, sum) = (count - before.count, sum - before.sum);
        (count > 0.0).then_some(Cell {
            count,
            sum,
            min: None,
            max: None,
            last: Some((point.time_unix_nano, sum / count)),
            ranges,
        })
    }
}

impl Cell {
    pub fn merge(&mut self, other: &Cell) {
        let least = |left: Option<f64>, right: Option<f64>| left.into_iter().chain(right).reduce(f64::min);
        let most = |left: Option<f64>, right: Option<f64>| left.into_iter().chain(right).reduce(f64::max);
        self.count += other.count;
        self.sum += other.sum;
        (self.min, self.max) = (least(self.min, other.min), most(self.max, other.max));
        if other.last.is_some_and(|(time, _)| self.last.is_none_or(|(before, _)| time >= before)) {
            self.last = other.last;
        }
        for (bounds, count) in &other.ranges {
            *self.ranges.entry(*bounds).or_default() += count;
        }
    }

    pub fn tell(&self, aggregation: Aggregation, seconds: i64) -> Option<f64> {
        if self.count <= 0.0 {
            return None;
        }
        let told = match aggregation {
            Aggregation::Average => Some(self.sum / self.count),
            Aggregation::Minimum => self.min.or_else(|| self.buckets().map(|(low, ..)| low).reduce(f64::min)),
            Aggregation::Maximum => self.max.or_else(|| self.buckets().map(|(_, high, _)| high).reduce(f64::max)),
            Aggregation::Sum => Some(self.sum),
            Aggregation::Count => Some(self.count),
            Aggregation::Last => self.last.map(|(_, value)| value),
            // Of what was measured many times at once it is the number of times that says how often.
            Aggregation::Rate if self.buckets().any(|(low, high, _)| low < high) => Some(self.count / seconds.max(1) as f64),
            Aggregation::Rate => Some(self.sum / seconds.max(1) as f64),
            Aggregation::Percentile(percent) => self.percentile(percent),
        };
        told.filter(|value| value.is_finite())
    }

    fn buckets(&self) -> impl Iterator<Item = Bucket> {
        self.ranges.iter().map(|((low, high), count)| (f64::from_bits(*low), f64::from_bits(*high), *count))
    }

    fn percentile(&self, percent: f64) -> Option<f64> {
        let mut ranges: Vec<Bucket> = self.buckets().collect();
        ranges.sort_by(|left, right| (left.0 + left.1).total_cmp(&(right.0 + right.1)));
        let total: f64 = ranges.iter().map(|(.., count)| count).sum();
        let wanted = total * percent / 100.0;
        let mut seen = 0.0;
        for (low, high, count) in &ranges {
            if seen + count >= wanted {
                let low = self.min.map_or(*low, |min| low.max(min));
                let high = self.max.map_or(*high, |max| high.min(max)).max(low);
                return Some(low + (high - low) * ((wanted - seen) / count).clamp(0.0, 1.0));
            }
            seen += count;
        }
        ranges.last().map(|(_, high, _)| *high)
    }
}

/// What buckets that count since a start gained since the point before.
pub fn grown(now: Vec<Bucket>, before: &[Bucket]) -> Vec<Bucket> {
    let added = now.into_iter().map(|(low, high, count)| {
        let same = before.iter().find(|(before_low, before_high, _)| *before_low == low && *before_high == high);
        (low, high, count - same.map_or(0.0, |(_, _, count)| *count))
    });
    added.filter(|(_, _, count)| *count > 0.0).collect()
}

fn by_bounds(buckets: Vec<Bucket>) -> HashMap<(u64, u64), f64> {
    buckets.into_iter().map(|(low, high, count)| ((low.to_bits(), high.to_bits()), count)).collect()
}

/// Buckets in any of their shapes as ranges; a bucket without an end ends where its values do, as far as that is told.
pub fn ranges(buckets: &str) -> Vec<Bucket> {
    if buckets.is_empty() {
        return Vec::new();
    }
    let Ok(parsed) = serde_json::from_str::<Value>(buckets) else { return Vec::new() };
    let numbers = |value: &Value| -> Vec<f64> { value.as_array().into_iter().flatten().filter_map(Value::as_f64).collect() };
    let mut out = Vec::new();
    if parsed["bounds"].is_array() {
        let (bounds, counts) = (numbers(&parsed["bounds"]), numbers(&parsed["counts"]));
        for (index, count) in counts.iter().enumerate() {
            let low = index.checked_sub(1).and_then(|below| bounds.get(below)).copied();
            let high = bounds.get(index).copied();
            let low = low.unwrap_or_else(|| high.unwrap_or(0.0).min(0.0));
            out.push((low, high.unwrap_or(low), *count));
        }
    } else if parsed["values"].is_array() {
        let (values, counts) = (numbers(&parsed["values"]), numbers(&parsed["counts"]));
        out.extend(values.into_iter().zip(counts).map(|(value, count)| (value, value, count)));
    } else if parsed["scale"].is_i64() {
        let base = 2f64.powf(2f64.powi(-(parsed["scale"].as_i64().unwrap_or(0) as i32)));
        let threshold = parsed["zero_threshold"].as_f64().unwrap_or(0.0);
        out.push((-threshold, threshold, parsed["zero_count"].as_f64().unwrap_or(0.0)));
        for (side, sign) in [("positive", 1.0), ("negative", -1.0)] {
            let offset = parsed[side]["offset"].as_i64().unwrap_or(0) as i32;
            for (index, count) in numbers(&parsed[side]["counts"]).into_iter().enumerate() {
                let at = offset.saturating_add(i32::try_from(index).unwrap_or(i32::MAX));
                let (near, far) = (sign * base.powi(at), sign * base.powi(at.saturating_add(1)));
                out.push((near.min(far), near.max(far), count));
            }
        }
    }
    out.retain(|(low, high, count)| *count > 0.0 && low.is_finite() && high.is_finite());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_told_by_what_they_grew() {
        let mut track = Track::default();
        let point = |value: f64| Point { is_cumulative: true, value: Some(value), ..Point::default() };
        let sums: Vec<Option<f64>> =
            [10.0, 15.0, 15.0, 3.0].into_iter().map(|value| track.add(&point(value)).map(|cell| cell.sum)).collect();
        assert_eq!(sums, [None, Some(5.0), Some(0.0), Some(3.0)]);
    }

    #[test]
    fn percentiles_of_buckets() {
        let mut track = Track::default();
        let buckets = r#"{"bounds":[10,20],"counts":[5,5,0]}"#;
        let point = Point { count: Some(10.0), sum: Some(100.0), buckets, ..Point::default() };
        let cell = track.add(&point).unwrap();
        assert_eq!(cell.tell(Aggregation::Percentile(50.0), 60), Some(10.0));
        assert_eq!(cell.tell(Aggregation::Percentile(90.0), 60), Some(18.0));
        assert_eq!(cell.tell(Aggregation::Average, 60), Some(10.0));
        assert_eq!(cell.tell(Aggregation::Rate, 60), Some(10.0 / 60.0));
        let cumulative = |count: f64, buckets| Point {
            is_cumulative: true,
            count: Some(count),
            sum: Some(count),
            buckets,
            ..Point::default()
        };
        let mut track = Track::default();
        assert_eq!(track.add(&cumulative(2.0, r#"{"bounds":[10],"counts":[2,0]}"#)), None);
        let cell = track.add(&cumulative(5.0, r#"{"bounds":[10],"counts":[2,3]}"#)).unwrap();
        assert_eq!((cell.count, cell.buckets().collect::<Vec<_>>()), (3.0, vec![(10.0, 10.0, 3.0)]));
        let exponential = r#"{"scale":0,"zero_count":1,"zero_threshold":0,"positive":{"offset":1,"counts":[2]},"negative":{"offset":0,"counts":[]}}"#;
        assert_eq!(ranges(exponential), [(0.0, 0.0, 1.0), (2.0, 4.0, 2.0)]);
        assert!(ranges("nonsense").is_empty() && ranges("[]").is_empty());
    }
}
