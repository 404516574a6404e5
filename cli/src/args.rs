//! The command line: every word a user can type, and the help they read.
#![allow(
    clippy::doc_markdown,
    reason = "these comments are shown on a terminal, as they are"
)]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

mod cluster;

pub use cluster::{DoctorArgs, PlaceArgs, TopArgs};
pub use streamhub_logging::LogFormat;

/// Cameras in, JPEG frames with metadata on NATS.
#[derive(Debug, Parser)]
#[command(
    name = "streamhub",
    version,
    about = "Cameras in, JPEG frames with metadata on NATS",
    after_help = crate::exit::HELP,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the cameras of a folder on this machine
    ///
    /// Each Camera becomes a supervised process, with a NATS server beside them unless every hub names its own.
    /// The folder is followed: a manifest that is added, changed or removed takes effect without touching other
    /// cameras, and one that becomes invalid keeps what it last said. Ctrl-C stops everything; a second one at once.
    Up(UpArgs),
    /// Show what a hub's cameras are doing, once
    Status(StatusArgs),
    /// List cameras with what they do now: state, node, rate, age of the newest frame, drops
    ///
    /// In a cluster these are the Cameras, those without a pod too; each running pod is asked through a port-forward
    /// of the API server.
    Top(TopArgs),
    /// Say what is wrong with a camera, a hub or the installation, and what to do
    ///
    /// Looks at definitions, operator, NATS, hubs, cameras, pods, nodes and events, changes nothing and reads no
    /// Secret. Exits with 1 when it found a problem.
    Doctor(DoctorArgs),
    /// Print one line for each frame of a camera
    ///
    /// Always reads the newest frame: frames that arrive faster than they can be printed are skipped and counted.
    Tail(TailArgs),
    /// Save the newest frame of a camera as a JPEG file
    Snapshot(SnapshotArgs),
    /// List the capture devices of this machine: what they offer, who uses them, and a manifest for each
    ///
    /// Exits with 3 when there is none. Those of a cluster's nodes are shown by `kubectl get videodevices`.
    Devices(DevicesArgs),
    /// Check manifests as an API server would, without running anything
    Validate(ValidateArgs),
    /// Talk back to cameras
    #[command(subcommand)]
    Feedback(FeedbackCommand),
    /// Print a completion script for your shell
    ///
    /// For bash: `streamhub completions bash > ~/.local/share/bash-completion/completions/streamhub`
    Completions {
        /// The shell to complete in
        shell: clap_complete::Shell,
    },
    /// Bind a command's life to that of its parent, then become it
    #[command(name = "__guard", hide = true)]
    Guard(GuardArgs),
    /// Write the reference page of this command line, or compare it
    #[command(name = "__docs", hide = true)]
    Docs {
        /// Compare instead of writing; exits with 1 when they differ
        #[arg(long)]
        check: bool,
        /// The page
        #[arg(default_value = "docs/reference/cli.md")]
        path: PathBuf,
    },
}

/// Arguments of `up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// A folder of manifests or a single file; may be repeated
    #[arg(short = 'f', long = "filename", value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Where incarnations and the children's files are kept
    ///
    /// Default: $XDG_STATE_HOME/streamhub/<hash of the paths>, or the same under ~/.local/state.
    #[arg(long, value_name = "DIR", env = "STREAMHUB_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
    /// The nats-server to run; otherwise it is looked for on PATH and in ~/.cache/streamhub/bin
    #[arg(long, value_name = "FILE", env = "STREAMHUB_NATS_SERVER")]
    pub nats_server: Option<PathBuf>,
    /// First port to try for the NATS server, on 127.0.0.1; the next free one is taken and printed
    #[arg(long, value_name = "PORT", default_value_t = 4222)]
    pub nats_port: u16,
    /// The ingest program; otherwise it is looked for beside this one and on PATH
    #[arg(long, value_name = "FILE", env = "STREAMHUB_INGEST")]
    pub ingest: Option<PathBuf>,
    /// Secrets as files, DIR/<name>/<key>, for references that no Secret document answers
    #[arg(long, value_name = "DIR")]
    pub secrets: Option<PathBuf>,
    /// What stdout shows: a live table on a terminal, log lines otherwise, or one JSON object a second
    #[arg(short, long, value_enum)]
    pub output: Option<UpOutput>,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Human, env = "STREAMHUB_LOG_FORMAT")]
    pub log_format: LogFormat,
}

/// What `up` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UpOutput {
    /// A live table, with log lines above it
    Table,
    /// Log lines on stdout
    Log,
    /// One JSON object a second on stdout, log lines on stderr
    Json,
}

/// A list for people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Human,
    /// JSON, one object per line
    Json,
}

