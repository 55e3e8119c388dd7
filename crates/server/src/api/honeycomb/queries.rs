//! `/1/queries` and `/1/query_results`: a query is kept, then run as often as somebody asks; its results are kept under an id.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use engine::ask::honeycomb::{HoneycombAnswer, HoneycombPoint, HoneycombQuestion};
use http::{HeaderMap, StatusCode};
use languages::honeycomb::{CalculatedField, LIMIT_WITHOUT_SERIES_MAX, QuerySpecification};
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_128;

use super::call::{ALL, body, id_of, new_id, object, slug, time};
use super::failure::{Answer, Failure, base};
use crate::api::refusal::Refusal;
use crate::limits::HONEYCOMB_RESULT_BYTES_MAX;
use crate::{Services, now_unix_nano};

const QUERY: &str = "query";
const RESULT: &str = "query_result";

/// `POST /1/queries/{dataset}`: keeps a query. The same query has the same id.
pub async fn create(State(services): State<Services>, Path(dataset): Path<String>, request: Request) -> Answer<Response> {
    services.honeycomb_dataset(&dataset).await?;
    let (_, value) = body(request).await?;
    let mut query = object(value)?;
    query.remove("id");
    let query = Value::Object(query);
    QuerySpecification::from_json(&query)?;
    let mut query = object(query)?;
    // What Honeycomb fills in.
    if query.get("calculations").is_none_or(|calculations| calculations.as_array().is_none_or(Vec::is_empty)) {
        query.insert("calculations".into(), json!([{ "op": "COUNT" }]));
    }
    if ["start_time", "end_time", "time_range"].iter().all(|name| query.get(*name).is_none_or(Value::is_null)) {
        query.insert("time_range".into(), languages::honeycomb::TIME_RANGE_DEFAULT.into());
    }
    let mut query = Value::Object(query);
    let id = id_of(xxh3_128(format!("{dataset} {query}").as_bytes()));
    services.honeycomb_put(QUERY, &dataset, &id, &query).await?;
    query["id"] = id.into();
    Ok(Json(query).into_response())
}

/// `GET /1/queries/{dataset}/{id}`.
pub async fn get(State(services): State<Services>, Path((dataset, id)): Path<(String, String)>) -> Answer<Json<Value>> {
    Ok(Json(query(&services, &dataset, &id).await?))
}

async fn query(services: &Services, dataset: &str, id: &str) -> Answer<Value> {
    let found = services.honeycomb_get(QUERY, dataset, id).await.map_err(|_| Failure::not_found("Query not found"))?;
    let mut query: Value = serde_json::from_str(&found.document).unwrap_or_default();
    query["id"] = id.into();
    Ok(query)
}

/// `POST /1/query_results/{dataset}`: runs a kept query. The answer comes with the reply, so that nobody has to poll.
pub async fn run(State(services): State<Services>, Path(dataset): Path<String>, request: Request) -> Answer<Response> {
    let (headers, value) = body(request).await?;
    let asked = object(value)?;
    let Some(query_id) = asked.get("query_id").and_then(Value::as_str) else {
        return Err(Failure::invalid("query_id", "missing", "query_id: cannot be blank"));
    };
    let query = query(&services, &dataset, query_id).await?;
    let answer = answered(&services, &dataset, &query, &asked, None).await?;
    let id = new_id();
    let data = data(&answer);
    let result = json!({ "complete": true, "query": query, "data": data });
    let mut kept = match result.to_string().len() <= HONEYCOMB_RESULT_BYTES_MAX {
        true => result.clone(),
        // What is too large is worked out again, over the same range.
        false => json!({ "complete": true, "query": query, "asked": asked }),
    };
    kept["range"] = json!([answer.times.start, answer.times.end].map(|nanos| nanos / 1_000_000_000));
    services.honeycomb_put(RESULT, &dataset, &id, &kept).await?;
    Ok((StatusCode::CREATED, Json(with_links(result, &id, &dataset, &headers))).into_response())
}

/// What a result that was kept is about: its query, and the seconds from and to which it was asked.
pub(in crate::api) struct KeptResult {
    pub query: Value,
    pub range: Option<(i64, i64)>,
    pub dataset: Option<String>,
}

impl Services {
    pub(in crate::api) async fn kept_result(&self, dataset: &str, id: &str) -> Option<KeptResult> {
        let found = self.honeycomb_get(RESULT, dataset, id).await.ok()?;
        let dataset = self.honeycomb_dataset(dataset).await.ok()?;
        let mut result: Value = serde_json::from_str(&found.document).ok()?;
        let range = take(&mut result, "range").as_ref().and_then(seconds);
        Some(KeptResult { query: take(&mut result, "query")?, range, dataset })
    }
}

/// Two seconds in a list.
fn seconds(range: &Value) -> Option<(i64, i64)> {
    Some((range.get(0)?.as_i64()?, range.get(1)?.as_i64()?))
}

