//! The rules of grouping that are in force, and those that were: a request that is read again from the log is told apart as it
//! was when it came.
//!
//! New rules are in force a second after they are written, so that no request that arrived before is told apart by them.

use std::sync::Arc;

use analysis::grouping::rules::{RuleError, RuleText, Rules};
use metastore::{Metastore, MetastoreError};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::limits::RULE_SETS_REMEMBERED;

/// Under which name the project's settings have them.
const SETTING: &str = "error_rules";

/// How long it takes until rules are in force.
const BEGINS_AFTER_NS: i64 = 1_000_000_000;

#[derive(Default)]
pub struct RuleBook(RwLock<Vec<InForce>>);

struct InForce {
    kept: Kept,
    rules: Arc<Rules>,
}

/// Rules as they were written, and from when on they count.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    pub since_unix_nano: i64,
    pub rules: Vec<RuleText>,
}

/// Why rules were not taken.
#[derive(Debug, thiserror::Error)]
pub enum RuleBookError {
    #[error(transparent)]
    Rule(#[from] RuleError),
    #[error(transparent)]
    Metastore(#[from] MetastoreError),
    #[error("cannot write down the rules: {0}")]
    Unwritable(#[from] serde_json::Error),
}

impl RuleBook {
    pub async fn load(metastore: &Metastore, project: &str) -> Result<RuleBook, MetastoreError> {
        let Some(setting) = metastore.project_setting(project, SETTING).await? else { return Ok(RuleBook::default()) };
        let unreadable = |found: String| MetastoreError::Unreadable { what: "rules of grouping", found };
        let kept: Vec<Kept> = serde_json::from_str(&setting.value).map_err(|error| unreadable(error.to_string()))?;
        let mut book = Vec::with_capacity(kept.len());
        for kept in kept {
            let rules = Rules::compile(&kept.rules).map_err(|error| unreadable(error.to_string()))?;
            book.push(InForce { kept, rules: Arc::new(rules) });
        }
        Ok(RuleBook(RwLock::new(book)))
    }

    /// The rules for what arrived then; `None` where there were none.
    pub fn at(&self, received_at_unix_nano: i64) -> Option<Arc<Rules>> {
        let book = self.0.read();
        let in_force = book.iter().rev().find(|in_force| in_force.kept.since_unix_nano <= received_at_unix_nano)?;
        (!in_force.rules.is_empty()).then(|| Arc::clone(&in_force.rules))
    }

    /// The newest rules.
    pub fn latest(&self) -> Kept {
        self.0.read().last().map(|in_force| in_force.kept.clone()).unwrap_or_default()
    }

    /// Puts rules in the place of all others.
    pub async fn put(
        &self,
        metastore: &Metastore,
        project: &str,
        rules: Vec<RuleText>,
        now_unix_nano: i64,
    ) -> Result<Kept, RuleBookError> {
        let compiled = Arc::new(Rules::compile(&rules)?);
        let kept = Kept { since_unix_nano: now_unix_nano.saturating_add(BEGINS_AFTER_NS), rules };
        let mut all: Vec<Kept> = self.0.read().iter().map(|in_force| in_force.kept.clone()).collect();
        all.push(kept.clone());
        let first = all.len().saturating_sub(RULE_SETS_REMEMBERED);
        metastore.put_project_setting(project, SETTING, &serde_json::to_string(&all[first..])?, now_unix_nano).await?;
        let mut book = self.0.write();
        book.push(InForce { kept: kept.clone(), rules: compiled });
        let first = book.len().saturating_sub(RULE_SETS_REMEMBERED);
        book.drain(..first);
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use analysis::grouping::rules::Defaults;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn what_arrived_before_is_told_apart_as_it_was() {
        let metastore = Metastore::in_memory().await.unwrap();
        let book = RuleBook::load(&metastore, "p").await.unwrap();
        assert!(book.at(i64::MAX).is_none());
        let rule = |name: &str| RuleText { condition: json!({"all": []}), fingerprint: Some(name.into()), ..RuleText::default() };
        let first = book.put(&metastore, "p", vec![rule("one")], 10).await.unwrap().since_unix_nano;
        let second = book.put(&metastore, "p", vec![rule("two")], first + 10).await.unwrap().since_unix_nano;
        let wrong = RuleText { condition: json!(1), ..rule("x") };
        assert!(matches!(book.put(&metastore, "p", vec![wrong], 30).await, Err(RuleBookError::Rule(_))));
        for book in [book, RuleBook::load(&metastore, "p").await.unwrap()] {
            let said = |at: i64| {
                let rules = book.at(at)?;
                rules.apply(&json!({}), Defaults { fingerprint: "f", title: "t" })?.fingerprint
            };
            assert_eq!(said(first - 1), None);
            assert_eq!(said(first).as_deref(), Some("one"));
            assert_eq!(said(second).as_deref(), Some("two"));
            assert_eq!(book.latest().rules[0].fingerprint.as_deref(), Some("two"));
        }
    }
}
