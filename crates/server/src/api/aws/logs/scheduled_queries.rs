//! Scheduled queries: kept and given back, with what `scheduled_runs` noted of their runs.

use metastore::ResourceKind;
use receivers::aws::AwsError;
use serde_json::{Value, json};

use super::delivery_sources::conflict;
use super::resources::{OF_KIND_MAX, Stored, object};
use super::scheduled_runs::milliseconds;
use super::tags::of_resource;
use super::{Answer, LogsApi, aws_error, not_found};
use crate::api::aws::schedule::Schedule;

pub const SCHEDULED_QUERY: ResourceKind = ResourceKind { name: "logs.scheduled_query", what: "scheduled query" };

const MEMBERS: [&str; 13] = [
    "description",
    "queryLanguage",
    "queryString",
    "logGroupIdentifiers",
    "scheduleExpression",
    "timezone",
    "startTimeOffset",
    "endTimeOffset",
    "destinationConfiguration",
    "scheduleStartTime",
    "scheduleEndTime",
    "executionRoleArn",
    "state",
];

/// What a list tells of each.
const SUMMARY: [&str; 8] = [
    "scheduledQueryArn",
    "name",
    "state",
    "scheduleType",
    "scheduleExpression",
    "timezone",
    "destinationConfiguration",
    "creationTime",
];

impl LogsApi<'_> {
    pub(super) async fn create_scheduled_query(&self) -> Answer {
        let name = self.input.required("name");
        self.check_schedule()?;
        if self.stored(SCHEDULED_QUERY, "", name).await?.is_some() {
            return Err(conflict(format!("A scheduled query with the name {name} already exists.")));
        }
        let mut document = self.input.only(&MEMBERS);
        document.entry("state").or_insert_with(|| "ENABLED".into());
        document.entry("timezone").or_insert_with(|| "UTC".into());
        self.put(SCHEDULED_QUERY, "", name, &document, OF_KIND_MAX).await?;
        self.put_tags_of(&of_resource(&format!("scheduled-query:{name}"))).await?;
        Ok(json!({ "scheduledQueryArn": self.scheduled_arn(name), "state": document.get("state") }))
    }

    pub(super) async fn update_scheduled_query(&self) -> Answer {
        let mut stored = self.scheduled_query().await?;
        self.check_schedule()?;
        stored.document.extend(self.input.only(&MEMBERS));
        self.put(SCHEDULED_QUERY, "", &stored.name, &stored.document, OF_KIND_MAX).await?;
        self.get_scheduled_query().await
    }

    pub(super) async fn get_scheduled_query(&self) -> Answer {
        let stored = self.scheduled_query().await?;
        let mut told = self.told_scheduled_query(&stored);
        if let Some(last) = self.runs(&stored.name).await.map_err(aws_error)?.history.first() {
            told["lastTriggeredTime"] = last["triggeredTimestamp"].clone();
            told["lastExecutionStatus"] = last["executionStatus"].clone();
        }
        Ok(told)
    }

    pub(super) async fn get_scheduled_query_history(&self) -> Answer {
        let stored = self.scheduled_query().await?;
        let time = |member: &str| milliseconds(self.input.integer(member).unwrap_or(0));
        let (start, end) = (time("startTime"), time("endTime"));
        if start > end {
            return Err(self.invalid("startTime must not be after endTime."));
        }
        let statuses = self.input.texts("executionStatuses");
        let runs = self.runs(&stored.name).await.map_err(aws_error)?.history.into_iter().filter(|run| {
            let is_within = run["triggeredTimestamp"].as_i64().is_some_and(|at| (start..=end).contains(&at));
            is_within && (statuses.is_empty() || run["executionStatus"].as_str().is_some_and(|status| statuses.contains(&status)))
        });
        // The newest first, and still in the order of their places.
        let place = |run: &Value| format!("{:020}", i64::MAX - run["triggeredTimestamp"].as_i64().unwrap_or(0));
        let items = runs.map(|run| (place(&run), run)).collect();
        let question = ["GetScheduledQueryHistory", &stored.name, &start.to_string(), &end.to_string(), &statuses.join(",")];
        let mut told = self.listed_by_place("triggerHistory", &question, items)?;
        told["name"] = stored.name.as_str().into();
        told["scheduledQueryArn"] = self.scheduled_arn(&stored.name);
        Ok(told)
    }

    pub(super) async fn list_scheduled_queries(&self) -> Answer {
        let (state, kind) = (self.input.text("state"), self.input.text("scheduleType"));
        let mut all = self.all(SCHEDULED_QUERY, None).await?;
        all.retain(|each| {
            state.is_none_or(|state| each.text("state") == state) && kind.is_none_or(|kind| kind == "CUSTOMER_MANAGED")
        });
        let question = ["ListScheduledQueries", state.unwrap_or_default(), kind.unwrap_or_default()];
        self.listed("scheduledQueries", &question, all, |each| {
            let whole = self.told_scheduled_query(each);
            let mut told = json!({ "lastUpdatedTime": each.changed_ms });
            for member in SUMMARY {
                told[member] = whole[member].clone();
            }
            object(told)
        })
    }

    pub(super) async fn delete_scheduled_query(&self) -> Answer {
        let stored = self.scheduled_query().await?;
        self.forget(SCHEDULED_QUERY, "", &stored.name).await?;
        self.forget_runs(&stored.name).await.map_err(aws_error)?;
        self.forget_tags_of(&of_resource(&format!("scheduled-query:{}", stored.name))).await?;
        Ok(json!({}))
    }

    fn check_schedule(&self) -> Result<(), AwsError> {
        let expression = self.input.required("scheduleExpression");
        if Schedule::parse(expression).is_none() {
            return Err(self.invalid("scheduleExpression must be cron(...), rate(...) or at(...)."));
        }
        Ok(())
    }

    /// By name or ARN.
    async fn scheduled_query(&self) -> Result<Stored, AwsError> {
        let identifier = self.input.required("identifier");
        let name = identifier.split_once(":scheduled-query:").map_or(identifier, |(_, name)| name);
        let found = self.stored(SCHEDULED_QUERY, "", name).await?;
        found.ok_or_else(|| not_found("The specified scheduled query does not exist."))
    }

    fn scheduled_arn(&self, name: &str) -> Value {
        self.arn(&format!("scheduled-query:{name}")).into()
    }

    fn told_scheduled_query(&self, stored: &Stored) -> Value {
        let mut told = Value::Object(stored.document.clone());
        told["scheduledQueryArn"] = self.scheduled_arn(&stored.name);
        told["name"] = stored.name.as_str().into();
        told["scheduleType"] = "CUSTOMER_MANAGED".into();
        told["creationTime"] = stored.created_ms.into();
        told["lastUpdatedTime"] = stored.changed_ms.into();
        object(told)
    }
}
