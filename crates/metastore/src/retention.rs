//! How long what is kept: each project's policy, what people pinned, which windows were thinned how far, and past runs.

use std::str::FromStr;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::database::{Metastore, signed, unsigned};
use crate::error::MetastoreError;

/// Runs remembered for each project: a week of them at one every ten minutes.
const RUNS_KEPT: i64 = 1_000;

/// What may stay, and for how long. `None` is for ever, or without a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionPolicy {
    pub spans_days: Option<u32>,
    pub logs_days: Option<u32>,
    pub metrics_days: Option<u32>,
    /// Spans and logs together, since a trace's live or die together.
    pub traces_bytes_max: Option<u64>,
    pub metrics_bytes_max: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinKind {
    /// The value is a trace id.
    Trace,
    /// The value is an `error.group`: traces of all its occurrences stay.
    ErrorGroup,
    /// Everything that begins within the range stays; the value is a name.
    TimeRange,
}

impl PinKind {
    const ALL: [PinKind; 3] = [PinKind::Trace, PinKind::ErrorGroup, PinKind::TimeRange];

    pub fn as_str(self) -> &'static str {
        match self {
            PinKind::Trace => "trace",
            PinKind::ErrorGroup => "error_group",
            PinKind::TimeRange => "time_range",
        }
    }
}

impl FromStr for PinKind {
    type Err = MetastoreError;

    fn from_str(text: &str) -> Result<PinKind, MetastoreError> {
        let found = PinKind::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| MetastoreError::Unreadable { what: "kind of pin", found: text.to_owned() })
    }
}

/// Something that is to be kept to the last.
#[derive(Clone, Debug, PartialEq)]
pub struct NewPin {
    pub kind: PinKind,
    /// A trace id in 32 hex digits, an error group, or a name for the range.
    pub value: String,
    /// Of a range of time: nanoseconds since 1970 UTC, the end not included.
    pub range: Option<(i64, i64)>,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Pin {
    pub id: i64,
    pub created_at_unix_nano: i64,
    pub pin: NewPin,
}

/// Rows by what they are worth keeping for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassRows {
    pub plain: u64,
    pub notable: u64,
    pub error: u64,
    pub pinned: u64,
}

/// A window of time that was thinned, as it was left the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThinnedWindow {
    /// Nanoseconds since 1970 UTC; the end is not included.
    pub start_unix_nano: i64,
    pub end_unix_nano: i64,
    /// See `analysis::retention::Level`.
    pub level: u8,
    /// Rows that were left.
    pub rows: ClassRows,
    /// Before the window was thinned for the first time.
    pub rows_before: u64,
    pub bytes_before: u64,
    pub bytes_after: u64,
    pub thinned_at_unix_nano: i64,
}

/// What one run of retention did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionRun {
    pub started_at_unix_nano: i64,
    pub ended_at_unix_nano: i64,
    /// Parts that went as they were.
    pub parts_ended: u64,
    pub parts_rewritten: u64,
    /// Of all parts of the project.
    pub rows_before: u64,
    pub rows_after: u64,
    pub bytes_before: u64,
    pub bytes_after: u64,
    /// In words: what was done, and whether the budget is met.
    pub outcome: String,
}

impl Metastore {
    /// The project's own policy; nothing when it has the settings'.
    pub async fn retention_policy(&self, project: &str) -> Result<Option<RetentionPolicy>, MetastoreError> {
        let row = sqlx::query(
            "select spans_days, logs_days, metrics_days, traces_bytes_max, metrics_bytes_max from retention_policies
             where project = $1",
        )
        .bind(project)
        .fetch_optional(self.readers())
        .await?;
        row.as_ref().map(policy).transpose()
    }

