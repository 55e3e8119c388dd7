//! Which log groups an account policy is for: `LogGroupNamePrefix IN ["/aws/", "web"]`, `LogGroupName NOT IN ["audit"]`.
//!
//! Quirks:  data sources are AWS's own: a policy for one is for no group here

use serde_json::Value;

/// Names, or what names begin with, that a policy is for, or that it is not for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectionCriteria {
    pub by: By,
    pub is_negated: bool,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Name,
    NamePrefix,
    DataSource,
}

const KEYS: [(&str, By); 4] = [
    ("LogGroupNamePrefix", By::NamePrefix),
    ("LogGroupName", By::Name),
    ("DataSourceName", By::DataSource),
    ("DataSourceType", By::DataSource),
];

impl SelectionCriteria {
    /// Reads criteria; `None` for what is none.
    pub fn parse(text: &str) -> Option<SelectionCriteria> {
        let text = text.trim();
        let (key, by) = KEYS.into_iter().find(|(key, _)| text.starts_with(key))?;
        let rest = text[key.len()..].trim_start();
        if by == By::DataSource {
            return Some(SelectionCriteria { by, is_negated: false, values: Vec::new() });
        }
        let (is_negated, list) = match rest.strip_prefix("NOT ") {
            Some(rest) => (true, rest.trim_start().strip_prefix("IN")?),
            None => (false, rest.strip_prefix("IN").or_else(|| rest.strip_prefix('='))?),
        };
        let values = match serde_json::from_str(list.trim()).ok()? {
            Value::String(value) => vec![value],
            Value::Array(values) => values.into_iter().map(|value| Some(value.as_str()?.to_owned())).collect::<Option<_>>()?,
            _ => return None,
        };
        Some(SelectionCriteria { by, is_negated, values })
    }

    pub fn includes(&self, group: &str) -> bool {
        let is_named = |value: &String| match self.by {
            By::Name => group == value,
            By::NamePrefix => group.starts_with(value.as_str()),
            By::DataSource => false,
        };
        self.by != By::DataSource && self.values.iter().any(is_named) != self.is_negated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of three groups are meant.
    #[track_caller]
    fn check(text: &str, expected: Option<&[&str]>) {
        let criteria = SelectionCriteria::parse(text);
        let meant = criteria
            .map(|criteria| ["web", "web-2", "audit"].into_iter().filter(|group| criteria.includes(group)).collect::<Vec<_>>());
        assert_eq!(meant.as_deref(), expected, "{text}");
    }

    #[test]
    fn groups_are_meant_by_name_or_prefix() {
        check(r#"LogGroupName NOT IN ["web"]"#, Some(&["web-2", "audit"]));
        check(r#"LogGroupName NOT IN []"#, Some(&["web", "web-2", "audit"]));
        check(r#"LogGroupNamePrefix IN ["web", "x"]"#, Some(&["web", "web-2"]));
        check(r#" LogGroupNamePrefix  NOT  IN  ["web"]"#, Some(&["audit"]));
        check(r#"LogGroupNamePrefix = "a""#, Some(&["audit"]));
        check(r#"DataSourceName IN ["amazon_vpc"] AND DataSourceType IN ["flow"]"#, Some(&[]));
    }

    #[test]
    fn what_is_no_criteria_is_refused() {
        for text in ["", "LogGroupName", "LogGroupName NOT", "LogGroupName IN web", "LogGroupName IN [1]", r#"Tag IN ["a"]"#] {
            check(text, None);
        }
    }
}
