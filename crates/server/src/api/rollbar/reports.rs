//! Reports: which items are most active, how often things happened, and how many items became active.

use engine::ask::occurrences::OccurrenceFilter;
use metastore::ErrorItem;
use serde_json::{Value, json};
use store::TimeRange;

use super::call::{Call, Told, Wrong, seconds, told};
use super::items::item_json;
use crate::api::errors::hourly;
use crate::limits::ROLLBAR_BUCKETS_MAX;
use crate::now_unix_nano;

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3_600 * SECOND;

/// Rollbar's bound of `hours`: a week.
const HOURS_MAX: i64 = 168;

const TOP_ITEMS: usize = 10;

/// Groups looked at for the top: one item may have several.
const TOP_GROUPS: usize = 200;

/// `GET /reports/top_active_items?hours=&environments=&sort=`.
pub(super) async fn top_active_items(call: Call) -> Told {
    let hours = call.number("hours")?.unwrap_or(24);
    if !(1..=HOURS_MAX).contains(&hours) {
        return Err(Wrong::invalid(format!("cannot read hours from {hours}: expected 1 to {HOURS_MAX}")));
    }
    let by_people = match call.param("sort") {
        None | Some("occurrences") => false,
        Some("unique_occurrences") => true,
        Some(other) => {
            return Err(Wrong::invalid(format!("cannot read sort from {other:?}: expected occurrences or unique_occurrences")));
        }
    };
    call.up_to_date().await?;
    // Whole hours, the running one last.
    let end = now_unix_nano().div_euclid(HOUR) * HOUR + HOUR;
    let range = TimeRange { start_unix_nano: end - hours * HOUR, end_unix_nano: end };
    let filter = OccurrenceFilter { environments: environments(&call), ..OccurrenceFilter::default() };
    let asker = &call.services.asker;
    let top = asker.top_groups(range, &filter, TOP_GROUPS).await?;
    let groups: Vec<String> = top.iter().map(|group| group.group.clone()).collect();
    let owners = call.services.metastore.error_items_of_fingerprints(call.project(), &groups).await?;
    let mut rows: Vec<TopItem> = Vec::new();
    for group in &top {
        let Some((_, item)) = owners.iter().find(|(fingerprint, _)| *fingerprint == group.group) else { continue };
        let place = rows.iter().position(|row| row.item.id == item.id).unwrap_or_else(|| {
            rows.push(TopItem { item, groups: Vec::new(), count: 0.0, people: 0, last: 0 });
            rows.len() - 1
        });
        let row = &mut rows[place];
        row.groups.push(&group.group);
        row.count += group.count;
        row.people += group.people;
        row.last = row.last.max(group.last_unix_nano);
    }
    rows.sort_by(|left, right| if by_people { right.people.cmp(&left.people) } else { right.count.total_cmp(&left.count) });
    rows.truncate(TOP_ITEMS);
    let shown = rows.iter().flat_map(|row| row.groups.iter().map(|group| (*group).to_owned())).collect();
    let filter = OccurrenceFilter { groups: Some(shown), ..filter };
    let counts = asker.occurrence_counts(range, 3_600, &filter, true).await?;
    let hourly = |row: &TopItem<'_>| {
        let mut buckets = vec![0.0; hours as usize];
        for count in counts.iter().filter(|count| row.groups.contains(&count.group.as_str())) {
            let place = (count.start_unix_nano - range.start_unix_nano).div_euclid(HOUR);
            if let Some(bucket) = usize::try_from(place).ok().and_then(|place| buckets.get_mut(place)) {
                *bucket += count.count;
            }
        }
        buckets.into_iter().map(|count| Value::from(count.round() as i64)).collect::<Vec<Value>>()
    };
    let told_rows: Vec<Value> = rows.iter().map(|row| json!({ "item": row.json(), "counts": hourly(row) })).collect();
    told(&told_rows)
}

struct TopItem<'a> {
    item: &'a ErrorItem,
    groups: Vec<&'a str>,
    count: f64,
    people: u64,
    last: i64,
}

impl TopItem<'_> {
    fn json(&self) -> Value {
        let mut json = item_json(self.item);
        json["occurrences"] = (self.count.round() as i64).into();
        json["unique_occurrences"] = self.people.into();
        json["last_occurrence_timestamp"] = seconds(self.last).into();
        json
    }
}

