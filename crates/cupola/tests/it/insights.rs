//! Logs Insights over real events: `fixtures/queries/insights/events/`, where each query is followed by the rows it tells.
//!
//! Everything goes the way of a client: PutLogEvents, OTLP and StartQuery of the real binary, half of the events in parts and half
//! in memory. A block `events <group>` has a line for each: its stream, its seconds past ten o'clock, and its message, in which
//! `\n` is a new line. `spans` and `records` are what came by OpenTelemetry: service, seconds, and then kind, name, duration and
//! attributes, or severity and body. `table <name>` is an uploaded table, `policy <group>` protects what it lists, `policy account` in every
//! group. A `query` is in Logs Insights' language, a `ppl` in OpenSearch's.
//! The day is yesterday, and told as 2026-01-02.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::Server;

const TEN_HOURS: i64 = 36_000;

struct Stage {
    server: Server,
    client: reqwest::Client,
    /// Yesterday's first second, and its date.
    day: i64,
    date: String,
    before: String,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_with(folder.path(), &["--flush-seconds", "3600"]);
        let midnight = "date_trunc('day', now() - INTERVAL '1 day')";
        let asked = format!("SELECT CAST({midnight} AS BIGINT) / 1000000000, {midnight}, {midnight} - INTERVAL '1 day'");
        let row = server.sql(&asked).await.remove(0);
        let date = |place: usize| row[place].as_str().unwrap()[..10].to_owned();
        let (date, before) = (date(1), date(2));
        Stage { server, client: reqwest::Client::new(), day: row[0].as_i64().unwrap(), date, before, _folder: folder }
    }

    fn at(&self, seconds: f64) -> i64 {
        (self.day + TEN_HOURS) * 1_000 + (seconds * 1_000.0).round() as i64
    }

    async fn logs(&self, operation: &str, body: Value) -> Result<Value, Value> {
        let request = self.client.post(&self.server.http).header("x-amz-target", format!("Logs_20140328.{operation}"));
        let request = request.header("content-type", "application/x-amz-json-1.1").body(body.to_string());
        let answer = request.send().await.unwrap();
        let is_success = answer.status().is_success();
        let told: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        if is_success { Ok(told) } else { Err(told) }
    }

    async fn settle(&self) {
        let request = self.client.post(format!("{}/api/store/settle", self.server.http)).header("x-requested-by", "test");
        assert!(request.send().await.unwrap().status().is_success());
    }

    async fn put_events(&self, group: &str, body: &str) {
        let _ = self.logs("CreateLogGroup", json!({ "logGroupName": group })).await;
        let mut streams: HashMap<&str, Vec<(i64, String)>> = HashMap::new();
        let lines: Vec<&str> = body.lines().collect();
        let halves = [&lines[..lines.len() / 2], &lines[lines.len() / 2..]];
        for (number, half) in halves.into_iter().enumerate() {
            streams.clear();
            for line in half {
                let (stream, rest) = line.split_once(' ').unwrap();
                let (seconds, message) = rest.split_once(' ').unwrap();
                let at = self.at(seconds.parse().unwrap());
                streams.entry(stream).or_default().push((at, message.replace("\\n", "\n")));
            }
            for (stream, events) in &mut streams {
                let _ = self.logs("CreateLogStream", json!({ "logGroupName": group, "logStreamName": stream })).await;
                events.sort();
                let events: Vec<Value> =
                    events.iter().map(|(timestamp, message)| json!({ "timestamp": timestamp, "message": message })).collect();
                let put = json!({ "logGroupName": group, "logStreamName": stream, "logEvents": events });
                let told = self.logs("PutLogEvents", put).await.unwrap();
                assert!(told.get("rejectedLogEventsInfo").is_none(), "{told}");
            }
            if number == 0 {
                self.settle().await;
            }
        }
    }

    async fn put_otlp(&self, signal: &str, body: &str) {
        for (number, line) in body.lines().enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let nanos = self.at(words[1].parse().unwrap()) * 1_000_000;
            let resource = json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": words[0] } }] });
            let request = if signal == "traces" {
                let duration = words[4].trim_end_matches("ms").parse::<i64>().unwrap() * 1_000_000;
                let attributes: Vec<Value> = words[5..].iter().map(|word| attribute(word)).collect();
                let is_failed = words.contains(&"failed");
                let span = json!({
                    "traceId": format!("{:032x}", 7_000 + number), "spanId": format!("{:016x}", number + 1),
                    "name": words[3], "kind": if words[2] == "server" { 2 } else { 3 },
                    "startTimeUnixNano": nanos.to_string(), "endTimeUnixNano": (nanos + duration).to_string(),
                    "status": { "code": if is_failed { 2 } else { 0 } }, "attributes": attributes,
                });
                json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "spans": [span] }] }] })
            } else {
                let severity = match words[2] {
                    "ERROR" => 17,
                    "WARN" => 13,
                    _ => 9,
                };
                let (attributes, text): (Vec<&str>, Vec<&str>) = words[3..].iter().partition(|word| word.contains('='));
                let record = json!({
                    "timeUnixNano": nanos.to_string(), "severityNumber": severity, "severityText": words[2],
                    "body": { "stringValue": text.join(" ") },
                    "attributes": attributes.iter().map(|word| attribute(word)).collect::<Vec<_>>(),
                });
                json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{ "logRecords": [record] }] }] })
            };
            let url = format!("{}/v1/{signal}", self.server.otlp_http);
            assert!(self.client.post(url).json(&request).send().await.unwrap().status().is_success());
        }
    }

    async fn ask(&self, language: &str, groups: &[String], text: &str) -> (&'static str, String) {
        let mut start = json!({
            "queryLanguage": language, "queryString": text, "startTime": self.day + TEN_HOURS, "endTime": self.day + TEN_HOURS + 3_599,
        });
        if !groups.is_empty() {
            start["logGroupIdentifiers"] = groups.into();
        }
        let id = match self.logs("StartQuery", start).await {
            Ok(told) => told["queryId"].clone(),
            Err(error) => {
                return ("error", format!("{}: {}", error["__type"].as_str().unwrap(), error["message"].as_str().unwrap()));
            }
        };
        loop {
            let told = self.logs("GetQueryResults", json!({ "queryId": id })).await.unwrap();
            match told["status"].as_str().unwrap() {
                "Complete" => return ("rows", self.told(&told)),
                "Running" => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
                other => return ("error", other.to_owned()),
            }
        }
    }

    /// A table: fields in the order in which they are told, and a line of what it was found among.
    fn told(&self, answer: &Value) -> String {
        let mut names: Vec<&str> = Vec::new();
        let rows = answer["results"].as_array().unwrap();
        for cell in rows.iter().flat_map(|row| row.as_array().unwrap()) {
            let name = cell["field"].as_str().unwrap();
            if name != "@ptr" && !names.contains(&name) {
                names.push(name);
            }
        }
        let mut lines = vec![names.join(" | ")];
        for row in rows {
            let cells: HashMap<&str, &str> = row
                .as_array()
                .unwrap()
                .iter()
                .map(|cell| (cell["field"].as_str().unwrap(), cell["value"].as_str().unwrap()))
                .collect();
            lines.push(names.iter().map(|name| cells.get(name).copied().unwrap_or("-")).collect::<Vec<_>>().join(" | "));
        }
        let statistics = &answer["statistics"];
        lines.push(format!("{} of {}", statistics["recordsMatched"], statistics["recordsScanned"]).replace(".0", ""));
        lines.join("\n").replace(&self.date, "2026-01-02").replace(&self.before, "2026-01-01").trim_start().to_owned()
    }
}

