//! RQL over rows, half of them in parts, and occurrences by their numbers.

use engine::ask::occurrences::OccurrenceFilter;
use engine::ask::rql::RqlItem;
use model::{Attribute, Exception, LogRecord, RowSink, Value};
use serde_json::json;
use store::TimeRange;

use crate::stage::{SECOND, START, Stage, log, stage};

const NOW: i64 = START / SECOND + 600;

/// Twenty occurrences of two errors, a second apart; every fourth is of the second error.
async fn occurrences() -> Stage {
    let stage = stage().await;
    for number in 0..20_i64 {
        let rare = number % 4 == 0;
        let source =
            json!({"data": {"custom": {"amount": number, "tags": ["a", "b"]}, "request": {"headers": {"User-Agent": "x"}}}});
        let source = source.to_string();
        let uuid = format!("u{number}");
        let attributes = [
            Attribute::str("rollbar.uuid", &*uuid),
            Attribute::new("user.id", Value::Int(number % 3)),
            Attribute::str("deployment.environment.name", if number < 10 { "staging" } else { "production" }),
        ];
        let exception = Exception {
            r#type: if rare { "KeyError" } else { "ValueError" }.into(),
            message: "no".into(),
            group: Some(if rare { "rare" } else { "usual" }.into()),
            ..Exception::default()
        };
        let record = LogRecord {
            severity_number: if rare { 21 } else { 17 },
            exception: Some(exception),
            source: Some(&source),
            attributes: &attributes,
            sample_rate: if number == 19 { 3.0 } else { 1.0 },
            ..log(number, "E: no")
        };
        stage.append(|rows| rows.log(&record)).await;
        if number == 9 {
            stage.store.flush().await.unwrap();
        }
    }
    stage.append(|rows| rows.log(&log(30, "no error"))).await;
    stage
}

fn items() -> Vec<RqlItem> {
    let item = |group: &str, counter: i64, status: &str| RqlItem {
        groups: vec![group.to_owned()],
        members: [("item.counter", json!(counter)), ("item.status", json!(status)), ("item.title", json!(group))]
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect(),
    };
    vec![item("usual", 1, "active"), item("rare", 2, "resolved")]
}

