//! What lists of items are narrowed by, and how many items each choice would leave.

use std::collections::HashMap;

use engine::ask::attributes::AttributeValue;
use metastore::{ErrorItemTally, ItemStatus, Person};
use serde::Serialize;
use utoipa::ToSchema;

use super::ErrorParams;
use crate::api::errors::search::ItemWords;
use crate::api::errors::{assigned, level_name, level_number};
use crate::api::refusal::Refusal;

#[derive(Default, Serialize, ToSchema)]
pub struct ErrorFacets {
    pub status: Vec<AttributeValue>,
    pub level: Vec<AttributeValue>,
    pub environment: Vec<AttributeValue>,
    pub framework: Vec<AttributeValue>,
    pub assigned: Vec<AttributeValue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Status,
    Level,
    Environment,
    Framework,
    Assigned,
}

/// Values of each filter; where there are none, everything passes.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub statuses: Vec<String>,
    pub levels: Vec<String>,
    pub environments: Vec<String>,
    pub frameworks: Vec<String>,
    pub assigned: Vec<String>,
}

/// What filters look at of items that are alike in it.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    /// As lists show it.
    pub status: String,
    pub level: i64,
    pub environments: Vec<String>,
    pub framework: String,
    pub assigned: Option<String>,
    pub items: u64,
}

impl Wanted {
    pub fn read(params: &ErrorParams, words: &ItemWords) -> Result<Wanted, Refusal> {
        let split = |text: &Option<String>, more: &[String]| -> Vec<String> {
            let listed = text.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|text| !text.is_empty());
            listed.map(str::to_owned).chain(more.iter().cloned()).collect()
        };
        // Who writes a status means that one, whatever the page shows otherwise.
        let chosen = if words.statuses.is_empty() { &params.status } else { &None };
        let mut statuses = split(chosen, &words.statuses);
        for status in &statuses {
            if !matches!(status.as_str(), "all" | "snoozed") && ItemStatus::from_name(status).is_none() {
                let expected = "active, resolved, muted, archived, snoozed or all";
                return Err(Refusal::parameter(format!("cannot read status from {status:?}: expected {expected}")));
            }
        }
        if statuses.iter().any(|status| status == "all") {
            statuses.clear();
        }
        let levels = split(&params.level, &words.levels);
        for level in &levels {
            level_number(level)?;
        }
        Ok(Wanted {
            statuses,
            levels,
            environments: split(&params.environment, &words.environments),
            frameworks: split(&params.framework, &words.frameworks),
            assigned: split(&params.assigned, &words.assigned),
        })
    }

    /// Whether items pass every filter, but one that is left out.
    pub fn passes(&self, kind: &Kind, but: Option<By>) -> bool {
        let filters = [
            (By::Status, &self.statuses),
            (By::Level, &self.levels),
            (By::Environment, &self.environments),
            (By::Framework, &self.frameworks),
            (By::Assigned, &self.assigned),
        ];
        let mut filters = filters.into_iter().filter(|(by, wanted)| Some(*by) != but && !wanted.is_empty());
        filters.all(|(by, wanted)| {
            let values = kind.values(by);
            wanted.iter().any(|wanted| match (by, wanted.as_str()) {
                (By::Assigned, "assigned") => kind.assigned.is_some(),
                (By::Assigned, "unassigned") => kind.assigned.is_none(),
                (_, wanted) => values.iter().any(|value| value.eq_ignore_ascii_case(wanted)),
            })
        })
    }

    /// Counts of items by each filter's values, with the other filters applied.
    pub fn facets(&self, kinds: &[Kind]) -> ErrorFacets {
        let counted = |by: By| {
            let mut counts: HashMap<&str, u64> = HashMap::new();
            for kind in kinds.iter().filter(|kind| kind.items > 0 && self.passes(kind, Some(by))) {
                for value in kind.values(by) {
                    *counts.entry(value).or_default() += kind.items;
                }
            }
            let mut told: Vec<AttributeValue> = counts
                .into_iter()
                .map(|(value, count)| AttributeValue { value: value.to_owned(), count: count as f64 })
                .collect();
            told.sort_by(|left, right| right.count.total_cmp(&left.count).then_with(|| left.value.cmp(&right.value)));
            told
        };
        ErrorFacets {
            status: counted(By::Status),
            level: counted(By::Level),
            environment: counted(By::Environment),
            framework: counted(By::Framework),
            assigned: counted(By::Assigned),
        }
    }

    /// How many items pass.
    pub fn total(&self, kinds: &[Kind]) -> u64 {
        kinds.iter().filter(|kind| self.passes(kind, None)).map(|kind| kind.items).sum()
    }
}

impl Kind {
    pub fn of(tally: ErrorItemTally, people: &[Person]) -> Kind {
        Kind {
            assigned: assigned(tally.assigned_user_id, tally.assigned_team_id, people),
            status: tally.status,
            level: tally.level,
            environments: tally.environments,
            framework: tally.framework,
            items: tally.items,
        }
    }

    fn values(&self, by: By) -> Vec<&str> {
        match by {
            By::Status => vec![&self.status],
            By::Level => vec![level_name(self.level)],
            By::Environment => self.environments.iter().map(String::as_str).filter(|name| !name.is_empty()).collect(),
            By::Framework => Some(self.framework.as_str()).filter(|name| !name.is_empty()).into_iter().collect(),
            By::Assigned => vec![self.assigned.as_deref().unwrap_or("unassigned")],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: &str, level: i64, environments: &[&str], assigned: Option<&str>, items: u64) -> Kind {
        Kind {
            status: status.into(),
            level,
            environments: environments.iter().map(|name| (*name).into()).collect(),
            framework: String::new(),
            assigned: assigned.map(str::to_owned),
            items,
        }
    }

    #[test]
    fn a_status_that_is_written_stands_for_those_that_are_chosen() {
        let statuses = |chosen: &str, q: &str| {
            let params: ErrorParams = serde_json::from_value(serde_json::json!({ "status": chosen, "q": q })).unwrap();
            Wanted::read(&params, &crate::api::errors::search::Search::read(q).items).unwrap().statuses
        };
        assert_eq!(statuses("active,muted", "words"), ["active", "muted"]);
        assert_eq!(statuses("active", "is:resolved words"), ["resolved"]);
        assert_eq!(statuses("all", "is:snoozed"), ["snoozed"]);
        assert!(statuses("active", "status:all").is_empty());
    }

    #[test]
    fn each_filter_counts_what_the_others_leave() {
        let kinds = [
            kind("active", 40, &["production", ""], None, 5),
            kind("active", 50, &["staging", "production"], Some("anna"), 2),
            kind("snoozed", 40, &["staging"], Some("ben"), 1),
        ];
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
        let told = |values: &[AttributeValue]| {
            values.iter().map(|value| format!("{} {}", value.value, value.count)).collect::<Vec<_>>().join(", ")
        };
        let wanted = Wanted { statuses: words(&["active"]), environments: words(&["Production"]), ..Wanted::default() };
        let facets = wanted.facets(&kinds);
        assert_eq!(wanted.total(&kinds), 7);
        assert_eq!(told(&facets.status), "active 7");
        assert_eq!(told(&facets.environment), "production 7, staging 2");
        assert_eq!(told(&facets.level), "error 5, critical 2");
        assert_eq!(told(&facets.assigned), "unassigned 5, anna 2");
        let total = |assigned: &[&str]| Wanted { assigned: words(assigned), ..Wanted::default() }.total(&kinds);
        assert_eq!([total(&["assigned"]), total(&["unassigned", "Ben"]), total(&["carl"])], [3, 6, 0]);
    }
}
