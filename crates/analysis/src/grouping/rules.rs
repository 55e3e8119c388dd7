//! Custom rules of grouping: in order, the first whose condition an occurrence meets says what it is grouped by and called.
//!
//! The form is Rollbar's: `[{"condition": …, "fingerprint": …, "title": …}]`. A condition is `{"path", "op", "value"}` or one of
//! `{"any": […]}`, `{"all": […]}`, `{"none": […]}`. A path leads into the payload: members by their names, elements by their
//! places (`-1` the last), `*` for all of them. Fingerprint and title are templates over the same paths.
//!
//! Quirks: with `*`, one value that does is enough, and `neq`, `nin` and `ncontains` ask that none does what they deny; a
//!         template's place that the payload lacks is empty; a rule whose fingerprint comes out empty leaves the default

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Rules of a project; each is tried on every error that comes in.
pub const RULES_MAX: usize = 200;

/// Conditions within one another.
const DEPTH_MAX: usize = 8;

/// Leaves of all conditions of a rule.
const LEAVES_MAX: usize = 100;

/// Values that a path with `*` may lead to.
const VALUES_MAX: usize = 1_000;

/// Bytes of a compiled expression; a sane one takes some kilobytes.
const EXPRESSION_BYTES_MAX: usize = 256 * 1024;

/// Characters of a template.
const TEMPLATE_CHARS_MAX: usize = 1_000;

/// What names an item in a fingerprint, before its counter.
pub const GROUP_ITEM: &str = "group-item-";

/// A rule as it is written and kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleText {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub condition: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// Rules that can be used.
#[derive(Debug, Default)]
pub struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    condition: Condition,
    fingerprint: Option<String>,
    title: Option<String>,
}

#[derive(Debug)]
enum Condition {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    None(Vec<Condition>),
    Leaf { path: Vec<String>, op: Op },
}

#[derive(Debug)]
enum Op {
    Eq(Value),
    Neq(Value),
    In(Vec<Value>),
    Nin(Vec<Value>),
    Contains(String),
    Ncontains(String),
    Gt(Value),
    Gte(Value),
    Lt(Value),
    Lte(Value),
    RegexMatch(Regex),
}

/// Why rules cannot be used, with the place: `rule 2: condition.any[0].op: …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct RuleError {
    pub place: String,
    pub reason: String,
}

/// What the first rule that holds says of an occurrence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruled {
    /// Which rule, counted from none.
    pub rule: usize,
    pub fingerprint: Option<String>,
    pub title: Option<String>,
}

/// What an occurrence would be without rules.
#[derive(Clone, Copy, Debug)]
pub struct Defaults<'a> {
    pub fingerprint: &'a str,
    pub title: &'a str,
}

