//! The catalog of parts, shaped like DuckLake's: a part is visible from one snapshot until another.

use sqlx::{Row, Sqlite, Transaction};

use crate::attributes::{AttributeSeen, register};
use crate::database::{Metastore, signed, unsigned};
use crate::deletions::{DeletionStep, note_step};
use crate::error::MetastoreError;

/// A part that was written and is not yet visible.
#[derive(Clone, Debug, PartialEq)]
pub struct NewPart {
    pub project: String,
    /// The signal's table: `spans`, `logs`, `metrics`.
    pub signal: String,
    /// Relative to the folder of parts; unique.
    pub path: String,
    pub rows: u64,
    /// Of the part's file.
    pub bytes: u64,
    /// Of the files that lie beside it.
    pub sidecar_bytes: u64,
    /// Nanoseconds since 1970 UTC, both included.
    pub min_time: i64,
    pub max_time: i64,
    /// 0 for a part written from memory; what is made of parts is one above the highest of them.
    pub level: u8,
}

/// A part of the catalog.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogedPart {
    pub id: u64,
    pub project: String,
    pub signal: String,
    pub path: String,
    pub rows: u64,
    pub bytes: u64,
    pub sidecar_bytes: u64,
    pub min_time: i64,
    pub max_time: i64,
    pub level: u8,
    /// Why the file cannot be trusted, if it cannot.
    pub damage: Option<String>,
}

/// Parts that take the place of others, all at once.
#[derive(Clone, Debug, Default)]
pub struct PartsChange {
    pub added: Vec<NewPart>,
    /// Ids of parts that are visible until then.
    pub removed: Vec<u64>,
    /// What the added parts hold that the registry may not know of.
    pub attributes: Vec<AttributeSeen>,
    /// Whose receipt the change belongs to: written with it or not at all.
    pub deletion: Option<DeletionStep>,
}

/// What became of the catalog since a snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CatalogChanges {
    /// The newest snapshot; the changes lead up to it.
    pub snapshot: u64,
    /// The writer's segments up to this one, included, are in parts of that snapshot.
    pub wal_position: u64,
    /// Parts that are visible now and were not.
    pub added: Vec<CatalogedPart>,
    /// Ids of parts that were visible and are not.
    pub ended: Vec<u64>,
}

/// Everything one flush makes true at once.
#[derive(Clone, Debug)]
pub struct FlushCommit {
    /// Whose write-ahead log it is.
    pub writer: String,
    pub parts: Vec<NewPart>,
    pub attributes: Vec<AttributeSeen>,
    /// The position the writer believes is committed; the commit is refused when it is not.
    pub wal_position_before: u64,
    /// Everything up to this segment, included, is in parts.
    pub wal_position: u64,
}

/// How far the catalog is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CatalogPosition {
    /// The newest snapshot.
    pub snapshot: u64,
    /// The writer's segments up to this one, included, are in parts; 0 when none is.
    pub wal_position: u64,
}

/// What all visible parts hold together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartTotals {
    pub parts: u64,
    pub rows: u64,
    /// With what lies beside the parts.
    pub bytes: u64,
}

