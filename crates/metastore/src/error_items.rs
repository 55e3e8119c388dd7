//! Error items: what people decided about each group of errors, and the figures that a list shows without reading rows.
//!
//! Occurrences are rows; an item knows only how many there were since it was last activated, the first and the last.

use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use crate::database::{Metastore, unsigned};
use crate::error::MetastoreError;
use crate::error_item_history::{ItemEventKind, note};

const WHAT: &str = "item";

/// Where an item is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ItemStatus {
    #[default]
    Active,
    /// Mended; an occurrence of a version that should have the mend makes it active again.
    Resolved,
    /// Known and of no interest; occurrences change nothing.
    Muted,
    /// Put away; the next occurrence makes it active again.
    Archived,
}

impl ItemStatus {
    pub const ALL: [ItemStatus; 4] = [ItemStatus::Active, ItemStatus::Resolved, ItemStatus::Muted, ItemStatus::Archived];

    pub fn name(self) -> &'static str {
        match self {
            ItemStatus::Active => "active",
            ItemStatus::Resolved => "resolved",
            ItemStatus::Muted => "muted",
            ItemStatus::Archived => "archived",
        }
    }

    pub fn from_name(name: &str) -> Option<ItemStatus> {
        ItemStatus::ALL.into_iter().find(|status| status.name() == name)
    }

    fn event(self) -> ItemEventKind {
        match self {
            ItemStatus::Active => ItemEventKind::Reopened,
            ItemStatus::Resolved => ItemEventKind::Resolved,
            ItemStatus::Muted => ItemEventKind::Muted,
            ItemStatus::Archived => ItemEventKind::Archived,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorItem {
    /// Unique over all projects.
    pub id: i64,
    /// Counts up from one in each project.
    pub counter: i64,
    /// The value of `error.group` of its first occurrence. Others may belong to it as well, see
    /// [`Metastore::error_item_fingerprints`].
    pub fingerprint: String,
    pub status: ItemStatus,
    /// 10 debug, 20 info, 30 warning, 40 error, 50 critical.
    pub level: i64,
    pub title: String,
    /// Of the first occurrence, as the next three.
    pub environment: String,
    pub framework: String,
    pub platform: String,
    pub language: String,
    pub assigned_user_id: Option<i64>,
    pub assigned_team_id: Option<i64>,
    pub snoozed_until_unix_nano: Option<i64>,
    pub resolved_at_unix_nano: Option<i64>,
    pub resolved_in_version: Option<String>,
    pub first_seen_unix_nano: i64,
    pub last_seen_unix_nano: i64,
    pub last_activated_at_unix_nano: i64,
    pub first_occurrence: i64,
    pub last_occurrence: i64,
    pub activating_occurrence: i64,
    /// Since it was last activated, weighted.
    pub occurrences: u64,
    pub changed_at_unix_nano: i64,
    /// The item that this one was merged into; lists leave it out.
    pub group_item: Option<i64>,
    /// Where it was seen; an empty one was not told.
    pub environments: Vec<String>,
}

/// What is left empty does not narrow.
#[derive(Clone, Debug, Default)]
pub struct ErrorItemFilter {
    pub ids: Vec<i64>,
    pub counters: Vec<i64>,
    pub statuses: Vec<ItemStatus>,
    pub levels: Vec<i64>,
    pub environments: Vec<String>,
    pub frameworks: Vec<String>,
    pub versions: Vec<String>,
    pub assigned_user_ids: Vec<i64>,
    /// Whether somebody is assigned.
    pub is_assigned: Option<bool>,
    /// Items whose title has each of these in it, whatever the case.
    pub title_words: Vec<String>,
    /// Items that one of these groups belongs to. `Some` of nothing finds nothing.
    pub fingerprints: Option<Vec<String>>,
    pub has_comments: Option<bool>,
    /// Whether an issue is linked.
    pub has_issue: Option<bool>,
    pub seen_since_unix_nano: Option<i64>,
    /// Items whose first occurrence is before this time.
    pub first_seen_before_unix_nano: Option<i64>,
    pub shown_statuses: Option<ShownStatuses>,
    /// Snoozed items are left out at this time.
    pub awake_at_unix_nano: Option<i64>,
    /// Only snoozed items are let pass.
    pub snoozed_at_unix_nano: Option<i64>,
    /// Items that others were merged into, or only such as were not.
    pub is_group: Option<bool>,
    /// Items that were merged into others; they are left out unless asked for, here or by their numbers.
    pub is_member: Option<bool>,
}

/// Statuses as lists show them at a time: `snoozed` are active items that nobody wants to see yet.
#[derive(Clone, Debug, Default)]
pub struct ShownStatuses {
    pub at_unix_nano: i64,
    pub names: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorItemOrder {
    #[default]
    LastSeen,
    FirstSeen,
    Occurrences,
    Level,
    Counter,
    Activated,
}

impl ErrorItemOrder {
    fn sql(self) -> &'static str {
        match self {
            ErrorItemOrder::LastSeen => "last_seen desc, id desc",
            ErrorItemOrder::FirstSeen => "first_seen desc, id desc",
            ErrorItemOrder::Occurrences => "occurrences desc, id desc",
            ErrorItemOrder::Level => "level desc, last_seen desc, id desc",
            // Both count up together.
            ErrorItemOrder::Counter => "id desc",
            ErrorItemOrder::Activated => "last_activated_at desc, id desc",
        }
    }
}

/// What a person changes; the rest stays.
#[derive(Clone, Debug, Default)]
pub struct ErrorItemUpdate {
    pub status: Option<ItemStatus>,
    /// Counts only together with becoming, or being, resolved.
    pub resolved_in_version: Option<String>,
    pub level: Option<i64>,
    pub title: Option<String>,
    /// `Some(None)` takes the assignment away.
    pub assigned_user_id: Option<Option<i64>>,
    pub assigned_team_id: Option<Option<i64>>,
    pub snoozed_until_unix_nano: Option<Option<i64>>,
}

/// An environment and a version of the code that an item was seen in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemVersion {
    pub environment: String,
    pub version: String,
    pub first_seen_unix_nano: i64,
    pub last_seen_unix_nano: i64,
    pub occurrences: u64,
}

/// An item as one version of the code knew it.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionItems {
    pub item: ErrorItem,
    pub seen: ItemVersion,
    /// The item's first version was this one.
    pub is_new: bool,
    /// It became active again by an occurrence of this version.
    pub is_reactivated: bool,
}

