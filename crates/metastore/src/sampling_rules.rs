//! Sampling rules: which requests clients keep. X-Ray's SDKs fetch them, and again when they learn that they changed.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use crate::database::{Metastore, unsigned};
use crate::error::MetastoreError;

const WHAT: &str = "sampling rule";

/// The rule that matches when no other does. Every project has it, and it cannot be removed.
pub const DEFAULT_SAMPLING_RULE: &str = "Default";

/// Its priority, behind every other rule's 1 to 9999.
pub const DEFAULT_SAMPLING_PRIORITY: u32 = 10_000;

/// Wildcards `*` and `?` may stand in every matcher. What is legal in a member is the caller's affair.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingRule {
    pub name: String,
    /// Rules are tried in ascending order; those of one priority in the order of names.
    pub priority: u32,
    /// Share of requests kept once the reservoir is used up, 0 to 1.
    pub fixed_rate: f64,
    /// Requests a second kept before the rate applies, over all clients.
    pub reservoir_size: u32,
    pub service_name: String,
    pub service_type: String,
    pub host: String,
    pub http_method: String,
    pub url_path: String,
    pub resource_arn: String,
    pub attributes: BTreeMap<String, String>,
    /// Of the rule's format; 1.
    pub version: u32,
    pub boost: Option<SamplingBoostPolicy>,
    pub created_at_unix_nano: i64,
    pub modified_at_unix_nano: i64,
}

/// How far a rate may go up for a while when clients tell of anomalies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplingBoostPolicy {
    pub max_rate: f64,
    /// Minutes in which there is at most one boost.
    pub cooldown_minutes: u32,
}

/// What of a rule changes; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SamplingRuleUpdate {
    pub priority: Option<u32>,
    pub fixed_rate: Option<f64>,
    pub reservoir_size: Option<u32>,
    pub service_name: Option<String>,
    pub service_type: Option<String>,
    pub host: Option<String>,
    pub http_method: Option<String>,
    pub url_path: Option<String>,
    pub resource_arn: Option<String>,
    pub attributes: Option<BTreeMap<String, String>>,
    pub boost: Option<SamplingBoostPolicy>,
}

/// All rules of a project, and when one was last made, changed or removed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SamplingRules {
    /// In the order in which they are tried; the default is last.
    pub rules: Vec<SamplingRule>,
    pub changed_at_unix_nano: i64,
}

impl SamplingRule {
    /// A rule that matches everything and keeps everything.
    pub fn matching_all(name: &str, priority: u32) -> SamplingRule {
        let any = || "*".to_owned();
        SamplingRule {
            name: name.to_owned(),
            priority,
            fixed_rate: 1.0,
            reservoir_size: 1,
            service_name: any(),
            service_type: any(),
            host: any(),
            http_method: any(),
            url_path: any(),
            resource_arn: any(),
            attributes: BTreeMap::new(),
            version: 1,
            boost: None,
            created_at_unix_nano: 0,
            modified_at_unix_nano: 0,
        }
    }

    /// What a new project has: everything is kept. A server at home has no reason to sample.
    pub fn default_rule() -> SamplingRule {
        SamplingRule::matching_all(DEFAULT_SAMPLING_RULE, DEFAULT_SAMPLING_PRIORITY)
    }

    fn with(self, update: &SamplingRuleUpdate) -> SamplingRule {
        let text = |new: &Option<String>, old: String| new.clone().unwrap_or(old);
        SamplingRule {
            priority: update.priority.unwrap_or(self.priority),
            fixed_rate: update.fixed_rate.unwrap_or(self.fixed_rate),
            reservoir_size: update.reservoir_size.unwrap_or(self.reservoir_size),
            service_name: text(&update.service_name, self.service_name),
            service_type: text(&update.service_type, self.service_type),
            host: text(&update.host, self.host),
            http_method: text(&update.http_method, self.http_method),
            url_path: text(&update.url_path, self.url_path),
            resource_arn: text(&update.resource_arn, self.resource_arn),
            attributes: update.attributes.clone().unwrap_or(self.attributes),
            boost: update.boost.or(self.boost),
            ..self
        }
    }
}

