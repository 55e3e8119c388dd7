//! Sockets to answers: everything that listens, and the pipeline between a receiver and the store.
//!
//! [`ingest`] is the journey in (decode, enrich, append, reply), [`api`] the journey out, [`listen`] the sockets that lead
//! to both, [`alerting`] what goes out unasked. A reply that means "kept" leaves only after the store said so.

pub mod alerting;
pub mod api;
pub mod ingest;
pub mod limits;
pub mod listen;
mod own_metrics;
#[cfg(test)]
mod testing;
mod web;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

pub use api::aws::AwsKeys;
pub use listen::{Addresses, Listeners, serve};

/// What every handler may use.
#[derive(Clone)]
pub struct Services(Arc<ServicesInner>);

pub struct ServicesInner {
    pub settings: Settings,
    pub ingest: ingest::Ingest,
    pub store: store::Store,
    /// Held while the store is being settled.
    pub settling: tokio::sync::Mutex<()>,
    pub asker: engine::ask::Asker,
    pub metastore: metastore::Metastore,
    pub log_stream_activity: ingest::StreamActivity,
    pub xray: api::aws::XrayState,
    pub logs: api::aws::LogsState,
    pub rql_jobs: api::rollbar::RqlJobs,
    source_maps: api::source_maps::SourceMapCache,
    sentry_chunks: api::sentry::Chunks,
    rate_limits: api::rollbar::RateLimits,
    pub outbox: alerting::Outbox,
    pub alarms: api::aws::metrics::AlarmsState,
    pub addresses: Addresses,
    pub started: Instant,
}

/// What a server is told about itself.
#[derive(Clone, Debug)]
pub struct Settings {
    pub version: &'static str,
    pub data_dir: String,
    /// The project that rows without a key belong to.
    pub project: String,
    pub region: String,
    pub account_id: String,
    /// Who may call AWS's APIs; everybody while it is empty.
    pub aws_keys: AwsKeys,
    /// Access key ids whose holders may read what is protected; everybody where it is not set.
    pub aws_unmask_keys: Option<Vec<String>>,
    /// Where the page lies when it is not inside the binary.
    pub web_dir: Option<std::path::PathBuf>,
    /// The folder whose folders stand for buckets of S3.
    pub buckets_dir: Option<std::path::PathBuf>,
    /// The server whose buckets can be written to as well.
    pub s3: Option<S3Settings>,
    /// How e-mail is sent, if it is.
    pub mail: Option<alerting::MailSettings>,
    /// Bytes that the bodies of all requests may take while they are read and written.
    pub body_bytes_max: usize,
}

/// A server that speaks S3's protocol.
#[derive(Clone)]
pub struct S3Settings {
    /// `http://` or `https://`, host and port.
    pub endpoint: String,
    /// Key and secret; without them nothing is signed.
    pub credentials: Option<(String, String)>,
}

/// Without what is secret.
impl std::fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Settings").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Services {
    pub fn new(
        settings: Settings,
        store: store::Store,
        engine: engine::Engine,
        metastore: metastore::Metastore,
        addresses: Addresses,
        remembered: ingest::Remembered,
    ) -> Result<Services, alerting::OutboxError> {
        let project = settings.project.clone();
        let outbox = alerting::Outbox::new(metastore.clone(), project.clone(), settings.mail.clone())?;
        Ok(Services(Arc::new(ServicesInner {
            ingest: ingest::Ingest::new(store.clone(), project.clone(), remembered, settings.body_bytes_max),
            store,
            settling: tokio::sync::Mutex::default(),
            asker: engine::ask::Asker { engine, project },
            settings,
            metastore,
            log_stream_activity: ingest::StreamActivity::default(),
            xray: api::aws::XrayState::default(),
            logs: api::aws::LogsState::default(),
            rql_jobs: api::rollbar::RqlJobs::default(),
            source_maps: api::source_maps::SourceMapCache::default(),
            sentry_chunks: api::sentry::Chunks::default(),
            rate_limits: api::rollbar::RateLimits::default(),
            outbox,
            alarms: api::aws::metrics::AlarmsState::default(),
            addresses,
            started: Instant::now(),
        })))
    }
}

impl std::ops::Deref for Services {
    type Target = ServicesInner;

    fn deref(&self) -> &ServicesInner {
        &self.0
    }
}

/// The address of whoever is on the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

impl Peer {
    pub fn ip(self) -> IpAddr {
        self.0.ip()
    }
}

/// Nanoseconds since 1970. The one place of this crate that reads the wall clock.
#[allow(clippy::disallowed_methods)]
pub fn now_unix_nano() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