pub(crate) const COLUMNS: &str = "id, counter, fingerprint, status, level, title, environment, framework, platform, language, \
    assigned_user_id, assigned_team_id, snoozed_until, resolved_at, resolved_in_version, first_seen, last_seen, \
    last_activated_at, first_occurrence, last_occurrence, activating_occurrence, occurrences, changed_at, group_item, environments";

/// Stands before, between and behind the environments of an item.
pub(crate) const SEPARATOR: char = '\u{1f}';

impl Metastore {
    pub async fn error_item(&self, project: &str, id: i64) -> Result<Option<ErrorItem>, MetastoreError> {
        let filter = ErrorItemFilter { ids: vec![id], ..ErrorItemFilter::default() };
        Ok(self.error_items(project, &filter, ErrorItemOrder::default(), 0, 1).await?.pop())
    }

    pub async fn error_item_by_counter(&self, project: &str, counter: i64) -> Result<Option<ErrorItem>, MetastoreError> {
        let filter = ErrorItemFilter { counters: vec![counter], ..ErrorItemFilter::default() };
        Ok(self.error_items(project, &filter, ErrorItemOrder::default(), 0, 1).await?.pop())
    }

    /// Items that a filter lets pass, `limit` of them from the `offset`th on.
    pub async fn error_items(
        &self,
        project: &str,
        filter: &ErrorItemFilter,
        order: ErrorItemOrder,
        offset: u64,
        limit: u64,
    ) -> Result<Vec<ErrorItem>, MetastoreError> {
        let mut query = QueryBuilder::new(format!("select {COLUMNS} from error_items where id in (select id"));
        push_filter(&mut query, project, filter, "error_items_listed");
        query.push(format!(" order by {0} limit {limit} offset {offset}) order by {0}", order.sql()));
        let rows = query.build().fetch_all(self.readers()).await?;
        rows.iter().map(item).collect()
    }

    pub async fn count_error_items(&self, project: &str, filter: &ErrorItemFilter) -> Result<u64, MetastoreError> {
        let mut query = QueryBuilder::new("select count(*)");
        push_filter(&mut query, project, filter, "error_items_listed");
        let count: i64 = query.build_query_scalar().fetch_one(self.readers()).await?;
        Ok(unsigned(count))
    }

