//! What matters of a node.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Node;

use super::placement::Offer;
use crate::names;

/// What matters of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeFacts {
    /// Since when it is not ready, UNIX milliseconds; `None` while it is.
    pub not_ready_since: Option<u64>,
    /// Which pods it takes.
    pub offer: Offer,
    /// Which of its starts this is.
    pub boot_id: String,
    /// The devices that its kubelet can give to pods, by their resources.
    pub devices: BTreeSet<String>,
}

impl NodeFacts {
    /// Reads a node.
    pub fn new(node: &Node) -> Option<(String, Self)> {
        let name = node.metadata.name.clone()?;
        let conditions = node
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_ref());
        let ready = conditions
            .into_iter()
            .flatten()
            .find(|condition| condition.type_ == "Ready");
        // One that has just joined and says nothing yet is not lost.
        let not_ready = ready.filter(|ready| ready.status != "True");
        let since = not_ready.map(|ready| {
            ready
                .last_transition_time
                .as_ref()
                .map_or(0, |time| time.0.as_millisecond())
        });
        let not_ready_since = since.map(|since| u64::try_from(since).unwrap_or_default());
        let offer = Offer::new(node.metadata.labels.as_ref(), node.spec.as_ref());
        let info = node
            .status
            .as_ref()
            .and_then(|status| status.node_info.as_ref());
        let allocatable = node
            .status
            .as_ref()
            .and_then(|status| status.allocatable.as_ref());
        let ours = allocatable.into_iter().flatten().filter(|(name, amount)| {
            name.starts_with(names::DEVICE_RESOURCE)
                && amount.0.parse().is_ok_and(|all: u32| all > 0)
        });
        Some((
            name,
            Self {
                not_ready_since,
                offer,
                boot_id: info.map(|info| info.boot_id.clone()).unwrap_or_default(),
                devices: ours.map(|(name, _)| name.clone()).collect(),
            },
        ))
    }
}