fn attribute(word: &str) -> Value {
    let (key, value) = word.split_once('=').unwrap_or((word, "true"));
    let value = match value.parse::<i64>() {
        Ok(_) => json!({ "intValue": value }),
        Err(_) => json!({ "stringValue": value }),
    };
    json!({ "key": key, "value": value })
}

#[tokio::test]
async fn the_manual_is_true() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/queries/insights/events");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut cases, mut queries) = (0, String::new());
    for file in files {
        let found = std::fs::read_to_string(&file).unwrap();
        let expected = run(&found, &mut cases).await;
        queries += &blocks_of(&found, "query");
        let update = std::env::var_os("UPDATE_EXPECT").is_some();
        if update && expected != found {
            std::fs::write(&file, &expected).unwrap();
        }
        let differs = expected.lines().zip(found.lines()).find(|(left, right)| left != right);
        assert!(update || expected == found, "{}: run and file differ: {differs:?}", file.display());
    }
    println!("{cases} cases");
    assert!(cases >= 200, "{cases} cases");
    let is_asked = |word: &&str| queries.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|part| part == *word);
    let missing: Vec<&str> = WORDS.split_whitespace().filter(|word| !is_asked(word)).collect();
    assert!(missing.is_empty(), "no query has {missing:?}");
}

