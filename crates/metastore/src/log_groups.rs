//! Log groups and log streams: where CloudWatch's log records say they belong, and how long they stay.
//!
//! Names are taken as they come: which ones are legal, and in which words a wrong one is refused, is the read API's affair.
//! Counters of a stream are summed by the caller and noted in batches, so that ingest never waits for this database.

use sqlx::{AssertSqlSafe, QueryBuilder, Row, Sqlite, Transaction};

use crate::database::{Metastore, signed, unsigned};
use crate::error::MetastoreError;

/// The retentions CloudWatch offers, in days.
pub const RETENTION_DAYS_ALLOWED: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// Entries of one page; CloudWatch's bound.
const PAGE_MAX: usize = 50;

#[derive(Clone, Debug, PartialEq)]
pub struct LogGroup {
    pub name: String,
    pub created_at_unix_nano: i64,
    /// `None`: kept for ever.
    pub retention_days: Option<u32>,
    /// Bytes of all its streams.
    pub stored_bytes: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogStream {
    pub log_group: String,
    pub name: String,
    pub created_at_unix_nano: i64,
    pub first_event_unix_nano: Option<i64>,
    pub last_event_unix_nano: Option<i64>,
    pub last_ingestion_unix_nano: Option<i64>,
    pub stored_bytes: u64,
}

/// Which groups; all that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct LogGroupFilter {
    pub prefix: Option<String>,
    /// A text anywhere in the name, whatever its case.
    pub contains: Option<String>,
    /// The `next` of the page before.
    pub after: Option<String>,
    /// At most 50; 0 means 50.
    pub limit: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogStreamOrder {
    #[default]
    Name,
    /// Streams without events count as oldest.
    LastEventTime,
}

#[derive(Clone, Debug, Default)]
pub struct LogStreamFilter {
    pub prefix: Option<String>,
    pub order: LogStreamOrder,
    pub descending: bool,
    /// The `next` of the page before.
    pub after: Option<String>,
    /// At most 50; 0 means 50.
    pub limit: usize,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// What to ask for the next page; `None` on the last.
    pub next: Option<String>,
}

/// What arrived in one stream since the last note.
#[derive(Clone, Debug, PartialEq)]
pub struct LogStreamActivity {
    pub log_group: String,
    pub log_stream: String,
    pub first_event_unix_nano: i64,
    pub last_event_unix_nano: i64,
    pub ingestion_unix_nano: i64,
    pub bytes: u64,
}

impl Metastore {
    /// Refuses: a name that is taken.
    pub async fn create_log_group(
        &self,
        project: &str,
        name: &str,
        retention_days: Option<u32>,
        now_unix_nano: i64,
    ) -> Result<(), MetastoreError> {
        check_retention(retention_days)?;
        let mut transaction = self.write().await?;
        let made = sqlx::query(
            "insert into log_groups (project, name, created_at, retention_days) values ($1, $2, $3, $4)
             on conflict (project, name) do nothing",
        )
        .bind(project)
        .bind(name)
        .bind(now_unix_nano)
        .bind(retention_days.map(i64::from))
        .execute(&mut *transaction)
        .await?;
        if made.rows_affected() == 0 {
            return Err(MetastoreError::AlreadyExists { what: "log group", name: name.to_owned() });
        }
        Ok(transaction.commit().await?)
    }

    /// Removes the group and its streams; their rows go with retention.
    pub async fn delete_log_group(&self, project: &str, name: &str) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("delete from log_streams where project = $1 and log_group = $2")
            .bind(project)
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        let gone = sqlx::query("delete from log_groups where project = $1 and name = $2")
            .bind(project)
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        found(gone.rows_affected(), "log group", name)?;
        Ok(transaction.commit().await?)
    }

