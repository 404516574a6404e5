//! Where a command looks: on this machine or in a cluster.

use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::args::{Cli, PlaceArgs};
use crate::up::runtime::Runtime;

/// What kubectl looks for when somebody types `kubectl streamhub`.
const PLUGIN: &str = "kubectl-streamhub";

/// Where a command looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At a `streamhub up` on this machine.
    Here,
    /// In a cluster.
    Cluster,
}

/// What decides, beside the command line.
#[derive(Debug, Clone, Copy, Default)]
struct Surroundings {
    plugin: bool,
    up: bool,
    kubeconfig: bool,
}

impl Place {
    /// Decides; `cluster` when the command line has more that only a cluster can mean.
    pub fn choose(args: &PlaceArgs, cluster: bool) -> Self {
        let surroundings = Surroundings {
            plugin: is_plugin(),
            up: args.state_dir.is_some() || !running(args).is_empty(),
            kubeconfig: has_kubeconfig(),
        };
        decide(args, cluster, surroundings)
    }
}

fn decide(args: &PlaceArgs, cluster: bool, around: Surroundings) -> Place {
    if args.local {
        return Place::Here;
    }
    let named = cluster || args.context.is_some() || args.kubeconfig.is_some();
    if named || around.plugin || (around.kubeconfig && !around.up) {
        Place::Cluster
    } else {
        Place::Here
    }
}

/// The `up` of the state folder that is named, or all with default ones.
pub fn running(args: &PlaceArgs) -> Vec<Runtime> {
    match &args.state_dir {
        Some(dir) => Runtime::read(dir).into_iter().collect(),
        None => Runtime::find_all(),
    }
}

/// Whether kubectl started us, or somebody by that name.
pub fn is_plugin() -> bool {
    std::env::args_os().next().is_some_and(|name| {
        Path::new(&name)
            .file_stem()
            .is_some_and(|stem| stem == PLUGIN)
    })
}

/// What a person typed before the subcommand.
pub fn invoked_as() -> &'static str {
    if is_plugin() {
        "kubectl streamhub"
    } else {
        "streamhub"
    }
}

/// The command line, with usage as it was typed.
pub fn command_line() -> Cli {
    let mut command = Cli::command();
    if is_plugin() {
        command = command.bin_name(invoked_as());
    }
    let matches = command.get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn has_kubeconfig() -> bool {
    let listed = std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty());
    let files: Vec<PathBuf> = match listed {
        Some(list) => std::env::split_paths(&list).collect(),
        None => std::env::home_dir()
            .map(|home| home.join(".kube/config"))
            .into_iter()
            .collect(),
    };
    files.iter().any(|file| file.is_file()) || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_goes_before_what_is_found() {
        let nothing = Surroundings::default();
        let up = Surroundings {
            up: true,
            ..nothing
        };
        let kubeconfig = Surroundings {
            kubeconfig: true,
            ..nothing
        };
        let both = Surroundings {
            up: true,
            ..kubeconfig
        };
        let plugin = Surroundings {
            plugin: true,
            ..both
        };
        let quiet = PlaceArgs::default();
        let local = PlaceArgs {
            local: true,
            ..quiet.clone()
        };
        let context = PlaceArgs {
            context: Some("site".into()),
            ..quiet.clone()
        };
        let namespace = PlaceArgs {
            namespace: Some("site".into()),
            ..quiet.clone()
        };
        for (args, cluster, around, place) in [
            (&quiet, false, nothing, Place::Here),
            (&quiet, false, up, Place::Here),
            (&quiet, false, kubeconfig, Place::Cluster),
            (&quiet, false, both, Place::Here),
            (&quiet, false, plugin, Place::Cluster),
            (&quiet, true, both, Place::Cluster),
            (&namespace, false, both, Place::Here),
            (&context, false, both, Place::Cluster),
            (&local, false, plugin, Place::Here),
        ] {
            assert_eq!(decide(args, cluster, around), place, "{args:?} {around:?}");
        }
    }
}
