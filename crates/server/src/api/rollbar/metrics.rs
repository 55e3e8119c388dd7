//! Metrics: occurrences counted by time and by what they have in common, and how long items took to be resolved.
//!
//! A question is written as RQL and asked as that.
//!
//! Missing: aggregates other than counts of occurrences and of people
//! Quirks:  answers have their figures as `timepoints`, as Rollbar's page reads them, and as `columns` and `rows`

use metastore::{ErrorItemFilter, ErrorItemOrder, ItemStatus};
use serde_json::{Map, Value, json};

use super::PROJECT_ID;
use super::call::{Call, Told, Wrong, seconds, told};
use super::items::level_number;
use super::rql;
use crate::limits::{METRICS_ITEMS_MAX, ROLLBAR_RESOLVED_MAX};
use crate::now_unix_nano;

/// What a granularity is in seconds.
const GRANULARITIES: [(&str, i64); 4] = [("minute", 60), ("hour", 3_600), ("day", 86_400), ("week", 604_800)];

const DAY: i64 = 86_400;

/// Names that differ from RQL's.
const FIELDS: [(&str, &str); 8] = [
    ("item_id", "item.id"),
    ("item_counter", "item.counter"),
    ("item_level", "item.level"),
    ("item_status", "item.status"),
    ("item_title", "item.title"),
    ("ip_address", "client_ip"),
    ("person_id", "person.id"),
    ("method", "request.method"),
];

/// Operators, and what they are in RQL.
const OPERATORS: [(&str, &str); 6] = [("eq", "="), ("neq", "<>"), ("gt", ">"), ("gte", ">="), ("lt", "<"), ("lte", "<=")];

/// `POST /metrics/occurrences`.
pub(super) async fn occurrences(call: Call) -> Told {
    let question = Question::read(&call.members()?, seconds(now_unix_nano()))?;
    answer(&call, &question).await
}

/// `POST /metrics/items`: the same of some items, each apart.
pub(super) async fn items(call: Call) -> Told {
    let mut members = call.members()?;
    let ids = members.remove("item_ids").and_then(|ids| ids.as_array().cloned()).unwrap_or_default();
    if ids.is_empty() || ids.len() > METRICS_ITEMS_MAX || !ids.iter().all(Value::is_i64) {
        return Err(Wrong::invalid(format!("expected item_ids, a list of 1 to {METRICS_ITEMS_MAX} numbers")));
    }
    let mut question = Question::read(&members, seconds(now_unix_nano()))?;
    let listed: Vec<String> = ids.iter().map(Value::to_string).collect();
    question.conditions.push(format!("item.id IN ({})", listed.join(", ")));
    if !question.group_by.iter().any(|field| field == "item_id") {
        question.group_by.insert(0, "item_id".to_owned());
    }
    answer(&call, &question).await
}

async fn answer(call: &Call, question: &Question) -> Told {
    let query = question.rql();
    languages::rql::parse(&query).map_err(|error| Wrong::invalid(error.with_caret(&query)))?;
    let found = rql::run(&call.services, &query).await?;
    told(&question.told(found.rows))
}

/// What is counted.
#[derive(Debug, PartialEq)]
struct Question {
    start: i64,
    end: i64,
    granularity_seconds: Option<i64>,
    group_by: Vec<String>,
    /// In RQL.
    conditions: Vec<String>,
}

/// What each row ends with.
const COUNTS: [(&str, &str); 2] = [("occurrence_count", "count(*)"), ("person_count", "count_distinct(person.id)")];

