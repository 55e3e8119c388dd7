//! Export tasks. There is no S3 here: every bucket is one that does not exist.

use super::{Answer, LogsApi, not_found};

impl LogsApi<'_> {
    pub(super) async fn create_export_task(&self) -> Answer {
        self.group(self.input.required("logGroupName")).await?;
        if self.input.integer("from") >= self.input.integer("to") {
            return Err(self.invalid("The specified time range is invalid: from must be before to."));
        }
        Err(self.invalid("The given bucket does not exist. Please make sure the bucket is valid."))
    }

    pub(super) fn cancel_export_task(&self) -> Answer {
        Err(not_found("The specified export task does not exist."))
    }

    /// By id, there is none to be found; the list is empty.
    pub(super) fn describe_export_tasks(&self) -> Answer {
        if self.input.has("taskId") {
            return Err(not_found("The specified export task does not exist."));
        }
        self.listed_by_place("exportTasks", &["DescribeExportTasks"], Vec::new())
    }
}
