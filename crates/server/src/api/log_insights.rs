//! `/api/logs/insights`: the languages of Logs Insights for the page, over log groups and over what services log.
//!
//! Quirks:  where a fault begins is told in bytes like everywhere in this API, not in characters as CloudWatch's own API does

use axum::Json;
use axum::extract::{Path, Request, State};
use engine::ask::Stats;
use engine::ask::insights::{self, InsightsFailure, PipeLanguage};
use http::{HeaderMap, StatusCode};
use languages::insights::{CompileError, KEYWORDS};
use metastore::ResourcesMax;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::aws::logs_page::{SAVED_QUERIES, insights_question};
use super::params::{Params, not_from_another_page, time_range};
use super::refusal::Refusal;
use super::retention::read;
use super::sql::SqlColumn;
use crate::limits::{INSIGHTS_PAGE_ROWS_MAX, SAVED_QUERIES_MAX, SAVED_QUERY_BYTES_MAX};
use crate::{Services, now_unix_nano};

/// What a query is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum InsightsLanguage {
    /// Logs Insights' own.
    #[default]
    Cwli,
    /// OpenSearch's.
    Ppl,
    /// This store's, over `logs`, `spans` and `metrics`.
    Sql,
}

impl InsightsLanguage {
    /// As CloudWatch's API has it.
    fn as_str(self) -> &'static str {
        match self {
            InsightsLanguage::Cwli => "CWLI",
            InsightsLanguage::Ppl => "PPL",
            InsightsLanguage::Sql => "SQL",
        }
    }

    fn read(name: Option<&str>) -> Option<InsightsLanguage> {
        let all = [InsightsLanguage::Cwli, InsightsLanguage::Ppl, InsightsLanguage::Sql];
        all.into_iter().find(|language| language.as_str() == name.unwrap_or("CWLI"))
    }
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct InsightsWordsParams {
    #[serde(default)]
    language: InsightsLanguage,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InsightsRequest {
    query: String,
    #[serde(default)]
    language: InsightsLanguage,
    /// Log groups, `otel/<service>` or `aws/spans`; every group and service when left out. SQL names its tables itself.
    #[serde(default)]
    log_groups: Vec<String>,
    /// RFC 3339 or unix milliseconds.
    #[serde(default)]
    start: Option<String>,
    #[serde(default)]
    end: Option<String>,
    /// Rows where the query has no limit; 10,000 at most.
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
pub struct InsightsTold {
    pub columns: Vec<SqlColumn>,
    #[schema(value_type = Vec<Vec<Object>>)]
    pub rows: Vec<Vec<Value>>,
    /// Log events that meet the query's filters.
    pub matched: u64,
    /// Log events in the groups and times asked about.
    pub scanned: u64,
    /// Whether the query groups, so that a chart can be drawn of it.
    pub grouped: bool,
    pub stats: Stats,
}

#[derive(Serialize, ToSchema)]
pub struct InsightsWords {
    pub words: Vec<InsightsWord>,
}

#[derive(Serialize, ToSchema)]
pub struct InsightsWord {
    pub name: &'static str,
    /// `command`, `aggregate` or `function`.
    pub kind: &'static str,
    pub usage: &'static str,
    pub help: &'static str,
}

#[derive(Serialize, ToSchema)]
pub struct SavedQueries {
    /// In the order of names.
    pub queries: Vec<SavedQuery>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SavedQuery {
    pub id: String,
    pub name: String,
    pub query: String,
    pub language: InsightsLanguage,
    pub log_groups: Vec<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SavedQueryRequest {
    /// Slashes make folders.
    name: String,
    query: String,
    #[serde(default)]
    language: InsightsLanguage,
    #[serde(default)]
    log_groups: Vec<String>,
}

/// Runs a query.
#[utoipa::path(post, tag = "Logs", operation_id = "logs_insights", path = "/api/logs/insights", request_body = InsightsRequest, responses((status = 200, body = InsightsTold), (status = 400, body = Refusal)))]
pub async fn run(State(services): State<Services>, request: Request) -> Result<Json<InsightsTold>, Refusal> {
    let asked: InsightsRequest =
        read(request, "{\"query\", \"language\", \"log_groups\", \"start\", \"end\", \"limit\"}").await?;
    match asked.language {
        InsightsLanguage::Cwli => run_pipe(&services, PipeLanguage::Insights, &asked).await,
        InsightsLanguage::Ppl => run_pipe(&services, PipeLanguage::Ppl, &asked).await,
        InsightsLanguage::Sql => run_sql(&services, &asked).await,
    }
    .map(Json)
}

async fn run_pipe(services: &Services, language: PipeLanguage, asked: &InsightsRequest) -> Result<InsightsTold, Refusal> {
    let range = time_range(asked.start.as_deref(), asked.end.as_deref())?;
    let query = insights::check(language, &asked.query).map_err(|error| uncompiled(&asked.query, &error))?;
    let question = insights_question(services, language, &asked.log_groups, &query, range, rows_max(asked)).await;
    let question = question.map_err(|error| Refusal::parameter(error.message))?;
    let found = services.asker.insights(&asked.query, &question).await.map_err(|failure| match failure {
        InsightsFailure::Query(error) => uncompiled(&asked.query, &error),
        InsightsFailure::Engine(error) => error.into(),
    })?;
    let grouped = query.commands.iter().any(|command| matches!(command, languages::insights::Command::Stats { .. }));
    told(found.answer, found.matched, found.scanned, grouped)
}

async fn run_sql(services: &Services, asked: &InsightsRequest) -> Result<InsightsTold, Refusal> {
    let asker = &services.asker;
    let answer = asker.engine.sql(&asker.project, &asked.query, rows_max(asked)).await?;
    let (matched, scanned) = (answer.rows() as u64, answer.stats.rows_scanned);
    let grouped = asked.query.to_ascii_lowercase().contains("group by");
    told(answer, matched, scanned, grouped)
}

fn rows_max(asked: &InsightsRequest) -> usize {
    asked.limit.unwrap_or(INSIGHTS_PAGE_ROWS_MAX).clamp(1, INSIGHTS_PAGE_ROWS_MAX)
}

fn told(answer: engine::Answer, matched: u64, scanned: u64, grouped: bool) -> Result<InsightsTold, Refusal> {
    let columns = answer.columns().into_iter().map(|column| SqlColumn { name: column.name, r#type: column.r#type }).collect();
    let mut rows = answer.json_rows()?;
    let mut stats: Stats = answer.stats.into();
    if rows.len() > INSIGHTS_PAGE_ROWS_MAX {
        rows.truncate(INSIGHTS_PAGE_ROWS_MAX);
        stats.truncated = Some(format!("the first {INSIGHTS_PAGE_ROWS_MAX} rows are told"));
    }
    Ok(InsightsTold { columns, rows, matched, scanned, grouped, stats })
}

/// Commands and functions with their help; none of SQL, which is told elsewhere.
#[utoipa::path(get, tag = "Logs", operation_id = "logs_insights_words", path = "/api/logs/insights/words", params(InsightsWordsParams), responses((status = 200, body = InsightsWords)))]
pub async fn words(Params(params): Params<InsightsWordsParams>) -> Json<InsightsWords> {
    let words = match params.language {
        InsightsLanguage::Cwli => KEYWORDS,
        InsightsLanguage::Ppl => languages::ppl::KEYWORDS,
        InsightsLanguage::Sql => &[],
    };
    let words =
        words.iter().map(|word| InsightsWord { name: word.name, kind: word.kind.as_str(), usage: word.usage, help: word.help });
    Json(InsightsWords { words: words.collect() })
}

/// Queries that somebody saved, here or by CloudWatch's API.
#[utoipa::path(get, tag = "Logs", operation_id = "logs_insights_saved", path = "/api/logs/insights/saved", responses((status = 200, body = SavedQueries)))]
pub async fn saved(State(services): State<Services>) -> Result<Json<SavedQueries>, Refusal> {
    let all = services.metastore.resources(&services.settings.project, SAVED_QUERIES, None).await?;
    let mut queries: Vec<SavedQuery> = all.iter().filter_map(saved_query).collect();
    queries.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(Json(SavedQueries { queries }))
}

/// Saves a query; one of the same name is written over.
#[utoipa::path(post, tag = "Logs", operation_id = "logs_insights_save", path = "/api/logs/insights/saved", request_body = SavedQueryRequest, responses((status = 200, body = SavedQuery), (status = 400, body = Refusal)))]
pub async fn save(State(services): State<Services>, request: Request) -> Result<Json<SavedQuery>, Refusal> {
    let asked: SavedQueryRequest = read(request, "{\"name\", \"query\", \"language\", \"log_groups\"}").await?;
    let name = asked.name.trim().to_owned();
    if name.is_empty() || name.len() > SAVED_QUERY_BYTES_MAX || asked.query.len() > SAVED_QUERY_BYTES_MAX {
        return Err(Refusal::parameter(format!("a saved query has a name and a text of at most {SAVED_QUERY_BYTES_MAX} bytes")));
    }
    let (metastore, project) = (&services.metastore, &services.settings.project);
    let all = metastore.resources(project, SAVED_QUERIES, None).await?;
    let known = all.iter().filter_map(saved_query).find(|known| known.name == name);
    let id = known.map_or_else(|| uuid::Uuid::new_v4().to_string(), |known| known.id);
    let document = serde_json::json!({
        "queryLanguage": asked.language.as_str(), "name": name, "queryString": asked.query, "logGroupNames": asked.log_groups,
    });
    let max = ResourcesMax::OfKind(SAVED_QUERIES_MAX);
    metastore.put_resource(project, SAVED_QUERIES, "", &id, &document.to_string(), max, now_unix_nano()).await?;
    Ok(Json(SavedQuery { id, name, query: asked.query, language: asked.language, log_groups: asked.log_groups }))
}

/// Forgets a saved query.
#[utoipa::path(delete, tag = "Logs", operation_id = "logs_insights_forget", path = "/api/logs/insights/saved/{id}", params(("id" = String, Path)), responses((status = 204), (status = 404, body = Refusal)))]
pub async fn forget(State(services): State<Services>, Path(id): Path<String>, headers: HeaderMap) -> Result<StatusCode, Refusal> {
    not_from_another_page(&headers)?;
    services.metastore.delete_resource(&services.settings.project, SAVED_QUERIES, "", &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn saved_query(resource: &metastore::Resource) -> Option<SavedQuery> {
    let document: Value = serde_json::from_str(&resource.document).ok()?;
    let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
    let language = InsightsLanguage::read(document["queryLanguage"].as_str())?;
    let names = document["logGroupNames"].as_array().into_iter().flatten();
    Some(SavedQuery {
        id: resource.name.clone(),
        name: text("name"),
        query: text("queryString"),
        language,
        log_groups: names.filter_map(|name| name.as_str().map(str::to_owned)).collect(),
    })
}

fn uncompiled(text: &str, error: &CompileError) -> Refusal {
    let mut refusal = Refusal::new(StatusCode::BAD_REQUEST, "invalid_query", error.message.clone());
    let at = text.char_indices().nth(error.start_char_offset).map_or(text.len(), |(at, _)| at);
    refusal.error.position = Some(at);
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_in_bytes() {
        let text = "fields 'é' | nonsense";
        let error = insights::check(PipeLanguage::Insights, text).unwrap_err();
        let refusal = uncompiled(text, &error);
        assert_eq!(refusal.error.position, text.find("nonsense"));
    }

    #[test]
    fn what_others_saved_is_read_as_far_as_its_language_is_known() {
        let resource = |document: &str| metastore::Resource {
            owner: String::new(),
            name: "id".into(),
            document: document.into(),
            created_at_unix_nano: 0,
            changed_at_unix_nano: 0,
        };
        let told = saved_query(&resource(r#"{"name": "a/b", "queryString": "limit 1", "logGroupNames": ["x"]}"#)).unwrap();
        assert_eq!(
            (told.name.as_str(), told.query.as_str(), told.log_groups.as_slice()),
            ("a/b", "limit 1", &["x".to_owned()][..])
        );
        assert_eq!(saved_query(&resource(r#"{"queryLanguage": "SQL"}"#)).unwrap().language, InsightsLanguage::Sql);
        assert!(saved_query(&resource(r#"{"queryLanguage": "KQL"}"#)).is_none());
        assert!(saved_query(&resource("no")).is_none());
    }
}
