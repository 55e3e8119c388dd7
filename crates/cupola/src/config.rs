//! Every setting, once: a flag, an environment variable and a key of `cupola.toml` by one name.
//!
//! Flags beat the environment, the environment beats the file, the file beats the default. Every default works.
//! `docs/reference/settings.md` is made from this file.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, parser::ValueSource};

#[derive(Debug, Parser)]
#[command(name = "cupola", version, about = "One window on everything an app tells")]
pub struct CommandLine {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take telemetry in, keep it, and show it.
    Serve(Settings),
    /// Serve with a small instrumented app and its traffic, in a folder that is thrown away at the end.
    Demo(DemoSettings),
    /// Write rows to Parquet files, from a data folder that no server holds.
    Export(ExportSettings),
    /// Take rows from Parquet files into a data folder that no server holds. Repeating it changes nothing.
    Import(ImportSettings),
    /// Print the OpenAPI document of the API.
    Openapi,
    /// Print the settings reference.
    Settings,
}

#[derive(Clone, Debug, Args)]
pub struct Settings {
    /// A file with any of these settings, one `key = "value"` a line.
    #[arg(long, env = "CUPOLA_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where everything is kept: the write-ahead log, parts, and the catalog. Made when it is missing.
    #[arg(long, env = "CUPOLA_DATA_DIR", value_name = "FOLDER", default_value = "data")]
    pub data_dir: PathBuf,

    /// The page, our API, OTLP/HTTP, Honeycomb, AWS and Rollbar. Port 0 takes a free one.
    #[arg(long, env = "CUPOLA_HTTP_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub http_listen: SocketAddr,

    /// OTLP over gRPC, at its standard port.
    #[arg(long, env = "CUPOLA_OTLP_GRPC_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:4317")]
    pub otlp_grpc_listen: SocketAddr,

    /// OTLP over HTTP, at its standard port.
    #[arg(long, env = "CUPOLA_OTLP_HTTP_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:4318")]
    pub otlp_http_listen: SocketAddr,

    /// The X-Ray daemon's ports: UDP for segments, TCP for sampling.
    #[arg(long, env = "CUPOLA_XRAY_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:2000")]
    pub xray_listen: SocketAddr,

    /// Listen beyond loopback although nobody has to show a key. Only behind something that checks who comes in.
    #[arg(long, env = "CUPOLA_ALLOW_OPEN_ACCESS", default_value_t = false, num_args = 0..=1, default_missing_value = "true", value_name = "true|false")]
    pub allow_open_access: bool,

    /// The AWS region that answers name where a caller did not say one.
    #[arg(long, env = "CUPOLA_AWS_REGION", value_name = "REGION", default_value = "us-east-1")]
    pub aws_region: String,

    /// The AWS account id in ARNs and in the answer of GetCallerIdentity.
    #[arg(long, env = "CUPOLA_AWS_ACCOUNT_ID", value_name = "12 DIGITS", default_value = "000000000000")]
    pub aws_account_id: String,

    /// Who may call AWS's APIs, as `access key id=secret`, several joined by commas. Without any, every key is welcome and none is
    /// checked. Sampling calls are never signed.
    #[arg(long, env = "CUPOLA_AWS_KEYS", value_name = "ID=SECRET,...", hide_env_values = true, value_parser = server::AwsKeys::parse)]
    pub aws_keys: Option<server::AwsKeys>,

    /// The access key ids whose holders may read what data protection policies mask, several joined by commas. Without any,
    /// every caller who asks for it may.
    #[arg(long, env = "CUPOLA_AWS_UNMASK_KEYS", value_name = "ID,...", value_delimiter = ',')]
    pub aws_unmask_keys: Vec<String>,

    /// Rows in memory become a part when they take this many megabytes.
    #[arg(long, env = "CUPOLA_FLUSH_MEGABYTES", value_name = "MB", default_value_t = 48)]
    pub flush_megabytes: usize,

    /// Rows in memory become a part at the latest after this many seconds.
    #[arg(long, env = "CUPOLA_FLUSH_SECONDS", value_name = "SECONDS", default_value_t = 10)]
    pub flush_seconds: u64,

    /// Beyond this many megabytes of rows in memory, clients are told to come back later.
    #[arg(long, env = "CUPOLA_MEMORY_MEGABYTES", value_name = "MB", default_value_t = 512)]
    pub memory_megabytes: usize,