/// `GET /reports/occurrence_counts?bucket_size=&min_time=&max_time=&environments=&item_id=`: pairs of time and count.
pub(super) async fn occurrence_counts(call: Call) -> Told {
    call.up_to_date().await?;
    let buckets = Buckets::read(&call)?;
    let groups = match call.number("item_id")? {
        None => None,
        Some(item) => Some(call.services.metastore.error_item_fingerprints(item).await?),
    };
    let filter = OccurrenceFilter { groups, environments: environments(&call), before_number: None };
    if buckets.size < 3_600 {
        let counts = call.services.asker.occurrence_counts(buckets.range(), buckets.size, &filter, false).await?;
        return told(&buckets.fill(counts.iter().map(|count| (count.start_unix_nano, count.count))));
    }
    let hours = hourly(&call.services, buckets.range(), &filter).await?;
    told(&buckets.fill(hours.into_iter().map(|(hour, count)| (hour * SECOND, count))))
}

/// `GET /reports/activated_counts`: how many items became active, new ones and old ones.
pub(super) async fn activated_counts(call: Call) -> Told {
    call.up_to_date().await?;
    let buckets = Buckets::read(&call)?;
    let (range, metastore) = (buckets.range(), &call.services.metastore);
    let at = metastore
        .error_item_activations(call.project(), range.start_unix_nano, range.end_unix_nano, &environments(&call))
        .await?;
    told(&buckets.fill(at.into_iter().map(|at| (at, 1.0))))
}

fn environments(call: &Call) -> Vec<String> {
    let named = call.list("environments").into_iter().chain(call.list("environment"));
    named.map(str::to_owned).collect()
}

/// Equal buckets over a time, in seconds.
#[derive(Debug, PartialEq)]
struct Buckets {
    start: i64,
    end: i64,
    size: i64,
}

impl Buckets {
    /// By default hours of the last day.
    fn read(call: &Call) -> Result<Buckets, Wrong> {
        let size = call.number("bucket_size")?.unwrap_or(3_600);
        Buckets::new(size, call.number("min_time")?, call.number("max_time")?, now_unix_nano() / SECOND)
    }

    fn new(size: i64, start: Option<i64>, end: Option<i64>, now: i64) -> Result<Buckets, Wrong> {
        if ![60, 3_600, 86_400].contains(&size) {
            return Err(Wrong::invalid(format!("cannot read bucket_size from {size}: expected 60, 3600 or 86400")));
        }
        // Clients tell whole seconds: those of this one are to be counted.
        let end = end.unwrap_or(now + 1);
        let start = start.unwrap_or_else(|| end.saturating_sub(if size == 86_400 { 30 * 86_400 } else { 86_400 }));
        let whole = || Buckets { start: start.div_euclid(size) * size, end, size };
        if start < 0 || start >= end || end > i64::MAX / SECOND - size || whole().count() > ROLLBAR_BUCKETS_MAX {
            return Err(Wrong::invalid(format!("expected min_time before max_time, and at most {ROLLBAR_BUCKETS_MAX} buckets")));
        }
        Ok(whole())
    }

    fn count(&self) -> i64 {
        self.end.saturating_sub(self.start).saturating_add(self.size - 1) / self.size
    }

    fn range(&self) -> TimeRange {
        TimeRange { start_unix_nano: self.start * SECOND, end_unix_nano: self.end * SECOND }
    }

    /// Pairs of time and count, those of nothing as well.
    fn fill(&self, counts: impl Iterator<Item = (i64, f64)>) -> Vec<(i64, i64)> {
        let mut sums = vec![0.0; self.count().max(0) as usize];
        for (at, count) in counts {
            let place = (at.div_euclid(SECOND) - self.start).div_euclid(self.size);
            if let Some(sum) = usize::try_from(place).ok().and_then(|place| sums.get_mut(place)) {
                *sum += count;
            }
        }
        let starts = (0..).map(|place| self.start + place * self.size);
        starts.zip(sums).map(|(start, sum)| (start, sum.round() as i64)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_whole_and_none_is_left_out() {
        let buckets = Buckets::new(60, Some(70), Some(190), 0).unwrap();
        assert_eq!(buckets, Buckets { start: 60, end: 190, size: 60 });
        let told = buckets.fill([(61 * SECOND, 1.0), (119 * SECOND, 1.5), (185 * SECOND, 1.0), (999 * SECOND, 9.0)].into_iter());
        assert_eq!(told, [(60, 3), (120, 0), (180, 1)]);
        assert!(Buckets::new(61, None, None, 1_000).is_err());
        assert!(Buckets::new(60, Some(5), Some(5), 0).is_err());
        assert!(Buckets::new(60, Some(0), Some(i64::MAX), 0).is_err());
        assert!(Buckets::new(60, Some(i64::MIN), Some(5), 0).is_err());
        assert_eq!(Buckets::new(86_400, None, None, 1_795_226_742).unwrap().count(), 31);
    }
}