impl Rules {
    /// Refuses: too many rules; unknown operators; values of the wrong kind; expressions that cannot be compiled; a rule that
    /// says nothing.
    pub fn compile(texts: &[RuleText]) -> Result<Rules, RuleError> {
        if texts.len() > RULES_MAX {
            return Err(wrong("rules", format!("expected at most {RULES_MAX}, found {}", texts.len())));
        }
        let rules = texts.iter().enumerate().map(|(number, text)| Rule::compile(text, &format!("rule {}", number + 1)));
        Ok(Rules(rules.collect::<Result<_, _>>()?))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first rule that holds for a payload.
    pub fn apply(&self, payload: &Value, defaults: Defaults<'_>) -> Option<Ruled> {
        let (number, rule) = self.0.iter().enumerate().find(|(_, rule)| rule.condition.holds(payload, defaults))?;
        let filled = |template: &Option<String>| {
            let text = fill(template.as_deref()?, payload, defaults);
            Some(text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        let fingerprint = filled(&rule.fingerprint).map(|text| super::client_fingerprint(&text));
        Some(Ruled { rule: number, fingerprint, title: filled(&rule.title) })
    }
}

fn wrong(place: &str, reason: impl Into<String>) -> RuleError {
    RuleError { place: place.to_owned(), reason: reason.into() }
}

impl Rule {
    fn compile(text: &RuleText, place: &str) -> Result<Rule, RuleError> {
        let templates = [("fingerprint", &text.fingerprint), ("title", &text.title)];
        for (name, template) in templates {
            if template.as_ref().is_some_and(|template| template.chars().count() > TEMPLATE_CHARS_MAX) {
                return Err(wrong(&format!("{place}: {name}"), format!("expected at most {TEMPLATE_CHARS_MAX} characters")));
            }
        }
        if text.fingerprint.is_none() && text.title.is_none() {
            return Err(wrong(place, "expected a fingerprint or a title"));
        }
        let mut leaves = 0;
        let condition = Condition::compile(&text.condition, &format!("{place}: condition"), DEPTH_MAX, &mut leaves)?;
        Ok(Rule { condition, fingerprint: text.fingerprint.clone(), title: text.title.clone() })
    }
}

impl Condition {
    fn compile(json: &Value, place: &str, depth: usize, leaves: &mut usize) -> Result<Condition, RuleError> {
        let Some(members) = json.as_object() else { return Err(wrong(place, "expected an object")) };
        if depth == 0 {
            return Err(wrong(place, format!("expected at most {DEPTH_MAX} conditions within one another")));
        }
        for (name, make) in [("any", Condition::Any as fn(_) -> _), ("all", Condition::All), ("none", Condition::None)] {
            let Some(inner) = members.get(name) else { continue };
            let place = format!("{place}.{name}");
            let Some(inner) = inner.as_array() else { return Err(wrong(&place, "expected a list of conditions")) };
            let inner = inner.iter().enumerate();
            let inner = inner.map(|(number, json)| Condition::compile(json, &format!("{place}[{number}]"), depth - 1, leaves));
            return Ok(make(inner.collect::<Result<_, _>>()?));
        }
        *leaves += 1;
        if *leaves > LEAVES_MAX {
            return Err(wrong(place, format!("expected at most {LEAVES_MAX} comparisons")));
        }
        let text = |name: &str| {
            let found = members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            found.ok_or_else(|| wrong(&format!("{place}.{name}"), "expected a text"))
        };
        let path = text("path")?.split('.').map(str::to_owned).collect();
        // `{"path": …, "eq": …}` is an older way to write it.
        let (op, value) = match members.get("op") {
            Some(_) => (text("op")?, members.get("value").cloned().unwrap_or(Value::Null)),
            None => {
                let found = members.iter().find(|(name, _)| !matches!(name.as_str(), "path" | "value"));
                found
                    .map(|(name, value)| (name.as_str(), value.clone()))
                    .ok_or_else(|| wrong(&format!("{place}.op"), OPERATORS))?
            }
        };
        Ok(Condition::Leaf { path, op: Op::compile(op, value, place)? })
    }

    fn holds(&self, payload: &Value, defaults: Defaults<'_>) -> bool {
        match self {
            Condition::Any(inner) => inner.iter().any(|condition| condition.holds(payload, defaults)),
            Condition::All(inner) => inner.iter().all(|condition| condition.holds(payload, defaults)),
            Condition::None(inner) => !inner.iter().any(|condition| condition.holds(payload, defaults)),
            Condition::Leaf { path, op } => {
                let found = match path.as_slice() {
                    [name] if name == "default_fingerprint" => vec![json!(defaults.fingerprint)],
                    [name] if name == "default_title" => vec![json!(defaults.title)],
                    path => values_at(payload, path).into_iter().cloned().collect(),
                };
                op.holds(&found)
            }
        }
    }
}

const OPERATORS: &str = "expected one of eq, neq, in, nin, contains, ncontains, gt, gte, lt, lte, regex_match";

impl Op {
    fn compile(name: &str, value: Value, place: &str) -> Result<Op, RuleError> {
        let of_value = |reason: String| wrong(&format!("{place}.value"), reason);
        let text = || text_of(&value).ok_or_else(|| of_value("expected a text or a number".to_owned()));
        let list = || value.as_array().cloned().ok_or_else(|| of_value("expected a list".to_owned()));
        let bound = || if value.is_number() || value.is_string() { Ok(value.clone()) } else { text().map(Value::String) };
        Ok(match name {
            "eq" => Op::Eq(value),
            "neq" => Op::Neq(value),
            "in" => Op::In(list()?),
            "nin" => Op::Nin(list()?),
            "contains" => Op::Contains(text()?),
            "ncontains" => Op::Ncontains(text()?),
            "gt" => Op::Gt(bound()?),
            "gte" => Op::Gte(bound()?),
            "lt" => Op::Lt(bound()?),
            "lte" => Op::Lte(bound()?),
            "regex_match" => {
                let built = RegexBuilder::new(&text()?).size_limit(EXPRESSION_BYTES_MAX).build();
                Op::RegexMatch(built.map_err(|error| of_value(error.to_string()))?)
            }
            _ => return Err(wrong(&format!("{place}.op"), OPERATORS)),
        })
    }

    /// Whether the values at a path are such; denials hold where there is none.
    fn holds(&self, found: &[Value]) -> bool {
        match self {
            Op::Eq(value) if value.is_null() => found.iter().all(Value::is_null),
            Op::Neq(value) if value.is_null() => found.iter().any(|found| !found.is_null()),
            Op::Eq(value) => found.iter().any(|found| is_same(found, value)),
            Op::Neq(value) => !found.iter().any(|found| is_same(found, value)),
            Op::In(values) => found.iter().any(|found| values.iter().any(|value| is_same(found, value))),
            Op::Nin(values) => !found.iter().any(|found| values.iter().any(|value| is_same(found, value))),
            Op::Contains(text) => found.iter().any(|found| has(found, text)),
            Op::Ncontains(text) => !found.iter().any(|found| has(found, text)),
            Op::Gt(value) => found.iter().any(|found| compare(found, value).is_some_and(std::cmp::Ordering::is_gt)),
            Op::Gte(value) => found.iter().any(|found| compare(found, value).is_some_and(std::cmp::Ordering::is_ge)),
            Op::Lt(value) => found.iter().any(|found| compare(found, value).is_some_and(std::cmp::Ordering::is_lt)),
            Op::Lte(value) => found.iter().any(|found| compare(found, value).is_some_and(std::cmp::Ordering::is_le)),
            Op::RegexMatch(regex) => found.iter().filter_map(text_of).any(|text| regex.is_match(&text)),
        }
    }
}

/// Numbers are the same in any spelling; a text may stand for a number or a truth.
fn is_same(found: &Value, value: &Value) -> bool {
    match (number_of(found), number_of(value)) {
        (Some(left), Some(right)) if found.is_number() || value.is_number() => left == right,
        _ => text_of(found).is_some() && text_of(found) == text_of(value),
    }
}

/// A text that has another in it, a list that has the value, an object that has the member.
fn has(found: &Value, text: &str) -> bool {
    match found {
        Value::Array(items) => items.iter().any(|item| text_of(item).as_deref() == Some(text)),
        Value::Object(members) => members.contains_key(text),
        found => text_of(found).is_some_and(|found| found.contains(text)),
    }
}

/// As numbers where both are, as texts where both are.
fn compare(found: &Value, value: &Value) -> Option<std::cmp::Ordering> {
    match (number_of(found), number_of(value)) {
        (Some(left), Some(right)) => left.partial_cmp(&right),
        _ => Some(found.as_str()?.cmp(value.as_str()?)),
    }
}

fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// The values that a path leads to. A member's name may have dots in it, and `data` in front of a path means the payload.
pub fn values_at<'p>(payload: &'p Value, path: &[String]) -> Vec<&'p Value> {
    let mut out = Vec::new();
    collect(payload, path, &mut out);
    if out.is_empty()
        && let [first, rest @ ..] = path
        && first == "data"
        && !rest.is_empty()
    {
        collect(payload, rest, &mut out);
    }
    out
}

fn collect<'p>(at: &'p Value, path: &[String], out: &mut Vec<&'p Value>) {
    if out.len() >= VALUES_MAX {
        return;
    }
    let Some((first, rest)) = path.split_first() else { return out.push(at) };
    match at {
        Value::Object(members) if first == "*" => members.values().for_each(|inner| collect(inner, rest, out)),
        Value::Array(items) if first == "*" => items.iter().for_each(|inner| collect(inner, rest, out)),
        Value::Object(members) => {
            for length in 1..=path.len() {
                if let Some(inner) = members.get(&path[..length].join(".")) {
                    return collect(inner, &path[length..], out);
                }
            }
        }
        Value::Array(items) => {
            let place = first
                .parse::<i64>()
                .ok()
                .and_then(|place| usize::try_from(if place < 0 { place + items.len() as i64 } else { place }).ok());
            if let Some(inner) = place.and_then(|place| items.get(place)) {
                collect(inner, rest, out);
            }
        }
        _ => {}
    }
}

