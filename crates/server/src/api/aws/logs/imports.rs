//! Import tasks bring CloudTrail's lakes into logs. There are none here: every source is one that does not exist.

use super::{Answer, LogsApi, not_found};

impl LogsApi<'_> {
    pub(super) fn create_import_task(&self) -> Answer {
        if !self.input.required("importSourceArn").starts_with("arn:") {
            return Err(self.invalid("importSourceArn is not a valid ARN."));
        }
        Err(not_found("The specified import source does not exist."))
    }

    pub(super) fn cancel_import_task(&self) -> Answer {
        Err(not_found("The specified import task does not exist."))
    }

    pub(super) fn describe_import_tasks(&self) -> Answer {
        self.listed_by_place("imports", &["DescribeImportTasks"], Vec::new())
    }

    pub(super) fn describe_import_task_batches(&self) -> Answer {
        Err(not_found("The specified import task does not exist."))
    }
}
