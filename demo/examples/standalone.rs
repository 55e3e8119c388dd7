//! Runs the demo app by itself, against whatever listens at the addresses in the environment.
//!
//! `CUPOLA_OTLP_GRPC`, `CUPOLA_HTTP`, `CUPOLA_XRAY`, `DEMO_LISTEN`, `DEMO_RATE`, `DEMO_SEED`; each has a default.

use demo::{Options, Targets};
use tokio_util::sync::CancellationToken;

#[expect(clippy::disallowed_methods, reason = "an example for testing has no configuration struct")]
fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_env_filter(setting("RUST_LOG", "demo=info")).init();
    let targets = Targets {
        otlp_grpc: setting("CUPOLA_OTLP_GRPC", "http://127.0.0.1:4317"),
        http: setting("CUPOLA_HTTP", "http://127.0.0.1:8080"),
        xray: setting("CUPOLA_XRAY", "127.0.0.1:2000").parse()?,
    };
    let options = Options {
        listen: setting("DEMO_LISTEN", "127.0.0.1:4567").parse()?,
        requests_per_second: setting("DEMO_RATE", "6").parse()?,
        backfill: true,
        seed: setting("DEMO_SEED", "1").parse()?,
    };
    let shutdown = CancellationToken::new();
    let until_interrupt = async {
        // Without a signal handler the process simply ends at the signal, which is as well.
        let _ = tokio::signal::ctrl_c().await;
        shutdown.cancel();
    };
    let (ended, ()) = tokio::join!(demo::run(targets, options, shutdown.clone()), until_interrupt);
    ended
}
