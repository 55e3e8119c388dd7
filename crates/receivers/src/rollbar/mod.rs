//! Rollbar: items and deploys become log records.
//!
//! In:      POST /api/1/item/ (JSON, or a form with `payload`); POST /api/1/deploy/ (JSON, form, multipart);
//!          POST /api/1/session/ (OTLP/JSON)
//! Spec:    docs.rollbar.com/reference/create-item, docs.rollbar.com/reference/post-deploy
//! Out:     one log record per occurrence, `exception` for traces and crash reports, `message` for messages, all with an
//!          exception to group by and the payload as `source`; one log record `deploy` per deploy
//! Missing: tokens in the query string of what is sent; locals, code context, telemetry and request parameters are in `source` alone;
//!          recordings are not asked for, what rollbar.js tells of a session beside them are spans
//! Quirks:  the token comes in the header, in the body, or both, and is not kept; times are whole seconds and absent from
//!          browsers; there is no service, so `custom.service`, `service` or the last folder of `server.root` stands in;
//!          `$remote_ip` means the address of the caller; one error wrapped in itself arrives as a `trace_chain` of two

mod form;
mod reply;
mod stacktrace;
mod translate;
mod wire;

#[cfg(test)]
mod key_tests;
#[cfg(test)]
mod tests;

use model::{Counted, RowSink};

use crate::incoming::Incoming;
use crate::limits::BODY_BYTES_MAX;
use crate::receiver::{CorsPolicy, Decoded, Door, Failure, Identity, IngestMethod, Receiver, Reply, Route};
use wire::{Deploy, Payload};

/// The fields of a form or of a query string, in order.
pub fn form_fields(text: &[u8]) -> Vec<(String, String)> {
    form::urlencoded(text)
}

/// The named parts of `multipart/form-data`, as text.
pub fn multipart_fields(content_type: &str, body: &[u8]) -> Vec<(String, String)> {
    form::multipart(content_type, body)
}

/// The same as they were sent.
pub fn multipart_bytes<'b>(content_type: &str, body: &'b [u8]) -> Vec<(String, &'b [u8])> {
    form::multipart_bytes(content_type, body)
}

const ITEM: &str = "item";
const DEPLOY: &str = "deploy";
const SESSION: &str = "session";

/// Browsers send items; rollbar.js reads these to decide whether to record pages.
const CORS: CorsPolicy =
    CorsPolicy::Any { expose: "Rollbar-Replay-Enabled, Rollbar-Replay-RateLimit-Remaining, Rollbar-Replay-RateLimit-Reset" };

pub struct Rollbar;

impl Receiver for Rollbar {
    fn name(&self) -> &'static str {
        "rollbar"
    }

    fn doors(&self) -> &'static [Door] {
        const fn item(path: &'static str) -> Door {
            Door::Http(Route {
                method: IngestMethod::Post,
                path,
                endpoint: ITEM,
                body_bytes_max: wire::ITEM_BYTES_MAX,
                cors: CORS,
            })
        }
        const fn deploy(path: &'static str) -> Door {
            Door::Http(Route {
                method: IngestMethod::Post,
                path,
                endpoint: DEPLOY,
                body_bytes_max: wire::DEPLOY_BYTES_MAX,
                cors: CorsPolicy::None,
            })
        }
        const fn session(path: &'static str) -> Door {
            Door::Http(Route { method: IngestMethod::Post, path, endpoint: SESSION, body_bytes_max: BODY_BYTES_MAX, cors: CORS })
        }
        const {
            &[
                item("/api/1/item/"),
                item("/api/1/item"),
                deploy("/api/1/deploy/"),
                deploy("/api/1/deploy"),
                session("/api/1/session/"),
                session("/api/1/session"),
            ]
        }
    }

    /// A session that is sent again is sent byte by byte as it was.
    fn identity(&self, incoming: &Incoming<'_>) -> Option<Identity> {
        (incoming.endpoint == SESSION).then(|| Identity::of("rollbar session", incoming.body))
    }

    /// Only whether there was a token; its value is not looked at, and need not be kept.
    fn headers(&self) -> &'static [&'static str] {
        &["x-rollbar-access-token"]
    }

    fn without_secrets(&self, incoming: &Incoming<'_>) -> Option<Vec<u8>> {
        match incoming.endpoint {
            ITEM => wire::item_without_token(incoming.body),
            SESSION => None,
            _ => Deploy::without_token(incoming),
        }
    }

    fn decode<'i>(&self, incoming: &'i Incoming<'i>) -> Result<Option<Box<dyn Decoded + 'i>>, Failure> {
        match incoming.endpoint {
            ITEM => Ok(Some(Box::new(Item { payload: Payload::from_incoming(incoming)?, incoming }))),
            _ => Ok(None),
        }
    }

    fn translate(&self, incoming: &Incoming<'_>, sink: &mut dyn RowSink) -> Result<(), Failure> {
        match incoming.endpoint {
            ITEM => translate::push_item(&Payload::from_incoming(incoming)?, incoming, sink),
            DEPLOY => translate::push_deploy(incoming, sink),
            SESSION => translate::push_session(incoming, sink),
            other => Err(Failure::Invalid(format!("unknown endpoint {other:?}"))),
        }
    }

    fn accepted(&self, incoming: &Incoming<'_>, _: &Counted<'_>) -> Reply {
        match incoming.endpoint {
            DEPLOY => reply::deploy_kept(translate::deploy_id(incoming)),
            SESSION => reply::session_kept(),
            _ => reply::item_kept(Payload::from_incoming(incoming).ok().as_ref().and_then(Payload::uuid)),
        }
    }

    fn failed(&self, _: &Incoming<'_>, failure: &Failure) -> Reply {
        reply::refused(failure)
    }
}

/// An item that has been read.
struct Item<'i> {
    payload: Payload<'i>,
    incoming: &'i Incoming<'i>,
}

impl Decoded for Item<'_> {
    fn identity(&self) -> Option<Identity> {
        self.payload.uuid().map(|uuid| Identity::of("rollbar item", uuid.as_bytes()))
    }

    fn push(&self, sink: &mut dyn RowSink) -> Result<(), Failure> {
        translate::push_item(&self.payload, self.incoming, sink)
    }

    fn accepted(&self, _: &Counted<'_>) -> Reply {
        reply::item_kept(self.payload.uuid())
    }
}
