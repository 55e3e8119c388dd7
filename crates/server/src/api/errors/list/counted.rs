//! Lists by count among items: of those whose whole life lies in the range it is known how often they occurred, and the rows are
//! asked for the others alone.
//!
//! Missing: ranges into which many items reach from before; there the rows tell all.

use std::cmp::Ordering;
use std::collections::HashMap;

use engine::ask::errors::{ErrorFilter, GroupOrder};
use metastore::{ErrorItem, ErrorItemFilter, ErrorItemOrder};
use store::TimeRange;

use super::Question;
use crate::Services;
use crate::api::refusal::Refusal;
use crate::limits::ERRORS_COUNTED_BY_ROWS_MAX;

/// An item and how often it occurred in the range.
struct Counted {
    item: i64,
    count: f64,
    last_unix_nano: i64,
}

impl Counted {
    /// Most occurrences first, then the latest.
    fn order(&self, other: &Counted) -> Ordering {
        let rest = || (other.last_unix_nano, other.item).cmp(&(self.last_unix_nano, self.item));
        other.count.total_cmp(&self.count).then_with(rest)
    }
}

/// The items of a page; `None` where the rows have to be asked for all of them.
pub(super) async fn page(
    services: &Services,
    question: &Question,
    filter: &ErrorItemFilter,
) -> Result<Option<Vec<ErrorItem>>, Refusal> {
    let (metastore, project) = (&services.metastore, &services.settings.project);
    let TimeRange { start_unix_nano: start, end_unix_nano: end } = question.range;
    let last = question.offset.saturating_add(question.limit);
    let totals = metastore.error_item_totals(project, filter, start..end, ERRORS_COUNTED_BY_ROWS_MAX, last).await?;
    let Some(totals) = totals else { return Ok(None) };
    let Some(mut counted) = by_rows(services, question.range, &totals.others).await? else { return Ok(None) };
    counted.extend(totals.known.into_iter().map(|total| Counted {
        item: total.item,
        count: total.occurrences as f64,
        last_unix_nano: total.last_seen_unix_nano,
    }));
    counted.sort_unstable_by(Counted::order);
    let ids: Vec<i64> = counted.iter().skip(question.offset).take(question.limit).map(|counted| counted.item).collect();
    if ids.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let place: HashMap<i64, usize> = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
    let limit = ids.len() as u64;
    let filter = ErrorItemFilter { ids, ..ErrorItemFilter::default() };
    let mut items = metastore.error_items(project, &filter, ErrorItemOrder::LastSeen, 0, limit).await?;
    items.sort_by_key(|item| place.get(&item.id).copied());
    Ok(Some(items))
}

/// What the rows tell of some items; `None` where these have too many groups to ask for.
async fn by_rows(services: &Services, range: TimeRange, items: &[i64]) -> Result<Option<Vec<Counted>>, Refusal> {
    if items.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let pairs = services.metastore.error_fingerprints_of_items(items).await?;
    if pairs.len() > engine::limits::ERROR_GROUPS_MAX {
        return Ok(None);
    }
    let groups: Vec<String> = pairs.iter().map(|(_, group)| group.clone()).collect();
    let item_of: HashMap<String, i64> = pairs.into_iter().map(|(item, group)| (group, item)).collect();
    let seen = services.asker.error_groups(range, &ErrorFilter::default(), Some(&groups), GroupOrder::Count).await?;
    let none = |item: &i64| (*item, Counted { item: *item, count: 0.0, last_unix_nano: 0 });
    let mut counted: HashMap<i64, Counted> = items.iter().map(none).collect();
    for group in &seen.groups {
        let Some(counted) = item_of.get(&group.group).and_then(|item| counted.get_mut(item)) else { continue };
        counted.count += group.count;
        counted.last_unix_nano = counted.last_unix_nano.max(group.last_unix_nano);
    }
    Ok(Some(counted.into_values().collect()))
}