    /// The share of one core that putting parts together may take while telemetry comes in, from 0.01 to 1.
    #[arg(long, env = "CUPOLA_COMPACTION_CPU_SHARE", value_name = "SHARE", default_value_t = 0.3)]
    pub compaction_cpu_share: f64,

    /// Put small parts together in the background. Off only for measurements over parts that are to stay as they are.
    #[arg(long, env = "CUPOLA_COMPACTION", action = clap::ArgAction::Set, default_value_t = true, value_name = "true|false")]
    pub compaction: bool,

    /// Days that spans and logs are kept; 0 keeps them for ever. A project may have a policy of its own, see docs/retention.md.
    #[arg(long, env = "CUPOLA_RETENTION_DAYS", value_name = "DAYS", default_value_t = 0)]
    pub retention_days: u32,

    /// Days that metrics are kept; 0 keeps them for ever.
    #[arg(long, env = "CUPOLA_RETENTION_METRICS_DAYS", value_name = "DAYS", default_value_t = 0)]
    pub retention_metrics_days: u32,

    /// Megabytes on disk that spans and logs may take together; beyond it errors, slow and rare requests stay longest and the
    /// rest is thinned. 0 is without a bound.
    #[arg(long, env = "CUPOLA_RETENTION_MEGABYTES", value_name = "MB", default_value_t = 0)]
    pub retention_megabytes: u64,

    /// Megabytes on disk that metrics may take; beyond it the oldest go. 0 is without a bound.
    #[arg(long, env = "CUPOLA_RETENTION_METRICS_MEGABYTES", value_name = "MB", default_value_t = 0)]
    pub retention_metrics_megabytes: u64,

    /// Memory that all running queries share, in megabytes.
    #[arg(long, env = "CUPOLA_QUERY_MEMORY_MEGABYTES", value_name = "MB", default_value_t = 512)]
    pub query_memory_megabytes: usize,

    /// Disk space that sorts and groupings of all running queries may take when memory is full, in megabytes.
    #[arg(long, env = "CUPOLA_QUERY_SPILL_MEGABYTES", value_name = "MB", default_value_t = 4096)]
    pub query_spill_megabytes: u64,

    /// A query that runs longer is stopped.
    #[arg(long, env = "CUPOLA_QUERY_SECONDS", value_name = "SECONDS", default_value_t = 30)]
    pub query_seconds: u64,

    /// Publish compacted parts as Delta tables in `delta/` of the data folder, for other programs to read. They are the same
    /// files under a second name.
    #[arg(long, env = "CUPOLA_DELTA_PUBLISH", default_value_t = true, num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set, value_name = "true|false")]
    pub delta_publish: bool,

    /// The mail server that notifications go through, as host:port. Without it none are sent as e-mail.
    #[arg(long, env = "CUPOLA_SMTP_SERVER", value_name = "HOST:PORT")]
    pub smtp_server: Option<String>,

    /// What protects the connection to the mail server: starttls (usual at port 587), tls (465), or off.
    #[arg(long, env = "CUPOLA_SMTP_SECURITY", value_name = "starttls|tls|off", default_value = "starttls")]
    pub smtp_security: server::alerting::MailSecurity,

    /// Who we are to the mail server; without it we do not say.
    #[arg(long, env = "CUPOLA_SMTP_USER", value_name = "USER")]
    pub smtp_user: Option<String>,

    /// The password of that user.
    #[arg(long, env = "CUPOLA_SMTP_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    pub smtp_password: Option<String>,

    /// The sender of e-mail, as `address` or `Name <address>`.
    #[arg(long, env = "CUPOLA_SMTP_FROM", value_name = "ADDRESS", default_value = "Cupola <cupola@localhost>")]
    pub smtp_from: String,

    /// The folder whose folders stand for buckets of S3: export tasks and scheduled queries of CloudWatch Logs write there.
    #[arg(long, env = "CUPOLA_BUCKETS_DIR", value_name = "FOLDER")]
    pub buckets_dir: Option<PathBuf>,

    /// A server that speaks S3's protocol, as http://host:port: its buckets can be written to as well.
    #[arg(long, env = "CUPOLA_S3_ENDPOINT", value_name = "URL")]
    pub s3_endpoint: Option<String>,

    /// Who we are to that server; without it nothing is signed.
    #[arg(long, env = "CUPOLA_S3_KEY", value_name = "KEY")]
    pub s3_key: Option<String>,