/// Where NATS is and who we are there.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectArgs {
    /// Where the hub is.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Name of the hub; without it that of the camera, or the only one that a running `up` has, else `default`
    #[arg(long, conflicts_with = "prefix")]
    pub hub: Option<String>,
    /// Subject prefix, where the hub sets its own
    #[arg(long, value_name = "SUBJECT")]
    pub prefix: Option<String>,
    /// NATS URL; without it that of a running `up`, or a port-forward to the hub's server in the cluster
    #[arg(long, visible_alias = "nats-url", env = "NATS_URL")]
    pub url: Option<String>,
    /// NATS user name
    #[arg(long, env = "NATS_USER", requires = "password_file")]
    pub user: Option<String>,
    /// File that holds the password
    #[arg(
        long,
        value_name = "FILE",
        env = "NATS_PASSWORD_FILE",
        requires = "user"
    )]
    pub password_file: Option<PathBuf>,
    /// File that holds a token
    #[arg(
        long,
        value_name = "FILE",
        env = "NATS_TOKEN_FILE",
        conflicts_with = "user"
    )]
    pub token_file: Option<PathBuf>,
    /// NATS credentials file (JWT and seed)
    #[arg(long, value_name = "FILE", env = "NATS_CREDS", conflicts_with_all = ["user", "token_file"])]
    pub creds: Option<PathBuf>,
    /// Certificate authority of the server (PEM)
    #[arg(long, value_name = "FILE", env = "NATS_CA")]
    pub tlsca: Option<PathBuf>,
    /// Client certificate (PEM)
    #[arg(long, value_name = "FILE", env = "NATS_CERT", requires = "tlskey")]
    pub tlscert: Option<PathBuf>,
    /// Key of the client certificate (PEM)
    #[arg(long, value_name = "FILE", env = "NATS_KEY", requires = "tlscert")]
    pub tlskey: Option<PathBuf>,
}

/// Arguments of `tail`.
#[derive(Debug, Args)]
pub struct TailArgs {
    /// The camera
    pub camera: String,
    /// Its rendition
    #[arg(short, long, default_value = "main")]
    pub rendition: String,
    /// Stop after so many frames
    #[arg(short, long)]
    pub count: Option<u64>,
    /// Give up when no frame came for so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<std::time::Duration>,
    /// How frames come
    #[arg(long, value_enum, default_value_t = TailMode::Auto)]
    pub mode: TailMode,
    /// One readable line, or the metadata as it came
    #[arg(short, long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
    /// Where NATS is.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// How `tail` reads frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TailMode {
    /// Pushed, and asked for one by one while the connection does not take them all
    Auto,
    /// Pushed by the server, whatever their age
    Push,
    /// Asked for one by one, each as fresh as the connection allows
    Pull,
}

/// Arguments of `snapshot`.
#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// The camera
    pub camera: String,
    /// Its rendition
    #[arg(short, long, default_value = "main")]
    pub rendition: String,
    /// The file to write; `-` is stdout
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FILE",
        default_value = "snapshot.jpg"
    )]
    pub file: PathBuf,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub timeout: std::time::Duration,
    /// Where NATS is.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Listen for so many seconds; every camera speaks at least once in five
    #[arg(long, value_name = "SECONDS", default_value = "5.5", value_parser = seconds)]
    pub wait: std::time::Duration,
    /// A table, or one JSON object per camera
    #[arg(short, long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
    /// Where NATS is.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// A folder of manifests or a single file; may be repeated
    #[arg(short = 'f', long = "filename", value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Look into folders below as well
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// One line per problem, or one JSON object per problem
    #[arg(short, long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

/// Arguments of `devices`.
#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// Only this one, with everything that it offers: its path, model, serial number or USB path
    pub device: Option<String>,
    /// Print the manifest of a Camera that reads it, named by its serial number, or else by where it is plugged in
    #[arg(long, conflicts_with = "output")]
    pub manifest: bool,
    /// A table, or one JSON object per device
    #[arg(short, long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
    /// State folder of the `up` whose cameras are named as users, where it is not a default one
    #[arg(long, value_name = "DIR", env = "STREAMHUB_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
}

/// The subcommands of `feedback`.
#[derive(Debug, Subcommand)]
pub enum FeedbackCommand {
    /// Put an event into the metadata of the following frames
    ///
    /// The hub must know the module and the event. An empty payload ('') clears it.
    Send(FeedbackArgs),
}

/// Arguments of `feedback send`.
#[derive(Debug, Args)]
pub struct FeedbackArgs {
    /// The module, as the hub configures it
    pub module: String,
    /// Its event
    pub event: String,
    /// A JSON object of at most 8 KiB, or '' to clear the event
    pub payload: String,
    /// Only for this camera; otherwise for every camera of the hub
    #[arg(long)]
    pub camera: Option<String>,
    /// Where NATS is.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// Arguments of the hidden guard.
#[derive(Debug, Args)]
pub struct GuardArgs {
    /// Process that must be our parent
    #[arg(long)]
    pub parent: i32,
    /// The command to become
    #[arg(last = true, required = true)]
    pub command: Vec<std::ffi::OsString>,
}

fn seconds(text: &str) -> Result<std::time::Duration, String> {
    let value: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    std::time::Duration::try_from_secs_f64(value)
        .map_err(|_| "not a positive number of seconds".to_owned())
}
