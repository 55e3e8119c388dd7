//! What evaluators on the clock remember of each thing they look at, so that a restart neither misses nor repeats.

use sqlx::Row;

use crate::database::Metastore;
use crate::error::MetastoreError;

/// What an evaluator knows of one thing, e.g. of an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Which thing.
    pub subject: String,
    /// What the evaluator wants to know next time; JSON by custom.
    pub state: String,
    pub evaluated_at_unix_nano: i64,
}

impl Metastore {
    pub async fn evaluation(&self, project: &str, evaluator: &str, subject: &str) -> Result<Option<Evaluation>, MetastoreError> {
        let found = self.evaluations_where(project, evaluator, Some(subject)).await?;
        Ok(found.into_iter().next())
    }

    /// Of all things that the evaluator looked at.
    pub async fn evaluations(&self, project: &str, evaluator: &str) -> Result<Vec<Evaluation>, MetastoreError> {
        self.evaluations_where(project, evaluator, None).await
    }

    async fn evaluations_where(
        &self,
        project: &str,
        evaluator: &str,
        subject: Option<&str>,
    ) -> Result<Vec<Evaluation>, MetastoreError> {
        let rows = sqlx::query(
            "select subject, state, evaluated_at from evaluations
             where project = $1 and evaluator = $2 and ($3 is null or subject = $3) order by subject",
        )
        .bind(project)
        .bind(evaluator)
        .bind(subject)
        .fetch_all(self.readers())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Evaluation {
                    subject: row.try_get("subject")?,
                    state: row.try_get("state")?,
                    evaluated_at_unix_nano: row.try_get("evaluated_at")?,
                })
            })
            .collect()
    }

    pub async fn put_evaluation(&self, project: &str, evaluator: &str, evaluation: &Evaluation) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "insert into evaluations (project, evaluator, subject, state, evaluated_at) values ($1, $2, $3, $4, $5)
             on conflict (project, evaluator, subject) do update set state = excluded.state, evaluated_at = excluded.evaluated_at",
        )
        .bind(project)
        .bind(evaluator)
        .bind(&evaluation.subject)
        .bind(&evaluation.state)
        .bind(evaluation.evaluated_at_unix_nano)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// Forgets a thing that is no more; nothing happens when nothing was known of it.
    pub async fn delete_evaluation(&self, project: &str, evaluator: &str, subject: &str) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("delete from evaluations where project = $1 and evaluator = $2 and subject = $3")
            .bind(project)
            .bind(evaluator)
            .bind(subject)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_evaluated_is_remembered() {
        let metastore = Metastore::in_memory().await.unwrap();
        let of = |state: &str, at| Evaluation { subject: "a".into(), state: state.into(), evaluated_at_unix_nano: at };
        assert_eq!(metastore.evaluation("default", "alarms", "a").await.unwrap(), None);
        metastore.put_evaluation("default", "alarms", &of("ok", 1)).await.unwrap();
        metastore.put_evaluation("default", "alarms", &of("alarm", 2)).await.unwrap();
        assert_eq!(metastore.evaluations("default", "alarms").await.unwrap(), [of("alarm", 2)]);
        assert_eq!(metastore.evaluations("default", "triggers").await.unwrap(), []);
        metastore.delete_evaluation("default", "alarms", "a").await.unwrap();
        assert_eq!(metastore.evaluations("default", "alarms").await.unwrap(), []);
    }
}
