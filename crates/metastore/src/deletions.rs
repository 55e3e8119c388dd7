//! Requests to delete, and their receipts.
//!
//! A request is here before anything is done about it, so that it survives a crash; what each step deleted is counted in the
//! transaction that makes the step true, so that the receipt is exact however often a request is taken up again.

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, Sqlite, Transaction};

use crate::database::{Metastore, signed, unsigned};
use crate::error::MetastoreError;
use crate::error_item_totals::forget_totals_of_deletion;

/// Between the names in one column; no attribute key holds it.
const SEPARATOR: char = '\n';

/// What is to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeletionKind {
    /// Every row of a trace; the id as 32 hex digits.
    Trace { trace_id: String },
    /// Every row on which one of the attributes has the value. Both are forgotten when the deletion is done.
    Person { attributes: Vec<String>, value: Option<String> },
    /// Every row of a time, of all services or one. Nanoseconds since 1970 UTC, the end not included.
    Range { start_unix_nano: i64, end_unix_nano: i64, service: Option<String> },
}

impl DeletionKind {
    pub fn as_str(&self) -> &'static str {
        match self {
            DeletionKind::Trace { .. } => "trace",
            DeletionKind::Person { .. } => "person",
            DeletionKind::Range { .. } => "range",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDeletion {
    pub id: String,
    pub project: String,
    pub kind: DeletionKind,
    /// Tables: `spans`, `logs`, `metrics`.
    pub signals: Vec<String>,
    pub requested_at_unix_nano: i64,
}

/// A request and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    pub request: NewDeletion,
    pub started_at_unix_nano: Option<i64>,
    /// From then on the write-ahead log holds none of the rows.
    pub log_truncated_at_unix_nano: Option<i64>,
    /// From then on no query sees any of the rows.
    pub done_at_unix_nano: Option<i64>,
    /// From then on no file holds any of the rows.
    pub erased_at_unix_nano: Option<i64>,
    pub spans: u64,
    pub logs: u64,
    pub metrics: u64,
    /// Values that were blanked out in rows that stay.
    pub cells: u64,
    pub parts_rewritten: u64,
    /// Parts that went whole.
    pub parts_removed: u64,
    /// Of the files that are replaced or removed, and of those written in their place.
    pub bytes_removed: u64,
    pub bytes_written: u64,
    /// Damaged parts, which were not looked into.
    pub parts_unreadable: u64,
    /// Why the last try did not come through; it is tried again.
    pub failure: Option<String>,
}

/// What one commit of parts did for a deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeletionStep {
    pub id: String,
    pub spans: u64,
    pub logs: u64,
    pub metrics: u64,
    pub cells: u64,
    pub parts_rewritten: u64,
    pub parts_removed: u64,
    pub bytes_removed: u64,
    pub bytes_written: u64,
}

