//! AWS CloudWatch: log events become log records, metric data become data points; the words of Logs' other operations.
//!
//! In:      PutLogEvents (JSON 1.1) and PutMetricData (form, JSON 1.0 or CBOR). They have no path of their own: the server's AWS
//!          router knows them, checks group and stream, and adds `x-cupola-retention-days`, `x-cupola-region`,
//!          `x-cupola-account` and, with what metric filters found, `x-cupola-metrics`
//! Spec:    docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
//! Out:     one log record per event, with what its text tells of severity, trace, exception and JSON fields; data points of
//!          events in the embedded metric format and of what metric filters found
//! Missing: an entity is never rejected; an event in the embedded metric format is not checked against its schema
//! Quirks:  sequence tokens mean nothing and are always answered; skipped events are told by index, inclusive for too new
//!          and exclusive for too old; the service is the entity's `Name`, else the log group

mod emf;
pub mod event_id;
mod exceptions;
pub mod feedback;
pub mod limits;
pub mod made_metrics;
mod message;
pub mod metric_data;
pub mod names;
pub mod put_log_events;
pub mod reply;
pub mod sts;
pub mod tokens;
mod translate;
pub mod wire;

#[cfg(test)]
mod tests;

use model::{Counted, RowSink};

use crate::incoming::Incoming;
use crate::receiver::{Decoded, Door, Failure, Receiver, Reply};
use put_log_events::{Admission, PutLogEvents};

pub use crate::aws::AwsError;
pub(crate) use emf::DATA_POINTS_PER_CALL_MAX;
pub use emf::unit;
pub(crate) use translate::push_line;

/// The endpoint of [`Incoming`] for this receiver's only operation.
pub const PUT_LOG_EVENTS: &str = "put_log_events";

/// The endpoint for metric data.
pub const PUT_METRIC_DATA: &str = "put_metric_data";

/// The namespace of XML answers about metrics.
pub const METRICS_XML_NAMESPACE: &str = "http://monitoring.amazonaws.com/doc/2010-08-01/";

pub struct CloudWatch;

impl Receiver for CloudWatch {
    fn name(&self) -> &'static str {
        "cloudwatch"
    }

    fn doors(&self) -> &'static [Door] {
        &[]
    }

    fn headers(&self) -> &'static [&'static str] {
        &["x-cupola-account", made_metrics::HEADER, "x-cupola-region", "x-cupola-retention-days"]
    }

    fn decode<'i>(&self, incoming: &'i Incoming<'i>) -> Result<Option<Box<dyn Decoded + 'i>>, Failure> {
        if incoming.endpoint != PUT_LOG_EVENTS {
            return Ok(None);
        }
        let (request, admission) = translate::admitted(incoming).map_err(reply::failure)?;
        Ok(Some(Box::new(AdmittedLogEvents { request, admission, incoming })))
    }

    fn translate(&self, incoming: &Incoming<'_>, sink: &mut dyn RowSink) -> Result<(), Failure> {
        match incoming.endpoint {
            PUT_LOG_EVENTS => {
                let (request, admission) = translate::admitted(incoming).map_err(reply::failure)?;
                translate::push_log_events(&request, &admission, incoming, sink);
                Ok(())
            }
            PUT_METRIC_DATA => {
                reply::metric_data(incoming).map_err(reply::failure)?.push(incoming, sink);
                Ok(())
            }
            other => Err(Failure::Invalid(format!("unknown endpoint {other:?}"))),
        }
    }

    fn accepted(&self, incoming: &Incoming<'_>, _counted: &Counted<'_>) -> Reply {
        if incoming.endpoint == PUT_METRIC_DATA {
            return reply::metric_data_kept(incoming);
        }
        let admission = translate::admitted(incoming).map(|(_, admission)| admission).unwrap_or_default();
        reply::log_events_kept(incoming, &admission)
    }

    fn failed(&self, incoming: &Incoming<'_>, failure: &Failure) -> Reply {
        if incoming.endpoint == PUT_METRIC_DATA {
            return reply::metric_data_refused(incoming, failure);
        }
        reply::refused(&reply::error(failure), &crate::aws::request_id(incoming))
    }
}

/// A call that was read and checked, with what is let in of it.
pub struct AdmittedLogEvents<'i> {
    pub request: PutLogEvents<'i>,
    pub admission: Admission,
    pub incoming: &'i Incoming<'i>,
}

impl Decoded for AdmittedLogEvents<'_> {
    fn push(&self, sink: &mut dyn RowSink) -> Result<(), Failure> {
        translate::push_log_events(&self.request, &self.admission, self.incoming, sink);
        Ok(())
    }

    fn accepted(&self, _: &Counted<'_>) -> Reply {
        reply::log_events_kept(self.incoming, &self.admission)
    }
}

/// Metric data that were read and checked.
pub struct AdmittedMetricData<'i> {
    pub data: metric_data::PutMetricData,
    pub incoming: &'i Incoming<'i>,
}

impl Decoded for AdmittedMetricData<'_> {
    fn push(&self, sink: &mut dyn RowSink) -> Result<(), Failure> {
        self.data.push(self.incoming, sink);
        Ok(())
    }

    fn accepted(&self, _: &Counted<'_>) -> Reply {
        reply::metric_data_kept(self.incoming)
    }
}
