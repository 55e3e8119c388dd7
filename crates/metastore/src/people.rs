//! People by name, so that work can be theirs. Nobody signs in: a person is known from the first time they are named.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::database::Metastore;
use crate::error::MetastoreError;

/// People of one project; a list that a person can still choose from.
const PEOPLE_MAX: u32 = 10_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub id: i64,
    pub name: String,
}

impl Metastore {
    /// Everybody who was ever named, by name.
    pub async fn people(&self, project: &str) -> Result<Vec<Person>, MetastoreError> {
        let query = "select id, name from people where project = $1 order by lower(name), id";
        let rows = sqlx::query(query).bind(project).fetch_all(self.readers()).await?;
        rows.iter().map(person).collect()
    }

    /// Who is called so; made known when this is the first time. Case does not tell people apart.
    pub async fn person_named(&self, project: &str, name: &str, now_unix_nano: i64) -> Result<Person, MetastoreError> {
        let mut transaction = self.write().await?;
        let known = sqlx::query("select id, name from people where project = $1 and lower(name) = lower($2)")
            .bind(project)
            .bind(name)
            .fetch_optional(&mut *transaction)
            .await?;
        if let Some(row) = known {
            return person(&row);
        }
        let count: i64 = sqlx::query_scalar("select count(*) from people where project = $1")
            .bind(project)
            .fetch_one(&mut *transaction)
            .await?;
        if count >= i64::from(PEOPLE_MAX) {
            return Err(MetastoreError::TooMany { what: "people", max: PEOPLE_MAX });
        }
        let row = sqlx::query("insert into people (project, name, created_at) values ($1, $2, $3) returning id, name")
            .bind(project)
            .bind(name)
            .bind(now_unix_nano)
            .fetch_one(&mut *transaction)
            .await?;
        let made = person(&row)?;
        transaction.commit().await?;
        Ok(made)
    }
}

fn person(row: &SqliteRow) -> Result<Person, MetastoreError> {
    Ok(Person { id: row.try_get("id")?, name: row.try_get("name")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_one_person() {
        let metastore = Metastore::in_memory().await.unwrap();
        let ada = metastore.person_named("default", "Ada", 1).await.unwrap();
        assert_eq!(metastore.person_named("default", "ada", 2).await.unwrap(), ada);
        let bob = metastore.person_named("default", "Bob", 3).await.unwrap();
        assert_ne!(bob.id, ada.id);
        assert_eq!(metastore.people("default").await.unwrap(), [ada, bob]);
        assert_eq!(metastore.people("other").await.unwrap(), []);
    }
}
