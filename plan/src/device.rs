//! The device that a selector came to.

use std::fmt;

use serde::Serialize;
use streamhub_crds::{Camera, DeviceIdentity, DeviceSelector, Source};

/// The device that a camera's selector came to, in a cluster. Whoever is given another one, or the same one in another
/// place, has to be started anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Tells it from all others: the name of its `VideoDevice`.
    pub id: String,
    /// The node that has it.
    pub node: String,
    /// Where it is in `/dev` of that node.
    pub path: String,
    /// Its device number there, where that is told: a container may open the number that it was started with, and no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The extended resource that stands for it.
    pub resource: String,
    /// The group that may open it.
    pub gid: u32,
    /// What tells the process that it was given the right one.
    pub identity: DeviceIdentity,
}

/// For people: its id, and where it is.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} of node {})", self.id, self.path, self.node)
    }
}

/// Whether a camera has something to show without any device.
pub fn can_do_without(camera: &Camera) -> bool {
    let mut sources = camera.spec.source.all();
    sources.any(|source| !matches!(source, Source::V4l2(_)))
}

/// The selectors of a camera's source and its fallbacks.
pub fn selectors(camera: &Camera) -> impl Iterator<Item = &DeviceSelector> {
    camera.spec.source.all().filter_map(|source| match source {
        Source::V4l2(v4l2) => Some(&v4l2.device_selector),
        _ => None,
    })
}
