//! What the command line says, made ready for use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde::Serialize;
use streamhub_crds::{NatsServer, PodSettings, SecretRef, fingerprint};

use crate::args::Args;

/// Of /healthz, /readyz and /metrics.
const PORT: u16 = 8081;

/// What this operator is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Namespaces that it looks after; none: all.
    pub namespaces: Vec<String>,
    /// What camera pods are made of.
    pub pods: PodRecipe,
    /// The NATS server of hubs that name none.
    pub nats: Option<NatsServer>,
    /// How long a node must be not ready before it counts as lost.
    pub node_lost_after: Duration,
    /// Whether nodes are looked at.
    pub watch_nodes: bool,
    /// Whether capture devices are looked at.
    pub watch_devices: bool,
    /// Where health and metrics are served.
    pub listen: SocketAddr,
    /// Who this is.
    pub identity: String,
    /// The Lease's name, and its namespace where one was given.
    pub lease: (String, Option<String>),
}

/// What every camera pod of this installation has in common. A change of it replaces pods bit by bit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PodRecipe {
    /// What the installation is called.
    pub release: String,
    /// The image.
    pub image: String,
    /// When the image is pulled.
    pub pull_policy: &'static str,
    /// Secrets that it is pulled with.
    pub pull_secrets: Vec<String>,
    /// What a Camera's `spec.pod` does not say.
    pub defaults: PodSettings,
    /// Address that the process listens on, without the port.
    pub listen: &'static str,
}

impl PodRecipe {
    /// Tells one recipe from the next.
    pub fn hash(&self) -> String {
        fingerprint(self)
    }
}

impl From<Args> for Settings {
    fn from(args: Args) -> Self {
        let listed = |names: Vec<String>| -> Vec<String> {
            let mut names: Vec<String> = names
                .into_iter()
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect();
            names.sort();
            names.dedup();
            names
        };
        let url = args.nats_url.and_then(|url| url.0);
        let secret = args.nats_credentials_secret.and_then(|secret| secret.0);
        let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let v6 = is_v6(args.pod_ip.as_deref());
        Self {
            namespaces: listed(args.namespaces),
            pods: PodRecipe {
                release: args.release,
                image: args.ingest_image,
                pull_policy: args.ingest_image_pull_policy.as_str(),
                pull_secrets: listed(args.image_pull_secrets),
                defaults: args.pod_defaults,
                listen: if v6 { "[::]" } else { "0.0.0.0" },
            },
            nats: url.map(|url| NatsServer {
                url: Some(url),
                credentials_secret_ref: secret.map(|name| SecretRef { name }),
                subject_prefix: None,
            }),
            node_lost_after: args.node_lost_after,
            watch_nodes: args.watch_nodes,
            watch_devices: args.watch_devices,
            listen: args.listen.unwrap_or_else(|| everywhere(v6, PORT)),
            identity: args.identity.unwrap_or_else(|| host().trim().to_owned()),
            lease: (args.lease_name, args.lease_namespace),
        }
    }
}

/// Whether a pod's address is one of IPv6.
pub(crate) fn is_v6(pod_ip: Option<&str>) -> bool {
    pod_ip.is_some_and(|ip| ip.contains(':'))
}

/// A port of all addresses: kernels without IPv6 do not know its "all".
pub(crate) fn everywhere(v6: bool, port: u16) -> SocketAddr {
    let any = if v6 {
        IpAddr::from(Ipv6Addr::UNSPECIFIED)
    } else {
        IpAddr::from(Ipv4Addr::UNSPECIFIED)
    };
    SocketAddr::new(any, port)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn where_addresses_are_ipv6_all_listen_there() {
        let settings = |more: &[&str]| {
            let given = ["streamhub-operator", "--ingest-image", "ingest:1"];
            let settings = Settings::from(Args::parse_from(given.iter().chain(more)));
            (settings.listen.to_string(), settings.pods.listen)
        };
        let v4 = ("0.0.0.0:8081".to_owned(), "0.0.0.0");
        assert_eq!(settings(&["--pod-ip", "10.0.0.1"]), v4);
        let v6 = ("[::]:8081".to_owned(), "[::]");
        assert_eq!(settings(&["--pod-ip", "fd00::1"]), v6);
        let given = settings(&["--pod-ip", "fd00::1", "--listen", "127.0.0.1:1"]);
        assert_eq!(given.0, "127.0.0.1:1");
    }
}