const COLUMNS: &str = "name, priority, fixed_rate, reservoir_size, service_name, service_type, host, http_method, url_path,
    resource_arn, attributes, version, boost_max_rate, boost_cooldown_minutes, created_at, modified_at";

impl Metastore {
    pub async fn sampling_rules(&self, project: &str) -> Result<SamplingRules, MetastoreError> {
        let query = format!("select {COLUMNS} from sampling_rules where project = $1 order by priority, name");
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(project).fetch_all(self.readers()).await?;
        let mut rules = rows.iter().map(rule).collect::<Result<Vec<_>, _>>()?;
        if !rules.iter().any(|rule| rule.name == DEFAULT_SAMPLING_RULE) {
            rules.push(SamplingRule::default_rule());
        }
        let changed: Option<i64> = sqlx::query_scalar("select changed_at from sampling_changes where project = $1")
            .bind(project)
            .fetch_optional(self.readers())
            .await?;
        Ok(SamplingRules { rules, changed_at_unix_nano: changed.unwrap_or(0) })
    }

    /// Refuses: a name that is taken, and one rule more than `rules_max`, the default not counted.
    pub async fn create_sampling_rule(&self, project: &str, rule: &SamplingRule, rules_max: u32) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        if rule.name == DEFAULT_SAMPLING_RULE || stored(&mut transaction, project, &rule.name).await?.is_some() {
            return Err(MetastoreError::AlreadyExists { what: WHAT, name: rule.name.clone() });
        }
        let count: i64 = sqlx::query_scalar("select count(*) from sampling_rules where project = $1 and name <> $2")
            .bind(project)
            .bind(DEFAULT_SAMPLING_RULE)
            .fetch_one(&mut *transaction)
            .await?;
        if unsigned(count) >= u64::from(rules_max) {
            return Err(MetastoreError::TooMany { what: WHAT, max: rules_max });
        }
        put(&mut transaction, project, rule).await?;
        note_change(&mut transaction, project, rule.modified_at_unix_nano).await?;
        Ok(transaction.commit().await?)
    }

    /// Changes what is given, and tells how the rule is now.
    pub async fn update_sampling_rule(
        &self,
        project: &str,
        name: &str,
        update: &SamplingRuleUpdate,
        now_unix_nano: i64,
    ) -> Result<SamplingRule, MetastoreError> {
        let mut transaction = self.write().await?;
        let known = match stored(&mut transaction, project, name).await? {
            None if name == DEFAULT_SAMPLING_RULE => Some(SamplingRule::default_rule()),
            known => known,
        };
        let known = known.ok_or_else(|| MetastoreError::NotFound { what: WHAT, name: name.to_owned() })?;
        let updated = SamplingRule { modified_at_unix_nano: now_unix_nano, ..known.with(update) };
        put(&mut transaction, project, &updated).await?;
        note_change(&mut transaction, project, now_unix_nano).await?;
        transaction.commit().await?;
        Ok(updated)
    }

    /// Removes a rule, and tells how it was. Refuses: the default.
    pub async fn delete_sampling_rule(
        &self,
        project: &str,
        name: &str,
        now_unix_nano: i64,
    ) -> Result<SamplingRule, MetastoreError> {
        let mut transaction = self.write().await?;
        let known = match stored(&mut transaction, project, name).await? {
            Some(known) if name != DEFAULT_SAMPLING_RULE => known,
            _ if name == DEFAULT_SAMPLING_RULE => return Err(MetastoreError::Permanent { what: WHAT, name: name.to_owned() }),
            _ => return Err(MetastoreError::NotFound { what: WHAT, name: name.to_owned() }),
        };
        sqlx::query("delete from sampling_rules where project = $1 and name = $2")
            .bind(project)
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        note_change(&mut transaction, project, now_unix_nano).await?;
        transaction.commit().await?;
        Ok(known)
    }
}

