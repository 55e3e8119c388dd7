//! What the page of logs asks of the same things: which events a query is over, and what is protected in them.

use engine::ask::insights::{EventSource, EventSources, InsightsQuestion, PipeLanguage};
use languages::insights::{Query, Selection};
use receivers::aws::AwsError;
use serde_json::Value;

use super::data_protection::masks_of_sources;
use super::definitions::QUERY_DEFINITION;
use super::{LogsApi, model};
use crate::Services;
use crate::api::aws::Call;
use crate::api::aws::input::Input;

/// Where people's saved queries are, also those that CloudWatch's clients saved.
pub(in crate::api) const SAVED_QUERIES: metastore::ResourceKind = QUERY_DEFINITION;

/// What a query is asked of: the groups of these names, or where none is named every group and every service that logs.
pub(in crate::api) async fn insights_question(
    services: &Services,
    language: PipeLanguage,
    names: &[String],
    query: &Query,
    range: store::TimeRange,
    rows_max: usize,
) -> Result<InsightsQuestion, AwsError> {
    let operation = model::operation("StartQuery").ok_or_else(|| AwsError::new("InternalFailure", "StartQuery is not known"))?;
    let call = Call::own(services, &Value::Null);
    let logs = LogsApi { services, call: &call, project: &services.settings.project, operation, input: Input::default() };
    let mut log_groups =
        EventSources { of: Vec::new(), start_unix_nano: range.start_unix_nano, end_unix_nano: range.end_unix_nano };
    for name in names {
        log_groups.of.push(logs.source_of(name).await?);
    }
    if names.is_empty() {
        logs.choose(&Selection::Groups(Vec::new()), &mut log_groups.of).await?;
        log_groups.of.push(EventSource::Services(String::new()));
    }
    let sources = logs.written_sources(query, &log_groups).await?;
    Ok(InsightsQuestion {
        language,
        tables: logs.tables_of(query).await?,
        masks: masks_of_sources(services, sources.values().chain([&log_groups])).await?,
        may_unmask: logs.may_unmask(),
        sources,
        log_groups,
        rows_max,
    })
}
