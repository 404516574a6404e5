//! Words of the commands that work in a cluster and on this machine.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Format, seconds};

/// Which cluster, or this machine.
///
/// `kubectl streamhub`, `--context` and `--kubeconfig` mean a cluster, `--local` this machine. Otherwise an `up` that
/// runs here goes first, then the current context of the kubeconfig.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Place")]
pub struct PlaceArgs {
    /// Namespace; without it that of the kubeconfig's context, or `default`
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// Context of the kubeconfig
    #[arg(long)]
    pub context: Option<String>,
    /// The kubeconfig; without it those of $KUBECONFIG, else ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Look at a `streamhub up` on this machine, not at a cluster
    #[arg(long, conflicts_with_all = ["context", "kubeconfig"])]
    pub local: bool,
    /// State folder of the `up` to look at, where it is not a default one
    #[arg(long, value_name = "DIR", env = "STREAMHUB_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
}

/// Arguments of `top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Cameras of all namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["namespace", "local"])]
    pub all_namespaces: bool,
    /// Only those of this hub
    #[arg(long)]
    pub hub: Option<String>,
    /// List again every two seconds, until Ctrl-C
    #[arg(short, long)]
    pub watch: bool,
    /// Wait so long for pods to answer; those that did not are listed as their Camera says
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub timeout: Duration,
    /// A table, or one JSON object per camera
    #[arg(short, long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
    /// Where.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// `camera/NAME` or just NAME, `hub/NAME`, or `installation`; without it everything in the namespace
    #[arg(value_name = "WHAT", num_args = 0..=2)]
    pub what: Vec<String>,
    /// Cameras and hubs of all namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["namespace", "local"])]
    pub all_namespaces: bool,
    /// Write what was looked at into a .tar.gz: objects, events, logs and statuses, without secrets
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// For people, or one JSON object per finding
    #[arg(short, long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
    /// Where.
    #[command(flatten)]
    pub place: PlaceArgs,
}
