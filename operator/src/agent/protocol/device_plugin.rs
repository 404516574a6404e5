//! The device plugin API: `k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1`.

use prost::Message;

pub use server::device_plugin_client as client;
pub use server::device_plugin_server as plugin;
pub use server::registration_client as registration;
#[cfg(test)]
pub use server::registration_server as kubelet;

/// Of the API.
pub const VERSION: &str = "v1beta1";
/// Health of a device that may be given out.
pub const HEALTHY: &str = "Healthy";
/// Health of one that may not.
pub const UNHEALTHY: &str = "Unhealthy";

/// Nothing.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Empty {}

/// A plugin says that it is there.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RegisterRequest {
    /// Of the API.
    #[prost(string, tag = "1")]
    pub version: String,
    /// Name of the plugin's socket, beside the kubelet's.
    #[prost(string, tag = "2")]
    pub endpoint: String,
    /// The resource that its devices are.
    #[prost(string, tag = "3")]
    pub resource_name: String,
    /// What it would be asked besides.
    #[prost(message, optional, tag = "4")]
    pub options: Option<DevicePluginOptions>,
}

/// What a plugin would be asked besides.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct DevicePluginOptions {
    /// Before each start of a container.
    #[prost(bool, tag = "1")]
    pub pre_start_required: bool,
    /// Which of several devices it would rather give out.
    #[prost(bool, tag = "2")]
    pub get_preferred_allocation_available: bool,
}

/// All devices of a plugin.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ListAndWatchResponse {
    /// Each with its health.
    #[prost(message, repeated, tag = "1")]
    pub devices: Vec<Device>,
}

/// One unit of a resource.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Device {
    /// Its name, at most 63 characters.
    #[prost(string, tag = "1")]
    pub id: String,
    /// [`HEALTHY`] or [`UNHEALTHY`].
    #[prost(string, tag = "2")]
    pub health: String,
}

/// A pod is being admitted.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct AllocateRequest {
    /// What its containers were given.
    #[prost(message, repeated, tag = "1")]
    pub container_requests: Vec<ContainerAllocateRequest>,
}

/// What a container was given.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ContainerAllocateRequest {
    /// Names of devices.
    #[prost(string, repeated, tag = "1")]
    pub device_ids: Vec<String>,
}

/// What the containers need for that.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct AllocateResponse {
    /// In the order of the request.
    #[prost(message, repeated, tag = "1")]
    pub container_responses: Vec<ContainerAllocateResponse>,
}

/// What a container needs for its devices.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ContainerAllocateResponse {
    /// Device nodes.
    #[prost(message, repeated, tag = "3")]
    pub devices: Vec<DeviceSpec>,
}

/// A device node.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DeviceSpec {
    /// Where it is in the container.
    #[prost(string, tag = "1")]
    pub container_path: String,
    /// Where it is on the node.
    #[prost(string, tag = "2")]
    pub host_path: String,
    /// `r`, `w` and `m`, as in a cgroup.
    #[prost(string, tag = "3")]
    pub permissions: String,
}

/// Asked of plugins that say they have preferences; ours have none.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct PreferredAllocationRequest {}

/// No preference.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct PreferredAllocationResponse {}

/// Asked of plugins that say they want it; ours do not.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct PreStartContainerRequest {}

/// Nothing to be done.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct PreStartContainerResponse {}

/// As `build.rs` writes them.
#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated")]
mod server {
    use super::*;

    include!(concat!(env!("OUT_DIR"), "/v1beta1.Registration.rs"));
    include!(concat!(env!("OUT_DIR"), "/v1beta1.DevicePlugin.rs"));
}