    /// Sets how many days the group's records stay; `None` keeps them for ever.
    pub async fn put_log_group_retention(
        &self,
        project: &str,
        name: &str,
        retention_days: Option<u32>,
    ) -> Result<(), MetastoreError> {
        check_retention(retention_days)?;
        let mut transaction = self.write().await?;
        let changed = sqlx::query("update log_groups set retention_days = $1 where project = $2 and name = $3")
            .bind(retention_days.map(i64::from))
            .bind(project)
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        found(changed.rows_affected(), "log group", name)?;
        Ok(transaction.commit().await?)
    }

    pub async fn log_group(&self, project: &str, name: &str) -> Result<Option<LogGroup>, MetastoreError> {
        let row = sqlx::query(AssertSqlSafe(format!("{SELECT_LOG_GROUP} where g.project = $1 and g.name = $2")))
            .bind(project)
            .bind(name)
            .fetch_optional(self.readers())
            .await?;
        row.as_ref().map(log_group).transpose()
    }

    /// One page of groups, in order of name.
    pub async fn log_groups(&self, project: &str, filter: &LogGroupFilter) -> Result<Page<LogGroup>, MetastoreError> {
        let mut query = QueryBuilder::new(SELECT_LOG_GROUP);
        query.push(" where g.project = ").push_bind(project);
        if let Some(prefix) = &filter.prefix {
            query.push(" and g.name like ").push_bind(like_prefix(prefix)).push(" escape '\\'");
            // LIKE ignores case here and there; the second condition does not.
            query.push(" and substr(g.name, 1, ").push_bind(prefix.chars().count() as i64).push(") = ").push_bind(prefix);
        }
        if let Some(part) = &filter.contains {
            query.push(" and lower(g.name) like ").push_bind(like_anywhere(&part.to_lowercase())).push(" escape '\\'");
        }
        if let Some(after) = &filter.after {
            query.push(" and g.name > ").push_bind(after);
        }
        let limit = page_limit(filter.limit);
        query.push(" order by g.name limit ").push_bind(limit as i64 + 1);
        let rows = query.build().fetch_all(self.readers()).await?;
        let items = rows.iter().map(log_group).collect::<Result<Vec<_>, _>>()?;
        Ok(page(items, limit, |group| group.name.clone()))
    }