async fn ask(stage: &Stage, query: &str) -> serde_json::Value {
    match stage.asker.rql(query, &items(), NOW).await {
        Ok(answer) => json!(answer.rows),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn questions_get_their_answers() {
    let stage = occurrences().await;
    let cases = [
        ("SELECT count(*) FROM item_occurrence", json!([[22]])),
        (
            "SELECT level, count(*) FROM item_occurrence GROUP BY level ORDER BY count(*) DESC",
            json!([["error", 17], ["critical", 5]]),
        ),
        ("SELECT item.counter, count(*) AS n FROM item_occurrence GROUP BY 1 ORDER BY n", json!([[2, 5], [1, 17]])),
        ("SELECT count(*) FROM item_occurrence WHERE item.status = 'active' AND environment = 'staging'", json!([[7]])),
        ("SELECT uuid FROM item_occurrence WHERE custom.amount > 17 ORDER BY timestamp DESC", json!([["u19"], ["u18"]])),
        ("SELECT uuid FROM item_occurrence WHERE custom.amount IN (3, 4) ORDER BY 1", json!([["u3"], ["u4"]])),
        ("SELECT `custom.tags.-1`, `request.headers.User-Agent` FROM item_occurrence LIMIT 1", json!([["b", "x"]])),
        (
            "SELECT count_distinct(person.id), min(custom.amount), max(timestamp) - min(timestamp) FROM item_occurrence WHERE person.id < 2",
            json!([[2, "0", 19.0]]),
        ),
        (
            "SELECT sum(custom.amount), avg(custom.amount) FROM item_occurrence WHERE custom.amount BETWEEN 1 AND 3",
            json!([[6.0, 2.0]]),
        ),
        ("SELECT count(*) FROM item_occurrence WHERE timestamp < 0", json!([[0]])),
        ("SELECT count(*) * 2, 7 DIV 2, 7 MOD 4, 1 / 0 FROM item_occurrence", json!([[44.0, 3, 3.0, null]])),
        ("SELECT count(*) FROM item_occurrence WHERE timestamp >= unix_timestamp() - 585", json!([[7]])),
        (
            "SELECT concat(level, '!'), left(uuid, 1), locate('9', uuid), char_length(uuid) FROM item_occurrence WHERE uuid = 'u9'",
            json!([["error!", "u", 2, 2]]),
        ),
        ("SELECT count(*) FROM item_occurrence WHERE body.trace.exception.class LIKE 'Key%'", json!([[5]])),
        ("SELECT count(*) FROM item_occurrence WHERE nothing.here IS NULL", json!([[22]])),
        (
            "SELECT lower(environment), count(*) FROM item_occurrence GROUP BY environment ORDER BY 1",
            json!([["production", 12], ["staging", 10]]),
        ),
        (
            "SELECT upper(level) AS l, count(*) FROM item_occurrence GROUP BY l ORDER BY l",
            json!([["CRITICAL", 5], ["ERROR", 17]]),
        ),
        ("SELECT count(*) FROM deploy", json!([[0]])),
    ];
    for (query, expected) in cases {
        assert_eq!(ask(&stage, query).await, expected, "{query}");
    }
    let whole = stage.asker.rql("SELECT * FROM item_occurrence LIMIT 3", &items(), NOW).await.unwrap();
    assert_eq!((whole.rows.len(), whole.columns.len()), (3, whole.rows[0].len()));
    let error = stage.asker.rql("SELECT x FROM nothing", &[], NOW).await.unwrap_err();
    assert!(error.to_string().contains('^'), "{error}");
}

/// `fixtures/queries/rql/answers/`: what there is, and each question followed by its answer.
#[tokio::test]
async fn the_manual_is_true() {
    let path = std::path::Path::new("../../fixtures/queries/rql/answers/answers.md");
    let found = std::fs::read_to_string(path).unwrap();
    let (mut stage, mut items, mut out, mut cases) = (stage().await, Vec::new(), String::new(), 0);
    let mut lines = found.lines();
    while let Some(line) = lines.next() {
        let Some(tag) = line.strip_prefix("```") else {
            out += &format!("{line}\n");
            continue;
        };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let json = || body.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        if matches!(tag, "answer" | "error") {
            continue;
        }
        out += &format!("```{tag}\n{}\n```\n", body.join("\n"));
        match tag {
            "occurrences" => stage = written(json().collect()).await,
            "items" => items = json().map(item_told).collect(),
            "deploys" => {
                for deploy in json() {
                    announced(&stage, &deploy).await;
                }
            }
            "rql" => {
                cases += 1;
                let (tag, told) = match stage.asker.rql(&body.join("\n"), &items, NOW).await {
                    Ok(answer) => {
                        let rows = answer.rows.iter().map(|row| json!(row).to_string());
                        ("answer", std::iter::once(answer.columns.join(", ")).chain(rows).collect::<Vec<_>>().join("\n"))
                    }
                    Err(error) => ("error", error.to_string()),
                };
                out += &format!("```{tag}\n{told}\n```\n");
            }
            other => panic!("no block is called {other}"),
        }
    }
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    if update && out != found {
        std::fs::write(path, &out).unwrap();
    }
    let differs = out.lines().zip(found.lines()).find(|(left, right)| left != right);
    assert!(update || out == found, "run and file differ: {differs:?}");
    assert!(cases >= 80, "{cases} cases");
}

fn item_told(told: serde_json::Value) -> RqlItem {
    let serde_json::Value::Object(mut members) = told else { panic!("{told}") };
    let groups = members.remove("groups").unwrap();
    RqlItem { groups: serde_json::from_value(groups).unwrap(), members }
}

/// Occurrences as the receiver of Rollbar's items tells them.
async fn written(told: Vec<serde_json::Value>) -> Stage {
    let stage = stage().await;
    let half = told.len() / 2;
    for (number, told) in told.iter().enumerate() {
        let text = |key: &str| told[key].as_str().unwrap_or_default();
        let mut data = told.clone();
        data["client"] = json!({"javascript": {"browser": told["browser"]}});
        let source = json!({ "data": data }).to_string();
        let mut attributes = vec![Attribute::str("rollbar.uuid", text("uuid"))];
        attributes.extend(told["person"].as_i64().map(|person| Attribute::new("user.id", Value::Int(person))));
        let named = [
            ("environment", "deployment.environment.name"),
            ("code_version", "service.version"),
            ("host", "host.name"),
            ("framework", "rollbar.framework"),
            ("context", "rollbar.context"),
        ];
        attributes.extend(
            named.into_iter().filter(|(key, _)| told[*key].is_string()).map(|(key, name)| Attribute::str(name, text(key))),
        );
        let exception = Exception {
            r#type: text("class").into(),
            message: text("message").into(),
            group: Some(text("group").into()),
            ..Exception::default()
        };
        let severity_number = match text("level") {
            "critical" => 21,
            "warning" => 13,
            "info" => 9,
            "debug" => 5,
            _ => 17,
        };
        let record = LogRecord {
            severity_number,
            exception: Some(exception),
            source: Some(&source),
            attributes: &attributes,
            sample_rate: told["rate"].as_f64().unwrap_or(1.0),
            ..log(told["at"].as_i64().unwrap(), text("message"))
        };
        stage.append(|rows| rows.log(&record)).await;
        if number + 1 == half {
            stage.store.flush().await.unwrap();
        }
    }
    stage
}

async fn announced(stage: &Stage, told: &serde_json::Value) {
    let text = |key: &str| told[key].as_str().unwrap_or_default();
    let attributes = [
        Attribute::new("rollbar.deploy.id", Value::Int(told["id"].as_i64().unwrap())),
        Attribute::str("deployment.environment.name", text("environment")),
        Attribute::str("service.version", text("revision")),
        Attribute::str("user.name", text("user")),
    ];
    let record =
        LogRecord { event_name: "deploy", attributes: &attributes, ..log(told["at"].as_i64().unwrap(), text("comment")) };
    stage.append(|rows| rows.log(&record)).await;
}

#[tokio::test]
async fn occurrences_are_found_by_their_numbers() {
    let stage = occurrences().await;
    let filter = OccurrenceFilter { groups: Some(vec!["rare".into()]), ..OccurrenceFilter::default() };
    let found = stage.asker.occurrences(TimeRange::ALL, &filter, 0, 10).await.unwrap();
    assert_eq!(found.len(), 5);
    for occurrence in &found {
        let again = stage.asker.occurrence(occurrence.number).await.unwrap().unwrap();
        assert_eq!(again.uuid, occurrence.uuid);
        let by_uuid = stage.asker.occurrence_by_uuid(occurrence.uuid.as_deref().unwrap()).await.unwrap().unwrap();
        assert_eq!(by_uuid.number, occurrence.number);
        let query = format!("SELECT uuid FROM item_occurrence WHERE occurrence_id = {}", occurrence.number);
        assert_eq!(ask(&stage, &query).await, json!([[occurrence.uuid]]));
    }
    assert!(stage.asker.occurrence(5).await.unwrap().is_none());
    assert_eq!(stage.asker.occurrences(TimeRange::ALL, &filter, 4, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn groups_are_summed_by_environment() {
    let stage = occurrences().await;
    let received = stage.asker.groups_received(i64::MIN, i64::MAX, 10).await.unwrap();
    let told: Vec<(&str, &str, f64)> =
        received.iter().map(|one| (one.group.as_str(), one.environment.as_str(), one.count)).collect();
    assert_eq!(
        told,
        [("rare", "staging", 3.0), ("usual", "staging", 7.0), ("usual", "production", 10.0), ("rare", "production", 2.0)]
    );
    assert_eq!((received[0].first_unix_nano, received[0].last_unix_nano), (START, START + 8 * SECOND));
    let people = stage.asker.people(None, 0, 10).await.unwrap();
    assert_eq!(
        people.iter().map(|person| (person.id.as_str(), person.count)).collect::<Vec<_>>(),
        [("1", 9.0), ("0", 7.0), ("2", 6.0)]
    );
    assert_eq!(stage.asker.people(Some("2"), 0, 10).await.unwrap()[0].groups, ["rare", "usual"]);
}
