//! How many occurrences items ever had: where all of them lie within a time, lists by count need not ask the rows.
//!
//! A total is forgotten as soon as something happens after which it may be another than the rows tell: items that were put
//! together or taken apart, rows that were deleted, a crash. Retention is none of these: what it removes did occur.

use serde_json::json;
use sqlx::{QueryBuilder, Sqlite, Transaction};

use crate::database::{Metastore, unsigned};
use crate::error::MetastoreError;
use crate::error_items::{ErrorItemFilter, push_filter};

/// An item and how often it occurred within a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorItemTotal {
    pub item: i64,
    /// Weighted.
    pub occurrences: u64,
    pub last_seen_unix_nano: i64,
}

/// What is known of how often the items of a list occurred within a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorItemTotals {
    /// Those that occurred most first.
    pub known: Vec<ErrorItemTotal>,
    /// Items of which only the rows tell it, in no order.
    pub others: Vec<i64>,
}

impl Metastore {
    /// Items of a filter whose every occurrence is known to lie within a time, `limit` of those that occurred most, and all
    /// others; `None` where there are more than `others_max` of these.
    ///
    /// One reading of the index, handed over as one text: a row for each item would cost several times what finding it does.
    pub async fn error_item_totals(
        &self,
        project: &str,
        filter: &ErrorItemFilter,
        within: std::ops::Range<i64>,
        others_max: usize,
        limit: usize,
    ) -> Result<Option<ErrorItemTotals>, MetastoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "select coalesce(json_group_array(json_array(id, n, last_seen)), '[]') from (select i.id, i.last_seen, case when i.first_seen >= ",
        );
        query.push_bind(within.start).push(" and i.last_seen < ").push_bind(within.end).push(" then i.occurrences_ever end as n");
        push_filter(&mut query, project, filter, "error_items_listed");
        let most = others_max.saturating_add(1).saturating_add(limit).min(u32::MAX as usize);
        query.push(format!(" order by n is null desc, n desc, last_seen desc, id desc limit {most})"));
        let written: String = query.build_query_scalar().fetch_one(self.readers()).await?;
        let read: Result<Vec<(i64, Option<i64>, i64)>, _> = serde_json::from_str(&written);
        let read = read.map_err(|error| MetastoreError::Unreadable { what: "totals of items", found: error.to_string() })?;
        let mut totals = ErrorItemTotals::default();
        for (item, occurrences, last_seen_unix_nano) in read {
            match occurrences.map(unsigned) {
                None => totals.others.push(item),
                Some(occurrences) => totals.known.push(ErrorItemTotal { item, occurrences, last_seen_unix_nano }),
            }
        }
        totals.known.truncate(limit);
        Ok((totals.others.len() <= others_max).then_some(totals))
    }

    /// Of the items that these groups belong to, the rows alone tell how many occurrences there were.
    pub async fn forget_error_item_totals(&self, project: &str, groups: &[String]) -> Result<(), MetastoreError> {
        if groups.is_empty() {
            return Ok(());
        }
        let mut writing = self.write().await?;
        sqlx::query(
            "update error_items set occurrences_ever = null where id in (select item from error_item_fingerprints
             where project = $1 and fingerprint in (select value from json_each($2)))",
        )
        .bind(project)
        .bind(json!(groups).to_string())
        .execute(&mut *writing)
        .await?;
        Ok(writing.commit().await?)
    }
}

