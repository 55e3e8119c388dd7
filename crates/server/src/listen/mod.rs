//! The sockets: bound first, so that addresses are known; served until told to stop; drained in order.

mod grpc;
pub(crate) mod http_ingest;
mod udp;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limits::{ACTIVITY_INTERVAL, DRAIN_TIME_MAX};
use crate::{Peer, Services, alerting, api, now_unix_nano, web};

/// Every socket, bound but silent.
pub struct Listeners {
    http: TcpListener,
    otlp_grpc: TcpListener,
    otlp_http: TcpListener,
    xray_tcp: TcpListener,
    xray_udp: UdpSocket,
}

/// Where a server listens. All loopback by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    pub http: SocketAddr,
    pub otlp_grpc: SocketAddr,
    pub otlp_http: SocketAddr,
    /// UDP for segments and TCP for sampling, on one port as the X-Ray daemon has them.
    pub xray: SocketAddr,
}

/// Why a socket could not be bound, in words that say what to do.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {what}: {source}; choose another with {flag}")]
pub struct BindError {
    address: SocketAddr,
    what: &'static str,
    flag: &'static str,
    source: io::Error,
}

/// Tries for a free port that both UDP and TCP can have.
const PORT_TRIES: usize = 20;

impl Listeners {
    /// Binds all addresses; port 0 takes a free one.
    pub async fn bind(addresses: Addresses) -> Result<Listeners, BindError> {
        let tcp = |address: SocketAddr, what, flag| async move {
            TcpListener::bind(address).await.map_err(|source| BindError { address, what, flag, source })
        };
        let (xray_tcp, xray_udp) = bind_xray(addresses.xray).await.map_err(|source| BindError {
            address: addresses.xray,
            what: "X-Ray",
            flag: "--xray-listen",
            source,
        })?;
        Ok(Listeners {
            http: tcp(addresses.http, "HTTP", "--http-listen").await?,
            otlp_grpc: tcp(addresses.otlp_grpc, "OTLP/gRPC", "--otlp-grpc-listen").await?,
            otlp_http: tcp(addresses.otlp_http, "OTLP/HTTP", "--otlp-http-listen").await?,
            xray_tcp,
            xray_udp,
        })
    }

    /// The addresses as bound: port 0 has become a real one.
    pub fn addresses(&self) -> io::Result<Addresses> {
        Ok(Addresses {
            http: self.http.local_addr()?,
            otlp_grpc: self.otlp_grpc.local_addr()?,
            otlp_http: self.otlp_http.local_addr()?,
            xray: self.xray_tcp.local_addr()?,
        })
    }
}

async fn bind_xray(address: SocketAddr) -> io::Result<(TcpListener, UdpSocket)> {
    let mut tries = PORT_TRIES;
    loop {
        let tcp = TcpListener::bind(address).await?;
        match UdpSocket::bind(tcp.local_addr()?).await {
            Ok(udp) => return Ok((tcp, udp)),
            Err(error) if address.port() != 0 || tries == 0 => return Err(error),
            Err(_) => tries -= 1,
        }
    }
}

/// Serves every socket until `stop`, then lets open requests finish for a moment.
pub async fn serve(listeners: Listeners, services: Services, stop: CancellationToken) {
    if let Err(error) = services.rate_limits.load(&services.metastore, &services.settings.project).await {
        tracing::warn!(%error, "cannot read the limits of access tokens");
    }
    // What arrives from here on waits in memory to be counted; what is older is found in the rows.
    let began_at_unix_nano = now_unix_nano();
    let tracker = TaskTracker::new();
    let main = main_router(services.clone());
    let otlp = http_ingest::router(services.clone(), Some("otlp")).merge(grpc::router(services.clone()));
    let otlp = guarded(otlp, &services);
    for (listener, router) in [
        (listeners.http, main.clone()),
        (listeners.otlp_http, otlp.clone()),
        (listeners.otlp_grpc, otlp),
        (listeners.xray_tcp, main),
    ] {
        tracker.spawn(serve_http(listener, router, stop.clone()));
    }
    tracker.spawn(udp::serve(Arc::new(listeners.xray_udp), services.clone(), stop.clone()));
    let outbox = services.outbox.clone();
    let outbox_stop = stop.clone();
    tracker.spawn(async move { outbox.run(outbox_stop).await });
    for evaluator in alerting::evaluators() {
        tracker.spawn(alerting::clock::run(evaluator, services.clone(), stop.clone()));
    }
    tracker.spawn(write_counters(services.clone(), began_at_unix_nano, stop.clone()));
    tracker.close();
    stop.cancelled().await;
    if tokio::time::timeout(DRAIN_TIME_MAX, tracker.wait()).await.is_err() {
        tracing::info!("open requests were cut off at shutdown");
        return;
    }
    if let Err(error) = services.ingest.finish(&services.metastore, &services.asker, now_unix_nano()).await {
        tracing::warn!(%error, "error items were not written");
    }
}

/// Writes counters that wait in memory every now and then, and once more at the end.
async fn write_counters(services: Services, began_at_unix_nano: i64, stop: CancellationToken) {
    let items = services.ingest.items();
    if let Err(error) = items.catch_up(&services.metastore, &services.asker, began_at_unix_nano).await {
        tracing::warn!(%error, "error items were not brought up to date");
    }
    loop {
        let stopped = tokio::time::timeout(ACTIVITY_INTERVAL, stop.cancelled()).await.is_ok();
        let (metastore, project) = (&services.metastore, &services.settings.project);
        if let Err(error) = services.log_stream_activity.write(metastore, project).await {
            tracing::warn!(%error, "counters of log streams were not written");
        }
        if let Err(error) = services.xray.write(metastore, project).await {
            tracing::warn!(%error, "counts of sampling rules were not written");
        }
        if let Err(error) = items.write(metastore, &services.asker, now_unix_nano()).await {
            tracing::warn!(%error, "error items were not written");
        }
        if stopped {
            return;
        }
    }
}

/// Everything on one port, told apart by path: receivers, read APIs, the page.
fn main_router(services: Services) -> Router {
    let router = api::router(services.clone())
        .merge(http_ingest::router(services.clone(), None))
        .merge(grpc::router(services.clone()))
        .fallback_service(web::router(services.clone()));
    guarded(router, &services)
}

/// Asks those who call AWS's APIs for their signatures, where keys are configured.
fn guarded(router: Router, services: &Services) -> Router {
    router.layer(axum::middleware::from_fn_with_state(services.clone(), api::aws::access::check))
}

async fn serve_http(listener: TcpListener, router: Router, stop: CancellationToken) {
    let router = router.layer(axum::middleware::from_fn(attach_peer));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    // An answer of gRPC is several small writes; without this the last would wait for the client to acknowledge the first.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "answers may come late");
        }
    });
    if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned()).await {
        tracing::error!(%error, "a listener ended");
    }
}

async fn attach_peer(
    axum::extract::ConnectInfo(address): axum::extract::ConnectInfo<SocketAddr>,
    mut request: axum::extract::Request,
    next: axum::middleware::Next,
) -> axum::response::Response {
    request.extensions_mut().insert(Peer(address));
    next.run(request).await
}
