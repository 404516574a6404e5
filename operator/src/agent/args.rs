//! Command line of `streamhub-node-agent`; every option can be given by an environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

use crate::args::Logging;
use crate::settings::{everywhere, is_v6};

/// Finds the capture devices of a node, offers each to the kubelet as a resource of its own, and says in `VideoDevices`
/// how they are.
///
/// One runs on each node. Exit codes: 0 ended as asked; 1 could not go on, start it again; 2 wrong usage.
#[derive(Debug, Clone, Parser)]
#[command(version, name = "streamhub-node-agent")]
pub struct Args {
    /// Name of the node that it runs on
    #[arg(long, env = "NODE_NAME", value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub node: String,
    /// Where the kubelet keeps its files: `--root-dir` of the kubelet
    #[arg(
        long,
        env = "STREAMHUB_KUBELET_DIR",
        value_name = "FOLDER",
        default_value = "/var/lib/kubelet"
    )]
    pub kubelet_dir: PathBuf,
    /// Where the node's devices are seen; in a container, where its /dev is mounted
    #[arg(
        long,
        env = "STREAMHUB_DEV_DIR",
        value_name = "FOLDER",
        default_value = "/dev"
    )]
    pub dev_dir: PathBuf,
    /// Where the node's sysfs is seen
    #[arg(
        long,
        env = "STREAMHUB_SYS_DIR",
        value_name = "FOLDER",
        default_value = "/sys"
    )]
    pub sys_dir: PathBuf,
    /// File with the id of the node's boot, as the kubelet reads it
    #[arg(
        long,
        env = "STREAMHUB_BOOT_ID_FILE",
        value_name = "FILE",
        default_value = "/proc/sys/kernel/random/boot_id"
    )]
    pub boot_id_file: PathBuf,
    /// How many pods may share the node's graphics (streamhub.dev/dri), and how many its V4L2 codecs (streamhub.dev/m2m); 0:
    /// neither is offered
    #[arg(
        long,
        env = "STREAMHUB_ACCELERATED_PODS",
        value_name = "NUMBER",
        default_value_t = 16,
        value_parser = clap::value_parser!(u32).range(0..=256)
    )]
    pub accelerated_pods: u32,
    /// Take every video node that sysfs names for a capture device, and ask no driver: for tests with nodes that none is
    /// behind
    #[arg(long, env = "STREAMHUB_TRUST_SYSFS", hide = true)]
    pub trust_sysfs: bool,
    /// This pod's name: without it and the namespace, a kubelet that starts is believed before it knows its pods
    #[arg(long, env = "POD_NAME", value_name = "NAME", hide = true)]
    pub pod_name: Option<String>,
    /// This pod's namespace
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME", hide = true)]
    pub pod_namespace: Option<String>,
    /// This pod's address, whose family it listens on
    #[arg(long, env = "POD_IP", value_name = "IP", hide = true)]
    pub pod_ip: Option<String>,
    /// Address for /healthz, /readyz and /metrics [default: port 8082 of all addresses]
    #[arg(long, env = "STREAMHUB_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// How it logs
    #[command(flatten)]
    pub log: Logging,
}

const PORT: u16 = 8082;

impl Args {
    /// Where it listens.
    pub fn listen(&self) -> SocketAddr {
        let v6 = is_v6(self.pod_ip.as_deref());
        self.listen.unwrap_or_else(|| everywhere(v6, PORT))
    }

    /// The pod that this runs in, by namespace and name.
    pub fn pod(&self) -> Option<String> {
        let (namespace, name) = (self.pod_namespace.as_ref()?, self.pod_name.as_ref()?);
        Some(format!("{namespace}/{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_a_name_and_pods_share_within_bounds() {
        let parse = |more: &[&str]| {
            let all = ["streamhub-node-agent"].iter().chain(more);
            Args::try_parse_from(all)
        };
        assert!(parse(&["--node", ""]).is_err());
        assert!(parse(&["--node", "n", "--accelerated-pods", "257"]).is_err());
        let args = parse(&["--node", "n", "--pod-ip", "fd00::1"]).unwrap();
        assert_eq!(args.listen().to_string(), "[::]:8082");
        assert_eq!(args.pod(), None);
        let pod = ["--node", "n", "--pod-name", "p", "--pod-namespace", "s"];
        assert_eq!(parse(&pod).unwrap().pod().as_deref(), Some("s/p"));
    }
}
