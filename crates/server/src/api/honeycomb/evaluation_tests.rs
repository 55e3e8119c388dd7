//! Triggers and objectives over the real store, with a clock of the test's, and restarts in the middle.

use std::path::Path;

use model::{Attribute, Resource, RowSink, Span, SpanId, SpanKind, StatusCode, TraceId};
use serde_json::{Value, json};
use store::{RowBuffer, RowContext};

use super::evaluation::{self, BURN_ALERTS, Slos, TRIGGERS, Triggers};
use crate::Services;
use crate::alerting::Evaluator;
use crate::testing::open;

/// 2026-11-21T04:00:00Z.
const START: i64 = 1_795_233_600_000_000_000;
const MINUTE: i64 = 60_000_000_000;

async fn restart(services: Services, folder: &Path) -> Services {
    services.store.flush().await.unwrap();
    services.store.shutdown().await.unwrap();
    drop(services);
    open(folder).await
}

/// `count` spans a second apart from `at` on, which came in at `received`.
async fn put(services: &Services, at: i64, received: i64, count: u64, is_error: bool) {
    let context = RowContext { receiver: "otlp", received_at_unix_nano: received, request: None };
    let mut rows = RowBuffer::new(context);
    let service = [Attribute::str("service.name", "shop")];
    rows.resource(&Resource { attributes: &service, schema_url: "" });
    for number in 0..count {
        let mut id = [9_u8; 16];
        id[..8].copy_from_slice(&(at as u64 + number).to_be_bytes());
        let span_id = SpanId((at as u64 + number).to_be_bytes());
        rows.span(&Span {
            start_time_unix_nano: at + number as i64 * 1_000_000_000,
            duration_ns: 5_000_000,
            kind: SpanKind::Server,
            status_code: if is_error { StatusCode::Error } else { StatusCode::Ok },
            ..Span::new(TraceId(id), span_id, "GET /cart")
        });
    }
    services.store.append("default", b"request".to_vec(), rows).await.unwrap();
}

async fn recipient(services: &Services) -> Value {
    let details = json!({ "webhook_name": "hook", "webhook_url": "http://127.0.0.1:9/hook" });
    services.honeycomb_put("recipient", "", "hook", &json!({ "type": "webhook", "details": details })).await.unwrap();
    json!([{ "id": "hook" }])
}

/// Origin and key of what was handed over, oldest first.
async fn sent(services: &Services, origin: &str) -> Vec<String> {
    let mut all = services.outbox.deliveries(origin, 100).await.unwrap();
    all.sort_by_key(|one| one.id);
    all.into_iter().map(|one| one.dedupe_key).collect()
}

