//! The app's telemetry: four SDKs' worth of it, each with a client of its own.
//!
//! None of them may hurt the app. Whatever a request tells goes into a bounded queue or a non-blocking socket; when the
//! queue is full or nobody listens, it is dropped. No exporter traces its own calls.

pub mod cloudwatch;
pub mod otel;
pub mod rollbar;
pub mod sigv4;
pub mod xray;

use std::sync::Arc;
use std::time::Duration;

use cloudwatch::CloudWatch;
use otel::Otel;
use rollbar::Rollbar;
use tokio_util::task::TaskTracker;
use xray::Xray;

use crate::Targets;

/// What both tracers, the items and the deploys call the place the app runs in.
pub const ENVIRONMENT: &str = "production";
/// One log group for the whole app, as a container's log driver would have it.
pub const LOG_GROUP: &str = "cruddur";
/// A call to Cupola that takes longer has failed.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// Who tells something: one service at one version.
#[derive(Clone, Debug)]
pub struct Identity {
    pub service: &'static str,
    pub host: &'static str,
    pub version: String,
}

/// The clients that outlive a deploy: one each for the process.
#[derive(Clone)]
pub struct Vendors {
    pub xray: Arc<Xray>,
    pub cloudwatch: CloudWatch,
    pub rollbar: Rollbar,
}

impl Vendors {
    /// Starts the clients; returns once the sampling rules are in or have failed to come.
    pub async fn start(targets: &Targets, tasks: &TaskTracker) -> anyhow::Result<Vendors> {
        Ok(Vendors {
            xray: Xray::start(targets.xray, tasks).await?,
            cloudwatch: CloudWatch::start(&targets.http, tasks)?,
            rollbar: Rollbar::start(&targets.http, tasks)?,
        })
    }

    /// Delivers what is queued. Without anybody listening this ends at the callers' timeout.
    pub async fn close(&self) {
        self.xray.close();
        tokio::join!(self.cloudwatch.close(), self.rollbar.close());
    }
}

/// Shuts OpenTelemetry providers down, all at once, without blocking the runtime.
///
/// Threads of their own instead of `spawn_blocking`: dropping a runtime waits for the latter, and an exporter that
/// talks to nobody must not hold up the end of the program.
pub async fn close_all(providers: Vec<Arc<Otel>>) {
    let mut closed = Vec::new();
    for otel in providers {
        let (done, wait) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            otel.close();
            // Nobody waits any more once the timeout has passed.
            let _ = done.send(());
        });
        closed.push(wait);
    }
    for wait in closed {
        // An error means the thread ended without an answer, which is as closed as can be.
        let _ = wait.await;
    }
}

/// An HTTP client for loopback: no proxy from the environment, no connection kept where the SDK keeps none.
fn http_client(keep_connections: bool) -> anyhow::Result<reqwest::Client> {
    let idle = if keep_connections { 1 } else { 0 };
    Ok(reqwest::Client::builder().no_proxy().pool_max_idle_per_host(idle).timeout(CALL_TIMEOUT).build()?)
}

/// `count` random lower-case hex digits.
pub fn random_hex(count: usize) -> String {
    std::iter::repeat_with(|| char::from_digit(u32::from(fastrand::u8(0..16)), 16).unwrap_or('0')).take(count).collect()
}
