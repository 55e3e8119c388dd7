//! Dashboards: kept and given back. Nothing here draws them.

use http::StatusCode;
use metastore::{MetastoreError, ResourceKind, ResourcesMax};
use receivers::aws::AwsError;
use receivers::cloudwatch::tokens::PageToken;
use serde_json::{Value, json};

use super::alarm_state::seconds;
use super::{Answer, MetricsApi, invalid_token, metastore_error};
use crate::limits::DASHBOARDS_MAX;

const DASHBOARD: ResourceKind = ResourceKind { name: "cloudwatch.dashboard", what: "dashboard" };

/// Of one page of a list.
const PAGE: usize = 1_000;

/// AWS's bounds.
const NAME_CHARS_MAX: usize = 255;
const BODY_BYTES_MAX: usize = 1024 * 1024;

impl MetricsApi<'_> {
    pub(super) async fn put_dashboard(&self) -> Answer {
        let (name, body) = (self.input.required("DashboardName"), self.input.required("DashboardBody"));
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !is_plain {
            return Err(wrong("The value for field DashboardName contains invalid characters.", "DashboardName"));
        }
        let is_object = serde_json::from_str::<Value>(body).is_ok_and(|body| body.is_object());
        if !is_object || body.len() > BODY_BYTES_MAX {
            return Err(wrong("The field DashboardBody must be a valid JSON object", "DashboardBody"));
        }
        let (max, now) = (ResourcesMax::OfKind(DASHBOARDS_MAX), self.call.received_at_unix_nano);
        let put = self.services.metastore.put_resource(self.project, DASHBOARD, "", name, body, max, now);
        put.await.map_err(metastore_error)?;
        Ok(json!({ "DashboardValidationMessages": [] }))
    }

    pub(super) async fn get_dashboard(&self) -> Answer {
        let name = self.input.required("DashboardName");
        let found = self.services.metastore.resource(self.project, DASHBOARD, "", name).await.map_err(metastore_error)?;
        let found = found.ok_or_else(|| not_found(name))?;
        Ok(json!({ "DashboardArn": self.dashboard_arn(name), "DashboardBody": found.document, "DashboardName": name }))
    }

    pub(super) async fn list_dashboards(&self) -> Answer {
        let prefix = self.input.text("DashboardNamePrefix").unwrap_or_default();
        let question = ["ListDashboards", prefix];
        let after = match self.input.text("NextToken") {
            None => String::new(),
            Some(token) => PageToken::decode(token, &question).map_err(|_| invalid_token())?.after,
        };
        let all = self.services.metastore.resources(self.project, DASHBOARD, Some("")).await.map_err(metastore_error)?;
        let mut rest: Vec<_> = all.into_iter().filter(|each| each.name.starts_with(prefix) && each.name > after).collect();
        let more = rest.len() > PAGE;
        rest.truncate(PAGE);
        let entries = rest.iter().map(|each| {
            json!({
                "DashboardName": each.name,
                "DashboardArn": self.dashboard_arn(&each.name),
                "LastModified": seconds(each.changed_at_unix_nano),
                "Size": each.document.len(),
            })
        });
        let mut answer = json!({ "DashboardEntries": entries.collect::<Vec<_>>() });
        if let Some(last) = rest.last().filter(|_| more) {
            answer["NextToken"] = PageToken::new(last.name.as_str(), &question).encode().into();
        }
        Ok(answer)
    }

    /// All of them or, where one is not there, none.
    pub(super) async fn delete_dashboards(&self) -> Answer {
        let metastore = &self.services.metastore;
        let names = self.input.texts("DashboardNames");
        for name in &names {
            let found = metastore.resource(self.project, DASHBOARD, "", name).await.map_err(metastore_error)?;
            found.ok_or_else(|| not_found(name))?;
        }
        for name in names {
            match metastore.delete_resource(self.project, DASHBOARD, "", name).await {
                // Named twice, or gone meanwhile.
                Ok(()) | Err(MetastoreError::NotFound { .. }) => {}
                Err(error) => return Err(metastore_error(error)),
            }
        }
        Ok(json!({}))
    }

    fn dashboard_arn(&self, name: &str) -> String {
        format!("arn:aws:cloudwatch::{}:dashboard/{name}", self.services.settings.account_id)
    }
}

fn wrong(message: &str, path: &str) -> AwsError {
    let details = json!({ "dashboardValidationMessages": [{ "DataPath": path, "Message": message }] });
    AwsError::new("DashboardInvalidInputError", message).with_details(details)
}

fn not_found(name: &str) -> AwsError {
    AwsError::new("DashboardNotFoundError", format!("Dashboard {name} does not exist")).with_status(StatusCode::NOT_FOUND)
}