    /// Gives the project a policy of its own; `None` gives it back to the settings.
    pub async fn put_retention_policy(
        &self,
        project: &str,
        policy: Option<&RetentionPolicy>,
        now_unix_nano: i64,
    ) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("delete from retention_policies where project = $1").bind(project).execute(&mut *transaction).await?;
        if let Some(policy) = policy {
            sqlx::query(
                "insert into retention_policies
                    (project, spans_days, logs_days, metrics_days, traces_bytes_max, metrics_bytes_max, changed_at)
                 values ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(project)
            .bind(policy.spans_days.map(i64::from))
            .bind(policy.logs_days.map(i64::from))
            .bind(policy.metrics_days.map(i64::from))
            .bind(policy.traces_bytes_max.map(signed))
            .bind(policy.metrics_bytes_max.map(signed))
            .bind(now_unix_nano)
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Pins something; what is pinned already gets the new reason and range. Returns the pin's id.
    pub async fn put_pin(&self, project: &str, pin: &NewPin, now_unix_nano: i64) -> Result<i64, MetastoreError> {
        let mut transaction = self.write().await?;
        let id = sqlx::query_scalar(
            "insert into pins (project, kind, value, start_time, end_time, reason, created_at) values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (project, kind, value) do update set
                start_time = excluded.start_time, end_time = excluded.end_time, reason = excluded.reason
             returning id",
        )
        .bind(project)
        .bind(pin.kind.as_str())
        .bind(&pin.value)
        .bind(pin.range.map(|(start, _)| start))
        .bind(pin.range.map(|(_, end)| end))
        .bind(&pin.reason)
        .bind(now_unix_nano)
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Refuses: a pin that is not there.
    pub async fn delete_pin(&self, project: &str, id: i64) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        let gone = sqlx::query("delete from pins where project = $1 and id = $2")
            .bind(project)
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        if gone.rows_affected() == 0 {
            return Err(MetastoreError::NotFound { what: "pin", name: id.to_string() });
        }
        Ok(transaction.commit().await?)
    }

    /// Everything that is pinned, oldest first.
    pub async fn pins(&self, project: &str) -> Result<Vec<Pin>, MetastoreError> {
        let rows = sqlx::query(
            "select id, kind, value, start_time, end_time, reason, created_at from pins where project = $1 order by id",
        )
        .bind(project)
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(pin).collect()
    }

    /// Notes how far windows were thinned and what that left. What a window held before its first thinning stays noted.
    pub async fn note_thinned_windows(&self, project: &str, windows: &[ThinnedWindow]) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        for window in windows {
            sqlx::query(
                "insert into retention_windows (project, start_time, end_time, level, plain_rows, notable_rows, error_rows,
                    pinned_rows, rows_before, bytes_before, bytes_after, thinned_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
                 on conflict (project, start_time) do update set
                    end_time = excluded.end_time, level = excluded.level, plain_rows = excluded.plain_rows,
                    notable_rows = excluded.notable_rows, error_rows = excluded.error_rows,
                    pinned_rows = excluded.pinned_rows, bytes_after = excluded.bytes_after,
                    thinned_at = excluded.thinned_at",
            )
            .bind(project)
            .bind(window.start_unix_nano)
            .bind(window.end_unix_nano)
            .bind(i64::from(window.level))
            .bind(signed(window.rows.plain))
            .bind(signed(window.rows.notable))
            .bind(signed(window.rows.error))
            .bind(signed(window.rows.pinned))
            .bind(signed(window.rows_before))
            .bind(signed(window.bytes_before))
            .bind(signed(window.bytes_after))
            .bind(window.thinned_at_unix_nano)
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Forgets windows that end at `end` or before: nothing of them is left.
    pub async fn forget_windows(&self, project: &str, end_unix_nano: i64) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("delete from retention_windows where project = $1 and end_time <= $2")
            .bind(project)
            .bind(end_unix_nano)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// The windows that were thinned, oldest first.
    pub async fn thinned_windows(&self, project: &str) -> Result<Vec<ThinnedWindow>, MetastoreError> {
        let rows = sqlx::query(
            "select start_time, end_time, level, plain_rows, notable_rows, error_rows, pinned_rows, rows_before, bytes_before,
                bytes_after, thinned_at
             from retention_windows where project = $1 order by start_time",
        )
        .bind(project)
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(window).collect()
    }

    pub async fn note_retention_run(&self, project: &str, run: &RetentionRun) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "insert into retention_runs (project, started_at, ended_at, parts_ended, parts_rewritten, rows_before, rows_after,
                bytes_before, bytes_after, outcome)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(project)
        .bind(run.started_at_unix_nano)
        .bind(run.ended_at_unix_nano)
        .bind(signed(run.parts_ended))
        .bind(signed(run.parts_rewritten))
        .bind(signed(run.rows_before))
        .bind(signed(run.rows_after))
        .bind(signed(run.bytes_before))
        .bind(signed(run.bytes_after))
        .bind(&run.outcome)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "delete from retention_runs where project = $1 and id not in
                (select id from retention_runs where project = $1 order by id desc limit $2)",
        )
        .bind(project)
        .bind(RUNS_KEPT)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// The last runs that did something, newest first.
    pub async fn retention_runs(&self, project: &str, limit: u32) -> Result<Vec<RetentionRun>, MetastoreError> {
        let rows = sqlx::query(
            "select started_at, ended_at, parts_ended, parts_rewritten, rows_before, rows_after, bytes_before, bytes_after,
                outcome
             from retention_runs where project = $1 order by id desc limit $2",
        )
        .bind(project)
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(run).collect()
    }

    /// Log groups that have a retention of their own: name and days.
    pub async fn log_group_retentions(&self, project: &str) -> Result<Vec<(String, u32)>, MetastoreError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "select name, retention_days from log_groups where project = $1 and retention_days is not null order by name",
        )
        .bind(project)
        .fetch_all(self.readers())
        .await?;
        Ok(rows.into_iter().filter_map(|(name, days)| Some((name, u32::try_from(days).ok()?))).collect())
    }
}

