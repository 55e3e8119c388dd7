//! The app: three services on loopback, and the deploys of the first of them.

mod client;
mod cruddur;
mod database;
mod error;
mod notifications;
mod release;
mod scope;
mod search;
mod service;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use error::{AppError, Frame};
pub use release::Release;
pub use service::USER_HEADER;

use cruddur::Cruddur;
use service::{Running, Service, observe};

use crate::telemetry::otel::Otel;
use crate::telemetry::rollbar::Deploy;
use crate::telemetry::{Identity, Vendors};
use crate::{Options, Targets};

/// The first change comes while somebody new is still looking at the first page.
const FIRST_DEPLOY: Duration = Duration::from_secs(45);
const DEPLOY_INTERVAL: Duration = Duration::from_secs(180);
/// The old version's requests have this long to end before its telemetry is shut down.
const OLD_VERSION_LINGERS: Duration = Duration::from_secs(5);
/// Requests that run at the end have this long.
const DRAIN: Duration = Duration::from_millis(150);

pub struct App {
    address: SocketAddr,
    otlp_grpc: String,
    services: [Arc<Service>; 3],
    servers: JoinSet<()>,
    drain: CancellationToken,
}

impl App {
    pub async fn start(targets: &Targets, vendors: &Vendors, options: &Options) -> anyhow::Result<App> {
        // One client for the calls between services; each call brings its own timeout.
        let http = reqwest::Client::builder().no_proxy().build()?;
        let service = |name, host, release: Release, traced_by_xray, salt| -> anyhow::Result<Arc<Service>> {
            let running = running(&targets.otlp_grpc, name, host, release)?;
            Ok(Service::new(running, vendors.clone(), http.clone(), traced_by_xray, options.seed.wrapping_add(salt)))
        };
        let cruddur = service(cruddur::NAME, "web-1.cruddur.internal", Release::nth(0), true, 1)?;
        let notifications = service(notifications::NAME, "notifications-1.cruddur.internal", Release::fixed("0.9.2"), false, 2)?;
        let search = service(search::NAME, "search-1.cruddur.internal", Release::fixed("2.1.0"), false, 3)?;

        let mut servers = JoinSet::new();
        let drain = CancellationToken::new();
        let any_port = SocketAddr::new(options.listen.ip(), 0);
        let notifications_at = serve(&mut servers, any_port, notifications_routes(&notifications), &drain).await?;
        let search_at = serve(&mut servers, any_port, search_routes(&search), &drain).await?;
        let routes =
            cruddur_routes(Cruddur { service: Arc::clone(&cruddur), notifications: notifications_at, search: search_at });
        let address = serve(&mut servers, options.listen, routes, &drain).await?;

        let otlp_grpc = targets.otlp_grpc.clone();
        Ok(App { address, otlp_grpc, services: [cruddur, notifications, search], servers, drain })
    }

    /// Where `cruddur` listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Announces the running version, and new ones as time goes by.
    pub fn deploy_now_and_then(&self, tasks: &TaskTracker, shutdown: CancellationToken) {
        let service = Arc::clone(&self.services[0]);
        let otlp_grpc = self.otlp_grpc.clone();
        tasks.spawn(async move {
            announce(&service, &service.running().release);
            let mut wait = FIRST_DEPLOY;
            for number in 1.. {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = tokio::time::sleep(wait) => {}
                }
                wait = DEPLOY_INTERVAL;
                match deploy(&service, &otlp_grpc, Release::nth(number)) {
                    Ok(old) => end_old_version(old, &shutdown).await,
                    Err(error) => tracing::warn!(%error, "demo deploy failed"),
                }
            }
        });
    }

    /// Ends the servers; gives back the providers that still hold telemetry.
    pub async fn stop(mut self) -> Vec<Arc<Otel>> {
        self.drain.cancel();
        let drained = async {
            while self.servers.join_next().await.is_some() {}
            for service in &self.services {
                service.requests.close();
                service.requests.wait().await;
            }
        };
        // What still runs after that is not told any more: the whole shutdown has a second.
        let _ = tokio::time::timeout(DRAIN, drained).await;
        self.servers.shutdown().await;
        self.services.iter().map(|service| Arc::clone(&service.running().otel)).collect()
    }
}

fn running(otlp_grpc: &str, service: &'static str, host: &'static str, release: Release) -> anyhow::Result<Running> {
    let identity = Identity { service, host, version: release.version.clone() };
    let otel = Otel::start(otlp_grpc, &identity).with_context(|| format!("cannot export to {otlp_grpc:?}"))?;
    Ok(Running { identity, release, otel: Arc::new(otel) })
}

/// A new version takes over: new resource, new providers, as a new process would have. Gives back the old one.
fn deploy(service: &Service, otlp_grpc: &str, release: Release) -> anyhow::Result<Arc<Running>> {
    let identity = service.running().identity.clone();
    let old = service.deploy(running(otlp_grpc, identity.service, identity.host, release.clone())?);
    announce(service, &release);
    Ok(old)
}

async fn end_old_version(old: Arc<Running>, shutdown: &CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(OLD_VERSION_LINGERS) => {}
    }
    crate::telemetry::close_all(vec![Arc::clone(&old.otel)]).await;
}

fn announce(service: &Service, release: &Release) {
    tracing::info!(version = release.version, "demo app deployed");
    let deploy = Deploy { revision: &release.version, comment: release.comment, local_username: release.by };
    service.vendors.rollbar.deploy(&deploy);
    let line = format!("starting {} {}: {}", cruddur::NAME, release.version, release.comment);
    service.vendors.cloudwatch.log(&service.running().stream("app"), line);
}

async fn serve(
    servers: &mut JoinSet<()>,
    address: SocketAddr,
    routes: Router,
    drain: &CancellationToken,
) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let bound = listener.local_addr()?;
    let drain = drain.clone();
    servers.spawn(async move {
        if let Err(error) = axum::serve(listener, routes).with_graceful_shutdown(drain.cancelled_owned()).await {
            tracing::warn!(%error, "demo service ended");
        }
    });
    Ok(bound)
}

fn cruddur_routes(app: Cruddur) -> Router {
    let service = Arc::clone(&app.service);
    Router::new()
        .route("/api/health", get(cruddur::health))
        .route("/api/activities", post(cruddur::create_activity))
        .route("/api/activities/home", get(cruddur::home))
        .route("/api/activities/notifications", get(cruddur::notifications))
        .route("/api/activities/search", get(cruddur::search))
        .route("/api/activities/{handle}", get(cruddur::profile))
        .route("/api/message_groups", get(cruddur::message_groups))
        .route("/api/messages/{handle}", get(cruddur::messages))
        .with_state(app)
        .layer(from_fn_with_state(service, observe))
}

fn notifications_routes(service: &Arc<Service>) -> Router {
    Router::new()
        .route(notifications::ROUTE, get(notifications::list))
        .with_state(Arc::clone(service))
        .layer(from_fn_with_state(Arc::clone(service), observe))
}

fn search_routes(service: &Arc<Service>) -> Router {
    Router::new()
        .route(search::ROUTE, get(search::find))
        .with_state(Arc::clone(service))
        .layer(from_fn_with_state(Arc::clone(service), observe))
}
