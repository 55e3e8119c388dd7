//! What a rule asks of an occurrence, as a condition of grouping rules over the payload with its item beside it.

use analysis::grouping::rules::{Defaults, RuleError, RuleText, Rules};
use serde_json::{Value, json};

use super::super::items::level_number;

/// How many within how many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub count: u64,
    pub window_seconds: i64,
}

/// Filters that can be used.
#[derive(Debug)]
pub struct Filters {
    rules: Rules,
    pub rate: Option<Rate>,
    /// How many people at least.
    pub people_min: Option<u64>,
}

const TYPES: &str = "environment, level, title, filename, context, method, framework, path, rate or unique_occurrences";
const SECONDS_DEFAULT: i64 = 300;

impl Filters {
    /// Refuses: types and operations that are unknown, values of the wrong kind.
    pub fn compile(filters: &[Value]) -> Result<Filters, String> {
        let (mut conditions, mut rate, mut people_min) = (Vec::new(), None, None);
        for (number, filter) in filters.iter().enumerate() {
            let wrong = |reason: String| format!("filter {}: {reason}", number + 1);
            let kind = filter.get("type").and_then(Value::as_str).unwrap_or_default();
            let whole = |name: &str| filter.get(name).and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()));
            match kind {
                "rate" => {
                    let window = whole("period").or_else(|| whole("window_size"));
                    let count = whole("count").or_else(|| whole("threshold")).ok_or_else(|| wrong("expected count".into()))?;
                    let window_seconds = window.and_then(|window| i64::try_from(window).ok()).unwrap_or(SECONDS_DEFAULT);
                    rate = Some(Rate { count, window_seconds: window_seconds.clamp(60, 86_400) });
                }
                "unique_occurrences" => {
                    people_min = Some(whole("value").or_else(|| whole("count")).ok_or_else(|| wrong("expected value".into()))?);
                }
                _ => conditions.push(condition(kind, filter).map_err(wrong)?),
            }
        }
        let text = RuleText { condition: json!({ "all": conditions }), title: Some("told".into()), ..RuleText::default() };
        let rules = Rules::compile(&[text]).map_err(|RuleError { place, reason }| format!("{place}: {reason}"))?;
        Ok(Filters { rules, rate, people_min })
    }

    /// `seen` is the payload, with `item_level`, `item_title` and `item_framework` beside it.
    pub fn hold(&self, seen: &Value) -> bool {
        self.rules.apply(seen, Defaults { fingerprint: "", title: "" }).is_some()
    }
}

fn condition(kind: &str, filter: &Value) -> Result<Value, String> {
    let named = filter.get("operation").and_then(Value::as_str).unwrap_or("eq");
    let mut value = filter.get("value").cloned().unwrap_or_default();
    let paths: Vec<String> = match kind {
        "environment" => vec!["environment".into()],
        "level" => {
            let text = value.as_str().map(str::to_owned).unwrap_or_else(|| value.to_string());
            value = level_number(&text).map_err(|_| format!("cannot read a level from {text:?}"))?.into();
            vec!["item_level".into()]
        }
        "title" => vec!["item_title".into()],
        "framework" => vec!["item_framework".into()],
        "context" => vec!["context".into()],
        "filename" | "method" => {
            vec![format!("body.trace.frames.*.{kind}"), format!("body.trace_chain.*.frames.*.{kind}")]
        }
        "path" => {
            let path = filter.get("path").and_then(Value::as_str).filter(|path| !path.is_empty());
            vec![path.ok_or("expected path")?.to_owned()]
        }
        other => return Err(format!("cannot read type from {other:?}: expected {TYPES}")),
    };
    let op = match named {
        "within" | "contains" => "contains",
        "nwithin" | "ncontains" => "ncontains",
        "regex" | "regex_match" => "regex_match",
        "startswith" => {
            let text = value.as_str().ok_or("expected a text as value")?;
            value = format!("^{}", regex::escape(text)).into();
            "regex_match"
        }
        "exists" => {
            value = Value::Null;
            "neq"
        }
        other => other,
    };
    let leaves: Vec<Value> = paths.iter().map(|path| json!({ "path": path, "op": op, "value": value })).collect();
    // What is denied must be nowhere.
    Ok(if op.starts_with('n') && op != "neq" || named == "neq" { json!({ "all": leaves }) } else { json!({ "any": leaves }) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_let_pass_what_they_say() {
        let seen = json!({
            "environment": "production", "item_level": 40, "item_title": "KeyError: 'cart'", "item_framework": "flask",
            "context": "GET /cart", "custom": {"tenant": "blue"},
            "body": {"trace": {"frames": [{"filename": "/app/shop.py", "method": "buy"}]}},
        });
        let cases = [
            (json!({"type": "environment", "operation": "eq", "value": "production"}), true),
            (json!({"type": "environment", "operation": "neq", "value": "production"}), false),
            (json!({"type": "level", "operation": "gte", "value": "warning"}), true),
            (json!({"type": "level", "operation": "gte", "value": "critical"}), false),
            (json!({"type": "level", "operation": "eq", "value": "error"}), true),
            (json!({"type": "title", "operation": "within", "value": "cart"}), true),
            (json!({"type": "title", "operation": "nwithin", "value": "cart"}), false),
            (json!({"type": "title", "operation": "regex", "value": "^Key"}), true),
            (json!({"type": "title", "operation": "startswith", "value": "Key"}), true),
            (json!({"type": "filename", "operation": "within", "value": "shop"}), true),
            (json!({"type": "method", "operation": "neq", "value": "buy"}), false),
            (json!({"type": "method", "operation": "eq", "value": "sell"}), false),
            (json!({"type": "context", "operation": "eq", "value": "GET /cart"}), true),
            (json!({"type": "framework", "operation": "eq", "value": "django"}), false),
            (json!({"type": "path", "path": "custom.tenant", "operation": "eq", "value": "blue"}), true),
            (json!({"type": "path", "path": "custom.nothing", "operation": "exists"}), false),
            (json!({"type": "rate", "period": 60, "count": 5}), true),
        ];
        for (filter, expected) in &cases {
            let filters = Filters::compile(std::slice::from_ref(filter)).unwrap();
            assert_eq!(filters.hold(&seen), *expected, "{filter}");
        }
        assert_eq!(Filters::compile(&[cases[16].0.clone()]).unwrap().rate, Some(Rate { count: 5, window_seconds: 60 }));
        for wrong in [
            json!({"type": "x"}),
            json!({"type": "level", "value": "loud"}),
            json!({"type": "title", "operation": "is", "value": 1}),
        ] {
            assert!(Filters::compile(&[wrong]).is_err());
        }
    }
}
