//! What matters of a camera's pod.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use streamhub_plan::CameraKey;

use super::placement::Wishes;
use crate::names;

/// Begins the kubelet's reason where it has fewer of a resource than the scheduler believed.
const OUT_OF_DEVICES: &str = "OutOfstreamhub.dev/";

/// What matters of a camera's pod.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PodFacts {
    /// Its identity.
    pub uid: String,
    /// Its version, for writes that must not meet another one.
    pub version: String,
    /// The uid of the Camera that it belongs to; `None` where none does.
    pub owner: Option<String>,
    /// Its labels and annotations that are ours.
    pub marks: Marks,
    /// When its deletion was asked for, UNIX milliseconds.
    pub deleting_since: Option<u64>,
    /// `Pending`, `Running`, `Succeeded` or `Failed`.
    pub phase: String,
    /// Why it failed as a whole, such as `Evicted`.
    pub reason: Option<String>,
    /// The same for people.
    pub message: Option<String>,
    /// The node that it is on.
    pub node: Option<String>,
    /// Which nodes it wants. Pods that want the same share it.
    pub wishes: Arc<Wishes>,
    /// The device that it asks for, by its resource.
    pub device: Option<String>,
    /// When its node would not have it, though the scheduler had put it there, UNIX milliseconds: a kubelet that has just
    /// started looks at its pods before it knows of any device.
    pub rejected: Option<u64>,
    /// Its address.
    pub ip: Option<String>,
    /// Whether the kubelet found it ready, and since when, UNIX milliseconds.
    pub ready: Option<u64>,
    /// Why it has no node.
    pub unschedulable: Option<String>,
    /// Its container.
    pub container: Container,
}

/// Labels and annotations that are ours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks {
    labels: Pairs,
    annotations: Pairs,
}

/// Names, in order, and values. There are two of these for each pod: a tree takes several times as much.
type Pairs = Box<[(Box<str>, Box<str>)]>;

/// How it is with the container that reads the camera.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Container {
    /// Whether it runs.
    pub running: bool,
    /// Why it waits, such as `ImagePullBackOff`, and the kubelet's words.
    pub waiting: Option<(String, String)>,
    /// How it ended last.
    pub ended: Option<Ended>,
    /// How often it was started again.
    pub restarts: i32,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ended {
    /// Such as `OOMKilled` or `Error`.
    pub reason: String,
    /// Its exit code.
    pub code: i32,
    /// Its last words.
    pub message: String,
}

impl Ended {
    /// As one word for people to look for.
    pub fn kind(&self) -> &'static str {
        if self.reason == "OOMKilled" {
            "OOMKilled"
        } else {
            "ProcessEnded"
        }
    }
}

/// With the end of what it said last; the ingest process writes no secrets there.
impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "its process ended with {} (exit code {})",
            self.reason, self.code
        )?;
        if self.reason == "OOMKilled" {
            f.write_str(": it took more memory than it may; raise spec.pod.resources.limits.memory, or ask for less")?;
        }
        let line = self.message.trim().lines().last().unwrap_or_default();
        if line.is_empty() {
            return Ok(());
        }
        let line: String = line.chars().take(300).collect();
        write!(f, ": {line}")
    }
}

impl PodFacts {
    /// Reads a pod; `None` for one that is no camera's by its name.
    pub fn new(pod: Pod) -> Option<(CameraKey, Self)> {
        let metadata = pod.metadata;
        let key = CameraKey {
            namespace: metadata.namespace.clone()?,
            name: names::camera_of(metadata.name.as_deref()?)?.to_owned(),
        };
        let status = pod.status.unwrap_or_default();
        let condition = |kind: &str| {
            let conditions = status.conditions.iter().flatten();
            conditions
                .into_iter()
                .find(|condition| condition.type_ == kind)
        };
        let ready = condition("Ready").filter(|ready| ready.status == "True");
        let ready = ready.map(|ready| ready.last_transition_time.as_ref().map_or(0, millis));
        let scheduled = condition("PodScheduled").filter(|scheduled| scheduled.status == "False");
        let unschedulable = scheduled.and_then(|scheduled| scheduled.message.clone());
        Some((
            key,
            Self {
                ready,
                unschedulable,
                owner: owner(&metadata),
                marks: Marks::new(&metadata),
                deleting_since: metadata.deletion_timestamp.as_ref().map(millis),
                rejected: rejected(&metadata, &status),
                uid: metadata.uid.unwrap_or_default(),
                version: metadata.resource_version.unwrap_or_default(),
                wishes: pod
                    .spec
                    .as_ref()
                    .map(Wishes::new)
                    .unwrap_or_default()
                    .into(),
                device: pod.spec.as_ref().and_then(device),
                node: pod.spec.and_then(|spec| spec.node_name),
                container: Container::new(&status),
                phase: status.phase.unwrap_or_default(),
                reason: status.reason,
                message: status.message,
                ip: status.pod_ip,
            },
        ))
    }