/// The same of all items of the project whose rows a deletion removes.
pub(crate) async fn forget_totals_of_deletion(
    transaction: &mut Transaction<'_, Sqlite>,
    deletion: &str,
) -> Result<(), MetastoreError> {
    let query = "update error_items set occurrences_ever = null where project = (select project from deletions where id = $1)";
    sqlx::query(query).bind(deletion).execute(&mut **transaction).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deletions::{DeletionKind, DeletionStep, NewDeletion, note_step};
    use crate::error_item_occurrences::OccurrencesSeen;
    use crate::error_items::{ErrorItemUpdate, ItemStatus};

    const SECOND: i64 = 1_000_000_000;

    fn seen(group: &str, first: i64, last: i64, count: u64) -> OccurrencesSeen {
        OccurrencesSeen {
            fingerprint: group.into(),
            level: 40,
            first_seen_unix_nano: first * SECOND,
            last_seen_unix_nano: last * SECOND,
            first_occurrence: first,
            last_occurrence: last,
            count,
            ..OccurrencesSeen::default()
        }
    }

    async fn metastore() -> Metastore {
        let metastore = Metastore::in_memory().await.unwrap();
        let seen = [seen("a", 100, 200, 3), seen("b", 150, 300, 5), seen("c", 150, 250, 3), seen("d", 400, 500, 9)];
        metastore.record_occurrences("p", &seen, 600 * SECOND).await.unwrap();
        metastore
    }

    /// Numbers of items and their totals, behind a bar the numbers of those without one.
    async fn told(metastore: &Metastore, start: i64, end: i64) -> String {
        let within = start * SECOND..end * SECOND;
        let told = metastore.error_item_totals("p", &ErrorItemFilter::default(), within, 9, 9).await.unwrap().unwrap();
        let ErrorItemTotals { known: totals, mut others } = told;
        others.sort_unstable();
        let totals: Vec<String> =
            totals.iter().map(|total| format!("{}:{}", total.item - 1_000_000, total.occurrences)).collect();
        let others: Vec<String> = others.iter().map(|item| (item - 1_000_000).to_string()).collect();
        format!("{} | {}", totals.join(" "), others.join(" "))
    }

    #[tokio::test]
    async fn totals_are_of_items_that_lie_within_the_time() {
        let metastore = metastore().await;
        assert_eq!(told(&metastore, 100, 501).await, "4:9 2:5 3:3 1:3 | ");
        assert_eq!(told(&metastore, 101, 500).await, "2:5 3:3 | 1 4");
        assert_eq!(told(&metastore, 150, 300).await, "3:3 | 1 2 4");
        let some = async |others_max: usize, limit: usize| {
            let within = 150 * SECOND..400 * SECOND;
            metastore.error_item_totals("p", &ErrorItemFilter::default(), within, others_max, limit).await.unwrap()
        };
        let told = some(2, 1).await.unwrap();
        assert_eq!((told.known.len(), told.known[0].occurrences, told.others.len()), (1, 5, 2));
        assert_eq!(some(1, 1).await, None, "too many others");
    }

    #[tokio::test]
    async fn a_total_is_kept_through_an_items_life_and_forgotten_where_it_may_be_wrong() {
        let metastore = metastore().await;
        let resolved = ErrorItemUpdate { status: Some(ItemStatus::Resolved), ..ErrorItemUpdate::default() };
        metastore.update_error_item("p", 1_000_001, &resolved, 650 * SECOND).await.unwrap();
        let again = [seen("a", 700, 700, 4), seen("a", 90, 90, 1)];
        let changes = metastore.record_occurrences("p", &again, 800 * SECOND).await.unwrap();
        assert_eq!((changes.len(), changes[0].item.occurrences), (1, 4), "it is active again and counts anew");
        assert_eq!(told(&metastore, 0, 900).await, "4:9 1:8 2:5 3:3 | ");
        assert_eq!(told(&metastore, 95, 900).await, "4:9 2:5 3:3 | 1");

        let group = metastore.merge_error_items("p", &[1_000_002, 1_000_003], None, 810 * SECOND).await.unwrap();
        assert_eq!((group.id, told(&metastore, 0, 900).await.as_str()), (1_000_005, "4:9 1:8 | 5"));
        metastore.record_occurrences("p", &[seen("b", 820, 820, 1)], 830 * SECOND).await.unwrap();
        metastore.unmerge_error_items("p", group.id, &[], 840 * SECOND).await.unwrap();
        assert_eq!(told(&metastore, 0, 900).await, "4:9 1:8 | 2 3 5");

        metastore.forget_error_item_totals("p", &["d".to_owned()]).await.unwrap();
        metastore.forget_error_item_totals("p", &[]).await.unwrap();
        assert_eq!(told(&metastore, 0, 900).await, "1:8 | 2 3 4 5");
    }

    #[tokio::test]
    async fn a_deletion_of_log_records_leaves_it_to_the_rows() {
        let metastore = metastore().await;
        let deletion = NewDeletion {
            id: "x".into(),
            project: "p".into(),
            kind: DeletionKind::Range { start_unix_nano: 0, end_unix_nano: 1, service: None },
            signals: vec!["logs".into()],
            requested_at_unix_nano: 1,
        };
        metastore.add_deletion(&deletion).await.unwrap();
        let step = async |step: DeletionStep| {
            let mut writing = metastore.write().await.unwrap();
            note_step(&mut writing, &DeletionStep { id: "x".into(), ..step }, &[]).await.unwrap();
            writing.commit().await.unwrap();
        };
        step(DeletionStep { spans: 3, ..DeletionStep::default() }).await;
        assert_eq!(told(&metastore, 0, 900).await, "4:9 2:5 3:3 1:3 | ");
        step(DeletionStep { logs: 1, ..DeletionStep::default() }).await;
        assert_eq!(told(&metastore, 0, 900).await, " | 1 2 3 4");
    }
}