/// Every command and function of the language: each is in a query that was asked.
const WORDS: &str = "
    SOURCE fields display filter filterIndex parse stats sort limit head tail dedup pattern diff unnest unmask anomaly lookup join
    addtotals appendcols
    avg count count_distinct max min pct stddev sum earliest latest sortsFirst sortsLast
    abs ceil floor greatest least log sqrt
    bin datefloor dateceil fromMillis toMillis now
    isempty isblank concat ltrim rtrim trim strlen toupper tolower substr replace strcontains
    ispresent coalesce if case jsonParse jsonStringify
    isValidIp isValidIpV4 isValidIpV6 isIpInSubnet isIpv4InSubnet isIpv6InSubnet";

/// What stands in all blocks of a kind.
fn blocks_of(text: &str, tag: &str) -> String {
    text.split(&format!("```{tag}\n")).skip(1).filter_map(|rest| rest.split_once("```")).map(|(body, _)| body).collect()
}

/// The file with the answers of the run.
async fn run(text: &str, cases: &mut usize) -> String {
    let mut out = String::new();
    let stage = Stage::new().await;
    let mut groups: Vec<String> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(tag) = line.strip_prefix("```") else {
            out += &format!("{line}\n");
            continue;
        };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let body = body.join("\n");
        if matches!(tag, "rows" | "error") {
            continue;
        }
        out += &format!("```{tag}\n{body}\n```\n");
        let (word, name) = tag.split_once(' ').unwrap_or((tag, ""));
        match word {
            "events" => {
                stage.put_events(name, &body).await;
                groups = vec![name.to_owned()];
            }
            "spans" => stage.put_otlp("traces", &body).await,
            "records" => stage.put_otlp("logs", &body).await,
            "groups" => groups = body.lines().map(str::to_owned).collect(),
            "table" => {
                let table = json!({ "lookupTableName": name, "tableBody": body });
                stage.logs("CreateLookupTable", table).await.unwrap();
            }
            "policy" => {
                let identifiers: Vec<String> =
                    body.lines().map(|name| format!("arn:aws:dataprotection::aws:data-identifier/{name}")).collect();
                let statement = |operation: Value| json!({ "DataIdentifier": identifiers, "Operation": operation });
                let audit = statement(json!({ "Audit": { "FindingsDestination": {} } }));
                let mask = statement(json!({ "Deidentify": { "MaskConfig": {} } }));
                let policy = json!({ "Version": "2021-06-01", "Statement": [audit, mask] }).to_string();
                let (operation, put) = match name {
                    "account" => {
                        let kind = "DATA_PROTECTION_POLICY";
                        ("PutAccountPolicy", json!({ "policyName": "p", "policyType": kind, "policyDocument": policy }))
                    }
                    group => ("PutDataProtectionPolicy", json!({ "logGroupIdentifier": group, "policyDocument": policy })),
                };
                stage.logs(operation, put).await.unwrap();
            }
            "query" | "ppl" => {
                *cases += 1;
                let language = if word == "ppl" { "PPL" } else { "CWLI" };
                let (tag, answer) = stage.ask(language, &groups, &body).await;
                out += &format!("```{tag}\n{answer}\n```\n");
            }
            other => panic!("no block is called {other}"),
        }
    }
    out
}
