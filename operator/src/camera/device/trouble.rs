//! Why a camera can't have the device that it means.

use streamhub_crds::DeviceSelector;
use streamhub_devices::hopeless;

use crate::world::PodFacts;

/// As many devices are named in one message.
const NAMED: usize = 8;

/// Why a camera can't have the device that it means.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Trouble {
    /// Devices are not looked at.
    #[error(
        "this installation brings no capture devices to pods: set nodeAgent.enabled of the chart, or use streamhub up on the \
         machine that has the device"
    )]
    NotWatched,
    /// What devices there are has not been told yet.
    #[error(
        "the VideoDevices of the cluster have not been listed yet; if this stays, the operator's log says why: they need \
         their definition, and the operator a right to list and watch them"
    )]
    NotListed,
    /// Nobody has ever told of a device.
    #[error(
        "no node agent has reported any capture device: there is no VideoDevice; plug the device in, and see that the chart's \
         node agent runs on its node: nodeAgent.enabled, nodeAgent.nodeSelector, and a namespace whose level of Pod Security is \
         privileged (pod-security.kubernetes.io/enforce)"
    )]
    NoAgent,
    /// It is not plugged in.
    #[error("{}", missing(.selector, .last.as_ref()))]
    Missing {
        /// What was looked for.
        selector: Box<DeviceSelector>,
        /// What was known of it last.
        last: Option<LastSeen>,
    },
    /// Several could be meant.
    #[error(
        "{} devices have {selector}: {}; add serial, usbPath or node to deviceSelector, so that it fits one",
        .candidates.len(), listed(.candidates)
    )]
    Ambiguous {
        /// What was looked for.
        selector: Box<DeviceSelector>,
        /// What was found, for people.
        candidates: Vec<String>,
    },
    /// Somebody else has it.
    #[error("{device} is in use by pod {holder}; end that, or choose another device")]
    Busy {
        /// The device, for people.
        device: String,
        /// Namespace and name of a pod.
        holder: String,
    },
    /// It is not for this namespace.
    #[error(
        "VideoDevice {device} is not for Cameras of namespace {namespace}; an administrator may add the namespace to its \
         spec.allowedNamespaces"
    )]
    NotAllowed {
        /// Its name.
        device: String,
        /// The camera's namespace.
        namespace: String,
    },
    /// It is a device that is of no use.
    #[error("{device} can't be used: {why}")]
    Unsupported {
        /// The device, for people.
        device: String,
        /// Why, and what to do, in the words of the node agent.
        why: String,
    },
    /// A pod gets one device at most.
    #[error(
        "a Camera of a cluster may use one capture device, as its source or as one of its fallbacks; make a Camera for each"
    )]
    TooMany,
    /// Its node can't give it to a pod.
    #[error("{device} is there, but {}", .trouble.about(.node))]
    NodeUnavailable {
        /// The device, for people.
        device: String,
        /// Its node.
        node: String,
        /// Its resource.
        resource: String,
        /// What is wrong with the node.
        trouble: NodeTrouble,
    },
}

/// What was known last of a device that is unplugged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSeen {
    /// What it is.
    pub what: String,
    /// The node that it was on.
    pub node: String,
    /// Where it was in `/dev`.
    pub path: String,
    /// When.
    pub at: Option<String>,
}

/// Why a node can't give a device to a new pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeTrouble {
    /// Nothing is known of nodes yet.
    NotListed,
    /// It does not answer.
    NotReady,
    /// It takes no new pods.
    Cordoned,
    /// It takes no pods like this one, and why.
    Refuses(String),
    /// It is no more.
    Gone,
    /// It was started anew, and what is known of its devices is from before.
    Restarted,
    /// Its kubelet does not know of the device, or not any more.
    NotOffered,
}

impl NodeTrouble {
    fn about(&self, node: &str) -> String {
        match self {
            Self::NotListed => "the nodes of the cluster have not been listed yet; if this stays, the operator's log says why".to_owned(),
            Self::NotReady => {
                format!("node {node} is not ready; bring it back, or plug the device into another node")
            }
            Self::Cordoned => {
                format!("node {node} is cordoned: kubectl uncordon {node}, or plug the device into another node")
            }
            Self::Refuses(why) => format!(
                "node {node} takes no pod of this Camera: {why}; change the node, or spec.pod of the Camera"
            ),
            Self::Gone => format!("node {node} is not part of the cluster any more"),
            Self::Restarted => {
                format!("node {node} has restarted, and its node agent has not reported yet")
            }
            Self::NotOffered => format!(
                "the kubelet of node {node} does not offer it to pods yet; if this stays, look at the node agent there"
            ),
        }
    }

    /// Whether it passes by itself as soon as the node is all there again.
    pub fn passes(&self) -> bool {
        matches!(self, Self::NotListed | Self::Restarted | Self::NotOffered)
    }
}

impl Trouble {
    /// The reason as one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotWatched | Self::NotListed | Self::NoAgent | Self::Missing { .. } => {
                "DeviceMissing"
            }
            Self::Ambiguous { .. } => "DeviceAmbiguous",
            Self::Busy { .. } => "DeviceBusy",
            Self::NotAllowed { .. } => "DeviceNotAllowed",
            Self::Unsupported { .. } => "DeviceUnsupported",
            Self::TooMany => "Unsupported",
            Self::NodeUnavailable { .. } => "NodeUnavailable",
        }
    }

    /// Whether a pod of the camera is left alone.
    pub fn keeps(&self, pod: &PodFacts) -> bool {
        match self {
            Self::NotListed => true,
            Self::NodeUnavailable { node, resource, .. } => pod.holds(node, resource),
            _ => false,
        }
    }

    /// Whether somebody has to change something; a device may yet be plugged in, a node come back.
    pub fn is_stalled(&self) -> bool {
        match self {
            Self::NotWatched
            | Self::Ambiguous { .. }
            | Self::NotAllowed { .. }
            | Self::Unsupported { .. }
            | Self::TooMany => true,
            Self::NotListed
            | Self::NoAgent
            | Self::Missing { .. }
            | Self::Busy { .. }
            | Self::NodeUnavailable { .. } => false,
        }
    }

    /// Whether it is over, for whoever a pod was made for, once the node is all there again.
    pub fn passes_for(&self, pod: &PodFacts) -> bool {
        match self {
            Self::NotListed => true,
            Self::NodeUnavailable {
                node,
                resource,
                trouble,
                ..
            } => trouble.passes() && pod.wants(node, resource),
            _ => false,
        }
    }
}

fn missing(selector: &DeviceSelector, last: Option<&LastSeen>) -> String {
    let Some(last) = last else {
        if let Some(why) = hopeless(selector) {
            return format!("no node can report a device with {selector}: {why}");
        }
        return format!(
            "no node has reported a device with {selector}; plug it in, or compare with kubectl get videodevices -o wide"
        );
    };
    let what = match last.what.as_str() {
        "" => String::new(),
        what => format!(" ({what})"),
    };
    let at = last.at.as_ref().map(|at| format!(" at {at}"));
    format!(
        "the device with {selector}{what} is unplugged: it was last seen on node {} as {}{}; plug it in again",
        last.node,
        last.path,
        at.unwrap_or_default()
    )
}

fn listed(candidates: &[String]) -> String {
    let mut text = candidates
        .iter()
        .take(NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join("; ");
    if let Some(more) = candidates.len().checked_sub(NAMED).filter(|more| *more > 0) {
        text = format!("{text}; and {more} more");
    }
    text
}