    /// One of our labels.
    pub fn label(&self, name: &str) -> Option<&str> {
        find(&self.marks.labels, name)
    }

    /// One of our annotations.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        find(&self.marks.annotations, name)
    }

    /// Whether it has come to its end and will not run again.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase.as_str(), "Failed" | "Succeeded")
    }

    /// Whether it is on the node of a device and has asked for it, and will not end by itself.
    pub fn holds(&self, node: &str, resource: &str) -> bool {
        !self.is_finished() && self.deleting_since.is_none() && self.wants(node, resource)
    }

    /// Whether it is on the node of a device and has asked for it.
    pub fn wants(&self, node: &str, resource: &str) -> bool {
        self.node.as_deref() == Some(node) && self.device.as_deref() == Some(resource)
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        let mut other = other.clone();
        other.version.clone_from(&self.version);
        *self == other
    }
}

impl Marks {
    fn new(metadata: &ObjectMeta) -> Self {
        let ours = |all: &Option<BTreeMap<String, String>>| -> Pairs {
            let ours = all.iter().flatten().filter(|(key, _)| {
                key.starts_with("streamhub.dev/") || key.starts_with("app.kubernetes.io/")
            });
            ours.map(|(key, value)| (key.as_str().into(), value.as_str().into()))
                .collect()
        };
        Self {
            labels: ours(&metadata.labels),
            annotations: ours(&metadata.annotations),
        }
    }
}

fn find<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    let place = pairs.binary_search_by(|(key, _)| key.as_ref().cmp(name));
    let (_, value) = pairs.get(place.ok()?)?;
    Some(value)
}

impl Container {
    fn new(status: &PodStatus) -> Self {
        let containers = status.container_statuses.iter().flatten();
        let found = containers
            .into_iter()
            .find(|status| status.name == names::CONTAINER);
        found.map(Self::of).unwrap_or_default()
    }

    fn of(status: &ContainerStatus) -> Self {
        let state = status.state.clone().unwrap_or_default();
        let last = status.last_state.clone().unwrap_or_default().terminated;
        let ended = state.terminated.or(last).map(|ended| Ended {
            reason: ended.reason.unwrap_or_default(),
            code: ended.exit_code,
            message: ended.message.unwrap_or_default(),
        });
        let words = |text: Option<String>| text.unwrap_or_default();
        Self {
            running: state.running.is_some(),
            waiting: state
                .waiting
                .map(|waiting| (words(waiting.reason), words(waiting.message))),
            ended,
            restarts: status.restart_count,
        }
    }
}

fn device(spec: &PodSpec) -> Option<String> {
    let limits = spec
        .containers
        .iter()
        .filter_map(|container| container.resources.as_ref()?.limits.as_ref());
    let mut names = limits.flat_map(BTreeMap::keys);
    names
        .find(|name| name.starts_with(names::DEVICE_RESOURCE))
        .cloned()
}

fn rejected(metadata: &ObjectMeta, status: &PodStatus) -> Option<u64> {
    let reason = status.reason.as_deref()?;
    let for_want_of_a_device =
        reason == "UnexpectedAdmissionError" || reason.starts_with(OUT_OF_DEVICES);
    if status.phase.as_deref() != Some("Failed") || !for_want_of_a_device {
        return None;
    }
    // The kubelet writes no time of it; the API server keeps when it wrote the status last.
    let fields = metadata.managed_fields.iter().flatten();
    let written = fields.filter(|it| it.subresource.as_deref() == Some("status"));
    let last = written.filter_map(|it| it.time.as_ref()).map(millis).max();
    Some(last.unwrap_or_default())
}

fn owner(metadata: &ObjectMeta) -> Option<String> {
    let owners = metadata.owner_references.iter().flatten();
    let ours = owners.into_iter().find(|owner| {
        let group = owner.api_version.split_once('/').map(|(group, _)| group);
        owner.controller == Some(true)
            && owner.kind == "Camera"
            && group == Some(streamhub_crds::GROUP)
    });
    ours.map(|owner| owner.uid.clone())
}

fn millis(time: &Time) -> u64 {
    u64::try_from(time.0.as_millisecond()).unwrap_or_default()
}
