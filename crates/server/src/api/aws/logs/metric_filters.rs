//! Metric filters: patterns that make metrics of lines. They are checked, kept and tried; `made_metrics` makes
//! the metrics.

use languages::filter_pattern;
use metastore::{ResourceKind, ResourcesMax};
use receivers::aws::AwsError;
use serde_json::{Map, Value, json};

use super::resources::{Stored, group_of, object, of_group};
use super::{Answer, LogsApi};

pub const METRIC_FILTER: ResourceKind = ResourceKind { name: "logs.metric_filter", what: "metric filter" };

/// Of a group.
const FILTERS_MAX: u32 = 100;

/// Of a metric transformation.
const DIMENSIONS_MAX: usize = 3;

const MEMBERS: [&str; 5] =
    ["filterPattern", "metricTransformations", "applyOnTransformedLogs", "fieldSelectionCriteria", "emitSystemFieldDimensions"];

impl LogsApi<'_> {
    pub(super) async fn put_metric_filter(&self) -> Answer {
        self.pattern(self.input.text("filterPattern"))?;
        for transformation in self.input.list("metricTransformations") {
            self.check_transformation(transformation)?;
        }
        let group = self.input.required("logGroupName");
        self.source(group).await?;
        let document = self.input.only(&MEMBERS);
        let name = self.input.required("filterName");
        self.put(METRIC_FILTER, &of_group(group), name, &document, ResourcesMax::OfOwner(FILTERS_MAX)).await?;
        self.services.logs.service_groups.changed();
        Ok(json!({}))
    }

    fn check_transformation(&self, transformation: &Value) -> Result<(), AwsError> {
        let value = transformation["metricValue"].as_str().unwrap_or_default();
        if !value.starts_with('$') && value.parse::<f64>().is_err() {
            let message = format!("Invalid metric transformation: {value} is neither a number nor a field of the pattern");
            return Err(self.invalid(message));
        }
        let dimensions = transformation["dimensions"].as_object().map_or(0, Map::len);
        if dimensions > DIMENSIONS_MAX {
            return Err(self.invalid(format!("Invalid metric transformation: at most {DIMENSIONS_MAX} dimensions are allowed")));
        }
        if dimensions > 0 && !transformation["defaultValue"].is_null() {
            return Err(
                self.invalid("Invalid metric transformation: dimensions and default value are mutually exclusive properties")
            );
        }
        Ok(())
    }

    pub(super) async fn describe_metric_filters(&self) -> Answer {
        let (name, namespace) = (self.input.text("metricName"), self.input.text("metricNamespace"));
        if name.is_some() != namespace.is_some() {
            return Err(self.invalid("metricName and metricNamespace must be specified together."));
        }
        let group = self.input.text("logGroupName");
        if let Some(group) = group {
            self.source(group).await?;
        }
        let prefix = self.input.text("filterNamePrefix").unwrap_or_default();
        let mut all = self.all(METRIC_FILTER, group.map(of_group).as_deref()).await?;
        let makes = |each: &Stored| {
            let transformations = each.document.get("metricTransformations").and_then(Value::as_array);
            transformations
                .into_iter()
                .flatten()
                .any(|each| each["metricName"].as_str() == name && each["metricNamespace"].as_str() == namespace)
        };
        all.retain(|each| each.name.starts_with(prefix) && (name.is_none() || makes(each)));
        let question =
            ["DescribeMetricFilters", group.unwrap_or_default(), prefix, name.unwrap_or_default(), namespace.unwrap_or_default()];
        self.listed("metricFilters", &question, all, |each| {
            let mut told = Value::Object(each.document.clone());
            told["filterName"] = each.name.as_str().into();
            told["logGroupName"] = group_of(&each.owner).into();
            told["creationTime"] = each.created_ms.into();
            object(told)
        })
    }

    pub(super) async fn delete_metric_filter(&self) -> Answer {
        let group = self.input.required("logGroupName");
        self.source(group).await?;
        self.forget(METRIC_FILTER, &of_group(group), self.input.required("filterName")).await?;
        self.services.logs.service_groups.changed();
        Ok(json!({}))
    }

    pub(super) fn test_metric_filter(&self) -> Answer {
        let text = self.input.required("filterPattern");
        let pattern = filter_pattern::parse(text).map_err(|error| self.invalid(error.service_message()))?;
        let messages = self.input.texts("logEventMessages");
        let matches = messages.iter().enumerate().filter_map(|(index, message)| {
            let extracted = pattern.matches(message)?;
            let values: Map<String, Value> = extracted.fields.into_iter().map(|(name, value)| (name, value.into())).collect();
            Some(json!({ "eventNumber": index + 1, "eventMessage": message, "extractedValues": values }))
        });
        Ok(json!({ "matches": matches.collect::<Vec<_>>() }))
    }
}