impl Metastore {
    /// The catalog's name for itself: `proposed` if it has none yet. The store compares it with its folder's.
    pub async fn identity(&self, proposed: &str) -> Result<String, MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("insert into facts (name, value) values ('identity', $1) on conflict (name) do nothing")
            .bind(proposed)
            .execute(&mut *transaction)
            .await?;
        let identity = sqlx::query_scalar("select value from facts where name = 'identity'").fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(identity)
    }

    /// Makes the parts, attributes and log position of a flush true in one transaction, and returns the snapshot from
    /// which the parts are visible. Durable when it returns.
    ///
    /// Refuses: a `wal_position_before` that is not the committed one ([`MetastoreError::Conflict`]).
    pub async fn commit_flush(&self, flush: &FlushCommit) -> Result<u64, MetastoreError> {
        let mut transaction = self.write().await?;
        let found = wal_position(&mut transaction, &flush.writer).await?;
        if found != flush.wal_position_before {
            return Err(MetastoreError::Conflict { expected: flush.wal_position_before, found });
        }
        let snapshot = advance(&mut transaction, "snapshot", 1).await?;
        insert_parts(&mut transaction, &flush.parts, snapshot).await?;
        register(&mut transaction, &flush.attributes).await?;
        sqlx::query(
            "insert into wal_positions (writer, position) values ($1, $2)
             on conflict (writer) do update set position = excluded.position",
        )
        .bind(&flush.writer)
        .bind(signed(flush.wal_position))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(unsigned(snapshot))
    }

    /// Puts parts in the place of others in one transaction, and returns the snapshot from which that holds. Snapshots
    /// before it still see the removed ones. Durable when it returns.
    ///
    /// Refuses: to remove a part that is not visible any more, or that the catalog does not know
    /// ([`MetastoreError::PartEnded`]); then nothing is changed.
    pub async fn commit_parts(&self, change: &PartsChange) -> Result<u64, MetastoreError> {
        let mut transaction = self.write().await?;
        let snapshot = advance(&mut transaction, "snapshot", 1).await?;
        for id in &change.removed {
            let ended = sqlx::query("update parts set end_snapshot = $1 where id = $2 and end_snapshot is null")
                .bind(snapshot)
                .bind(signed(*id))
                .execute(&mut *transaction)
                .await?;
            if ended.rows_affected() != 1 {
                return Err(MetastoreError::PartEnded { id: *id });
            }
        }
        insert_parts(&mut transaction, &change.added, snapshot).await?;
        register(&mut transaction, &change.attributes).await?;
        if let Some(step) = &change.deletion {
            note_step(&mut transaction, step, &change.removed).await?;
        }
        transaction.commit().await?;
        Ok(unsigned(snapshot))
    }

    /// What changed since a snapshot, and how far the writer's log is in parts, of one moment; since 0, all parts there are.
    pub async fn part_changes(&self, since_snapshot: u64, writer: &str) -> Result<CatalogChanges, MetastoreError> {
        let mut transaction = self.readers().begin().await?;
        let snapshot: i64 =
            sqlx::query_scalar("select value from counters where name = 'snapshot'").fetch_one(&mut *transaction).await?;
        let wal_position = wal_position(&mut transaction, writer).await?;
        let added = sqlx::query(
            "select id, project, signal, path, rows, bytes, sidecar_bytes, min_time, max_time, level, damage from parts
             where begin_snapshot > $1 and end_snapshot is null order by min_time, id",
        )
        .bind(signed(since_snapshot))
        .fetch_all(&mut *transaction)
        .await?;
        let ended: Vec<i64> = sqlx::query_scalar("select id from parts where end_snapshot > $1 and begin_snapshot <= $1")
            .bind(signed(since_snapshot))
            .fetch_all(&mut *transaction)
            .await?;
        let added = added.iter().map(cataloged).collect::<Result<Vec<_>, _>>()?;
        Ok(CatalogChanges { snapshot: unsigned(snapshot), wal_position, added, ended: ended.into_iter().map(unsigned).collect() })
    }

    /// Forgets parts that no snapshot sees any more and whose files are gone. Parts that are visible stay.
    pub async fn forget_parts(&self, ids: &[u64]) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        for id in ids {
            sqlx::query("delete from parts where id = $1 and end_snapshot is not null")
                .bind(signed(*id))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Forgets every part that the newest snapshot does not see: for a start, when no other snapshot can be in use.
    pub async fn forget_ended_parts(&self) -> Result<u64, MetastoreError> {
        let mut transaction = self.write().await?;
        let forgotten = sqlx::query("delete from parts where end_snapshot is not null").execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(forgotten.rows_affected())
    }

    /// Notes that a part's file is not what was written, and how that showed.
    pub async fn mark_part_damaged(&self, id: u64, damage: &str) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("update parts set damage = $1 where id = $2")
            .bind(damage)
            .bind(signed(id))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The newest snapshot and the writer's flushed position, of one moment.
    pub async fn position(&self, writer: &str) -> Result<CatalogPosition, MetastoreError> {
        let row = sqlx::query(
            "select (select value from counters where name = 'snapshot') as snapshot,
                    coalesce((select position from wal_positions where writer = $1), 0) as position",
        )
        .bind(writer)
        .fetch_one(self.readers())
        .await?;
        Ok(CatalogPosition { snapshot: unsigned(row.try_get("snapshot")?), wal_position: unsigned(row.try_get("position")?) })
    }

    /// The parts of one project's table that `snapshot` sees and that have a row within `start..end`, oldest first.
    ///
    /// `end` of `i64::MAX` includes the last nanosecond: there is nothing after it.
    pub async fn parts(
        &self,
        project: &str,
        signal: &str,
        start_unix_nano: i64,
        end_unix_nano: i64,
        snapshot: u64,
    ) -> Result<Vec<CatalogedPart>, MetastoreError> {
        let newest_start = if end_unix_nano == i64::MAX { i64::MAX } else { end_unix_nano.saturating_sub(1) };
        let rows = sqlx::query(
            "select id, project, signal, path, rows, bytes, sidecar_bytes, min_time, max_time, level, damage from parts
             where project = $1 and signal = $2 and max_time >= $3 and min_time <= $4
               and begin_snapshot <= $5 and (end_snapshot is null or end_snapshot > $5)
             order by min_time, id",
        )
        .bind(project)
        .bind(signal)
        .bind(start_unix_nano)
        .bind(newest_start)
        .bind(signed(snapshot))
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(cataloged).collect()
    }

    /// The paths of all parts, visible or not: what may lie in the folder of parts.
    pub async fn part_paths(&self) -> Result<Vec<String>, MetastoreError> {
        Ok(sqlx::query_scalar("select path from parts").fetch_all(self.readers()).await?)
    }

    /// What the parts of the newest snapshot hold together.
    pub async fn part_totals(&self) -> Result<PartTotals, MetastoreError> {
        let row = sqlx::query(
            "select count(*) as parts, coalesce(sum(rows), 0) as rows, coalesce(sum(bytes + sidecar_bytes), 0) as bytes
             from parts where end_snapshot is null",
        )
        .fetch_one(self.readers())
        .await?;
        Ok(PartTotals {
            parts: unsigned(row.try_get("parts")?),
            rows: unsigned(row.try_get("rows")?),
            bytes: unsigned(row.try_get("bytes")?),
        })
    }
}

