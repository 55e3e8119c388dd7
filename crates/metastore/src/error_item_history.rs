//! What happened to error items, in order, and what people said about them.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use crate::database::Metastore;
use crate::error::MetastoreError;

/// Events and comments that one question gives, newest first. Of an item that flaps, nobody reads more.
const HISTORY_TOLD_MAX: i64 = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemEventKind {
    Created,
    /// An occurrence made a resolved item active.
    Reactivated,
    /// A person did.
    Reopened,
    Resolved,
    Muted,
    Archived,
    LevelChanged,
    TitleChanged,
    Assigned,
    Snoozed,
    Merged,
    Unmerged,
    Commented,
    /// An issue of a tracker was linked, or taken away.
    IssueLinked,
}

impl ItemEventKind {
    const ALL: [ItemEventKind; 14] = [
        ItemEventKind::Created,
        ItemEventKind::Reactivated,
        ItemEventKind::Reopened,
        ItemEventKind::Resolved,
        ItemEventKind::Muted,
        ItemEventKind::Archived,
        ItemEventKind::LevelChanged,
        ItemEventKind::TitleChanged,
        ItemEventKind::Assigned,
        ItemEventKind::Snoozed,
        ItemEventKind::Merged,
        ItemEventKind::Unmerged,
        ItemEventKind::Commented,
        ItemEventKind::IssueLinked,
    ];

