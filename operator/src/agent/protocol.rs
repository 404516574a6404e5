//! The kubelet's APIs, on unix sockets of the node. Messages have the fields that are sent or read here; both sides skip
//! what they do not know.

pub mod device_plugin;
pub mod pod_resources;