fn trigger(recipients: &Value, more: Value) -> Value {
    let mut document = json!({
        "name": "errors",
        "description": "",
        "query": { "calculations": [{ "op": "COUNT" }], "filters": [{ "column": "error", "op": "=", "value": true }], "time_range": 60 },
        "threshold": { "op": ">", "value": 3, "exceeded_limit": 1 },
        "frequency": 60,
        "alert_type": "on_change",
        "disabled": false,
        "recipients": recipients,
        "evaluation_schedule_type": "frequency",
        "baseline_details": null,
    });
    for (name, value) in more.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

async fn look(services: &Services, at: i64) {
    Triggers.evaluate(services, at).await.unwrap();
}

#[tokio::test]
async fn a_trigger_tells_changes_once_whatever_stops_in_between() {
    let folder = tempfile::tempdir().unwrap();
    let mut services = open(folder.path()).await;
    let recipients = recipient(&services).await;
    services.honeycomb_put("trigger", "__all__", "t", &trigger(&recipients, json!({}))).await.unwrap();
    put(&services, START, START, 5, true).await;

    look(&services, START + MINUTE + 1).await;
    let first = format!("triggered:{}:hook", START + MINUTE);
    assert_eq!(sent(&services, "honeycomb.trigger:t").await, std::slice::from_ref(&first));
    let state = evaluation::state(&services, TRIGGERS, "t").await.unwrap();
    assert_eq!((&state["triggered"], &state["value"], &state["pending"]), (&json!(true), &json!(5.0), &Value::Null));

    services = restart(services, folder.path()).await;
    look(&services, START + MINUTE + 2).await;
    put(&services, START + MINUTE, START, 5, true).await;
    look(&services, START + 2 * MINUTE + 2).await;
    assert_eq!(sent(&services, "honeycomb.trigger:t").await.len(), 1, "still the same");

    // The server stops after the new state was written, and before the outbox has what it says.
    let mut state = evaluation::state(&services, TRIGGERS, "t").await.unwrap();
    let notice = json!({ "kind": "trigger", "id": "t", "triggered": true });
    state["pending"] = json!({ "key": "triggered:7", "notice": notice });
    let kept = metastore::Evaluation { subject: "t".into(), state: state.to_string(), evaluated_at_unix_nano: 1 };
    services.metastore.put_evaluation("default", TRIGGERS, &kept).await.unwrap();
    services = restart(services, folder.path()).await;
    look(&services, START + 2 * MINUTE + 3).await;
    assert_eq!(sent(&services, "honeycomb.trigger:t").await, [first.clone(), "triggered:7:hook".into()]);
    // And it stops again before it is written that the outbox has it.
    services.metastore.put_evaluation("default", TRIGGERS, &kept).await.unwrap();
    services = restart(services, folder.path()).await;
    look(&services, START + 2 * MINUTE + 4).await;
    assert_eq!(sent(&services, "honeycomb.trigger:t").await.len(), 2, "not twice");

    look(&services, START + 5 * MINUTE).await;
    let told = sent(&services, "honeycomb.trigger:t").await;
    assert_eq!(told[2..], [format!("ok:{}:hook", START + 5 * MINUTE)]);
    let entries = services.metastore.alert_entries("default", "honeycomb.trigger:t", 10).await.unwrap();
    let states: Vec<Value> =
        entries.iter().map(|entry| serde_json::from_str::<Value>(&entry.entry).unwrap()["state"].clone()).collect();
    assert_eq!(states, ["ok", "triggered", "triggered"]);
}

#[tokio::test]
async fn a_trigger_waits_for_its_count_and_repeats_where_it_shall() {
    let folder = tempfile::tempdir().unwrap();
    let services = open(folder.path()).await;
    let recipients = recipient(&services).await;
    let more = json!({ "alert_type": "on_true", "threshold": { "op": ">=", "value": 2, "exceeded_limit": 2 } });
    services.honeycomb_put("trigger", "__all__", "t", &trigger(&recipients, more)).await.unwrap();
    for minute in 0..3 {
        put(&services, START + minute * MINUTE, START, 2, true).await;
        look(&services, START + (minute + 1) * MINUTE).await;
    }
    let keys = [2, 3].map(|minute| format!("triggered:{}:hook", START + minute * MINUTE));
    assert_eq!(sent(&services, "honeycomb.trigger:t").await, keys);
}

#[tokio::test]
async fn a_baseline_is_the_same_time_before() {
    let folder = tempfile::tempdir().unwrap();
    let services = open(folder.path()).await;
    let recipients = recipient(&services).await;
    let more = json!({
        "query": { "calculations": [{ "op": "COUNT" }], "breakdowns": ["name"], "time_range": 60 },
        "threshold": { "op": ">=", "value": 100, "exceeded_limit": 1 },
        "baseline_details": { "offset_minutes": 60, "type": "percentage" },
    });
    services.honeycomb_put("trigger", "shop", "t", &trigger(&recipients, more)).await.unwrap();
    put(&services, START - 60 * MINUTE, START, 4, false).await;
    put(&services, START, START, 8, false).await;
    look(&services, START + MINUTE).await;
    let state = evaluation::state(&services, TRIGGERS, "t").await.unwrap();
    assert_eq!((&state["triggered"], &state["value"], &state["baseline_value"]), (&json!(true), &json!(8.0), &json!(4.0)));
}

#[tokio::test]
async fn an_objective_counts_each_row_once_however_late_and_a_burn_alert_fires_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut services = open(folder.path()).await;
    let recipients = recipient(&services).await;
    let field = json!({ "alias": "ok", "expression": "NOT(EQUALS($error, true))" });
    services.honeycomb_put("derived_column", "__all__", "f", &field).await.unwrap();
    put(&services, START, START, 59, false).await;
    let slo = json!({ "name": "answers", "sli": { "alias": "ok" }, "time_period_days": 1, "target_per_million": 900_000,
        "dataset_slugs": ["shop"] });
    services.honeycomb_put("slo", "shop", "s", &slo).await.unwrap();
    let alert = json!({ "alert_type": "budget_rate", "slo": { "id": "s" }, "budget_rate_window_minutes": 60,
        "budget_rate_decrease_threshold_per_million": 500_000, "recipients": recipients });
    services.honeycomb_put("burn_alert", "shop", "b", &alert).await.unwrap();

    let sums = async |services: &Services| {
        let minutes = services.metastore.slo_minutes("default", "s", 0, i64::MAX).await.unwrap();
        (minutes.iter().map(|one| one.good).sum::<f64>(), minutes.iter().map(|one| one.total).sum::<f64>())
    };
    let mut now = START + 10 * MINUTE;
    Slos.evaluate(&services, now).await.unwrap();
    assert_eq!(sums(&services).await, (59.0, 59.0));
    assert_eq!(sent(&services, "honeycomb.burn_alert:b").await.len(), 0);
    // Half an hour later rows come in that are older than what was counted, and newer ones.
    now += 30 * MINUTE;
    put(&services, START + 5 * MINUTE, now, 11, true).await;
    put(&services, START + 20 * MINUTE, now, 40, false).await;
    Slos.evaluate(&services, now + 1).await.unwrap();
    assert_eq!(sums(&services).await, (99.0, 110.0));
    // 11 of 11 that may be bad are.
    assert_eq!(sent(&services, "honeycomb.burn_alert:b").await.len(), 1);
    services = restart(services, folder.path()).await;
    Slos.evaluate(&services, now + 2).await.unwrap();
    assert_eq!(sums(&services).await, (99.0, 110.0));
    assert_eq!(sent(&services, "honeycomb.burn_alert:b").await.len(), 1);
    let oracle = "SELECT count(*) FILTER (WHERE status_code <> 'error') AS good, count(*) AS total FROM spans";
    let found = services.asker.engine.sql("default", oracle, 1).await.unwrap().json_rows().unwrap();
    assert_eq!(found[0], [json!(99), json!(110)]);
    let state = evaluation::state(&services, BURN_ALERTS, "b").await.unwrap();
    assert_eq!(state["triggered"], true);
    // Another meaning: everything is counted anew.
    let field = json!({ "alias": "ok", "expression": "EQUALS($error, true)" });
    services.honeycomb_put("derived_column", "__all__", "f", &field).await.unwrap();
    Slos.evaluate(&services, now + 3).await.unwrap();
    assert_eq!(sums(&services).await, (11.0, 110.0));
}
