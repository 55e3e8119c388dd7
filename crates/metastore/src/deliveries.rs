//! Deliveries to others, such as notifications of an alarm: what is to be sent, how often it was tried, and what was answered.
//!
//! What a destination and a payload hold is the affair of the server, which sends them; here they are texts.

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use crate::database::{Metastore, signed, unsigned};
use crate::error::MetastoreError;

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// To be tried at its time.
    Pending,
    Delivered,
    /// Given up.
    Failed,
}

impl DeliveryState {
    pub fn as_str(self) -> &'static str {
        match self {
            DeliveryState::Pending => "pending",
            DeliveryState::Delivered => "delivered",
            DeliveryState::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Result<DeliveryState, MetastoreError> {
        let all = [DeliveryState::Pending, DeliveryState::Delivered, DeliveryState::Failed];
        let found = all.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| MetastoreError::Unreadable { what: "state of a delivery", found: text.to_owned() })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub id: u64,
    /// Who sends it, e.g. `cloudwatch.alarm:HighLatency`.
    pub origin: String,
    /// An origin sends one delivery for each key.
    pub dedupe_key: String,
    /// JSON.
    pub destination: String,
    /// JSON.
    pub payload: String,
    pub state: DeliveryState,
    pub attempts: u64,
    /// What came of the last attempt, in words; empty before the first.
    pub answer: String,
    pub created_at_unix_nano: i64,
    pub attempted_at_unix_nano: Option<i64>,
    pub next_attempt_unix_nano: i64,
}

const COLUMNS: &str =
    "id, origin, dedupe_key, destination, payload, state, attempts, answer, created_at, attempted_at, next_attempt";

impl Metastore {
    /// Notes a delivery to be sent from `next_attempt_unix_nano` on, and tells its id. What the origin noted with the same
    /// key before stays as it is: its id is told then.
    ///
    /// Of those that are done, the newest `kept_max` are remembered.
    #[allow(clippy::too_many_arguments)]
    pub async fn add_delivery(
        &self,
        project: &str,
        origin: &str,
        dedupe_key: &str,
        destination: &str,
        payload: &str,
        now_unix_nano: i64,
        next_attempt_unix_nano: i64,
        kept_max: u32,
    ) -> Result<u64, MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "insert into deliveries (project, origin, dedupe_key, destination, payload, state, attempts, answer, created_at, next_attempt)
             values ($1, $2, $3, $4, $5, 'pending', 0, '', $6, $7)
             on conflict (project, origin, dedupe_key) do nothing",
        )
        .bind(project)
        .bind(origin)
        .bind(dedupe_key)
        .bind(destination)
        .bind(payload)
        .bind(now_unix_nano)
        .bind(next_attempt_unix_nano)
        .execute(&mut *transaction)
        .await?;
        let id: i64 = sqlx::query_scalar("select id from deliveries where project = $1 and origin = $2 and dedupe_key = $3")
            .bind(project)
            .bind(origin)
            .bind(dedupe_key)
            .fetch_one(&mut *transaction)
            .await?;
        sqlx::query(
            "delete from deliveries where project = $1 and state <> 'pending' and id <=
                (select max(id) - $2 from deliveries where project = $1)",
        )
        .bind(project)
        .bind(i64::from(kept_max))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(unsigned(id))
    }

    /// Those that are still to be sent, the earliest first.
    pub async fn pending_deliveries(&self, project: &str, limit: u32) -> Result<Vec<Delivery>, MetastoreError> {
        let query = format!(
            "select {COLUMNS} from deliveries where project = $1 and state = 'pending' order by next_attempt, id limit $2"
        );
        let query = sqlx::query(AssertSqlSafe(query)).bind(project).bind(i64::from(limit));
        query.fetch_all(self.readers()).await?.iter().map(delivery).collect()
    }

    /// How many of an origin are still to be sent.
    pub async fn pending_deliveries_of(&self, project: &str, origin: &str) -> Result<u64, MetastoreError> {
        let query = "select count(*) from deliveries where project = $1 and state = 'pending' and origin = $2";
        let count: i64 = sqlx::query_scalar(query).bind(project).bind(origin).fetch_one(self.readers()).await?;
        Ok(unsigned(count))
    }

    /// Those whose origin begins with the text, the newest first.
    pub async fn deliveries(&self, project: &str, origin_prefix: &str, limit: u32) -> Result<Vec<Delivery>, MetastoreError> {
        let query = format!(
            "select {COLUMNS} from deliveries where project = $1 and substr(origin, 1, length($2)) = $2 order by id desc limit $3"
        );
        let query = sqlx::query(AssertSqlSafe(query)).bind(project).bind(origin_prefix).bind(i64::from(limit));
        query.fetch_all(self.readers()).await?.iter().map(delivery).collect()
    }

    /// Notes what came of an attempt. What was delivered need not be kept: of its payload nothing stays.
    pub async fn note_delivery(
        &self,
        id: u64,
        state: DeliveryState,
        answer: &str,
        attempted_at_unix_nano: i64,
        next_attempt_unix_nano: i64,
    ) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "update deliveries set state = $2, answer = $3, attempted_at = $4, next_attempt = $5, attempts = attempts + 1,
                payload = case when $2 = 'delivered' then '' else payload end where id = $1",
        )
        .bind(signed(id))
        .bind(state.as_str())
        .bind(answer)
        .bind(attempted_at_unix_nano)
        .bind(next_attempt_unix_nano)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }
}

