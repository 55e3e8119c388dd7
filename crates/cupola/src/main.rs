//! The program: settings, wiring, and an orderly end.
//!
//! Wiring is read top to bottom in [`serve::run`]; everything it starts it also stops, receivers first and the store last.

mod config;
mod export;
mod import;
mod serve;

use std::io::Write;
use std::process::ExitCode;

use config::Command;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cupola: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    match config::read()?.command {
        Command::Openapi => print(&server::api::document()),
        Command::Settings => print(&config::reference()),
        Command::Export(settings) => {
            start_logging("warn")?;
            runtime()?.block_on(export::run(settings))
        }
        Command::Import(settings) => {
            start_logging("warn")?;
            runtime()?.block_on(import::run(settings))
        }
        Command::Serve(settings) => {
            start_logging(&settings.log)?;
            runtime()?.block_on(serve::run(settings))
        }
        Command::Demo(settings) => {
            start_logging(&settings.settings.log)?;
            runtime()?.block_on(serve::demo(settings))
        }
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn start_logging(filter: &str) -> anyhow::Result<()> {
    // The demo's OpenTelemetry SDK says each second that nobody listens, before and after we do.
    let filter = EnvFilter::try_new(format!("{filter},opentelemetry=off,opentelemetry_sdk=off,opentelemetry_otlp=off"))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
    Ok(())
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().thread_name("serve").enable_all().build()?)
}
