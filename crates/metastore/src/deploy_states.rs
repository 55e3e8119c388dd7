//! How deploys went on after they were announced. The announcement itself is a row, which never changes.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::database::Metastore;
use crate::error::MetastoreError;

/// What was last said of a deploy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployState {
    pub deploy: i64,
    pub status: String,
    pub comment: Option<String>,
    /// When it was said to have ended, well or badly.
    pub finished_at_unix_nano: Option<i64>,
}

impl Metastore {
    /// What was said of the deploys with these ids; nothing for those of which nothing was.
    pub async fn deploy_states(&self, project: &str, deploys: &[i64]) -> Result<Vec<DeployState>, MetastoreError> {
        let mut query =
            sqlx::QueryBuilder::new("select deploy, status, comment, finished_at from deploy_states where project = ");
        query.push_bind(project.to_owned()).push(" and deploy in (");
        let mut ids = query.separated(", ");
        for deploy in deploys {
            ids.push_bind(*deploy);
        }
        query.push(")");
        let rows = query.build().fetch_all(self.readers()).await?;
        rows.iter().map(state).collect()
    }

    pub async fn put_deploy_state(&self, project: &str, state: &DeployState, now_unix_nano: i64) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "insert into deploy_states (project, deploy, status, comment, finished_at, changed_at) values ($1, $2, $3, $4, $5, $6)
             on conflict (project, deploy) do update set status = excluded.status,
                comment = coalesce(excluded.comment, comment), finished_at = excluded.finished_at, changed_at = excluded.changed_at",
        )
        .bind(project)
        .bind(state.deploy)
        .bind(&state.status)
        .bind(&state.comment)
        .bind(state.finished_at_unix_nano)
        .bind(now_unix_nano)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }
}

fn state(row: &SqliteRow) -> Result<DeployState, MetastoreError> {
    Ok(DeployState {
        deploy: row.try_get("deploy")?,
        status: row.try_get("status")?,
        comment: row.try_get("comment")?,
        finished_at_unix_nano: row.try_get("finished_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_word_counts_and_comments_stay() {
        let metastore = Metastore::in_memory().await.unwrap();
        assert!(metastore.deploy_states("default", &[]).await.unwrap().is_empty());
        let started =
            DeployState { deploy: 5, status: "started".into(), comment: Some("go".into()), finished_at_unix_nano: None };
        metastore.put_deploy_state("default", &started, 1).await.unwrap();
        let done = DeployState { status: "succeeded".into(), comment: None, finished_at_unix_nano: Some(9), ..started.clone() };
        metastore.put_deploy_state("default", &done, 2).await.unwrap();
        let expected = DeployState { comment: Some("go".into()), ..done };
        assert_eq!(metastore.deploy_states("default", &[4, 5]).await.unwrap(), [expected]);
        assert!(metastore.deploy_states("other", &[5]).await.unwrap().is_empty());
    }
}