impl Question {
    /// By default of the last day.
    fn read(members: &Map<String, Value>, now: i64) -> Result<Question, Wrong> {
        let time = |name: &str| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_i64() {
                Some(time) if time >= 0 => Ok(Some(time)),
                _ => Err(Wrong::invalid(format!("cannot read {name} from {value}: expected seconds since 1970"))),
            },
        };
        let end = time("end_time")?.unwrap_or(now + 1);
        let start = time("start_time")?.unwrap_or(end - DAY);
        if start >= end {
            return Err(Wrong::invalid("expected start_time before end_time"));
        }
        let granularity_seconds = match members.get("granularity") {
            None | Some(Value::Null) => None,
            Some(named) => {
                let found = GRANULARITIES.iter().find(|(name, _)| Some(*name) == named.as_str());
                Some(found.ok_or_else(|| Wrong::invalid("granularity: expected minute, hour, day or week"))?.1)
            }
        };
        let group_by =
            list(members, "group_by")?.iter().map(|field| Ok(field_name(field)?.to_owned())).collect::<Result<_, Wrong>>()?;
        let conditions = list(members, "filters")?.iter().map(condition).collect::<Result<_, Wrong>>()?;
        Ok(Question { start, end, granularity_seconds, group_by, conditions })
    }

    fn rql(&self) -> String {
        let time = self.granularity_seconds.map(|size| format!("timestamp DIV {size}"));
        let mut columns: Vec<String> = time.into_iter().chain(self.group_by.iter().map(|field| column(field))).collect();
        let groups: Vec<String> = (1..=columns.len()).map(|place| place.to_string()).collect();
        columns.extend(COUNTS.map(|(_, aggregate)| aggregate.to_owned()));
        let mut conditions = vec![format!("timestamp >= {} AND timestamp < {}", self.start, self.end)];
        conditions.extend(self.conditions.iter().cloned());
        let mut query = format!("SELECT {} FROM item_occurrence WHERE {}", columns.join(", "), conditions.join(" AND "));
        if !groups.is_empty() {
            query.push_str(&format!(" GROUP BY {0} ORDER BY {0}", groups.join(", ")));
        }
        query + " LIMIT 1000"
    }

    fn told(&self, rows: Vec<Vec<Value>>) -> Value {
        let names: Vec<&str> = self.group_by.iter().map(String::as_str).chain(COUNTS.map(|(name, _)| name)).collect();
        let mut timepoints: Vec<(i64, Vec<Value>)> = Vec::new();
        let mut plain = Vec::new();
        for mut row in rows {
            let at = match self.granularity_seconds {
                None => self.start,
                Some(size) => row.remove(0).as_i64().unwrap_or_default() * size,
            };
            let fields: Vec<Value> =
                names.iter().zip(&row).map(|(field, value)| json!({ "field": field, "value": value })).collect();
            match timepoints.last_mut() {
                Some((last, rows)) if *last == at => rows.push(fields.into()),
                _ => timepoints.push((at, vec![fields.into()])),
            }
            plain.push(std::iter::once(Value::from(at)).chain(row).collect::<Vec<Value>>());
        }
        let timepoints: Vec<Value> =
            timepoints.into_iter().map(|(at, rows)| json!({ "timestamp": at, "metrics_rows": rows })).collect();
        let columns: Vec<&str> = std::iter::once("timestamp").chain(names).collect();
        json!({ "timepoints": timepoints, "columns": columns, "rows": plain })
    }
}

/// `{"field", "operator", "value"}`, or `values` of which one is enough.
fn condition(filter: &Value) -> Result<String, Wrong> {
    let field = column(field_name(filter.get("field").unwrap_or(&Value::Null))?);
    let values = match (filter.get("values").and_then(Value::as_array), filter.get("value")) {
        (Some(values), _) => values.clone(),
        (None, Some(Value::Array(values))) => values.clone(),
        (None, Some(value)) => vec![value.clone()],
        (None, None) => Vec::new(),
    };
    let values: Vec<String> = values.iter().map(|value| literal(&field, value)).collect::<Result<_, Wrong>>()?;
    let named = filter.get("operator").or_else(|| filter.get("op")).and_then(Value::as_str).unwrap_or("eq");
    match (named, values.as_slice()) {
        (_, []) => Err(Wrong::invalid("a filter has field, operator and value, or values")),
        ("in", values) => Ok(format!("{field} IN ({})", values.join(", "))),
        ("nin", values) => Ok(format!("{field} NOT IN ({})", values.join(", "))),
        ("eq", values) if values.len() > 1 => Ok(format!("{field} IN ({})", values.join(", "))),
        (named, [value]) => {
            let operator = OPERATORS.iter().find(|(name, _)| *name == named);
            let (_, operator) = operator.ok_or_else(|| Wrong::invalid(format!("cannot read operator from {named:?}")))?;
            Ok(format!("{field} {operator} {value}"))
        }
        (named, _) => Err(Wrong::invalid(format!("operator {named} takes one value"))),
    }
}

/// A name that can stand in a query.
fn field_name(field: &Value) -> Result<&str, Wrong> {
    let is_name =
        |name: &&str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    field.as_str().filter(is_name).ok_or_else(|| Wrong::invalid(format!("cannot read a field from {field}")))
}

fn column(field: &str) -> String {
    let known = FIELDS.iter().find(|(name, _)| *name == field).map_or(field, |(_, column)| column);
    if known.starts_with("item.") { known.to_owned() } else { format!("`{known}`") }
}