impl Metastore {
    /// Takes a request on. Durable when it returns.
    pub async fn add_deletion(&self, deletion: &NewDeletion) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        let (mut trace, mut names, mut whose, mut of, mut range) = (None, None, None, None, None);
        match &deletion.kind {
            DeletionKind::Trace { trace_id } => trace = Some(trace_id),
            DeletionKind::Person { attributes, value } => {
                names = Some(attributes.join(&SEPARATOR.to_string()));
                whose = value.as_ref();
            }
            DeletionKind::Range { start_unix_nano, end_unix_nano, service } => {
                range = Some((*start_unix_nano, *end_unix_nano));
                of = service.as_ref();
            }
        }
        sqlx::query(
            "insert into deletions (id, project, kind, trace_id, attributes, value, service, start_time, end_time, signals,
                requested_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(&deletion.id)
        .bind(&deletion.project)
        .bind(deletion.kind.as_str())
        .bind(trace)
        .bind(names)
        .bind(whose)
        .bind(of)
        .bind(range.map(|(start, _)| start))
        .bind(range.map(|(_, end)| end))
        .bind(deletion.signals.join(&SEPARATOR.to_string()))
        .bind(deletion.requested_at_unix_nano)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// Deletions that are not done, oldest first.
    pub async fn pending_deletions(&self) -> Result<Vec<Deletion>, MetastoreError> {
        self.deletions_where("done_at is null order by requested_at, id", None, u32::MAX).await
    }

    /// A project's deletions, newest first.
    pub async fn deletions(&self, project: &str, limit: u32) -> Result<Vec<Deletion>, MetastoreError> {
        self.deletions_where("project = $2 order by requested_at desc, id desc", Some(project), limit).await
    }

    pub async fn deletion(&self, project: &str, id: &str) -> Result<Option<Deletion>, MetastoreError> {
        let row = sqlx::query("select * from deletions where project = $1 and id = $2")
            .bind(project)
            .bind(id)
            .fetch_optional(self.readers())
            .await?;
        row.as_ref().map(deletion).transpose()
    }

    async fn deletions_where(&self, which: &str, project: Option<&str>, limit: u32) -> Result<Vec<Deletion>, MetastoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!("select * from deletions where {which} limit $1")))
            .bind(i64::from(limit))
            .bind(project)
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(deletion).collect()
    }

    /// Notes that the deletion is being worked on and that the log, up to what was there when it was asked for, is in parts.
    pub async fn start_deletion(&self, id: &str, now_unix_nano: i64) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "update deletions set started_at = coalesce(started_at, $1), log_truncated_at = coalesce(log_truncated_at, $1),
                failure = null
             where id = $2",
        )
        .bind(now_unix_nano)
        .bind(id)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// Notes that no query sees the rows any more, and forgets whom the request was about.
    pub async fn finish_deletion(&self, id: &str, parts_unreadable: u64, now_unix_nano: i64) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "update deletions set done_at = $1, parts_unreadable = $2, value = null, failure = null
             where id = $3 and done_at is null",
        )
        .bind(now_unix_nano)
        .bind(signed(parts_unreadable))
        .bind(id)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// Notes why a deletion did not come through this time.
    pub async fn fail_deletion(&self, id: &str, failure: &str) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("update deletions set failure = $1 where id = $2 and done_at is null")
            .bind(failure)
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// How many done deletions still have files somewhere.
    pub async fn unerased_deletions(&self) -> Result<u64, MetastoreError> {
        let waiting: i64 = sqlx::query_scalar("select count(*) from deletions where done_at is not null and erased_at is null")
            .fetch_one(self.readers())
            .await?;
        Ok(unsigned(waiting))
    }

    /// Notes for done deletions that the files of all their parts are gone: parts that the catalog has forgotten. Returns
    /// how many are still waiting.
    pub async fn note_erased(&self, now_unix_nano: i64) -> Result<u64, MetastoreError> {
        let waiting = self.unerased_deletions().await?;
        if waiting == 0 {
            return Ok(0);
        }
        let mut transaction = self.write().await?;
        sqlx::query("delete from deletion_parts where part not in (select id from parts)").execute(&mut *transaction).await?;
        let erased = sqlx::query(
            "update deletions set erased_at = $1
             where done_at is not null and erased_at is null and id not in (select deletion from deletion_parts)",
        )
        .bind(now_unix_nano)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(waiting.saturating_sub(erased.rows_affected()))
    }
}