    /// The values of `error.group` whose occurrences are the item's.
    pub async fn error_item_fingerprints(&self, item: i64) -> Result<Vec<String>, MetastoreError> {
        let query = "select fingerprint from error_item_fingerprints where item = $1 order by fingerprint";
        Ok(sqlx::query_scalar(query).bind(item).fetch_all(self.readers()).await?)
    }

    /// The values of `error.group` of several items: pairs of item and group.
    pub async fn error_fingerprints_of_items(&self, items: &[i64]) -> Result<Vec<(i64, String)>, MetastoreError> {
        let query = "select item, fingerprint from error_item_fingerprints
             where item in (select value from json_each($1)) order by item, fingerprint";
        Ok(sqlx::query_as(query).bind(serde_json::json!(items).to_string()).fetch_all(self.readers()).await?)
    }

    /// Whose occurrences these groups are: pairs of group and item.
    pub async fn error_items_of_fingerprints(
        &self,
        project: &str,
        fingerprints: &[String],
    ) -> Result<Vec<(String, ErrorItem)>, MetastoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(format!(
            "select f.fingerprint as told, {} from error_item_fingerprints f join error_items i on i.id = f.item where f.project = ",
            COLUMNS.split(", ").map(|column| format!("i.{}", column.trim())).collect::<Vec<_>>().join(", ")
        ));
        query.push_bind(project.to_owned());
        if fingerprints.is_empty() {
            return Ok(Vec::new());
        }
        push_in(&mut query, "f.fingerprint", fingerprints);
        let rows = query.build().fetch_all(self.readers()).await?;
        rows.iter().map(|row| Ok((row.try_get("told")?, item(row)?))).collect()
    }

    /// Every group with its item, the items seen last first, at most `limit` of them.
    pub async fn error_items_with_fingerprints(
        &self,
        project: &str,
        limit: u32,
    ) -> Result<Vec<(String, ErrorItem)>, MetastoreError> {
        let columns = COLUMNS.split(", ").map(|column| format!("i.{}", column.trim())).collect::<Vec<_>>().join(", ");
        let query = format!(
            "select f.fingerprint as told, {columns} from error_item_fingerprints f join error_items i on i.id = f.item
             where f.project = $1 order by i.last_seen desc limit {limit}"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(project).fetch_all(self.readers()).await?;
        rows.iter().map(|row| Ok((row.try_get("told")?, item(row)?))).collect()
    }

    /// Where an item, or one that was merged into it, was seen; latest first.
    pub async fn error_item_versions(&self, item: i64) -> Result<Vec<ItemVersion>, MetastoreError> {
        let rows = sqlx::query(
            "select environment, version, min(first_seen) as first_seen, max(last_seen) as last_seen,
                sum(occurrences) as occurrences
             from error_item_versions where item = $1 or item in (select id from error_items where group_item = $1)
             group by environment, version order by max(last_seen) desc",
        )
        .bind(item)
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(version).collect()
    }

    /// Environments that any item was seen in, in order.
    pub async fn error_environments(&self, project: &str) -> Result<Vec<String>, MetastoreError> {
        let query = "select distinct v.environment from error_item_versions v join error_items i on i.id = v.item
             where i.project = $1 and v.environment <> '' order by 1";
        Ok(sqlx::query_scalar(query).bind(project).fetch_all(self.readers()).await?)
    }

    /// The items that one version of the code had in one environment, at most `limit`, latest first. What merged items had
    /// is their group's.
    pub async fn error_items_of_version(
        &self,
        project: &str,
        environment: &str,
        version_name: &str,
        limit: u32,
    ) -> Result<Vec<VersionItems>, MetastoreError> {
        let columns = COLUMNS.split(", ").map(|column| format!("i.{0} as {0}", column.trim())).collect::<Vec<_>>().join(", ");
        let query = format!(
            "select {columns}, v.environment as seen_environment, v.version as seen_version, min(v.first_seen) as seen_first,
                max(v.last_seen) as seen_last, sum(v.occurrences) as seen_occurrences,
                min(v.first_seen) <= i.first_seen as is_new,
                exists (select 1 from error_item_events e where e.item = i.id and e.kind = 'reactivated'
                    and json_extract(e.details, '$.version') = $3) as is_reactivated
             from error_item_versions v join error_items m on m.id = v.item
                join error_items i on i.id = coalesce(m.group_item, m.id)
             where i.project = $1 and v.environment = $2 and v.version = $3
             group by i.id order by seen_last desc limit {limit}"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(project)
            .bind(environment)
            .bind(version_name)
            .fetch_all(self.readers())
            .await?;
        rows.iter()
            .map(|row| {
                let seen = ItemVersion {
                    environment: row.try_get("seen_environment")?,
                    version: row.try_get("seen_version")?,
                    first_seen_unix_nano: row.try_get("seen_first")?,
                    last_seen_unix_nano: row.try_get("seen_last")?,
                    occurrences: unsigned(row.try_get("seen_occurrences")?),
                };
                let flag = |name| -> Result<bool, MetastoreError> { Ok(row.try_get::<i64, _>(name)? != 0) };
                Ok(VersionItems { item: item(row)?, seen, is_new: flag("is_new")?, is_reactivated: flag("is_reactivated")? })
            })
            .collect()
    }

    /// Changes what is given, notes each change in the history, and tells how the item is now.
    ///
    /// Becoming active counts occurrences anew.
    pub async fn update_error_item(
        &self,
        project: &str,
        id: i64,
        update: &ErrorItemUpdate,
        now_unix_nano: i64,
    ) -> Result<ErrorItem, MetastoreError> {
        let mut transaction = self.write().await?;
        let query = format!("select {COLUMNS} from error_items where project = $1 and id = $2");
        let row = sqlx::query(sqlx::AssertSqlSafe(query)).bind(project).bind(id).fetch_optional(&mut *transaction).await?;
        let row = row.ok_or_else(|| MetastoreError::NotFound { what: WHAT, name: id.to_string() })?;
        let before = item(&row)?;
        let (after, events) = changed(&before, update, now_unix_nano);
        for (kind, details) in &events {
            note(&mut transaction, project, id, now_unix_nano, *kind, details).await?;
        }
        if !events.is_empty() {
            sqlx::query(
                "update error_items set status = $2, level = $3, title = $4, assigned_user_id = $5, assigned_team_id = $6,
                    snoozed_until = $7, resolved_at = $8, resolved_in_version = $9, last_activated_at = $10, occurrences = $11,
                    changed_at = $12 where id = $1",
            )
            .bind(id)
            .bind(after.status.name())
            .bind(after.level)
            .bind(&after.title)
            .bind(after.assigned_user_id)
            .bind(after.assigned_team_id)
            .bind(after.snoozed_until_unix_nano)
            .bind(after.resolved_at_unix_nano)
            .bind(&after.resolved_in_version)
            .bind(after.last_activated_at_unix_nano)
            .bind(crate::database::signed(after.occurrences))
            .bind(now_unix_nano)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(after)
    }
}

type Events = Vec<(ItemEventKind, serde_json::Value)>;

/// The item after a person's change, and what is to be remembered of it.
fn changed(before: &ErrorItem, update: &ErrorItemUpdate, now_unix_nano: i64) -> (ErrorItem, Events) {
    let mut after = before.clone();
    let mut events = Events::new();
    if let Some(status) = update.status.filter(|status| *status != before.status) {
        after.status = status;
        match status {
            ItemStatus::Active => {
                after.last_activated_at_unix_nano = now_unix_nano;
                after.occurrences = 0;
                after.resolved_in_version = None;
            }
            ItemStatus::Resolved => after.resolved_at_unix_nano = Some(now_unix_nano),
            ItemStatus::Muted | ItemStatus::Archived => {}
        }
        let version = update.resolved_in_version.as_deref().filter(|_| status == ItemStatus::Resolved);
        events.push((status.event(), json!({ "from": before.status.name(), "version": version })));
    }
    if after.status == ItemStatus::Resolved
        && let Some(version) = &update.resolved_in_version
    {
        let version = Some(version.clone()).filter(|version| !version.is_empty());
        if events.is_empty() && version != before.resolved_in_version {
            events.push((ItemEventKind::Resolved, json!({ "from": before.status.name(), "version": version })));
        }
        after.resolved_in_version = version;
    }
    if let Some(level) = update.level.filter(|level| *level != before.level) {
        events.push((ItemEventKind::LevelChanged, json!({ "from": before.level, "to": level })));
        after.level = level;
    }
    if let Some(title) = update.title.as_ref().filter(|title| **title != before.title) {
        events.push((ItemEventKind::TitleChanged, json!({ "from": before.title, "to": title })));
        after.title.clone_from(title);
    }
    if let Some(user) = update.assigned_user_id.filter(|user| *user != before.assigned_user_id) {
        events.push((ItemEventKind::Assigned, json!({ "from_user": before.assigned_user_id, "to_user": user })));
        after.assigned_user_id = user;
    }
    if let Some(team) = update.assigned_team_id.filter(|team| *team != before.assigned_team_id) {
        events.push((ItemEventKind::Assigned, json!({ "from_team": before.assigned_team_id, "to_team": team })));
        after.assigned_team_id = team;
    }
    if let Some(until) = update.snoozed_until_unix_nano.filter(|until| *until != before.snoozed_until_unix_nano) {
        events.push((ItemEventKind::Snoozed, json!({ "until": until.map(|until| until / 1_000_000_000) })));
        after.snoozed_until_unix_nano = until;
    }
    if !events.is_empty() {
        after.changed_at_unix_nano = now_unix_nano;
    }
    (after, events)
}

/// The items that a filter lets pass, from `from` on. Unless single items are named, that is found in the index alone.
pub(crate) fn push_filter(query: &mut QueryBuilder<Sqlite>, project: &str, filter: &ErrorItemFilter, index: &str) {
    let is_named = !filter.ids.is_empty() || !filter.counters.is_empty();
    let members = match filter.is_member {
        Some(true) => " and i.group_item is not null",
        None if is_named => "",
        Some(false) | None => " and i.group_item is null",
    };
    let index = if is_named || filter.is_member == Some(true) { String::new() } else { format!("indexed by {index}") };
    query.push(format!(" from error_items i {index} where i.project = ")).push_bind(project.to_owned()).push(members);
    push_in(query, "i.id", &filter.ids);
    push_in(query, "i.counter", &filter.counters);
    push_in(query, "i.status", &filter.statuses.iter().map(|status| status.name()).collect::<Vec<_>>());
    push_in(query, "i.level", &filter.levels);
    push_in(query, "i.framework", &filter.frameworks);
    push_in(query, "i.assigned_user_id", &filter.assigned_user_ids);
    push_environments(query, &filter.environments);
    push_versions(query, &filter.versions);
    if let Some(is_group) = filter.is_group {
        push_is_among(query, is_group);
        query.push("select m.group_item from error_items m where m.group_item is not null)");
    }
    match filter.is_assigned {
        Some(true) => query.push(" and (i.assigned_user_id is not null or i.assigned_team_id is not null)"),
        Some(false) => query.push(" and i.assigned_user_id is null and i.assigned_team_id is null"),
        None => query,
    };
    for word in &filter.title_words {
        // The database folds the case of ASCII letters only.
        query.push(" and instr(lower(i.title), ").push_bind(word.to_ascii_lowercase()).push(") > 0");
    }
    push_fingerprints(query, project, filter.fingerprints.as_deref());
    if let Some(has) = filter.has_comments {
        push_is_among(query, has);
        query.push("select coalesce(m.group_item, m.id) from error_item_comments c join error_items m on m.id = c.item)");
    }
    if let Some(has) = filter.has_issue {
        push_is_among(query, has);
        query.push("select coalesce(m.group_item, m.id) from error_item_issues l join error_items m on m.id = l.item)");
    }
    if let Some(since) = filter.seen_since_unix_nano {
        query.push(" and i.last_seen >= ").push_bind(since);
    }
    if let Some(before) = filter.first_seen_before_unix_nano {
        query.push(" and i.first_seen < ").push_bind(before);
    }
    if let Some(shown) = &filter.shown_statuses {
        query.push(" and ");
        push_shown_status(query, shown.at_unix_nano);
        query.push(" in (select value from json_each(").push_bind(serde_json::json!(shown.names).to_string()).push("))");
    }
    if let Some(at) = filter.awake_at_unix_nano {
        query.push(" and (i.snoozed_until is null or i.snoozed_until <= ").push_bind(at).push(")");
    }
    if let Some(at) = filter.snoozed_at_unix_nano {
        query.push(" and i.snoozed_until > ").push_bind(at);
    }
}

/// The status that lists show at a time.
pub(crate) fn push_shown_status(query: &mut QueryBuilder<Sqlite>, at_unix_nano: i64) {
    query.push("case when i.status = 'active' and i.snoozed_until > ").push_bind(at_unix_nano);
    query.push(" then 'snoozed' else i.status end");
}

/// Begins a list of items that are let pass, or left out.
fn push_is_among(query: &mut QueryBuilder<Sqlite>, is: bool) {
    query.push(if is { " and i.id in (" } else { " and i.id not in (" });
}

fn push_environments(query: &mut QueryBuilder<Sqlite>, environments: &[String]) {
    if environments.is_empty() {
        return;
    }
    query.push(" and (");
    let mut any = query.separated(" or ");
    for environment in environments {
        any.push("instr(i.environments, ").push_bind_unseparated(format!("{SEPARATOR}{environment}{SEPARATOR}"));
        any.push_unseparated(") > 0");
    }
    query.push(")");
}

/// What merged items were seen in is their group's.
fn push_versions(query: &mut QueryBuilder<Sqlite>, versions: &[String]) {
    if versions.is_empty() {
        return;
    }
    query.push(" and (i.id in (select v.item from error_item_versions v where true");
    push_in(query, "v.version", versions);
    query.push(") or i.id in (select m.group_item from error_items m where m.group_item is not null");
    query.push(" and exists (select 1 from error_item_versions v where v.item = m.id");
    push_in(query, "v.version", versions);
    query.push(")))");
}

fn push_fingerprints(query: &mut QueryBuilder<Sqlite>, project: &str, fingerprints: Option<&[String]>) {
    match fingerprints {
        Some([]) => {
            query.push(" and 1 = 0");
        }
        Some(fingerprints) => {
            push_is_among(query, true);
            query.push("select f.item from error_item_fingerprints f where f.project = ").push_bind(project.to_owned());
            push_in(query, "f.fingerprint", fingerprints);
            query.push(")");
        }
        None => {}
    }
}

pub(crate) fn push_in<T: Clone + Into<serde_json::Value>>(query: &mut QueryBuilder<Sqlite>, column: &str, values: &[T]) {
    if values.is_empty() {
        return;
    }
    // One text, however many values: databases bound the number of parameters.
    let list: serde_json::Value = values.iter().cloned().map(Into::into).collect::<Vec<serde_json::Value>>().into();
    query.push(format!(" and {column} in (select value from json_each("));
    query.push_bind(list.to_string()).push("))");
}

pub(crate) fn item(row: &SqliteRow) -> Result<ErrorItem, MetastoreError> {
    let status: String = row.try_get("status")?;
    let environments: &str = row.try_get("environments")?;
    Ok(ErrorItem {
        id: row.try_get("id")?,
        counter: row.try_get("counter")?,
        fingerprint: row.try_get("fingerprint")?,
        status: ItemStatus::from_name(&status).ok_or(MetastoreError::Unreadable { what: "status of an item", found: status })?,
        level: row.try_get("level")?,
        title: row.try_get("title")?,
        environment: row.try_get("environment")?,
        framework: row.try_get("framework")?,
        platform: row.try_get("platform")?,
        language: row.try_get("language")?,
        assigned_user_id: row.try_get("assigned_user_id")?,
        assigned_team_id: row.try_get("assigned_team_id")?,
        snoozed_until_unix_nano: row.try_get("snoozed_until")?,
        resolved_at_unix_nano: row.try_get("resolved_at")?,
        resolved_in_version: row.try_get("resolved_in_version")?,
        first_seen_unix_nano: row.try_get("first_seen")?,
        last_seen_unix_nano: row.try_get("last_seen")?,
        last_activated_at_unix_nano: row.try_get("last_activated_at")?,
        first_occurrence: row.try_get("first_occurrence")?,
        last_occurrence: row.try_get("last_occurrence")?,
        activating_occurrence: row.try_get("activating_occurrence")?,
        occurrences: unsigned(row.try_get("occurrences")?),
        changed_at_unix_nano: row.try_get("changed_at")?,
        group_item: row.try_get("group_item")?,
        environments: self::environments(environments),
    })
}

/// The names that are written between separators.
pub(crate) fn environments(written: &str) -> Vec<String> {
    written.split_terminator(SEPARATOR).skip(1).map(str::to_owned).collect()
}

fn version(row: &SqliteRow) -> Result<ItemVersion, MetastoreError> {
    Ok(ItemVersion {
        environment: row.try_get("environment")?,
        version: row.try_get("version")?,
        first_seen_unix_nano: row.try_get("first_seen")?,
        last_seen_unix_nano: row.try_get("last_seen")?,
        occurrences: unsigned(row.try_get("occurrences")?),
    })
}
