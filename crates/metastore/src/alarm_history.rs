//! What happened to alarms: changes of their configuration and state, and what was done about it.

use sqlx::Row;

use crate::database::{Metastore, unsigned};
use crate::error::MetastoreError;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlarmEvent {
    /// Ascends with time; 0 for one that is not written yet.
    pub id: u64,
    pub alarm: String,
    pub at_unix_nano: i64,
    /// e.g. `StateUpdate`.
    pub kind: String,
    pub summary: String,
    /// JSON.
    pub data: String,
}

impl Metastore {
    /// Writes events down. Of all alarms together the newest `kept_max` are remembered.
    pub async fn add_alarm_events(&self, project: &str, events: &[AlarmEvent], kept_max: u32) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        for event in events {
            sqlx::query("insert into alarm_history (project, alarm, at, kind, summary, data) values ($1, $2, $3, $4, $5, $6)")
                .bind(project)
                .bind(&event.alarm)
                .bind(event.at_unix_nano)
                .bind(&event.kind)
                .bind(&event.summary)
                .bind(&event.data)
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query(
            "delete from alarm_history where project = $1 and id <= (select max(id) - $2 from alarm_history where project = $1)",
        )
        .bind(project)
        .bind(i64::from(kept_max))
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// Events of one alarm or of all, the newest first.
    pub async fn alarm_events(&self, project: &str, alarm: Option<&str>, limit: u32) -> Result<Vec<AlarmEvent>, MetastoreError> {
        let rows = sqlx::query(
            "select id, alarm, at, kind, summary, data from alarm_history
             where project = $1 and ($2 is null or alarm = $2) order by id desc limit $3",
        )
        .bind(project)
        .bind(alarm)
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(AlarmEvent {
                    id: unsigned(row.try_get("id")?),
                    alarm: row.try_get("alarm")?,
                    at_unix_nano: row.try_get("at")?,
                    kind: row.try_get("kind")?,
                    summary: row.try_get("summary")?,
                    data: row.try_get("data")?,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_events_are_kept() {
        let metastore = Metastore::in_memory().await.unwrap();
        let event = |alarm: &str, at: i64| AlarmEvent { alarm: alarm.into(), at_unix_nano: at, ..AlarmEvent::default() };
        metastore.add_alarm_events("default", &[event("a", 1), event("b", 2), event("a", 3)], 2).await.unwrap();
        let times = async |alarm| {
            let found = metastore.alarm_events("default", alarm, 9).await.unwrap();
            found.into_iter().map(|event| event.at_unix_nano).collect::<Vec<_>>()
        };
        assert_eq!((times(None).await, times(Some("a")).await), (vec![3, 2], vec![3]));
    }
}