/// Adds what a commit of parts did to the deletion's receipt, within the commit.
pub(crate) async fn note_step(
    transaction: &mut Transaction<'_, Sqlite>,
    step: &DeletionStep,
    removed: &[u64],
) -> Result<(), MetastoreError> {
    sqlx::query(
        "update deletions set spans = spans + $1, logs = logs + $2, metrics = metrics + $3, cells = cells + $4,
            parts_rewritten = parts_rewritten + $5, parts_removed = parts_removed + $6,
            bytes_removed = bytes_removed + $7, bytes_written = bytes_written + $8
         where id = $9",
    )
    .bind(signed(step.spans))
    .bind(signed(step.logs))
    .bind(signed(step.metrics))
    .bind(signed(step.cells))
    .bind(signed(step.parts_rewritten))
    .bind(signed(step.parts_removed))
    .bind(signed(step.bytes_removed))
    .bind(signed(step.bytes_written))
    .bind(&step.id)
    .execute(&mut **transaction)
    .await?;
    if step.logs > 0 {
        forget_totals_of_deletion(transaction, &step.id).await?;
    }
    for part in removed {
        sqlx::query("insert into deletion_parts (deletion, part) values ($1, $2)")
            .bind(&step.id)
            .bind(signed(*part))
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

fn deletion(row: &SqliteRow) -> Result<Deletion, MetastoreError> {
    let count = |name| -> Result<u64, MetastoreError> { Ok(unsigned(row.try_get(name)?)) };
    let list = |text: &str| text.split(SEPARATOR).filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let text = |name| -> Result<String, MetastoreError> { Ok(row.try_get::<Option<String>, _>(name)?.unwrap_or_default()) };
    let time = |name| -> Result<i64, MetastoreError> { Ok(row.try_get::<Option<i64>, _>(name)?.unwrap_or_default()) };
    let kind = match row.try_get::<&str, _>("kind")? {
        "trace" => DeletionKind::Trace { trace_id: text("trace_id")? },
        "person" => DeletionKind::Person { attributes: list(&text("attributes")?), value: row.try_get("value")? },
        "range" => DeletionKind::Range {
            start_unix_nano: time("start_time")?,
            end_unix_nano: time("end_time")?,
            service: row.try_get("service")?,
        },
        other => return Err(MetastoreError::Unreadable { what: "kind of deletion", found: other.to_owned() }),
    };
    Ok(Deletion {
        request: NewDeletion {
            id: row.try_get("id")?,
            project: row.try_get("project")?,
            kind,
            signals: list(row.try_get("signals")?),
            requested_at_unix_nano: row.try_get("requested_at")?,
        },
        started_at_unix_nano: row.try_get("started_at")?,
        log_truncated_at_unix_nano: row.try_get("log_truncated_at")?,
        done_at_unix_nano: row.try_get("done_at")?,
        erased_at_unix_nano: row.try_get("erased_at")?,
        spans: count("spans")?,
        logs: count("logs")?,
        metrics: count("metrics")?,
        cells: count("cells")?,
        parts_rewritten: count("parts_rewritten")?,
        parts_removed: count("parts_removed")?,
        bytes_removed: count("bytes_removed")?,
        bytes_written: count("bytes_written")?,
        parts_unreadable: count("parts_unreadable")?,
        failure: row.try_get("failure")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::{FlushCommit, NewPart, PartsChange};

    fn request(id: &str, kind: DeletionKind) -> NewDeletion {
        NewDeletion {
            id: id.into(),
            project: "default".into(),
            kind,
            signals: vec!["spans".into(), "logs".into()],
            requested_at_unix_nano: 5,
        }
    }

    fn part(path: &str) -> NewPart {
        NewPart {
            project: "default".into(),
            signal: "spans".into(),
            path: path.into(),
            rows: 10,
            bytes: 100,
            sidecar_bytes: 0,
            min_time: 0,
            max_time: 9,
            level: 0,
        }
    }

    #[tokio::test]
    async fn every_kind_is_read_as_it_was_asked_for() {
        let metastore = Metastore::in_memory().await.unwrap();
        let kinds = [
            DeletionKind::Trace { trace_id: "0af7651916cd43dd8448eb211c80319c".into() },
            DeletionKind::Person { attributes: vec!["user.id".into(), "enduser.id".into()], value: Some("u-17".into()) },
            DeletionKind::Range { start_unix_nano: 1, end_unix_nano: 2, service: Some("shop".into()) },
            DeletionKind::Range { start_unix_nano: i64::MIN, end_unix_nano: i64::MAX, service: None },
        ];
        for (kind, id) in kinds.into_iter().zip(["a", "b", "c", "d"]) {
            let asked = request(id, kind);
            metastore.add_deletion(&asked).await.unwrap();
            assert_eq!(metastore.deletion("default", id).await.unwrap().unwrap().request, asked);
        }
        assert_eq!(metastore.pending_deletions().await.unwrap().len(), 4);
        assert_eq!(metastore.deletions("default", 2).await.unwrap()[0].request.id, "d");
        assert!(metastore.deletions("other", 2).await.unwrap().is_empty());
        assert!(metastore.deletion("other", "a").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_receipt_counts_what_was_committed_and_knows_when_the_files_are_gone() {
        let metastore = Metastore::in_memory().await.unwrap();
        let flush = FlushCommit {
            writer: "local".into(),
            parts: vec![part("a"), part("b")],
            attributes: Vec::new(),
            wal_position_before: 0,
            wal_position: 1,
        };
        metastore.commit_flush(&flush).await.unwrap();
        let kind = DeletionKind::Person { attributes: vec!["user.id".into()], value: Some("u-17".into()) };
        metastore.add_deletion(&request("a", kind)).await.unwrap();
        metastore.start_deletion("a", 6).await.unwrap();
        let step = DeletionStep { id: "a".into(), spans: 3, parts_rewritten: 1, bytes_removed: 100, ..DeletionStep::default() };
        let change =
            |removed| PartsChange { added: vec![part("c")], removed, attributes: Vec::new(), deletion: Some(step.clone()) };
        metastore.commit_parts(&change(vec![1])).await.unwrap();
        // A commit that does not come through leaves no trace on the receipt.
        metastore.commit_parts(&change(vec![1])).await.unwrap_err();
        metastore.finish_deletion("a", 0, 7).await.unwrap();
        assert_eq!(metastore.note_erased(8).await.unwrap(), 1);
        let receipt = metastore.deletion("default", "a").await.unwrap().unwrap();
        assert_eq!((receipt.spans, receipt.parts_rewritten, receipt.bytes_removed), (3, 1, 100));
        assert_eq!((receipt.done_at_unix_nano, receipt.erased_at_unix_nano), (Some(7), None));
        assert_eq!(receipt.request.kind, DeletionKind::Person { attributes: vec!["user.id".into()], value: None });
        metastore.forget_parts(&[1]).await.unwrap();
        assert_eq!(metastore.note_erased(9).await.unwrap(), 0);
        assert_eq!(metastore.deletion("default", "a").await.unwrap().unwrap().erased_at_unix_nano, Some(9));
        assert!(metastore.pending_deletions().await.unwrap().is_empty());
    }
}
