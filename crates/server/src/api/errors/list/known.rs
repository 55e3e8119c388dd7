//! Lists that the metastore can tell: of what was seen until now, narrowed and sorted by what items know of themselves.
//!
//! Missing: lists that end in the past, sorted by people, or searched; the rows tell those.

use std::collections::HashMap;

use engine::ask::Stats;
use metastore::{ErrorItem, ErrorItemFilter, ErrorItemOrder, ShownStatuses};
use store::TimeRange;

use super::narrowed::Kind;
use super::{Listed, ListedRow, Question, Sort, counted, filter_of};
use crate::Services;
use crate::api::errors::level_number;
use crate::api::refusal::Refusal;

/// How long ago a list may end that ends now: its question took its time to come.
const NOW_NS: i64 = 60 * 1_000_000_000;

/// A page of items; `None` where the rows must tell which they are.
pub(super) async fn list(services: &Services, question: &Question) -> Result<Option<Listed>, Refusal> {
    if question.sort == Sort::People || !is_of_items(question) {
        return Ok(None);
    }
    let (metastore, project, now) = (&services.metastore, &services.settings.project, question.now_unix_nano);
    let seen = ErrorItemFilter {
        seen_since_unix_nano: Some(question.range.start_unix_nano),
        first_seen_before_unix_nano: Some(question.range.end_unix_nano.max(now)),
        ..filter_of(&question.search.items)
    };
    let tallying = async {
        let tallies = metastore.tally_error_items(project, &seen, now).await?;
        Ok::<Vec<Kind>, Refusal>(tallies.into_iter().map(|tally| Kind::of(tally, &question.people)).collect())
    };
    // Names are looked for as they are known to be written; where none are, counting and choosing need not wait for each other.
    let (kinds, items) = if question.wanted.environments.is_empty() && question.wanted.frameworks.is_empty() {
        tokio::try_join!(tallying, items(services, question, seen.clone(), &[]))?
    } else {
        let kinds = tallying.await?;
        let items = items(services, question, seen.clone(), &kinds).await?;
        (kinds, items)
    };
    let Some(items) = items else { return Ok(None) };
    let ids: Vec<i64> = items.iter().map(|item| item.id).collect();
    let mut groups: HashMap<i64, Vec<String>> = HashMap::new();
    for (item, group) in metastore.error_fingerprints_of_items(&ids).await? {
        groups.entry(item).or_default().push(group);
    }
    let rows = items.into_iter().map(|item| ListedRow {
        groups: groups.remove(&item.id).unwrap_or_default(),
        first_unix_nano: item.first_seen_unix_nano,
        last_unix_nano: item.last_seen_unix_nano,
        item,
    });
    Ok(Some(Listed {
        rows: rows.collect(),
        total: question.wanted.total(&kinds),
        facets: question.wanted.facets(&kinds),
        stats: Stats::default(),
    }))
}

/// The items of the page; `None` where the rows must tell which they are.
async fn items(
    services: &Services,
    question: &Question,
    seen: ErrorItemFilter,
    kinds: &[Kind],
) -> Result<Option<Vec<ErrorItem>>, Refusal> {
    let Some(filter) = narrowed(seen, question, kinds)? else { return Ok(None) };
    let Some(order) = order(question.sort) else { return counted::page(services, question, &filter).await };
    let (project, offset, limit) = (&services.settings.project, question.offset as u64, question.limit as u64);
    Ok(Some(services.metastore.error_items(project, &filter, order, offset, limit).await?))
}

fn order(sort: Sort) -> Option<ErrorItemOrder> {
    match sort {
        Sort::LastSeen => Some(ErrorItemOrder::LastSeen),
        Sort::FirstSeen => Some(ErrorItemOrder::FirstSeen),
        Sort::Level => Some(ErrorItemOrder::Level),
        Sort::Activated => Some(ErrorItemOrder::Activated),
        Sort::Count | Sort::People => None,
    }
}

/// Whether items know of themselves if they are in the list. Of one that was seen before a time and after it, only rows tell
/// whether it was seen then.
fn is_of_items(question: &Question) -> bool {
    let TimeRange { end_unix_nano, .. } = question.range;
    let filter = &question.filter;
    end_unix_nano >= question.now_unix_nano - NOW_NS
        && filter.q.trim().is_empty()
        && filter.service.is_none()
        && filter.receiver.is_none()
        && question.search.items.files.is_empty()
}

/// The filter with what is wanted; `None` where it cannot be told so.
fn narrowed(filter: ErrorItemFilter, question: &Question, kinds: &[Kind]) -> Result<Option<ErrorItemFilter>, Refusal> {
    let wanted = &question.wanted;
    let (is_assigned, assigned_user_ids) = match wanted.assigned.as_slice() {
        [] => (None, Vec::new()),
        [word] if word == "assigned" => (Some(true), Vec::new()),
        [word] if word == "unassigned" => (Some(false), Vec::new()),
        names => {
            let id_of = |name: &String| question.people.iter().find(|person| person.name.eq_ignore_ascii_case(name));
            let ids: Vec<i64> = names.iter().filter_map(id_of).map(|person| person.id).collect();
            if ids.len() < names.len() {
                return Ok(None);
            }
            (None, ids)
        }
    };
    let as_told = |wanted: &[String], known: &dyn Fn(&Kind) -> Vec<String>| -> Vec<String> {
        let is_wanted = |value: &String| wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(value));
        let mut found: Vec<String> = kinds.iter().flat_map(known).filter(is_wanted).collect();
        found.sort();
        found.dedup();
        if found.is_empty() { wanted.to_vec() } else { found }
    };
    Ok(Some(ErrorItemFilter {
        shown_statuses: (!wanted.statuses.is_empty())
            .then(|| ShownStatuses { at_unix_nano: question.now_unix_nano, names: wanted.statuses.clone() }),
        levels: wanted.levels.iter().map(|level| level_number(level)).collect::<Result<_, _>>()?,
        environments: as_told(&wanted.environments, &|kind| kind.environments.clone()),
        frameworks: as_told(&wanted.frameworks, &|kind| vec![kind.framework.clone()]),
        is_assigned,
        assigned_user_ids,
        ..filter
    }))
}