    pub fn name(self) -> &'static str {
        match self {
            ItemEventKind::Created => "new",
            ItemEventKind::Reactivated => "reactivated",
            ItemEventKind::Reopened => "reopened",
            ItemEventKind::Resolved => "resolved",
            ItemEventKind::Muted => "muted",
            ItemEventKind::Archived => "archived",
            ItemEventKind::LevelChanged => "level",
            ItemEventKind::TitleChanged => "title",
            ItemEventKind::Assigned => "assigned",
            ItemEventKind::Snoozed => "snoozed",
            ItemEventKind::Merged => "merged",
            ItemEventKind::Unmerged => "unmerged",
            ItemEventKind::Commented => "commented",
            ItemEventKind::IssueLinked => "issue",
        }
    }

    fn from_name(name: &str) -> Result<ItemEventKind, MetastoreError> {
        let kind = ItemEventKind::ALL.into_iter().find(|kind| kind.name() == name);
        kind.ok_or_else(|| MetastoreError::Unreadable { what: "kind of event", found: name.to_owned() })
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ItemEvent {
    pub id: i64,
    pub item: i64,
    pub at_unix_nano: i64,
    pub kind: ItemEventKind,
    /// An object: what was before, what is now, the occurrence that did it.
    pub details: serde_json::Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemComment {
    pub id: i64,
    pub item: i64,
    pub at_unix_nano: i64,
    pub author: String,
    pub body: String,
}

impl Metastore {
    /// Newest first, the last few hundred.
    pub async fn error_item_events(&self, item: i64) -> Result<Vec<ItemEvent>, MetastoreError> {
        let rows =
            sqlx::query("select id, item, at, kind, details from error_item_events where item = $1 order by id desc limit $2")
                .bind(item)
                .bind(HISTORY_TOLD_MAX)
                .fetch_all(self.readers())
                .await?;
        rows.iter().map(event).collect()
    }

    /// What happened after the event of this number, oldest first.
    pub async fn error_item_events_since(&self, project: &str, last: i64, limit: u32) -> Result<Vec<ItemEvent>, MetastoreError> {
        let rows = sqlx::query(
            "select id, item, at, kind, details from error_item_events where project = $1 and id > $2 order by id limit $3",
        )
        .bind(project)
        .bind(last)
        .bind(limit)
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(event).collect()
    }

    /// The number of the last event; nought before the first.
    pub async fn last_error_item_event(&self, project: &str) -> Result<i64, MetastoreError> {
        let query = "select coalesce(max(id), 0) from error_item_events where project = $1";
        Ok(sqlx::query_scalar(query).bind(project).fetch_one(self.readers()).await?)
    }

    /// When items of these environments became active, new ones and old ones again, oldest first. No environment means all.
    pub async fn error_item_activations(
        &self,
        project: &str,
        start_unix_nano: i64,
        end_unix_nano: i64,
        environments: &[String],
    ) -> Result<Vec<i64>, MetastoreError> {
        let mut query = sqlx::QueryBuilder::<Sqlite>::new("select at from error_item_events e where project = ");
        query.push_bind(project.to_owned()).push(" and kind in ('new', 'reactivated', 'reopened') and at >= ");
        query.push_bind(start_unix_nano).push(" and at < ").push_bind(end_unix_nano);
        if !environments.is_empty() {
            query.push(" and exists (select 1 from error_item_versions v where v.item = e.item and v.environment in (");
            let mut names = query.separated(", ");
            for environment in environments {
                names.push_bind(environment.clone());
            }
            query.push("))");
        }
        query.push(" order by at");
        Ok(query.build_query_scalar().fetch_all(self.readers()).await?)
    }

    /// Newest first.
    pub async fn error_item_comments(&self, item: i64) -> Result<Vec<ItemComment>, MetastoreError> {
        let query = "select id, item, at, author, body from error_item_comments
             where item = $1 or item in (select id from error_items where group_item = $1) order by id desc limit $2";
        let rows = sqlx::query(query).bind(item).bind(HISTORY_TOLD_MAX).fetch_all(self.readers()).await?;
        rows.iter().map(comment).collect()
    }

    /// Keeps a comment, and that there was one.
    pub async fn add_error_item_comment(
        &self,
        project: &str,
        item: i64,
        author: &str,
        body: &str,
        now_unix_nano: i64,
    ) -> Result<ItemComment, MetastoreError> {
        let mut transaction = self.write().await?;
        let known: Option<i64> = sqlx::query_scalar("select id from error_items where project = $1 and id = $2")
            .bind(project)
            .bind(item)
            .fetch_optional(&mut *transaction)
            .await?;
        if known.is_none() {
            return Err(MetastoreError::NotFound { what: "item", name: item.to_string() });
        }
        let row = sqlx::query(
            "insert into error_item_comments (project, item, at, author, body) values ($1, $2, $3, $4, $5)
             returning id, item, at, author, body",
        )
        .bind(project)
        .bind(item)
        .bind(now_unix_nano)
        .bind(author)
        .bind(body)
        .fetch_one(&mut *transaction)
        .await?;
        let added = comment(&row)?;
        let details = serde_json::json!({ "comment": added.id });
        note(&mut transaction, project, item, now_unix_nano, ItemEventKind::Commented, &details).await?;
        transaction.commit().await?;
        Ok(added)
    }
}

/// Adds an event to an item's history.
pub(crate) async fn note(
    transaction: &mut Transaction<'static, Sqlite>,
    project: &str,
    item: i64,
    at_unix_nano: i64,
    kind: ItemEventKind,
    details: &serde_json::Value,
) -> Result<(), MetastoreError> {
    sqlx::query("insert into error_item_events (project, item, at, kind, details) values ($1, $2, $3, $4, $5)")
        .bind(project)
        .bind(item)
        .bind(at_unix_nano)
        .bind(kind.name())
        .bind(details.to_string())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Notes that the same happened to many items: each with when and the details.
pub(crate) async fn note_all(
    transaction: &mut Transaction<'static, Sqlite>,
    project: &str,
    kind: ItemEventKind,
    events: impl Iterator<Item = (i64, i64, serde_json::Value)>,
) -> Result<(), MetastoreError> {
    let rows: Vec<serde_json::Value> =
        events.map(|(item, at_unix_nano, details)| serde_json::json!([item, at_unix_nano, details.to_string()])).collect();
    sqlx::query(
        "insert into error_item_events (project, item, at, kind, details)
         select $1, value ->> 0, value ->> 1, $2, value ->> 2 from json_each($3) order by key",
    )
    .bind(project)
    .bind(kind.name())
    .bind(serde_json::Value::from(rows).to_string())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

fn event(row: &SqliteRow) -> Result<ItemEvent, MetastoreError> {
    let details: String = row.try_get("details")?;
    Ok(ItemEvent {
        id: row.try_get("id")?,
        item: row.try_get("item")?,
        at_unix_nano: row.try_get("at")?,
        kind: ItemEventKind::from_name(row.try_get("kind")?)?,
        details: serde_json::from_str(&details)
            .map_err(|_| MetastoreError::Unreadable { what: "details of an event", found: details.clone() })?,
    })
}

fn comment(row: &SqliteRow) -> Result<ItemComment, MetastoreError> {
    Ok(ItemComment {
        id: row.try_get("id")?,
        item: row.try_get("item")?,
        at_unix_nano: row.try_get("at")?,
        author: row.try_get("author")?,
        body: row.try_get("body")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for kind in ItemEventKind::ALL {
            assert_eq!(ItemEventKind::from_name(kind.name()).unwrap(), kind);
        }
        assert!(ItemEventKind::from_name("other").is_err());
    }
}