fn policy(row: &SqliteRow) -> Result<RetentionPolicy, MetastoreError> {
    let days = |name| -> Result<Option<u32>, MetastoreError> {
        Ok(row.try_get::<Option<i64>, _>(name)?.and_then(|days| u32::try_from(days).ok()))
    };
    let bytes = |name| -> Result<Option<u64>, MetastoreError> { Ok(row.try_get::<Option<i64>, _>(name)?.map(unsigned)) };
    Ok(RetentionPolicy {
        spans_days: days("spans_days")?,
        logs_days: days("logs_days")?,
        metrics_days: days("metrics_days")?,
        traces_bytes_max: bytes("traces_bytes_max")?,
        metrics_bytes_max: bytes("metrics_bytes_max")?,
    })
}

fn pin(row: &SqliteRow) -> Result<Pin, MetastoreError> {
    let (start, end): (Option<i64>, Option<i64>) = (row.try_get("start_time")?, row.try_get("end_time")?);
    Ok(Pin {
        id: row.try_get("id")?,
        created_at_unix_nano: row.try_get("created_at")?,
        pin: NewPin {
            kind: row.try_get::<&str, _>("kind")?.parse()?,
            value: row.try_get("value")?,
            range: start.zip(end),
            reason: row.try_get("reason")?,
        },
    })
}

fn window(row: &SqliteRow) -> Result<ThinnedWindow, MetastoreError> {
    let count = |name| -> Result<u64, MetastoreError> { Ok(unsigned(row.try_get(name)?)) };
    Ok(ThinnedWindow {
        start_unix_nano: row.try_get("start_time")?,
        end_unix_nano: row.try_get("end_time")?,
        level: u8::try_from(row.try_get::<i64, _>("level")?).unwrap_or(0),
        rows: ClassRows {
            plain: count("plain_rows")?,
            notable: count("notable_rows")?,
            error: count("error_rows")?,
            pinned: count("pinned_rows")?,
        },
        rows_before: count("rows_before")?,
        bytes_before: count("bytes_before")?,
        bytes_after: count("bytes_after")?,
        thinned_at_unix_nano: row.try_get("thinned_at")?,
    })
}

