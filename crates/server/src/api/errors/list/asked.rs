//! Lists that the rows tell: every group with an occurrence that matches, made items, narrowed and sorted here.

use std::collections::{HashMap, HashSet};

use engine::ask::errors::{GroupOrder, GroupSeen};
use metastore::{ErrorItem, ErrorItemFilter, ErrorItemOrder, ItemStatus};

use super::narrowed::Kind;
use super::{Listed, ListedRow, Question, Sort, filter_of, placed};
use crate::Services;
use crate::api::errors::assigned;
use crate::api::errors::search::ItemWords;
use crate::api::refusal::Refusal;

/// One item while the list is made.
struct Row<'a> {
    item: &'a ErrorItem,
    kind: Kind,
    groups: Vec<String>,
    count: f64,
    people: u64,
    first_unix_nano: i64,
    last_unix_nano: i64,
}

/// A page of items.
pub(super) async fn list(services: &Services, question: &Question) -> Result<Listed, Refusal> {
    let Question { range, search, wanted, .. } = question;
    let order = match question.sort {
        Sort::Count => GroupOrder::Count,
        Sort::People => GroupOrder::People,
        Sort::LastSeen | Sort::FirstSeen | Sort::Level | Sort::Activated => GroupOrder::LastSeen,
    };
    let seen =
        services.asker.error_groups(*range, &question.filter, order).await.map_err(|error| placed(error.into(), search))?;
    let names: Vec<String> = seen.groups.iter().map(|seen| seen.group.clone()).collect();
    let known = services.metastore.error_items_of_fingerprints(&services.settings.project, &names).await?;
    let mut rows = rows(&seen.groups, &known, question);
    if let Some(ids) = passing(services, &search.items).await? {
        rows.retain(|row| ids.contains(&row.item.id));
    }
    if !search.items.files.is_empty() {
        let found = services.asker.groups_where(*range, &search.items.files).await?;
        let found: HashSet<&str> = found.iter().map(String::as_str).collect();
        rows.retain(|row| row.groups.iter().any(|group| found.contains(group.as_str())));
    }
    let kinds: Vec<Kind> = rows.iter().map(|row| row.kind.clone()).collect();
    rows.retain(|row| wanted.passes(&row.kind, None));
    sort(&mut rows, question.sort);
    let page = rows.into_iter().skip(question.offset).take(question.limit).map(|row| ListedRow {
        item: row.item.clone(),
        groups: row.groups,
        first_unix_nano: row.first_unix_nano,
        last_unix_nano: row.last_unix_nano,
    });
    Ok(Listed { rows: page.collect(), total: wanted.total(&kinds), facets: wanted.facets(&kinds), stats: seen.stats })
}

/// The items that the words of a search let pass; `None` is all of them.
async fn passing(services: &Services, words: &ItemWords) -> Result<Option<HashSet<i64>>, Refusal> {
    let asks = words.has_comments.is_some() || words.has_issue.is_some();
    if words.counters.is_empty() && words.versions.is_empty() && words.fingerprints.is_empty() && !asks {
        return Ok(None);
    }
    let filter: ErrorItemFilter = filter_of(words);
    let most = engine::limits::ERROR_GROUPS_MAX as u64;
    let order = ErrorItemOrder::LastSeen;
    let items = services.metastore.error_items(&services.settings.project, &filter, order, 0, most).await?;
    Ok(Some(items.into_iter().map(|item| item.id).collect()))
}

/// Groups become items, in the order in which they were told.
fn rows<'a>(seen: &[GroupSeen], known: &'a [(String, ErrorItem)], question: &Question) -> Vec<Row<'a>> {
    let item_of: HashMap<&str, &ErrorItem> = known.iter().map(|(group, item)| (group.as_str(), item)).collect();
    let mut place: HashMap<i64, usize> = HashMap::new();
    let mut rows: Vec<Row<'a>> = Vec::new();
    for group in seen {
        // Of a group without an item nothing was written yet; the next question knows it.
        let Some(item) = item_of.get(group.group.as_str()) else { continue };
        if let Some(at) = place.get(&item.id) {
            let row = &mut rows[*at];
            row.groups.push(group.group.clone());
            row.count += group.count;
            row.people = row.people.max(group.people);
            row.first_unix_nano = row.first_unix_nano.min(group.first_unix_nano);
            row.last_unix_nano = row.last_unix_nano.max(group.last_unix_nano);
            continue;
        }
        place.insert(item.id, rows.len());
        rows.push(Row {
            item,
            kind: kind(item, question),
            groups: vec![group.group.clone()],
            count: group.count,
            people: group.people,
            first_unix_nano: group.first_unix_nano,
            last_unix_nano: group.last_unix_nano,
        });
    }
    rows
}

fn kind(item: &ErrorItem, question: &Question) -> Kind {
    let is_asleep = item.snoozed_until_unix_nano.is_some_and(|until| until > question.now_unix_nano);
    let is_snoozed = item.status == ItemStatus::Active && is_asleep;
    Kind {
        status: if is_snoozed { "snoozed".to_owned() } else { item.status.name().to_owned() },
        level: item.level,
        environments: item.environments.clone(),
        framework: item.framework.clone(),
        assigned: assigned(item.assigned_user_id, item.assigned_team_id, &question.people),
        items: 1,
    }
}

fn sort(rows: &mut [Row], sort: Sort) {
    use std::cmp::Reverse;
    match sort {
        Sort::FirstSeen => rows.sort_by_key(|row| Reverse(row.item.first_seen_unix_nano)),
        Sort::Count => rows.sort_by(|left, right| right.count.total_cmp(&left.count)),
        Sort::People => rows.sort_by_key(|row| Reverse((row.people, row.last_unix_nano))),
        Sort::Level => rows.sort_by_key(|row| Reverse((row.item.level, row.last_unix_nano))),
        Sort::Activated => rows.sort_by_key(|row| Reverse(row.item.last_activated_at_unix_nano)),
        Sort::LastSeen => rows.sort_by_key(|row| Reverse(row.last_unix_nano)),
    }
}
