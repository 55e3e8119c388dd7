//! A sink that marks spans the client's sampler would have dropped.

use model::{Attribute, DataPoint, LogRecord, Refusal, Resource, RowSink, Scope, Span, Value};

/// Passes rows on, spans with the attribute `aws.xray.sampled` = false.
pub struct Unsampled<'s>(pub &'s mut dyn RowSink);

impl RowSink for Unsampled<'_> {
    fn resource(&mut self, resource: &Resource<'_>) {
        self.0.resource(resource);
    }

    fn scope(&mut self, scope: &Scope<'_>) {
        self.0.scope(scope);
    }

    fn span(&mut self, span: &Span<'_>) {
        let mut attributes = span.attributes.to_vec();
        attributes.push(Attribute::new("aws.xray.sampled", Value::Bool(false)));
        self.0.span(&Span { attributes: &attributes, ..span.clone() });
    }

    fn log(&mut self, record: &LogRecord<'_>) {
        self.0.log(record);
    }

    fn data_point(&mut self, point: &DataPoint<'_>) {
        self.0.data_point(point);
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.0.refuse(refusal);
    }
}
