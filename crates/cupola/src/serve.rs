//! The wiring of one server, top to bottom, and its end in the opposite order.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use engine::{Engine, EngineOptions};
use metastore::{Metastore, RetentionPolicy};
use server::alerting::MailSettings;
use server::ingest::{Remembered, Retries, RetriesFile, RuleBook, Scrubber};
use server::{Addresses, Listeners, Services};
use store::{Store, StoreOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::{DemoSettings, Settings};

/// How often kept requests are noted. What came after the last time is in the log, unless a flush was just then.
const RETRIES_INTERVAL: Duration = Duration::from_secs(1);

/// Rows without a key belong to this project.
pub const PROJECT: &str = "default";

/// Serves until SIGTERM or SIGINT.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let stop = stop_on_signals()?;
    let (addresses, server) = start(settings, stop.clone()).await?;
    announce(addresses)?;
    server.await?
}

/// Serves together with the demo's app and its traffic, in a folder that is thrown away.
pub async fn demo(demo: DemoSettings) -> anyhow::Result<()> {
    let stop = stop_on_signals()?;
    let folder = std::env::temp_dir().join(format!("cupola-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let settings = Settings { data_dir: folder.clone(), ..demo.settings };
    // The app stops before the server, so that what it still has to say is taken in.
    let (app_stop, server_stop) = (CancellationToken::new(), CancellationToken::new());
    let (addresses, server) = start(settings, server_stop.clone()).await?;
    announce(addresses)?;
    let targets = demo::Targets {
        otlp_grpc: format!("http://{}", addresses.otlp_grpc),
        http: format!("http://{}", addresses.http),
        xray: addresses.xray,
    };
    let options =
        demo::Options { listen: demo.demo_listen, requests_per_second: demo.demo_requests_per_second, backfill: true, seed: 1 };
    let app = tokio::spawn(demo::run(targets, options, app_stop.clone()));
    println_ready(addresses)?;
    let ends = match demo.demo_seconds {
        0 => None,
        seconds => Some(Duration::from_secs(seconds)),
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = async { match ends { Some(after) => tokio::time::sleep(after).await, None => std::future::pending().await } } => {}
    }
    app_stop.cancel();
    match tokio::time::timeout(Duration::from_secs(2), app).await {
        Ok(Ok(Err(error))) => tracing::warn!(%error, "the demo's app ended badly"),
        Ok(Err(error)) => tracing::warn!(%error, "the demo's app ended badly"),
        Ok(Ok(Ok(()))) => {}
        Err(_) => tracing::warn!("the demo's app did not end in time"),
    }
    server_stop.cancel();
    let served = server.await?;
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    served
}

type Served = tokio::task::JoinHandle<anyhow::Result<()>>;

/// Opens the store, binds the sockets, and serves in the background until `stop`.
async fn start(settings: Settings, stop: CancellationToken) -> anyhow::Result<(Addresses, Served)> {
    let listeners = Listeners::bind(Addresses {
        http: settings.http_listen,
        otlp_grpc: settings.otlp_grpc_listen,
        otlp_http: settings.otlp_http_listen,
        xray: settings.xray_listen,
    })
    .await?;
    let addresses = listeners.addresses()?;
    std::fs::create_dir_all(&settings.data_dir).with_context(|| format!("cannot make {}", settings.data_dir.display()))?;
    can_write(&settings.data_dir).with_context(|| format!("cannot write to {}", settings.data_dir.display()))?;
    let metastore = Metastore::open(&settings.data_dir).await.context("cannot open the catalog")?;
    let retries = Arc::<Retries>::default();
    let retries_file = RetriesFile::open(&settings.data_dir, &retries);
    let rules = RuleBook::load(&metastore, PROJECT).await.context("cannot read the rules of grouping")?;
    let rules = Arc::new(rules);
    let scrubber = Scrubber::load(&metastore, PROJECT).await.context("cannot read the rules of scrubbing")?;
    let (replayed, rules_then) = (Arc::clone(&retries), Arc::clone(&rules));
    let replay = move |payload: &[u8]| server::ingest::replay_into(payload, &replayed, &rules_then);
    let store = Store::open(store_options(&settings), metastore.clone(), replay)
        .await
        .with_context(|| format!("cannot open {}", settings.data_dir.display()))?;
    let engine = Engine::new(store.clone(), engine_options(&settings))?;
    let remembered = Remembered { retries: Arc::clone(&retries), rules, scrubber };
    let services = Services::new(server_settings(&settings), store.clone(), engine, metastore, addresses, remembered)?;
    let served = tokio::spawn(async move {
        let serving = server::serve(listeners, services, stop);
        serve_and_remember(serving, &retries_file, &retries).await;
        store.shutdown().await.context("cannot close the store")?;
        remember(&retries_file, &retries).await;
        tracing::info!("stopped");
        Ok(())
    });
    Ok((addresses, served))
}

/// Whether files can be made in the folder: what is said here is clearer than what the catalog would say.
fn can_write(folder: &std::path::Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new().create(true).append(true).open(folder.join("lock")).map(drop)
}

/// Opens a data folder for a command that is not a server; refused while one runs.
pub async fn open_stopped(data_dir: &Path) -> anyhow::Result<Store> {
    let metastore = Metastore::open(data_dir).await.context("cannot open the catalog")?;
    Store::open(StoreOptions::new(data_dir), metastore, server::ingest::replay)
        .await
        .with_context(|| format!("cannot open {}", data_dir.display()))
}

/// Writes what requests were kept every second, so that repeats are known after a restart.
async fn serve_and_remember(serving: impl Future<Output = ()>, file: &RetriesFile, retries: &Retries) {
    tokio::pin!(serving);
    let mut every = tokio::time::interval(RETRIES_INTERVAL);
    loop {
        tokio::select! {
            () = &mut serving => return,
            _ = every.tick() => remember(file, retries).await,
        }
    }
}

async fn remember(file: &RetriesFile, retries: &Retries) {
    if let Err(error) = file.save(retries).await {
        tracing::warn!(%error, "kept requests were not noted; sent again after a restart, they would be kept twice");
    }
}

fn store_options(settings: &Settings) -> StoreOptions {
    const MEGABYTE: usize = 1024 * 1024;
    StoreOptions {
        flush_bytes: settings.flush_megabytes * MEGABYTE,
        flush_interval: Duration::from_secs(settings.flush_seconds),
        memory_bytes_max: settings.memory_megabytes * MEGABYTE,
        publish: settings.delta_publish,
        compaction_cpu_share: settings.compaction_cpu_share,
        compaction: settings.compaction,
        retention: retention_policy(settings),
        ..StoreOptions::new(&settings.data_dir)
    }
}

fn retention_policy(settings: &Settings) -> RetentionPolicy {
    let days = |days: u32| (days > 0).then_some(days);
    let bytes = |megabytes: u64| (megabytes > 0).then(|| megabytes.saturating_mul(1024 * 1024));
    RetentionPolicy {
        spans_days: days(settings.retention_days),
        logs_days: days(settings.retention_days),
        metrics_days: days(settings.retention_metrics_days),
        traces_bytes_max: bytes(settings.retention_megabytes),
        metrics_bytes_max: bytes(settings.retention_metrics_megabytes),
    }
}

fn engine_options(settings: &Settings) -> EngineOptions {
    EngineOptions {
        memory_bytes_max: settings.query_memory_megabytes * 1024 * 1024,
        time_max: Duration::from_secs(settings.query_seconds),
        spill_dir: Some(settings.data_dir.join("tmp")),
        spill_bytes_max: settings.query_spill_megabytes * 1024 * 1024,
        ..EngineOptions::default()
    }
}

fn server_settings(settings: &Settings) -> server::Settings {
    server::Settings {
        version: env!("CARGO_PKG_VERSION"),
        data_dir: settings.data_dir.display().to_string(),
        project: PROJECT.to_owned(),
        region: settings.aws_region.clone(),
        account_id: settings.aws_account_id.clone(),
        aws_keys: settings.aws_keys.clone().unwrap_or_default(),
        aws_unmask_keys: (!settings.aws_unmask_keys.is_empty()).then(|| settings.aws_unmask_keys.clone()),
        mail: mail_settings(settings),
        web_dir: Some(PathBuf::from(&settings.web_dir)),
        buckets_dir: settings.buckets_dir.clone(),
        s3: s3_settings(settings),
        body_bytes_max: settings.memory_megabytes * 1024 * 1024 / server::limits::BODY_SHARE_OF_MEMORY,
    }
}

fn s3_settings(settings: &Settings) -> Option<server::S3Settings> {
    Some(server::S3Settings {
        endpoint: settings.s3_endpoint.clone()?,
        credentials: settings.s3_key.clone().map(|key| (key, settings.s3_secret.clone().unwrap_or_default())),
    })
}

fn mail_settings(settings: &Settings) -> Option<MailSettings> {
    Some(MailSettings {
        server: settings.smtp_server.clone()?,
        security: settings.smtp_security,
        credentials: settings.smtp_user.clone().map(|user| (user, settings.smtp_password.clone().unwrap_or_default())),
        from: settings.smtp_from.clone(),
    })
}

/// The line that scripts wait for.
fn announce(addresses: Addresses) -> anyhow::Result<()> {
    let Addresses { http, otlp_grpc, otlp_http, xray } = addresses;
    let mut out = std::io::stdout().lock();
    writeln!(out, "cupola ready http=http://{http} otlp_grpc=http://{otlp_grpc} otlp_http=http://{otlp_http} xray={xray}")?;
    out.flush()?;
    Ok(())
}

fn println_ready(addresses: Addresses) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "\n  Cupola is at  http://{}/\n\n  A small app is sending it live traffic. Ctrl-C ends both.\n",
        addresses.http
    )?;
    out.flush()?;
    Ok(())
}

fn stop_on_signals() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopped.cancel();
    });
    Ok(stop)
}