async fn wal_position(transaction: &mut Transaction<'_, Sqlite>, writer: &str) -> Result<u64, MetastoreError> {
    let position: Option<i64> = sqlx::query_scalar("select position from wal_positions where writer = $1")
        .bind(writer)
        .fetch_optional(&mut **transaction)
        .await?;
    Ok(position.map_or(0, unsigned))
}

/// Adds to a counter and returns its new value.
pub(crate) async fn advance(transaction: &mut Transaction<'_, Sqlite>, counter: &str, by: i64) -> Result<i64, MetastoreError> {
    Ok(sqlx::query_scalar("update counters set value = value + $1 where name = $2 returning value")
        .bind(by)
        .bind(counter)
        .fetch_one(&mut **transaction)
        .await?)
}

pub(crate) async fn insert_parts(
    transaction: &mut Transaction<'_, Sqlite>,
    parts: &[NewPart],
    snapshot: i64,
) -> Result<(), MetastoreError> {
    let next_part = advance(transaction, "next_part", parts.len() as i64).await?;
    for (id, part) in (next_part - parts.len() as i64..).zip(parts) {
        sqlx::query(
            "insert into parts
                (id, project, signal, path, rows, bytes, sidecar_bytes, min_time, max_time, level, begin_snapshot)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(id)
        .bind(&part.project)
        .bind(&part.signal)
        .bind(&part.path)
        .bind(signed(part.rows))
        .bind(signed(part.bytes))
        .bind(signed(part.sidecar_bytes))
        .bind(part.min_time)
        .bind(part.max_time)
        .bind(i64::from(part.level))
        .bind(snapshot)
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

fn cataloged(row: &sqlx::sqlite::SqliteRow) -> Result<CatalogedPart, MetastoreError> {
    Ok(CatalogedPart {
        id: unsigned(row.try_get("id")?),
        project: row.try_get("project")?,
        signal: row.try_get("signal")?,
        path: row.try_get("path")?,
        rows: unsigned(row.try_get("rows")?),
        bytes: unsigned(row.try_get("bytes")?),
        sidecar_bytes: unsigned(row.try_get("sidecar_bytes")?),
        min_time: row.try_get("min_time")?,
        max_time: row.try_get("max_time")?,
        level: u8::try_from(row.try_get::<i64, _>("level")?).unwrap_or(u8::MAX),
        damage: row.try_get("damage")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(path: &str, min_time: i64, max_time: i64) -> NewPart {
        NewPart {
            project: "default".into(),
            signal: "spans".into(),
            path: path.into(),
            rows: 10,
            bytes: 90,
            sidecar_bytes: 10,
            min_time,
            max_time,
            level: 0,
        }
    }

    fn flush(parts: Vec<NewPart>, before: u64, position: u64) -> FlushCommit {
        FlushCommit { writer: "local".into(), parts, attributes: Vec::new(), wal_position_before: before, wal_position: position }
    }

    async fn paths(metastore: &Metastore, start: i64, end: i64, snapshot: u64) -> Vec<String> {
        let parts = metastore.parts("default", "spans", start, end, snapshot).await.unwrap();
        parts.into_iter().map(|part| part.path).collect()
    }

    #[tokio::test]
    async fn a_snapshot_sees_the_parts_committed_before_it() {
        let metastore = Metastore::in_memory().await.unwrap();
        let first = metastore.commit_flush(&flush(vec![part("a", 0, 9), part("b", 10, 19)], 0, 1)).await.unwrap();
        let second = metastore.commit_flush(&flush(vec![part("c", 5, 14)], 1, 2)).await.unwrap();
        assert_eq!(paths(&metastore, 0, 100, 0).await, Vec::<String>::new());
        assert_eq!(paths(&metastore, 0, 100, first).await, ["a", "b"]);
        assert_eq!(paths(&metastore, 0, 100, second).await, ["a", "c", "b"]);
        let position = metastore.position("local").await.unwrap();
        assert_eq!(position, CatalogPosition { snapshot: second, wal_position: 2 });
        assert_eq!(metastore.part_totals().await.unwrap(), PartTotals { parts: 3, rows: 30, bytes: 300 });
    }

    #[tokio::test]
    async fn a_range_is_half_open_and_a_part_is_not() {
        let metastore = Metastore::in_memory().await.unwrap();
        let snapshot = metastore.commit_flush(&flush(vec![part("a", 10, 20)], 0, 1)).await.unwrap();
        for (start, end, seen) in [(0, 10, false), (0, 11, true), (20, 30, true), (21, 30, false), (i64::MIN, i64::MAX, true)] {
            assert_eq!(!paths(&metastore, start, end, snapshot).await.is_empty(), seen, "{start}..{end}");
        }
    }

    #[tokio::test]
    async fn a_commit_that_was_overtaken_changes_nothing() {
        let metastore = Metastore::in_memory().await.unwrap();
        metastore.commit_flush(&flush(vec![part("a", 0, 9)], 0, 1)).await.unwrap();
        let error = metastore.commit_flush(&flush(vec![part("b", 0, 9)], 0, 2)).await.unwrap_err();
        assert!(matches!(error, MetastoreError::Conflict { expected: 0, found: 1 }), "{error}");
        // The path is taken, so everything before it in the transaction must vanish too.
        metastore.commit_flush(&flush(vec![part("c", 0, 9), part("a", 0, 9)], 1, 2)).await.unwrap_err();
        assert_eq!(metastore.part_paths().await.unwrap(), ["a"]);
        assert_eq!(metastore.position("local").await.unwrap(), CatalogPosition { snapshot: 1, wal_position: 1 });
    }

    #[tokio::test]
    async fn parts_take_the_place_of_others_all_at_once() {
        let metastore = Metastore::in_memory().await.unwrap();
        let first = metastore.commit_flush(&flush(vec![part("a", 0, 9), part("b", 10, 19)], 0, 1)).await.unwrap();
        let change = PartsChange { added: vec![part("c", 0, 19)], removed: vec![1, 2], ..PartsChange::default() };
        let second = metastore.commit_parts(&change).await.unwrap();
        assert_eq!(paths(&metastore, 0, 100, first).await, ["a", "b"]);
        assert_eq!(paths(&metastore, 0, 100, second).await, ["c"]);
        let changes = metastore.part_changes(first, "local").await.unwrap();
        assert_eq!((changes.snapshot, changes.ended.as_slice()), (second, [1, 2].as_slice()));
        assert_eq!(changes.added.iter().map(|part| part.path.as_str()).collect::<Vec<_>>(), ["c"]);
        // What began and ended in between is no change.
        assert_eq!(metastore.part_changes(0, "local").await.unwrap().ended, Vec::<u64>::new());
        // The log's position is not touched by it.
        assert_eq!(metastore.position("local").await.unwrap().wal_position, 1);
    }

    #[tokio::test]
    async fn a_part_that_has_ended_is_not_replaced_again() {
        let metastore = Metastore::in_memory().await.unwrap();
        metastore.commit_flush(&flush(vec![part("a", 0, 9), part("b", 0, 9)], 0, 1)).await.unwrap();
        let change =
            |path: &str, removed: Vec<u64>| PartsChange { added: vec![part(path, 0, 9)], removed, ..PartsChange::default() };
        let snapshot = metastore.commit_parts(&change("c", vec![1])).await.unwrap();
        for removed in [vec![2, 1], vec![2, 2], vec![99]] {
            let error = metastore.commit_parts(&change("d", removed)).await.unwrap_err();
            assert!(matches!(error, MetastoreError::PartEnded { .. }), "{error}");
        }
        assert_eq!(paths(&metastore, 0, 100, snapshot).await, ["b", "c"]);
        assert_eq!(metastore.position("local").await.unwrap().snapshot, snapshot);
        metastore.forget_parts(&[1, 2]).await.unwrap();
        assert_eq!(metastore.part_paths().await.unwrap(), ["b", "c"]);
        metastore.mark_part_damaged(2, "a bit fell over").await.unwrap();
        assert_eq!(metastore.part_changes(0, "local").await.unwrap().added[0].damage.as_deref(), Some("a bit fell over"));
    }

    #[tokio::test]
    async fn matching_parts_is_one_search_of_one_index() {
        let metastore = Metastore::in_memory().await.unwrap();
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(
            "explain query plan select id from parts where project = 'a' and signal = 'b' and max_time >= 1 and min_time <= 2",
        )
        .fetch_all(metastore.readers())
        .await
        .unwrap();
        assert_eq!(plan.len(), 1);
        assert!(plan[0].3.starts_with("SEARCH parts USING INDEX parts_by_time"), "{}", plan[0].3);
    }
}
