//! The database that is not there: each query is a pause inside a client span, and an X-Ray subsegment with `sql`.

use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::logs::Severity;
use opentelemetry::trace::SpanKind;
use opentelemetry_semantic_conventions::attribute;
use serde_json::{Map, json};

use super::AppError;
use super::scope::{Scope, Step};
use crate::telemetry::xray::Kind;

const HOST: &str = "db.cruddur.internal";
const PORT: i64 = 5432;
const NAMESPACE: &str = "cruddur";
/// A query that takes longer is written down, as PostgreSQL's `log_min_duration_statement` would.
const SLOW: Duration = Duration::from_millis(500);

/// One statement.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    pub operation: &'static str,
    pub table: &'static str,
    pub text: &'static str,
    /// What the planner would say, kept where X-Ray keeps metadata.
    pub plan: Option<&'static str>,
}

impl Query {
    pub const fn select(table: &'static str, text: &'static str) -> Query {
        Query { operation: "SELECT", table, text, plan: None }
    }
}

/// Runs a query for `duration`; `rows` come back from it.
pub async fn query(scope: &Scope, query: Query, duration: Duration, rows: usize) -> Result<usize, AppError> {
    run(scope, query, duration, Ok(rows)).await
}

/// Runs a query for `duration` that ends in an error.
pub async fn failing_query(scope: &Scope, query: Query, duration: Duration, error: AppError) -> Result<usize, AppError> {
    run(scope, query, duration, Err(error)).await
}

async fn run(scope: &Scope, query: Query, duration: Duration, result: Result<usize, AppError>) -> Result<usize, AppError> {
    let started = Instant::now();
    let result = scope
        .step(step(query), async move |scope: Scope| {
            tokio::time::sleep(duration).await;
            let rows = result?;
            scope.set(KeyValue::new(attribute::DB_RESPONSE_RETURNED_ROWS, rows as i64));
            if let Some(plan) = query.plan {
                scope.put_metadata("plan", plan.into());
            }
            if duration >= SLOW {
                tell_slow(&scope, query, duration);
            }
            Ok(rows)
        })
        .await;
    let mut labels = vec![
        KeyValue::new(attribute::DB_SYSTEM_NAME, "postgresql"),
        KeyValue::new(attribute::DB_OPERATION_NAME, query.operation),
        KeyValue::new(attribute::DB_COLLECTION_NAME, query.table),
    ];
    labels.extend(result.as_ref().err().map(|error| KeyValue::new(attribute::ERROR_TYPE, error.kind)));
    scope.request.running.otel.metrics.database_duration.record(started.elapsed().as_secs_f64(), &labels);
    result
}

fn step(query: Query) -> Step {
    let summary = format!("{} {}", query.operation, query.table);
    Step {
        name: summary.clone().into(),
        kind: SpanKind::Client,
        attributes: vec![
            KeyValue::new(attribute::DB_SYSTEM_NAME, "postgresql"),
            KeyValue::new(attribute::DB_NAMESPACE, NAMESPACE),
            KeyValue::new(attribute::DB_OPERATION_NAME, query.operation),
            KeyValue::new(attribute::DB_COLLECTION_NAME, query.table),
            KeyValue::new(attribute::DB_QUERY_SUMMARY, summary),
            KeyValue::new(attribute::DB_QUERY_TEXT, query.text),
            KeyValue::new(attribute::SERVER_ADDRESS, HOST),
            KeyValue::new(attribute::SERVER_PORT, PORT),
        ],
        xray_name: format!("{NAMESPACE}@{HOST}").into(),
        xray_kind: Kind::Sql(json!({
            "url": format!("postgresql://{HOST}:{PORT}/{NAMESPACE}"),
            "database_type": "PostgreSQL",
            "database_version": "17.2",
            "driver_version": "cruddur-pg-1.0",
            "user": "cruddur",
            "sanitized_query": query.text,
        })),
    }
}

fn tell_slow(scope: &Scope, query: Query, duration: Duration) {
    let milliseconds = duration.as_millis() as u64;
    let message = format!("slow query on {}: {milliseconds} ms", query.table);
    if scope.request.segment.is_some() {
        let fields = Map::from_iter([
            ("table".to_owned(), query.table.into()),
            ("duration_ms".to_owned(), milliseconds.into()),
            ("query".to_owned(), query.text.into()),
        ]);
        scope.log_json("WARN", "cruddur.database", &message, fields);
    } else {
        let attributes = vec![
            (attribute::DB_COLLECTION_NAME, query.table.into()),
            (attribute::DB_QUERY_TEXT, query.text.into()),
            ("duration_ms", (milliseconds as i64).into()),
        ];
        scope.log(Severity::Warn, None, message, attributes);
    }
}