    /// Refuses: a group that does not exist; a name that is taken.
    pub async fn create_log_stream(
        &self,
        project: &str,
        log_group: &str,
        name: &str,
        now_unix_nano: i64,
    ) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        let groups: i64 = sqlx::query_scalar("select count(*) from log_groups where project = $1 and name = $2")
            .bind(project)
            .bind(log_group)
            .fetch_one(&mut *transaction)
            .await?;
        found(unsigned(groups), "log group", log_group)?;
        if insert_stream(&mut transaction, project, log_group, name, now_unix_nano).await? == 0 {
            return Err(MetastoreError::AlreadyExists { what: "log stream", name: name.to_owned() });
        }
        Ok(transaction.commit().await?)
    }

    pub async fn delete_log_stream(&self, project: &str, log_group: &str, name: &str) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        let gone = sqlx::query("delete from log_streams where project = $1 and log_group = $2 and name = $3")
            .bind(project)
            .bind(log_group)
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        found(gone.rows_affected(), "log stream", name)?;
        Ok(transaction.commit().await?)
    }

    pub async fn log_stream(&self, project: &str, log_group: &str, name: &str) -> Result<Option<LogStream>, MetastoreError> {
        let query = format!("{SELECT_LOG_STREAM} where project = $1 and log_group = $2 and name = $3");
        let row =
            sqlx::query(AssertSqlSafe(query)).bind(project).bind(log_group).bind(name).fetch_optional(self.readers()).await?;
        row.as_ref().map(log_stream).transpose()
    }

    /// One page of a group's streams.
    ///
    /// Refuses: a group that does not exist.
    pub async fn log_streams(
        &self,
        project: &str,
        log_group: &str,
        filter: &LogStreamFilter,
    ) -> Result<Page<LogStream>, MetastoreError> {
        if self.log_group(project, log_group).await?.is_none() {
            return Err(MetastoreError::NotFound { what: "log group", name: log_group.to_owned() });
        }
        let (direction, beyond) = if filter.descending { ("desc", "<") } else { ("asc", ">") };
        let mut query = QueryBuilder::new(SELECT_LOG_STREAM);
        query.push(" where project = ").push_bind(project).push(" and log_group = ").push_bind(log_group);
        if let Some(prefix) = &filter.prefix {
            query.push(" and name like ").push_bind(like_prefix(prefix)).push(" escape '\\'");
            query.push(" and substr(name, 1, ").push_bind(prefix.chars().count() as i64).push(") = ").push_bind(prefix);
        }
        let limit = page_limit(filter.limit);
        match filter.order {
            LogStreamOrder::Name => {
                if let Some(after) = &filter.after {
                    query.push(format!(" and name {beyond} ")).push_bind(after);
                }
                query.push(format!(" order by name {direction}"));
            }
            LogStreamOrder::LastEventTime => {
                if let Some((time, name)) = filter.after.as_deref().and_then(|after| after.split_once(' ')) {
                    let time: i64 =
                        time.parse().map_err(|_| MetastoreError::Unreadable { what: "page", found: time.to_owned() })?;
                    query.push(format!(" and (coalesce(last_event_time, 0), name) {beyond} (")).push_bind(time);
                    query.push(", ").push_bind(name.to_owned()).push(")");
                }
                query.push(format!(" order by coalesce(last_event_time, 0) {direction}, name {direction}"));
            }
        }
        query.push(" limit ").push_bind(limit as i64 + 1);
        let rows = query.build().fetch_all(self.readers()).await?;
        let items = rows.iter().map(log_stream).collect::<Result<Vec<_>, _>>()?;
        Ok(page(items, limit, |stream| match filter.order {
            LogStreamOrder::Name => stream.name.clone(),
            LogStreamOrder::LastEventTime => {
                format!("{} {}", stream.last_event_unix_nano.unwrap_or(0), stream.name)
            }
        }))
    }

    /// Adds what arrived to the streams' counters, making groups and streams that are not there yet.
    pub async fn note_log_stream_activity(&self, project: &str, activity: &[LogStreamActivity]) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        for seen in activity {
            sqlx::query(
                "insert into log_groups (project, name, created_at) values ($1, $2, $3) on conflict (project, name) do nothing",
            )
            .bind(project)
            .bind(&seen.log_group)
            .bind(seen.ingestion_unix_nano)
            .execute(&mut *transaction)
            .await?;
            insert_stream(&mut transaction, project, &seen.log_group, &seen.log_stream, seen.ingestion_unix_nano).await?;
            add_activity(&mut transaction, project, seen).await?;
        }
        Ok(transaction.commit().await?)
    }
}

const SELECT_LOG_GROUP: &str = "select g.name, g.created_at, g.retention_days,
    coalesce((select sum(s.stored_bytes) from log_streams s where s.project = g.project and s.log_group = g.name), 0)
        as stored_bytes
    from log_groups g";

const SELECT_LOG_STREAM: &str = "select log_group, name, created_at, first_event_time, last_event_time,
    last_ingestion_time, stored_bytes from log_streams";

fn log_group(row: &sqlx::sqlite::SqliteRow) -> Result<LogGroup, MetastoreError> {
    Ok(LogGroup {
        name: row.try_get("name")?,
        created_at_unix_nano: row.try_get("created_at")?,
        retention_days: row.try_get::<Option<i64>, _>("retention_days")?.and_then(|days| u32::try_from(days).ok()),
        stored_bytes: unsigned(row.try_get("stored_bytes")?),
    })
}

fn log_stream(row: &sqlx::sqlite::SqliteRow) -> Result<LogStream, MetastoreError> {
    Ok(LogStream {
        log_group: row.try_get("log_group")?,
        name: row.try_get("name")?,
        created_at_unix_nano: row.try_get("created_at")?,
        first_event_unix_nano: row.try_get("first_event_time")?,
        last_event_unix_nano: row.try_get("last_event_time")?,
        last_ingestion_unix_nano: row.try_get("last_ingestion_time")?,
        stored_bytes: unsigned(row.try_get("stored_bytes")?),
    })
}