type Write = Transaction<'static, Sqlite>;

async fn stored(transaction: &mut Write, project: &str, name: &str) -> Result<Option<SamplingRule>, MetastoreError> {
    let query = format!("select {COLUMNS} from sampling_rules where project = $1 and name = $2");
    let row =
        sqlx::query(sqlx::AssertSqlSafe(query)).bind(project).bind(name).fetch_optional(&mut **transaction).await?;
    row.as_ref().map(rule).transpose()
}

async fn put(transaction: &mut Write, project: &str, rule: &SamplingRule) -> Result<(), MetastoreError> {
    let query = format!(
        "insert or replace into sampling_rules (project, {COLUMNS})
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
    );
    // A map of texts always serialises.
    let attributes = serde_json::to_string(&rule.attributes).unwrap_or_else(|_| "{}".to_owned());
    sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(project)
        .bind(&rule.name)
        .bind(i64::from(rule.priority))
        .bind(rule.fixed_rate)
        .bind(i64::from(rule.reservoir_size))
        .bind(&rule.service_name)
        .bind(&rule.service_type)
        .bind(&rule.host)
        .bind(&rule.http_method)
        .bind(&rule.url_path)
        .bind(&rule.resource_arn)
        .bind(attributes)
        .bind(i64::from(rule.version))
        .bind(rule.boost.map(|boost| boost.max_rate))
        .bind(rule.boost.map(|boost| i64::from(boost.cooldown_minutes)))
        .bind(rule.created_at_unix_nano)
        .bind(rule.modified_at_unix_nano)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

async fn note_change(transaction: &mut Write, project: &str, now_unix_nano: i64) -> Result<(), MetastoreError> {
    sqlx::query(
        "insert into sampling_changes (project, changed_at) values ($1, $2)
         on conflict (project) do update set changed_at = max(changed_at, excluded.changed_at)",
    )
    .bind(project)
    .bind(now_unix_nano)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

fn rule(row: &SqliteRow) -> Result<SamplingRule, MetastoreError> {
    let number = |name| -> Result<u32, MetastoreError> { Ok(u32::try_from(row.try_get::<i64, _>(name)?).unwrap_or(0)) };
    let attributes: &str = row.try_get("attributes")?;
    let unreadable = |_| MetastoreError::Unreadable { what: "attributes of a sampling rule", found: attributes.to_owned() };
    let (max_rate, cooldown): (Option<f64>, Option<i64>) =
        (row.try_get("boost_max_rate")?, row.try_get("boost_cooldown_minutes")?);
    Ok(SamplingRule {
        name: row.try_get("name")?,
        priority: number("priority")?,
        fixed_rate: row.try_get("fixed_rate")?,
        reservoir_size: number("reservoir_size")?,
        service_name: row.try_get("service_name")?,
        service_type: row.try_get("service_type")?,
        host: row.try_get("host")?,
        http_method: row.try_get("http_method")?,
        url_path: row.try_get("url_path")?,
        resource_arn: row.try_get("resource_arn")?,
        attributes: serde_json::from_str(attributes).map_err(unreadable)?,
        version: number("version")?,
        boost: max_rate.zip(cooldown).map(|(max_rate, cooldown)| SamplingBoostPolicy {
            max_rate,
            cooldown_minutes: u32::try_from(cooldown).unwrap_or(0),
        }),
        created_at_unix_nano: row.try_get("created_at")?,
        modified_at_unix_nano: row.try_get("modified_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, priority: u32, at: i64) -> SamplingRule {
        SamplingRule {
            attributes: BTreeMap::from([("tenant".to_owned(), "a*".to_owned())]),
            boost: Some(SamplingBoostPolicy { max_rate: 0.5, cooldown_minutes: 10 }),
            created_at_unix_nano: at,
            modified_at_unix_nano: at,
            ..SamplingRule::matching_all(name, priority)
        }
    }

    async fn names(metastore: &Metastore) -> Vec<String> {
        metastore.sampling_rules("default").await.unwrap().rules.into_iter().map(|rule| rule.name).collect()
    }

    #[tokio::test]
    async fn a_new_project_keeps_everything() {
        let metastore = Metastore::in_memory().await.unwrap();
        let rules = metastore.sampling_rules("default").await.unwrap();
        assert_eq!(rules, SamplingRules { rules: vec![SamplingRule::default_rule()], changed_at_unix_nano: 0 });
        assert_eq!((rules.rules[0].priority, rules.rules[0].fixed_rate), (10_000, 1.0));
    }

    #[tokio::test]
    async fn rules_are_tried_by_priority_then_name() {
        let metastore = Metastore::in_memory().await.unwrap();
        for (name, priority) in [("late", 9_000), ("b", 5), ("a", 5)] {
            metastore.create_sampling_rule("default", &named(name, priority, 1), 9).await.unwrap();
        }
        assert_eq!(names(&metastore).await, ["a", "b", "late", "Default"]);
        assert_eq!(metastore.sampling_rules("default").await.unwrap().rules[0], named("a", 5, 1));
    }

    #[tokio::test]
    async fn every_change_is_noted_also_a_removal() {
        let metastore = Metastore::in_memory().await.unwrap();
        metastore.create_sampling_rule("default", &named("a", 5, 10), 9).await.unwrap();
        let update = SamplingRuleUpdate { fixed_rate: Some(0.25), ..SamplingRuleUpdate::default() };
        let updated = metastore.update_sampling_rule("default", "a", &update, 20).await.unwrap();
        assert_eq!(updated, SamplingRule { fixed_rate: 0.25, modified_at_unix_nano: 20, ..named("a", 5, 10) });
        assert_eq!(metastore.sampling_rules("default").await.unwrap().changed_at_unix_nano, 20);
        assert_eq!(metastore.delete_sampling_rule("default", "a", 30).await.unwrap(), updated);
        let rules = metastore.sampling_rules("default").await.unwrap();
        assert_eq!((rules.rules.len(), rules.changed_at_unix_nano), (1, 30));
        assert_eq!(metastore.sampling_rules("other").await.unwrap().changed_at_unix_nano, 0);
    }

    #[tokio::test]
    async fn the_default_changes_but_stays() {
        let metastore = Metastore::in_memory().await.unwrap();
        let update = SamplingRuleUpdate { fixed_rate: Some(0.05), reservoir_size: Some(0), ..SamplingRuleUpdate::default() };
        metastore.update_sampling_rule("default", "Default", &update, 5).await.unwrap();
        let rules = metastore.sampling_rules("default").await.unwrap().rules;
        assert_eq!((rules.len(), rules[0].fixed_rate, rules[0].reservoir_size), (1, 0.05, 0));
        let error = metastore.delete_sampling_rule("default", "Default", 6).await.unwrap_err();
        assert!(matches!(error, MetastoreError::Permanent { .. }), "{error}");
        assert!(metastore.create_sampling_rule("default", &named("Default", 1, 7), 9).await.is_err());
    }

    #[tokio::test]
    async fn what_cannot_be_is_refused() {
        let metastore = Metastore::in_memory().await.unwrap();
        metastore.create_sampling_rule("default", &named("a", 5, 1), 1).await.unwrap();
        let again = metastore.create_sampling_rule("default", &named("a", 6, 2), 9).await.unwrap_err();
        assert_eq!(again.to_string(), "sampling rule \"a\" already exists");
        let beyond = metastore.create_sampling_rule("default", &named("b", 6, 2), 1).await.unwrap_err();
        assert!(matches!(beyond, MetastoreError::TooMany { max: 1, .. }));
        for error in [
            metastore.delete_sampling_rule("default", "gone", 3).await.unwrap_err(),
            metastore.update_sampling_rule("default", "gone", &SamplingRuleUpdate::default(), 3).await.unwrap_err(),
        ] {
            assert_eq!(error.to_string(), "sampling rule \"gone\" does not exist");
        }
        assert_eq!(names(&metastore).await, ["a", "Default"]);
    }
}
