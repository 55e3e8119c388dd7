//! Lists that the rows tell: every group with an occurrence that matches, made items, narrowed and sorted here.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use engine::ask::errors::{GroupOrder, GroupSeen};
use metastore::{ErrorItem, ErrorItemFilter, ErrorItemOrder, GroupItem};

use super::narrowed::Kind;
use super::{Listed, ListedRow, Question, Sort, filter_of, placed};
use crate::Services;
use crate::api::errors::search::ItemWords;
use crate::api::refusal::Refusal;

/// One item while the list is made.
struct Row {
    item: GroupItem,
    /// Its place among the kinds.
    kind: usize,
    level: i64,
    /// Places among the groups.
    groups: Vec<usize>,
    count: f64,
    people: u64,
    first_unix_nano: i64,
    last_unix_nano: i64,
}

/// A page of items.
pub(super) async fn list(services: &Services, question: &Question) -> Result<Listed, Refusal> {
    let Question { range, search, wanted, .. } = question;
    let (metastore, project) = (&services.metastore, &services.settings.project);
    let order = match question.sort {
        Sort::Count => GroupOrder::Count,
        Sort::People => GroupOrder::People,
        Sort::LastSeen | Sort::FirstSeen | Sort::Level | Sort::Activated => GroupOrder::LastSeen,
    };
    let asking = services.asker.error_groups(*range, &question.filter, None, order);
    let seen = asking.await.map_err(|error| placed(error.into(), search))?;
    let names: Vec<&str> = seen.groups.iter().map(|seen| seen.group.as_str()).collect();
    let alike = metastore.error_items_alike(project, &names, question.now_unix_nano).await?;
    let (mut kinds, members): (Vec<Kind>, Vec<Vec<GroupItem>>) =
        alike.into_iter().map(|(tally, members)| (Kind::of(tally, &question.people), members)).unzip();
    let mut rows = rows(&seen.groups, &kinds, &members);
    if let Some(ids) = passing(services, &search.items).await? {
        rows.retain(|row| ids.contains(&row.item.item));
    }
    if !search.items.files.is_empty() {
        let found = services.asker.groups_where(*range, &search.items.files).await?;
        let found: HashSet<&str> = found.iter().map(String::as_str).collect();
        rows.retain(|row| row.groups.iter().any(|group| found.contains(names[*group])));
    }
    kinds.iter_mut().for_each(|kind| kind.items = 0);
    rows.iter().for_each(|row| kinds[row.kind].items += 1);
    let passes: Vec<bool> = kinds.iter().map(|kind| wanted.passes(kind, None)).collect();
    rows.retain(|row| passes[row.kind]);
    sort(&mut rows, question.sort);
    let page: Vec<Row> = rows.into_iter().skip(question.offset).take(question.limit).collect();
    let mut items = items(services, &page).await?;
    let rows = page.into_iter().filter_map(|row| {
        Some(ListedRow {
            item: items.remove(&row.item.item)?,
            groups: row.groups.iter().map(|group| names[*group].to_owned()).collect(),
            first_unix_nano: row.first_unix_nano,
            last_unix_nano: row.last_unix_nano,
        })
    });
    Ok(Listed { rows: rows.collect(), total: wanted.total(&kinds), facets: wanted.facets(&kinds), stats: seen.stats })
}

/// The items of a page, by their numbers.
async fn items(services: &Services, page: &[Row]) -> Result<HashMap<i64, ErrorItem>, Refusal> {
    if page.is_empty() {
        return Ok(HashMap::new());
    }
    let filter = ErrorItemFilter { ids: page.iter().map(|row| row.item.item).collect(), ..ErrorItemFilter::default() };
    let (project, most) = (&services.settings.project, page.len() as u64);
    let items = services.metastore.error_items(project, &filter, ErrorItemOrder::LastSeen, 0, most).await?;
    Ok(items.into_iter().map(|item| (item.id, item)).collect())
}

/// The items that the words of a search let pass; `None` is all of them.
async fn passing(services: &Services, words: &ItemWords) -> Result<Option<HashSet<i64>>, Refusal> {
    let asks = words.has_comments.is_some() || words.has_issue.is_some() || words.is_group.is_some();
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
fn rows(seen: &[GroupSeen], kinds: &[Kind], members: &[Vec<GroupItem>]) -> Vec<Row> {
    // Of a group without an item nothing was written yet; the next question knows it.
    let mut item_of: Vec<Option<(usize, GroupItem)>> = vec![None; seen.len()];
    for (kind, members) in members.iter().enumerate() {
        for member in members {
            item_of[member.place] = Some((kind, *member));
        }
    }
    let mut place: HashMap<i64, usize> = HashMap::with_capacity(seen.len());
    let mut rows: Vec<Row> = Vec::with_capacity(seen.len());
    for (at, (group, known)) in seen.iter().zip(item_of).enumerate() {
        let Some((kind, item)) = known else { continue };
        if let Some(place) = place.get(&item.item) {
            let row = &mut rows[*place];
            row.groups.push(at);
            row.count += group.count;
            row.people = row.people.max(group.people);
            row.first_unix_nano = row.first_unix_nano.min(group.first_unix_nano);
            row.last_unix_nano = row.last_unix_nano.max(group.last_unix_nano);
            continue;
        }
        place.insert(item.item, rows.len());
        rows.push(Row {
            item,
            kind,
            level: kinds[kind].level,
            groups: vec![at],
            count: group.count,
            people: group.people,
            first_unix_nano: group.first_unix_nano,
            last_unix_nano: group.last_unix_nano,
        });
    }
    rows
}

fn sort(rows: &mut [Row], sort: Sort) {
    match sort {
        Sort::FirstSeen => rows.sort_by_key(|row| Reverse(row.item.first_seen_unix_nano)),
        Sort::Count => rows.sort_by(|left, right| right.count.total_cmp(&left.count)),
        Sort::People => rows.sort_by_key(|row| Reverse((row.people, row.last_unix_nano))),
        Sort::Level => rows.sort_by_key(|row| Reverse((row.level, row.last_unix_nano))),
        Sort::Activated => rows.sort_by_key(|row| Reverse(row.item.last_activated_at_unix_nano)),
        Sort::LastSeen => rows.sort_by_key(|row| Reverse(row.last_unix_nano)),
    }
}
