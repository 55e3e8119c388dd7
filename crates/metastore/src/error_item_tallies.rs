//! How many items there are of each kind that lists are narrowed by, or which: from these, every filter's counts are summed up.

use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use crate::database::{Metastore, unsigned};
use crate::error::MetastoreError;
use crate::error_items::{ErrorItemFilter, environments, push_filter, push_shown_status};

/// Items that are alike in all that lists are narrowed by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorItemTally {
    /// As lists show it: `snoozed` are active items that nobody wants to see yet.
    pub status: String,
    pub level: i64,
    pub environments: Vec<String>,
    pub framework: String,
    pub assigned_user_id: Option<i64>,
    pub assigned_team_id: Option<i64>,
    pub items: u64,
}

/// The item of a group, as far as lists sort by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupItem {
    /// Where the group was in the question.
    pub place: usize,
    pub item: i64,
    pub first_seen_unix_nano: i64,
    pub last_activated_at_unix_nano: i64,
}

impl Metastore {
    /// The items of groups, those together that are alike; each tally counts its groups. Groups without an item are left out.
    ///
    /// Each kind is handed over as one text: one row for each of thousands of groups costs several times what finding them does.
    pub async fn error_items_alike(
        &self,
        project: &str,
        groups: &[&str],
        now_unix_nano: i64,
    ) -> Result<Vec<(ErrorItemTally, Vec<GroupItem>)>, MetastoreError> {
        let alike = "i.level, i.environments, i.framework, i.assigned_user_id, i.assigned_team_id";
        let mut query = QueryBuilder::<Sqlite>::new("select ");
        push_shown_status(&mut query, now_unix_nano);
        query.push(format!(
            " as status, {alike}, count(*) as items,
             json_group_array(json_array(j.key, i.id, i.first_seen, i.last_activated_at)) as members from json_each("
        ));
        query.push_bind(json!(groups).to_string());
        query.push(") j cross join error_item_fingerprints f on f.fingerprint = j.value and f.project = ");
        query.push_bind(project.to_owned());
        query.push(format!(" join error_items i on i.id = f.item group by 1, {alike}"));
        let rows = query.build().fetch_all(self.readers()).await?;
        rows.iter().map(|row| Ok((tally(row)?, members(row.try_get("members")?)?))).collect()
    }

    /// Counts the items that a filter lets pass, by all that they can be narrowed by further.
    pub async fn tally_error_items(
        &self,
        project: &str,
        filter: &ErrorItemFilter,
        now_unix_nano: i64,
    ) -> Result<Vec<ErrorItemTally>, MetastoreError> {
        let alike = "i.status, i.level, i.environments, i.framework, i.assigned_user_id, i.assigned_team_id";
        let mut query = QueryBuilder::<Sqlite>::new(format!("select {alike}, count(*) as items, sum(i.snoozed_until > "));
        query.push_bind(now_unix_nano).push(") as snoozed");
        push_filter(&mut query, project, filter, "error_items_counted");
        query.push(format!(" group by {alike}"));
        let rows = query.build().fetch_all(self.readers()).await?;
        let mut tallies = Vec::new();
        for row in rows {
            let tally = tally(&row)?;
            let items = tally.items;
            let asleep = row.try_get::<Option<i64>, _>("snoozed")?.map_or(0, unsigned);
            let asleep = if tally.status == "active" { asleep } else { 0 };
            let snoozed = ErrorItemTally { status: "snoozed".into(), items: asleep, ..tally.clone() };
            let awake = ErrorItemTally { items: items - asleep, ..tally };
            tallies.extend([awake, snoozed].into_iter().filter(|tally| tally.items > 0));
        }
        Ok(tallies)
    }
}

fn members(written: &str) -> Result<Vec<GroupItem>, MetastoreError> {
    let read: Result<Vec<(usize, i64, i64, i64)>, _> = serde_json::from_str(written);
    let read = read.map_err(|error| MetastoreError::Unreadable { what: "items of groups", found: error.to_string() })?;
    let member = |(place, item, first_seen_unix_nano, last_activated_at_unix_nano)| GroupItem {
        place,
        item,
        first_seen_unix_nano,
        last_activated_at_unix_nano,
    };
    Ok(read.into_iter().map(member).collect())
}

fn tally(row: &SqliteRow) -> Result<ErrorItemTally, MetastoreError> {
    Ok(ErrorItemTally {
        status: row.try_get("status")?,
        level: row.try_get("level")?,
        environments: environments(row.try_get("environments")?),
        framework: row.try_get("framework")?,
        assigned_user_id: row.try_get("assigned_user_id")?,
        assigned_team_id: row.try_get("assigned_team_id")?,
        items: unsigned(row.try_get("items")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_item_occurrences::OccurrencesSeen;
    use crate::error_items::{ErrorItemOrder, ErrorItemUpdate, ItemStatus, ShownStatuses};

    async fn metastore() -> Metastore {
        let metastore = Metastore::in_memory().await.unwrap();
        let seen = |group: &str, level: i64, environment: &str, at: i64| OccurrencesSeen {
            fingerprint: group.into(),
            level,
            environment: environment.into(),
            first_seen_unix_nano: at,
            last_seen_unix_nano: at,
            count: 1,
            ..OccurrencesSeen::default()
        };
        let all = [
            seen("a", 40, "production", 10),
            seen("b", 40, "production", 20),
            seen("c", 50, "", 30),
            seen("c", 50, "staging", 30),
            seen("d", 40, "production", 40),
        ];
        metastore.record_occurrences("p", &all, 50).await.unwrap();
        let change = async |counter: i64, update: ErrorItemUpdate| {
            let item = metastore.error_item_by_counter("p", counter).await.unwrap().unwrap();
            metastore.update_error_item("p", item.id, &update, 60).await.unwrap();
        };
        change(1, ErrorItemUpdate { status: Some(ItemStatus::Resolved), ..ErrorItemUpdate::default() }).await;
        change(2, ErrorItemUpdate { snoozed_until_unix_nano: Some(Some(100)), ..ErrorItemUpdate::default() }).await;
        change(4, ErrorItemUpdate { assigned_user_id: Some(Some(7)), ..ErrorItemUpdate::default() }).await;
        metastore
    }

    async fn tallies(filter: ErrorItemFilter, now_unix_nano: i64) -> Vec<String> {
        let tallies = metastore().await.tally_error_items("p", &filter, now_unix_nano).await.unwrap();
        let told = |tally: &ErrorItemTally| {
            let ErrorItemTally { status, level, environments, assigned_user_id, items, .. } = tally;
            format!("{items} {status} {level} {environments:?} {assigned_user_id:?}")
        };
        tallies.iter().map(told).collect()
    }

    #[tokio::test]
    async fn items_are_counted_by_what_they_are_narrowed_by() {
        let all = [
            "1 snoozed 40 [\"production\"] None",
            "1 active 40 [\"production\"] Some(7)",
            "1 active 50 [\"\", \"staging\"] None",
            "1 resolved 40 [\"production\"] None",
        ];
        assert_eq!(tallies(ErrorItemFilter::default(), 60).await, all);
        let seen = ErrorItemFilter {
            seen_since_unix_nano: Some(20),
            first_seen_before_unix_nano: Some(40),
            ..ErrorItemFilter::default()
        };
        assert_eq!(tallies(seen, 100).await, ["1 active 40 [\"production\"] None", all[2]], "its time to rest is over");
    }

    #[tokio::test]
    async fn items_of_groups_are_told_by_their_kind() {
        let metastore = metastore().await;
        let alike = metastore.error_items_alike("p", &["d", "nobody", "b", "a", "c"], 60).await.unwrap();
        let mut told: Vec<String> = alike
            .iter()
            .map(|(kind, members)| {
                let members: Vec<String> = members.iter().map(|one| format!("{}:{}", one.place, one.item - 1_000_000)).collect();
                format!("{} {} {:?} {}", kind.status, kind.level, kind.assigned_user_id, members.join(" "))
            })
            .collect();
        told.sort();
        let expected = ["active 40 Some(7) 0:4", "active 50 None 4:3", "resolved 40 None 3:1", "snoozed 40 None 2:2"];
        assert_eq!(told, expected);
        let b = alike.iter().flat_map(|(_, members)| members).find(|one| one.place == 2).unwrap();
        assert_eq!((b.first_seen_unix_nano, b.last_activated_at_unix_nano), (20, 20));
        assert_eq!(metastore.error_items_alike("p", &[], 60).await.unwrap(), []);
    }

    #[tokio::test]
    async fn statuses_are_those_that_lists_show() {
        let metastore = metastore().await;
        let counters = async |names: &[&str], at_unix_nano: i64| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            let filter =
                ErrorItemFilter { shown_statuses: Some(ShownStatuses { at_unix_nano, names }), ..ErrorItemFilter::default() };
            let items = metastore.error_items("p", &filter, ErrorItemOrder::Activated, 0, 9).await.unwrap();
            items.into_iter().map(|item| item.counter).collect::<Vec<_>>()
        };
        assert_eq!(counters(&["active"], 60).await, [4, 3]);
        assert_eq!(counters(&["active"], 100).await, [4, 3, 2]);
        assert_eq!(counters(&["snoozed", "resolved"], 60).await, [2, 1]);
    }
}
