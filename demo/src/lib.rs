//! Cruddur: a small social app, instrumented as real apps are, that gives Cupola something to show.
//!
//! [`run`] starts three services on loopback (`cruddur`, `cruddur-notifications`, `cruddur-search`) and about twenty
//! simulated users. Everything the services tell leaves by the sockets that any other app would use: OTLP over gRPC,
//! X-Ray datagrams, signed CloudWatch Logs calls, Rollbar posts. Nothing is handed to Cupola in-process, and no crate of
//! Cupola is used here.
//!
//! What there is to find: a slow route (`search`), one query per group (`message_groups`), errors that come and go
//! (`notifications`, `activities`), and deploys after which the error rate moves.
//!
//! Not here: a database. Queries are spans with a pause in them, their answers come from [`data`].

mod app;
mod clock;
pub mod data;
mod load;
mod telemetry;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long the app gets at the end to deliver what is still queued. With the pause for running requests it keeps the
/// whole shutdown under a second.
const FLUSH_MS: u64 = 600;

/// Where the telemetry goes.
#[derive(Clone, Debug)]
pub struct Targets {
    /// Base URL of OTLP over gRPC, e.g. `http://127.0.0.1:4317`.
    pub otlp_grpc: String,
    /// Base URL of the AWS and Rollbar APIs, e.g. `http://127.0.0.1:8080`.
    pub http: String,
    /// The X-Ray daemon: segments over UDP, sampling over TCP on the same port.
    pub xray: SocketAddr,
}

#[derive(Clone, Debug)]
pub struct Options {
    /// Where `cruddur` listens; port 0 takes a free one. The other services take free ports of the same address.
    pub listen: SocketAddr,
    /// Mean rate of the simulated users.
    pub requests_per_second: f64,
    /// Sends about 200 requests within the first second, so that there is something to look at.
    pub backfill: bool,
    /// Decides what the users do and which requests are unlucky. Ids are random all the same.
    pub seed: u64,
}

/// Runs the app and its users until `shutdown`, then flushes and returns within a second.
///
/// Returns early only when a port cannot be taken or a target is not an address. A target that does not answer is no
/// error: telemetry is then dropped, and the app goes on.
pub async fn run(targets: Targets, options: Options, shutdown: CancellationToken) -> anyhow::Result<()> {
    let tasks = TaskTracker::new();
    let vendors = telemetry::Vendors::start(&targets, &tasks).await?;
    let app = app::App::start(&targets, &vendors, &options).await.context("cannot start the demo app")?;
    tracing::info!(address = %app.address(), "demo app listens");

    let users = load::start(app.address(), &options, &tasks, shutdown.child_token());
    app.deploy_now_and_then(&tasks, shutdown.child_token());
    shutdown.cancelled().await;
    tracing::info!("demo app ends");

    users.stop().await;
    let providers = app.stop().await;
    tasks.close();
    let flushed = async { tokio::join!(telemetry::close_all(providers), vendors.close(), tasks.wait()) };
    if tokio::time::timeout(Duration::from_millis(FLUSH_MS), flushed).await.is_err() {
        tracing::warn!("demo app ended before all its telemetry was delivered");
    }
    Ok(())
}