/// A template with its `{{places}}` filled.
fn fill(template: &str, payload: &Value, defaults: Defaults<'_>) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((place, behind)) = after.split_once("}}") else { break };
        out.push_str(before);
        match place.trim() {
            "default_fingerprint" => out.push_str(defaults.fingerprint),
            "default_title" => out.push_str(defaults.title),
            place => {
                let path: Vec<String> = place.split('.').map(str::to_owned).collect();
                let found: Vec<String> = values_at(payload, &path).into_iter().map(printed).collect();
                out.push_str(&found.join(", "));
            }
        }
        rest = behind;
    }
    out + rest
}

fn printed(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        value => text_of(value).unwrap_or_else(|| value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// `fixtures/grouping/rules.md`: a payload, then rules, each followed by what they say of it.
    #[test]
    fn the_manual_is_true() {
        let path = "../../fixtures/grouping/rules.md";
        let found = std::fs::read_to_string(path).unwrap();
        let (mut payload, mut out, mut cases) = (Value::Null, String::new(), 0);
        let mut lines = found.lines();
        while let Some(line) = lines.next() {
            let Some(tag) = line.strip_prefix("```") else {
                writeln!(out, "{line}").unwrap();
                continue;
            };
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let body = body.join("\n");
            match tag {
                "payload" => payload = serde_json::from_str(&body).unwrap(),
                "rules" => cases += 1,
                _ => continue,
            }
            writeln!(out, "```{tag}\n{body}\n```").unwrap();
            if tag == "rules" {
                let (tag, answer) = said(&body, &payload);
                writeln!(out, "```{tag}\n{answer}\n```").unwrap();
            }
        }
        let update = std::env::var_os("UPDATE_EXPECT").is_some();
        if update && out != found {
            std::fs::write(path, &out).unwrap();
        }
        let differs = out.lines().zip(found.lines()).find(|(left, right)| left != right);
        assert!(update || out == found, "run and file differ: {differs:?}");
        assert!(cases >= 40, "{cases} cases");
    }

    fn said(rules: &str, payload: &Value) -> (&'static str, String) {
        let texts: Vec<RuleText> = match serde_json::from_str(rules) {
            Ok(texts) => texts,
            Err(error) => return ("error", error.to_string()),
        };
        let defaults = Defaults { fingerprint: "02abc", title: "TimeoutError: after 30 s" };
        match Rules::compile(&texts).map(|rules| rules.apply(payload, defaults)) {
            Err(error) => ("error", error.to_string()),
            Ok(None) => ("answer", "no rule".to_owned()),
            Ok(Some(Ruled { rule, fingerprint, title })) => {
                let told = |value: Option<String>| value.unwrap_or_else(|| "as before".to_owned());
                ("answer", format!("rule {}: fingerprint {}; title {}", rule + 1, told(fingerprint), told(title)))
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(path in "[a-b*.0-9-]{0,12}", op in "(eq|neq|in|nin|contains|gt|lte|regex_match|x)", value in "\\PC{0,8}", template in "(\\{\\{|\\}\\}|[a-b.*]|\\PC){0,12}") {
            let text = RuleText { condition: json!({"path": path, "op": op, "value": value}), title: Some(template), ..RuleText::default() };
            if let Ok(rules) = Rules::compile(&[text]) {
                let payload = json!({"a": [{"b": 1}, {"b": "x", "a.b": null}], "b": {"a": [1, 2]}});
                let _ = rules.apply(&payload, Defaults { fingerprint: "f", title: "t" });
            }
        }
    }
}