fn run(row: &SqliteRow) -> Result<RetentionRun, MetastoreError> {
    let count = |name| -> Result<u64, MetastoreError> { Ok(unsigned(row.try_get(name)?)) };
    Ok(RetentionRun {
        started_at_unix_nano: row.try_get("started_at")?,
        ended_at_unix_nano: row.try_get("ended_at")?,
        parts_ended: count("parts_ended")?,
        parts_rewritten: count("parts_rewritten")?,
        rows_before: count("rows_before")?,
        rows_after: count("rows_after")?,
        bytes_before: count("bytes_before")?,
        bytes_after: count("bytes_after")?,
        outcome: row.try_get("outcome")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_project_has_its_own_policy_until_it_is_taken_back() {
        let metastore = Metastore::in_memory().await.unwrap();
        let policy = RetentionPolicy { logs_days: Some(7), traces_bytes_max: Some(5_000_000), ..RetentionPolicy::default() };
        metastore.put_retention_policy("default", Some(&policy), 1).await.unwrap();
        assert_eq!(metastore.retention_policy("default").await.unwrap(), Some(policy));
        assert_eq!(metastore.retention_policy("other").await.unwrap(), None);
        metastore.put_retention_policy("default", None, 2).await.unwrap();
        assert_eq!(metastore.retention_policy("default").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_thing_is_pinned_once() {
        let metastore = Metastore::in_memory().await.unwrap();
        let pin = |reason: &str| NewPin {
            kind: PinKind::TimeRange,
            value: "outage".into(),
            range: Some((1, 9)),
            reason: reason.into(),
        };
        let id = metastore.put_pin("default", &pin("first look"), 5).await.unwrap();
        assert_eq!(metastore.put_pin("default", &pin("report"), 6).await.unwrap(), id);
        let pins = metastore.pins("default").await.unwrap();
        assert_eq!(pins, [Pin { id, created_at_unix_nano: 5, pin: pin("report") }]);
        assert!(metastore.delete_pin("other", id).await.is_err());
        metastore.delete_pin("default", id).await.unwrap();
        assert!(metastore.pins("default").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_window_remembers_what_it_once_held() {
        let metastore = Metastore::in_memory().await.unwrap();
        let window = |level, rows_before| ThinnedWindow {
            start_unix_nano: 0,
            end_unix_nano: 10,
            level,
            rows: ClassRows { plain: 1, notable: 2, error: 3, pinned: 4 },
            rows_before,
            bytes_before: rows_before * 10,
            bytes_after: 100,
            thinned_at_unix_nano: 20,
        };
        metastore.note_thinned_windows("default", &[window(1, 80)]).await.unwrap();
        metastore.note_thinned_windows("default", &[window(2, 10)]).await.unwrap();
        let noted = metastore.thinned_windows("default").await.unwrap();
        assert_eq!(noted, [ThinnedWindow { rows_before: 80, bytes_before: 800, ..window(2, 0) }]);
        metastore.forget_windows("default", 10).await.unwrap();
        assert!(metastore.thinned_windows("default").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn old_runs_are_forgotten() {
        let metastore = Metastore::in_memory().await.unwrap();
        for started in 0..RUNS_KEPT + 3 {
            let run = RetentionRun { started_at_unix_nano: started, ..RetentionRun::default() };
            metastore.note_retention_run("default", &run).await.unwrap();
        }
        let runs = metastore.retention_runs("default", u32::MAX).await.unwrap();
        assert_eq!((runs.len() as i64, runs[0].started_at_unix_nano), (RUNS_KEPT, RUNS_KEPT + 2));
    }
}