async fn insert_stream(
    transaction: &mut Transaction<'_, Sqlite>,
    project: &str,
    log_group: &str,
    name: &str,
    now_unix_nano: i64,
) -> Result<u64, MetastoreError> {
    let made = sqlx::query(
        "insert into log_streams (project, log_group, name, created_at, stored_bytes) values ($1, $2, $3, $4, 0)
         on conflict (project, log_group, name) do nothing",
    )
    .bind(project)
    .bind(log_group)
    .bind(name)
    .bind(now_unix_nano)
    .execute(&mut **transaction)
    .await?;
    Ok(made.rows_affected())
}

async fn add_activity(
    transaction: &mut Transaction<'_, Sqlite>,
    project: &str,
    seen: &LogStreamActivity,
) -> Result<(), MetastoreError> {
    sqlx::query(
        "update log_streams set
            first_event_time = case when first_event_time < $1 then first_event_time else $1 end,
            last_event_time = case when last_event_time > $2 then last_event_time else $2 end,
            last_ingestion_time = case when last_ingestion_time > $3 then last_ingestion_time else $3 end,
            stored_bytes = stored_bytes + $4
         where project = $5 and log_group = $6 and name = $7",
    )
    .bind(seen.first_event_unix_nano)
    .bind(seen.last_event_unix_nano)
    .bind(seen.ingestion_unix_nano)
    .bind(signed(seen.bytes))
    .bind(project)
    .bind(&seen.log_group)
    .bind(&seen.log_stream)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

fn check_retention(days: Option<u32>) -> Result<(), MetastoreError> {
    match days {
        Some(days) if !RETENTION_DAYS_ALLOWED.contains(&days) => Err(MetastoreError::InvalidRetention(days)),
        _ => Ok(()),
    }
}

fn found(rows: u64, what: &'static str, name: &str) -> Result<(), MetastoreError> {
    if rows == 0 { Err(MetastoreError::NotFound { what, name: name.to_owned() }) } else { Ok(()) }
}

fn page_limit(asked: usize) -> usize {
    if asked == 0 { PAGE_MAX } else { asked.min(PAGE_MAX) }
}

/// One more item than the limit was asked for: its presence tells that there is a next page.
fn page<T>(mut items: Vec<T>, limit: usize, token: impl Fn(&T) -> String) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(token);
    Page { items, next }
}

fn like_escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

fn like_prefix(prefix: &str) -> String {
    format!("{}%", like_escaped(prefix))
}

