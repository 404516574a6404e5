//! From the URL of a NATS server to a pod behind it.

use std::net::IpAddr;

use async_nats::ServerAddr;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::Api;

use super::{Cluster, ClusterError};

/// A Service that a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The URL as it was written.
    pub url: String,
    /// Namespace of the Service.
    pub namespace: String,
    /// Its name.
    pub service: String,
    /// Its port.
    pub port: u16,
}

/// A port of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// The pod's namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// The port.
    pub port: u16,
}

impl Target {
    /// Reads a URL as a pod in `namespace` would.
    pub fn parse(url: &str, namespace: &str) -> Result<Self, ClusterError> {
        let elsewhere = |why: &str| ClusterError::Elsewhere {
            url: url.to_owned(),
            why: why.to_owned(),
        };
        let address: ServerAddr = url.parse().map_err(|_| elsewhere("not a NATS URL"))?;
        let host = address.host().trim_end_matches('.');
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<IpAddr>().is_ok() || host == "localhost" {
            return Err(elsewhere("the URL names no Service"));
        }
        let labels: Vec<&str> = host.split('.').collect();
        let (service, namespace) = match labels.as_slice() {
            [service] => (*service, namespace),
            // The last one is a pod of a headless Service.
            [service, namespace]
            | [service, namespace, "svc", ..]
            | [_, service, namespace, "svc", ..] => (*service, *namespace),
            _ => return Err(elsewhere("its host is not a name of a Service")),
        };
        Ok(Self {
            url: url.to_owned(),
            namespace: namespace.to_owned(),
            service: service.to_owned(),
            port: address.port(),
        })
    }

    /// The same URL, by way of a local port.
    pub fn url_at(&self, port: u16) -> String {
        let scheme = self
            .url
            .split_once("://")
            .map_or("nats", |(scheme, _)| scheme);
        format!("{scheme}://127.0.0.1:{port}")
    }

    /// A pod that is ready now.
    pub async fn backend(&self, cluster: &Cluster) -> Result<Backend, ClusterError> {
        let Self {
            url,
            namespace,
            service,
            port,
        } = self;
        let elsewhere = |why: String| ClusterError::Elsewhere {
            url: url.clone(),
            why,
        };
        let services: Api<Service> = Api::namespaced(cluster.client.clone(), namespace);
        let what = || format!("read Service {namespace}/{service} of {url}");
        let found = cluster.ask(what, services.get_opt(service)).await?;
        let found =
            found.ok_or_else(|| elsewhere(format!("there is no Service {namespace}/{service}")))?;
        let spec = found.spec.unwrap_or_default();
        let selector = match spec.selector {
            Some(selector) if !selector.is_empty() => selector,
            _ => {
                return Err(elsewhere(format!(
                    "Service {namespace}/{service} selects no pods"
                )));
            }
        };
        let ports = spec.ports.unwrap_or_default();
        let Some(listed) = ports.iter().find(|it| it.port == i32::from(*port)) else {
            return Err(ClusterError::NotFound(format!(
                "Service {namespace}/{service} has no port {port}, which {url} names"
            )));
        };
        let labels: Vec<String> = selector
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
        let what = format!("pods of Service {namespace}/{service}");
        let pods = cluster.list(&pods, &what, &labels.join(",")).await?;
        let Some(pod) = pods.iter().find(|pod| is_ready(pod)) else {
            return Err(ClusterError::NotFound(format!(
                "no pod of Service {namespace}/{service} is ready ({} there); `kubectl -n {namespace} get pods -l {}` \
                 shows them",
                pods.len(),
                labels.join(",")
            )));
        };
        Ok(Backend {
            namespace: namespace.clone(),
            pod: pod.metadata.name.clone().unwrap_or_default(),
            port: target_port(pod, listed.target_port.as_ref(), *port),
        })
    }
}

/// Whether a pod takes connections.
fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|it| it.conditions.as_ref());
    let ready = conditions
        .into_iter()
        .flatten()
        .any(|it| it.type_ == "Ready" && it.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}

fn target_port(pod: &Pod, target: Option<&IntOrString>, port: u16) -> u16 {
    let number = match target {
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(name)) => pod
            .spec
            .iter()
            .flat_map(|spec| &spec.containers)
            .flat_map(|container| container.ports.iter().flatten())
            .find(|port| port.name.as_deref() == Some(name))
            .map(|port| port.container_port),
        None => None,
    };
    number
        .and_then(|number| u16::try_from(number).ok())
        .unwrap_or(port)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(url: &str) -> Option<(String, String, u16)> {
        let target = Target::parse(url, "site").ok()?;
        Some((target.namespace, target.service, target.port))
    }

    #[test]
    fn names_of_services_are_told_from_other_hosts() {
        let some = |namespace: &str, service: &str, port| {
            Some((namespace.to_owned(), service.to_owned(), port))
        };
        for (url, expected) in [
            ("nats://nats", some("site", "nats", 4222)),
            ("nats://nats:4333", some("site", "nats", 4333)),
            ("tls://nats.messaging:4222", some("messaging", "nats", 4222)),
            ("nats://nats.messaging.svc", some("messaging", "nats", 4222)),
            (
                "nats://nats.messaging.svc.cluster.local.:4222",
                some("messaging", "nats", 4222),
            ),
            (
                "nats://nats-0.nats.messaging.svc.cluster.local",
                some("messaging", "nats", 4222),
            ),
            ("nats://connect.ngs.global", None),
            ("nats://10.0.0.9:4222", None),
            ("nats://[fd00::9]:4222", None),
            ("nats://localhost:4222", None),
        ] {
            assert_eq!(named(url), expected, "{url}");
        }
    }

    #[test]
    fn a_named_port_is_looked_up_in_the_pod() {
        let pod: Pod = serde_json::from_value(json!({"spec": {"containers": [
            {"name": "nats", "ports": [{"name": "nats", "containerPort": 4244}]}
        ]}}))
        .unwrap();
        let name = IntOrString::String("nats".into());
        assert_eq!(target_port(&pod, Some(&name), 4222), 4244);
        assert_eq!(target_port(&pod, Some(&IntOrString::Int(4255)), 4222), 4255);
        assert_eq!(target_port(&pod, None, 4222), 4222);
    }

    #[test]
    fn the_scheme_stays_on_the_way_through_a_local_port() {
        let target = Target::parse("tls://nats.messaging.svc:4222", "site").unwrap();
        assert_eq!(target.url_at(1234), "tls://127.0.0.1:1234");
    }
}
