//! Command line of `streamhub-ingest`.

use clap::{Parser, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use tracing_subscriber::EnvFilter;

/// Reads one camera and publishes timestamped JPEG frames with metadata on NATS.
///
/// Exit codes: 0 ended as asked or at the end of a file; 1 could not start; 2 wrong usage; 76 a newer
/// instance of this camera publishes; 78 the configuration or the file can never work.
#[derive(Debug, Parser)]
#[command(version, name = "streamhub-ingest")]
pub struct Args {
    /// The Camera document (YAML); followed for changes
    #[arg(long, value_name = "FILE")]
    pub camera: PathBuf,
    /// The `StreamHub` document (YAML); followed for changes. Absent: the hub `default` with all defaults
    #[arg(long, value_name = "FILE")]
    pub hub: Option<PathBuf>,
    /// Server to use where the hub names none
    #[arg(long, value_name = "URL", default_value = "nats://127.0.0.1:4222")]
    pub nats_url: String,
    /// Folder with Secrets as DIR/<name>/<key> [default: `secrets` beside the Camera document]
    #[arg(long, value_name = "DIR")]
    pub secrets: Option<PathBuf>,
    /// Where relative file paths start [default: the folder of the Camera document]
    #[arg(long, value_name = "DIR")]
    pub media_root: Option<PathBuf>,
    /// Address for /healthz, /readyz, /metrics and /status; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// Which start of this camera this is, UNIX milliseconds; the highest publishes [default: now]
    #[arg(long, value_name = "N")]
    pub incarnation: Option<u64>,
    /// What to do once only a person can help (or the file is through): end, or stay up and say so
    #[arg(long, value_enum, default_value_t = Final::Exit)]
    pub on_permanent_error: Final,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Human)]
    pub log_format: LogFormat,
    /// What is logged, in the syntax of `RUST_LOG`
    #[arg(
        long,
        value_name = "FILTER",
        env = "STREAMHUB_LOG",
        default_value = "info,async_nats=warn"
    )]
    pub log_level: String,
}

/// What follows an end that only a person can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Final {
    /// End the process.
    Exit,
    /// Stay up, not ready, with the reason in status and log, and wait for a change of the documents.
    Stay,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Begins logging to standard error.
    pub fn install(self, filter: &str) {
        let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
        let base = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_target(false);
        match self {
            Self::Human => base
                .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
                .init(),
            Self::Json => base
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .init(),
        }
    }
}