/// Runs a query; `range`, in seconds, takes the place of its own.
async fn answered(
    services: &Services,
    dataset: &str,
    query: &Value,
    asked: &Map<String, Value>,
    range: Option<(i64, i64)>,
) -> Answer<HoneycombAnswer> {
    let mut specification = query.clone();
    if let Some(members) = specification.as_object_mut() {
        members.remove("id");
        if let Some((start, end)) = range {
            members.remove("time_range");
            members.insert("start_time".into(), start.into());
            members.insert("end_time".into(), end.into());
        }
    }
    let flag = |name: &str, default: bool| asked.get(name).and_then(Value::as_bool).unwrap_or(default);
    let limit = match asked.get("limit").and_then(Value::as_u64) {
        None => None,
        Some(limit) => match u32::try_from(limit) {
            Ok(limit) if (1..=LIMIT_WITHOUT_SERIES_MAX).contains(&limit) => Some(limit),
            _ => return Err(Failure::invalid("limit", "invalid", "limit: must be between 1 and 10000")),
        },
    };
    let question = HoneycombQuestion {
        dataset: services.honeycomb_dataset(dataset).await?,
        calculated_fields: calculated_fields(services, dataset).await?,
        time_series: services.honeycomb_time_series(dataset).await?,
        with_series: !flag("disable_series", false),
        with_total: !flag("disable_total_by_aggregate", true),
        with_other: !flag("disable_other_by_aggregate", true),
        limit,
        ..HoneycombQuestion::new(QuerySpecification::from_json(&specification)?, now_unix_nano() / 1_000_000_000 + 1)
    };
    Ok(services.asker.honeycomb(&question).await?)
}

/// `GET /1/query_results/{dataset}/{id}`.
pub async fn result(
    State(services): State<Services>,
    Path((dataset, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let found = services.honeycomb_get(RESULT, &dataset, &id).await;
    let found = found.map_err(|_| Failure::not_found("Query result not found"))?;
    let mut result: Value = serde_json::from_str(&found.document).unwrap_or_default();
    let range = take(&mut result, "range").as_ref().and_then(seconds);
    if let Some(Value::Object(asked)) = take(&mut result, "asked") {
        let answer = answered(&services, &dataset, &result["query"], &asked, range).await?;
        result["data"] = data(&answer);
    }
    Ok(Json(with_links(result, &id, &dataset, &headers)))
}

fn take(result: &mut Value, member: &str) -> Option<Value> {
    result.as_object_mut()?.remove(member)
}

fn with_links(mut result: Value, id: &str, dataset: &str, headers: &HeaderMap) -> Value {
    let base = base(headers);
    result["id"] = id.into();
    result["links"] = json!({
        "query_url": format!("{base}/explore/{dataset}/result/{id}"),
        "graph_image_url": format!("{base}/explore/{dataset}/result/{id}/graph"),
    });
    result
}

fn data(answer: &HoneycombAnswer) -> Value {
    let point = |point: &HoneycombPoint| json!({ "time": time(point.time_unix_nano), "data": point.data });
    let results: Vec<Value> = answer.results.iter().map(|cells| json!({ "data": cells })).collect();
    let mut data = json!({
        "series": answer.series.iter().map(point).collect::<Vec<_>>(),
        "results": results,
    });
    if let Some(total) = &answer.total {
        data["total_by_aggregate"] = json!(total);
        data["total_by_aggregate_series"] = answer.total_series.iter().map(point).collect::<Vec<_>>().into();
    }
    if let Some(other) = &answer.other {
        data["other_by_aggregate"] = json!(other);
    }
    data
}

impl Services {
    /// The service that a name or slug means, and the calculated fields that its queries may name.
    pub(in crate::api) async fn honeycomb_scope(
        &self,
        dataset: Option<&str>,
    ) -> Result<(Option<String>, Vec<CalculatedField>), Refusal> {
        let dataset = dataset.unwrap_or(ALL);
        let found = async { Ok((self.honeycomb_dataset(dataset).await?, calculated_fields(self, dataset).await?)) };
        found.await.map_err(|failure: Failure| Refusal::new(failure.status, "not_found", failure.message()))
    }
}

/// Calculated fields of the dataset, and those of all datasets.
pub(super) async fn calculated_fields(services: &Services, dataset: &str) -> Answer<Vec<CalculatedField>> {
    let documents = services.metastore.honeycomb_documents(&services.settings.project, "derived_column", None).await?;
    let ours = documents.iter().filter(|document| document.scope == ALL || document.scope == slug(dataset));
    let fields = ours.filter_map(|document| {
        let value: Value = serde_json::from_str(&document.document).ok()?;
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        Some(CalculatedField { name: text("alias")?, expression: text("expression")? })
    });
    Ok(fields.collect())
}
