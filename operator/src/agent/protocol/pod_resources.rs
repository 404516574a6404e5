//! The kubelet's list of what its pods were given: `k8s.io/kubelet/pkg/apis/podresources/v1`.

use prost::Message;

pub use service::pod_resources_lister_client as client;
#[cfg(test)]
pub use service::pod_resources_lister_server as kubelet;

/// Of all pods of the node.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct ListPodResourcesRequest {}

/// The pods of the node.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ListPodResourcesResponse {
    /// All of them.
    #[prost(message, repeated, tag = "1")]
    pub pod_resources: Vec<PodResources>,
}

/// What a pod was given.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct PodResources {
    /// The pod's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its namespace.
    #[prost(string, tag = "2")]
    pub namespace: String,
    /// By container.
    #[prost(message, repeated, tag = "3")]
    pub containers: Vec<ContainerResources>,
}

/// What a container was given.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ContainerResources {
    /// By resource.
    #[prost(message, repeated, tag = "2")]
    pub devices: Vec<ContainerDevices>,
}

/// Devices of one resource.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ContainerDevices {
    /// The resource.
    #[prost(string, tag = "1")]
    pub resource_name: String,
    /// Names of devices.
    #[prost(string, repeated, tag = "2")]
    pub device_ids: Vec<String>,
}

/// As `build.rs` writes it.
#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated")]
mod service {
    use super::*;

    include!(concat!(env!("OUT_DIR"), "/v1.PodResourcesLister.rs"));
}
