//! Sentry: envelopes become errors, spans, log records and data points.
//!
//! In:      POST /api/{project}/envelope/ (items behind a header each); POST /api/{project}/store/ (one event)
//! Spec:    develop.sentry.dev/sdk/foundations/envelopes, develop.sentry.dev/sdk/data-model/event-payloads
//! Out:     one log record per event (`exception` or `message`, the event as `source`), check-in, session, report of a user, discarded
//!          batch and attachment of text; one span per transaction and span of it; one log record per log, one data point per metric
//! Missing: profiles, recordings, minidumps and attachments that are no text, which are taken and dropped; breadcrumbs, variables,
//!          code context and modules are in `source` alone; debug files and releases
//! Quirks:  there is no service: the tag `service`, what stands before `@` in the release, or `sentry-<project>`; the latest exception
//!          is the last; a fingerprint may name `{{ default }}`; any key will do, but there has to be one; project 1 has doors
//!          of its own, because Rollbar's API lies at `/api/1/`

mod envelope;
mod event;
mod fields;
mod reply;
mod telemetry;
mod transaction;

#[cfg(test)]
mod tests;

use model::{Counted, Refusal, RowSink, Signal};

use crate::incoming::Incoming;
use crate::receiver::{CorsPolicy, Door, Failure, Identity, IngestMethod, Receiver, Reply, Route};
use envelope::Envelope;

const ENVELOPE: &str = "envelope";
const STORE: &str = "store";

/// Says whether a client named a key; the server looks for it in headers and query, the key itself is not kept.
const KEY: &str = "x-cupola-sentry-key";

/// Browsers read when to come back.
const CORS: CorsPolicy = CorsPolicy::Any { expose: "X-Sentry-Error, X-Sentry-Rate-Limits, Retry-After" };

/// The version in the name of a release, `package@version`: by it errors and source maps find each other.
pub fn version(release: &str) -> &str {
    fields::package_and_version(release).1
}

/// What stands before the version, if anything does, and the version.
pub fn package_and_version(release: &str) -> (Option<&str>, &str) {
    fields::package_and_version(release)
}

pub struct Sentry;

impl Receiver for Sentry {
    fn name(&self) -> &'static str {
        "sentry"
    }

    fn doors(&self) -> &'static [Door] {
        const fn door(path: &'static str, endpoint: &'static str) -> Door {
            let method = IngestMethod::Post;
            Door::Http(Route { method, path, endpoint, body_bytes_max: envelope::BODY_BYTES_MAX, cors: CORS })
        }
        const {
            &[
                door("/api/{rest}/envelope/", ENVELOPE),
                door("/api/{rest}/envelope", ENVELOPE),
                door("/api/{rest}/store/", STORE),
                door("/api/{rest}/store", STORE),
                door("/api/1/envelope/", ENVELOPE),
                door("/api/1/envelope", ENVELOPE),
                door("/api/1/store/", STORE),
                door("/api/1/store", STORE),
            ]
        }
    }

    fn headers(&self) -> &'static [&'static str] {
        &[KEY]
    }

    /// The address that a client was told holds its key.
    fn without_secrets(&self, incoming: &Incoming<'_>) -> Option<Vec<u8>> {
        if incoming.endpoint == ENVELOPE { envelope::without_key(incoming.body) } else { None }
    }

    /// What is sent again differs at most in the header, which says when.
    fn identity(&self, incoming: &Incoming<'_>) -> Option<Identity> {
        let body = if incoming.endpoint == ENVELOPE { envelope::items_of(incoming.body) } else { incoming.body };
        (!body.is_empty()).then(|| Identity::of(&format!("sentry {}", incoming.rest), body))
    }

    fn translate(&self, incoming: &Incoming<'_>, sink: &mut dyn RowSink) -> Result<(), Failure> {
        let envelope = read(incoming)?;
        if !envelope.has_key && incoming.headers.get(KEY).is_none() {
            return Err(Failure::Unauthenticated);
        }
        for item in &envelope.items {
            push(item, &envelope, incoming, sink);
        }
        Ok(())
    }

    fn accepted(&self, incoming: &Incoming<'_>, _: &Counted<'_>) -> Reply {
        reply::kept(read(incoming).ok().and_then(|envelope| envelope.event_id()).as_deref())
    }

    fn failed(&self, _: &Incoming<'_>, failure: &Failure) -> Reply {
        reply::refused(failure)
    }
}

fn read<'a>(incoming: &Incoming<'a>) -> Result<Envelope<'a>, Failure> {
    match incoming.endpoint {
        ENVELOPE => Envelope::read(incoming.body),
        STORE => Envelope::of_event(incoming.body),
        other => Err(Failure::Invalid(format!("unknown endpoint {other:?}"))),
    }
}

/// One item; of a kind that nobody here knows, nothing.
fn push(item: &envelope::Item<'_>, envelope: &Envelope<'_>, incoming: &Incoming<'_>, sink: &mut dyn RowSink) {
    let place = fields::Place { project: project(incoming), incoming };
    let pushed = match item.kind.as_str() {
        "event" => item.json().map(|event| event::push(&event, &item.text(), envelope, &place, sink)),
        "transaction" => item.json().map(|transaction| transaction::push(&transaction, &place, sink)),
        "span" => item.json().map(|spans| transaction::push_spans(&spans, envelope, &place, sink)),
        "log" => item.json().map(|logs| telemetry::push_logs(&logs, &place, sink)),
        "trace_metric" => item.json().map(|points| telemetry::push_metrics(&points, &place, sink)),
        "check_in" => item.json().map(|check_in| telemetry::push_check_in(&check_in, &place, sink)),
        "session" => item.json().map(|session| telemetry::push_session(&session, &place, sink)),
        "sessions" => item.json().map(|sessions| telemetry::push_sessions(&sessions, &place, sink)),
        "client_report" => item.json().map(|report| telemetry::push_client_report(&report, &place, sink)),
        "user_report" | "feedback" => item.json().map(|report| telemetry::push_user_report(&report, envelope, &place, sink)),
        "attachment" => {
            telemetry::push_attachment(item, envelope, &place, sink);
            Ok(())
        }
        _ => Ok(()),
    };
    if let Err(reason) = pushed {
        let signal = match item.kind.as_str() {
            "transaction" | "span" => Signal::Spans,
            "trace_metric" => Signal::Metrics,
            _ => Signal::Logs,
        };
        sink.refuse(Refusal::one(signal, format!("item {}: {reason}", item.kind)));
    }
}

/// The number in the path; of the doors of project 1, that.
fn project<'a>(incoming: &Incoming<'a>) -> &'a str {
    if incoming.rest.is_empty() { "1" } else { incoming.rest }
}