    /// The secret of that key.
    #[arg(long, env = "CUPOLA_S3_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub s3_secret: Option<String>,

    /// Where the built page lies, when it is not inside the binary.
    #[arg(long, env = "CUPOLA_WEB_DIR", value_name = "FOLDER", default_value = "web/dist")]
    pub web_dir: PathBuf,

    /// What is logged: error, warn, info, debug, or filters by module.
    #[arg(long, env = "CUPOLA_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
}

#[derive(Clone, Debug, Args)]
pub struct DemoSettings {
    #[command(flatten)]
    pub settings: Settings,

    /// Where the demo's own app listens.
    #[arg(long, env = "CUPOLA_DEMO_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub demo_listen: SocketAddr,

    /// Requests a second that simulated people make.
    #[arg(long, env = "CUPOLA_DEMO_REQUESTS_PER_SECOND", value_name = "RATE", default_value_t = 6.0)]
    pub demo_requests_per_second: f64,

    /// Seconds until the demo ends by itself; 0 goes on until it is stopped.
    #[arg(long, env = "CUPOLA_DEMO_SECONDS", value_name = "SECONDS", default_value_t = 0)]
    pub demo_seconds: u64,
}

#[derive(Clone, Debug, Args)]
pub struct ExportSettings {
    /// The data folder.
    #[arg(long, env = "CUPOLA_DATA_DIR", value_name = "FOLDER", default_value = "data")]
    pub data_dir: PathBuf,

    /// A folder that is empty or not there yet.
    #[arg(long, value_name = "FOLDER")]
    pub to: PathBuf,

    /// spans, logs or metrics; may be given several times. Everything without it.
    #[arg(long, value_name = "SIGNAL")]
    pub signal: Vec<String>,

    /// Rows from this time on, such as 2026-01-02T03:04:05Z.
    #[arg(long, value_name = "TIME")]
    pub start: Option<String>,

    /// Rows before this time.
    #[arg(long, value_name = "TIME")]
    pub end: Option<String>,

    /// Whose rows.
    #[arg(long, value_name = "PROJECT", default_value = "default")]
    pub project: String,
}

#[derive(Clone, Debug, Args)]
pub struct ImportSettings {
    /// The data folder; made when it is missing.
    #[arg(long, env = "CUPOLA_DATA_DIR", value_name = "FOLDER", default_value = "data")]
    pub data_dir: PathBuf,

    /// What `cupola export` wrote, or a Parquet file, or a folder of them.
    #[arg(long, value_name = "FOLDER|FILE")]
    pub from: PathBuf,

    /// What the files hold, where no manifest says so: spans, logs or metrics. Of an export, only these.
    #[arg(long, value_name = "SIGNAL")]
    pub signal: Option<String>,

    /// Whose rows they become; without it, whose they were in the export.
    #[arg(long, value_name = "PROJECT")]
    pub project: Option<String>,
}

/// Reads flags, environment and file.
pub fn read() -> anyhow::Result<CommandLine> {
    let matches = CommandLine::command().get_matches();
    let with_file = match matches.subcommand() {
        Some((name, sub)) if sub.try_get_one::<PathBuf>("config").is_ok_and(|config| config.is_some()) => {
            let file = sub.get_one::<PathBuf>("config").context("the file's name")?;
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read settings from {}", file.display()))?;
            let mut arguments = vec!["cupola".to_owned(), name.to_owned()];
            arguments.extend(arguments_from_file(&text, sub).with_context(|| format!("in {}", file.display()))?);
            arguments.extend(std::env::args().skip(2));
            CommandLine::command()
                .args_override_self(true)
                .mut_subcommands(|sub| sub.args_override_self(true))
                .get_matches_from(arguments)
        }
        _ => matches,
    };
    let line = CommandLine::from_arg_matches(&with_file)?;
    match &line.command {
        Command::Serve(settings) | Command::Demo(DemoSettings { settings, .. }) => settings.check()?,
        Command::Export(_) | Command::Import(_) | Command::Openapi | Command::Settings => {}
    }
    Ok(line)
}

