//! X-Ray's groups: filter expressions with a name. They are evaluated when somebody asks, so they look back in time.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::database::{Metastore, unsigned};
use crate::error::MetastoreError;

const WHAT: &str = "group";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XrayGroup {
    pub name: String,
    /// Stands in the ARN behind the name; a group that is made again under an old name has another.
    pub id: String,
    /// As it was written; whether it can be read is the caller's affair.
    pub filter_expression: String,
    pub insights_enabled: bool,
    pub notifications_enabled: bool,
    pub created_at_unix_nano: i64,
    pub modified_at_unix_nano: i64,
}

/// What of a group changes; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XrayGroupUpdate {
    pub filter_expression: Option<String>,
    pub insights_enabled: Option<bool>,
    pub notifications_enabled: Option<bool>,
}

const COLUMNS: &str = "name, id, filter_expression, insights_enabled, notifications_enabled, created_at, modified_at";

impl Metastore {
    /// Every group in the order of names.
    pub async fn xray_groups(&self, project: &str) -> Result<Vec<XrayGroup>, MetastoreError> {
        let query = format!("select {COLUMNS} from xray_groups where project = $1 order by name");
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(project).fetch_all(self.readers()).await?;
        rows.iter().map(group).collect()
    }

    pub async fn xray_group(&self, project: &str, name: &str) -> Result<Option<XrayGroup>, MetastoreError> {
        let query = format!("select {COLUMNS} from xray_groups where project = $1 and name = $2");
        let row =
            sqlx::query(sqlx::AssertSqlSafe(query)).bind(project).bind(name).fetch_optional(self.readers()).await?;
        row.as_ref().map(group).transpose()
    }

    /// Refuses: a name that is taken, and one group more than `groups_max`.
    pub async fn create_xray_group(&self, project: &str, group: &XrayGroup, groups_max: u32) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        let made = sqlx::query(
            "insert into xray_groups
                (project, name, id, filter_expression, insights_enabled, notifications_enabled, created_at, modified_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (project, name) do nothing",
        )
        .bind(project)
        .bind(&group.name)
        .bind(&group.id)
        .bind(&group.filter_expression)
        .bind(i64::from(group.insights_enabled))
        .bind(i64::from(group.notifications_enabled))
        .bind(group.created_at_unix_nano)
        .bind(group.modified_at_unix_nano)
        .execute(&mut *transaction)
        .await?;
        if made.rows_affected() == 0 {
            return Err(MetastoreError::AlreadyExists { what: WHAT, name: group.name.clone() });
        }
        let count: i64 = sqlx::query_scalar("select count(*) from xray_groups where project = $1")
            .bind(project)
            .fetch_one(&mut *transaction)
            .await?;
        if unsigned(count) > u64::from(groups_max) {
            return Err(MetastoreError::TooMany { what: WHAT, max: groups_max });
        }
        Ok(transaction.commit().await?)
    }

    /// Changes what is given, and tells how the group is now.
    pub async fn update_xray_group(
        &self,
        project: &str,
        name: &str,
        update: &XrayGroupUpdate,
        now_unix_nano: i64,
    ) -> Result<XrayGroup, MetastoreError> {
        let mut transaction = self.write().await?;
        let query = format!(
            "update xray_groups set
                filter_expression = coalesce($3, filter_expression),
                insights_enabled = coalesce($4, insights_enabled),
                notifications_enabled = coalesce($5, notifications_enabled),
                modified_at = $6
             where project = $1 and name = $2 returning {COLUMNS}"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(project)
            .bind(name)
            .bind(&update.filter_expression)
            .bind(update.insights_enabled.map(i64::from))
            .bind(update.notifications_enabled.map(i64::from))
            .bind(now_unix_nano)
            .fetch_optional(&mut *transaction)
            .await?;
        let row = row.ok_or_else(|| MetastoreError::NotFound { what: WHAT, name: name.to_owned() })?;
        let updated = group(&row)?;
        transaction.commit().await?;
        Ok(updated)
    }

    /// Removes the group; what it found stays.
    pub async fn delete_xray_group(&self, project: &str, name: &str) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        let gone = sqlx::query("delete from xray_groups where project = $1 and name = $2")
            .bind(project)
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        if gone.rows_affected() == 0 {
            return Err(MetastoreError::NotFound { what: WHAT, name: name.to_owned() });
        }
        Ok(transaction.commit().await?)
    }
}

fn group(row: &SqliteRow) -> Result<XrayGroup, MetastoreError> {
    let flag = |name| -> Result<bool, MetastoreError> { Ok(row.try_get::<i64, _>(name)? != 0) };
    Ok(XrayGroup {
        name: row.try_get("name")?,
        id: row.try_get("id")?,
        filter_expression: row.try_get("filter_expression")?,
        insights_enabled: flag("insights_enabled")?,
        notifications_enabled: flag("notifications_enabled")?,
        created_at_unix_nano: row.try_get("created_at")?,
        modified_at_unix_nano: row.try_get("modified_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> XrayGroup {
        XrayGroup {
            name: name.into(),
            id: "ID".into(),
            filter_expression: "fault".into(),
            created_at_unix_nano: 1,
            modified_at_unix_nano: 1,
            ..XrayGroup::default()
        }
    }

    #[tokio::test]
    async fn groups_are_made_changed_and_removed() {
        let metastore = Metastore::in_memory().await.unwrap();
        for name in ["b", "a"] {
            metastore.create_xray_group("default", &named(name), 9).await.unwrap();
        }
        let again = metastore.create_xray_group("default", &named("a"), 9).await.unwrap_err();
        assert_eq!(again.to_string(), "group \"a\" already exists");
        let names: Vec<String> = metastore.xray_groups("default").await.unwrap().into_iter().map(|group| group.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(metastore.xray_groups("other").await.unwrap().is_empty());
        let update = XrayGroupUpdate { insights_enabled: Some(true), ..XrayGroupUpdate::default() };
        let updated = metastore.update_xray_group("default", "a", &update, 7).await.unwrap();
        assert_eq!(updated, XrayGroup { insights_enabled: true, modified_at_unix_nano: 7, ..named("a") });
        assert_eq!(metastore.xray_group("default", "a").await.unwrap(), Some(updated));
        metastore.delete_xray_group("default", "a").await.unwrap();
        assert_eq!(metastore.xray_group("default", "a").await.unwrap(), None);
        for error in [
            metastore.delete_xray_group("default", "a").await.unwrap_err(),
            metastore.update_xray_group("default", "a", &update, 8).await.unwrap_err(),
        ] {
            assert_eq!(error.to_string(), "group \"a\" does not exist");
        }
    }

    #[tokio::test]
    async fn there_are_only_so_many() {
        let metastore = Metastore::in_memory().await.unwrap();
        metastore.create_xray_group("default", &named("a"), 1).await.unwrap();
        let error = metastore.create_xray_group("default", &named("b"), 1).await.unwrap_err();
        assert!(matches!(error, MetastoreError::TooMany { max: 1, .. }), "{error}");
        assert_eq!(metastore.xray_groups("default").await.unwrap().len(), 1);
    }
}