fn literal(field: &str, value: &Value) -> Result<String, Wrong> {
    match value {
        Value::String(level) if field == "item.level" => Ok(level_number(level)?.to_string()),
        Value::String(text) => Ok(format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(Wrong::invalid(format!("cannot read a value from {other}: expected a text or a number"))),
    }
}

fn list<'m>(members: &'m Map<String, Value>, name: &str) -> Result<&'m [Value], Wrong> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(other) => Err(Wrong::invalid(format!("cannot read {name} from {other}: expected a list"))),
    }
}

/// `POST /metrics/ttr`: how long items that were resolved in a time had been active.
pub(super) async fn time_to_resolution(call: Call) -> Told {
    let members = call.members()?;
    let now = seconds(now_unix_nano());
    let Question { start, end, .. } =
        Question::read(&Map::from_iter(members.clone().into_iter().filter(|(name, _)| name.ends_with("_time"))), now)?;
    let texts = |name: &str| -> Result<Vec<String>, Wrong> {
        Ok(list(&members, name)?.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    };
    let levels = texts("levels")?.iter().map(|level| level_number(level)).collect::<Result<_, Wrong>>()?;
    let filter = ErrorItemFilter {
        statuses: vec![ItemStatus::Resolved],
        environments: texts("environments")?,
        frameworks: texts("frameworks")?,
        levels,
        ..ErrorItemFilter::default()
    };
    call.up_to_date().await?;
    let metastore = &call.services.metastore;
    let items = metastore.error_items(call.project(), &filter, ErrorItemOrder::LastSeen, 0, ROLLBAR_RESOLVED_MAX).await?;
    let mut took: Vec<i64> = items
        .iter()
        .filter_map(|item| Some((seconds(item.resolved_at_unix_nano?), seconds(item.last_activated_at_unix_nano))))
        .filter(|(resolved, _)| (start..end).contains(resolved))
        .map(|(resolved, activated)| (resolved - activated).max(0))
        .collect();
    took.sort_unstable();
    let mean = took.iter().sum::<i64>().checked_div(i64::try_from(took.len()).unwrap_or(i64::MAX));
    told(&json!({
        "columns": ["project_id", "resolved_items", "average_seconds", "median_seconds"],
        "rows": [[PROJECT_ID, took.len(), mean, took.get(took.len() / 2)]],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Result<Question, Wrong> {
        Question::read(body.as_object().unwrap(), 100_000)
    }

    #[test]
    fn a_question_is_written_as_rql() {
        let cases = [
            (
                json!({}),
                "SELECT count(*), count_distinct(person.id) FROM item_occurrence WHERE timestamp >= 13601 AND timestamp < 100001 LIMIT 1000",
            ),
            (
                json!({"start_time": 1, "end_time": 9, "granularity": "hour", "group_by": ["environment", "item_id"], "filters": [
                    {"field": "environment", "operator": "eq", "values": ["a'b", "c"]}, {"field": "item_level", "operator": "gte", "value": "error"}
                ]}),
                "SELECT timestamp DIV 3600, `environment`, item.id, count(*), count_distinct(person.id) FROM item_occurrence \
                 WHERE timestamp >= 1 AND timestamp < 9 AND `environment` IN ('a\\'b', 'c') AND item.level >= 40 \
                 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT 1000",
            ),
        ];
        for (body, expected) in cases {
            let query = read(body).unwrap().rql();
            assert_eq!(query, expected);
            languages::rql::parse(&query).unwrap();
        }
        for wrong in [
            json!({"start_time": 5, "end_time": 5}),
            json!({"start_time": "yesterday"}),
            json!({"granularity": "moon"}),
            json!({"group_by": ["a b"]}),
            json!({"group_by": "environment"}),
            json!({"filters": [{"field": "level"}]}),
            json!({"filters": [{"field": "level", "operator": "like", "value": "x"}]}),
            json!({"filters": [{"field": "level", "operator": "gt", "values": [1, 2]}]}),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rows_of_one_time_are_told_together() {
        let question = read(json!({"granularity": "day", "group_by": ["environment"]})).unwrap();
        let told = question.told(vec![
            vec![json!(1), json!("a"), json!(5), json!(1)],
            vec![json!(1), json!("b"), json!(2), json!(0)],
            vec![json!(2), json!("a"), json!(1), json!(1)],
        ]);
        let times: Vec<_> = told["timepoints"].as_array().unwrap().iter().map(|point| point["timestamp"].clone()).collect();
        assert_eq!(times, [json!(86_400), json!(172_800)]);
        assert_eq!(told["timepoints"][0]["metrics_rows"][1][1], json!({"field": "occurrence_count", "value": 2}));
        assert_eq!(told["columns"], json!(["timestamp", "environment", "occurrence_count", "person_count"]));
        assert_eq!(told["rows"][2], json!([172_800, "a", 1, 1]));
    }
}