/// The file's settings as flags, without those that the environment names.
fn arguments_from_file(text: &str, given: &ArgMatches) -> anyhow::Result<Vec<String>> {
    let table: toml::Table = text.parse()?;
    let mut arguments = Vec::new();
    for (key, value) in table {
        let id = key.replace('-', "_");
        if key == "config" || given.try_contains_id(&id).is_err() {
            bail!("unknown setting {key:?}; see docs/reference/settings.md");
        }
        if given.value_source(&id) == Some(ValueSource::EnvVariable) {
            continue;
        }
        let value = match value {
            toml::Value::String(text) => text,
            toml::Value::Table(_) | toml::Value::Array(_) => bail!("setting {key:?} takes one value"),
            other => other.to_string(),
        };
        arguments.push(format!("--{}={value}", id.replace('_', "-")));
    }
    Ok(arguments)
}

impl Settings {
    fn check(&self) -> anyhow::Result<()> {
        let listeners = [
            ("http-listen", self.http_listen),
            ("otlp-grpc-listen", self.otlp_grpc_listen),
            ("otlp-http-listen", self.otlp_http_listen),
            ("xray-listen", self.xray_listen),
        ];
        for (name, address) in listeners {
            if !is_loopback(address.ip()) && !self.allow_open_access {
                bail!(
                    "--{name} {address} is reachable by others, and no keys are configured: anybody could read and write.\n\
                     Listen on 127.0.0.1, or put something that checks who comes in before Cupola and say --allow-open-access."
                );
            }
        }
        if self.aws_account_id.len() != 12 || !self.aws_account_id.bytes().all(|byte| byte.is_ascii_digit()) {
            bail!("--aws-account-id {:?} must have 12 digits", self.aws_account_id);
        }
        Ok(())
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.is_loopback()
}

/// The settings reference, in Markdown.
pub fn reference() -> String {
    let mut out = String::from(
        "# Settings\n\n<!-- Made by `cupola settings`; do not edit. -->\n\n\
         Every setting has a flag, an environment variable and a key in the file named by `--config`, all of one name. Flags beat the \
         environment, the environment beats the file, the file beats the default. Every default works.\n\n",
    );
    let command = CommandLine::command();
    for (title, name) in [("`cupola serve`", "serve"), ("`cupola demo`, besides", "demo")] {
        let Some(sub) = command.find_subcommand(name) else { continue };
        out.push_str(&format!("## {title}\n\n| flag | environment | key | default | meaning |\n|---|---|---|---|---|\n"));
        for argument in sub.get_arguments() {
            let id = argument.get_id().as_str();
            let Some(environment) = argument.get_env() else { continue };
            if name == "demo" && !id.starts_with("demo_") {
                continue;
            }
            let default = argument.get_default_values().first().map(|value| format!("`{}`", value.to_string_lossy()));
            out.push_str(&format!(
                "| `--{}` | `{}` | `{id}` | {} | {} |\n",
                argument.get_long().unwrap_or(id),
                environment.to_string_lossy(),
                default.unwrap_or_default(),
                argument.get_help().map(|help| help.to_string()).unwrap_or_default().replace('\n', " "),
            ));
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_reference_is_current() {
        expect_test::expect_file!["../../../docs/reference/settings.md"].assert_eq(&reference());
    }

    #[test]
    fn addresses_beyond_loopback_need_a_decision() {
        let settings = |arguments: &[&str]| {
            let line = CommandLine::try_parse_from([&["cupola", "serve"], arguments].concat()).unwrap();
            let Command::Serve(settings) = line.command else { panic!("serve was asked for") };
            settings
        };
        assert!(settings(&[]).check().is_ok());
        let refused = settings(&["--http-listen", "0.0.0.0:8080"]).check().unwrap_err().to_string();
        assert!(refused.contains("--allow-open-access"), "{refused}");
        assert!(settings(&["--http-listen", "0.0.0.0:8080", "--allow-open-access"]).check().is_ok());
    }

    #[test]
    fn a_file_gives_what_flags_and_environment_leave_open() {
        let matches = CommandLine::command().get_matches_from(["cupola", "serve"]);
        let sub = matches.subcommand_matches("serve").unwrap();
        let mut arguments = arguments_from_file("flush_seconds = 3\naws-region = \"eu-west-1\"\n", sub).unwrap();
        arguments.sort();
        assert_eq!(arguments, ["--aws-region=eu-west-1", "--flush-seconds=3"]);
        assert!(arguments_from_file("colour = 1", sub).unwrap_err().to_string().contains("unknown setting"));
    }
}