fn like_anywhere(part: &str) -> String {
    format!("%{}%", like_escaped(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn with_groups(names: &[&str]) -> Metastore {
        let metastore = Metastore::in_memory().await.unwrap();
        for name in names {
            metastore.create_log_group("default", name, None, 1).await.unwrap();
        }
        metastore
    }

    async fn names(metastore: &Metastore, filter: LogGroupFilter) -> (Vec<String>, Option<String>) {
        let page = metastore.log_groups("default", &filter).await.unwrap();
        (page.items.into_iter().map(|group| group.name).collect(), page.next)
    }

    #[tokio::test]
    async fn groups_are_found_by_prefix_and_part() {
        let metastore = with_groups(&["/aws/lambda/a", "/aws/lambda/B", "/AWS/x", "a_c", "abc"]).await;
        let by_prefix = |prefix: &str| LogGroupFilter { prefix: Some(prefix.into()), ..Default::default() };
        let by_part = |part: &str| LogGroupFilter { contains: Some(part.into()), ..Default::default() };
        assert_eq!(names(&metastore, by_prefix("/aws/")).await.0, ["/aws/lambda/B", "/aws/lambda/a"]);
        assert_eq!(names(&metastore, by_prefix("a_")).await.0, ["a_c"]);
        assert_eq!(names(&metastore, by_part("AWS")).await.0, ["/AWS/x", "/aws/lambda/B", "/aws/lambda/a"]);
        assert_eq!(metastore.log_groups("other", &by_prefix("")).await.unwrap().items, []);
    }

    #[tokio::test]
    async fn pages_follow_each_other() {
        let metastore = with_groups(&["a", "b", "c", "d", "e"]).await;
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let (page, next) = names(&metastore, LogGroupFilter { after, limit: 2, ..Default::default() }).await;
            seen.extend(page);
            let Some(next) = next else { break };
            after = Some(next);
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    }

    #[tokio::test]
    async fn a_group_is_made_once_and_goes_with_its_streams() {
        let metastore = with_groups(&["a"]).await;
        let again = metastore.create_log_group("default", "a", None, 1).await.unwrap_err();
        assert!(matches!(again, MetastoreError::AlreadyExists { .. }));
        metastore.create_log_stream("default", "a", "s", 1).await.unwrap();
        let again = metastore.create_log_stream("default", "a", "s", 1).await.unwrap_err();
        assert_eq!(again.to_string(), "log stream \"s\" already exists");
        metastore.delete_log_group("default", "a").await.unwrap();
        assert_eq!(metastore.log_stream("default", "a", "s").await.unwrap(), None);
        for error in [
            metastore.delete_log_group("default", "a").await.unwrap_err(),
            metastore.create_log_stream("default", "a", "s", 1).await.unwrap_err(),
            metastore.log_streams("default", "a", &LogStreamFilter::default()).await.unwrap_err(),
            metastore.put_log_group_retention("default", "a", Some(7)).await.unwrap_err(),
        ] {
            assert_eq!(error.to_string(), "log group \"a\" does not exist");
        }
    }

    #[tokio::test]
    async fn retention_is_one_of_those_offered() {
        let metastore = with_groups(&["a"]).await;
        metastore.put_log_group_retention("default", "a", Some(14)).await.unwrap();
        let group = metastore.log_group("default", "a").await.unwrap().unwrap();
        assert_eq!(group.retention_days, Some(14));
        metastore.put_log_group_retention("default", "a", None).await.unwrap();
        assert_eq!(metastore.log_group("default", "a").await.unwrap().unwrap().retention_days, None);
        let error = metastore.put_log_group_retention("default", "a", Some(2)).await.unwrap_err();
        assert!(matches!(error, MetastoreError::InvalidRetention(2)));
    }

    #[tokio::test]
    async fn activity_adds_up_and_orders_streams() {
        let metastore = with_groups(&[]).await;
        let note = |stream: &str, first, last, bytes| LogStreamActivity {
            log_group: "g".into(),
            log_stream: stream.into(),
            first_event_unix_nano: first,
            last_event_unix_nano: last,
            ingestion_unix_nano: last + 1,
            bytes,
        };
        let batch = [note("x", 5, 10, 100), note("y", 20, 30, 1), note("x", 3, 8, 11)];
        metastore.note_log_stream_activity("default", &batch).await.unwrap();
        metastore.create_log_stream("default", "g", "never", 1).await.unwrap();
        let x = metastore.log_stream("default", "g", "x").await.unwrap().unwrap();
        assert_eq!((x.first_event_unix_nano, x.last_event_unix_nano), (Some(3), Some(10)));
        assert_eq!((x.last_ingestion_unix_nano, x.stored_bytes), (Some(11), 111));
        assert_eq!(metastore.log_group("default", "g").await.unwrap().unwrap().stored_bytes, 112);
        let mut order = Vec::new();
        let mut filter =
            LogStreamFilter { order: LogStreamOrder::LastEventTime, descending: true, limit: 1, ..Default::default() };
        loop {
            let page = metastore.log_streams("default", "g", &filter).await.unwrap();
            order.extend(page.items.into_iter().map(|stream| stream.name));
            let Some(next) = page.next else { break };
            filter.after = Some(next);
        }
        assert_eq!(order, ["y", "x", "never"]);
    }
}
