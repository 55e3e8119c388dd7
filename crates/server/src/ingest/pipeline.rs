//! Between receiver and store: what the model knows beyond one protocol is added to each row as it passes.
//!
//! `error.group` of exceptions, the exact link from a span to another vendor's trace, and the trace a log line names in
//! its body. Pure: the same row always gets the same additions, so a replayed request gives the same rows.

use std::borrow::Cow;
use std::sync::Arc;

use analysis::grouping::rules::{Defaults, Rules};
use analysis::linking;
use metastore::OccurrencesSeen;
use model::{DataPoint, Exception, LogRecord, Refusal, Resource, RowSink, Rows, Scope, Span};

use super::groups::{Group, Groups};
use super::occurrence::{Origin, occurrence, title};
use super::rule_book::RuleBook;
use super::rule_payload::rule_payload;
use crate::limits::ITEM_TITLE_CHARS_MAX;

/// What errors are told apart by.
#[derive(Default)]
pub struct Grouping {
    pub groups: Groups,
    pub rules: Arc<RuleBook>,
}

pub struct Pipeline<'a> {
    out: &'a mut dyn RowSink,
    groups: &'a Groups,
    /// Those that were in force when the request arrived.
    rules: Option<Arc<Rules>>,
    received_at_unix_nano: i64,
    origin: Origin,
    services: Vec<(String, Rows)>,
    occurrences: Vec<OccurrencesSeen>,
}

impl<'a> Pipeline<'a> {
    pub fn new(out: &'a mut dyn RowSink, grouping: &'a Grouping, received_at_unix_nano: i64) -> Pipeline<'a> {
        let (services, occurrences) = (Vec::new(), Vec::new());
        let (groups, rules) = (&grouping.groups, grouping.rules.at(received_at_unix_nano));
        Pipeline { out, groups, rules, received_at_unix_nano, origin: Origin::default(), services, occurrences }
    }

    /// Rows by service, those without rows left out, and the occurrences of errors.
    pub fn seen(self) -> (Vec<(String, Rows)>, Vec<OccurrencesSeen>) {
        (self.services.into_iter().filter(|(_, rows)| rows.total() > 0).collect(), self.occurrences)
    }

    fn rows(&mut self) -> &mut Rows {
        if self.services.is_empty() {
            self.services.push((model::UNKNOWN_SERVICE.to_owned(), Rows::default()));
        }
        let last = self.services.len() - 1;
        &mut self.services[last].1
    }

    fn grouped<'r>(&mut self, record: &LogRecord<'_>, exception: &Exception<'r>) -> Exception<'r> {
        let mut group = self.groups.group_of(exception, self.origin.language());
        let ruled = self.rules.as_ref().and_then(|rules| {
            let title = title(exception, record.event_name, &record.body);
            let payload = rule_payload(record, exception, &self.origin);
            rules.apply(&payload, Defaults { fingerprint: &group.fingerprint, title: &title })
        });
        let (fingerprint, title) = ruled.map(|ruled| (ruled.fingerprint, ruled.title)).unwrap_or_default();
        if let Some(fingerprint) = fingerprint.filter(|fingerprint| *fingerprint != group.fingerprint) {
            group = Group { fingerprint, earlier: Vec::new() };
        }
        let exception = Exception { group: Some(Cow::Owned(group.fingerprint)), ..exception.clone() };
        let mut seen = occurrence(record, &exception, group.earlier, &self.origin, self.received_at_unix_nano);
        if let Some(title) = title {
            seen.title = title.chars().take(ITEM_TITLE_CHARS_MAX).collect();
        }
        self.occurrences.push(seen);
        exception
    }
}

impl RowSink for Pipeline<'_> {
    fn resource(&mut self, resource: &Resource<'_>) {
        let name = resource.service_name();
        match self.services.iter().position(|(service, _)| service == name) {
            Some(place) => {
                let last = self.services.len() - 1;
                self.services.swap(place, last);
            }
            None => self.services.push((name.to_owned(), Rows::default())),
        }
        self.origin = Origin::of(resource.attributes);
        self.out.resource(resource);
    }

    fn scope(&mut self, scope: &Scope<'_>) {
        self.out.scope(scope);
    }

    fn span(&mut self, span: &Span<'_>) {
        self.rows().spans += 1;
        let linked = span
            .attributes
            .iter()
            .find_map(|attribute| linking::exact_trace_link(&attribute.key, &attribute.value))
            .filter(|linked| *linked != span.trace_id);
        match linked {
            Some(_) => self.out.span(&Span { linked_trace_id: linked, ..span.clone() }),
            None => self.out.span(span),
        }
    }

    fn log(&mut self, record: &LogRecord<'_>) {
        self.rows().logs += 1;
        let exception = record.exception.as_ref().map(|exception| self.grouped(record, exception));
        let named = if record.trace_id.is_none() { linking::trace_context_in_log_body(&record.body) } else { None };
        if exception.is_none() && named.is_none() {
            return self.out.log(record);
        }
        let trace_id = record.trace_id.or(named.map(|context| context.trace_id));
        let span_id = record.span_id.or(named.and_then(|context| context.span_id));
        self.out.log(&LogRecord { exception, trace_id, span_id, ..record.clone() });
    }

    fn data_point(&mut self, point: &DataPoint<'_>) {
        self.rows().metrics += 1;
        self.out.data_point(point);
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.out.refuse(refusal);
    }
}