fn delivery(row: &SqliteRow) -> Result<Delivery, MetastoreError> {
    Ok(Delivery {
        id: unsigned(row.try_get("id")?),
        origin: row.try_get("origin")?,
        dedupe_key: row.try_get("dedupe_key")?,
        destination: row.try_get("destination")?,
        payload: row.try_get("payload")?,
        state: DeliveryState::parse(row.try_get("state")?)?,
        attempts: unsigned(row.try_get("attempts")?),
        answer: row.try_get("answer")?,
        created_at_unix_nano: row.try_get("created_at")?,
        attempted_at_unix_nano: row.try_get("attempted_at")?,
        next_attempt_unix_nano: row.try_get("next_attempt")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_origin_sends_once_for_a_key() {
        let metastore = Metastore::in_memory().await.unwrap();
        let add = async |origin: &str, key: &str, at: i64| {
            metastore.add_delivery("default", origin, key, "{}", "{}", at, at, 2).await.unwrap()
        };
        let first = add("alarm:a", "1", 5).await;
        assert_eq!(add("alarm:a", "1", 9).await, first);
        let second = add("alarm:b", "1", 3).await;
        assert_ne!(second, first);
        let ids = |deliveries: Vec<Delivery>| deliveries.into_iter().map(|each| each.id).collect::<Vec<_>>();
        assert_eq!(ids(metastore.pending_deliveries("default", 9).await.unwrap()), [second, first]);
        assert_eq!(ids(metastore.deliveries("default", "alarm:a", 9).await.unwrap()), [first]);

        metastore.note_delivery(first, DeliveryState::Pending, "503", 6, 8).await.unwrap();
        metastore.note_delivery(first, DeliveryState::Delivered, "200", 8, 8).await.unwrap();
        let delivery = metastore.deliveries("default", "alarm:a", 1).await.unwrap().remove(0);
        assert_eq!((delivery.attempts, delivery.answer.as_str(), delivery.attempted_at_unix_nano), (2, "200", Some(8)));
        // Old ones go when they are done, and not before.
        let third = add("alarm:c", "1", 10).await;
        let fourth = add("alarm:d", "1", 11).await;
        assert_eq!(ids(metastore.deliveries("default", "", 9).await.unwrap()), [fourth, third, second]);
    }
}
